# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The IPv6 face of a translator: it looks like the hosts it stands for (RFC 7915)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..packet import icmp, ipv6
from ..packet.buffer import Packet
from ..packet.ipv4 import ICMP, TCP, UDP, Datagram
from ..packet.translation import Translation, icmp6_error
from ..packet.verdict import Drop
from .echo import answer, completed
from .work import Work

if TYPE_CHECKING:
    from .base import Node


class TranslatorEnd:
    """What translation asks of a node beside the packets that it carries."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def carriage(self) -> Translation:
        """A new carriage with the settings of the node's service."""
        service = self._node.service
        return Translation(
            service.ipv6_mtu,
            ends=self._node,
            rng=self._node.rng,
            lowest_ipv6_mtu=service.lowest_ipv6_mtu,
            udp_zero_checksum=service.udp_zero_checksum,
        )

    def take(self, outer: ipv6.Outer, packet: Packet, work: Work) -> None:
        """A packet for an own address: all of them are translated, but for pings of the node itself."""
        work.peer = outer.source
        if outer.next_header in (TCP, UDP):
            self._node.from_softwire(outer, packet, work)
            return
        kind, at, piece = ipv6.payload(outer.data, outer.next_header, outer.at, outer.end)
        if kind != ipv6.ICMPV6:
            self._node.from_softwire(outer, packet, work)
            return
        if piece is not None and (piece.offset or piece.more):
            whole = self._whole(outer, piece, work)
            if whole is None:
                return
            outer, packet, at = whole, Packet(whole.data), ipv6.FRAGMENT_HEADER
        self._icmpv6(outer, outer._replace(next_header=kind, at=at), packet, work)

    def native(self, packet: Packet, work: Work) -> None:
        """A packet from the IPv4 side. ICMP in pieces has to be whole: ICMPv6 sums up its length too."""
        data = packet.data
        if len(data) >= 20 and data[9] == ICMP and (data[6] & 0x3F or data[7]):
            d = Datagram(data, packet.offload)
            joined = self._node.reassembler.add4(d, d.source, work.now, work.events)
            if joined is None:
                return
            packet, work.about = Packet(joined), joined
        self._node.from_native(packet, work)

    def _whole(self, outer: ipv6.Outer, piece: ipv6.Piece, work: Work) -> ipv6.Outer | None:
        """All pieces as one fragment that is complete in itself: so it may be cut again (RFC 6146 s3.4)."""
        found = self._node.reassembler.add(outer, piece, self._node.admit(outer), work.now, work.events)
        if found is None:
            return None
        data = ipv6.fragment_header(found.next_header, 0, False, piece.ident) + found.data
        return found._replace(data=data, next_header=ipv6.FRAGMENT, end=len(data))

    def _icmpv6(self, outer: ipv6.Outer, message: ipv6.Outer, packet: Packet, work: Work) -> None:
        node, message = self._node, completed(message, packet)
        kind, outer = icmp.check6(message), outer._replace(data=message.data)
        if kind == icmp.ECHO_REQUEST6 and node.answers(message):
            answer(node, message, work)
        elif kind in icmp.ERRORS6:
            source, far = icmp.about6(message)
            if source != message.destination:
                raise Drop("drop_icmpv6_not_ours")
            node.from_router(outer, Packet(outer.data), far, work)
        else:
            node.from_softwire(outer, Packet(outer.data), work)

    def refuse(self, drop: Drop, work: Work) -> None:
        """Tell the IPv6 source by ICMPv6, from the node's own address."""
        told = drop.error6 or (None if drop.error is None else icmp6_error(drop.error))
        if told is not None:
            self._node.emit_error6(told, work, source=self._node.address)
