# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carriage by translation: the IPv4 header becomes an IPv6 header and back (RFC 7915)."""

from __future__ import annotations

import functools
import struct
from random import Random

from . import ipv4, ipv6
from .buffer import GSO_ECN, GSO_TCP4, GSO_TCP6, GSO_UDP, Offload, Packet, complete
from .checksum import ONES, checksum, pseudo6
from .icmp import PROHIBITED
from .ipv4 import DF, ICMP, MF, OFFSET, TCP, UDP, Datagram
from .translation_embedded import (
    CHECKSUM_AT,
    ECHO,
    ECHO_BACK,
    Ends,
    echo4,
    echo6,
    error4,
    error6,
    fragment_fields,
    seal_transport,
)
from .translation_icmp import FRAGMENTATION_NEEDED, GROWTH, icmp6_error
from .verdict import Drop, IcmpError

__all__ = ["COMPUTE", "DROP", "FORWARD", "Ends", "Translation", "icmp6_error"]

COMPUTE, FORWARD, DROP = "compute", "forward", "drop"  # what becomes of a UDP checksum of 0

_FRAGMENT_HEADER = 8
_LONGEST_PAYLOAD4 = 65535 - 20
_AH, _MOBILITY, _HIP, _SHIM6 = 51, 135, 139, 140
_SKIPPED = frozenset({ipv6.HOP_BY_HOP, ipv6.ROUTING, ipv6.FRAGMENT, ipv6.DESTINATION})
# RFC 7915 s5.1.1: not behind a Fragment header.
_EXTENSIONS = _SKIPPED | {_AH, _MOBILITY, _HIP, _SHIM6}
_IGMP = 2  # of one hop, or between multicast routers (RFC 7915 s4.2)
# Numbers that would mean something else in the other version: headers and errors made up by the sender.
_NOT_IN_IPV6 = _SKIPPED | {ipv6.ICMPV6}
_LOOSE_ROUTE, _STRICT_ROUTE = 131, 137  # RFC 791 s3.1
_SOURCE_ROUTE_FAILED = IcmpError(3, 5)

_U16 = struct.Struct("!H")


class Translation:
    """One header for the other; stateless. A node makes a new one to change the settings.

    What is refused where RFC 7915 does not ask for silence is "administratively prohibited" (s4.4, s5.4).

    `lowest_ipv6_mtu`: octets that packets without DF are cut to. `udp_zero_checksum`: compute, forward
    or drop. `ipv4_mtu`, of the IPv4 network next to the node, bounds what a Packet Too Big becomes.
    """

    overhead = GROWTH

    def __init__(
        self,
        ipv6_mtu: int,
        *,
        ends: Ends,
        rng: Random,
        lowest_ipv6_mtu: int = 1280,
        udp_zero_checksum: str = COMPUTE,
        ipv4_mtu: int = 65535,
    ) -> None:
        self.ipv6_mtu = ipv6_mtu
        self._ends = ends
        self._ident = rng.getrandbits(16)
        self.cut_to = min(lowest_ipv6_mtu, ipv6_mtu)
        self._udp_zero = udp_zero_checksum
        self._mtus = ipv4_mtu, ipv6_mtu

    def carries(self, next_header: int) -> bool:
        """Everything: what is for the node itself has an address of its own."""
        return True

    # IPv4 to IPv6

    def fit(self, d: Datagram) -> None:
        """DF=1 and too big is an error with what would have fitted (RFC 7915 s4); errors are cut instead."""
        self._fit(d, d.wire_size)

    def _fit(self, d: Datagram, wire: int) -> None:
        if d.fragment & DF and wire > self.ipv6_mtu - GROWTH - _FRAGMENT_HEADER:
            mtu = self.ipv6_mtu - GROWTH - (_FRAGMENT_HEADER if d.is_fragment else 0)
            if wire > mtu and not d.is_icmp_error:
                raise Drop("drop_too_big", IcmpError(*FRAGMENTATION_NEEDED, mtu))

    def wrap(self, d: Datagram, source: int, destination: int) -> list[Packet]:
        """IPv6 packets, none larger than the MTU; a super-packet stays one where its pieces fit.

        TTL and TOS as they are, flow label 0. The datagram is used up.
        """
        wire, protocol = d.wire_size, d.protocol
        self._fit(d, wire)
        if d.header > 20:
            _check_options(d)
        if protocol == ICMP:
            return self._send(self._icmp6(d, source, destination), ipv6.ICMPV6, d, source, destination)
        if protocol == _IGMP:
            raise Drop("drop_igmp")
        if protocol in _NOT_IN_IPV6:
            raise Drop("drop_protocol_untranslatable", PROHIBITED)
        offload, buf, header = d.offload, d.buf, d.header
        if offload is not None:
            if wire - header + ipv6.HEADER > self._limit(d):
                if d.is_super:
                    return self._wrap_segments(d, offload, source, destination)
                d.finish()
                offload = None
            else:
                offload = offload6(offload, header)
        if not d.fragment & OFFSET:
            if protocol == UDP and offload is None and not buf[header + 6] and not buf[header + 7]:
                self._udp_without_sum(d, source, destination)
            else:
                delta = source + destination - d.source - d.destination
                seal_transport(buf, header, protocol, delta, partial=offload is not None)
        return self._send(memoryview(buf)[header:], protocol, d, source, destination, offload)

    def _limit(self, d: Datagram) -> int:
        return self.ipv6_mtu if d.fragment & DF else self.cut_to

    def _send(
        self,
        payload: memoryview | bytes,
        next_header: int,
        d: Datagram,
        source: int,
        destination: int,
        offload: Offload | None = None,
    ) -> list[Packet]:
        """A payload behind its IPv6 header, in fragments where it must be; offload only for what fits."""
        size, piece = len(payload), d.fragment & (MF | OFFSET)
        if offload is not None or (not piece and size + ipv6.HEADER <= self._limit(d)):
            head = ipv6.write(d.tos, size, next_header, source, destination, d.ttl)
            return [Packet(b"".join((head, payload)), offload)]
        cut = ipv6.fragments(
            payload,
            next_header,
            self._limit(d),
            d.ident,
            d.tos,
            source,
            destination,
            hop_limit=d.ttl,
            offset=(d.fragment & OFFSET) * 8,
            more=bool(d.fragment & MF),
        )
        return [Packet(data) for data in cut]

    def _wrap_segments(self, d: Datagram, offload: Offload, source: int, destination: int) -> list[Packet]:
        plain = Offload(True, offload.csum_start, offload.csum_offset)
        segments = [Datagram(head + part, plain) for head, part in d.segments()]
        return [packet for segment in segments for packet in self.wrap(segment, source, destination)]

    def _udp_without_sum(self, d: Datagram, source: int, destination: int) -> None:
        """IPv6 wants a checksum (RFC 7915 s4.5); a first piece has not got what one is made of."""
        if self._udp_zero == FORWARD:
            return
        if self._udp_zero == DROP or d.is_fragment:
            raise Drop("drop_udp_no_checksum", PROHIBITED)
        at = d.header
        (length,) = _U16.unpack_from(d.buf, at + 4)
        if not 8 <= length <= len(d.buf) - at:
            raise Drop("drop_transport_malformed")
        pseudo = pseudo6(source, destination, UDP, length)
        field = checksum(memoryview(d.buf)[at : at + length], pseudo) or ONES
        _U16.pack_into(d.buf, at + 6, field)

    def _icmp6(self, d: Datagram, source: int, destination: int) -> bytes:
        if d.is_fragment:
            raise Drop("drop_icmp_fragmented")
        d.finish()
        body = memoryview(d.buf)[d.header :]
        if body[0] in ECHO:
            return echo6(body, source, destination)
        return error6(body, self._ends, d.destination, source, destination, *self._mtus)

    # IPv6 to IPv4

    def unwrap(self, outer: ipv6.Outer, offload: Offload | None) -> Datagram:
        """The IPv4 packet that an IPv6 packet stands for; hop limit and traffic class as they are."""
        data, kind, at, end, piece = outer.data, outer.next_header, outer.at, outer.end, None
        if kind in _SKIPPED:
            kind, at, piece = ipv6.payload(data, kind, at, end)
            if piece is not None and kind in _EXTENSIONS:
                raise Drop("drop_fragment_extension", PROHIBITED)
        if not ipv6.is_unicast(outer.source):
            raise Drop("drop_martian_source")
        size = end - at
        if size > _LONGEST_PAYLOAD4:
            raise Drop("drop_too_big", IcmpError(*FRAGMENTATION_NEEDED, 65535))
        buf = bytearray(20) + memoryview(data)[at:end]
        if offload is not None:
            offload, own = offload4(offload, at, kind, piece is None)
            if not own:
                complete(buf, offload)
                offload = None
        destination = self._ends.to4(outer.destination)
        if kind == ipv6.ICMPV6:
            message, source = self._icmp4(outer, memoryview(buf)[20:], piece)
            buf, protocol, size = bytearray(20) + message, ICMP, len(message)
        elif kind == ICMP:
            raise Drop("drop_protocol_untranslatable", PROHIBITED)
        elif kind == _IGMP:
            raise Drop("drop_igmp")
        else:
            protocol, source = kind, self._ends.to4(outer.source)
            if piece is None or not piece.offset:
                delta = source + destination - outer.source - outer.destination
                seal_transport(buf, 20, kind, delta, partial=offload is not None)
        total = size + 20
        wire = total
        if offload is not None and offload.gso_size:
            wire = min(total, _headers(buf, protocol) + offload.gso_size)
        self._ident = self._ident + 1 & 0xFFFF  # in turn: none comes again soon (RFC 6864 s4.3)
        ident, fragment = fragment_fields(piece, wire, self._ident)
        buf[:20] = ipv4.write(
            outer.traffic_class, total, ident, fragment, outer.hop_limit, protocol, source, destination
        )
        return Datagram(buf, offload)

    def _icmp4(self, outer: ipv6.Outer, body: memoryview, piece: ipv6.Piece | None) -> tuple[bytes, int]:
        """An ICMPv6 message as ICMPv4, and its IPv4 source."""
        if piece is not None and (piece.offset or piece.more):
            raise Drop("drop_icmp_fragmented")
        if len(body) < 8:
            raise Drop("drop_icmpv6_invalid")
        if body[0] in ECHO_BACK:
            return echo4(body, outer.source, outer.destination), self._ends.to4(outer.source)
        message = error4(body, self._ends, outer.source, outer.destination, *self._mtus)
        try:
            return message, self._ends.to4(outer.source)
        except Drop:
            return message, self._ends.icmp_source


def _check_options(d: Datagram) -> None:
    """Options do not cross, but a source route with stops left must not be cut short (RFC 7915 s4.1)."""
    at, end, buf = 20, d.header, d.buf
    while at < end and buf[at]:
        if buf[at] == 1:
            at += 1
            continue
        if at + 1 >= end or buf[at + 1] < 2 or at + buf[at + 1] > end:
            raise Drop("drop_ipv4_malformed")
        size = buf[at + 1]
        if buf[at] in (_LOOSE_ROUTE, _STRICT_ROUTE) and size > 2 and buf[at + 2] <= size:
            raise Drop("drop_source_route", _SOURCE_ROUTE_FAILED)
        at += size


@functools.lru_cache(1024)
def offload6(offload: Offload, header: int) -> Offload:
    """The same work behind an IPv6 header."""
    kind = offload.gso_type
    if kind & ~GSO_ECN == GSO_TCP4:
        kind += GSO_TCP6 - GSO_TCP4
    moved = offload.moved(ipv6.HEADER - header)
    return Offload(True, ipv6.HEADER, moved.csum_offset, kind, moved.gso_size, moved.hdr_len)


@functools.lru_cache(1024)
def offload4(offload: Offload, at: int, kind: int, whole: bool) -> tuple[Offload, bool]:
    """The same work behind an IPv4 header, and whether it is about the packet's own transport.

    `at` is where that begins in the IPv6 packet; pieces of a packet have none.
    """
    gso, segments = offload.gso_type & ~GSO_ECN, {TCP: GSO_TCP6, UDP: GSO_UDP}
    if gso:
        if gso != segments.get(kind) or not offload.gso_size or not whole:
            raise Drop("drop_offload_invalid")
        gso_type = offload.gso_type - (GSO_TCP6 - GSO_TCP4 if kind == TCP else 0)
        hdr_len = max(0, offload.hdr_len - at + 20)
        return Offload(True, 20, CHECKSUM_AT[kind], gso_type, offload.gso_size, hdr_len), True
    if offload.csum_start < at:
        raise Drop("drop_offload_invalid")
    moved = offload.moved(20 - at)
    return moved, whole and moved.csum_start == 20 and moved.csum_offset == CHECKSUM_AT.get(kind)


def _headers(buf: bytearray, protocol: int) -> int:
    """Octets of headers that every packet of a super-packet has."""
    return 20 + ((buf[32] >> 4) * 4 if protocol == TCP and len(buf) > 32 else 8)
