# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ICMP: errors that a node makes, the packet inside an error, and errors relayed out of the tunnel."""

from __future__ import annotations

import struct
from collections.abc import Callable
from dataclasses import dataclass

from . import ipv6
from .checksum import ONES, adjust, checksum, pseudo6, valid
from .ipv4 import ICMP, ICMP_QUERIES, OFFSET, PORTED, TCP, UDP, Datagram, build, is_unicast
from .verdict import Drop, Icmp6Error, IcmpError

FRAGMENTATION_NEEDED = (3, 4)
HOST_UNREACHABLE = IcmpError(3, 1)
PORT_UNREACHABLE = IcmpError(3, 3)
PROHIBITED = IcmpError(3, 13)

ECHO_REQUEST = 8
ECHO_REQUEST6, ECHO_REPLY6 = 128, 129
_TOO_BIG6 = 2
_SOURCE_REFUSED = (1, 5)
ERRORS6 = frozenset({1, 2, 3, 4})
_IPV6_MIN_MTU = 1280

_REDIRECT6 = 137

_ERROR_LIMIT = 576  # RFC 1812 s4.3.2.3
_ERROR_LIMIT6 = 1280  # RFC 4443 s2.4 (c)
_HEAD = struct.Struct("!BBHI")
_U16 = struct.Struct("!H")
_IPV4 = struct.Struct("!BBHHHBBHII")
_PORTS = struct.Struct("!HH")


def error(about: bytes | bytearray, source: int, kind: IcmpError) -> bytes | None:
    """An ICMPv4 error about a packet, or None where none may be sent (RFC 1122 s3.2.2)."""
    if len(about) < 28:
        return None
    version, _, _, _, fragment, _, protocol, _, sender, target = _IPV4.unpack_from(about)
    header = (version & 15) * 4
    if fragment & OFFSET or not is_unicast(sender) or not is_unicast(target):
        return None
    if protocol == ICMP and (len(about) <= header or about[header] not in ICMP_QUERIES):
        return None
    body = _HEAD.pack(kind.type, kind.code, 0, kind.value) + bytes(about[: _ERROR_LIMIT - 28])
    body = body[:2] + _U16.pack(checksum(body)) + body[4:]
    return build(ICMP, source, sender, body, tos=0xC0)  # precedence 6: RFC 1812 s4.3.2.5


def error6(about: bytes | bytearray | memoryview, source: int, kind: Icmp6Error) -> bytes | None:
    """An ICMPv6 error about an IPv6 packet, or None where none may be sent (RFC 4443 s2.4)."""
    if len(about) < ipv6.HEADER:
        return None
    data = bytes(about[: _ERROR_LIMIT6 - ipv6.HEADER - 8])
    sender, target = int.from_bytes(data[8:24], "big"), int.from_bytes(data[24:40], "big")
    if not ipv6.is_unicast(sender) or (ipv6.is_multicast(target) and kind.type != _TOO_BIG6):
        return None
    if _is_icmpv6_error(data):
        return None
    body = _HEAD.pack(kind.type, kind.code, 0, kind.value) + data
    body = body[:2] + _U16.pack(checksum(body, pseudo6(source, sender, ipv6.ICMPV6, len(body)))) + body[4:]
    return ipv6.write(0, len(body), ipv6.ICMPV6, source, sender) + body


def _is_icmpv6_error(data: bytes) -> bool:
    """Whether a packet is an ICMPv6 error or redirect, or could be one as far as can be seen."""
    try:
        kind, at, piece = ipv6.payload(data, data[6], ipv6.HEADER, len(data))
    except Drop as drop:
        return drop.error6 is None  # a routing header is no ICMPv6
    if kind != ipv6.ICMPV6:
        return False
    later = piece is not None and piece.offset > 0
    return later or at >= len(data) or data[at] < ECHO_REQUEST6 or data[at] == _REDIRECT6


@dataclass(frozen=True, slots=True)
class Embedded:
    """The packet inside an ICMP error: who sent what to whom (RFC 5508 s4)."""

    at: int  # its IPv4 header in the error's buffer
    transport: int
    protocol: int
    source: int
    destination: int
    source_port: int
    destination_port: int


def read_embedded(buf: bytes | bytearray, at: int) -> Embedded:
    """Read the packet at `at` of an error; the ICMP identifier of a query counts as both ports."""
    if len(buf) < at + 28:
        raise Drop("drop_icmp_truncated")
    version, _, _, _, fragment, _, protocol, _, source, destination = _IPV4.unpack_from(buf, at)
    transport = at + (version & 15) * 4
    if version >> 4 != 4 or transport < at + 20 or len(buf) < transport + 8 or fragment & OFFSET:
        raise Drop("drop_icmp_truncated")
    if protocol == ICMP:
        if buf[transport] not in ICMP_QUERIES:
            raise Drop("drop_icmp_about_icmp_error")
        (ident,) = _U16.unpack_from(buf, transport + 4)
        return Embedded(at, transport, protocol, source, destination, ident, ident)
    if protocol not in PORTED:
        raise Drop("drop_icmp_no_port")
    ports = _PORTS.unpack_from(buf, transport)
    return Embedded(at, transport, protocol, source, destination, *ports)


def rewrite_embedded(d: Datagram, inner: Embedded, *, source: bool, address: int, port: int) -> None:
    """Put the address and port of the other realm into the embedded packet (RFC 5508 REQ-4, REQ-5).

    The embedded transport checksum is adjusted where it is still there, never checked: errors may cut it off.
    """
    buf = d.buf
    old = inner.source if source else inner.destination
    old_port = inner.source_port if source else inner.destination_port
    delta = address - old
    buf[inner.at + (12 if source else 16) : inner.at + (16 if source else 20)] = address.to_bytes(4, "big")
    (field,) = _U16.unpack_from(buf, inner.at + 10)
    _U16.pack_into(buf, inner.at + 10, adjust(field, delta))
    icmp = inner.protocol == ICMP
    _U16.pack_into(buf, inner.transport + (4 if icmp else 0 if source else 2), port)
    at = inner.transport + {TCP: 16, UDP: 6, ICMP: 2}[inner.protocol]
    if at + 2 <= len(buf):
        (field,) = _U16.unpack_from(buf, at)
        if inner.protocol != UDP or field:
            field = adjust(field, port - old_port + (0 if icmp else delta))
            _U16.pack_into(buf, at, field or (ONES if inner.protocol == UDP else 0))
    _U16.pack_into(buf, d.header + 2, 0)
    _U16.pack_into(buf, d.header + 2, checksum(memoryview(buf)[d.header :]))


def embedded_sum_valid(d: Datagram, inner: Embedded) -> bool:
    """Whether the embedded IPv4 header sums up (RFC 5508 REQ-3b)."""
    return valid(memoryview(d.buf)[inner.at : inner.transport])


def check6(outer: ipv6.Outer) -> int:
    """Type of an ICMPv6 message whose checksum is right."""
    size = outer.end - outer.at
    body = memoryview(outer.data)[outer.at : outer.end]
    if size < 8 or not valid(body, pseudo6(outer.source, outer.destination, ipv6.ICMPV6, size)):
        raise Drop("drop_icmpv6_invalid")
    return outer.data[outer.at]


def echo_reply(d: Datagram) -> bytes | None:
    """The ICMP body that answers an echo request (RFC 1122 s3.2.2.6); None for everything else."""
    body = bytes(d.buf[d.header :])
    if d.protocol != ICMP or d.is_fragment or body[0] != ECHO_REQUEST or not valid(body):
        return None
    (field,) = _U16.unpack_from(body, 2)
    return bytes((0, body[1])) + _U16.pack(adjust(field, -(ECHO_REQUEST << 8))) + body[4:]


def echo_reply6(outer: ipv6.Outer) -> bytes:
    """The ICMPv6 body that answers an echo request (RFC 4443 s4.2)."""
    body = outer.data[outer.at : outer.end]
    (field,) = _U16.unpack_from(body, 2)
    field = adjust(field, (ECHO_REPLY6 - ECHO_REQUEST6) << 8)
    return bytes((ECHO_REPLY6, body[1])) + _U16.pack(field) + body[4:]


def about6(outer: ipv6.Outer) -> tuple[int, int]:
    """IPv6 source and destination of the packet that an ICMPv6 error is about."""
    start = outer.at + 8
    if start + ipv6.HEADER > outer.end or outer.data[start] >> 4 != 6:
        raise Drop("drop_icmpv6_truncated")
    source, destination = outer.data[start + 8 : start + 24], outer.data[start + 24 : start + 40]
    return int.from_bytes(source, "big"), int.from_bytes(destination, "big")


@dataclass(frozen=True, slots=True)
class Relayed:
    """An error from inside the tunnel: about which IPv4 packet, on the way to which softwire end."""

    softwire: int
    inner: bytes
    source: int
    destination: int
    kind: IcmpError | None  # None: nothing to tell the IPv4 source
    sender: int  # who says so
    path_mtu: int = 0  # octets that the IPv6 path carries, where it is Packet Too Big
    refused: bool = False  # "source address failed ingress/egress policy" (RFC 4443 s3.1)


def relay6(outer: ipv6.Outer, own: Callable[[int], bool], overhead: int) -> Relayed:
    """Turn an ICMPv6 error about our tunnel packet into an ICMPv4 error (RFC 2473 s8.1, s8.3).

    Packet Too Big becomes "fragmentation needed" only where the inner packet forbids fragments; all others
    say "host unreachable". Whether the tunnel MTU is lowered is the node's choice: with an anycast gateway
    the message may be about another one's packet (RFC 7597 s8.3.1), and forged ones would do harm.
    `own` says whether an IPv6 address is the node's.
    """
    data, at, end = outer.data, outer.at, outer.end
    kind, (value,) = data[at], struct.unpack_from("!I", data, at + 4)
    if kind not in ERRORS6:
        raise Drop("drop_icmpv6_unexpected")
    source, softwire = about6(outer)
    if not own(source):
        raise Drop("drop_icmpv6_not_ours")
    start = at + 8
    following, place = data[start + 6], start + ipv6.HEADER
    if (
        following == ipv6.FRAGMENT
        and place + 8 <= end
        and not int.from_bytes(data[place + 2 : place + 4], "big") >> 3
    ):
        following, place = data[place], place + 8
    inner = data[place:end]
    if following != ipv6.IPV4 or len(inner) < 28 or inner[0] >> 4 != 4:
        raise Drop("drop_icmpv6_truncated")
    told: IcmpError | None = HOST_UNREACHABLE
    path_mtu = 0
    if kind == _TOO_BIG6:
        if value < _IPV6_MIN_MTU:
            raise Drop("drop_icmpv6_invalid")
        may_cut, path_mtu = not inner[6] & 0x40, value
        told = None if may_cut else IcmpError(*FRAGMENTATION_NEEDED, min(value - overhead, 0xFFFF))
    *_, sender, target = _IPV4.unpack_from(inner)
    refused = (kind, data[at + 1]) == _SOURCE_REFUSED
    return Relayed(softwire, inner, sender, target, told, outer.source, path_mtu, refused)
