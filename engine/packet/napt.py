# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NAPT44: bindings, sessions, and the rewriting of packets (RFC 4787, 5382, 5508, 7857).

A binding is (realm, protocol, inside address, port) <-> (outside address, port): endpoint-independent.
Under it hang sessions, one for each remote address and port, with their timers. `realm` is 0 where all
inside hosts share one address space; a DS-Lite gateway puts the softwire there (RFC 6333 s6.6).
"""

from __future__ import annotations

import heapq
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from itertools import count
from random import Random

from ..mapping.portset import PortSet
from . import icmp, tcp
from .allocation import Allocator
from .ipv4 import ICMP, ICMP_REQUESTS, OFFSET, TCP, UDP, Datagram
from .verdict import Drop

UDP_TIME = 300.0  # RFC 4787 REQ-5
ICMP_TIME = 60.0  # RFC 5508 REQ-2
PROTOCOLS = {ICMP: "icmp", TCP: "tcp", UDP: "udp"}
NUMBERS = {name: number for number, name in PROTOCOLS.items()}

Remote = tuple[int, int]


@dataclass(frozen=True, slots=True)
class StaticBinding:
    """A port forward: lives as long as the configuration."""

    protocol: int
    outside_port: int
    inside: int
    inside_port: int
    outside: int
    realm: int = 0


@dataclass(frozen=True, slots=True)
class SessionView:
    """One session for display."""

    protocol: str
    inside: int
    inside_port: int
    outside: int
    outside_port: int
    remote: int
    remote_port: int
    state: str
    expires: float
    realm: int = 0


class Binding:
    """An inside address and port with its outside pair."""

    __slots__ = (
        "inside",
        "inside_port",
        "outside",
        "outside_port",
        "protocol",
        "realm",
        "remotes",
        "sessions",
        "static",
    )

    def __init__(
        self,
        realm: int,
        protocol: int,
        inside: int,
        inside_port: int,
        outside: int,
        outside_port: int,
        static: bool,
    ) -> None:
        self.realm, self.protocol, self.static = realm, protocol, static
        self.inside, self.inside_port = inside, inside_port
        self.outside, self.outside_port = outside, outside_port
        self.sessions: dict[Remote, Session] = {}
        self.remotes: dict[int, int] = {}  # remote address -> sessions, for address-dependent filtering

    @property
    def inner_key(self) -> tuple[int, int, int, int]:
        """Key of the inside table."""
        return self.realm, self.protocol, self.inside, self.inside_port

    @property
    def outer_key(self) -> tuple[int, int, int]:
        """Key of the outside table."""
        return self.protocol, self.outside, self.outside_port


class Session:
    """One conversation over a binding."""

    __slots__ = ("binding", "expires", "remote", "state")

    def __init__(self, binding: Binding, remote: Remote, state: str, expires: float) -> None:
        self.binding, self.remote, self.state, self.expires = binding, remote, state, expires


class Napt:
    """The translator. Raises Drop for what it refuses; never evicts (RFC 6888 REQ-11)."""

    def __init__(
        self,
        allocator: Allocator,
        *,
        rng: Random,
        limit: int,
        endpoint_independent_filtering: bool = False,
        static: Iterable[StaticBinding] = (),
    ) -> None:
        self.limit, self._rng = limit, rng
        self._inside: dict[tuple[int, int, int, int], Binding] = {}
        self._outside: dict[tuple[int, int, int], Binding] = {}
        self._timers: list[tuple[float, int, Session]] = []
        self._sequence = count()
        self._sessions = 0
        self._now = 0.0
        self.configure(allocator, endpoint_independent_filtering, static)

    def __len__(self) -> int:
        return self._sessions

    def configure(
        self,
        allocator: Allocator,
        endpoint_independent_filtering: bool,
        static: Iterable[StaticBinding] = (),
    ) -> int:
        """Set or change the outside; returns how many sessions had to go because their port left it.

        A new allocator has nothing taken yet. Raises ValueError, with nothing changed, for port forwards
        that cannot work.
        """
        forwards = {(s.protocol, s.outside, s.outside_port): s for s in static}
        for s in forwards.values():
            if not allocator.claim(s.protocol, s.realm, s.outside, s.outside_port, self._now):
                raise ValueError(
                    f"port forward {PROTOCOLS[s.protocol]} {s.outside_port}: the port is not to give"
                )
        self.allocator = allocator
        self._endpoint_independent = endpoint_independent_filtering
        lost = 0
        for binding in list(self._outside.values()):
            wanted = forwards.get(binding.outer_key)
            if wanted is not None:
                keep = (wanted.realm, wanted.inside, wanted.inside_port) == (
                    binding.realm,
                    binding.inside,
                    binding.inside_port,
                )
                binding.static = keep
            else:
                keep = not binding.static and allocator.claim(
                    binding.protocol, binding.realm, binding.outside, binding.outside_port, self._now
                )
            if not keep:
                lost += self._drop_binding(binding)
        for outer_key, s in forwards.items():
            if outer_key in self._outside:
                continue
            old = self._inside.get((s.realm, s.protocol, s.inside, s.inside_port))
            if old is not None:
                lost += self._drop_binding(old)
                self._give_back(old)
            self._add(Binding(s.realm, s.protocol, s.inside, s.inside_port, *outer_key[1:], True))
        return lost

    # Packets

    def outbound(self, d: Datagram, now: float, realm: int = 0) -> None:
        """Rewrite the source of a packet from inside, making binding and session as needed."""
        if d.ports is None or d.protocol not in PROTOCOLS:
            raise Drop("drop_protocol_unsupported")
        port = d.ports[0]
        remote = d.destination, 0 if d.protocol == ICMP else d.ports[1]
        binding = self._inside.get((realm, d.protocol, d.source, port))
        session = None if binding is None else binding.sessions.get(remote)
        if session is None:
            if d.fragment & OFFSET:
                raise Drop("drop_no_session")
            binding = self._open_outbound(d, binding, remote, now, realm)
        else:
            self._refresh(session, d, now, outbound=True)
        assert binding is not None
        d.set_source(binding.outside, binding.outside_port)

    def inbound(self, d: Datagram, now: float, *, hairpin: bool = False) -> int:
        """Rewrite the destination of a packet from outside; returns the realm it goes to."""
        if d.ports is None or d.protocol not in PROTOCOLS:
            raise Drop("drop_protocol_unsupported")
        port = d.ports[1]
        remote = d.source, 0 if d.protocol == ICMP else d.ports[0]
        binding = self._outside.get((d.protocol, d.destination, port))
        if binding is None:
            raise Drop("drop_unsolicited")
        if d.protocol == ICMP and not d.fragment & OFFSET and d.buf[d.header] in ICMP_REQUESTS:
            # An ICMP binding is for the answers to its owner's queries.
            raise Drop("drop_unsolicited")
        session = binding.sessions.get(remote)
        if session is None:
            if d.fragment & OFFSET:
                raise Drop("drop_no_session")
            self._open_inbound(d, binding, remote, now, hairpin)
        else:
            self._refresh(session, d, now, outbound=False)
        d.set_destination(binding.inside, binding.inside_port)
        return binding.realm

    def outbound_error(self, d: Datagram, realm: int = 0) -> None:
        """An ICMP error from inside, about a packet that came in (RFC 5508 REQ-5)."""
        inner = self._checked(d)
        binding = self._inside.get((realm, inner.protocol, inner.destination, inner.destination_port))
        session = binding and self._about(binding, inner.source, inner.source_port)
        if binding is None or session is None:
            raise Drop("drop_no_session")
        icmp.rewrite_embedded(d, inner, source=False, address=binding.outside, port=binding.outside_port)
        # Also when a router behind us sends it: nothing else of ours is known outside.
        d.set_source(binding.outside)

    def inbound_error(self, d: Datagram) -> int:
        """An ICMP error from outside, about a packet that went out (RFC 5508 REQ-4); returns the realm."""
        inner = self._checked(d)
        if inner.source != d.destination:
            raise Drop("drop_icmp_mismatch")
        binding = self._outside.get((inner.protocol, inner.source, inner.source_port))
        session = binding and self._about(binding, inner.destination, inner.destination_port)
        if binding is None or session is None:
            raise Drop("drop_no_session")
        icmp.rewrite_embedded(d, inner, source=True, address=binding.inside, port=binding.inside_port)
        d.set_destination(binding.inside)
        return binding.realm

    def _checked(self, d: Datagram) -> icmp.Embedded:
        if d.is_fragment:
            raise Drop("drop_icmp_fragmented")
        d.finish()
        if not d.icmp_sum_valid():
            raise Drop("drop_icmp_checksum")
        inner = icmp.read_embedded(d.buf, d.header + 8)
        if not icmp.embedded_sum_valid(d, inner):
            raise Drop("drop_icmp_checksum")
        return inner

    @staticmethod
    def _about(binding: Binding, address: int, port: int) -> Session | None:
        """The session of an embedded packet; an error never changes its timer (RFC 5508 REQ-6)."""
        return binding.sessions.get((address, 0 if binding.protocol == ICMP else port))

    # Bindings and sessions

    def _open_outbound(
        self, d: Datagram, binding: Binding | None, remote: Remote, now: float, realm: int
    ) -> Binding:
        assert d.ports is not None
        if d.protocol == ICMP and d.buf[d.header] not in ICMP_REQUESTS:
            raise Drop("drop_no_session")
        if d.protocol == TCP and not tcp.opens(d.buf[d.header + 13]):
            # RFC 6146 s3.5.2.2 CLOSED: only a SYN opens.
            raise Drop("drop_tcp_no_session")
        if self._sessions >= self.limit:
            raise Drop("drop_session_limit", self.allocator.refusal)
        if binding is None:
            outer = self.allocator.take(d.protocol, realm, d.source, d.ports[0], now)
            binding = Binding(realm, d.protocol, d.source, d.ports[0], *outer, False)
            self._add(binding)
        self._open(binding, remote, d.protocol, now, outbound=True)
        return binding

    def _open_inbound(self, d: Datagram, binding: Binding, remote: Remote, now: float, hairpin: bool) -> None:
        """Only from who was talked to; or configured open, a port forward, or from inside (REQ-9)."""
        open_to_all = self._endpoint_independent or binding.static or hairpin
        if d.protocol == ICMP or not (open_to_all or remote[0] in binding.remotes):
            raise Drop("drop_filtered")
        if d.protocol == TCP and not tcp.opens(d.buf[d.header + 13]):
            raise Drop("drop_tcp_no_session")
        if self._sessions >= self.limit:
            raise Drop("drop_session_limit")
        self._open(binding, remote, d.protocol, now, outbound=False)

    def _open(self, binding: Binding, remote: Remote, protocol: int, now: float, *, outbound: bool) -> None:
        if protocol == TCP:
            state, life = tcp.first(outbound)
        else:
            state, life = "open", UDP_TIME if protocol == UDP else ICMP_TIME
        session = binding.sessions[remote] = Session(binding, remote, state, now + life)
        binding.remotes[remote[0]] = binding.remotes.get(remote[0], 0) + 1
        self._sessions += 1
        self._queue(session, now)

    def _refresh(self, session: Session, d: Datagram, now: float, *, outbound: bool) -> None:
        if d.protocol == UDP:
            session.expires = now + UDP_TIME
        elif d.protocol == ICMP:
            session.expires = now + ICMP_TIME
        elif not d.fragment & OFFSET:
            state, life = tcp.advance(session.state, d.buf[d.header + 13], outbound)
            session.state = state
            if life is not None:
                session.expires = now + life

    def expire(self, now: float) -> int:
        """Close sessions past their time and say how many; a node calls this before each packet."""
        closed, timers, self._now = 0, self._timers, now
        while timers and timers[0][0] <= now:
            _, _, session = heapq.heappop(timers)
            if session.binding.sessions.get(session.remote) is not session:
                continue
            if session.expires > now:
                self._queue(session, now)
            else:
                self._close(session)
                closed += 1
        return closed

    def _queue(self, session: Session, now: float) -> None:
        """One look at a time, soon enough for any shortened life: so the queue is as long as the table."""
        due = min(session.expires, now + tcp.TRANSITORY_TIME)
        heapq.heappush(self._timers, (due, next(self._sequence), session))

    def sessions(self) -> list[SessionView]:
        """All sessions, for display."""
        return [
            SessionView(
                PROTOCOLS[b.protocol],
                b.inside,
                b.inside_port,
                b.outside,
                b.outside_port,
                *session.remote,
                session.state,
                session.expires,
                b.realm,
            )
            for b in self._outside.values()
            for session in b.sessions.values()
        ]

    def _close(self, session: Session) -> None:
        binding = session.binding
        del binding.sessions[session.remote]
        self._sessions -= 1
        left = binding.remotes[session.remote[0]] - 1
        if left:
            binding.remotes[session.remote[0]] = left
        else:
            del binding.remotes[session.remote[0]]
        if not binding.sessions and not binding.static:
            self._remove(binding)
            self._give_back(binding)

    def _give_back(self, binding: Binding) -> None:
        self.allocator.give_back(
            binding.protocol, binding.realm, binding.outside, binding.outside_port, self._now
        )

    def _drop_binding(self, binding: Binding) -> int:
        """End a binding with all its sessions, and say how many."""
        lost = len(binding.sessions)
        self._sessions -= lost
        binding.sessions.clear()
        self._remove(binding)
        return lost

    def _add(self, binding: Binding) -> None:
        self._inside[binding.inner_key] = binding
        self._outside[binding.outer_key] = binding

    def _remove(self, binding: Binding) -> None:
        self._inside.pop(binding.inner_key, None)
        self._outside.pop(binding.outer_key, None)


def check_forwards(forwards: list[StaticBinding], addresses: Sequence[int], ports: PortSet) -> None:
    """Raise ValueError for port forwards that cannot work."""
    if forwards and not addresses:
        raise ValueError("port forwards: the inside networks take all own addresses")
    seen = set()
    for forward in forwards:
        name = f"port forward {PROTOCOLS[forward.protocol]} {forward.outside_port}"
        if forward.outside_port not in ports:
            raise ValueError(f"{name}: the port is not in the own port set")
        inner = forward.protocol, forward.inside, forward.inside_port
        if inner in seen:
            # Answers of the host could not tell which outside port they belong to.
            raise ValueError(f"{name}: another port forward has the same inside address and port")
        seen.add(inner)
