# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How a packet ends early: a reason, and sometimes an ICMP error that its source deserves."""

from __future__ import annotations

from typing import NamedTuple


class IcmpError(NamedTuple):
    """ICMPv4 type and code; `value` is the last 32-bit word (the next-hop MTU for 3/4)."""

    type: int
    code: int
    value: int = 0


class Icmp6Error(NamedTuple):
    """ICMPv6 type and code; `value` is the 32-bit word after them (MTU, pointer)."""

    type: int
    code: int
    value: int = 0


class Drop(Exception):
    """The packet goes no further. `reason` is a name of node/reasons.py.

    An IPv4 source is told `error`; an IPv6 source of a translating node `error6`, or what RFC 7915 makes
    of `error`.
    """

    def __init__(self, reason: str, error: IcmpError | None = None, error6: Icmp6Error | None = None) -> None:
        super().__init__(reason)
        self.reason = reason
        self.error = error
        self.error6 = error6
