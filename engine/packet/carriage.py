# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How an IPv4 packet crosses the IPv6 domain. One class a way; nodes know only the Carriage interface."""

from __future__ import annotations

from random import Random
from typing import Protocol

from . import ipv6
from .buffer import Offload, Packet
from .ipv4 import CE, DF, ECT0, ECT1, Datagram
from .verdict import Drop, IcmpError


class Carriage(Protocol):
    """Between a Datagram and IPv6 packets."""

    overhead: int

    def carries(self, next_header: int) -> bool:
        """Whether a payload of this kind belongs to it (and not to the node itself)."""

    def fit(self, d: Datagram) -> None:
        """Raise Drop with the ICMP error for a packet that may not be cut and is too big."""

    def wrap(self, d: Datagram, source: int, destination: int) -> list[Packet]:
        """IPv6 packets, none larger than the MTU."""

    def unwrap(self, outer: ipv6.Outer, offload: Offload | None) -> Datagram:
        """The IPv4 packet inside, checked."""


class Encapsulation:
    """IPv4 in IPv6, next header 4 (RFC 2473); the traffic class carries TOS and ECN (RFC 6040 s4.1)."""

    overhead = ipv6.HEADER

    def __init__(self, ipv6_mtu: int, *, cut_inner: bool, rng: Random) -> None:
        self.ipv6_mtu, self.ipv4_mtu = ipv6_mtu, ipv6_mtu - self.overhead
        self.cut_inner, self._rng = cut_inner, rng

    def carries(self, next_header: int) -> bool:
        """Next header 4 alone."""
        return next_header == ipv6.IPV4

    def fit(self, d: Datagram) -> None:
        """RFC 2473 s7.2 (a): DF=1 and too big is an error with the tunnel MTU."""
        if d.fragment & DF and d.wire_size > self.ipv4_mtu:
            raise Drop("drop_too_big", IcmpError(3, 4, self.ipv4_mtu))

    def wrap(self, d: Datagram, source: int, destination: int) -> list[Packet]:
        """Encapsulate; super-packets are segmented, too big ones cut (RFC 2473 s7.2, RFC 4459 s3.4)."""
        self.fit(d)
        offload = d.offload
        if offload is not None and offload.gso_size:
            return self._wrap_segments(d, offload, source, destination)
        if len(d.buf) <= self.ipv4_mtu:
            head = ipv6.write(d.tos, len(d.buf), ipv6.IPV4, source, destination)
            return [Packet(head + d.buf, None if offload is None else offload.moved(self.overhead))]
        d.finish()
        if self.cut_inner:
            return [
                Packet(ipv6.write(d.tos, len(piece), ipv6.IPV4, source, destination) + piece)
                for piece in d.pieces(self.ipv4_mtu)
            ]
        ident = self._rng.getrandbits(32)
        cut = ipv6.fragments(d.buf, ipv6.IPV4, self.ipv6_mtu, ident, d.tos, source, destination)
        return [Packet(piece) for piece in cut]

    def _wrap_segments(self, d: Datagram, offload: Offload, source: int, destination: int) -> list[Packet]:
        todo = Offload(True, offload.csum_start + self.overhead, offload.csum_offset)
        if d.wire_size > self.ipv4_mtu:
            plain = Offload(True, offload.csum_start, offload.csum_offset)
            whole = [Datagram(head + part, plain) for head, part in d.segments()]
            return [packet for segment in whole for packet in self.wrap(segment, source, destination)]
        packets, size, outer = [], -1, b""
        for head, part in d.segments():
            if len(part) != size:
                size = len(part)
                outer = ipv6.write(d.tos, len(head) + size, ipv6.IPV4, source, destination)
            packets.append(Packet(b"".join((outer, head, part)), todo))
        return packets

    def unwrap(self, outer: ipv6.Outer, offload: Offload | None) -> Datagram:
        """Decapsulate; a congestion mark of the tunnel moves inside (RFC 6040 s4.2)."""
        if offload is not None:
            offload = offload.moved(-outer.at) if offload.csum_start >= outer.at + 20 else None
        d = Datagram(memoryview(outer.data)[outer.at : outer.end], offload)
        mark, inner = outer.traffic_class & 3, d.tos & 3
        if mark == CE and not inner:
            raise Drop("drop_congestion_marked")
        if (mark == CE and inner != CE) or (mark == ECT1 and inner == ECT0):
            d.set_ecn(mark)
        return d
