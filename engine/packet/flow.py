# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A packet of TCP or UDP from IPv4 to IPv6 or back in one step, where its new addresses and ports are known.

What Datagram, Translation and Napt do to it one after the other comes to the same for all packets of a flow
that have nothing special: a new header, other ports, one change of the checksum. The rest is left to them.
"""

from __future__ import annotations

import functools
import struct
from typing import NamedTuple

from . import ipv4, ipv6
from .buffer import GSO_ECN, GSO_NONE, GSO_TCP4, GSO_TCP6, GSO_UDP, Offload, Packet
from .checksum import ONES
from .ipv4 import DF, TCP, UDP
from .tcp import SYN
from .translation import offload4, offload6
from .translation_embedded import CHECKSUM_AT, fragment_fields, seal_transport

PROTOCOLS = frozenset({TCP, UDP})
HEADER4, HEADER6 = 20, ipv6.HEADER  # octets of headers without options and extensions
FLAGS = 13  # where they are in a TCP header

_SHORTEST = {TCP: 20, UDP: 8}
_GSO4, _GSO6 = {TCP: GSO_TCP4, UDP: GSO_UDP}, {TCP: GSO_TCP6, UDP: GSO_UDP}
_LONGEST6 = 65535 - HEADER4  # octets behind the IPv6 header that fit behind one of IPv4

_IPV4 = struct.Struct("!BBHHHB")
_IPV6 = struct.Struct("!IHBB")


def key4(data: bytes) -> bytes:
    """Protocol, addresses and ports of an IPv4 packet with nothing special."""
    return data[9:10] + data[12:24]


def key6(data: bytes) -> bytes:
    """The same of an IPv6 packet."""
    return data[6:7] + data[8:44]


class _Ends(NamedTuple):
    source: int
    destination: int
    ports: bytes


class Way(NamedTuple):
    """What becomes of one direction of a flow; the sums are new - old (RFC 1624)."""

    protocol: int
    source: int
    destination: int
    ports: bytes
    addresses_sum: int
    all_sum: int

    @classmethod
    def seen(cls, protocol: int, before: bytes, after: bytes) -> Way:
        """From a packet and what the long way made of it, both with nothing special."""
        old, new = _ends(before), _ends(after)
        addresses = new.source + new.destination - old.source - old.destination
        ports = int.from_bytes(new.ports, "big") - int.from_bytes(old.ports, "big")
        return cls(protocol, *new, addresses, addresses + ports)


def _ends(data: bytes) -> _Ends:
    size, at = (4, HEADER4) if data[0] >> 4 == 4 else (16, HEADER6)
    source, destination = data[at - 2 * size : at - size], data[at - size : at]
    return _Ends(int.from_bytes(source, "big"), int.from_bytes(destination, "big"), data[at : at + 4])


def to6(packet: Packet, way: Way, mtu: int, mtu_without_df: int, hops: int) -> Packet | None:
    """A packet with the key of the way, `hops` off its TTL; None where it is special or does not fit."""
    data, offload = packet
    version, tos, length, _, fragment, ttl = _IPV4.unpack_from(data)
    if version != 0x45 or fragment & ~DF or length != len(data) or ttl <= 1:
        return None
    if int.from_bytes(data[:HEADER4], "big") % ONES:
        return None
    wire = _wire_size(data, HEADER4, way.protocol, offload)
    if not wire or wire + HEADER6 - HEADER4 > (mtu if fragment else mtu_without_df):
        return None
    if offload is not None:
        offload = _offload6(offload, way.protocol)
        if offload is None:
            return None
    head = ipv6.write(tos, length - HEADER4, way.protocol, way.source, way.destination, ttl - hops)
    return _joined(head, data, HEADER4, way, offload)


def to4(packet: Packet, way: Way, ident: int, hops: int) -> Packet | None:
    """A packet with the key of the way, `hops` off its hop limit; None where it is special."""
    data, offload = packet
    word, length, _, hop_limit = _IPV6.unpack_from(data)
    if word >> 28 != 6 or HEADER6 + length != len(data) or length > _LONGEST6 or hop_limit <= 1:
        return None
    wire = _wire_size(data, HEADER6, way.protocol, offload)
    if not wire:
        return None
    if offload is not None:
        offload = _offload4(offload, way.protocol)
        if offload is None:
            return None
    ident, fragment = fragment_fields(None, wire - HEADER6 + HEADER4, ident)
    tos, total = word >> 20 & 0xFF, length + HEADER4
    head = ipv4.write(
        tos, total, ident, fragment, hop_limit - hops, way.protocol, way.source, way.destination
    )
    return _joined(head, data, HEADER6, way, offload)


def _wire_size(data: bytes, at: int, protocol: int, offload: Offload | None) -> int:
    """Octets of the largest packet that it stands for; 0 where the transport header is special."""
    size, start = len(data), at + _SHORTEST[protocol]
    if size < start:
        return 0
    if protocol == TCP:
        start = at + (data[at + 12] >> 4) * 4
        if data[at + FLAGS] & SYN or not at + _SHORTEST[TCP] <= start <= size:
            return 0
    elif offload is None and not data[at + 6] and not data[at + 7]:
        return 0  # without checksum
    return min(size, start + offload.gso_size) if offload is not None and offload.gso_size else size


def _joined(head: bytes, data: bytes, at: int, way: Way, offload: Offload | None) -> Packet:
    rest = at + _SHORTEST[way.protocol]
    transport, partial = bytearray(data[at:rest]), offload is not None
    transport[:4] = way.ports
    # A partial field is the sum of the pseudo-header alone.
    seal_transport(transport, 0, way.protocol, way.addresses_sum if partial else way.all_sum, partial=partial)
    return Packet(b"".join((head, transport, memoryview(data)[rest:])), offload)


@functools.lru_cache(1024)
def _offload6(offload: Offload, protocol: int) -> Offload | None:
    return offload6(offload, HEADER4) if _is_own(offload, HEADER4, protocol, _GSO4) else None


@functools.lru_cache(1024)
def _offload4(offload: Offload, protocol: int) -> Offload | None:
    if not _is_own(offload, HEADER6, protocol, _GSO6):
        return None
    return offload4(offload, HEADER6, protocol, True)[0]


def _is_own(offload: Offload, at: int, protocol: int, gso: dict[int, int]) -> bool:
    """Whether it is about this transport header and nothing else."""
    if not offload.needs_csum or (offload.csum_start, offload.csum_offset) != (at, CHECKSUM_AT[protocol]):
        return False
    if not offload.gso_size:
        return offload.gso_type == GSO_NONE
    return offload.gso_type & ~GSO_ECN == gso[protocol]
