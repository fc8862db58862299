# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rules beside each other, and the edges of what one rule can say (RFC 7597 sections 5 and 6)."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Network, IPv6Address, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.portset import PortSet
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import (
    MapRule,
    MapRuleError,
    RuleTable,
    best_rule,
)


def rule(ipv6: str, ipv4: str, ea_len: int, **more: int) -> MapRule:
    return MapRule(IPv6Network(ipv6), IPv4Network(ipv4), ea_len, **more)


def number(text: str) -> int:
    return int(ipaddress.ip_address(text))


def softwire(table: RuleTable, ipv4: str, port: int | None) -> str | None:
    found = table.softwire(number(ipv4), port)
    return None if found is None else str(IPv6Address(found))


EXPLICIT = [
    rule(f"2001:db8:{psid:x}::/56", "192.0.2.18/32", 0, explicit_psid_len=8, explicit_psid=psid)
    for psid in (0, 0x34, 0xFF)
]


@pytest.mark.parametrize("turn", [1, -1])
def test_customers_with_explicit_psids_share_an_address(turn: int) -> None:
    """RFC 7597 App. A example 5, more than once: the PSID says whose port it is."""
    table = RuleTable(EXPLICIT[::turn])
    for one in EXPLICIT * 2:  # the second answer is a cached one
        port = PortSet(6, 8, one.explicit_psid).nth(7)
        found = softwire(table, "192.0.2.18", port)
        assert found == str(one.customer(one.ipv6_prefix).address)
        entitled = table.entitlement(number(found))
        assert entitled is not None
        assert [entitled.allows(number("192.0.2.18"), p) for p in (port, port ^ 4)] == [True, False]
        assert softwire(table, "192.0.2.18", PortSet(6, 8, 0x35).nth(0)) is None
        assert softwire(table, "192.0.2.18", 208) is None
        assert softwire(table, "192.0.2.18", None) is None


def test_overlapping_rules_match_the_longest_in_both_directions() -> None:
    wide = rule("2001:db8::/32", "10.0.0.0/8", 24)  # full addresses
    narrow = rule("2001:db8:ff00::/40", "10.255.0.0/24", 16)  # shared, inside both prefixes of the other
    for rules in ((wide, narrow), (narrow, wide)):
        table = RuleTable(rules)
        assert softwire(table, "10.1.2.3", None) == "2001:db8:102:300:0:a01:203:0"
        assert softwire(table, "10.255.0.18", 1232) == "2001:db8:ff12:3400:0:aff:12:34"
        assert table.rule_for_ipv6(number("2001:db8:ff12:3400::1")) is narrow
        assert table.rule_for_ipv6(number("2001:db8:fe12:3400::1")) is wide
        assert best_rule(rules, IPv6Network("2001:db8:ff12:3400::/56")) is narrow
        entitled = table.entitlement(number("2001:db8:ff12:3400::1"))
        assert entitled is not None
        assert entitled.allows(number("10.255.0.18"), 1232)
        assert not entitled.allows(number("10.255.18.52"), 1232)  # what the wide rule would give


@pytest.mark.parametrize(
    ("end_user", "address"),
    [
        ("2001:db8:12:3400::/56", "2001:db8:12:3400:0:c000:212:34"),
        ("2001:db8:12:3400:ab00::/72", "2001:db8:12:3400:ab00:c000:212:34"),
        ("2001:db8:12:3400:0:12ff::/96", "2001:db8:12:3400:0:12ff:212:34"),
        ("2001:db8:12:3400:1:2:3:0/112", "2001:db8:12:3400:1:2:3:34"),
        ("2001:db8:12:3400:1:2:3:4/128", "2001:db8:12:3400:1:2:3:4"),
    ],
)
def test_prefix_longer_than_64_overwrites_the_identifier(end_user: str, address: str) -> None:
    one = rule("2001:db8::/40", "192.0.2.0/24", 16)
    assert str(one.customer(IPv6Network(end_user)).address) == address


def test_ea_bits_may_end_beyond_bit_64() -> None:
    one = rule("2001:db8:1:2::/64", "192.0.2.0/24", 16)
    customer = one.customer(IPv6Network("2001:db8:1:2:1234::/80"))
    assert (str(customer.ipv4), customer.ports.psid) == ("192.0.2.18/32", 0x34)
    table = RuleTable([one])
    assert softwire(table, "192.0.2.18", 1232) == str(customer.address) == "2001:db8:1:2:1234:c000:212:34"
    # Two customers of one /64: nothing may be remembered by the upper half alone.
    for low, ipv4, port in (("1234", "192.0.2.18", 1232), ("1335", "192.0.2.19", 1236)):
        entitled = table.entitlement(number(f"2001:db8:1:2:{low}::1"))
        assert entitled is not None and entitled.allows(number(ipv4), port)


def test_one_port_each() -> None:
    one = rule("fd00::/16", "0.0.0.0/0", 48, psid_offset=0)
    table = RuleTable([one])
    found = table.softwire(number("192.0.2.18"), 54321)
    assert found == number("fd00:c000:212:d431:0:c000:212:d431")
    entitled = table.entitlement(found)
    assert entitled is not None
    assert [p for p in range(65536) if entitled.allows(number("192.0.2.18"), p)] == [54321]
    assert not entitled.allows(number("192.0.2.19"), 54321)


@pytest.mark.parametrize("ea_len", [0, 8, 16, 24, 31])
def test_a_prefix_is_one_customers_with_every_port(ea_len: int) -> None:
    one = rule("2001:db8::/32", "0.0.0.0/0", ea_len)
    assert one.kind == "prefix" and one.customer_ipv4_len == ea_len
    mine = IPv4Network((number("192.0.2.18"), ea_len), strict=False)
    table = RuleTable([one])
    first, last = (softwire(table, str(mine[at]), None) for at in (0, -1))
    assert first is not None and first == last == softwire(table, str(mine[-1]), 80)
    assert number(first) & 0xFFFFFFFFFFFF == int(mine.network_address) << 16
    entitled = table.entitlement(number(first))
    assert entitled is not None
    assert entitled.allows(int(mine[0]), None) and entitled.allows(int(mine[-1]), 1)
    if ea_len:
        assert not entitled.allows(int(mine[-1]) ^ 1 << (32 - ea_len), 1)


@pytest.mark.parametrize("offset", [0, 1, 6, 10])
def test_a_whole_shared_address_has_each_port_once(offset: int) -> None:
    """Both directions agree on every port of one address, and A = 0 is nobody's."""
    one = rule("2001:db8::/56", "192.0.2.18/32", 6, psid_offset=offset)
    table = RuleTable([one])
    excluded = 1 << (16 - offset) if offset else 0
    for port in range(65536):
        found = table.softwire(number("192.0.2.18"), port)
        assert (found is None) == (port < excluded)
        if found is not None:
            entitled = table.entitlement(found)
            assert entitled is not None
            assert entitled.allows(number("192.0.2.18"), port)
            assert entitled.address == found


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (("2001:db8::/40", "192.0.2.0/24", 49), "outside 0..48"),
        (("2001:db8::/40", "192.0.2.0/24", -1), "outside 0..48"),
        (("2001:db8::/100", "192.0.2.0/24", 40), "longer than 128"),
        (("2001:db8::/40", "192.0.2.0/24", 20), "more than the 16 bits"),
    ],
)
def test_what_is_no_rule(values: tuple[str, str, int], text: str) -> None:
    with pytest.raises(MapRuleError, match=text):
        rule(*values)


def test_what_is_no_explicit_psid() -> None:
    given = {"explicit_psid_len": 8, "explicit_psid": 1}
    with pytest.raises(MapRuleError, match="needs EA-bits length 0"):
        rule("2001:db8::/40", "192.0.2.18/32", 8, **given)
    with pytest.raises(MapRuleError, match="of /32"):
        rule("2001:db8::/40", "192.0.2.0/24", 0, **given)
    with pytest.raises(MapRuleError, match="does not fit"):
        rule("2001:db8::/40", "192.0.2.18/32", 0, explicit_psid_len=8, explicit_psid=256)
