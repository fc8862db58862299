# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lint of the techniques beside MAP-E: an inventory that breaks a rule, and the same one mended."""

from __future__ import annotations

import pytest
from ansible_collections.ipv4aas.fleet.engine.intent.read import read_intent
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.plan.compile import draw_fleet
from ansible_collections.ipv4aas.fleet.engine.plan.lint import CHECKS, RULES, lint
from ansible_collections.ipv4aas.fleet.engine.plan.lint_helpers import name_problem
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from fleet_samples import FEATURES, hostvars
from unit.plan.test_fleet_lint import CASES as CASES_OF_MAP_E

TOWN = """
services:
  town:
    technique: %s
    customers: {ipv6: "2400:4000::/40", prefix_length: 56}
    ipv4_pools: [133.0.0.0/24]
    sharing: {customers_per_address: 32}
    gateway: {%s}
    backbone_mtu: 1540
    minimum_ports: 1000
%s
hosts:
  gw:
    ansible_host: 198.51.100.1
    ipv4aas_role: gateway
    ipv4aas_platform: linux
    ipv4aas_carries: [town]
"""
EDGE = """
  ce1:
    ipv4aas_role: edge
    ipv4aas_platform: linux
    ipv4aas_carries: [town]
    ipv4aas_customer_prefix: 2400:4000:1:100::/56
    ipv4aas_lan: [192.168.1.0/24]
"""
DHCP = "  dhcp1: {ipv4aas_role: provisioner, ipv4aas_platform: dhcp, ipv4aas_carries: [town]}\n"
DNS = "  dns1: {ipv4aas_role: resolver, ipv4aas_platform: dns, ipv4aas_carries: [town]}\n"
ADDRESS, PREFIX = 'address: "2400:5000::1"', 'translation_prefix: "2400:5000:64::/64"'
LOWEST = "    lowest_ipv6_mtu: 1540"
MAP_T = TOWN % ("map-t", PREFIX, LOWEST) + EDGE
LW4O6 = TOWN % ("lw4o6", ADDRESS, "") + EDGE + DHCP
DS_LITE = TOWN % ("ds-lite", ADDRESS, "    aftr_name: aftr.example.net") + EDGE + DHCP
XLAT = TOWN % ("464xlat", PREFIX, LOWEST) + EDGE + DNS
NAT64 = TOWN % ("nat64", PREFIX, LOWEST) + DNS
BOUND = (
    LW4O6[: LW4O6.index("    customers")]
    + '    bindings:\n      - {softwire: "2400:4000:1:100:0:8500:9:3", ipv4: 133.0.0.9, psid_offset: 6,'
    " psid_length: 4, psid: 3}\n" + LW4O6[LW4O6.index("    gateway") :]
)
CAMPUS = """
services:
  campus:
    technique: sa46t
    plane: {prefix: "2400:5000:0:46::/64", id: 9}
    backbone_mtu: 1540
  hall:
    technique: sa46t-pr
    plane: {id: 9}
    backbone_mtu: 1540
  seam:
    technique: sa46t-pt
    plane: {prefix: "2400:5000:0:46::/64", id: 9}
    backbone_mtu: 1540
hosts:
  lab1: {ipv4aas_role: edge, ipv4aas_platform: linux, ipv4aas_carries: [campus], ipv4aas_lan: [10.1.1.0/24]}
  pr3:
    ipv4aas_role: edge
    ipv4aas_platform: linux
    ipv4aas_carries: [hall]
    ipv4aas_customer_prefix: 2400:5000:0:3::/64
    ipv4aas_lan: [10.1.3.0/24]
  pt:
    ipv4aas_role: gateway
    ipv4aas_platform: linux
    ipv4aas_carries: [seam]
    ipv4aas_customer_prefix: 2400:5000:0:ff::/64
"""
CLEAN = {
    "map-t": MAP_T,
    "lw4o6": LW4O6,
    "ds-lite": DS_LITE,
    "464xlat": XLAT,
    "nat64": NAT64,
    "bindings": BOUND,
    "campus": CAMPUS,
}

SERVICE = "ipv4aas_services.town"
SECOND = (
    "hosts:\n",
    "hosts:\n  gw2: {ipv4aas_role: gateway, ipv4aas_platform: linux, ipv4aas_carries: [town]}\n",
)


def beside(technique, gateway, more=""):
    """A second service, village, and a gateway for it."""
    text = (
        f"  village:\n    technique: {technique}\n"
        '    customers: {ipv6: "2400:6000::/40", prefix_length: 56}\n'
        "    ipv4_pools: [133.0.8.0/24]\n    sharing: {customers_per_address: 32}\n"
        f"    gateway: {{{gateway}}}\n    backbone_mtu: 1540\n{more}"
        "hosts:\n  gwv: {ipv4aas_role: gateway, ipv4aas_platform: linux, ipv4aas_carries: [village]}\n"
    )
    return ("hosts:\n", text)


def eam(*entries):
    return ("    minimum_ports", f"    eam: [{', '.join(entries)}]\n    minimum_ports")


def second_binding(length, psid):
    entry = f"{{customer_prefix: '2400:4000:2::/56', ipv4: 133.0.0.9, psid_length: {length}, psid: {psid},"
    return ("psid: 3}\n", f"psid: 3}}\n      - {entry} psid_offset: 6}}\n")


def plane(name, plane_id):
    """A second SA46T service."""
    prefix = f'plane: {{prefix: "2400:5000:0:46::/64", id: {plane_id}}}'
    return f"  {name}:\n    technique: sa46t\n    {prefix}\n    backbone_mtu: 1540\n"


BR_VILLAGE = 'address: "2400:5000::2"'
PLAT_VILLAGE = 'translation_prefix: "2400:5000:65::/64"'

# rule, place, a clean inventory, what breaks it, what mends it
CASES = [
    ("MAP003", f"{SERVICE}.bindings[1]", BOUND, [second_binding(5, 9)], ("psid_length: 5", "psid_length: 4")),
    (
        "MAP004",
        f"{SERVICE}.sharing.reserved_ports",
        DS_LITE,
        [("address: 32}", "address: 32, reserved_ports: 512}")],
        ("512", "1024"),
    ),
    (
        "MAP004",
        f"{SERVICE}.bindings[0]",
        BOUND,
        [
            ("psid_offset: 6, psid_length: 4, psid: 3", "psid_offset: 0, psid_length: 4, psid: 0"),
            (":9:3", ":9:0"),
        ],
        ("psid_offset: 0", "psid_offset: 6"),
    ),
    (
        "MAP008",
        f"{SERVICE}.sharing",
        XLAT,
        [("minimum_ports: 1000", "minimum_ports: 2017")],
        ("2017", "2016"),
    ),
    (
        "MAP009",
        "ipv4aas_services.village.ipv4_pools[0]",
        DS_LITE,
        [beside("map-e", BR_VILLAGE), ("133.0.8.0/24", "133.0.0.0/25")],
        ("133.0.0.0/25", "133.0.1.0/24"),
    ),
    (
        "MAP009",
        f"{SERVICE}.ipv4_pools[1]",
        DS_LITE,
        [("[133.0.0.0/24]", "[133.0.0.0/24, 133.0.0.0/26]")],
        ("133.0.0.0/26", "133.0.1.0/24"),
    ),
    (
        "MAP009",
        f"{SERVICE}.bindings[1]",
        BOUND,
        [second_binding(4, 3)],
        ("56', ipv4: 133.0.0.9", "56', ipv4: 133.0.0.10"),
    ),
    ("MAP010", "hosts.gw.ansible_host", DS_LITE, [("198.51.100.1", "133.0.0.9")], ("133.0.0.9", "133.0.1.9")),
    (
        "MAP014",
        f"{SERVICE}.gateway.translation_prefix",
        MAP_T,
        [("5000:64::/64", "5000:64::/104")],
        ("/104", "/96"),
    ),
    ("MAP016", f"{SERVICE}.ipv4_pools[0]", NAT64, [("133.0.0.0/24", "133.0.0.0/25")], ("/25", "/24")),
    (
        "DHCP003",
        "hosts.dhcp1.ipv4aas_carries",
        LW4O6,
        [
            beside("map-e", BR_VILLAGE),
            ("dhcp, ipv4aas_carries: [town]", "dhcp, ipv4aas_carries: [town, village]"),
        ],
        ("technique: map-e", "technique: lw4o6"),
    ),
    (
        "DHCP004",
        "ipv4aas_services.village.gateway.address",
        LW4O6,
        [beside("map-e", ADDRESS)],
        ("village:\n    technique: map-e", "village:\n    technique: lw4o6"),
    ),
    (
        "DHCP004",
        "ipv4aas_services.village.ipv4_pools[0]",
        LW4O6,
        [beside("map-e", BR_VILLAGE), ("133.0.8.0/24", "133.0.0.0/26")],
        ("133.0.0.0/26", "133.0.1.0/26"),
    ),
    (
        "DSL001",
        f"{SERVICE}.aftr_name",
        DS_LITE,
        [("aftr.example.net", "aftr")],
        (": aftr\n", ": aftr.example.net\n"),
    ),
    (
        "DSL001",
        f"{SERVICE}.aftr_name",
        DS_LITE,
        [("aftr.example.net", '"2400:5000::1"')],
        ('name: "2400:5000::1"', "name: aftr.example.net"),
    ),
    ("DSL001", f"{SERVICE}.aftr_name", DS_LITE, [("    aftr_name: aftr.example.net\n", "")], (DHCP, "")),
    (
        "DSL003",
        "hosts.ce1.ipv4aas_lan[0]",
        DS_LITE,
        [("192.168.1.0/24", "100.64.0.0/24")],
        ("100.64.0.0/24", "172.31.0.0/24"),
    ),
    (
        "DSL005",
        f"{SERVICE}.fragmentation",
        DS_LITE,
        [("minimum_ports", "fragmentation: inner\n    minimum_ports")],
        ("inner", "outer"),
    ),
    (
        "DSL006",
        "hosts.ce1.ipv4aas_lan[0]",
        XLAT,
        [("192.168.1.0/24", "192.0.0.0/28")],
        ("192.0.0.0/28", "192.168.0.0/28"),
    ),
    (
        "X001",
        f"{SERVICE}.gateway.translation_prefix",
        XLAT,
        [("5000:64::/64", "5000:64::/72")],
        ("/72", "/96"),
    ),
    (
        "X001",
        f"{SERVICE}.gateway.translation_prefix",
        NAT64,
        [("5000:64::/64", "5000:64:0:ff00::/96")],
        ("0:ff00::/96", "0:0:ff00::/96"),
    ),
    (
        "X002",
        f"{SERVICE}.gateway.translation_prefix",
        NAT64,
        [("2400:5000:64::/64", "64:ff9b::/96"), ("133.0.0.0/24", "198.51.100.0/24")],
        ("198.51.100.0/24", "133.0.0.0/24"),
    ),
    (
        "X003",
        f"{SERVICE}.customers.prefix_length",
        XLAT,
        [("prefix_length: 56", "prefix_length: 64"), ("2400:4000:1:100::/56", "2400:4000:1:100::/64")],
        ("prefix_length: 64", "prefix_length: 63"),
    ),
    (
        "X007",
        f"{SERVICE}.dns64.exclude",
        NAT64,
        [("minimum_ports", 'dns64: {exclude: ["2001:db8::/32"]}\n    minimum_ports')],
        ('["2001:db8::/32"]', '["2001:db8::/32", "::ffff:0:0/96"]'),
    ),
    (
        "X007",
        f"{SERVICE}.dns64.exclude",
        NAT64,
        [("minimum_ports", 'dns64: {exclude: ["::ffff:0:0/97"]}\n    minimum_ports')],
        ('["::ffff:0:0/97"]', '["::/64"]'),  # a larger one holds it too
    ),
    (
        "X008",
        f"{SERVICE}.dns64.clients",
        NAT64,
        [
            beside("map-e", BR_VILLAGE),
            ("minimum_ports", 'dns64: {clients: ["2400:6000:1::/48"]}\n    minimum_ports'),
        ],
        ("2400:6000:1::/48", "2400:4000:1::/48"),
    ),
    (
        "X009",
        f"{SERVICE}.gateway.translation_prefix",
        XLAT,
        [("2400:5000:64::/64", "2001:10:10:10:10:10::/96")],
        ("2001:10:10:10:10:10::/96", "2400:5000:64::/96"),
    ),
    (
        "X009",
        "ipv4aas_services.campus.plane.prefix",
        CAMPUS,
        [("2400:5000:0:46::/64", "2001:db8:0:46::/64")],
        ("2001:db8:0:46::/64", "2400:5000:0:46::/64"),
    ),
    (
        "X011",
        f"{SERVICE}.eam[1]",
        NAT64,
        [
            eam(
                "{ipv4: 133.0.9.0/28, ipv6: '2400:4001::/124'}",
                "{ipv4: 133.0.9.8/32, ipv6: '2400:4002::1/128'}",
            )
        ],
        ("133.0.9.8/32", "133.0.9.16/32"),
    ),
    (
        "X011",
        f"{SERVICE}.eam[1]",
        NAT64,
        [
            eam(
                "{ipv4: 133.0.9.0/32, ipv6: '2400:4001::/128'}",
                "{ipv4: 133.0.9.8/32, ipv6: '2400:4001::/128'}",
            )
        ],
        ("133.0.9.8/32, ipv6: '2400:4001::", "133.0.9.8/32, ipv6: '2400:4001::1"),
    ),
    (
        "X012",
        f"{SERVICE}.eam[0]",
        NAT64,
        [eam("{ipv4: 133.0.9.0/24, ipv6: '2400:4001::/124'}")],
        ("/124", "/120"),
    ),
    (
        "MTU005",
        f"{SERVICE}.lowest_ipv6_mtu",
        MAP_T,
        [("    lowest_ipv6_mtu: 1540\n", "")],
        ("backbone_mtu: 1540", "backbone_mtu: 1280"),
    ),
    (
        "MTU002",
        f"{SERVICE}.mss_clamp",
        XLAT,
        [("minimum_ports", "mss_clamp: 1460\n    minimum_ports")],
        ("1460", "1480"),
    ),
    (
        "SA001",
        "ipv4aas_services.campus.plane.id",
        CAMPUS,
        [("0:46::/64", "0:46::/92"), ('/92", id: 9', '/92", id: 16')],
        ("id: 16", "id: 15"),
    ),
    ("SA001", "hosts.pr3.ipv4aas_customer_prefix", CAMPUS, [("0:3::/64", "0:3::/93")], ("/93", "/92")),
    (
        "SA001",
        "hosts.pt.ipv4aas_customer_prefix",
        CAMPUS,
        [("2400:5000:0:ff::/64", "2400:5000:0:46::/64")],
        ("customer_prefix: 2400:5000:0:46::/64", "customer_prefix: 2400:5000:0:47::/64"),
    ),
    (
        "SA001",
        "ipv4aas_services.other.plane.id",
        CAMPUS,
        [("  hall:", plane("other", 9) + "  hall:")],
        (plane("other", 9), plane("other", 10)),
    ),
    (
        "SA002",
        "ipv4aas_services.seam.plane",
        CAMPUS,
        [("plane: {id: 9}", "plane: {id: 8}")],
        ("plane: {id: 8}", "plane: {id: 9}"),
    ),
    (
        "FLT001",
        f"{SERVICE}.gateway.translation_prefix",
        DS_LITE,
        [(ADDRESS, f"{ADDRESS}, {PREFIX}")],
        (f", {PREFIX}", ""),
    ),
    (
        "FLT001",
        f"{SERVICE}.sharing.allocation",
        LW4O6,
        [("address: 32}", "address: 32, allocation: dynamic}")],
        (", allocation: dynamic", ""),
    ),
    ("FLT002", "hosts.dns1.ipv4aas_carries[0]", LW4O6 + DNS, [], (DNS, "")),
    (
        "FLT003",
        f"{SERVICE}.gateway",
        DS_LITE,
        [SECOND, (ADDRESS, f"{ADDRESS}, anycast: true")],
        ("gw2: {", "gw2: {ipv4aas_deploy: false, "),
    ),
    (
        "FLT004",
        f"{SERVICE}.gateway.translation_prefix",
        MAP_T,
        [("5000:64::/64", "5000:64::/96")],
        ("/96", "/64"),
    ),
    (
        "FLT006",
        "hosts.gw.ipv4aas_carries[1]",
        DS_LITE,
        [
            beside("map-e", ADDRESS),
            ("linux\n    ipv4aas_carries: [town]\n\n", "linux\n    ipv4aas_carries: [town, village]\n\n"),
        ],
        (f"{ADDRESS}}}\n    backbone_mtu: 1540\nhosts", f"{BR_VILLAGE}}}\n    backbone_mtu: 1540\nhosts"),
    ),
    (
        "FLT006",
        "hosts.gw.ipv4aas_carries[1]",
        NAT64.replace(DNS, "\n"),
        [
            beside("nat64", 'translation_prefix: "2400:5000:64::/96"'),
            ("linux\n    ipv4aas_carries: [town]\n\n", "linux\n    ipv4aas_carries: [town, village]\n\n"),
        ],
        ("2400:5000:64::/96", "2400:5000:65::/96"),
    ),
    ("FLT005", f"{SERVICE}.bindings[0].softwire", BOUND, [(':9:3"', ':9:4"')], (DHCP, "")),
]


def changed(text, *changes):
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def findings(text):
    return {
        (finding.rule, finding.place) for finding in lint(draw_fleet(read_intent(hostvars(text)), FEATURES))
    }


@pytest.mark.parametrize("name", CLEAN)
def test_the_clean_inventories_are_clean(name):
    told = build_plan(hostvars(CLEAN[name]), FEATURES).findings
    # The addresses of a binding table are single ones.
    assert {finding.rule for finding in told} <= ({"MAP016"} if name == "bindings" else set())


@pytest.mark.parametrize(
    ("rule", "place", "clean", "changes", "mend"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)]
)
def test_rule(rule, place, clean, changes, mend):
    text = changed(clean, *changes)
    assert (rule, place) in findings(text)
    assert rule not in {found for found, _place in findings(changed(text, mend))}
    if RULES[rule].severity == "error":
        with pytest.raises(Refused, match=rule):
            build_plan(hostvars(text), FEATURES)


def test_every_checked_rule_is_tested():
    assert {case[0] for case in (*CASES_OF_MAP_E, *CASES)} == set(CHECKS)


@pytest.mark.parametrize(
    "name",
    [
        "aftr",
        "aftr..example",
        "-a.example",
        "a_.b c",
        "a" * 64 + ".example",
        "192.0.2.1",
        "::1",
        "a.example, b.example",
    ],
)
def test_names_that_cannot_be_announced(name):
    assert name_problem(name)


@pytest.mark.parametrize("name", ["aftr.example.net", "AFTR-1.example.", "a.b", "4.example"])
def test_names_that_can_be_announced(name):
    assert name_problem(name) is None
