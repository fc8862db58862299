# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fuzzer's traffic through the core and each program of the fast path.

FAST_PACKETS says how many for each technique, role and hook (default 3000); FUZZ_SEED which ones.
"""

from __future__ import annotations

import os
from collections import deque
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.node.core import Link
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, XDP, needs_sessions, problem
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE
from fuzz_seats import DMR6, ODD, SEATS, SERVERS, Seat, Talk, translated, tunnels
from fuzz_traffic import damaged
from pair import Pair
from test_fuzz import talk

COUNT = int(os.environ.get("FAST_PACKETS", "3000"))
SEED = int(os.environ.get("FUZZ_SEED", "7597"))

pytestmark = pytest.mark.root

RULE = MapRule(IPv6Network("2001:db8::/40"), IPv4Network("192.0.2.0/24"), 4, 0, forwarding=True)
OWN4, PEER4, BR = "192.0.2.17", "192.0.2.33", "2001:db8:fffe::1"


def _whole_addresses(technique: str) -> Seat:
    """An edge whose hosts have its public addresses: no NAPT (RFC 7597 section 5.2)."""
    seat = SEATS[technique, EDGE]
    if technique == "lw4o6":
        service = replace(
            seat.service,
            bindings=(Binding(IPv6Address("2001:db8:10::1"), IPv4Address(OWN4)),),
            end_user_prefix=IPv6Network("2001:db8:10::/44"),
            inside=(IPv4Network(f"{OWN4}/32"),),
            port_forwards=(),
        )
    else:
        service = replace(
            seat.service,
            rules=(RULE,),
            end_user_prefix=IPv6Network("2001:db8:10::/44"),
            inside=(IPv4Network("192.0.2.16/28"),),
            port_forwards=(),
        )
    own, peers = str(service.customer.address), [(PEER4, None)]
    peer = str(RULE.customer(IPv6Network("2001:db8:20::/44"), service.interface_identifier).address)
    if technique == "map-t":
        shift = 16
        own, peer = (str(IPv6Address(int(IPv6Address(a)) | 1 << shift)) for a in (own, peer))
        domain = translated(
            DMR6,
            Talk(SERVERS, [(OWN4, None)], far=own),
            Talk(peers, [(OWN4, None)], peer, own),
            Talk(ODD, [(OWN4, None)], far=own),
            Talk(SERVERS, [(OWN4, None)], "2001:db9::1", own),
        )
    else:
        domain = tunnels(
            Talk(SERVERS, [(OWN4, None)], BR, own),
            Talk(peers, [(OWN4, None)], peer, own),
            Talk([*ODD, *SERVERS], [(OWN4, None), *peers], BR, own),
            Talk([*SERVERS, *peers], [(OWN4, None)], "2001:db9::1", own),
        )
    native = [Talk([(OWN4, None)], [*SERVERS, *peers]), Talk([(OWN4, None), *peers], [*ODD, *peers])]
    return replace(seat, service=service, native=native, domain=domain)


ALL = {
    **{" ".join(name): seat for name, seat in SEATS.items()},
    **{f"{name} whole addresses": _whole_addresses(name) for name in ("map-e", "map-t", "lw4o6")},
}
CASES = [
    (name, hook, redirect)
    for name, seat in ALL.items()
    for hook, redirect in ((TC, True), (TC, False), (XDP, True))
    if not problem(seat.service, hook) and not needs_sessions(seat.service)
]


@pytest.mark.parametrize(("name", "hook", "redirect"), CASES)
def test_same_as_the_core(name: str, hook: str, redirect: bool) -> None:
    seat, rng = ALL[name], Random(f"{SEED}{name}{hook}")
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
    assert pair.seen["redirect" if redirect else "stack"] > COUNT / 200, pair.seen
    assert pair.seen["pass"] > COUNT / 200, pair.seen
    pair.close()
