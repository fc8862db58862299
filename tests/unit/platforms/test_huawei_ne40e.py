# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Huawei NE40E: the manual's examples, other spellings, every value, and what a change leaves alone."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.eam import Eam
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from planned_nodes import planned_gateway
from platform_cases.huawei_ne40e import CASE, GOLDEN, NAPT_POOL
from platform_cases.huawei_ne40e_device import Vrp
from platform_cases.services import shownet

BOX = driver("huawei_ne40e")
RULE_LINE = (
    "rule-prefix 2001:3e8:6000:: prefix-length 56 ipv4-prefix 130.129.255.92 prefix-length 30 ea-length 8"
    " psid-offset"
)


def rendered(*services):
    return CASE.rendered("cli", *services)


def parsed(text, *wanted):
    return BOX.parse(text, "cli", wanted)


def payload(running, wanted):
    return BOX.change(running, wanted, "cli").payload.splitlines()


def test_lines_of_the_manual():
    """Example for Configuring Centralized MAP-E, with our names and ShowNet's numbers."""
    assert rendered(*GOLDEN["map-e"]).splitlines() == [
        "#",
        "br-ipv6-address ipv4aas-hall7 ipv6-address 2001:3e8:0:2900::1 prefix-length 128",
        "#",
        "map rule ipv4aas-hall7",
        f" {RULE_LINE} 4",
        "#",
        "map-e instance ipv4aas-hall7 id 7",
        " br-ipv6-address ipv4aas-hall7",
        " map-rule ipv4aas-hall7",
        "#",
    ]


SPELLINGS = [
    ("map-e", "2001:3e8:0:2900::1", "2001:3E8:0:2900:0::1"),
    ("map-e", "rule-prefix 2001:3e8:6000::", "rule-prefix 2001:3E8:6000::"),
    ("map-e", "#\n", "#\n!Last configuration was updated\n"),
    ("map-e", " map-rule ", " map-rule  "),
    ("map-e", " map-rule ", " map mtu 1500\n map-rule "),
    ("map-e-draft-03", " psid-offset 6", ""),
    ("map-t", "2001:db8:ffff::", "2001:DB8:FFFF:0::"),
    ("ds-lite", "mask 26", "mask 255.255.255.192"),
    ("ds-lite", " prefix-length 40", "  prefix-length 40"),
    ("ds-lite", "port-range", "ds-lite mtu 1500\n port-range"),
    ("nat64", "2001:db8:6400::", "2001:DB8:6400:0::"),
]


@pytest.mark.parametrize(("name", "before", "after"), SPELLINGS)
def test_other_spelling_is_the_same(name, before, after):
    services = GOLDEN[name]
    text = rendered(*services)
    other = text.replace(before, after)
    assert other != text
    assert parsed(other, *services) == services
    assert not BOX.change(other, text, "cli")


@pytest.mark.parametrize("name", GOLDEN)
def test_order_does_not_count(name):
    services = GOLDEN[name]
    text = rendered(*services)
    blocks = [block for block in text.split("#\n") if block]
    turned = []
    for block in blocks[::-1]:
        first, *rest = re.split(r"(?m)^(?= \S)", block)
        turned.append(first + "".join(rest[::-1]))
    other = "#\n".join(("", *turned, ""))
    assert parsed(other, *services) == services
    assert not BOX.change(other, text, "cli")


def test_addresses_from_first_to_last_are_the_same_addresses():
    """Other routes are announced for them: no drift of the service, but a change."""
    services = GOLDEN["ds-lite"]
    text = rendered(*services)
    for line in (
        "group-id 1\n  section 0 198.51.100.64 198.51.100.127\n",
        "group-id 1 198.51.100.64 mask 26\n",
        "group-id 1 198.51.100.64 198.51.100.127\n",
    ):
        other = text.replace("group-id 1\n  section 0 198.51.100.64 mask 26\n", line)
        assert other != text
        assert parsed(other, *services) == services
        assert BOX.change(other, text, "cli")


CHANGED = {
    "map-e": ["::1 prefix", "6000::", "56 ipv4", "255.92", "length 30", "ea-length 8", "offset 4"],
    "map-e-draft-03": ["1540", "1460", " map-version draft\n", " map-rule ipv4aas-hall7_2\n"],
    "map-t": ["ffff::", "length 64", "1440"],
    "ds-lite": ["2900::1", "db8:: ", "length 40", "length 64", "range 960", "100.64", "mask 26"],
    "ds-lite-quota": ["1540", "1460", "tcp 1000", "total 1000", " ds-lite filter mode full-cone\n"],
    "nat64": ["6400::", "length 96", "range 960", "100.64", "mask 26"],
    "nat64-grown": ["1540", "1460", "times 3", " nat64 filter mode full-cone\n"],
}
ANOTHER = {
    "::1 prefix": "::2 prefix",
    "6000::": "7000::",
    "56 ipv4": "55 ipv4",
    "255.92": "255.96",
    "length 30": "length 29",
    "ea-length 8": "ea-length 9",
    "offset 4": "offset 5",
    "1540": "1500",
    "1460": "1400",
    "ffff::": "fffe::",
    "length 64": "length 56",
    "1440": "1400",
    "2900::1": "2900::2",
    "db8:: ": "db9:: ",
    "length 40": "length 41",
    "range 960": "range 1024",
    "100.64": "100.0",
    "mask 26": "mask 27",
    "tcp 1000": "tcp 500",
    "total 1000": "total 500",
    "6400::": "6500::",
    "length 96": "length 64",
    "times 3": "times 2",
}


@pytest.mark.parametrize(
    ("name", "word"), [(name, word) for name, words in CHANGED.items() for word in words]
)
def test_every_value_is_seen(name, word):
    services = GOLDEN[name]
    text = rendered(*services)
    assert word in text
    other = text.replace(word, ANOTHER.get(word, ""))
    assert parsed(other, *services) != services
    assert BOX.change(other, text, "cli")


def test_lines_that_are_only_written():
    """ICMP errors and the length of an address are no field of the service; the change puts them right."""
    text = rendered(*GOLDEN["map-t"])
    assert payload(text.replace(" map icmp-tranfer enable\n", ""), text) == [
        "map-t instance ipv4aas-hall7 id 7",
        " map icmp-tranfer enable",
    ]
    text = rendered(*GOLDEN["map-e"])
    assert payload(text.replace("::1 prefix-length 128", "::1 prefix-length 96"), text) == [
        "map-e instance ipv4aas-hall7 id 7",
        " undo br-ipv6-address ipv4aas-hall7",
        "undo br-ipv6-address ipv4aas-hall7",
        "br-ipv6-address ipv4aas-hall7 ipv6-address 2001:3e8:0:2900::1 prefix-length 128",
        "map-e instance ipv4aas-hall7 id 7",
        " br-ipv6-address ipv4aas-hall7",
    ]


ERRORS = [
    ("map-e", "ea-length 8", "ea-length 49", "49 is not a number in 0..48"),
    ("map-e", "psid-offset 4", "psid-offset 0", "0 is not a number in 1..16"),
    ("map-e", "ea-length 8", "vpn-instance red ea-length 8", "not understood; P prefix-length N ipv4"),
    ("map-e", " rule-prefix", " other", "line 4: map rule ipv4aas-hall7: has no rule-prefix"),
    ("map-e", " map-rule ipv4aas-hall7\n", "", "line 7: map-e instance ipv4aas-hall7 id 7: has no map-rule"),
    ("map-e", "map-rule ipv4aas-hall7", "map-rule X", "line 9: map-rule X: there is no map rule X of ours"),
    ("map-e", "length 56", "length 129", "2001:3e8:6000::/129 is not an IPv6 prefix"),
    ("map-e-draft-03", "map-version draft", "map-version rfc", "line 16: map-version rfc: rfc is not draft"),
    ("map-e-draft-03", "mtu 1540", "mtu 1200", "line 14: map mtu 1200: 1200 is not a number in 1280..9600"),
    ("ds-lite", "outbound any", "outbound 3000", "not understood; any address-group NAME would be"),
    ("ds-lite", " local-ipv6", " other", "line 2: ds-lite instance ipv4aas-hall7 id 7: has no local-ipv6"),
    ("ds-lite", "100.64 mask", "100.64 to", "not understood; ADDRESS mask LENGTH or ADDRESS ADDRESS"),
    ("ds-lite", "100.64 mask 26", "100.64 198.51.100.1", "are no IPv4 addresses in order"),
    ("nat64-grown", "range 128 extended-times", "range 256 extended-times", "blocks are of one size, 128"),
    ("nat64", "length 96 1", "length 96", "not understood; ADDRESS prefix-length N ID would be"),
    ("nat64", "  section 0 198.51.100.64 mask 26\n", "", "its address-group has no addresses"),
    ("nat64", "any address-group ipv4aas-hall7", "any address-group X", "there is no address-group X"),
    ("nat64", "port-range 960", "port-range 960\n port-range 64", "port-range is there twice"),
]


@pytest.mark.parametrize(("name", "before", "after", "message"), ERRORS)
def test_error_says_the_line(name, before, after, message):
    services = GOLDEN[name]
    text = rendered(*services)
    assert before in text
    with pytest.raises(ParseError, match=re.escape(message)):
        parsed(text.replace(before, after), *services)


def pool_of(technique, **fields):
    return shownet(technique, "gateway", pool=replace(NAPT_POOL, **fields))


FULL = MapRule(IPv6Network("2001:db8:40::/48"), IPv4Network("198.51.100.0/24"), 8)
REFUSED = [
    (shownet("map-e", "gateway", rules=(FULL,)), "psid-offset 0 is not known there"),
    (
        pool_of("ds-lite", subscribers=None),
        "hall7.customers: huawei_ne40e box needs the customers' prefix for remote-ipv6",
    ),
    (
        pool_of("ds-lite", block_size=1008, ports_per_subscriber=1008),
        "takes a port-range of 64 to 64512, a multiple of 64, not 1008",
    ),
    (pool_of("ds-lite", ports_per_subscriber=9600), "9600 ports in blocks of 960; 1 to 4 blocks"),
    (
        pool_of("nat64", ports_per_subscriber=0),
        "cannot give any number of ports in blocks of 960; 1 to 4 blocks",
    ),
    (pool_of("ds-lite", block_size=0, ports_per_subscriber=20), "takes a port-limit 50 to 65535, not 20"),
    (pool_of("nat64", block_size=0), "limits sessions of NAT64, not ports; blocks"),
    (
        pool_of("nat64", deterministic=True),
        "counts deterministic ports in another way than RFC 7422; another allocation",
    ),
    (
        pool_of("nat64", ipv4=(IPv4Network("10.0.0.0/17"),)),
        "16 sections of up to a /22 for an address group; fewer or smaller",
    ),
    (
        replace(
            pool_of("nat64"), eam=(Eam(IPv4Network("192.0.2.1/32"), IPv6Network("2001:db8:aaaa::1/128")),)
        ),
        "hall7.eam: huawei_ne40e box has no words for an EAM table",
    ),
]


@pytest.mark.parametrize(("service", "message"), REFUSED)
def test_refused(service, message):
    with pytest.raises(Refused, match=re.escape(message)):
        rendered(service)


def test_options_are_asked_for_all_at_once():
    first, second = GOLDEN["ds-lite"][0], replace(GOLDEN["ds-lite"][0], name="other")
    with pytest.raises(Refused) as caught:
        CASE.rendered("cli", first, second, instance_ids={"hall7": 4096})
    assert str(caught.value).splitlines() == [
        "hosts.box: hall7, other have the gateway address 2001:3e8:0:2900::1; one address for each",
        "hosts.box.ipv4aas_options.instance_ids.hall7: 4096 does not fit; a number in 1..4095",
        "hosts.box.ipv4aas_options.instance_ids.other: missing; a number in 1..4095",
    ]
    with pytest.raises(Refused, match="instance_ids: 7 is there 2 times; a number of its own for each"):
        CASE.rendered("cli", first, second, instance_ids={"hall7": 7, "other": 7})
    with pytest.raises(
        Refused, match=r"service_instance_group: .* of a service-instance-group that is there"
    ):
        CASE.rendered("cli", first, service_instance_group="")
    assert CASE.rendered("cli", first, service_instance_group=1) == rendered(first)


def test_host_bits_are_no_other_prefix():
    """The manual's own examples have some; the device shows them, so the change takes them away."""
    for name, before, after in (
        ("map-e", "rule-prefix 2001:3e8:6000::", "rule-prefix 2001:3e8:6000::1"),
        ("map-t", "ipv6-prefix 2001:db8:ffff::", "ipv6-prefix 2001:db8:ffff::1"),
        ("nat64", "prefix 2001:db8:6400::", "prefix 2001:db8:6400::1"),
    ):
        text = rendered(*GOLDEN[name])
        other = text.replace(before, after)
        assert parsed(other, *GOLDEN[name]) == GOLDEN[name]
        assert any(before in line for line in payload(other, text))


def test_rule_that_changes_is_let_go_of_first():
    [service] = GOLDEN["map-e"]
    other = replace(service, rules=(replace(service.rules[0], psid_offset=6),))
    assert payload(rendered(service), rendered(other)) == [
        "map-e instance ipv4aas-hall7 id 7",
        " undo map-rule ipv4aas-hall7",
        "map rule ipv4aas-hall7",
        " undo rule-prefix",
        f" {RULE_LINE} 6",
        "map-e instance ipv4aas-hall7 id 7",
        " map-rule ipv4aas-hall7",
    ]


def test_pool_that_grows_disturbs_nobody():
    [service] = GOLDEN["ds-lite"]
    larger = replace(service, pool=replace(NAPT_POOL, ipv4=(*NAPT_POOL.ipv4, IPv4Network("203.0.113.0/28"))))
    assert payload(rendered(service), rendered(larger)) == [
        "ds-lite instance ipv4aas-hall7 id 7",
        " ds-lite address-group ipv4aas-hall7 group-id 1",
        "  section 1 203.0.113.0 mask 28",
    ]
    assert payload(rendered(larger), rendered(service)) == [
        "ds-lite instance ipv4aas-hall7 id 7",
        " undo ds-lite outbound any address-group ipv4aas-hall7",
        " ds-lite address-group ipv4aas-hall7 group-id 1",
        "  undo section 1",
        " ds-lite outbound any address-group ipv4aas-hall7",
    ]


def test_value_that_is_overwritten_is_one_line():
    [service] = GOLDEN["ds-lite-quota"]
    other = replace(service, ipv6_mtu=1600, mss_clamp=0)
    assert payload(rendered(service), rendered(other)) == [
        "ds-lite instance ipv4aas-hall7 id 7",
        " undo ds-lite tcp adjust-mss",
        " ds-lite mtu 1600",
    ]


def test_last_service_takes_everything_of_ours():
    assert payload(rendered(*GOLDEN["map-e"]), "") == [
        "undo map-e instance ipv4aas-hall7 id 7",
        "undo map rule ipv4aas-hall7",
        "undo br-ipv6-address ipv4aas-hall7",
    ]


@pytest.mark.parametrize("name", ["ds-lite", "nat64"])
def test_lines_of_the_operator_in_our_instance_stay(name):
    [service] = GOLDEN[name]
    device, word = Vrp(), "ds-lite" if name == "ds-lite" else "nat64"
    text = rendered(service)
    device.apply(BOX.change("", text, "cli").payload)
    device.apply(f"{word} instance ipv4aas-hall7 id 7\n {word} log session enable\n")
    group = f"{word} address-group ipv4aas-hall7 group-id 1"
    device.apply(f"{word} instance ipv4aas-hall7 id 7\n {group}\n  section 0 lock\n")
    assert BOX.owned(device.show(), "cli") == text
    other = replace(service, ipv6_mtu=1600)
    device.apply(BOX.change(BOX.owned(device.show(), "cli"), rendered(other), "cli").payload)
    assert f" {word} log session enable\n" in device.show()
    assert "  section 0 lock\n" in device.show()
    assert parsed(device.show(), other) == (other,)


def test_service_that_nobody_wants_is_found():
    known = GOLDEN["map-t"][0]
    rule = replace(known.rules[0], ipv6_prefix=IPv6Network("2001:3e8:7000::/56"))
    other = replace(known, name="other", rules=(rule,))
    found = parsed(rendered(known, other), known)
    assert found == (known, replace(other, gateway_address=IPv6Address("::")))
    [nat64] = parsed(rendered(*GOLDEN["464xlat"]))
    assert (nat64.name, nat64.technique) == ("hall7", "nat64")


@pytest.mark.parametrize("technique", ["map-e", "map-t", "ds-lite", "464xlat"])
def test_from_an_inventory(technique):
    """Planned, rendered and read back as any host of an inventory."""
    options = {"instance_ids": {"home": 12}, "service_instance_group": "cgn"}
    node = planned_gateway(technique, "huawei_ne40e", options)
    assert node.refused is None
    text = CASE.rendered("cli", *node.services, **options)
    assert "instance ipv4aas-home id 12" in text
    assert parsed(text, *node.services) == node.services
