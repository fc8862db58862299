# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets that tell two models of a gateway apart: what customers, and the internet, might send."""

from __future__ import annotations

import struct
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random

from ..mapping.plane import Plane
from ..mapping.rfc6052 import Embedding
from ..mapping.rule import Customer
from ..node.core import Link
from ..packet import ipv4, ipv6
from ..packet.checksum import checksum, pseudo4, pseudo6
from ..techniques import TECHNIQUES
from ..techniques.planes import plane_of, plane_table, resolved_routes, resolved_side
from ..techniques.service import Service

_HOSTS = tuple(IPv4Address(address) for address in ("198.51.100.80", "203.0.113.80", "192.0.2.80"))
INTERNET = _HOSTS[0]
CUSTOMERS = 12  # sampled from every rule, and from the bindings
OFFERED_MSS = 1460
_EVERYTHING = IPv4Network("0.0.0.0/0")
# Where a transport header has its checksum.
_CHECKSUM = {ipv4.TCP: 16, ipv4.UDP: 6}


@dataclass(frozen=True, slots=True)
class Sample:
    """One packet, and what it is to people."""

    text: str
    data: bytes
    arrival: Link


def internet(*services: Service) -> IPv4Address:
    """A host of the Internet: an address that no pool and no rule of the services has, if there is one."""
    own = [rule.ipv4_prefix for service in services for rule in service.rules]
    own += [network for service in services if service.pool for network in service.pool.ipv4]
    return next((host for host in _HOSTS if not any(host in network for network in own)), INTERNET)


# --- packets -------------------------------------------------------------------------------------


def udp(
    source: IPv4Address, sport: int, destination: IPv4Address, dport: int, size: int = 40, *, df: bool = True
) -> bytes:
    """A UDP datagram of ``size`` octets in all."""
    length = size - 20
    head = struct.pack("!HHHH", sport, dport, length, 0)
    body = head + bytes(length - 8)
    total = checksum(body, pseudo4(int(source), int(destination), ipv4.UDP, length))
    data = ipv4.build(
        ipv4.UDP, int(source), int(destination), body[:6] + struct.pack("!H", total or 0xFFFF) + body[8:]
    )
    return data if df else _without_df(data)


def without_checksum(data: bytes) -> bytes:
    """The UDP datagram as IPv4 allows it: not checked (RFC 768)."""
    return data[:26] + b"\0\0" + data[28:]


def _without_df(data: bytes) -> bytes:
    whole = bytearray(data)
    whole[6:8], whole[10:12] = b"\0\0", b"\0\0"
    whole[10:12] = struct.pack("!H", checksum(whole[:20]))
    return bytes(whole)


def syn(source: IPv4Address, sport: int, destination: IPv4Address, dport: int) -> bytes:
    """A TCP SYN that offers an MSS of 1460."""
    body = struct.pack("!HHIIBBHHH", sport, dport, 1, 0, 6 << 4, 2, 65535, 0, 0)
    body += struct.pack("!BBH", 2, 4, OFFERED_MSS)
    total = checksum(body, pseudo4(int(source), int(destination), ipv4.TCP, len(body)))
    return ipv4.build(
        ipv4.TCP, int(source), int(destination), body[:16] + struct.pack("!H", total) + body[18:]
    )


def encapsulated(inner: bytes, source: IPv6Address, destination: IPv6Address) -> bytes:
    """The packet as it crosses the domain (RFC 2473)."""
    return ipv6.write(0, len(inner), ipv6.IPV4, int(source), int(destination)) + inner


def translated(inner: bytes, source: IPv6Address, destination: IPv6Address) -> bytes:
    """The same where headers are translated (RFC 7915 section 4.1); TCP and UDP only."""
    number, body = inner[9], bytearray(inner[20:])
    at = _CHECKSUM[number]
    body[at : at + 2] = b"\0\0"
    total = checksum(body, pseudo6(int(source), int(destination), number, len(body)))
    body[at : at + 2] = struct.pack("!H", total or 0xFFFF)
    return ipv6.write(0, len(body), number, int(source), int(destination)) + bytes(body)


def carried(service: Service, inner: bytes, source: IPv6Address) -> bytes:
    """A customer's packet to the internet as it reaches the gateway of a service."""
    if TECHNIQUES[service.technique].carriage == "encapsulation":
        return encapsulated(inner, source, service.gateway_address)
    assert service.translation_prefix is not None
    embedded = Embedding(service.translation_prefix).embed(int.from_bytes(inner[16:20], "big"))
    return translated(inner, source, IPv6Address(embedded))


# --- customers with ports of their own -----------------------------------------------------------


def customers(service: Service, limit: int = CUSTOMERS) -> Iterator[Customer]:
    """Customers spread over every rule and over the bindings, the first and the last included."""
    for rule in service.rules:
        for index in _spread(rule.customer_count, limit):
            yield rule.customer(rule.nth_prefix(index), service.interface_identifier)
    for index in _spread(len(service.bindings), limit):
        binding = service.bindings[index]
        softwire = binding.softwire
        yield Customer(IPv4Network(binding.ipv4), binding.ports, softwire, IPv6Network(softwire))


def _spread(count: int, limit: int) -> list[int]:
    return sorted({(count - 1) * i // max(1, limit - 1) for i in range(limit)}) if count else []


def of_port_sets(service: Service, mtu: int) -> Iterator[Sample]:
    """For a gateway whose customers have ports of their own."""
    random, there = Random(2013), internet(service)
    translating = TECHNIQUES[service.technique].carriage == "translation"
    for customer in customers(service):
        own = customer.ipv4.network_address
        ports = {0, len(customer.ports) - 1, random.randrange(len(customer.ports))}
        for port in sorted(customer.ports.nth(index) for index in ports):
            yield _outbound(service, customer, udp(own, port, there, 80), f"UDP {own}:{port} -> {there}:80")
            yield Sample(f"UDP {there}:80 -> {own}:{port}", udp(there, 80, own, port), Link.NATIVE)
        port = customer.ports.nth(0)
        yield _outbound(service, customer, syn(own, port, there, 80), f"TCP SYN {own}:{port} -> {there}:80")
        yield Sample(f"TCP SYN {there}:80 -> {own}:{port}", syn(there, 80, own, port), Link.NATIVE)
        yield from _sizes(service, mtu, own, port)
        if translating:
            unchecked = without_checksum(udp(there, 80, own, port))
            yield Sample(f"UDP {there}:80 -> {own}:{port} without checksum", unchecked, Link.NATIVE)
        yield _outbound(
            service, customer, udp(own, port, own, port), f"UDP {own}:{port} -> customer {own}:{port}"
        )
        yield _outbound(
            service,
            replace(customer, address=IPv6Address(int(customer.address) ^ 1)),
            udp(own, port, there, 80),
            f"UDP {own}:{port} -> {there}:80 with a foreign interface identifier",
        )
        foreign = port ^ 1 << customer.ports.m if customer.ports.shared else port
        yield _outbound(service, customer, udp(own, foreign, there, 80), f"UDP {own}:{foreign} -> {there}:80")


def _outbound(service: Service, customer: Customer, inner: bytes, text: str) -> Sample:
    return Sample(f"{text} from {customer.address}", carried(service, inner, customer.address), Link.SOFTWIRE)


def _sizes(service: Service, mtu: int, own: IPv4Address, port: int) -> Iterator[Sample]:
    there, limit = internet(service), TECHNIQUES[service.technique].ipv4_mtu(mtu)
    for size in (limit, limit + 1):
        for df in (True, False):
            text = f"UDP {there}:80 -> {own}:{port} of {size} octets, DF{'' if df else ' clear'}"
            yield Sample(text, udp(there, 80, own, port, size, df=df), Link.NATIVE)


# --- planes --------------------------------------------------------------------------------------


def of_plane(service: Service, mtu: int) -> Iterator[Sample]:
    """For a node that carries whole networks."""
    inside = _host(service.inside, IPv4Address("192.0.2.10"))
    elsewhere = [route.ipv4 for route in service.plane_routes if route.ipv4 not in service.inside]
    hosts = [_host([network], INTERNET) for network in elsewhere] or [IPv4Address("192.0.2.77")]
    plane, table = plane_of(service), plane_table(service)
    for host in hosts:
        for make, what in ((udp, "UDP"), (syn, "TCP SYN")):
            yield Sample(f"{what} {inside}:5000 -> {host}:80", make(inside, 5000, host, 80), Link.NATIVE)
            at = table.address(int(host))
            if at is None:
                continue
            text = f"{what} {host}:80 -> {inside}:5000 from {IPv6Address(at)}"
            target = IPv6Address(plane.address(int(inside)))
            yield Sample(
                text, encapsulated(make(host, 80, inside, 5000), IPv6Address(at), target), Link.SOFTWIRE
            )
        limit = TECHNIQUES[service.technique].ipv4_mtu(mtu)
        for size in (limit, limit + 1):
            for df in (True, False):
                text = f"UDP {inside}:5000 -> {host}:80 of {size} octets, DF{'' if df else ' clear'}"
                yield Sample(text, udp(inside, 5000, host, 80, size, df=df), Link.NATIVE)


def of_translator(service: Service, mtu: int) -> Iterator[Sample]:
    """For a node that joins an SA46T and an SA46T-PR domain: packets of both."""
    here = _host(service.inside, IPv4Address("192.0.2.10"))
    fixed, own = plane_of(service), resolved_side(service)
    for route in resolved_routes(service):
        there, away = _host([route.ipv4], INTERNET), Plane(route.prefix, fixed.plane_id)
        for inner, source, target in (
            (udp(here, 5000, there, 80), fixed.address(int(here)), fixed.address(int(there))),
            (udp(there, 80, here, 5000), away.address(int(there)), own.address(int(here))),
        ):
            ends = IPv6Address(source), IPv6Address(target)
            yield Sample(f"UDP in {ends[0]} -> {ends[1]}", encapsulated(inner, *ends), Link.SOFTWIRE)


def _host(networks: Iterable[IPv4Network], otherwise: IPv4Address) -> IPv4Address:
    network = next(iter(networks), None)
    if network is None or network == _EVERYTHING:
        return otherwise
    return network.network_address + min(10, network.num_addresses - 1)
