# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that the statements of an SRX describe, whatever the language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from ipaddress import IPv4Network, summarize_address_range
from types import MappingProxyType
from typing import Any

from ...mapping.pool import Pool
from ...techniques.service import EDGE, GATEWAY, Service
from .. import assembly, sessions
from ..junos import Statement
from ..junos_schema import Entry, entries
from ..naming import OURS, is_ours, owner
from ..sessions import LAST_PORT, MOST_BLOCK_SIZE
from ..values import Leaf
from . import map_e
from .schema import MAP_DOMAINS, POOLS, SOFTWIRES, SOURCE_RULES, STATIC_RULES

# What persistent-nat permits -> how Service.filtering calls it.
PERMITS: Mapping[str, str] = MappingProxyType(
    {"any-remote-host": "endpoint-independent", "target-host": "address-dependent"}
)
# Of a source NAT without persistent-nat, and of target-host-port.
STRICTEST = "address-and-port-dependent"
MOST_BLOCKS, MOST_SESSIONS = 512, 16384
_DEFAULT_BLOCKS, _DEFAULT_BLOCK_SIZE = 8, 128
_DEFAULT_LAST_PORT = 63487
_SOURCE_NAT = ("then", "source-nat", "pool")
_PERSISTENT = (*_SOURCE_NAT, "persistent-nat", "permit")
_BLOCKS = ("port", "block-allocation")
_MOST_PER_HOST = "maximum-blocks-per-host"
_PREFIX_LENGTH = ("address-persistent", "subscriber", "ipv6-prefix-length")


@dataclass(frozen=True, slots=True)
class _Objects:
    """What is ours on the device beside the source NAT rules, each by name."""

    pools: dict[str, Entry]
    static: dict[str, Entry]
    softwires: dict[str, Entry]
    domains: dict[str, Entry]


def services(statements: list[Statement], wanted: tuple[Service, ...]) -> Iterator[Service]:
    """Services that a configuration describes: each has a source NAT rule. Raises ParseError."""
    objects = _Objects(
        entries(statements, *POOLS),
        _ours(entries(statements, *STATIC_RULES)),
        entries(statements, *SOFTWIRES),
        entries(statements, *MAP_DOMAINS),
    )
    rules = _ours(entries(statements, *SOURCE_RULES))
    for entry in (*objects.static.values(), *objects.softwires.values()):
        if entry.at.value not in rules:
            raise entry.at.error(f"no source NAT rule is called {entry.at.value}")
    for name, rule in rules.items():
        hint = assembly.wanted_service(wanted, owner(name, {service.name for service in wanted})[0])
        service = name.removeprefix(f"{OURS}-") if hint is None else hint.name
        yield _service(rule, objects, service, hint)
    used = {leaf.value for pool in objects.pools.values() for leaf in pool.all("allocation-domain")}
    for domain in objects.domains.values():
        if domain.at.value not in used:
            raise domain.at.error("no NAT pool of ours takes its ports")


def _ours(rules: dict[str, Entry]) -> dict[str, Entry]:
    """Other rules in our rule set are somebody's by hand; the change takes them away."""
    return {name: entry for name, entry in rules.items() if is_ours(name)}


def _service(rule: Entry, objects: _Objects, name: str, hint: Service | None) -> Service:
    of_pool = rule.needed(*_SOURCE_NAT)
    pool = objects.pools.get(of_pool.value)
    if pool is None:
        raise of_pool.error(f"no NAT pool of ours is called {of_pool.value}")
    static, softwire = objects.static.get(rule.at.value), objects.softwires.get(rule.at.value)
    facts: dict[str, Any] = {"filtering": _filtering(rule)}
    own = hint.pool if hint else None
    if (of_domain := pool.leaf("allocation-domain")) is not None:
        _matches(rule, "source-address", "0.0.0.0/0")
        domain = objects.domains.get(of_domain.value)
        if domain is None:
            raise of_domain.error(f"no MAP-E domain of ours is called {of_domain.value}")
        return sessions.found_service(name, hint, ("map-e",), EDGE, **facts, **map_e.facts(domain, hint))
    if static is not None and softwire is None:
        length = pool.number(*_PREFIX_LENGTH, least=8, most=128, default=128)
        facts |= _translation(rule, static) | {"pool": _pool(pool, own, subscriber_prefix_len=length)}
        return sessions.found_service(name, hint, ("nat64", "464xlat"), GATEWAY, **facts)
    if softwire is not None and static is None:
        limit = softwire.number("session-limit-per-prefix", least=0, most=MOST_SESSIONS, default=0)
        facts |= _softwire(rule, softwire) | {"pool": _pool(pool, own, sessions_per_subscriber=limit)}
        return sessions.found_service(name, hint, ("ds-lite",), GATEWAY, **facts)
    which = "neither a static NAT rule nor" if static is None else "both a static NAT rule and"
    raise rule.at.error(f"{which} a softwire is called {rule.at.value}")


def _translation(rule: Entry, static: Entry) -> dict[str, Any]:
    _matches(static, "source-address", "::/0")
    if not static.has("then", "static-nat", "inet"):
        raise static.at.error("has no then static-nat inet")
    _matches(rule, "source-address", "::/0")
    # Static NAT has made the destination IPv4 before source NAT looks at it.
    _matches(rule, "destination-address", "0.0.0.0/0")
    return {"translation_prefix": static.needed("match", "destination-address").ipv6_network()}


def _softwire(rule: Entry, softwire: Entry) -> dict[str, Any]:
    kind = softwire.leaf("softwire-type")
    if kind is not None and kind.value != "IPv4-in-IPv6":
        raise kind.error(f"{kind.value} is not IPv4-in-IPv6")
    _matches(rule, "source-address", "0.0.0.0/0")
    return {
        "gateway_address": softwire.needed("softwire-concentrator").ipv6(),
        "ipv6_mtu": softwire.needed("mtu-v6").integer(1280, 9192),
    }


def _matches(rule: Entry, word: str, only: str) -> None:
    found = rule.all("match", word)
    other = next((leaf for leaf in found if leaf.value != only), None)
    if other is not None:
        raise other.error(f"{other.value} is not {only}: whatever else comes is not translated")
    if not found:
        raise rule.at.error(f"has no match {word}")


def _filtering(rule: Entry) -> str:
    permit = rule.leaf(*_PERSISTENT)
    return PERMITS.get(permit.value, STRICTEST) if permit is not None else STRICTEST


def _pool(pool: Entry, hint: Pool | None, **values: int) -> Pool:
    last = pool.leaf("port", "range", "to")
    if last is None:
        raise pool.at.error(f"has no port range to {LAST_PORT}: its ports end at {_DEFAULT_LAST_PORT}")
    if last.integer(1024, LAST_PORT) != LAST_PORT:
        raise last.error(f"ports up to {last.value}: a pool has those up to {LAST_PORT}")
    first = pool.needed("port", "range").integer(1024, LAST_PORT)
    return sessions.pool(pool.at, _networks(pool), hint, first_port=first, **_quota(pool), **values)


def _networks(pool: Entry) -> Iterator[IPv4Network]:
    """Prefixes and ranges ("A/32 to B/32") of addresses."""
    for item in pool.statements:
        if not item.starts("address"):
            continue
        first, *last = (Leaf(word, item.line, item.source) for word in item.words[1:] or ("",))
        if not last:
            yield first.ipv4_network()
            continue
        if len(last) != 2 or last[0].value != "to":
            raise first.error("is neither a prefix nor a range such as 192.0.2.1/32 to 192.0.2.9/32")
        low, high = first.ipv4_network()[0], last[1].ipv4_network()[-1]
        if low > high:
            raise last[1].error(f"{high} is before {low}")
        yield from summarize_address_range(low, high)


def _quota(pool: Entry) -> dict[str, int]:
    if pool.has(*_BLOCKS):
        size = pool.number(*_BLOCKS, "block-size", least=1, most=MOST_BLOCK_SIZE, default=_DEFAULT_BLOCK_SIZE)
        count = pool.number(*_BLOCKS, _MOST_PER_HOST, least=1, most=MOST_BLOCKS, default=_DEFAULT_BLOCKS)
        return {"block_size": size, "ports_per_subscriber": size * count}
    quota = pool.number("limit-ports-per-host", least=2, most=LAST_PORT, default=0)
    return {"block_size": 0, "ports_per_subscriber": quota}
