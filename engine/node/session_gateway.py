# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The carrier side where the gateway translates addresses: one NAPT for many subscribers (RFC 6888)."""

from __future__ import annotations

from functools import partial
from ipaddress import IPv6Network

from ..packet import icmp, ipv6
from ..packet.allocation import PoolAllocator
from ..packet.buffer import Packet
from ..packet.ipv4 import DF, Datagram
from ..packet.napt import NUMBERS, PROTOCOLS, StaticBinding
from ..packet.verdict import Drop, Icmp6Error, IcmpError
from ..techniques.service import B4_ADDRESS, Service
from .base import Limits, Output, Work
from .napt_node import NaptNode
from .networks import Networks

PROTOCOL_UNREACHABLE = IcmpError(3, 2)
PORT_UNREACHABLE6 = Icmp6Error(1, 4)  # RFC 6146 s3.5


def static_bindings(service: Service) -> list[StaticBinding]:
    """What the NAPT of a gateway has from the beginning."""
    return [
        StaticBinding(
            NUMBERS[s.protocol],
            s.outside_port,
            B4_ADDRESS if s.inside_address is None else int(s.inside_address),
            s.inside_port,
            int(s.outside_address),
            int(s.subscriber),
        )
        for s in service.static_bindings
    ]


class SessionGateway(NaptNode):
    """Subscribers share the addresses of a pool; what tells them apart is their IPv6 address.

    That is the softwire of an AFTR (RFC 6333 s6.6) and the host of a NAT64: the realm of its bindings.
    """

    # Of all subscribers together; a session costs 0.4 KB (tests/unit/node/test_session_requirements.py).
    LIMITS = Limits(
        sessions=1 << 20,
        unsolicited_syns=1 << 14,
        fragment_packets=1 << 14,
        fragment_octets=64 << 20,
        icmp_per_second=1000.0,
        icmp_burst=500,
    )

    _allocator: PoolAllocator | None = None

    @staticmethod
    def own_address(service: Service) -> int:
        """The end of all softwires; the source of a translator's own ICMPv6."""
        return int(service.gateway_address)

    def apply(self, service: Service) -> list[str]:
        """Take over a service; sessions that are valid under it live on.

        Raises ValueError, with nothing changed, for a pool or static binding that cannot be.
        """
        allocator = self._allocator_of(service)
        static = static_bindings(service)
        lost = self.take_over(service, allocator, static, self.limits.unsolicited_syns)
        self._allocator = allocator
        self.pool = Networks(allocator.pool.ipv4)
        # Without their prefix everybody is a customer.
        customers = allocator.pool.subscribers or IPv6Network("::/0")
        self._beside_customers = 128 - customers.prefixlen
        self._customers = int(customers.network_address) >> self._beside_customers
        self._ident = self.rng.getrandbits(16)
        return super().apply(service) + lost

    def _allocator_of(self, service: Service) -> PoolAllocator:
        """The one in charge where nothing changed for it, else a new one."""
        assert service.pool is not None
        if self._allocator is not None:
            now = self.service
            if (now.pool, now.static_bindings) == (service.pool, service.static_bindings):
                return self._allocator
        log = None if self.log is None else partial(self.log, service)
        return PoolAllocator(service.pool, self.rng, log=log)

    def overdue(self, now: float) -> tuple[list[Output], list[str]]:
        """Answers to unsolicited SYNs."""
        work = Work(now, [], [])
        self._answer_syns(work)
        return work.outputs, work.events

    def stop(self) -> None:
        """All ports are given back."""
        self.napt.close()

    def _let_time_pass(self, work: Work) -> None:
        work.events += ["session_expired"] * self.napt.expire(work.now)
        self._answer_syns(work)

    def _answer_syns(self, work: Work) -> None:
        """After 6 s, unless a connection came of it (RFC 5382 REQ-4)."""
        for syn in self.napt.unanswered(work.now):
            error = self.make_error(icmp.PORT_UNREACHABLE, syn, self.icmp_source, work)
            if error is not None:
                self.emit(error, work)

    # From the Internet

    def from_native(self, packet: Packet, work: Work) -> None:
        """To the subscriber whose binding has destination address and port."""
        self._let_time_pass(work)
        d = Datagram(packet.data, packet.offload)
        self.check_addresses(d)
        if d.destination not in self.pool:
            raise Drop("drop_unmapped_destination")
        _check_protocol(d)
        self.each(self.pieces(d, work), work, self._take_in)

    def pieces(self, d: Datagram, work: Work) -> list[Datagram]:
        """What may go on of a packet from the Internet: whole, or pieces whose ports are known."""
        return self.fragments.resolve(d, d.source, work.now, work.events)

    def _take_in(self, d: Datagram, work: Work) -> None:
        self.route(d, work)
        # Before a session is refreshed or made for a packet that cannot go.
        self.carriage.fit(d)
        self._deliver(d, work)

    def _deliver(self, d: Datagram, work: Work) -> None:
        """To the subscriber, the destination rewritten."""
        realm = self.napt.inbound_error(d) if d.is_icmp_error else self.napt.inbound(d, work.now)
        self.send(d, realm, work)

    # From a subscriber

    def from_softwire(self, outer: ipv6.Outer, packet: Packet, work: Work) -> None:
        """To the Internet, or to another subscriber."""
        self._let_time_pass(work)
        self.admit(outer)
        self.check_subscriber(outer.source)
        d = self.carriage.unwrap(outer, packet.offload)
        self.check_addresses(d)
        self.check_inner(outer, d)
        _check_protocol(d)
        if not d.is_fragment and not d.fragment & DF and not d.is_super:
            d.set_ident(self.new_ident())
        pieces = self.fragments.resolve(d, outer.source, work.now, work.events, self.new_ident)
        self.each(pieces, work, self.send_out, outer.source)

    def from_router(self, outer: ipv6.Outer, packet: Packet, far: int, work: Work) -> None:
        """From a subscriber, or from a router on the way to it."""
        self._let_time_pass(work)
        self.admit(outer)
        self.send_out(self.unwrap_error(outer, packet, known=outer.source == far), work, far)

    def check_subscriber(self, address: int) -> None:
        """Raise Drop for who is no customer: a gateway is not open to the world (RFC 6908)."""
        if address >> self._beside_customers != self._customers:
            raise Drop("drop_no_subscriber")

    def check_inner(self, outer: ipv6.Outer, d: Datagram) -> None:
        """Raise Drop for a packet that must not be in that one: a translator made it of that one."""

    def send_out(self, d: Datagram, work: Work, realm: int) -> None:
        """To the Internet, or round to another subscriber."""
        self.route(d, work)
        turned = d.destination in self.pool
        if turned:
            if not self.service.hairpinning:
                raise Drop("drop_hairpin_disabled")
            self.carriage.fit(d)
        self._translate_out(d, work, realm)
        if turned:
            # The other subscriber sees outside address and port (RFC 4787 REQ-9), and filters as ever.
            self._deliver(d, work)
            work.events.append("hairpinned")
        else:
            self.emit(d, work)
        work.events.append("decapsulated")

    def _translate_out(self, d: Datagram, work: Work, realm: int) -> None:
        if not d.is_icmp_error:
            self.napt.outbound(d, work.now, realm)
            return
        self.napt.outbound_error(d, realm)
        if realm != work.peer:
            # From a router on the way, which has no IPv4 address (RFC 6791 s2).
            d.set_source(self.icmp_source)

    def new_ident(self) -> int:
        """Subscribers that share an address must not collide (RFC 7857 s10)."""
        self._ident = self._ident + 1 & 0xFFFF
        return self._ident

    def relay_error(self, error: icmp.Relayed, work: Work) -> None:
        """To the Internet host, or to the other subscriber, whose packet had trouble in a softwire."""
        assert error.kind is not None
        d = self.make_error(error.kind, error.inner, self.icmp_source, work)
        if d is None:
            return
        self._translate_out(d, work, error.softwire)
        work.events.append("icmpv6_relayed")
        if d.destination in self.pool:
            self._deliver(d, work)
        else:
            self.emit(d, work)


def _check_protocol(d: Datagram) -> None:
    if d.protocol not in PROTOCOLS:
        raise Drop("drop_protocol_unsupported", PROTOCOL_UNREACHABLE, PORT_UNREACHABLE6)
