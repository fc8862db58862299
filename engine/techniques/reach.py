# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node of a service attracts: routes to it, announcements, and which service a packet is for."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network
from types import MappingProxyType

from ..mapping.eam import Eam
from ..mapping.rfc6052 import Embedding
from . import TECHNIQUES
from .planes import plane_of, resolved_routes, resolved_side
from .service import B4_ADDRESS, EDGE, GATEWAY, Service

EVERYTHING = IPv4Network("0.0.0.0/0")


def ipv6_prefixes(service: Service) -> tuple[IPv6Network, ...]:
    """IPv6 destinations of a gateway or edge; none for other roles.

    Raises ValueError (MapRuleError, PlaneError) where the service does not say them.
    """
    row = TECHNIQUES[service.technique]
    find = _PREFIXES.get((row.mapping, row.carriage, service.role))
    return tuple(dict.fromkeys(find(service))) if find else ()


def ipv4_networks(service: Service) -> tuple[IPv4Network, ...]:
    """IPv4 networks whose packets it takes: a gateway by destination, an edge by source."""
    if service.role == EDGE:
        return service.inside or (EVERYTHING,)
    find = _NETWORKS.get(TECHNIQUES[service.technique].mapping)
    return tuple(dict.fromkeys(find(service))) if find and service.role == GATEWAY else ()


def explicit_hosts(service: Service) -> tuple[Eam, ...]:
    """IPv6 hosts of the domain that a gateway knows by an IPv4 address of their own (RFC 7757).

    Where there are CLATs, explicit mappings are for hosts behind them.
    """
    return service.eam if TECHNIQUES[service.technique].edge is None else ()


def _gateway(service: Service) -> Iterator[IPv6Network]:
    """Tunnels end at its addresses; what is translated has a prefix (RFC 7599 section 5.1, RFC 6146)."""
    yield IPv6Network(service.gateway_address)
    if service.translation_prefix is not None:
        yield service.translation_prefix
    for address in {binding.gateway_address for binding in service.bindings} - {None}:
        assert address is not None
        yield IPv6Network(address)


def _port_set_edge(service: Service) -> Iterator[IPv6Network]:
    yield IPv6Network(service.customer.address)


def _translating_port_set_edge(service: Service) -> Iterator[IPv6Network]:
    """One MAP address for each IPv4 address (mapping.rule.TranslatedRuleTable)."""
    customer = service.customer
    if customer.ipv4.num_addresses == 1:
        yield IPv6Network(customer.address)
    else:
        # The identifiers differ in the middle: only the whole subnet has them all.
        length = max(64, customer.end_user_prefix.prefixlen)
        yield IPv6Network((customer.address, length), strict=False)


def _softwire(service: Service) -> Iterator[IPv6Network]:
    yield IPv6Network(service.softwire_address)


def _clat(service: Service) -> Iterator[IPv6Network]:
    """Where its own prefix has the inside networks: the rest of the prefix may be in use otherwise.

    And inside hosts with an address of their own choice (RFC 7757).
    """
    own = Embedding(service.clat_prefix)
    yield IPv6Network(own.embed(B4_ADDRESS))
    if not service.inside:
        yield own.prefix
    for network in service.inside:
        yield own.embed_network(network)
    for entry in service.eam:
        if any(entry.ipv4.subnet_of(network) for network in service.inside):
            yield entry.ipv6


def _planes(service: Service) -> Iterator[IPv6Network]:
    """The IPv6 routes of its stub networks; of a node without, the plane's default (m46e-fp section 4.2)."""
    for network in service.inside or (EVERYTHING,):
        yield plane_of(service).route(network)


def _rewriting(service: Service) -> Iterator[IPv6Network]:
    """FP: the stub networks of its table. PR: everything that has its own prefix there."""
    yield IPv6Network(service.gateway_address)
    for route in resolved_routes(service):
        yield plane_of(service).route(route.ipv4)
    yield resolved_side(service).route(EVERYTHING)


_PREFIXES: Mapping[tuple[str, str, str], Callable[[Service], Iterable[IPv6Network]]] = MappingProxyType(
    {
        ("rule", "encapsulation", GATEWAY): _gateway,
        ("rule", "encapsulation", EDGE): _port_set_edge,
        ("rule", "translation", GATEWAY): _gateway,
        ("rule", "translation", EDGE): _translating_port_set_edge,
        ("binding", "encapsulation", GATEWAY): _gateway,
        ("binding", "encapsulation", EDGE): _port_set_edge,
        ("session", "encapsulation", GATEWAY): _gateway,
        ("session", "encapsulation", EDGE): _softwire,
        ("session", "translation", GATEWAY): _gateway,
        ("session", "translation", EDGE): _clat,
        ("plane", "encapsulation", GATEWAY): _planes,
        ("plane", "encapsulation", EDGE): _planes,
        ("plane-table", "encapsulation", GATEWAY): _planes,
        ("plane-table", "encapsulation", EDGE): _planes,
        ("plane-rewrite", "encapsulation", GATEWAY): _rewriting,
    }
)


def _rule_networks(service: Service) -> Iterator[IPv4Network]:
    return (rule.ipv4_prefix for rule in service.rules)


def _binding_networks(service: Service) -> Iterator[IPv4Network]:
    return aggregated(int(binding.ipv4) for binding in service.bindings)


def _pool_networks(service: Service) -> Iterator[IPv4Network]:
    if service.pool is not None:
        yield from service.pool.ipv4
    yield from (entry.ipv4 for entry in explicit_hosts(service))


def _plane_networks(service: Service) -> Iterable[IPv4Network]:
    """What is in the plane elsewhere, as far as it is listed; whose default is the plane says so himself."""
    elsewhere = {route.ipv4 for route in service.plane_routes} - {EVERYTHING, *service.inside}
    return sorted(elsewhere)


_NETWORKS: Mapping[str, Callable[[Service], Iterable[IPv4Network]]] = MappingProxyType(
    {
        "rule": _rule_networks,
        "binding": _binding_networks,
        "session": _pool_networks,
        "plane": _plane_networks,
        "plane-table": _plane_networks,
    }
)


def aggregated(addresses: Iterable[int]) -> Iterator[IPv4Network]:
    """The fewest networks that hold exactly these addresses; a million takes a second."""
    numbers = sorted(set(addresses))
    at = 0
    while at < len(numbers):
        first = last = numbers[at]
        while at + 1 < len(numbers) and numbers[at + 1] == last + 1:
            at, last = at + 1, last + 1
        yield from _blocks(first, last)
        at += 1


def _blocks(first: int, last: int) -> Iterator[IPv4Network]:
    while first <= last:
        bits = min((first & -first or 1 << 32).bit_length() - 1, (last - first + 1).bit_length() - 1)
        yield IPv4Network((first, 32 - bits))
        first += 1 << bits
