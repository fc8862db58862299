# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which outside address and port a NAPT binding gets: out of an edge's port set, or of a gateway's pool."""

from __future__ import annotations

from bisect import bisect_left
from collections import Counter, deque
from collections.abc import Callable, Mapping, Sequence
from random import Random
from types import MappingProxyType
from typing import NamedTuple, Protocol

from ..mapping.pool import PAIRED, PORTS, Addresses, Deterministic, Pool, PoolError
from ..mapping.portset import PortSet
from . import icmp
from .freeports import Span
from .ipv4 import ICMP
from .natlog import ALL_PROTOCOLS, BLOCK_ASSIGNED, BLOCK_RELEASED, Log, Record
from .supply import Blocks, OneByOne, Ranges, Subscriber, Supply
from .verdict import Drop, Icmp6Error

ADDRESS_UNREACHABLE6 = Icmp6Error(1, 3)
_SYSTEM_PORTS = 1024  # those below stay below, those above above (RFC 4787 REQ-3a)


class Stock(NamedTuple):
    """What an allocator has to give, and how much of that is not to be had though no binding uses it."""

    addresses: int
    ports: int  # of all addresses together, for each protocol
    waiting: Mapping[int, int] = MappingProxyType({})  # protocol -> ports in the hold-down
    beside: Mapping[int, int] = MappingProxyType({})  # protocol -> ports of forwards that are not of these
    subscribers: int | None = None  # that have something; None where they are not counted
    blocks: int = 0
    blocks_assigned: int = 0


class Allocator(Protocol):
    """Gives outside ports to bindings and takes them back; counts what a subscriber uses."""

    def stock(self) -> Stock:
        """For display, whatever is in use at the same cost."""

    def refused(self, reason: str) -> Drop:
        """The end of a packet for which there are no resources, with what its sender is told."""

    def take(self, protocol: int, realm: int, inside: int, wanted: int, now: float) -> tuple[int, int]:
        """Outside address and port for a new binding and its first session; raises Drop if there is none."""

    def claim(
        self, protocol: int, realm: int, outside: int, port: int, *, sessions: int = 0, static: bool = False
    ) -> bool:
        """Take what is in use already; False where it is not this realm's to have, or not free."""

    def give_back(self, protocol: int, realm: int, outside: int, port: int, now: float) -> None:
        """The binding has ended."""

    def tells(self, realm: int, outside: int, port: int, *, static: bool) -> bool:
        """Whether the log has records of a port that is taken, and not only of a block that it is in."""

    def tell(self, event: str, protocol: int, realm: int, outside: int, port: int, now: float) -> None:
        """Log one that it tells of."""

    def admit(self, realm: int, now: float) -> None:
        """One more session of a binding; raises Drop where it is too much."""

    def leave(self, realm: int, sessions: int = 1) -> None:
        """Sessions have ended."""

    def expire(self, now: float) -> None:
        """Let time pass."""

    def announce(self, now: float) -> None:
        """It is in charge from now on, with what it has claimed."""

    def retire(self, now: float) -> None:
        """Another is in charge from now on."""


class PortSetAllocator:
    """One customer's own addresses and port set (RFC 7597 s5.2).

    No hold-down: the set is one customer's own, which RFC 6888 REQ-8 exempts. Nothing to count or to log.
    """

    def __init__(self, addresses: Sequence[int], ports: PortSet, rng: Random) -> None:
        self.addresses, self.ports, self._rng = addresses, ports, rng
        self._spans: dict[int, tuple[Span, Span]] = {}  # outside address -> system ports, and the others

    def stock(self) -> Stock:
        """The set on each address."""
        return Stock(len(self.addresses), len(self.addresses) * len(self.ports))

    def refused(self, reason: str) -> Drop:
        """RFC 5508 REQ-8: prohibited."""
        return Drop(reason, icmp.PROHIBITED)

    def take(self, protocol: int, realm: int, inside: int, wanted: int, now: float) -> tuple[int, int]:
        """The same port if it is free, else a random one of the same parity if possible.

        Paired pooling: one inside host always gets one outside address (RFC 4787 REQ-2).
        """
        if not self.addresses:
            raise self.refused("drop_ports_exhausted")
        outside = self.addresses[inside % len(self.addresses)]
        # Identifiers are not preserved: they say nothing, and two hosts often use the same.
        if (
            protocol != ICMP
            and wanted
            and wanted in self.ports
            and self._span(outside, wanted).take(protocol, wanted)
        ):
            return outside, wanted
        for span in self._turns(protocol, outside, wanted):
            port = span.pick(protocol, wanted, self._rng)
            if port:
                return outside, port
        raise self.refused("drop_ports_exhausted")

    def claim(
        self, protocol: int, realm: int, outside: int, port: int, *, sessions: int = 0, static: bool = False
    ) -> bool:
        """Any port of the set."""
        return (
            outside in self.addresses
            and port in self.ports
            and self._span(outside, port).take(protocol, port)
        )

    def give_back(self, protocol: int, realm: int, outside: int, port: int, now: float) -> None:
        """Free at once."""
        self._span(outside, port).free(protocol, port)

    def tells(self, realm: int, outside: int, port: int, *, static: bool) -> bool:
        """Not logged."""
        return False

    def tell(self, event: str, protocol: int, realm: int, outside: int, port: int, now: float) -> None:
        """Not logged."""

    def admit(self, realm: int, now: float) -> None:
        """All."""

    def leave(self, realm: int, sessions: int = 1) -> None:
        """Not counted."""

    def expire(self, now: float) -> None:
        """Nothing waits."""

    def announce(self, now: float) -> None:
        """Not logged."""

    def retire(self, now: float) -> None:
        """Not logged."""

    def _span(self, outside: int, port: int) -> Span:
        return self._of(outside)[port >= _SYSTEM_PORTS]

    def _turns(self, protocol: int, outside: int, wanted: int) -> tuple[Span, ...]:
        """Where to look: system ports only for sources that have one, unless the set has no others."""
        low, high = self._of(outside)
        if wanted >= _SYSTEM_PORTS and protocol != ICMP and high.ports:
            return (high,)
        # First of all where a random port of the set would be.
        first_low = self._rng.random() * len(self.ports) < len(low.ports)
        return (low, high) if first_low else (high, low)

    def _of(self, outside: int) -> tuple[Span, Span]:
        spans = self._spans.get(outside)
        if spans is None:
            every = _Numbered(self.ports, 0, len(self.ports))
            low = bisect_left(every, _SYSTEM_PORTS)
            spans = Span(_Numbered(self.ports, 0, low)), Span(_Numbered(self.ports, low, len(every) - low))
            self._spans[outside] = spans
        return spans


class _Numbered(Sequence[int]):
    """Some neighbouring ports of a set."""

    def __init__(self, ports: PortSet, first: int, count: int) -> None:
        self._ports, self._first, self._count = ports, first, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> int:  # type: ignore[override]
        return self._ports.nth(self._first + index)

    def index(self, value: int, start: int = 0, stop: int | None = None) -> int:
        """Inverse of the look-up; the port must be there."""
        return self._ports.index(value) - self._first


class PoolAllocator:
    """A gateway's addresses for all its subscribers (RFC 6888); a subscriber is a prefix of the realm.

    - Paired pooling (REQ-2): a subscriber has one address, as long as it has anything. Where that one is
      full, new bindings are refused, not put elsewhere (RFC 7857 s4). New subscribers take them in turn.
    - Ports are random (RFC 7857 s9), of the same class and parity where possible.
    - The quota (REQ-4) counts bindings of all protocols together.
    - Never takes from one to give to another (REQ-11d).

    Raises PoolError (a ValueError) for a pool that cannot be given out.
    """

    def __init__(self, pool: Pool, rng: Random, *, log: Log | None = None, key: bytes = b"") -> None:
        self.pool, self._rng, self._log, self._key = pool, rng, log, key
        self.addresses = Addresses(pool.ipv4)
        if not self.addresses:
            raise PoolError("the pool has no address")
        self._shift = 128 - pool.subscriber_prefix_len
        self._subscribers: dict[int, Subscriber] = {}
        self._static: set[tuple[int, int, int]] = set()  # below the first port, for port forwards only
        self._turns = _Turns(self.addresses)
        self._arithmetic: Deterministic | None = None
        self._low: Supply | None = None
        if pool.deterministic:
            self._arithmetic = _paired(pool.arithmetic(key))
            self._ranges = Ranges(self._arithmetic.compression * self._arithmetic.block, rng)
            dynamic = OneByOne(self._arithmetic.dynamic_ports, pool, rng, log)
            self._supplies: tuple[Supply, ...] = (self._ranges, dynamic)
        elif pool.block_size:
            # A block below 1024 serves all sources of its subscriber: it has no others.
            self._supplies = (Blocks(range(pool.first_port, PORTS), pool, rng, log),)
        else:
            first = max(pool.first_port, _SYSTEM_PORTS)
            self._supplies = (OneByOne(range(first, PORTS), pool, rng, log),)
            if pool.first_port < _SYSTEM_PORTS:
                self._low = OneByOne(range(max(1, pool.first_port), _SYSTEM_PORTS), pool, rng, log)
        self._all = self._supplies if self._low is None else (self._low, *self._supplies)

    def stock(self) -> Stock:
        """All supplies together."""
        waiting: Counter[int] = Counter()
        for supply in self._all:
            waiting.update(supply.waiting)
        return Stock(
            len(self.addresses),
            len(self.addresses) * sum(supply.size for supply in self._all),
            waiting,
            Counter(protocol for protocol, _, _ in self._static),
            len(self._subscribers),
            len(self.addresses) * sum(supply.blocks for supply in self._all),
            sum(supply.blocks_assigned for supply in self._all),
        )

    def successor(self, pool: Pool) -> PoolAllocator:
        """The allocator of a changed pool: itself where nothing changed, else one with nothing taken.

        What waits in the hold-down is forgotten then. Raises PoolError as the class does.
        """
        return self if pool == self.pool else PoolAllocator(pool, self._rng, log=self._log, key=self._key)

    def refused(self, reason: str) -> Drop:
        """RFC 6888 REQ-11b: host unreachable; to an IPv6 host address unreachable (RFC 6146 s3.5.1.1)."""
        return Drop(reason, icmp.HOST_UNREACHABLE, ADDRESS_UNREACHABLE6)

    def take(self, protocol: int, realm: int, inside: int, wanted: int, now: float) -> tuple[int, int]:
        """A port of the subscriber's address; raises Drop where quota or ports are used up."""
        key = realm >> self._shift
        subscriber = self._subscribers.get(key)
        if subscriber is None:
            subscriber = self._enter(key, self._place(realm, protocol))
        quota = self.pool.ports_per_subscriber
        if quota and subscriber.ports >= quota:
            raise self.refused("drop_quota")
        self._admit(subscriber, now)
        port = self._draw(subscriber, protocol, realm, wanted, now)
        if not port:
            raise self.refused("drop_ports_exhausted")
        subscriber.ports += 1
        subscriber.sessions += 1
        return subscriber.outside, port

    def claim(
        self, protocol: int, realm: int, outside: int, port: int, *, sessions: int = 0, static: bool = False
    ) -> bool:
        """A port that no other subscriber has; for a port forward also one below the pool's first port."""
        if outside not in self.addresses or not 0 < port < PORTS:
            return False
        if not static and not self.pool.serves(realm):
            return False
        key = realm >> self._shift
        subscriber = self._subscribers.get(key)
        if subscriber is None:
            try:
                subscriber = self._enter(key, self._own(realm, outside))
            except Drop:
                return False
        supply = self._supply(subscriber, outside, port)
        if supply is not None:
            taken = supply.claim(subscriber, protocol, outside, port)
        else:
            taken = static and (protocol, outside, port) not in self._static
            if taken:
                self._static.add((protocol, outside, port))
        if taken:
            subscriber.ports += 1
            subscriber.sessions += sessions
        else:
            self._forget_idle(subscriber)
        return taken

    def give_back(self, protocol: int, realm: int, outside: int, port: int, now: float) -> None:
        """Free again at once for the same subscriber's own ports, else after the hold-down."""
        subscriber = self._subscribers[realm >> self._shift]
        subscriber.ports -= 1
        supply = self._supply(subscriber, outside, port)
        if supply is None:
            self._static.discard((protocol, outside, port))
        else:
            supply.give_back(subscriber, protocol, realm, outside, port, now)
        self._forget_idle(subscriber)

    def tells(self, realm: int, outside: int, port: int, *, static: bool) -> bool:
        """Ports given one by one, and of port forwards all that are in no block."""
        if self._log is None:
            return False
        supply = self._supply(self._subscribers[realm >> self._shift], outside, port)
        return isinstance(supply, OneByOne) or (static and not isinstance(supply, Blocks))

    def tell(self, event: str, protocol: int, realm: int, outside: int, port: int, now: float) -> None:
        """One record."""
        if self._log is not None:
            self._log(Record(now, event, realm, protocol, outside, port, port))

    def admit(self, realm: int, now: float) -> None:
        """Sessions, and new ones in this second, of the subscriber (RFC 6888 REQ-4C, REQ-5)."""
        subscriber = self._subscribers[realm >> self._shift]
        self._admit(subscriber, now)
        subscriber.sessions += 1

    def leave(self, realm: int, sessions: int = 1) -> None:
        """Counted."""
        subscriber = self._subscribers[realm >> self._shift]
        subscriber.sessions -= sessions
        self._forget_idle(subscriber)

    def expire(self, now: float) -> None:
        """End hold-downs."""
        for supply in self._all:
            for outside, protocol, subscriber in supply.ripe(now):
                self._turns.again(outside, protocol)
                self._forget_idle(subscriber)

    def announce(self, now: float) -> None:
        """Log the blocks that are assigned."""
        self._tell_all(BLOCK_ASSIGNED, now)

    def retire(self, now: float) -> None:
        """Log that they are released."""
        self._tell_all(BLOCK_RELEASED, now)

    def _tell_all(self, event: str, now: float) -> None:
        if self._log is not None:
            for supply in self._all:
                for record in supply.records(event, now):
                    self._log(record)

    def _admit(self, subscriber: Subscriber, now: float) -> None:
        most, rate, second = self.pool.sessions_per_subscriber, self.pool.new_sessions_per_second, int(now)
        if most and subscriber.sessions >= most:
            raise self.refused("drop_session_quota")
        if rate:
            if subscriber.second != second:
                subscriber.second, subscriber.fresh = second, 0
            if subscriber.fresh >= rate:
                raise self.refused("drop_session_rate")
            subscriber.fresh += 1

    def _draw(self, subscriber: Subscriber, protocol: int, realm: int, wanted: int, now: float) -> int:
        low = self._low is not None and wanted < _SYSTEM_PORTS and protocol != ICMP
        for supply in self._all if low else self._supplies:
            port = supply.take(subscriber, protocol, realm, wanted, now)
            if port:
                return port
        return 0

    def _supply(self, subscriber: Subscriber, outside: int, port: int) -> Supply | None:
        return next((supply for supply in self._all if supply.has(subscriber, outside, port)), None)

    # Subscribers

    def _place(self, realm: int, protocol: int) -> int:
        """The address of a new subscriber."""
        if self._arithmetic is not None:
            return self._own(realm, 0)
        outside = self._turns.next(protocol, self._supplies[-1].room)
        if outside is None:
            raise self.refused("drop_ports_exhausted")
        return outside

    def _own(self, realm: int, outside: int) -> int:
        """The address that the arithmetic gives, if there is an arithmetic."""
        if self._arithmetic is None:
            return outside
        (own,) = self._ports(realm)
        return own

    def _ports(self, realm: int) -> Mapping[int, Sequence[int]]:
        assert self._arithmetic is not None
        try:
            return self._arithmetic.ports(self.pool.number(realm))
        except PoolError:
            raise self.refused("drop_no_subscriber") from None

    def _enter(self, key: int, outside: int) -> Subscriber:
        subscriber = self._subscribers[key] = Subscriber(key, outside)
        if self._arithmetic is not None:
            self._ranges.enter(subscriber, self._ports(key << self._shift)[outside])
        return subscriber

    def _forget_idle(self, subscriber: Subscriber) -> None:
        """With the last of what it has, a subscriber's address is free to choose again."""
        if not subscriber.idle:
            return
        known = self._subscribers.pop(subscriber.key, None)
        if known is not None and self._arithmetic is not None:
            self._ranges.forget(subscriber)


class _Turns:
    """Addresses for new subscribers, in turn; those without room are out until something is freed."""

    def __init__(self, addresses: Addresses) -> None:
        self._addresses = addresses
        self._ring: dict[int, deque[int]] = {}  # protocol -> addresses that may have room
        self._out: set[tuple[int, int]] = set()

    def next(self, protocol: int, room: Callable[[int, int], bool]) -> int | None:
        """The next address that has room for the protocol; None where none has."""
        ring = self._ring.get(protocol)
        if ring is None:
            ring = self._ring[protocol] = deque(range(len(self._addresses)))
        while ring:
            index = ring.popleft()
            outside = self._addresses[index]
            if room(outside, protocol):
                ring.append(index)
                return outside
            self._out.add((protocol, index))
        return None

    def again(self, outside: int, protocol: int) -> None:
        """Something of an address was freed."""
        if self._out:
            index = self._addresses.index(outside)
            for kind in self._ring if protocol == ALL_PROTOCOLS else (protocol,):
                if (kind, index) in self._out:
                    self._out.discard((kind, index))
                    self._ring[kind].append(index)


def _paired(arithmetic: Deterministic) -> Deterministic:
    """Raises PoolError for an algorithm that gives a subscriber ports of several addresses."""
    if arithmetic.algorithm not in PAIRED:
        raise PoolError(
            f"algorithm {arithmetic.algorithm} spreads a subscriber over several addresses, against paired "
            f"pooling (RFC 6888 REQ-2); use {', '.join(PAIRED)}"
        )
    return arithmetic
