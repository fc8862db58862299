# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ICMP messages of one IP version made into those of the other, with the packet inside an error.

RFC 7915 sections 4.2, 4.3, 5.2 and 5.3; length attributes of RFC 4884.
"""

from __future__ import annotations

import struct
from typing import Protocol

from . import ipv4, ipv6
from .checksum import ONES, adjust, checksum, pseudo6, valid
from .icmp import ECHO_REPLY6, ECHO_REQUEST6
from .translation_icmp import (
    TIME_EXCEEDED6,
    TOO_BIG6,
    UNREACHABLE6,
    icmp4_error,
    icmp6_error,
    mtu_to4,
    mtu_to6,
)
from .verdict import Drop, Icmp6Error, IcmpError

DCCP, UDP_LITE = 33, 136
# Where a transport checksum lies that covers a pseudo-header.
CHECKSUM_AT = {ipv4.TCP: 16, ipv4.UDP: 6, DCCP: 6, UDP_LITE: 6}
# DF is set from here on, where no Fragment header came with the packet (RFC 7915 s5.1).
LARGEST_WITHOUT_DF = 1260

ECHO = {8: ECHO_REQUEST6, 0: ECHO_REPLY6}
ECHO_BACK = {there: here for here, there in ECHO.items()}

_LEAST_QUOTED = 128  # octets before an extension (RFC 4884 s3)
_MOST_QUOTED4 = 255 * 4 & ~7  # what its length attribute can say
_ROOM6 = 1280 - ipv6.HEADER - 8  # RFC 4443 s2.4 (c)
_WITH_LENGTH6 = frozenset({UNREACHABLE6, TIME_EXCEEDED6})

_HEAD = struct.Struct("!BB2xI")  # type, code, no checksum yet, word
_IPV4 = struct.Struct("!BBHHHBB2xII")
_PORTS = struct.Struct("!HH")
_U16 = struct.Struct("!H")


class Ends(Protocol):
    """The addresses of both sides, as the node knows them."""

    icmp_source: int  # IPv4 source of errors from routers that have no IPv4 address (RFC 6791)

    def to6(self, ipv4: int, port: int | None) -> int:
        """Where an IPv4 address (of a shared one: a port of it) is; raises Drop where nowhere."""

    def to4(self, ipv6: int) -> int:
        """The IPv4 address that an IPv6 address stands for; raises Drop where none."""


def seal_transport(buf: bytearray, at: int, protocol: int, delta: int, *, partial: bool = False) -> None:
    """Fit the transport checksum to a pseudo-header whose sum is `delta` more (RFC 1624).

    A UDP checksum of 0 stays 0, and a field that is cut off is left alone.
    """
    offset = CHECKSUM_AT.get(protocol)
    if offset is None or at + offset + 2 > len(buf):
        return
    (field,) = _U16.unpack_from(buf, at + offset)
    if partial:
        field = (field + delta) % ONES
    elif protocol != ipv4.UDP:
        field = adjust(field, delta)
    elif field:
        field = adjust(field, delta) or ONES
    _U16.pack_into(buf, at + offset, field)


def echo6(body: bytes | memoryview, source: int, destination: int) -> bytes:
    """An ICMPv4 echo message as ICMPv6; the addresses are those of IPv6."""
    message = bytearray(body)
    _retype(message, ECHO, pseudo6(source, destination, ipv6.ICMPV6, len(message)))
    return bytes(message)


def echo4(body: bytes | memoryview, source: int, destination: int) -> bytes:
    """An ICMPv6 echo message as ICMPv4; the addresses are those of IPv6."""
    message = bytearray(body)
    _retype(message, ECHO_BACK, -pseudo6(source, destination, ipv6.ICMPV6, len(message)))
    return bytes(message)


def error6(
    body: memoryview, ends: Ends, own4: int, source: int, destination: int, ipv4_mtu: int, ipv6_mtu: int
) -> bytes:
    """An ICMPv4 error as ICMPv6 from `source` to `destination`, which stands for `own4`.

    Raises Drop for one that is not translated.
    """
    if not valid(body):
        raise Drop("drop_icmp_checksum")
    kind, code, word = _HEAD.unpack_from(body)
    error = icmp6_error(IcmpError(kind, code, word))
    if error is None:
        raise Drop("drop_icmp_untranslatable")
    quoted, extension = _quoted(body, (word >> 16 & 0xFF) * 4)
    inner = _packet6(quoted, ends, own4, destination)
    value = error.value
    if error.type not in _WITH_LENGTH6:
        extension = b""
    if error.type == TOO_BIG6:
        value = mtu_to6(word & 0xFFFF, ipv4_mtu, ipv6_mtu, int.from_bytes(quoted[2:4], "big"))
    elif extension:
        room = max(_LEAST_QUOTED, _ROOM6 - len(extension) & ~7)
        inner = _padded(inner[:room], 8)
        value = len(inner) // 8 << 24
    message = bytearray(_HEAD.pack(error.type, error.code, value) + (inner + extension)[:_ROOM6])
    pseudo = pseudo6(source, destination, ipv6.ICMPV6, len(message))
    _U16.pack_into(message, 2, checksum(message, pseudo))
    return bytes(message)


def error4(
    body: memoryview, ends: Ends, source: int, destination: int, ipv4_mtu: int, ipv6_mtu: int
) -> bytes:
    """An ICMPv6 error as ICMPv4; the addresses are those of IPv6.

    Raises Drop for one that is not translated.
    """
    if not valid(body, pseudo6(source, destination, ipv6.ICMPV6, len(body))):
        raise Drop("drop_icmpv6_invalid")
    kind, code, word = _HEAD.unpack_from(body)
    error = icmp4_error(Icmp6Error(kind, code, word))
    if error is None:
        raise Drop("drop_icmp_untranslatable")
    quoted, extension = _quoted(body, (word >> 24) * 8 if kind in _WITH_LENGTH6 else 0)
    inner, fragment = _packet4(quoted, ends)
    value = error.value
    if kind == TOO_BIG6:
        # The Fragment header goes too.
        value = mtu_to4(word - (8 if fragment else 0), ipv4_mtu, ipv6_mtu)
    elif extension:
        inner = _padded(inner[:_MOST_QUOTED4], 4)
        value |= len(inner) // 4 << 16
    message = bytearray(_HEAD.pack(error.type, error.code, value) + inner + extension)
    _U16.pack_into(message, 2, checksum(message))
    return bytes(message)


def _quoted(body: memoryview, length: int) -> tuple[bytes, bytes]:
    """The packet in an error, and the extension behind its `length` octets (0: there is none)."""
    if length < _LEAST_QUOTED or 8 + length >= len(body):
        return bytes(body[8:]), b""
    return bytes(body[8 : 8 + length]), bytes(body[8 + length :])


def _padded(quoted: bytes, unit: int) -> bytes:
    size = max(_LEAST_QUOTED, -(-len(quoted) // unit) * unit)
    return quoted + bytes(size - len(quoted))


def _packet6(quoted: bytes, ends: Ends, own4: int, own6: int) -> bytes:
    """The IPv4 packet in an error, which may be cut short, as IPv6; hop limit as it was."""
    if len(quoted) < 20:
        raise Drop("drop_icmp_truncated")
    version, tos, total, ident, fragment, ttl, protocol, sender, target = _IPV4.unpack_from(quoted)
    header = (version & 15) * 4
    if version >> 4 != 4 or header < 20 or total < header or len(quoted) < header:
        raise Drop("drop_icmp_truncated")
    # What follows the packet is padding (RFC 4884 s3).
    payload = bytearray(quoted[header:total])
    first = not fragment & ipv4.OFFSET
    sport, dport = _ports(payload, protocol) if first else (None, None)
    source = own6 if sender == own4 else ends.to6(sender, sport)
    destination = ends.to6(target, dport)
    if protocol == ipv4.ICMP:
        if first:
            _echo_inside(payload, ECHO, pseudo6(source, destination, ipv6.ICMPV6, total - header))
        next_header = ipv6.ICMPV6
    else:
        next_header = protocol
        if first:
            seal_transport(payload, 0, protocol, source + destination - sender - target)
    before = b""
    if fragment & (ipv4.MF | ipv4.OFFSET):
        more = bool(fragment & ipv4.MF)
        before = ipv6.fragment_header(next_header, (fragment & ipv4.OFFSET) * 8, more, ident)
        next_header = ipv6.FRAGMENT
    length = total - header + len(before)
    return ipv6.write(tos, length, next_header, source, destination, ttl) + before + payload


def _packet4(quoted: bytes, ends: Ends) -> tuple[bytes, bool]:
    """The IPv6 packet in an error, which may be cut short, as IPv4; and whether it was a fragment."""
    if len(quoted) < ipv6.HEADER or quoted[0] >> 4 != 6:
        raise Drop("drop_icmp_truncated")
    head = ipv6.unpack(quoted)
    kind, at, piece = ipv6.payload(quoted, head.next_header, head.at, len(quoted))
    size = head.end - at
    if not 0 <= size <= 0xFFFF - 20:
        raise Drop("drop_icmp_truncated")
    payload = bytearray(quoted[at : head.end])
    source, destination = ends.to4(head.source), ends.to4(head.destination)
    first = piece is None or not piece.offset
    protocol = kind
    if kind == ipv6.ICMPV6:
        if first:
            _echo_inside(payload, ECHO_BACK, -pseudo6(head.source, head.destination, ipv6.ICMPV6, size))
        protocol = ipv4.ICMP
    elif first:
        seal_transport(payload, 0, kind, source + destination - head.source - head.destination)
    ident, fragment = fragment_fields(piece, size + 20, 0)
    header = ipv4.write(
        head.traffic_class, size + 20, ident, fragment, head.hop_limit, protocol, source, destination
    )
    return header + payload, piece is not None


def fragment_fields(piece: ipv6.Piece | None, wire: int, ident: int) -> tuple[int, int]:
    """Identification, and flags with fragment offset, of the IPv4 header (RFC 7915 s5.1, s5.1.1).

    `wire` is the total length of the IPv4 packet, `ident` an Identification for one that has none.
    """
    if piece is None:
        return ident, ipv4.DF if wire > LARGEST_WITHOUT_DF else 0
    return piece.ident & 0xFFFF, piece.offset >> 3 | (ipv4.MF if piece.more else 0)


def _ports(payload: bytearray, protocol: int) -> tuple[int, int] | tuple[None, None]:
    """Ports of the packet in an error; the identifier of an echo counts as both."""
    if protocol == ipv4.ICMP and len(payload) >= 6:
        (ident,) = _U16.unpack_from(payload, 4)
        return ident, ident
    if protocol in ipv4.PORTED and len(payload) >= 4:
        source, destination = _PORTS.unpack_from(payload)
        return source, destination
    return None, None


def _retype(message: bytearray, table: dict[int, int], pseudo: int) -> None:
    """Rewrite an echo message, code 0; its checksum covers a pseudo-header whose sum is `pseudo` more."""
    kind = table[message[0]]
    word, field = _PORTS.unpack_from(message)
    field = adjust(field, (kind << 8) - word + pseudo)
    if not field and not kind and not any(message[4:]):
        field = ONES  # all zeros sum up to this alone
    _PORTS.pack_into(message, 0, kind << 8, field)


def _echo_inside(payload: bytearray, table: dict[int, int], pseudo: int) -> None:
    """The same in an error, where nothing else may be (RFC 7915 s4.3, s5.3)."""
    if len(payload) < 4:
        raise Drop("drop_icmp_truncated")
    if payload[0] not in table:
        raise Drop("drop_icmp_about_icmp_error")
    _retype(payload, table, pseudo)
