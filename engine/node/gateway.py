# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The carrier side of a technique with rules: a MAP-E border relay (RFC 7597)."""

from __future__ import annotations

from ..mapping.rule import Entitlement
from ..packet import icmp, ipv6
from ..packet.buffer import Packet
from ..packet.ipv4 import Datagram
from ..packet.verdict import Drop
from ..techniques.service import Service
from .base import Node, Work, receiver_port, sender_port


class Gateway(Node):
    """Stateless: the mapping says who owns an address and port, in both directions."""

    @staticmethod
    def own_address(service: Service) -> int:
        """The gateway address, also when it is anycast (RFC 7597 s7.2)."""
        return int(service.gateway_address)

    def from_native(self, packet: Packet, work: Work) -> None:
        """From the Internet to the customer who owns destination address and port."""
        d = Datagram(packet.data, packet.offload)
        self.check_addresses(d)
        pieces = self._with_ports(d, d.source, work, self.mapping.shared(d.destination))
        self.each(pieces, work, self._to_customer)

    def from_softwire(self, outer: ipv6.Outer, packet: Packet, work: Work) -> None:
        """From a customer, to the Internet or to another customer (hub and spoke)."""
        entitlement = self._judge_address(outer, work)
        d = self.carriage.unwrap(outer, packet.offload)
        self.check_addresses(d)
        shared = entitlement.ports.shared or self.mapping.shared(d.destination)
        pieces = self._with_ports(d, entitlement.address, work, shared)
        self.each(pieces, work, self._from_customer, entitlement)

    def _to_customer(self, d: Datagram, work: Work) -> None:
        softwire = self._owner(d)
        self.route(d, work)
        self.send(d, softwire, work)

    def _from_customer(self, d: Datagram, work: Work, entitlement: Entitlement) -> None:
        if entitlement.ports.shared and d.ports is None and not d.is_icmp_error:
            raise Drop("drop_no_port")
        if not entitlement.allows(d.source, sender_port(d) if entitlement.ports.shared else None):
            raise Drop("drop_spoofed_source")
        if self.mapping.covers(d.destination):
            # Never out of the native side: routing would send it straight back.
            self._to_customer(d, work)
            work.events.append("hairpinned")
        else:
            self.route(d, work)
            self.emit(d, work)
        work.events.append("decapsulated")

    def admit(self, outer: ipv6.Outer) -> int:
        """Fragments are kept only for customers."""
        return self._entitlement(outer).address

    def relay_error(self, error: icmp.Relayed, work: Work) -> None:
        """To the Internet host, or through the tunnel where it was another customer."""
        assert error.kind is not None
        # It must be a packet that we would have sent there (RFC 5927: forged errors).
        port = None
        if self.mapping.shared(error.destination):
            port = icmp.read_embedded(error.inner, 0).destination_port
        if self.mapping.softwire(error.destination, port) != error.softwire:
            raise Drop("drop_icmpv6_not_ours")
        d = self.make_error(error.kind, error.inner, self.icmp_source, work)
        if d is None:
            return
        work.events.append("icmpv6_relayed")
        if self.mapping.covers(d.destination):
            self.send(d, self._owner(d), work)
        else:
            self.emit(d, work)

    def _entitlement(self, outer: ipv6.Outer) -> Entitlement:
        entitlement = self.mapping.entitlement(outer.source)
        if entitlement is None:
            raise Drop("drop_no_rule")
        return entitlement

    def _judge_address(self, outer: ipv6.Outer, work: Work) -> Entitlement:
        entitlement = self._entitlement(outer)
        if outer.source != entitlement.address:
            found = self.mapping.source_format(outer.source, entitlement)
            if found is not None and found != self.service.interface_identifier:
                work.events.append(f"iid_format_{found}")
            if self.service.strict_iid:
                raise Drop("drop_iid_mismatch")
        return entitlement

    def _with_ports(self, d: Datagram, owner: int, work: Work, needed: bool) -> list[Datagram]:
        """Pieces wait for their ports only where a shared address makes ports count."""
        return self.fragments.resolve(d, owner, work.now, work.events) if needed else [d]

    def _owner(self, d: Datagram) -> int:
        """Softwire of the customer that the packet is for."""
        port = receiver_port(d) if self.mapping.shared(d.destination) else None
        softwire = self.mapping.softwire(d.destination, port)
        if softwire is None:
            if not self.mapping.covers(d.destination):
                raise Drop("drop_unmapped_destination")
            raise Drop("drop_no_port" if port is None else "drop_excluded_port")
        return softwire
