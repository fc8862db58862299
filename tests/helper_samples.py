# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services of hosts that carry no packets: resolvers, provisioners and routers; and their nodes."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from ansible_collections.ipv4aas.fleet.engine.mapping.iid import RFC7597, map_address
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.techniques.service import (
    PROVISIONER,
    RESOLVER,
    Delegation,
    Dns64,
    Service,
)
from hypothesis import strategies as st

ROOT = Path(__file__).resolve().parents[1]
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


CUSTOMER_SPACE = Delegation(IPv6Network("2001:3e8:6000::/56"), 64)
BORDER_RELAY = IPv6Address("2001:3e8:0:2900::1")
HALL7_RULE = MapRule(CUSTOMER_SPACE.prefix, IPv4Network("130.129.255.92/30"), 8, 4)
DMR = IPv6Network("2001:db8:64::/64")


def hall7_binding(number: int, **fields: Any) -> Binding:
    """Of customer ``number`` of ShowNet's hall 7."""
    psid = number % 64
    ipv4 = HALL7_RULE.ipv4_prefix[number >> 6]
    prefix = HALL7_RULE.nth_prefix(number)
    softwire = map_address(int(prefix.network_address), 64, int(ipv4), psid, RFC7597)
    return Binding(IPv6Address(softwire), ipv4, 0, 6, psid, **fields)


def provisioner_service(technique: str, **fields: Any) -> Service:
    """Hall 7 of ShowNet by one of the techniques, for a provisioner."""
    own: dict[str, dict[str, Any]] = {
        "map-e": {"rules": (HALL7_RULE,)},
        "map-t": {"rules": (HALL7_RULE,), "translation_prefix": DMR},
        "lw4o6": {"bindings": tuple(hall7_binding(number) for number in (0, 66, 255))},
        "ds-lite": {"aftr_name": "aftr.example.net"},
        "464xlat": {"translation_prefix": PREF64},
    }
    plain: dict[str, Any] = {
        "name": "hall7",
        "technique": technique,
        "role": PROVISIONER,
        "gateway_address": BORDER_RELAY,
        "delegations": (CUSTOMER_SPACE,),
    }
    return Service(**(plain | own[technique] | fields))


PROVISIONED = ("map-e", "map-t", "lw4o6", "ds-lite", "464xlat")


@st.composite
def map_rules(draw: st.DrawFn, ports: tuple[int, int, int] | None = None) -> MapRule:
    """Rules that DHCPv6 can carry; with ``ports`` (offset, PSID length, PSID) of those port parameters."""
    explicit = ports is not None and ports[1] > 0
    ipv4_len = 32 if explicit else draw(st.integers(8, 32))
    psid_len = 0 if explicit else draw(st.integers(0, 8))
    ea_len = 0 if explicit else 32 - ipv4_len + psid_len
    ipv6_len = draw(st.integers(16, 64 - ea_len))
    offset, explicit_len, psid = ports or (draw(st.integers(0, min(15, 16 - psid_len))), 0, 0)
    return MapRule(
        IPv6Network((draw(st.integers(0, 2**128 - 1)), ipv6_len), strict=False),
        IPv4Network((draw(st.integers(0, 2**32 - 1)), ipv4_len), strict=False),
        ea_len,
        offset if offset + psid_len <= 16 else 16 - psid_len,
        explicit_len,
        psid,
        draw(st.booleans()),
    )
