# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Seeded fuzzer of the MAP-E nodes: random bytes, valid packets, and valid packets with damage.

FUZZ_PACKETS says how many (default 20000), FUZZ_SEED which ones. Checks use their own checksum and header
code (packetkit), so that the engine does not judge itself.
"""

from __future__ import annotations

import os
import struct
from collections import Counter
from collections.abc import Callable, Sequence
from ipaddress import IPv4Address
from random import Random
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.core import Limits, Link, build_node
from ansible_collections.ipv4aas.fleet.engine.node.reasons import REASONS
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Offload, Packet
from ansible_collections.ipv4aas.fleet.engine.techniques.service import PortForward
from unit.packet import packetkit as kit

COUNT = int(os.environ.get("FUZZ_PACKETS", "20000"))
SEED = int(os.environ.get("FUZZ_SEED", "7597"))
MTU = 1280
LIMITS = Limits(sessions=200, fragment_packets=50, fragment_octets=100_000, fragment_seconds=2.0)

INSIDE = [f"192.168.1.{i}" for i in range(1, 30)]
OUTSIDE = [
    *[kit.SERVER] * 12,
    "203.0.113.9",
    kit.OTHER4,
    kit.OWN4,
    "192.0.2.255",
    "127.0.0.1",
    "224.0.0.1",
    "0.0.0.0",
]
SOFTWIRES = [kit.BR, kit.OWN6, kit.OTHER6, "2001:db8:12:3400:c0:2:1200:3400", "2001:db9::1"]
PORTS = [80, 53, 208, kit.OWN_PORT, kit.OTHER_PORT, 1233, 64723, 0, 65535]
FLAGS = [2, 2, 2, 18, 16, 16, 1, 17, 4, 20, 0]
DATA = [b"", b"x" * 7, bytes(100), b"y" * 1192, b"z" * 1300, b"w" * 4000]
MSS = [b"", b"\x02\x04\x05\xb4", b"\x01\x02\x04\x05\xb4\0\0\0", b"\x02\x00\x01\x01", b"\x05\x20\x02\x04"]


LYING = 41
Pairs = Sequence[tuple[str, int]]
OWN, PEER, PEER2 = (kit.OWN4, kit.OWN_PORT), (kit.OTHER4, kit.OTHER_PORT), (kit.OTHER4, kit.OTHER_PORT + 1)
CUSTOMERS, PEERS = (OWN, PEER), (PEER, PEER2)
REMOTES = ((kit.SERVER, 80), (kit.SERVER, 53), PEER)
SENDERS: dict[str, list[tuple[str, Pairs]]] = {
    "gateway": [(kit.OWN6, (OWN,)), (kit.OTHER6, PEERS), ("2001:db8:12:3400:c0:2:1200:3400", (OWN,))],
    "edge": [(kit.BR, REMOTES), (kit.BR, REMOTES), (kit.OTHER6, PEERS)],
}


def reverse(packet: bytes) -> bytes:
    """Addresses and ports exchanged: sums stay right."""
    ports = packet[22:24] + packet[20:22] if packet[9] in (6, 17) and len(packet) > 24 else packet[20:24]
    return packet[:12] + packet[16:20] + packet[12:16] + ports + packet[24:]


def packets(rng: Random, sources: list[str], targets: list[str], kept: Pairs, senders: Pairs = ()) -> bytes:
    """One IPv4 packet, mostly valid."""
    pick = rng.choice
    src, dst, sport, dport = pick(sources), pick(targets), pick(PORTS), pick(PORTS)
    if senders and rng.random() < 0.9:
        src, sport = pick(senders)
    if kept and rng.random() < 0.8:
        dst, dport = pick(kept)
    head = {
        "df": rng.random() < 0.6,
        "ttl": pick([1, 2, 64]),
        "tos": pick([0, 1, 2, 3, 0xB8]),
        "ident": rng.randrange(9),
    }
    kind = rng.randrange(10)
    if kind < 4:
        return kit.tcp(src, sport, dst, dport, pick(FLAGS), pick(DATA), pick(MSS), **head)
    if kind < 7:
        return kit.udp(src, sport, dst, dport, pick(DATA), **head)
    if kind == 7:
        return kit.echo(src, dst, dport, reply=rng.random() < 0.5, **head)
    if kind == 8:
        about = pick(
            [kit.udp(dst, dport, src, sport), kit.tcp(dst, dport, src, sport), kit.echo(dst, src, dport)]
        )
        return kit.icmp(
            src, dst, pick([3, 11, 12, 5, 4]), rng.randrange(5), 1400, about[: pick([20, 28, 40, 60])], **head
        )
    return kit.ip(src, dst, pick([47, 50, 33, 132]), bytes(pick([0, 3, 8, 40])), **head)


def pieces(rng: Random, packet: bytes) -> list[bytes]:
    """The packet, sometimes in fragments, sometimes in disorder, doubled or overlapping."""
    if len(packet) < 60 or rng.random() < 0.7:
        return [packet]
    cut = kit.cut(packet, rng.choice([8, 24, 128, 1024]))[:40]
    if rng.random() < 0.5:
        rng.shuffle(cut)
    if rng.random() < 0.1:
        cut.append(rng.choice(cut))
    if rng.random() < 0.1:
        cut += kit.cut(packet, 16)[1:3]
    return cut


def damaged(rng: Random, data: bytes) -> bytes:
    """Flip, cut or lengthen."""
    out = bytearray(data)
    for _ in range(rng.randrange(1, 4)):
        out[rng.randrange(min(len(out), 100))] = rng.randrange(256)
    return bytes(out[: rng.randrange(len(out) + 1)] if rng.random() < 0.3 else out)


def offloaded(rng: Random, data: bytes) -> Packet:
    """A whole TCP or UDP packet sometimes as the kernel gives it: checksum undone, or a super-packet."""
    whole = not struct.unpack_from("!H", data, 6)[0] & 0x3FFF and data[9] in (6, 17)
    if not whole or rng.random() < 0.7:
        return Packet(data)
    if rng.random() < 0.1:
        values = [rng.choice([0, 20, 36, 65535]), rng.choice([6, 16, 2]), rng.choice([0, 1, 4, 5])]
        return Packet(data, Offload(True, *values, gso_size=rng.choice([0, 1, 99]), hdr_len=LYING))
    return kit.partial(data, rng.choice([0, 100, 1400]))


def stream(rng: Random, role: str, kept: Pairs) -> list[tuple[bytes, Link, bool]]:
    """Some packets with the side they arrive on, and whether they are undamaged."""
    if rng.random() < 0.05:
        return [(rng.randbytes(rng.randrange(120)), rng.choice([kit.NATIVE, kit.SOFTWIRE]), False)]
    native = rng.random() < 0.5
    mostly = rng.random() < 0.9
    if native and role == "edge":
        batch = pieces(rng, packets(rng, INSIDE, OUTSIDE, PEERS if rng.random() < 0.2 else ()))
    elif native:
        batch = pieces(rng, packets(rng, OUTSIDE, OUTSIDE, CUSTOMERS if mostly else ()))
    else:
        here = kit.OWN6 if role == "edge" else kit.BR
        near, senders = rng.choice(SENDERS[role]) if mostly else (rng.choice(SOFTWIRES), ())
        inner = packets(rng, OUTSIDE, OUTSIDE, kept, senders)
        batch = []
        for piece in pieces(rng, inner):
            whole = kit.tunnel(near, here, piece, tc=3 if rng.random() < 0.1 else 0)
            kind = rng.random()
            if kind < 0.1 and len(piece) > 80:
                cut = kit.cut6(whole, rng.choice([64, 512]), rng.randrange(4))[:40]
                rng.shuffle(cut)
                batch += cut
            elif kind < 0.15:
                batch.append(kit.tunnel(near, here, piece, next_header=60, before=b"\x04\0\4\1\4\1\0\0"))
            elif kind < 0.2:
                mine = packets(rng, OUTSIDE, OUTSIDE, CUSTOMERS) if role == "gateway" else reverse(inner)
                far = kit.OWN6 if kit.field(mine, "dst") == kit.OWN4 else near
                about = kit.tunnel(here, far, mine)[: rng.choice([60, 80, 120, 500])]
                batch.append(
                    kit.icmpv6("2001:db8::99", here, rng.choice([1, 2, 3, 4, 128, 135]), 0, 1400, about)
                )
            else:
                batch.append(whole)
    link = kit.NATIVE if native else kit.SOFTWIRE
    if rng.random() < 0.3:
        return [(damaged(rng, data), link, False) for data in batch]
    return [(data, link, True) for data in batch]


def check_output(
    packet: Packet, link: Link, clean: bool, here: str, inner_source: Callable[[str, str], bool]
) -> None:
    data = kit.finished(packet)
    if link is kit.NATIVE:
        assert data[0] >> 4 == 4
        inner = data
    else:
        assert data[0] >> 4 == 6
        assert len(data) <= MTU
        assert len(data) == 40 + struct.unpack_from("!H", data, 4)[0]
        assert kit.outer(data)[0] == here
        if data[6] != 4:
            assert data[6] in (44, 58)
            return
        inner = data[40:]
        assert inner_source(*(str(IPv4Address(inner[a : a + 4])) for a in (12, 16)))
    assert len(inner) == struct.unpack_from("!H", inner, 2)[0]
    wrong = kit.checksums(inner)
    assert "header" not in wrong
    assert not (clean and wrong), (wrong, inner.hex())


def build(role: str) -> Any:
    changes: dict[str, Any] = {"ipv6_mtu": MTU, "mss_clamp": MTU - 80, "rules": (kit.rule(forwarding=True),)}
    if role == "edge":
        changes["port_forwards"] = (PortForward("tcp", 1234, IPv4Address("192.168.1.5"), 80),)
    return build_node(kit.service(role, **changes), rng=Random(SEED), limits=LIMITS)


@pytest.mark.parametrize("role", ["gateway", "edge"])
def test_fuzz(role: str) -> None:
    rng, node, now = Random(f"{SEED}{role}"), build(role), 0.0
    here = kit.BR if role == "gateway" else kit.OWN6
    seen: Counter[str] = Counter()
    kept: list[tuple[str, int]] = []
    rules = kit.rule()
    count, done = COUNT // 2, 0

    def inner_source(src: str, dst: str) -> bool:
        """A gateway sends only to customers, an edge only as itself."""
        return IPv4Address(dst) in rules.ipv4_prefix if role == "gateway" else src == kit.OWN4

    while done < count:
        batch = stream(rng, role, kept)
        for data, arrival, clean in batch:
            done += 1
            now += rng.random() * 0.05
            packet = offloaded(rng, data) if clean and arrival is kit.NATIVE else Packet(data)
            outputs, events = node.process(packet, arrival, now)
            seen.update(events)
            # Of pieces and of packets with a lying offload nobody knows the sum beforehand.
            sure = clean and len(batch) == 1 and (packet.offload is None or packet.offload.hdr_len != LYING)
            for out, link in outputs:
                check_output(out, link, sure, here, inner_source)
        if done % 50 < len(batch):
            seen.update(node.expire(now))
            check_state(node)
            kept = [(kit.OWN4, s.outside_port) for s in node.sessions()[:20]]
            assert all(port in node.customer.ports for _, port in kept) if role == "edge" else not kept
        if rng.random() < 0.0005:
            now += 300
    print(role, sorted(seen.items()))
    assert not set(seen) - set(REASONS), "an event without a line in the reasons table"
    common = {
        "encapsulated",
        "decapsulated",
        "fragment_held",
        "drop_fragment_overlap",
        "mss_clamped",
        "icmp_sent",
    }
    assert common <= set(seen)
    node.expire(now + 10_000)
    assert node.sessions() == []
    assert len(node.fragments.chains) == len(node.reassembler.chains) == 0
    assert node.fragments.chains.octets == node.reassembler.chains.octets == 0


def check_state(node: Any) -> None:
    for table in (node.fragments.chains, node.reassembler.chains):
        assert len(table) <= LIMITS.fragment_packets
        assert 0 <= table.octets <= LIMITS.fragment_octets
    assert len(node.sessions()) <= LIMITS.sessions
