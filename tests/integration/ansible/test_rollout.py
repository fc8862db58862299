# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rollouts over a fleet as an engineer runs them: canary, batches, faults in the middle, and the re-run."""

from __future__ import annotations

import contextlib
import copy
import fcntl
import json
import os
import signal
import subprocess
import sys
import threading
import time
from collections import Counter
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import side_by_side

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "emulator"))

from emulated_fleet import Fleet
from emulated_router import Order

HALL7 = {
    "technique": "map-e",
    "customers": {"ipv6": "2001:db8:6000::/56", "prefix_length": 64},
    "ipv4_pools": ["192.0.2.92/30"],
    "sharing": {"customers_per_address": 64, "reserved_ports": 4096},
    "gateway": {"address": "2001:db8:0:2900::1", "anycast": True},
    "backbone_mtu": 1500,
}
CARRIES = ("hall7",)
# A second of the routers lasts longer than any test: time passes when the test says so.
SECOND = 1000.0
ONE_THEN_TWO = {"ipv4aas_batches": [1, 2], "deploy_confirm_within": 30}


class Network:
    """Five emulated routers, their inventory, and the playbooks against them."""

    def __init__(self, folder: Path, fleet: Fleet, play: Callable[..., Any]) -> None:
        self.folder, self.fleet, self._play = folder, fleet, play
        self.inventory = folder / "hosts.yml"
        self.hosts = {device.name: device.variables() for device in fleet}
        self.service = copy.deepcopy(HALL7)
        self.foreign = {device.name: lines(device.router.text()) for device in fleet}
        self.write()

    def write(self, carries: tuple[str, ...] | None = CARRIES, **more: Any) -> None:
        """The inventory, with what all carry, and ``more`` beside the routers."""
        common: dict[str, Any] = {"ipv4aas_services": {"hall7": self.service}}
        if carries:
            common["ipv4aas_carries"] = list(carries)
        tree = {"all": {"vars": common, "hosts": self.hosts, **more}}
        self.inventory.write_text(json.dumps(tree), "utf-8")

    def move(self, address: str) -> None:
        """Another gateway address: every router has to change."""
        self.service["gateway"]["address"] = address
        self.write()

    def run(self, name: str, words: tuple[str, ...] = (), **variables: Any) -> Any:
        more = ("-e", json.dumps(ONE_THEN_TWO | variables))
        return self._play(name, *more, *words, inventory=self.inventory)

    def owned(self) -> dict[str, str]:
        return {
            device.name: driver(device.platform).owned(device.router.text(), "cli") for device in self.fleet
        }

    def carry(self, address: str) -> list[str]:
        """The routers that run the service with a gateway address."""
        return [name for name, text in self.owned().items() if address in text]

    def foreign_is_whole(self) -> bool:
        """Whether every line that is not ours is there as often as at first, and no other."""
        return all(
            lines(device.router.text()) - lines(self.owned()[device.name]) == self.foreign[device.name]
            for device in self.fleet
        )

    def documents(self) -> list[dict[str, Any]]:
        """Of all runs, the oldest first."""
        paths = sorted(self.folder.glob("build/journal/*.json"), key=lambda path: path.stat().st_ctime_ns)
        return [json.loads(path.read_text()) for path in paths]

    def states(self) -> dict[str, tuple[str, str]]:
        """What the newest run says of each router."""
        newest = max(self.documents(), key=lambda each: (each["started"], each["run"]))
        return {host: (state["verdict"], state["left"]) for host, state in newest["hosts"].items()}

    @property
    def lock(self) -> Path:
        return self.folder / "build" / "rollout.lock"


def lines(text: str) -> Counter[str]:
    """The lines that say something."""
    return Counter(line for line in text.splitlines() if line.strip() not in ("", "!"))


OLD, NEW, NEWER = "2001:db8:0:2900::1", "2001:db8:0:2900::2", "2001:db8:0:2900::3"
ALL = ["r0001", "r0002", "r0003", "r0004", "r0005"]
KEPT, UNTOUCHED = ("changed", "changed and confirmed"), ("not begun", "not touched by this run")


@pytest.fixture
def network(play: Callable[..., Any], tmp_path: Path) -> Iterator[Network]:
    """Routers that run the service already, by a first rollout."""
    with Fleet(tmp_path / "fleet", 5, SECOND) as fleet:
        made = Network(tmp_path, fleet, play)
        first = made.run("deploy")
        assert first.code == 0, first.out
        assert made.carry(OLD) == ALL
        yield made


def test_a_rollout_says_what_stands_where_and_a_second_changes_nothing(network: Network) -> None:
    network.move(NEW)
    before = network.owned()
    shown = network.run("deploy", ("--check", "--diff"))
    assert shown.code == 0, shown.out
    for name in ALL:
        _start, _name, difference = shown.out.partition(f"\n{name}:\n")
        assert NEW in difference.partition(f"changed: [{name}]")[0]
    assert network.owned() == before
    assert len(network.documents()) == 1
    done = network.run("deploy")
    assert done.code == 0, done.out
    assert network.carry(NEW) == ALL
    assert network.foreign_is_whole()
    document = network.documents()[-1]
    assert (document["verdict"], document["kind"], document["order"]) == ("done", "deploy", ALL)
    assert document["who"] and document["started"] <= document["finished"] and len(document["plan"]) == 64
    assert network.states() == dict.fromkeys(ALL, KEPT)
    assert "changed  5: r0001, r0002, r0003, r0004, r0005  changed and confirmed" in done.out
    assert not network.lock.exists()
    again = network.run("deploy")
    assert (again.code, again.count("changed")) == (0, 0), again.out


def test_check_mode_asks_every_device_whatever_another_one_says(network: Network) -> None:
    network.move(NEW)
    network.hosts["r0001"]["ansible_port"] = 1
    network.write()
    shown = network.run("deploy", ("--check", "--diff"))
    assert shown.code == 2, shown.out
    assert "failed: [r0001] => connect: " in shown.out
    assert [name for name in ALL if f"\n{name}:\n" in shown.out] == ALL[1:]


def test_check_mode_refuses_what_cannot_be_rendered(network: Network) -> None:
    network.hosts["r0002"]["ipv4aas_options"] = {"service_interface": "xe-0/0/0"}
    network.write()
    shown, done = network.run("deploy", ("--check",)), network.run("deploy")
    for run in (shown, done, network.run("plan", ("--check",))):
        assert run.code == 2
        assert "hosts.r0002.ipv4aas_options.service_interface: 'xe-0/0/0' does not fit" in run.out


@pytest.mark.parametrize(
    ("variables", "wrong"),
    [
        ({"ipv4aas_canary": "canarys"}, "ipv4aas_canary: no host is in canarys; name a group"),
        ({"ipv4aas_probes": ["tcp"]}, "value of probes must be one or more of: mtu, "),
        ({"ipv4aas_batches": [1, "half"]}, "batches: half is no size of a batch; a number of hosts"),
    ],
)
def test_an_order_that_cannot_be_is_refused_before_anything_is_touched(
    network: Network, variables: dict[str, Any], wrong: str
) -> None:
    network.move(NEW)
    stopped = network.run("deploy", **variables)
    assert stopped.code == 2
    assert wrong in stopped.out
    assert network.carry(OLD) == ALL and not network.lock.exists()


def test_a_batch_of_devices_and_a_host_that_ansible_is_connected_to(network: Network) -> None:
    """The host's software node is not installed; the devices of its batch were through before its turn."""
    network.hosts["sw"] = {
        "ansible_connection": "local",
        "ansible_python_interpreter": sys.executable,
        "ipv4aas_role": "gateway",
        "ipv4aas_platform": "linux",
    }
    network.move(NEW)
    stopped = network.run("deploy", ipv4aas_batches=["100%"])
    assert stopped.code == 2, stopped.out
    assert stopped.count("failed") == 1
    assert [name for name in ALL if f"changed: [{name}]" in stopped.out] == ALL
    assert network.carry(NEW) == ALL
    assert network.states() == {**dict.fromkeys(ALL, KEPT), "sw": ("failed", "unchanged")}
    assert not network.lock.exists()

    assert network.run("drift").code == 2
    report = json.loads((network.folder / "build/drift.json").read_text())
    assert (report["verdict"], report["same"]) == ("unread", ALL)
    assert [item["hosts"] for item in report["unread"]] == [["sw"]]


def test_a_canary_that_fails_is_the_only_one_touched(network: Network) -> None:
    network.move(NEW)
    typed = {device.name: len(device.router.journal) for device in network.fleet}
    network.fleet["r0003"].router.orders.append(Order("^commit$", answer="error: no\n% Failed to commit\n"))
    network.write(children={"canaries": {"hosts": {"r0003": {}}}})
    stopped = network.run("deploy", ipv4aas_canary="canaries")
    assert stopped.code != 0
    assert stopped.count("failed") == 1
    assert network.carry(NEW) == []
    assert [name for name in ALL if len(network.fleet[name].router.journal) > typed[name]] == ["r0003"]
    assert network.states() == {**dict.fromkeys(ALL, UNTOUCHED), "r0003": ("failed", "unchanged")}
    assert "not begun" in stopped.out and "r0001, r0002, r0004, r0005" in stopped.out
    assert not network.lock.exists()
    assert network.run("deploy", ipv4aas_canary="canaries").code == 0
    assert network.carry(NEW) == ALL


def test_a_fault_of_the_program_is_a_failure_too(network: Network) -> None:
    """Here a negative time, which a library does not like."""
    network.move(NEW)
    network.hosts["r0001"]["deploy_timeout"] = -1
    network.write()
    stopped = network.run("deploy")
    assert stopped.code != 0
    assert stopped.count("failed") == 1
    assert network.carry(NEW) == []
    assert network.states() == {**dict.fromkeys(ALL, UNTOUCHED), "r0001": ("failed", "unchanged")}
    assert not network.lock.exists()


def test_a_batch_that_fails_goes_back_and_the_run_is_resumed(network: Network) -> None:
    network.move(NEW)
    network.fleet["r0002"].router.orders.append(
        Order("^commit confirmed", after=network.fleet["r0002"].router.drop_sessions)
    )
    stopped = network.run("deploy", deploy_run="change-1")
    assert stopped.code != 0
    network.fleet["r0002"].router.settle()
    states = network.states()
    assert states["r0001"] == KEPT
    assert states["r0002"][0] == "failed" and "reverts by itself" in states["r0002"][1]
    assert (states["r0004"], states["r0005"]) == (UNTOUCHED, UNTOUCHED)
    # Its neighbour in the batch confirmed before, or went back, or never began; it is never in between.
    assert network.carry(NEW) == (["r0001", "r0003"] if states["r0003"] == KEPT else ["r0001"])

    typed = len(network.fleet["r0001"].router.journal)
    resumed = network.run("deploy", deploy_run="change-2", ipv4aas_resume="change-1")
    assert resumed.code == 0, resumed.out
    assert network.carry(NEW) == ALL
    assert len(network.fleet["r0001"].router.journal) == typed
    assert "r0001" in next(each for each in network.documents() if each["run"] == "change-2")["stand"]
    again = network.run("deploy")
    assert (again.code, again.count("changed")) == (0, 0)

    network.move(NEWER)
    refused = network.run("deploy", ipv4aas_resume="change-1")
    assert refused.code != 0 and "the plan is another than in change-1" in refused.out
    assert network.carry(NEWER) == []
    assert not network.lock.exists()


def test_nothing_is_confirmed_where_the_probes_cannot_be_run(network: Network) -> None:
    """A host behind r0002 is to be asked, and there is no host on the internet that could answer it."""
    network.move(NEW)
    asks = {"ansible_connection": "local", "ipv4aas_vantage_of": "r0002"}
    network.hosts = {
        name: values | {"ipv4aas_carries": list(CARRIES)} for name, values in network.hosts.items()
    }
    network.write(carries=None, children={"ipv4aas_vantages": {"hosts": {"pc": asks}}})
    stopped = network.run("deploy", deploy_confirm_within=120)
    assert stopped.code != 0
    assert "check: no probe could be run from pc" in stopped.out
    assert "ERROR: Ansible" not in stopped.out
    # Before it stands itself nobody can be asked: r0001 was judged by what it says of itself.
    assert network.carry(NEW)[0] == "r0001" and "r0002" not in network.carry(NEW)
    assert network.states()["r0002"] == ("failed", "unchanged")
    without = network.run("deploy", ipv4aas_probes=[])
    assert without.code == 0, without.out
    assert network.carry(NEW) == ALL


@pytest.mark.skipif(side_by_side.cores() < 2, reason="on one core a batch is one process")
@pytest.mark.parametrize("who", ["process", "controller"])
def test_a_batch_of_many_whose_process_or_controller_is_killed(
    play: Callable[..., Any], tmp_path: Path, who: str
) -> None:
    """More devices than one process takes: those that it was at have failed, and the others know."""
    many = 2 * side_by_side.LEAST
    with Fleet(tmp_path / "fleet", many, SECOND) as fleet:
        network = Network(tmp_path, fleet, play)
        names = {device.name for device in fleet}
        all_at_once = {"ipv4aas_batches": ["100%"]}
        check = "touch asking.$IPV4AAS_HOST; exec flock -s -w 600 go true"
        words = {"deploy_run": "killed", "deploy_post_check": ["sh", "-c", check], **all_at_once}
        words["deploy_confirm_within"] = 900
        go = (tmp_path / "go").open("w")
        fcntl.flock(go, fcntl.LOCK_EX)
        play_it = ["-i", str(network.inventory), "ipv4aas.fleet.deploy", "-f", str(many)]
        killed = start(network, *play_it, "-e", json.dumps(words))
        wait_for(lambda: len(list(tmp_path.glob("asking.*"))) == many, 300)
        parents = {
            pid: [below for below in descendants(pid) if is_python(below)] for pid in descendants(killed.pid)
        }
        (worker,) = (pid for pid, below in parents.items() if len(below) == 2)
        process = parents[worker][0]
        os.kill(killed.pid if who == "controller" else process, signal.SIGKILL)
        if who == "controller":
            killed.wait()
            time.sleep(3)  # in which its worker learns of it
        else:
            wait_for((tmp_path / "build/journal/killed/stopped").exists)
        go.close()
        code = killed.wait(300)
        wait_for(lambda: not any(running(pid) for pid in (worker, *parents[worker])))

        records = {
            name: json.loads((tmp_path / f"build/journal/killed/{name}.json").read_text()) for name in names
        }
        assert {record["verdict"] for record in records.values()} == {"failed"}
        lost = {name for name in names if "signal 9" in records[name]["message"]}
        assert {records[name]["left"] for name in names - lost} == {"unchanged"}
        assert {device.name for device in fleet if device.router.waiting} == lost
        if who == "controller":
            assert not lost
            assert any("the controller has died" in record["message"] for record in records.values())
        else:
            assert code == 2
            assert len(lost) == many / 2
            assert all(records[name]["left"].startswith("unknown: a change was made") for name in lost)
            assert not network.lock.exists()
        for name in lost:
            fleet[name].router.elapse()
        assert network.carry(OLD) == []
        assert network.foreign_is_whole()

        rerun = network.run("deploy", **all_at_once)
        assert rerun.code == 0, rerun.out
        assert set(network.carry(OLD)) == names
        assert network.foreign_is_whole()


def is_python(pid: int) -> bool:
    """Whether it is one of Ansible's, not a command that it has started."""
    with contextlib.suppress(OSError):
        return "python" in Path(f"/proc/{pid}/cmdline").read_text()
    return False


def running(pid: int) -> bool:
    """Whether a process has not ended, asked for its status or not."""
    try:
        return Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z"
    except OSError:
        return False


@pytest.mark.parametrize("with_workers", [True, False])
def test_a_controller_that_is_killed(network: Network, with_workers: bool) -> None:
    network.move(NEW)
    router = network.fleet["r0002"].router
    asking = network.folder / "asking"
    check = (
        f"[ $IPV4AAS_HOST != r0002 ] || {{ touch {asking}; exec flock -s -w 60 {network.folder}/go true; }}"
    )
    words = {"deploy_run": "killed", "deploy_post_check": ["sh", "-c", check], **ONE_THEN_TWO}
    go = (network.folder / "go").open("w")
    fcntl.flock(go, fcntl.LOCK_EX)
    killed = start(network, "-i", str(network.inventory), "ipv4aas.fleet.deploy", "-e", json.dumps(words))
    wait_for(asking.exists)
    # Workers are in sessions of their own: they outlive ansible-playbook, not a loss of power.
    for process in [*(descendants(killed.pid) if with_workers else ()), killed.pid]:
        with contextlib.suppress(ProcessLookupError):  # one that had done its work has ended by itself
            os.kill(process, signal.SIGKILL)
    killed.wait()
    go.close()
    router.settle()

    def record_of_r0002() -> dict[str, Any]:
        found: dict[str, Any] = json.loads((network.folder / "build/journal/killed/r0002.json").read_text())
        return found

    if not with_workers:
        wait_for(lambda: record_of_r0002()["finished"])
    assert network.carry(NEW)[0] == "r0001" and "r0002" not in network.carry(NEW)

    # What was written stays true: the run is not said to have ended, r0002 not to have its change.
    document = next(each for each in network.documents() if each["run"] == "killed")
    assert (document["verdict"], document["hosts"]) == ("running", None)
    record = record_of_r0002()
    assert OLD in record["before"]
    if with_workers:
        assert (record["verdict"], record["finished"]) == ("started", "")
        assert record["left"].startswith("unknown: a change was made")
    else:
        assert (record["verdict"], record["left"]) == ("failed", "unchanged")
        assert "the controller has died" in record["message"]
    assert network.lock.exists()

    rerun = network.run("deploy")
    assert rerun.code == 0, rerun.out
    assert "has died; its lock is taken over" in rerun.out + rerun.errors
    document = next(each for each in network.documents() if each["run"] == "killed")
    assert document["verdict"] == "interrupted"
    assert document["hosts"]["r0001"]["verdict"] == "changed"
    assert document["hosts"]["r0002"]["verdict"] == ("started" if with_workers else "failed")
    assert network.carry(NEW) == ALL
    assert network.foreign_is_whole()
    assert not network.lock.exists()
    again = network.run("deploy")
    assert (again.code, again.count("changed")) == (0, 0)

    # The record of the dead run is enough to go back to before it.
    back = network.run("rollback", ipv4aas_run="killed", ipv4aas_through=True)
    assert back.code == 0, back.out
    assert network.carry(OLD) == ALL


def test_two_rollouts_do_not_run_into_one_another(network: Network) -> None:
    network.move(NEW)
    go = threading.Event()
    network.fleet["r0001"].router.orders.append(Order("show running-config", delay=go))
    words = ["-i", str(network.inventory), "ipv4aas.fleet.deploy", "-e", json.dumps(ONE_THEN_TWO)]
    words += ["-e", "deploy_timeout=600"]
    first = start(network, *words, "-e", "deploy_run=first")
    wait_for(network.lock.exists)
    second = network.run("deploy")
    back = network.run("rollback", ipv4aas_run=network.documents()[0]["run"])
    for refused in (second, back):
        assert refused.code != 0
        assert "another rollout is under way: run first of" in refused.out
    go.set()
    assert first.wait(600) == 0
    assert network.carry(NEW) == ALL
    assert not network.lock.exists()


def test_roll_back_to_any_run(network: Network) -> None:
    (zero,) = (each["run"] for each in network.documents())
    network.move(NEW)
    assert network.run("deploy", deploy_run="one").code == 0
    network.move(NEWER)
    assert network.run("deploy", ("--limit", "r0001,r0002"), deploy_run="two").code == 0
    assert network.carry(NEWER) == ["r0001", "r0002"]

    refused = network.run("rollback", ipv4aas_run="one")
    assert refused.code != 0
    assert "one is not the last run that changed its hosts: two changed 2: r0001, r0002" in refused.out
    assert network.carry(NEWER) == ["r0001", "r0002"]
    assert not network.lock.exists()

    back = network.run("rollback", ipv4aas_run="one", ipv4aas_through=True, deploy_run="back")
    assert back.code == 0, back.out
    assert network.carry(OLD) == ALL
    assert network.states() == dict.fromkeys(ALL, KEPT)
    # A roll-back is a run like others.
    assert network.run("rollback", ipv4aas_run="back").code == 0
    assert network.carry(NEWER) == ["r0001", "r0002"] and network.carry(NEW) == ["r0003", "r0004", "r0005"]
    assert network.run("rollback", ipv4aas_run=zero, ipv4aas_through=True).code == 0
    assert set(network.owned().values()) == {""}
    assert network.foreign_is_whole()


def test_drift_of_the_fleet(network: Network) -> None:
    assert network.run("drift").code == 0
    # Somebody's hand, a device that does not answer, one that the plan lost, one that the inventory lost.
    meddle(network.fleet["r0003"].router)
    del network.hosts["r0005"]
    for host, variables in network.hosts.items():
        variables["ipv4aas_carries"] = ["hall7"]
        if host == "r0004":
            network.hosts[host] = {name: variables[name] for name in variables if "ipv4aas" not in name}
    network.write(carries=None)
    assert network.run("plan").code == 0
    network.hosts["r0002"]["ansible_port"] = 1
    network.write(carries=None)

    drifted = network.run("drift")
    assert drifted.code == 2
    report = json.loads((network.folder / "build/drift.json").read_text())
    assert report["verdict"] == "drift"
    assert report["same"] == ["r0001"]
    kinds = {(cause["kind"], cause["service"], *cause["hosts"]) for cause in report["causes"]}
    assert kinds == {("changed", "hall7", "r0003"), ("no intent", "hall7", "r0004")}
    unread = {host: item["reason"] for item in report["unread"] for host in item["hosts"]}
    assert unread.keys() == {"r0002", "r0005"}
    assert "not in the inventory" in unread["r0005"]
    assert "1: r0004  hall7    no intent" in drifted.out
    assert network.run("drift", drift_fail=False).code == 0


def meddle(router: Any) -> None:
    """Somebody makes the sharing ratio of the service 32."""
    entry = next(line for line in router.running if line.text == "service cgv6 ipv4aas").children[-1]
    ratio = next(line for line in entry.children if line.text.startswith("sharing-ratio"))
    ratio.text = "sharing-ratio 32"


def start(network: Network, *words: str) -> subprocess.Popen[bytes]:
    """A playbook in a process group of its own."""
    tree = Path(sys.modules["ansible_collections"].__path__[0]).parent  # type: ignore[attr-defined]
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(tree), "LC_ALL": "C.UTF-8"}
    return subprocess.Popen(
        [str(Path(sys.executable).with_name("ansible-playbook")), *words],
        cwd=network.folder,
        env=environment,
        stdin=subprocess.DEVNULL,
        stdout=subprocess.DEVNULL,
        stderr=subprocess.DEVNULL,
        start_new_session=True,
    )


def descendants(pid: int) -> list[int]:
    """The processes below one, the lowest first."""
    parents = {}
    for path in Path("/proc").glob("[0-9]*/stat"):
        with contextlib.suppress(OSError):  # of one that has ended meanwhile
            parents[int(path.parent.name)] = int(path.read_text().rpartition(")")[2].split()[1])
    children = [child for child, parent in parents.items() if parent == pid]
    return [below for child in children for below in (*descendants(child), child)]


def wait_for(happened: Callable[[], object], seconds: float = 120.0) -> None:
    end = time.monotonic() + seconds
    while not happened():
        assert time.monotonic() < end, "it did not happen"
        time.sleep(0.05)
