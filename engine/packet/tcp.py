# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The TCP session machine of RFC 6146 s3.5.2, asked of every NAT by RFC 7857 s2. Inside is its IPv6 side."""

from __future__ import annotations

FIN, SYN, RST, ACK = 1, 2, 4, 16

# Seconds: tests/vectors/nat_requirements.json.
ESTABLISHED_TIME = 7440.0  # RFC 5382 REQ-5: not below 2 h 4 min
TRANSITORY_TIME = 240.0  # RFC 5382 REQ-5: not below 4 min

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
