# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IOS XE: published examples, other spellings, ownership, the order of what is typed, and refusals."""

from __future__ import annotations

import re
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features, driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.techniques.service import PortForward, StaticBinding
from platform_cases import CASES
from platform_cases.case import TEMPLATES
from platform_cases.cisco_iosxe import CE, SECOND
from platform_cases.services import RULE, shownet

CASE = CASES["cisco_iosxe"]
BOX = driver("cisco_iosxe")
SERVICES = {
    "map-t": shownet("map-t", "gateway"),
    "nat64": shownet("nat64", "gateway"),
    "ds-lite": shownet("ds-lite", "edge", mss_clamp=1420),
    "map-e": CE,
}
TEXTS = {technique: CASE.rendered("cli", service) for technique, service in SERVICES.items()}


def change(running, wanted):
    return BOX.change(running, wanted, "cli").payload


def deploy(device, wanted):
    made = BOX.change(BOX.owned(device.show(), "cli"), wanted, "cli")
    device.apply(made.payload)
    return made


# What genie's configure_nat64_mapt_domain types, with the parameters of its test and a start port.
GENIE = """\
event manager environment _ipv4aas_map_t_23 ipv4aas-hall7
event manager environment _ipv4aas_nat64 GigabitEthernet1
nat64 map-t domain 23
 default-mapping-rule 2A02:C79:FC03:43::/64
 basic-mapping-rule
  ipv6-prefix 2A02:C7A:E460::/43
  ipv4-prefix 100.67.8.0/22
  port-parameters share-ratio 8 start-port 1024
!
interface GigabitEthernet1
 nat64 enable
!
"""
# A public lab log: C1111-8P, IOS XE 17.15.05. The lines of MAP-E with its own values.
LAB = """\
event manager environment _ipv4aas_map_e_1 ipv4aas-hall7
event manager environment _ipv4aas_nat64 GigabitEthernet0/0/0 Vlan1
nat64 map-e domain 1
 border-relay-address 2001:DB8:9999::1
 basic-mapping-rule
  ipv6-prefix 2001:DB8:100A:500::/56
  ipv4-prefix 198.51.100.10/32
  local-ipv4-prefix 192.168.100.0/24
  port-parameters share-ratio 256 port-offset-bits 4
  port-set-id 5
!
interface GigabitEthernet0/0/0
 ipv6 address 2001:DB8:100A:500:0:C633:640A:5/128
 nat64 enable
!
interface Vlan1
 nat64 enable
!
nat64 route 0.0.0.0/0 GigabitEthernet0/0/0
"""


def test_lines_of_genie():
    rule = MapRule(IPv6Network("2a02:c7a:e460::/43"), IPv4Network("100.67.8.0/22"), 13, 6)
    service = shownet(
        "map-t", "gateway", rules=(rule,), translation_prefix=IPv6Network("2a02:c79:fc03:43::/64")
    )
    assert CASE.rendered("cli", service, interfaces=["GigabitEthernet1"], first_domain=23) == GENIE
    assert BOX.parse(GENIE, "cli", (service,)) == (service,)


def test_lines_of_the_lab_log():
    # Rule 2001:db8:1000::/40 and 198.51.100.0/24 with 16 EA bits: customer 10, PSID 5 (sharing ratio 256).
    rule = MapRule(IPv6Network("2001:db8:1000::/40"), IPv4Network("198.51.100.0/24"), 16, 4)
    service = shownet(
        "map-e",
        "edge",
        rules=(rule,),
        gateway_address=IPv6Address("2001:db8:9999::1"),
        end_user_prefix=rule.nth_prefix(0x0A05),
        inside=(IPv4Network("192.168.100.0/24"),),
    )
    text = CASE.rendered("cli", service, uplink="GigabitEthernet0/0/0", interfaces=["Vlan1"], first_domain=1)
    assert text == LAB
    assert BOX.parse(LAB, "cli", (service,)) == (service,)


@pytest.mark.parametrize(
    ("technique", "before", "after"),
    [
        ("map-t", "start-port 4096", "port-offset-bits 4"),
        ("map-t", "start-port 4096", "contiguous-ports 64 start-port 4096"),
        ("map-t", "2001:DB8:FFFF::/64", "2001:db8:ffff:0::/64"),
        ("map-t", "2001:3E8:6000::/56", "2001:03e8:6000:0:0::/56"),
        ("map-t", " basic-mapping-rule", " mode map-t\n basic-mapping-rule"),
        (
            "map-t",
            "event manager",
            "Building configuration...\n\nCurrent configuration : 9 bytes\n!\nevent manager",
        ),
        ("map-t", "\n", "\r\n"),
        ("map-e", "port-offset-bits 4", "start-port 4096"),
        ("map-e", "FF5D:5/128", "ff5d:0005/128"),
        ("nat64", " permit ipv6 any any", " sequence 10 permit ipv6 any any"),
        ("nat64", " permit ipv6 any any", " permit ipv6 any any sequence 20"),
        ("nat64", "64:FF9B::/96", "64:ff9b:0::/96"),
        ("ds-lite", "2001:3E8:0:2900::1", "2001:3e8:0:2900:0:0:0:1"),
        ("ds-lite", " tunnel mode ipv6\n tunnel source", " !\n tunnel mode ipv6\n tunnel source"),
    ],
)
def test_other_spelling_of_the_same(technique, before, after):
    text, services = TEXTS[technique], (SERVICES[technique],)
    assert before in text
    other = text.replace(before, after)
    assert BOX.parse(other, "cli", services) == services
    assert not BOX.change(other, text, "cli")


@pytest.mark.parametrize(
    ("technique", "before", "after"),
    [
        ("map-t", "FFFF::/64", "FFFE::/64"),
        ("map-t", "6000::/56", "6000::/52"),
        ("map-t", "255.92/30", "255.88/30"),
        ("map-t", "share-ratio 64", "share-ratio 32"),
        ("map-t", "start-port 4096", "start-port 1024"),
        ("map-e", "2900::1", "2900::2"),
        ("map-e", "4500::/56", "4600::/56"),
        ("map-e", "255.93/32", "255.94/32"),
        ("map-e", "192.168.1.0/24", "192.168.2.0/24"),
        ("map-e", "share-ratio 64", "share-ratio 128"),
        ("map-e", "port-offset-bits 4", "port-offset-bits 6"),
        ("map-e", "port-set-id 5", "port-set-id 6"),
        ("nat64", "permit ipv6 any", "permit ipv6 2001:DB8::/32"),
        ("nat64", "64:FF9B::/96", "2001:DB8:64::/96"),
        ("nat64", "198.51.100.64 ", "198.51.100.32 "),
        ("nat64", "198.51.100.127", "198.51.100.126"),
        ("ds-lite", "2900::1", "2900::2"),
        ("ds-lite", "ip mtu 1460", "ip mtu 1400"),
        ("ds-lite", "adjust-mss 1420", "adjust-mss 1400"),
    ],
)
def test_every_changed_parameter_is_seen(technique, before, after):
    text, services = TEXTS[technique], (SERVICES[technique],)
    assert before in text
    other = text.replace(before, after)
    assert BOX.parse(other, "cli", services) != services
    assert change(other, text)


@pytest.mark.parametrize("technique", TEXTS)
def test_every_missing_line_is_seen(technique):
    """Without any one line there is at least something to type."""
    lines = TEXTS[technique].splitlines(keepends=True)
    for index, line in enumerate(lines):
        if line != "!\n":
            other = "".join([*lines[:index], *lines[index + 1 :]])
            assert change(other, TEXTS[technique]), line


@pytest.mark.parametrize(
    ("technique", "before", "after", "message"),
    [
        (
            "map-t",
            "share-ratio 64",
            "share-ratio 63",
            "line 8: port-parameters share-ratio 63 start-port 4096: 63 is",
        ),
        ("map-t", " start-port 4096", "", "has none of start-port, port-offset-bits, contiguous-ports"),
        ("map-t", "start-port 4096", "start-port 4096 port-offset-bits 6", "says the offsets 4 and 6"),
        ("map-t", "start-port 4096", "no-eabits", "not understood; share-ratio and one of start-port"),
        ("map-t", "share-ratio 64", "share-ratio 1", "would exclude ports of an address that is not shared"),
        (
            "map-t",
            " basic",
            " mode divi\n basic",
            "line 5: mode divi: not understood; one of default-mapping-rule",
        ),
        ("map-t", "  ipv4-prefix 130.129.255.92/30\n", "", "nat64 map-t domain 101: has no ipv4-prefix"),
        ("map-t", "255.92/30", "255.92/33", "130.129.255.92/33 is not an IPv4 prefix"),
        ("map-t", " default-mapping-rule 2001:DB8:FFFF::/64\n", "", "has no default-mapping-rule"),
        ("map-e", "port-set-id 5", "port-set-id 64", "64 is not a number in 0..63"),
        ("map-e", "255.93/32", "255.92/30", "an explicit PSID needs a Rule IPv4 prefix of /32"),
        ("nat64", " overload", "", "not understood; nat64 v6v4 list NAME pool NAME overload"),
        ("nat64", "nat64 prefix stateful 64:FF9B::/96\n", "", "there is no nat64 prefix stateful"),
        ("nat64", "100.64 198.51.100.127", "100.127 198.51.100.64", "198.51.100.127 is after 198.51.100.64"),
        ("nat64", "pool ipv4aas-hall7 overload", "pool x overload", "there is no nat64 v4 pool x"),
        ("nat64", " permit ipv6 any any\n", "", "ipv6 access-list ipv4aas-hall7 permits nobody"),
        ("nat64", "permit ipv6 any any", "permit tcp any any", "not understood; one permit ipv6 PREFIX any"),
        (
            "ds-lite",
            "tunnel mode ipv6",
            "tunnel mode ipv6ip",
            "line 4: tunnel mode ipv6ip: ipv6ip is not ipv6",
        ),
        (
            "ds-lite",
            " ip mtu 1460",
            " shutdown\n ip mtu 1460",
            "shutdown: not understood; one of description",
        ),
        (
            "ds-lite",
            " tunnel destination 2001:3E8:0:2900::1\n",
            "",
            "interface Tunnel101: has no tunnel destination",
        ),
    ],
)
def test_error_says_the_line(technique, before, after, message):
    text = TEXTS[technique]
    assert before in text
    with pytest.raises(ParseError, match=re.escape(message)):
        BOX.parse(text.replace(before, after), "cli", (SERVICES[technique],))


def test_missing_tunnel_mtu_means_1460():
    text, service = TEXTS["ds-lite"].replace(" ip mtu 1460\n", ""), SERVICES["ds-lite"]
    assert BOX.parse(text, "cli", (service,)) == (service,)


def test_customer_that_the_rule_does_not_give_is_one_of_its_own():
    """Another PSID than that of the rule: what the device runs is told as it is."""
    (found,) = BOX.parse(TEXTS["map-e"].replace("set-id 5", "set-id 6"), "cli", (CE,))
    assert found.rules == (
        MapRule(
            CE.end_user_prefix, IPv4Network("130.129.255.93/32"), 0, 4, explicit_psid_len=6, explicit_psid=6
        ),
    )
    (unwanted,) = BOX.parse(TEXTS["map-e"], "cli", ())
    assert unwanted.customer == CE.customer


def test_port_parameters_come_before_the_port_set():
    """The router holds a PSID against the ratio that it has then."""
    other = TEXTS["map-e"].replace("share-ratio 64", "share-ratio 4").replace("set-id 5", "set-id 1")
    assert change(other, TEXTS["map-e"]) == (
        "nat64 map-e domain 101\n basic-mapping-rule\n  no port-set-id 1\n"
        "  port-parameters share-ratio 64 port-offset-bits 4\n  port-set-id 5\n!\n"
    )
    device = CASE.device("cli")
    deploy(device, other)
    made = deploy(device, TEXTS["map-e"])
    device.apply(made.undo)
    assert BOX.owned(device.show(), "cli") == other


def test_pool_in_use_is_freed_first():
    other = TEXTS["nat64"].replace("198.51.100.64 ", "198.51.100.96 ")
    assert change(other, TEXTS["nat64"]).splitlines() == [
        "no nat64 v6v4 list ipv4aas-hall7 pool ipv4aas-hall7 overload",
        "no nat64 v4 pool ipv4aas-hall7 198.51.100.96 198.51.100.127",
        "nat64 v4 pool ipv4aas-hall7 198.51.100.64 198.51.100.127",
        "nat64 v6v4 list ipv4aas-hall7 pool ipv4aas-hall7 overload",
    ]


def test_hosts_that_may_use_it_are_a_small_change():
    other = TEXTS["nat64"].replace("permit ipv6 any any", "permit ipv6 2001:DB8::/32 any")
    assert change(other, TEXTS["nat64"]) == (
        "ipv6 access-list ipv4aas-hall7\n no permit ipv6 2001:DB8::/32 any\n permit ipv6 any any\n!\n"
    )


def test_what_goes_goes_in_the_reverse_order():
    assert change(TEXTS["map-e"], "").splitlines() == [
        "no nat64 route 0.0.0.0/0 GigabitEthernet0/0/2",
        "interface GigabitEthernet0/0/10",
        " no nat64 enable",
        "!",
        "interface GigabitEthernet0/0/2",
        " no nat64 enable",
        " no ipv6 address 2001:3E8:6000:4500:0:8281:FF5D:5/128",
        "!",
        "no nat64 map-e domain 101",
        "no event manager environment _ipv4aas_nat64",
        "no event manager environment _ipv4aas_map_e_101",
    ]
    assert change(TEXTS["ds-lite"], "").splitlines() == [
        "no ip route 0.0.0.0 0.0.0.0 Tunnel101",
        "no interface Tunnel101",
    ]


def test_lines_by_hand_in_our_tunnel_go():
    device = CASE.device("cli")
    deploy(device, TEXTS["ds-lite"])
    device.apply("interface Tunnel101\n ip mtu 1400\n load-interval 30\n")
    edited = device.show()
    made = deploy(device, TEXTS["ds-lite"])
    assert made.payload == "interface Tunnel101\n no load-interval 30\n ip mtu 1460\n!\n"
    device.apply(made.undo)
    assert device.show() == edited


def test_only_what_is_named_is_ours():
    """An operator's domain, tunnel, route, address and enabled interface beside ours stay."""
    foreign = (
        "nat64 map-e domain 102\n basic-mapping-rule\n  ipv6-prefix 2001:DB8::/56\n!\n"
        "interface GigabitEthernet0/0/3\n nat64 enable\n!\n"
        "interface GigabitEthernet0/0/2\n ipv6 address 2001:3E8:6000:4501::1/64\n"
        " ipv6 address 2001:3E8:5000::1/128\n ip tcp adjust-mss 1400\n!\n"
        "nat64 route 10.0.0.0/8 GigabitEthernet0/0/2\n"
        "nat64 prefix stateful 64:FF9B::/96\n"
        "ip route 0.0.0.0 0.0.0.0 GigabitEthernet0/0/2\n"
    )
    assert BOX.owned(foreign, "cli") == ""
    assert BOX.owned(foreign + TEXTS["map-e"], "cli") == TEXTS["map-e"]
    assert "adjust-mss" not in change(foreign + TEXTS["map-e"], "")


def test_domain_that_is_there_keeps_its_number():
    """A service before it in the alphabet does not move the customers of the others."""
    device = CASE.device("cli")
    one = replace(SERVICES["map-t"], rules=(RULE, SECOND))
    new = shownet("map-t", "gateway", name="hall1", translation_prefix=IPv6Network("2001:db8:fffe::/64"))
    deploy(device, CASE.rendered("cli", one))
    made = deploy(device, CASE.rendered("cli", new, one))
    assert made.payload.splitlines()[:2] == [
        "event manager environment _ipv4aas_map_t_103 ipv4aas-hall1",
        "nat64 map-t domain 103",
    ]
    assert "no " not in made.payload
    assert BOX.parse(device.show(), "cli", (new, one)) == (new, one)
    assert not deploy(device, CASE.rendered("cli", new, one))
    assert deploy(device, CASE.rendered("cli", new)).payload.splitlines() == [
        "no nat64 map-t domain 102",
        "no nat64 map-t domain 101",
        "no event manager environment _ipv4aas_map_t_102",
        "no event manager environment _ipv4aas_map_t_101",
    ]


@pytest.mark.parametrize(("old", "new"), [("map-t", "nat64"), ("nat64", "map-t"), ("ds-lite", "map-e")])
def test_word_technique_takes_the_old_lines_away(old, new):
    device = CASE.device("cli")
    foreign = device.show()
    deploy(device, TEXTS[old])
    deploy(device, TEXTS[new])
    assert BOX.owned(device.show(), "cli") == TEXTS[new]
    assert BOX.parse(device.show(), "cli", (SERVICES[new],)) == (SERVICES[new],)
    deploy(device, "")
    assert device.show() == foreign


def test_464xlat_and_nat64_are_told_apart_by_what_is_wanted():
    plat = shownet("464xlat", "gateway")
    assert CASE.rendered("cli", plat) == TEXTS["nat64"]
    assert BOX.parse(TEXTS["nat64"], "cli", (plat,)) == (plat,)
    (found,) = BOX.parse(TEXTS["nat64"], "cli", ())
    assert (found.technique, found.gateway_address) == ("nat64", IPv6Address("64:ff9b::c000:8"))


def test_customers_of_the_plan_are_the_list():
    nat64 = SERVICES["nat64"]
    hosts = IPv6Network("2001:db8:64::/48")
    service = replace(nat64, pool=replace(nat64.pool, subscribers=hosts))
    text = CASE.rendered("cli", service)
    assert " permit ipv6 2001:DB8:64::/48 any\n" in text
    assert BOX.parse(text, "cli", (service,)) == (service,)


def test_neighbouring_networks_are_one_range():
    nat64 = SERVICES["nat64"]
    networks = (IPv4Network("198.51.100.128/25"), IPv4Network("198.51.100.64/26"))
    service = replace(nat64, pool=replace(nat64.pool, ipv4=networks))
    text = CASE.rendered("cli", service)
    assert "nat64 v4 pool ipv4aas-hall7 198.51.100.64 198.51.100.255\n" in text
    assert BOX.parse(text, "cli", (service,)) == (service,)


def refused(*services, **options):
    with pytest.raises(Refused) as found:
        CASE.rendered("cli", *services, **options)
    return {str(problem) for problem in found.value.problems}


def test_refusals_of_a_map_e_edge():
    """All at once, each with its place."""
    narrow = replace(
        CE,
        rules=(replace(RULE, forwarding=True),),
        end_user_prefix=IPv6Network("2001:3e8:6000:45::/64"),
        inside=(),
        port_forwards=(PortForward("tcp", 4416, IPv4Address("192.168.1.2"), 80),),
    )
    assert refused(narrow, accept_qfp_crash=False, first_domain=10001, interfaces=["Gi1"], uplink="") == {
        "hosts.box.ipv4aas_options.accept_qfp_crash: MAP-E has crashed the forwarding engine of C8000V"
        " 17.15.01a and C1111-8P 17.15.05; true, once you have tried it",
        "hosts.box.ipv4aas_options.first_domain: 10001 does not fit; a number in 1..10000",
        "hosts.box.ipv4aas_options.interfaces: Gi1 does not fit; a list of interfaces as the router"
        " prints them, such as GigabitEthernet0/0/1",
        "hosts.box.ipv4aas_options.uplink: '' does not fit; the interface towards the IPv6 network as"
        " the router prints it, such as GigabitEthernet0/0/0",
        "hosts.box.ipv4aas_customer_prefix: 2001:3e8:6000:45::/64 has no /64 for the LAN: the first one holds"
        " the MAP address; a /63 or shorter",
        "hosts.box.ipv4aas_lan: 0 networks, local-ipv4-prefix takes one; one network",
        "hosts.box.ipv4aas_port_forwards: no words for port forwards with MAP-E are known on cisco_iosxe;"
        " none, or a fallback host with ipv4aas_fallback_when: always",
        "ipv4aas_services.hall7.mesh: no words for forwarding rules are known on cisco_iosxe;"
        " false, or a fallback host with ipv4aas_fallback_when: always",
    }


def test_refusals_of_a_nat64():
    nat64 = SERVICES["nat64"]
    pool = replace(nat64.pool, ipv4=(IPv4Network("198.51.100.0/26"), IPv4Network("203.0.113.0/26")))
    forward = StaticBinding(
        protocol="tcp",
        outside_address=IPv4Address("198.51.100.1"),
        outside_port=443,
        subscriber=IPv6Address("2001:db8::1"),
        inside_port=443,
    )
    other = replace(nat64, name="hall8", pool=replace(nat64.pool, deterministic=True))
    assert refused(replace(nat64, pool=pool, static_bindings=(forward,)), other) == {
        "hosts.box.ipv4aas_carries: box has one stateful prefix, for 2 services;"
        " one service of NAT64 or 464XLAT on a router",
        "ipv4aas_services.hall7.ipv4_pools: 198.51.100.0/26, 203.0.113.0/26 leave a gap;"
        " one range of addresses on a router",
        "ipv4aas_services.hall7.port_forwards: no document says whether a static mapping may have an"
        " address of the pool; no port forwards, or a fallback host with ipv4aas_fallback_when: always",
        "ipv4aas_services.hall8.sharing.allocation: deterministic: cisco_iosxe box chooses the ports itself;"
        " dynamic, or a fallback host with ipv4aas_fallback_when: always",
    }


def test_interfaces_have_to_fit_into_one_line():
    many = [f"TenGigabitEthernet0/0/{n}" for n in range(10)]
    assert refused(SERVICES["map-t"], interfaces=many) == {
        "hosts.box.ipv4aas_options.interfaces: 10 interfaces are too long for one command line;"
        " 200 characters at most"
    }


def test_refusals_of_a_border_relay():
    explicit = MapRule(IPv6Network("2001:db8::/64"), IPv4Network("192.0.2.1/32"), 0, 6, 8, 52)
    assert refused(replace(SERVICES["map-t"], rules=(explicit, RULE)), first_domain=10000) == {
        "hosts.box.ipv4aas_options.first_domain: 10000 and 2 rules; end at 10000",
        "ipv4aas_services.hall7.rules[0]: cisco_iosxe box cannot express 192.0.2.1/32: IOS XE takes the whole"
        " rest of the IPv4 address and the PSID from the EA bits;"
        " another rule, or a fallback host with ipv4aas_fallback_when: always",
    }


HOSTS = {
    "br1": {
        "ipv4aas_role": "gateway",
        "ipv4aas_options": {"interfaces": ["GigabitEthernet1", "GigabitEthernet2"], "first_domain": 101},
    },
    "ce1": {
        "ipv4aas_role": "edge",
        "ipv4aas_customer_prefix": "2001:3e8:6000:4500::/56",
        "ipv4aas_lan": ["192.168.1.0/24"],
        "ipv4aas_options": {
            "interfaces": ["Vlan1"],
            "uplink": "GigabitEthernet0/0/0",
            "first_domain": 1,
            "tunnel": 1,
            "accept_qfp_crash": True,
        },
    },
}


@pytest.mark.parametrize(
    ("technique", "seat", "first"),
    [
        ("map-t", "br1", "event manager environment _ipv4aas_map_t_101 ipv4aas-home"),
        ("464xlat", "br1", "event manager environment _ipv4aas_nat64 GigabitEthernet1 GigabitEthernet2"),
        ("map-e", "ce1", "event manager environment _ipv4aas_map_e_1 ipv4aas-home"),
        ("ds-lite", "ce1", "interface Tunnel1"),
    ],
)
def test_inventory_says_it_and_the_router_runs_it(technique, seat, first):
    """Through the plan: the one word changes, the router is the same."""
    service = {
        "technique": technique,
        "customers": {"ipv6": "2001:3e8:6000::/48", "prefix_length": 56},
        "ipv4_pools": ["130.129.255.92/30"],
        "sharing": {"customers_per_address": 64, "reserved_ports": 4096},
        "gateway": {"address": "2001:3e8:0:2900::1", "translation_prefix": "2001:db8:ffff::/64"},
        "backbone_mtu": 1500,
    }
    hosts = {
        name: values
        | {
            "ipv4aas_platform": "cisco_iosxe" if name == seat else "linux",
            "ipv4aas_carries": ["home"],
            "ipv4aas_services": {"home": service},
            "ipv4aas_options": values["ipv4aas_options"] if name == seat else {},
        }
        for name, values in HOSTS.items()
    }
    node = build_plan(hosts, all_features()).nodes[seat]
    assert node.services and not node.refused
    text = render(node, TEMPLATES)
    assert text.startswith(f"{first}\n")
    assert BOX.parse(text, node.dialect, node.services) == node.services
