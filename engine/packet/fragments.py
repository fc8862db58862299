# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bounded memory for fragments: IPv6 reassembly, and ports for the pieces of an IPv4 packet."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable, Hashable
from dataclasses import dataclass, field
from typing import Generic, TypeVar

from .ipv4 import CE, MF, OFFSET, Datagram, joined
from .ipv6 import Outer, Piece
from .verdict import Drop

MAX_PACKET = 65535
MAX_PIECES = 128
PIECE_OVERHEAD = 512  # octets that a held piece costs beside its own, rounded up (tests/unit/packet)
SHARES = 8  # above an eighth of a table, a sender pays for its own new pieces

Held = TypeVar("Held")


@dataclass(slots=True)
class Chain(Generic[Held]):
    """The pieces of one packet seen so far; `broken` chains only remember that they are."""

    owner: Hashable
    deadline: float
    ranges: dict[int, int] = field(default_factory=dict)  # first octet -> end
    total: int | None = None
    held: list[Held] = field(default_factory=list)
    held_bytes: int = 0
    broken: bool = False
    ports: tuple[int, int] | None = None
    ident: int | None = None

    @property
    def complete(self) -> bool:
        """No octet is missing: ranges never overlap, so their lengths add up."""
        return self.total is not None and sum(self.ranges.values()) - sum(self.ranges) == self.total

    def accept(self, start: int, end: int, more: bool) -> bool:
        """Note a piece; False for an exact repetition. Raises Drop for what cannot belong together."""
        if self.ranges.get(start) == end:
            return False
        if end > MAX_PACKET or end <= start or (more and (end - start) % 8):
            raise Drop("drop_fragment_invalid")
        if any(start < other_end and other < end for other, other_end in self.ranges.items()):
            raise Drop("drop_fragment_overlap")
        if len(self.ranges) >= MAX_PIECES or (self.total is not None and (not more or end > self.total)):
            raise Drop("drop_fragment_invalid")
        if not more:
            if any(other_end > end for other_end in self.ranges.values()):
                raise Drop("drop_fragment_invalid")
            self.total = end
        self.ranges[start] = end
        return True


@dataclass(slots=True)
class Holding:
    """What one sender has in the table."""

    keys: dict[Hashable, None] = field(default_factory=dict)  # oldest first
    octets: int = 0


class Chains(Generic[Held]):
    """Chains by key, oldest first, for each owner: who is answerable for the pieces.

    At a limit the oldest chain goes: one of the newcomer's own where it has more than its share of the
    table, one of all otherwise. So junk cannot hold the table, and one sender cannot empty it of others.
    """

    def __init__(self, *, count: int, octets: int, timeout: float) -> None:
        self.count_limit, self.octet_limit, self.timeout = count, octets, timeout
        self.octets = 0
        self._chains: OrderedDict[Hashable, Chain[Held]] = OrderedDict()
        self._owners: dict[Hashable, Holding] = {}

    def __len__(self) -> int:
        return len(self._chains)

    def __contains__(self, key: Hashable) -> bool:
        return key in self._chains

    def view(self) -> dict[str, int]:
        """For display."""
        return {
            "packets": len(self),
            "packet_limit": self.count_limit,
            "octets": self.octets,
            "octet_limit": self.octet_limit,
        }

    def note(
        self, owner: Hashable, key: Hashable, start: int, end: int, more: bool, now: float, events: list[str]
    ) -> tuple[Chain[Held], bool]:
        """Find or begin the chain and note the piece; False for a repetition.

        A piece that overlaps or cannot fit breaks the whole chain until its time is over
        (RFC 5722 s4, RFC 1858 s4).
        """
        chain = self._chains.get(key)
        if chain is not None and chain.deadline <= now:
            self.remove(key)
            events.append("drop_fragment_timeout")
            chain = None
        if chain is None:
            if len(self._chains) >= self.count_limit:
                self._drop_one(owner, events)
            chain = self._chains[key] = Chain(owner, now + self.timeout)
            self._owners.setdefault(owner, Holding()).keys[key] = None
        if chain.broken:
            raise Drop("drop_fragment_broken_chain")
        try:
            return chain, chain.accept(start, end, more)
        except Drop:
            self.give_up(chain)
            raise

    def hold(self, chain: Chain[Held], item: Held, size: int, events: list[str]) -> None:
        """Keep a piece in memory, at the price of the oldest chains; what Python needs for it counts."""
        chain.held.append(item)
        chain.held_bytes += size + PIECE_OVERHEAD
        self.octets += size + PIECE_OVERHEAD
        self._owners[chain.owner].octets += size + PIECE_OVERHEAD
        while self.octets > self.octet_limit:
            self._drop_one(chain.owner, events)

    def release(self, chain: Chain[Held]) -> list[Held]:
        """Take out what was held."""
        held, chain.held = chain.held, []
        self.octets -= chain.held_bytes
        self._owners[chain.owner].octets -= chain.held_bytes
        chain.held_bytes = 0
        return held

    def remove(self, key: Hashable) -> None:
        """Forget a chain."""
        chain = self._chains.pop(key)
        self.release(chain)
        keys = self._owners[chain.owner].keys
        del keys[key]
        if not keys:
            del self._owners[chain.owner]

    def expire(self, now: float) -> list[str]:
        """Forget chains past their time; one event for each that never became whole."""
        late = [key for key, chain in self._chains.items() if chain.deadline <= now]
        for key in late:
            self.remove(key)
        return ["drop_fragment_timeout"] * len(late)

    def give_up(self, chain: Chain[Held]) -> None:
        """Keep of a chain only that its pieces are to be dropped."""
        chain.broken = True
        chain.ranges.clear()
        self.release(chain)

    def _drop_one(self, owner: Hashable, events: list[str]) -> None:
        own = self._owners.get(owner, Holding())
        greedy = len(own.keys) * SHARES > self.count_limit or own.octets * SHARES > self.octet_limit
        self.remove(next(iter(own.keys if greedy else self._chains)))
        events.append("drop_fragment_limit")


class Reassembler:
    """Fragments back into the packet they were cut from (RFC 8200 s4.5, overlaps per RFC 5722)."""

    def __init__(self, *, count: int, octets: int, timeout: float) -> None:
        self.chains: Chains[tuple[int, int, int, bytes]] = Chains(count=count, octets=octets, timeout=timeout)

    def add(self, outer: Outer, piece: Piece, owner: Hashable, now: float, events: list[str]) -> Outer | None:
        """The whole IPv6 packet when this was its last missing piece."""
        payload = outer.data[piece.at : outer.end]
        if not piece.offset and not piece.more:
            # Atomic fragment: complete in itself, whatever else has its key (RFC 6946 s4).
            return outer._replace(next_header=piece.next_header, at=piece.at)
        key = outer.source, outer.destination, piece.ident
        held = piece.offset, outer.traffic_class, piece.next_header, payload
        parts = self._join(owner, key, held, len(payload), piece.more, now, events)
        if parts is None:
            return None
        data = b"".join(part[3] for part in parts)
        return outer._replace(
            data=data,
            traffic_class=parts[0][1] | _congestion(parts),
            next_header=parts[0][2],
            at=0,
            end=len(data),
        )

    def add4(self, d: Datagram, owner: Hashable, now: float, events: list[str]) -> bytes | None:
        """The whole IPv4 packet, which may be cut again, when this was its last missing piece.

        Pieces of different owners never meet.
        """
        key = _key4(d, owner)
        held = (d.fragment & OFFSET) * 8, d.tos, d.header, bytes(d.buf)
        parts = self._join(owner, key, held, len(d.buf) - d.header, bool(d.fragment & MF), now, events)
        if parts is None:
            return None
        return joined(
            parts[0][3][: parts[0][2]], parts[0][1] | _congestion(parts), [p[3][p[2] :] for p in parts]
        )

    def awaits(self, d: Datagram, owner: Hashable) -> bool:
        """Whether other pieces of an IPv4 packet are here."""
        return _key4(d, owner) in self.chains

    def _join(
        self,
        owner: Hashable,
        key: Hashable,
        held: tuple[int, int, int, bytes],
        size: int,
        more: bool,
        now: float,
        events: list[str],
    ) -> list[tuple[int, int, int, bytes]] | None:
        """All pieces in order, when this was the last missing one."""
        chain, fresh = self.chains.note(owner, key, held[0], held[0] + size, more, now, events)
        if not fresh:
            return None
        self.chains.hold(chain, held, len(held[3]), events)
        if not chain.held or not chain.complete:  # without any: the limit took this very chain
            events.append("fragment_held")
            return None
        parts = sorted(chain.held)
        self.chains.remove(key)
        events.append("reassembled")
        return parts


def _key4(d: Datagram, owner: Hashable) -> Hashable:
    return owner, d.source, d.destination, d.protocol, d.ident


def _congestion(parts: list[tuple[int, int, int, bytes]]) -> int:
    """CE on any piece is CE on the whole (RFC 3168 s5.3)."""
    return CE if any(part[1] & 3 == CE for part in parts) else 0


class FragmentPorts:
    """Gives every piece of an IPv4 packet the ports of its first piece (RFC 7597 s8.3.2).

    Pieces that come before the first one wait; afterwards each goes on unchanged, so nothing is
    reassembled. Overlaps would let a later piece rewrite the ports that were judged: they break the chain.
    """

    def __init__(self, *, count: int, octets: int, timeout: float) -> None:
        self.chains: Chains[Datagram] = Chains(count=count, octets=octets, timeout=timeout)

    def resolve(
        self,
        d: Datagram,
        owner: Hashable,
        now: float,
        events: list[str],
        new_ident: Callable[[], int] | None = None,
    ) -> list[Datagram]:
        """The packets that may go on now, each with its ports; pieces of different owners never meet.

        With `new_ident` all pieces of one packet get one other Identification.
        """
        if not d.is_fragment:
            return [d]
        key = owner, d.source, d.destination, d.protocol, d.ident
        start = (d.fragment & OFFSET) * 8
        end = start + len(d.buf) - d.header
        chain, fresh = self.chains.note(owner, key, start, end, bool(d.fragment & MF), now, events)
        if not fresh:
            raise Drop("drop_fragment_repeated")
        if start == 0:
            if d.ports is None:
                self.chains.give_up(chain)
                raise Drop("drop_fragment_no_port")
            chain.ports = d.ports
        ready = [d, *self.chains.release(chain)] if chain.ports else []  # first piece first
        if not ready:
            self.chains.hold(chain, d, len(d.buf), events)
            events.append("fragment_held")
        if new_ident is not None and chain.ident is None:
            chain.ident = new_ident()
        for piece in ready:
            piece.ports = chain.ports
            if chain.ident is not None:
                piece.set_ident(chain.ident)
        if chain.complete:
            self.chains.remove(key)
        return ready
