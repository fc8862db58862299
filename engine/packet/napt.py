# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NAPT: bindings, sessions, and the rewriting of packets (RFC 4787, 5382, 5508, 6146, 6888, 7857).

A binding is (realm, protocol, inside address, port) <-> (outside address, port): endpoint-independent.
Under it hang sessions, one for each remote address and port, with their timers. `realm` is 0 where all
inside hosts share one address space; a DS-Lite gateway puts the softwire there (RFC 6333 s6.6), a NAT64
the IPv6 address of the host. Which outside address and port a binding gets is the allocator's choice.
"""

from __future__ import annotations

import heapq
import math
import struct
from abc import ABC, abstractmethod
from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass
from itertools import count, groupby, islice

from ..mapping.portset import PortSet
from . import icmp, tcp
from .allocation import Allocator, Stock
from .ipv4 import ICMP, ICMP_REQUESTS, OFFSET, TCP, UDP, Datagram
from .natlog import PORT_ASSIGNED, PORT_RELEASED
from .verdict import Drop

UDP_TIME = 300.0  # RFC 4787 REQ-5
ICMP_TIME = 60.0  # RFC 5508 REQ-2
PROTOCOLS = {ICMP: "icmp", TCP: "tcp", UDP: "udp"}
NUMBERS = {name: number for number, name in PROTOCOLS.items()}

_INSIDE = struct.Struct("!IHB")
_NOBODY = -1  # the remote of a binding that has no session of its own


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
    static: bool = False  # over a port forward


class Session:
    """One conversation over a binding. `remote` is address << 16 | port (0 for ICMP)."""

    __slots__ = ("expires", "remote", "state")

    remote: int
    state: str
    expires: float


class Binding(Session):
    """An inside address and port with its outside pair. It is its own first session: most have only one."""

    __slots__ = ("inner", "others", "outer", "peers", "static")

    def __init__(self, inner: bytes, outer: int, static: bool) -> None:
        self.inner, self.outer, self.static = inner, outer, static
        self.remote, self.state, self.expires = _NOBODY, "", 0.0
        self.others: dict[int, Further] | None = None
        self.peers: dict[int, int] | None = None  # remote address -> how many of the others

    @property
    def protocol(self) -> int:
        """IP protocol number."""
        return self.outer & 0xFF

    @property
    def outside(self) -> tuple[int, int]:
        """Outside address and port."""
        return self.outer >> 24, self.outer >> 8 & 0xFFFF

    @property
    def inside(self) -> tuple[int, int]:
        """Inside address and port."""
        address, port, _ = _INSIDE.unpack_from(self.inner)
        return address, port

    @property
    def realm(self) -> int:
        """Whose inside address it is."""
        return int.from_bytes(self.inner[_INSIDE.size :], "big")

    def session(self, remote: int) -> Session | None:
        """The session with a remote."""
        if self.remote == remote:
            return self
        return None if self.others is None else self.others.get(remote)

    def talks_to(self, address: int) -> bool:
        """Whether there is a session with any port of a remote address (RFC 4787 s5)."""
        return self.remote >> 16 == address or (self.peers is not None and address in self.peers)

    def count(self) -> int:
        """How many sessions it has."""
        return (self.remote != _NOBODY) + len(self.others or ())

    def sessions(self) -> Iterator[Session]:
        """All of them."""
        if self.remote != _NOBODY:
            yield self
        yield from (self.others or {}).values()

    def add(self, remote: int) -> Session:
        """One more session."""
        if self.remote == _NOBODY:
            self.remote = remote
            return self
        if self.others is None or self.peers is None:
            self.others, self.peers = {}, {}
        session = self.others[remote] = Further(self, remote)
        self.peers[remote >> 16] = self.peers.get(remote >> 16, 0) + 1
        return session

    def remove(self, session: Session) -> bool:
        """One less; whether it was the last one."""
        remote, session.remote = session.remote, _NOBODY
        if session is not self and self.others is not None and self.peers is not None:
            del self.others[remote]
            left = self.peers[remote >> 16] - 1
            if left:
                self.peers[remote >> 16] = left
            else:
                del self.peers[remote >> 16]
        return self.remote == _NOBODY and not self.others


class Further(Session):
    """A session beside the first one."""

    __slots__ = ("binding",)

    def __init__(self, binding: Binding, remote: int) -> None:
        self.binding, self.remote = binding, remote


def _ends_of(view: SessionView) -> tuple[int, bytes]:
    """Keys of its binding in the outside and in the inside table."""
    protocol = NUMBERS[view.protocol]
    inner = _inner(view.realm, protocol, view.inside, view.inside_port)
    return view.outside << 24 | view.outside_port << 8 | protocol, inner


def _inner(realm: int, protocol: int, address: int, port: int) -> bytes:
    """Key of the inside table. Octets, not integers: their hash is keyed, so nobody can make keys collide."""
    key = _INSIDE.pack(address, port, protocol)
    return key + realm.to_bytes(16, "big") if realm else key


class Timers:
    """When to look at a session again: whole seconds in buckets, the running one exactly."""

    def __init__(self) -> None:
        self._buckets: dict[int, list[Session]] = {}
        self._seconds: list[int] = []
        self._soon: list[tuple[float, int, Session]] = []
        self._sequence = count()
        self.first = math.inf  # no look is due before

    def __len__(self) -> int:
        return len(self._soon) + sum(map(len, self._buckets.values()))

    def put(self, session: Session, due: float, now: float) -> None:
        """Look at it at `due`."""
        second = int(due)
        self.first = min(self.first, due if second <= now else second)
        if second <= now:
            heapq.heappush(self._soon, (due, next(self._sequence), session))
            return
        bucket = self._buckets.get(second)
        if bucket is None:
            bucket = self._buckets[second] = []
            heapq.heappush(self._seconds, second)
        bucket.append(session)

    def due(self, now: float) -> Iterator[Session]:
        """Those to look at; each leaves the timers."""
        while self._seconds and self._seconds[0] <= now:
            yield from self._buckets.pop(heapq.heappop(self._seconds))
        while self._soon and self._soon[0][0] <= now:
            yield heapq.heappop(self._soon)[2]
        self.first = min(
            self._seconds[0] if self._seconds else math.inf, self._soon[0][0] if self._soon else math.inf
        )


class Translator(ABC):
    """What a node asks of its NAPT, wherever sessions are. `remote`: address << 16 | port (0 for ICMP)."""

    @property
    @abstractmethod
    def allocator(self) -> Allocator:
        """The one in charge."""

    @abstractmethod
    def configure(
        self, allocator: Allocator, endpoint_independent_filtering: bool, static: Iterable[StaticBinding] = ()
    ) -> int:
        """Change the outside; returns how many sessions had to go. Raises ValueError."""

    @abstractmethod
    def outbound(self, d: Datagram, now: float, realm: int = 0) -> None:
        """Rewrite the source of a packet from inside, making binding and session as needed."""

    @abstractmethod
    def inbound(self, d: Datagram, now: float, *, hairpin: bool = False) -> int:
        """Rewrite the destination of a packet from outside; returns the realm it goes to."""

    @abstractmethod
    def outside_of(
        self, protocol: int, realm: int, address: int, port: int, remote: int
    ) -> tuple[int, int] | None:
        """Outside address and port of a session, by its inside; its timer stays (RFC 5508 REQ-6)."""

    @abstractmethod
    def inside_of(self, protocol: int, address: int, port: int, remote: int) -> tuple[int, int, int] | None:
        """Realm, inside address and port of a session, by its outside."""

    @abstractmethod
    def find(self, protocol: int, outside: int, remote: int) -> Session | None:
        """A session that Napt.refresh() may be told of, by both its ends on the outside."""

    @abstractmethod
    def expire(self, now: float) -> int:
        """Close sessions past their time and say how many; called before a packet may open one."""

    @abstractmethod
    def unanswered(self, now: float) -> list[bytes]:
        """Unsolicited SYNs (IPv4 packets) that have waited 6 s: ICMP 3/3 is due (RFC 5382 REQ-4)."""

    @abstractmethod
    def sessions(self, limit: int | None = None) -> list[SessionView]:
        """Sessions for display, at most `limit`."""

    @abstractmethod
    def close(self) -> None:
        """The translator ends: all ports are given back, which the log tells."""

    @abstractmethod
    def __len__(self) -> int:
        """Sessions."""

    @property
    @abstractmethod
    def ports(self) -> Mapping[int, int]:
        """Outside ports that bindings have, by protocol."""

    @abstractmethod
    def stock(self) -> Stock:
        """What there is to give, for display."""

    def outbound_error(self, d: Datagram, realm: int = 0) -> None:
        """An ICMP error from inside, about a packet that came in (RFC 5508 REQ-5)."""
        inner = _checked(d)
        remote = inner.source << 16 | (0 if inner.protocol == ICMP else inner.source_port)
        found = self.outside_of(inner.protocol, realm, inner.destination, inner.destination_port, remote)
        if found is None:
            raise Drop("drop_no_session")
        address, port = found
        icmp.rewrite_embedded(d, inner, source=False, address=address, port=port)
        # Also when a router behind us sends it: nothing else of ours is known outside.
        d.set_source(address)

    def inbound_error(self, d: Datagram) -> int:
        """An ICMP error from outside, about a packet that went out (RFC 5508 REQ-4); returns the realm."""
        inner = _checked(d)
        if inner.source != d.destination:
            raise Drop("drop_icmp_mismatch")
        remote = inner.destination << 16 | (0 if inner.protocol == ICMP else inner.destination_port)
        found = self.inside_of(inner.protocol, inner.source, inner.source_port, remote)
        if found is None:
            raise Drop("drop_no_session")
        realm, address, port = found
        icmp.rewrite_embedded(d, inner, source=True, address=address, port=port)
        d.set_destination(address)
        return realm


class Napt(Translator):
    """The translator. Raises Drop for what it refuses; never evicts (RFC 6888 REQ-11).

    With `remembered_syns`, that many unsolicited SYNs wait for an answer: unanswered() (RFC 5382 REQ-4).
    """

    def __init__(
        self,
        allocator: Allocator,
        *,
        limit: int,
        endpoint_independent_filtering: bool = False,
        static: Iterable[StaticBinding] = (),
        remembered_syns: int = 0,
    ) -> None:
        self.limit = limit
        self._inside: dict[bytes, Binding] = {}
        self._outside: dict[int, Binding] = {}
        self._timers = Timers()
        self._sessions = 0
        self._ports = dict.fromkeys(PROTOCOLS, 0)
        self._now = self._second = 0.0
        self._syns = tcp.Unsolicited(remembered_syns)
        self._allocator: Allocator | None = None
        self._announced = False  # the log knows of it: from the first time that it is told on
        self.configure(allocator, endpoint_independent_filtering, static)

    def __len__(self) -> int:
        return self._sessions

    @property
    def ports(self) -> Mapping[int, int]:
        """Outside ports that bindings have, by protocol."""
        return self._ports

    def stock(self) -> Stock:
        """What the allocator has."""
        return self.allocator.stock()

    @property
    def allocator(self) -> Allocator:
        """The one in charge."""
        assert self._allocator is not None
        return self._allocator

    def configure(
        self,
        allocator: Allocator,
        endpoint_independent_filtering: bool,
        static: Iterable[StaticBinding] = (),
    ) -> int:
        """Set or change the outside; returns how many sessions had to go because their port left it.

        A new allocator has nothing taken yet; the one in charge may stay where the port forwards do. Raises
        ValueError, with nothing changed, for port forwards that cannot work.
        """
        forwards = {s.outside << 24 | s.outside_port << 8 | s.protocol: s for s in static}
        inners = {
            outer: _inner(s.realm, s.protocol, s.inside, s.inside_port) for outer, s in forwards.items()
        }
        if allocator is self._allocator:
            if inners != {b.outer: b.inner for b in self._outside.values() if b.static}:
                raise ValueError("other port forwards need a new allocator")
            self._endpoint_independent = endpoint_independent_filtering
            return 0
        for outer, s in forwards.items():
            old = self._outside.get(outer)
            sessions = old.count() if old is not None and old.inner == inners[outer] else 0
            if not allocator.claim(
                s.protocol, s.realm, s.outside, s.outside_port, sessions=sessions, static=True
            ):
                name = f"port forward {PROTOCOLS[s.protocol]} {s.outside_port}"
                raise ValueError(f"{name}: the port cannot be given to it")
        lost, kept, forwarded = 0, [], set(inners.values())
        for binding in list(self._outside.values()):
            was_told = self._announced and self._is_told(binding)
            if inners.get(binding.outer) == binding.inner:
                keep = binding.static = True
            elif binding.static or binding.outer in forwards or binding.inner in forwarded:
                keep = False
            else:
                keep = allocator.claim(
                    binding.protocol, binding.realm, *binding.outside, sessions=binding.count()
                )
            if keep:
                kept.append((binding, was_told))
            else:
                lost += self._end(binding)
        if self._announced:
            self.allocator.retire(self._now)
        before, self._allocator = self._allocator, allocator
        self._endpoint_independent = endpoint_independent_filtering
        fresh = [Binding(inner, outer, True) for outer, inner in inners.items() if outer not in self._outside]
        for binding in fresh:
            self._add(binding)
        if before is not None and self._announced:
            self._announce(before, kept, fresh)
        return lost

    def adopt(self, views: Iterable[SessionView]) -> int:
        """Go on with sessions of another translator; how many are not valid here, or too many."""
        lost = 0
        for (outer, inner), each in groupby(sorted(views, key=_ends_of), _ends_of):
            group = list(each)
            binding = self._goes_on(outer, inner, group)
            if binding is None:
                lost += len(group)
                continue
            self._sessions += len(group)
            for view in group:
                session = binding.add(view.remote << 16 | view.remote_port)
                session.state, session.expires = view.state, view.expires
                self._queue(session, self._now)
        return lost

    def _goes_on(self, outer: int, inner: bytes, group: Sequence[SessionView]) -> Binding | None:
        """The binding of another translator's sessions, if it may be; their subscriber has them then."""
        if self._sessions + len(group) > self.limit:
            return None
        binding = self._outside.get(outer)
        if binding is not None:
            if binding.inner != inner:
                return None
            self.allocator.leave(binding.realm, -len(group))
            return binding
        if inner in self._inside or group[0].static:
            return None
        binding = Binding(inner, outer, False)
        if not self.allocator.claim(binding.protocol, binding.realm, *binding.outside, sessions=len(group)):
            return None
        self._add(binding)
        return binding

    # The log

    def _announce(
        self, before: Allocator, kept: Iterable[tuple[Binding, bool]], fresh: Iterable[Binding]
    ) -> None:
        """Have the log say what the allocator in charge has; of ports that go on only what is different.

        `kept`: bindings, and whether `before` told of them.
        """
        for binding, was_told in kept:
            if was_told and not self._is_told(binding):
                self._tell(before, PORT_RELEASED, binding)
        self.allocator.announce(self._now)
        for binding, was_told in (*kept, *((binding, False) for binding in fresh)):
            if not was_told and self._is_told(binding):
                self._tell(self.allocator, PORT_ASSIGNED, binding)

    def _is_told(self, binding: Binding) -> bool:
        return self.allocator.tells(binding.realm, *binding.outside, static=binding.static)

    def _tell(self, allocator: Allocator, event: str, binding: Binding) -> None:
        allocator.tell(event, binding.protocol, binding.realm, *binding.outside, self._now)

    # Packets

    def outbound(self, d: Datagram, now: float, realm: int = 0) -> None:
        """Rewrite the source of a packet from inside, making binding and session as needed."""
        if d.ports is None or d.protocol not in PROTOCOLS:
            raise Drop("drop_protocol_unsupported")
        inner = _inner(realm, d.protocol, d.source, d.ports[0])
        remote = d.destination << 16 if d.protocol == ICMP else d.destination << 16 | d.ports[1]
        binding = self._inside.get(inner)
        session = binding and binding.session(remote)
        if binding is None or session is None:
            if d.fragment & OFFSET:
                raise Drop("drop_no_session")
            binding = self._open_outbound(d, binding, inner, remote, now, realm)
        else:
            self._refresh(session, d, now, outbound=True)
        outer = binding.outer
        d.set_source(outer >> 24, outer >> 8 & 0xFFFF)

    def inbound(self, d: Datagram, now: float, *, hairpin: bool = False) -> int:
        """Rewrite the destination of a packet from outside; returns the realm it goes to."""
        if d.ports is None or d.protocol not in PROTOCOLS:
            raise Drop("drop_protocol_unsupported")
        outer = d.destination << 24 | d.ports[1] << 8 | d.protocol
        remote = d.source << 16 if d.protocol == ICMP else d.source << 16 | d.ports[0]
        binding = self._outside.get(outer)
        if binding is None:
            self._syns.remember(d, outer, remote, now)
            raise Drop("drop_unsolicited")
        if d.protocol == ICMP and not d.fragment & OFFSET and d.buf[d.header] in ICMP_REQUESTS:
            # An ICMP binding is for the answers to its owner's queries.
            raise Drop("drop_unsolicited")
        session = binding.session(remote)
        if session is None:
            if d.fragment & OFFSET:
                raise Drop("drop_no_session")
            self._open_inbound(d, binding, remote, now, hairpin)
        else:
            self._refresh(session, d, now, outbound=False)
        address, port, _ = _INSIDE.unpack_from(binding.inner)
        d.set_destination(address, port)
        return binding.realm

    def outside_of(
        self, protocol: int, realm: int, address: int, port: int, remote: int
    ) -> tuple[int, int] | None:
        """As said above."""
        binding = self._inside.get(_inner(realm, protocol, address, port))
        return None if binding is None or binding.session(remote) is None else binding.outside

    def inside_of(self, protocol: int, address: int, port: int, remote: int) -> tuple[int, int, int] | None:
        """As said above."""
        binding = self._outside.get(address << 24 | port << 8 | protocol)
        if binding is None or binding.session(remote) is None:
            return None
        return binding.realm, *binding.inside

    def find(self, protocol: int, outside: int, remote: int) -> Session | None:
        """A session by both its ends on the outside, each address << 16 | port."""
        binding = self._outside.get(outside << 8 | protocol)
        return binding and binding.session(remote)

    # Bindings and sessions

    def _open_outbound(
        self, d: Datagram, binding: Binding | None, inner: bytes, remote: int, now: float, realm: int
    ) -> Binding:
        assert d.ports is not None
        if d.protocol == ICMP and d.buf[d.header] not in ICMP_REQUESTS:
            raise Drop("drop_no_session")
        if d.protocol == TCP and not tcp.opens(d.buf[d.header + 13]):
            # RFC 6146 s3.5.2.2 CLOSED: only a SYN opens.
            raise Drop("drop_tcp_no_session")
        if self._sessions >= self.limit:
            raise self.allocator.refused("drop_session_limit")
        if binding is None:
            outside, port = self.allocator.take(d.protocol, realm, d.source, d.ports[0], now)
            binding = Binding(inner, outside << 24 | port << 8 | d.protocol, False)
            self._add(binding)
        else:
            self.allocator.admit(realm, now)
        if d.protocol == TCP:
            self._syns.forget(binding.outer, remote)
        self._open(binding, remote, now, outbound=True)
        return binding

    def _open_inbound(self, d: Datagram, binding: Binding, remote: int, now: float, hairpin: bool) -> None:
        """Only from who was talked to; or configured open, a port forward, or from inside (REQ-9)."""
        open_to_all = self._endpoint_independent or binding.static or hairpin
        if d.protocol == ICMP or not (open_to_all or binding.talks_to(d.source)):
            self._syns.remember(d, binding.outer, remote, now)
            raise Drop("drop_filtered")
        if d.protocol == TCP and not tcp.opens(d.buf[d.header + 13]):
            raise Drop("drop_tcp_no_session")
        if self._sessions >= self.limit:
            raise Drop("drop_session_limit")
        try:
            self.allocator.admit(binding.realm, now)
        except Drop as drop:
            # It is the subscriber who has too much: nothing that the sender could do about.
            raise Drop(drop.reason) from None
        self._open(binding, remote, now, outbound=False)

    def _open(self, binding: Binding, remote: int, now: float, *, outbound: bool) -> None:
        session, protocol = binding.add(remote), binding.protocol
        if protocol == TCP:
            session.state, life = tcp.first(outbound)
        else:
            session.state, life = "open", UDP_TIME if protocol == UDP else ICMP_TIME
        session.expires = now + life
        self._sessions += 1
        self._queue(session, now)

    def _refresh(self, session: Session, d: Datagram, now: float, *, outbound: bool) -> None:
        if d.protocol != TCP:
            self.refresh(session, d.protocol, 0, now, outbound=outbound)
        elif not d.fragment & OFFSET:
            self.refresh(session, TCP, d.buf[d.header + 13], now, outbound=outbound)

    @staticmethod
    def refresh(session: Session, protocol: int, flags: int, now: float, *, outbound: bool) -> None:
        """A session has one more packet; `flags` are those of TCP."""
        if protocol == TCP:
            session.state, life = tcp.advance(session.state, flags, outbound)
            if life is None:
                return
        else:
            life = UDP_TIME if protocol == UDP else ICMP_TIME
        session.expires = now + life

    def expire(self, now: float) -> int:
        """Close sessions past their time and say how many; called before a packet may open one."""
        self._now, closed = now, 0
        if not self._announced:
            self._announced = True
            self._announce(self.allocator, (), self._outside.values())
        if now >= self._second:
            # Once a second: no hold-down is as exact as a session.
            self._second = math.floor(now) + 1
            self.allocator.expire(now)
        if now < self._timers.first:
            return 0
        for session in self._timers.due(now):
            if session.remote == _NOBODY:
                continue
            if session.expires > now:
                self._queue(session, now)
            else:
                self._close(session)
                closed += 1
        return closed

    def unanswered(self, now: float) -> list[bytes]:
        """Unsolicited SYNs (IPv4 packets) that have waited 6 s: ICMP 3/3 is due (RFC 5382 REQ-4)."""
        return self._syns.due(now)

    def _queue(self, session: Session, now: float) -> None:
        """One look at a time, soon enough for any shortened life: as many timers as sessions."""
        self._timers.put(session, min(session.expires, now + tcp.TRANSITORY_TIME), now)

    def sessions(self, limit: int | None = None) -> list[SessionView]:
        """Sessions for display, at most `limit`."""
        every = ((b, session) for b in self._outside.values() for session in b.sessions())
        return [
            SessionView(
                PROTOCOLS[b.protocol],
                *b.inside,
                *b.outside,
                session.remote >> 16,
                session.remote & 0xFFFF,
                session.state,
                session.expires,
                b.realm,
                b.static,
            )
            for b, session in islice(every, limit)
        ]

    def _close(self, session: Session) -> None:
        binding = session.binding if isinstance(session, Further) else session
        assert isinstance(binding, Binding)
        self._sessions -= 1
        self.allocator.leave(binding.realm)
        if binding.remove(session) and not binding.static:
            self._drop(binding)

    def _end(self, binding: Binding) -> int:
        """End a binding with all its sessions, and say how many."""
        ended = list(binding.sessions())
        for session in ended:
            binding.remove(session)
        self._sessions -= len(ended)
        self.allocator.leave(binding.realm, len(ended))
        self._drop(binding)
        return len(ended)

    def close(self) -> None:
        """The translator ends: all ports are given back, which the log tells."""
        for binding in list(self._outside.values()):
            self._end(binding)
        if self._announced:
            self.allocator.retire(self._now)

    def _add(self, binding: Binding) -> None:
        self._inside[binding.inner] = binding
        self._outside[binding.outer] = binding
        self._ports[binding.protocol] += 1

    def _drop(self, binding: Binding) -> None:
        if self._inside.get(binding.inner) is binding:
            del self._inside[binding.inner]
        del self._outside[binding.outer]
        self._ports[binding.protocol] -= 1
        if not self._announced:
            return  # a port forward that nobody has heard of, of an allocator that goes with it
        gives = (
            self.allocator.tells(binding.realm, *binding.outside, static=False) if binding.static else True
        )
        if not gives and self._is_told(binding):
            # Ports that it gives by itself, the allocator tells of by itself.
            self._tell(self.allocator, PORT_RELEASED, binding)
        self.allocator.give_back(binding.protocol, binding.realm, *binding.outside, self._now)


def _checked(d: Datagram) -> icmp.Embedded:
    if d.is_fragment:
        raise Drop("drop_icmp_fragmented")
    d.finish()
    if not d.icmp_sum_valid():
        raise Drop("drop_icmp_checksum")
    inner = icmp.read_embedded(d.buf, d.header + 8)
    if not icmp.embedded_sum_valid(d, inner):
        raise Drop("drop_icmp_checksum")
    return inner


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
