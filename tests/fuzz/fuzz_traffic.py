# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random packets of both IP versions, mostly valid; answers to packets and errors about them; damage."""

from __future__ import annotations

import struct
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv6Address
from random import Random

from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Offload, Packet
from unit.packet import packetkit as kit
from unit.packet import translationkit as kit6

LYING = 41  # header length of an offload that is not to be believed
ROUTER4, ROUTER6 = "198.51.100.254", "2001:db8:fffd::99"

TCP, UDP, ICMP, ICMPV6, FRAGMENT, IPV4 = 6, 17, 1, 58, 44, 4
PROTOCOLS = [TCP, TCP, TCP, UDP, UDP, UDP, ICMP, 47, 50, 132]
FLAGS = [2, 2, 2, 18, 16, 16, 1, 17, 4, 20, 0]
DATA = [b"", b"x" * 7, bytes(100), b"y" * 1192, b"v" * 1215, b"u" * 1236, b"z" * 1300, b"w" * 4000]
MSS = [b"", b"\x02\x04\x05\xb4", b"\x01\x02\x04\x05\xb4\0\0\0", b"\x02\x00\x01\x01", b"\x05\x20\x02\x04"]
BODIES = [bytes(n) for n in (0, 3, 8, 40)]


@dataclass(frozen=True)
class Flow:
    """Who says something to whom; protocol numbers are those of IPv4, an ICMP identifier is both ports."""

    protocol: int
    source: str
    sport: int
    target: str
    tport: int

    def back(self) -> Flow:
        """The answers."""
        return Flow(self.protocol, self.target, self.tport, self.source, self.sport)


def render4(rng: Random, flow: Flow) -> bytes:
    """An IPv4 packet of a flow."""
    pick = rng.choice
    head = {
        "df": rng.random() < 0.6,
        "ttl": pick([1, 2, 64, 64]),
        "tos": pick([0, 1, 2, 3, 0xB8]),
        "ident": rng.randrange(9),
    }
    ends = flow.source, flow.sport, flow.target, flow.tport
    if flow.protocol == TCP:
        return kit.tcp(*ends, pick(FLAGS), pick(DATA), pick(MSS), **head)
    if flow.protocol == UDP:
        packet = kit.udp(*ends, pick(DATA), **head)
        return packet[:26] + b"\0\0" + packet[28:] if rng.random() < 0.1 else packet
    if flow.protocol == ICMP:
        return kit.echo(flow.source, flow.target, flow.sport, reply=rng.random() < 0.5, **head)
    return kit.ip(flow.source, flow.target, flow.protocol, pick(BODIES), **head)


def render6(rng: Random, flow: Flow) -> bytes:
    """An IPv6 packet of a flow."""
    pick = rng.choice
    head = {"hop_limit": pick([1, 2, 64, 64]), "tc": pick([0, 1, 2, 3, 0xB8])}
    ends = flow.source, flow.sport, flow.target, flow.tport
    if flow.protocol == TCP:
        body = struct.pack("!HHIIBBHHH", flow.sport, flow.tport, 1, 2, 0x50, pick(FLAGS), 1000, 0, 0) + pick(
            DATA
        )
        return kit6.ip6(
            flow.source, flow.target, TCP, kit6.sealed6(flow.source, flow.target, TCP, body, 16), **head
        )
    if flow.protocol == UDP:
        return kit6.udp6(*ends, pick(DATA), **head)
    if flow.protocol == ICMP:
        return kit6.icmp6(
            flow.source, flow.target, pick([128, 129]), 0, flow.sport << 16 | 1, b"ping", **head
        )
    return kit6.ip6(flow.source, flow.target, flow.protocol, pick(BODIES), **head)


def flow4(packet: bytes) -> Flow | None:
    """The flow of an IPv4 packet; None of stumps, later pieces and what has no ports."""
    if len(packet) < 20:
        return None
    header = (packet[0] & 15) * 4
    source, target = str(IPv4Address(packet[12:16])), str(IPv4Address(packet[16:20]))
    if struct.unpack_from("!H", packet, 6)[0] & 0x1FFF:
        return None
    return _flow(packet[9], packet[header:], source, target, (0, 8))


def flow6(packet: bytes) -> Flow | None:
    """The flow of an IPv6 packet without extensions."""
    source, target = kit.outer(packet)
    protocol = ICMP if packet[6] == ICMPV6 else packet[6]
    return _flow(protocol, packet[40:], source, target, (128, 129))


def _flow(protocol: int, body: bytes, source: str, target: str, echoes: tuple[int, ...]) -> Flow | None:
    if len(body) < 8:
        return None
    if protocol in (TCP, UDP):
        return Flow(
            protocol, source, *struct.unpack_from("!H", body), target, struct.unpack_from("!H", body, 2)[0]
        )
    if protocol == ICMP and body[0] in echoes:
        (ident,) = struct.unpack_from("!H", body, 4)
        return Flow(ICMP, source, ident, target, ident)
    return None


def error4(rng: Random, about: bytes) -> bytes:
    """An ICMPv4 error to the source of a packet."""
    pick = rng.choice
    sender = pick([ROUTER4, str(IPv4Address(about[16:20]))])
    kept = about[: pick([20, 28, 40, 60, 500])]
    return kit.icmp(
        sender, str(IPv4Address(about[12:16])), pick([3, 3, 11, 12, 5, 4]), rng.randrange(5), 1400, kept
    )


def error6(rng: Random, about: bytes) -> bytes:
    """An ICMPv6 error to the source of a packet."""
    pick = rng.choice
    source, target = kit.outer(about)
    kept = about[: pick([39, 60, 80, 120, 500, 1200])]
    return kit6.icmp6(
        pick([ROUTER6, target]),
        source,
        pick([1, 1, 2, 3, 4, 135]),
        rng.randrange(6),
        pick([0, 1300, 48]),
        kept,
    )


def pieces4(rng: Random, packet: bytes) -> list[bytes]:
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


def pieces6(rng: Random, packet: bytes) -> list[bytes]:
    """The same for IPv6; sometimes with an extension header."""
    kind = rng.random()
    if kind < 0.1 and len(packet) > 120:
        cut = kit.cut6(packet, rng.choice([64, 512]), rng.randrange(4))[:40]
        rng.shuffle(cut)
        return cut
    if kind < 0.15:
        extension = bytes((packet[6],)) + rng.choice(
            [b"\0\4\1\4\1\0\0", b"\0\x04\0\0\0\0\0", b"\0\xc2\4\0\0\0\0"]
        )
        source, target = kit.outer(packet)
        return [kit6.ip6(source, target, rng.choice([60, 43, 0]), packet[40:], before=extension)]
    return [packet]


def damaged(rng: Random, data: bytes) -> bytes:
    """Flip, cut or lengthen."""
    out = bytearray(data)
    if not out:
        return data
    for _ in range(rng.randrange(1, 4)):
        out[rng.randrange(min(len(out), 100))] = rng.randrange(256)
    return bytes(out[: rng.randrange(len(out) + 1)] if rng.random() < 0.3 else out)


def offloaded(rng: Random, data: bytes) -> Packet:
    """A whole TCP or UDP packet sometimes as the kernel gives it: checksum undone, or a super-packet."""
    if rng.random() < 0.7:
        return Packet(data)
    if data[0] >> 4 == 4:
        if struct.unpack_from("!H", data, 6)[0] & 0x3FFF or data[9] not in (TCP, UDP):
            return Packet(data)
        make, offset = kit.partial, 0
    else:
        if data[6] not in (TCP, UDP):
            return Packet(data)
        make, offset = kit6.partial6, 20
    if rng.random() < 0.1:
        values = [rng.choice([0, 20, 36, 40, 65535]), rng.choice([6, 16, 2]), rng.choice([0, 1, 4, 5])]
        return Packet(data, Offload(True, *values, gso_size=rng.choice([0, 1, 99]), hdr_len=LYING))
    no_sum = data[20 + offset + 6 : 20 + offset + 8] == b"\0\0"
    return Packet(data) if no_sum else make(data, rng.choice([0, 100, 1400]))


def as_text(address: int) -> str:
    """A 128-bit integer as an address."""
    return str(IPv6Address(address))
