# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all nodes share: carriage, own errors, limits, fragments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable, Mapping
from random import Random
from types import MappingProxyType
from typing import Any

from ..packet import icmp, ipv6
from ..packet.buffer import Packet
from ..packet.carriage import Carriage
from ..packet.fragments import FragmentPorts, Reassembler
from ..packet.ipv4 import Datagram, is_unicast
from ..packet.napt import SessionView
from ..packet.natlog import Record
from ..packet.verdict import Drop, Icmp6Error, IcmpError
from ..techniques import TECHNIQUES
from ..techniques.service import Service
from .translator_end import TranslatorEnd
from .tunnel_end import TunnelEnd
from .work import Limits, Link, Outcome, Output, TokenBucket, Work

__all__ = [
    "DUMMY_ADDRESS",
    "SOURCE_REFUSED",
    "Limits",
    "Link",
    "Node",
    "Output",
    "Work",
    "receiver_port",
    "sender_port",
]

SOURCE_REFUSED = Icmp6Error(1, 5)  # source address failed ingress/egress policy (RFC 4443 s3.1)
# Told who has which outside ports, by the service and the record of it.
SessionLog = Callable[[Service, Record], None]

DUMMY_ADDRESS = 0xC0000008  # 192.0.0.8: IPv4 source of a node that has no IPv4 address (RFC 7600 s4.8)

_ENDS: Mapping[str, type[TunnelEnd | TranslatorEnd]] = MappingProxyType(
    {"encapsulation": TunnelEnd, "translation": TranslatorEnd}
)


class Node(ABC):
    """A gateway or an edge. Pure but for its own tables: clock and random source come from outside."""

    LIMITS = Limits()  # where none are given

    def __init__(
        self,
        service: Service,
        *,
        rng: Random,
        decrement_ttl: bool = True,
        limits: Limits | None = None,
        icmp_source: int = DUMMY_ADDRESS,
        log: SessionLog | None = None,
    ) -> None:
        limits = limits or self.LIMITS
        self.limits, self.rng, self.decrement_ttl = limits, rng, decrement_ttl
        self.icmp_source, self.log = icmp_source, log
        self._bucket = TokenBucket(limits.icmp_per_second, limits.icmp_burst)
        bounds = {"count": limits.fragment_packets, "octets": limits.fragment_octets}
        self.fragments = FragmentPorts(**bounds, timeout=limits.fragment_seconds)
        self.reassembler = Reassembler(**bounds, timeout=limits.reassembly_seconds)
        self.end = _ENDS[TECHNIQUES[service.technique].carriage](self)
        self.apply(service)

    def apply(self, service: Service) -> list[str]:
        """Take over a service; all look-ups change at once."""
        self.service = service
        self.address = self.own_address(service)
        self.carriage: Carriage = self.end.carriage()
        return []

    def prepare(self, service: Service) -> None:  # noqa: B027  most need nothing
        """Make ready what a reload with a service needs; packets may be processed meanwhile."""

    def reload(self, service: Service) -> list[str]:
        """Swap the rules under traffic; returns what was lost by it."""
        return self.apply(service)

    @staticmethod
    @abstractmethod
    def own_address(service: Service) -> int:
        """The tunnel address of this node."""

    def owns(self, address: int) -> bool:
        """Whether packets for an IPv6 address are this node's."""
        return address == self.address

    def answers(self, outer: ipv6.Outer) -> bool:
        """Whether a ping is for this node itself, and not for a host that a translator stands for."""
        return outer.destination == self.address

    def near(self, d: Datagram, far: int) -> int:
        """IPv6 source of an IPv4 packet that goes to `far`."""
        return self.address

    def to6(self, ipv4: int, port: int | None) -> int:
        """Where an IPv4 address is, seen from the domain (carriage by translation); or Drop."""
        raise Drop("drop_untranslatable")

    def to4(self, ipv6: int) -> int:
        """The IPv4 address that an IPv6 address stands for (carriage by translation); or Drop."""
        raise Drop("drop_untranslatable")

    def hear(self, error: icmp.Relayed, work: Work) -> None:
        """An ICMPv6 error about an own packet."""
        if error.kind is None:
            work.events.append("icmpv6_absorbed")
        else:
            self.relay_error(error, work)

    @abstractmethod
    def from_native(self, packet: Packet, work: Work) -> None:
        """An IPv4 packet."""

    @abstractmethod
    def from_softwire(self, outer: ipv6.Outer, packet: Packet, work: Work) -> None:
        """A packet of the carriage: out of a tunnel whole and bare, to be translated as it came."""

    def from_router(self, outer: ipv6.Outer, packet: Packet, far: int, work: Work) -> None:
        """An ICMPv6 error about a translated packet to `far`, from there or from any router before it."""
        self.from_softwire(outer, packet, work)

    @abstractmethod
    def admit(self, outer: ipv6.Outer) -> int:
        """The tunnel address of who is answerable for an IPv6 source; raises Drop for a stranger."""

    @abstractmethod
    def relay_error(self, error: icmp.Relayed, work: Work) -> None:
        """Tell the IPv4 source of an embedded packet what happened to it in the tunnel."""

    def process(self, packet: Packet, arrival: Link, now: float) -> Outcome:
        """What leaves because of this packet, and the names (reasons.py) of what happened."""
        work = Work(now, [], [])
        try:
            if arrival is Link.NATIVE:
                work.about = packet.data
                self.end.native(packet, work)
            else:
                self._tunnel(packet, work)
        except Drop as drop:
            self._end(drop, work)
        return work.outputs, work.events

    def _tunnel(self, packet: Packet, work: Work) -> None:
        outer = ipv6.read(packet.data)
        if not self.owns(outer.destination):
            raise Drop("drop_not_for_us")
        work.outer, work.near = packet.data, outer.destination
        self.end.take(outer, packet, work)

    def expire(self, now: float) -> list[str]:
        """Let time pass for the tables."""
        return self.reassembler.chains.expire(now) + self.fragments.chains.expire(now)

    def overdue(self, now: float) -> tuple[list[Output], list[str]]:
        """What leaves only because time has passed, and what happened; nothing usually."""
        return [], []

    def stop(self) -> None:  # noqa: B027  most have nothing to do
        """The node ends; no packet comes after this."""

    def sessions(self, limit: int | None = None) -> list[SessionView]:
        """Sessions for display, at most `limit`; a node without NAPT has none."""
        return []

    def session_count(self) -> int:
        """How many there are, at no cost."""
        return 0

    def tables(self) -> dict[str, Any]:
        """How full they are, as JSON values; the same cost however full."""
        return {
            "fragments": {"ports": self.fragments.chains.view(), "reassembly": self.reassembler.chains.view()}
        }

    # Errors

    def _end(self, drop: Drop, work: Work) -> None:
        """Count a drop, and send the error that it deserves back to where the packet came from."""
        work.events.append(drop.reason)
        if work.peer:
            self.end.refuse(drop, work)
        elif drop.error is not None:
            error = self.make_error(drop.error, work.about, self.error_source(work), work)
            if error is not None:
                self.emit(error, work)

    def emit_error6(self, error: Icmp6Error, work: Work, *, source: int) -> None:
        """An ICMPv6 error about the IPv6 packet as it arrived, within the rate limit."""
        data = icmp.error6(work.outer, source, error)
        if data is None or not self._bucket.take(work.now):
            work.events.append("icmp_suppressed")
            return
        work.events.append("icmpv6_sent")
        work.outputs.append((Packet(data), Link.SOFTWIRE))

    def make_error(
        self, error: IcmpError, about: bytes | memoryview, source: int, work: Work
    ) -> Datagram | None:
        """An ICMPv4 error within the rate limit, None otherwise."""
        data = icmp.error(bytes(about[:576]), source, error)
        if data is None or not self._bucket.take(work.now):
            work.events.append("icmp_suppressed")
            return None
        work.events.append("icmp_sent")
        return Datagram(data)

    def error_source(self, work: Work) -> int:
        """IPv4 source of own errors."""
        return self.icmp_source

    # Forwarding

    def unwrap_error(self, outer: ipv6.Outer, packet: Packet, *, known: bool) -> Datagram:
        """A translated ICMP error; a router that is not known by an IPv4 address gets one (RFC 6791)."""
        d = self.carriage.unwrap(outer, packet.offload)
        if not known:
            d.set_source(self.icmp_source)
        self.check_addresses(d)
        return d

    def each(self, pieces: list[Datagram], work: Work, forward: Callable[..., None], *how: Any) -> None:
        """Forward a packet, or the pieces that it set free: one that is dropped does not stop the others."""
        for piece in pieces:
            try:
                forward(piece, work, *how)
            except Drop as drop:
                self._end(drop, work)

    def send(self, d: Datagram, far: int, work: Work) -> None:
        """Into the domain, to an IPv6 address."""
        packets = self.carriage.wrap(d, self.near(d, far), far)
        work.events.append("encapsulated")
        work.outputs += [(packet, Link.SOFTWIRE) for packet in packets]

    def emit(self, d: Datagram, work: Work) -> None:
        """Out on the IPv4 side, offload work kept."""
        work.outputs.append((Packet(bytes(d.buf), d.offload), Link.NATIVE))

    def route(self, d: Datagram, work: Work) -> None:
        """What every forwarded packet gets once: a hop off its TTL, and the MSS clamp."""
        if self.decrement_ttl:
            d.hop()
        limit = self.service.mss_clamp
        if limit and d.clamp_mss(limit):
            work.events.append("mss_clamped")

    @staticmethod
    def check_addresses(d: Datagram) -> None:
        """No martians (RFC 1812 s5.3.7)."""
        if not is_unicast(d.source):
            raise Drop("drop_martian_source")
        if not is_unicast(d.destination):
            raise Drop("drop_martian_destination")


def sender_port(d: Datagram) -> int | None:
    """Port that must be the sender's; an ICMP error answers a packet that came *to* that port."""
    if not d.is_icmp_error:
        return d.ports[0] if d.ports else None
    inner = icmp.read_embedded(d.buf, d.header + 8)
    # A shared address has no other host that could speak for it.
    return inner.destination_port if inner.destination == d.source else None


def receiver_port(d: Datagram) -> int | None:
    """Port that says whose packet it is; an ICMP error is about a packet *from* that port (RFC 7597 s8.2)."""
    if not d.is_icmp_error:
        return d.ports[1] if d.ports else None
    inner = icmp.read_embedded(d.buf, d.header + 8)
    if inner.source != d.destination:
        raise Drop("drop_icmp_mismatch")
    return inner.source_port
