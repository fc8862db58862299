# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand packets that tell two models of one node apart: what its customers and the internet may send."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from random import Random

from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane
from ansible_collections.ipv4aas.fleet.engine.node.core import Link, Node, build_node
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Packet
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from ansible_collections.ipv4aas.fleet.engine.techniques.planes import (
    plane_of,
    resolved_routes,
    resolved_side,
)
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, Service
from ansible_collections.ipv4aas.fleet.engine.verify.samples import (
    carried,
    customers,
    encapsulated,
    syn,
    udp,
    without_checksum,
)

LAN = IPv4Network("192.168.1.0/24")
_NOW = 1000.0

Sent = tuple[bytes, Link]
Verdict = tuple[list[tuple[bytes, Link]], list[str]]


def verdicts(service: Service, packets: list[Sent]) -> list[Verdict]:
    """What a fresh node makes of packets, one after the other."""
    node = build_node(service, rng=Random(1))
    return [_verdict(node, *packet) for packet in packets]


def conversation(service: Service, count: int, seed: int = 2013) -> list[Sent]:
    """Packets of both sides; about half of them answer what the node has sent on."""
    rng = Random(seed)
    node = build_node(service, rng=Random(1))
    fresh = _fresh(service, rng)
    made: list[Sent] = []
    answers: list[Sent] = []
    while len(made) < count:
        packet = answers.pop() if answers and rng.random() < 0.5 else next(fresh)
        made.append(packet)
        outputs, _events = _verdict(node, *packet)
        answers += [(_answer(data), link) for data, link in outputs if _answer(data)]
    return made


def _verdict(node: Node, data: bytes, link: Link) -> Verdict:
    outputs, events = node.process(Packet(data), link, _NOW)
    return [(packet.data, where) for packet, where in outputs], events


def _answer(data: bytes) -> bytes:
    """The same packet back: addresses and ports of every header swapped; empty where it has no ports."""
    if data[0] >> 4 == 6:
        head = data[:8] + data[24:40] + data[8:24]
        if data[6] == 4:
            inner = _answer(data[40:])
            return head + inner if inner else b""
        return head + _swapped(data[40:]) if data[6] in (6, 17) else b""
    length = (data[0] & 15) * 4
    if data[9] not in (6, 17) or struct.unpack_from("!H", data, 6)[0] & 0x3FFF:
        return b""
    return data[:12] + data[16:20] + data[12:16] + data[20:length] + _swapped(data[length:])


def _swapped(body: bytes) -> bytes:
    return body[2:4] + body[:2] + body[4:]


def _fresh(service: Service, rng: Random) -> Iterator[Sent]:
    mapping = TECHNIQUES[service.technique].mapping
    if mapping == "plane-rewrite":
        return _of_translator(service, rng)
    if mapping.startswith("plane"):
        return _of_plane(service, rng)
    if service.role == EDGE:
        return _of_edge(service, rng)
    return _of_port_sets(service, rng) if mapping in ("rule", "binding") else _of_subscribers(service, rng)


def _datagram(rng: Random, source: IPv4Address, sport: int, target: IPv4Address, dport: int) -> bytes:
    kind = rng.random()
    if kind < 0.3:
        return syn(source, sport, target, dport)
    size = rng.choice([40, 576, 1240, 1260, 1280, 1400, 1460, 1461, 1480, 1481, 1500])
    made = udp(source, sport, target, dport, size, df=rng.random() < 0.5)
    return without_checksum(made) if kind > 0.95 else made


def _internet(rng: Random) -> tuple[IPv4Address, int]:
    return IPv4Address(0xC6120000 | rng.randrange(1, 65535)), rng.choice([53, 80, 443, rng.randrange(65536)])


def _of_port_sets(service: Service, rng: Random) -> Iterator[Sent]:
    known = list(customers(service, 64))
    while True:
        customer = rng.choice(known)
        own = customer.ipv4.network_address + rng.randrange(customer.ipv4.num_addresses)
        port = customer.ports.nth(rng.randrange(len(customer.ports)))
        if rng.random() < 0.2:
            port = rng.randrange(65536)
        there, dport = _internet(rng)
        if rng.random() < 0.1:
            other = rng.choice(known)
            there, dport = other.ipv4.network_address, other.ports.nth(0)
        if rng.random() < 0.5:
            yield _datagram(rng, there, dport, own, port), Link.NATIVE
        else:
            source = IPv6Address(int(customer.address) ^ (rng.random() < 0.1))
            yield carried(service, _datagram(rng, own, port, there, dport), source), Link.SOFTWIRE


def _of_subscribers(service: Service, rng: Random) -> Iterator[Sent]:
    hosts = [IPv6Address(0x20010DB8 << 96 | number << 64 | 1) for number in range(1, 9)]
    assert service.pool is not None
    while True:
        there, dport = _internet(rng)
        own = LAN.network_address + rng.randrange(1, 255)
        if rng.random() < 0.15:
            network = rng.choice(service.pool.ipv4)
            own = network.network_address + rng.randrange(network.num_addresses)
            yield _datagram(rng, there, dport, own, rng.randrange(65536)), Link.NATIVE
        else:
            inner = _datagram(rng, own, rng.randrange(1024, 65536), there, dport)
            yield carried(service, inner, rng.choice(hosts)), Link.SOFTWIRE


def _of_edge(service: Service, rng: Random) -> Iterator[Sent]:
    inside = service.inside[0] if service.inside else LAN
    while True:
        there, dport = _internet(rng)
        host = inside.network_address + rng.randrange(inside.num_addresses)
        yield _datagram(rng, host, rng.randrange(1024, 65536), there, dport), Link.NATIVE


def _of_plane(service: Service, rng: Random) -> Iterator[Sent]:
    inside = service.inside[0] if service.inside else LAN
    plane = plane_of(service)
    far = [route.ipv4 for route in service.plane_routes] or [IPv4Network("10.9.0.0/24")]
    while True:
        host = inside.network_address + rng.randrange(inside.num_addresses)
        network = rng.choice(far)
        there = network.network_address + rng.randrange(network.num_addresses)
        if rng.random() < 0.5:
            yield _datagram(rng, host, 5000, there, 80), Link.NATIVE
        else:
            ends = IPv6Address(plane.address(int(there))), IPv6Address(plane.address(int(host)))
            yield encapsulated(_datagram(rng, there, 80, host, 5000), *ends), Link.SOFTWIRE


def _of_translator(service: Service, rng: Random) -> Iterator[Sent]:
    inside = service.inside[0] if service.inside else LAN
    fixed, own = plane_of(service), resolved_side(service)
    routes = resolved_routes(service)
    while True:
        route = rng.choice(routes)
        here = inside.network_address + rng.randrange(inside.num_addresses)
        there = route.ipv4.network_address + rng.randrange(route.ipv4.num_addresses)
        away = Plane(route.prefix, fixed.plane_id)
        if rng.random() < 0.5:
            ends = fixed.address(int(here)), fixed.address(int(there))
            made = _datagram(rng, here, 5000, there, 80)
        else:
            ends = away.address(int(there)), own.address(int(here))
            made = _datagram(rng, there, 80, here, 5000)
        yield encapsulated(made, *map(IPv6Address, ends)), Link.SOFTWIRE
