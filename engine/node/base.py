# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What gateway and edge share: limits, ICMP, the tunnel's own IPv6 address, fragments."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections.abc import Callable
from dataclasses import dataclass
from enum import Enum
from random import Random
from typing import Any

from ..packet import icmp, ipv6
from ..packet.buffer import Packet, complete
from ..packet.carriage import Carriage, Encapsulation
from ..packet.fragments import FragmentPorts, Reassembler
from ..packet.ipv4 import Datagram, is_unicast
from ..packet.napt import SessionView
from ..packet.verdict import Drop, IcmpError
from ..techniques.service import Service


class Link(Enum):
    """The two sides of a node."""

    NATIVE = "native"  # IPv4
    SOFTWIRE = "softwire"  # the IPv6 domain


Output = tuple[Packet, Link]

DUMMY_ADDRESS = 0xC0000008  # 192.0.0.8: IPv4 source of a node that has no IPv4 address (RFC 7600 s4.8)


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on everything a node remembers, and on what it says unasked."""

    sessions: int = 65536  # 1.2 KB each at most: 80 MB (tests/unit/packet/test_memory.py)
    fragment_packets: int = 1024  # packets in pieces, in each of the two fragment tables
    fragment_octets: int = 4 << 20  # what Python needs for the pieces is counted too
    fragment_seconds: float = 15.0  # RFC 6146 s4: not below 2
    reassembly_seconds: float = 60.0  # RFC 8200 s4.5
    icmp_per_second: float = 100.0  # RFC 1812 s4.3.2.8
    icmp_burst: int = 50


class TokenBucket:
    """Rate limit on the clock of the packets."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, float(burst)
        self._tokens, self._at = float(burst), 0.0

    def take(self, now: float) -> bool:
        """Whether one more is allowed now."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(slots=True)
class Work:
    """One packet's way through a node: the clock, what happened, and whom an error would go to."""

    now: float
    events: list[str]
    outputs: list[Output]
    about: bytes | memoryview = b""  # the IPv4 packet as it arrived
    peer: int = 0  # softwire it came from, 0 for the native side


class Node(ABC):
    """A gateway or an edge. Pure but for its own tables: clock and random source come from outside."""

    def __init__(
        self,
        service: Service,
        *,
        rng: Random,
        decrement_ttl: bool = True,
        limits: Limits | None = None,
        icmp_source: int = DUMMY_ADDRESS,
    ) -> None:
        limits = limits or Limits()
        self.limits, self.rng, self.decrement_ttl = limits, rng, decrement_ttl
        self.icmp_source = icmp_source
        self._bucket = TokenBucket(limits.icmp_per_second, limits.icmp_burst)
        bounds = {"count": limits.fragment_packets, "octets": limits.fragment_octets}
        self.fragments = FragmentPorts(**bounds, timeout=limits.fragment_seconds)
        self.reassembler = Reassembler(**bounds, timeout=limits.reassembly_seconds)
        self.apply(service)

    def apply(self, service: Service) -> list[str]:
        """Take over a service; all look-ups change at once."""
        self.service = service
        self.mapping = service.rule_table()
        self.address = self.own_address(service)
        self.carriage: Carriage = Encapsulation(
            service.ipv6_mtu, cut_inner=service.fragmentation == "inner", rng=self.rng
        )
        return []

    def reload(self, service: Service) -> list[str]:
        """Swap the rules under traffic; returns what was lost by it."""
        return self.apply(service)

    @staticmethod
    @abstractmethod
    def own_address(service: Service) -> int:
        """The tunnel address of this node."""

    def owns(self, address: int) -> bool:
        """Whether an IPv6 address is an own end of the tunnel."""
        return address == self.address

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
        """A tunnel packet, extension headers skipped and fragments put together."""

    @abstractmethod
    def admit(self, outer: ipv6.Outer) -> int:
        """The tunnel address of who is answerable for an IPv6 source; raises Drop for a stranger."""

    @abstractmethod
    def relay_error(self, error: icmp.Relayed, work: Work) -> None:
        """Tell the IPv4 source of an embedded packet what happened to it in the tunnel."""

    def process(self, packet: Packet, arrival: Link, now: float) -> tuple[list[Output], list[str]]:
        """What leaves because of this packet, and the names (reasons.py) of what happened."""
        work = Work(now, [], [])
        try:
            if arrival is Link.NATIVE:
                work.about = packet.data
                self.from_native(packet, work)
            else:
                self._tunnel(packet, work)
        except Drop as drop:
            self._end(drop, work)
        return work.outputs, work.events

    def expire(self, now: float) -> list[str]:
        """Let time pass for the tables."""
        return self.reassembler.chains.expire(now) + self.fragments.chains.expire(now)

    def sessions(self) -> list[SessionView]:
        """Sessions for display; a node without NAPT has none."""
        return []

    def session_count(self) -> int:
        """How many there are, at no cost."""
        return 0

    # The tunnel's own end

    def _tunnel(self, packet: Packet, work: Work) -> None:
        outer = ipv6.read(packet.data)
        if not self.owns(outer.destination):
            raise Drop("drop_not_for_us")
        if not self.carriage.carries(outer.next_header):
            found = ipv6.skip_extensions(outer)
            if not isinstance(found, ipv6.Outer):
                outer, piece = found
                whole = self.reassembler.add(outer, piece, self.admit(outer), work.now, work.events)
                if whole is None:
                    return
                packet, found = Packet(whole.data), ipv6.skip_extensions(whole)
                if not isinstance(found, ipv6.Outer):
                    raise Drop("drop_ipv6_malformed")
            outer = found
            if outer.next_header == ipv6.ICMPV6:
                self._icmpv6(outer, packet, work)
                return
            if not self.carriage.carries(outer.next_header):
                raise Drop("drop_next_header")
        work.peer = outer.source
        work.about = memoryview(outer.data)[outer.at : outer.end]
        self.from_softwire(outer, packet, work)

    def _icmpv6(self, outer: ipv6.Outer, packet: Packet, work: Work) -> None:
        if packet.offload is not None and packet.offload.needs_csum:
            # From this host's own kernel.
            data = bytearray(outer.data)
            complete(data, packet.offload)
            outer = outer._replace(data=bytes(data))
        if icmp.check6(outer) == icmp.ECHO_REQUEST6:
            self._answer(outer, work)
            return
        self.hear(icmp.relay6(outer, self.owns, self.carriage.overhead), work)

    def _answer(self, outer: ipv6.Outer, work: Work) -> None:
        """Operators ping a tunnel end."""
        work.events.append("echo_answered")
        body, mtu, own = icmp.echo_reply6(outer), self.service.ipv6_mtu, outer.destination
        if ipv6.HEADER + len(body) <= mtu:
            head = ipv6.write(0, len(body), ipv6.ICMPV6, own, outer.source)
            work.outputs.append((Packet(head + body), Link.SOFTWIRE))
            return
        ident = self.rng.getrandbits(32)
        for piece in ipv6.fragments(body, ipv6.ICMPV6, mtu, ident, 0, own, outer.source):
            work.outputs.append((Packet(piece), Link.SOFTWIRE))

    # Errors

    def _end(self, drop: Drop, work: Work) -> None:
        """Count a drop, and send the ICMPv4 error that it deserves back to where the packet came from."""
        work.events.append(drop.reason)
        if drop.error is None:
            return
        error = self.make_error(drop.error, work.about, self.error_source(work), work)
        if error is not None and work.peer:
            self.send(error, work.peer, work)
        elif error is not None:
            self.emit(error, work)

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

    def each(self, pieces: list[Datagram], work: Work, forward: Callable[..., None], *how: Any) -> None:
        """Forward a packet, or the pieces that it set free: one that is dropped does not stop the others."""
        for piece in pieces:
            try:
                forward(piece, work, *how)
            except Drop as drop:
                self._end(drop, work)

    def send(self, d: Datagram, softwire: int, work: Work) -> None:
        """Into the tunnel."""
        packets = self.carriage.wrap(d, self.address, softwire)
        work.events.append("encapsulated")
        work.outputs += [(packet, Link.SOFTWIRE) for packet in packets]

    @staticmethod
    def emit(d: Datagram, work: Work) -> None:
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
