# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A10: what is special to it beside test_every_platform."""

from __future__ import annotations

import copy
import json
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager
from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from ansible_collections.ipv4aas.fleet.engine.mapping.eam import Eam
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.mapping.portset import PortSet
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.platforms.a10.bindings import ports_of
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features, driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.techniques.service import StaticBinding
from hypothesis import given, settings
from hypothesis import strategies as st
from platform_cases import CASES
from platform_cases.case import ROOT, TEMPLATES
from platform_cases.services import POOL, RULE, shownet

CASE, BOX = CASES["a10"], driver("a10")
NAT64 = shownet(
    "nat64", "gateway", mss_clamp=1400, pool=replace(POOL, ports_per_subscriber=1024, block_size=512)
)
AFTR = shownet("ds-lite", "gateway", name="aftr", mss_clamp=1420)
MAP_E, MAP_T = shownet("map-e", "gateway"), shownet("map-t", "gateway", mss_clamp=1400)
LW4O6 = shownet("lw4o6", "gateway")


def rendered(*services, **options):
    return CASE.rendered("axapi", *services, **options)


def parsed(text, *wanted):
    return BOX.parse(text, "axapi", wanted)


def edits(before, after):
    payload = json.loads(BOX.change(before, after, "axapi").payload or "[]")
    return [(edit["path"], edit["before"] is not None, edit["after"] is not None) for edit in payload]


def altered(text, path, *keys, to):
    """The text with one value changed; None takes it out."""
    document = json.loads(text)
    body = document[path]
    for key in keys[:-1]:
        body = body[key]
    if to is None:
        del body[keys[-1]]
    else:
        body[keys[-1]] = to
    return json.dumps(document, indent=2)


def test_the_public_configuration():
    """The NAT64 of the vThunder whose running-config is public, in documentation addresses."""
    pool = Pool(ipv4=(IPv4Network("198.51.100.64/27"),))
    document = json.loads(rendered(replace(NAT64, pool=pool, mss_clamp=0), lsn_lid=1))
    assert document["class-list/ipv4aas-hall7"]["ipv6-list"] == [{"ipv6-addr": "::/0", "v6-lsn-lid": 1}]
    assert document["cgnv6/nat/pool/ipv4aas-hall7"] == {
        "pool-name": "ipv4aas-hall7",
        "start-address": "198.51.100.64",
        "end-address": "198.51.100.95",
        "netmask": "/24",
    }
    assert document["cgnv6/lsn-lid/1"]["source-nat-pool"] == {"pool-name": "ipv4aas-hall7"}
    assert document["cgnv6/nat64/global"]["inside"] == {"source": {"class-list": "ipv4aas-hall7"}}
    assert document["cgnv6/nat64/prefix/64:ff9b::/96"]["prefix-val"] == "64:ff9b::/96"


def test_two_services_of_sessions_and_customers_of_their_own():
    options = {
        "lsn_lid": {"hall7": 7, "aftr": 8},
        "customers": {"hall7": ["2001:db8:1::/48", "2001:db8:2::/48"], "aftr": "2001:db8:1000::/36"},
    }
    text = rendered(NAT64, AFTR, **options)
    document = json.loads(text)
    assert document["class-list/ipv4aas-hall7"]["ipv6-list"] == [
        {"ipv6-addr": "2001:db8:1::/48", "v6-lsn-lid": 7},
        {"ipv6-addr": "2001:db8:2::/48", "v6-lsn-lid": 7},
    ]
    assert document["class-list/ipv4aas-aftr"]["ipv6-list"] == [
        {"ipv6-addr": "2001:db8:1000::/36", "v6-lsn-lid": 8}
    ]
    assert parsed(text, AFTR, NAT64) == (AFTR, NAT64)


def test_several_networks_are_pools_in_a_group():
    networks = tuple(IPv4Network(text) for text in ("198.51.100.64/26", "192.0.2.0/25", "192.0.2.128/25"))
    service = replace(NAT64, pool=replace(POOL, ipv4=networks))
    document = json.loads(rendered(service))
    assert document["cgnv6/lsn-lid/101"]["source-nat-pool"] == {"pool-name": "ipv4aas-hall7-all"}
    assert document["cgnv6/nat/pool-group/ipv4aas-hall7-all"]["member-list"] == [
        {"pool-name": "ipv4aas-hall7"},
        {"pool-name": "ipv4aas-hall7_2"},
        {"pool-name": "ipv4aas-hall7_3"},
    ]
    assert parsed(rendered(service), service) == (service,)


def test_rules_that_differ_carry_their_values_themselves():
    other = MapRule(IPv6Network("2001:3e8:7000::/56"), IPv4Network("203.0.113.0/26"), 6, 4)
    service = replace(MAP_E, rules=(RULE, other))
    basic = json.loads(rendered(service))["cgnv6/map/encapsulation/domain/ipv4aas-hall7"][
        "basic-mapping-rule"
    ]
    assert set(basic) == {"prefix-rule-list"}
    settings = {rule["name"]: rule["ipv4-address-port-settings"] for rule in basic["prefix-rule-list"]}
    assert settings == {"ipv4aas-hall7": "shared-addr", "ipv4aas-hall7_2": "single-addr"}
    assert parsed(rendered(service), service) == (service,)
    same = replace(MAP_E, rules=(RULE, replace(RULE, ipv6_prefix=IPv6Network("2001:3e8:7000::/56"))))
    basic = json.loads(rendered(same))["cgnv6/map/encapsulation/domain/ipv4aas-hall7"]["basic-mapping-rule"]
    assert (basic["share-ratio"], basic["port-start"], basic["ea-length"]) == (64, 4096, 8)


@pytest.mark.parametrize(
    ("octets", "clamp"),
    [
        (0, {"mss-clamp-type": "none"}),
        (1200, {"mss-clamp-type": "fixed", "mss-value": 1200}),
        (1420, {"mss-clamp-type": "fixed", "mss-value": 1420}),
        (1440, {"mss-clamp-type": "subtract"}),  # 20 is the default
        (1450, {"mss-clamp-type": "subtract", "mss-subtract": 10}),
        (8940, {"mss-clamp-type": "subtract", "mss-subtract": 0}),
    ],
)
def test_mss(octets, clamp):
    service = replace(NAT64, mss_clamp=octets)
    text = rendered(service)
    assert json.loads(text)["cgnv6/nat64/global"]["tcp"]["mss-clamp"] == clamp
    assert parsed(text, service) == (service,)


def test_a_clamp_that_is_not_told_is_the_default():
    for service, path, held in ((NAT64, "cgnv6/nat64/global", 1440), (AFTR, "cgnv6/ds-lite/global", 1420)):
        text = altered(rendered(service), path, "tcp", to=None)
        assert parsed(text, service) == (replace(service, mss_clamp=held),)


def test_a_block_is_the_next_smaller_batch():
    service = replace(NAT64, pool=replace(POOL, block_size=1008))
    text = rendered(service)
    assert json.loads(text)["cgnv6/nat/pool/ipv4aas-hall7"]["port-batch-v2-size"] == "512"
    assert parsed(text, service) == (service,)
    smaller = altered(text, "cgnv6/nat/pool/ipv4aas-hall7", "port-batch-v2-size", to="256")
    assert parsed(smaller, service)[0].pool.block_size == 256


def test_other_spellings_mean_the_same():
    text = rendered(NAT64)
    document = json.loads(text)
    document["cgnv6/lsn-lid/101"] |= {
        "override": "none",
        "respond-to-user-mac": False,
        "user-quota": {"icmp": "1024", "quota-tcp": {"tcp-quota": "1024"}, "quota-udp": {"udp-quota": 1024}},
        "uuid": "0815",
        "a-field-of-tomorrow": 3,
    }
    document["cgnv6/nat64/prefix/0064:FF9B::/96"] = document.pop("cgnv6/nat64/prefix/64:ff9b::/96") | {
        "prefix-val": "0064:FF9B::/96"
    }
    document["cgnv6/nat64/global"]["tcp"]["mss-clamp"]["min"] = 476
    document["cgnv6/nat/pool/ipv4aas-hall7"] |= {
        "netmask": "255.255.255.0",
        "port-batch-v2-size": 512,
        "shared": 0,
    }
    other = json.dumps(dict(reversed(document.items())))
    assert BOX.owned(other, "axapi") == text
    assert parsed(other, NAT64) == (NAT64,)
    assert not BOX.change(other, text, "axapi")


@pytest.mark.parametrize(
    ("service", "path", "keys", "to"),
    [
        (NAT64, "cgnv6/nat/pool/ipv4aas-hall7", ("end-address",), "198.51.100.95"),
        (NAT64, "cgnv6/nat/pool/ipv4aas-hall7", ("port-batch-v2-size",), "128"),
        (NAT64, "cgnv6/lsn-lid/101", ("user-quota-prefix-length",), 56),
        (NAT64, "cgnv6/lsn-lid/101", ("user-quota-prefix-length",), None),
        (NAT64, "cgnv6/lsn-lid/101", ("user-quota",), None),
        (NAT64, "cgnv6/nat64/prefix/64:ff9b::/96", ("prefix-val",), "2001:db8:64::/96"),
        (NAT64, "cgnv6/nat64/global", ("tcp", "mss-clamp", "mss-value"), 1300),
        (MAP_E, "cgnv6/map/encapsulation/domain/ipv4aas-hall7", ("tunnel-endpoint-address",), "2001:db8::9"),
        (MAP_E, "cgnv6/map/encapsulation/domain/ipv4aas-hall7", ("format",), "draft-03"),
        (MAP_E, "cgnv6/map/encapsulation/domain/ipv4aas-hall7", ("basic-mapping-rule", "port-start"), 1024),
        (
            MAP_T,
            "cgnv6/map/translation/domain/ipv4aas-hall7",
            ("default-mapping-rule", "rule-ipv6-prefix"),
            "2001:db8:64::/96",
        ),
        (LW4O6, "cgnv6/lw-4o6/global", ("hairpinning",), "filter-all"),
    ],
)
def test_each_value_counts(service, path, keys, to):
    text = rendered(service)
    other = altered(text, path, *keys, to=to)
    assert parsed(other, service) != (service,)
    assert BOX.change(other, text, "axapi")


@pytest.mark.parametrize(
    ("service", "path", "keys", "to", "message"),
    [
        (
            NAT64,
            "cgnv6/lsn-lid/101",
            ("user-quota", "icmp"),
            5,
            "line 15: cgnv6/lsn-lid/101: user-quota: TCP, UDP and ICMP have different quotas",
        ),
        (
            NAT64,
            "cgnv6/lsn-lid/101",
            ("source-nat-pool", "pool-name"),
            "CGN",
            "there is no cgnv6/nat/pool/CGN of ours",
        ),
        (NAT64, "class-list/ipv4aas-hall7", ("ipv6-list",), [], "its customers have 0 LSN LIDs, not one"),
        (
            NAT64,
            "cgnv6/nat/pool/ipv4aas-hall7",
            ("start-address",),
            "203.0.113.1",
            "203.0.113.1 to 198.51.100.127",
        ),
        (
            NAT64,
            "cgnv6/nat64/global",
            ("tcp", "mss-clamp", "mss-clamp-type"),
            "maybe",
            "maybe is none of fixed, none, subtract",
        ),
        (
            NAT64,
            "cgnv6/nat64/prefix/64:ff9b::/96",
            ("class-list",),
            "ipv4aas-other",
            "0 of cgnv6/nat64/prefix have this class-list",
        ),
        (
            MAP_E,
            "cgnv6/map/encapsulation/domain/ipv4aas-hall7",
            ("tunnel-endpoint-address",),
            None,
            "has no tunnel-endpoint-address",
        ),
        (
            MAP_E,
            "cgnv6/map/encapsulation/domain/ipv4aas-hall7",
            ("basic-mapping-rule", "share-ratio"),
            60,
            "60 is not a power of two",
        ),
        (
            MAP_E,
            "cgnv6/map/encapsulation/domain/ipv4aas-hall7",
            ("basic-mapping-rule", "port-start"),
            None,
            "prefix-rule ipv4aas-hall7 has no port-start",
        ),
        (
            LW4O6,
            "cgnv6/lw-4o6/global",
            ("use-binding-table",),
            "ipv4aas-x",
            "there is no cgnv6/lw-4o6/binding-table/ipv4aas-x of ours",
        ),
        (
            LW4O6,
            "cgnv6/lw-4o6/binding-table/ipv4aas-hall7",
            ("tunnel-address-list",),
            [],
            "is no table of bindings: it is empty",
        ),
        (NAT64, "cgnv6/lsn-lid/101", ("lid-number",), 0, "cgnv6/lsn-lid/101: has no lid-number"),
        (
            MAP_T,
            "cgnv6/map/translation/domain/ipv4aas-hall7",
            ("basic-mapping-rule",),
            8,
            "basic-mapping-rule is no object",
        ),
        (
            MAP_T,
            "cgnv6/map/translation/domain/ipv4aas-hall7",
            ("basic-mapping-rule", "prefix-rule-list"),
            "x",
            "prefix-rule-list is no list of objects",
        ),
    ],
)
def test_nonsense_is_told_with_its_line(service, path, keys, to, message):
    with pytest.raises(ParseError) as caught:
        parsed(altered(rendered(service), path, *keys, to=to), service)
    assert message in str(caught.value)
    assert str(caught.value).startswith("line ")


def test_no_json_is_told_with_its_line():
    with pytest.raises(ParseError, match=r"line 2: \]: no JSON"):
        parsed("{\n]\n")
    with pytest.raises(ParseError, match=r"line 1: .*: not a mapping of paths to objects"):
        parsed("[]")


def test_what_cannot_be_expressed_is_refused_all_at_once():
    pool = Pool(
        ipv4=POOL.ipv4, first_port=1023, block_size=32, new_sessions_per_second=5, ports_per_subscriber=64512
    )
    static = StaticBinding(
        protocol="tcp",
        outside_address=IPv4Network("198.51.100.64/26")[1],
        outside_port=8080,
        subscriber=IPv6Address("2001:db8::1"),
        inside_port=80,
    )
    service = replace(
        NAT64,
        pool=pool,
        static_bindings=(static,),
        eam=(Eam(IPv4Network("192.0.2.1/32"), IPv6Network("2001:db8::1/128")),),
    )
    second = replace(NAT64, name="plat", technique="464xlat")
    with pytest.raises(Refused) as caught:
        rendered(service, second, lsn_lid={"hall7": 1024, "plat": 9}, customers=["2001:db8::1/64"])
    options = "hosts.box.ipv4aas_options"
    assert str(caught.value).splitlines() == [
        f"{options}.customers: service hall7: 2001:db8::1/64 has host bits set; a list of IPv6 prefixes",
        f"{options}.customers: service plat: 2001:db8::1/64 has host bits set; a list of IPv6 prefixes",
        f"{options}.lsn_lid: 1024 for service hall7; "
        "the number, 1 to 1023, of an LSN LID that nobody else uses",
        "hosts.box.ipv4aas_services: box has room for one service of NAT64 or 464XLAT, not for hall7, plat; "
        "another host or partition for the others",
        "ipv4aas_services.hall7.eam: box is not told of eam; "
        "none, or a fallback host with ipv4aas_fallback_when: always",
        "ipv4aas_services.hall7.sharing: box cannot begin at port 1023; an even port",
        "ipv4aas_services.hall7.sharing: box cannot count to a quota of 64512 ports; at most 64000",
        "ipv4aas_services.hall7.sharing: box has no blocks of 32 ports; at least 64 for a customer",
        "ipv4aas_services.hall7.sharing: box has no words for new_sessions_per_second 5; "
        "0, or a fallback host with ipv4aas_fallback_when: always",
        "ipv4aas_services.hall7.static_bindings: box is not told of static_bindings; "
        "none, or a fallback host with ipv4aas_fallback_when: always",
    ]
    with pytest.raises(Refused, match="lsn_lid: none for hall7"):
        rendered(NAT64, lsn_lid=None)
    with pytest.raises(Refused, match="7 for both hall7 and aftr"):
        rendered(NAT64, AFTR, lsn_lid=7)
    other = replace(RULE, ipv6_prefix=IPv6Network("2001:3e8:7000::/56"), psid_offset=6)
    with pytest.raises(Refused, match=r"rules\[1\]: a MAP-T domain of box has one EA length"):
        rendered(replace(MAP_T, rules=(RULE, other)))
    explicit = MapRule(
        RULE.ipv6_prefix, IPv4Network("192.0.2.1/32"), 0, 6, explicit_psid_len=8, explicit_psid=52
    )
    with pytest.raises(Refused, match="aXAPI has no place for a PSID"):
        rendered(replace(MAP_E, rules=(explicit,)))


def test_a_pool_is_made_anew_with_what_refers_to_it():
    """A pool cannot be modified, and not be deleted while it is named; the class list names a number only."""
    other = replace(NAT64, pool=replace(NAT64.pool, ipv4=(IPv4Network("198.51.100.0/25"),)))
    assert edits(rendered(NAT64), rendered(other)) == [
        ("cgnv6/lsn-lid/101", True, False),
        ("cgnv6/nat/pool/ipv4aas-hall7", True, False),
        ("cgnv6/nat/pool/ipv4aas-hall7", False, True),
        ("cgnv6/lsn-lid/101", False, True),
    ]


def test_the_smallest_change_after_a_change_by_hand():
    text = rendered(NAT64)
    assert edits(altered(text, "cgnv6/nat64/global", "tcp", "mss-clamp", "mss-value", to=1300), text) == [
        ("cgnv6/nat64/global", True, True)
    ]
    document = json.loads(text)
    document["class-list/ipv4aas-hall7"]["ipv6-list"].append({"ipv6-addr": "2001:db8::/32", "v6-lsn-lid": 7})
    assert edits(json.dumps(document), text) == [("class-list/ipv4aas-hall7", True, True)]


def test_an_object_of_ours_that_nothing_refers_to_is_removed():
    """What a run that broke off may have left."""
    text, left = rendered(NAT64), json.loads(rendered(replace(NAT64, name="gone"), lsn_lid=9))
    del left["cgnv6/nat64/global"], left["cgnv6/nat64/prefix/64:ff9b::/96"]
    running = json.dumps(json.loads(text) | left)
    assert parsed(running, NAT64) == (NAT64,)
    assert edits(running, text) == [
        ("class-list/ipv4aas-gone", True, False),
        ("cgnv6/lsn-lid/9", True, False),
        ("cgnv6/nat/pool/ipv4aas-gone", True, False),
    ]


def test_services_that_nobody_wants_are_found():
    found = parsed(rendered(NAT64, replace(MAP_E, name="br")))
    assert [(service.name, service.technique, service.role) for service in found] == [
        ("br", "map-e", "gateway"),
        ("hall7", "nat64", "gateway"),
    ]


@settings(deadline=None)
@given(
    st.tuples(st.integers(0, 15), st.integers(1, 10)).flatmap(
        lambda pair: st.integers(0, (1 << pair[1]) - 1).map(
            lambda psid: (min(pair[0], 16 - pair[1]), pair[1], psid)
        )
    )
)
def test_port_sets_from_their_ranges(shape):
    ports = PortSet(*shape)
    assert ports_of(ports.ranges()).ranges() == ports.ranges()


def test_ranges_that_are_no_port_set():
    with pytest.raises(ValueError, match="are no port set"):
        ports_of([(1024, 2046)])
    with pytest.raises(ValueError, match="are no port set"):
        ports_of([(4096, 4159), (8192, 8255)])


def test_bindings_by_ranges():
    """Ports with an offset have several ranges; a gateway of its own is told for each."""
    bindings = (
        Binding(IPv6Address("2001:db8:a::1"), IPv4Network("192.0.2.1/32")[0], 4, 8, 52),
        Binding(
            IPv6Address("2001:db8:b::1"),
            IPv4Network("192.0.2.2/32")[0],
            gateway_address=IPv6Address("2001:db8::7"),
        ),
    )
    service = replace(LW4O6, bindings=bindings, hairpinning=False, icmp_on_miss=True)
    text = rendered(service)
    table = json.loads(text)["cgnv6/lw-4o6/binding-table/ipv4aas-hall7"]["tunnel-address-list"]
    [address] = table[0]["nat-address-list"]
    assert len(address["port-range-list"]) == 15
    assert {entry["port-start"]: entry["port-end"] for entry in address["port-range-list"]}[4928] == 4943
    assert parsed(text, service) == (service,)
    moved = copy.deepcopy(json.loads(text))
    for tunnel in moved["cgnv6/lw-4o6/binding-table/ipv4aas-hall7"]["tunnel-address-list"]:
        for entry in tunnel["nat-address-list"][0]["port-range-list"]:
            entry["tunnel-endpoint-address"] = "2001:db8::9"
    found = parsed(json.dumps(moved), service)
    assert {binding.gateway_address for binding in found[0].bindings} == {IPv6Address("2001:db8::9")}


@pytest.mark.parametrize("technique", ["map-e", "map-t", "lw4o6", "ds-lite", "464xlat"])
def test_from_an_inventory(technique):
    """The small ISP with an A10 as its gateway; its customers have no ports of their own there."""
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(ROOT / "inventories" / "small-isp")])
    manager = VariableManager(loader=loader, inventory=inventory)
    hosts = {host.name: dict(manager.get_vars(host=host)) for host in inventory.get_hosts()}
    for values in hosts.values():
        values["ipv4aas_services"] = {"home": values["ipv4aas_services"]["home"] | {"technique": technique}}
        values.pop("ipv4aas_port_forwards", None)
    hosts["gw1"] |= {"ipv4aas_platform": "a10", "ipv4aas_options": {"lsn_lid": 7}}
    plan = build_plan(hosts, all_features())
    assert not [finding for finding in plan.findings if finding.severity == "error"]
    node = plan.nodes["gw1"]
    assert node.platform == "a10"
    assert BOX.parse(render(node, TEMPLATES), node.dialect, node.services) == node.services
