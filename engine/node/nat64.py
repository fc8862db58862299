# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The carrier side of 464XLAT and NAT64: a PLAT or NAT64 (RFC 6146)."""

from __future__ import annotations

from ..mapping.eam import EamTable
from ..packet import ipv6
from ..packet.buffer import Packet
from ..packet.ipv4 import OFFSET, UDP, Datagram
from ..packet.napt import Translator
from ..packet.translation import Translation
from ..packet.verdict import Drop
from ..techniques.reach import explicit_hosts
from ..techniques.service import B4_ADDRESS, COMPUTE, Service
from .flows import Flows
from .places import internet
from .session_gateway import SessionGateway
from .work import Link, Outcome, Work

# Every IPv6 host is this one of its own realm; the address never leaves the node.
_HOST = B4_ADDRESS


class Nat64(SessionGateway):
    """IPv6 hosts find the IPv4 Internet in a prefix: stateless headers, and a NAPT for their side.

    Hosts with an explicit mapping keep their IPv4 address, without NAPT or state (RFC 7757). Packets
    from one of them to another turn round here: the sender is seen in the prefix, the receiver gets
    them at its own address (section 4.2, simple hairpinning).
    """

    def apply(self, service: Service) -> list[str]:
        """Take over a service."""
        outside, explicit = internet(service), EamTable(explicit_hosts(service))
        lost = super().apply(service)
        self._internet, self._explicit = outside, explicit
        self._flows = self._new_flows()
        return lost

    def exchange(self, napt: Translator) -> None:
        """What is known of flows is of the sessions before."""
        super().exchange(napt)
        self._flows = self._new_flows()

    def _new_flows(self) -> Flows:
        assert isinstance(self.carriage, Translation)
        return Flows(self.napt, self.carriage, self.new_ident, hops=1 if self.decrement_ttl else 0)

    def process(self, packet: Packet, arrival: Link, now: float) -> Outcome:
        """By the short way, where there is one."""
        outcome = self._flows.process(packet, arrival, now)
        if outcome is None:
            outcome = super().process(packet, arrival, now)
            self._flows.learn(packet, arrival, outcome)
        return outcome

    def expire(self, now: float) -> list[str]:
        """Also what is known of flows."""
        self._flows.tidy()
        return super().expire(now)

    def owns(self, address: int) -> bool:
        """The prefix, and the own address for pings."""
        return self._internet.holds(address) or address == self.address

    def near(self, d: Datagram, far: int) -> int:
        """The Internet host, as the IPv6 host knows it."""
        return self._internet.end6(d.source)

    def to6(self, ipv4: int, port: int | None) -> int:
        """In the prefix (RFC 6146 s3.5.4)."""
        return self._internet.end6(ipv4)

    def to4(self, ipv6: int) -> int:
        """The mapped address, or the one in the prefix; every other one gets an address from the NAPT."""
        mapped = self._explicit.to4(ipv6)
        if mapped is not None:
            return mapped
        return self._internet.end4(ipv6) if self._internet.holds(ipv6) else _HOST

    def from_native(self, packet: Packet, work: Work) -> None:
        """To a host with a mapping, or to a subscriber."""
        host = self._explicit.to6(int.from_bytes(packet.data[16:20], "big"))
        if host is None:
            super().from_native(packet, work)
            return
        d = Datagram(packet.data, packet.offload)
        self.check_addresses(d)
        self.route(d, work)
        self.send(d, host, work)

    def pieces(self, d: Datagram, work: Work) -> list[Datagram]:
        """UDP without checksum has to be whole, to get one (RFC 6146 s3.4)."""
        ready = super().pieces(d, work)
        if not d.is_fragment or d.protocol != UDP or self.service.udp_zero_checksum != COMPUTE:
            return ready
        found = []
        for piece in ready:  # the first one comes first
            if not (_lacks_checksum(piece) or self.reassembler.awaits(piece, piece.source)):
                found.append(piece)
                continue
            whole = self.reassembler.add4(piece, piece.source, work.now, work.events)
            if whole is not None:
                found.append(Datagram(whole))
        return found

    def from_softwire(self, outer: ipv6.Outer, packet: Packet, work: Work) -> None:
        """From a host with a mapping, or from a subscriber."""
        if self._explicit.to4(outer.source) is None:
            super().from_softwire(outer, packet, work)
            return
        self.admit(outer)
        self._from_explicit(self.carriage.unwrap(outer, packet.offload), work)

    def from_router(self, outer: ipv6.Outer, packet: Packet, far: int, work: Work) -> None:
        """About a packet to a host with a mapping, or to a subscriber."""
        if self._explicit.to4(far) is None:
            super().from_router(outer, packet, far, work)
            return
        self.admit(outer)
        known = self._explicit.to4(outer.source) is not None
        self._from_explicit(self.unwrap_error(outer, packet, known=known), work)

    def _from_explicit(self, d: Datagram, work: Work) -> None:
        self.check_addresses(d)
        if d.destination in self.pool:
            pieces = self.fragments.resolve(d, d.source, work.now, work.events)
            self.each(pieces, work, self._take_in)
            work.events.append("hairpinned")
        else:
            self.route(d, work)
            self.emit(d, work)
        work.events.append("decapsulated")

    def emit(self, d: Datagram, work: Work) -> None:
        """Out to the Internet, or back to a host that has a mapping."""
        host = self._explicit.to6(d.destination)
        if host is None:
            super().emit(d, work)
            return
        if not self.service.hairpinning:
            raise Drop("drop_hairpin_disabled")
        self.send(d, host, work)
        work.events.append("hairpinned")

    def admit(self, outer: ipv6.Outer) -> int:
        """Any host, but none that stands for an Internet host: its packets would go round (RFC 6146 s3.5)."""
        if not self._internet.holds(outer.destination):
            raise Drop("drop_not_for_us")
        if not ipv6.is_unicast(outer.source) or self.owns(outer.source):
            raise Drop("drop_softwire_source")
        return outer.source


def _lacks_checksum(piece: Datagram) -> bool:
    """Whether it is the first piece, and says that there is none."""
    return not piece.fragment & OFFSET and not any(piece.buf[piece.header + 6 : piece.header + 8])
