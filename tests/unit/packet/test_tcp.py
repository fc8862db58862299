# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The machine of RFC 6146 section 3.5.2.2 (RFC7857-s2), transition by transition."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.packet import napt, tcp
from ansible_collections.ipv4aas.fleet.engine.packet.ipv4 import Datagram
from ansible_collections.ipv4aas.fleet.engine.packet.tcp import (
    ACK,
    BOTH_FIN,
    ESTABLISHED,
    FIN,
    INSIDE_FIN,
    INSIDE_INIT,
    OUTSIDE_FIN,
    OUTSIDE_INIT,
    RST,
    SYN,
    TRANSITORY,
)
from hypothesis import given
from hypothesis import strategies as st
from unit.packet import packetkit as kit

VECTORS = Path(__file__).parents[2] / "vectors" / "nat_requirements.json"
SECONDS = json.loads(VECTORS.read_text())["constants_seconds"]
IN, OUT = False, True  # where a segment comes from: outside, inside
EST, TRANS, SAME = 7440.0, 240.0, None
STATES = (INSIDE_INIT, OUTSIDE_INIT, ESTABLISHED, INSIDE_FIN, OUTSIDE_FIN, BOTH_FIN, TRANSITORY)


def test_times_are_those_of_the_standards() -> None:
    """RFC5382-REQ-5, RFC4787-REQ-5, RFC5508-REQ-2, RFC5382-REQ-4: none below its minimum."""
    assert SECONDS["TCP_EST_effective_min"] == tcp.ESTABLISHED_TIME
    assert SECONDS["TCP_TRANS"] == tcp.TRANSITORY_TIME
    assert SECONDS["TCP_INCOMING_SYN"] == tcp.INCOMING_SYN_TIME
    assert napt.UDP_TIME == SECONDS["UDP_DEFAULT"] >= SECONDS["UDP_MIN"]
    assert SECONDS["ICMP_DEFAULT"] == napt.ICMP_TIME


@pytest.mark.parametrize(
    ("state", "flags", "outbound", "after", "life"),
    [
        # V6 INIT and V4 INIT: a SYN from the other side establishes, one's own begins again.
        (INSIDE_INIT, SYN | ACK, IN, ESTABLISHED, EST),
        (INSIDE_INIT, SYN, IN, ESTABLISHED, EST),  # RFC5382-REQ-2: simultaneous open
        (INSIDE_INIT, SYN, OUT, INSIDE_INIT, TRANS),
        (INSIDE_INIT, ACK, OUT, INSIDE_INIT, SAME),
        (INSIDE_INIT, RST, IN, INSIDE_INIT, SAME),
        (OUTSIDE_INIT, SYN | ACK, OUT, ESTABLISHED, EST),
        (OUTSIDE_INIT, SYN, IN, OUTSIDE_INIT, TRANS),
        (OUTSIDE_INIT, ACK, IN, OUTSIDE_INIT, SAME),
        # ESTABLISHED
        (ESTABLISHED, ACK, OUT, ESTABLISHED, EST),
        (ESTABLISHED, ACK, IN, ESTABLISHED, EST),
        (ESTABLISHED, FIN | ACK, OUT, INSIDE_FIN, EST),
        (ESTABLISHED, FIN | ACK, IN, OUTSIDE_FIN, EST),
        (ESTABLISHED, RST, IN, TRANSITORY, TRANS),
        (ESTABLISHED, RST | ACK, OUT, TRANSITORY, TRANS),
        # One side has ended: the other may go on sending.
        (INSIDE_FIN, ACK, IN, INSIDE_FIN, EST),
        (INSIDE_FIN, FIN | ACK, OUT, INSIDE_FIN, EST),
        (INSIDE_FIN, FIN | ACK, IN, BOTH_FIN, TRANS),
        (OUTSIDE_FIN, ACK, OUT, OUTSIDE_FIN, EST),
        (OUTSIDE_FIN, FIN | ACK, OUT, BOTH_FIN, TRANS),
        (OUTSIDE_FIN, FIN | ACK, IN, OUTSIDE_FIN, EST),
        # V4 FIN + V6 FIN RCV: nothing makes it longer.
        (BOTH_FIN, ACK, OUT, BOTH_FIN, SAME),
        (BOTH_FIN, FIN | ACK, IN, BOTH_FIN, SAME),
        (BOTH_FIN, RST, IN, BOTH_FIN, SAME),
        (BOTH_FIN, SYN, OUT, INSIDE_INIT, TRANS),  # the connection begins again
        # TRANS
        (TRANSITORY, ACK, OUT, ESTABLISHED, EST),
        (TRANSITORY, ACK, IN, ESTABLISHED, EST),
        (TRANSITORY, RST, OUT, TRANSITORY, SAME),
        (TRANSITORY, RST, IN, TRANSITORY, SAME),
    ],
)
def test_transitions(state: str, flags: int, outbound: bool, after: str, life: float | None) -> None:
    assert tcp.advance(state, flags, outbound) == (after, life)


def test_what_opens() -> None:
    assert tcp.first(True) == (INSIDE_INIT, TRANS)
    assert tcp.first(False) == (OUTSIDE_INIT, TRANS)
    assert [flags for flags in range(32) if tcp.opens(flags)] == [SYN, SYN | FIN, SYN | 8, SYN | FIN | 8]


@given(st.lists(st.tuples(st.integers(0, 255), st.booleans()), max_size=40))
def test_no_sequence_leaves_the_machine(segments: list[tuple[int, bool]]) -> None:
    """A session that both sides have not opened never lives longer than four minutes."""
    state, both = INSIDE_INIT, False
    for flags, outbound in segments:
        both = both or bool(flags & SYN and not outbound)
        state, life = tcp.advance(state, flags, outbound)
        assert state in STATES
        assert life in (None, TRANS, EST)
        assert both or (state == INSIDE_INIT and life != EST)


def test_a_repeated_syn_does_not_wait_longer() -> None:
    """RFC 6146 section 3.5.2.2: 6 s from the first one."""
    waiting = tcp.Unsolicited(8)
    first, again = (Datagram(kit.tcp(kit.SERVER, 80, kit.OWN4, 1232, ttl=ttl)) for ttl in (64, 63))
    waiting.remember(first, 1, 2, 0.0)
    waiting.remember(again, 1, 2, 3.0)
    assert waiting.due(5.9) == []
    assert waiting.due(6.0) == [bytes(first.buf)]
    assert waiting.due(100.0) == []
