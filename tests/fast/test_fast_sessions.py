# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fuzzer's traffic through session gateways in the core and as programs; FAST_PACKETS as elsewhere."""

from __future__ import annotations

import os
from collections import deque
from dataclasses import replace
from random import Random

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.core import Link
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, XDP, problem
from ansible_collections.ipv4aas.fleet.engine.techniques.service import GATEWAY
from fuzz_seats import SEATS
from fuzz_traffic import damaged
from session_pair import SessionPair
from test_fuzz import talk

COUNT = int(os.environ.get("FAST_PACKETS", "3000"))
SEED = int(os.environ.get("FUZZ_SEED", "7597"))

pytestmark = pytest.mark.root

CASES = [
    (technique, hook, redirect, filtering)
    for technique in ("ds-lite", "nat64", "464xlat")
    for hook, redirect in ((TC, True), (TC, False), (XDP, True))
    for filtering in ("address-dependent", "endpoint-independent")
    if not problem(replace(SEATS[technique, GATEWAY].service, eam=()), hook)
]


@pytest.mark.parametrize(("technique", "hook", "redirect", "filtering"), CASES)
def test_same_as_the_core(technique: str, hook: str, redirect: bool, filtering: str) -> None:
    seat, rng = SEATS[technique, GATEWAY], Random(f"{SEED}{technique}{hook}{filtering}")
    pair = SessionPair(replace(seat.service, filtering=filtering, eam=()), hook, redirect=redirect)
    seen: deque[tuple[bytes, Link]] = deque(maxlen=50)
    now, done = 0.0, 0
    while done < COUNT:
        for data, link in talk(rng, seat, seen):
            done += 1
            now += rng.random() * 0.05
            packet = damaged(rng, data) if rng.random() < 0.1 else data
            if packet and packet[0] >> 4 == (4 if link is Link.NATIVE else 6):
                seen += pair.send(packet, link, now)
        if rng.random() < 0.002:
            now += rng.choice([5, 61, 241, 301, 8000])
            pair.core.expire(pair.at(now))
            assert pair.views() == pair.core_views()
    assert pair.seen["redirect" if redirect else "stack"] > COUNT / 100, pair.seen
    assert pair.seen["pass"] > COUNT / 50, pair.seen
    assert pair.views() == pair.core_views()
    assert len(pair.kernel) == len(pair.napt)
    pair.close()
