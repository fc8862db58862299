# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A10 Thunder."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service

from .a10_cli_device import A10CliDevice
from .a10_device import A10Device, facts
from .case import Case
from .services import POOL, shownet


def fit(service: Service) -> Service:
    """At most 23 EA bits; a MAP-T domain has one set of values for all rules."""
    rules = tuple(_short(rule) if rule.ea_len > 23 else rule for rule in service.rules)
    return replace(service, rules=rules[:1] if service.technique == "map-t" else rules)


def _short(rule: MapRule) -> MapRule:
    prefix = IPv4Network((rule.ipv4_prefix.network_address, 24), strict=False)
    return replace(rule, ipv4_prefix=prefix, ea_len=8 + rule.psid_len)


KNOWN = replace(POOL, subscribers=IPv6Network("2001:db8::/36"))
LIMITED = replace(KNOWN, ports_per_subscriber=1024, block_size=512)
# Not the well-known prefix, which carries no addresses of documents.
PREFIX = IPv6Network("2001:db8:64::/96")

CASE = Case(
    platform="a10",
    options={"lsn_lid": 101},
    device=lambda dialect: A10CliDevice() if dialect == "cli" else A10Device(),
    golden={
        **{
            name: (shownet(name, "gateway", pool=KNOWN, translation_prefix=PREFIX, mss_clamp=1400),)
            for name in ("nat64", "464xlat")
        },
        "ds-lite": (shownet("ds-lite", "gateway", pool=KNOWN, mss_clamp=1420),),
        **{name: (shownet(name, "gateway", mss_clamp=1400),) for name in ("map-e", "map-t", "lw4o6")},
        "quota": (shownet("ds-lite", "gateway", pool=LIMITED, mss_clamp=1400),),
    },
    endings={"axapi": "json", "cli": "txt"},
    fit=fit,
    most_services=1,
    facts=facts,
)
