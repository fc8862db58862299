# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The carrier side where the gateway translates addresses: a DS-Lite AFTR (RFC 6333 section 6)."""

from __future__ import annotations

from ipaddress import IPv4Network

from ..mapping.portset import ALL_PORTS
from ..packet import icmp, ipv6
from ..packet.allocation import PortSetAllocator
from ..packet.allocation import PortSetAllocator
from ..packet.buffer import Packet
from ..packet.ipv4 import DF, Datagram
from ..packet.napt import PROTOCOLS, Napt, SessionView
from ..packet.verdict import Drop, IcmpError
from ..techniques.service import Service
from .base import Node, Work

AFTR_ADDRESS = 0xC0000001  # 192.0.0.1 (RFC 6333 section 5.7)
SOFTWIRES = IPv4Network("192.0.0.0/29")
# What a customer may number its network with (RFC 1918), and the ends of softwires themselves.
PRIVATE = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    SOFTWIRES,
)
PROTOCOL_UNREACHABLE = IcmpError(3, 2)


class SessionGateway(Node):
    """NAPT for many subscribers: their softwires tell apart what has the same inside addresses."""

    _napt: Napt | None = None

    @staticmethod
    def own_address(service: Service) -> int:
        """The tunnel address of all softwires."""
        return int(service.gateway_address)

    def apply(self, service: Service) -> list[str]:
        """Take over a service; sessions that are valid under it live on."""
        assert service.pool is not None
        super().apply(service)
        self._pool = _masks(service.pool.ipv4)
        self._allowed = _masks((*PRIVATE, *service.inside))
        self._softwires = _masks((SOFTWIRES,))
        self._ident = self.rng.getrandbits(16)
        addresses = [int(address) for network in service.pool.ipv4 for address in network]
        allocator = PortSetAllocator(addresses, ALL_PORTS, self.rng)
        open_filter = service.filtering == "endpoint-independent"
        if self._napt is not None:
            return ["session_lost_on_reload"] * self._napt.configure(allocator, open_filter)
        self._napt = Napt(
            allocator,
            rng=self.rng,
            limit=self.limits.sessions,
            endpoint_independent_filtering=open_filter,
        )
        return []

    @property
    def napt(self) -> Napt:
        """The address translator."""
        assert self._napt is not None
        return self._napt

    def sessions(self) -> list[SessionView]:
        """NAPT sessions."""
        return self.napt.sessions()

    def session_count(self) -> int:
        """NAPT sessions, counted."""
        return len(self.napt)

    def expire(self, now: float) -> list[str]:
        """Fragments and sessions."""
        return super().expire(now) + ["session_expired"] * self.napt.expire(now)

    # From the Internet

    def from_native(self, packet: Packet, work: Work) -> None:
        """To the subscriber whose binding has destination address and port."""
        work.events += ["session_expired"] * self.napt.expire(work.now)
        d = Datagram(packet.data, packet.offload)
        self.check_addresses(d)
        if not _within(d.destination, self._pool):
            raise Drop("drop_unmapped_destination")
        _check_protocol(d)
        self.each(self.fragments.resolve(d, d.source, work.now, work.events), work, self._take_in)

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

    def admit(self, outer: ipv6.Outer) -> int:
        """Any host: the operator's IPv6 network keeps strangers and spoofed sources out (RFC 6333 s11)."""
        if not ipv6.is_unicast(outer.source) or self.owns(outer.source):
            raise Drop("drop_softwire_source")
        return outer.source

    def from_softwire(self, outer: ipv6.Outer, packet: Packet, work: Work) -> None:
        """To the Internet, or to another subscriber."""
        work.events += ["session_expired"] * self.napt.expire(work.now)
        self.admit(outer)
        d = self.carriage.unwrap(outer, packet.offload)
        d.set_dscp(outer.traffic_class >> 2)
        self.check_addresses(d)
        if not _within(d.source, self._allowed):
            raise Drop("drop_spoofed_source")
        if _within(d.destination, self._softwires):
            raise Drop("drop_unmapped_destination")
        _check_protocol(d)
        if not d.is_fragment and not d.fragment & DF and not d.is_super:
            d.set_ident(self._new_ident())
        pieces = self.fragments.resolve(d, work.peer, work.now, work.events, self._new_ident)
        self.each(pieces, work, self._send_out)

    def _send_out(self, d: Datagram, work: Work) -> None:
        self.route(d, work)
        turned = _within(d.destination, self._pool)
        if turned:
            self.carriage.fit(d)
        if d.is_icmp_error:
            self.napt.outbound_error(d, work.peer)
        else:
            self.napt.outbound(d, work.now, work.peer)
        if turned:
            # The other subscriber sees outside address and port (RFC 4787 REQ-9), and filters as ever.
            self._deliver(d, work)
            work.events.append("hairpinned")
        else:
            self.emit(d, work)
        work.events.append("decapsulated")

    def _new_ident(self) -> int:
        """Subscribers that share an address must not collide (RFC 7857 s10)."""
        self._ident = self._ident + 1 & 0xFFFF
        return self._ident

    # Errors

    def relay_error(self, error: icmp.Relayed, work: Work) -> None:
        """To the Internet host, or to the other subscriber, whose packet had trouble in the tunnel."""
        assert error.kind is not None
        d = self.make_error(error.kind, error.inner, AFTR_ADDRESS, work)
        if d is None:
            return
        self.napt.outbound_error(d, error.softwire)
        work.events.append("icmpv6_relayed")
        d.set_source(self.icmp_source)
        if _within(d.destination, self._pool):
            self._deliver(d, work)
        else:
            self.emit(d, work)

    def error_source(self, work: Work) -> int:
        """Inside, the address that every softwire knows (RFC 6333 s5.7)."""
        return AFTR_ADDRESS if work.peer else self.icmp_source


def _check_protocol(d: Datagram) -> None:
    if d.protocol not in PROTOCOLS:
        raise Drop("drop_protocol_unsupported", PROTOCOL_UNREACHABLE)


def _masks(networks: tuple[IPv4Network, ...]) -> list[tuple[int, int]]:
    return [(int(network.network_address), int(network.netmask)) for network in networks]


def _within(address: int, networks: list[tuple[int, int]]) -> bool:
    return any(address & mask == network for network, mask in networks)
