# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every technique from a small inventory: what each node gets to know."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random

import pytest
import yaml
from ansible_collections.ipv4aas.fleet.engine.codec import decode, encode
from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane, PlaneRoute
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.node.check import configuration
from ansible_collections.ipv4aas.fleet.engine.node.core import build_node
from ansible_collections.ipv4aas.fleet.engine.plan.bindings import binding_of, own_binding, whole_table
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.plan.model import FleetPlan
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Delegation, Dns64, NodeConfiguration
from fleet_samples import FEATURES, hostvars_of
from hypothesis import given
from hypothesis import strategies as st

# One inventory for the five techniques that a customer edge can have: only the word changes.
SMALL = """
services:
  town:
    technique: map-e
    customers: {ipv6: "2400:4000::/56", prefix_length: 64}
    ipv4_pools: [133.0.0.92/30]
    sharing: {customers_per_address: 64, reserved_ports: 4096}
    gateway: {address: "2400:5000::1", translation_prefix: "2400:5000:64::/64", anycast: true}
    aftr_name: aftr.example.net
    minimum_ports: 900
hosts:
  br1: {ipv4aas_role: gateway, ipv4aas_platform: linux, ipv4aas_carries: [town]}
  br2: {ipv4aas_role: gateway, ipv4aas_platform: linux, ipv4aas_carries: [town]}
  ce42:
    ipv4aas_role: edge
    ipv4aas_platform: linux
    ipv4aas_carries: [town]
    ipv4aas_customer_prefix: 2400:4000:0:42::/64
    ipv4aas_lan: [192.168.1.0/24]
  dns1: {ipv4aas_role: resolver, ipv4aas_platform: dns, ipv4aas_carries: [town]}
  dhcp1: {ipv4aas_role: provisioner, ipv4aas_platform: dhcp, ipv4aas_carries: [town]}
  ra1: {ipv4aas_role: router, ipv4aas_platform: ra, ipv4aas_carries: [town]}
"""
SWITCH = ("map-e", "map-t", "lw4o6", "ds-lite", "464xlat")

CAMPUS = """
services:
  campus:
    technique: sa46t
    plane: {prefix: "2400:5000:0:46::/64", id: 9}
  hall:
    technique: sa46t-pr
    plane: {id: 9}
  seam:
    technique: sa46t-pt
    plane: {prefix: "2400:5000:0:46::/64", id: 9}
hosts:
  core: {ipv4aas_role: gateway, ipv4aas_platform: linux, ipv4aas_carries: [campus], ipv4aas_lan: [0.0.0.0/0]}
  lab1: {ipv4aas_role: edge, ipv4aas_platform: linux, ipv4aas_carries: [campus], ipv4aas_lan: [10.1.1.0/24]}
  pr3:
    ipv4aas_role: edge
    ipv4aas_platform: linux
    ipv4aas_carries: [hall]
    ipv4aas_customer_prefix: 2400:5000:0:3::/64
    ipv4aas_lan: [10.1.3.0/24, 10.1.13.0/24]
  pr4:
    ipv4aas_role: gateway
    ipv4aas_platform: linux
    ipv4aas_carries: [hall]
    ipv4aas_customer_prefix: 2400:5000:0:4::/64
    ipv4aas_lan: [10.1.4.0/24]
  pt:
    ipv4aas_role: gateway
    ipv4aas_platform: linux
    ipv4aas_carries: [seam]
    ipv4aas_customer_prefix: 2400:5000:0:ff::/64
"""


def planned(text, **changes):
    document = yaml.safe_load(text)
    for service in document["services"].values():
        service.update(changes)
    plan = build_plan(hostvars_of(document), FEATURES)
    assert decode(FleetPlan, encode(plan)) == plan
    return plan


def service_of(plan, host):
    [service] = plan.nodes[host].services
    return service


@pytest.mark.parametrize("technique", SWITCH)
def test_only_the_word_changes(technique):
    plan = planned(SMALL, technique=technique)
    row = TECHNIQUES[technique]
    figures = plan.services["town"]
    assert (figures.customers, figures.ipv4_addresses, figures.ports_per_customer) == (256, 4, 960)
    assert (figures.ipv4_mtu, figures.tcp_mss) == (1500 - row.overhead, 1460 - row.overhead)
    assert figures.gateways == ("br1", "br2") and figures.edges == ("ce42",)
    edge = service_of(plan, "ce42")
    assert (edge.technique, edge.role, edge.inside) == (technique, "edge", (IPv4Network("192.168.1.0/24"),))
    assert edge.end_user_prefix == IPv6Network("2400:4000:0:42::/64")
    assert edge.gateway_address == IPv6Address("2400:5000::1")
    assert edge.filtering == ("endpoint-independent" if row.napt == "gateway" else "address-dependent")
    assert (edge.translation_prefix is not None) == (row.carriage == "translation")


@pytest.mark.parametrize("technique", ["map-e", "map-t", "lw4o6"])
def test_a_customer_keeps_address_and_ports(technique):
    plan = planned(SMALL, technique=technique)
    customer = service_of(plan, "ce42").customer
    assert customer.ipv4 == IPv4Network("133.0.0.93/32")
    assert (customer.ports.offset, customer.ports.psid_len, customer.ports.psid) == (4, 6, 2)
    assert customer.address == IPv6Address("2400:4000:0:42:0:8500:5d:2")
    table = service_of(plan, "br1").address_table()
    assert table.softwire(int(customer.ipv4.network_address), customer.ports.nth(0)) == int(customer.address)


def test_lw4o6_has_a_binding_for_everybody():
    plan = planned(SMALL, technique="lw4o6")
    table = service_of(plan, "br1").bindings
    assert len(table) == len(set(table)) == 256
    own = Binding(IPv6Address("2400:4000:0:42:0:8500:5d:2"), IPv4Address("133.0.0.93"), 4, 6, 2)
    assert service_of(plan, "ce42").bindings == (own,)
    assert own in table
    assert service_of(plan, "dhcp1").bindings == table == service_of(plan, "br2").bindings
    assert service_of(plan, "br1").rules == ()


@pytest.mark.parametrize(
    ("allocation", "block", "deterministic"),
    [("dynamic", 0, False), ("blocks", 960, False), ("deterministic", 960, True)],
)
def test_pool(allocation, block, deterministic):
    sharing = {"customers_per_address": 64, "reserved_ports": 4096, "allocation": allocation}
    plan = planned(SMALL, technique="ds-lite", sharing=sharing)
    pool = service_of(plan, "br1").pool
    assert (pool.first_port, pool.ports_per_subscriber, pool.block_size) == (4096, 960, block)
    assert (pool.deterministic, pool.subscriber_prefix_len) == (deterministic, 64)
    assert service_of(plan, "ce42").pool is None
    parts = [pool.ipv4, service_of(plan, "br2").pool.ipv4]
    if deterministic:  # a customer's block is the same everywhere
        assert parts == [(IPv4Network("133.0.0.92/30"),)] * 2
    else:  # sessions are not shared, so ports cannot be either
        assert parts == [(IPv4Network("133.0.0.92/31"),), (IPv4Network("133.0.0.94/31"),)]


FORWARD = {"protocol": "tcp", "outside_port": 4224, "inside_address": "192.168.1.10", "inside_port": 80}


def forwarding(technique, *forwards, **sharing):
    """The plan where ce42 forwards ports, and ce43 port 4224."""
    document = yaml.safe_load(SMALL)
    hosts, service = document["hosts"], document["services"]["town"]
    service |= {"technique": technique, "sharing": service["sharing"] | sharing}
    hosts["ce43"] = hosts["ce42"] | {"ipv4aas_customer_prefix": "2400:4000:0:43::/64"}
    hosts["ce42"] = hosts["ce42"] | {"ipv4aas_port_forwards": [FORWARD | forward for forward in forwards]}
    if not technique.startswith(("map", "lw")):
        hosts["ce43"]["ipv4aas_port_forwards"] = [FORWARD]
    return build_plan(hostvars_of(document), FEATURES)


@pytest.mark.parametrize("technique", ["map-e", "map-t", "lw4o6"])
def test_an_edge_with_napt_has_its_forwards(technique):
    plan = forwarding(technique, {}, {"outside_port": 8320})
    assert [forward.outside_port for forward in service_of(plan, "ce42").port_forwards] == [4224, 8320]
    assert service_of(plan, "br1").static_bindings == ()


@pytest.mark.parametrize("technique", ["ds-lite", "464xlat"])
def test_a_gateway_with_napt_has_the_forwards(technique):
    plan = forwarding(technique, {}, {"outside_port": 80}, {"outside_port": 4225, "protocol": "udp"})
    edge = service_of(plan, "ce42")
    assert edge.port_forwards == ()
    found = service_of(plan, "br1").static_bindings
    # All ports of a customer are on one address, the same port of the next customer on another.
    assert [(str(one.outside_address), one.protocol, one.outside_port) for one in found] == [
        ("133.0.0.92", "tcp", 4224),
        ("133.0.0.92", "tcp", 80),
        ("133.0.0.92", "udp", 4225),
        ("133.0.0.93", "tcp", 4224),
    ]
    assert {one.inside_port for one in found} == {80}
    if technique == "ds-lite":
        assert found[0].subscriber == edge.softwire_address
        assert found[0].inside_address == IPv4Address("192.168.1.10")
    else:
        assert found[0].subscriber == IPv6Address("2400:4000:0:42:c0:a801:a00:0")  # RFC 6052, /64
        assert found[0].inside_address is None
    assert service_of(plan, "br2").static_bindings == ()  # it has other addresses


def test_the_address_of_a_forward_can_be_chosen():
    plan = forwarding("ds-lite", {"outside_address": "133.0.0.95"}, {"outside_port": 8080})
    addresses = [str(one.outside_address) for one in service_of(plan, "br2").static_bindings]
    assert addresses == ["133.0.0.95", "133.0.0.95"]
    assert [str(one.outside_address) for one in service_of(plan, "br1").static_bindings] == ["133.0.0.92"]


def test_forwards_one_by_one_may_be_neighbours():
    plan = forwarding("ds-lite", {"outside_port": 4225}, allocation="dynamic")
    found = [(str(one.outside_address), one.outside_port) for one in service_of(plan, "br1").static_bindings]
    assert found == [("133.0.0.92", 4225), ("133.0.0.92", 4224)]


def test_forwards_of_a_deterministic_pool_are_in_the_own_range():
    """Customer 0x42 is number 66: range 2 of the second address; 0x43 the next one."""
    ranges = [4096 + 960 * number for number in (2, 3)]
    document = yaml.safe_load(SMALL)
    service, hosts = document["services"]["town"], document["hosts"]
    service |= {"technique": "ds-lite", "sharing": service["sharing"] | {"allocation": "deterministic"}}
    hosts["ce42"]["ipv4aas_port_forwards"] = [FORWARD | {"outside_port": ranges[0]}]
    plan = build_plan(hostvars_of(document), FEATURES)
    for gateway in ("br1", "br2"):
        [found] = service_of(plan, gateway).static_bindings
        assert (str(found.outside_address), found.outside_port) == ("133.0.0.93", ranges[0])
    hosts["ce42"]["ipv4aas_port_forwards"] = [FORWARD | {"outside_port": ranges[1]}]
    with pytest.raises(Refused, match=f"tcp {ranges[1]} is somebody else's on every address"):
        build_plan(hostvars_of(document), FEATURES)


def test_helpers_get_what_they_need():
    for technique in SWITCH:
        plan = planned(SMALL, technique=technique)
        with_prefix = technique == "464xlat"
        for host in ("dns1", "ra1"):
            services = plan.nodes[host].services
            assert len(services) == with_prefix
            assert plan.nodes[host].deploy  # what another technique left there goes
            for service in services:
                assert service.translation_prefix == IPv6Network("2400:5000:64::/64")
                assert service.pool is None
        if technique == "464xlat":
            clients = (IPv6Network("2400:4000::/56"),)
            assert service_of(plan, "dns1").dns64 == Dns64(clients=clients)
            assert plan.nodes["dhcp1"].services == ()
        else:
            provisioner = service_of(plan, "dhcp1")
            assert provisioner.delegations == (Delegation(IPv6Network("2400:4000::/56"), 64),)
            assert provisioner.aftr_name == ("aftr.example.net" if technique == "ds-lite" else "")
            assert bool(provisioner.rules) == technique.startswith("map")
            assert provisioner.pool is None


def test_nat64_has_no_edge():
    document = yaml.safe_load(SMALL)
    del document["hosts"]["ce42"]
    del document["services"]["town"]["gateway"]["address"]
    document["services"]["town"]["technique"] = "nat64"
    plan = build_plan(hostvars_of(document), FEATURES)
    gateway = service_of(plan, "br1")
    assert gateway.gateway_address == IPv6Address("2400:5000:64:0:c0:0:800:0")  # 192.0.0.8 (RFC 6052)
    assert gateway.translation_prefix == IPv6Network("2400:5000:64::/64")
    assert service_of(plan, "dns1").dns64.clients == (IPv6Network("2400:4000::/56"),)
    assert plan.services["town"].edges == ()


def test_sa46t_planes():
    plan = planned(CAMPUS)
    fixed = Plane(IPv6Network("2400:5000:0:46::/64"), 9)
    lab = service_of(plan, "lab1")
    assert (lab.plane, lab.inside) == (fixed, (IPv4Network("10.1.1.0/24"),))
    # The way out of the plane learns from it what is inside.
    assert set(lab.plane_routes) == {PlaneRoute(IPv4Network("10.1.1.0/24"), fixed.prefix)}
    assert lab.gateway_address == IPv6Address("2400:5000:0:46:0:9:c000:8")
    pr3 = service_of(plan, "pr3")
    assert pr3.plane == Plane(IPv6Network("2400:5000:0:3::/64"), 9)
    table = {
        "10.1.3.0/24": "2400:5000:0:3::/64",
        "10.1.13.0/24": "2400:5000:0:3::/64",
        "10.1.4.0/24": "2400:5000:0:4::/64",
        # The translator stands for the other domain.
        "0.0.0.0/0": "2400:5000:0:ff::/64",
        "10.1.1.0/24": "2400:5000:0:ff::/64",
    }
    routes = {PlaneRoute(IPv4Network(ipv4), IPv6Network(ipv6)) for ipv4, ipv6 in table.items()}
    assert set(pr3.plane_routes) == routes == set(service_of(plan, "pr4").plane_routes)
    pt = service_of(plan, "pt")
    assert pt.plane == fixed
    assert pt.gateway_address in IPv6Network("2400:5000:0:ff::/64")
    assert {route.ipv4 for route in pt.plane_routes} == {
        IPv4Network(network) for network in ("10.1.3.0/24", "10.1.13.0/24", "10.1.4.0/24")
    }


@given(
    length=st.integers(40, 100),
    pool=st.integers(29, 32),
    psid_len=st.integers(0, 5),
    offset=st.sampled_from([0, 4, 6]),
)
def test_a_table_has_what_each_customer_computes(length, pool, psid_len, offset):
    ea = 32 - pool + psid_len
    rule = MapRule(IPv6Network(("2400::", length - ea)), IPv4Network(("133.0.0.8", pool)), ea, offset)
    table = whole_table([rule])
    prefixes = [rule.nth_prefix(number) for number in range(rule.customer_count)]
    assert table == tuple(binding_of(rule.customer(prefix)) for prefix in prefixes)
    assert table == tuple(own_binding(rule, prefix) for prefix in prefixes)


def test_explicit_bindings():
    plan = planned(
        """
services:
  town:
    technique: lw4o6
    gateway: {address: "2400:5000::1"}
    bindings:
      - {customer_prefix: "2001:db8:12:3400::/56", ipv4: 192.0.2.18, psid_length: 6, psid: 1}
      - {softwire: "2001:db8:77::1", ipv4: 192.0.2.77, gateway_address: "2400:5000::2"}
hosts:
  br: {ipv4aas_role: gateway, ipv4aas_platform: linux, ipv4aas_carries: [town]}
  ce1:
    ipv4aas_role: edge
    ipv4aas_platform: linux
    ipv4aas_carries: [town]
    ipv4aas_customer_prefix: 2001:db8:12:3400::/56
    ipv4aas_lan: [10.0.0.0/24]
    ipv4aas_port_forwards: [{protocol: tcp, outside_port: 1024, inside_address: 10.0.0.5, inside_port: 80}]
  ce2:
    ipv4aas_role: edge
    ipv4aas_platform: linux
    ipv4aas_carries: [town]
    ipv4aas_customer_prefix: 2001:db8:77::/64
"""
    )
    shared = Binding(IPv6Address("2001:db8:12:3400:0:c000:212:1"), IPv4Address("192.0.2.18"), 0, 6, 1)
    second = IPv6Address("2400:5000::2")  # lwAFTR of its own
    whole = Binding(IPv6Address("2001:db8:77::1"), IPv4Address("192.0.2.77"), gateway_address=second)
    assert service_of(plan, "br").bindings == (shared, whole)
    assert service_of(plan, "ce1").bindings == (shared,)
    assert service_of(plan, "ce2").bindings == (whole,)
    assert service_of(plan, "ce2").customer.address == IPv6Address("2001:db8:77::1")
    assert service_of(plan, "ce1").border_address == IPv6Address("2400:5000::1")
    assert service_of(plan, "ce2").border_address == second


def test_what_is_delegated():
    text = """
services:
  town:
    technique: %s
    gateway: {address: "2400:5000::1"}
    %s:
      - {%s: "2400:4000:1::/56", %s}
      - {%s: "2400:4000:7:100::/56", %s}
hosts:
  br: {ipv4aas_role: gateway, ipv4aas_platform: linux, ipv4aas_carries: [town]}
  dhcp1: {ipv4aas_role: provisioner, ipv4aas_platform: dhcp, ipv4aas_carries: [town]}
"""
    one, other = "ipv4: 192.0.2.1", "ipv4: 192.0.2.2"
    bound = planned(text % ("lw4o6", "bindings", "customer_prefix", one, "customer_prefix", other))
    # One prefix around all, for bindings to be found in.
    assert service_of(bound, "dhcp1").delegations == (Delegation(IPv6Network("2400:4000::/45"), 56),)
    one, other = (f"ipv4_prefix: {a}/32, ea_length: 0" for a in ("192.0.2.1", "192.0.2.2"))
    ruled = planned(text % ("map-e", "rules", "ipv6_prefix", one, "ipv6_prefix", other))
    assert service_of(ruled, "dhcp1").delegations == (
        Delegation(IPv6Network("2400:4000:1::/56"), 56),
        Delegation(IPv6Network("2400:4000:7:100::/56"), 56),
    )


def test_nobody_is_given_a_prefix_that_no_rule_numbers():
    """Room for pools to come: the prefixes in it have no IPv4 address yet."""
    text = SMALL.replace("2400:4000::/56", "2400:4000::/48")
    given = {
        technique: service_of(planned(text, technique=technique), "dhcp1").delegations
        for technique in ("map-e", "map-t", "ds-lite")
    }
    rule = (Delegation(IPv6Network("2400:4000::/56"), 64),)
    assert given == {
        "map-e": rule,
        "map-t": rule,
        "ds-lite": (Delegation(IPv6Network("2400:4000::/48"), 64),),
    }


@pytest.mark.parametrize("text", [*(SMALL.replace("map-e", technique) for technique in SWITCH), CAMPUS])
def test_the_engine_runs_what_is_planned(text):
    """Every gateway and edge: its configuration passes the node's own check, and a node can be built."""
    for node in planned(text).nodes.values():
        if node.platform == "linux":
            document = encode(NodeConfiguration(node=node.name, services=node.services))
            assert configuration(document).services == node.services
            for service in node.services:
                assert build_node(service, rng=Random(1))
