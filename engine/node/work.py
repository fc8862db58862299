# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One packet's way through a node, and the bounds on what a node remembers and says."""

from __future__ import annotations

from dataclasses import dataclass
from enum import Enum

from ..packet.buffer import Packet


class Link(Enum):
    """The two sides of a node."""

    NATIVE = "native"  # IPv4
    SOFTWIRE = "softwire"  # the IPv6 domain


Output = tuple[Packet, Link]
Outcome = tuple[list[Output], list[str]]  # what leaves, and the names (reasons.py) of what happened


@dataclass(frozen=True, slots=True, kw_only=True)
class Limits:
    """Bounds on everything a node remembers, and on what it says unasked."""

    sessions: int = 262144  # 0.3 to 0.65 KB each, 1.7 KB with a port block each (test_memory.py)
    unsolicited_syns: int = 1024  # that wait 6 s for an answer: 0.5 KB each (RFC 5382 REQ-4)
    fragment_packets: int = 1024  # packets in pieces, in each of the two fragment tables
    fragment_octets: int = 4 << 20  # what Python needs for the pieces is counted too
    fragment_seconds: float = 15.0  # RFC 6146 s4: not below 2
    reassembly_seconds: float = 60.0  # RFC 8200 s4.5
    icmp_per_second: float = 100.0  # RFC 1812 s4.3.2.8
    icmp_burst: int = 50


class TokenBucket:
    """Rate limit on the clock of the packets."""

    def __init__(self, rate: float, burst: int) -> None:
        self._rate, self._burst = rate, float(burst)
        self._tokens, self._at = float(burst), 0.0

    def take(self, now: float) -> bool:
        """Whether one more is allowed now."""
        self._tokens = min(self._burst, self._tokens + max(0.0, now - self._at) * self._rate)
        self._at = now
        if self._tokens < 1:
            return False
        self._tokens -= 1
        return True


@dataclass(slots=True)
class Work:
    """One packet's way through a node: the clock, what happened, and whom an error would go to."""

    now: float
    events: list[str]
    outputs: list[Output]
    about: bytes | memoryview = b""  # the IPv4 packet as it arrived
    outer: bytes = b""  # the IPv6 packet as it arrived
    peer: int = 0  # IPv6 source that it came from, 0 for the native side
    near: int = 0  # IPv6 destination that it came to
