# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Nokia SR OS in the classic CLI: the manual's lines, other spellings, and the order of what is typed."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError, occupied
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from planned_nodes import planned_gateway
from platform_cases.nokia_sros import CASE, GOLDEN, NAPT_POOL

BOX = driver("nokia_sros")


def rendered(*services, **options):
    return CASE.rendered("classic", *services, **options)


def parsed(text, *wanted):
    return BOX.parse(text, "classic", wanted)


def payload(running, wanted):
    """Lines that are typed, without their indentation."""
    lines = BOX.change(running, wanted, "classic").payload.splitlines()
    return [line.strip() for line in lines]


def test_lines_of_the_manual():
    """MAP-T of the NAT command reference (16.0.R5) with our names and ShowNet's numbers."""
    [service] = GOLDEN["map-t"]
    assert [line.strip() for line in rendered(replace(service, ipv6_mtu=8686)).splitlines()] == [
        "service",
        "nat",
        'map-domain "ipv4aas-hall7" create',
        "dmr-prefix 2001:db8:ffff::/64",
        'mapping-rule "ipv4aas-hall7" create',
        "rule-prefix 2001:3e8:6000::/56",
        "ipv4-prefix 130.129.255.92/30",
        "ea-length 8",
        "psid-offset 4",
        "no shutdown",
        "exit",
        "no shutdown",
        "exit",
        "exit",
        "exit",
        "router",
        "nat",
        "map",
        'map-domain "ipv4aas-hall7"',
        "exit",
        "exit",
        "exit",
    ]


SPELLINGS = [
    ("map-t", "router\n", "router Base\n"),
    ("map-t", "router\n", 'echo "NAT Configuration"\n#----\nrouter "Base"\n'),
    ("map-t", '"ipv4aas-hall7"', "ipv4aas-hall7"),
    ("map-t", " create\n", "\n"),
    ("map-t", "2001:db8:ffff::/64", "2001:DB8:FFFF::/64"),
    ("map-t", "            dmr-prefix", "            description x\n            dmr-prefix"),
    ("ds-lite-large", "ip-fragmentation", "tunnel-mtu 1500\n                    ip-fragmentation"),
    ("ds-lite", "router Base", 'router "Base"'),
    (
        "nat64-large",
        "            block-limit 4",
        "            filtering endpoint-independent\n            block-limit 4",
    ),
]


@pytest.mark.parametrize(("name", "before", "after"), SPELLINGS)
def test_other_spelling_is_the_same(name, before, after):
    services = GOLDEN[name]
    text = rendered(*services)
    other = text.replace(before, after)
    assert other != text
    assert parsed(other, *services) == services
    assert not BOX.change(other, text, "classic")


@pytest.mark.parametrize("name", GOLDEN)
def test_both_languages_mean_the_same(name):
    services = GOLDEN[name]
    classic, modern = rendered(*services), CASE.rendered("mdcli", *services)
    assert parsed(classic) == BOX.parse(modern, "mdcli", ())
    indented = "configure\n" + "".join(f"    {line}\n" for line in classic.splitlines()) + "exit all\n"
    assert BOX.owned(indented, "classic") == classic


@pytest.mark.parametrize("name", ["map-t", "ds-lite", "nat64"])
@pytest.mark.parametrize("instead", ["", "shutdown\n"])
def test_what_is_shut_down_is_not_there(name, instead):
    """The last switch is that of the domain, or of the router."""
    services = GOLDEN[name]
    text = rendered(*services)
    head, _, tail = text.rpartition("no shutdown\n")
    other = f"{head}{instead}{tail}"
    assert parsed(other, *services) == ()
    assert payload(other, text)[-1] == "no shutdown"


ERRORS = [
    ("map-t", "ea-length 8", "ea-length 49", "line 9: service nat map-t domain"),
    ("ds-lite", "tunnel-mtu 1460", "tunnel-mtu 400", "400 is not a number in 464..9212"),
    ("ds-lite", "address-range 198.51.100.64 198.51.100.127", "address-range 198.51.100.64 x", "are no"),
    ("ds-lite", 'pool "ipv4aas-hall7" router', 'pool "other" router', "there is no pool other of ours"),
]


def test_create_alone_is_no_line_of_ours():
    text = CASE.rendered("classic", *CASE.golden["map-t"])
    assert BOX.owned(f"create\n    nat\nservice\n    create\n{text}", "classic") == text


@pytest.mark.parametrize(("name", "before", "after", "message"), ERRORS)
def test_error_says_the_line(name, before, after, message):
    services = GOLDEN[name]
    text = rendered(*services)
    assert before in text
    with pytest.raises(ParseError, match=re.escape(message)):
        parsed(text.replace(before, after), *services)


def test_things_are_made_before_they_are_used_and_taken_back_after():
    [service] = GOLDEN["ds-lite"]
    text = rendered(service)
    assert payload("", text) == [line.strip() for line in text.splitlines() if line.strip() != "exit"]
    assert payload(text, "") == [
        "router",
        "nat",
        "inside",
        "dual-stack-lite",
        "shutdown",
        "no address 2001:3e8:0:2900::1",
        "no subscriber-prefix-length",
        "no nat-policy",
        "service",
        "nat",
        'no nat-policy "ipv4aas-hall7"',
        "router",
        "nat",
        "outside",
        'pool "ipv4aas-hall7"',
        "shutdown",
        "no address-range 198.51.100.64 198.51.100.127",
        'no pool "ipv4aas-hall7"',
    ]
    assert payload(rendered(*GOLDEN["map-t"]), "") == [
        "router",
        "nat",
        "map",
        'no map-domain "ipv4aas-hall7"',
        "service",
        "nat",
        'map-domain "ipv4aas-hall7"',
        "shutdown",
        'mapping-rule "ipv4aas-hall7"',
        "shutdown",
        'no mapping-rule "ipv4aas-hall7"',
        'no map-domain "ipv4aas-hall7"',
    ]


def test_what_changes_only_while_down_is_taken_down():
    [service] = GOLDEN["nat64"]
    text = rendered(service)
    other = replace(service, ipv6_mtu=1400, mss_clamp=1300, pool=replace(NAPT_POOL, first_port=1024))
    assert payload(text, rendered(other)) == [
        "router",
        "nat",
        "inside",
        "nat64",
        "shutdown",
        "outside",
        'pool "ipv4aas-hall7"',
        "shutdown",
        "no port-forwarding-range",
        "no shutdown",
        "service",
        "nat",
        'nat-policy "ipv4aas-hall7"',
        "tcp-mss-adjust 1300",
        "router",
        "nat",
        "inside",
        "nat64",
        "ipv6-mtu 1400",
        "no shutdown",
    ]


def test_what_changes_at_any_time_takes_nothing_down():
    [service] = GOLDEN["ds-lite"]
    larger = (*NAPT_POOL.ipv4, IPv4Network("203.0.113.0/28"))
    pool = replace(NAPT_POOL, ports_per_subscriber=1920, ipv4=larger)
    other = replace(service, ipv6_mtu=1400, pool=pool)
    assert payload(rendered(service), rendered(other)) == [
        "router",
        "nat",
        "outside",
        'pool "ipv4aas-hall7"',
        "address-range 203.0.113.0 203.0.113.15 create",
        "service",
        "nat",
        'nat-policy "ipv4aas-hall7"',
        "block-limit 2",
        "router",
        "nat",
        "inside",
        "dual-stack-lite",
        "address 2001:3e8:0:2900::1",
        "tunnel-mtu 1360",
    ]


def test_rule_is_taken_down_alone():
    first, second = GOLDEN["map-t-two"]
    rule = replace(second.rules[0], psid_offset=4)
    changed = payload(rendered(first, second), rendered(first, replace(second, rules=(rule,))))
    assert changed == [
        "service",
        "nat",
        'map-domain "ipv4aas-hall8"',
        'mapping-rule "ipv4aas-hall8"',
        "shutdown",
        "psid-offset 4",
        "no shutdown",
    ]


def test_vprns():
    text = rendered(*GOLDEN["nat64"], inside_vprn=10, outside_vprn=20)
    assert "service\n    vprn 20\n        nat\n            outside\n" in text
    assert 'pool "ipv4aas-hall7" router 20\n' in text
    device = text.replace("vprn 10\n", 'vprn 10 name "10" customer 1 create\n')
    assert parsed(device, *GOLDEN["nat64"]) == GOLDEN["nat64"]
    assert not BOX.change(device, text, "classic")
    text = rendered(*GOLDEN["map-t"], inside_vprn=10)
    assert (
        'service\n    vprn 10\n        nat\n            map\n                map-domain "ipv4aas-hall7"\n'
        in text
    )


def test_router_of_the_operator_is_left_alone():
    theirs = 'router Base\n    nat\n        inside\n            nat-policy "OPERATOR"\n        exit\n'
    wanted = rendered(*GOLDEN["nat64"])
    assert BOX.owned(theirs, "classic") == ""
    [wrong] = occupied(BOX, theirs, wanted, "classic")
    assert wrong.startswith(
        'router "Base" nat inside large-scale nat-policy "OPERATOR" is not the service\'s'
    )
    assert occupied(BOX, CASE.device("classic").show(), wanted, "classic") == []


def test_prefix_that_the_device_has_by_itself():
    [service] = GOLDEN["nat64"]
    well_known = replace(service, translation_prefix=IPv6Network("64:ff9b::/96"))
    text = rendered(well_known)
    assert "prefix 64" not in text
    assert parsed(text, well_known) == (well_known,)
    assert payload(rendered(service), text)[-3:] == ["shutdown", "no prefix", "no shutdown"]


@pytest.mark.parametrize("technique", ["map-t", "ds-lite", "464xlat"])
def test_from_an_inventory(technique):
    """Planned, rendered and read back as any host of an inventory."""
    node = planned_gateway(technique, "nokia_sros", {"nat_group": 1}, "classic")
    assert node.dialect == "classic"
    text = rendered(*node.services)
    assert '"ipv4aas-home"' in text
    assert parsed(text, *node.services) == node.services
