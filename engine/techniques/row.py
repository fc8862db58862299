# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What makes a technique: mapping x carriage x place of the address translation."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Literal

Mapping = Literal["rule", "binding", "session", "plane", "plane-table", "plane-rewrite"]
Carriage = Literal["encapsulation", "translation"]
Place = Literal["edge", "gateway", "nowhere"]

IPV4_HEADER = 20
IPV6_HEADER = 40
TCP_HEADER = 20

# Octets that a packet grows by on its way from IPv4 into the domain (RFC 2473, RFC 7915).
OVERHEAD: dict[str, int] = {"encapsulation": IPV6_HEADER, "translation": IPV6_HEADER - IPV4_HEADER}


@dataclass(frozen=True, slots=True)
class Technique:
    """One row of the table in docs/architecture.md."""

    name: str
    title: str
    source: str
    mapping: Mapping
    carriage: Carriage
    napt: Place
    gateway: str  # what the RFC calls the carrier-side box
    edge: str | None  # and the customer-side box; None where there is none

    @property
    def overhead(self) -> int:
        """Octets between the IPv4 packet and what the IPv6 network carries."""
        return OVERHEAD[self.carriage]

    def ipv4_mtu(self, ipv6_mtu: int) -> int:
        """Largest IPv4 packet that crosses the domain whole."""
        return ipv6_mtu - self.overhead

    def tcp_mss(self, ipv6_mtu: int) -> int:
        """MSS for IPv4 TCP without options counted (RFC 6691)."""
        return self.ipv4_mtu(ipv6_mtu) - IPV4_HEADER - TCP_HEADER
