# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of ShowNet 2013 as a software node runs them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.techniques.service import (
    EDGE,
    GATEWAY,
    NodeConfiguration,
    PortForward,
    Service,
)

RULE = MapRule(IPv6Network("2001:3e8:6000::/56"), IPv4Network("130.129.255.92/30"), 8, 4)
OTHER_RULE = MapRule(IPv6Network("2001:3e8:7000::/56"), IPv4Network("203.0.113.0/30"), 8, 4)
GATEWAY_SERVICE = Service(
    name="hall7",
    technique="map-e",
    role=GATEWAY,
    gateway_address=IPv6Address("2001:3e8:0:2900::1"),
    rules=(RULE,),
)
EDGE_SERVICE = replace(
    GATEWAY_SERVICE,
    name="home",
    role=EDGE,
    end_user_prefix=IPv6Network("2001:3e8:6000:c0::/64"),
    inside=(IPv4Network("192.168.192.0/24"),),
    port_forwards=(PortForward("tcp", 45057, IPv4Address("192.168.192.10"), 8080),),
)


def configuration(*services: Service, **fields: str) -> NodeConfiguration:
    """A node that runs services."""
    return NodeConfiguration(node="box", services=services, **fields)
