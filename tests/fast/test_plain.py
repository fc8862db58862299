# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Plain TCP and UDP of entitled hosts is never left to the core."""

from __future__ import annotations

import os
from random import Random
from typing import NamedTuple

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.core import Link
from ansible_collections.ipv4aas.fleet.engine.node.fast.compiled import old_decapsulation
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, XDP
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, GATEWAY
from ingress import needs_one_step
from pair import Pair
from technique_samples import SERVICES
from unit.packet import packetkit as kit

pytestmark = pytest.mark.root

COUNT = 300
SIZES = (0, 1, 11, 100, 536, 1412)  # octets behind TCP without options: the last fills an MTU of 1500
BR = "2001:db8:fffe::1"


class Way(NamedTuple):
    """IPv4 ends of what goes through, and the outer addresses that it comes in."""

    source: str
    target: str
    outer: tuple[str, str] | None = None  # None: it comes in on the IPv4 side


FP, HERE, THERE = "2001:db8:4600::7:", "2001:db8:4601::7:", "2001:db8:4602::7:"
WAYS = {
    ("ds-lite", EDGE): [
        Way("192.168.1.5", "198.51.100.7"),
        Way("192.0.0.2", "198.51.100.7"),
        Way("198.51.100.7", "192.168.1.5", (BR, "2001:db8:12:3400:0:c000:2:0")),
    ],
    ("sa46t", EDGE): [
        Way("10.1.0.1", "10.2.0.9"),
        Way("10.2.0.9", "10.1.0.1", (f"{FP}10.2.0.9", f"{FP}10.1.0.1")),
    ],
    ("sa46t", GATEWAY): [
        Way("10.1.0.1", "198.51.100.7"),
        Way("198.51.100.7", "10.1.0.1", (f"{FP}198.51.100.7", f"{FP}10.1.0.1")),
    ],
    ("sa46t-pr", EDGE): [
        Way("10.1.0.1", "10.2.0.9"),
        Way("10.2.0.9", "10.1.0.1", (f"{THERE}10.2.0.9", f"{HERE}10.1.0.1")),
    ],
    ("sa46t-pr", GATEWAY): [
        Way("10.1.0.1", "10.3.0.9"),
        Way("10.2.0.9", "10.1.0.1", (f"{THERE}10.2.0.9", f"{HERE}10.1.0.1")),
    ],
    ("sa46t-pt", GATEWAY): [
        Way("10.9.0.9", "10.2.0.9", (f"{FP}10.9.0.9", f"{FP}10.2.0.9")),
        Way("10.2.0.9", "10.9.0.9", (f"{THERE}10.2.0.9", "2001:db8:4604::7:10.9.0.9")),
    ],
}


def packet(rng: Random, way: Way) -> bytes:
    ends = way.source, rng.randrange(1, 65536), way.target, rng.randrange(1, 65536)
    head = {"tos": rng.choice((0, 1, 2, 0xB8)), "ttl": rng.choice((2, 64, 255)), "df": rng.random() < 0.5}
    data = rng.randbytes(rng.choice(SIZES))
    if rng.random() < 0.5:
        inner = kit.udp(*ends, data, **head)
    else:
        flags, options = rng.choice(((2, b"\x02\x04\x05\xb4"), (16, b""), (17, b"\1\1\1\1"), (4, b"")))
        inner = kit.tcp(*ends, flags, data[: 1412 - len(options)], options, **head)
    return inner if way.outer is None else kit.tunnel(*way.outer, inner, tc=rng.choice((0, 0xB8)))


HOOKS = {
    "tc": (TC, True, {"old_decapsulation": False}),
    "tc to the stack": (TC, False, {"old_decapsulation": False}),
    "tc before Linux 6.3": (TC, True, {"old_decapsulation": True}),
    "tc before Linux 6.3 to the stack": (TC, False, {"old_decapsulation": True}),
    "xdp": (XDP, True, {}),
}


@pytest.mark.parametrize("how", HOOKS)
@pytest.mark.parametrize("seat", WAYS, ids=" ".join)
def test_plain_packets_are_taken(seat: tuple[str, str], how: str) -> None:
    hook, redirect, settings = HOOKS[how]
    if settings.get("old_decapsulation") is False:
        needs_one_step()
    pair, rng = Pair(SERVICES[seat], hook, redirect=redirect, settings=settings), Random(COUNT)
    for _ in range(COUNT):
        for way in WAYS[seat]:
            assert pair.send(packet(rng, way), Link.NATIVE if way.outer is None else Link.SOFTWIRE)
    assert pair.seen == {"redirect" if redirect else "stack": COUNT * len(WAYS[seat])}, pair.fast.counters()
    pair.close()


def test_this_kernel_says_what_it_can() -> None:
    major, minor = map(int, os.uname().release.split(".")[:2])
    assert old_decapsulation() == ((major, minor) < (6, 3))
