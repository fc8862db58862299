# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""RFC 6052 addresses: the vectors, all prefix lengths, the well-known prefix."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import (
    LENGTHS,
    NON_GLOBAL,
    WELL_KNOWN,
    Embedding,
    PrefixError,
    non_global,
)
from hypothesis import given
from hypothesis import strategies as st

VECTORS = json.loads(
    (Path(__file__).parents[2] / "vectors" / "rfc6052_addresses.json").read_text(encoding="utf-8")
)["vectors"]
IPV4 = st.integers(0, 0xFFFFFFFF)


def rows(*prefixes: str, key: str) -> list[Any]:
    return [
        pytest.param(v, id=v["id"]) for v in VECTORS if v["id"].startswith(prefixes) and key in v["expect"]
    ]


@pytest.mark.parametrize("row", rows("rfc", key="ipv6"))
def test_embedded_and_extracted(row: dict[str, Any]) -> None:
    embedding = Embedding(IPv6Network(row["input"]["prefix"]))
    ipv6 = embedding.embed(int(IPv4Address(row["input"]["ipv4"])))
    assert str(IPv6Address(ipv6)) == str(IPv6Address(row["expect"]["ipv6"]))
    assert str(IPv4Address(embedding.extract(ipv6))) == row["expect"]["back"]


@pytest.mark.parametrize("row", rows("rfc", key="ipv4"))
def test_suffix_and_octet_u_are_ignored(row: dict[str, Any]) -> None:
    embedding = Embedding(IPv6Network(row["input"]["prefix"]))
    ipv6 = int(IPv6Address(row["input"]["ipv6"]))
    for noise in (0, 0xFF << 56):
        assert str(IPv4Address(embedding.extract(ipv6 | noise))) == row["expect"]["ipv4"]


@pytest.mark.parametrize("row", rows("wkp", key="action"))
def test_well_known_prefix_carries_global_addresses_only(row: dict[str, Any]) -> None:
    embedding = Embedding(WELL_KNOWN)
    ipv4 = embedding.extract(int(IPv6Address(row["input"]["ipv6"])))
    assert embedding.may_carry(ipv4) == (row["expect"]["action"] == "translate")
    assert Embedding(IPv6Network("64:ff9b:1:fffe::/96")).may_carry(ipv4)  # RFC 8215


@pytest.mark.parametrize("length", [n for n in range(129) if n not in LENGTHS])
def test_other_lengths_are_refused(length: int) -> None:
    with pytest.raises(PrefixError, match=f"length /{length} is not one of /32, /40"):
        Embedding(IPv6Network(("2001:db8::", length), strict=False))


def test_octet_u_of_a_96_must_be_zero_and_the_next_may_be_set() -> None:
    with pytest.raises(PrefixError, match="bits 64 to 71 are not zero"):
        Embedding(IPv6Network("2001:db8:0:0:0100::/96"))
    assert Embedding(IPv6Network("2001:db8:0:0:00ff::/96")).extract(0x01020304) == 0x01020304


@given(IPV4, st.sampled_from(LENGTHS), st.integers(0, (1 << 128) - 1))
def test_every_address_comes_back(ipv4: int, length: int, bits: int) -> None:
    prefix = IPv6Network((bits & ~(0xFF << 56), length), strict=False)
    embedding = Embedding(prefix)
    ipv6 = embedding.embed(ipv4)
    assert IPv6Address(ipv6) in prefix and ipv6 in embedding
    assert not ipv6 >> 56 & 0xFF
    assert embedding.extract(ipv6) == ipv4
    # Bit by bit: the 32 bits are those behind the prefix but for octet u (section 2.2).
    text = f"{ipv6:0128b}"
    assert (text[:64] + text[72:])[length - (8 if length == 96 else 0) :][:32] == f"{ipv4:032b}"


@given(IPV4 | st.sampled_from([int(n[at]) for n in NON_GLOBAL for at in (0, -1)]))
def test_non_global_is_the_list(ipv4: int) -> None:
    listed = any(IPv4Address(ipv4) in network for network in NON_GLOBAL)
    assert non_global(ipv4) == (listed and IPv4Address(ipv4) not in IPv4Network("192.0.0.170/31"))
    for near in (ipv4 - 1, ipv4 + 1):
        if 0 <= near <= 0xFFFFFFFF and near not in (0xC00000AA, 0xC00000AB):
            assert non_global(near) == any(IPv4Address(near) in network for network in NON_GLOBAL)


@given(st.integers(0, (1 << 32) - 1), st.integers(0, 32), st.sampled_from(LENGTHS))
def test_network_has_the_addresses_of_its_hosts_and_no_others(ipv4: int, bits: int, length: int) -> None:
    embedding = Embedding(IPv6Network(("2001:db8::", length)))
    network = IPv4Network((ipv4 >> bits << bits, 32 - bits))
    found = embedding.embed_network(network)
    assert all(IPv6Address(embedding.embed(int(host))) in found for host in (network[0], network[-1]))
    if bits < 32:
        neighbour = int(network[0]) ^ 1 << bits
        assert IPv6Address(embedding.embed(neighbour)) not in found
