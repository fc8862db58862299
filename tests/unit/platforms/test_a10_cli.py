# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A10: the lines of the running-config."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from platform_cases import CASES
from platform_cases.services import POOL, RULE, shownet

CASE, BOX = CASES["a10"], driver("a10")
NAT64 = shownet(
    "nat64", "gateway", mss_clamp=1400, pool=replace(POOL, ports_per_subscriber=1024, block_size=512)
)
MAP_E = shownet("map-e", "gateway", interface_identifier="draft-03")
PUBLIC = """class-list ipv4aas-hall7 ipv6
  ::/0 lsn-lid 1
!
interface ethernet 1
  name ipv6-inside
  enable
  ipv6 address 2001:db8:1::254/64
  ipv6 nat inside
!
interface ethernet 2
  name ipv4-outside
  enable
  ip address 198.51.100.254 255.255.255.0
  ip nat outside
!
cgnv6 nat pool ipv4aas-hall7 198.51.100.64 198.51.100.95 netmask /24
!
cgnv6 lsn inbound-refresh disable
cgnv6 lsn ip-selection round-robin
!
cgnv6 lsn-lid 1
  name ipv4aas-hall7
  source-nat-pool ipv4aas-hall7
!
cgnv6 nat64 inside source class-list ipv4aas-hall7
cgnv6 nat64 icmp send-on-port-unavailable admin-filtered
!
cgnv6 nat64 prefix 64:FF9B::/96 class-list ipv4aas-hall7
!
end
"""


def rendered(*services, **options):
    return CASE.rendered("cli", *services, **options)


def parsed(text, *wanted):
    return BOX.parse(text, "cli", wanted)


def commands(before, after):
    return BOX.change(before, after, "cli").payload.splitlines()


def test_the_public_configuration_with_our_names():
    """Quotas for addresses, not prefixes, and the MSS lowered by 20, are what ACOS does unless it is told."""
    pool = Pool(ipv4=(IPv4Network("198.51.100.64/27"),), subscriber_prefix_len=128)
    service = shownet("nat64", "gateway", pool=pool, mss_clamp=1440)
    assert parsed(PUBLIC, service) == (service,)
    [found] = parsed(PUBLIC)
    assert (found.name, found.technique, found.pool) == ("hall7", "nat64", pool)
    assert commands(PUBLIC, rendered(service, lsn_lid=1)) == [
        "cgnv6 lsn-lid 1",
        "  user-quota-prefix-length 128",
        "cgnv6 nat64 tcp mss-clamp subtract 20",
    ]


def test_commands_of_a_change():
    other = replace(
        NAT64,
        mss_clamp=0,
        pool=replace(NAT64.pool, ipv4=(IPv4Network("198.51.100.0/25"),), ports_per_subscriber=0),
    )
    assert commands(rendered(NAT64), rendered(other)) == [
        "no cgnv6 lsn-lid 101",
        "no cgnv6 nat pool ipv4aas-hall7",
        "cgnv6 nat64 tcp mss-clamp none",
        "cgnv6 nat pool ipv4aas-hall7 198.51.100.0 198.51.100.127 netmask /24 port-batch-v2-size 512",
        "cgnv6 lsn-lid 101",
        "  name ipv4aas-hall7",
        "  source-nat-pool ipv4aas-hall7",
        "  user-quota-prefix-length 64",
    ]
    assert commands(rendered(MAP_E), rendered(replace(MAP_E, interface_identifier="rfc7597"))) == [
        "cgnv6 map encapsulation domain ipv4aas-hall7",
        "  no format draft-03",
    ]
    wider = replace(MAP_E, rules=(replace(RULE, psid_offset=6),))
    assert commands(rendered(MAP_E), rendered(wider)) == [
        "cgnv6 map encapsulation domain ipv4aas-hall7",
        "  basic-mapping-rule",
        "    port-start 1024",
    ]
    assert commands(rendered(MAP_E), "") == ["no cgnv6 map encapsulation domain ipv4aas-hall7"]


def test_rules_that_differ():
    second = MapRule(IPv6Network("2001:3e8:7000::/56"), IPv4Network("203.0.113.0/26"), 6, 4)
    service = replace(MAP_E, rules=(RULE, second))
    text = rendered(service)
    assert "    prefix-rule ipv4aas-hall7_2\n      rule-ipv6-prefix 2001:3e8:7000::/56\n" in text
    assert "      ipv4-address-port-settings single-addr\n" in text
    assert parsed(text, service) == (service,)


def test_other_spellings_mean_the_same():
    text = rendered(MAP_E)
    other = (
        text.replace("2001:3e8:0:2900::1", "2001:03E8:0000:2900::1")
        .replace("130.129.255.92 /30", "130.129.255.92 255.255.255.252")
        .replace("    ea-length 8\n", "")
        .replace("    share-ratio 64\n", "    share-ratio 64\n    ea-length 8\n")
    )
    assert other != text
    assert BOX.owned(f"!Current configuration\n!\n{other}!\nend\n", "cli") == text
    assert parsed(other, MAP_E) == (MAP_E,)


@pytest.mark.parametrize(
    "line", ["  override drop\n", "  extended-user-quota tcp service-port 25 sessions 3\n"]
)
def test_a_line_of_ours_that_is_not_understood_is_taken_out(line):
    text = rendered(NAT64)
    by_hand = text.replace("  name ipv4aas-hall7\n", f"  name ipv4aas-hall7\n{line}")
    assert commands(by_hand, text) == ["cgnv6 lsn-lid 101", f"  no {line.strip()}"]
    assert commands(text, by_hand) == ["cgnv6 lsn-lid 101", line.rstrip()]


@pytest.mark.parametrize(
    ("old", "new", "message"),
    [
        (
            "share-ratio 64",
            "share-ratio 60",
            "prefix-rule ipv4aas-hall7: share-ratio: 60 is not a power of two",
        ),
        ("    port-start 4096\n", "", "prefix-rule ipv4aas-hall7 has no port-start"),
        ("ea-length 8", "ea-length x", "x is not a number in 0..23"),
        ("2001:3e8:0:2900::1", "nowhere", "nowhere is not an IPv6 address"),
        ("format draft-03", "format draft-04", "draft-04 is not draft-03"),
    ],
)
def test_nonsense_is_told_with_its_line(old, new, message):
    with pytest.raises(ParseError) as caught:
        parsed("hostname acos\n" + rendered(MAP_E).replace(old, new), MAP_E)
    assert str(caught.value).startswith("line 2: cgnv6 map encapsulation domain ipv4aas-hall7: ")
    assert message in str(caught.value)


def test_what_only_the_interface_has_words_for():
    for technique in ("map-t", "lw4o6"):
        with pytest.raises(Refused, match=f"a10 has no words for {technique} gateway in cli"):
            rendered(shownet(technique, "gateway"))
