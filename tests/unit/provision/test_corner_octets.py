# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Octets at the corners of RFC 7598, 6334, 8026, 8781 and 7050, worked out by hand, and who may set AD."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.portset import PortSet
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.provision import dhcpv6, dns64, pref64
from ansible_collections.ipv4aas.fleet.engine.provision.dhcpv6 import Bound, OptionError
from ansible_collections.ipv4aas.fleet.engine.provision.dns64_synthesis import Synthesis, rule
from ansible_collections.ipv4aas.fleet.engine.provision.records import (
    AAAA,
    SOA,
    A,
    Question,
    Record,
    Response,
)


def map_rule(ipv6: str, ipv4: str, ea_len: int, offset: int = 6, **more: int) -> MapRule:
    return MapRule(IPv6Network(ipv6), IPv4Network(ipv4), ea_len, offset, **more)


@pytest.mark.parametrize(
    ("octets", "value"),
    [
        # Only the last bit of the flags is F; the other seven are reserved.
        ("0059000dfe1018c00002002820010db800", map_rule("2001:db8::/40", "192.0.2.0/24", 16)),
        (
            "0059000dff1018c00002002820010db800",
            map_rule("2001:db8::/40", "192.0.2.0/24", 16, forwarding=True),
        ),
        # Bits behind a prefix do not count, in both versions.
        ("0059000d001018c00002122120010db8ff", map_rule("2001:db8:8000::/33", "192.0.2.0/24", 16)),
        # Everything is in the rule, and of the prefix there is no octet.
        ("005900080000000000000000", map_rule("::/0", "0.0.0.0/0", 0)),
        # 48 EA bits; the PSID of option 93 does not count where its length is 0.
        ("0059001200300000000000102001005d00040000ffff", map_rule("2001::/16", "0.0.0.0/0", 48, 0)),
        # A PSID of 16 bits.
        (
            "00590018000020c00002124020010db800120034005d00040010d431",
            map_rule("2001:db8:12:34::/64", "192.0.2.18/32", 0, 0, explicit_psid_len=16, explicit_psid=54321),
        ),
        ("005d00040f0180ff", PortSet(15, 1, 1)),
        ("005d00040600ffff", PortSet(6, 0, 0)),
        ("005d00040010ffff", PortSet(0, 16, 65535)),
        ("005b000d6020010db8ffff000000000000", IPv6Network("2001:db8:ffff::/96")),
        ("005b00052020010db8", IPv6Network("2001:db8::/32")),
        ("005c0005c000021200", Bound(IPv4Address("192.0.2.18"), IPv6Network("::/0"), PortSet(0, 0, 0))),
        ("006f00020060", (96,)),
        ("006f00040001005e", (1, 94)),  # what it does not know a client passes over
    ],
)
def test_what_octets_say(octets: str, value: object) -> None:
    assert dhcpv6.decode(bytes.fromhex(octets)) == value


@pytest.mark.parametrize(
    "octets",
    [
        "005d00041000" + "0000",  # offset 16: the field has 0 to 15
        "005d00040011" + "0000",  # PSID of 17 bits
        "005d00040f02" + "0000",
        "005d000506083400" + "00",
        "005a000f" + "00" * 15,
        "005a0011" + "00" * 17,
        "005b00064020010db800",  # /64 with 5 octets
        "005b000a4020010db8ffff0000ff",  # one octet more than a /64 has
        "005b000e6020010db8ffff00000000000000",
        "005c0004c0000212",
        "005900070010" + "18c0000200",
        "006f0000",
        "006f000100",
        "006f0006005e0060005e",
        "00400003" + "016100",  # "a." is three octets; more are needed
        "00400043" + "40" + "61" * 64 + "0000",  # a label of 64 octets
        "00400005" + "0361c3a900",
        "005e0004" + "005a0010",  # an option that is cut off
        "005e0004005e0000",  # a container in a container
    ],
)
def test_what_a_client_ignores(octets: str) -> None:
    with pytest.raises(OptionError):
        dhcpv6.decode(bytes.fromhex(octets))


def test_offset_of_16_cannot_be_told() -> None:
    with pytest.raises(OptionError, match=r"outside 0\.\.15"):
        dhcpv6.encode_rule(map_rule("2001:db8::/40", "192.0.2.0/24", 8, 16))


def test_label_of_63_octets_can() -> None:
    name = f"{'a' * 63}.jp"
    assert dhcpv6.encode_aftr_name(name).hex() == "00400044" + "3f" + "61" * 63 + "026a7000"
    assert dhcpv6.decode(dhcpv6.encode_aftr_name(name)) == name


# RFC 8781


@pytest.mark.parametrize(
    ("prefix", "lifetime", "octets"),
    [
        ("2001:db8:64:64::/64", 1, "2602000920010db80064006400000000"),
        ("64:ff9b::/96", 8, "260200080064ff9b0000000000000000"),
        ("64:ff9b::/96", 9, "260200100064ff9b0000000000000000"),
        ("64:ff9b::/96", 65521, "2602fff80064ff9b0000000000000000"),
        ("64:ff9b::/96", 65529, "2602fff80064ff9b0000000000000000"),
        ("64:ff9b:1::/48", 10**9, "2602fffb0064ff9b0001000000000000"),
        ("64:ff9b:1:ff00::/56", 0, "260200020064ff9b0001ff0000000000"),
    ],
)
def test_router_advertisements(prefix: str, lifetime: int, octets: str) -> None:
    assert pref64.encode(IPv6Network(prefix), lifetime).hex() == octets
    assert pref64.decode(bytes.fromhex(octets))[0] == IPv6Network(prefix)


@pytest.mark.parametrize(("interval", "lifetime"), [(4, 16), (600, 1800), (1800, 5400), (65535, 65528)])
def test_lifetime_is_three_intervals(interval: int, lifetime: int) -> None:
    assert pref64.lifetime_for(interval) == lifetime


# RFC 7050


@pytest.mark.parametrize(
    ("answer", "prefix"),
    [
        ("2001:db8:c000:aa::", "2001:db8::/32"),
        ("2001:db8:c000:ab::", "2001:db8::/32"),
        # A prefix that holds the well-known address itself: the suffix tells them apart.
        ("2001:db8:c000:aa::192.0.0.170", "2001:db8:c000:aa::/96"),
        ("2001:db8:c000:aa::192.0.0.171", "2001:db8:c000:aa::/96"),
        ("2001:db8:c000:aa:c0:0:aa00:0", "2001:db8:c000:aa::/64"),
        ("64:ff9b:1:c000:0:ab00::", "64:ff9b:1::/48"),
        ("2001:db8::1:c000:aa", "2001:db8::1:0:0/96"),
        ("2001:db8:0:0:100:0:c000:aa", None),  # octet u is not zero
        ("2001:db8:c000:aa::1", None),
        ("2001:db8:c000:a9::", None),
    ],
)
def test_discovery(answer: str, prefix: str | None) -> None:
    found = dns64.discover([IPv6Address(answer)])
    assert found == (() if prefix is None else (IPv6Network(prefix),))


# RFC 6147 section 5.5

NAME = "h2.example.com"
PREFIX = (Synthesis(IPv6Network("64:ff9b::/96")),)
FOUR = Response(answer=(Record(NAME, A, 300, IPv4Address("192.0.2.1")),), authentic=True)
NONE = Response(authority=(Record("example.com", SOA, 120, 60),), authentic=True)
MAPPED = Response(answer=(Record(NAME, AAAA, 300, IPv6Address("::ffff:192.0.2.9")),), authentic=True)
MIXED = replace(MAPPED, answer=(*MAPPED.answer, Record(NAME, AAAA, 300, IPv6Address("2001:db8:5::1"))))


@pytest.mark.parametrize(
    ("aaaa", "a", "told"),
    [
        (NONE, FOUR, True),
        (replace(NONE, authentic=False), FOUR, False),  # that there is no AAAA must be validated too
        (NONE, replace(FOUR, authentic=False), False),
        (MIXED, FOUR, False),  # what is left of a signed set is not what was signed
    ],
)
def test_authentic_data(aaaa: Response, a: Response, told: bool) -> None:
    answers = {AAAA: aaaa, A: a}
    for wants in (True, False):
        question = Question(NAME, AAAA, dnssec_ok=wants)
        found = rule(question, lambda _name, kind: answers[kind], PREFIX).response
        assert found.of(AAAA)
        assert found.authentic is (told and wants)


@pytest.mark.parametrize(
    ("do", "cd", "made"), [(False, False, 1), (False, True, 1), (True, False, 1), (True, True, 0)]
)
def test_only_who_validates_alone_gets_nothing_made_up(do: bool, cd: bool, made: int) -> None:
    answers = {AAAA: NONE, A: FOUR}
    question = Question(NAME, AAAA, dnssec_ok=do, checking_disabled=cd)
    found = rule(question, lambda _name, kind: answers[kind], PREFIX)
    assert (found.synthesised, len(found.response.of(AAAA))) == (bool(made), made)


@pytest.mark.parametrize(
    ("a_ttl", "authority", "ttl"),
    [
        (30, (Record("example.com", SOA, 10, 5),), 10),
        (30, (Record("example.com", SOA, 3600, 5),), 30),
        (3600, (), 600),
        (300, (), 300),
        (0, (), 0),
        (600, (Record("example.com", SOA, 0, 600),), 0),
    ],
)
def test_ttl(a_ttl: int, authority: tuple[Record, ...], ttl: int) -> None:
    a = Response(answer=(Record(NAME, A, a_ttl, IPv4Address("192.0.2.1")),))
    answers = {AAAA: Response(authority=authority), A: a}
    found = rule(Question(NAME, AAAA), lambda _name, kind: answers[kind], PREFIX)
    assert [record.ttl for record in found.response.of(AAAA)] == [ttl]
