# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has an IPv4 address and port, and what a customer has: from the fleet plan and session logs.

By arithmetic (rules, planes, RFC 7422), by the binding table, or by the session log of a gateway that
gives ports as they are needed. Nothing is asked of a device.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from types import MappingProxyType

from ..mapping.binding import BindingTable
from ..mapping.pool import RANDOM, Deterministic, Pool, PoolError
from ..mapping.rule import Entitlement, RuleTable
from ..plan.model import FleetPlan, NodePlan
from ..problem import Problem, Refused
from ..techniques import TECHNIQUES
from ..techniques.service import EDGE, GATEWAY, Service
from .session_log import Lease

ARITHMETIC = "arithmetic of the mapping rule"
BINDING = "binding table"
PLANE = "plane"
DETERMINISTIC = "deterministic NAT"
LOG = "session log"

Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A customer with IPv4 addresses and ports of a service; no ranges means every port."""

    service: str
    technique: str
    evidence: str  # what proves it
    ipv4: IPv4Network
    ports: Ranges = ()
    customer: IPv6Network | None = None  # End-user or subscriber prefix; of a plane its IPv6 route
    address: IPv6Address | None = None  # tunnel address, where the mapping says it
    node: str | None = None  # the edge of the plan, where it is one
    psid: int | None = None
    rule: str = ""
    since: str = ""  # of a log
    until: str = ""  # empty: not released


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What there is beside the plan."""

    moment: datetime | None = None  # when it happened
    protocol: int = 0  # IP protocol number; 0: any
    leases: Sequence[Lease] = ()  # of session logs
    key: bytes = field(default=b"", repr=False)  # of deterministic NAT with the algorithm random


class Nobody(Exception):
    """A service has the address, but no answer: which option is wrong, why, what would be right."""

    def __init__(self, option: str, wrong: str, right: str) -> None:
        self.problem = Problem(option, wrong, right)
        super().__init__(str(self.problem))


@dataclass(frozen=True, slots=True)
class Seat:
    """A service as a node of the plan has it."""

    node: NodePlan
    service: Service


class Fleet:
    """A plan, arranged for questions."""

    def __init__(self, plan: FleetPlan) -> None:
        self.seats = [
            Seat(node, service)
            for node in plan.nodes.values()
            for service in node.services
            if service.role in (GATEWAY, EDGE)
        ]
        self._tables: dict[int, RuleTable | BindingTable] = {}  # by id of the service, which the plan keeps

    def table(self, service: Service) -> RuleTable | BindingTable:
        """Its rules or bindings, compiled once: there may be a million."""
        found = self._tables.get(id(service))
        if found is None:
            found = self._tables[id(service)] = service.address_table()
        return found

    def __iter__(self) -> Iterator[Seat]:
        """One seat for each way to answer: equal gateways are one; every node of a plane."""
        seen: list[Service] = []
        for seat in self.seats:
            plane = TECHNIQUES[seat.service.technique].mapping.startswith("plane")
            if (plane or seat.service.role == GATEWAY) and seat.service not in seen:
                seen.append(seat.service)
                yield seat

    def edge(self, service: str, address: IPv6Address | IPv6Network) -> Seat | None:
        """The edge of a service whose End-user prefix holds an address, or is in a prefix."""
        for seat in self.seats:
            own = seat.service.end_user_prefix
            if seat.service.name != service or seat.service.role != EDGE or own is None:
                continue
            if address in own if isinstance(address, IPv6Address) else own.overlaps(address):
                return seat
        return None


def owners(
    plan: FleetPlan, ipv4: IPv4Address, port: int | None = None, evidence: Evidence | None = None
) -> tuple[Holder, ...]:
    """Who has an address and port; several where planes overlap. Raises Refused, saying what is missing."""
    fleet, evidence = Fleet(plan), evidence or Evidence()
    found, problems = _ask(
        fleet, lambda seat: _OWNERS[_mapping(seat)](fleet, seat.service, ipv4, port, evidence)
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
        fleet, lambda seat: _HOLDINGS[_mapping(seat)](fleet, seat.service, customer, evidence)
    )
    if not found and not problems:
        problems = [
            Problem("customer", f"{customer} is no customer's prefix of any service", _prefixes(fleet))
        ]
    if not found:
        raise Refused(problems)
    return tuple(dict.fromkeys(found))


def _mapping(seat: Seat) -> str:
    return TECHNIQUES[seat.service.technique].mapping


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


# Rules and bindings


def holder_in_table(fleet: Fleet, service: Service, entitlement: Entitlement) -> Holder:
    """The customer of a rule or binding."""
    table = fleet.table(service)
    address = IPv6Address(entitlement.address)
    rule = table.rule_for_ipv6(entitlement.address) if isinstance(table, RuleTable) else None
    edge = fleet.edge(service.name, address)
    customer = None if edge is None else edge.service.end_user_prefix
    if rule is not None:
        customer = IPv6Network((address, rule.customer_prefix_len), strict=False)
    ports = entitlement.ports
    return Holder(
        service=service.name,
        technique=service.technique,
        evidence=BINDING if rule is None else ARITHMETIC,
        ipv4=IPv4Network((entitlement.ipv4, entitlement.ipv4_mask.bit_count())),
        ports=tuple(ports.ranges()) if ports.shared else (),
        customer=customer,
        address=address,
        node=None if edge is None else edge.node.name,
        psid=ports.psid if ports.shared else None,
        rule=""
        if rule is None
        else f"{rule.ipv6_prefix} {rule.ipv4_prefix} EA {rule.ea_len} offset {rule.psid_offset}",
    )


def _table_owner(
    fleet: Fleet, service: Service, ipv4: IPv4Address, port: int | None, evidence: Evidence
) -> Iterator[Holder]:
    table = fleet.table(service)
    if not table.covers(int(ipv4)):
        return
    if port is None and table.shared(int(ipv4)):
        raise Nobody(
            "port", f"{ipv4} is shared in {service.name}", "the port, which says whose packet it was"
        )
    softwire = table.softwire(int(ipv4), port)
    entitlement = None if softwire is None else table.entitlement(softwire)
    if entitlement is None:
        raise Nobody("port", f"port {port} of {ipv4} is no customer's in {service.name}", _given(table, ipv4))
    yield holder_in_table(fleet, service, entitlement)


def _given(table: RuleTable | BindingTable, ipv4: IPv4Address) -> str:
    rule = table.rule_for_ipv4(int(ipv4)) if isinstance(table, RuleTable) else None
    if rule is None or not rule.psid_offset:
        return "a port that was given out"
    return f"a port from {1 << 16 - rule.psid_offset} on: those below are excluded"


def _table_holdings(
    fleet: Fleet, service: Service, customer: IPv6Network, evidence: Evidence
) -> Iterator[Holder]:
    table = fleet.table(service)
    if not isinstance(table, RuleTable):
        for binding in service.bindings:
            entitlement = table.entitlement(int(binding.softwire)) if binding.softwire in customer else None
            if entitlement is not None:
                yield holder_in_table(fleet, service, entitlement)
        return
    first = int(customer.network_address)
    rule, entitlement = table.rule_for_ipv6(first), table.entitlement(first)
    if rule is None or entitlement is None:
        return
    if customer.prefixlen < rule.customer_prefix_len:
        count = 1 << rule.customer_prefix_len - customer.prefixlen
        right = f"one customer's prefix: a /{rule.customer_prefix_len}"
        raise Nobody("customer", f"{customer} has room for {count} customers of {service.name}", right)
    yield holder_in_table(fleet, service, entitlement)


# Sessions


def _session_owner(
    fleet: Fleet, service: Service, ipv4: IPv4Address, port: int | None, evidence: Evidence
) -> Iterator[Holder]:
    pool = service.pool
    if pool is None or not any(ipv4 in network for network in pool.ipv4):
        return
    if port is None:
        raise Nobody(
            "port", f"{ipv4} is shared in {service.name}", "the port, which says whose packet it was"
        )
    if pool.deterministic:
        arithmetic = _arithmetic(service, evidence)
        owner = arithmetic.owner(int(ipv4), port)
        if owner == "reserved":
            raise Nobody("port", f"port {port} of {ipv4} is never given in {service.name}", "another port")
        if isinstance(owner, int):
            yield _numbered(fleet, service, arithmetic, owner, int(ipv4))
            return
    yield from _logged(fleet, service, pool, evidence, ipv4, port)


def _session_holdings(
    fleet: Fleet, service: Service, customer: IPv6Network, evidence: Evidence
) -> Iterator[Holder]:
    pool = service.pool
    if pool is None:
        return
    if pool.deterministic and pool.subscribers is not None and customer.overlaps(pool.subscribers):
        if customer.prefixlen < pool.subscriber_prefix_len:
            right = f"one subscriber's prefix: a /{pool.subscriber_prefix_len}"
            raise Nobody("customer", f"{customer} has many subscribers of {service.name}", right)
        arithmetic = _arithmetic(service, evidence)
        number = pool.number(int(customer.network_address))
        for address in arithmetic.ports(number):
            yield _numbered(fleet, service, arithmetic, number, address)
    for lease in _leases_of(pool, evidence):
        if lease.subscriber(pool.subscriber_prefix_len).overlaps(customer) and _at(lease, evidence):
            yield _of_lease(fleet, service, pool, lease)


def _arithmetic(service: Service, evidence: Evidence) -> Deterministic:
    assert service.pool is not None
    try:
        if service.pool.algorithm == RANDOM and not evidence.key:
            raise Nobody("key", f"{service.name} gives ports in a keyed order", "the key of the gateways")
        return service.pool.arithmetic(evidence.key)
    except PoolError as error:
        raise Nobody("plan", f"{service.name}: {error}", "a plan without this error") from error


def _numbered(fleet: Fleet, service: Service, arithmetic: Deterministic, number: int, ipv4: int) -> Holder:
    assert service.pool is not None
    prefix = service.pool.subscriber(number)
    edge = fleet.edge(service.name, prefix)
    return Holder(
        service=service.name,
        technique=service.technique,
        evidence=DETERMINISTIC,
        ipv4=IPv4Network(ipv4),
        ports=ranges_of(arithmetic.ports(number)[ipv4]),
        customer=prefix,
        node=None if edge is None else edge.node.name,
    )


def ranges_of(ports: Sequence[int]) -> Ranges:
    """The fewest ranges that hold exactly these ports, each once."""
    if isinstance(ports, range) and ports.step == 1 and ports:
        return ((ports[0], ports[-1]),)
    found: list[tuple[int, int]] = []
    for port in sorted(ports):
        if found and found[-1][1] == port - 1:
            found[-1] = (found[-1][0], port)
        else:
            found.append((port, port))
    return tuple(found)


def _logged(
    fleet: Fleet, service: Service, pool: Pool, evidence: Evidence, ipv4: IPv4Address, port: int
) -> Iterator[Holder]:
    leases = list(_leases_of(pool, evidence))
    if not leases:
        right = "the session log of its gateway, and the time"
        raise Nobody("logs", f"only a log says who had port {port} of {ipv4} in {service.name}", right)
    if evidence.moment is None:
        raise Nobody("time", f"{service.name} gives ports again and again", "the time, to the second")
    held = [lease for lease in leases if lease.ipv4 == ipv4 and lease.first_port <= port <= lease.last_port]
    found = [lease for lease in held if _at(lease, evidence)]
    if not found:
        wrong = f"nobody had port {port} of {ipv4} in {service.name} at {evidence.moment.isoformat()}"
        others = "; ".join(f"{lease.since.isoformat()} to {_end(lease)}" for lease in held[:5])
        raise Nobody("time", wrong, f"a time when somebody had it: {others or 'none in the logs'}")
    for lease in found:
        yield _of_lease(fleet, service, pool, lease)


def _leases_of(pool: Pool, evidence: Evidence) -> Iterator[Lease]:
    """Of the pool, and of the protocol that is asked for."""
    for lease in evidence.leases:
        if 0 not in (lease.protocol, evidence.protocol) and lease.protocol != evidence.protocol:
            continue
        if any(lease.ipv4 in network for network in pool.ipv4):
            yield lease


def _at(lease: Lease, evidence: Evidence) -> bool:
    return evidence.moment is None or lease.holds(evidence.moment)


def _end(lease: Lease) -> str:
    return "" if lease.until is None else lease.until.isoformat()


def _of_lease(fleet: Fleet, service: Service, pool: Pool, lease: Lease) -> Holder:
    subscriber = lease.subscriber(pool.subscriber_prefix_len)
    edge = fleet.edge(service.name, subscriber)
    return Holder(
        service=service.name,
        technique=service.technique,
        evidence=LOG,
        ipv4=IPv4Network(lease.ipv4),
        ports=((lease.first_port, lease.last_port),),
        customer=subscriber,
        address=None if subscriber[0] == lease.realm else lease.realm,
        node=None if edge is None else edge.node.name,
        since=lease.since.isoformat(),
        until=_end(lease),
    )


# Planes


def holder_in_plane(seat: Seat, network: IPv4Network) -> Holder:
    """A stub network of a plane."""
    plane = seat.service.plane
    assert plane is not None
    return Holder(
        service=seat.service.name,
        technique=seat.service.technique,
        evidence=PLANE,
        ipv4=network,
        customer=plane.route(network),
        node=seat.node.name,
        rule=f"{plane.prefix} plane {plane.plane_id}",
    )


def _plane_seats(fleet: Fleet, service: Service) -> Iterator[tuple[Seat, IPv4Network]]:
    """The nodes that this very service is of, with their stub networks.

    A PT has none, and what is behind the way out of a plane is nobody's in it.
    """
    for seat in fleet.seats:
        if seat.service == service and _mapping(seat) != "plane-rewrite":
            yield from ((seat, network) for network in service.inside if network.prefixlen)


def _plane_owner(
    fleet: Fleet, service: Service, ipv4: IPv4Address, port: int | None, evidence: Evidence
) -> Iterator[Holder]:
    for seat, network in _plane_seats(fleet, service):
        if ipv4 in network:
            yield holder_in_plane(seat, network)


def _plane_holdings(
    fleet: Fleet, service: Service, customer: IPv6Network, evidence: Evidence
) -> Iterator[Holder]:
    for seat, network in _plane_seats(fleet, service):
        holder = holder_in_plane(seat, network)
        assert holder.customer is not None
        own = service.end_user_prefix
        if holder.customer.overlaps(customer) or (own is not None and own.overlaps(customer)):
            yield holder


_Owner = Callable[[Fleet, Service, IPv4Address, "int | None", Evidence], Iterable[Holder]]
_Holdings = Callable[[Fleet, Service, IPv6Network, Evidence], Iterable[Holder]]
_OWNERS: Mapping[str, _Owner] = MappingProxyType(
    {
        "rule": _table_owner,
        "binding": _table_owner,
        "session": _session_owner,
        "plane": _plane_owner,
        "plane-table": _plane_owner,
        "plane-rewrite": _plane_owner,
    }
)
_HOLDINGS: Mapping[str, _Holdings] = MappingProxyType(
    {
        "rule": _table_holdings,
        "binding": _table_holdings,
        "session": _session_holdings,
        "plane": _plane_holdings,
        "plane-table": _plane_holdings,
        "plane-rewrite": _plane_holdings,
    }
)


def _places(fleet: Fleet) -> list[str]:
    """IPv4 networks of the services, for a message."""
    networks: dict[str, None] = {}
    for seat in fleet:
        service = seat.service
        pool = () if service.pool is None else service.pool.ipv4
        found = (*(rule.ipv4_prefix for rule in service.rules), *pool, *service.inside)
        networks |= dict.fromkeys(f"{network} ({service.name})" for network in found)
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
