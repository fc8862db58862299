# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who had which port until when, over reloads and restarts, where the sessions are in the kernel."""

from __future__ import annotations

import os
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network
from itertools import count
from typing import Any

import pytest
import test_reload_leases as leases
from ansible_collections.ipv4aas.fleet.engine.node.fast.kernel_napt import KernelNapt
from ansible_collections.ipv4aas.fleet.engine.node.fast.pins import Pins
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import problem
from ansible_collections.ipv4aas.fleet.engine.node.fast.session_tables import SessionTables
from ansible_collections.ipv4aas.fleet.engine.node.session_gateway import SessionGateway
from ansible_collections.ipv4aas.fleet.engine.techniques.service import NodeConfiguration, Service
from session_samples import AFTR_SERVICE, B4, INSIDE, OTHER_B4, SERVER, pool

pytestmark = pytest.mark.root

_NUMBERS = count()
TCP, UDP, SYN = 6, 17, 2
FOREIGN = (int(IPv4Address(SERVER)), 53)


class KernelBox(leases.Box):
    """The same, with its tables in the kernel, which are kept in bpffs."""

    def __init__(self, before: KernelBox | None = None) -> None:
        """`before`: a process that has ended."""
        super().__init__(None if before is None else before.records)
        self.name = f"test-{os.getpid()}-{next(_NUMBERS)}" if before is None else before.name
        self.pins = Pins(self.name)
        self.tables = SessionTables(self.pins, self._write)
        self._before = before

    def _write(self, name: str, record: Any) -> None:
        assert name == "t"
        self.records.append(record)

    def reload(self, *services: Service, meanwhile: Callable[[], None] = lambda: None) -> None:
        """`meanwhile`: after sessions were copied, before the new programs."""
        for service in services:
            if not problem(service, "tc"):
                self.tables.of(service)
        meanwhile()
        configuration = NodeConfiguration(node="box", services=services)
        self.services.reload(configuration, lambda wanted: 0)
        for name, events in self.tables.share(self.services.nodes(), time.monotonic()):
            self.services.note(name, events)
        self.tables.settle((service.name for service in services), time.monotonic())
        self.tick()

    def walk(self) -> None:
        """End what is over now."""
        for _name, node in self.services.nodes():
            node.napt._walk(time.monotonic())

    def program(self, sport: int, softwire: str = B4) -> tuple[str, int]:
        """A session that a program makes: the daemon hears of it by the ring only."""
        kernel = next(iter(self.tables._used.values()))
        realm = int(leases.IPv6Address(softwire))
        answer = kernel.outbound(UDP, realm, (int(IPv4Address(INSIDE)), sport), FOREIGN, flags=0)
        assert answer.verdict == "GO_ON"
        return str(IPv4Address(answer.address)), answer.port

    def leave(self) -> None:
        """The process ends, its programs go on."""
        self.tables.leave(node for _name, node in self.services.nodes())
        self.services.stop()

    def close(self) -> None:
        self.tables.close()
        self.pins.clear()
        if self._before is not None:
            self._before.close()


@pytest.fixture(autouse=True)
def _small(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(SessionGateway, "LIMITS", replace(SessionGateway.LIMITS, sessions=500))


@pytest.fixture
def boxes() -> Callable[..., leases.Box]:
    return KernelBox


@pytest.fixture(params=["reload", "kill", "keep"])
def restart(request: pytest.FixtureRequest) -> Callable[[KernelBox], KernelBox]:
    """Who runs the next configuration: the same process, or another."""

    def go_on(box: KernelBox) -> KernelBox:
        if request.param == "reload":
            return box
        if request.param == "keep":
            box.leave()
        return KernelBox(box)

    return go_on


box = leases.box
for _name in dir(leases):
    if _name.startswith("test_"):
        globals()[_name] = getattr(leases, _name)


@pytest.fixture
def first() -> Iterator[list[KernelBox]]:
    """The last one of these is closed, with all before it."""
    boxes = [KernelBox()]
    yield boxes
    boxes[-1].close()


def test_lost_ports_over_a_restart(first: list[KernelBox], restart: Callable[..., KernelBox]) -> None:
    first[0].run()
    ends = first[0].crowd()
    first.append(restart(first[0]))
    late = [first[0].program(7000, B4), first[0].program(7000, OTHER_B4)]
    box = first[-1]
    box.run(pool=pool(**leases.ONE_ADDRESS))
    kept = [end[0] == leases.FIRST for end in (*ends, *late)]
    assert [box.answered(end) for end in (*ends, *late)] == kept
    assert [len(box.leases_of(end)) for end in (*ends, *late)] == kept
    assert box.counts() == {"port_assigned": 12, "port_released": 6}
    box.stop()
    assert box.open_leases() == set()


def test_lost_blocks_over_a_restart(first: list[KernelBox], restart: Callable[..., KernelBox]) -> None:
    first[0].run(pool=pool(block_size=64))
    ends = first[0].crowd()
    first.append(restart(first[0]))
    box = first[-1]
    box.run(pool=pool(block_size=64, **leases.ONE_ADDRESS))
    assert [len(box.leases_of(end)) for end in ends] == [end[0] == leases.FIRST for end in ends]
    box.stop()
    assert box.open_leases() == set()


def test_a_restart_alone_says_nothing(first: list[KernelBox], restart: Callable[..., KernelBox]) -> None:
    for size in (0, 64):
        first[-1].run(pool=pool(block_size=size))
        ends = first[-1].crowd()
        before = first[-1].open_leases()
        count_before = len(first[-1].records)
        first.append(restart(first[-1]))
        first[-1].run(pool=pool(block_size=size))
        assert all(map(first[-1].answered, ends))
        assert (first[-1].open_leases(), len(first[-1].records)) == (before, count_before)


def test_a_forward_that_goes_with_a_restart(
    first: list[KernelBox], restart: Callable[..., KernelBox]
) -> None:
    end = leases.FIRST, leases.FORWARD.outside_port
    first[0].run(static_bindings=(leases.FORWARD,))
    session = first[0].open(5000)
    assert first[0].forwards(end)
    first.append(restart(first[0]))
    box = first[-1]
    box.run()
    assert (box.forwards(end), box.leases_of(end), box.answered(session)) == (False, [], True)
    assert box.counts() == {"port_assigned": 2, "port_released": 1}
    assert box.services.status()["services"]["t"]["counters"]["session_lost_on_reload"] == 1


def test_a_forward_that_stays_over_a_restart(
    first: list[KernelBox], restart: Callable[..., KernelBox]
) -> None:
    end = leases.FIRST, leases.FORWARD.outside_port
    first[0].run(static_bindings=(leases.FORWARD,))
    assert first[0].forwards(end)
    first.append(restart(first[0]))
    box = first[-1]
    box.run(static_bindings=(leases.FORWARD,), pool=pool(hold_down=60))
    assert box.services.sessions(time.monotonic(), 10)["total"] == 1
    assert len(box.leases_of(end)) == 1
    assert box.counts() == {"port_assigned": 1}


def test_a_service_that_is_not_run_any_more(
    first: list[KernelBox], restart: Callable[..., KernelBox]
) -> None:
    first[0].run()
    first[0].crowd()
    first.append(restart(first[0]))
    first[-1].reload()
    assert first[-1].open_leases() == set()
    assert first[-1].counts() == {"port_assigned": 10, "port_released": 10}


def test_what_begins_between_copy_and_swap_is_released(first: list[KernelBox]) -> None:
    box = first[0]
    box.run()
    box.open(5000)
    late: list[tuple[str, int]] = []
    smaller = replace(AFTR_SERVICE, pool=pool(hold_down=60))
    box.reload(smaller, meanwhile=lambda: late.append(box.program(6000)))
    assert box.leases_of(late[0]) == []
    assert box.counts() == {"port_assigned": 2, "port_released": 1}


def test_what_ends_between_copy_and_swap_is_released_once(
    first: list[KernelBox], monkeypatch: pytest.MonkeyPatch
) -> None:
    box = first[0]
    box.run()
    end = box.open(5000)

    def over() -> None:
        (kernel,) = box.tables._used.values()
        entries = kernel.maps["napt_bindings"]
        layout = kernel.layouts.struct("binding")
        key, value = next(iter(entries.items()))
        found = layout.unpack(value)
        found["session"]["expires"] = 1
        entries.update(key, layout.pack(**found))
        box.walk()

    box.reload(replace(AFTR_SERVICE, pool=pool(hold_down=60)), meanwhile=over)
    assert len(box.leases_of(end)) == 1  # the copy has it again
    box.stop()
    assert box.open_leases() == set()


# More networks than the programs look through.
TOO_MANY = tuple(
    IPv4Network(f"{leases.FIRST}/32") if n == 0 else IPv4Network(f"192.0.2.{n}/32") for n in range(17)
)


def test_back_to_the_core(first: list[KernelBox]) -> None:
    """A pool that the programs cannot give out: sessions that fit it go on in the core."""
    box = first[0]
    end = leases.FIRST, leases.FORWARD.outside_port
    gone = replace(leases.LOW, inside_port=9090)
    box.run()
    ends = box.crowd()
    box.run(static_bindings=(leases.FORWARD, gone))
    assert box.forwards(end)
    assert box.forwards((leases.FIRST, 80))
    box.run(pool=pool(ipv4=TOO_MANY), static_bindings=(leases.FORWARD,))
    assert not any(isinstance(node.napt, KernelNapt) for _name, node in box.services.nodes())
    kept = [it[0] == leases.FIRST for it in ends]
    assert sum(kept) == 5
    assert [box.answered(it) for it in ends] == kept
    assert [len(box.leases_of(it)) for it in ends] == kept
    assert (len(box.leases_of(end)), box.forwards(end)) == (1, True)
    assert (box.leases_of((leases.FIRST, 80)), box.forwards((leases.FIRST, 80))) == ([], False)
    assert box.services.status()["services"]["t"]["counters"]["session_lost_on_reload"] == 6
    assert box.services.sessions(time.monotonic(), 99)["total"] == 6
    box.services.expire(time.monotonic() + 10_000)
    assert box.services.sessions(time.monotonic(), 99)["total"] == 0
    box.stop()
    box.records = [it._replace(time=time.monotonic()) for it in box.records]
    assert box.open_leases() == set()


def test_back_to_the_core_counts_sessions(first: list[KernelBox]) -> None:
    """The quota of a subscriber holds over it."""
    box = first[0]
    quota = {"sessions_per_subscriber": 3}
    box.run(pool=pool(**quota, **leases.ONE_ADDRESS))
    box.open(5000)
    box.open(5001)
    box.run(pool=pool(ipv4=TOO_MANY, **quota))
    box.open(5002)
    box.open(5003)
    assert box.services.status()["services"]["t"]["counters"]["drop_session_quota"] == 1
