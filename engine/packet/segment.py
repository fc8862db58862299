# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A TCP segment from IPv4 to IPv6 or back in one step, where addresses and ports of its connection are known.

What Datagram, Translation and Napt do to a segment one after the other comes to the same for all that have
nothing special: a new header, other ports, one change of the checksum. Whatever else is left to them.
"""

from __future__ import annotations

import functools
import struct
from typing import NamedTuple

from . import ipv4, ipv6
from .buffer import GSO_ECN, GSO_NONE, GSO_TCP4, GSO_TCP6, Offload, Packet
from .checksum import ONES, adjust
from .ipv4 import DF, TCP
from .tcp import SYN
from .translation import offload4, offload6
from .translation_embedded import CHECKSUM_AT, fragment_fields

_HEADER4, _HEADER6, _SHORTEST = 20, ipv6.HEADER, 20
_FLAGS = 13
_SUM = CHECKSUM_AT[TCP]
_LONGEST6 = 65535 - _HEADER4  # octets behind the IPv6 header that fit behind one of IPv4

_IPV4 = struct.Struct("!BBHHHBB")
_IPV6 = struct.Struct("!IHBB")
_U16 = struct.Struct("!H")


class _Ends(NamedTuple):
    source: int
    destination: int
    ports: bytes


class Way(NamedTuple):
    """What becomes of addresses and ports in one direction; the sums are new - old (RFC 1624)."""

    source: int
    destination: int
    ports: bytes
    addresses_sum: int
    all_sum: int

    @classmethod
    def seen(cls, before: bytes, after: bytes) -> Way:
        """From a segment of either IP version and what the long way made of it, headers bare."""
        old, new = _ends(before), _ends(after)
        addresses = new.source + new.destination - old.source - old.destination
        ports = int.from_bytes(new.ports, "big") - int.from_bytes(old.ports, "big")
        return cls(*new, addresses, addresses + ports)


def _ends(data: bytes) -> _Ends:
    size, at = (4, _HEADER4) if data[0] >> 4 == 4 else (16, _HEADER6)
    source, destination = data[at - 2 * size : at - size], data[at - size : at]
    return _Ends(int.from_bytes(source, "big"), int.from_bytes(destination, "big"), data[at : at + 4])


def key4(data: bytes) -> bytes:
    """Addresses and ports behind a bare IPv4 header."""
    return data[12:24]


def key6(data: bytes) -> bytes:
    """Addresses and ports behind a bare IPv6 header."""
    return data[8:44]


def flags4(data: bytes) -> int:
    """TCP flags behind a bare IPv4 header."""
    return data[_HEADER4 + _FLAGS]


def flags6(data: bytes) -> int:
    """TCP flags behind a bare IPv6 header."""
    return data[_HEADER6 + _FLAGS]


def to6(packet: Packet, way: Way, mtu: int, mtu_without_df: int, hops: int) -> Packet | None:
    """IPv4 to IPv6, `hops` off the TTL; None for what is not plain or does not fit."""
    data, offload = packet
    version, tos, length, _, fragment, ttl, protocol = _IPV4.unpack_from(data)
    if version != 0x45 or protocol != TCP or fragment & ~DF or length != len(data) or ttl <= 1:
        return None
    if int.from_bytes(data[:_HEADER4], "big") % ONES:
        return None
    wire = _wire_size(data, _HEADER4, offload)
    if not wire or wire + _HEADER6 - _HEADER4 > (mtu if fragment else mtu_without_df):
        return None
    if offload is not None:
        offload = _offload6(offload)
        if offload is None:
            return None
    head = ipv6.write(tos, length - _HEADER4, TCP, way.source, way.destination, ttl - hops)
    return _joined(head, data, _HEADER4, way, offload)


def to4(packet: Packet, way: Way, ident: int, hops: int) -> Packet | None:
    """IPv6 to IPv4, `hops` off the hop limit; None for what is not plain."""
    data, offload = packet
    word, length, next_header, hop_limit = _IPV6.unpack_from(data)
    if word >> 28 != 6 or next_header != TCP or _HEADER6 + length != len(data) or hop_limit <= 1:
        return None
    wire = _wire_size(data, _HEADER6, offload)
    if not wire or length > _LONGEST6:
        return None
    if offload is not None:
        offload = _offload4(offload)
        if offload is None:
            return None
    ident, fragment = fragment_fields(None, wire - _HEADER6 + _HEADER4, ident)
    tos, total = word >> 20 & 0xFF, length + _HEADER4
    head = ipv4.write(tos, total, ident, fragment, hop_limit - hops, TCP, way.source, way.destination)
    return _joined(head, data, _HEADER6, way, offload)


def _wire_size(data: bytes, at: int, offload: Offload | None) -> int:
    """Octets of the largest packet that it stands for; 0 where the TCP header is none, or has SYN."""
    size = len(data)
    if size < at + _SHORTEST or data[at + _FLAGS] & SYN:
        return 0
    start = at + (data[at + 12] >> 4) * 4
    if not at + _SHORTEST <= start <= size:
        return 0
    return min(size, start + offload.gso_size) if offload is not None and offload.gso_size else size


def _joined(head: bytes, data: bytes, at: int, way: Way, offload: Offload | None) -> Packet:
    (field,) = _U16.unpack_from(data, at + _SUM)
    # A partial field is the uncomplemented sum of the pseudo-header.
    field = adjust(field, way.all_sum) if offload is None else (field + way.addresses_sum) % ONES
    between, rest = data[at + 4 : at + _SUM], memoryview(data)[at + _SUM + 2 :]
    return Packet(b"".join((head, way.ports, between, _U16.pack(field), rest)), offload)


@functools.lru_cache(1024)
def _offload6(offload: Offload) -> Offload | None:
    return offload6(offload, _HEADER4) if _is_own(offload, _HEADER4, GSO_TCP4) else None


@functools.lru_cache(1024)
def _offload4(offload: Offload) -> Offload | None:
    return offload4(offload, _HEADER6, TCP, True)[0] if _is_own(offload, _HEADER6, GSO_TCP6) else None


def _is_own(offload: Offload, at: int, gso: int) -> bool:
    """Whether it is about this TCP header and nothing else."""
    if not offload.needs_csum or (offload.csum_start, offload.csum_offset) != (at, _SUM):
        return False
    return offload.gso_type & ~GSO_ECN == gso if offload.gso_size else offload.gso_type == GSO_NONE
