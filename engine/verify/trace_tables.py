# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tracing without a log or time: mapping rules, binding tables, planes."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from ..mapping.binding import BindingTable
from ..mapping.rule import Entitlement, RuleTable
from ..techniques.service import Service
from .holders import ARITHMETIC, BINDING, PLANE, Evidence, Fleet, Holder, Nobody, Seat


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


def table_owner(
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


def table_holdings(
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
        if seat.service == service and seat.mapping != "plane-rewrite":
            yield from ((seat, network) for network in service.inside if network.prefixlen)


def plane_owner(
    fleet: Fleet, service: Service, ipv4: IPv4Address, port: int | None, evidence: Evidence
) -> Iterator[Holder]:
    for seat, network in _plane_seats(fleet, service):
        if ipv4 in network:
            yield holder_in_plane(seat, network)


def plane_holdings(
    fleet: Fleet, service: Service, customer: IPv6Network, evidence: Evidence
) -> Iterator[Holder]:
    for seat, network in _plane_seats(fleet, service):
        holder = holder_in_plane(seat, network)
        assert holder.customer is not None
        own = service.end_user_prefix
        if holder.customer.overlaps(customer) or (own is not None and own.overlaps(customer)):
            yield holder
