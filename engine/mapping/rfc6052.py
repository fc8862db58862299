# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPv4 addresses inside IPv6 addresses (RFC 6052 section 2.2), on integers."""

from __future__ import annotations

from bisect import bisect
from ipaddress import IPv4Address, IPv4Network, IPv6Network

LENGTHS = (32, 40, 48, 56, 64, 96)
WELL_KNOWN = IPv6Network("64:ff9b::/96")

_U_OCTET = 0xFF << 56  # bits 64..71

# Space that no packet of the Internet has: the well-known prefix must not carry it (RFC 6052 section 3.1,
# which names RFC 1918 and RFC 5735 section 3; the IANA registry has been amended since).
NON_GLOBAL = tuple(
    IPv4Network(text)
    for text in (
        "0.0.0.0/8",
        "10.0.0.0/8",
        "100.64.0.0/10",
        "127.0.0.0/8",
        "169.254.0.0/16",
        "172.16.0.0/12",
        "192.0.0.0/24",
        "192.0.2.0/24",
        "192.88.99.0/24",
        "192.168.0.0/16",
        "198.18.0.0/15",
        "198.51.100.0/24",
        "203.0.113.0/24",
        "224.0.0.0/4",
        "240.0.0.0/4",
    )
)

# The answer to ipv4only.arpa, which hosts find a prefix by, the well-known one too (RFC 7050 section 2.2).
DISCOVERY = frozenset({int(IPv4Address("192.0.0.170")), int(IPv4Address("192.0.0.171"))})

# First and last address of each block in turn: inside one, an odd number of them is not above the address.
_EDGES = [edge for n in NON_GLOBAL for edge in (int(n.network_address), int(n.broadcast_address) + 1)]


class PrefixError(ValueError):
    """The prefix cannot hold IPv4 addresses."""


def prefix_problem(prefix: IPv6Network) -> str | None:
    """Why RFC 6052 does not allow a prefix, None where it does."""
    if prefix.prefixlen not in LENGTHS:
        return f"length /{prefix.prefixlen} is not one of {', '.join(f'/{n}' for n in LENGTHS)}"
    if int(prefix.network_address) & _U_OCTET:
        return "bits 64 to 71 are not zero"
    return None


class Embedding:
    """One prefix. Raises PrefixError for one that RFC 6052 does not allow."""

    def __init__(self, prefix: IPv6Network) -> None:
        problem = prefix_problem(prefix)
        if problem:
            raise PrefixError(f"{prefix}: {problem}")
        self.prefix = prefix
        self._well_known = prefix == WELL_KNOWN
        self._network = int(prefix.network_address)
        self._host_bits = 128 - prefix.prefixlen
        # Bits of the IPv4 address before octet u, and where both parts end.
        self._high = max(0, min(32, 64 - prefix.prefixlen)) if prefix.prefixlen < 96 else 0
        low = 32 - self._high
        self._low_mask = (1 << low) - 1
        self._low_at = 56 - low if prefix.prefixlen < 96 else 0
        self._low = low

    def __contains__(self, ipv6: int) -> bool:
        return ipv6 >> self._host_bits == self._network >> self._host_bits

    def may_carry(self, ipv4: int) -> bool:
        """Whether the prefix may have an address in it: the well-known one only global ones (section 3.1)."""
        return not self._well_known or not non_global(ipv4)

    def embed(self, ipv4: int) -> int:
        """The IPv6 address that stands for an IPv4 address; the suffix is zero."""
        return self._network | ipv4 >> self._low << 64 | (ipv4 & self._low_mask) << self._low_at

    def embed_network(self, ipv4: IPv4Network) -> IPv6Network:
        """The IPv6 prefix of a whole IPv4 network."""
        length = self.prefix.prefixlen + ipv4.prefixlen
        if self.prefix.prefixlen < 96 and (length > 64 or self.prefix.prefixlen == 64):
            length += 8  # octet u
        return IPv6Network((self.embed(int(ipv4.network_address)), length))

    def extract(self, ipv6: int) -> int:
        """The IPv4 address in an IPv6 address of the prefix; octet u and suffix are ignored."""
        high = ipv6 >> 64 & ((1 << self._high) - 1)
        return high << self._low | ipv6 >> self._low_at & self._low_mask


def non_global(ipv4: int) -> bool:
    """Whether the well-known prefix must not carry an address (RFC 6052 section 3.1)."""
    return bisect(_EDGES, ipv4) % 2 == 1 and ipv4 not in DISCOVERY
