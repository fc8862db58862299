# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random inventories: what the plan says of a customer is what packets through its nodes show."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random

from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import Embedding
from ansible_collections.ipv4aas.fleet.engine.node.core import build_node
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from ansible_collections.ipv4aas.fleet.engine.techniques.reach import ipv4_networks, ipv6_prefixes
from fleet_samples import FEATURES
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.packet import packetkit as kit
from unit.packet import translationkit as kit6
from unit.packet.packetkit import NATIVE, SOFTWIRE

BASE = int(IPv6Network("2400:4000::/32").network_address)
SWITCH = ("map-e", "map-t", "lw4o6", "ds-lite", "464xlat")
SERVER = "9.9.9.9"
LAN_HOST = "192.168.1.10"


@st.composite
def towns(draw):
    """A service that every technique of SWITCH can have, and the numbers of some of its customers."""
    k = draw(st.integers(0, 6))
    pool_bits = draw(st.integers(1, 3))
    length = draw(st.sampled_from([48, 52, 56, 60, 64]))
    allocation = draw(st.sampled_from(["dynamic", "blocks", "deterministic"]))
    # A deterministic pool has as many ranges as there may be customers.
    slack = 0 if allocation == "deterministic" else draw(st.integers(0, 2))
    room = k + pool_bits + slack
    count = 1 << (k + pool_bits)
    service = {
        "customers": {
            "ipv6": str(IPv6Network((BASE, length - room))),
            "prefix_length": length,
        },
        "ipv4_pools": [f"133.0.0.{draw(st.integers(0, 7)) << 3}/{32 - pool_bits}"],
        "sharing": {
            "customers_per_address": 1 << k,
            "reserved_ports": draw(st.sampled_from([1024, 2048, 4096])),
            "allocation": allocation,
        },
        "gateway": {
            "address": "2400:5000::1",
            "translation_prefix": draw(st.sampled_from(["2400:5000:64::/64", "2400:5000:64::/96"])),
            "anycast": True,
        },
        "backbone_mtu": draw(st.sampled_from([1280, 1500, 1540])),
        "minimum_ports": 1,
        "topology": "hub",
    }
    numbers = draw(st.lists(st.integers(0, count - 1), min_size=2, max_size=5, unique=True))
    prefixes = [IPv6Network((BASE + (number << (128 - length)), length)) for number in numbers]
    return service, prefixes


def fleet(service, technique, prefixes, **of_edges):
    common = {
        "ipv4aas_services": {"town": service | {"technique": technique}},
        "ipv4aas_platform": "linux",
        "ipv4aas_carries": ["town"],
    }
    edges = {
        f"ce{index}": common
        | {
            "ipv4aas_role": "edge",
            "ipv4aas_customer_prefix": str(prefix),
            "ipv4aas_lan": ["192.168.1.0/24"],
        }
        | of_edges
        for index, prefix in enumerate(prefixes)
    }
    gateways = {name: common | {"ipv4aas_role": "gateway"} for name in ("gw1", "gw2")}
    return build_plan(gateways | edges, FEATURES)


def room_at_a_gateway(service):
    """Customers that one of two gateways has blocks for: each has a part of the pool (lint FLT003)."""
    addresses = IPv4Network(service["ipv4_pools"][0]).num_addresses
    return addresses // 2 * service["sharing"]["customers_per_address"]


def nodes_of(plan):
    """Each node with what it was planned for."""
    return {
        name: (node.services[0], build_node(node.services[0], rng=Random(name)))
        for name, node in plan.nodes.items()
    }


def attracted(nodes, packet):
    """The nodes that the domain routes a packet to; longest match."""
    destination = IPv6Address(packet[24:40])
    found = [
        (prefix.prefixlen, name)
        for name, (service, _node) in nodes.items()
        for prefix in ipv6_prefixes(service)
        if destination in prefix
    ]
    longest = max(found, default=(0, ""))[0]
    return sorted(name for length, name in found if length == longest)


@settings(max_examples=40, deadline=None)
@given(town=towns(), technique=st.sampled_from(SWITCH), sport=st.integers(1024, 65535))
def test_the_plan_agrees_with_its_packets(town, technique, sport):
    service, prefixes = town
    row = TECHNIQUES[technique]
    if row.napt == "gateway":
        prefixes = prefixes[: room_at_a_gateway(service)]
    nodes = nodes_of(fleet(service, technique, prefixes))
    seen = {}
    for index in range(len(prefixes)):
        name = f"ce{index}"
        planned, edge = nodes[name]
        for at, inside in enumerate((LAN_HOST, "192.168.1.11")):
            outer = kit.one(edge, kit.udp(inside, sport, SERVER, 53), NATIVE)
            # To the gateways, whichever of them has the packet.
            assert attracted(nodes, outer) == ["gw1", "gw2"]
            carrier = ("gw1", "gw2")[(index + at) % 2]
            gateway_service, gateway = nodes[carrier]
            out = kit.one(gateway, outer, SOFTWIRE)
            source, port = IPv4Address(kit.field(out, "src")), kit.field(out, "sport")
            if row.napt == "edge":
                customer = planned.customer
                assert source in customer.ipv4 and port in customer.ports
            else:
                pool = gateway_service.pool
                assert any(source in network for network in pool.ipv4)
                assert port >= service["sharing"]["reserved_ports"]
                if pool.deterministic:  # found again without a log (RFC 7422)
                    owner = pool.subscriber(pool.arithmetic().owner(int(source), port))
                    assert owner == planned.end_user_prefix
            assert any(source in network for network in ipv4_networks(gateway_service))
            # Nobody else has it, whatever gateway it came by.
            assert seen.setdefault((source, port), (name, inside)) == (name, inside)
            answer = kit.udp(SERVER, 53, str(source), port)
            back = kit.one(gateway, answer, NATIVE)
            assert attracted(nodes, back) == [name]
            home = kit.one(edge, back, SOFTWIRE)
            assert (kit.field(home, "dst"), kit.field(home, "dport")) == (inside, sport)


@settings(max_examples=30, deadline=None)
@given(
    town=towns(),
    technique=st.sampled_from(["ds-lite", "464xlat"]),
    port=st.integers(1, 65535),
)
def test_whoever_writes_to_a_forward_reaches_its_host(town, technique, port):
    service, prefixes = town
    allocation = service["sharing"]["allocation"]
    forward = {"protocol": "udp", "outside_port": port, "inside_address": LAN_HOST, "inside_port": 53}
    try:
        plan = fleet(service, technique, prefixes[:2], ipv4aas_port_forwards=[forward])
    except Refused:
        if allocation != "deterministic":
            raise
        return  # with ranges by arithmetic most ports are others'
    nodes = nodes_of(plan)
    told = {(one.subscriber, one.outside_address) for n in nodes.values() for one in n[0].static_bindings}
    assert len(told) == len(prefixes[:2])
    reached = set()
    for index in range(len(prefixes[:2])):
        edge = nodes[f"ce{index}"][1]
        for carrier in ("gw1", "gw2"):
            for one in nodes[carrier][0].static_bindings:
                sent = kit.udp(SERVER, 1000, str(one.outside_address), port)
                packet = kit.one(nodes[carrier][1], sent, NATIVE)
                if attracted(nodes, packet) != [f"ce{index}"]:
                    continue
                home = kit.one(edge, packet, SOFTWIRE)
                assert (kit.field(home, "dst"), kit.field(home, "dport")) == (LAN_HOST, 53)
                answer = kit.one(edge, kit.udp(LAN_HOST, 53, SERVER, 1000), NATIVE)
                out = kit.one(nodes[carrier][1], answer, SOFTWIRE)
                assert (kit.field(out, "src"), kit.field(out, "sport")) == (str(one.outside_address), port)
                reached.add(index)
    assert len(reached) == len(told)


@settings(max_examples=100, deadline=None)
@given(town=towns(), technique=st.sampled_from(["ds-lite", "464xlat"]), count=st.integers(1, 5))
def test_gateways_share_no_address(town, technique, count):
    """Two of one pool would give a port to two customers: neither knows the other's sessions."""
    service = town[0]
    hosts = {
        f"gw{index}": {
            "ipv4aas_services": {"town": service | {"technique": technique}},
            "ipv4aas_platform": "linux",
            "ipv4aas_carries": ["town"],
            "ipv4aas_role": "gateway",
        }
        for index in range(count)
    }
    whole = set(IPv4Network(service["ipv4_pools"][0]))
    try:
        plan = build_plan(hosts, FEATURES)
    except Refused:
        assert count > len(whole)
        return
    if service["sharing"]["allocation"] == "deterministic":  # ranges are the customers' at every gateway
        assert {node.services[0].pool.ipv4 for node in plan.nodes.values()} == {
            (IPv4Network(service["ipv4_pools"][0]),)
        }
        return
    parts = [
        {address for network in node.services[0].pool.ipv4 for address in network}
        for node in plan.nodes.values()
    ]
    assert set().union(*parts) == whole and sum(map(len, parts)) == len(whole)
    assert max(map(len, parts)) - min(map(len, parts)) <= 1


@settings(max_examples=25, deadline=None)
@given(town=towns(), technique=st.sampled_from(["map-e", "map-t", "lw4o6"]))
def test_whoever_writes_from_outside_finds_the_owner(town, technique):
    """Every port of an address: to the edge that the plan says owns it, or to nobody."""
    service, prefixes = town
    nodes = nodes_of(fleet(service, technique, prefixes))
    gateway = nodes["gw1"][1]
    owners = {name: planned.customer for name, (planned, _node) in nodes.items() if name.startswith("ce")}
    for address in IPv4Network(service["ipv4_pools"][0]):
        for port in (0, 1023, 1024, 4095, 4096, 30000, 65535):
            owner = [name for name, own in owners.items() if address in own.ipv4 and port in own.ports]
            assert len(owner) <= 1
            out, _events = kit.run(gateway, kit.udp(SERVER, 53, str(address), port), NATIVE)
            assert [attracted(nodes, packet) for packet in out if attracted(nodes, packet)] == (
                [owner] if owner else []
            )


@settings(max_examples=25, deadline=None)
@given(
    town=towns(),
    technique=st.sampled_from(SWITCH),
    mesh=st.booleans(),
    sport=st.integers(1024, 65535),
)
def test_customers_reach_each_other(town, technique, mesh, sport):
    """Directly in a mesh, else by the gateway; the one who is asked sees what the Internet would see."""
    service, prefixes = town
    row = TECHNIQUES[technique]
    mesh = mesh and row.mapping == "rule"
    service |= {"topology": "mesh" if mesh else "hub"}
    if row.napt == "gateway" and room_at_a_gateway(service) < 2:
        return
    nodes = nodes_of(fleet(service, technique, prefixes[:2]))
    one, other = nodes["ce0"][1], nodes["ce1"][1]
    # The other one has opened a port: whoever knows it may write (RFC 4787 EIF), or an answer is awaited.
    opened = kit.one(other, kit.udp(LAN_HOST, 5060, SERVER, 53), NATIVE)
    outside = kit.one(nodes["gw1"][1], opened, SOFTWIRE)
    address, port = kit.field(outside, "src"), kit.field(outside, "sport")
    packet = kit.one(one, kit.udp(LAN_HOST, sport, address, port), NATIVE)
    if not mesh:
        assert attracted(nodes, packet) == ["gw1", "gw2"]
        packet = kit.one(nodes["gw1"][1], packet, SOFTWIRE)
    assert attracted(nodes, packet) == ["ce1"]
    arrived, events = kit.run(other, packet, SOFTWIRE)
    if row.napt == "edge":
        assert not arrived and "drop_filtered" in events  # address-dependent, as the plan says
    else:
        assert (kit.field(arrived[0], "dst"), kit.field(arrived[0], "dport")) == (LAN_HOST, 5060)


@settings(max_examples=25, deadline=None)
@given(town=towns(), sport=st.integers(1024, 65535), host=st.integers(1, (1 << 64) - 1))
def test_nat64_serves_its_customers_and_nobody_else(town, sport, host):
    service, prefixes = town
    hosts = {
        "gw": {
            "ipv4aas_services": {"town": service | {"technique": "nat64"}},
            "ipv4aas_platform": "linux",
            "ipv4aas_carries": ["town"],
            "ipv4aas_role": "gateway",
        }
    }
    planned, gateway = nodes_of(build_plan(hosts, FEATURES))["gw"]
    server = str(IPv6Address(Embedding(planned.translation_prefix).embed(int(IPv4Address(SERVER)))))
    seen = set()
    for prefix in prefixes[: room_at_a_gateway(service)]:
        own = str(prefix[host % prefix.num_addresses])
        out = kit.one(gateway, kit6.udp6(own, sport, server, 53), SOFTWIRE)
        source, port = kit.field(out, "src"), kit.field(out, "sport")
        assert IPv4Address(source) in IPv4Network(service["ipv4_pools"][0]) and (source, port) not in seen
        seen.add((source, port))
        back = kit.one(gateway, kit.udp(SERVER, 53, source, port), NATIVE)
        assert kit.outer(back) == (server, own)
    stranger = "2400:9999::1"
    _out, events = kit.run(gateway, kit6.udp6(stranger, sport, server, 53), SOFTWIRE)
    assert any(event.startswith("drop_") for event in events)


@settings(max_examples=25, deadline=None)
@given(
    plane_id=st.integers(0, (1 << 32) - 1),
    stubs=st.lists(st.integers(1, 250), min_size=4, max_size=6, unique=True),
    last=st.integers(1, 254),
)
def test_planes_agree_with_their_packets(plane_id, stubs, last):
    """FP, PR and the translator between them: from every stub network to every other one."""
    half = len(stubs) // 2
    prefix = "2400:5000:0:46::/64"
    services = {
        "campus": {"technique": "sa46t", "plane": {"prefix": prefix, "id": plane_id}},
        "hall": {"technique": "sa46t-pr", "plane": {"id": plane_id}},
        "seam": {"technique": "sa46t-pt", "plane": {"prefix": prefix, "id": plane_id}},
    }
    common = {"ipv4aas_services": services, "ipv4aas_platform": "linux"}
    hosts = {
        "pt": common
        | {
            "ipv4aas_role": "gateway",
            "ipv4aas_carries": ["seam"],
            "ipv4aas_customer_prefix": "2400:5000:0:ff::/64",
        }
    }
    for index, stub in enumerate(stubs):
        hosts[f"stub{stub}"] = common | {
            "ipv4aas_role": "edge" if index else "gateway",
            "ipv4aas_carries": ["campus" if index < half else "hall"],
            "ipv4aas_customer_prefix": f"2400:5000:1:{stub:x}::/64",
            "ipv4aas_lan": [f"10.1.{stub}.0/24"],
        }
        if index < half:
            del hosts[f"stub{stub}"]["ipv4aas_customer_prefix"]
    nodes = nodes_of(build_plan(hosts, FEATURES))
    for source in stubs:
        for target in set(stubs) - {source}:
            sent = kit.udp(f"10.1.{source}.{last}", 1000, f"10.1.{target}.{last}", 2000)
            packet = kit.one(nodes[f"stub{source}"][1], sent, NATIVE)
            across = (stubs.index(source) < half) != (stubs.index(target) < half)
            if across:
                assert attracted(nodes, packet) == ["pt"]
                packet = kit.one(nodes["pt"][1], packet, SOFTWIRE)
            assert attracted(nodes, packet) == [f"stub{target}"]
            home = kit.one(nodes[f"stub{target}"][1], packet, SOFTWIRE)
            assert home[12:] == sent[12:]
