# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cisco ASR 9000."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service

from .asr9000_device import device, facts
from .case import Case
from .services import RULE, shownet

SECOND = replace(
    RULE, ipv6_prefix=IPv6Network("2001:3e8:7000::/56"), ipv4_prefix=IPv4Network("203.0.113.4/30")
)


def fit(service: Service) -> Service:
    """MAP-T: rules of one service alike in lengths and offset."""
    if service.technique != "map-t":
        return service
    first = service.rules[0]
    return replace(service, rules=tuple(_shaped(rule, first) for rule in service.rules))


def _shaped(rule: MapRule, like: MapRule) -> MapRule:
    return replace(
        like,
        ipv6_prefix=IPv6Network((rule.ipv6_prefix.network_address, like.ipv6_prefix.prefixlen), strict=False),
        ipv4_prefix=IPv4Network((rule.ipv4_prefix.network_address, like.ipv4_prefix.prefixlen), strict=False),
    )


CASE = Case(
    platform="asr9000",
    options={"inline_interfaces": ["TenGigE0/0/0/0", "TenGigE0/0/0/1"]},
    device=device,
    golden={
        "shownet": (shownet("map-e", "gateway"),),
        "map-t": (shownet("map-t", "gateway"),),
        "map-t-two-rules": (shownet("map-t", "gateway", rules=(RULE, SECOND)),),
    },
    endings={"cli": "txt", "netconf": "xml"},
    fit=fit,
    facts=facts,
)
