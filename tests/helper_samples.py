# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of hosts that carry no packets: resolvers, provisioners and routers; and their nodes."""

from __future__ import annotations

import os
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.techniques.service import RESOLVER, Dns64, Service
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[1]
UPDATE = bool(os.environ.get("UPDATE_GOLDEN"))
TEMPLATES = ROOT / "templates"
PLAT = IPv6Address("2001:db8:0:64::1")
PREF64 = IPv6Network("2001:db8:64::/96")
CUSTOMERS = IPv6Network("2001:db8:1::/48")


def resolver_service(**fields: Any) -> Service:
    """DNS64 of the conference building."""
    plain: dict[str, Any] = {
        "name": "conference",
        "technique": "nat64",
        "role": RESOLVER,
        "gateway_address": PLAT,
        "translation_prefix": PREF64,
        "dns64": Dns64(exclude=(*Dns64().exclude, PREF64), clients=(CUSTOMERS,)),
    }
    return Service(**(plain | fields))


def node(platform: str, *services: Service, **options: Any) -> NodePlan:
    """A host that helps."""
    return NodePlan(
        name="helper",
        role=services[0].role if services else RESOLVER,
        platform=platform,
        services=services,
        dialect=all_features()[platform].dialects[0],
        options=options,
    )


def rendered(platform: str, *services: Service, **options: Any) -> str:
    """The file of a host."""
    return render(node(platform, *services, **options), TEMPLATES)


def pref64s() -> st.SearchStrategy[IPv6Network]:
    """Prefixes that RFC 6052 allows."""
    lengths = st.sampled_from([32, 40, 48, 56, 64, 96])
    addresses = st.integers(1 << 64, 2**128 - 1).map(lambda address: address & ~(0xFF << 56))
    return st.tuples(addresses, lengths).map(lambda pair: IPv6Network(pair, strict=False))


def networks6() -> st.SearchStrategy[tuple[IPv6Network, ...]]:
    """Some IPv6 prefixes."""
    one = st.tuples(st.integers(0, 2**128 - 1), st.integers(1, 128))
    return st.lists(one.map(lambda pair: IPv6Network(pair, strict=False)), max_size=3, unique=True).map(tuple)


def networks4() -> st.SearchStrategy[tuple[IPv4Network, ...]]:
    """Some IPv4 prefixes."""
    one = st.tuples(st.integers(0, 2**32 - 1), st.integers(1, 32))
    return st.lists(one.map(lambda pair: IPv4Network(pair, strict=False)), max_size=3, unique=True).map(tuple)
