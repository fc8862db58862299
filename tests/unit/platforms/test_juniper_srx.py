# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Juniper SRX: the vendor's lines, other spellings, what is changed by hand, and what it cannot do."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from itertools import permutations

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from platform_cases import CASES
from platform_cases.services import POOL, shownet

CASE, BOX = CASES["juniper_srx"], driver("juniper_srx")
TECHNIQUES = ("ds-lite", "nat64")
OPEN = {"filtering": "endpoint-independent"}
BLOCKS = replace(POOL, block_size=1024, ports_per_subscriber=4096)
SMALLER_BLOCKS = replace(BLOCKS, block_size=512, ports_per_subscriber=2048)
HALF = replace(BLOCKS, ipv4=(IPv4Network("198.51.100.64/27"),))
NAME = "ipv4aas-hall7"
SOURCE = "set security nat source rule-set ipv4aas"
STATIC = "set security nat static rule-set ipv4aas"
POOL_LINE = f"set security nat source pool {NAME}"


def service(technique, **fields):
    return shownet(technique, "gateway", **(OPEN | fields))


def deploy(device, dialect, *services, **options):
    wanted = CASE.rendered(dialect, *services, **options) if services else ""
    change = BOX.change(BOX.owned(device.show(), dialect), wanted, dialect)
    device.apply(change.payload)
    return change


def test_lines_of_the_public_nat64_example():
    """As the Juniper community post has them, with the parameters of ShowNet and our names."""
    text = CASE.rendered("cli", service("464xlat", name="hall7"))
    assert text.splitlines()[4:] == [
        f"{SOURCE} from zone trust",
        f"{SOURCE} to zone untrust",
        f"{SOURCE} rule {NAME} match source-address ::/0",
        f"{SOURCE} rule {NAME} match destination-address 0.0.0.0/0",
        f"{SOURCE} rule {NAME} then source-nat pool {NAME}",
        f"{SOURCE} rule {NAME} then source-nat pool persistent-nat permit any-remote-host",
        f"{SOURCE} rule {NAME} then source-nat pool persistent-nat inactivity-timeout 300",
        f"{STATIC} from zone trust",
        f"{STATIC} rule {NAME} match source-address ::/0",
        f"{STATIC} rule {NAME} match destination-address 64:ff9b::/96",
        f"{STATIC} rule {NAME} then static-nat inet",
    ]


@pytest.mark.parametrize("dialect", ["cli", "netconf"])
@pytest.mark.parametrize(("old", "new"), list(permutations(TECHNIQUES, 2)))
def test_another_technique_takes_the_old_one_away(dialect, old, new):
    device, fresh = CASE.device(dialect), CASE.device(dialect)
    deploy(device, dialect, service(old))
    before = CASE.facts(device.show(), dialect)
    change = deploy(device, dialect, service(new))
    deploy(fresh, dialect, service(new))
    assert CASE.facts(device.show(), dialect) == CASE.facts(fresh.show(), dialect)
    assert "zone" not in change.payload or "static" in change.payload
    device.apply(change.undo)
    assert CASE.facts(device.show(), dialect) == before


@pytest.mark.parametrize("dialect", ["cli", "netconf"])
def test_another_zone_and_filtering(dialect):
    device, fresh = CASE.device(dialect), CASE.device(dialect)
    deploy(device, dialect, service("nat64"))
    strict = service("nat64", filtering="address-dependent")
    change = deploy(device, dialect, strict, from_zone="customers", persistent_nat_sessions=4000)
    deploy(fresh, dialect, strict, from_zone="customers", persistent_nat_sessions=4000)
    assert CASE.facts(device.show(), dialect) == CASE.facts(fresh.show(), dialect)
    assert BOX.parse(device.show(), dialect, (strict,)) == (strict,)
    assert "pool-name" not in change.payload and "64:ff9b" not in change.payload


@pytest.mark.parametrize(
    ("before", "after"),
    [
        (
            f"{POOL_LINE} port range 1024\n{POOL_LINE} port range to 65535\n",
            f"{POOL_LINE} port range 1024 to 65535\n",
        ),
        ("64:ff9b::/96", "64:FF9B:0::/96"),
        ("set security nat source pool", "## Last commit\nset version 24.4\nset security nat source pool"),
        ("\n", " \r\n"),
    ],
)
def test_other_spelling_of_the_same(before, after):
    wanted = service("nat64", pool=BLOCKS)
    text = CASE.rendered("cli", wanted)
    assert before in text
    other = text.replace(before, after, 1)
    assert BOX.parse(other, "cli", (wanted,)) == (wanted,)
    assert not BOX.change(other, text, "cli")


@pytest.mark.parametrize(
    ("before", "after"),
    [
        ("http://yang.juniper.net/junos-es/conf/root", "http://xml.juniper.net/xnm/1.1/xnm"),
        (' xmlns="http://yang.juniper.net/junos-es/conf/security"', ""),
        ("64:ff9b::/96", "64:FF9B:0::/96"),
    ],
)
def test_other_xml_of_the_same(before, after):
    wanted = service("nat64")
    text = CASE.rendered("netconf", wanted)
    assert before in text
    other = text.replace(before, after)
    assert BOX.parse(other, "netconf", (wanted,)) == (wanted,)
    assert not BOX.change(other, text, "netconf")


def test_range_of_addresses_is_the_same_pool():
    wanted = service("nat64")
    text = CASE.rendered("cli", wanted)
    other = text.replace("198.51.100.64/26", "198.51.100.64/32 to 198.51.100.127/32")
    assert BOX.parse(other, "cli", (wanted,)) == (wanted,)
    xml = CASE.rendered("netconf", wanted)
    other = xml.replace(
        "<name>198.51.100.64/26</name>",
        "<name>198.51.100.64/32</name><to><ipaddr>198.51.100.127/32</ipaddr></to>",
    )
    assert BOX.parse(other, "netconf", (wanted,)) == (wanted,)
    shorter = other.replace("127/32", "126/32")
    [found] = BOX.parse(shorter, "netconf", (wanted,))
    assert sum(network.num_addresses for network in found.pool.ipv4) == 63


@pytest.mark.parametrize("technique", TECHNIQUES)
@pytest.mark.parametrize("dialect", ["cli", "netconf"])
def test_every_missing_line_is_seen(technique, dialect):
    text = CASE.rendered(dialect, service(technique, pool=BLOCKS))
    lines = text.splitlines(keepends=True)
    for index, line in enumerate(lines):
        if dialect == "netconf" and ((line.count("<") != 2 and "/>" not in line) or "<name>" in line):
            continue  # half an element is no XML, an entry without its name is no entry
        other = "".join([*lines[:index], *lines[index + 1 :]])
        assert BOX.change(other, text, dialect), line


@pytest.mark.parametrize(
    ("before", "after", "found"),
    [
        ("permit any-remote-host", "permit target-host", {"filtering": "address-dependent"}),
        ("permit any-remote-host", "permit target-host-port", {"filtering": "address-and-port-dependent"}),
        ("persistent-nat", "x", {"filtering": "address-and-port-dependent"}),
        ("mtu-v6 1500", "mtu-v6 1400", {"ipv6_mtu": 1400}),
        (
            "block-size 1024",
            "block-size 512",
            {"pool": SMALLER_BLOCKS},
        ),
        (
            "maximum-blocks-per-host 4",
            "interim-logging-interval 1800",
            {"pool": replace(BLOCKS, ports_per_subscriber=8 * 1024)},
        ),
        ("port range 1024", "port range 2048", {"pool": replace(BLOCKS, first_port=2048)}),
        (
            "198.51.100.64/26",
            "198.51.100.64/27",
            {"pool": HALF},
        ),
    ],
)
def test_change_by_hand_has_a_meaning(before, after, found):
    wanted = service("ds-lite", pool=BLOCKS)
    text = CASE.rendered("cli", wanted)
    assert before in text
    assert BOX.parse(text.replace(before, after), "cli", (wanted,)) == (replace(wanted, **found),)


@pytest.mark.parametrize(
    ("technique", "before", "after", "message"),
    [
        ("ds-lite", "softwire-type IPv4-in-IPv6", "softwire-type v6rd", "v6rd is not IPv4-in-IPv6"),
        ("ds-lite", "mtu-v6 1500", "copy-dscp", "has no mtu-v6"),
        (
            "ds-lite",
            "range to 65535",
            "preserve-parity",
            "has no port range to 65535: its ports end",
        ),
        ("ds-lite", "range to 65535", "range to 63487", "ports up to 63487: a pool has those up to 65535"),
        (
            "ds-lite",
            f"softwire-name {NAME}",
            "softwire-name X",
            "neither a static NAT rule nor a",
        ),
        ("ds-lite", f"source-nat pool {NAME}", "source-nat pool X", "no NAT pool of ours is called X"),
        (
            "ds-lite",
            "match source-address 0.0.0.0/0",
            "match source-address 10.0.0.0/8",
            "10.0.0.0/8 is not",
        ),
        (
            "nat64",
            "destination-address 0.0.0.0/0",
            "destination-address 64:ff9b::/96",
            "64:ff9b::/96 is not",
        ),
        (
            "nat64",
            f"rule {NAME} match destination-address 0.0.0.0/0",
            "description x",
            "has no match",
        ),
        ("nat64", "static-nat inet", "static-nat prefix 192.0.2.1/32", "has no then static-nat inet"),
        (
            "nat64",
            "port range 1024",
            "port range 1023",
            "line 2: set security nat source pool",
        ),
        (
            "nat64",
            "198.51.100.64/26",
            "198.51.100.9/32 to 198.51.100.8/32",
            "198.51.100.8 is before",
        ),
        ("nat64", " 198.51.100.64/26", "", "pool ipv4aas-hall7 address:  is not an IPv4 prefix"),
        (
            "nat64",
            "198.51.100.64/26",
            "198.51.100.8/32 198.51.100.9/32",
            "is neither a prefix nor a range such as 192.0.2.1/32 to 192.0.2.9/32",
        ),
    ],
)
def test_error_says_the_line(technique, before, after, message):
    text = CASE.rendered("cli", service(technique))
    assert before in text
    with pytest.raises(ParseError) as error:
        BOX.parse(text.replace(before, after), "cli", (service(technique),))
    assert message in str(error.value)


def test_leaf_with_another_value_beside_the_wanted_one_is_set_again():
    text = CASE.rendered("cli", service("nat64"))
    line = "set security nat source pool ipv4aas-hall7 port range to 65535\n"
    damaged = f"{text}{line.replace('65535', '2048')}"
    assert BOX.change(damaged, text, "cli").payload == line


@pytest.mark.parametrize(("technique", "kind"), [("ds-lite", "softwires"), ("nat64", "static")])
def test_rest_without_its_source_rule(technique, kind):
    text = CASE.rendered("cli", service(technique))
    short = "".join(line for line in text.splitlines(True) if kind in line)
    with pytest.raises(ParseError, match="no source NAT rule is called ipv4aas-hall7"):
        BOX.parse(short, "cli", ())


def test_rule_of_somebody_else_in_our_rule_set():
    """It is taken away, since first match wins there."""
    wanted = service("nat64")
    text = CASE.rendered("cli", wanted)
    rule = f"{SOURCE} rule X match source-address 10.0.0.0/8\n"
    other = text + rule
    assert BOX.parse(other, "cli", (wanted,)) == (wanted,)
    assert BOX.change(other, text, "cli").payload == f"{SOURCE} rule X\n".replace("set", "delete", 1)


@pytest.mark.parametrize(
    ("services", "options", "message"),
    [
        (
            [service("nat64"), service("nat64", name="hall8")],
            {},
            "box.ipv4aas_carries: carries hall7, hall",
        ),
        (
            [service("nat64", pool=replace(POOL, first_port=1000))],
            {},
            "takes a first port 1024 to 65535",
        ),
        (
            [service("nat64", pool=replace(POOL, subscriber_prefix_len=4))],
            {},
            "customers.prefix_length: juniper_srx box takes a length of 8 to 128, not 4",
        ),
        (
            [service("ds-lite", pool=replace(POOL, sessions_per_subscriber=20000))],
            {},
            "sharing: juniper_srx box takes sessions of a customer 0 to 16384, not 20000",
        ),
        (
            [service("ds-lite", pool=replace(BLOCKS, block_size=1000))],
            {},
            "counts blocks of 1000 ports: 4096 are no number of them",
        ),
        (
            [
                service(
                    "ds-lite",
                    pool=replace(POOL, deterministic=True, subscribers=IPv6Network("2001:db8::/56")),
                )
            ],
            {},
            "counts deterministic ports in another way than RFC 7422",
        ),
        ([service("nat64")], {"from_zone": ""}, "box.ipv4aas_options.from_zone: '' does not fit"),
        (
            [service("nat64")],
            {"persistent_nat_sessions": 7},
            "persistent_nat_sessions: 7 does not fit",
        ),
    ],
)
def test_refused_with_the_reason(services, options, message):
    with pytest.raises(Refused) as error:
        CASE.rendered("cli", *services, **options)
    assert message in str(error.value)


def edge(**fields):
    return shownet("map-e", "edge", **fields)


def test_edge_has_no_words_on_the_command_line():
    with pytest.raises(Refused, match="juniper_srx has no words for map-e edge in cli; one of netconf"):
        CASE.rendered("cli", edge())


@pytest.mark.parametrize("technique", TECHNIQUES)
def test_from_gateway_to_edge_and_back(technique):
    device = CASE.device("netconf")
    deploy(device, "netconf", service(technique))
    before = CASE.facts(device.show(), "netconf")
    change = deploy(device, "netconf", edge())
    assert BOX.parse(device.show(), "netconf", (edge(),)) == (edge(),)
    device.apply(change.undo)
    assert CASE.facts(device.show(), "netconf") == before


@pytest.mark.parametrize(
    ("before", "after", "message"),
    [
        (">2001:3e8:0:2900::1<", ">$9$abc<", "<br-address>$9$abc</br-address>: is encrypted"),
        ("<version>3<", "<version>2<", "version 2 is not 3"),
        ("<psid-len>6<", "<psid-len>5<", "PSID length 5 does not go with 8 EA bits"),
        ("ea-bits-length>", "v4-reassembly>", "<rule> bmr: has no ea-bits-length"),
        ("mape-domain-name>ipv4aas", "mape-domain-name>x", "no MAP-E domain of ours is called x"),
        ("prefix-value>2001:3e8:6000:45::/64", "prefix-value>x", "x is not an IPv6 prefix"),
    ],
)
def test_error_in_a_domain(before, after, message):
    text = CASE.rendered("netconf", edge(interface_identifier="draft-03"))
    assert before in text
    with pytest.raises(ParseError) as error:
        BOX.parse(text.replace(before, after), "netconf", (edge(),))
    assert message in str(error.value)


def test_mesh_is_refused():
    [rule] = edge().rules
    with pytest.raises(Refused, match="no document shows one rule as BMR and FMR"):
        CASE.rendered("netconf", edge(rules=(replace(rule, forwarding=True),)))


def test_domain_without_its_pool():
    text = CASE.rendered("netconf", edge())
    start, end = text.index("      <nat>"), text.index("      </nat>") + len("      </nat>\n")
    with pytest.raises(ParseError, match="<map-e> ipv4aas: no NAT pool of ours takes its ports"):
        BOX.parse(text[:start] + text[end:], "netconf", (edge(),))
