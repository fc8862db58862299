# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeded fuzzer of every technique and role: random bytes, valid packets, answers, errors, and damage.

FUZZ_PACKETS says how many over all (default 20000), FUZZ_SEED which ones. Judges use their own checksum
and header code (packetkit, translationkit), so that the engine does not judge itself.
"""

from __future__ import annotations

import os
import struct
from collections import Counter, deque
from ipaddress import IPv4Address, IPv6Address
from random import Random
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.core import Limits, Link, build_node
from ansible_collections.ipv4aas.fleet.engine.node.reasons import REASONS
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Packet
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from fuzz_seats import MTU, SEATS, Seat, flow_of
from fuzz_traffic import (
    FRAGMENT,
    ICMPV6,
    IPV4,
    LYING,
    damaged,
    error4,
    error6,
    flow4,
    flow6,
    offloaded,
    pieces4,
    pieces6,
    render4,
    render6,
)
from technique_samples import GATEWAY, SERVICES
from unit.packet import packetkit as kit
from unit.packet import translationkit as kit6

COUNT = int(os.environ.get("FUZZ_PACKETS", "20000"))
SEED = int(os.environ.get("FUZZ_SEED", "7597"))
LIMITS = Limits(sessions=200, fragment_packets=50, fragment_octets=15_000, fragment_seconds=2.0)
NATIVE, DOMAIN = Link.NATIVE, Link.SOFTWIRE
Batch = list[tuple[bytes, Link]]


def talk(rng: Random, seat: Seat, seen: deque[tuple[bytes, Link]]) -> Batch:
    """Something new, an answer to what the node sent, or an error about it; as pieces sometimes."""
    choice = rng.random()
    if seen and choice < 0.5:
        data, link = rng.choice(seen)
        heard = answer(rng, data, link) if choice < 0.4 else error(rng, data, link)
        if heard is not None:
            return heard
    if rng.random() < 0.5:
        return [(p, NATIVE) for p in pieces4(rng, render4(rng, flow_of(rng, rng.choice(seat.native))))]
    return [(p, DOMAIN) for p in pieces6(rng, seat.domain(rng))]


def answer(rng: Random, data: bytes, link: Link) -> Batch | None:
    """What comes back to a packet of the node."""
    if link is NATIVE:
        flow = flow4(data)
        return None if flow is None else [(p, NATIVE) for p in pieces4(rng, render4(rng, flow.back()))]
    source, target = kit.outer(data)
    if data[6] == IPV4:
        flow = flow4(data[40:])
        if flow is None:
            return None
        inner = pieces4(rng, render4(rng, flow.back()))
        return [(p, DOMAIN) for piece in inner for p in pieces6(rng, kit.tunnel(target, source, piece))]
    flow = flow6(data)
    return None if flow is None else [(p, DOMAIN) for p in pieces6(rng, render6(rng, flow.back()))]


def error(rng: Random, data: bytes, link: Link) -> Batch:
    """A router that could not forward a packet of the node says so; or the receiver, inside the tunnel."""
    if link is NATIVE:
        return [(error4(rng, data), NATIVE)]
    source, target = kit.outer(data)
    # A prefix translator passes on whatever is inside, stumps too.
    if data[6] == IPV4 and len(data) >= 60 and rng.random() < 0.5:
        return [(kit.tunnel(target, source, error4(rng, data[40:])), DOMAIN)]
    return [(error6(rng, data), DOMAIN)]


class Judge:
    """What every packet of a node has to be."""

    def __init__(self, seat: Seat, node: Any) -> None:
        self.seat, self.node = seat, node
        row = TECHNIQUES[seat.service.technique]
        self.tunnel = row.carriage == "encapsulation"
        self.rewriting = row.mapping == "plane-rewrite"
        # Whoever speaks to it is a customer of a session gateway.
        self.open = row.mapping == "session" and seat.service.role == GATEWAY
        self.heard: set[str] = set()

    def hear(self, data: bytes, link: Link) -> None:
        """A packet to the node: its sender may get an answer."""
        if not self.open:
            self.heard.clear()
        if link is DOMAIN and len(data) >= 40:
            self.heard.add(kit.outer(data)[0])

    def packet(self, packet: Packet, link: Link, sure: bool) -> bytes:
        """`sure`: its checksums were right before."""
        data = kit.finished(packet)
        (self.native if link is NATIVE else self.domain)(packet, data, sure)
        return data

    def native(self, packet: Packet, data: bytes, sure: bool) -> None:
        self.ipv4(data, sure)
        source, target = kit.field(data, "src"), kit.field(data, "dst")
        assert source == self.seat.icmp_source or within4(source, self.seat.native_sources), source
        assert within4(target, self.seat.native_targets), target

    def ipv4(self, data: bytes, sure: bool) -> None:
        assert data[0] >> 4 == 4
        assert len(data) == struct.unpack_from("!H", data, 2)[0]
        wrong = kit.checksums(data)
        assert "header" not in wrong
        assert not (sure and wrong), (wrong, data.hex())

    def domain(self, packet: Packet, data: bytes, sure: bool) -> None:
        assert data[0] >> 4 == 6
        assert len(data) == 40 + struct.unpack_from("!H", data, 4)[0]
        todo = packet.offload
        segment = len(data) if todo is None or not todo.gso_size else 40 + 20 + todo.gso_size
        assert min(len(data), segment) <= MTU or self.rewriting
        source, target = kit.outer(data)
        assert target in self.heard or within6(target, self.seat.domain_targets), target
        if self.rewriting and data[6] == ICMPV6:
            return  # from any router
        assert within6(source, self.seat.domain_sources), source
        assert self.rewriting or self.node.owns(int(IPv6Address(source)))
        if data[6] == FRAGMENT:
            return
        if self.rewriting and not sure:
            return  # the packet inside is not read
        if self.tunnel and data[6] == IPV4:
            self.ipv4(data[40:], sure)
            self.ports(flow4(data[40:]))
        elif data[6] == ICMPV6 or not self.tunnel:
            if sure:
                assert kit6.wrong6(data) == [], data.hex()
            self.ports(flow6(data))

    def ports(self, flow: Any) -> None:
        """An edge with a port set stays in it (a ping that it answers excepted)."""
        if self.seat.port_set and flow is not None and flow.target != flow.source:
            own = flow.sport in self.node.customer.ports
            assert own or (flow.protocol == 1 and ":" in flow.source), flow

    def state(self) -> None:
        """Memory is bounded."""
        for table in (self.node.fragments.chains, self.node.reassembler.chains):
            assert len(table) <= LIMITS.fragment_packets
            assert 0 <= table.octets <= LIMITS.fragment_octets
        assert len(self.node.sessions()) == self.node.session_count() <= LIMITS.sessions

    def end(self, now: float) -> None:
        """After a long silence nothing is left."""
        self.node.expire(now + 100_000)
        assert self.node.sessions() == []
        for table in (self.node.fragments.chains, self.node.reassembler.chains):
            assert len(table) == table.octets == 0


def within4(address: str, networks: list[Any]) -> bool:
    return any(IPv4Address(address) in network for network in networks)


def within6(address: str, networks: list[Any]) -> bool:
    return any(IPv6Address(address) in network for network in networks)


def test_every_technique_has_its_seats() -> None:
    assert set(SEATS) == set(SERVICES)


@pytest.mark.parametrize("name", SEATS, ids=" ".join)
def test_fuzz(name: tuple[str, str]) -> None:
    seat, rng, now = SEATS[name], Random(f"{SEED}{name}"), 0.0
    source = int(IPv4Address(seat.icmp_source))
    node = build_node(seat.service, rng=Random(SEED), limits=LIMITS, icmp_source=source)
    judge, events = Judge(seat, node), Counter[str]()
    seen: deque[tuple[bytes, Link]] = deque(maxlen=50)
    done, share = 0, COUNT // len(SEATS)
    while done < share:
        batch = talk(rng, seat, seen)
        broken = rng.random() < 0.3
        if rng.random() < 0.05:
            batch, broken = [(rng.randbytes(rng.randrange(120)), rng.choice([NATIVE, DOMAIN]))], True
        for data, link in batch:
            done += 1
            now += rng.random() * 0.05
            packet = Packet(damaged(rng, data)) if broken else offloaded(rng, data)
            judge.hear(packet.data, link)
            outputs, happened = node.process(packet, link, now)
            events.update(happened)
            # Of pieces and of packets with a lying offload nobody knows the sum beforehand.
            lying = packet.offload is not None and packet.offload.hdr_len == LYING
            sure = not broken and len(batch) == 1 and not lying
            for out, departure in outputs:
                whole = judge.packet(out, departure, sure)
                seen.append((whole, departure))
        if done % 50 < len(batch):
            events.update(node.expire(now))
            judge.state()
        if rng.random() < 0.0005:
            now += 300
    print(name, sorted(events.items()))
    assert not set(events) - set(REASONS), "an event without a line in the reasons table"
    assert not events["drop_internal_fault"]
    carried = {"prefix_rewritten"} if judge.rewriting else {"encapsulated", "decapsulated", "mss_clamped"}
    assert carried <= set(events), sorted(events)
    judge.end(now)
