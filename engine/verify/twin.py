# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The same packets through the plan and through what a device runs: equal, or a counterexample.

A stateless gateway, or a node of a plane, is put one packet after the other, and the outputs are
compared to the byte. What draws ports at random is compared by what becomes of whole conversations
with its planned counterpart, from the same seed.
"""

from __future__ import annotations

import struct
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from random import Random

from ..mapping.pool import Pool
from ..mapping.rule import Customer
from ..node.core import Link, Node, build_node, has_node
from ..packet import ipv4, ipv6
from ..packet.buffer import Packet
from ..techniques import TECHNIQUES
from ..techniques.service import EDGE, GATEWAY, Service
from .samples import (
    Sample,
    carried,
    customers,
    internet,
    of_plane,
    of_port_sets,
    of_translator,
    syn,
    udp,
    without_checksum,
)

FLOWS = 64  # conversations of an edge: enough to meet every range of a port set
_NOW = 1000.0
# The counterpart of an edge that is looked at alone.
_SOME_POOL = Pool(ipv4=(IPv4Network("192.0.2.0/28"),))
_SUBSCRIBERS = (IPv6Address("2001:db8:b4:1::1"), IPv6Address("2001:db8:b4:2::1"))
_PRIVATE = IPv4Address("192.168.1.10")
_STRANGER = IPv4Address("192.0.2.77")

Talks = Iterator[tuple[str, str]]  # what is tried, and what becomes of it


@dataclass(frozen=True, slots=True)
class Counterexample:
    """A packet that plan and device treat differently."""

    packet: str
    planned: str
    found: str

    def __str__(self) -> str:
        return f"{self.packet}: planned: {self.planned}; device: {self.found}"


def counterexample(planned: Service, found: Service) -> Counterexample | None:
    """The first packet that the two models of one node treat differently, None where none was met.

    None also for a role that forwards nothing.
    """
    if not has_node(planned.technique, planned.role):
        return None
    try:
        _new(found)
    except (ValueError, AssertionError) as error:  # a part of the service is missing, or wrong
        return Counterexample("any packet", "is forwarded", f"cannot run: {error}")
    mapping = TECHNIQUES[planned.technique].mapping
    if mapping == "plane-rewrite":
        return _first_packet(planned, found, of_translator)
    if mapping.startswith("plane"):
        return _first_packet(planned, found, of_plane)
    if planned.role == GATEWAY and mapping in ("rule", "binding"):
        return _first_packet(planned, found, of_port_sets)
    talks = _of_edge if planned.role == EDGE else _of_session_gateway
    return _first_talk(talks(planned, planned, found), talks(planned, found, planned))


# --- packet by packet ----------------------------------------------------------------------------


def _first_packet(
    planned: Service, found: Service, samples: Callable[[Service, int], Iterator[Sample]]
) -> Counterexample | None:
    mtus = {planned.ipv6_mtu, found.ipv6_mtu}
    if planned.lowest_ipv6_mtu != found.lowest_ipv6_mtu:
        mtus |= {planned.lowest_ipv6_mtu, found.lowest_ipv6_mtu}
    for service in (planned, found):
        for mtu in sorted(mtus):
            for sample in samples(service, mtu):
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
        return dropped[0] + (", and the sender is told" if outputs else "")
    if not outputs:
        return "nothing comes out"
    packet, link = outputs[0]
    if link is Link.SOFTWIRE:
        outer = ipv6.read(packet.data)
        cut = "IPv6" if outer.next_header == ipv6.FRAGMENT else "IPv4"
        pieces = f" in {len(outputs)} {cut} fragments" if len(outputs) > 1 else ""
        return (
            f"goes to {IPv6Address(outer.destination)} from {IPv6Address(outer.source)}{pieces}"
            f"{_mss_note(packet.data[outer.at :], outer.next_header)}"
        )
    source = IPv4Address(packet.data[12:16])
    return f"goes out as IPv4 from {source}{_mss_note(packet.data, ipv6.IPV4)}"


def _mss_note(data: bytes, kind: int) -> str:
    """The MSS that a packet offers, from its IPv4 or TCP header on."""
    if kind == ipv6.IPV4:
        kind, data = data[9], data[(data[0] & 15) * 4 :]
    if kind != ipv4.TCP:
        return ""
    at = ipv4.mss_option(data, 0)
    return f" with MSS {struct.unpack_from('!H', data, at)[0]}" if at else ""


# --- conversations -------------------------------------------------------------------------------


def _first_talk(of_planned: Talks, of_found: Talks) -> Counterexample | None:
    # The one that opens nothing has less to try; what it did not open has differed before.
    for (text, fate_planned), (_, fate_found) in zip(of_planned, of_found, strict=False):
        if fate_planned != fate_found:
            return Counterexample(text, fate_planned, fate_found)
    return None


def _of_edge(planned: Service, model: Service, other: Service) -> Talks:
    """A model of the edge in its place in the planned network; ``other`` is what it is compared with."""
    edge, gateway = _new(model), _new(_counterpart(planned))
    host, there = _inside_host(planned), internet(planned, other, model)
    for flow in range(FLOWS):
        sport = 20000 + 7 * flow
        text = f"UDP {host}:{sport} -> {there}:80 and its answer"
        yield text, _round_trip(edge, gateway, udp(host, sport, there, 80))
    yield f"TCP SYN {host}:30000 -> {there}:80", _one_way(edge, gateway, syn(host, 30000, there, 80))
    for size, df in _sizes(model, other):
        data = udp(host, 30001, there, 80, size, df=df)
        text = f"UDP {host}:30001 -> {there}:80 of {size} octets, DF{'' if df else ' clear'}"
        yield text, _one_way(edge, gateway, data)
    unchecked = without_checksum(udp(host, 30003, there, 80))
    yield f"UDP {host}:30003 -> {there}:80 without checksum", _one_way(edge, gateway, unchecked)
    if TECHNIQUES[planned.technique].napt == EDGE:
        yield from _unsolicited(edge, gateway, planned, host, there)
        for peer in _peers(planned):
            target = peer.ipv4.network_address
            data = udp(host, 30002, target, peer.ports.nth(0))
            outputs, events = edge.process(Packet(data), Link.NATIVE, _NOW)
            yield f"UDP {host} -> customer {target}:{peer.ports.nth(0)}", _fate(outputs, events)


def _counterpart(planned: Service) -> Service:
    """The gateway of an edge, which the edge's plan does not tell all of."""
    return replace(
        planned,
        role=GATEWAY,
        end_user_prefix=None,
        inside=(),
        port_forwards=(),
        pool=_SOME_POOL if TECHNIQUES[planned.technique].mapping == "session" else None,
    )


def _sizes(model: Service, other: Service) -> Iterator[tuple[int, bool]]:
    """Lengths on both sides of every limit of two models, with DF and without."""
    row = TECHNIQUES[model.technique]
    mtus = {one for service in (model, other) for one in (service.ipv6_mtu, service.lowest_ipv6_mtu)}
    for mtu in sorted(mtus):
        for size in (row.ipv4_mtu(mtu), row.ipv4_mtu(mtu) + 1):
            yield from ((size, True), (size, False))


def _of_session_gateway(planned: Service, model: Service, other: Service) -> Talks:
    """Subscribers talk as planned, through a model of the gateway; ``other`` is what it is compared with."""
    gateway, there = _new(model), internet(planned, other, model)
    subscribers = [_Subscriber(gateway, planned, address) for address in _SUBSCRIBERS]
    for number, one in enumerate(subscribers):
        for flow in range(4):
            text = f"UDP {one.host}:{20000 + flow} of {one.address} -> {there}:80 and its answer"
            yield text, one.round_trip(udp(one.host, 20000 + flow, there, 80))
        text = f"TCP SYN {one.host}:{30000 + number} of {one.address} -> {there}:80"
        yield text, one.out(syn(one.host, 30000 + number, there, 80))
    one, another = subscribers
    mapped = one.mapping(udp(one.host, 31000, there, 80))
    if mapped is not None:
        outside, port = mapped
        where = f"a mapping of {one.address}"
        data = udp(_STRANGER, 80, outside, port)
        yield f"UDP {_STRANGER}:80 -> {where}", one.into(data)
        text = f"UDP {another.host}:31001 of {another.address} -> {where}"
        yield text, another.out(udp(another.host, 31001, outside, port))
        for size, df in _sizes(model, other):
            text = f"UDP {there}:80 -> {where} of {size} octets, DF{'' if df else ' clear'}"
            yield text, one.into(udp(there, 80, outside, port, size, df=df))
        unchecked = without_checksum(udp(there, 80, outside, port))
        yield f"UDP {there}:80 -> {where} without checksum", one.into(unchecked)
    for source in (_STRANGER, *(network[1] for network in _new_sources(model, other))):
        text = f"UDP {source}:5000 of {one.address} -> {there}:80"
        yield text, one.out(udp(source, 5000, there, 80))
    for flow in range(_quota(model, other)):
        text = f"UDP session {flow + 1} of {another.address}"
        yield text, another.out(udp(another.host, 40000 + flow, there, 80))


def _new_sources(model: Service, other: Service) -> list[IPv4Network]:
    """Networks that a DS-Lite gateway takes sources of beside the private ones."""
    return sorted({*model.inside, *other.inside})


def _quota(model: Service, other: Service) -> int:
    """So many sessions that the smaller quota is exceeded, where they differ."""
    quotas = {one.pool.ports_per_subscriber for one in (model, other) if one.pool is not None}
    return min(quotas - {0}) + 1 if len(quotas) > 1 else 0


class _Subscriber:
    """A host behind a softwire or, where headers are translated, an IPv6 host."""

    def __init__(self, gateway: Node, service: Service, address: IPv6Address) -> None:
        self._gateway, self._service, self.address = gateway, service, address
        self.host = _PRIVATE

    def out(self, inner: bytes) -> str:
        """What becomes of a packet from it."""
        return _fate(*self._send(inner))

    def mapping(self, inner: bytes) -> tuple[IPv4Address, int] | None:
        """Outside address and port that a packet gets."""
        outputs, _ = self._send(inner)
        if not outputs or outputs[0][1] is not Link.NATIVE:
            return None
        sent = ipv4.Datagram(outputs[0][0].data)
        return (IPv4Address(sent.source), sent.ports[0]) if sent.ports else None

    def round_trip(self, inner: bytes) -> str:
        """What becomes of a packet, and of the answer to it."""
        outputs, events = self._send(inner)
        if not outputs or outputs[0][1] is not Link.NATIVE:
            return _fate(outputs, events)
        sent = ipv4.Datagram(outputs[0][0].data)
        assert sent.ports is not None
        outside = f"{IPv4Address(sent.source)}:{sent.ports[0]}"
        answer = udp(IPv4Address(sent.destination), sent.ports[1], IPv4Address(sent.source), sent.ports[0])
        return f"seen as {outside}, the answer {self.into(answer)}"

    def into(self, data: bytes) -> str:
        """What becomes of a packet from the internet."""
        return _fate(*self._gateway.process(Packet(data), Link.NATIVE, _NOW))

    def _send(self, inner: bytes) -> tuple[list[tuple[Packet, Link]], list[str]]:
        packet = Packet(carried(self._service, inner, self.address))
        return self._gateway.process(packet, Link.SOFTWIRE, _NOW)


def _inside_host(service: Service) -> IPv4Address:
    if service.inside:
        return service.inside[0].network_address + (9 if service.inside[0].num_addresses > 9 else 0)
    return IPv4Address("192.168.1.10")


def _peers(service: Service) -> list[Customer]:
    own = service.customer.address
    return [customer for customer in customers(service, 3) if customer.address != own]


def _one_way(edge: Node, gateway: Node, data: bytes) -> str:
    outputs, events = edge.process(Packet(data), Link.NATIVE, _NOW)
    if not outputs or outputs[0][1] is not Link.SOFTWIRE:
        return f"edge: {_fate(outputs, events)}"
    sent = _fate(outputs, events)
    outputs, events = gateway.process(outputs[0][0], Link.SOFTWIRE, _NOW)
    return f"{sent}, gateway: {_fate(outputs, events)}"


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


def _unsolicited(edge: Node, gateway: Node, planned: Service, host: IPv4Address, there: IPv4Address) -> Talks:
    own = planned.customer.ipv4.network_address
    for forward in planned.port_forwards:
        make = syn if forward.protocol == "tcp" else udp
        text = f"{forward.protocol.upper()} {there}:80 -> {own}:{forward.outside_port}"
        yield text, _inbound(edge, gateway, make(there, 80, own, forward.outside_port))
    # A third party answers a mapping that somebody else's traffic made: filtering decides.
    mapped = _mapping(edge, gateway, udp(host, 31000, there, 80))
    if mapped is not None:
        third = udp(there + 1, 80, *mapped)
        yield f"UDP {there + 1}:80 -> a mapping of {host}:31000", _inbound(edge, gateway, third)


def _mapping(edge: Node, gateway: Node, data: bytes) -> tuple[IPv4Address, int] | None:
    """Address and port that the internet sees a packet from inside with."""
    outputs, _ = edge.process(Packet(data), Link.NATIVE, _NOW)
    if outputs and outputs[0][1] is Link.SOFTWIRE:
        outputs, _ = gateway.process(outputs[0][0], Link.SOFTWIRE, _NOW)
    if not outputs or outputs[0][1] is not Link.NATIVE:
        return None
    sent = ipv4.Datagram(outputs[0][0].data)
    return (IPv4Address(sent.source), sent.ports[0]) if sent.ports else None
