# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A translator for tests, IPv6 packets, and their judge; the checksum is packetkit's, not the engine's."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Network
from random import Random
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import Embedding
from ansible_collections.ipv4aas.fleet.engine.packet import ipv6
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import GSO_TCP6, GSO_UDP, Offload, Packet
from ansible_collections.ipv4aas.fleet.engine.packet.ipv4 import Datagram
from ansible_collections.ipv4aas.fleet.engine.packet.translation import Translation
from ansible_collections.ipv4aas.fleet.engine.packet.verdict import Drop
from unit.packet import packetkit as kit

# RFC 7915 appendix A.
PREFIX = Embedding(IPv6Network("2001:db8:100::/40"))
HOST4, HOST6 = "198.51.100.2", "2001:db8:1c6:3364:2::"
PEER4, PEER6 = "192.0.2.33", "2001:db8:1c0:2:21::"
ROUTER4, ROUTER6 = "203.0.113.9", "2001:db8:1cb:71:9::"
FOREIGN6 = "2001:db8:ffff::1"  # not in the prefix
ICMP_SOURCE = "192.0.0.8"


class PrefixEnds:
    """Every IPv4 address is in the prefix."""

    icmp_source = int(IPv4Address(ICMP_SOURCE))

    def to6(self, ipv4: int, port: int | None) -> int:
        return PREFIX.embed(ipv4)

    def to4(self, ipv6: int) -> int:
        if ipv6 not in PREFIX:
            raise Drop("drop_no_rule")
        return PREFIX.extract(ipv6)


def translator(ipv6_mtu: int = 1500, **changes: Any) -> Translation:
    return Translation(ipv6_mtu, ends=PrefixEnds(), rng=Random(1), **changes)


def to6(data: bytes | Packet, translation: Translation | None = None) -> list[Packet]:
    """What becomes of an IPv4 packet."""
    packet = data if isinstance(data, Packet) else Packet(data)
    d = Datagram(packet.data, packet.offload)
    return (translation or translator()).wrap(d, PREFIX.embed(d.source), PREFIX.embed(d.destination))


def one6(data: bytes | Packet, translation: Translation | None = None) -> bytes:
    """The only IPv6 packet that an IPv4 packet becomes."""
    (packet,) = to6(data, translation)
    assert packet.offload is None
    return packet.data


def to4(data: bytes | Packet, translation: Translation | None = None) -> Datagram:
    """What becomes of an IPv6 packet."""
    packet = data if isinstance(data, Packet) else Packet(data)
    return (translation or translator()).unwrap(ipv6.read(packet.data), packet.offload)


def one4(data: bytes | Packet, translation: Translation | None = None) -> bytes:
    d = to4(data, translation)
    assert d.offload is None
    assert kit.checksums(bytes(d.buf)) == []
    return bytes(d.buf)


def ip6(
    src: str,
    dst: str,
    next_header: int,
    body: bytes,
    *,
    hop_limit: int = 64,
    tc: int = 0,
    before: bytes = b"",
) -> bytes:
    """An IPv6 packet; `before` is between the header and the body, and `next_header` names it."""
    head = struct.pack("!IHBB", 6 << 28 | tc << 20, len(before) + len(body), next_header, hop_limit)
    return head + kit.v6(src) + kit.v6(dst) + before + body


def sealed6(src: str, dst: str, proto: int, body: bytes, at: int) -> bytes:
    """The body with its checksum at `at`."""
    body = body[:at] + b"\0\0" + body[at + 2 :]
    total = kit.slow_sum(pseudo(src, dst, proto, len(body)) + body) ^ 0xFFFF
    return body[:at] + struct.pack("!H", (total or 0xFFFF) if proto == 17 else total) + body[at + 2 :]


def pseudo(src: str, dst: str, proto: int, length: int) -> bytes:
    return kit.v6(src) + kit.v6(dst) + struct.pack("!II", length, proto)


def udp6(src: str, sport: int, dst: str, dport: int, data: bytes = b"hello", **header: Any) -> bytes:
    body = struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data
    return ip6(src, dst, 17, sealed6(src, dst, 17, body, 6), **header)


def tcp6(src: str, sport: int, dst: str, dport: int, data: bytes = b"", **header: Any) -> bytes:
    body = struct.pack("!HHIIBBHHH", sport, dport, 1, 2, 0x50, 16, 1000, 0, 0) + data
    return ip6(src, dst, 6, sealed6(src, dst, 6, body, 16), **header)


def icmp6(src: str, dst: str, kind: int, code: int, word: int, data: bytes = b"", **header: Any) -> bytes:
    body = struct.pack("!BBHI", kind, code, 0, word) + data
    return ip6(src, dst, 58, sealed6(src, dst, 58, body, 2), **header)


def fragment(next_header: int, offset: int, more: bool, ident: int) -> bytes:
    return struct.pack("!BBHI", next_header, 0, offset | more, ident)


def partial6(packet: bytes, gso_size: int = 0) -> Packet:
    """A TCP or UDP packet as a kernel hands it over."""
    proto = packet[6]
    offset = 16 if proto == 6 else 6
    src, dst = kit.outer(packet)
    at = 40 + offset
    total = kit.slow_sum(pseudo(src, dst, proto, len(packet) - 40))
    data = packet[:at] + struct.pack("!H", total) + packet[at + 2 :]
    kind = (GSO_TCP6 if proto == 6 else GSO_UDP) if gso_size else 0
    return Packet(data, Offload(True, 40, offset, kind, gso_size, 60))


def wrong6(packet: bytes) -> list[str]:
    """What is wrong with a whole IPv6 packet without extension headers."""
    src, dst = kit.outer(packet)
    body, proto = packet[40:], packet[6]
    wrong = [] if struct.unpack_from("!H", packet, 4)[0] == len(body) else ["length"]
    if packet[0] >> 4 != 6 or packet[1] & 15 or packet[2] or packet[3]:
        wrong.append("version or flow label")
    if proto in (6, 17, 33, 58, 136) and kit.slow_sum(pseudo(src, dst, proto, len(body)) + body) != 0xFFFF:
        wrong.append("checksum")
    if proto == 17 and body[6:8] == b"\0\0":
        wrong.append("UDP without checksum")
    return wrong


def plain(offload: Offload | None, **changes: Any) -> Offload:
    assert offload is not None
    return offload._replace(**changes)
