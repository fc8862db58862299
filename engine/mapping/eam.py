# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Explicit Address Mappings (RFC 7757)."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network


class EamError(ValueError):
    """The two prefixes cannot be one mapping."""


@dataclass(frozen=True, slots=True)
class Eam:
    """One entry. Raises EamError where the IPv4 suffix is longer than the IPv6 suffix (section 3.2)."""

    ipv4: IPv4Network
    ipv6: IPv6Network

    def __post_init__(self) -> None:
        if 32 - self.ipv4.prefixlen > 128 - self.ipv6.prefixlen:
            raise EamError(
                f"{self.ipv4} has {32 - self.ipv4.prefixlen} suffix bits, {self.ipv6} only"
                f" {128 - self.ipv6.prefixlen}"
            )
