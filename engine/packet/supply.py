# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Ways to give a gateway's ports to its subscribers: one by one, in blocks, in ranges by arithmetic."""

from __future__ import annotations

from abc import ABC, abstractmethod
from collections import Counter, deque
from collections.abc import Iterator, Mapping, Sequence
from random import Random
from typing import Generic, TypeVar

from ..mapping.pool import Pool
from .freeports import Bits, Span
from .natlog import (
    ALL_PROTOCOLS,
    BLOCK_ASSIGNED,
    BLOCK_RELEASED,
    PORT_ASSIGNED,
    PORT_RELEASED,
    Log,
    Record,
)

_T = TypeVar("_T")


class Subscriber:
    """What one subscriber uses."""

    __slots__ = ("fresh", "kept", "key", "outside", "ports", "second", "sessions")

    def __init__(self, key: int, outside: int) -> None:
        self.key, self.outside = key, outside
        self.ports = self.sessions = 0
        self.kept = 0  # blocks it has, and ports in the hold-down
        self.second = self.fresh = 0  # sessions begun in this second

    @property
    def idle(self) -> bool:
        """Nothing is in use or waits."""
        return not (self.ports or self.kept or self.sessions)


Freed = tuple[int, int, Subscriber]  # outside address, protocol (or ALL_PROTOCOLS), whose it was


class Later(Generic[_T]):
    """What comes back after a time; at most `limit` things wait (0: any number), the oldest give way."""

    def __init__(self, delay: float, limit: int = 0) -> None:
        self._delay, self._limit = delay, limit
        self._items: deque[tuple[float, _T]] = deque()

    def put(self, item: _T, now: float) -> None:
        """From now on it waits."""
        self._items.append((now + self._delay, item))

    def ripe(self, now: float) -> Iterator[_T]:
        """All whose time has come."""
        items, limit = self._items, self._limit
        while items and (items[0][0] <= now or (limit and len(items) > limit)):
            yield items.popleft()[1]


class Supply(ABC):
    """Ports of many addresses."""

    size: int  # ports of each address, for each protocol
    blocks = 0  # into which they are cut, if they are
    blocks_assigned = 0

    @property
    def waiting(self) -> Mapping[int, int]:
        """Ports in the hold-down by protocol."""
        return {}

    @abstractmethod
    def has(self, subscriber: Subscriber, outside: int, port: int) -> bool:
        """Whether the port is one that it could give to this subscriber."""

    @abstractmethod
    def take(self, subscriber: Subscriber, protocol: int, realm: int, wanted: int, now: float) -> int:
        """A free port of the subscriber's address; 0 where there is none."""

    @abstractmethod
    def claim(self, subscriber: Subscriber, protocol: int, outside: int, port: int) -> bool:
        """Take this one; False where it is taken."""

    @abstractmethod
    def give_back(
        self, subscriber: Subscriber, protocol: int, realm: int, outside: int, port: int, now: float
    ) -> None:
        """It is not in use any more."""

    def room(self, outside: int, protocol: int) -> bool:
        """Whether an address has something for one more subscriber."""
        return True

    def ripe(self, now: float) -> Iterator[Freed]:
        """Make free what has waited long enough, and say so."""
        return iter(())

    def records(self, event: str, now: float) -> Iterator[Record]:
        """One for each block that is not free."""
        return iter(())


class OneByOne(Supply):
    """Every binding gets a port for itself, of those that all subscribers of an address share."""

    def __init__(self, ports: range, pool: Pool, rng: Random, log: Log | None) -> None:
        self._ports, self._rng, self._log = ports, rng, log
        self.size = len(ports)
        self._spans: dict[int, Span] = {}
        self._later: Later[tuple[int, int, int, Subscriber]] = Later(pool.hold_down, pool.hold_down_ports)
        self._waiting: Counter[int] = Counter()

    @property
    def waiting(self) -> Mapping[int, int]:
        """Counted."""
        return self._waiting

    def _of(self, outside: int) -> Span:
        span = self._spans.get(outside)
        if span is None:
            span = self._spans[outside] = Span(self._ports)
        return span

    def has(self, subscriber: Subscriber, outside: int, port: int) -> bool:
        """One of the shared ports."""
        return port in self._ports

    def take(self, subscriber: Subscriber, protocol: int, realm: int, wanted: int, now: float) -> int:
        """Any free one."""
        port = self._of(subscriber.outside).pick(protocol, wanted, self._rng)
        if port and self._log is not None:
            self._log(Record(now, PORT_ASSIGNED, realm, protocol, subscriber.outside, port, port))
        return port

    def claim(self, subscriber: Subscriber, protocol: int, outside: int, port: int) -> bool:
        """Any free one."""
        return self._of(outside).take(protocol, port)

    def give_back(
        self, subscriber: Subscriber, protocol: int, realm: int, outside: int, port: int, now: float
    ) -> None:
        """Somebody else may get it after the hold-down (RFC 6888 REQ-8)."""
        subscriber.kept += 1
        self._waiting[protocol] += 1
        self._later.put((outside, protocol, port, subscriber), now)
        if self._log is not None:
            self._log(Record(now, PORT_RELEASED, realm, protocol, outside, port, port))

    def room(self, outside: int, protocol: int) -> bool:
        """A free port of the protocol."""
        return self._of(outside).left(protocol) > 0

    def ripe(self, now: float) -> Iterator[Freed]:
        """Ports whose hold-down has ended."""
        for outside, protocol, port, subscriber in self._later.ripe(now):
            self._of(outside).free(protocol, port)
            self._waiting[protocol] -= 1
            subscriber.kept -= 1
            yield outside, protocol, subscriber


class Holder:
    """The blocks of one subscriber."""

    __slots__ = ("blocks", "room", "subscriber")

    def __init__(self, subscriber: Subscriber) -> None:
        self.subscriber = subscriber
        self.blocks: list[Block | None] = []
        self.room: dict[int, int] = {}  # protocol -> which of the blocks have a free port, as bits

    def _room(self, protocol: int) -> int:
        """A protocol seen for the first time has room in every block."""
        room = self.room.get(protocol)
        if room is None:
            room = sum(1 << slot for slot, block in enumerate(self.blocks) if block is not None)
            self.room[protocol] = room
        return room

    def first(self, protocol: int) -> Block | None:
        """The first block that has a free port."""
        room = self._room(protocol)
        return self.blocks[(room & -room).bit_length() - 1] if room else None

    def add(self, block: Block) -> None:
        """One more block; every protocol seen so far has room in it."""
        blocks = self.blocks
        block.slot = blocks.index(None) if None in blocks else len(blocks)
        blocks[block.slot : block.slot + 1] = [block]
        for protocol in self.room:
            self.room[protocol] |= 1 << block.slot

    def remove(self, block: Block) -> None:
        """One less."""
        self.blocks[block.slot] = None
        for protocol in self.room:
            self.room[protocol] &= ~(1 << block.slot)

    def note(self, block: Block, protocol: int) -> None:
        """Something of a block was taken or given back."""
        room = self._room(protocol)
        bit = 1 << block.slot
        self.room[protocol] = room | bit if block.left(protocol) else room & ~bit


class Block(Span):
    """Neighbouring ports of one subscriber."""

    __slots__ = ("emptied", "holder", "number", "outside", "slot", "used")

    def __init__(self, ports: range, number: int, outside: int, holder: Holder) -> None:
        super().__init__(ports)
        self.number, self.outside, self.holder = number, outside, holder
        self.slot = self.used = 0
        self.emptied = 0  # how many times


class Blocks(Supply):
    """A subscriber gets whole blocks, for all protocols, and gives them back whole.

    An empty block stays its subscriber's for the hold-down: who comes back soon gets it without a record.
    """

    def __init__(self, ports: range, pool: Pool, rng: Random, log: Log | None) -> None:
        self._ports, self._size, self._rng, self._log = ports, pool.block_size, rng, log
        self._shift = 128 - pool.subscriber_prefix_len
        self.blocks = len(ports) // self._size
        self.size = self.blocks * self._size
        self._free: dict[int, Bits] = {}
        self._blocks: dict[tuple[int, int], Block] = {}
        self._holders: dict[int, Holder] = {}
        self._later: Later[tuple[Block, int]] = Later(pool.hold_down, -(-pool.hold_down_ports // self._size))

    @property
    def blocks_assigned(self) -> int:  # type: ignore[override]
        """Those that are empty, and still their subscriber's, too."""
        return len(self._blocks)

    def _of(self, outside: int) -> Bits:
        free = self._free.get(outside)
        if free is None:
            free = self._free[outside] = Bits(self.blocks)
        return free

    def has(self, subscriber: Subscriber, outside: int, port: int) -> bool:
        """Any port of a whole block."""
        return port in self._ports[: self.size]

    def take(self, subscriber: Subscriber, protocol: int, realm: int, wanted: int, now: float) -> int:
        """Of the first own block that has one, else of a new block."""
        holder = self._holders.get(subscriber.key)
        block = None if holder is None else holder.first(protocol)
        if block is None:
            number = self._of(subscriber.outside).pick(self._rng)
            if number < 0:
                return 0
            block = self._assign(subscriber, subscriber.outside, number)
            if self._log is not None:
                self._log(self._record(block, BLOCK_ASSIGNED, now))
        port = block.pick(protocol, wanted, self._rng)
        block.used += 1
        block.holder.note(block, protocol)
        return port

    def claim(self, subscriber: Subscriber, protocol: int, outside: int, port: int) -> bool:
        """Of an own block, or of one that is nobody's yet."""
        number = (port - self._ports[0]) // self._size
        block = self._blocks.get((outside, number))
        if block is None:
            self._of(outside).take(number)
            block = self._assign(subscriber, outside, number)
        if block.holder.subscriber is not subscriber or not block.take(protocol, port):
            return False
        block.used += 1
        block.holder.note(block, protocol)
        return True

    def give_back(
        self, subscriber: Subscriber, protocol: int, realm: int, outside: int, port: int, now: float
    ) -> None:
        """The same subscriber may have it at once (RFC 6888 REQ-8B)."""
        block = self._blocks[outside, (port - self._ports[0]) // self._size]
        block.free(protocol, port)
        block.used -= 1
        block.holder.note(block, protocol)
        if not block.used:
            block.emptied += 1
            self._later.put((block, block.emptied), now)

    def room(self, outside: int, protocol: int) -> bool:
        """A free block."""
        return self._of(outside).left > 0

    def ripe(self, now: float) -> Iterator[Freed]:
        """Blocks that have been empty for the whole hold-down."""
        for block, emptied in self._later.ripe(now):
            if block.used or block.emptied != emptied:
                continue
            holder = block.holder
            holder.remove(block)
            if not any(holder.blocks):
                del self._holders[holder.subscriber.key]
            del self._blocks[block.outside, block.number]
            self._of(block.outside).free(block.number)
            holder.subscriber.kept -= 1
            if self._log is not None:
                self._log(self._record(block, BLOCK_RELEASED, now))
            yield block.outside, ALL_PROTOCOLS, holder.subscriber

    def records(self, event: str, now: float) -> Iterator[Record]:
        """One a block."""
        return (self._record(block, event, now) for block in self._blocks.values())

    def _assign(self, subscriber: Subscriber, outside: int, number: int) -> Block:
        holder = self._holders.get(subscriber.key)
        if holder is None:
            holder = self._holders[subscriber.key] = Holder(subscriber)
        first = number * self._size
        block = Block(self._ports[first : first + self._size], number, outside, holder)
        holder.add(block)
        subscriber.kept += 1
        self._blocks[outside, number] = block
        return block

    def _record(self, block: Block, event: str, now: float) -> Record:
        realm, ends = block.holder.subscriber.key << self._shift, (block.ports[0], block.ports[-1])
        return Record(now, event, realm, ALL_PROTOCOLS, block.outside, *ends)


class Ranges(Supply):
    """Every subscriber has the ports that arithmetic gives it (RFC 7422); no log, no hold-down."""

    def __init__(self, size: int, rng: Random) -> None:
        self.size, self._rng = size, rng
        self._spans: dict[int, Span] = {}

    def enter(self, subscriber: Subscriber, ports: Sequence[int]) -> None:
        """A subscriber begins to use its ports."""
        self._spans[subscriber.key] = Span(ports)

    def forget(self, subscriber: Subscriber) -> None:
        """And ends."""
        del self._spans[subscriber.key]

    def has(self, subscriber: Subscriber, outside: int, port: int) -> bool:
        """A port of its own range."""
        return outside == subscriber.outside and port in self._spans[subscriber.key].ports

    def take(self, subscriber: Subscriber, protocol: int, realm: int, wanted: int, now: float) -> int:
        """Of its own range."""
        return self._spans[subscriber.key].pick(protocol, wanted, self._rng)

    def claim(self, subscriber: Subscriber, protocol: int, outside: int, port: int) -> bool:
        """Of its own range."""
        return self._spans[subscriber.key].take(protocol, port)

    def give_back(
        self, subscriber: Subscriber, protocol: int, realm: int, outside: int, port: int, now: float
    ) -> None:
        """Free at once: it can only be the same subscriber's (RFC 6888 REQ-8B)."""
        self._spans[subscriber.key].free(protocol, port)
