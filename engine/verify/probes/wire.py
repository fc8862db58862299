# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets as probes write and read them: built here, so that order, size and DF are ours to choose.

The modules wire4 and wire6 are what IPv4 and IPv6 do differently; lengths are always those that a
packet has over IPv4.
"""

from __future__ import annotations

import struct
from ipaddress import ip_address
from typing import NamedTuple, Protocol

from ...packet.checksum import checksum

UDP = 17
UDP_HEADER = struct.Struct("!HHHH")
ECHO_HEADER = struct.Struct("!BBHHH")


class Complaint(NamedTuple):
    """An ICMP error: who says what about a packet of ours (RFC 792, RFC 1191, RFC 4443)."""

    reporter: str
    type: int
    code: int
    mtu: int  # of IPv4 packets, where the error tells one
    destination: str
    protocol: int
    port: int  # source port, or ICMP identifier, of the packet it is about
    destination_port: int


class Wire(Protocol):
    """One IP version."""

    VERSION: int
    ICMP: int  # its number
    ECHO_REQUEST: int
    ECHO_REPLY: int
    TOO_BIG: tuple[int, int]  # ICMP type and code
    WHOLE: int  # largest IPv4 packet that its host sends uncut: as much as the link carries

    def message(
        self, protocol: str, kind: int, source: tuple[str, int], to: tuple[str, int], payload: bytes
    ) -> bytes:
        """UDP datagram, or ICMP echo of a kind with the identifier in place of the port of ``to``."""

    def pieces(
        self, number: int, source: str, to: str, payload: bytes, *, ident: int, df: bool, size: int
    ) -> list[bytes]:
        """The packet, cut where it is larger than an IPv4 packet of ``size`` octets would be."""

    def packet(self, number: int, source: str, to: str, payload: bytes, *, ttl: int) -> bytes:
        """A small packet that dies after ``ttl`` hops."""

    def icmp_of(self, data: bytes) -> bytes | None:
        """ICMP message of what a raw ICMP socket hands over; None where it is broken."""

    def complaint_of(self, reporter: str, message: bytes) -> Complaint | None:
        """The error that an ICMP message carries, None where it is none or about nothing with a port."""

    def tcp_of(self, data: bytes) -> bytes:
        """TCP segment of what a raw TCP socket hands over."""


def wire_of(address: str) -> Wire:
    """The IP version of an address."""
    from . import wire4, wire6

    return wire4 if ip_address(address).version == 4 else wire6


def number_of(wire: Wire, protocol: str) -> int:
    """Protocol number of udp or icmp."""
    return UDP if protocol == "udp" else wire.ICMP


def udp(source: tuple[str, int], to: tuple[str, int], payload: bytes) -> bytes:
    """UDP datagram with its checksum, over the IP version of the addresses."""
    head = UDP_HEADER.pack(source[1], to[1], UDP_HEADER.size + len(payload), 0)
    total = checksum(head + payload, pseudo(source[0], to[0], UDP, len(head) + len(payload)))
    return head[:6] + struct.pack("!H", total or 0xFFFF) + payload


def echo(kind: int, ident: int, payload: bytes, sequence: int = 0, initial: int = 0) -> bytes:
    """ICMP echo request or reply; ``initial`` is the sum of a pseudo-header."""
    head = ECHO_HEADER.pack(kind, 0, 0, ident, sequence)
    return head[:2] + struct.pack("!H", checksum(head + payload, initial)) + head[4:] + payload


def pseudo(source: str, to: str, number: int, length: int) -> int:
    """Sum of the pseudo-header: the same additions in both IP versions (RFC 768, RFC 8200 section 8.1)."""
    return int(ip_address(source)) + int(ip_address(to)) + number + length


def complaint(reporter: str, kind: tuple[int, int, int], to: str, number: int, transport: bytes) -> Complaint:
    """From the first octets after the IP header that an error embeds. ``kind``: type, code, MTU."""
    at = 0 if number == UDP or number == 6 else 4
    port, destination_port = transport[at : at + 2], transport[2:4]
    return Complaint(
        reporter, *kind, to, number, int.from_bytes(port, "big"), int.from_bytes(destination_port, "big")
    )


def mss_of(tcp: bytes) -> int | None:
    """MSS option of a SYN; None where it has none (RFC 9293 section 3.2)."""
    at, end = 20, (tcp[12] >> 4) * 4
    while at + 1 < end and tcp[at] != 0:
        if tcp[at] == 1:
            at += 1
        elif tcp[at] == 2:
            return int.from_bytes(tcp[at + 2 : at + 4], "big")
        else:
            at += max(2, tcp[at + 1])
    return None
