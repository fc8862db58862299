# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an IPv6 address or a packet means to a planned fleet, and what the planned node would do with it."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from random import Random

from ..mapping.plane import base_of, ipv4_of
from ..mapping.rfc6052 import Embedding
from ..mapping.rule import Entitlement, RuleTable
from ..node.core import Link, build_node
from ..node.reasons import REASONS, is_drop
from ..packet import ipv4, ipv6
from ..packet.buffer import Packet
from ..packet.verdict import Drop
from ..plan.model import FleetPlan
from ..techniques import TECHNIQUES
from ..techniques.reach import ipv4_networks, ipv6_prefixes
from ..techniques.service import GATEWAY, Service
from .capture import CaptureError
from .holders import Fleet, Holder, Seat
from .trace_tables import holder_in_plane, holder_in_table

CUSTOMER, GATEWAY_ADDRESS, TRANSLATED, IN_PLANE, SUBSCRIBER = (
    "address of a customer",
    "address of the",
    "IPv4 address in a translation prefix",
    "IPv4 address in a plane",
    "address of a subscriber",
)
NO_FORMAT = "neither of RFC 7597 nor of draft-03"


@dataclass(frozen=True, slots=True, kw_only=True)
class Meaning:
    """What an IPv6 address is to one service."""

    address: IPv6Address
    service: str
    what: str
    holder: Holder | None = None
    identifier: str = ""  # the layout that the interface identifier of a customer has
    ipv4: IPv4Address | None = None  # that the address stands for
    remark: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Shown:
    """The headers of a packet; ports are the identifier of an ICMP query."""

    source6: IPv6Address | None
    destination6: IPv6Address | None
    source4: IPv4Address | None = None
    destination4: IPv4Address | None = None
    protocol: int | None = None
    source_port: int | None = None
    destination_port: int | None = None


@dataclass(frozen=True, slots=True, kw_only=True)
class Verdict:
    """What a node of the plan does with a packet that comes to it first: it knows no session yet."""

    nodes: tuple[str, ...]  # those that would, all alike
    service: str
    accepted: bool
    reason: str  # a name of node/reasons.py
    meaning: str
    events: tuple[str, ...]
    sent: tuple[Shown, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Explanation:
    """All that the plan says of a packet."""

    packet: Shown
    meanings: tuple[Meaning, ...]
    verdicts: tuple[Verdict, ...]  # one for each service that it could be for; none: nobody's


def explain(plan: FleetPlan, data: bytes) -> Explanation:
    """An IPv4 or IPv6 packet. Raises CaptureError for what is none."""
    fleet = Fleet(plan)
    try:
        shown = show(data)
    except Drop as drop:
        meaning = REASONS[drop.reason].meaning
        raise CaptureError(f"the packet is damaged: {meaning}; all of its octets are needed") from drop
    ends = (address for address in (shown.source6, shown.destination6) if address is not None)
    meanings = tuple(meaning for address in ends for meaning in _meanings(fleet, address))
    return Explanation(packet=shown, meanings=meanings, verdicts=tuple(_verdicts(fleet, data)))


def meanings_of(plan: FleetPlan, address: IPv6Address) -> tuple[Meaning, ...]:
    """What an IPv6 address is, to each service; nothing where it is nobody's."""
    return tuple(_meanings(Fleet(plan), address))


# Addresses


def _meanings(fleet: Fleet, address: IPv6Address) -> Iterator[Meaning]:
    seen: set[Meaning] = set()
    for seat in fleet:
        for meaning in _meanings_to(fleet, seat, address):
            if meaning not in seen:
                seen.add(meaning)
                yield meaning


def _meanings_to(fleet: Fleet, seat: Seat, address: IPv6Address) -> Iterator[Meaning]:
    service = seat.service
    row = TECHNIQUES[service.technique]
    if row.mapping.startswith("plane"):
        yield from _in_plane(fleet, seat, address)
        return
    if address == service.gateway_address:
        yield Meaning(address=address, service=service.name, what=f"{GATEWAY_ADDRESS} {row.gateway}")
    prefix = service.translation_prefix
    if row.carriage == "translation" and prefix is not None and address in prefix:
        ipv4_address = IPv4Address(Embedding(prefix).extract(int(address)))
        yield Meaning(address=address, service=service.name, what=TRANSLATED, ipv4=ipv4_address)
    if row.mapping in ("rule", "binding"):
        table = fleet.table(service)
        entitlement = table.entitlement(int(address))
        if entitlement is not None:
            yield _customer(fleet, service, address, table, entitlement)
    elif service.pool is not None:
        yield from _subscriber(fleet, service, address)


def _customer(
    fleet: Fleet, service: Service, address: IPv6Address, table: object, entitlement: Entitlement
) -> Meaning:
    holder = holder_in_table(fleet, service, entitlement)
    identifier = remark = ""
    if isinstance(table, RuleTable):
        own = table.mapped(int(address), entitlement)
        found = table.source_format(int(address), entitlement)
        identifier = found or (service.interface_identifier if own else NO_FORMAT)
        if not own:
            remark = f"the mapping computes {holder.address}"
    return Meaning(
        address=address,
        service=service.name,
        what=CUSTOMER,
        holder=holder,
        identifier=identifier,
        ipv4=IPv4Address(entitlement.ipv4),
        remark=remark,
    )


def _subscriber(fleet: Fleet, service: Service, address: IPv6Address) -> Iterator[Meaning]:
    """Where the plan knows the subscribers: by the pool's prefix or by an edge."""
    pool = service.pool
    assert pool is not None
    edge = fleet.edge(service.name, address)
    if edge is None and (pool.subscribers is None or address not in pool.subscribers):
        return
    prefix = IPv6Network((address, pool.subscriber_prefix_len), strict=False)
    where = f"of {edge.node.name}" if edge is not None else f"in {pool.subscribers}"
    remark = f"subscriber {prefix}, {where}"
    yield Meaning(address=address, service=service.name, what=SUBSCRIBER, remark=remark)


def _in_plane(fleet: Fleet, seat: Seat, address: IPv6Address) -> Iterator[Meaning]:
    plane, service = seat.service.plane, seat.service
    if plane is None or base_of(int(address)) != plane.base:
        return
    inner = IPv4Address(ipv4_of(int(address)))
    holders = [
        holder_in_plane(other, network)
        for other in fleet.seats
        if other.service.plane == plane and other.mapping != "plane-rewrite"
        for network in other.service.inside
        if inner in network
    ]
    yield Meaning(
        address=address,
        service=service.name,
        what=IN_PLANE,
        holder=max(holders, key=lambda holder: holder.ipv4.prefixlen, default=None),
        ipv4=inner,
        remark=f"plane {plane.plane_id} of {plane.prefix}",
    )


# Packets


def show(data: bytes) -> Shown:
    """The headers of an IP packet, of a tunnel packet both. Raises Drop for what is none."""
    if data[0] >> 4 == 4:
        return _show4(data, None, None)
    outer = ipv6.read(data)
    ends = IPv6Address(outer.source), IPv6Address(outer.destination)
    found = ipv6.skip_extensions(outer)
    if not isinstance(found, ipv6.Outer):
        return Shown(source6=ends[0], destination6=ends[1], protocol=found[1].next_header)
    if found.next_header == ipv6.IPV4:
        return _show4(data[found.at : found.end], *ends)
    ports = _ports(found.next_header, data[found.at : found.end])
    return Shown(
        source6=ends[0],
        destination6=ends[1],
        protocol=found.next_header,
        source_port=ports[0],
        destination_port=ports[1],
    )


def _show4(data: bytes, source6: IPv6Address | None, destination6: IPv6Address | None) -> Shown:
    d = ipv4.Datagram(data)
    ports = d.ports or (None, None)
    return Shown(
        source6=source6,
        destination6=destination6,
        source4=IPv4Address(d.source),
        destination4=IPv4Address(d.destination),
        protocol=d.protocol,
        source_port=ports[0],
        destination_port=ports[1],
    )


def _ports(next_header: int, body: bytes) -> tuple[int | None, int | None]:
    if next_header in ipv4.PORTED and len(body) >= 4:
        return int.from_bytes(body[:2], "big"), int.from_bytes(body[2:4], "big")
    if next_header == ipv6.ICMPV6 and len(body) >= 6 and body[0] in (128, 129):
        query = int.from_bytes(body[4:6], "big")
        return query, query
    return None, None


def _verdicts(fleet: Fleet, data: bytes) -> Iterator[Verdict]:
    """One for each way in which a node could get the packet."""
    native = data[0] >> 4 == 4
    takers: dict[Service, list[str]] = {}
    for seat in fleet.seats:
        if _takes_native(seat, data) if native else _takes(seat, data):
            takers.setdefault(seat.service, []).append(seat.node.name)
    for service, nodes in takers.items():
        yield _judge(service, tuple(nodes), data, Link.NATIVE if native else Link.SOFTWIRE)


def _takes(seat: Seat, data: bytes) -> bool:
    destination = IPv6Address(data[24:40])
    try:
        return any(destination in prefix for prefix in ipv6_prefixes(seat.service))
    except ValueError:
        return False  # lint says what is wrong with it


def _takes_native(seat: Seat, data: bytes) -> bool:
    """A gateway what is for its customers; which edge a packet came to, it does not say."""
    destination = IPv4Address(data[16:20])
    if seat.service.role != GATEWAY:
        return False
    return any(destination in network for network in ipv4_networks(seat.service))


def _judge(service: Service, nodes: tuple[str, ...], data: bytes, arrival: Link) -> Verdict:
    node = build_node(service, rng=Random(0))  # which port it draws does not matter
    outputs, events = node.process(Packet(data), arrival, 0.0)
    drops = [event for event in events if is_drop(event)]
    reason = drops[0] if drops else events[-1] if events else ""
    return Verdict(
        nodes=nodes,
        service=service.name,
        accepted=bool(outputs) and not drops,
        reason=reason,
        meaning=REASONS[reason].meaning if reason else "",
        events=tuple(events),
        sent=tuple(show(packet.data) for packet, _ in outputs),
    )
