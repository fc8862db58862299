# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short way through a NAT64: one step for segments of TCP connections that it knows."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from ..packet import segment
from ..packet.buffer import Packet
from ..packet.ipv4 import TCP
from ..packet.napt import Napt, Session
from ..packet.tcp import SYN
from ..packet.translation import Translation
from .work import Link, Outcome

LIMIT = 1 << 14  # directions of connections: 0.6 KB each

_ENDS = struct.Struct("!IIHH")


class _Known(NamedTuple):
    """One direction of a connection: what became of its last segment on the long way."""

    session: Session
    remote: int  # of the session, as long as it is the same one
    way: segment.Way
    departure: Link
    event: str


class Connections:
    """Does with a segment what the long way did with one of the same connection before.

    It learns from what went in and came out, and holds under one set of rules only. Whatever is special
    about a packet makes it take the long way: this one never drops and never answers.
    """

    def __init__(self, napt: Napt, carriage: Translation, new_ident: Callable[[], int], *, hops: int) -> None:
        """`hops` come off the TTL. Nothing is known yet."""
        self._napt, self._new_ident, self._hops = napt, new_ident, hops
        self._mtus = carriage.ipv6_mtu, carriage.cut_to
        self._known: dict[bytes, _Known] = {}

    def __len__(self) -> int:
        return len(self._known)

    def process(self, packet: Packet, arrival: Link, now: float) -> Outcome | None:
        """As Node.process(); None, with nothing changed, for what has to take the long way."""
        data, native = packet.data, arrival is Link.NATIVE
        known = self._known.get(segment.key4(data) if native else segment.key6(data))
        if known is None:
            return None
        session, remote, way, departure, event = known
        if session.remote != remote or session.expires <= now:
            return None
        if native:
            sent = segment.to6(packet, way, *self._mtus, self._hops)
        else:
            sent = segment.to4(packet, way, self._new_ident(), self._hops)
        if sent is None:
            return None
        flags = segment.flags4(data) if native else segment.flags6(data)
        self._napt.hear(session, flags, now, outbound=not native)
        return [(sent, departure)], [event]

    def learn(self, packet: Packet, arrival: Link, outcome: Outcome) -> None:
        """Look at what the long way did; with a full table only after the next tidy()."""
        outputs, events = outcome
        # More than one event: it was not plain forwarding.
        if len(outputs) != 1 or len(events) != 1 or len(self._known) >= LIMIT:
            return
        (sent, departure), native = outputs[0], arrival is Link.NATIVE
        four, six = (packet.data, sent.data) if native else (sent.data, packet.data)
        if four[0] != 0x45 or four[9] != TCP or six[6] != TCP or segment.flags4(four) & SYN:
            return
        source, destination, sport, dport = _ENDS.unpack(segment.key4(four))
        ends = source << 16 | sport, destination << 16 | dport
        remote, outside = ends if native else ends[::-1]
        session = self._napt.find(TCP, outside, remote)
        if session is not None:
            key = segment.key4(four) if native else segment.key6(six)
            way = segment.Way.seen(packet.data, sent.data)
            self._known[key] = _Known(session, remote, way, departure, events[0])

    def tidy(self) -> None:
        """Let go of a full table: what still talks is learnt again at once."""
        if len(self._known) >= LIMIT:
            self._known.clear()
