# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services of a node can be on the fast path together, and in which order they are asked.

The core finds a packet's service by longest match over all of them (services.py); programs ask one service
after the other. Where the two could differ, the service is left to the core.
"""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Callable, Iterable, Mapping
from ipaddress import IPv4Network, IPv6Network
from typing import NamedTuple

from ...techniques.reach import ipv4_networks, ipv6_prefixes
from ...techniques.service import EDGE, Service
from ..namespace import HOME


class Order(NamedTuple):
    """Services in the order in which they are asked, and why the others are not among them, by name."""

    services: tuple[Service, ...]
    reasons: Mapping[str, str]


class Ranges:
    """Addresses of some networks as ranges of numbers, asked by bisection."""

    def __init__(self, networks: Iterable[IPv4Network]) -> None:
        pairs = sorted((int(n.network_address), int(n.broadcast_address)) for n in networks)
        self._first = [first for first, _ in pairs]
        self._last: list[int] = []  # the greatest so far
        for _, last in pairs:
            self._last.append(max(last, self._last[-1]) if self._last else last)

    def meets(self, first: int, last: int) -> bool:
        """Whether an address from first to last is in one of them."""
        at = bisect_right(self._first, last)
        return at > 0 and self._last[at - 1] >= first

    def hold(self, first: int, last: int) -> bool:
        """Whether all from first to last are in one of them."""
        at = bisect_right(self._first, first)
        return at > 0 and self._last[at - 1] >= last


def order(services: Iterable[Service], problem: Callable[[Service], str]) -> Order:
    """`problem` says why there is no program for a service."""
    services = tuple(services)
    reasons = {s.name: reason for s in services if (reason := _alone(s) or problem(s))}
    here = [service for service in services if service.namespace == HOME]
    reasons = _apart(here) | reasons
    edges = [s for s in here if s.role == EDGE and s.inside]
    core = next((edge.name for edge in edges if edge.name in reasons), "")
    if core:
        # It takes the packets of its own hosts before a gateway sees them.
        asked = f"{core} is asked before it, and is not on the fast path"
        reasons = {s.name: asked for s in here if s.role != EDGE} | reasons
    chosen = [service for service in services if service.name not in reasons]
    return Order(tuple(sorted(chosen, key=_rank)), reasons)


def _alone(service: Service) -> str:
    if service.namespace != HOME:
        return f"its IPv4 side is in the network namespace {service.namespace}"
    return ""


def _rank(service: Service) -> int:
    """As Natives: an edge's own hosts, a gateway's customers, an edge that takes the rest."""
    if service.role == EDGE:
        return 0 if service.inside else 2
    return 1


def _apart(here: list[Service]) -> dict[str, str]:
    """Services that share addresses with one beside them."""
    reasons: dict[str, str] = {}
    if len(here) < 2:
        return reasons
    gateways = [service for service in here if service.role != EDGE]
    edges = [service for service in here if service.role == EDGE and service.inside]
    for alike in (gateways, edges):
        known: list[tuple[str, Ranges]] = []
        for service in alike:
            networks = ipv4_networks(service)
            for name, ranges in known:
                if any(ranges.meets(int(n[0]), int(n[-1])) for n in networks):
                    reasons[service.name] = f"its IPv4 networks are also those of {name}"
                    reasons[name] = f"its IPv4 networks are also those of {service.name}"
            known.append((service.name, Ranges(networks)))
    prefixes = {service.name: ipv6_prefixes(service) for service in here}
    for name, own in prefixes.items():
        for other, others in prefixes.items():
            if name != other and _overlap(own, others):
                reasons[name] = f"its IPv6 prefixes are also those of {other}"
    return reasons


def _overlap(some: tuple[IPv6Network, ...], others: tuple[IPv6Network, ...]) -> bool:
    wide = [prefix for prefix in some if prefix.prefixlen < 128]
    return any(prefix.overlaps(other) for prefix in wide for other in others)
