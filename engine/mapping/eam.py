# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Explicit Address Mappings (RFC 7757), on integers."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network
from typing import Protocol, TypeVar

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


class _Longest:
    """The longest prefix that an address is in: one dictionary for each length that there is."""

    def __init__(self, entries: Iterable[tuple[int, int, int, int]], width: int) -> None:
        """Entries are (network, length, other network, bits that the suffix moves up)."""
        tables: dict[int, dict[int, tuple[int, int]]] = {}
        for network, length, other, shift in entries:
            # Of two with the same prefix the first counts.
            tables.setdefault(width - length, {}).setdefault(network >> width - length, (other, shift))
        self._tables = sorted(tables.items())

    def find(self, address: int) -> tuple[int, int, int] | None:
        """(other network, shift, suffix), or None."""
        for bits, table in self._tables:
            found = table.get(address >> bits)
            if found is not None:
                return *found, address & ((1 << bits) - 1)
        return None


class EamTable:
    """All mappings of a translator; in each direction the longest match counts (section 3.3)."""

    def __init__(self, entries: Iterable[Eam]) -> None:
        rows = [
            (
                (int(e.ipv4.network_address), e.ipv4.prefixlen),
                (int(e.ipv6.network_address), e.ipv6.prefixlen),
                96 + e.ipv4.prefixlen - e.ipv6.prefixlen,
            )
            for e in entries
        ]
        self._to6 = _Longest(((*four, six[0], shift) for four, six, shift in rows), 32)
        self._to4 = _Longest(((*six, four[0], shift) for four, six, shift in rows), 128)

    def to6(self, ipv4: int) -> int | None:
        """The IPv6 address of an IPv4 address: prefix, IPv4 suffix, zeros. None without an entry."""
        found = self._to6.find(ipv4)
        return None if found is None else found[0] | found[2] << found[1]

    def to4(self, ipv6: int) -> int | None:
        """The IPv4 address of an IPv6 address; what is behind the IPv4 suffix does not count."""
        found = self._to4.find(ipv6)
        return None if found is None else found[0] | found[2] >> found[1]


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
