# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The IPv6 header around the IPv4 packet: reading, writing, extension headers, fragments (RFC 8200)."""

from __future__ import annotations

import struct
from collections.abc import Iterator
from typing import NamedTuple

from .verdict import Drop, Icmp6Error

HEADER = 40
FRAGMENT_HEADER = 8
HOP_LIMIT = 64
HOP_BY_HOP, IPV4, ROUTING, FRAGMENT, ICMPV6, DESTINATION = 0, 4, 43, 44, 58, 60
_MAX_EXTENSIONS = 8

_FIXED = struct.Struct("!IHBB16s16s")
_FRAGMENT = struct.Struct("!BBHI")


class Outer(NamedTuple):
    """An IPv6 header that was read; `at` to `end` is the payload that `next_header` names."""

    data: bytes
    traffic_class: int
    next_header: int
    source: int
    destination: int
    at: int
    end: int
    hop_limit: int


class Piece(NamedTuple):
    """A Fragment header (RFC 8200 s4.5); the payload is at `at` of the packet."""

    next_header: int
    offset: int
    more: bool
    ident: int
    at: int


def read(data: bytes) -> Outer:
    """The fixed header, checked."""
    if len(data) < HEADER:
        raise Drop("drop_ipv6_malformed")
    outer = unpack(data)
    if data[0] >> 4 != 6 or outer.end == HEADER or outer.end > len(data):
        raise Drop("drop_ipv6_malformed")
    return outer


def unpack(data: bytes) -> Outer:
    """The fixed header as it says: `end` may be behind the data."""
    word, length, next_header, hop_limit, source, destination = _FIXED.unpack_from(data)
    return Outer(
        data,
        word >> 20 & 0xFF,
        next_header,
        int.from_bytes(source, "big"),
        int.from_bytes(destination, "big"),
        HEADER,
        HEADER + length,
        hop_limit,
    )


def write(
    traffic_class: int,
    length: int,
    next_header: int,
    source: int,
    destination: int,
    hop_limit: int = HOP_LIMIT,
) -> bytes:
    """A fixed header, flow label 0."""
    return _FIXED.pack(
        6 << 28 | traffic_class << 20,
        length,
        next_header,
        hop_limit,
        source.to_bytes(16, "big"),
        destination.to_bytes(16, "big"),
    )


def fragment_header(next_header: int, offset: int, more: bool, ident: int) -> bytes:
    """A Fragment header (RFC 8200 s4.5); `offset` in octets."""
    return _FRAGMENT.pack(next_header, 0, offset | more, ident)


def skip_extensions(outer: Outer) -> Outer | tuple[Outer, Piece]:
    """Step over extension headers, up to the payload or to a Fragment header."""
    data, kind, at, end = outer.data, outer.next_header, outer.at, outer.end
    for _ in range(_MAX_EXTENSIONS):
        if kind not in (HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION):
            return outer._replace(next_header=kind, at=at)
        if at + 8 > end:
            raise Drop("drop_ipv6_malformed")
        if kind == FRAGMENT:
            following, _, place, ident = _FRAGMENT.unpack_from(data, at)
            return outer, Piece(following, place & 0xFFF8, bool(place & 1), ident, at + 8)
        following = at + 8 + data[at + 1] * 8
        if following > end or (kind == HOP_BY_HOP and at != HEADER):
            raise Drop("drop_ipv6_malformed")
        if kind == ROUTING:
            if data[at + 3]:
                raise Drop("drop_routing_header")
        elif not _options_skippable(data[at + 2 : following]):
            raise Drop("drop_ipv6_option")
        kind, at = data[at], following
    raise Drop("drop_ipv6_malformed")


def payload(data: bytes | memoryview, next_header: int, at: int, end: int) -> tuple[int, int, Piece | None]:
    """What is behind the extension headers that a translator ignores (RFC 7915 s5.1).

    Next header, position, and the Fragment header if there is one: the search ends there. Raises Drop
    for a route that is not at its end.
    """
    for number in range(_MAX_EXTENSIONS):
        if next_header not in (HOP_BY_HOP, ROUTING, FRAGMENT, DESTINATION):
            return next_header, at, None
        if at + 8 > end:
            raise Drop("drop_ipv6_malformed")
        if next_header == FRAGMENT:
            following, _, place, ident = _FRAGMENT.unpack_from(data, at)
            return following, at + 8, Piece(following, place & 0xFFF8, bool(place & 1), ident, at + 8)
        after = at + 8 + data[at + 1] * 8
        if after > end or (next_header == HOP_BY_HOP and number):
            raise Drop("drop_ipv6_malformed")
        if next_header == ROUTING and data[at + 3]:
            raise Drop("drop_routing_header", error6=Icmp6Error(4, 0, at + 3))
        next_header, at = data[at], after
    raise Drop("drop_ipv6_malformed")


def _options_skippable(options: bytes) -> bool:
    """Whether all options may be skipped: the two highest bits of the type are 0 (RFC 8200 s4.2)."""
    at = 0
    while at < len(options):
        if options[at] & 0xC0:
            return False
        at += 1 if options[at] == 0 else 2 + (options[at + 1] if at + 1 < len(options) else 0)
    return at == len(options)


def is_unicast(address: int) -> bool:
    """An address that a single host can have: not ::, ::1 or ff00::/8 (RFC 4291 s2.4)."""
    return address > 1 and not is_multicast(address)


def is_multicast(address: int) -> bool:
    """ff00::/8 (RFC 4291 s2.7)."""
    return address >> 120 == 0xFF


def fragments(
    payload: bytes | bytearray | memoryview,
    next_header: int,
    mtu: int,
    ident: int,
    traffic_class: int,
    source: int,
    destination: int,
    *,
    hop_limit: int = HOP_LIMIT,
    offset: int = 0,
    more: bool = False,
) -> Iterator[bytes]:
    """Cut a payload into IPv6 fragments of 8-octet units (RFC 8200 s4.5).

    What is cut may be a fragment itself, at `offset` octets and with `more` to come.
    """
    room, view, at = mtu - HEADER - FRAGMENT_HEADER, memoryview(payload), 0
    while at < len(payload):
        rest = len(payload) - at
        take = rest if rest <= room else room & ~7
        length = FRAGMENT_HEADER + take
        yield b"".join(
            (
                write(traffic_class, length, FRAGMENT, source, destination, hop_limit),
                fragment_header(next_header, offset + at, more or take < rest, ident),
                view[at : at + take],
            )
        )
        at += take
