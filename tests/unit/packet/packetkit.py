# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets for tests, built and judged without the engine's own header and checksum code."""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.node.core import Link, build_node
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import GSO_TCP4, GSO_UDP, Offload, Packet
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service

NATIVE, SOFTWIRE = Link.NATIVE, Link.SOFTWIRE
BR = "2001:db8:ffff::1"
OWN4, OWN6, OWN_PORT = "192.0.2.18", "2001:db8:12:3400:0:c000:212:34", 1232  # RFC 7597 App. A
OTHER4, OTHER6, OTHER_PORT = "192.0.2.19", "2001:db8:13:5600:0:c000:213:56", 1368
SERVER = "198.51.100.7"


def rule(**changes: Any) -> MapRule:
    """The rule of RFC 7597 App. A example 1."""
    base = MapRule(IPv6Network("2001:db8::/40"), IPv4Network("192.0.2.0/24"), 16, 6)
    return replace(base, **changes)


def service(role: str, **changes: Any) -> Service:
    values: dict[str, Any] = {
        "name": "t",
        "technique": "map-e",
        "role": role,
        "gateway_address": IPv6Address(BR),
        "rules": (rule(),),
        "mss_clamp": 1420,
    }
    if role == "edge":
        values |= {
            "end_user_prefix": IPv6Network("2001:db8:12:3400::/56"),
            "inside": (IPv4Network("192.168.0.0/16"),),
        }
    return Service(**(values | changes))


def gateway(node: dict[str, Any] | None = None, **changes: Any) -> Any:
    return build_node(service("gateway", **changes), rng=Random(1), **(node or {}))


def edge(node: dict[str, Any] | None = None, **changes: Any) -> Any:
    return build_node(service("edge", **changes), rng=Random(1), **(node or {}))


def v4(text: str) -> bytes:
    return IPv4Address(text).packed


def v6(text: str) -> bytes:
    return IPv6Address(text).packed


def slow_sum(data: bytes) -> int:
    """RFC 1071 word by word: independent of the engine's way."""
    data = bytes(data) + b"\0" * (len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return total


def ip(
    src: str, dst: str, proto: int, body: bytes, *, df: bool = True, mf: bool = False, offset: int = 0,
    ident: int = 7, ttl: int = 64, tos: int = 0, options: bytes = b"",
) -> bytes:  # fmt: skip
    words = (0x4000 if df else 0) | (0x2000 if mf else 0) | offset // 8
    header = struct.pack(
        "!BBHHHBBH4s4s", 0x45 + len(options) // 4, tos, 20 + len(options) + len(body), ident, words,
        ttl, proto, 0, v4(src), v4(dst),
    ) + options  # fmt: skip
    return header[:10] + struct.pack("!H", slow_sum(header) ^ 0xFFFF) + header[12:] + body


def _sealed(src: str, dst: str, proto: int, segment: bytes, at: int) -> bytes:
    total = slow_sum(v4(src) + v4(dst) + struct.pack("!HH", proto, len(segment)) + segment)
    return segment[:at] + struct.pack("!H", (total ^ 0xFFFF) or 0xFFFF) + segment[at + 2 :]


def udp_body(src: str, sport: int, dst: str, dport: int, data: bytes = b"hello") -> bytes:
    return _sealed(src, dst, 17, struct.pack("!HHHH", sport, dport, 8 + len(data), 0) + data, 6)


def tcp_body(
    src: str, sport: int, dst: str, dport: int, flags: int, data: bytes = b"", options: bytes = b""
) -> bytes:
    head = struct.pack("!HHIIBBHHH", sport, dport, 1, 2, (20 + len(options)) * 4, flags, 1000, 0, 0)
    return _sealed(src, dst, 6, head + options + data, 16)


def udp(src: str, sport: int, dst: str, dport: int, data: bytes = b"hello", **header: Any) -> bytes:
    return ip(src, dst, 17, udp_body(src, sport, dst, dport, data), **header)


SYN, ACK, FIN, RST = 2, 16, 1, 4


def tcp(
    src: str, sport: int, dst: str, dport: int, flags: int = SYN, data: bytes = b"", options: bytes = b"",
    **header: Any,
) -> bytes:  # fmt: skip
    return ip(src, dst, 6, tcp_body(src, sport, dst, dport, flags, data, options), **header)


def icmp(src: str, dst: str, kind: int, code: int, word: int, data: bytes = b"", **header: Any) -> bytes:
    body = struct.pack("!BBHI", kind, code, 0, word) + data
    body = body[:2] + struct.pack("!H", slow_sum(body) ^ 0xFFFF) + body[4:]
    return ip(src, dst, 1, body, **header)


def echo(src: str, dst: str, query: int, *, reply: bool = False, **header: Any) -> bytes:
    return icmp(src, dst, 0 if reply else 8, 0, query << 16 | 1, b"ping", **header)


def tunnel(
    src: str, dst: str, inner: bytes, *, next_header: int = 4, before: bytes = b"", tc: int = 0
) -> bytes:
    length = len(before) + len(inner)
    return (
        struct.pack("!IHBB", 6 << 28 | tc << 20, length, next_header, 64) + v6(src) + v6(dst) + before + inner
    )


def icmpv6(src: str, dst: str, kind: int, code: int, word: int, data: bytes) -> bytes:
    body = struct.pack("!BBHI", kind, code, 0, word) + data
    total = slow_sum(v6(src) + v6(dst) + struct.pack("!IHH", len(body), 0, 58) + body) ^ 0xFFFF
    return tunnel(src, dst, body[:2] + struct.pack("!H", total) + body[4:], next_header=58)


def cut(packet: bytes, size: int) -> list[bytes]:
    """IPv4 fragments of `size` payload octets (a multiple of 8)."""
    src, dst = str(IPv4Address(packet[12:16])), str(IPv4Address(packet[16:20]))
    body, (ident,) = packet[20:], struct.unpack_from("!H", packet, 4)
    return [
        ip(
            src,
            dst,
            packet[9],
            body[at : at + size],
            df=False,
            mf=at + size < len(body),
            offset=at,
            ident=ident,
        )
        for at in range(0, len(body), size)
    ]


def cut6(packet: bytes, size: int, ident: int = 99) -> list[bytes]:
    """IPv6 fragments of `size` payload octets (a multiple of 8)."""
    src, dst, body = str(IPv6Address(packet[8:24])), str(IPv6Address(packet[24:40])), packet[40:]
    return [
        tunnel(
            src, dst, body[at : at + size], next_header=44,
            before=struct.pack("!BBHI", packet[6], 0, at | (at + size < len(body)), ident),
        )
        for at in range(0, len(body), size)
    ]  # fmt: skip


def checksums(packet: bytes) -> list[str]:
    """What is wrong with the checksums of a whole IPv4 packet (and of the header of a piece)."""
    header = (packet[0] & 15) * 4
    wrong = [] if slow_sum(packet[:header]) == 0xFFFF else ["header"]
    if struct.unpack_from("!H", packet, 6)[0] & 0x3FFF:
        return wrong
    body, proto = packet[header:], packet[9]
    if proto == 1 and slow_sum(body) != 0xFFFF:
        wrong.append("icmp")
    no_sum = proto == 17 and body[6:8] == b"\0\0"
    if proto in (6, 17) and not no_sum:
        total = slow_sum(packet[12:20] + struct.pack("!HH", proto, len(body)) + body)
        if total != 0xFFFF:
            wrong.append("transport")
    return wrong


def field(packet: bytes, what: str) -> Any:
    """A field of an IPv4 packet by name."""
    header = (packet[0] & 15) * 4
    return {
        "src": lambda: str(IPv4Address(packet[12:16])),
        "dst": lambda: str(IPv4Address(packet[16:20])),
        "sport": lambda: struct.unpack_from("!H", packet, header)[0],
        "dport": lambda: struct.unpack_from("!H", packet, header + 2)[0],
        "icmp_id": lambda: struct.unpack_from("!H", packet, header + 4)[0],
        "icmp": lambda: tuple(packet[header : header + 2]),
        "mtu": lambda: struct.unpack_from("!H", packet, header + 6)[0],
        "ttl": lambda: packet[8],
        "ident": lambda: struct.unpack_from("!H", packet, 4)[0],
        "embedded": lambda: packet[header + 8 :],
    }[what]()


def outer(packet: bytes) -> tuple[str, str]:
    return str(IPv6Address(packet[8:24])), str(IPv6Address(packet[24:40]))


def partial(packet: bytes, gso_size: int = 0) -> Packet:
    """A TCP or UDP packet as a kernel hands it over: partial checksum, a super-packet with gso_size."""
    header, proto = (packet[0] & 15) * 4, packet[9]
    offset = 16 if proto == 6 else 6
    pseudo = slow_sum(packet[12:20] + struct.pack("!HH", proto, len(packet) - header))
    at = header + offset
    data = packet[:at] + struct.pack("!H", pseudo) + packet[at + 2 :]
    kind = (GSO_TCP4 if proto == 6 else GSO_UDP) if gso_size else 0
    return Packet(data, Offload(True, header, offset, kind, gso_size, header + 20))


def finished(packet: Packet) -> bytes:
    """The bytes with a partial checksum completed, as the kernel would."""
    data, todo = packet.data, packet.offload
    if todo is None or not todo.needs_csum:
        return data
    at = todo.csum_start + todo.csum_offset
    total = slow_sum(data[todo.csum_start :]) ^ 0xFFFF
    return data[:at] + struct.pack("!H", total or 0xFFFF) + data[at + 2 :]


def run(node: Any, data: bytes, link: Link, now: float = 0.0) -> tuple[list[bytes], list[str]]:
    """Bytes that leave, whatever the side, and events."""
    outputs, events = node.process(Packet(data), link, now)
    return [finished(packet) for packet, _ in outputs], events


def one(node: Any, data: bytes, link: Link, now: float = 0.0) -> bytes:
    """The only packet that leaves; inner checksums right."""
    out, events = run(node, data, link, now)
    assert len(out) == 1, events
    inner = out[0][40:] if out[0][0] >> 4 == 6 else out[0]
    if out[0][0] >> 4 == 4 or out[0][6] == 4:
        assert checksums(inner) == []
    return out[0]
