# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MAP-T nodes, their addresses, and packets of both sides, made without the engine."""

from __future__ import annotations

import struct
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from typing import Any

from unit.packet import packetkit as kit
from unit.packet import translationkit as kit6

DMR = IPv6Network("2001:db8:ffff::/64")
BR = "2001:db8:fffe::1"
ROUTER = "2001:db8:fffd::99"
MAP_T = {"technique": "map-t", "gateway_address": IPv6Address(BR), "translation_prefix": DMR}


def gateway(node: dict[str, Any] | None = None, **changes: Any) -> Any:
    """A border relay."""
    return kit.gateway(node, **(MAP_T | changes))


def edge(node: dict[str, Any] | None = None, **changes: Any) -> Any:
    """A customer edge."""
    return kit.edge(node, **(MAP_T | changes))


def dmr(ipv4: str) -> str:
    """An Internet address in the DMR: octets 9 to 12 (RFC 6052 s2.2, /64)."""
    return str(IPv6Address(DMR.network_address.packed[:8] + b"\0" + kit.v4(ipv4) + bytes(3)))


def error6(src: str, dst: str, kind: int, code: int, about: bytes, word: int = 0) -> bytes:
    """An ICMPv6 error about an IPv6 packet."""
    return kit6.icmp6(src, dst, kind, code, word, about[:1232])


def echo6(src: str, dst: str, query: int, *, reply: bool = False) -> bytes:
    """A ping over IPv6."""
    return kit6.icmp6(src, dst, 129 if reply else 128, 0, query << 16 | 1, b"ping")


def fields6(packet: bytes) -> tuple[int, int, int]:
    """(next header, first port or ICMPv6 type and code, second port) of an IPv6 packet without extensions."""
    return packet[6], *struct.unpack_from("!HH", packet, 40)


# A customer who has a whole IPv4 prefix: 203.0.113.64/28.
PREFIX_RULE = kit.rule(
    ipv6_prefix=IPv6Network("2001:db8:8000::/40"), ipv4_prefix=IPv4Network("203.0.113.0/24"), ea_len=4
)
PREFIX_CUSTOMER = IPv6Network("2001:db8:8040::/44")


def prefix_host(ipv4: str) -> str:
    """MAP address of a host of PREFIX_CUSTOMER."""
    return str(IPv6Address(kit.v6("2001:db8:8040::")[:8] + b"\0\0" + kit.v4(ipv4) + b"\0\0"))
