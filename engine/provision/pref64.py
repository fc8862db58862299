# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""PREF64 in router advertisements (RFC 8781 section 4): option 38 as octets.

Type 38, length 2 (units of 8 octets), lifetime in units of 8 seconds (13 bits), prefix length code (3),
the first 96 bits of the prefix.
"""

from __future__ import annotations

from ipaddress import IPv6Network

from ..mapping.rfc6052 import prefix_problem

OPTION = 38
LENGTHS = (96, 64, 56, 48, 40, 32)  # by prefix length code
MAX_LIFETIME = 65528  # 13 bits times 8 seconds
_SIZE = 16
_UNIT = 8


class Pref64Error(ValueError):
    """The octets are no PREF64 option, or the prefix is none."""


def encode(prefix: IPv6Network, lifetime: int) -> bytes:
    """The option. ``lifetime`` in seconds, 0 withdraws; rounded up to 8 s and capped (section 4.1)."""
    problem = prefix_problem(prefix)
    if problem:
        raise Pref64Error(f"{prefix}: {problem}")
    if lifetime < 0:
        raise Pref64Error(f"lifetime {lifetime} is negative")
    scaled = -(-min(lifetime, MAX_LIFETIME) // _UNIT)
    head = bytes((OPTION, _SIZE // 8)) + (scaled << 3 | LENGTHS.index(prefix.prefixlen)).to_bytes(2, "big")
    return head + prefix.network_address.packed[:12]


def decode(data: bytes) -> tuple[IPv6Network, int]:
    """Prefix and lifetime in seconds. Raises Pref64Error for what a host has to ignore."""
    if len(data) != _SIZE or data[0] != OPTION or data[1] != _SIZE // 8:
        raise Pref64Error(f"{data.hex()} is not option {OPTION} of {_SIZE} octets")
    field = int.from_bytes(data[2:4], "big")
    code = field & 7
    if code >= len(LENGTHS):
        raise Pref64Error(f"prefix length code {code} is outside 0..{len(LENGTHS) - 1}")
    address = int.from_bytes(data[4:].ljust(16, b"\0"), "big")
    prefix = IPv6Network((address, LENGTHS[code]), strict=False)
    problem = prefix_problem(prefix)
    if problem:
        raise Pref64Error(f"{prefix}: {problem}")
    return prefix, (field >> 3) * _UNIT


def lifetime_for(interval: int) -> int:
    """Seconds to announce where advertisements are at most ``interval`` seconds apart (section 4.1)."""
    return min(-(-3 * interval // _UNIT) * _UNIT, MAX_LIFETIME)
