# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short way of a NAT64 for segments of TCP connections that it knows."""

from __future__ import annotations

from collections.abc import Callable

from ..packet import segment
from ..packet.buffer import Packet
from ..packet.ipv4 import TCP
from ..packet.napt import Napt, Session
from ..packet.tcp import SYN
from ..packet.translation import Translation
from .work import Link, Output

LIMIT = 1 << 14  # directions of connections, 0.6 KB each

Outcome = tuple[list[Output], list[str]]


class Connections:
    """What the long way decided for one segment of a connection is done with the next ones in one step.

    It is learnt from what went in and came out, for as long as the session is the same one under the same
    rules. Packets with anything special, and all others, take the long way.
    """

    def __init__(
        self, napt: Napt, carriage: Translation, new_ident: Callable[[], int], *, hops: int
    ) -> None:
        """For one set of rules: another one needs a new object."""
        self._napt, self._new_ident, self._hops = napt, new_ident, hops
        self._mtu, self._mtu_without_df = carriage.ipv6_mtu, carriage.cut_to
        self._ways: dict[bytes, tuple[Session, int, segment.Way]] = {}

    def __len__(self) -> int:
        return len(self._ways)

    def process(self, packet: Packet, arrival: Link, now: float) -> Outcome | None:
        """What Node.process() gives; None, with nothing changed, for what has to take the long way."""
        data, native = packet.data, arrival is Link.NATIVE
        known = self._ways.get(segment.key4(data) if native else segment.key6(data))
        if known is None:
            return None
        session, remote, way = known
        if session.remote != remote or session.expires <= now:
            return None
        if native:
            sent = segment.to6(packet, way, self._mtu, self._mtu_without_df, self._hops)
            if sent is None:
                return None
            self._napt.hear(session, segment.flags4(data), now, outbound=False)
            return [(sent, Link.SOFTWIRE)], ["encapsulated"]
        sent = segment.to4(packet, way, self._new_ident(), self._hops)
        if sent is None:
            return None
        self._napt.hear(session, segment.flags6(data), now, outbound=True)
        return [(sent, Link.NATIVE)], ["decapsulated"]

    def learn(self, packet: Packet, arrival: Link, outcome: Outcome) -> None:
        """Look at what the long way did. Where the table is full, it is let be until the next tidy()."""
        outputs, events = outcome
        # More than one event: something special happened.
        if len(outputs) != 1 or len(events) != 1 or len(self._ways) >= LIMIT:
            return
        before, after = packet.data, outputs[0][0].data
        native = arrival is Link.NATIVE
        four, six = (before, after) if native else (after, before)
        if four[0] != 0x45 or four[9] != TCP or six[6] != TCP or segment.flags4(four) & SYN:
            return
        ends = segment.key4(four)
        inside, outside = (ends[4:8] + ends[10:], ends[:4] + ends[8:10])
        if not native:
            inside, outside = outside, inside
        remote = int.from_bytes(outside, "big")
        session = self._napt.find(TCP, int.from_bytes(inside, "big"), remote)
        if session is not None:
            key = ends if native else segment.key6(six)
            self._ways[key] = session, remote, segment.Way.seen(before, after)

    def tidy(self) -> None:
        """Forget all where the table is full: most of it is of connections that are gone."""
        if len(self._ways) >= LIMIT:
            self._ways.clear()
