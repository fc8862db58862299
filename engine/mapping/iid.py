# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Interface identifiers of MAP and lw4o6 addresses, in both layouts that are in use."""

from __future__ import annotations

from collections.abc import Mapping
from types import MappingProxyType

RFC7597 = "rfc7597"
DRAFT03 = "draft-03"

# Bit position of the IPv4 address and of the PSID inside the 64-bit identifier.
_LAYOUT: Mapping[str, tuple[int, int]] = MappingProxyType({RFC7597: (16, 0), DRAFT03: (24, 8)})
FORMATS = tuple(_LAYOUT)


def interface_identifier(ipv4: int, psid: int, iid_format: str) -> int:
    """64-bit identifier of an IPv4 address and a PSID.

    rfc7597: 0 (16) | IPv4 | PSID (16), RFC 7597 section 6, also draft-04 and later.
    draft-03: 0 (8) | IPv4 | PSID (16) | 0 (8), draft-ietf-softwire-map-03 and before.
    """
    address_at, psid_at = _LAYOUT[iid_format]
    return ipv4 << address_at | psid << psid_at


def map_address(prefix: int, prefix_len: int, ipv4: int, psid: int, iid_format: str) -> int:
    """128-bit MAP address in an End-user prefix (RFC 7597 sections 5.2 and 6).

    A prefix longer than /64 keeps its bits and overwrites the top of the identifier.
    """
    identifier = interface_identifier(ipv4, psid, iid_format)
    if prefix_len > 64:
        identifier &= (1 << (128 - prefix_len)) - 1
    return prefix | identifier


def format_of(address: int, prefix_len: int, ipv4: int, psid: int) -> str | None:
    """The layout whose identifier ``address`` carries, None for neither or both."""
    host_bits = (1 << (128 - max(prefix_len, 64))) - 1
    seen = [
        name for name in FORMATS if address & host_bits == interface_identifier(ipv4, psid, name) & host_bits
    ]
    return seen[0] if len(seen) == 1 else None


def with_host_bits(address: int, host: int, iid_format: str) -> int:
    """The MAP address whose identifier also names a host of an IPv4 prefix (see TranslatedRuleTable)."""
    return address | host << _LAYOUT[iid_format][0]


def host_bits(address: int, mask: int, iid_format: str) -> int:
    """Inverse: the host bits (those of ``mask``) that the identifier carries."""
    return address >> _LAYOUT[iid_format][0] & mask
