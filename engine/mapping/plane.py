# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SA46T addresses: prefix | plane ID | IPv4 (draft-matsuhira-m46a), and the PR and PT tables."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from .longest import LongestMatch

_IPV4 = 0xFFFFFFFF  # the bits of an IPv6 address that are the IPv4 address
_ALL = IPv4Network("0.0.0.0/0")


class PlaneError(ValueError):
    """Prefix and plane ID do not fit together."""


@dataclass(frozen=True, slots=True)
class Plane:
    """One plane: an IPv4 address space of its own. Raises PlaneError where its ID does not fit.

    The prefix has 96 - m bits, the plane ID m bits.
    """

    prefix: IPv6Network
    plane_id: int

    def __post_init__(self) -> None:
        if self.prefix.prefixlen > 96:
            raise PlaneError(f"{self.prefix} is longer than /96: no room for an IPv4 address")
        bits = 96 - self.prefix.prefixlen
        if not 0 <= self.plane_id < 1 << bits:
            raise PlaneError(f"plane ID {self.plane_id} does not fit in the {bits} bits after {self.prefix}")

    @property
    def base(self) -> int:
        """The 96 bits before an IPv4 address, as an IPv6 address."""
        return int(self.prefix.network_address) | self.plane_id << 32

    def address(self, ipv4: int) -> int:
        """The IPv6 address that stands for an IPv4 address (m46a section 3)."""
        return self.base | ipv4

    def route(self, ipv4: IPv4Network) -> IPv6Network:
        """The IPv6 route that stands for an IPv4 route (m46e-fp section 4.2)."""
        return IPv6Network((self.address(int(ipv4.network_address)), 96 + ipv4.prefixlen))


@dataclass(frozen=True, slots=True)
class PlaneRoute:
    """One entry of the PR or PT table: IPv4 destinations of a plane are behind an IPv6 prefix."""

    ipv4: IPv4Network
    prefix: IPv6Network


def base_of(address: int) -> int:
    """Prefix and plane ID of a plane address, the IPv4 address taken out."""
    return address & ~_IPV4


def ipv4_of(address: int) -> int:
    """The IPv4 address that a plane address stands for."""
    return address & _IPV4


class PlaneTable:
    """Where the IPv4 addresses of a plane are: longest match, or the default where there is one.

    FP is the default alone, PR the entries alone (m46e-pr section 3.3). Raises PlaneError where the
    plane ID does not fit behind a prefix.
    """

    def __init__(self, plane_id: int, routes: Iterable[PlaneRoute], default: Plane | None = None) -> None:
        entries = [(route.ipv4, Plane(route.prefix, plane_id).base) for route in routes]
        if default is not None:
            entries.append((_ALL, default.base))
        self._table = LongestMatch(entries)
        self._bases = {base for _, base in entries}

    def address(self, ipv4: int) -> int | None:
        """The IPv6 address that stands for an IPv4 address; None where no entry covers it."""
        base = self._table.find(ipv4)
        return None if base is None else base | ipv4

    def __contains__(self, address: int) -> bool:
        """Whether an IPv6 address is behind one of the prefixes, in this plane."""
        return base_of(address) in self._bases
