# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fuzzer's traffic through session gateways in the core and as programs; FAST_PACKETS as elsewhere."""

from __future__ import annotations

import os
from dataclasses import replace
from random import Random

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, XDP, problem
from ansible_collections.ipv4aas.fleet.engine.techniques.service import GATEWAY
from fuzz_seats import SEATS
from session_pair import SessionPair

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
    pair.fuzz(seat, rng, COUNT)
    assert len(pair.kernel) == len(pair.napt)
    pair.close()
