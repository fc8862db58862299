# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A10 Thunder."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network

from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service

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


LIMITED = replace(POOL, ports_per_subscriber=1024, block_size=512)

CASE = Case(
    platform="a10",
    options={"lsn_lid": 101},
    device=lambda dialect: A10Device(),
    golden={
        **{
            name: (shownet(name, "gateway", mss_clamp=1400),)
            for name in ("nat64", "464xlat", "ds-lite", "map-e", "map-t", "lw4o6")
        },
        "quota": (shownet("ds-lite", "gateway", pool=LIMITED, mss_clamp=1400),),
    },
    endings={"axapi": "json"},
    fit=fit,
    most_services=1,
    facts=facts,
)
