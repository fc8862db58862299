# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracing what a gateway gives to sessions: by its log and the time, or by arithmetic (RFC 7422, 7757)."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from ..mapping.eam import EamTable
from ..mapping.pool import RANDOM, Deterministic, Pool, PoolError
from ..techniques.reach import explicit_hosts
from ..techniques.service import Service
from .holders import DETERMINISTIC, EXPLICIT, LOG, Evidence, Fleet, Holder, Nobody, ranges_of
from .session_log import Lease


def session_owner(
    fleet: Fleet, service: Service, ipv4: IPv4Address, port: int | None, evidence: Evidence
) -> Iterator[Holder]:
    explicit = EamTable(explicit_hosts(service)).to6(int(ipv4))
    if explicit is not None:
        yield _explicit(fleet, service, ipv4, IPv6Address(explicit))
        return
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


def session_holdings(
    fleet: Fleet, service: Service, customer: IPv6Network, evidence: Evidence
) -> Iterator[Holder]:
    for entry in explicit_hosts(service):
        if entry.ipv6.overlaps(customer):
            yield _explicit(fleet, service, entry.ipv4, entry.ipv6)
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


def _explicit(
    fleet: Fleet, service: Service, ipv4: IPv4Address | IPv4Network, ipv6: IPv6Address | IPv6Network
) -> Holder:
    edge = fleet.edge(service.name, ipv6)
    return Holder(
        service=service.name,
        technique=service.technique,
        evidence=EXPLICIT,
        ipv4=IPv4Network(ipv4),
        customer=IPv6Network(ipv6),
        node=None if edge is None else edge.node.name,
    )


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
