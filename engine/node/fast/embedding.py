# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Prefixes of RFC 6052 as constants of a program (c/embedding.h)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network, IPv6Network
from itertools import chain
from typing import Any

from ...mapping.rfc6052 import DISCOVERY, NON_GLOBAL, WELL_KNOWN
from ...techniques.service import EDGE, Service
from .layout import Layouts


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


def translation_problem(service: Service) -> str:
    """Why the programs cannot tell whose an IPv6 address is; empty where they can."""
    if service.eam and service.role == EDGE:
        return "explicit address mappings"
    prefix = service.translation_prefix
    for rule in service.rules:
        if prefix is not None and rule.ipv6_prefix.overlaps(prefix):
            return f"rule {rule.ipv6_prefix} overlaps the translation prefix {prefix}"
    return ""
