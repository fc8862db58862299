# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action rollout: the lock, the document of a run, which hosts are its business, what stands where."""

from __future__ import annotations

import json
import os
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import journal, lock, rollout
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import Failed
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.deployment import Job, _record

ALL = ["br1", "ce42", "fx5k", "br2", "webserver"]
LOCK = Path("build/rollout.lock")


@pytest.fixture
def opened(run_action, hostvars):
    """opened(args) -> the result of opening a run; the plan is written."""
    assert not run_action("plan", {}, {"hostvars": hostvars}).get("failed")
    return lambda check_mode=False, **args: run_action(
        "rollout", {"hosts": ALL, **args}, check_mode=check_mode
    )


@pytest.fixture
def closed(run_action):
    return lambda run: run_action("rollout", {"state": "closed", "run": run})


def held_by(**values):
    """Somebody holds the lock."""
    mine = {"run": "other", "who": "ann", "since": "2026-11-23T08:45:00+00:00", "host": os.uname().nodename}
    LOCK.parent.mkdir(exist_ok=True)
    pid = os.getppid()
    LOCK.write_text(json.dumps({**mine, "pid": pid, "born": lock.born(pid), **values}))


def did(run, host, verdict=journal.CHANGED, left="changed and confirmed", before="", started="", **values):
    """A run's record of a host."""
    node = NodePlan(name=host, role="gateway", platform="linux", services=(), dialect="json")
    entry = journal.Entry("build", _record(Job(run=run, node=node, wanted="")))
    entry.end(verdict, left, before=before, started=started or entry.record.started, **values)


def test_a_run_has_a_document_a_lock_and_an_order(opened, closed):
    run = opened(run="r1", canary=["br2", "webserver"], batches=[1, "10%"])
    assert run["order"] == ["br2", "br1", "ce42"]
    document = json.loads(Path(run["document"]).read_text())
    assert (document["kind"], document["verdict"], document["hosts"]) == ("deploy", "running", None)
    assert (document["canary"], document["batches"]) == (["br2"], [1, "10%"])
    assert LOCK.is_file()

    did("r1", "br2")
    did("r1", "br1", journal.FAILED, "unchanged", message="propose: no")
    result = closed("r1")
    assert result["verdict"] == "failed"
    lines = [" ".join(line.split()) for line in result["text"].splitlines()]
    assert lines[0] == "deploy r1: failed"
    assert lines[3:] == [
        "changed 1: br2 changed and confirmed",
        "failed 1: br1 unchanged propose: no",
        "not begun 1: ce42 not touched by this run",
    ]
    assert not LOCK.exists()
    # A second time it says the same.
    assert closed("r1")["text"] == result["text"]


def test_a_run_in_which_all_stand_is_done(opened, closed):
    opened(run="r1")
    for host in ("br1", "br2"):
        did("r1", host)
    did("r1", "ce42", journal.UNCHANGED, "unchanged")
    assert closed("r1")["verdict"] == "done"


@pytest.mark.parametrize("check_mode", [True, False])
def test_where_nothing_is_to_be_deployed_the_reasons_are_told(opened, check_mode):
    assert "warnings" not in opened(check_mode=True)
    result = opened(check_mode=check_mode, hosts=["fx5k", "webserver"])
    assert result["order"] == []
    (warning,) = result["warnings"]
    assert warning.startswith("nothing is to be deployed to any of 2: fx5k (br2 takes its place: ")
    assert warning.endswith(", webserver (not in the plan)")


def test_check_mode_leaves_the_lock_free_and_asks_for_none(opened):
    held_by()
    assert opened(check_mode=True)["order"] == ["br1", "ce42", "br2"]
    assert json.loads(LOCK.read_text())["run"] == "other"
    assert not Path("build/journal").exists()


@pytest.mark.parametrize("values", [{}, {"host": "another-controller", "pid": 1, "born": "?"}])
def test_a_lock_that_is_held_is_honoured(opened, run_action, values):
    held_by(**values)
    for result in (opened(), run_action("rollout", {"state": "free"})):
        assert result["failed"]
        assert (
            "another rollout is under way: run other of ann since 2026-11-23T08:45:00+00:00" in result["msg"]
        )
    assert json.loads(LOCK.read_text())["run"] == "other"


@pytest.mark.parametrize("values", [{"pid": 2**22 - 1, "born": "1"}, {"born": "another process"}])
def test_a_dead_lock_is_taken_over_and_its_run_is_marked(opened, values):
    opened(run="dead")
    did("dead", "br1")
    held_by(run="dead", **values)
    assert opened(run="next")["run"] == "next"
    assert json.loads(LOCK.read_text())["run"] == "next"
    document = rollout.read("build", "dead")
    assert document.verdict == "interrupted"
    assert [state.verdict for state in document.hosts.values()] == ["changed", "not begun", "not begun"]


def test_a_file_that_is_no_lock_is_told(opened):
    LOCK.parent.mkdir(exist_ok=True)
    LOCK.write_text("{")
    assert "not a lock" in opened()["msg"]


def test_names_of_runs(opened, closed):
    first = opened()["run"]
    closed(first)
    assert opened(run=first)["msg"].startswith(f"the journal has a run {first} already")
    assert "names no run" in opened(run="../elsewhere")["msg"]
    assert "names no run" in opened(run=".hidden")["msg"]


def test_to_resume_leaves_out_what_stands(opened, closed):
    opened(run="r1")
    did("r1", "br1")
    closed("r1")
    second = opened(run="r2", of="r1")
    assert second["order"] == ["ce42", "br2"]
    assert json.loads(Path(second["document"]).read_text())["stand"] == ["br1"]
    closed("r2")
    # Also through a run that resumed itself.
    assert opened(check_mode=True, of="r2")["order"] == ["ce42", "br2"]
    assert "no deployment r9" in opened(of="r9")["msg"]
    Path("build/plan.json").write_text(Path("build/plan.json").read_text() + " ")
    assert "the plan is another than in r1" in opened(of="r1")["msg"]


RUNS = [
    ("r1", "br1", journal.CHANGED, "changed and confirmed"),
    ("r1", "ce42", journal.UNCHANGED, "unchanged"),
    ("r2", "ce42", journal.CHANGED, "changed and confirmed"),
    ("r3", "br2", journal.STARTED, journal.APPLYING),
    ("r4", "br2", journal.FAILED, "unchanged"),
    ("r4", "ce42", journal.CHANGED, "changed and confirmed"),
]


@pytest.fixture
def history(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    for run, host, verdict, left in RUNS:
        did(run, host, verdict, left, started=f"2026-11-23T08:0{run[1]}:00+00:00")


def test_what_a_run_changed_goes_back(history):
    assert rollout.to_take_back("build", "r1", through=False) == {"br1": "r1"}
    # It may have: its controller died.
    assert rollout.to_take_back("build", "r3", through=False) == {"br2": "r3"}
    assert rollout.to_take_back("build", "r4", through=False) == {"ce42": "r4"}
    with pytest.raises(Failed, match="the journal has no run r9; it has 4: r4, r3, r2, r1"):
        rollout.to_take_back("build", "r9", through=False)


def test_later_runs_of_the_same_hosts_are_named_or_taken_back_too(history):
    with pytest.raises(Failed, match="r2 is not the last run that changed its hosts: r4 changed 1: ce42"):
        rollout.to_take_back("build", "r2", through=False)
    assert rollout.to_take_back("build", "r2", through=True) == {"ce42": "r2", "br2": "r3"}
    assert rollout.to_take_back("build", "r1", through=True) == {"br1": "r1", "ce42": "r2", "br2": "r3"}
