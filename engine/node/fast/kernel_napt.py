# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The NAPT of a node whose sessions are in the kernel: the core asks there, as the programs do."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterable, Mapping

from ...packet import tcp
from ...packet.allocation import Allocator, Stock
from ...packet.ipv4 import ICMP, OFFSET, TCP, Datagram
from ...packet.napt import PROTOCOLS, Session, SessionView, StaticBinding, Translator
from ...packet.natlog import Log, Record
from ...packet.verdict import Drop
from .leases import Leases, changes
from .session_entries import Pair
from .sessions import Answer, KernelSessions

# The subscriber, or all of them, have too much: the sender inside is told. Only the time may make room.
_SCARCE = frozenset(
    {
        "drop_session_limit",
        "drop_session_quota",
        "drop_session_rate",
        "drop_quota",
        "drop_ports_exhausted",
        "drop_no_subscriber",
    }
)
# What only the kernel can say, as the core says it.
_OTHER = {
    "drop_raced": "drop_no_session",
    "drop_expired": "drop_no_session",
    "drop_log_full": "drop_session_limit",
}
_SHARE = 50  # a walk over all sessions takes one part in so many of the time
_LEAST = 1.0  # seconds from walk to walk


class KernelNapt(Translator):
    """Asks the tables; ends from time to time what is over."""

    def __init__(
        self,
        kernel: KernelSessions,
        allocator: Allocator,
        *,
        remembered_syns: int = 0,
        log: Log | None = None,
        now: float = 0.0,
    ) -> None:
        """`allocator` only says what senders are told. Raises BpfError."""
        self.kernel, self._allocator, self._log = kernel, allocator, log
        self._syns = tcp.Unsolicited(remembered_syns)
        self._ring = None if log is None else kernel.ledger.listen(log)
        self._due, self._walked, self._closed, self._now = 0.0, 0.0, 0, now

    def __len__(self) -> int:
        return len(self.kernel)

    @property
    def allocator(self) -> Allocator:
        """Who says what senders are told, and what an empty pool has."""
        return self._allocator

    @property
    def ports(self) -> Mapping[int, int]:
        """Outside ports that bindings have, by protocol."""
        return self.kernel.counts("ports")

    def stock(self) -> Stock:
        """What the allocator would have to give, and what of that is not to be had in the kernel."""
        return self.kernel.stock(self._allocator.stock())

    def configure(
        self, allocator: Allocator, endpoint_independent_filtering: bool, static: Iterable[StaticBinding] = ()
    ) -> int:
        """Nothing changes in these tables: others take over what is valid there."""
        self._allocator = allocator
        return 0

    # Packets

    def outbound(self, d: Datagram, now: float, realm: int = 0) -> None:
        """Ask for the source of a packet."""
        inside, remote = _ends(d, outbound=True)
        protocol, flags, later = d.protocol, _flags(d), bool(d.fragment & OFFSET)

        def ask() -> Answer:
            return self.kernel.outbound(protocol, realm, inside, remote, flags=flags, later=later)

        answer = self._ask(ask, now)
        if answer.verdict != "GO_ON":
            reason = _reason(answer)
            raise self._allocator.refused(reason) if reason in _SCARCE else Drop(reason)
        if d.protocol == TCP:
            self._syns.forget(_outer(TCP, (answer.address, answer.port)), _remote(remote))
        d.set_source(answer.address, answer.port)

    def inbound(self, d: Datagram, now: float, *, hairpin: bool = False) -> int:
        """Ask for the destination of a packet."""
        outside, remote = _ends(d, outbound=False)
        protocol, flags, later = d.protocol, _flags(d), bool(d.fragment & OFFSET)

        def ask() -> Answer:
            return self.kernel.inbound(protocol, outside, remote, flags=flags, later=later, hairpin=hairpin)

        answer = self._ask(ask, now)
        if answer.verdict != "GO_ON":
            reason = _reason(answer)
            if reason in ("drop_unsolicited", "drop_filtered"):
                self._syns.remember(d, _outer(d.protocol, outside), _remote(remote), now)
            raise Drop(reason)
        d.set_destination(answer.address, answer.port)
        return answer.realm

    def _ask(self, ask: Callable[[], Answer], now: float) -> Answer:
        """Once more where something may have changed: what is over has ended, the log has room."""
        self._tell_time(now)
        answer = ask()
        self._closed += answer.closed
        if self._ring is not None:
            self._ring.consume()
        reason = _reason(answer)
        if answer.verdict == "punt_log_full":
            answer = ask()
        elif reason in _SCARCE and now - self._walked >= _LEAST:
            self._walk(now)
            answer = ask()
        return answer

    def outside_of(
        self, protocol: int, realm: int, address: int, port: int, remote: int
    ) -> tuple[int, int] | None:
        """As said above; a session that is over may still be there for a moment."""
        return self.kernel.outside_of(protocol, realm, (address, port), _pair(remote))

    def inside_of(self, protocol: int, address: int, port: int, remote: int) -> tuple[int, int, int] | None:
        """As said above; a session that is over may still be there for a moment."""
        return self.kernel.inside_of(protocol, (address, port), _pair(remote))

    def find(self, protocol: int, outside: int, remote: int) -> Session | None:
        """None: a session in the kernel is refreshed there."""
        return None

    # Time

    def expire(self, now: float) -> int:
        """End what is over where it is time to look; with those that packets have found."""
        self._now = now
        if now >= self._due:
            self._walk(now)
        closed, self._closed = self._closed, 0
        return closed

    def _walk(self, now: float) -> None:
        self._tell_time(now)
        begin = time.thread_time()
        self._closed += self.kernel.expire()
        self._walked = now
        self._due = now + max(_LEAST, _SHARE * (time.thread_time() - begin))
        if self._ring is not None:
            self._ring.consume()

    def _tell_time(self, now: float) -> None:
        if self.kernel.own_clock:
            self.kernel.set_time(now)

    def unanswered(self, now: float) -> list[bytes]:
        """Those that no session came of: programs do not tell which they made."""
        found = []
        for syn in self._syns.due(now):
            source, destination = _int(syn[12:16]), _int(syn[16:20])
            at = (syn[0] & 15) * 4
            remote, outside = (source, _int(syn[at : at + 2])), (destination, _int(syn[at + 2 : at + 4]))
            if self.kernel.inside_of(TCP, outside, remote) is None:
                found.append(syn)
        return found

    def sessions(self, limit: int | None = None) -> list[SessionView]:
        """Sessions for display, at most `limit`."""
        return self.kernel.sessions(limit)

    # The end

    def take_over(self, before: Leases, first: Leases, now: float) -> None:
        """Log what is different: these tables began with `first`, those before them ended with `before`."""
        self._write(changes(before, first, now))

    def end(self) -> Leases:
        """Other tables are in charge now: what was held in these at the end."""
        self._stop_listening()
        return frozenset() if self._log is None else self.kernel.ledger.held()

    def leave(self) -> None:
        """The process ends, but not the tables: who takes them over goes on with the log."""
        self._stop_listening()
        self._log = None

    def close(self) -> None:
        """All ports are given back, which the log tells."""
        self.give_back(self._now)

    def give_back(self, now: float) -> None:
        """The same, now."""
        self._write(changes(self.end(), frozenset(), now))

    def _stop_listening(self) -> None:
        if self._ring is not None:
            self._ring.consume()
            self._ring.close()
            self._ring = None

    def _write(self, records: Iterable[Record]) -> None:
        if self._log is not None:
            for record in records:
                self._log(record)


def _ends(d: Datagram, *, outbound: bool) -> tuple[Pair, Pair]:
    """The end that is translated, and the remote one."""
    if d.ports is None or d.protocol not in PROTOCOLS:
        raise Drop("drop_protocol_unsupported")
    source, destination = (d.source, d.ports[0]), (d.destination, d.ports[1])
    own, remote = (source, destination) if outbound else (destination, source)
    return own, (remote[0], 0) if d.protocol == ICMP else remote


def _flags(d: Datagram) -> int:
    """Those of TCP, or the type of ICMP; a later fragment has none."""
    if d.fragment & OFFSET or d.protocol not in (TCP, ICMP):
        return 0
    return int(d.buf[d.header + (13 if d.protocol == TCP else 0)])


def _reason(answer: Answer) -> str:
    reason = answer.verdict.replace("punt_", "drop_")
    return _OTHER.get(reason, reason)


def _outer(protocol: int, outside: Pair) -> int:
    return outside[0] << 24 | outside[1] << 8 | protocol


def _remote(remote: Pair) -> int:
    return remote[0] << 16 | remote[1]


def _pair(remote: int) -> Pair:
    return remote >> 16, remote & 0xFFFF


def _int(octets: bytes) -> int:
    return int.from_bytes(octets, "big")
