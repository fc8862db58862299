# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Infoblox: what is special to it beside test_every_platform."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features, driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.techniques.service import RESOLVER, Dns64
from platform_cases import CASES
from platform_cases.case import ROOT, TEMPLATES
from platform_cases.infoblox import DNS64, told
from platform_cases.services import shownet

CASE, BOX = CASES["infoblox"], driver("infoblox")
OTHER = IPv6Network("2001:db8:64::/96")
HALL = shownet("nat64", RESOLVER, dns64=DNS64)
LOBBY = shownet("464xlat", RESOLVER, name="lobby", dns64=Dns64(), translation_prefix=OTHER)
GROUP, VIEW, NETWORK = "dns64group/ipv4aas-hall7", "view/default", "ipv6network/default/2001:db8:1::/64"


def rendered(*services, **options):
    return CASE.rendered("wapi", *services, **options)


def parsed(text, *wanted):
    return BOX.parse(text, "wapi", wanted)


def edits(before, after):
    payload = json.loads(BOX.change(before, after, "wapi").payload or "[]")
    return [(edit["path"], edit["before"] is not None, edit["after"] is not None) for edit in payload]


def altered(text, path, **fields):
    document = json.loads(text)
    document[path] |= fields
    return json.dumps(document, indent=2)


def test_two_services_of_one_view():
    text = rendered(HALL, LOBBY, view="guests")
    assert json.loads(text)["view/guests"] == {"dns64_groups": ["ipv4aas-hall7", "ipv4aas-lobby"]}
    assert parsed(text, LOBBY, HALL) == (LOBBY, HALL)
    # The view lets go of the list before a group comes or goes, and has it again at the end.
    assert edits(rendered(HALL), rendered(HALL, LOBBY)) == [
        (VIEW, True, False),
        ("dns64group/ipv4aas-lobby", False, True),
        (VIEW, False, True),
    ]


def test_the_default_exclude_is_an_empty_list():
    assert "exclude" not in json.loads(rendered(LOBBY))["dns64group/ipv4aas-lobby"]
    with pytest.raises(Refused) as caught:
        rendered(HALL, exclude_permission=None)
    assert str(caught.value) == (
        "hosts.box.ipv4aas_options.exclude_permission: missing: hall7 has dns64.exclude of its own; "
        "ALLOW or DENY, as excluded addresses have it in a DNS64 group that works"
    )
    with pytest.raises(Refused, match="'MAYBE' does not fit"):
        rendered(HALL, exclude_permission="MAYBE")
    allowed = rendered(HALL, exclude_permission="ALLOW")
    assert {entry["permission"] for entry in json.loads(allowed)[GROUP]["exclude"]} == {"ALLOW"}
    assert parsed(allowed, HALL) == (HALL,)


def test_what_a_grid_shows_beside_is_the_same():
    text = rendered(HALL)
    document = json.loads(text)
    document[GROUP] = dict(reversed(document[GROUP].items())) | {
        "prefix": "0064:FF9B::/96",
        "disable": False,
        "enable_dnssec_dns64": False,
        "comment": "",
    }
    document[VIEW] = {"dns64_groups": ["default", "ipv4aas-hall7"], "use_dns64": True, "dns64_enabled": True}
    other = json.dumps(dict(reversed(document.items())))
    assert BOX.owned(other, "wapi") == text
    assert not BOX.change(other, text, "wapi")
    assert parsed(other, HALL) == (HALL,)


@pytest.mark.parametrize(
    ("path", "fields"),
    [
        (VIEW, {"use_dns64": False}),
        (VIEW, {"dns64_enabled": False}),
        (VIEW, {"dns64_groups": ["default"]}),
        (GROUP, {"disable": True}),
    ],
)
def test_what_is_not_in_use_is_not_there(path, fields):
    running = altered(rendered(HALL), path, **fields)
    assert parsed(running, HALL) == ()
    assert BOX.change(running, rendered(HALL), "wapi")


@pytest.mark.parametrize(
    ("fields", "changed"),
    [
        ({"prefix": "2001:db8:64::/96"}, {"translation_prefix": OTHER}),
        ({"clients": []}, {"dns64": replace(DNS64, clients=())}),
        ({"mapped": []}, {"dns64": replace(DNS64, private=())}),
        ({"exclude": []}, {"dns64": replace(DNS64, exclude=Dns64().exclude)}),
        (
            {
                "mapped": [
                    {"address": "10.0.0.0/8", "permission": "DENY"},
                    {"address": "0.0.0.0/0", "permission": "ALLOW"},
                ]
            },
            {"dns64": replace(DNS64, private=(IPv4Network("10.0.0.0/8"),))},
        ),
    ],
)
def test_each_value_counts(fields, changed):
    assert parsed(altered(rendered(HALL), GROUP, **fields), HALL) == (replace(HALL, **changed),)


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        (
            {"prefix": "64:ff9b::/200"},
            "line 34: dns64group/ipv4aas-hall7: prefix: 64:ff9b::/200 is not an IPv6 prefix",
        ),
        ({"prefix": None}, "line 2: dns64group/ipv4aas-hall7: has no prefix"),
        (
            {"clients": [{"address": "2001:db8::/32", "permission": "DENY"}]},
            "clients: DENY of 2001:db8::/32 is not ALLOW",
        ),
        (
            {"mapped": [{"address": "10.0.0.0/8", "permission": "DENY"}]},
            "mapped: does not end with ALLOW of 0.0.0.0/0",
        ),
        (
            {
                "mapped": [
                    {"address": "10.0.0.0/8", "permission": "ALLOW"},
                    {"address": "0.0.0.0/0", "permission": "ALLOW"},
                ]
            },
            "mapped: ALLOW of 10.0.0.0/8 is not DENY",
        ),
        (
            {
                "exclude": [
                    {"address": "2001:db8::/32", "permission": "ALLOW"},
                    {"address": "::/96", "permission": "DENY"},
                ]
            },
            "exclude: ALLOW and DENY in one list are not understood",
        ),
    ],
)
def test_nonsense_is_told_with_its_line(fields, message):
    with pytest.raises(ParseError) as caught:
        parsed(altered(rendered(HALL), GROUP, **fields), HALL)
    assert str(caught.value).startswith("line ")
    assert message in str(caught.value)


def test_options_of_two_techniques_in_one_network():
    aftr, rules = told("ds-lite", name="aftr", aftr_name="aftr.example.net"), told("map-e", name="br")
    text = rendered(aftr, rules)
    assert [entry["num"] for entry in json.loads(text)[NETWORK]["options"]] == [64, 94]
    assert parsed(text, rules, aftr) == (rules, aftr)
    apart = rendered(
        aftr, rules, network={"aftr": "2001:db8:1::/64", "br": "2001:db8:2::/64"}, network_view="lan"
    )
    assert set(json.loads(apart)) == {
        "ipv6dhcpoptiondefinition/ipv4aas-aftr-name",
        "ipv6dhcpoptiondefinition/ipv4aas-s46-mape",
        "ipv6network/lan/2001:db8:1::/64",
        "ipv6network/lan/2001:db8:2::/64",
    }
    assert parsed(apart, aftr, rules) == (aftr, rules)


def test_octets_without_colons_are_the_same():
    service = told("map-e")
    document = json.loads(rendered(service))
    [entry] = document[NETWORK]["options"]
    entry["value"] = entry["value"].replace(":", "").upper()
    assert parsed(json.dumps(document), service) == (service,)
    # What nobody wants has the technique for a name.
    assert [(found.name, found.technique) for found in parsed(json.dumps(document))] == [("map-e", "map-e")]


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"value": "00:5"}, "options: non-hexadecimal number found"),
        ({"value": "00:59:00:01:00"}, "options: "),
        ({"num": 95}, "ipv4aas-s46-mape with code 95 is none of ours"),
    ],
)
def test_octets_that_are_none_are_told(fields, message):
    document = json.loads(rendered(told("map-e")))
    document[NETWORK]["options"][0] |= fields
    with pytest.raises(ParseError) as caught:
        parsed(json.dumps(document, indent=2), told("map-e"))
    assert message in str(caught.value)
    assert str(caught.value).startswith("line ")


def test_what_cannot_be_told_is_refused_all_at_once():
    explicit = MapRule(IPv6Network("2001:db8::/64"), IPv4Network("192.0.2.1/32"), 0, 16)
    services = (told("map-e"), told("map-e", name="other", rules=(explicit,)), told("ds-lite", name="aftr"))
    with pytest.raises(Refused) as caught:
        rendered(*services, network={"hall7": "2001:db8:1::1/64"})
    assert str(caught.value).splitlines() == [
        "hosts.box.ipv4aas_options.network: service aftr: missing; "
        "the IPv6 network of NIOS that customers ask from, such as 2001:db8:1::/64",
        "hosts.box.ipv4aas_options.network: service hall7: 2001:db8:1::1/64 has host bits set; "
        "the IPv6 network of NIOS that customers ask from, such as 2001:db8:1::/64",
        "hosts.box.ipv4aas_options.network: service other: missing; "
        "the IPv6 network of NIOS that customers ask from, such as 2001:db8:1::/64",
        "ipv4aas_services.aftr: '' has a label that is empty or longer than 63 octets; "
        "values that DHCPv6 can carry",
        "ipv4aas_services.other: PSID offset 16 is outside 0..15; values that DHCPv6 can carry",
        "ipv4aas_services.other: box cannot tell other from hall7, both are map-e; "
        "one service of a technique on a grid",
    ]


def test_binding_tables_are_refused():
    with pytest.raises(Refused, match="option 96 is another for each customer"):
        rendered(told("lw4o6"))


@pytest.mark.parametrize(
    ("technique", "host", "options"),
    [
        ("464xlat", "dns1", {"exclude_permission": "DENY"}),
        ("map-e", "dhcp1", {"network": "2001:db8:4000::/64", "allow_unverified": True}),
        ("map-t", "dhcp1", {"network": "2001:db8:4000::/64", "allow_unverified": True}),
        ("ds-lite", "dhcp1", {"network": "2001:db8:4000::/64", "allow_unverified": True}),
    ],
)
def test_from_an_inventory(technique, host, options):
    """The small ISP with a grid as its resolver or provisioner."""
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(ROOT / "inventories" / "small-isp")])
    manager = VariableManager(loader=loader, inventory=inventory)
    hosts = {one.name: dict(manager.get_vars(host=one)) for one in inventory.get_hosts()}
    for values in hosts.values():
        values["ipv4aas_services"] = {"home": values["ipv4aas_services"]["home"] | {"technique": technique}}
    hosts[host] |= {"ipv4aas_platform": "infoblox", "ipv4aas_options": options}
    plan = build_plan(hosts, all_features())
    assert not [finding for finding in plan.findings if finding.severity == "error"]
    node = plan.nodes[host]
    assert node.platform == "infoblox"
    assert node.services
    assert BOX.parse(render(node, TEMPLATES), node.dialect, node.services) == node.services
