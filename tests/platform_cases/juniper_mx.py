# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Juniper MX."""

from __future__ import annotations

from dataclasses import dataclass, replace
from ipaddress import IPv6Network

from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from hypothesis import strategies as st

from .case import Case
from .juniper_mx_device import device
from .junos_device import leaf_facts
from .services import POOL, shownet


def fit(service: Service) -> Service:
    """Open filtering, a quota of whole blocks, a translation prefix of 96 bits."""
    if service.pool is None:
        return service
    pool, prefix = service.pool, service.translation_prefix
    if pool.block_size and not pool.ports_per_subscriber:
        pool = replace(pool, ports_per_subscriber=3 * pool.block_size)
    if prefix is not None:
        prefix = IPv6Network((prefix.network_address, 96))
    return replace(service, pool=pool, translation_prefix=prefix, filtering="endpoint-independent")


@dataclass(frozen=True, kw_only=True)
class MxCase(Case):
    """One DS-Lite service on a node, three of anything else."""

    def services(self, technique: str, role: str) -> st.SearchStrategy[tuple[Service, ...]]:
        drawn = super().services(technique, role)
        return drawn.map(lambda made: made[:1]) if technique == "ds-lite" else drawn


OPEN = {"filtering": "endpoint-independent"}
# Not the well-known prefix: it carries no addresses of documents and tests (RFC 6052 section 3.1).
OWN = OPEN | {"translation_prefix": IPv6Network("2001:db8:64::/96")}
BLOCKS = replace(POOL, block_size=1024, ports_per_subscriber=1024)
QUOTA = replace(POOL, ports_per_subscriber=2048, sessions_per_subscriber=4000)

CASE = MxCase(
    platform="juniper_mx",
    options={"service_interface": ["si-0/0/0", "ms-1/0/0"]},
    device=device,
    golden={
        "shownet": (shownet("map-e", "gateway"),),
        "map-t": (shownet("map-t", "gateway"),),
        "ds-lite": (shownet("ds-lite", "gateway", pool=BLOCKS, **OPEN),),
        "ds-lite-quota": (shownet("ds-lite", "gateway", pool=QUOTA, **OPEN),),
        "nat64": (shownet("nat64", "gateway", **OWN),),
        "464xlat": (shownet("464xlat", "gateway", pool=BLOCKS, **OWN),),
    },
    endings={"cli": "txt", "netconf": "xml"},
    fit=fit,
    facts=leaf_facts,
)
