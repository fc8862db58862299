# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PREF64 in router advertisements and the discovery of a DNS64's prefix, against the shared vectors."""

from __future__ import annotations

import json
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import Embedding
from ansible_collections.ipv4aas.fleet.engine.provision import dns64, pref64
from ansible_collections.ipv4aas.fleet.engine.provision.pref64 import Pref64Error
from hypothesis import given
from hypothesis import strategies as st

ROWS = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "dns64_pref64.json").read_text())[
    "vectors"
]


def rows(start: str):
    """Rows whose id starts so."""
    found = [pytest.param(row, id=row["id"]) for row in ROWS if row["id"].startswith(start)]
    assert found
    return found


@pytest.mark.parametrize("row", rows("pref64-ra"))
def test_router_advertisement(row):
    prefix, lifetime = IPv6Network(row["input"]["prefix"]), row["input"]["lifetime"]
    octets = bytes.fromhex(row["expect"]["hex"])
    assert pref64.encode(prefix, lifetime) == octets
    assert pref64.decode(octets) == (prefix, row["expect"]["effective"])


@given(st.sampled_from(pref64.LENGTHS), st.integers(0, 2**128 - 1), st.integers(0, 8191))
def test_there_and_back(length, address, scaled):
    prefix = IPv6Network((address & ~(0xFF << 56), length), strict=False)
    assert pref64.decode(pref64.encode(prefix, scaled * 8)) == (prefix, scaled * 8)


@pytest.mark.parametrize(
    "octets",
    [
        "260202580064ff9b00000000000000",
        "270202580064ff9b0000000000000000",
        "260102580064ff9b0000000000000000",
        "2602025e0064ff9b0000000000000000",
        "2602025f0064ff9b0000000000000000",
        "260202580064ff9b0000000001000000",
    ],
    ids=["short", "type", "length", "code-6", "code-7", "octet-u"],
)
def test_options_that_a_host_ignores(octets):
    with pytest.raises(Pref64Error):
        pref64.decode(bytes.fromhex(octets))


@pytest.mark.parametrize(("prefix", "lifetime"), [("2001:db8::/65", 8), ("64:ff9b::/96", -1)])
def test_what_cannot_be_announced(prefix, lifetime):
    with pytest.raises(Pref64Error):
        pref64.encode(IPv6Network(prefix), lifetime)


@pytest.mark.parametrize("row", rows("pref64-disc"))
def test_discovery(row):
    found = dns64.discover(IPv6Address(address) for address in row["input"]["aaaa"])
    assert found == tuple(IPv6Network(prefix) for prefix in row["expect"]["pref64"])


@pytest.mark.parametrize("length", [32, 40, 48, 56, 64, 96])
def test_discovery_finds_the_prefix_of_the_answers(length):
    prefix = IPv6Network(f"2001:db8:122:344::/{length}", strict=False)
    assert dns64.discover(dns64.well_known_answers(prefix)) == (prefix, prefix)


def test_other_records_tell_nothing():
    assert dns64.discover([IPv6Address("2001:db8::1"), IPv6Address("2001:db8::192.0.0.172")]) == ()


@pytest.mark.parametrize("row", rows("ptr"))
def test_name_of_a_synthesised_address(row):
    assert f"{IPv6Address(row['input']['ipv6']).reverse_pointer}." == row["expect"]["ptr"]


@pytest.mark.parametrize("row", rows("dns64-7"))
def test_synthesis_is_rfc_6052(row):
    embedding = Embedding(IPv6Network(row["input"]["pref64"]))
    made = [
        str(IPv6Address(embedding.embed(int.from_bytes(bytes(map(int, a.split("."))), "big"))))
        for a in row["input"]["a"]
    ]
    assert made == row["expect"]["aaaa"]
