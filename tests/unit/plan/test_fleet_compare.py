# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The comparison: words against the deck and RFC 9313, figures against plans made by hand."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import yaml
from ansible_collections.ipv4aas.fleet.engine.plan import aspects
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.plan.compare import (
    NO_FIGURE,
    compare,
    shown_octets,
    to_text,
    with_technique,
)
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from fleet_samples import FEATURES, GOLDEN, expect, expect_table, hostvars, hostvars_of
from unit.plan.test_fleet_techniques import CAMPUS, SMALL

DOCS = Path(__file__).resolve().parents[3] / "docs" / "comparison.md"
VECTORS = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "comparison.json").read_text())
BY_TITLE = {row.title: row for row in TECHNIQUES.values()}

# Row of the deck -> what derives it, and what of the deck's words is beyond it.
DECK = {
    "target users": aspects.target,
    "scalability": aspects.scalability,
    "where NAT runs": aspects.nat_runs,
    "topology": aspects.topology,
    "traceability": aspects.traceability,
    "log volume": aspects.log_volume,
    "packet format": aspects.packet_format,
}
RFC9313 = {
    "traversal (table 1)": aspects.traversal,
    "overhead bytes (s3.1)": lambda row: row.overhead,
    "per-flow state in the operator network (table 3)": aspects.operator_keeps_flows,
    "DHCPv6 provisioning (table 2)": aspects.told_by_dhcpv6,
    "RADIUS": aspects.radius,
    "YANG": aspects.yang,
    "DHCP 4o6": aspects.told_by_dhcp_4o6,
    "DNS64 / RFC 7050 discovery": aspects.told_by_dns64,
    "NAPT place (s3.3)": aspects.napt_place,
    "port sharing": aspects.port_sharing,
    "other IP protocols than TCP/UDP/ICMP under address sharing (s3.2)": aspects.other_protocols,
    "inbound service (s4.3)": aspects.inbound,
    "logging (s4.7)": aspects.logging,
    "anycast / ECMP (s4.6)": aspects.several_gateways,
    "reaches dual-stack services without translating back (s4.8)": aspects.optimisation,
}


def table(part):
    return {row["row"]: dict(zip(part["columns"], row["cells"], strict=True)) for row in part["rows"]}


@pytest.mark.parametrize("name", DECK)
def test_words_of_the_deck(name):
    for title, cell in table(VECTORS["seed"])[name].items():
        # "mesh (note 1)": the notes explain, they say nothing else.
        assert DECK[name](BY_TITLE[title]) == cell.partition(" (note")[0]


def test_limits_of_the_deck():
    for title, cell in table(VECTORS["seed"])["usage limits"].items():
        assert aspects.unrestricted(BY_TITLE[title]) == (cell == "none")


@pytest.mark.parametrize("name", RFC9313)
def test_words_of_rfc_9313(name):
    for title, cell in table(VECTORS["rfc9313"])[name].items():
        assert RFC9313[name](BY_TITLE[title]) == cell


def test_no_row_is_left_out():
    # Remarks are prose; multicast has one answer for all.
    assert set(table(VECTORS["seed"])) == {*DECK, "usage limits", "remarks"}
    assert set(table(VECTORS["rfc9313"])) == {*RFC9313, "multicast"}


def test_every_technique_has_every_word():
    for row in TECHNIQUES.values():
        for derive in (*DECK.values(), *RFC9313.values(), *aspects.ASPECTS.values()):
            assert derive(row) != ""
            assert derive is aspects.radius or derive is aspects.yang or derive(row) is not None


def columns(hosts):
    [comparison] = compare(hosts, FEATURES)
    return {column.technique: column for column in comparison.columns}


def test_every_technique_for_an_inventory():
    hosts = hostvars(SMALL)
    found = columns(hosts)
    assert list(found) == list(TECHNIQUES)
    assert {name for name, column in found.items() if not column.needs} == {
        "map-e",
        "map-t",
        "lw4o6",
        "ds-lite",
        "464xlat",
    }
    assert found["sa46t"].needs == ("needs plane",)
    assert found["sa46t"].cells["customers"] == NO_FIGURE
    assert found["nat64"].needs[0].startswith("ipv4aas_role: NAT64 has no edge")
    for technique, column in found.items():
        try:
            figures = build_plan(with_technique(hosts, "town", technique), FEATURES).services["town"]
        except Refused:
            assert column.needs
            continue
        assert column.cells["customers"] == f"{figures.customers:,}" == "256"
        assert column.cells["ports per customer"] == "960"
        assert column.cells["IPv4 MTU / TCP MSS"] == f"{figures.ipv4_mtu:,} / {figures.tcp_mss:,}"


@pytest.mark.parametrize(
    ("allocation", "volume", "how"),
    [
        # 256 customers x 33,000 x 175 octets; 256 x 2 x 175
        ("dynamic", "1.5 GB", "log of sessions"),
        ("blocks", "89.6 kB", "log of port blocks"),
        ("deterministic", "0 B", "arithmetic"),
    ],
)
def test_logs_follow_the_allocation(allocation, volume, how):
    document = yaml.safe_load(SMALL)
    document["services"]["town"]["sharing"]["allocation"] = allocation
    cells = {name: column.cells for name, column in columns(hostvars_of(document)).items()}
    for technique in ("ds-lite", "464xlat"):
        assert cells[technique]["log volume per day"] == volume
        assert how in cells[technique]["traceability"]
    assert cells["map-e"]["log volume per day"] == "0 B (rule set with times)"
    assert "256 bindings" in cells["lw4o6"]["state"]


def test_what_is_missing_is_told():
    document = yaml.safe_load(SMALL)
    del document["services"]["town"]["gateway"]["translation_prefix"]
    del document["services"]["town"]["aftr_name"]
    found = columns(hostvars_of(document))
    assert found["map-t"].needs == ("needs gateway.translation_prefix",) == found["464xlat"].needs
    assert found["ds-lite"].needs == ("needs aftr_name",)


def test_the_other_way_round():
    """From planes, which have no customers and pools."""
    tables = {comparison.service: comparison for comparison in compare(hostvars(CAMPUS), FEATURES)}
    assert set(tables) == {"campus", "hall", "seam"}
    campus = {column.technique: column for column in tables["campus"].columns}
    assert not campus["sa46t"].needs
    assert campus["sa46t"].cells["state"] == "nobody"
    assert campus["map-e"].needs == (
        "needs customers, gateway.address and ipv4_pools",
        "ipv4aas_lan: only an edge has one",
        "ipv4aas_customer_prefix: is missing",
        "seam.plane: no SA46T service has plane 9: there is nothing to join"
        " (SA002, draft-matsuhira-m46e-pr s3.3)",
    )


def test_what_cannot_be_planned_cannot_be_compared():
    document = yaml.safe_load(SMALL)
    document["services"]["town"]["sharing"]["customers_per_address"] = 65
    with pytest.raises(Refused, match="65 is not a power of two"):
        compare(hostvars_of(document), FEATURES)


def test_the_table():
    [comparison] = compare(hostvars(SMALL), FEATURES)
    text = to_text(comparison)
    expect(GOLDEN / "comparison.md", text)
    lines = [line for line in text.splitlines() if line.startswith("|")]
    assert len({line.count("|") for line in lines}) == 1 and "**MAP-E**" in lines[0]


@pytest.mark.parametrize(
    ("count", "shown"),
    [
        (0, "0 B"),
        (999, "999 B"),
        (1000, "1.0 kB"),
        (123456, "123 kB"),
        (5_775_000, "5.8 MB"),
        (3e18, "3000 PB"),
    ],
)
def test_octets(count, shown):
    assert shown_octets(count) == shown


def test_reference_of_the_comparison():
    """The page has every word of every technique, as the rows derive them."""
    rows = [["", *BY_TITLE]]
    for name, derive in {**DECK, **RFC9313}.items():
        said = {True: "yes", False: "no", None: "none"}
        words = [derive(row) for row in BY_TITLE.values()]
        rows.append([name, *(said[word] if isinstance(word, bool | None) else str(word) for word in words)])
    expect_table(DOCS, "aspects", rows)
