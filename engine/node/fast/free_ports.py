# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Free ports of one outside address as elements of the map `free_ports` (c/ports.h)."""

from __future__ import annotations

import sys
from collections.abc import Iterator, Sequence

from ...mapping.pool import PORTS
from ...packet.ipv4 import ICMP, TCP, UDP
from .layout import Layouts

KINDS = {TCP: 0, UDP: 1, ICMP: 2}  # of ports: TCP_PORTS and so on in c/sessions.h
BLOCKS, ALL_KINDS = 3, 4
SYSTEM_PORTS = 1024

_WORD = 64
_WORDS, _PER_SUMMARY = PORTS // _WORD, 64
_EVEN = (1 << _WORD) // 3


def packed_ports(layouts: Layouts, bits: int) -> bytes:
    """What may be given, as ones: words and summaries, as in struct ports."""
    words = [bits >> n * _WORD & (1 << _WORD) - 1 for n in range(_WORDS)]
    return layouts.struct("ports").pack(
        word=words,
        summary=[*_summary(words, _EVEN), *_summary(words, _EVEN << 1)],
    )


def element(value: int) -> bytes:
    """A key of an array."""
    return value.to_bytes(4, sys.byteorder)


def _summary(words: Sequence[int], parity: int) -> Iterator[int]:
    for start in range(0, len(words), _PER_SUMMARY):
        yield sum(1 << n for n, word in enumerate(words[start : start + _PER_SUMMARY]) if word & parity)
