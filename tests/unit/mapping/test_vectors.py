# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shared vectors of port sets, rules and interface identifiers."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.iid import format_of, map_address
from ansible_collections.ipv4aas.fleet.engine.mapping.portset import (
    PortSet,
    PortSetError,
    left_aligned_psid,
    psid_from_left_aligned,
    psid_of,
)
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import (
    MapRule,
    MapRuleError,
    RuleTable,
    customer_prefix,
)

VECTORS = Path(__file__).resolve().parents[2] / "vectors"


def rows(name, *keys):
    found = [
        row
        for row in json.loads((VECTORS / name).read_text())["vectors"]
        if all(key in row["input"] for key in keys)
    ]
    assert found
    return [pytest.param(row, id=row["id"]) for row in found]


def rule_of(given):
    return MapRule(
        IPv6Network(given["rule_ipv6"], strict=False),
        IPv4Network(given["rule_ipv4"]),
        given["ea_len"],
        psid_offset=given.get("psid_offset", 6),
        explicit_psid_len=given.get("psid_len", 0),
        explicit_psid=given.get("psid", 0),
    )


@pytest.mark.parametrize("row", rows("map_portsets_gma.json", "psid"))
def test_port_set(row):
    given, expect = row["input"], row["expect"]
    if expect.get("result") == "reject":
        with pytest.raises(PortSetError):
            PortSet(given["a"], given["k"], given["psid"])
        return
    ports = PortSet(given["a"], given["k"], given["psid"])
    if not given["k"] and given["a"]:
        # The rows have the arithmetic alone.
        # RFC 7597 s5.2: with q = 0 the address is not shared and nothing is excluded.
        assert len(ports) == 65536 and 80 in ports
        return
    ranges = ports.ranges()
    assert ranges[0] == tuple(expect.get("first", ranges[0]))
    assert ranges[-1] == tuple(expect.get("last", ranges[-1]))
    assert len(ranges) == expect.get("ranges", len(ranges))
    assert len(ports) == expect.get("ports", len(ports))
    assert ports.m == expect.get("m", ports.m)
    assert [ports.nth(i) for i in range(len(ports))] == [p for p in range(65536) if p in ports]


@pytest.mark.parametrize(
    "row", [p for p in rows("map_portsets_gma.json", "a", "k") if "disjoint" in p.values[0]["expect"]]
)
def test_partition(row):
    a, k, expect = row["input"]["a"], row["input"]["k"], row["expect"]
    owned = [
        port
        for psid in range(1 << k)
        for lo, hi in PortSet(a, k, psid).ranges()
        for port in range(lo, hi + 1)
    ]
    assert len(owned) == len(set(owned)) == expect["total"]
    assert min(owned) == expect["lowest"]
    assert len(PortSet(a, k, 0)) == expect["ports_per_psid"]


@pytest.mark.parametrize("row", rows("map_portsets_gma.json", "port"))
def test_port_to_psid(row):
    given, expect = row["input"], row["expect"]
    # Of A = 0 the arithmetic has a PSID too, but nobody owns the port.
    owner = expect["psid"] if expect["assignable"] else None
    assert psid_of(given["port"], given["a"], given["k"]) == owner


@pytest.mark.parametrize("row", rows("psid_encodings.json", "psid"))
def test_psid_encodings(row):
    psid, length, expect = row["input"]["psid"], row["input"]["psid_len"], row["expect"]
    wire = left_aligned_psid(psid, length)
    assert f"{wire:04x}" == expect["dhcpv6_93_field_hex"]
    assert wire == expect["openwrt_uci_psid"]
    assert psid_from_left_aligned(wire, length) == psid


@pytest.mark.parametrize("row", rows("map_iid_formats.json", "prefix64"))
def test_interface_identifier(row):
    given = row["input"]
    prefix = int(IPv6Network(given["prefix64"]).network_address)
    ipv4, psid = int(IPv4Address(given["ipv4"])), given["psid"]
    for name, iid_format in (("rfc7597", "rfc7597"), ("draft04", "rfc7597"), ("draft03", "draft-03")):
        address = map_address(prefix, 64, ipv4, psid, iid_format)
        assert IPv6Address(address) == IPv6Address(row["all_formats"][name])
        assert format_of(address, 64, ipv4, psid) == iid_format


@pytest.mark.parametrize(
    "row",
    rows("map_cases.json", "end_user_prefix")
    + rows("map_e_rfc7597.json", "end_user_prefix")
    + rows("seed_shownet2013.json", "end_user_prefix"),
)
def test_customer(row):
    given, expect = row["input"], row["expect"]
    if expect.get("result") == "reject":
        with pytest.raises(MapRuleError):
            rule_of(given).customer(IPv6Network(given["end_user_prefix"]))
        return
    rule = rule_of(given)
    customer = rule.customer(IPv6Network(given["end_user_prefix"]))
    assert str(customer.ipv4.network_address) == expect["ipv4"]
    assert rule.kind == expect.get("kind", rule.kind)
    assert rule.psid_len == expect.get("psid_len", rule.psid_len)
    if expect.get("psid") is not None:
        assert customer.ports.psid == expect["psid"]
    ranges = customer.ports.ranges()
    assert len(ranges) == expect.get("ranges", len(ranges))
    assert len(customer.ports) == expect.get("ports", len(customer.ports))
    assert ranges[0] == tuple(expect.get("first_range", ranges[0]))
    assert ranges[-1] == tuple(expect.get("last_range", ranges[-1]))
    assert rule.suffix_len == expect.get("p", rule.suffix_len)
    formats = row.get("map_ipv6", {})
    if "map_ipv6" in expect:
        formats = {"rfc7597": expect["map_ipv6"]}
    for name, address in formats.items():
        iid_format = name.replace("draft03", "draft-03")
        assert rule.customer(IPv6Network(given["end_user_prefix"]), iid_format).address == IPv6Address(
            address
        )
    if "fmr_side_address" in row:
        peer = RuleTable([rule]).softwire(int(customer.ipv4.network_address), ranges[0][0])
        assert IPv6Address(peer) == IPv6Address(row["fmr_side_address"])


# A source that is the gateway is the edge's decision: tests/unit/node.
SOURCES = [
    row
    for row in rows("map_e_rfc7597.json", "ipv6_src") + rows("seed_shownet2013.json", "ipv6_src")
    if row.values[0]["input"]["ipv6_src"] != row.values[0]["input"].get("br")
]


@pytest.mark.parametrize("row", SOURCES)
def test_source_validation(row):
    given = row["input"]
    source = int(IPv6Address(given["ipv6_src"]))
    found = RuleTable([rule_of(given)]).entitlement(source)
    allowed = found is not None and found.allows(int(IPv4Address(given["ipv4_src"])), given["sport"])
    if given.get("strict_iid"):
        allowed = allowed and found.address == source
    assert allowed == ((row["expect"].get("verdict") or row["expect"]["spoof_check"]) == "accept")


@pytest.mark.parametrize("row", rows("map_e_rfc7597.json", "ipv4_dst", "rule_ipv4"))
def test_forwarding(row):
    given, expect = row["input"], row["expect"]
    table = RuleTable([rule_of(given)])
    found = table.softwire(int(IPv4Address(given["ipv4_dst"])), given["dport"])
    if expect["ipv6_dst"] == given["br_ipv6"]:
        assert found is None and not table.covers(int(IPv4Address(given["ipv4_dst"])))
        source = table.softwire(int(IPv4Address(given["ipv4_src"])), given["sport"])
        assert IPv6Address(source) == IPv6Address(expect["ipv6_src"])
    else:
        assert IPv6Address(found) == IPv6Address(expect["ipv6_dst"])


def test_whole_domain():
    row = next(
        p.values[0] for p in rows("seed_shownet2013.json", "ea_len") if p.values[0]["id"] == "seed-domain"
    )
    rule, expect = rule_of(row["input"]), row["expect"]
    table = RuleTable([rule])
    assert rule.customer_count == expect["ce"] and rule.sharing_ratio == expect["ce_per_ipv4"]
    owners = {}
    for low_byte in range(256):
        prefix = IPv6Network((int(rule.ipv6_prefix.network_address) | low_byte << 64, 64))
        customer = rule.customer(prefix)
        for lo, hi in customer.ports.ranges():
            for port in range(lo, hi + 1):
                key = (customer.ipv4.network_address, port)
                assert key not in owners
                owners[key] = low_byte
        port = customer.ports.nth(5)
        assert table.softwire(int(customer.ipv4.network_address), port) == int(customer.address)
        assert table.entitlement(int(customer.address)).ports == customer.ports
        assert customer_prefix(rule, customer.ipv4.network_address, customer.ports.psid) == prefix
    assert len(owners) == 4 * expect["ports_used_per_ipv4"]
    for low_byte, ipv4, psid, address in row["samples"]:
        customer = rule.customer(IPv6Network((int(rule.ipv6_prefix.network_address) | low_byte << 64, 64)))
        assert (str(customer.ipv4.network_address), customer.ports.psid, str(customer.address)) == (
            ipv4,
            psid,
            address,
        )
