# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a platform can do, as its features.yml says. The plan is given these, it loads nothing."""

from __future__ import annotations

from collections.abc import Collection
from dataclasses import dataclass, field
from typing import Any

UNVERIFIED = "unverified"
CONFIDENCES = ("vendor", "public", "derived", UNVERIFIED)
# ipv4aas_options of every platform, see platforms/render.py.
ALLOW_UNVERIFIED = "allow_unverified"
OWN_TEMPLATE = "template"
COMMON_OPTIONS = (ALLOW_UNVERIFIED, OWN_TEMPLATE)
# Transport of a dialect that nothing carries to the device; ``access`` says why.
BY_PERSON = "person"


UNKNOWN_FRAGMENTS = "unknown"  # no document says what a platform cuts


@dataclass(frozen=True, slots=True, kw_only=True)
class Feature:
    """One technique in one role on one platform."""

    technique: str
    role: str
    state: str  # yes or no
    dialects: tuple[str, ...] = ()  # in these alone; empty: in all of the platform
    reason: str = ""  # why not, where state is no
    confidence: str = UNVERIFIED  # one of CONFIDENCES
    source: str = ""
    caveats: tuple[str, ...] = ()
    # What it is known to do otherwise than the standard, names of provision.dns64_synthesis.DEVIATIONS.
    deviations: tuple[str, ...] = ()
    limits: dict[str, Any] = field(default_factory=dict)  # see plan/limits.py for the words
    iid_formats: tuple[str, ...] = ()  # interface identifier formats that it can be told to use
    not_carried: tuple[str, ...] = ()  # Service fields that its configuration has no words for
    unverified_options: tuple[str, ...] = ()  # ipv4aas_options that ask for a form of it which is unverified

    def in_dialect(self, dialect: str) -> bool:
        """Whether the row holds in a dialect."""
        return not self.dialects or dialect in self.dialects

    def is_unverified(self, options: Collection[str]) -> bool:
        """Whether what is written for a host with these ipv4aas_options is unverified."""
        return self.confidence == UNVERIFIED or any(name in options for name in self.unverified_options)


@dataclass(frozen=True, slots=True, kw_only=True)
class Features:
    """A platform."""

    platform: str
    title: str
    dialects: tuple[str, ...]  # languages it is configured in, the preferred one first
    transports: dict[str, str]  # dialect -> netconf, ssh, https, local, file or person
    confirmed_commit: bool
    confirmed_commit_note: str = ""
    techniques: tuple[Feature, ...] = ()
    access: dict[str, dict[str, Any]] = field(default_factory=dict)  # dialect -> see transport/connect.py
    options: dict[str, str] = field(default_factory=dict)  # ipv4aas_options it needs: name -> meaning
    ipv6_mtu_fixed: int | None = None
    fragments: str = "outer"  # what it cuts: outer, inner, none or unknown
    accepts_outer_fragments: bool = True
    accepts_fragmented_icmp: bool = True
    icmpv4_encapsulation: bool = True

    def by_person(self, dialect: str) -> str:
        """Why only a person can bring a dialect to the device; empty where a transport can."""
        if self.transports.get(dialect) != BY_PERSON:
            return ""
        return str(self.access.get(dialect, {}).get("why", ""))

    def feature(self, technique: str, role: str) -> Feature | None:
        """The row for a technique and role, None where the platform has none."""
        for row in self.techniques:
            if (row.technique, row.role) == (technique, role):
                return row
        return None
