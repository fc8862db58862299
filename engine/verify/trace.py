# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has an IPv4 address and port, and what a customer has: from the fleet plan and session logs.

By arithmetic (rules, planes, RFC 7422), by the binding table, or by the session log of a gateway that
gives ports as they are needed. Nothing is asked of a device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from ipaddress import IPv4Address, IPv6Network
from types import MappingProxyType

from ..plan.model import FleetPlan
from ..problem import Problem, Refused
from ..techniques.service import Service
from .holders import Evidence, Fleet, Holder, Nobody, Seat
from .trace_sessions import session_holdings, session_owner
from .trace_tables import plane_holdings, plane_owner, table_holdings, table_owner


def owners(
    plan: FleetPlan, ipv4: IPv4Address, port: int | None = None, evidence: Evidence | None = None
) -> tuple[Holder, ...]:
    """Who has an address and port; several where planes overlap. Raises Refused, saying what is missing."""
    fleet, evidence = Fleet(plan), evidence or Evidence()
    found, problems = _ask(
        fleet, lambda seat: _OWNERS[seat.mapping](fleet, seat.service, ipv4, port, evidence)
    )
    if not found and not problems:
        known = ", ".join(_places(fleet)) or "none"
        problems = [Problem("ipv4", f"{ipv4} belongs to no service of the plan", f"an address of: {known}")]
    if not found:
        raise Refused(problems)
    return _most_exact(found)


def holdings(plan: FleetPlan, customer: IPv6Network, evidence: Evidence | None = None) -> tuple[Holder, ...]:
    """What a customer has in every service, by prefix or /128. Raises Refused for nobody's prefix."""
    fleet, evidence = Fleet(plan), evidence or Evidence()
    found, problems = _ask(
        fleet, lambda seat: _HOLDINGS[seat.mapping](fleet, seat.service, customer, evidence)
    )
    if not found and not problems:
        problems = [
            Problem("customer", f"{customer} is no customer's prefix of any service", _prefixes(fleet))
        ]
    if not found:
        raise Refused(problems)
    return tuple(dict.fromkeys(found))


def _ask(fleet: Fleet, question: Callable[[Seat], Iterable[Holder]]) -> tuple[list[Holder], list[Problem]]:
    found: list[Holder] = []
    problems: list[Problem] = []
    for seat in fleet:
        try:
            found += question(seat)
        except Nobody as nobody:
            problems.append(nobody.problem)
    return found, list(dict.fromkeys(problems))


def _most_exact(found: Sequence[Holder]) -> tuple[Holder, ...]:
    """In a plane the longest prefix."""
    best: dict[str, int] = {}
    for holder in found:
        best[holder.service] = max(best.get(holder.service, 0), holder.ipv4.prefixlen)
    return tuple(dict.fromkeys(holder for holder in found if holder.ipv4.prefixlen == best[holder.service]))


_Owner = Callable[[Fleet, Service, IPv4Address, "int | None", Evidence], Iterable[Holder]]
_Holdings = Callable[[Fleet, Service, IPv6Network, Evidence], Iterable[Holder]]
_OWNERS: Mapping[str, _Owner] = MappingProxyType(
    {
        "rule": table_owner,
        "binding": table_owner,
        "session": session_owner,
        "plane": plane_owner,
        "plane-table": plane_owner,
        "plane-rewrite": plane_owner,
    }
)
_HOLDINGS: Mapping[str, _Holdings] = MappingProxyType(
    {
        "rule": table_holdings,
        "binding": table_holdings,
        "session": session_holdings,
        "plane": plane_holdings,
        "plane-table": plane_holdings,
        "plane-rewrite": plane_holdings,
    }
)


def _places(fleet: Fleet) -> list[str]:
    """IPv4 networks of the services, for a message."""
    networks: dict[str, None] = {}
    for seat in fleet:
        service = seat.service
        pool = () if service.pool is None else service.pool.ipv4
        found = (*(rule.ipv4_prefix for rule in service.rules), *pool, *service.inside)
        networks |= dict.fromkeys(f"{network} ({service.name})" for network in found if network.prefixlen)
        if service.bindings:
            networks[f"{len(service.bindings)} bindings ({service.name})"] = None
    return list(networks)[:20]


def _prefixes(fleet: Fleet) -> str:
    known: dict[str, None] = {}
    for seat in fleet:
        service = seat.service
        for rule in service.rules:
            known[f"{rule.ipv6_prefix} ({service.name})"] = None
        if service.plane is not None:
            known[f"{service.plane.prefix} ({service.name})"] = None
        if service.pool is not None and service.pool.subscribers is not None:
            known[f"{service.pool.subscribers} ({service.name})"] = None
    return f"a prefix of: {', '.join(list(known)[:20]) or 'a service of the plan'}"
