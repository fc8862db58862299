# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a probe is given, and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address
from typing import Any

from ...techniques.row import Technique
from ...techniques.service import Service

PASS, FAIL = "pass", "fail"


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Who is asked what: a JSON document on a probe's standard input."""

    service: Service  # what the edge before this host has to run
    references: tuple[IPv4Address, ...]  # addresses of the host that answers on the internet
    token: str  # what a responder wants to hear before it does anything
    peer: Service | None = None  # p2p: the other customer's service


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found. ``cause`` is for people and empty where all is well."""

    check: str
    verdict: str
    cause: str
    details: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0  # that the check took

    @property
    def passed(self) -> bool:
        """Whether all is well."""
        return self.verdict == PASS


def judged(check: str, causes: list[str], details: dict[str, Any]) -> Verdict:
    """A verdict: pass where there is nothing to complain of."""
    return Verdict(check, FAIL if causes else PASS, "; ".join(causes), details)


def ipv4_mtu(service: Service, technique: Technique) -> int:
    """Largest IPv4 packet that crosses the domain whole, in octets."""
    return technique.ipv4_mtu(service.ipv6_mtu)


def owns(service: Service, address: str, port: int) -> bool:
    """Whether an outside address and port (or ICMP identifier) are the customer's."""
    customer = service.customer
    return IPv4Address(address) in customer.ipv4 and port in customer.ports
