# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TCP session machine of RFC 6146 s3.5.2, asked of every NAT by RFC 7857 s2. Inside is its IPv6 side."""

from __future__ import annotations

from collections import OrderedDict

from .ipv4 import OFFSET, TCP, Datagram

FIN, SYN, RST, ACK = 1, 2, 4, 16

# Seconds: tests/vectors/nat_requirements.json.
ESTABLISHED_TIME = 7440.0  # RFC 5382 REQ-5: not below 2 h 4 min
TRANSITORY_TIME = 240.0  # RFC 5382 REQ-5: not below 4 min
INCOMING_SYN_TIME = 6.0  # RFC 6146 s4, RFC 5382 REQ-4

INSIDE_INIT = "inside-init"
OUTSIDE_INIT = "outside-init"
ESTABLISHED = "established"
INSIDE_FIN = "inside-fin"
OUTSIDE_FIN = "outside-fin"
BOTH_FIN = "both-fin"
TRANSITORY = "transitory"


def opens(flags: int) -> bool:
    """Whether a segment may open a session: only a SYN does (RFC 6146 s3.5.2.2, CLOSED)."""
    return flags & (SYN | RST | ACK) == SYN


def first(outbound: bool) -> tuple[str, float]:
    """State and life of a session that a SYN opens."""
    return (INSIDE_INIT if outbound else OUTSIDE_INIT), TRANSITORY_TIME


def advance(state: str, flags: int, outbound: bool) -> tuple[str, float | None]:
    """Next state and new life; None leaves the timer alone."""
    if state in (INSIDE_INIT, OUTSIDE_INIT):
        if not flags & SYN:
            return state, None
        # A SYN from the other side too: normal or simultaneous open (RFC 5382 REQ-2).
        if outbound == (state == OUTSIDE_INIT):
            return ESTABLISHED, ESTABLISHED_TIME
        return state, TRANSITORY_TIME
    if state == TRANSITORY:
        return (state, None) if flags & RST else (ESTABLISHED, ESTABLISHED_TIME)
    if state == BOTH_FIN:
        # RFC 6146 changes nothing here, and would cut off a connection that begins again on the same
        # ports (RFC 9293 s3.6.1); RFC 5382 REQ-2 asks for all valid sequences.
        return first(outbound) if opens(flags) else (state, None)
    if flags & RST:
        # Translated, and kept a while: a forged reset must not end the session (RFC 7857 s2.2).
        return TRANSITORY, TRANSITORY_TIME
    if flags & FIN:
        own = INSIDE_FIN if outbound else OUTSIDE_FIN
        if state == ESTABLISHED:
            return own, ESTABLISHED_TIME
        if state != own:
            return BOTH_FIN, TRANSITORY_TIME
    return state, ESTABLISHED_TIME


class Unsolicited:
    """SYNs from outside that nothing waited for, at most `limit`: more are forgotten (RFC 5382 REQ-4a).

    For 6 s a SYN from inside for the same connection may follow: a simultaneous open, and no answer then.
    """

    _QUOTED = 60 + 60  # octets of headers, options included: what an ICMP error needs of it

    def __init__(self, limit: int) -> None:
        self._limit = limit
        self._waiting: OrderedDict[tuple[int, int], tuple[float, bytes]] = OrderedDict()

    def __len__(self) -> int:
        return len(self._waiting)

    def remember(self, d: Datagram, outer: int, remote: int, now: float) -> None:
        """If it is a SYN; a repeated one does not wait longer."""
        if d.protocol != TCP or d.fragment & OFFSET or not opens(d.buf[d.header + 13]):
            return
        if len(self._waiting) < self._limit:
            self._waiting.setdefault((outer, remote), (now + INCOMING_SYN_TIME, bytes(d.buf[: self._QUOTED])))

    def forget(self, outer: int, remote: int) -> None:
        """A SYN from inside has come."""
        self._waiting.pop((outer, remote), None)

    def due(self, now: float) -> list[bytes]:
        """Those that have waited long enough; they are forgotten."""
        found = []
        while self._waiting:
            key, (time, packet) = next(iter(self._waiting.items()))
            if time > now:
                break
            del self._waiting[key]
            found.append(packet)
        return found
