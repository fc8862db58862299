# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What sources a customer may be seen with on the internet: that follows from the technique's mapping."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any, Protocol

from ...mapping.pool import Pool
from ...mapping.rule import Customer
from .model import Assignment

Source = tuple[str, int]  # address and port, or ICMP identifier

SHARE = 0.9  # of what a customer has: ports of its other sessions may be in use
MANY = 400  # connections at once where nothing limits them


class Ownership(Protocol):
    """The sources of one customer."""

    def fault(self, seen: Source, local: int) -> str:
        """What is wrong with the source of a packet that left a host by a local port; empty: nothing."""

    @property
    def connections(self) -> int:
        """How many to one destination it must be able to have at once."""

    def shortfalls(self, seen: Collection[Source]) -> list[str]:
        """What is wrong with the sources of so many connections taken together."""

    def describe(self) -> dict[str, Any]:
        """For people."""


@dataclass(frozen=True, slots=True)
class PortSetOwnership:
    """Rule or binding: an address, or a prefix, and a port set."""

    customer: Customer

    def fault(self, seen: Source, local: int) -> str:
        """Inside both."""
        if IPv4Address(seen[0]) in self.customer.ipv4 and seen[1] in self.customer.ports:
            return ""
        return f"seen as {seen[0]}:{seen[1]}, which is not the customer's"

    @property
    def connections(self) -> int:
        """Nearly the whole port set."""
        return int(len(self.customer.ports) * SHARE) if self.customer.ports.shared else MANY

    def shortfalls(self, seen: Collection[Source]) -> list[str]:
        """Ranges of the set that were not used."""
        unused = self._unused(seen)
        if not unused:
            return []
        total = len(self.customer.ports.ranges())
        return [f"{len(unused)} of {total} port ranges never used, first at {unused[0]} (lint rule MAP018)"]

    def _unused(self, seen: Collection[Source]) -> list[int]:
        used = {port for _, port in seen}
        return [
            first
            for first, last in self.customer.ports.ranges()
            if self.customer.ports.shared and not any(first <= port <= last for port in used)
        ]

    def describe(self) -> dict[str, Any]:
        """Address, number of ports, ranges."""
        ports = self.customer.ports
        return {
            "ipv4": str(self.customer.ipv4),
            "ports": len(ports),
            "ranges": len(ports.ranges()),
            "psid": ports.psid,
        }


@dataclass(frozen=True, slots=True)
class PoolOwnership:
    """Sessions of a gateway: one address of its pool for all of a subscriber, ports within the quota."""

    pool: Pool

    def fault(self, seen: Source, local: int) -> str:
        """An address and a port that may be given."""
        if not any(IPv4Address(seen[0]) in network for network in self.pool.ipv4):
            return f"seen as {seen[0]}:{seen[1]}, which is not of the pool {self._pool_text}"
        if seen[1] < self.pool.first_port:
            return f"seen as {seen[0]}:{seen[1]}; the pool gives ports from {self.pool.first_port} on"
        return ""

    @property
    def connections(self) -> int:
        """Nearly the quota."""
        quota = self.pool.ports_per_subscriber
        return min(MANY, int(quota * SHARE)) if quota else MANY

    def shortfalls(self, seen: Collection[Source]) -> list[str]:
        """Paired pooling (RFC 4787 REQ-2, RFC 6888 REQ-1)."""
        addresses = sorted({address for address, _ in seen})
        if len(addresses) <= 1:
            return []
        return [f"one subscriber is seen as {', '.join(addresses)} (RFC 4787 REQ-2: pairing)"]

    @property
    def _pool_text(self) -> str:
        return ", ".join(map(str, self.pool.ipv4))

    def describe(self) -> dict[str, Any]:
        """Pool and quota."""
        return {"ipv4": self._pool_text, "quota": self.pool.ports_per_subscriber}


@dataclass(frozen=True, slots=True)
class OwnAddress:
    """Nothing translates: a host is seen as what it is."""

    address: str

    def fault(self, seen: Source, local: int) -> str:
        """The very same."""
        if seen == (self.address, local):
            return ""
        return f"seen as {seen[0]}:{seen[1]} in place of {self.address}:{local}"

    @property
    def connections(self) -> int:
        """Nothing limits them."""
        return MANY

    def shortfalls(self, seen: Collection[Source]) -> list[str]:
        """None: each source is right or not."""
        return []

    def describe(self) -> dict[str, Any]:
        """The address."""
        return {"ipv4": self.address}


def ownership(task: Assignment, own: str) -> Ownership:
    """Of the customer whose host has the address ``own``. Raises ValueError without a gateway's pool."""
    if task.row.mapping in ("rule", "binding"):
        return PortSetOwnership(task.service.customer)
    if task.row.mapping == "session":
        if task.gateway is None or task.gateway.pool is None:
            raise ValueError(f"service {task.service.name}: no gateway with a pool is planned")
        return PoolOwnership(task.gateway.pool)
    return OwnAddress(own)
