# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports to the last one, two CPUs at once, and sessions that go over to other tables."""

from __future__ import annotations

import mmap
from collections import Counter
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from threading import Barrier, Thread
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.node.fast import sessions
from ansible_collections.ipv4aas.fleet.engine.node.fast.pins import Pins
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import XDP, ServiceProgram
from ansible_collections.ipv4aas.fleet.engine.node.fast.session_tables import SessionTables
from ansible_collections.ipv4aas.fleet.engine.node.fast.sessions import KernelSessions
from ansible_collections.ipv4aas.fleet.engine.node.session_log import Record
from ansible_collections.ipv4aas.fleet.engine.techniques.service import StaticBinding
from pair import ETHERNET
from session_samples import AFTR6, AFTR_SERVICE
from unit.packet import packetkit as kit

pytestmark = pytest.mark.root

UDP, SERVER = 17, (0xC6336407, 53)
ONE = (IPv4Network("203.0.113.7/32"),)


@contextmanager
def tables(pool: Pool, limit: int = 1 << 17) -> Iterator[KernelSessions]:
    made = KernelSessions(replace(AFTR_SERVICE, pool=pool), limit=limit)
    try:
        yield made
    finally:
        made.close()


def subscriber(number: int) -> int:
    return int(IPv6Address("2001:db8::")) + (number << 64)


def opened(made: KernelSessions, number: int, port: int, protocol: int = UDP) -> Any:
    return made.outbound(protocol, subscriber(number), (0xC0A8010A, port), SERVER, flags=2)


@pytest.mark.parametrize("protocol", [6, 17])
def test_every_port_is_given_once(protocol: int) -> None:
    """RFC 6888 REQ-11: no refusal while there is one, of either parity."""
    with tables(Pool(ipv4=ONE)) as made:
        found = [opened(made, n // 60000, n % 60000 + 1024, protocol) for n in range(64512)]
        assert {answer.verdict for answer in found} == {"GO_ON"}
        assert {answer.port for answer in found} == set(range(1024, 65536))
        # Parity was kept as long as there was a port of it (RFC 4787 REQ-4).
        assert all((a.port ^ n % 60000) & 1 == 0 for n, a in enumerate(found[:50000]))
        assert opened(made, 1, 99, protocol).verdict == "punt_ports_exhausted"
        assert opened(made, 1, 99, 23 - protocol).verdict == "GO_ON"


def test_every_block_is_given() -> None:
    with tables(Pool(ipv4=ONE, block_size=1000)) as made:
        found = [opened(made, n, 5000) for n in range(64)]
        assert {answer.verdict for answer in found} == {"GO_ON"}
        assert sorted((answer.port - 1024) // 1000 for answer in found) == list(range(64))
        assert opened(made, 64, 5000).verdict == "punt_ports_exhausted"
        assert all(opened(made, 3, 10000 + n).verdict == "GO_ON" for n in range(999))
        assert opened(made, 3, 9).verdict == "punt_ports_exhausted"


def test_a_table_fills_to_its_limit_again_and_again() -> None:
    """No binding is lost in the index, whatever else came and went there."""
    pool, most = Pool(ipv4=ONE, hold_down=0), 1 << 14
    made = KernelSessions(replace(AFTR_SERVICE, pool=pool), limit=most, own_clock=True)
    for turn in range(1, 4):
        made.set_time(1000.0 * turn)
        found = [opened(made, n % 700, 1024 + turn + n // 700) for n in range(most)]
        assert {answer.verdict for answer in found} == {"GO_ON"}
        assert opened(made, 0, 99).verdict == "punt_session_limit"
        for n, answer in enumerate(found):
            back = made.inbound(UDP, (answer.address, answer.port), SERVER, flags=0)
            assert (back.realm, back.port) == (subscriber(n % 700), 1024 + turn + n // 700)
        assert len(made.sessions()) == len(made) == most
        made.set_time(1000.0 * turn + 301)
        assert made.expire() == most
        assert made.sessions() == []
    made.close()


def test_more_ports_wait_than_there_is_room_for() -> None:
    """The oldest is given again: an address is never used up by ports that wait."""
    pool, most = Pool(ipv4=ONE, first_port=65436, hold_down=10**6), 8
    made = KernelSessions(replace(AFTR_SERVICE, pool=pool), limit=most, own_clock=True)
    last: set[int] = set()
    for turn in range(1, 31):
        made.set_time(1000.0 * turn)
        found = [opened(made, n, 1024 + turn) for n in range(most)]
        assert {answer.verdict for answer in found} == {"GO_ON"}
        ports = {answer.port for answer in found}
        assert not ports & last, "these wait"
        made.set_time(1000.0 * turn + 301)
        assert made.expire() == most
        assert sum(made.counts("waiting").values()) == most
        last = ports
    made.set_time(10.0**8)
    made.expire()
    assert sum(made.counts("waiting").values()) == 0
    made.close()


def test_a_block_waits_for_room_in_the_log(monkeypatch: pytest.MonkeyPatch) -> None:
    """Its end is told, however many wait and however long nobody reads the log."""
    monkeypatch.setattr(sessions, "_LOG_ROOM", mmap.PAGESIZE)
    pool = Pool(ipv4=ONE, first_port=65000, hold_down=50, block_size=16)
    made = KernelSessions(replace(AFTR_SERVICE, pool=pool), limit=3, logs=True, own_clock=True)
    heard: list[Record] = []
    ring, now = made.ledger.listen(heard.append), 1000.0
    made.set_time(now)

    def later(seconds: float) -> None:
        nonlocal now
        now += seconds
        made.set_time(now)
        made.expire()

    def come_and_go() -> str:
        """Two records: a block is given, and its waiting is over."""
        verdict = str(opened(made, 0, 1024).verdict)
        later(301)
        later(60)
        return verdict

    # As many records as there is room for, less three: of those who are here when it is full.
    for _ in range((mmap.PAGESIZE // 48 - 3) // 2):
        assert come_and_go() == "GO_ON"
    assert [opened(made, n, 1024).verdict for n in range(3)] == ["GO_ON"] * 3
    assert opened(made, 3, 1024).verdict != "GO_ON"
    later(301)
    for _ in range(4):
        come_and_go()
    ring.consume()
    for _ in range(3):
        later(1000)
        ring.consume()
    left = made._tallied()
    assert (left["subscribers"], left["held"], left["ports"]) == (0, 0, [0] * len(left["ports"]))
    told = Counter(event.event for event in heard)
    assert told["block_assigned"] == told["block_released"]
    made.close()


@pytest.mark.parametrize("dynamic", [0, 2])
def test_ports_that_are_not_told_need_no_room_in_the_log(
    dynamic: int, monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whose they are can be computed (RFC 7422): a walk ends more of them than the log has room for."""
    monkeypatch.setattr(sessions, "_LOG_ROOM", mmap.PAGESIZE)
    customers = {"subscribers": IPv6Network("2001:db8::/62"), "subscriber_prefix_len": 64}
    pool = Pool(ipv4=ONE, deterministic=True, block_size=8000, dynamic_blocks=dynamic, **customers)
    made = KernelSessions(replace(AFTR_SERVICE, pool=pool), limit=1 << 10, logs=True, own_clock=True)
    heard: list[Record] = []
    ring = made.ledger.listen(heard.append)
    made.set_time(1000.0)
    for n in range(1000):
        assert opened(made, n % 4, 1024 + n // 4).verdict == "GO_ON"
        if dynamic and n % 50 == 0:  # the programs ask for room before they draw a port
            ring.consume()
    ring.consume()
    made.set_time(1301.0)
    assert made.expire() == 1000
    ring.consume()
    assert not heard
    made.close()


def test_two_cpus_take_no_port_twice() -> None:
    """Both open the same bindings at the same time, and those of the same subscribers."""
    service = replace(AFTR_SERVICE, pool=Pool(ipv4=ONE, first_port=60000, ports_per_subscriber=1500))
    made = KernelSessions(service, limit=10000)
    program = ServiceProgram(service, XDP, sessions=made, redirect=True)
    hop = program.layouts.struct("next_hop").pack(device=1, mtu=65535)
    program.maps["routes4"].update(program.layouts.struct("route4").pack(length=0, address=0), hop)
    frames = [
        ETHERNET[6]
        + kit.tunnel(
            str(IPv6Address(subscriber(n % 5))),
            AFTR6,
            kit.udp("10.0.0.1", 2000 + n // 5, "198.51.100.7", 53, df=True),
        )
        for n in range(4000)
    ]
    start, sources = Barrier(2), Counter[bytes]()
    seen: list[dict[bytes, bytes]] = [{}, {}]

    def run(which: int) -> None:
        start.wait()
        for frame in frames:
            result, out, _ = program.program.run(frame)
            if result in (3, 4):
                seen[which][frame] = out[14 + 12 : 14 + 16] + out[14 + 20 : 14 + 22]

    threads = [Thread(target=run, args=(which,)) for which in (0, 1)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    taken = {**seen[0], **seen[1]}
    sources.update(taken.values())
    assert len(taken) == len(frames)
    assert max(sources.values()) == 1
    assert all(seen[1].get(frame, source) == source for frame, source in seen[0].items())
    assert len(made) == len(frames) == len(made.sessions())
    assert sum(made.counts("ports").values()) == len(frames)
    program.close()
    made.close()


def test_sessions_go_over_to_other_tables() -> None:
    """A reload: those whose port is in the new pool live on, with their subscribers' quota."""
    kept = SessionTables(Pins("nowhere", make=False))
    service = replace(AFTR_SERVICE, pool=Pool(ipv4=(IPv4Network("203.0.113.0/31"),), hold_down=0))
    old = kept.of(service)
    assert kept.of(service) is old
    kept.settle([service.name], 0.0)
    found = {n: opened(old, n, 5000) for n in range(20)}
    again = old.outbound(UDP, subscriber(0), (0xC0A8010A, 5000), (SERVER[0], 54), flags=0)
    assert again.port == found[0].port
    smaller = Pool(ipv4=(IPv4Network("203.0.113.0/32"),), ports_per_subscriber=1)
    new = kept.of(replace(service, pool=smaller))
    staying = {n for n, answer in found.items() if answer.address == 0xCB007100}
    assert 0 < len(staying) < 20
    assert len(new) == len(staying) + (0 in staying)
    assert new.lost == 21 - len(new)
    for n in staying:
        assert opened(new, n, 5000) == found[n]
        assert opened(new, n, 5001).verdict == "punt_quota"
    assert len(new) == len(staying) + (0 in staying)
    kept.settle([service.name], 0.0)
    assert kept.of(replace(service, pool=smaller)) is new
    kept.close()


def test_a_new_port_forward_ends_what_its_inside_end_had() -> None:
    """As in the core: an inside end has one binding, and the forward is it."""
    kept, pool = SessionTables(Pins("nowhere", make=False)), Pool(ipv4=ONE, hold_down=0)
    service = replace(AFTR_SERVICE, pool=pool)
    old = kept.of(service)
    kept.settle([service.name], 0.0)
    before, beside = opened(old, 1, 5000), opened(old, 1, 5001)
    forward = StaticBinding(
        protocol="udp",
        outside_address=ONE[0][0],
        outside_port=80,
        subscriber=IPv6Address(subscriber(1)),
        inside_address=IPv4Address(0xC0A8010A),
        inside_port=5000,
    )
    new = kept.of(replace(service, static_bindings=(forward,)))
    assert (new.lost, len(new), new.counts("ports")[UDP]) == (1, 1, 2)
    assert opened(new, 1, 5000).port == 80
    assert opened(new, 1, 5001) == beside
    assert new.inbound(UDP, (before.address, before.port), SERVER, flags=0).verdict != "GO_ON"
    kept.settle([service.name], 0.0)
    kept.close()


def test_sessions_without_room_in_the_index_are_lost(monkeypatch: pytest.MonkeyPatch) -> None:
    """The others go over, and the next walk gives the ports back."""
    service = replace(AFTR_SERVICE, pool=Pool(ipv4=ONE, hold_down=0))
    old = KernelSessions(service, limit=100)
    for n in range(40):
        for server in (SERVER, (SERVER[0], 54), (SERVER[0] + 1, 53))[: n % 3 + 1]:
            assert old.outbound(UDP, subscriber(n), (0xC0A8010A, 5000), server, flags=0).verdict == "GO_ON"
    views = old.sessions()
    monkeypatch.setattr(sessions, "_lines", lambda bindings: 2)
    new = KernelSessions(service, limit=100, carried=views)
    there = new.sessions()
    assert 0 < len({view.outside_port for view in there}) <= 14  # of two lines, for both ends
    assert set(there) < set(views)
    assert new.lost == len(views) - len(there) > 0
    assert len(new) == len(there)
    for view in there:
        answer = new.outbound(
            UDP, view.realm, (view.inside, view.inside_port), (view.remote, view.remote_port), flags=0
        )
        assert (answer.address, answer.port) == (view.outside, view.outside_port)
    assert new.expire() == 0
    assert new.counts("ports")[UDP] == len({view.outside_port for view in there})
    assert len(new.sessions()) == len(new) == len(there)
    old.close()
    new.close()
