# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prefixes of RFC 6052 as constants of a program (c/embedding.h)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from itertools import chain
from typing import Any

from ...mapping.eam import Eam
from ...mapping.rfc6052 import DISCOVERY, NON_GLOBAL, WELL_KNOWN
from ...techniques.service import Service
from .layout import Layouts
from .tables import Entry


def embedding(prefix: IPv6Network | None) -> dict[str, Any]:
    """Members of struct embedding; none where there is no prefix."""
    if prefix is None:
        return {}
    return {
        "prefix": int(prefix.network_address),
        "mask": int(prefix.netmask),
        "length": prefix.prefixlen,
        "only_global": prefix == WELL_KNOWN,
    }


def not_global(layouts: Layouts) -> bytes:
    """NOT_GLOBAL: what the well-known prefix must not carry."""
    block, room = layouts.struct("block4"), layouts.constant("NOT_GLOBAL").size
    packed = [
        block.pack(address=int(network.network_address), mask=int(network.netmask))
        for network in _without(NON_GLOBAL, DISCOVERY)
    ]
    packed += packed[:1] * (room // block.size - len(packed))
    return b"".join(packed)


def _without(networks: Iterable[IPv4Network], addresses: Iterable[int]) -> list[IPv4Network]:
    """What is left of networks without some addresses."""
    left = list(networks)
    for hole in map(IPv4Network, addresses):
        pieces = (n.address_exclude(hole) if hole.subnet_of(n) else [n] for n in left)
        left = list(chain.from_iterable(pieces))
    return left


def explicit(layouts: Layouts, entries: Iterable[Eam]) -> tuple[list[Entry], list[Entry]]:
    """Entries of the maps `explicit4` and `explicit6`."""
    key4, key6, value = map(layouts.struct, ("prefix4", "route6", "explicit"))
    by_ipv4, by_ipv6 = [], []
    for entry in entries:
        ipv4, ipv6 = int(entry.ipv4.network_address), int(entry.ipv6.network_address)
        shift = 96 + entry.ipv4.prefixlen - entry.ipv6.prefixlen
        packed = value.pack(ipv4=ipv4, ipv6=ipv6, shift=shift)
        by_ipv4.append((key4.pack(length=entry.ipv4.prefixlen, address=ipv4), packed))
        by_ipv6.append((key6.pack(length=entry.ipv6.prefixlen, address=ipv6), packed))
    return by_ipv4, by_ipv6


def translation_problem(service: Service) -> str:
    """Why the programs cannot tell whose an IPv6 address is; empty where they can."""
    prefix = service.translation_prefix
    for rule in service.rules:
        if prefix is not None and rule.ipv6_prefix.overlaps(prefix):
            return f"rule {rule.ipv6_prefix} overlaps the translation prefix {prefix}"
    return ""
