# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows at the corners of what the RFCs allow, worked out by hand: beside those of tests/vectors."""

from __future__ import annotations

import ipaddress
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding, BindingTable, binding_problems
from ansible_collections.ipv4aas.fleet.engine.mapping.eam import Eam, EamTable
from ansible_collections.ipv4aas.fleet.engine.mapping.iid import DRAFT03, RFC7597, format_of, map_address
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane, PlaneError
from ansible_collections.ipv4aas.fleet.engine.mapping.portset import (
    PortSet,
    PortSetError,
    left_aligned_psid,
    psid_from_left_aligned,
    psid_of,
)
from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import WELL_KNOWN, Embedding
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import (
    MapRule,
    MapRuleError,
    RuleTable,
    TranslatedRuleTable,
)


def number(text: str) -> int:
    return int(ipaddress.ip_address(text))


def rule(ipv6: str, ipv4: str, ea_len: int, offset: int = 6, psid_len: int = 0, psid: int = 0) -> MapRule:
    return MapRule(IPv6Network(ipv6), IPv4Network(ipv4), ea_len, offset, psid_len, psid)


# Port sets (RFC 7597 section 5.1): A | PSID | j


@pytest.mark.parametrize(
    ("a", "k", "psid", "count", "first", "last"),
    [
        (16, 0, 0, 1, (0, 65535), (0, 65535)),
        (0, 16, 0, 1, (0, 0), (0, 0)),
        (0, 1, 1, 1, (32768, 65535), (32768, 65535)),
        (1, 1, 1, 1, (49152, 65535), (49152, 65535)),
        (1, 15, 32767, 1, (65535, 65535), (65535, 65535)),
        (15, 1, 0, 32767, (2, 2), (65534, 65534)),
        (10, 6, 63, 1023, (127, 127), (65535, 65535)),
        (8, 4, 9, 255, (400, 415), (65424, 65439)),
        (5, 11, 0, 31, (2048, 2048), (63488, 63488)),
        (4, 8, 255, 15, (8176, 8191), (65520, 65535)),
    ],
)
def test_port_sets(
    a: int, k: int, psid: int, count: int, first: tuple[int, int], last: tuple[int, int]
) -> None:
    ports = PortSet(a, k, psid)
    ranges = ports.ranges()
    assert (len(ranges), ranges[0], ranges[-1]) == (count, first, last)
    assert len(ports) == count * (first[1] - first[0] + 1)
    assert first[0] in ports and last[1] in ports
    assert (first[0] - 1 in ports) is False or not first[0]
    assert [ports.index(ports.nth(at)) for at in (0, len(ports) - 1)] == [0, len(ports) - 1]


@pytest.mark.parametrize("values", [(16, 1, 0), (17, 0, 0), (-1, 4, 0), (0, -1, 0), (0, 17, 0), (6, 8, 256)])
def test_no_port_sets(values: tuple[int, int, int]) -> None:
    with pytest.raises(PortSetError):
        PortSet(*values)


@pytest.mark.parametrize(
    ("port", "a", "k", "psid"),
    [
        (80, 6, 0, 0),  # not shared: nothing is excluded (section 5.2)
        (0, 16, 0, 0),
        (1023, 6, 10, None),
        (1024, 6, 10, 0),
        (1, 15, 1, None),
        (2, 15, 1, 0),
        (3, 15, 1, 1),
        (32767, 1, 3, None),
        (32768, 1, 3, 0),
        (0, 0, 16, 0),
        (65535, 0, 16, 65535),
    ],
)
def test_whose_port(port: int, a: int, k: int, psid: int | None) -> None:
    assert psid_of(port, a, k) == psid


@pytest.mark.parametrize(
    ("psid", "k", "left"),
    [
        (0, 0, 0x0000),
        (0, 1, 0x0000),
        (1, 10, 0x0040),
        (0x1F, 5, 0xF800),
        (0x55, 7, 0xAA00),
        (0x7FFF, 15, 0xFFFE),
        (0xFFFF, 16, 0xFFFF),
    ],
)
def test_left_alignment(psid: int, k: int, left: int) -> None:
    assert left_aligned_psid(psid, k) == left
    assert psid_from_left_aligned(left, k) == psid


@pytest.mark.parametrize(("field", "k", "psid"), [(0xFFFF, 0, 0), (0x34FF, 8, 0x34), (0xABCD, 12, 0xABC)])
def test_bits_behind_a_psid_do_not_count(field: int, k: int, psid: int) -> None:
    assert psid_from_left_aligned(field, k) == psid


# Customers (RFC 7597 sections 5.2 and 6), in both layouts of the identifier

A1 = rule("2001:db8::/40", "192.0.2.0/24", 16)


@pytest.mark.parametrize(
    ("one", "prefix", "kind", "ipv4", "psid", "new", "old"),
    [
        # EA bits up to the last bit of the address: it is all prefix, and no bit is the identifier's.
        (
            rule("2001:db8::/112", "192.0.2.0/24", 16),
            "2001:db8::1234/128",
            "shared",
            "192.0.2.18/32",
            0x34,
            "2001:db8::1234",
            "2001:db8::1234",
        ),
        (
            rule("2001:db8::/119", "192.0.2.0/24", 8),
            "2001:db8::24/127",
            "full",
            "192.0.2.18/32",
            0,
            "2001:db8::24",
            "2001:db8::24",
        ),
        # A prefix of /28: zeros behind it, no PSID.
        (
            rule("2001:db8::/40", "192.0.0.0/16", 12),
            "2001:db8:12:3000::/52",
            "prefix",
            "192.0.18.48/28",
            0,
            "2001:db8:12:3000:0:c000:1230:0",
            "2001:db8:12:3000:c0:12:3000:0",
        ),
        # All of the address is in the rule.
        (
            rule("2001:db8:12:3400::/56", "192.0.2.0/24", 0),
            "2001:db8:12:3400::/56",
            "prefix",
            "192.0.2.0/24",
            0,
            "2001:db8:12:3400:0:c000:200:0",
            "2001:db8:12:3400:c0:2::",
        ),
        (
            rule("2001:db8:1:1::/64", "192.0.2.1/32", 0, 0, 16, 0xFFFF),
            "2001:db8:1:1::/64",
            "shared",
            "192.0.2.1/32",
            0xFFFF,
            "2001:db8:1:1:0:c000:201:ffff",
            "2001:db8:1:1:c0:2:1ff:ff00",
        ),
        # An explicit PSID 0 is shared all the same.
        (
            rule("2001:db8:1:1::/64", "192.0.2.1/32", 0, 0, 4, 0),
            "2001:db8:1:1::/64",
            "shared",
            "192.0.2.1/32",
            0,
            "2001:db8:1:1:0:c000:201:0",
            "2001:db8:1:1:c0:2:100:0",
        ),
        # EA bits of 48: no IPv4 bit in the rule, one port.
        (
            rule("fd00::/16", "0.0.0.0/0", 48, 0),
            "fd00:ffff:ffff:ffff::/64",
            "shared",
            "255.255.255.255/32",
            0xFFFF,
            "fd00:ffff:ffff:ffff:0:ffff:ffff:ffff",
            "fd00:ffff:ffff:ffff:ff:ffff:ffff:ff00",
        ),
        # Behind /64 the End-user prefix overwrites the identifier.
        (
            A1,
            "2001:db8:12:3400:ab00::/72",
            "shared",
            "192.0.2.18/32",
            0x34,
            "2001:db8:12:3400:ab00:c000:212:34",
            "2001:db8:12:3400:abc0:2:1200:3400",
        ),
        (
            A1,
            "2001:db8:12:3400:1:2:3:4/127",
            "shared",
            "192.0.2.18/32",
            0x34,
            "2001:db8:12:3400:1:2:3:4",
            "2001:db8:12:3400:1:2:3:4",
        ),
        # 31 bits of address and prefix together.
        (
            rule("2001:db8::/41", "192.0.2.0/24", 7),
            "2001:db8:9::/48",
            "prefix",
            "192.0.2.18/31",
            0,
            "2001:db8:9::c000:212:0",
            "2001:db8:9:0:c0:2:1200:0",
        ),
    ],
)
def test_customers(one: MapRule, prefix: str, kind: str, ipv4: str, psid: int, new: str, old: str) -> None:
    for iid_format, address in ((RFC7597, new), (DRAFT03, old)):
        customer = one.customer(IPv6Network(prefix), iid_format)
        assert (one.kind, str(customer.ipv4), customer.ports.psid) == (kind, ipv4, psid)
        assert customer.address == IPv6Address(address)
        assert customer.ports.shared is (kind == "shared")
        entitled = RuleTable([one], iid_format).entitlement(int(customer.address))
        assert entitled is not None
        assert entitled.allows(int(customer.ipv4[-1]), customer.ports.nth(0))
        assert entitled.allows(int(customer.ipv4[-1]), None) is (kind != "shared")


def test_gateway_finds_the_128_and_the_127() -> None:
    shared, full = (
        rule("2001:db8::/112", "192.0.2.0/24", 16),
        rule("2001:db8:1::/119", "198.51.100.0/24", 8),
    )
    for table in (RuleTable([shared, full]), TranslatedRuleTable([shared, full], DRAFT03)):
        assert table.softwire(number("192.0.2.18"), 1232) == number("2001:db8::1234")
        assert table.softwire(number("198.51.100.18"), None) == number("2001:db8:1::24")
        # Neighbours in one /64 have other addresses.
        for address, ipv4 in (("2001:db8::1234", "192.0.2.18"), ("2001:db8::1334", "192.0.2.19")):
            entitled = table.entitlement(number(address))
            assert entitled is not None and entitled.ipv4 == number(ipv4)


@pytest.mark.parametrize(
    ("prefix", "text"),
    [
        ("2001:db8:12::/48", "shorter than Rule IPv6 prefix"),
        ("2001:db8:12:3400::/55", "shorter than Rule IPv6 prefix"),
        ("2001:db9::/56", "not inside"),
        ("2001:db8::/40", "shorter than Rule IPv6 prefix"),
    ],
)
def test_no_customers(prefix: str, text: str) -> None:
    with pytest.raises(MapRuleError, match=text):
        A1.customer(IPv6Network(prefix))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        (("2001:db8::/40", "192.0.0.0/16", 33, 0), "outside 0..16"),  # 17 bits of PSID
        (("2001:db8::/40", "192.0.2.0/24", 9, 16), "more than the 16 bits"),
        (("2001:db8::/40", "192.0.2.0/24", 8, 17), "PSID offset 17"),  # also where nothing is shared
        (("2001:db8::/40", "192.0.2.0/24", 8, -1), "PSID offset -1"),
        (("2001:db8::/81", "192.0.2.0/24", 48, 0), "longer than 128"),
    ],
)
def test_no_rules(values: tuple[str, str, int, int], text: str) -> None:
    with pytest.raises(MapRuleError, match=text):
        rule(*values)


def test_offset_of_16_where_nothing_is_shared() -> None:
    one = rule("2001:db8::/40", "192.0.2.0/24", 8, 16)
    assert (one.kind, len(one.port_set(0))) == ("full", 65536)


def test_excluded_port_of_the_longer_rule_is_not_the_shorter_ones() -> None:
    wide, narrow = rule("2001:db8::/32", "10.0.0.0/8", 24), rule("2001:db9::/40", "10.255.0.0/24", 16)
    table = RuleTable([wide, narrow])
    assert table.softwire(number("10.255.0.18"), 208) is None
    assert table.softwire(number("10.255.0.18"), None) is None
    assert table.softwire(number("10.255.1.18"), 208) == number("2001:db8:ff01:1200:0:aff:112:0")
    assert table.shared(number("10.255.0.18")) and not table.shared(number("10.255.1.18"))


@pytest.mark.parametrize(
    ("ipv4", "psid", "length", "seen"),
    [
        ("0.0.0.0", 0, 64, {RFC7597: None, DRAFT03: None}),  # alike in both
        ("192.0.2.1", 0, 128, {RFC7597: None, DRAFT03: None}),  # nothing of it is left
        ("192.0.2.1", 0, 120, {RFC7597: None, DRAFT03: None}),
        ("192.0.2.1", 1, 120, {RFC7597: RFC7597, DRAFT03: DRAFT03}),
        ("192.0.2.1", 0x1FF, 64, {RFC7597: RFC7597, DRAFT03: DRAFT03}),
    ],
)
def test_layout_of_an_identifier(ipv4: str, psid: int, length: int, seen: dict[str, str | None]) -> None:
    prefix = number("2001:db8:0:1:2:3:4:5") >> (128 - length) << (128 - length)
    for made, found in seen.items():
        address = map_address(prefix, length, number(ipv4), psid, made)
        assert format_of(address, length, number(ipv4), psid) == found


# RFC 6052: 203.0.113.7 is cb 00 71 07

EMBEDDED = [
    ("2001:db8::/32", "2001:db8:cb00:7107::", "2001:db8:cb00:7107:ffff:ffff:ffff:ffff"),
    ("2001:db8:ab00::/40", "2001:db8:abcb:71:7::", "2001:db8:abcb:71:ff07:ffff:ffff:ffff"),
    ("2001:db8:abcd::/48", "2001:db8:abcd:cb00:71:700::", "2001:db8:abcd:cb00:ff71:7ff:ffff:ffff"),
    ("2001:db8:abcd:ef00::/56", "2001:db8:abcd:efcb:0:7107::", "2001:db8:abcd:efcb:ff00:7107:ffff:ffff"),
    ("2001:db8:abcd:ef01::/64", "2001:db8:abcd:ef01:cb:71:700:0", "2001:db8:abcd:ef01:ffcb:71:7ff:ffff"),
    ("2001:db8:0:0:ff::/96", "2001:db8::ff:0:cb00:7107", "2001:db8::ff:0:cb00:7107"),
]


@pytest.mark.parametrize(("prefix", "made", "noisy"), EMBEDDED)
def test_six_lengths_with_a_set_octet_u(prefix: str, made: str, noisy: str) -> None:
    embedding = Embedding(IPv6Network(prefix))
    assert IPv6Address(embedding.embed(number("203.0.113.7"))) == IPv6Address(made)
    for text in (made, noisy):
        assert number(text) in embedding
        assert embedding.extract(number(text)) == number("203.0.113.7")


@pytest.mark.parametrize(
    ("prefix", "ipv4", "ipv6"),
    [  # bits 64 to 71 are skipped, and not counted where the network ends before them
        ("2001:db8::/32", "203.0.113.0/24", "2001:db8:cb00:7100::/56"),
        ("2001:db8:ab00::/40", "203.0.113.0/24", "2001:db8:abcb:71::/64"),
        ("2001:db8:ab00::/40", "203.0.113.0/25", "2001:db8:abcb:71::/73"),
        ("2001:db8:abcd:ef00::/56", "203.0.0.0/16", "2001:db8:abcd:efcb::/80"),
        ("2001:db8:abcd:ef01::/64", "203.0.113.7/32", "2001:db8:abcd:ef01:cb:71:700:0/104"),
        ("2001:db8::/96", "203.0.113.0/24", "2001:db8::cb00:7100/120"),
    ],
)
def test_networks_in_a_prefix(prefix: str, ipv4: str, ipv6: str) -> None:
    assert Embedding(IPv6Network(prefix)).embed_network(IPv4Network(ipv4)) == IPv6Network(ipv6)


@pytest.mark.parametrize(
    ("ipv4", "carried"),
    [
        ("0.255.255.255", False),
        ("1.0.0.0", True),
        ("100.63.255.255", True),
        ("100.127.255.255", False),
        ("100.128.0.0", True),
        ("126.255.255.255", True),
        ("169.254.255.255", False),
        ("172.15.255.255", True),
        ("172.31.255.255", False),
        ("172.32.0.0", True),
        ("192.0.0.169", False),
        ("192.0.0.171", True),
        ("192.0.0.172", False),
        ("192.0.1.0", True),
        ("192.88.98.255", True),
        ("192.88.99.1", False),  # RFC 5735 section 3 lists it
        ("192.88.100.0", True),
        ("198.17.255.255", True),
        ("198.19.255.255", False),
        ("203.0.112.255", True),
        ("223.255.255.255", True),
        ("224.0.0.0", False),
        ("255.255.255.255", False),
    ],
)
def test_well_known_prefix(ipv4: str, carried: bool) -> None:
    assert Embedding(WELL_KNOWN).may_carry(number(ipv4)) is carried
    assert Embedding(IPv6Network("64:ff9b:1::/48")).may_carry(number(ipv4))


# Explicit mappings (RFC 7757)


@pytest.mark.parametrize(
    ("ipv4", "ipv6", "host", "to6", "from6"),
    [
        ("0.0.0.0/0", "2001:db8::/96", "192.0.2.1", "2001:db8::c000:201", "2001:db8::c000:201"),
        ("0.0.0.0/0", "2001:db8::/32", "192.0.2.1", "2001:db8:c000:201::", "2001:db8:c000:201:ffff::1"),
        ("192.0.2.1/32", "2001:db8:1:2::/64", "192.0.2.1", "2001:db8:1:2::", "2001:db8:1:2:ffff::1"),
        ("192.0.2.1/32", "2001:db8::1/128", "192.0.2.1", "2001:db8::1", "2001:db8::1"),
        ("192.0.2.2/31", "2001:db8::4/127", "192.0.2.3", "2001:db8::5", "2001:db8::5"),
        ("192.0.2.0/24", "2001:db8:0:5::/64", "192.0.2.129", "2001:db8:0:5:8100::", "2001:db8:0:5:8100::1"),
        ("192.0.2.0/24", "2001:db8::/120", "192.0.2.255", "2001:db8::ff", "2001:db8::ff"),
    ],
)
def test_explicit_mappings(ipv4: str, ipv6: str, host: str, to6: str, from6: str) -> None:
    table = EamTable([Eam(IPv4Network(ipv4), IPv6Network(ipv6))])
    assert table.to6(number(host)) == number(to6)
    assert table.to4(number(from6)) == number(host)


# Bindings (RFC 7596)


def bound(softwire: str, ipv4: str, *ports: int) -> Binding:
    return Binding(IPv6Address(softwire), IPv4Address(ipv4), *ports)


@pytest.mark.parametrize(
    ("bindings", "problems"),
    [
        ([bound("2001:db8::1", "192.0.2.1"), bound("2001:db8::2", "192.0.2.1")], 1),
        ([bound("2001:db8::1", "192.0.2.1"), bound("2001:db8::2", "192.0.2.1", 0, 8, 7)], 1),
        ([bound("2001:db8::1", "192.0.2.1", 0, 8, 7), bound("2001:db8::2", "192.0.2.1", 0, 8, 7)], 1),
        ([bound("2001:db8::1", "192.0.2.1", 0, 8, 7), bound("2001:db8::2", "192.0.2.2", 0, 8, 7)], 0),
        # Of A = 0 no port is given, so the first 1024 are free for another.
        ([bound("2001:db8::1", "192.0.2.1", 6, 1, 0), bound("2001:db8::2", "192.0.2.1", 0, 6, 0)], 0),
        # Without a PSID all ports are the first one's, whatever its offset.
        ([bound("2001:db8::1", "192.0.2.1", 4, 0, 0), bound("2001:db8::2", "192.0.2.1", 0, 4, 0)], 1),
        ([bound("2001:db8::1", "192.0.2.1", 0, 16, 0), bound("2001:db8::2", "192.0.2.1", 0, 16, 1)], 0),
    ],
)
def test_who_collides(bindings: list[Binding], problems: int) -> None:
    assert len(list(binding_problems(bindings))) == problems


def test_subscribers_of_one_port_each_and_of_all() -> None:
    table = BindingTable(
        [
            bound("2001:db8::1", "192.0.2.1", 0, 16, 0),
            bound("2001:db8::2", "192.0.2.1", 0, 16, 65535),
            bound("2001:db8::3", "192.0.2.2", 16, 0, 0),
        ]
    )
    assert [table.softwire(number("192.0.2.1"), port) for port in (0, 1, 65535)] == [
        number("2001:db8::1"),
        None,
        number("2001:db8::2"),
    ]
    assert table.softwire(number("192.0.2.2"), None) == number("2001:db8::3")
    assert table.softwire(number("192.0.2.2"), 0) == number("2001:db8::3")


# SA46T (draft-matsuhira-m46a): prefix (96 - m) | plane (m) | IPv4


@pytest.mark.parametrize(
    ("prefix", "plane", "ipv4", "route"),
    [
        ("2001:db8::/96", 0, "10.0.0.1/32", "2001:db8::a00:1/128"),
        ("2001:db8::/95", 1, "10.0.0.0/31", "2001:db8::1:a00:0/127"),
        ("2001:db8::/32", (1 << 64) - 1, "0.0.0.0/0", "2001:db8:ffff:ffff:ffff:ffff::/96"),
        ("2001:db8::/64", 0, "255.255.255.255/32", "2001:db8::ffff:ffff/128"),
        ("2001:db8::/80", 0xABCD, "10.0.0.0/8", "2001:db8::abcd:a00:0/104"),
        ("2001:db8::/64", 1 << 31, "128.0.0.0/1", "2001:db8::8000:0:8000:0/97"),
    ],
)
def test_planes(prefix: str, plane: int, ipv4: str, route: str) -> None:
    assert Plane(IPv6Network(prefix), plane).route(IPv4Network(ipv4)) == IPv6Network(route)


@pytest.mark.parametrize(
    ("prefix", "plane"),
    [
        ("2001:db8::/96", 1),
        ("2001:db8::/95", 2),
        ("2001:db8::/97", 0),
        ("2001:db8::/64", -1),
        ("2001:db8::/64", 1 << 32),
    ],
)
def test_no_planes(prefix: str, plane: int) -> None:
    with pytest.raises(PlaneError):
        Plane(IPv6Network(prefix), plane)
