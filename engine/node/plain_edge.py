# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The customer side where the gateway translates addresses: stateless, addresses as they are."""

from __future__ import annotations

from abc import abstractmethod

from ..packet import icmp, ipv6
from ..packet.buffer import Packet
from ..packet.ipv4 import Datagram
from ..packet.verdict import Drop
from ..techniques.service import B4_ADDRESS, Service
from .base import Node, Work
from .networks import Networks


class PlainEdge(Node):
    """Inside hosts keep their IPv4 addresses on the way through the domain.

    The edge itself is 192.0.0.2 (RFC 6333 s5.7, RFC 7335).
    """

    def apply(self, service: Service) -> list[str]:
        """Take over a service."""
        self._inside = Networks(service.inside)
        return super().apply(service)

    @abstractmethod
    def far(self, ipv4: int) -> int:
        """Where packets for an IPv4 address outside go."""

    def from_native(self, packet: Packet, work: Work) -> None:
        """From an inside host into the domain."""
        d = Datagram(packet.data, packet.offload)
        self.check_addresses(d)
        if not self.may_be_inside(d.source):
            raise Drop("drop_not_inside")
        if self.is_inside(d.destination):
            # Only a mistake in routing sends it here, and nobody outside could bring it back.
            raise Drop("drop_own_destination")
        self.route(d, work)
        self.send(d, self.far(d.destination), work)

    def from_softwire(self, outer: ipv6.Outer, packet: Packet, work: Work) -> None:
        """From the domain to an inside host."""
        self.admit(outer)
        d = self.carriage.unwrap(outer, packet.offload)
        self.check_addresses(d)
        if not self.may_be_inside(d.destination):
            raise Drop("drop_wrong_address")
        if self.is_inside(d.source) and not d.is_icmp_error:
            # An error of a router in the domain may have the edge's own address (RFC 6791).
            raise Drop("drop_spoofed_source")
        self.finish(outer, d)
        self.route(d, work)
        self.emit(d, work)
        work.events.append("decapsulated")

    def finish(self, outer: ipv6.Outer, d: Datagram) -> None:
        """What else a packet from the domain takes over from its outer header: nothing."""

    def relay_error(self, error: icmp.Relayed, work: Work) -> None:
        """To the inside host whose packet had trouble on its way."""
        assert error.kind is not None
        if error.softwire != self.far(error.destination) or not self.may_be_inside(error.source):
            raise Drop("drop_icmpv6_not_ours")
        d = self.make_error(error.kind, error.inner, self.icmp_source, work)
        if d is not None:
            work.events.append("icmpv6_relayed")
            self.emit(d, work)

    def error_source(self, work: Work) -> int:
        """Outside, an address that passes the gateway's source check (RFC 6333 s11)."""
        return B4_ADDRESS if work.peer else self.icmp_source

    def is_inside(self, address: int) -> bool:
        """An inside host, or the edge itself."""
        return address == B4_ADDRESS or address in self._inside

    def may_be_inside(self, address: int) -> bool:
        """The same; without networks every host is."""
        return not self._inside or self.is_inside(address)
