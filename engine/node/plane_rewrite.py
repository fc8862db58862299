# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SA46T-PT: joins an FP and a PR domain by other prefixes outside (draft-matsuhira-m46e-pt).

In the FP domain the node is the way to the stub networks of its table; in the PR domain the tables
have its own prefix for everything else. The packet inside is not read.
"""

from __future__ import annotations

import struct

from ..mapping.plane import PlaneTable, ipv4_of
from ..packet import icmp, ipv6
from ..packet.buffer import Packet, complete
from ..packet.carriage import Encapsulation
from ..packet.checksum import adjust
from ..packet.verdict import Drop, Icmp6Error
from ..techniques.planes import plane_of, resolved_routes, resolved_side
from ..techniques.service import Service
from .base import Link, Node, Work

NO_ROUTE, HOP_LIMIT_EXCEEDED = Icmp6Error(1, 0), Icmp6Error(3, 0)  # RFC 4443 sections 3.1 and 3.3

_U16 = struct.Struct("!H")
_ANY_SIZE = ipv6.HEADER + 0xFFFF
_EMBEDDED = 8  # octets of an ICMPv6 error before the packet that it is about


class PrefixTranslator(Node):
    """Stateless and, unlike all other nodes, with the IPv6 domain on both sides."""

    @staticmethod
    def own_address(service: Service) -> int:
        """Its own address in the PR domain: for operators."""
        return int(service.gateway_address)

    def apply(self, service: Service) -> list[str]:
        """Take over a service. Raises PlaneError for planes or a table that cannot be."""
        self._fixed, self._resolved = plane_of(service), resolved_side(service)
        self._table = PlaneTable(self._fixed.plane_id, resolved_routes(service))
        self._segmenting = Encapsulation(_ANY_SIZE, cut_inner=False, rng=self.rng)
        return super().apply(service)

    def from_native(self, packet: Packet, work: Work) -> None:
        """Nothing is native here."""
        raise Drop("drop_not_for_us")

    def _tunnel(self, packet: Packet, work: Work) -> None:
        outer = ipv6.read(packet.data)
        if outer.destination == self.address:
            super()._tunnel(packet, work)
            return
        work.outer, work.peer, work.near = packet.data, outer.source, self.address
        packet = Packet(packet.data[: outer.end], packet.offload)  # nothing behind the payload crosses
        for whole in self._segments(outer, packet):
            work.outputs.append((self._cross(whole), Link.SOFTWIRE))
        work.events.append("prefix_rewritten")

    def from_softwire(self, outer: ipv6.Outer, packet: Packet, work: Work) -> None:
        """A tunnel that would end here."""
        raise Drop("drop_not_for_us")

    def admit(self, outer: ipv6.Outer) -> int:
        """Fragments to the own address: of pings."""
        return outer.source

    def relay_error(self, error: icmp.Relayed, work: Work) -> None:
        """It sends nothing that an error could be about."""
        raise Drop("drop_icmpv6_not_ours")

    # Both ways

    def _twin(self, source: int, destination: int) -> tuple[int, int]:
        """The same two ends in the other domain. Raises Drop for who is not where the prefix says."""
        sender, receiver = ipv4_of(source), ipv4_of(destination)
        resolved = self._table.address(receiver)
        if resolved is not None and destination == self._fixed.address(receiver):
            if source != self._fixed.address(sender) or self._table.address(sender) is not None:
                raise Drop("drop_spoofed_source")
            return self._resolved.address(sender), resolved
        if resolved is None and destination == self._resolved.address(receiver):
            if source != self._table.address(sender):
                raise Drop("drop_spoofed_source")
            return self._fixed.address(sender), self._fixed.address(receiver)
        raise Drop("drop_no_plane_route", error6=NO_ROUTE)

    def _cross(self, packet: Packet) -> Packet:
        """One packet into the other domain. Partial checksums of inner packets stay as they are."""
        outer = ipv6.read(packet.data)
        found = ipv6.skip_extensions(outer)
        if isinstance(found, ipv6.Outer):
            kind, at, first = found.next_header, found.at, True
        else:
            kind, at, first = found[1].next_header, found[1].at, not found[1].offset
        if kind == ipv6.ICMPV6:
            return self._cross_icmp(packet, outer, at, first)
        if kind != ipv6.IPV4:
            raise Drop("drop_next_header")
        return Packet(
            self._readdressed(packet.data, *self._twin(outer.source, outer.destination)), packet.offload
        )

    def _cross_icmp(self, packet: Packet, outer: ipv6.Outer, at: int, first: bool) -> Packet:
        """ICMPv6: an error comes from any router, and the packet in it goes the other way."""
        data = bytearray(packet.data)
        if packet.offload is not None and packet.offload.needs_csum:
            complete(data, packet.offload)
        if not first:
            return Packet(self._readdressed(data, *self._twin(outer.source, outer.destination)))
        if at + _EMBEDDED > outer.end:
            raise Drop("drop_icmpv6_truncated")
        delta = 0
        if data[at] in icmp.ERRORS6:
            source, destination, delta = self._cross_embedded(data, outer, at + _EMBEDDED)
        else:
            source, destination = self._twin(outer.source, outer.destination)
        delta += source - outer.source + destination - outer.destination
        (field,) = _U16.unpack_from(data, at + 2)
        _U16.pack_into(data, at + 2, adjust(field, delta))
        return Packet(self._readdressed(data, source, destination))

    def _cross_embedded(self, data: bytearray, outer: ipv6.Outer, at: int) -> tuple[int, int, int]:
        """Rewrite the packet in an error: outer addresses then, and what it changed in the checksum."""
        if at + ipv6.HEADER > outer.end or data[at] >> 4 != 6:
            raise Drop("drop_icmpv6_truncated")
        sender, receiver = (int.from_bytes(data[at + n : at + n + 16], "big") for n in (8, 24))
        if sender != outer.destination:
            raise Drop("drop_icmp_mismatch")
        # The answer to the embedded packet would go the way of the error.
        far, near = self._twin(receiver, sender)
        data[at + 8 : at + 40] = near.to_bytes(16, "big") + far.to_bytes(16, "big")
        return outer.source, near, near - sender + far - receiver

    def _readdressed(self, data: bytes | bytearray, source: int, destination: int) -> bytes:
        head = bytearray(data[: ipv6.HEADER])
        if self.decrement_ttl:
            if head[7] <= 1:
                raise Drop("drop_ttl_expired", error6=HOP_LIMIT_EXCEEDED)
            head[7] -= 1
        head[8:40] = source.to_bytes(16, "big") + destination.to_bytes(16, "big")
        return bytes(head + data[ipv6.HEADER :])

    def _segments(self, outer: ipv6.Outer, packet: Packet) -> list[Packet]:
        """A super-packet, which no device takes with an IPv6 header around, as what it stands for."""
        if packet.offload is None or not packet.offload.gso_size or outer.next_header != ipv6.IPV4:
            return [packet]
        d = self._segmenting.unwrap(outer, packet.offload)
        cut = self._segmenting.wrap(d, outer.source, outer.destination)
        head = packet.data
        return [Packet(head[:4] + one.data[4:7] + head[7:8] + one.data[8:], one.offload) for one in cut]
