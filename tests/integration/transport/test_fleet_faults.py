# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""200 rollouts over 50 devices of four kinds, with seeded faults at random moments.

Each goes from what the fleet runs to another service. Devices, connections and the controller die on the
way, the rollout is begun again until it is through, and after each attempt: every device runs the old or
the new whole, what is not ours is untouched, and the journal says nothing that is not so.

The hosts, their records and their stopping are those of plugin_utils.deployment, which the action deploy
calls; the playbooks' order of canary and batches is test_rollout's. Lines go straight to the emulated
routers, but to some of those that are struck over SSH, by netmiko, as in production.
"""

from __future__ import annotations

import random
import re
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from functools import cache, partial
from ipaddress import IPv6Address
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from ansible_collections.ipv4aas.fleet.engine.transport.connect import session_for
from ansible_collections.ipv4aas.fleet.engine.transport.local import LocalSession
from ansible_collections.ipv4aas.fleet.engine.transport.session import Session
from ansible_collections.ipv4aas.fleet.engine.transport.target import Target
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import journal, rollout
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import Skipped
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.deployment import Job, carry_out
from emulated_fleet import Fleet
from emulated_ios_xr import IosXrRouter
from emulated_junos import JunosRouter
from emulated_netconf import NetconfRouter
from emulated_node import SoftwareNode
from emulated_router import Ground, Order
from faults import MOMENTS, Interrupted
from foreign import FOREIGN
from lxml import etree
from netconf_devices import foreign
from nodes import MOVED, SERVICE, node, rendered

# All but one.
_CUSTOMERS = re.compile(r"<map-e>(?!\s*<map-e-name>customer-1<).*?</map-e>", re.DOTALL)
RUNS, AT_A_TIME = 200, 20
OVER_SSH, ROUTERS, SERVERS, NODES = 8, 28, 7, 7
NOBODY = Target(host="192.0.2.1", username="netops", verify_host_key=False, timeout=10)
SERVICES: tuple[Service, ...] = (
    SERVICE,
    MOVED,
    replace(SERVICE, gateway_address=IPv6Address("2001:3e8:0:2900::3")),
)


class Killed(BaseException):
    """The controller gets SIGKILL: nothing that would clean up is done."""


class Controlled(Interrupted):
    """A session that is not closed where the controller dies."""

    def __exit__(self, *error: Any) -> None:
        if error[0] is not Killed:
            super().__exit__(*error)


@dataclass(eq=False)
class Device:
    """An emulated device, and a way to it."""

    name: str
    platform: str
    dialect: str
    emulator: Any  # text(), waiting, elapse(), drop_sessions(), restart()
    open: Callable[[], Any]
    open_over_ssh: Callable[[], Any] | None = None

    def __post_init__(self) -> None:
        self.foreign = self.seen().foreign

    def job(self, run: str, service: Service, dest: Path) -> Job:
        plan, wanted = planned(self.platform, self.dialect, service)
        return Job(run=run, node=replace(plan, name=self.name), wanted=wanted, dest=str(dest))

    def seen(self) -> Seen:
        return seen(self.platform, self.dialect, self.emulator.text())

    def runs(self, service: Service | None) -> bool:
        """Whether it runs that service, no more and no less; None for nothing."""
        return carries(self.platform, self.dialect, self.seen().owned, service)


@dataclass(frozen=True)
class Seen:
    """A device's configuration: ours, and what the rest says, without order."""

    owned: str
    foreign: Counter[str]


# Devices of a kind are mostly in the same state.
@cache
def seen(platform: str, dialect: str, text: str) -> Seen:
    owned = driver(platform).owned(text, dialect)
    return Seen(owned, facts(text, dialect) - facts(owned, dialect))


@cache
def carries(platform: str, dialect: str, owned: str, service: Service | None) -> bool:
    wanted = planned(platform, dialect, service)[0].services if service else ()
    return driver(platform).parse(owned, dialect, wanted) == wanted


@cache
def planned(platform: str, dialect: str, service: Service) -> tuple[NodePlan, str]:
    plan = node(platform, dialect, service)
    return plan, rendered(plan)


def facts(text: str, dialect: str) -> Counter[str]:
    """What a configuration says, without order; for XML the path of each leaf."""
    if dialect == "json":
        return Counter()  # all of it is ours
    if dialect == "cli":
        return Counter(line for line in text.splitlines() if line.strip() not in ("", "!"))
    root = etree.fromstring(text or "<nothing/>")
    leaves = (each for each in root.iter() if (each.text or "").strip())
    return Counter(
        "/".join([*(str(above.tag) for above in each.iterancestors()), str(each.tag), each.text or ""])
        for each in leaves
    )


@pytest.fixture(scope="module")
def devices(tmp_path_factory: pytest.TempPathFactory) -> Iterator[list[Device]]:
    """Fifty; some of each kind of router have a large configuration of an operator."""
    folder = tmp_path_factory.mktemp("devices")
    made = []
    # A second of theirs lasts longer than any test: time passes when the test says so.
    with Fleet(folder / "ssh", OVER_SSH, second=1000) as fleet:
        for each in fleet:
            made.append(over_ssh(each))
        ground = Ground(folder / "ground")
        for number in range(ROUTERS):
            platform = ("asr9000", "juniper_mx")[number % 2]
            kind = IosXrRouter if platform == "asr9000" else JunosRouter
            text = FOREIGN[platform] if number < 2 else few(platform)
            made.append(router(f"t{number}", platform, kind(folder / f"t{number}", text, 1000, ground)))
        for number in range(SERVERS):
            server = NetconfRouter(foreign("asr9000") if number < 2 else few("asr9000", "netconf"))
            made.append(Device(f"n{number}", "asr9000", "netconf", server, partial(netconf, server)))
        for number in range(NODES):
            host = SoftwareNode(folder / f"node{number}")
            made.append(Device(f"s{number}", "linux", "json", host, partial(software_node, host)))
        assert len(made) == 50
        yield made


def few(platform: str, dialect: str = "cli") -> str:
    """A part of an operator's configuration, for those that are not to take the time of all of it."""
    if dialect == "netconf":
        return _CUSTOMERS.sub("", foreign(platform))
    return "".join(FOREIGN[platform].splitlines(keepends=True)[:9])


def router(name: str, platform: str, emulator: Any) -> Device:
    return Device(name, platform, "cli", emulator, partial(typed, platform, emulator))


def over_ssh(each: Any) -> Device:
    each.router.take(few(each.platform))
    device = router(each.name, each.platform, each.router)
    device.open_over_ssh = partial(session_for, each.platform, "cli", each.target(10))
    return device


def typed(platform: str, emulator: Any) -> Session:
    session: Any = session_for(platform, "cli", NOBODY)
    session._line._terminal = emulator.typed()
    return session


def netconf(emulator: NetconfRouter) -> Session:
    session: Any = session_for("asr9000", "netconf", NOBODY)
    session._connect = emulator.connect
    return session


def software_node(emulator: SoftwareNode) -> Session:
    return LocalSession(emulator.connect())


@dataclass(eq=False)
class Fault:
    """What happens to whom, and when. Strikes once."""

    device: Device
    what: str  # device, connection or controller
    moment: str  # of faults.MOMENTS, or a line that is typed
    over_ssh: bool
    struck: bool = False

    def strike(self) -> None:
        if self.struck:
            return
        self.struck = True
        if self.what == "device":
            self.device.emulator.restart()
        else:
            self.device.emulator.drop_sessions()
        if self.what == "controller":
            raise Killed


LINES = ("^configure", "psid-offset|sharing-ratio", "commit confirmed", "^commit$", "show")


def faults_of(chance: random.Random, devices: list[Device]) -> dict[str, Fault]:
    """One to three, on different devices."""
    struck = chance.sample(devices, chance.randint(1, 3))
    found = {}
    for device in struck:
        what = chance.choice(("device", "connection", "controller"))
        moment = chance.choice(MOMENTS)
        if device.dialect == "cli" and what != "controller" and chance.random() < 0.4:
            moment = chance.choice(LINES)
        found[device.name] = Fault(device, what, moment, chance.random() < 0.5)
    return found


def opener(device: Device, fault: Fault | None) -> Callable[[], Any]:
    """Opens a session in which the fault strikes."""
    if fault is None or fault.struck:
        return device.open

    def open_session() -> Any:
        if fault.moment in LINES:
            when = {random.Random(fault.moment).choice(("before", "after")): fault.strike}
            device.emulator.orders.append(Order(fault.moment, **when))
        session = (device.open_over_ssh if fault.over_ssh and device.open_over_ssh else device.open)()
        return Controlled(session, "" if fault.moment in LINES else fault.moment, fault.strike)

    return open_session


def attempt(
    name: str, devices: list[Device], service: Service, faults: dict[str, Fault], dest: Path
) -> rollout.Run | None:
    """A rollout in batches as the playbook does it; None where the controller dies."""
    run = rollout.Run(
        run=name, kind="deploy", who="test", controller="here", started=journal.now(), plan="",
        order=tuple(device.name for device in devices),
    )  # fmt: skip
    rollout.write(str(dest), run)
    sizes = [1, 2, *[5] * 10]
    rest = list(devices)
    try:
        while rest and not rollout.stopped_at(str(dest), name):
            size = sizes.pop(0)
            batch, rest = rest[:size], rest[size:]
            for device in batch:
                try:
                    carry_out(device.job(name, service, dest), opener(device, faults.get(device.name)))
                except Skipped:
                    pass
                except Exception:
                    assert rollout.stopped_at(str(dest), name) == device.name
    except Killed:
        return None
    closed = run.closed(str(dest))
    rollout.write(str(dest), closed)
    return closed


def check(device: Device, record: journal.Record | None, old: list[Service | None], new: Service) -> bool:
    """Nothing half, nothing lost, the journal true; whether the device runs the new service."""
    is_new = device.runs(new)
    assert is_new or any(device.runs(each) for each in old), device.seen().owned
    assert device.seen().foreign == device.foreign
    if record is None:
        assert not is_new or new in old
        return is_new
    if record.stands or record.left == "changed and confirmed":
        assert is_new
    elif record.left == "unchanged" or record.left.startswith(
        ("reverts", "unchanged, or", "changed, reverts")
    ):
        assert not is_new or new in old, record
    else:
        # Honest about what it does not know.
        assert record.left.startswith(("changed and confirmed, or", journal.APPLYING)), record
    return is_new


@pytest.mark.parametrize("first", range(0, RUNS, AT_A_TIME))
def test_nothing_half_nothing_lost_and_a_true_journal(
    devices: list[Device], tmp_path: Path, first: int
) -> None:
    for seed in range(first, first + AT_A_TIME):
        roll_out_with_faults(seed, devices, tmp_path / f"{seed}")


def roll_out_with_faults(seed: int, devices: list[Device], dest: Path) -> None:
    chance = random.Random(seed)
    old: dict[str, list[Service | None]] = {
        device.name: [each for each in (*SERVICES, None) if device.runs(each)] for device in devices
    }
    new = chance.choice([each for each in SERVICES if each not in old[devices[0].name]])
    faults = faults_of(chance, devices)
    # Each strikes once at most, and keeps one attempt from its end.
    for number in range(len(faults) + 1):
        name = f"run{number}"
        closed = attempt(name, devices, new, faults, dest)
        for device in devices:
            # Whoever struck, time passes: what was not confirmed goes back by itself.
            device.emulator.elapse()
            assert not device.emulator.waiting
        now = {
            device.name: check(device, journal.read(str(dest), name, device.name), old[device.name], new)
            for device in devices
        }
        for device in devices:
            if now[device.name]:
                old[device.name] = [new]
        if closed is not None and closed.verdict == rollout.DONE:
            break
    assert closed is not None and closed.verdict == rollout.DONE, closed and closed.text()
    assert all(now.values())
    for device in devices:
        # What was to happen at a line that nobody typed.
        if device.dialect == "cli":
            device.emulator.orders.clear()
    again = attempt("again", devices, new, {}, dest)
    assert again is not None and again.hosts is not None
    assert {state.verdict for state in again.hosts.values()} == {journal.UNCHANGED}
    assert all(device.runs(new) for device in devices)
