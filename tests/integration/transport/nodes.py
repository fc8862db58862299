# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ShowNet service on one node of each platform, planned, rendered and changed."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, GATEWAY, Service

TEMPLATES = Path(__file__).resolve().parents[3] / "templates"

RULE = MapRule(
    ipv6_prefix=IPv6Network("2001:3e8:6000::/56"),
    ipv4_prefix=IPv4Network("130.129.255.92/30"),
    ea_len=8,
    psid_offset=4,
)
SERVICE = Service(
    name="hall7",
    technique="map-e",
    role=GATEWAY,
    gateway_address=IPv6Address("2001:3e8:0:2900::1"),
    rules=(RULE,),
)
# The same service in the other network: every value of the rule differs.
MOVED = replace(
    SERVICE,
    gateway_address=IPv6Address("2001:3e8:0:2900::2"),
    rules=(
        MapRule(
            ipv6_prefix=IPv6Network("2001:3e8:7000::/56"),
            ipv4_prefix=IPv4Network("198.51.100.0/29"),
            ea_len=7,
            psid_offset=6,
        ),
    ),
)
_OPTIONS: dict[str, dict[str, Any]] = {
    "asr9000": {"inline_interfaces": ["TenGigE0/0/0/0", "TenGigE0/0/0/1"]},
    "juniper_mx": {"service_interface": "si-0/0/0"},
    "openwrt": {"uplink": "wan6"},
}


def node(platform: str, dialect: str, service: Service = SERVICE) -> NodePlan:
    """The plan of a node of a platform that carries the service."""
    if platform == "openwrt":
        service = replace(service, role=EDGE, end_user_prefix=IPv6Network("2001:3e8:6000:10::/64"))
    return NodePlan(
        name=f"{platform}-{dialect}",
        role=service.role,
        platform=platform,
        services=(service,),
        dialect=dialect,
        options=_OPTIONS.get(platform, {}),
    )


def rendered(plan: NodePlan) -> str:
    """Its configuration."""
    return render(plan, TEMPLATES)
