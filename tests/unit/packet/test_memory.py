# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What floods cost in memory, measured: the bounds in Limits must be true."""

from __future__ import annotations

import tracemalloc
from collections.abc import Callable
from ipaddress import IPv4Address, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.core import Limits
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


def test_a_session_costs_about_a_kilobyte() -> None:
    """The worst case: each session has a binding of its own."""
    rules = (kit.rule(ea_len=8),)
    node = kit.edge(rules=rules, end_user_prefix=IPv6Network("2001:db8:12::/48"))

    def flood() -> None:
        for port in range(2000, 12000):
            kit.run(node, kit.udp("192.168.1.1", port, kit.SERVER, 53), kit.NATIVE)

    used = grown(flood) / 10000
    print(f"{used:.0f} octets a session")
    assert len(node.sessions()) == 10000
    assert used < 1300
    assert node.expire(1000.0) == ["session_expired"] * 10000


def test_remembered_answers_are_bounded() -> None:
    node = kit.gateway()
    node.mapping.CACHE_LIMIT = 100
    for number in range(1000):
        source = f"2001:db8:{number:x}::1"
        kit.run(node, kit.tunnel(source, kit.BR, kit.udp(kit.OWN4, 1, kit.SERVER, 2)), kit.SOFTWIRE)
        to = str(IPv4Address("192.0.2.0") + number % 256)
        kit.run(node, kit.udp(kit.SERVER, 53, to, 1024 + number * 4), kit.NATIVE)
    assert len(node.mapping._entitlements) <= 100 and len(node.mapping._softwires) <= 100
