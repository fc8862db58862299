# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Explicit Address Mappings (RFC 7757), on integers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol, TypeVar

from .longest import LongestMatch

Network = TypeVar("Network", IPv4Network, IPv6Network)


class EamError(ValueError):
    """The two prefixes cannot be one mapping."""


@dataclass(frozen=True, slots=True)
class Eam:
    """One entry. Raises EamError where the IPv4 suffix is longer than the IPv6 suffix (section 3.2)."""

    ipv4: IPv4Network
    ipv6: IPv6Network

    def __post_init__(self) -> None:
        if 32 - self.ipv4.prefixlen > 128 - self.ipv6.prefixlen:
            raise EamError(
                f"{self.ipv4} has {32 - self.ipv4.prefixlen} suffix bits, {self.ipv6} only"
                f" {128 - self.ipv6.prefixlen}"
            )


class EamTable:
    """All mappings of a translator; in each direction the longest match counts (section 3.3)."""

    def __init__(self, entries: Iterable[Eam]) -> None:
        entries = tuple(entries)
        self._by_ipv4 = LongestMatch((entry.ipv4, _Ends(entry)) for entry in entries)
        self._by_ipv6 = LongestMatch((entry.ipv6, _Ends(entry)) for entry in entries)

    def to6(self, ipv4: int) -> int | None:
        """The IPv6 address of an IPv4 address: prefix, IPv4 suffix, zeros. None without an entry."""
        found = self._by_ipv4.find(ipv4)
        return None if found is None else found.ipv6 | (ipv4 - found.ipv4) << found.shift

    def to4(self, ipv6: int) -> int | None:
        """The IPv4 address of an IPv6 address; what is behind the IPv4 suffix does not count."""
        found = self._by_ipv6.find(ipv6)
        return None if found is None else found.ipv4 | (ipv6 - found.ipv6) >> found.shift


class _Ends:
    """Where both prefixes of an entry begin, and how far up the suffix moves."""

    __slots__ = ("ipv4", "ipv6", "shift")

    def __init__(self, entry: Eam) -> None:
        self.ipv4, self.ipv6 = int(entry.ipv4.network_address), int(entry.ipv6.network_address)
        self.shift = 96 + entry.ipv4.prefixlen - entry.ipv6.prefixlen


class Pair(Protocol):
    """Two prefixes, whether they can be a mapping or not."""

    @property
    def ipv4(self) -> IPv4Network:
        """The one side."""

    @property
    def ipv6(self) -> IPv6Network:
        """The other."""


def overlaps(entries: Sequence[Pair]) -> list[tuple[int, int]]:
    """Numbers (lower, higher) of entries that share addresses of either version (section 3.2)."""
    found = {
        *_nested([(entry.ipv4, number) for number, entry in enumerate(entries)]),
        *_nested([(entry.ipv6, number) for number, entry in enumerate(entries)]),
    }
    return sorted(found)


def _nested(networks: list[tuple[Network, int]]) -> Iterator[tuple[int, int]]:
    """Of networks that overlap, one contains the other: sorted, it comes before."""
    around: list[tuple[Network, int]] = []
    for network, number in sorted(networks):
        while around and not network.subnet_of(around[-1][0]):
            around.pop()
        yield from ((min(number, other), max(number, other)) for _network, other in around)
        around.append((network, number))
