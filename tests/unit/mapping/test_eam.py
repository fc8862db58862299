# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Explicit Address Mappings: the vectors of RFC 7757, and look-ups beside a slow one."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import combinations
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.eam import Eam, EamError, EamTable, overlaps
from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import Embedding
from hypothesis import given
from hypothesis import strategies as st

VECTORS = {
    v["id"]: v
    for v in json.loads(
        (Path(__file__).parents[2] / "vectors" / "rfc7757_eam.json").read_text(encoding="utf-8")
    )["vectors"]
}


def eam(ipv4: str, ipv6: str) -> Eam:
    return Eam(IPv4Network(ipv4), IPv6Network(ipv6))


# RFC 7757 figure 1.
FIGURE_1 = [
    eam("192.0.2.1/32", "2001:db8:aaaa::/128"),
    eam("192.0.2.2/32", "2001:db8:bbbb::b/128"),
    eam("192.0.2.16/28", "2001:db8:cccc::/124"),
    eam("192.0.2.128/26", "2001:db8:dddd::/64"),
    eam("192.0.2.192/29", "2001:db8:eeee:8::/62"),
    eam("192.0.2.224/31", "64:ff9b::/127"),
]


TABLE, PREFIX = EamTable(FIGURE_1), Embedding(IPv6Network("64:ff9b::/96"))


def n4(text: str) -> int:
    return int(IPv4Address(text))


def n6(text: str) -> int:
    return int(IPv6Address(text))


def to6(ipv4: int) -> int:
    """Explicit mappings come first (section 3.3)."""
    found = TABLE.to6(ipv4)
    return PREFIX.embed(ipv4) if found is None else found


def to4(ipv6: int) -> int:
    found = TABLE.to4(ipv6)
    return PREFIX.extract(ipv6) if found is None else found


@pytest.mark.parametrize(
    "row", [pytest.param(v, id=k) for k, v in VECTORS.items() if "v4_to_v6" in v["expect"]]
)
def test_figure_7(row: dict[str, Any]) -> None:
    ipv4, ipv6 = n4(row["input"]["ipv4"]), n6(row["input"]["ipv6"])
    assert to6(ipv4) == n6(row["expect"]["v4_to_v6"])
    assert to4(ipv6) == n4(row["expect"]["v6_to_v4"])
    assert (TABLE.to6(ipv4) is None) == (TABLE.to4(ipv6) is None) == (row["method"] == "rfc6052")


def test_what_is_behind_the_ipv4_suffix_does_not_count() -> None:
    row = VECTORS["eam-eee-trailing"]
    assert TABLE.to4(n6(row["input"]["ipv6"])) == n4(row["expect"]["ipv4"])


@pytest.mark.parametrize("name", ["eam-hairpin-8", "eam-hairpin-11"])
def test_hairpin(name: str) -> None:
    """A packet that turns round keeps the address in the prefix as its source (section 4.2.1)."""
    row = VECTORS[name]
    source, target = to4(n6(row["input"]["src"])), to4(n6(row["input"]["dst"]))
    assert (source, target) == (n4(row["expect"]["mid_src"]), n4(row["expect"]["mid_dst"]))
    assert (PREFIX.embed(source), to6(target)) == (
        n6(row["expect"]["final_src"]),
        n6(row["expect"]["final_dst"]),
    )


def test_hairpin_of_an_error() -> None:
    row = VECTORS["eam-hairpin-10"]
    outer, inner = ([to4(n6(text)) for text in row["input"][part]] for part in ("outer", "inner"))
    assert outer == [n4(text) for text in row["expect"]["mid_outer"]]
    assert inner == [n4(text) for text in row["expect"]["mid_inner"]]
    assert [PREFIX.embed(outer[0]), to6(outer[1])] == [n6(text) for text in row["expect"]["final_outer"]]
    assert [to6(inner[0]), PREFIX.embed(inner[1])] == [n6(text) for text in row["expect"]["final_inner"]]


def test_nothing_fits() -> None:
    assert TABLE.to6(n4("192.0.2.3")) is None
    assert TABLE.to4(n6("2001:db8:ffff::1")) is None


def test_ipv4_suffix_may_not_be_longer() -> None:
    with pytest.raises(EamError, match=r"192.0.2.0/24 has 8 suffix bits, 2001:db8::/121 only 7"):
        eam("192.0.2.0/24", "2001:db8::/121")


def test_longest_match_counts() -> None:
    table = EamTable([eam("10.0.0.0/8", "2001:db8:1::/104"), eam("10.1.0.0/16", "2001:db8:2::/112")])
    assert table.to6(n4("10.1.2.3")) == n6("2001:db8:2::203")
    assert table.to6(n4("10.2.2.3")) == n6("2001:db8:1::2:203")


def test_overlaps_of_either_version_are_found() -> None:
    wide, narrow, other = (
        eam("10.0.0.0/8", "2001:db8:1::/104"),
        eam("10.1.0.0/16", "2001:db8:2::/112"),
        eam("192.0.2.0/24", "2001:db8:2::ff00/120"),
    )
    assert overlaps([narrow, other, wide]) == [(0, 1), (0, 2)]
    assert overlaps([narrow, narrow]) == [(0, 1)]
    assert overlaps(FIGURE_1) == []


ENTRIES = st.lists(
    st.tuples(st.integers(0, 32), st.integers(0, 0xFF), st.integers(96, 128), st.integers(0, 0xFF)).map(
        lambda row: Eam(
            IPv4Network((row[1] * 0x01010101, row[0]), strict=False),
            IPv6Network((row[3] * 0x01010101, min(128, row[2], 96 + row[0])), strict=False),
        )
    ),
    max_size=8,
)
ADDRESS = st.integers(0, 0xFF).map(lambda octet: octet * 0x01010101) | st.integers(0, 0xFFFFFFFF)


@given(ENTRIES, ADDRESS)
def test_beside_a_search_through_all(entries: list[Eam], address: int) -> None:
    table = EamTable(entries)
    four, six = IPv4Address(address), IPv6Address(address)
    best4 = max((e for e in entries if four in e.ipv4), key=lambda e: e.ipv4.prefixlen, default=None)
    best6 = max((e for e in entries if six in e.ipv6), key=lambda e: e.ipv6.prefixlen, default=None)
    found6, found4 = table.to6(address), table.to4(address)
    if best4 is None:
        assert found6 is None
    else:
        suffix = f"{address:032b}"[best4.ipv4.prefixlen :]
        prefix = f"{int(best4.ipv6.network_address):0128b}"[: best4.ipv6.prefixlen]
        assert found6 == int((prefix + suffix).ljust(128, "0"), 2)
    if best6 is None:
        assert found4 is None
    else:
        suffix = f"{address:0128b}"[best6.ipv6.prefixlen :]
        prefix = f"{int(best6.ipv4.network_address):032b}"[: best6.ipv4.prefixlen]
        assert found4 == int((prefix + suffix)[:32], 2)


@given(ENTRIES)
def test_overlaps_are_all_pairs_that_share_an_address(entries: list[Eam]) -> None:
    assert overlaps(entries) == [
        (i, j)
        for (i, a), (j, b) in combinations(enumerate(entries), 2)
        if a.ipv4.overlaps(b.ipv4) or a.ipv6.overlaps(b.ipv6)
    ]
