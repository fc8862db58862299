# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The end of a tunnel: whole packets, pings, errors from inside the tunnel (RFC 2473)."""

from __future__ import annotations

from typing import TYPE_CHECKING

from ..packet import icmp, ipv6
from ..packet.buffer import Packet
from ..packet.carriage import Encapsulation
from ..packet.verdict import Drop
from .echo import answer, completed
from .work import Work

if TYPE_CHECKING:
    from .base import Node


class TunnelEnd:
    """What encapsulation asks of a node beside the packets that it carries."""

    def __init__(self, node: Node) -> None:
        self._node = node

    def carriage(self) -> Encapsulation:
        """A new carriage with the settings of the node's service."""
        service = self._node.service
        return Encapsulation(service.ipv6_mtu, cut_inner=service.fragmentation == "inner", rng=self._node.rng)

    def take(self, outer: ipv6.Outer, packet: Packet, work: Work) -> None:
        """A packet for an own address: to the node what is in the tunnel, the rest is answered here."""
        carriage = self._node.carriage
        if not carriage.carries(outer.next_header):
            found = ipv6.skip_extensions(outer)
            if not isinstance(found, ipv6.Outer):
                outer, piece = found
                whole = self._node.reassembler.add(
                    outer, piece, self._node.admit(outer), work.now, work.events
                )
                if whole is None:
                    return
                packet, found = Packet(whole.data), ipv6.skip_extensions(whole)
                if not isinstance(found, ipv6.Outer):
                    raise Drop("drop_ipv6_malformed")
            outer = found
            if outer.next_header == ipv6.ICMPV6:
                self._icmpv6(completed(outer, packet), work)
                return
            if not carriage.carries(outer.next_header):
                raise Drop("drop_next_header")
        work.peer = outer.source
        work.about = memoryview(outer.data)[outer.at : outer.end]
        self._node.from_softwire(outer, packet, work)

    def native(self, packet: Packet, work: Work) -> None:
        """A packet from the IPv4 side."""
        self._node.from_native(packet, work)

    def _icmpv6(self, outer: ipv6.Outer, work: Work) -> None:
        node = self._node
        if icmp.check6(outer) == icmp.ECHO_REQUEST6:
            answer(node, outer, work)
        else:
            node.hear(icmp.relay6(outer, node.owns, node.carriage.overhead), work)

    def refuse(self, drop: Drop, work: Work) -> None:
        """Tell the IPv4 source what is about its packet, the IPv6 source what is about the tunnel packet."""
        node = self._node
        if drop.error is not None:
            error = node.make_error(drop.error, work.about, node.error_source(work), work)
            if error is not None:
                node.send(error, work.peer, work)
        elif drop.error6 is not None:
            node.emit_error6(drop.error6, work, source=work.near)
