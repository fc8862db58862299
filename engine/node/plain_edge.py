# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The customer side where the gateway translates addresses: a DS-Lite B4 (RFC 6333 section 5)."""

from __future__ import annotations

from ..packet import icmp, ipv6
from ..packet.buffer import Packet
from ..packet.ipv4 import Datagram
from ..packet.verdict import Drop
from ..techniques.service import B4_ADDRESS, Service
from .base import Node, Work


class PlainEdge(Node):
    """Stateless: inside hosts keep their IPv4 addresses on the way through the domain."""

    @staticmethod
    def own_address(service: Service) -> int:
        """The own tunnel address."""
        return int(service.softwire_address)

    def apply(self, service: Service) -> list[str]:
        """Take over a service."""
        self._gateway = int(service.gateway_address)
        self._inside = [(int(n.network_address), int(n.netmask)) for n in service.inside]
        return super().apply(service)

    def from_native(self, packet: Packet, work: Work) -> None:
        """From an inside host to the gateway."""
        d = Datagram(packet.data, packet.offload)
        self.check_addresses(d)
        if self._inside and not self._owns(d.source):
            raise Drop("drop_not_inside")
        if self._owns(d.destination):
            # The gateway would send it back to its own customer's neighbour, or nowhere.
            raise Drop("drop_own_destination")
        self.route(d, work)
        self.send(d, self._gateway, work)

    def admit(self, outer: ipv6.Outer) -> int:
        """Only the gateway."""
        if outer.source != self._gateway:
            raise Drop("drop_not_gateway")
        return outer.source

    def from_softwire(self, outer: ipv6.Outer, packet: Packet, work: Work) -> None:
        """From the gateway to an inside host."""
        self.admit(outer)
        d = self.carriage.unwrap(outer, packet.offload)
        d.set_dscp(outer.traffic_class >> 2)
        self.check_addresses(d)
        if self._inside and not self._owns(d.destination):
            raise Drop("drop_wrong_address")
        self.route(d, work)
        self.emit(d, work)
        work.events.append("decapsulated")

    def relay_error(self, error: icmp.Relayed, work: Work) -> None:
        """To the inside host whose packet had trouble in the tunnel."""
        assert error.kind is not None
        if error.softwire != self._gateway or (self._inside and not self._owns(error.source)):
            raise Drop("drop_icmpv6_not_ours")
        d = self.make_error(error.kind, error.inner, self.icmp_source, work)
        if d is not None:
            work.events.append("icmpv6_relayed")
            self.emit(d, work)

    def error_source(self, work: Work) -> int:
        """Outside, an address that passes the gateway's source check (RFC 6333 s11)."""
        return B4_ADDRESS if work.peer else self.icmp_source

    def _owns(self, address: int) -> bool:
        return address == B4_ADDRESS or any(address & mask == network for network, mask in self._inside)
