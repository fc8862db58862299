# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ICMP error of one IP version stands for which of the other (RFC 7915 sections 4.2 and 5.2)."""

from __future__ import annotations

from types import MappingProxyType

from .verdict import Icmp6Error, IcmpError

GROWTH = 20  # octets that a packet grows by from IPv4 to IPv6
IPV6_MINIMUM_MTU = 1280
_IPV4_MINIMUM_MTU = 68  # RFC 791 s3.2

UNREACHABLE4, TIME_EXCEEDED4, PARAMETER4 = 3, 11, 12
UNREACHABLE6, TOO_BIG6, TIME_EXCEEDED6, PARAMETER6 = 1, 2, 3, 4
FRAGMENTATION_NEEDED = (UNREACHABLE4, 4)
_NEXT_HEADER_FIELD = 6

# Errors without a pointer or an MTU. What is missing here is not translated.
_TO6 = MappingProxyType(
    {
        (3, 0): (1, 0),
        (3, 1): (1, 0),
        (3, 2): (4, 1),
        (3, 3): (1, 4),
        (3, 5): (1, 0),
        (3, 6): (1, 0),
        (3, 7): (1, 0),
        (3, 8): (1, 0),
        (3, 9): (1, 1),
        (3, 10): (1, 1),
        (3, 11): (1, 0),
        (3, 12): (1, 0),
        (3, 13): (1, 1),
        (3, 15): (1, 1),
        (11, 0): (3, 0),
        (11, 1): (3, 1),
    }
)
_TO4 = MappingProxyType(
    {
        (1, 0): (3, 1),
        (1, 1): (3, 10),
        (1, 2): (3, 1),
        (1, 3): (3, 1),
        (1, 4): (3, 3),
        (3, 0): (11, 0),
        (3, 1): (11, 1),
        (4, 1): (3, 2),
    }
)


def _spread(*parts: tuple[range, int]) -> MappingProxyType[int, int]:
    return MappingProxyType({pointer: to for pointers, to in parts for pointer in pointers})


# Figure 3: octets of an IPv4 header to octets of an IPv6 header.
_POINTER_TO6 = _spread(
    (range(1), 0),
    (range(1, 2), 1),
    (range(2, 4), 4),
    (range(8, 9), 7),
    (range(9, 10), 6),
    (range(12, 16), 8),
    (range(16, 20), 24),
)
# Figure 6: and back.
_POINTER_TO4 = _spread(
    (range(1), 0),
    (range(1, 2), 1),
    (range(4, 6), 2),
    (range(6, 7), 9),
    (range(7, 8), 8),
    (range(8, 24), 12),
    (range(24, 40), 16),
)

# RFC 1191 section 7, those that IPv6 can have.
_PLATEAUS = (65535, 32000, 17914, 8166, 4352, 2002, 1492)


def icmp6_error(error: IcmpError) -> Icmp6Error | None:
    """The ICMPv6 error that stands for an ICMPv4 one; None where there is none (section 4.2).

    An MTU grows by the difference of the headers, up to at least 1280; the pointer of a Parameter
    Problem is the highest octet of the IPv4 word.
    """
    kind, code, value = error
    if (kind, code) == FRAGMENTATION_NEEDED:
        return Icmp6Error(TOO_BIG6, 0, max(IPV6_MINIMUM_MTU, (value & 0xFFFF) + GROWTH))
    if kind == PARAMETER4:
        pointer = _POINTER_TO6.get(value >> 24)
        return None if code not in (0, 2) or pointer is None else Icmp6Error(PARAMETER6, 0, pointer)
    found = _TO6.get((kind, code))
    if found is None:
        return None
    return Icmp6Error(*found, _NEXT_HEADER_FIELD if found[0] == PARAMETER6 else 0)


def icmp4_error(error: Icmp6Error) -> IcmpError | None:
    """The ICMPv4 error that stands for an ICMPv6 one; None where there is none (section 5.2).

    An MTU shrinks by the difference of the headers.
    """
    kind, code, value = error
    if kind == TOO_BIG6:
        return IcmpError(*FRAGMENTATION_NEEDED, mtu_to4(value, 0xFFFF, 0xFFFF))
    if (kind, code) == (PARAMETER6, 0):
        pointer = _POINTER_TO4.get(value)
        return None if pointer is None else IcmpError(PARAMETER4, 0, pointer << 24)
    found = _TO4.get((kind, code))
    return None if found is None else IcmpError(*found)


def mtu_to6(advertised: int, ipv4_mtu: int, ipv6_mtu: int, total_length: int = 0xFFFF) -> int:
    """MTU of the Packet Too Big that stands for a "fragmentation needed" with MTU `advertised`.

    `ipv4_mtu` and `ipv6_mtu` are those of the next hops. A router older than RFC 1191 says 0: the
    largest plateau below the `total_length` of the packet in the error.
    """
    if not advertised:
        advertised = next((plateau for plateau in _PLATEAUS if plateau < total_length), 0)
    return max(IPV6_MINIMUM_MTU, min(advertised + GROWTH, ipv6_mtu, ipv4_mtu + GROWTH))


def mtu_to4(advertised: int, ipv4_mtu: int, ipv6_mtu: int) -> int:
    """MTU of the "fragmentation needed" that stands for a Packet Too Big with MTU `advertised`."""
    return max(_IPV4_MINIMUM_MTU, min(advertised - GROWTH, ipv4_mtu, ipv6_mtu - GROWTH))
