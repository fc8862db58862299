# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an edge's own addresses and port set are in the constants and maps of a program, as pool_tables.py."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import IPv4Address, summarize_address_range
from typing import Any

from ...techniques.service import Service
from ..edge import napt_addresses
from .free_ports import ALL_KINDS, KINDS, SYSTEM_PORTS, element, packed_ports
from .layout import Layouts
from .libbpf import Map
from .pool_tables import networks4


class PortSetTables:
    """The NAPT of one customer, to be filled into new maps."""

    def __init__(self, service: Service, layouts: Layouts) -> None:
        """Raises MapRuleError where nothing is the customer's."""
        customer = service.customer
        self._layouts, self._addresses = layouts, napt_addresses(customer, service.inside)
        self._set = {port for first, last in customer.ports.ranges() for port in range(first, last + 1)}
        self._taken: dict[int, int] = {}  # index in free_ports -> bits

    def constants(self) -> dict[str, Any]:
        """Of a program that gives them out."""
        networks = []
        if self._addresses:
            ends = IPv4Address(self._addresses[0]), IPv4Address(self._addresses[-1])
            networks = networks4(summarize_address_range(*ends))
        return {
            "NAPT": {
                "supply": self._layouts.enum("supply")["PORT_SET"],
                "addresses": len(self._addresses),
                "low_ports": sum(port < SYSTEM_PORTS for port in self._set),
                "set_ports": len(self._set),
            },
            "POOL": networks,
            "POOL_NETWORKS": len(networks),
        }

    @property
    def ports(self) -> int:
        """What can be given, of all protocols together."""
        return len(self._addresses) * len(KINDS) * len(self._set)

    blocks_assigned = subscribers = 0

    def sizes(self) -> dict[str, int]:
        """Entries that maps need; those of sessions follow from their limit."""
        return {"free_ports": len(self._addresses) * ALL_KINDS}

    def claim(
        self, protocol: int, realm: int, outside: int, port: int, *, sessions: int, static: bool
    ) -> bool:
        """As PortSetAllocator.claim(): any port of the set that is free."""
        if outside not in self._addresses or port not in self._set:
            return False
        index = self._addresses.index(outside) * ALL_KINDS + KINDS[protocol]
        taken = self._taken.get(index, 0)
        self._taken[index] = taken | 1 << port
        return not taken >> port & 1

    def fill(self, maps: Mapping[str, Map]) -> None:
        """New maps. Raises BpfError."""
        bits = sum(1 << port for port in self._set if port)
        for index in range(len(self._addresses) * ALL_KINDS):
            kind = index % ALL_KINDS
            free = bits & ~self._taken.get(index, 0) if kind in KINDS.values() else 0
            maps["free_ports"][element(index)] = packed_ports(self._layouts, free)
