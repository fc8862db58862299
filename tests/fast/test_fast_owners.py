# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Binding tables of all shapes: owners by place and by key, rules looked through and in a trie."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address
from random import Random

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from ansible_collections.ipv4aas.fleet.engine.mapping.iid import DRAFT03, RFC7597, map_address
from ansible_collections.ipv4aas.fleet.engine.node.core import Link
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, XDP
from pair import Pair
from unit.packet import packetkit as kit

pytestmark = pytest.mark.root

POOL, SOFTWIRES = IPv4Address("192.0.2.0"), IPv6Address("2001:db8:c::1")
OTHER = IPv6Address("2001:db8:ffff::2")


def bindings(addresses: list[int], psids: int, length: int, offset: int = 0) -> list[Binding]:
    """The first PSIDs of some addresses of the pool."""
    return [
        Binding(SOFTWIRES + (address << 72 | psid << 64), POOL + address, offset, length, psid)
        for address in addresses
        for psid in range(psids)
    ]


def mapped(found: list[Binding], iid_format: str) -> list[Binding]:
    """The same with softwires whose lower halves are mapped ones."""
    return [
        replace(
            b, softwire=IPv6Address(map_address(int(b.softwire) - 1, 64, int(b.ipv4), b.psid, iid_format))
        )
        for b in found
    ]


def moved(found: list[Binding]) -> list[Binding]:
    """The same, every third one with the prefix of another operator, the first with a second word of 0."""
    ends = (b.softwire + (n % 3 // 2 << 100) for n, b in enumerate(found))
    first, *rest = (replace(b, softwire=end) for b, end in zip(found, ends, strict=True))
    return [replace(first, softwire=IPv6Address("2001:db8::1")), *rest]


def of_any(found: list[Binding]) -> list[Binding]:
    """The same with softwires of any kind: their lower halves say nothing."""
    return [replace(b, softwire=b.softwire + Random(n).getrandbits(60)) for n, b in enumerate(found)]


def port_of(binding: Binding, rng: Random) -> int:
    """One of its ports (RFC 7597 appendix B)."""
    behind = 16 - binding.psid_offset - binding.psid_len
    first = rng.randrange(1, 1 << binding.psid_offset) if binding.psid_offset else 0
    return first << 16 - binding.psid_offset | binding.psid << behind | rng.randrange(1 << behind)


WHOLE = bindings([200], 1, 0)
OWN_GATEWAY = [Binding(SOFTWIRES + (201 << 72), POOL + 201, 0, 4, 3, OTHER)]
TWO_WAYS = [*bindings([202], 2, 4), Binding(SOFTWIRES + (202 << 72 | 9 << 64), POOL + 202, 0, 6, 60)]
TABLES = {
    "placed": (bindings(list(range(4, 12)), 16, 4) + WHOLE, 3, 0),
    "with holes": (bindings(list(range(3)), 6, 4, 6), 2, 0),
    "by key": (bindings([7], 3, 8), 1, 3),
    "mixed": (bindings([1, 2], 16, 4) + bindings([9], 2, 8) + OWN_GATEWAY + TWO_WAYS + WHOLE, 5, 3),
    "many prefixes": (bindings(list(range(0, 60, 2)), 16, 4), 30, 0),
    "mapped": (mapped(bindings(list(range(4, 12)), 16, 4, 6), RFC7597), 2, 0),
    "mapped as draft-03 has it": (mapped(bindings(list(range(4, 12)), 16, 4), DRAFT03), 2, 0),
    "of any kind": (of_any(bindings(list(range(4, 12)), 14, 4)), 2, 0),
    "some mapped, some of any kind": (
        [*mapped(bindings(list(range(4)), 16, 4), RFC7597), *of_any(bindings(list(range(4, 8)), 12, 4))],
        2,
        0,
    ),
    "several prefixes": (moved(bindings(list(range(4, 12)), 14, 4)), 2, 0),
    "several prefixes, mapped": (moved(mapped(bindings(list(range(12)), 1, 0), RFC7597)), 11, 0),
    "no upper half": (
        [*bindings(list(range(4)), 16, 4), Binding(IPv6Address("::c0:1"), POOL + 4, 0, 0, 0)],
        1 + 1,
        1,
    ),
}


@pytest.mark.parametrize("hook", [TC, XDP])
@pytest.mark.parametrize("name", TABLES)
def test_same_owner_as_the_core(name: str, hook: str) -> None:
    table, rules, keyed = TABLES[name]
    service = kit.service("gateway", technique="lw4o6", rules=(), bindings=tuple(table), ipv6_mtu=1540)
    pair, rng = Pair(service, hook), Random(name)
    assert sum(1 for _ in pair.fast.maps["rules"].items()) == rules
    assert sum(1 for _ in pair.fast.maps["bindings"].items()) == keyed
    assert bool(pair.fast.few_rules) == (rules <= 8)
    known = [binding for binding in table if binding not in TWO_WAYS]  # those are the core's
    for _ in range(3000):
        binding = rng.choice(known)
        address = str(binding.ipv4 if rng.random() < 0.9 else POOL + rng.randrange(202))
        port = rng.randrange(65536)
        if rng.random() < 0.5:
            port = port_of(binding, rng)
        if rng.random() < 0.5:
            pair.send(kit.udp(kit.SERVER, 53, address, port), Link.NATIVE)
            continue
        gateway = str(binding.gateway_address or kit.BR) if rng.random() < 0.9 else str(OTHER)
        inner = kit.udp(address, port, kit.SERVER, 53)
        pair.send(kit.tunnel(str(binding.softwire), gateway, inner), Link.SOFTWIRE)
    assert pair.seen["redirect"] > 500, pair.seen
    assert pair.seen["pass"] > 100, pair.seen
    pair.close()
