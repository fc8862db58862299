# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPv6 on the wire (RFC 8200, RFC 4443), of a host whose packets a translator carries."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address

from ...techniques.row import OVERHEAD
from . import wire
from .label import LINK_MTU, TRANSPORT
from .wire import Complaint

VERSION = 6
ICMP = 58
ECHO_REQUEST, ECHO_REPLY = 128, 129
TOO_BIG = (2, 0)
WHOLE = LINK_MTU - OVERHEAD["translation"]
IPV6, FRAGMENT_HEADER, FRAGMENT, MORE = 40, 8, 44, 1
HOP_LIMIT = 64
_HEADER = struct.Struct("!IHBB")
_FRAGMENT = struct.Struct("!BBHI")
_ERRORS = 128  # types below are errors


def message(protocol: str, kind: int, source: tuple[str, int], to: tuple[str, int], payload: bytes) -> bytes:
    """UDP datagram, or ICMP echo of a kind with the identifier in place of the port of ``to``."""
    if protocol == "udp":
        return wire.udp(source, to, payload)
    initial = wire.pseudo(source[0], to[0], ICMP, wire.ECHO_HEADER.size + len(payload))
    return wire.echo(kind, to[1], payload, initial=initial)


def ipv6(number: int, source: str, to: str, payload: bytes, *, ttl: int = HOP_LIMIT) -> bytes:
    """An IPv6 packet; ``number`` is the next header."""
    head = _HEADER.pack(6 << 28, len(payload), number, ttl)
    return head + IPv6Address(source).packed + IPv6Address(to).packed + payload


def packet(number: int, source: str, to: str, payload: bytes, *, ttl: int) -> bytes:
    """A small packet that dies after ``ttl`` hops."""
    return ipv6(number, source, to, payload, ttl=ttl)


def pieces(
    number: int, source: str, to: str, payload: bytes, *, ident: int, df: bool, size: int
) -> list[bytes]:
    """The packet, cut where it is larger than an IPv4 packet of ``size`` octets would be.

    Nobody else may cut it (RFC 8200 section 4.5): ``df`` says nothing here.
    """
    largest = size + OVERHEAD["translation"]
    if IPV6 + len(payload) <= largest:
        return [ipv6(number, source, to, payload)]
    room = (largest - IPV6 - FRAGMENT_HEADER) & ~7
    return [
        ipv6(
            *(FRAGMENT, source, to),
            _FRAGMENT.pack(number, 0, at | (MORE if at + room < len(payload) else 0), ident)
            + payload[at : at + room],
        )
        for at in range(0, len(payload), room)
    ]


def icmp_of(data: bytes) -> bytes | None:
    """ICMP message of what a raw ICMPv6 socket hands over; None where it is broken."""
    return data if len(data) >= TRANSPORT else None


def complaint_of(reporter: str, message: bytes) -> Complaint | None:
    """The error that an ICMPv6 message carries, None where it is none or about nothing with a port."""
    inner = message[8:]
    if message[0] >= _ERRORS or len(inner) < IPV6:
        return None
    number, transport = inner[6], inner[IPV6:]
    if number == FRAGMENT and transport[2:4] < b"\0\x08":
        number, transport = transport[0], transport[FRAGMENT_HEADER:]
    if len(transport) < TRANSPORT:
        return None
    mtu = max(0, int.from_bytes(message[4:8], "big") - OVERHEAD["translation"]) if message[0] == 2 else 0
    return wire.complaint(
        reporter, (message[0], message[1], mtu), str(IPv6Address(inner[24:40])), number, transport
    )


def tcp_of(data: bytes) -> bytes:
    """TCP segment of what a raw TCP socket hands over."""
    return data
