# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What floods cost in memory, measured: the bounds in Limits must be true."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from itertools import count, islice
from random import Random

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.node.core import Limits
from ansible_collections.ipv4aas.fleet.engine.packet import napt
from ansible_collections.ipv4aas.fleet.engine.packet.allocation import PoolAllocator
from ansible_collections.ipv4aas.fleet.engine.packet.ipv4 import Datagram
from ansible_collections.ipv4aas.fleet.engine.packet.verdict import Drop
from unit.packet import packetkit as kit

OCTETS = 1 << 20


def grown(flood: Callable[[], None]) -> int:
    """Octets more than before."""
    tracemalloc.start()
    try:
        before = tracemalloc.get_traced_memory()[0]
        flood()
        return tracemalloc.get_traced_memory()[0] - before
    finally:
        tracemalloc.stop()


@pytest.mark.parametrize("size", [8, 1400])
def test_held_pieces_stay_within_the_bound(size: int) -> None:
    node = kit.gateway({"limits": Limits(fragment_packets=100, fragment_octets=OCTETS)})

    def flood() -> None:
        for ident in range(100):
            for at in range(1, 60):
                piece = kit.ip(
                    kit.SERVER, kit.OWN4, 17, bytes(size), df=False, mf=True, offset=at * size, ident=ident
                )
                if at * size + size < 65536:
                    kit.run(node, piece, kit.NATIVE)

    assert grown(flood) < OCTETS * 1.3
    assert node.fragments.chains.octets > OCTETS * 0.9


@pytest.mark.parametrize("size", [8, 1400])
def test_held_tunnel_pieces_stay_within_the_bound(size: int) -> None:
    node = kit.gateway({"limits": Limits(fragment_packets=100, fragment_octets=OCTETS)})

    def flood() -> None:
        for ident in range(100):
            packet = kit.tunnel(kit.OWN6, kit.BR, bytes(size * 46))
            for piece in kit.cut6(packet, size, ident)[1:]:
                kit.run(node, piece, kit.SOFTWIRE)

    assert grown(flood) < OCTETS * 1.3
    assert node.reassembler.chains.octets > OCTETS * 0.9


MANY = 5000


def opened(nat: napt.Napt, number: int, realm: int, sport: int, dport: int) -> None:
    nat.outbound(Datagram(kit.udp("192.168.1.1", sport, kit.SERVER, dport)), 0.0, realm)


# Each session has a subscriber, a binding, or a remote of its own; by how much each is more than before.
@pytest.mark.parametrize(
    ("name", "of", "most"),
    [
        ("softwire", lambda n: (1 + n << 64, 5000, 53), 650),
        ("binding", lambda n: (1, 2000 + n, 53), 400),
        ("remote", lambda n: (1, 5000, 1 + n), 450),
    ],
)
@pytest.mark.parametrize("block_size", [0, 16])
def test_what_a_session_costs(
    name: str, of: Callable[[int], tuple[int, int, int]], most: int, block_size: int
) -> None:
    pool = Pool(ipv4=(IPv4Network("203.0.113.0/29"),), block_size=block_size)
    nat = napt.Napt(PoolAllocator(pool, Random(1)), limit=MANY)
    if block_size and name == "softwire":
        most = 1700  # a block for each, too

    def flood() -> None:
        for number in range(MANY):
            opened(nat, number, *of(number))

    used = grown(flood) / MANY
    print(f"{name}, blocks of {block_size}: {used:.0f} octets a session")
    assert len(nat) == MANY
    assert used < most
    assert nat.expire(300.0) == MANY


def test_a_session_of_an_edge_costs_less() -> None:
    """The worst case: each session has a binding of its own."""
    rules = (kit.rule(ea_len=8),)
    node = kit.edge(rules=rules, end_user_prefix=IPv6Network("2001:db8:12::/48"))

    def flood() -> None:
        for port in range(2000, 2000 + MANY):
            kit.run(node, kit.udp("192.168.1.1", port, kit.SERVER, 53), kit.NATIVE)

    assert grown(flood) / MANY < 350
    assert len(node.sessions()) == MANY
    assert node.expire(1000.0) == ["session_expired"] * MANY


def test_ended_sessions_leave_nothing() -> None:
    pool = Pool(ipv4=(IPv4Network("203.0.113.0/29"),), hold_down=100)
    nat = napt.Napt(PoolAllocator(pool, Random(1)), limit=MANY)

    turns = count()

    def churn() -> None:
        for turn in islice(turns, 10):
            for number in range(1000):
                d = Datagram(kit.udp("192.168.1.1", 5000, kit.SERVER, 53))
                nat.outbound(d, turn * 500.0, 1 + turn * 1000 + number << 64)
            assert nat.expire(turn * 500.0 + 300) == 1000
            nat.expire(turn * 500.0 + 400)

    churn()
    # Tables of a thousand; ten thousand sessions would be 5 MB.
    assert grown(churn) < 500_000
    assert not nat.sessions()


def test_remembered_syns_stay_within_the_bound() -> None:
    nat = napt.Napt(
        PoolAllocator(Pool(ipv4=(IPv4Network("203.0.113.0/29"),)), Random(1)), limit=9, remembered_syns=1024
    )

    def flood() -> None:
        for port in range(1024, 1024 + 3000):
            with pytest.raises(Drop):
                nat.inbound(Datagram(kit.tcp(kit.SERVER, 9, "203.0.113.1", port)), 0.0)

    assert grown(flood) < 1024 * 600
    assert len(nat.unanswered(6.0)) == 1024


def test_remembered_answers_are_bounded() -> None:
    node = kit.gateway()
    node.mapping.CACHE_LIMIT = 100
    for number in range(1000):
        source = f"2001:db8:{number:x}::1"
        kit.run(node, kit.tunnel(source, kit.BR, kit.udp(kit.OWN4, 1, kit.SERVER, 2)), kit.SOFTWIRE)
        to = str(IPv4Address("192.0.2.0") + number % 256)
        kit.run(node, kit.udp(kit.SERVER, 53, to, 1024 + number * 4), kit.NATIVE)
    assert len(node.mapping._entitlements) <= 100 and len(node.mapping._softwires) <= 100
