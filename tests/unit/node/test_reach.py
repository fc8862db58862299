# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the nodes of every technique attract, and that each of them owns it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from random import Random

import pytest
from ansible_collections.ipv4aas.fleet.engine.codec import encode
from ansible_collections.ipv4aas.fleet.engine.mapping.eam import Eam
from ansible_collections.ipv4aas.fleet.engine.node.check import configuration as check
from ansible_collections.ipv4aas.fleet.engine.node.core import build_node, has_node
from ansible_collections.ipv4aas.fleet.engine.node.kernel import wanted
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from ansible_collections.ipv4aas.fleet.engine.techniques.reach import ipv4_networks, ipv6_prefixes
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, GATEWAY, NodeConfiguration
from map_t_samples import PREFIX_CUSTOMER, PREFIX_RULE
from technique_samples import LW4O6, MAP_T, SERVICES, XLAT464, edge_of

BR = "2001:db8:fffe::1/128"

EXPECTED = {
    ("map-e", GATEWAY): ([BR], ["192.0.2.0/24"]),
    ("map-e", EDGE): (["2001:db8:12:3400:0:c000:212:34/128"], ["192.168.0.0/16"]),
    ("map-t", GATEWAY): ([BR, "2001:db8:ffff::/64"], ["192.0.2.0/24"]),
    ("map-t", EDGE): (["2001:db8:12:3400:0:c000:212:34/128"], ["192.168.0.0/16"]),
    ("lw4o6", GATEWAY): ([BR, "2001:db8:fffe::2/128"], ["192.0.2.18/31", "192.0.2.20/32"]),
    ("lw4o6", EDGE): (["2001:db8:12:3400:0:c000:212:34/128"], ["192.168.0.0/16"]),
    ("ds-lite", GATEWAY): ([BR], ["203.0.113.0/28"]),
    ("ds-lite", EDGE): (["2001:db8:12:3400:0:c000:2:0/128"], ["192.168.0.0/16"]),
    ("nat64", GATEWAY): ([BR, "2001:db8:64::/96"], ["203.0.113.0/28"]),
    ("464xlat", GATEWAY): ([BR, "2001:db8:64::/96"], ["203.0.113.0/28"]),
    ("464xlat", EDGE): (["2001:db8:12:34c0:0:2::/128", "2001:db8:12:34c0:a8::/80"], ["192.168.0.0/16"]),
    ("sa46t", EDGE): (["2001:db8:4600::7:a01:0/112"], ["10.1.0.0/16"]),
    ("sa46t-pr", EDGE): (["2001:db8:4601::7:a01:0/112"], ["10.1.0.0/16"]),
}


@pytest.mark.parametrize("seat", EXPECTED, ids=" ".join)
def test_attracted(seat):
    service, (prefixes, networks) = SERVICES[seat], EXPECTED[seat]
    assert list(map(str, ipv6_prefixes(service))) == prefixes
    assert list(map(str, ipv4_networks(service))) == networks


def test_the_samples_are_all_that_the_engine_runs():
    assert set(SERVICES) == {
        (name, role) for name in TECHNIQUES for role in (GATEWAY, EDGE) if has_node(name, role)
    }


@pytest.mark.parametrize("seat", SERVICES, ids=" ".join)
def test_every_sample_is_valid_and_owns_what_it_attracts(seat):
    service = SERVICES[seat]
    assert check(encode(NodeConfiguration(node="x", services=(service,)))).services == (service,)
    routes = " ".join(wanted([service], "tun7").routes)
    assert all(str(prefix) in routes for prefix in ipv6_prefixes(service))
    if seat[0] == "sa46t-pt":
        return  # its domains are on both sides: it owns nothing but rewrites
    node = build_node(service, rng=Random(1))
    for prefix in ipv6_prefixes(service):
        assert node.owns(int(prefix.network_address)) and node.owns(int(prefix.broadcast_address))
    assert not node.owns(int(IPv6Address("2001:db9::1")))


def test_roles_without_a_node_attract_nothing():
    for role in ("resolver", "provisioner", "router"):
        nobody = replace(MAP_T, role=role)
        assert ipv6_prefixes(nobody) == ipv4_networks(nobody) == ()


def test_edge_of_a_prefix_takes_the_subnet_of_its_map_addresses():
    service = edge_of(replace(MAP_T, rules=(PREFIX_RULE,)), PREFIX_CUSTOMER)
    assert list(map(str, ipv6_prefixes(service))) == ["2001:db8:8040::/64"]


def test_clat_takes_mapped_hosts_of_its_own():
    entries = (
        Eam(IPv4Network("192.168.1.1/32"), IPv6Network("2001:db8:aaaa::1/128")),
        Eam(IPv4Network("198.51.100.1/32"), IPv6Network("2001:db8:bbbb::1/128")),
    )
    found = ipv6_prefixes(replace(edge_of(XLAT464), eam=entries))
    assert list(map(str, found))[2:] == ["2001:db8:aaaa::1/128"]


def test_clat_without_networks_takes_all_of_its_prefix():
    found = ipv6_prefixes(edge_of(XLAT464, inside=()))
    assert list(map(str, found)) == ["2001:db8:12:34c0:0:2::/128", "2001:db8:12:3400::/56"]


def test_a_gateway_without_bindings_attracts_no_ipv4():
    assert ipv4_networks(replace(LW4O6, bindings=())) == ()
