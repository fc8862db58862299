# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same packets through the plan and through what a device runs: equal, or a counterexample.

A gateway is stateless, so each packet is put to both models and the outputs are compared to the
byte. An edge draws its ports at random, so whole conversations with the planned gateway are
compared by what becomes of them.
"""

from __future__ import annotations

import struct
from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv6Address
from random import Random

from ..mapping.rule import Customer, MapRule
from ..node.core import Link, Node, build_node
from ..packet import ipv4, ipv6
from ..packet.buffer import Packet
from ..packet.checksum import checksum, pseudo4
from ..techniques.service import GATEWAY, Service

INTERNET = IPv4Address("198.51.100.80")
CUSTOMERS = 12  # sampled from every rule
FLOWS = 64  # conversations of an edge: enough to meet every range of a port set
OFFERED_MSS = 1460
_NOW = 1000.0


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A packet that plan and device treat differently."""

    packet: str
    planned: str
    found: str

    def __str__(self) -> str:
        return f"{self.packet}: planned: {self.planned}; device: {self.found}"


@dataclass(frozen=True, slots=True)
class _Sample:
    text: str
    data: bytes
    arrival: Link


def counterexample(planned: Service, found: Service) -> Counterexample | None:
    """The first packet that the two models of one node treat differently, None where none was met."""
    try:
        _new(found)
    except ValueError as error:
        return Counterexample("any packet", "is forwarded", f"cannot run: {error}")
    if planned.role == GATEWAY:
        return _first_difference_gateway(planned, found)
    return _first_difference_edge(planned, found)


# --- packets -------------------------------------------------------------------------------------


def udp(source: IPv4Address, sport: int, destination: IPv4Address, dport: int, size: int = 40) -> bytes:
    """A UDP datagram of ``size`` octets in all, DF set."""
    length = size - 20
    head = struct.pack("!HHHH", sport, dport, length, 0)
    body = head + bytes(length - 8)
    total = checksum(body, pseudo4(int(source), int(destination), ipv4.UDP, length))
    return ipv4.build(
        ipv4.UDP, int(source), int(destination), body[:6] + struct.pack("!H", total or 0xFFFF) + body[8:]
    )


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


# --- gateway -------------------------------------------------------------------------------------


def sample_customers(service: Service, limit: int = CUSTOMERS) -> Iterator[tuple[MapRule, Customer]]:
    """Customers spread over every rule, the first and the last included."""
    for rule in service.rules:
        last = rule.customer_count - 1
        for index in sorted({last * i // max(1, limit - 1) for i in range(limit)}):
            yield rule, rule.customer(rule.nth_prefix(index), service.interface_identifier)


def _gateway_samples(service: Service, mtu: int) -> Iterator[_Sample]:
    random = Random(2013)
    for _, customer in sample_customers(service):
        own = customer.ipv4.network_address
        ports = {0, len(customer.ports) - 1, random.randrange(len(customer.ports))}
        for port in sorted(customer.ports.nth(index) for index in ports):
            yield _outbound(
                service, customer, udp(own, port, INTERNET, 80), f"UDP {own}:{port} -> {INTERNET}:80"
            )
            yield _Sample(f"UDP {INTERNET}:80 -> {own}:{port}", udp(INTERNET, 80, own, port), Link.NATIVE)
        port = customer.ports.nth(0)
        yield _outbound(
            service, customer, syn(own, port, INTERNET, 80), f"TCP SYN {own}:{port} -> {INTERNET}:80"
        )
        yield _Sample(f"TCP SYN {INTERNET}:80 -> {own}:{port}", syn(INTERNET, 80, own, port), Link.NATIVE)
        for size in (mtu - 40, mtu - 39):
            text = f"UDP {INTERNET}:80 -> {own}:{port} of {size} octets, DF"
            yield _Sample(text, udp(INTERNET, 80, own, port, size), Link.NATIVE)
            whole = bytearray(udp(INTERNET, 80, own, port, size))
            whole[6:8], whole[10:12] = b"\0\0", b"\0\0"
            whole[10:12] = struct.pack("!H", checksum(whole[:20]))
            yield _Sample(text.replace(", DF", ", DF clear"), bytes(whole), Link.NATIVE)
        yield _outbound(
            service,
            replace(customer, address=IPv6Address(int(customer.address) ^ 1)),
            udp(own, port, INTERNET, 80),
            f"UDP {own}:{port} -> {INTERNET}:80 with a foreign interface identifier",
        )


def _outbound(service: Service, customer: Customer, inner: bytes, text: str) -> _Sample:
    return _Sample(
        f"{text} from {customer.address}",
        encapsulated(inner, customer.address, service.gateway_address),
        Link.SOFTWIRE,
    )


def _first_difference_gateway(planned: Service, found: Service) -> Counterexample | None:
    for service in (planned, found):
        for mtu in sorted({planned.ipv6_mtu, found.ipv6_mtu}):
            for sample in _gateway_samples(service, mtu):
                results = [
                    _new(model).process(Packet(sample.data), sample.arrival, _NOW)
                    for model in (planned, found)
                ]
                (out_planned, events_planned), (out_found, events_found) = results
                if [(p.data, link) for p, link in out_planned] != [(p.data, link) for p, link in out_found]:
                    return Counterexample(
                        sample.text, _fate(out_planned, events_planned), _fate(out_found, events_found)
                    )
    return None


def _new(service: Service) -> Node:
    return build_node(service, rng=Random(1))


def _fate(outputs: list[tuple[Packet, Link]], events: list[str]) -> str:
    dropped = [event for event in events if event.startswith("drop_")]
    if dropped:
        return dropped[0]
    if not outputs:
        return "nothing comes out"
    packet, link = outputs[0]
    if link is Link.SOFTWIRE:
        outer = ipv6.read(packet.data)
        cut = "IPv6" if outer.next_header == ipv6.FRAGMENT else "IPv4"
        pieces = f" in {len(outputs)} {cut} fragments" if len(outputs) > 1 else ""
        return (
            f"goes to {IPv6Address(outer.destination)} from {IPv6Address(outer.source)}{pieces}"
            f"{_mss_note(packet.data[outer.at :])}"
        )
    return f"goes out as IPv4{_mss_note(packet.data)}"


def _mss_note(data: bytes) -> str:
    if data[0] >> 4 != 4 or data[9] != ipv4.TCP:
        return ""
    at = ipv4.mss_option(data, (data[0] & 15) * 4)
    return f" with MSS {struct.unpack_from('!H', data, at)[0]}" if at else ""


# --- edge ----------------------------------------------------------------------------------------


def _first_difference_edge(planned: Service, found: Service) -> Counterexample | None:
    talks = zip(_conversations(planned, planned), _conversations(planned, found), strict=True)
    for (text, fate_planned), (_, fate_found) in talks:
        if fate_planned != fate_found:
            return Counterexample(text, fate_planned, fate_found)
    return None


def _conversations(planned: Service, edge_model: Service) -> Iterator[tuple[str, str]]:
    """(what is tried, what becomes of it) with this edge in its place in the planned network."""
    gateway_model = replace(planned, role=GATEWAY, end_user_prefix=None, inside=(), port_forwards=())
    edge, gateway = _new(edge_model), _new(gateway_model)
    host = _inside_host(planned)
    for flow in range(FLOWS):
        sport = 20000 + 7 * flow
        text = f"UDP {host}:{sport} -> {INTERNET}:80 and its answer"
        yield text, _round_trip(edge, gateway, udp(host, sport, INTERNET, 80))
    yield f"TCP SYN {host}:30000 -> {INTERNET}:80", _one_way(edge, gateway, syn(host, 30000, INTERNET, 80))
    for mtu in sorted({planned.ipv6_mtu, edge_model.ipv6_mtu}):
        for size in (mtu - 40, mtu - 39):
            data = udp(host, 30001, INTERNET, 80, size)
            yield f"UDP {host}:30001 -> {INTERNET}:80 of {size} octets, DF", _one_way(edge, gateway, data)
    yield from _unsolicited(edge, gateway, planned, host)
    for peer in _peers(planned):
        target = peer.ipv4.network_address
        data = udp(host, 30002, target, peer.ports.nth(0))
        outputs, events = edge.process(Packet(data), Link.NATIVE, _NOW)
        yield f"UDP {host} -> customer {target}:{peer.ports.nth(0)}", _fate(outputs, events)


def _inside_host(service: Service) -> IPv4Address:
    if service.inside:
        return service.inside[0].network_address + (9 if service.inside[0].num_addresses > 9 else 0)
    return IPv4Address("192.168.1.10")


def _peers(service: Service) -> list[Customer]:
    own = service.customer.address
    return [customer for _, customer in sample_customers(service, 3) if customer.address != own]


def _one_way(edge: Node, gateway: Node, data: bytes) -> str:
    outputs, events = edge.process(Packet(data), Link.NATIVE, _NOW)
    if not outputs or outputs[0][1] is not Link.SOFTWIRE:
        return f"edge: {_fate(outputs, events)}"
    outer = ipv6.read(outputs[0][0].data)
    outputs, events = gateway.process(outputs[0][0], Link.SOFTWIRE, _NOW)
    return f"to {IPv6Address(outer.destination)}, gateway: {_fate(outputs, events)}"


def _round_trip(edge: Node, gateway: Node, data: bytes) -> str:
    outputs, events = edge.process(Packet(data), Link.NATIVE, _NOW)
    if not outputs or outputs[0][1] is not Link.SOFTWIRE:
        return f"edge: {_fate(outputs, events)}"
    outputs, events = gateway.process(outputs[0][0], Link.SOFTWIRE, _NOW)
    if not outputs or outputs[0][1] is not Link.NATIVE:
        return f"gateway: {_fate(outputs, events)}"
    sent = ipv4.Datagram(outputs[0][0].data)
    assert sent.ports is not None
    answer = udp(IPv4Address(sent.destination), sent.ports[1], IPv4Address(sent.source), sent.ports[0])
    return _inbound(edge, gateway, answer)


def _inbound(edge: Node, gateway: Node, data: bytes) -> str:
    outputs, events = gateway.process(Packet(data), Link.NATIVE, _NOW)
    if not outputs or outputs[0][1] is not Link.SOFTWIRE:
        return f"gateway, inbound: {_fate(outputs, events)}"
    outputs, events = edge.process(outputs[0][0], Link.SOFTWIRE, _NOW)
    if not outputs or outputs[0][1] is not Link.NATIVE:
        return f"edge, inbound: {_fate(outputs, events)}"
    arrived = ipv4.Datagram(outputs[0][0].data)
    assert arrived.ports is not None
    return f"arrives at {IPv4Address(arrived.destination)}:{arrived.ports[1]}"


def _unsolicited(edge: Node, gateway: Node, planned: Service, host: IPv4Address) -> Iterator[tuple[str, str]]:
    own = planned.customer.ipv4.network_address
    for forward in planned.port_forwards:
        make = syn if forward.protocol == "tcp" else udp
        text = f"{forward.protocol.upper()} {INTERNET}:80 -> {own}:{forward.outside_port}"
        yield text, _inbound(edge, gateway, make(INTERNET, 80, own, forward.outside_port))
    # A third party answers a mapping that somebody else's traffic made: filtering decides.
    outputs, _ = edge.process(Packet(udp(host, 31000, INTERNET, 80)), Link.NATIVE, _NOW)
    if outputs and outputs[0][1] is Link.SOFTWIRE:
        inner = ipv4.Datagram(ipv6_payload(outputs[0][0].data))
        if inner.ports is not None:
            third = udp(INTERNET + 1, 80, IPv4Address(inner.source), inner.ports[0])
            yield f"UDP {INTERNET + 1}:80 -> a mapping of {host}:31000", _inbound(edge, gateway, third)


def ipv6_payload(data: bytes) -> bytes:
    """What an unfragmented IPv6 packet without extension headers carries."""
    outer = ipv6.read(data)
    return data[outer.at : outer.end]
