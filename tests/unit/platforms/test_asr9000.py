# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MAP-T on IOS XR: the vendor's example, other spellings, errors, and changes of technique."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from platform_cases import CASES
from platform_cases.asr9000 import SECOND
from platform_cases.services import RULE, shownet

CASE = CASES["asr9000"]
BOX = driver("asr9000")
SERVICE = shownet("map-t", "gateway")
TEXT = CASE.rendered("cli", SERVICE)
XML = CASE.rendered("netconf", SERVICE)

# Cisco's tutorial (xrdocs.io, 2023) with the names that we give; the order is that of show running-config.
VENDOR = """\
service cgv6 ipv4aas
 service-inline interface TenGigE0/6/0/0/0
 service-inline interface TenGigE0/6/0/0/1
 service-type map-t-cisco ipv4aas-hall7
  contiguous-ports 8
  cpe-domain ipv4 prefix length 24
  cpe-domain ipv6 prefix length 48
  cpe-domain ipv6 vrf default
  cpe-domain-name ipv4aas-hall7 ipv4-prefix 166.1.32.0 ipv6-prefix 2701:d01:3344::
  ext-domain-name ipv4aas-hall7 ipv6-prefix 3601:d01:3344::/48 ipv4-vrf default
  sharing-ratio 64
 !
!
"""


def test_lines_of_the_vendor():
    rule = MapRule(IPv6Network("2701:d01:3344::/48"), IPv4Network("166.1.32.0/24"), 14, 7)
    service = replace(SERVICE, rules=(rule,), translation_prefix=IPv6Network("3601:d01:3344::/48"))
    interfaces = ["TenGigE0/6/0/0/0", "TenGigE0/6/0/0/1"]
    assert CASE.rendered("cli", service, inline_interfaces=interfaces) == VENDOR
    assert BOX.parse(VENDOR, "cli", (service,)) == (service,)
    # The tutorial works out the address of port 2321 of 166.1.32.1.
    softwire = service.address_table().softwire(int(IPv4Network("166.1.32.1/32")[0]), 2321)
    assert IPv6Address(softwire) == IPv6Address("2701:d01:3344:188:0:a601:2001:22")


@pytest.mark.parametrize(
    ("dialect", "before", "after"),
    [
        ("cli", "2001:3e8:6000::", "2001:03E8:6000:0:0::"),
        ("cli", "2001:db8:ffff::/64", "2001:DB8:FFFF:0::/64"),
        ("cli", "\n ", "\n   "),
        ("cli", "service cgv6", "Tue Jun 11 10:00:00.123 JST\n!! IOS XR\nservice cgv6"),
        ("netconf", "2001:3e8:6000::", "2001:03E8:6000:0:0::"),
        ("netconf", "<config xmlns", "<!-- read --><config xmlns"),
    ],
)
def test_other_spelling_of_the_same(dialect, before, after):
    text = {"cli": TEXT, "netconf": XML}[dialect]
    assert before in text
    assert BOX.parse(text.replace(before, after), dialect, (SERVICE,)) == (SERVICE,)
    assert not BOX.change(text.replace(before, after), text, dialect)


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("ports 64", "ports 32"),
        ("ipv4 prefix length 30", "ipv4 prefix length 29"),
        ("ipv6 prefix length 56", "ipv6 prefix length 48"),
        ("130.129.255.92", "130.129.255.88"),
        ("2001:3e8:6000::", "2001:3e8:6100::"),
        ("2001:db8:ffff::/64", "2001:db8:fffe::/64"),
        ("2001:db8:ffff::/64", "2001:db8:ffff::/96"),
        ("sharing-ratio 64", "sharing-ratio 32"),
    ],
)
def test_every_changed_parameter_is_seen(before, after):
    other = TEXT.replace(before, after)
    assert other != TEXT
    assert BOX.parse(other, "cli", (SERVICE,)) != (SERVICE,)
    lines = BOX.change(other, TEXT, "cli").payload.splitlines()
    assert lines[:2] == ["service cgv6 ipv4aas", " service-type map-t-cisco ipv4aas-hall7"]
    assert len(lines) <= 6


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        ("  sharing-ratio 64\n", "", "line 4: service-type map-t-cisco ipv4aas-hall7: has no sharing-ratio"),
        ("ipv6 vrf default", "ipv6 vrf RED", "line 8: cpe-domain ipv6 vrf RED: VRF RED is not default"),
        ("ipv4-vrf default", "ipv4-vrf RED", "VRF RED is not default"),
        ("92 ipv6", "92/30 ipv6", "130.129.255.92/30 is not an IPv4 address without a length"),
        ("6000::\n", "6000::/56\n", "2001:3e8:6000::/56 is not an IPv6 address"),
        ("sharing-ratio 64", "sharing-ratio 63", "63 is not a power of two"),
        (
            "sharing-ratio 64",
            "sharing-ratio 64\n  path-mtu 1500",
            "path-mtu 1500: not understood; one of cont",
        ),
        ("ipv4 prefix length 30", "ipv4 prefix length 33", "33 is not a number in 0..32"),
        ("ports 64", "ports 2048", "64 (sharing ratio) x 2048 ports is more than the 65536 ports"),
        (
            "  sharing-ratio",
            "  ext-domain-name x ipv6-prefix 2001:db8::/96 ipv4-vrf default\n  sharing-ratio",
            "a second prefix of the Internet; a service has one",
        ),
    ],
)
def test_error_says_the_line(before, after, message):
    assert before in TEXT
    with pytest.raises(ParseError, match=re.escape(message)):
        BOX.parse(TEXT.replace(before, after), "cli", (SERVICE,))


@pytest.mark.parametrize("tag", ["address", "ipv6-prefix", "ipv4-vrf"])
def test_netconf_entry_without_a_leaf(tag):
    with pytest.raises(ParseError, match=f"has no {tag}"):
        BOX.parse(re.sub(rf"\s*<{tag}>[^<]*</{tag}>", "", XML), "netconf", (SERVICE,))


def test_rules_of_two_shapes_are_refused():
    other = replace(SECOND, psid_offset=6)
    with pytest.raises(Refused) as refused:
        CASE.rendered("cli", replace(SERVICE, rules=(RULE, other)), replace(SERVICE, name="hall8"))
    assert [str(problem) for problem in refused.value.problems] == [
        "ipv4aas_services.hall7.rules: asr9000 box cannot hold rules of 2 shapes in one entry;"
        " rules alike in both prefix lengths, EA length and PSID offset, or a service for each shape",
        "ipv4aas_services.hall8.gateway.translation_prefix: 2001:db8:ffff::/64 overlaps 2001:db8:ffff::/64"
        " of hall7: box cannot tell their packets apart; a prefix of its own",
    ]


@pytest.mark.parametrize("dialect", ["cli", "netconf"])
def test_word_technique_takes_the_old_entries_away(dialect):
    """MAP-E with two entries becomes MAP-T with one, and nothing of MAP-E stays."""
    device = CASE.device(dialect)
    foreign = sorted(CASE.facts(device.show(), dialect))
    rules = (RULE, SECOND)
    for service in (shownet("map-e", "gateway", rules=rules), replace(SERVICE, rules=rules)):
        wanted = CASE.rendered(dialect, service)
        change = BOX.change(BOX.owned(device.show(), dialect), wanted, dialect)
        device.apply(change.payload)
        assert BOX.owned(device.show(), dialect) == wanted
        assert BOX.parse(device.show(), dialect, (service,)) == (service,)
    assert ("no service-type map-e ipv4aas-hall7_2" in change.payload) == (dialect == "cli")
    device.apply(BOX.change(BOX.owned(device.show(), dialect), "", dialect).payload)
    assert sorted(CASE.facts(device.show(), dialect)) == foreign


def test_rule_that_goes_takes_its_line():
    two = CASE.rendered("cli", replace(SERVICE, rules=(RULE, SECOND)))
    assert BOX.change(two, TEXT, "cli").payload == (
        "service cgv6 ipv4aas\n service-type map-t-cisco ipv4aas-hall7\n"
        "  no cpe-domain-name ipv4aas-hall7_2 ipv4-prefix 203.0.113.4 ipv6-prefix 2001:3e8:7000::\n !\n!\n"
    )


def test_netconf_moves_an_entry_by_its_keys():
    """The IPv4 address is a key: another one is another entry, and the old one goes by all its keys."""
    moved = XML.replace("130.129.255.92", "192.0.2.8")
    payload = BOX.change(moved, XML, "netconf").payload
    assert 'operation="delete"' in payload
    assert payload.count("<address>192.0.2.8</address>") == 1
    assert payload.count("<address>130.129.255.92</address>") == 1


def test_service_that_nobody_wants_is_found():
    (found,) = BOX.parse(TEXT, "cli", ())
    assert found.rules == SERVICE.rules
    assert found.gateway_address == IPv6Address("2001:db8:ffff:0:c0:0:800:0")
    added = TEXT.replace(
        "  ext-", "  cpe-domain-name by-hand ipv4-prefix 192.0.2.8 ipv6-prefix 2001:db8:8::\n  ext-"
    )
    (changed,) = BOX.parse(added, "cli", (SERVICE,))
    assert changed.rules[0] == RULE
    assert changed.rules[1].ipv4_prefix == IPv4Network("192.0.2.8/30")
