# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services that the statements of an SRX describe, whatever the language."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv4Network, summarize_address_range
from types import MappingProxyType
from typing import Any

from ...mapping.pool import Pool
from ...techniques.service import GATEWAY, Service
from .. import sessions
from ..junos import Statement
from ..junos_schema import Entry, entries
from ..naming import OURS, is_ours, owner
from ..sessions import LAST_PORT
from ..values import Leaf
from .schema import POOLS, SOFTWIRES, SOURCE_RULES, STATIC_RULES

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
_PREFIX_LENGTH = ("address-persistent", "subscriber", "ipv6-prefix-length")


def services(statements: list[Statement], wanted: tuple[Service, ...]) -> Iterator[Service]:
    """Services that a configuration describes. Raises ParseError."""
    rules = _ours(entries(statements, *SOURCE_RULES))
    static = _ours(entries(statements, *STATIC_RULES))
    softwires = entries(statements, *SOFTWIRES)
    pools = entries(statements, *POOLS)
    for entry in (*static.values(), *softwires.values()):
        if entry.at.value not in rules:
            raise entry.at.error(f"no source NAT rule is called {entry.at.value}")
    values: dict[str, Any]
    for name, rule in rules.items():
        hint = sessions.wanted_service(wanted, owner(name, {service.name for service in wanted})[0])
        if name in static and name in softwires:
            raise rule.at.error("a static NAT rule and a softwire have the same name")
        if name in static:
            techniques: tuple[str, ...] = ("nat64", "464xlat")
            facts, values = _translation(rule, static[name]), {}
        elif name in softwires:
            techniques = ("ds-lite",)
            facts, values = _softwire(rule, softwires[name])
        else:
            raise rule.at.error(f"neither a static NAT rule nor a softwire is called {name}")
        facts["filtering"] = _filtering(rule)
        facts["pool"] = _pool(rule, pools, hint.pool if hint else None, name in static, values)
        service = name.removeprefix(f"{OURS}-") if hint is None else hint.name
        yield sessions.found_service(service, hint, techniques, GATEWAY, **facts)


def _ours(rules: dict[str, Entry]) -> dict[str, Entry]:
    """Other rules in our rule set are somebody's by hand; the change takes them away."""
    return {name: entry for name, entry in rules.items() if is_ours(name)}


def _translation(rule: Entry, static: Entry) -> dict[str, Any]:
    _matches(static, "source-address", "::/0")
    if not static.has("then", "static-nat", "inet"):
        raise static.at.error("has no then static-nat inet")
    _matches(rule, "source-address", "::/0")
    # Static NAT has made the destination IPv4 before source NAT looks at it.
    _matches(rule, "destination-address", "0.0.0.0/0")
    return {"translation_prefix": static.needed("match", "destination-address").ipv6_network()}


def _softwire(rule: Entry, softwire: Entry) -> tuple[dict[str, Any], dict[str, Any]]:
    kind = softwire.leaf("softwire-type")
    if kind is not None and kind.value != "IPv4-in-IPv6":
        raise kind.error(f"{kind.value} is not IPv4-in-IPv6")
    _matches(rule, "source-address", "0.0.0.0/0")
    limit = softwire.leaf("session-limit-per-prefix")
    facts = {
        "gateway_address": softwire.needed("softwire-concentrator").ipv6(),
        "ipv6_mtu": softwire.needed("mtu-v6").integer(1280, 9192),
    }
    return facts, {"sessions_per_subscriber": _number(limit, 0, MOST_SESSIONS, 0)}


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


def _pool(
    rule: Entry, pools: dict[str, Entry], hint: Pool | None, translates: bool, values: dict[str, Any]
) -> Pool:
    name = rule.needed(*_SOURCE_NAT)
    pool = pools.get(name.value)
    if pool is None:
        raise name.error(f"no NAT pool of ours is called {name.value}")
    last = pool.leaf("port", "range", "to")
    if last is None:
        raise pool.at.error(f"has no port range to {LAST_PORT}: its ports end at {_DEFAULT_LAST_PORT}")
    if last.integer(1024, LAST_PORT) != LAST_PORT:
        raise last.error(f"ports up to {last.value}: a pool has those up to {LAST_PORT}")
    if translates:
        values = values | {"subscriber_prefix_len": _number(pool.leaf(*_PREFIX_LENGTH), 8, 128, 128)}
    return sessions.pool(
        pool.at,
        _networks(pool),
        hint,
        first_port=pool.needed("port", "range").integer(1024, LAST_PORT),
        **_quota(pool),
        **values,
    )


def _networks(pool: Entry) -> Iterator[IPv4Network]:
    """Prefixes and ranges ("A/32 to B/32") of addresses."""
    for item in pool.statements:
        if not item.starts("address"):
            continue
        first, *last = (Leaf(word, item.line, item.source) for word in item.words[1::2])
        if not last:
            yield first.ipv4_network()
            continue
        low, high = first.ipv4_network()[0], last[0].ipv4_network()[-1]
        if low > high:
            raise last[0].error(f"{high} is before {low}")
        yield from summarize_address_range(low, high)


def _quota(pool: Entry) -> dict[str, int]:
    if pool.has(*_BLOCKS):
        size = _number(pool.leaf(*_BLOCKS, "block-size"), 1, 64512, _DEFAULT_BLOCK_SIZE)
        count = _number(pool.leaf(*_BLOCKS, "maximum-blocks-per-host"), 1, MOST_BLOCKS, _DEFAULT_BLOCKS)
        return {"block_size": size, "ports_per_subscriber": size * count}
    quota = _number(pool.leaf("limit-ports-per-host"), 2, LAST_PORT, 0)
    return {"block_size": 0, "ports_per_subscriber": quota}


def _number(leaf: Leaf | None, least: int, most: int, default: int) -> int:
    return leaf.integer(least, most) if leaf is not None else default
