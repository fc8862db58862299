# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many hosts in one task: deploy_batch and drift_batch_info, over sessions in memory."""

from __future__ import annotations

import errno
import json
import os
import pwd
import re
import signal
import threading
import time
from collections.abc import Mapping
from pathlib import Path

import pytest
from ansible.errors import AnsibleError
from ansible_collections.ipv4aas.fleet.engine.transport.session import TransportError
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import (
    device,
    files,
    journal,
    own_options,
    rollout,
    side_by_side,
)
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import Failed

ROUTERS = ["r1", "r2", "r3", "r4"]


class Devices:
    """A configuration for each device, and a session that reads and changes it."""

    def __init__(self) -> None:
        self.running = dict.fromkeys(ROUTERS, "")
        self.targets = {}
        self.fail_at = {}  # name -> step
        self.together = threading.Barrier(1)
        self.threads = set()

    def session_for(self, platform, dialect, target, *, allow_weaker, options):
        self.targets[target.host] = target
        return Session(self, target.host)


class Session:
    reverts_by_itself = True

    def __init__(self, devices, name):
        self.devices, self.name = devices, name
        self.before = self.staged = None

    def __enter__(self):
        self.devices.threads.add(threading.current_thread())
        self.devices.together.wait(10)
        self.at("connect")
        return self

    def __exit__(self, *_error):
        pass

    def at(self, step):
        if self.devices.fail_at.get(self.name) == step:
            raise TransportError(step, "no answer", "unchanged")

    def begin(self):
        self.at("begin")

    def read(self):
        self.at("read")
        return self.devices.running[self.name]

    def propose(self, change):
        self.staged = change
        return ""

    def apply(self, seconds):
        from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import host_deploy, plan_file

        self.before = self.devices.running[self.name]
        node = plan_file.node_to_configure("build/plan.json", self.name)
        self.devices.running[self.name] = host_deploy.render(node, host_deploy.TEMPLATES, node.dialect)

    def confirm(self):
        self.at("confirm")
        self.before = None

    def revert(self):
        if self.before is not None:
            self.devices.running[self.name] = self.before


class Variables(Mapping):
    """Of a host, as Ansible's hostvars have them: one may have no value."""

    def __init__(self, values):
        self.values_ = values

    def __getitem__(self, name):
        value = self.values_[name]
        if isinstance(value, AnsibleError):
            raise value
        return value

    def __contains__(self, name):
        return name in self.values_

    def __iter__(self):
        return iter(self.values_)

    def __len__(self):
        return len(self.values_)


@pytest.fixture
def devices(monkeypatch) -> Devices:
    made = Devices()
    monkeypatch.setattr(device, "session_for", made.session_for)
    return made


@pytest.fixture
def on_hosts(run_action, hostvars, devices):
    """on_hosts(action, args, check_mode=False): runs it on four routers and what else the plan has."""
    router = {
        **hostvars["br1"],
        "ipv4aas_platform": "juniper_mx",
        "ipv4aas_dialect": "cli",
        "ipv4aas_options": {"service_interface": "si-0/0/0"},
    }
    fleet = {**hostvars, **{name: dict(router) for name in ROUTERS}}
    assert not run_action("plan", {}, {"hostvars": fleet}).get("failed")

    def run(name, args=None, variables=None, host="br1", **more):
        for name_of_host, own in (variables or {}).items():
            fleet[name_of_host] = {**fleet[name_of_host], **own}
        hostvars = {each: Variables(values) for each, values in fleet.items()}
        seen = {"hostvars": hostvars, "ansible_forks": 4, "inventory_hostname": host}
        return run_action(name, {"hosts": ROUTERS, **(args or {})}, seen, **more)

    return run


def opened(run: str) -> None:
    """A document that says that a run is under way."""
    values = {"kind": "deploy", "who": "me", "controller": "here", "started": "now", "plan": ""}
    rollout.write("build", rollout.Run(run=run, order=tuple(ROUTERS), **values))


def test_every_host_has_a_result_and_a_record_of_its_own(on_hosts, devices):
    first = on_hosts("deploy_batch", {"run": "one"})
    assert not first.get("failed"), first
    assert first["changed"]
    assert list(first["hosts"]) == ROUTERS
    for name in ROUTERS:
        result = first["hosts"][name]
        assert (result["verdict"], result["left"]) == ("changed", "changed and confirmed")
        assert "ipv4aas-hall7" in result["diff"]["prepared"]
        record = json.loads(Path(result["journal"]).read_text())
        assert (record["host"], record["verdict"], record["before"]) == (name, "changed", "")
        assert "secret" not in json.dumps(record)
    assert "secret" not in json.dumps(first)
    second = on_hosts("deploy_batch", {"run": "two"})
    assert not second["changed"]
    assert {result["verdict"] for result in second["hosts"].values()} == {"unchanged"}
    assert {result["drift"] for result in on_hosts("drift_batch_info")["hosts"].values()} == {False}


@pytest.mark.parametrize("threads", [None, 2])
def test_as_many_at_a_time_as_there_are_threads(on_hosts, devices, threads):
    """All threads wait until as many have come as there may be; one less, and none would get on."""
    devices.together = threading.Barrier(threads or 4)
    result = on_hosts("drift_batch_info", {"threads": threads} if threads else {})
    assert result["failed_hosts"] == []
    assert len(devices.threads) == (threads or 4)


def test_hosts_of_ansibles_own_connection_are_left_to_another_task(on_hosts, devices):
    hosts = ["br1", "r1", "fx5k", "webserver"]
    for name in ("deploy_batch", "drift_batch_info"):
        result = on_hosts(name, {"hosts": hosts})
        assert result["elsewhere"] == ["br1"]
        assert list(result["hosts"]) == ["r1", "fx5k", "webserver"]
        assert result["hosts"]["fx5k"]["skipped_reason"].startswith("br2 takes its place")
        assert result["hosts"]["webserver"]["skipped_reason"] == "the plan does not have it"
    assert {record.host for record in journal.records("build", journal.runs("build")[0])} == {"r1"}


def test_one_that_fails_fails_the_task_and_stops_the_run(on_hosts, devices):
    devices.fail_at = {"r2": "begin"}
    opened("one")
    result = on_hosts("deploy_batch", {"run": "one", "threads": 1})
    assert result["failed"]
    assert result["failed_hosts"] == ["r2"]
    assert result["msg"] == "r2: begin: no answer (device: unchanged)"
    assert result["hosts"]["r1"]["verdict"] == "changed"
    for name in ("r3", "r4"):
        assert result["hosts"][name]["skipped_reason"] == "not begun: r2 failed, and the run stops there"
        assert devices.running[name] == ""
    assert {record.host for record in journal.records("build", "one")} == {"r1", "r2"}


@pytest.mark.parametrize(
    ("verdict", "fail_at", "said"),
    [
        ("changed", {}, r"record: \[Errno 28\] .*r2\.json' \(device: changed and confirmed\)"),
        (
            "failed",
            {"r2": "begin"},
            r"record: begin: no answer \(device: unchanged\); and then: .*r2\.json' \(device: unchanged\)",
        ),
    ],
)
def test_on_a_full_disk_the_device_is_told_of_and_the_run_stops(
    on_hosts, devices, monkeypatch, verdict, fail_at, said
):
    def write(dest, record):
        if (record.host, record.verdict) == ("r2", verdict):
            raise OSError(errno.ENOSPC, "No space left on device", str(dest) + "/r2.json")
        return kept(dest, record)

    kept = journal.write
    monkeypatch.setattr(journal, "write", write)
    devices.fail_at = fail_at
    opened("one")
    result = on_hosts("deploy_batch", {"run": "one", "threads": 1})
    assert result["failed_hosts"] == ["r2"]
    assert re.fullmatch(said, result["hosts"]["r2"]["msg"])
    assert result["hosts"]["r3"]["skipped_reason"] == "not begun: r2 failed, and the run stops there"


def test_what_cannot_be_written_leaves_nothing_behind(tmp_path, monkeypatch):
    def full(old, new):
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(os, "replace", full)
    with pytest.raises(OSError, match="No space left"):
        files.replace(tmp_path / "record.json", "{}")
    assert list(tmp_path.iterdir()) == []


def test_somebody_without_a_name_is_a_number(monkeypatch):
    for name in ("LOGNAME", "USER", "LNAME", "USERNAME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setattr(pwd, "getpwuid", lambda uid: {}[uid])
    assert journal.who() == f"uid {os.getuid()}"


def test_what_is_wrong_with_one_host_is_its_own_business(on_hosts, devices):
    wrong = {
        "r1": {"ansible_user": None},
        "r2": {"ansible_password": AnsibleError("cannot be decrypted")},
        "r3": {"drift_timeout": "soon"},
    }
    own = {"host_variables": {"timeout": "drift_timeout"}}
    result = on_hosts("drift_batch_info", own, wrong)
    assert not result.get("failed")
    assert result["failed_hosts"] == ["r1", "r2", "r3"]
    assert "ansible_user: not set" in result["hosts"]["r1"]["msg"]
    assert "cannot be decrypted" in result["hosts"]["r2"]["msg"]
    assert result["hosts"]["r3"]["msg"].startswith("drift_timeout: ")
    assert result["hosts"]["r4"]["drift"]


def test_a_host_may_have_options_of_its_own(on_hosts, devices):
    own = {"host_variables": {"timeout": "drift_timeout", "known_hosts": "keys"}, "timeout": 7}
    on_hosts(
        "drift_batch_info", own, {"r1": {"drift_timeout": "5"}, "r2": {"drift_timeout": "", "keys": "/k"}}
    )
    assert {name: devices.targets[name].timeout for name in ("r1", "r2", "r3")} == {"r1": 5, "r2": 7, "r3": 7}
    assert [devices.targets[name].known_hosts for name in ("r1", "r2")] == [None, "/k"]

    # The task is r1's: its option is r1's own value, unless it is given by more than a host's variables.
    on_hosts("drift_batch_info", {**own, "timeout": 5}, host="r1")
    assert [devices.targets[name].timeout for name in ("r1", "r2", "r3")] == [5, 60, 60]
    on_hosts("drift_batch_info", {**own, "timeout": 9}, host="r1")
    assert [devices.targets[name].timeout for name in ("r1", "r2", "r3")] == [9, 9, 9]
    # What the task does not give is nobody's but each host's own.
    own = {"host_variables": own["host_variables"]}
    on_hosts("drift_batch_info", own, {"r2": {"drift_timeout": 8}}, host="r1")
    assert [devices.targets[name].timeout for name in ("r1", "r2", "r3")] == [5, 8, 60]
    told = on_hosts("drift_batch_info", {"host_variables": {"speed": "drift_speed"}})
    assert told["failed"] and told["msg"] == "host_variables: speed is no option"


def test_each_goes_back_to_before_its_own_run(on_hosts, devices, monkeypatch):
    on_hosts("deploy_batch", {"run": "one", "hosts": ["r1"]})
    on_hosts("deploy_batch", {"run": "two", "hosts": ["r2"]})
    tried = on_hosts("deploy_batch", {"targets": {"r1": "one", "r2": "two"}}, check_mode=True)
    assert {name: tried["hosts"][name]["changed"] for name in ("r1", "r2")} == {"r1": True, "r2": True}
    assert "- set" in tried["hosts"]["r1"]["diff"]["prepared"]
    # Never to the plan, which is what is taken back.
    assert tried["hosts"]["r3"]["skipped_reason"] == "the roll-back is not of this host"
    assert journal.runs("build") == ["one", "two"]
    other = on_hosts("deploy_batch", {"targets": {"r1": "two"}, "hosts": ["r1"]}, check_mode=True)
    assert other["hosts"]["r1"]["skipped_reason"] == "run two did not change it"


def test_a_failure_of_the_program_in_a_thread_is_that_of_a_host(on_hosts, devices, monkeypatch):
    monkeypatch.setattr(Session, "read", lambda self: 1 // 0)
    result = on_hosts("drift_batch_info")
    assert result["failed_hosts"] == ROUTERS
    assert "division" in result["hosts"]["r1"]["msg"]


@pytest.fixture
def two_processes(monkeypatch) -> None:
    monkeypatch.setattr(side_by_side, "cores", lambda: 2)
    monkeypatch.setattr(side_by_side, "LEAST", 1)


def test_in_processes_the_results_are_the_same(on_hosts, devices, two_processes):
    """But what they do to devices in memory is lost with them."""
    hosts = [*ROUTERS, "br1", "fx5k"]
    first = on_hosts("deploy_batch", {"run": "one", "hosts": hosts})
    assert not first.get("failed"), first
    assert set(devices.running.values()) == {""}
    assert list(first["hosts"]) == [*ROUTERS, "fx5k"]
    assert first["elsewhere"] == ["br1"]
    assert {first["hosts"][name]["left"] for name in ROUTERS} == {"changed and confirmed"}
    assert {record.verdict for record in journal.records("build", "one")} == {"changed"}
    drift = on_hosts("drift_batch_info", {"hosts": hosts})
    assert {drift["hosts"][name]["drift"] for name in ROUTERS} == {True}


def test_a_process_that_dies_is_a_failure_of_its_hosts_and_stops_the_run(
    on_hosts, devices, two_processes, monkeypatch
):
    opened("one")

    def die(self, seconds):
        if self.name == "r1":
            # Until a host of the other process is as far.
            deadline = time.monotonic() + 60
            while time.monotonic() < deadline and not any(
                record.host != "r1" and record.left == journal.APPLYING
                for record in journal.records("build", "one")
            ):
                time.sleep(0.01)
            os.kill(os.getpid(), signal.SIGKILL)
        apply(self, seconds)
        while not rollout.stopped_at("build", "one"):
            time.sleep(0.01)

    apply = Session.apply
    monkeypatch.setattr(Session, "apply", die)
    result = on_hosts("deploy_batch", {"run": "one", "threads": 2})
    assert result["failed"]
    assert result["hosts"]["r1"]["msg"] == "the process that was at it was ended by signal 9"
    assert "r1: the process that was at it was ended by signal 9" in result["msg"]
    told = {record.host: record for record in journal.records("build", "one")}
    assert (told["r1"].verdict, told["r1"].before, told["r1"].left) == ("failed", "", journal.APPLYING)
    assert told["r1"].message == "the process that was at it was ended by signal 9"
    assert told["r1"].finished and told["r1"].touched
    # Of the other process: what waited for its confirmation. What was not begun has no record.
    assert {record.verdict for record in told.values()} == {"failed"}
    assert {told[host].left for host in told if host != "r1"} == {"unchanged"}
    assert all("failed, and the run stops there" in told[host].message for host in told if host != "r1")
    assert len(told) == 2
    assert set(result["failed_hosts"]) == set(ROUTERS)


def test_a_process_that_dies_while_it_reads_takes_no_other_host_with_it(
    on_hosts, devices, two_processes, monkeypatch
):
    read = Session.read

    def die(self):
        if self.name == "r1":
            os._exit(4)
        return read(self)

    monkeypatch.setattr(Session, "read", die)
    monkeypatch.setattr(side_by_side, "_AHEAD", 0)
    result = on_hosts("drift_batch_info", {"threads": 2})
    assert not result.get("failed")
    assert result["failed_hosts"] == ["r1"]
    assert result["hosts"]["r1"]["msg"] == "the process that was at it ended with status 4"


def test_values_are_looked_up_before_they_are_asked_for():
    asked = Variables({"a": 1, "b": None, "c": AnsibleError("no value")})
    variable = own_options.looked_up("r1", asked, ["a", "b", "c", "d"])
    asked.values_.clear()
    assert variable("inventory_hostname") == "r1"
    assert (variable("a"), variable("b"), variable("d", "a"), variable("d")) == (1, None, 1, None)
    with pytest.raises(Failed, match="c: no value"):
        variable("c")
