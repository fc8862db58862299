# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who had which port until when, over a reload (RFC 6888 REQ-12 and REQ-13): each lease ends once.

Written for the core; tests/fast/test_kernel_reload.py runs them where the sessions are in the kernel too.
"""

from __future__ import annotations

import time
from collections import Counter
from collections.abc import Callable, Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.core import Limits
from ansible_collections.ipv4aas.fleet.engine.node.services import Services
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Packet
from ansible_collections.ipv4aas.fleet.engine.packet.natlog import Record
from ansible_collections.ipv4aas.fleet.engine.techniques.service import (
    NodeConfiguration,
    Service,
    StaticBinding,
)
from session_samples import AFTR6, AFTR_SERVICE, B4, INSIDE, OTHER_B4, SERVER, pool
from unit.packet import packetkit as kit

FIRST, SECOND = "203.0.113.0", "203.0.113.1"
ONE_ADDRESS = {"ipv4": (IPv4Network(f"{FIRST}/32"),)}
FORWARD = StaticBinding(
    protocol="tcp",
    outside_address=IPv4Address(FIRST),
    outside_port=50_080,
    subscriber=IPv6Address(B4),
    inside_address=IPv4Address(INSIDE),
    inside_port=8080,
)
LOW = replace(FORWARD, outside_port=80)
SHIFTED = {"first_port": 2000}
Lease = tuple[int, int, int, int, int]


class Box:
    """A node with an AFTR; what it writes into its session log."""

    LIMITS = Limits(sessions=500)

    def __init__(self, records: list[Record] | None = None) -> None:
        self.records: list[Record] = [] if records is None else records
        self.services = self._services()

    def _services(self) -> Services:
        return Services(
            rng=Random(1), limits=self.LIMITS, log=lambda service, record: self.records.append(record)
        )

    def run(self, **changes: Any) -> None:
        """Reload with these values of the service."""
        self.reload(replace(AFTR_SERVICE, **changes))

    def reload(self, *services: Service) -> None:
        configuration = NodeConfiguration(node="box", services=services)
        self.services.reload(configuration, lambda wanted: 0)
        self.tick()

    def tick(self) -> None:
        """As the daemon does every second."""
        self.services.expire(time.monotonic())

    def stop(self) -> None:
        self.services.stop()

    def close(self) -> None:
        """Let go of what is not the process's memory."""

    def _sent(self, packet: bytes) -> list[bytes]:
        return [kit.finished(out) for out, _where in self.services.process(Packet(packet), time.monotonic())]

    def open(self, sport: int, softwire: str = B4) -> tuple[str, int]:
        """Outside end of a new UDP session."""
        (out,) = self._sent(kit.tunnel(softwire, AFTR6, kit.udp(INSIDE, sport, SERVER, 53)))
        return kit.field(out, "src"), kit.field(out, "sport")

    def crowd(self) -> list[tuple[str, int]]:
        """Sessions of two subscribers: each is at an address of its own."""
        return [self.open(5000 + n, who) for n in range(5) for who in (B4, OTHER_B4)]

    def answered(self, end: tuple[str, int]) -> bool:
        """Whether the session of an outside end is there."""
        return bool(self._sent(kit.udp(SERVER, 53, *end)))

    def forwards(self, end: tuple[str, int], source: str = SERVER, sport: int = 99) -> bool:
        """Whether a TCP connection from outside gets in."""
        return bool(self._sent(kit.tcp(source, sport, *end)))

    def open_leases(self) -> set[Lease]:
        """What somebody has, by the log; it is right: nothing begins twice, or ends that did not begin."""
        held: set[Lease] = set()
        for record in self.records:
            assert abs(record.time - time.monotonic()) < 60, record
            lease = record.realm, record.protocol, record.outside, record.first_port, record.last_port
            if record.event.endswith("_assigned"):
                assert lease not in held, record
                held.add(lease)
            else:
                assert lease in held, record
                held.remove(lease)
        return held

    def leases_of(self, end: tuple[str, int]) -> list[Lease]:
        """Who has an outside end now, by the log."""
        address, port = int(IPv4Address(end[0])), end[1]
        return [it for it in self.open_leases() if it[2] == address and it[3] <= port <= it[4]]

    def counts(self) -> Counter[str]:
        return Counter(record.event for record in self.records)


@pytest.fixture
def boxes() -> Callable[..., Box]:
    return Box


@pytest.fixture
def box(boxes: Callable[..., Box]) -> Iterator[Box]:
    made = boxes()
    yield made
    made.close()


def test_ports_of_an_address_that_goes_are_released(box: Box) -> None:
    box.run()
    ends = box.crowd()
    gone = [end for end in ends if end[0] == SECOND]
    assert len(gone) == 5
    box.run(pool=pool(**ONE_ADDRESS))
    assert [box.answered(end) for end in ends] == [end not in gone for end in ends]
    assert [len(box.leases_of(end)) for end in ends] == [end not in gone for end in ends]
    assert box.counts() == {"port_assigned": 10, "port_released": 5}
    box.stop()
    assert box.open_leases() == set()


def test_ports_out_of_the_new_range_are_released(box: Box) -> None:
    box.run()
    ends = box.crowd()
    limit = sorted(port for _address, port in ends)[5]
    box.run(pool=pool(first_port=limit))
    assert [len(box.leases_of(end)) for end in ends] == [port >= limit for _address, port in ends]
    assert box.counts()["port_released"] == 5


def test_who_is_no_subscriber_any_more_is_released(box: Box) -> None:
    box.run()
    mine, other = box.open(5000), box.open(5000, OTHER_B4)
    box.run(pool=pool(subscribers=IPv6Network("2001:db8:1:100::/56")))
    assert (box.answered(mine), box.answered(other)) == (True, False)
    assert (len(box.leases_of(mine)), box.leases_of(other)) == (1, [])


def test_blocks_that_go_are_released(box: Box) -> None:
    box.run(pool=pool(block_size=64))
    ends = box.crowd()
    box.run(pool=pool(block_size=64, **ONE_ADDRESS))
    assert [len(box.leases_of(end)) for end in ends] == [end[0] == FIRST for end in ends]
    box.stop()
    assert box.open_leases() == set()


@pytest.mark.parametrize(
    ("before", "after"),
    [({}, {"block_size": 64}), ({"block_size": 64}, {}), ({"block_size": 64}, {"block_size": 128})],
)
def test_other_ways_to_give_ports(box: Box, before: dict[str, Any], after: dict[str, Any]) -> None:
    """From port by port to blocks and back: a session that goes on is always somebody's, in one record."""
    box.run(pool=pool(**before))
    ends = box.crowd()
    box.run(pool=pool(**after))
    assert [len(box.leases_of(end)) for end in ends] == [box.answered(end) for end in ends]
    box.stop()
    assert box.open_leases() == set()


def test_a_pool_that_stays_says_nothing(box: Box) -> None:
    box.run()
    ends = box.crowd()
    before = list(box.records)
    box.run(mss_clamp=1400)
    assert box.records == before
    assert all(map(box.answered, ends))


def test_a_service_that_goes_releases_all(box: Box) -> None:
    box.run()
    box.crowd()
    box.reload()
    assert box.counts() == {"port_assigned": 10, "port_released": 10}
    assert box.open_leases() == set()


@pytest.mark.parametrize("forward", [FORWARD, LOW])
def test_a_forward_that_goes_ends(box: Box, forward: StaticBinding) -> None:
    """With its sessions and with its record; the port is free again."""
    end = str(forward.outside_address), forward.outside_port
    box.run(static_bindings=(forward,))
    assert [lease[0] for lease in box.leases_of(end)] == [int(IPv6Address(B4))]
    session = box.open(5000)
    assert box.forwards(end)
    box.run()
    assert (box.forwards(end), box.leases_of(end)) == (False, [])
    assert not box.forwards(end, "198.51.100.9")
    assert box.answered(session)
    other = replace(forward, subscriber=IPv6Address(OTHER_B4))
    box.run(static_bindings=(other,))
    assert [lease[0] for lease in box.leases_of(end)] == [int(IPv6Address(OTHER_B4))]
    assert box.forwards(end)
    box.stop()
    assert box.open_leases() == set()


def test_a_forward_that_stays_keeps_its_sessions(box: Box) -> None:
    end = FIRST, FORWARD.outside_port
    box.run(static_bindings=(FORWARD, replace(LOW, inside_port=9090)))
    assert box.forwards(end)
    before = len(box.services.sessions(time.monotonic(), 10)["sessions"])
    box.run(static_bindings=(FORWARD,))
    assert len(box.services.sessions(time.monotonic(), 10)["sessions"]) == before == 1
    assert len(box.leases_of(end)) == 1
    assert box.counts() == {"port_assigned": 2, "port_released": 1}


def test_a_forward_that_another_subscriber_gets(box: Box) -> None:
    end = FIRST, FORWARD.outside_port
    box.run(static_bindings=(FORWARD,))
    assert box.forwards(end)
    box.run(static_bindings=(replace(FORWARD, subscriber=IPv6Address(OTHER_B4)),))
    assert [lease[0] for lease in box.leases_of(end)] == [int(IPv6Address(OTHER_B4))]
    assert box.services.sessions(time.monotonic(), 10)["total"] == 0


def test_forwards_in_blocks_have_the_record_of_their_block(box: Box) -> None:
    end = FIRST, FORWARD.outside_port
    box.run(static_bindings=(FORWARD,), pool=pool(block_size=64))
    ((realm, protocol, _outside, first, last),) = box.leases_of(end)
    assert (realm, protocol, last - first) == (int(IPv6Address("2001:db8:1:100::")), 0, 63)
    assert box.forwards(end)
    box.run(pool=pool(block_size=64))
    assert (box.forwards(end), box.leases_of(end)) == (False, [])
