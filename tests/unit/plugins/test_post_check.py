# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which hosts behind edges are asked before a change is confirmed, and what counts as their answer."""

from __future__ import annotations

import fcntl
import json
import sys
import threading
from dataclasses import replace
from pathlib import Path
from types import MappingProxyType

import pytest
from ansible.inventory.manager import split_host_pattern
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import journal, plan_file, post_check, rollout
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.deployment import Job, _record
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.language import TEMPLATES

PLAN = "build/plan.json"
VARIABLES = MappingProxyType(
    {
        "groups": {"ipv4aas_vantages": ["pc", "stranger"]},
        "hostvars": {"pc": {"ipv4aas_vantage_of": "ce42"}, "stranger": {}},
    }
)


@pytest.fixture
def planned(run_action, hostvars):
    """planned(host) -> its node; the plan is written."""
    assert not run_action("plan", {}, {"hostvars": hostvars}).get("failed")
    return lambda host: plan_file.nodes(PLAN, [host])[0]


def stands(node, run="r1", verdict=journal.CHANGED, **values):
    """A run has brought the node to what is planned now."""
    job = Job(run=run, node=node, wanted=render(node, TEMPLATES, node.dialect))
    journal.Entry("build", _record(job)).end(verdict, "changed and confirmed", **values)


def test_an_edge_is_asked_once_it_and_the_gateways_stand(planned):
    gateway, edge, other = planned("br1"), planned("ce42"), planned("br2")

    def asked(node, variables=VARIABLES):
        return post_check.vantages(node, PLAN, post_check.places(variables), "build")

    # At first nothing runs behind which one could ask.
    assert asked(gateway) == asked(edge) == []
    stands(gateway)
    assert asked(edge) == []  # the other gateway does not stand yet
    stands(other)
    assert asked(edge) == ["pc"]
    assert asked(gateway) == []
    stands(edge)
    assert asked(gateway) == ["pc"]
    # An edge of another plan, and one of which the last run does not know how it left it.
    stands(edge, run="r2", plan="other")
    assert asked(gateway) == []
    stands(edge, run="r3", verdict=journal.STARTED, before="")
    assert asked(gateway) == []
    # A run that has not touched it yet, or left it as it was, changes nothing of what is known.
    stands(edge, run="r4")
    journal.Entry("build", _record(Job(run="r5", node=edge, wanted="")))
    assert asked(gateway) == ["pc"]
    assert asked(edge, {"groups": {}}) == []
    # Behind one edge nobody can tell of a change of another.
    assert asked(replace(edge, name="ce43")) == []


VERDICTS = [
    ([{"verdict": "pass"}, {"verdict": "n/a"}], 0, ""),
    ([{"verdict": "pass"}, {"verdict": "fail", "msg": "icmp: no answer"}], 2, "pc: icmp: no answer"),
    ([{"verdict": "n/a"}], 0, "no probe could be run from pc"),
    ([{"msg": "no python"}], 0, "no probe could be run from pc"),
    (None, 4, "no probe could be run from pc"),
    ([{"verdict": "pass"}], 4, "ipv4aas.fleet.verify ended with 4: ... unreachable"),
]


@pytest.mark.parametrize(("verdicts", "code", "told"), VERDICTS)
def test_only_a_passed_check_of_every_host_is_a_success(tmp_path, verdicts, code, told):
    if verdicts is not None:
        (tmp_path / "pc.json").write_text(json.dumps(verdicts))
    problems = post_check.judge(["pc"], tmp_path, code, "unreachable\n")
    assert problems[:1] == ([told] if told else [])


class Asked(post_check.Probes):
    """Probes whose playbook is a program of the test."""

    def _command(self, folder):
        script = (
            "import pathlib, sys, time; count = pathlib.Path('asked');"
            "[time.sleep(0.01) for _ in iter(pathlib.Path('go').exists, True)];"
            "count.write_text(count.read_text() + 'x' if count.exists() else 'x');"
            "pathlib.Path(sys.argv[1], 'pc.json').write_text('[{\"verdict\": \"pass\"}]')"
        )
        return [sys.executable, "-c", script, folder]


def probes(tmp_path, monkeypatch, kind=Asked, **values):
    monkeypatch.chdir(tmp_path)
    options = {"vantages": ("pc",), "checks": ("tcp_udp",), "plan": PLAN, "folder": tmp_path, "seconds": 60}
    return kind(**options | values)


def test_hosts_that_wait_at_the_same_time_share_an_answer(tmp_path, monkeypatch):
    asking = probes(tmp_path, monkeypatch)
    lock, waiting = fcntl.flock, threading.Semaphore(0)
    monkeypatch.setattr(fcntl, "flock", lambda *words: (waiting.release(), lock(*words)))
    answers: list[list[str]] = []
    threads = [threading.Thread(target=lambda: answers.append(asking())) for _ in range(6)]
    for thread in threads:
        thread.start()
    for _thread in threads:
        assert waiting.acquire(timeout=60)
    Path("go").touch()
    for thread in threads:
        thread.join()
    assert answers == [[]] * 6
    # Who asks first does so alone; the others' changes were made before the second was asked.
    assert len(Path("asked").read_text()) == 2
    assert asking() == []
    assert len(Path("asked").read_text()) == 3


def test_probes_that_do_not_end_are_no_success(tmp_path, monkeypatch):
    asking = probes(tmp_path, monkeypatch, seconds=0.05)
    assert asking() == ["the probes from pc did not end within 0.05 s"]


def test_the_command_names_inventory_variables_and_hosts(tmp_path, monkeypatch):
    monkeypatch.setattr(
        post_check.context, "CLIARGS", {"inventory": ["hosts.yml"], "extra_vars": ["@vars.yml"]}
    )
    asking = probes(tmp_path, monkeypatch, kind=post_check.Probes, vantages=("pc", "2001:db8::1"))
    words = asking._command("/tmp/verdicts")
    assert words[1:5] == ["-m", "ansible", "playbook", "ipv4aas.fleet.verify"]
    assert words[words.index("-i") + 1] == "hosts.yml"
    assert words[words.index("-e") + 1] == "@vars.yml"
    assert words[-2] == "--limit"
    assert split_host_pattern(words[-1]) == ["pc", "2001:db8::1", "ipv4aas_references"]
    more = json.loads(words[words.index("--limit") - 1])
    assert more == {"verify_plan": PLAN, "verify_checks": ["tcp_udp"], "verify_dest": "/tmp/verdicts"}


def test_a_command_has_only_the_time_that_there_is():
    assert post_check.command("br1", ["sleep", "5"], 0.05)() == ["sleep did not end within 0.05 s"]


def test_a_stopped_run_confirms_nothing(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    rollout.stop("build", "r1", "br1")
    assert rollout.stopped_at("build", "r1") == ""  # a run of one host alone


def test_a_stop_is_seen_by_all_while_others_fail_too(tmp_path, monkeypatch):
    """Whoever asks in the moment in which another host stops the run as well must not find it going on."""
    monkeypatch.chdir(tmp_path)
    values = {"kind": "deploy", "who": "me", "controller": "here", "started": "now", "plan": ""}
    rollout.write("build", rollout.Run(run="r1", order=("br1", "br2"), **values))
    rollout.stop("build", "r1", "br1")
    ended = threading.Event()

    def fail() -> None:
        while not ended.is_set():
            rollout.stop("build", "r1", "br2")

    others = [threading.Thread(target=fail) for _ in range(2)]
    for other in others:
        other.start()
    seen = {rollout.stopped_at("build", "r1") for _ in range(5000)}
    ended.set()
    for other in others:
        other.join()
    assert seen == {"br1"}  # the first that failed, each time
