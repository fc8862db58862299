# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ports of an edge and of a gateway: who gets which, and that it takes no longer when few are left."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Callable
from dataclasses import replace
from datetime import UTC, datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random
from types import FrameType
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool, PoolError
from ansible_collections.ipv4aas.fleet.engine.mapping.portset import ALL_PORTS, PortSet
from ansible_collections.ipv4aas.fleet.engine.packet import natlog
from ansible_collections.ipv4aas.fleet.engine.packet.allocation import PoolAllocator, PortSetAllocator
from ansible_collections.ipv4aas.fleet.engine.packet.freeports import Bits, Span
from ansible_collections.ipv4aas.fleet.engine.packet.verdict import Drop
from ansible_collections.ipv4aas.fleet.engine.verify.session_log import read_log
from hypothesis import given
from hypothesis import strategies as st

ICMP, TCP, UDP = 1, 6, 17
ONE = (IPv4Network("203.0.113.1/32"),)
FOUR = (IPv4Network("203.0.113.0/31"), IPv4Network("198.51.100.8/31"))
SMALL = Pool(ipv4=ONE, first_port=65536 - 256)


def realm(number: int, host: int = 1) -> int:
    """The softwire of a customer; each has a /64."""
    return int(IPv6Address("2001:db8::")) + (number << 64) + host


def pool(**changes: Any) -> Pool:
    return replace(SMALL, **changes)


class Desk:
    """An allocator, what was taken from it, and its log."""

    def __init__(self, pool: Pool, seed: int = 1) -> None:
        self.records: list[natlog.Record] = []
        self.allocator = PoolAllocator(pool, Random(seed), log=self.records.append)

    def take(
        self, number: int = 0, wanted: int = 5000, now: float = 0.0, protocol: int = UDP
    ) -> tuple[int, int]:
        return self.allocator.take(protocol, realm(number), 1, wanted, now)

    def give_back(
        self, outside: int, port: int, number: int = 0, now: float = 0.0, protocol: int = UDP
    ) -> None:
        """As a session core does it: the session, then the binding."""
        self.allocator.leave(realm(number))
        self.allocator.give_back(protocol, realm(number), outside, port, now)

    def refusal(self, number: int = 0, now: float = 0.0, **how: Any) -> Drop:
        with pytest.raises(Drop) as caught:
            self.take(number, now=now, **how)
        return caught.value

    def events(self) -> list[tuple[str, int, int]]:
        return [(r.event, r.first_port, r.last_port) for r in self.records]


# Free ports


@given(st.integers(1, 700), st.randoms(use_true_random=False), st.data())
def test_bits_give_each_number_once(count: int, rng: Random, data: st.DataObject) -> None:
    bits, model = Bits(count), set(range(count))
    for _turn in range(data.draw(st.integers(1, 60))):
        kind = data.draw(st.sampled_from(["pick", "odd", "even", "take", "free"]))
        number = data.draw(st.integers(0, count - 1))
        if kind == "take":
            assert bits.take(number) is (number in model)
            model.discard(number)
        elif kind == "free":
            if number not in model:
                bits.free(number)
                model.add(number)
        else:
            odd = {"pick": None, "odd": 1, "even": 0}[kind]
            got = bits.pick(rng, odd)
            assert (got in model) if model else got == -1
            if odd is not None and any(n & 1 == odd for n in model):
                assert got & 1 == odd
            model.discard(got)
        assert bits.left == len(model)


def test_picks_are_spread_over_all() -> None:
    """RFC7857-s9: not the lowest ones first, in a small set as little as in a large one."""
    rng = Random(5)
    for size in (64, 64512):
        first = Counter(Bits(size).pick(rng) * 8 // size for _turn in range(4000))
        assert min(first[octile] for octile in range(8)) > 300


def test_a_span_gives_all_its_ports_of_the_right_parity() -> None:
    """RFC4787-REQ-4: parity is kept as long as it can be."""
    span, rng = Span(range(1025, 1425)), Random(1)
    even = [span.pick(UDP, 4000, rng) for _turn in range(200)]
    assert all(port % 2 == 0 for port in even)
    assert all(span.pick(UDP, 4000, rng) % 2 for _turn in range(200))
    assert span.pick(UDP, 4000, rng) == 0
    assert span.pick(TCP, 4000, rng)
    assert Span(range(2)).pick(UDP, 4, rng) == 1  # port 0 is nobody's


# An edge


def test_port_set_is_used_to_the_last_port() -> None:
    ports = PortSet(6, 8, 0x34)
    edge = PortSetAllocator([1, 2], ports, Random(1))
    for inside in (2, 3):
        taken = {edge.take(UDP, 0, inside, 40000 + n, 0.0) for n in range(252)}
        assert taken == {(1 + inside % 2, ports.nth(n)) for n in range(252)}
        with pytest.raises(Drop, match="drop_ports_exhausted") as caught:
            edge.take(UDP, 0, inside, 40000, 0.0)
        assert caught.value.error == (3, 13, 0)
    edge.give_back(UDP, 0, 1, ports.nth(9), 0.0)
    assert edge.take(UDP, 0, 2, 40000, 0.0) == (1, ports.nth(9))


def test_edge_keeps_port_class_and_parity() -> None:
    """RFC4787-REQ-3 (a), RFC4787-REQ-4, on a whole address."""
    edge = PortSetAllocator([1], ALL_PORTS, Random(1))
    assert edge.take(UDP, 0, 1, 5000, 0.0) == (1, 5000)
    others = [edge.take(UDP, 0, 1, 5000, 0.0)[1] for _turn in range(300)]
    assert all(port >= 1024 and port % 2 == 0 for port in others)
    assert len(set(others)) == 300
    assert edge.take(UDP, 0, 1, 53, 0.0) == (1, 53)
    assert edge.take(UDP, 0, 1, 53, 0.0)[1] != 53


def steps(work: Callable[[], object]) -> int:
    """Lines of the engine that some work takes: what time would be, without the noise of a machine."""
    count = 0

    def trace(frame: FrameType, _event: str, _argument: object) -> Any:
        nonlocal count
        if "/engine/" not in frame.f_code.co_filename:
            return None
        count += 1
        return trace

    before = sys.gettrace()
    sys.settrace(trace)
    try:
        work()
    finally:
        sys.settrace(before)
    return count


def test_no_system_port_for_a_source_that_has_none() -> None:
    """RFC 4787 REQ-3a: also where all others of the set are taken; identifiers have no classes."""
    edge = PortSetAllocator([1], PortSet(0, 5, 0), Random(1))  # 0 to 2047
    assert {edge.take(UDP, 0, 1, 50000, 0.0)[1] for _ in range(1024)} == set(range(1024, 2048))
    with pytest.raises(Drop, match="drop_ports_exhausted"):
        edge.take(UDP, 0, 1, 50000, 0.0)
    assert 0 < edge.take(UDP, 0, 1, 500, 0.0)[1] < 1024
    assert {edge.take(ICMP, 0, 1, 50000, 0.0)[1] for _ in range(2047)} == set(range(1, 2048))


def test_a_full_edge_works_no_longer_than_an_empty_one() -> None:
    edge = PortSetAllocator([1], ALL_PORTS, Random(1))

    def take(count: int) -> None:
        for _turn in range(count):
            edge.take(TCP, 0, 1, 2000, 0.0)

    first = steps(lambda: take(1000))
    take(62512)
    assert steps(lambda: take(1000)) < 3 * first


# Pooling


def test_a_subscriber_has_one_address() -> None:
    """RFC6888-REQ-2, RFC4787-REQ-2: paired pooling, whatever host of the subscriber asks."""
    desk = Desk(pool(ipv4=FOUR, first_port=1024))
    seen = {}
    for number in range(40):
        pairs = {desk.allocator.take(UDP, realm(number, host), 9, 5000, 0.0)[0] for host in range(1, 30)}
        assert len(pairs) == 1
        seen[number] = pairs.pop()
    assert set(Counter(seen.values()).values()) == {10}  # subscribers are spread evenly


def test_disjoint_pools_are_all_used() -> None:
    """RFC6888-REQ-3."""
    desk = Desk(pool(ipv4=FOUR))
    assert {str(IPv4Address(desk.take(n)[0])) for n in range(4)} == {
        "203.0.113.0", "203.0.113.1", "198.51.100.8", "198.51.100.9",
    }  # fmt: skip


def test_a_full_paired_address_refuses_and_others_go_on() -> None:
    """RFC7857-s4: no port of another address."""
    desk = Desk(pool(ipv4=FOUR))
    greedy = {desk.take(0) for _turn in range(256)}
    assert len(greedy) == 256
    assert desk.refusal(0).reason == "drop_ports_exhausted"
    others = [desk.take(number)[0] for number in range(1, 13)]
    assert next(iter(greedy))[0] not in others
    assert set(Counter(others).values()) == {4}


def test_nothing_fails_before_the_pool_is_full() -> None:
    """RFC6888-REQ-13: every port is used; then the new one is refused and nothing taken away (REQ-11)."""
    desk = Desk(pool(ipv4=FOUR))
    pairs = [desk.take(number % 64) for number in range(4 * 256)]
    assert len(set(pairs)) == 4 * 256
    for number in (0, 99):
        drop = desk.refusal(number)
        assert (drop.reason, drop.error, drop.error6) == ("drop_ports_exhausted", (3, 1, 0), (1, 3, 0))
    assert desk.take(99, protocol=TCP)[1]  # ports of other protocols are others


def test_a_full_pool_works_no_longer_than_an_empty_one() -> None:
    """Many addresses, nearly all ports taken."""
    desk = Desk(Pool(ipv4=(IPv4Network("203.0.113.0/30"),), hold_down=0))

    def take() -> None:
        for n in range(1000):
            desk.take(n % 4)

    first = steps(take)
    taken = 1000
    while taken < 4 * 64512 - 1200:
        desk.take(taken % 4)
        taken += 1
    assert steps(take) < 3 * first
    for _turn in range(200):
        desk.take(taken % 4)
        taken += 1
    assert steps(lambda: [desk.refusal(100 + n) for n in range(1000)]) < 3 * first
    assert len(desk.allocator._subscribers) == 4  # those who were refused left nothing behind


# Quotas


def test_quota_counts_all_protocols() -> None:
    """RFC6888-REQ-4: ports and identifiers that are assigned to a subscriber."""
    desk = Desk(pool(ports_per_subscriber=5))
    pairs = [desk.take(1, protocol=protocol) for protocol in (UDP, TCP, ICMP, UDP, TCP)]
    drop = desk.refusal(1, protocol=ICMP)
    assert (drop.reason, drop.error) == ("drop_quota", (3, 1, 0))
    assert desk.take(2)
    desk.give_back(*pairs[0], number=1)
    assert desk.take(1)
    assert desk.refusal(1).reason == "drop_quota"


def test_sessions_of_a_subscriber_are_limited() -> None:
    """RFC6888-REQ-5."""
    desk = Desk(pool(sessions_per_subscriber=3))
    desk.take(1)
    desk.allocator.admit(realm(1), 0.0)
    desk.take(1)
    with pytest.raises(Drop, match="drop_session_quota"):
        desk.allocator.admit(realm(1), 0.0)
    assert desk.refusal(1).reason == "drop_session_quota"
    assert desk.take(2)
    desk.allocator.leave(realm(1))
    desk.allocator.admit(realm(1), 0.0)


def test_new_sessions_in_a_second_are_limited() -> None:
    """RFC6888-REQ-5 (B), REQ-4 (C)."""
    desk = Desk(pool(new_sessions_per_second=4))
    for _turn in range(4):
        desk.take(1, now=7.2)
    assert desk.refusal(1, now=7.9).reason == "drop_session_rate"
    assert desk.take(2, now=7.9)
    assert desk.take(1, now=8.0)


# Hold-down


def test_a_freed_port_waits_two_minutes() -> None:
    """RFC6888-REQ-8."""
    desk = Desk(pool())
    pairs = [desk.take(1) for _turn in range(256)]
    desk.give_back(*pairs[7], number=1, now=10.0)
    desk.allocator.expire(129.9)
    assert desk.refusal(2, now=129.9).reason == "drop_ports_exhausted"
    desk.allocator.expire(130.0)
    assert desk.take(2, now=130.0) == pairs[7]


def test_time_and_number_of_waiting_ports_are_configurable() -> None:
    """RFC6888-REQ-8: both MUST be."""
    desk = Desk(pool(hold_down=5, hold_down_ports=2))
    pairs = [desk.take(1) for _turn in range(256)]
    for at in range(3):
        desk.give_back(*pairs[at], number=1, now=0.0)
    desk.allocator.expire(0.0)
    assert desk.take(2) == pairs[0]  # the oldest of three had to give way
    assert desk.refusal(2, now=4.9)
    desk.allocator.expire(5.0)
    assert {desk.take(2, now=5.0) for _turn in range(2)} == set(pairs[1:3])


def test_the_address_stays_as_long_as_anything_does() -> None:
    desk = Desk(pool(ipv4=FOUR, hold_down=100))
    home, port = desk.take(1)
    desk.take(2)
    desk.give_back(home, port, number=1, now=10.0)
    assert desk.take(1, now=50.0)[0] == home
    assert len(desk.allocator._subscribers) == 2
    desk.give_back(*desk.take(3), number=3, now=50.0)
    desk.allocator.expire(150.0)
    assert len(desk.allocator._subscribers) == 2


# Port class


def test_system_ports_are_for_those_who_ask_from_one() -> None:
    """RFC4787-REQ-3 (a): below 1024 stays below while there is room; above never comes below."""
    desk = Desk(pool(first_port=1000))
    low = [desk.take(1, wanted=500 + n)[1] for n in range(24)]
    assert sorted(low) == list(range(1000, 1024))
    assert [p % 2 for p in low] == [n % 2 for n in range(24)]
    assert desk.take(1, wanted=500)[1] >= 1024
    assert all(desk.take(1, wanted=1024 + n)[1] >= 1024 for n in range(100))
    desk.give_back(desk.take(9)[0], low[0], number=1, now=0.0)
    desk.allocator.expire(120.0)
    assert desk.take(1, wanted=40)[1] == low[0]
    assert Desk(pool(first_port=0)).take(1, wanted=3)[1] in range(1, 1024)


# Blocks (RFC 6888 section 4, RFC 6908)


BLOCKS = pool(block_size=32)  # eight blocks an address


def test_ports_come_in_blocks_one_record_each() -> None:
    """RFC6888-REQ-13/14/15: the log has a record a block; ports of a subscriber are neighbours."""
    desk = Desk(BLOCKS)
    ports = [desk.take(1, protocol=protocol)[1] for protocol in (UDP, TCP, ICMP) for _turn in range(32)]
    (first,) = {port - port % 32 for port in ports}
    assert Counter(ports) == Counter(dict.fromkeys(range(first, first + 32), 3))
    assert desk.events() == [("block_assigned", first, first + 31)]
    desk.take(1)
    assert len(desk.events()) == 2
    record = desk.records[0]
    assert (record.realm, record.protocol) == (realm(1, 0), natlog.ALL_PROTOCOLS)
    other = desk.take(2)[1]
    assert all(not r.first_port <= other <= r.last_port for r in desk.records[:2])


def test_blocks_are_given_to_the_last() -> None:
    desk = Desk(BLOCKS)
    pairs = {desk.take(number % 8) for number in range(256)}
    assert len(pairs) == 256
    assert desk.refusal(3).reason == desk.refusal(77).reason == "drop_ports_exhausted"
    assert desk.take(3, protocol=TCP)


def test_a_block_is_freed_whole_after_the_hold_down() -> None:
    """RFC6888-REQ-8: the same subscriber may come back at once and finds its block; others wait."""
    desk = Desk(pool(block_size=256))
    pairs = [desk.take(1) for _turn in range(40)]
    for outside, port in pairs[1:]:
        desk.give_back(outside, port, number=1, now=0.0)
    desk.allocator.expire(500.0)
    assert desk.refusal(2, now=500.0)
    desk.give_back(*pairs[0], number=1, now=500.0)
    again = desk.take(1, now=600.0)
    assert desk.events() == [("block_assigned", 65280, 65535)]
    desk.give_back(*again, number=1, now=601.0)
    desk.allocator.expire(720.9)
    assert desk.refusal(2, now=720.9)
    desk.allocator.expire(721.0)
    assert [event for event, *_ in desk.events()] == ["block_assigned", "block_released"]
    assert desk.records[-1].time == 721.0
    assert desk.take(2, now=721.0)


def test_a_block_with_a_free_port_is_used_before_a_new_one() -> None:
    desk = Desk(BLOCKS)
    pairs = [desk.take(1) for _turn in range(96)]
    assert len(desk.records) == 3
    for outside, port in pairs[10:12] + pairs[70:72]:
        desk.give_back(outside, port, number=1)
    assert {desk.take(1) for _turn in range(4)} == set(pairs[10:12] + pairs[70:72])
    assert len(desk.records) == 3
    for outside, port in pairs[:32]:
        desk.give_back(outside, port, number=1)
    desk.allocator.expire(200.0)
    assert desk.events()[-1][0] == "block_released"
    for _turn in range(32):
        desk.take(1, now=200.0)
    assert len(desk.records) == 5


@given(st.lists(st.tuples(st.integers(0, 4), st.sampled_from([UDP, TCP]), st.booleans()), max_size=150),
       st.sampled_from([0, 8, 32]))  # fmt: skip
def test_no_port_has_two_owners_and_the_log_knows_each(steps: list[Any], block_size: int) -> None:
    """Whatever happens: a port is one binding's, a block one subscriber's, and the log names the owner."""
    desk = Desk(pool(first_port=65536 - 64, block_size=block_size, hold_down=3))
    held: dict[tuple[int, int, int], int] = {}
    taken: list[tuple[int, int, int, int, int]] = []
    for now, (number, protocol, back) in enumerate(steps):
        desk.allocator.expire(now)
        if back and held:
            (protocol, outside, port), owner = held.popitem()
            desk.give_back(outside, port, number=owner, now=now, protocol=protocol)
            continue
        try:
            outside, port = desk.take(number, now=now, protocol=protocol)
        except Drop:
            continue
        assert (protocol, outside, port) not in held
        held[protocol, outside, port] = number
        taken.append((now, protocol, outside, port, number))
    leases = read_log(map(natlog.to_line, desk.records), "log")
    for now, protocol, outside, port, number in taken:
        (lease,) = [
            lease
            for lease in leases
            if lease.first_port <= port <= lease.last_port
            and lease.protocol in (protocol, natlog.ALL_PROTOCOLS)
            and lease.holds(datetime.fromtimestamp(now, UTC))
        ]
        assert (int(lease.ipv4), int(lease.realm) >> 64) == (outside, realm(number) >> 64)


def test_a_released_block_leaves_the_others_in_use() -> None:
    desk = Desk(BLOCKS)
    pairs = [desk.take(1) for _turn in range(64)]
    for outside, port in pairs[:32] + pairs[40:42]:
        desk.give_back(outside, port, number=1)
    desk.allocator.expire(120.0)
    assert desk.events()[-1][0] == "block_released"
    assert {desk.take(1, now=120.0) for _turn in range(2)} == set(pairs[40:42])


# Deterministic (RFC 7422)


FIXED = pool(
    first_port=65536 - 256, block_size=32, deterministic=True, subscribers=IPv6Network("2001:db8::/61")
)


def test_deterministic_ports_are_those_of_the_arithmetic() -> None:
    desk = Desk(FIXED)
    mapping = FIXED.arithmetic()
    for number in (5, 0, 7):
        ((outside, ports),) = mapping.ports(number).items()
        assert {desk.take(number) for _turn in range(32)} == {(outside, port) for port in ports}
        assert desk.refusal(number).reason == "drop_ports_exhausted"
    assert desk.records == []  # that is its purpose
    assert desk.refusal(8).reason == "drop_no_subscriber"


def test_own_ports_are_free_at_once() -> None:
    """RFC6888-REQ-8 (B)."""
    desk = Desk(FIXED)
    pairs = [desk.take(3) for _turn in range(32)]
    desk.give_back(*pairs[4], number=3)
    assert desk.take(3) == pairs[4]
    for outside, port in pairs:
        desk.give_back(outside, port, number=3)
    assert not desk.allocator._subscribers


def test_the_dynamic_part_is_for_all_and_logged() -> None:
    desk = Desk(
        pool(block_size=32, deterministic=True, dynamic_blocks=4, subscribers=IPv6Network("2001:db8::/62"))
    )
    own = {desk.take(2)[1] for _turn in range(32)}
    assert own == set(range(65280 + 64, 65280 + 96))
    extra = desk.take(2)
    assert extra[1] >= 65280 + 128
    assert desk.events() == [("port_assigned", extra[1], extra[1])]
    assert desk.records[0].realm == realm(2)
    mapping = desk.allocator.pool.arithmetic()
    assert mapping.owner(*extra) == "dynamic"
    desk.give_back(*extra, number=2, now=9.0)
    assert desk.events()[-1][0] == "port_released"


def test_shuffled_ports() -> None:
    fixed = replace(FIXED, algorithm="random")
    allocator = PoolAllocator(fixed, Random(1), key=b"secret")
    taken = {allocator.take(UDP, realm(4), 1, 5000, 0.0) for _turn in range(32)}
    ((outside, ports),) = fixed.arithmetic(b"secret").ports(4).items()
    assert taken == {(outside, port) for port in ports}
    with pytest.raises(PoolError, match="needs a key"):
        PoolAllocator(fixed, Random(1))


@pytest.mark.parametrize("algorithm", ["round-robin", "interlaced"])
def test_ports_of_several_addresses_are_against_paired_pooling(algorithm: str) -> None:
    with pytest.raises(PoolError, match="RFC 6888 REQ-2"):
        PoolAllocator(replace(FIXED, algorithm=algorithm), Random(1))


# What is in use already


def test_claims() -> None:
    """A changed pool takes over what it still has, and nothing else."""
    desk = Desk(BLOCKS)
    address = int(ONE[0][0])
    claim = desk.allocator.claim
    assert claim(UDP, realm(1), address, 65290)
    assert not claim(UDP, realm(1), address, 65290)
    assert not claim(TCP, realm(2), address, 65291)  # the block is another subscriber's
    assert claim(TCP, realm(1), address, 65290)
    assert not claim(UDP, realm(1), address + 1, 65290)
    assert not claim(UDP, realm(1), address, 80)
    assert claim(UDP, realm(3), address, 80, static=True)
    assert not claim(UDP, realm(4), address, 80, static=True)
    assert desk.records == []
    desk.allocator.announce(5.0)
    assert desk.events() == [("block_assigned", 65280, 65311)]
    assert desk.take(1)[1] in range(65280, 65312)
    desk.allocator.retire(6.0)
    assert desk.events()[-1] == ("block_released", 65280, 65311)


def test_claims_of_a_deterministic_pool() -> None:
    desk = Desk(FIXED)
    address = int(ONE[0][0])
    assert desk.allocator.claim(UDP, realm(1), address, 65280 + 40)
    assert not desk.allocator.claim(UDP, realm(1), address, 65280 + 64)
    assert not desk.allocator.claim(UDP, realm(100), address, 65280 + 64)
    assert len({desk.take(1) for _turn in range(31)}) == 31
    assert desk.refusal(1)


def test_a_pool_without_addresses_is_refused() -> None:
    with pytest.raises(PoolError, match="no address"):
        PoolAllocator(Pool(ipv4=()), Random(1))
    with pytest.raises(PoolError, match="overlaps"):
        PoolAllocator(Pool(ipv4=(*ONE, *FOUR)), Random(1))


# The log


def test_log_lines_are_read_back() -> None:
    record = natlog.Record(12.5, natlog.BLOCK_ASSIGNED, realm(7), 0, int(ONE[0][0]), 2048, 2111)
    line = natlog.to_line(record)
    assert '"outside":"203.0.113.1"' in line and '"realm":"2001:db8:0:7::1"' in line
    assert natlog.from_line(line) == record
    for wrong in ("{}", "[]", '{"time": 1}', "nothing"):
        with pytest.raises(ValueError, match=r"not a record|Expecting"):
            natlog.from_line(wrong)


def test_no_destination_is_logged() -> None:
    """RFC6888-REQ-12."""
    assert set(natlog.Record._fields) == {
        "time", "event", "realm", "protocol", "outside", "first_port", "last_port",
    }  # fmt: skip
