# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets as probes write and read them: built here, so that order, size and DF are ours to choose."""

from __future__ import annotations

import hashlib
import struct
from ipaddress import IPv4Address, IPv6Address
from typing import NamedTuple

from ...packet.checksum import checksum, pseudo4

ICMP, UDP = 1, 17
NUMBERS = {"icmp": ICMP, "udp": UDP}
IPV4, TRANSPORT, LABEL = 20, 8, 12  # octets: header, UDP or ICMP header, magic and cookie
DF, MF = 0x4000, 0x2000
ECHO_REPLY, UNREACHABLE, ECHO_REQUEST, TIME_EXCEEDED = 0, 3, 8, 11
TOO_BIG = 4  # code of UNREACHABLE: fragmentation needed and DF set
MAGIC = b"4aaS"
_HEADER = struct.Struct("!BBHHHBBHII")
_IPV6 = struct.Struct("!IHBB")
IPIP = 4


class Complaint(NamedTuple):
    """An ICMPv4 error: who says what about a packet of ours (RFC 792, RFC 1191)."""

    reporter: str
    type: int
    code: int
    mtu: int
    destination: str
    protocol: int
    port: int  # source port, or ICMP identifier, of the packet it is about
    destination_port: int


def filling(cookie: bytes, size: int) -> bytes:
    """``size`` octets that only this cookie and size have: what arrives is compared with it."""
    return hashlib.shake_128(cookie + size.to_bytes(4, "big")).digest(size)


def labelled(cookie: bytes, length: int) -> bytes:
    """Payload of an IPv4 packet of ``length`` octets in all."""
    return MAGIC + cookie + filling(cookie, length - IPV4 - TRANSPORT - LABEL)


def cookie_of(payload: bytes) -> bytes | None:
    """The cookie of a whole labelled payload; None where it is not one or was changed on its way."""
    cookie = payload[4:LABEL]
    if payload[:4] != MAGIC or payload[LABEL:] != filling(cookie, len(payload) - LABEL):
        return None
    return cookie


def echo(kind: int, ident: int, payload: bytes, sequence: int = 0) -> bytes:
    """ICMP echo request or reply."""
    head = struct.pack("!BBHHH", kind, 0, 0, ident, sequence)
    return head[:2] + struct.pack("!H", checksum(head + payload)) + head[4:] + payload


def udp(source: tuple[str, int], destination: tuple[str, int], payload: bytes) -> bytes:
    """UDP datagram with its checksum."""
    head = struct.pack("!HHHH", source[1], destination[1], TRANSPORT + len(payload), 0)
    pseudo = pseudo4(
        int(IPv4Address(source[0])), int(IPv4Address(destination[0])), UDP, len(head) + len(payload)
    )
    return head[:6] + struct.pack("!H", checksum(head + payload, pseudo) or 0xFFFF) + payload


def ipv4(
    protocol: int,
    source: str,
    destination: str,
    payload: bytes,
    *,
    ident: int,
    fragment: int = 0,
    ttl: int = 64,
) -> bytes:
    """An IPv4 packet; ``fragment`` is flags and offset as they stand in the header."""
    head = _HEADER.pack(
        *(0x45, 0, IPV4 + len(payload), ident, fragment, ttl, protocol, 0),
        *(int(IPv4Address(source)), int(IPv4Address(destination))),
    )
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def pieces(
    protocol: int, source: str, destination: str, payload: bytes, *, ident: int, df: bool, size: int
) -> list[bytes]:
    """The packet, cut where it is larger than ``size`` octets (RFC 791 section 3.2)."""
    flag = DF if df else 0
    room = len(payload) if IPV4 + len(payload) <= size else (size - IPV4) & ~7
    return [
        ipv4(
            *(protocol, source, destination, payload[at : at + room]),
            ident=ident,
            fragment=flag | (MF if at + room < len(payload) else 0) | at // 8,
        )
        for at in range(0, len(payload), room)
    ]


def ipv6(source: IPv6Address, destination: IPv6Address, payload: bytes) -> bytes:
    """IPv4 in IPv6 (RFC 2473)."""
    return _IPV6.pack(6 << 28, len(payload), IPIP, 64) + source.packed + destination.packed + payload


def icmp_of(packet: bytes) -> tuple[str, bytes] | None:
    """Source and ICMP message of what a raw ICMP socket hands over; None where it is broken."""
    header = (packet[0] & 15) * 4 if packet else 0
    if len(packet) < header + TRANSPORT:
        return None
    return str(IPv4Address(packet[12:16])), packet[header:]


def complaint_of(reporter: str, message: bytes) -> Complaint | None:
    """The error that an ICMP message carries, None where it is none or about nothing with a port."""
    kind, code = message[0], message[1]
    inner = message[8:]
    if kind not in (UNREACHABLE, TIME_EXCEEDED) or len(inner) < IPV4:
        return None
    header = (inner[0] & 15) * 4
    transport = inner[header : header + TRANSPORT]
    if len(transport) < TRANSPORT:
        return None
    at = 4 if inner[9] == ICMP else 0
    return Complaint(
        *(reporter, kind, code, int.from_bytes(message[6:8], "big")),
        *(str(IPv4Address(inner[16:20])), inner[9]),
        *(int.from_bytes(transport[at : at + 2], "big"), int.from_bytes(transport[2:4], "big")),
    )


def mss_of(headers: bytes) -> int | None:
    """MSS option of a SYN, given from its IPv4 header on; None where it has none (RFC 9293 section 3.2)."""
    tcp = (headers[0] & 15) * 4
    at, end = tcp + 20, tcp + (headers[tcp + 12] >> 4) * 4
    while at + 1 < end and headers[at] != 0:
        if headers[at] == 1:
            at += 1
        elif headers[at] == 2:
            return int.from_bytes(headers[at + 2 : at + 4], "big")
        else:
            at += max(2, headers[at + 1])
    return None
