# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SA46T addresses: prefix | plane ID | IPv4 (draft-matsuhira-m46a), and the PR and PT tables."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network


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

    def route(self, ipv4: IPv4Network) -> IPv6Network:
        """The IPv6 route that stands for an IPv4 route (m46e-fp section 4.2)."""
        base = int(self.prefix.network_address) | self.plane_id << 32 | int(ipv4.network_address)
        return IPv6Network((base, 96 + ipv4.prefixlen))


@dataclass(frozen=True, slots=True)
class PlaneRoute:
    """One entry of the PR or PT table: IPv4 destinations of a plane are behind an IPv6 prefix."""

    ipv4: IPv4Network
    prefix: IPv6Network
