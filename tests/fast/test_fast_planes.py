# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SA46T in the programs: published vectors, narrow paths, other routes of the kernel."""

from __future__ import annotations

import json
import time
from collections.abc import Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane, PlaneRoute
from ansible_collections.ipv4aas.fleet.engine.node.core import Link
from ansible_collections.ipv4aas.fleet.engine.node.fast.networks import inherited
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, XDP
from ansible_collections.ipv4aas.fleet.engine.packet.path_mtu import LIFETIME
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, Service
from pair import Pair
from technique_samples import SA46T, SA46T_PR, SERVICES
from unit.packet import packetkit as kit

FILE = Path(__file__).resolve().parents[1] / "vectors" / "sa46t_m46e.json"
ROWS = {row["id"]: row for row in json.loads(FILE.read_text())["vectors"]}
HERE, THERE = "10.1.0.1", "10.2.0.9"
PLANE = "2001:db8:4600::7:"

pytestmark = pytest.mark.root


@contextmanager
def running(service: Service, hook: str, **how: Any) -> Iterator[Pair]:
    pair = Pair(service, hook, **how)
    try:
        yield pair
    finally:
        pair.close()


def taken(pair: Pair, data: bytes, link: Link = Link.NATIVE, now: float = 0.0) -> bytes | None:
    """What the program makes of a packet, the same as the core does; None: it was left to the core."""
    before = pair.seen["pass"]
    sent = pair.send(data, link, now)
    return sent[0][0] if pair.seen["pass"] == before else None


@pytest.mark.parametrize("hook", [TC, XDP])
@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if "prefix" in row["input"]])
def test_plane_vectors(name: str, hook: str) -> None:
    row = ROWS[name]["input"]
    network = IPv4Network(row["ipv4"])
    stub = network if network.prefixlen else IPv4Network("10.0.0.0/8")
    here = str(stub[stub.num_addresses - 1])
    plane = Plane(IPv6Network(row["prefix"]), row["plane_id"])
    with running(replace(SA46T, plane=plane, inside=(stub,), mss_clamp=0), hook) as pair:
        out = taken(pair, kit.tcp(here, 1024, "198.51.100.7", 80))
        assert out is not None
        source, target = kit.outer(out)
        assert IPv6Address(source) in IPv6Network(ROWS[name]["expect"]["ipv6"])
        assert taken(pair, kit.tunnel(target, source, kit.tcp("198.51.100.7", 80, here, 1024)), Link.SOFTWIRE)


@pytest.mark.parametrize("hook", [TC, XDP])
@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if "table" in row["input"]])
def test_table_vectors(name: str, hook: str) -> None:
    row = ROWS[name]["input"]
    routes = tuple(
        PlaneRoute(IPv4Network(ipv4), IPv6Network(prefix))
        for plane_id, ipv4, prefix in row["table"]
        if plane_id == row["plane_id"]
    )
    service = replace(
        SA46T_PR,
        plane=Plane(routes[0].prefix, row["plane_id"]),
        plane_routes=routes,
        inside=(routes[0].ipv4,),
    )
    with running(service, hook) as pair:
        out = taken(pair, kit.udp(str(routes[0].ipv4[1]), 1024, row["ipv4_dst"], 53))
        assert out is not None
        assert IPv6Address(kit.outer(out)[1]) == IPv6Address(ROWS[name]["expect"]["ipv6_dst"])


@pytest.mark.parametrize("hook", [TC, XDP])
def test_a_narrow_path_is_the_cores_until_its_time_is_over(hook: str) -> None:
    with running(SA46T, hook) as pair:
        large, other = (kit.udp(HERE, 1024, there, 53, bytes(1360)) for there in (THERE, "10.3.0.9"))
        sent = taken(pair, large)
        assert sent is not None
        error = kit.icmpv6("2001:db8:fffd::99", f"{PLANE}{HERE}", 2, 0, 1400, sent)
        pair.send(error, Link.SOFTWIRE)
        assert taken(pair, large) is None
        assert pair.fast.counters()["punt_too_big"][0] == 1
        assert taken(pair, other)
        assert taken(pair, kit.udp(HERE, 1024, THERE, 53, bytes(1400 - 68)))
        assert taken(pair, large, now=LIFETIME)


@pytest.mark.parametrize("hook", [TC, XDP])
def test_the_programs_know_the_time_of_a_path_too(hook: str) -> None:
    with running(SA46T, hook) as pair:
        large, far = kit.udp(HERE, 1024, THERE, 53, bytes(1360)), int(IPv6Address(f"{PLANE}{THERE}"))
        pair.fast.narrow(far, 1400, time.monotonic() + 60)
        pair.compare(large, [], [])
        pair.fast.narrow(far, 1400, time.monotonic() - 1)
        assert taken(pair, large)


@pytest.mark.parametrize("hook", [TC, XDP])
@pytest.mark.parametrize(("technique", "source"), [("sa46t", HERE), ("ds-lite", "192.168.1.5")])
def test_other_routes_of_the_kernel_are_not_taken(technique: str, source: str, hook: str) -> None:
    """The pair compares what is taken; what is not has to be as it was, and is nobody's punt."""
    with running(SERVICES[technique, EDGE], hook) as pair:

        def verdict(target: str) -> int:
            frame = bytes(12) + b"\x08\0" + kit.udp(source, 1024, target, 53)
            result, out, _ = pair.fast.program.run(frame)
            assert (out == frame) == (result in (2, 0xFFFFFFFF))
            return result

        aside, inside, way = IPv4Network("172.16.0.0/12"), IPv4Network("172.16.5.0/24"), verdict("8.8.8.8")
        assert verdict("172.16.0.1") == way
        routes = {aside: True, inside: False, IPv4Network("0.0.0.0/0"): False}
        many = {IPv4Network(f"203.0.113.{n}/32"): True for n in range(100)}
        for more in ({}, many, {}, many):  # looked through one by one, and in a trie
            pair.fast.set_routes(routes | more)
            assert verdict("172.16.0.1") != way
            assert verdict("172.16.5.1") == verdict("8.8.8.8") == way
            assert (verdict("203.0.113.99") == way) == (not more)
        pair.fast.set_routes({})
        assert verdict("172.16.0.1") == way
        assert not any(name.startswith("punt") for name in pair.fast.counters())


def test_a_prefix_has_what_those_around_it_say() -> None:
    said = [
        (IPv4Network("10.0.0.0/8"), {"a": 1}),
        (IPv4Network("10.1.0.0/16"), {"b": 2}),
        (IPv4Network("10.1.0.0/24"), {"a": 3}),
        (IPv4Network("10.1.0.0/16"), {"b": 4, "c": 5}),
        (IPv4Network("10.2.0.0/16"), {"c": 6}),
    ]
    found = {(address >> 16, length): facts for address, length, facts in inherited(said)}
    assert found == {
        (0x0A00, 8): {"a": 1},
        (0x0A01, 16): {"a": 1, "b": 2, "c": 5},
        (0x0A01, 24): {"a": 3, "b": 2, "c": 5},
        (0x0A02, 16): {"a": 1, "c": 6},
    }
