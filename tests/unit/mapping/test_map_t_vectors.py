# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The shared vectors of MAP-T: rules as in MAP-E, the DMR by RFC 6052, one MAP address a host."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from random import Random

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.iid import FORMATS
from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import Embedding
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule, RuleTable, TranslatedRuleTable

ROWS = json.loads((Path(__file__).resolve().parents[2] / "vectors" / "map_t_rfc7599.json").read_text())[
    "vectors"
]


def of_kind(*keys):
    found = [row for row in ROWS if row["input"].keys() >= set(keys)]
    assert found
    return [
        pytest.param(row["input"], row["expect"], row.get("expect_mismatch", False), id=row["id"])
        for row in found
    ]


@pytest.mark.parametrize(("given", "expect", "misprint"), of_kind("end_user_prefix"))
def test_customer(given, expect, misprint):
    rule = MapRule(
        IPv6Network(given["rule_ipv6"]),
        IPv4Network(given["rule_ipv4"]),
        given["ea_len"],
        psid_offset=given.get("psid_offset", 6),
        explicit_psid_len=given.get("psid_len", 0),
        explicit_psid=given.get("psid", 0),
    )
    customer = rule.customer(IPv6Network(given["end_user_prefix"]))
    seen = {
        "ipv4": str(customer.ipv4.network_address),
        "psid": customer.ports.psid,
        "psid_len": rule.psid_len,
        "first_range": list(customer.ports.ranges()[0]),
        "last_range": list(customer.ports.ranges()[-1]),
        "map_ipv6": str(customer.address),
        "kind": rule.kind,
    }
    assert ({key: seen[key] for key in expect} == expect) is not misprint
    table = TranslatedRuleTable([rule])
    port = customer.ports.nth(0) if customer.ports.shared else None
    assert table.softwire(int(customer.ipv4.network_address), port) == int(customer.address)
    assert table.ipv4_of(int(customer.address)) == int(customer.ipv4.network_address)


@pytest.mark.parametrize(("given", "expect", "misprint"), of_kind("dmr", "ipv4"))
def test_default_mapping_rule(given, expect, misprint):
    embedding = Embedding(IPv6Network(given["dmr"]))
    address = embedding.embed(int(IPv4Address(given["ipv4"])))
    assert (str(IPv6Address(address)) == expect["ipv6"]) is not misprint
    assert embedding.extract(address) == int(IPv4Address(given["ipv4"]))


@pytest.mark.parametrize("iid_format", FORMATS)
def test_hosts_of_a_prefix_and_back(iid_format):
    """Every (address, port) has one owner, and its MAP address names the very host."""
    rng = Random(7599)
    for _ in range(500):
        length = rng.randrange(8, 33)
        ipv4 = IPv4Network((rng.getrandbits(32) >> (32 - length) << (32 - length), length))
        rule = MapRule(
            IPv6Network("2001:db8::/32"), ipv4, rng.randrange(0, min(48, 32 - length + 17)), psid_offset=0
        )
        table, tunnel = TranslatedRuleTable([rule], iid_format), RuleTable([rule], iid_format)
        host, port = int(ipv4[rng.randrange(ipv4.num_addresses)]), rng.randrange(65536)
        address = table.softwire(host, port)
        assert table.ipv4_of(address) == host
        entitlement = table.entitlement(address)
        assert table.mapped(address, entitlement) and entitlement.allows(host, port)
        assert entitlement.address == tunnel.softwire(host, port)
        assert rule.kind == "prefix" or address == tunnel.softwire(host, port)
