# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fuzzer's traffic through the core and each program of the fast path.

FAST_PACKETS says how many for each technique, role and hook (default 3000); FUZZ_SEED which ones.
"""

from __future__ import annotations

import os
from collections import deque
from random import Random

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.core import Link
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, XDP, problem
from fuzz_seats import SEATS
from fuzz_traffic import damaged
from pair import Pair
from test_fuzz import talk

COUNT = int(os.environ.get("FAST_PACKETS", "3000"))
SEED = int(os.environ.get("FUZZ_SEED", "7597"))

pytestmark = pytest.mark.root

CASES = [
    (technique, role, hook, redirect)
    for technique, role in SEATS
    for hook, redirect in ((TC, True), (TC, False), (XDP, True))
    if not problem(SEATS[technique, role].service, hook)
]


@pytest.mark.parametrize(("technique", "role", "hook", "redirect"), CASES)
def test_same_as_the_core(technique: str, role: str, hook: str, redirect: bool) -> None:
    seat, rng = SEATS[technique, role], Random(f"{SEED}{technique}{role}{hook}")
    pair = Pair(seat.service, hook, redirect=redirect)
    seen: deque[tuple[bytes, Link]] = deque(maxlen=50)
    now, done = 0.0, 0
    while done < COUNT:
        for data, link in talk(rng, seat, seen):
            done += 1
            now += 0.001
            packet = damaged(rng, data) if rng.random() < 0.1 else data
            if packet and packet[0] >> 4 == (4 if link is Link.NATIVE else 6):
                seen += pair.send(packet, link, now)
    assert pair.seen["redirect" if redirect else "stack"] > COUNT / 50, pair.seen
    assert pair.seen["pass"] > COUNT / 50, pair.seen
    pair.close()
