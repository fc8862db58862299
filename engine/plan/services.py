# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What one node has to know of a drawn service: what all nodes of a role share, and what is a host's own."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import IPV6LENGTH, IPv4Network, IPv6Network
from typing import Any

from ..intent.model import (
    ADDRESS_DEPENDENT,
    ENDPOINT_INDEPENDENT,
    OUTER,
    Dns64Intent,
    HostIntent,
    ServiceIntent,
)
from ..mapping.eam import Eam
from ..mapping.iid import RFC7597
from ..mapping.rule import MapRule
from ..techniques import TECHNIQUES, Technique
from ..techniques.service import (
    EDGE,
    GATEWAY,
    PROVISIONER,
    RESOLVER,
    ROUTER,
    Delegation,
    Dns64,
    PortForward,
    Service,
)
from .bindings import own_binding
from .draw import NOWHERE, Drawn, address_in, eam_of, plane_in
from .mtu import mss_clamp


def has_work(row: Technique, role: str) -> bool:
    """Whether a technique has something to do for a role."""
    if role in (RESOLVER, ROUTER):  # DNS64 and PREF64 tell hosts and CLATs the prefix of a NAT64
        return row.mapping == "session" and row.carriage == "translation"
    if role == PROVISIONER:  # RFC 7598 and RFC 6334; 464XLAT by the rule server
        return row.napt != "nowhere" and row.edge is not None
    return role == GATEWAY or row.edge is not None


def common_service(drawn: Drawn, role: str, iid_format: str, rule: MapRule | None) -> Service:
    """The service of a role without what is one host's own; with all rules, or the one that an edge needs."""
    wanted, row = drawn.intent, drawn.intent.row
    assert drawn.gateway_address is not None  # Drawn.usable
    return Service(
        name=wanted.name,
        technique=wanted.technique,
        role=role,
        gateway_address=drawn.gateway_address,
        interface_identifier=iid_format if row.mapping == "rule" else RFC7597,
        ipv6_mtu=wanted.backbone_mtu,
        mss_clamp=mss_clamp(row, wanted.backbone_mtu, wanted.mss_clamp),
        # DS-Lite never cuts the inner packet (RFC 6333 section 5.3, lint DSL005).
        fragmentation=OUTER if row.mapping == "session" else wanted.fragmentation,
        strict_iid=wanted.strict_identifiers,
        filtering=wanted.filtering or (ENDPOINT_INDEPENDENT if row.napt == GATEWAY else ADDRESS_DEPENDENT),
        hairpinning=wanted.hairpinning,
        icmp_on_miss=wanted.icmp_on_miss,
        udp_zero_checksum=wanted.udp_zero_checksum,
        lowest_ipv6_mtu=wanted.lowest_ipv6_mtu,
        **_by_mapping(drawn, role, rule),
        **_by_carriage(wanted, role),
        **_by_role(drawn, role),
    )


def _by_mapping(drawn: Drawn, role: str, rule: MapRule | None) -> dict[str, Any]:
    mapping = drawn.intent.row.mapping
    if mapping == "rule" and role in (GATEWAY, EDGE, PROVISIONER):
        return {"rules": drawn.rules if rule is None else (rule,)}
    if mapping == "binding" and role in (GATEWAY, PROVISIONER):
        return {"bindings": drawn.bindings}
    if mapping == "session" and role == GATEWAY:
        return {"pool": drawn.pool}
    if mapping.startswith("plane") and role in (GATEWAY, EDGE):
        return {"plane": drawn.plane, "plane_routes": drawn.routes}
    return {}


def _by_carriage(wanted: ServiceIntent, role: str) -> dict[str, Any]:
    if wanted.row.carriage != "translation":
        return {}
    eam: tuple[Eam, ...] = tuple(eam_of(wanted)) if role in (GATEWAY, EDGE) else ()
    return {"translation_prefix": wanted.gateway.translation_prefix, "eam": eam}


def _by_role(drawn: Drawn, role: str) -> dict[str, Any]:
    wanted = drawn.intent
    if role == RESOLVER:
        return {"dns64": _dns64(wanted)}
    if role != PROVISIONER:
        return {}
    found: dict[str, Any] = {"delegations": tuple(_delegations(drawn))}
    if wanted.row.mapping == "session" and wanted.row.carriage == "encapsulation":
        found["aftr_name"] = wanted.aftr_name or ""
    return found


def _delegations(drawn: Drawn) -> Iterator[Delegation]:
    """What customers ask a provisioner for."""
    customers = drawn.intent.customers
    # Whom no rule numbers would have no IPv4.
    if customers is not None and drawn.intent.row.mapping != "rule":
        yield Delegation(customers.ipv6, customers.prefix_length)
        return
    # A softwire that is one address is nobody's prefix.
    rules = [rule for rule in drawn.rules if rule.ipv6_prefix.prefixlen < IPV6LENGTH]
    lengths = {rule.customer_prefix_len for rule in rules}
    if drawn.intent.bindings is not None and len(lengths) == 1:
        yield Delegation(_around([rule.ipv6_prefix for rule in rules]), lengths.pop())
        return
    for rule in rules:
        yield Delegation(rule.ipv6_prefix, rule.customer_prefix_len)


def _around(prefixes: Sequence[IPv6Network]) -> IPv6Network:
    """The smallest prefix that holds all of them."""
    lowest, highest = min(prefixes), max(prefix.broadcast_address for prefix in prefixes)
    length = IPV6LENGTH - (int(lowest.network_address) ^ int(highest)).bit_length()
    return IPv6Network((lowest.network_address, min(length, lowest.prefixlen)), strict=False)


def _dns64(wanted: ServiceIntent) -> Dns64:
    given = wanted.dns64 or Dns64Intent()
    assert wanted.customers is not None  # intent/check.py: the session form
    return Dns64(
        exclude=given.exclude, clients=given.clients or (wanted.customers.ipv6,), private=given.private
    )


def service_of_gateway(service: Service, host: HostIntent, part: tuple[IPv4Network, ...]) -> Service:
    """With what is the gateway's own: its part of a pool, its networks and prefix in a plane."""
    if service.pool is not None:
        return replace(service, pool=replace(service.pool, ipv4=part))
    return _in_plane(service, host) if service.plane is not None else service


def service_of_edge(service: Service, host: HostIntent, rule: MapRule | None, drawn: Drawn) -> Service:
    """With what is the edge's own: its prefix, LAN and port forwards, its binding, its prefix in a plane.

    ``rule`` is the one that numbers it, where the mapping has rules or bindings.
    """
    # Where the gateway has the NAPT it has the forwards too (forwards.py).
    with_napt = TECHNIQUES[service.technique].napt == EDGE
    forwards = tuple(
        PortForward(forward.protocol, forward.outside_port, forward.inside_address, forward.inside_port)
        for forward in host.port_forwards
        if with_napt
    )
    if service.plane is not None:
        return _in_plane(service, host)
    own = None
    if rule is not None and host.customer_prefix is not None and not service.rules:
        own = own_binding(rule, host.customer_prefix)
    if own is not None:
        own = replace(own, gateway_address=drawn.gateways.get(own.softwire))
    return replace(
        service,
        end_user_prefix=host.customer_prefix,
        inside=host.lan,
        port_forwards=forwards,
        bindings=() if own is None else (own,),
    )


def _in_plane(service: Service, host: HostIntent) -> Service:
    """A node of the SA46T family. One of SA46T-PR makes its addresses in a prefix of its own, a PT those
    that it has in the PR domain."""
    seat = host.plane_seat(service.name)
    service = replace(
        service,
        end_user_prefix=host.customer_prefix,
        inside=host.lan_of(service.name),
        namespace="" if seat is None else seat.namespace,
    )
    assert service.plane is not None
    if service.gateway_address != NOWHERE or host.customer_prefix is None:
        return service
    own = plane_in(host.customer_prefix, service.plane.plane_id)
    if own is None:
        return service  # lint SA001
    domain = own if TECHNIQUES[service.technique].mapping == "plane-table" else service.plane
    return replace(service, plane=domain, gateway_address=address_in(own))
