# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services and nodes that the tests of the platforms share, and services that hypothesis makes."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service

ROOT = Path(__file__).resolve().parents[1]
TEMPLATES = ROOT / "templates"

OPTIONS = {
    "asr9000": {"inline_interfaces": ["TenGigE0/0/0/0", "TenGigE0/0/0/1"]},
    "juniper_mx": {"service_interface": "si-0/0/0"},
    "openwrt": {"uplink": "wan6"},
}
ROLES = {"asr9000": "gateway", "juniper_mx": "gateway", "openwrt": "edge"}
LANGUAGES = [
    ("asr9000", "cli"),
    ("asr9000", "netconf"),
    ("juniper_mx", "cli"),
    ("juniper_mx", "netconf"),
    ("openwrt", "uci"),
]

SHARED = MapRule(IPv6Network("2001:3e8:6000::/56"), IPv4Network("130.129.255.92/30"), 8, 4)
FULL = MapRule(IPv6Network("2001:db8:40::/48"), IPv4Network("198.51.100.0/24"), 8)
SECOND = MapRule(IPv6Network("2001:3e8:7000::/56"), IPv4Network("203.0.113.0/26"), 8, 0)
PREFIX = MapRule(IPv6Network("2001:db8:50::/48"), IPv4Network("192.0.2.0/24"), 4)
EXPLICIT = MapRule(
    IPv6Network("2001:db8:60::/64"), IPv4Network("192.0.2.1/32"), 0, 6, explicit_psid_len=8, explicit_psid=52
)


def with_forwarding(rule: MapRule) -> MapRule:
    """The rule as an FMR."""
    return replace(rule, forwarding=True)


def service(platform: str, *rules: MapRule, **fields: object) -> Service:
    """Service hall7 of ShowNet in the role of a platform, or with other rules and fields."""
    plain = Service(
        name="hall7",
        technique="map-e",
        role=ROLES[platform],
        gateway_address=IPv6Address("2001:3e8:0:2900::1"),
        rules=rules or (SHARED,),
    )
    if ROLES[platform] == "edge":
        plain = replace(plain, end_user_prefix=IPv6Network("2001:3e8:6000:10::/64"))
    return replace(plain, **fields)


def node(platform: str, *services: Service, **options: object) -> NodePlan:
    """A node with the options that its platform needs."""
    return NodePlan(
        name="box",
        role=ROLES[platform],
        platform=platform,
        services=services,
        dialect=all_features()[platform].dialects[0],
        options=OPTIONS[platform] | options,
    )


def rendered(platform: str, dialect: str, *services: Service, **options: object) -> str:
    """Configuration of services on a platform."""
    return render(node(platform, *services, **options), TEMPLATES, dialect)
