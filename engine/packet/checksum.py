# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The Internet checksum (RFC 1071) and its incremental update (RFC 1624).

65536 is 1 modulo 65535, so the one's complement sum of 16-bit words is the whole big integer modulo 65535.
That is why a whole buffer, a 32-bit address or a port can each be fed in as one plain integer.
"""

from __future__ import annotations

ONES = 0xFFFF


def checksum(data: bytes | bytearray | memoryview, initial: int = 0) -> int:
    """Checksum field for `data` plus the integer `initial` (a pseudo-header sum)."""
    total = int.from_bytes(data, "big")
    if len(data) & 1:
        total <<= 8
    total += initial
    return ONES - (total % ONES or (ONES if total else 0))


def valid(data: bytes | bytearray | memoryview, initial: int = 0) -> bool:
    """Whether the data, its checksum field included, sums to all ones."""
    return checksum(data, initial) == 0


def adjust(field: int, delta: int) -> int:
    """New checksum field after the covered words changed by `delta` = new - old (RFC 1624 eqn. 3)."""
    return ONES - ((ONES - field + delta) % ONES or ONES)


def pseudo4(source: int, destination: int, protocol: int, length: int) -> int:
    """Sum of the IPv4 pseudo-header, not complemented: also what a partial checksum field holds."""
    return (source + destination + protocol + length) % ONES


def pseudo6(source: int, destination: int, next_header: int, length: int) -> int:
    """Sum of the IPv6 pseudo-header (RFC 8200 s8.1)."""
    return (source + destination + next_header + length) % ONES
