# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short way through a NAT64: one step for packets of TCP and UDP flows that it knows."""

from __future__ import annotations

import struct
from collections.abc import Callable
from typing import NamedTuple

from ..packet import flow
from ..packet.buffer import Packet
from ..packet.ipv4 import TCP
from ..packet.napt import Napt, Session, Translator
from ..packet.translation import Translation
from .work import Link, Outcome

LIMIT = 1 << 14  # directions of flows: 0.5 KB each

_ENDS = struct.Struct("!xIIHH")


class _Known(NamedTuple):
    """One direction of a flow: what became of its last packet on the long way."""

    session: Session
    remote: int  # of the session, as long as it is the same one
    way: flow.Way
    departure: Link
    event: str


class Flows:
    """Does with a packet what the long way did with one of the same flow before.

    It learns from what went in and came out, and holds under one set of rules only. Whatever is special
    about a packet makes it take the long way: this one never drops and never answers.
    """

    def __init__(
        self, napt: Translator, carriage: Translation, new_ident: Callable[[], int], *, hops: int
    ) -> None:
        """`hops` come off the TTL. Nothing is known yet."""
        self._napt, self._new_ident, self._hops = napt, new_ident, hops
        self._mtus = carriage.ipv6_mtu, carriage.cut_to
        self._known: dict[bytes, _Known | None] = {}  # None: one packet was seen

    def __len__(self) -> int:
        return len(self._known)

    def process(self, packet: Packet, arrival: Link, now: float) -> Outcome | None:
        """As Node.process(); None, with nothing changed, for what has to take the long way."""
        data, native = packet.data, arrival is Link.NATIVE
        known = self._known.get(flow.key4(data) if native else flow.key6(data))
        if known is None:
            return None
        session, remote, way, departure, event = known
        if session.remote != remote or session.expires <= now:
            return None
        if native:
            sent = flow.to6(packet, way, *self._mtus, self._hops)
        else:
            sent = flow.to4(packet, way, self._new_ident(), self._hops)
        if sent is None:
            return None
        flags = data[(flow.HEADER4 if native else flow.HEADER6) + flow.FLAGS] if way.protocol == TCP else 0
        Napt.refresh(session, way.protocol, flags, now, outbound=not native)
        return [(sent, departure)], [event]

    def learn(self, packet: Packet, arrival: Link, outcome: Outcome) -> None:
        """Look at what the long way did; a flow is worth it from its second packet on.

        A full table takes no more flows until the next tidy().
        """
        outputs, events = outcome
        # More than one event: it was not plain forwarding.
        if len(outputs) != 1 or len(events) != 1:
            return
        (sent, departure), native = outputs[0], arrival is Link.NATIVE
        four, six = (packet.data, sent.data) if native else (sent.data, packet.data)
        protocol = four[9]
        if protocol not in flow.PROTOCOLS or four[0] != 0x45 or six[6] != protocol:
            return
        key = flow.key4(four) if native else flow.key6(six)
        if key not in self._known:
            if len(self._known) < LIMIT:
                self._known[key] = None
            return
        source, destination, sport, dport = _ENDS.unpack(flow.key4(four))
        ends = source << 16 | sport, destination << 16 | dport
        remote, outside = ends if native else ends[::-1]
        session = self._napt.find(protocol, outside, remote)
        if session is not None:
            way = flow.Way.seen(protocol, packet.data, sent.data)
            self._known[key] = _Known(session, remote, way, departure, events[0])

    def tidy(self) -> None:
        """Let go of a full table: what still talks is learnt again at once."""
        if len(self._known) >= LIMIT:
            self._known.clear()
