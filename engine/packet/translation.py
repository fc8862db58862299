# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Carriage by translation: the IPv4 header becomes an IPv6 header and back (RFC 7915)."""

from __future__ import annotations

from random import Random
from typing import Protocol

from . import ipv6
from .buffer import Offload, Packet
from .ipv4 import Datagram
from .translation_icmp import GROWTH, icmp6_error

__all__ = ["Ends", "Translation", "icmp6_error"]

COMPUTE, FORWARD, DROP = "compute", "forward", "drop"  # what becomes of a UDP checksum of 0


class Ends(Protocol):
    """The addresses of both sides, as the node knows them."""

    icmp_source: int  # IPv4 source of errors from routers that have no IPv4 address (RFC 6791)

    def to6(self, ipv4: int, port: int | None) -> int:
        """Where an IPv4 address (of a shared one: a port of it) is; raises Drop where nowhere."""

    def to4(self, ipv6: int) -> int:
        """The IPv4 address that an IPv6 address stands for; raises Drop where none."""


class Translation:
    """One header for the other; stateless. A node makes a new one to change the settings."""

    overhead = GROWTH

    def __init__(
        self,
        ipv6_mtu: int,
        *,
        ends: Ends,
        rng: Random,
        lowest_ipv6_mtu: int = 1280,
        udp_zero_checksum: str = COMPUTE,
    ) -> None:
        self.ipv6_mtu, self.ipv4_mtu = ipv6_mtu, ipv6_mtu - GROWTH
        self._ends, self._rng = ends, rng
        self._cut_to = min(lowest_ipv6_mtu, ipv6_mtu)
        self._udp_zero = udp_zero_checksum

    def carries(self, next_header: int) -> bool:
        """Everything: what is for the node itself has an address of its own."""
        return True

    def fit(self, d: Datagram) -> None:
        """Raise Drop with the ICMP error for a packet that may not be cut and is too big."""
        raise NotImplementedError

    def wrap(self, d: Datagram, source: int, destination: int) -> list[Packet]:
        """IPv6 packets, none larger than the MTU."""
        raise NotImplementedError

    def unwrap(self, outer: ipv6.Outer, offload: Offload | None) -> Datagram:
        """The IPv4 packet that an IPv6 packet stands for; hop limit as it came."""
        raise NotImplementedError
