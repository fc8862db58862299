# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SA46T addresses and tables."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import (
    Plane,
    PlaneError,
    PlaneRoute,
    PlaneTable,
    base_of,
    ipv4_of,
)
from hypothesis import given
from hypothesis import strategies as st

FILE = Path(__file__).resolve().parents[2] / "vectors" / "sa46t_m46e.json"
ROWS = {row["id"]: row for row in json.loads(FILE.read_text())["vectors"]}
PREFIX = IPv6Network("2001:db8:0:46::/64")
ADDRESSES = st.integers(0, 2**32 - 1)


def address(text: str) -> int:
    return int(IPv4Address(text))


def table(*entries: tuple[str, str], plane_id: int = 1, default: Plane | None = None) -> PlaneTable:
    routes = [PlaneRoute(IPv4Network(ipv4), IPv6Network(ipv6)) for ipv4, ipv6 in entries]
    return PlaneTable(plane_id, routes, default)


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if "prefix" in row["input"]])
def test_route_vectors(name: str) -> None:
    row = ROWS[name]
    network = IPv4Network(row["input"]["ipv4"])
    plane = Plane(IPv6Network(row["input"]["prefix"]), row["input"]["plane_id"])
    assert str(plane.route(network)) in (row["expect"]["ipv6"], f"{row['expect']['ipv6']}/128")
    assert plane.route(network)[0] == IPv6Address(plane.address(int(network.network_address)))


@pytest.mark.parametrize("name", [name for name, row in ROWS.items() if "table" in row["input"]])
def test_table_vectors(name: str) -> None:
    row = ROWS[name]["input"]
    entries = [(ipv4, prefix) for plane_id, ipv4, prefix in row["table"] if plane_id == row["plane_id"]]
    found = table(*entries, plane_id=row["plane_id"]).address(address(row["ipv4_dst"]))
    assert str(IPv6Address(found)) == ROWS[name]["expect"]["ipv6_dst"]


def test_every_vector_is_used() -> None:
    assert all("prefix" in row["input"] or "table" in row["input"] for row in ROWS.values())


@pytest.mark.parametrize("length", [32, 48, 63, 64, 80, 95])
def test_a_plane_id_has_the_bits_that_the_prefix_leaves(length: int) -> None:
    prefix = IPv6Network((int(IPv6Address("2001:db8::")), length))
    last = (1 << 96 - length) - 1
    assert base_of(Plane(prefix, last).address(0xFFFFFFFF)) == Plane(prefix, last).base
    for wrong in (last + 1, -1):
        with pytest.raises(PlaneError, match="does not fit"):
            Plane(prefix, wrong)


def test_prefix_of_96_bits_has_one_plane() -> None:
    assert str(Plane(IPv6Network("64:ff9b::/96"), 0).route(IPv4Network("10.0.0.0/8"))) == "64:ff9b::a00:0/104"
    with pytest.raises(PlaneError, match="longer than /96"):
        Plane(IPv6Network("64:ff9b::/97"), 0)


@given(ADDRESSES, ADDRESSES)
def test_an_address_gives_back_what_it_stands_for(plane_id: int, ipv4: int) -> None:
    plane = Plane(PREFIX, plane_id)
    assert ipv4_of(plane.address(ipv4)) == ipv4
    assert base_of(plane.address(ipv4)) == plane.base
    assert IPv6Address(plane.address(ipv4)) in PREFIX


@given(ADDRESSES, ADDRESSES, ADDRESSES)
def test_planes_never_meet(ipv4: int, one: int, other: int) -> None:
    assert (Plane(PREFIX, one).address(ipv4) == Plane(PREFIX, other).address(ipv4)) == (one == other)


def test_longest_match() -> None:
    found = table(
        ("10.0.0.0/8", "2001:db8:0:1::/64"),
        ("10.1.0.0/16", "2001:db8:0:2::/64"),
        ("10.1.2.3/32", "2001:db8:0:3::/64"),
    )
    for ipv4, ipv6 in (
        ("10.2.0.1", "2001:db8:0:1:0:1:a02:1"),
        ("10.1.2.4", "2001:db8:0:2:0:1:a01:204"),
        ("10.1.2.3", "2001:db8:0:3:0:1:a01:203"),
    ):
        assert found.address(address(ipv4)) == int(IPv6Address(ipv6))
        assert int(IPv6Address(ipv6)) in found
    assert found.address(address("11.0.0.1")) is None
    assert int(IPv6Address("2001:db8:0:1:0:2:a02:1")) not in found  # another plane


def test_an_entry_for_everything_and_a_default() -> None:
    everything = table(("0.0.0.0/0", "2001:db8:0:1::/64"))
    assert everything.address(0xFFFFFFFF) == int(IPv6Address("2001:db8:0:1:0:1:ffff:ffff"))
    default = Plane(PREFIX, 1)
    found = table(("10.0.0.0/8", "2001:db8:0:1::/64"), default=default)
    assert found.address(address("11.0.0.1")) == default.address(address("11.0.0.1"))
    both = table(("0.0.0.0/0", "2001:db8:0:1::/64"), default=default)
    assert both.address(0) == int(IPv6Address("2001:db8:0:1:0:1::"))


def test_a_table_refuses_a_prefix_without_room_for_the_plane() -> None:
    with pytest.raises(PlaneError, match="does not fit in the 16 bits"):
        table(("10.0.0.0/8", "2001:db8::/80"), plane_id=65536)


@given(st.lists(st.tuples(ADDRESSES, st.integers(0, 32)), max_size=8), ADDRESSES)
def test_look_up_agrees_with_a_search_through_all_entries(nets: list[tuple[int, int]], wanted: int) -> None:
    routes = {IPv4Network(net, strict=False): index for index, net in enumerate(nets)}
    made = PlaneTable(7, [PlaneRoute(n, IPv6Network((i << 64, 64))) for n, i in routes.items()])
    best = max((n for n in routes if IPv4Address(wanted) in n), key=lambda n: n.prefixlen, default=None)
    assert made.address(wanted) == (None if best is None else routes[best] << 64 | 7 << 32 | wanted)
