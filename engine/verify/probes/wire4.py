# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPv4 on the wire (RFC 791, RFC 792)."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address

from ...packet.checksum import checksum
from . import wire
from .label import IPV4, LINK_MTU, TRANSPORT
from .wire import Complaint

VERSION = 4
ICMP = 1
DF, MF = 0x4000, 0x2000
ECHO_REPLY, UNREACHABLE, ECHO_REQUEST, TIME_EXCEEDED = 0, 3, 8, 11
TOO_BIG = (UNREACHABLE, 4)  # fragmentation needed and DF set
WHOLE = LINK_MTU
_HEADER = struct.Struct("!BBHHHBBHII")


def message(protocol: str, kind: int, source: tuple[str, int], to: tuple[str, int], payload: bytes) -> bytes:
    """UDP datagram, or ICMP echo of a kind with the identifier in place of the port of ``to``."""
    return wire.udp(source, to, payload) if protocol == "udp" else wire.echo(kind, to[1], payload)


def ipv4(
    number: int, source: str, to: str, payload: bytes, *, ident: int, fragment: int = 0, ttl: int = 64
) -> bytes:
    """An IPv4 packet; ``fragment`` is flags and offset as they stand in the header."""
    head = _HEADER.pack(
        *(0x45, 0, IPV4 + len(payload), ident, fragment, ttl, number, 0),
        *(int(IPv4Address(source)), int(IPv4Address(to))),
    )
    return head[:10] + struct.pack("!H", checksum(head)) + head[12:] + payload


def packet(number: int, source: str, to: str, payload: bytes, *, ttl: int) -> bytes:
    """A small packet that dies after ``ttl`` hops."""
    return ipv4(number, source, to, payload, ident=ttl, ttl=ttl)


def pieces(
    number: int, source: str, to: str, payload: bytes, *, ident: int, df: bool, size: int
) -> list[bytes]:
    """The packet, cut where it is larger than ``size`` octets (RFC 791 section 3.2)."""
    flag = DF if df else 0
    room = len(payload) if IPV4 + len(payload) <= size else (size - IPV4) & ~7
    return [
        ipv4(
            *(number, source, to, payload[at : at + room]),
            ident=ident,
            fragment=flag | (MF if at + room < len(payload) else 0) | at // 8,
        )
        for at in range(0, len(payload), room)
    ]


def icmp_of(data: bytes) -> bytes | None:
    """ICMP message of what a raw ICMP socket hands over; None where it is broken."""
    header = (data[0] & 15) * 4 if data else 0
    return data[header:] if len(data) >= header + TRANSPORT else None


def complaint_of(reporter: str, message: bytes) -> Complaint | None:
    """The error that an ICMP message carries, None where it is none or about nothing with a port."""
    inner = message[8:]
    if message[0] not in (UNREACHABLE, TIME_EXCEEDED) or len(inner) < IPV4:
        return None
    transport = inner[(inner[0] & 15) * 4 :]
    if len(transport) < TRANSPORT:
        return None
    kind = (message[0], message[1], int.from_bytes(message[6:8], "big"))
    return wire.complaint(reporter, kind, str(IPv4Address(inner[16:20])), inner[9], transport)


def tcp_of(data: bytes) -> bytes:
    """TCP segment of what a raw TCP socket hands over."""
    return data[(data[0] & 15) * 4 :]
