# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Infoblox NIOS."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

from ansible_collections.ipv4aas.fleet.engine.techniques.service import (
    PROVISIONER,
    RESOLVER,
    Delegation,
    Dns64,
    Service,
)

from .case import Case
from .infoblox_device import InfobloxDevice, facts
from .services import PREF64, RULE, shownet

DNS64 = Dns64(
    exclude=(*Dns64().exclude, PREF64),
    clients=(IPv6Network("2001:3e8:6000::/56"),),
    private=(IPv4Network("10.0.0.0/8"), IPv4Network("192.168.0.0/16")),
)


def fit(service: Service) -> Service:
    """Random names make random lists; DHCPv6 has offsets up to 15 and needs a name of an AFTR."""
    if service.role == RESOLVER:
        kinds = (Dns64(), DNS64, replace(DNS64, private=()), replace(DNS64, clients=()))
        return replace(service, dns64=kinds[len(service.name) % len(kinds)])
    rules = tuple(replace(rule, psid_offset=min(15, rule.psid_offset)) for rule in service.rules)
    return replace(service, rules=rules, aftr_name=f"{service.name}.example.net")


def told(technique: str, **fields: object) -> Service:
    delegated = (Delegation(RULE.ipv6_prefix, 64),)
    return shownet(technique, PROVISIONER, delegations=delegated, **fields)


CASE = Case(
    platform="infoblox",
    options={"network": "2001:db8:1::/64", "exclude_permission": "DENY"},
    device=lambda dialect: InfobloxDevice(),
    golden={
        "nat64": (shownet("nat64", RESOLVER, dns64=DNS64),),
        "464xlat": (shownet("464xlat", RESOLVER, dns64=Dns64()),),
        "ds-lite": (told("ds-lite", aftr_name="aftr.example.net"),),
        "map-e": (told("map-e"),),
        "map-t": (told("map-t"),),
    },
    endings={"wapi": "json"},
    fit=fit,
    most_services=1,
    facts=facts,
)
