# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DS-Lite and NAT64 on the services card of an MX: terms for the templates, and services read back."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv6Network
from typing import Any

from ...mapping.pool import Pool
from ...plan.model import NodePlan
from ...techniques.service import GATEWAY, Service
from .. import assembly, sessions
from ..junos import Statement
from ..junos_schema import Entry, entries
from ..naming import OURS, owner, rule_name
from ..sessions import LAST_PORT, MOST_BLOCK_SIZE, Wish
from .schema import CONCENTRATORS, NAT_POOLS, NAT_RULES, SERVICE_SETS

NAPT44, NAT64 = "napt-44", "stateful-nat64"
TERM = "t1"
ENDPOINT_INDEPENDENT = "endpoint-independent"
ANY_FILTERING = "address-and-port-dependent"  # what the device does where nothing says otherwise
PREFIX_LENGTHS = (56, 64, 96, 128)  # of dslite-ipv6-prefix-length
_DEFAULT_PREFIX_LENGTH = 128
_MOST_BLOCKS, _DEFAULT_BLOCKS, _DEFAULT_BLOCK_SIZE = 512, 8, 128
_MOST_PORTS, _MOST_SESSIONS = 65435, 16384
_TRANSLATED = ("term", TERM, "then", "translated")


def check(node: NodePlan) -> None:
    """Raises Refused for what the card cannot do. One DS-Lite service: to NAT all softwires look alike."""
    encapsulates = any(service.translation_prefix is None for service in node.services)
    sessions.check(node, _unable, 1 if encapsulates else None)


def _unable(service: Service) -> Iterable[Wish]:
    pool = service.pool
    assert pool is not None
    if service.filtering != ENDPOINT_INDEPENDENT:
        wrong = f"filters by nothing or by address and port, not {service.filtering}"
        yield Wish("filtering", wrong, ENDPOINT_INDEPENDENT)
    yield from sessions.out_of("sharing.reserved_ports", "a first port", pool.first_port, 1, LAST_PORT)
    yield from sessions.quota_wishes(pool, _MOST_BLOCKS, _MOST_PORTS)
    if service.translation_prefix is None:
        yield from _unable_softwire(pool)


def _unable_softwire(pool: Pool) -> Iterable[Wish]:
    if pool.subscriber_prefix_len not in PREFIX_LENGTHS:
        lengths = ", ".join(map(str, PREFIX_LENGTHS))
        wrong = f"knows customers by prefixes of {lengths} bits, not {pool.subscriber_prefix_len}"
        yield Wish("customers.prefix_length", wrong, f"one of {lengths}")
    yield from sessions.out_of(
        "sharing", "sessions of a customer", pool.sessions_per_subscriber, 0, _MOST_SESSIONS
    )


def terms(service: Service) -> dict[str, Any]:
    """What the templates write of a service."""
    pool = service.pool
    assert pool is not None
    return {
        "name": rule_name(service.name, 0),
        "addresses": sorted(map(str, pool.ipv4)),
        "first_port": pool.first_port,
        "last_port": LAST_PORT,
        "block_size": pool.block_size,
        "blocks": sessions.blocks_of(pool),
        "quota": 0 if pool.block_size else pool.ports_per_subscriber,
        "softwire_address": service.gateway_address,
        "mtu_v6": service.ipv6_mtu,
        "session_limit": pool.sessions_per_subscriber,
        "subscriber_prefix_len": pool.subscriber_prefix_len,
        "prefix": service.translation_prefix,
    }


@dataclass(frozen=True, slots=True)
class _Objects:
    """What is ours on the device beside the NAT rules, by name."""

    pools: dict[str, Entry]
    softwires: dict[str, Entry]
    service_set: Entry | None


def services(statements: list[Statement], wanted: tuple[Service, ...]) -> list[Service]:
    """Services with a NAPT that a configuration describes: each has a NAT rule. Raises ParseError."""
    objects = _Objects(
        entries(statements, *NAT_POOLS),
        entries(statements, *CONCENTRATORS, "ds-lite"),
        entries(statements, *SERVICE_SETS).get(OURS),
    )
    rules = entries(statements, *NAT_RULES)
    for softwire in objects.softwires.values():
        if softwire.at.value not in rules:
            raise softwire.at.error(f"no NAT rule is called {softwire.at.value}")
    return [_service(rule, objects, wanted) for rule in rules.values()]


def _service(rule: Entry, objects: _Objects, wanted: tuple[Service, ...]) -> Service:
    name = rule.at.value
    hint = assembly.wanted_service(wanted, owner(name, {service.name for service in wanted})[0])
    service = name.removeprefix(f"{OURS}-") if hint is None else hint.name
    own = hint.pool if hint else None
    facts: dict[str, Any] = {"filtering": _filtering(rule)}
    kind = rule.needed(*_TRANSLATED, "translation-type")
    if kind.value == NAT64:
        facts |= {"translation_prefix": _prefix(rule), "pool": _pool(rule, objects.pools, own)}
        return sessions.found_service(service, hint, ("nat64", "464xlat"), GATEWAY, **facts)
    if kind.value != NAPT44:
        raise kind.error(f"{kind.value} is not {NAPT44} or {NAT64}")
    softwire = objects.softwires.get(name)
    if softwire is None:
        raise rule.at.error(f"no ds-lite concentrator is called {name}")
    values = _softwire_values(softwire, objects.service_set)
    facts |= _softwire_facts(softwire) | {"pool": _pool(rule, objects.pools, own, **values)}
    return sessions.found_service(service, hint, ("ds-lite",), GATEWAY, **facts)


def _filtering(rule: Entry) -> str:
    given = rule.leaf(*_TRANSLATED, "filtering-type")
    mapping = rule.leaf(*_TRANSLATED, "mapping-type")
    return given.value if given is not None and mapping is not None else ANY_FILTERING


def _prefix(rule: Entry) -> IPv6Network:
    given = rule.needed(*_TRANSLATED, "destination-prefix")
    prefix = given.ipv6_network()
    matched = rule.needed("term", TERM, "from", "destination-address")
    if matched.ipv6_network() != prefix:
        raise matched.error(f"{matched.value} is matched, but {prefix} is translated")
    return prefix


def _softwire_facts(softwire: Entry) -> dict[str, Any]:
    return {
        "gateway_address": softwire.needed("softwire-address").ipv6(),
        "ipv6_mtu": softwire.needed("mtu-v6").integer(1280, 9192),
    }


def _softwire_values(softwire: Entry, service_set: Entry | None) -> dict[str, int]:
    length = service_set.leaf("softwire-options", "dslite-ipv6-prefix-length") if service_set else None
    limit = softwire.number("session-limit-per-prefix", least=0, most=_MOST_SESSIONS, default=0)
    return {
        "sessions_per_subscriber": limit,
        "subscriber_prefix_len": length.integer(0, 128) if length else _DEFAULT_PREFIX_LENGTH,
    }


def _pool(rule: Entry, pools: dict[str, Entry], hint: Pool | None, **values: int) -> Pool:
    name = rule.needed(*_TRANSLATED, "source-pool")
    pool = pools.get(name.value)
    if pool is None:
        raise name.error(f"no NAT pool of ours is called {name.value}")
    high = pool.needed("port", "range", "high")
    if high.integer(1, LAST_PORT) != LAST_PORT:
        raise high.error(f"ports up to {high.value}: a pool has those up to {LAST_PORT}")
    return sessions.pool(
        pool.at,
        [leaf.ipv4_network() for leaf in pool.all("address")],
        hint,
        first_port=pool.needed("port", "range", "low").integer(1, LAST_PORT),
        **_quota(pool),
        **values,
    )


def _quota(pool: Entry) -> dict[str, int]:
    blocks = ("port", "secured-port-block-allocation")
    if pool.has(*blocks):
        size = pool.number(*blocks, "block-size", least=1, most=MOST_BLOCK_SIZE, default=_DEFAULT_BLOCK_SIZE)
        count = pool.number(
            *blocks, "max-blocks-per-address", least=1, most=_MOST_BLOCKS, default=_DEFAULT_BLOCKS
        )
        return {"block_size": size, "ports_per_subscriber": size * count}
    quota = pool.number("limit-ports-per-address", least=2, most=_MOST_PORTS, default=0)
    return {"block_size": 0, "ports_per_subscriber": quota}
