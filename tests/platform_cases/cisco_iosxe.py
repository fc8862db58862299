# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cisco IOS XE."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service

from .case import Case
from .cisco_iosxe_device import MODES, IosXe
from .services import RULE, shownet
from .terminal import Manners

# ShowNet's rule with room for a LAN: customers have a /56.
WIDE = replace(RULE, ipv6_prefix=IPv6Network("2001:3e8:6000::/48"))
# Addresses that are not shared.
SECOND = MapRule(IPv6Network("2001:3e8:7000::/56"), IPv4Network("198.51.100.0/24"), 8, 6)
SHOWNET_PLAT = IPv6Network("2001:10:10:10:10:10::/96")
CE = shownet("map-e", "edge", rules=(WIDE,), end_user_prefix=IPv6Network("2001:3e8:6000:4500::/56"))


def fit(service: Service) -> Service:
    """MAP-E: a customer's prefix of at most 63 bits. NAT64: a pool of one range."""
    if service.pool is not None:
        return replace(service, pool=replace(service.pool, ipv4=service.pool.ipv4[:1]))
    if service.technique != "map-e":
        return service
    (rule,) = service.rules
    length = min(rule.ipv6_prefix.prefixlen, 63 - rule.ea_len)
    rule = replace(rule, ipv6_prefix=IPv6Network((rule.ipv6_prefix.network_address, length), strict=False))
    number = rule.customer_count // 3
    return replace(service, rules=(rule,), end_user_prefix=rule.nth_prefix(number))


CASE = Case(
    platform="cisco_iosxe",
    options={
        "interfaces": ["GigabitEthernet0/0/2", "GigabitEthernet0/0/10"],
        "uplink": "GigabitEthernet0/0/2",
        "first_domain": 101,
        "tunnel": 101,
        "accept_qfp_crash": True,
    },
    device=lambda dialect: IosXe(),
    golden={
        "map-t": (shownet("map-t", "gateway"),),
        "map-t-two-rules": (shownet("map-t", "gateway", rules=(RULE, SECOND)),),
        # The well-known prefix must not carry the addresses of documents that the twin's packets have.
        "nat64": (shownet("nat64", "gateway", translation_prefix=IPv6Network("2001:db8:64::/96")),),
        "464xlat": (shownet("464xlat", "gateway", translation_prefix=SHOWNET_PLAT),),
        "ds-lite": (shownet("ds-lite", "edge", mss_clamp=1420),),
        "map-e": (CE,),
    },
    endings={"cli": "txt"},
    fit=fit,
    # "Rollback Confirmed Change" of Cisco's documents; the prompts are those of every IOS.
    manners={
        "cli": Manners(
            opens=MODES.pattern,
            trial=r"configure terminal revert timer (\d+)",
            unit=60,
            confirm="configure confirm",
            revert="configure revert now",
            save="write memory",
        )
    },
    most_services=1,
)
