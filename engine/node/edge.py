# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The customer side where edges have port sets: MAP CE (RFC 7597, 7599), lwB4 (RFC 7596)."""

from __future__ import annotations

from collections.abc import Sequence
from ipaddress import IPv4Network

from ..mapping.rule import Customer, TranslatedRuleTable
from ..packet import icmp, ipv6
from ..packet.allocation import PortSetAllocator
from ..packet.buffer import Packet
from ..packet.ipv4 import DF, ICMP, Datagram
from ..packet.napt import NUMBERS, StaticBinding, check_forwards
from ..packet.verdict import Drop
from ..techniques import TECHNIQUES
from ..techniques.service import Service
from .base import SOURCE_REFUSED, Work, receiver_port, sender_port
from .napt_node import NaptNode
from .places import internet, own_place

_STRANGER = {"rule": "drop_mesh_disabled", "binding": "drop_not_gateway"}


class Edge(NaptNode):
    """NAPT44 into the own port set, then the domain. Unsolicited packets are dropped without a word."""

    @staticmethod
    def own_address(service: Service) -> int:
        """The own MAP address, or that of the binding."""
        return int(service.customer.address)

    def apply(self, service: Service) -> list[str]:
        """Take over a service; NAPT sessions that are valid under it live on.

        Raises ValueError, with nothing changed, for a service that cannot run.
        """
        customer = service.customer
        addresses = napt_addresses(customer, service.inside)
        static = static_bindings(service)
        check_forwards(static, addresses, customer.ports)
        place, own, peers = internet(service), own_place(service, customer), service.peer_table()
        super().apply(service)
        self.customer = customer
        self._internet, self._own, self._peers = place, own, peers
        row = TECHNIQUES[service.technique]
        self._stranger = "drop_no_rule" if service.mesh else _STRANGER[row.mapping]
        # RFC 7599 s8.2: SHOULD; a tunnel keeps silent.
        self._refusal = SOURCE_REFUSED if row.carriage == "translation" else None
        self._first, self._last = int(customer.ipv4.network_address), int(customer.ipv4.broadcast_address)
        self._inside = [(int(n.network_address), int(n.netmask)) for n in service.inside]
        self._idents = self.rng.randrange(len(customer.ports))
        return self.take_over(service, PortSetAllocator(addresses, customer.ports, self.rng), static)

    def owns(self, address: int) -> bool:
        """The own tunnel address, or what stands for the own IPv4 addresses."""
        return self._own.holds(address)

    def answers(self, outer: ipv6.Outer) -> bool:
        """Pings of the MAP address by who has no IPv4 address: operators."""
        return not self._from_internet(outer.source) and self._peers.entitlement(outer.source) is None

    def near(self, d: Datagram, far: int) -> int:
        """Where the own IPv4 source is."""
        return self._own.end6(d.source)

    def to6(self, ipv4: int, port: int | None) -> int:
        """An own address: errors to the outside are about packets to here."""
        if not self._owns(ipv4):
            raise Drop("drop_icmp_mismatch")
        return self._own.end6(ipv4)

    def to4(self, ipv6: int) -> int:
        """The own, of the Internet, or a peer's."""
        if self._own.holds(ipv6):
            return self._own.end4(ipv6)
        if self._from_internet(ipv6):
            return self._internet.end4(ipv6)
        peer = self._peers.ipv4_of(ipv6) if isinstance(self._peers, TranslatedRuleTable) else None
        if peer is None:
            raise Drop("drop_no_rule")
        return peer

    def _from_internet(self, ipv6: int) -> bool:
        """Whether the gateway is answerable; the longest match decides (RFC 7599 s8.2)."""
        if not self._internet.holds(ipv6):
            return False
        rule = self._peers.rule_for_ipv6(ipv6)
        return rule is None or rule.ipv6_prefix.prefixlen <= self._internet.length

    # From the LAN

    def from_native(self, packet: Packet, work: Work) -> None:
        """From an inside host to the gateway, to a peer edge, or back to another inside host."""
        work.events += ["session_expired"] * self.napt.expire(work.now)
        d = Datagram(packet.data, packet.offload)
        self.check_addresses(d)
        plain = self._is_plain(d.source)
        if not plain and (self._owns(d.source) or (self._inside and not self._is_inside(d.source))):
            # A shared address must not be on an interface (RFC 7597 s4).
            raise Drop("drop_not_inside")
        no_port = plain and not self._owns(d.destination) and not self._peers.shared(d.destination)
        self.each([d] if no_port else self._outbound_pieces(d, work), work, self._from_inside, plain)

    def _from_inside(self, d: Datagram, work: Work, plain: bool) -> None:
        if self._is_own(d):
            self._turn(d, work, plain)
        else:
            self._send_out(d, work, plain)

    def _send_out(self, d: Datagram, work: Work, plain: bool) -> None:
        self.route(d, work)
        # Before a session is made for a packet that cannot go.
        self.carriage.fit(d)
        if not plain:
            self._translate_out(d, work)
        self.send(d, self._next(d), work)

    def _turn(self, d: Datagram, work: Work, plain: bool) -> None:
        """Hairpin: the other host sees the external address and port (RFC 4787 REQ-9)."""
        self.route(d, work)
        if not plain:
            self._translate_out(d, work)
        self._deliver(d, work, hairpin=True)
        work.events.append("hairpinned")

    def _outbound_pieces(self, d: Datagram, work: Work) -> list[Datagram]:
        """The packets that may go now, with ports, and with an Identification out of the own set.

        So edges that share an address do not collide (RFC 7597 s8.3.3); whole packets with DF need
        none (RFC 6864 s4.1).
        """
        if not self.customer.ports.shared:
            return self.fragments.resolve(d, d.source, work.now, work.events)
        if not d.is_fragment and not d.fragment & DF and not d.is_super:
            d.set_ident(self._new_ident())
        return self.fragments.resolve(d, d.source, work.now, work.events, self._new_ident)

    def _new_ident(self) -> int:
        self._idents = (self._idents + 1) % len(self.customer.ports)
        return self.customer.ports.nth(self._idents)

    def _translate_out(self, d: Datagram, work: Work) -> None:
        if d.is_icmp_error:
            self.napt.outbound_error(d)
        else:
            self.napt.outbound(d, work.now)

    def _next(self, d: Datagram) -> int:
        """The peer edge where the mesh covers the destination, else the Internet (RFC 7597 s5.4)."""
        if not self._peers.covers(d.destination):
            return self._internet.end6(d.destination)
        port = receiver_port(d) if self._peers.shared(d.destination) else None
        softwire = self._peers.softwire(d.destination, port)
        if softwire is None:
            raise Drop("drop_no_port" if port is None else "drop_excluded_port")
        return softwire

    # From the tunnel

    def admit(self, outer: ipv6.Outer) -> int:
        """Only the gateway, and peers where there is a mesh."""
        if self._from_internet(outer.source):
            return outer.source
        peer = self._peers.entitlement(outer.source)
        if peer is None:
            raise Drop(self._stranger)
        return peer.address

    def from_softwire(self, outer: ipv6.Outer, packet: Packet, work: Work) -> None:
        """To the inside host that the binding names."""
        work.events += ["session_expired"] * self.napt.expire(work.now)
        sender = self.admit(outer)
        d = self.carriage.unwrap(outer, packet.offload)
        self.check_addresses(d)
        if not self._owns(d.destination):
            raise Drop("drop_wrong_address")
        public = sender == outer.source and self._from_internet(sender)
        whole = public and self._is_plain(d.destination)
        # The gateway speaks for all: its pieces are those of their IPv4 source.
        owner = (sender, d.source if public else sender)
        pieces = [d] if whole else self.fragments.resolve(d, owner, work.now, work.events)
        self.each(pieces, work, self._take_in)

    def _take_in(self, d: Datagram, work: Work) -> None:
        self._check_peer(d, work.peer)
        self._accept(d, work)

    def _accept(self, d: Datagram, work: Work) -> None:
        self._check_own_port(d)
        self.route(d, work)
        self._deliver(d, work)
        work.events.append("decapsulated")

    def from_router(self, outer: ipv6.Outer, packet: Packet, far: int, work: Work) -> None:
        """To the inside host whose translated packet had trouble on its way to `far`."""
        known = outer.source == far or self._from_internet(outer.source)
        d = self.unwrap_error(outer, packet, known=known)
        self._accept(d, work)

    def hear(self, error: icmp.Relayed, work: Work) -> None:
        """The lwAFTR may say that it has no such binding (RFC 7596 s6.2); the host is told too."""
        if error.refused and error.sender == error.softwire == int(self.service.border_address):
            work.events.append("binding_refused")
        super().hear(error, work)

    def relay_error(self, error: icmp.Relayed, work: Work) -> None:
        """To the inside host whose packet had trouble in the tunnel."""
        assert error.kind is not None
        if not self._owns(error.source):
            raise Drop("drop_icmpv6_not_ours")
        d = self.make_error(error.kind, error.inner, self.icmp_source, work)
        if d is not None:
            self._deliver(d, work)
            work.events.append("icmpv6_relayed")

    def _check_peer(self, d: Datagram, softwire: int) -> None:
        """A peer may use only what its rule gives it; the gateway speaks for all (RFC 7597 s8.1)."""
        if self._from_internet(softwire):
            return
        entitlement = self._peers.entitlement(softwire)
        port = sender_port(d) if entitlement is not None and entitlement.ports.shared else None
        if entitlement is None or not entitlement.allows(d.source, port):
            raise Drop("drop_spoofed_source", error6=self._refusal)

    def _check_own_port(self, d: Datagram) -> None:
        """Packets by default must be for the own set (RFC 7597 s8.1)."""
        if self.customer.ports.shared:
            port = receiver_port(d)
            if port is None or port not in self.customer.ports:
                raise Drop("drop_wrong_port")

    def _deliver(self, d: Datagram, work: Work, *, hairpin: bool = False) -> None:
        """Point a packet for an own address at the inside host."""
        if self._is_plain(d.destination):
            work.events.append("forwarded")
        elif d.is_icmp_error:
            self.napt.inbound_error(d)
        else:
            self.napt.inbound(d, work.now, hairpin=hairpin)
        self.emit(d, work)

    def error_source(self, work: Work) -> int:
        """Outside, only the own address passes the gateway's source check."""
        return self._first if work.peer else self.icmp_source

    # Whose address

    def _owns(self, address: int) -> bool:
        return self._first <= address <= self._last

    def _is_own(self, d: Datagram) -> bool:
        """Whether a packet is for here: other edges have other ports of a shared address (RFC 7597 s5.1)."""
        if not self._owns(d.destination):
            return False
        if not self.customer.ports.shared or (d.protocol == ICMP and not d.is_icmp_error):
            return True  # an identifier is the sender's: a query cannot name a neighbour
        port = receiver_port(d)
        return port is None or port in self.customer.ports

    def _is_inside(self, address: int) -> bool:
        return any(address & mask == network for network, mask in self._inside)

    def _is_plain(self, address: int) -> bool:
        """An own address that a host inside has: no NAPT (prefix and full address, RFC 7597 s5.2)."""
        return not self.customer.ports.shared and self._owns(address) and self._is_inside(address)


def static_bindings(service: Service) -> list[StaticBinding]:
    """Port forwards of an edge, all at its first address. Raises MapRuleError where it has none."""
    addresses = napt_addresses(service.customer, service.inside)
    outside = addresses[0] if addresses else 0
    return [
        StaticBinding(NUMBERS[f.protocol], f.outside_port, int(f.inside_address), f.inside_port, outside)
        for f in service.port_forwards
    ]


def napt_addresses(customer: Customer, inside: Sequence[IPv4Network]) -> range:
    """Own addresses for NAPT: the largest block that no inside host has (RFC 7597 s5.2); may be empty."""
    if customer.ports.shared:
        inside = ()
    free = [customer.ipv4]
    for network in inside:
        free = [part for block in free for part in _without(block, network)]
    if not free:
        return range(0)
    best = max(free, key=lambda block: block.num_addresses)
    return range(int(best.network_address), int(best.broadcast_address) + 1)


def _without(block: IPv4Network, taken: IPv4Network) -> list[IPv4Network]:
    if block.subnet_of(taken):
        return []
    return list(block.address_exclude(taken)) if taken.subnet_of(block) else [block]
