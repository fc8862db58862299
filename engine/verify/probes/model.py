# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a probe is given, and what it says."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv6Address, ip_address
from typing import Any

from ...mapping.rfc6052 import Embedding
from ...techniques import TECHNIQUES, Technique
from ...techniques.service import Service
from .label import LINK_MTU

PASS, FAIL = "pass", "fail"
NOT_APPLICABLE = "n/a"


@dataclass(frozen=True, slots=True, kw_only=True)
class Resolver:
    """A resolver of the plan."""

    name: str
    services: tuple[Service, ...]
    deviations: tuple[str, ...] = ()  # of its platform, names of provision.dns64_synthesis.DEVIATIONS


@dataclass(frozen=True, slots=True, kw_only=True)
class Assignment:
    """Who is asked what: a JSON document on a probe's standard input."""

    service: Service  # what the edge before this host has to run; without edges, the gateway
    references: tuple[IPv4Address, ...]  # addresses of the host that answers on the internet
    token: str  # what a responder wants to hear before it does anything
    gateway: Service | None = None  # what a gateway of the service has to run
    peer: Service | None = None  # p2p: the other customer's service
    resolver: Resolver | None = None  # dns64: the one that is asked

    @property
    def row(self) -> Technique:
        """The technique."""
        return TECHNIQUES[self.service.technique]

    @property
    def ipv4_mtu(self) -> int:
        """Largest IPv4 packet that crosses the domain whole, and the links at both its ends, in octets."""
        return min(self.row.ipv4_mtu(self.service.ipv6_mtu), LINK_MTU)

    @property
    def largest_uncut(self) -> int:
        """Largest IPv4 packet without DF that crosses the domain in one piece (RFC 7915 section 4)."""
        lowest = self.row.ipv4_mtu(self.service.lowest_ipv6_mtu)
        return min(self.ipv4_mtu, lowest) if self.row.carriage == "translation" else self.ipv4_mtu

    @property
    def _embedding(self) -> Embedding | None:
        """Where IPv4 is for a host that has none: one that no edge translates for."""
        prefix = self.service.translation_prefix
        if self.row.carriage == "translation" and self.row.edge is None and prefix is not None:
            return Embedding(prefix)
        return None

    def target(self, ipv4: str) -> str:
        """How this host addresses an IPv4 host."""
        embedding = self._embedding
        return str(IPv6Address(embedding.embed(int(IPv4Address(ipv4))))) if embedding else ipv4

    def ipv4_of(self, target: str) -> str:
        """The IPv4 host of an address as this host sees it; what is none stays as it is."""
        embedding, address = self._embedding, ip_address(target)
        if embedding is None or int(address) not in embedding:
            return target
        return str(IPv4Address(embedding.extract(int(address))))

    @property
    def targets(self) -> list[str]:
        """The references, as this host addresses them."""
        return [self.target(str(reference)) for reference in self.references]


@dataclass(frozen=True, slots=True)
class Verdict:
    """What one check found. ``cause`` is for people and empty where all is well."""

    check: str
    verdict: str  # pass, fail, or n/a: the technique has nothing of the kind, the cause says why
    cause: str
    details: dict[str, Any] = field(default_factory=dict)
    seconds: float = 0.0  # that the check took

    @property
    def passed(self) -> bool:
        """Whether nothing is wrong."""
        return self.verdict != FAIL


def judged(check: str, causes: list[str], details: dict[str, Any]) -> Verdict:
    """A verdict: pass where there is nothing to complain of."""
    return Verdict(check, FAIL if causes else PASS, "; ".join(causes), details)


def not_applicable(check: str, why: str) -> Verdict:
    """A verdict on what the technique does not have."""
    return Verdict(check, NOT_APPLICABLE, why)
