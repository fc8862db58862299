# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A plan, arranged for the question who has what, and the evidence that there is beside it."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass, field
from datetime import datetime
from ipaddress import IPv4Network, IPv6Address, IPv6Network

from ..mapping.binding import BindingTable
from ..mapping.rule import RuleTable
from ..plan.model import FleetPlan, NodePlan
from ..problem import Problem
from ..techniques import TECHNIQUES
from ..techniques.service import EDGE, GATEWAY, Service
from .session_log import Lease

ARITHMETIC = "arithmetic of the mapping rule"
BINDING = "binding table"
PLANE = "plane"
DETERMINISTIC = "deterministic NAT"
LOG = "session log"
EXPLICIT = "explicit address mapping"

Ranges = tuple[tuple[int, int], ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """A customer with IPv4 addresses and ports of a service; no ranges means every port."""

    service: str
    technique: str
    evidence: str  # what proves it
    ipv4: IPv4Network
    ports: Ranges = ()
    customer: IPv6Network | None = None  # End-user or subscriber prefix; of a plane its IPv6 route
    address: IPv6Address | None = None  # tunnel address, where the mapping says it
    node: str | None = None  # the edge of the plan, where it is one
    psid: int | None = None
    rule: str = ""
    since: str = ""  # of a log
    until: str = ""  # empty: not released


@dataclass(frozen=True, slots=True, kw_only=True)
class Evidence:
    """What there is beside the plan."""

    moment: datetime | None = None  # when it happened
    protocol: int = 0  # IP protocol number; 0: any
    leases: Sequence[Lease] = ()  # of session logs
    key: bytes = field(default=b"", repr=False)  # of deterministic NAT with the algorithm random


class Nobody(Exception):
    """A service has the address, but no answer: which option is wrong, why, what would be right."""

    def __init__(self, option: str, wrong: str, right: str) -> None:
        self.problem = Problem(option, wrong, right)
        super().__init__(str(self.problem))


@dataclass(frozen=True, slots=True)
class Seat:
    """A service as a node of the plan has it."""

    node: NodePlan
    service: Service

    @property
    def mapping(self) -> str:
        """That of the technique's row."""
        return TECHNIQUES[self.service.technique].mapping


class Fleet:
    """A plan, arranged for questions."""

    def __init__(self, plan: FleetPlan) -> None:
        self.seats = [
            Seat(node, service)
            for node in plan.nodes.values()
            for service in node.services
            if service.role in (GATEWAY, EDGE)
        ]
        self._tables: dict[int, RuleTable | BindingTable] = {}  # by id of the service, which the plan keeps

    def table(self, service: Service) -> RuleTable | BindingTable:
        """Its rules or bindings, compiled once: there may be a million."""
        found = self._tables.get(id(service))
        if found is None:
            found = self._tables[id(service)] = service.address_table()
        return found

    def __iter__(self) -> Iterator[Seat]:
        """One seat for each way to answer: equal gateways are one; every node of a plane."""
        seen: list[Service] = []
        for seat in self.seats:
            if (
                seat.mapping.startswith("plane") or seat.service.role == GATEWAY
            ) and seat.service not in seen:
                seen.append(seat.service)
                yield seat

    def edge(self, service: str, address: IPv6Address | IPv6Network) -> Seat | None:
        """The edge of a service whose End-user prefix holds an address, or is in a prefix."""
        for seat in self.seats:
            own = seat.service.end_user_prefix
            if seat.service.name != service or seat.service.role != EDGE or own is None:
                continue
            if address in own if isinstance(address, IPv6Address) else own.overlaps(address):
                return seat
        return None


def ranges_of(ports: Sequence[int]) -> Ranges:
    """The fewest ranges that hold exactly these ports, each once."""
    if isinstance(ports, range) and ports.step == 1 and ports:
        return ((ports[0], ports[-1]),)
    found: list[tuple[int, int]] = []
    for port in sorted(ports):
        if found and found[-1][1] == port - 1:
            found[-1] = (found[-1][0], port)
        else:
            found.append((port, port))
    return tuple(found)
