# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Longest match of an address (an integer) in prefixes: one dictionary for each length that there is."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from typing import Generic, TypeVar

Value = TypeVar("Value")


class LongestMatch(Generic[Value]):
    """Values by prefix, all of one IP version. Of two with the same prefix the first counts."""

    def __init__(self, entries: Iterable[tuple[IPv4Network | IPv6Network, Value]]) -> None:
        lengths: dict[int, dict[int, Value]] = {}
        for prefix, value in entries:
            shift = prefix.max_prefixlen - prefix.prefixlen
            lengths.setdefault(shift, {}).setdefault(int(prefix.network_address) >> shift, value)
        self._lengths = sorted(lengths.items())  # bits to shift away: the longest prefix first

    def find(self, address: int) -> Value | None:
        """The value of the longest prefix that an address is in; None where it is in none."""
        for shift, prefixes in self._lengths:
            found = prefixes.get(address >> shift)
            if found is not None:
                return found
        return None
