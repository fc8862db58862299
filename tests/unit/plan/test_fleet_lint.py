# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every lint rule: an inventory that breaks it, and the same inventory mended that does not."""

from __future__ import annotations

import json
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.intent.read import read_intent
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule, MapRuleError
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.plan.compile import draw_fleet
from ansible_collections.ipv4aas.fleet.engine.plan.lint import CHECKS, RULES, lint
from ansible_collections.ipv4aas.fleet.engine.plan.rules import RuleDraft
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from fleet_samples import FEATURES, expect_table, feature, hostvars, platform
from hypothesis import given
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[3]

CLEAN = """
services:
  town:
    technique: map-e
    customers: {ipv6: "2400:4000::/40", prefix_length: 56}
    ipv4_pools: [133.0.0.0/24]
    sharing: {customers_per_address: 64}
    gateway: {address: "2400:5000::1"}
    backbone_mtu: 1540
    minimum_ports: 1000
hosts:
  br:
    ansible_host: 198.51.100.1
    ipv4aas_role: gateway
    ipv4aas_platform: linux
    ipv4aas_carries: [town]
  ce1:
    ipv4aas_role: edge
    ipv4aas_platform: linux
    ipv4aas_carries: [town]
    ipv4aas_customer_prefix: 2400:4000:1:100::/56
"""

POOLS = CLEAN[CLEAN.index("    customers") : CLEAN.index("    gateway")]
RULE = "{ipv6_prefix: '2400:4000::/42', ipv4_prefix: 133.0.0.0/24, ea_length: 14, psid_offset: 6%s}"


def rules(*given_):
    return (POOLS, "    rules:\n" + "".join(f"      - {rule}\n" for rule in given_))


def one_customer(place, psid, length):
    return (
        f"{{ipv6_prefix: '2400:4000:{place}::/56', ipv4_prefix: 133.0.0.1/32, ea_length: 0,"
        f" psid: {psid}, psid_length: {length}}}"
    )


ONE_EDGE = ("2400:4000:1:100::/56", "2400:4000:1::/56")
SECOND_GATEWAY = (
    "  ce1:\n",
    "  br2: {ipv4aas_role: gateway, ipv4aas_platform: linux, ipv4aas_carries: [town]}\n  ce1:\n",
)
ANYCAST = ('"2400:5000::1"}', '"2400:5000::1", anycast: true}')
ETHERNET = ("backbone_mtu: 1540", "backbone_mtu: 1500")


def on(name, role="edge"):
    return (f"{role}\n    ipv4aas_platform: linux", f"{role}\n    ipv4aas_platform: {name}")


# rule, place, changes of CLEAN that break it; then the change that mends it again.
CASES = [
    ("MAP001", "hosts.ce1.ipv4aas_customer_prefix", [("1:100::/56", "0::/48")], ("0::/48", "0::/56")),
    (
        "MAP001",
        "ipv4aas_services.town.rules[0].ea_length",
        [rules(RULE % "", "{ipv6_prefix: '2400:4400::/100', ipv4_prefix: 133.0.1.0/24, ea_length: 29}")],
        ("ea_length: 29", "ea_length: 12"),
    ),
    (
        "MAP002",
        "ipv4aas_services.town.sharing",
        [("address: 64}", "address: 64, reserved_ports: 32}"), ("minimum_ports: 1000", "minimum_ports: 1")],
        ("reserved_ports: 32", "reserved_ports: 1024"),
    ),
    (
        "MAP002",
        "ipv4aas_services.town.rules[0]",
        [rules(RULE % ""), ("psid_offset: 6", "psid_offset: 11")],
        ("psid_offset: 11", "psid_offset: 6"),
    ),
    (
        "MAP003",
        "ipv4aas_services.town.rules[1]",
        [rules(one_customer("1", 1, 2), one_customer("2", 2, 4)), ONE_EDGE],
        ("psid: 2, psid_length: 4", "psid: 2, psid_length: 2"),
    ),
    (
        "MAP003",
        "ipv4aas_services.town.rules[1]",
        [rules(one_customer("1", 0, 0), one_customer("2", 1, 2)), ONE_EDGE],
        ("psid: 0, psid_length: 0", "psid: 0, psid_length: 2"),
    ),
    (
        "MAP004",
        "ipv4aas_services.town.sharing",
        [("address: 64}", "address: 64, reserved_ports: 0}")],
        ("reserved_ports: 0", "reserved_ports: 1024"),
    ),
    (
        "MAP004",
        "ipv4aas_services.town.sharing",
        [("address: 64}", "address: 64, reserved_ports: 512}")],
        ("reserved_ports: 512", "reserved_ports: 1024"),
    ),
    (
        "MAP005",
        "ipv4aas_services.town.rules[0].psid_length",
        [rules(RULE % ", psid_length: 5")],
        ("psid_length: 5", "psid_length: 6"),
    ),
    (
        "MAP006",
        "hosts.ce1.ipv4aas_customer_prefix",
        [("2400:4000:1:100::/56", "2400:4000:1:108::/61")],
        ("2400:4000:1:108::/61", "2400:4000:1:100::/61"),
    ),
    (
        "MAP007",
        "hosts.ce1.ipv4aas_interface_identifier",
        [("  ce1:\n", "  ce1:\n    ipv4aas_interface_identifier: draft-03\n")],
        ("minimum_ports", "interface_identifier: draft-03\n    minimum_ports"),
    ),
    (
        "MAP008",
        "ipv4aas_services.town.sharing",
        [("minimum_ports: 1000", "minimum_ports: 1009")],
        ("minimum_ports: 1009", "minimum_ports: 1008"),
    ),
    (
        "MAP009",
        "ipv4aas_services.town.rules[1]",
        [rules(RULE % "", "{ipv6_prefix: '2400:4000:4000::/48', ipv4_prefix: 133.0.0.1/32, ea_length: 6}")],
        # the customers of 133.0.0.1 under the first rule: carved out
        ("'2400:4000:4000::/48'", "'2400:4000:0:4000::/50'"),
    ),
    (
        "MAP009",
        "ipv4aas_services.town.rules[1]",
        [rules(one_customer("1", 1, 2), one_customer("2", 1, 2)), ONE_EDGE],
        (
            "'2400:4000:2::/56', ipv4_prefix: 133.0.0.1/32, ea_length: 0, psid: 1",
            "'2400:4000:2::/56', ipv4_prefix: 133.0.0.1/32, ea_length: 0, psid: 2",
        ),
    ),
    (
        "MAP009",
        "ipv4aas_services.town.rules[1]",
        # The EA bits of the first give every PSID of the address, the third too.
        [
            rules(
                "{ipv6_prefix: '2400:4000::/56', ipv4_prefix: 133.0.0.1/32, ea_length: 4}",
                one_customer("1", 3, 4),
            ),
            ("2400:4000:1:100::/56", "2400:4000::/60"),
            ("minimum_ports: 1000", "minimum_ports: 1"),
        ],
        (
            "'2400:4000:1::/56', ipv4_prefix: 133.0.0.1/32",
            "'2400:4000:1::/56', ipv4_prefix: 133.0.0.2/32",
        ),
    ),
    (
        "MAP009",
        "ipv4aas_services.town.rules[1]",
        [rules(RULE % "", RULE.replace("133.0.0.0", "133.0.1.0") % "")],
        ("'2400:4000::/42', ipv4_prefix: 133.0.1.0", "'2400:4400::/42', ipv4_prefix: 133.0.1.0"),
    ),
    (
        "MAP009",
        "ipv4aas_services.town.rules[1]",
        # One customer has the whole /28; a longer IPv6 prefix takes no address from it.
        [
            rules(
                "{ipv6_prefix: '2400:4000::/60', ipv4_prefix: 133.0.0.0/28, ea_length: 0}",
                "{ipv6_prefix: '2400:4000::/62', ipv4_prefix: 133.0.0.0/30, ea_length: 0}",
            ),
            ("2400:4000:1:100::/56", "2400:4000::/60"),
        ],
        ("133.0.0.0/30", "133.0.1.0/30"),
    ),
    ("MAP010", "hosts.br.ansible_host", [("198.51.100.1", "133.0.0.9")], ("133.0.0.9", "133.0.1.9")),
    (
        "MAP011",
        "ipv4aas_services.town.gateway.path_mtu_discovery",
        [ANYCAST, ("anycast: true", "anycast: true, path_mtu_discovery: true")],
        ("path_mtu_discovery: true", "path_mtu_discovery: false"),
    ),
    (
        "MAP011",
        "ipv4aas_services.town.gateway.path_mtu_discovery",
        [ANYCAST, ("anycast: true", "anycast: true, path_mtu_discovery: true")],
        ("anycast: true", "anycast: false"),
    ),
    (
        "MAP013",
        "ipv4aas_services.town.rules[0].forwarding",
        [rules(RULE % ", forwarding: true")],
        ("minimum_ports", "topology: mesh\n    minimum_ports"),
    ),
    (
        "MAP013",
        "ipv4aas_services.town.rules",
        [rules(RULE % ", forwarding: false"), ("minimum_ports", "topology: mesh\n    minimum_ports")],
        ("topology: mesh", "topology: hub"),
    ),
    (
        "MAP015",
        "ipv4aas_services.town.gateway",
        [ANYCAST, SECOND_GATEWAY],
        ("  br2: {", "  br2: {ipv4aas_deploy: false, "),
    ),
    (
        "MAP016",
        "ipv4aas_services.town.ipv4_pools[0]",
        [("133.0.0.0/24", "133.0.0.0/25")],
        ("133.0.0.0/25", "133.0.0.0/24"),
    ),
    ("MAP018", "ipv4aas_services.town", [on("first")], ("platform: first", "platform: linux")),
    (
        "X009",
        "ipv4aas_services.town.customers.ipv6",
        [('"2400:4000::/40"', '"2001:10::/40"'), ("2400:4000:1:100::/56", "2001:10::/56")],
        ('"2001:10::/40"', '"2001:0:0:0::/16"'),
    ),
    (
        "X009",
        "ipv4aas_services.town.gateway.address",
        [("2400:5000::1", "2002:5000::1")],
        ("2002:5000::1", "2003:5000::1"),
    ),
    (
        "MTU001",
        "ipv4aas_services.town.backbone_mtu",
        [on("jumboce")],
        ("backbone_mtu: 1540", "backbone_mtu: 9192"),
    ),
    (
        "MTU002",
        "ipv4aas_services.town.mss_clamp",
        [("minimum_", "mss_clamp: off\n    minimum_")],
        ("off", "auto"),
    ),
    (
        "MTU002",
        "ipv4aas_services.town.mss_clamp",
        [("minimum_", "mss_clamp: 1420\n    minimum_")],
        ("1420", "1460"),
    ),
    (
        "MTU002",
        "ipv4aas_services.town.mss_clamp",
        [on("mute"), on("mute", "gateway")],
        ("gateway\n    ipv4aas_platform: mute", "gateway\n    ipv4aas_platform: linux"),
    ),
    (
        "MTU003",
        "ipv4aas_services.town.backbone_mtu",
        [on("oldce")],
        ("backbone_mtu: 1540", "backbone_mtu: 1280"),
    ),
    (
        "MTU004",
        "ipv4aas_services.town.fragmentation",
        [ETHERNET, on("oldce")],
        ("minimum_ports", "fragmentation: inner\n    minimum_ports"),
    ),
    (
        "MTU004",
        "ipv4aas_services.town.fragmentation",
        [ETHERNET, on("deaf", "gateway")],
        ("backbone_mtu: 1500", "backbone_mtu: 1540"),
    ),
    ("CAP001", "ipv4aas_services.town", [on("oldce")], ("platform: oldce", "platform: linux")),
]

MORE = dict(FEATURES) | {
    "first": platform("first", feature("edge", caveats=("MAP018: only the first range",))),
    "mute": platform(
        "mute", *(feature(role, not_carried=("mss_clamp (cli)",)) for role in ("edge", "gateway"))
    ),
    "deaf": platform("deaf", feature("gateway"), accepts_outer_fragments=False),
}


def changed(text, *changes):
    for old, new in changes:
        assert old in text, old
        text = text.replace(old, new)
    return text


def findings(text):
    return {(finding.rule, finding.place) for finding in lint(draw_fleet(read_intent(hostvars(text)), MORE))}


def test_the_clean_inventory_is_clean():
    assert build_plan(hostvars(CLEAN), MORE).findings == ()


@pytest.mark.parametrize(
    ("rule", "place", "changes", "mend"), CASES, ids=[f"{c[0]}-{i}" for i, c in enumerate(CASES)]
)
def test_rule(rule, place, changes, mend):
    text = changed(CLEAN, *changes)
    if "rules[0].ea_length" in place:
        place = place.replace("[0]", "[1]")
    assert (rule, place) in findings(text)
    assert rule not in {found for found, _ in findings(changed(text, mend))}


def test_an_offset_without_sharing_cuts_nothing():
    """RFC 7597 section 5.2: the addresses collide, not their cuts."""
    whole = "{ipv6_prefix: '2400:4000:%d::/56', ipv4_prefix: 133.0.0.1/32, ea_length: 0, psid_offset: %d}"
    found = {rule for rule, _ in findings(changed(CLEAN, rules(whole % (1, 4), whole % (2, 6)), ONE_EDGE))}
    assert "MAP009" in found and "MAP003" not in found


def test_table_agrees_with_the_vectors():
    vectors = json.loads((ROOT / "tests" / "vectors" / "lint_rules.json").read_text())["rules"]
    assert {rule["id"] for rule in vectors} == {name for name in RULES if not name.startswith("FLT")}
    for rule in vectors:
        source = rule["source"].replace("seed", "ShowNet 2013 deck,")
        assert (rule["severity"], source) == (RULES[rule["id"]].severity, RULES[rule["id"]].source)


def test_a_rule_is_checked_or_says_why_not():
    assert {rule.id for rule in RULES.values() if not rule.unchecked} == set(CHECKS)


def test_reference_of_lint():
    rows = [["rule", "severity", "asks that", "source"]]
    for rule in RULES.values():
        title = rule.title + (f" (not checked: {rule.unchecked})" if rule.unchecked else "")
        rows.append([rule.id, rule.severity, title, rule.source])
    expect_table(ROOT / "docs" / "lint.md", "rules", rows)


def test_errors_refuse_and_warnings_do_not():
    for rule, _, changes, _ in CASES:
        text = changed(CLEAN, *changes)
        if RULES[rule].severity == "error":
            with pytest.raises(Refused, match=rule):
                build_plan(hostvars(text), MORE)
        else:
            assert rule in {finding.rule for finding in build_plan(hostvars(text), MORE).findings}


def test_equal_devices_make_one_finding():
    edge = (
        "  ce{0}: {{ipv4aas_role: edge, ipv4aas_platform: oldce, ipv4aas_carries: [town],"
        " ipv4aas_customer_prefix: '2400:4000:2:{0}00::/56'}}\n"
    )
    text = CLEAN + "".join(edge.format(n) for n in range(2, 9))
    [found] = [f for f in build_plan(hostvars(text), MORE).findings if f.rule == "CAP001"]
    assert "ce2, ce3, ce4 and 4 more (oldce)" in found.wrong


@given(
    n=st.integers(0, 128),
    r=st.integers(0, 32),
    ea=st.integers(0, 48),
    a=st.integers(0, 16),
    k=st.integers(0, 16),
)
def test_a_draft_fits_just_where_a_rule_can_be_made(n, r, ea, a, k):
    """MAP001 and MAP002 are all that keeps a draft of the read inventory from being a rule."""
    draft = RuleDraft(
        place="",
        ipv6_prefix=IPv6Network(("::", n)),
        ipv4_prefix=IPv4Network(("0.0.0.0", r if ea else 32)),
        ea_len=ea,
        psid_offset=a,
        stated_psid_len=k,
        forwarding=False,
    )
    if draft.fits:
        made = draft.rule()
        assert isinstance(made, MapRule)
        assert (made.psid_len, made.customer_prefix_len) == (draft.psid_len, draft.customer_prefix_len)
    else:
        with pytest.raises(MapRuleError):
            draft.rule()
