# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IOS XR: MAP-T by the vendor's example, other spellings, errors, changes of technique; MAP-E on a card."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features, driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from platform_cases import CASES
from platform_cases.asr9000 import SECOND
from platform_cases.case import TEMPLATES
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


# The form of a service card (general knowledge): what leads to the card, and the entry on it.
ON_CARD = {
    "inline_interfaces": [],
    "service_location": "0/1/CPU0",
    "service_app_ipv4": {"interface": "ServiceApp1", "address": "192.0.2.1/30"},
    "service_app_ipv6": {"interface": "ServiceApp2", "address": "2001:db8:100::1/126"},
}
CARD = """\
interface ServiceApp1
 ipv4 address 192.0.2.1 255.255.255.252
 service cgv6 ipv4aas service-type map-e
!
interface ServiceApp2
 ipv6 address 2001:db8:100::1/126
 service cgv6 ipv4aas service-type map-e
!
router static
 address-family ipv4 unicast
  130.129.255.92/30 ServiceApp1
 !
 address-family ipv6 unicast
  2001:3e8:0:2900::1/128 ServiceApp2
 !
!
service cgv6 ipv4aas
 service-location preferred-active 0/1/CPU0
 service-type map-e ipv4aas-hall7
  address-family ipv4
   interface ServiceApp1
  !
  address-family ipv6
   interface ServiceApp2
  !
  aftr-endpoint-address 2001:3e8:0:2900::1
  contiguous-ports 64
  cpe-domain ipv4 prefix 130.129.255.92/30
  cpe-domain ipv6 prefix 2001:3e8:6000::/56
  sharing-ratio 64
 !
!
"""
MAP_E = shownet("map-e", "gateway")


def test_form_of_a_card():
    assert CASE.rendered("cli", MAP_E, **ON_CARD) == CARD
    assert BOX.owned(CARD, "cli") == CARD
    assert BOX.parse(CARD, "cli", (MAP_E,)) == (MAP_E,)
    other = CARD.replace("aftr-endpoint", "br-endpoint").replace("2001:db8:100::1", "2001:DB8:100:0::1")
    assert BOX.parse(other, "cli", (MAP_E,)) == (MAP_E,)
    assert not BOX.change(other, CARD, "cli")


def test_form_of_a_card_is_unverified():
    """The inline form of the same row is not."""
    with pytest.raises(Refused, match="map-e on asr9000 is unverified; true, to try it"):
        CASE.rendered("cli", MAP_E, allow_unverified=False, **ON_CARD)
    assert CASE.rendered("cli", MAP_E, allow_unverified=False)


def test_from_inline_to_a_card_and_back():
    """Of the operator's static routes and ServiceApp interfaces none is touched."""
    device = CASE.device("cli")
    device.apply(
        "interface ServiceApp9\n service cgv6 OPERATOR service-type map-e\n!\n"
        "router static\n address-family ipv6 unicast\n  2001:db8:9::/48 ServiceApp9\n !\n!\n"
    )
    foreign = sorted(CASE.facts(device.show(), "cli"))
    inline = CASE.rendered("cli", MAP_E)
    for wanted in (inline, CARD, inline, CARD, ""):
        before = sorted(CASE.facts(device.show(), "cli"))
        change = BOX.change(BOX.owned(device.show(), "cli"), wanted, "cli")
        device.apply(change.payload)
        assert BOX.owned(device.show(), "cli") == wanted
        assert set(foreign) <= set(CASE.facts(device.show(), "cli"))
        device.apply(change.undo)
        assert sorted(CASE.facts(device.show(), "cli")) == before
        device.apply(change.payload)
    assert sorted(CASE.facts(device.show(), "cli")) == foreign
    assert change.payload.splitlines() == [
        "no interface ServiceApp1",
        "no interface ServiceApp2",
        "no service cgv6 ipv4aas",
        "router static",
        " address-family ipv4 unicast",
        "  no 130.129.255.92/30 ServiceApp1",
        " !",
        " address-family ipv6 unicast",
        "  no 2001:3e8:0:2900::1/128 ServiceApp2",
        " !",
        "!",
    ]


def test_refusals_of_the_form_of_a_card():
    two = replace(MAP_E, rules=(RULE, SECOND))
    options = ON_CARD | {
        "service_app_ipv4": {"interface": "Gi1", "address": "x"},
        "cgv6_instance": "OPERATOR",
    }
    del options["service_app_ipv6"]
    with pytest.raises(Refused) as refused:
        CASE.rendered("netconf", two, **options)
    assert [str(problem).partition(";")[0] for problem in refused.value.problems] == [
        "hosts.box.ipv4aas_dialect: no model has the card form",
        "hosts.box.ipv4aas_options.cgv6_instance: the card has an instance of its own",
        "hosts.box.ipv4aas_options.service_app_ipv4: {'interface': 'Gi1', 'address': 'x'} does not fit",
        "hosts.box.ipv4aas_options.service_app_ipv6: missing",
        "hosts.box.ipv4aas_options.service_location: an entry has two ServiceApp interfaces of its own",
    ]
    with pytest.raises(Refused, match="the card form is known for MAP-E only"):
        CASE.rendered("cli", SERVICE, **ON_CARD)


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


@pytest.mark.parametrize("technique", ["map-e", "map-t"])
def test_inventory_says_it_and_the_router_runs_it(technique):
    host = {
        "ipv4aas_role": "gateway",
        "ipv4aas_platform": "asr9000",
        "ipv4aas_carries": ["home"],
        "ipv4aas_options": {"inline_interfaces": ["TenGigE0/0/0/0"]},
        "ipv4aas_services": {
            "home": {
                "technique": technique,
                "customers": {"ipv6": "2001:3e8:6000::/48", "prefix_length": 56},
                "ipv4_pools": ["130.129.255.92/30"],
                "sharing": {"customers_per_address": 64, "reserved_ports": 4096},
                "gateway": {"address": "2001:3e8:0:2900::1", "translation_prefix": "2001:db8:ffff::/64"},
                "backbone_mtu": 1500,
            }
        },
    }
    node = build_plan({"br1": host}, all_features()).nodes["br1"]
    text = render(node, TEMPLATES)
    assert f"service-type {technique}" in text
    assert BOX.parse(text, node.dialect, node.services) == node.services
    if technique == "map-e":
        with pytest.raises(Refused, match="allow_unverified: the syntax of asr9000 is unverified"):
            build_plan({"br1": host | {"ipv4aas_options": ON_CARD}}, all_features())
        trying = host | {"ipv4aas_options": ON_CARD | {"allow_unverified": True}}
        node = build_plan({"br1": trying}, all_features()).nodes["br1"]
        assert "aftr-endpoint-address" in render(node, TEMPLATES)
