# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The carrier side where edges have port sets: border relay (RFC 7597, 7599), lwAFTR (RFC 7596)."""

from __future__ import annotations

from ..mapping.binding import BindingTable
from ..mapping.rule import Entitlement, RuleTable, TranslatedRuleTable
from ..packet import icmp, ipv6
from ..packet.buffer import Packet
from ..packet.ipv4 import Datagram
from ..packet.verdict import Drop
from ..techniques import TECHNIQUES
from ..techniques.service import Service
from .base import SOURCE_REFUSED, Node, Work, receiver_port, sender_port
from .places import internet

_STRANGER = {"rule": "drop_no_rule", "binding": "drop_no_binding"}


class Gateway(Node):
    """Stateless: the mapping says who owns an address and port, in both directions."""

    _ready: tuple[Service, RuleTable | BindingTable] | None = None

    @staticmethod
    def own_address(service: Service) -> int:
        """The gateway address, also when it is anycast (RFC 7597 s7.2)."""
        return int(service.gateway_address)

    def prepare(self, service: Service) -> None:
        """Compile the table: of a million bindings that takes seconds."""
        self._ready = service, service.address_table()

    def apply(self, service: Service) -> list[str]:
        """Take over a service; the table is ready before anything changes."""
        row = TECHNIQUES[service.technique]
        ready, self._ready = self._ready, None
        table = ready[1] if ready is not None and ready[0] is service else service.address_table()
        place = internet(service)
        self.mapping, self._internet = table, place
        self._stranger = _STRANGER[row.mapping]
        # RFC 7599 s8.3: SHOULD; RFC 7596 s6.2: MAY.
        self._tells = service.icmp_on_miss or row.carriage == "translation"
        return super().apply(service)

    def owns(self, address: int) -> bool:
        """The gateway's addresses, and all that stand for the Internet."""
        return self._internet.holds(address) or address == self.address or address in self.mapping.gateways

    def near(self, d: Datagram, far: int) -> int:
        """The subscriber's own gateway address, or where the IPv4 source is."""
        own = self.mapping.gateway(far) if self.mapping.gateways else None
        return own or self._internet.end6(d.source)

    def to6(self, ipv4: int, port: int | None) -> int:
        """Customers see everybody through the gateway (RFC 7599 s5.1)."""
        return self._internet.end6(ipv4)

    def to4(self, ipv6: int) -> int:
        """Of the Internet, or a customer's."""
        if self._internet.holds(ipv6):
            return self._internet.end4(ipv6)
        assert isinstance(self.mapping, TranslatedRuleTable)
        ipv4 = self.mapping.ipv4_of(ipv6)
        if ipv4 is None:
            raise Drop("drop_untranslatable")
        return ipv4

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
            raise self._refusal("drop_spoofed_source")
        self._onward(d, work)
        work.events.append("decapsulated")

    def _onward(self, d: Datagram, work: Work) -> None:
        if not self.mapping.covers(d.destination):
            self.route(d, work)
            self.emit(d, work)
            return
        # Never out of the native side: routing would send it straight back.
        if not self.service.hairpinning:
            raise Drop("drop_hairpin_disabled")
        self._to_customer(d, work)
        work.events.append("hairpinned")

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

    def from_router(self, outer: ipv6.Outer, packet: Packet, far: int, work: Work) -> None:
        """To the Internet host, or the customer, whose translated packet had trouble on its way to `far`."""
        d = self.unwrap_error(outer, packet, known=outer.source == far)
        at = d.header + 8
        if len(d.buf) < at + 20:
            raise Drop("drop_icmp_truncated")
        about, port = int.from_bytes(d.buf[at + 16 : at + 20], "big"), None
        if self.mapping.shared(about):
            port = icmp.read_embedded(d.buf, at).destination_port
        if self.mapping.softwire(about, port) != far:
            raise Drop("drop_icmpv6_not_ours")
        self._onward(d, work)
        work.events.append("decapsulated")

    def _refusal(self, reason: str) -> Drop:
        return Drop(reason, error6=SOURCE_REFUSED if self._tells else None)

    def _entitlement(self, outer: ipv6.Outer) -> Entitlement:
        entitlement = self.mapping.entitlement(outer.source)
        if entitlement is None:
            raise self._refusal(self._stranger)
        if self.mapping.gateways and outer.destination != self.near_of(entitlement.address):
            raise Drop("drop_wrong_gateway")
        return entitlement

    def near_of(self, softwire: int) -> int:
        """The gateway address that a softwire ends at."""
        return self.mapping.gateway(softwire) or self.address

    def _judge_address(self, outer: ipv6.Outer, work: Work) -> Entitlement:
        entitlement = self._entitlement(outer)
        if not self.mapping.mapped(outer.source, entitlement):
            found = self.mapping.source_format(outer.source, entitlement)
            if found is not None and found != self.service.interface_identifier:
                work.events.append(f"iid_format_{found}")
            if self.service.strict_iid:
                raise self._refusal("drop_iid_mismatch")
        return entitlement

    def _with_ports(self, d: Datagram, owner: int, work: Work, needed: bool) -> list[Datagram]:
        """Pieces wait for their ports only where a shared address makes ports count."""
        return self.fragments.resolve(d, owner, work.now, work.events) if needed else [d]

    def _owner(self, d: Datagram) -> int:
        """Softwire of the customer that the packet is for."""
        port = receiver_port(d) if self.mapping.shared(d.destination) else None
        softwire = self.mapping.softwire(d.destination, port)
        if softwire is None:
            told = icmp.HOST_UNREACHABLE if self.service.icmp_on_miss else None
            if not self.mapping.covers(d.destination):
                raise Drop("drop_unmapped_destination", told)
            raise Drop("drop_no_port" if port is None else "drop_excluded_port", told)
        return softwire
