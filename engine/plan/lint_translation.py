# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lint of carriage by translation: prefixes, explicit mappings, MTU. Yields as lint_rules does."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Network

from ..intent.model import SERVICES, ServiceIntent
from ..mapping.eam import overlaps
from ..mapping.rfc6052 import LENGTHS, NON_GLOBAL, WELL_KNOWN, prefix_problem
from .compile import Fleet
from .draw import Drawn

Said = Iterator[tuple[str, str, str]]

_LONGEST = LENGTHS[-1]
_MAP_T_LENGTH = 64
_LEAST_MTU = 1280
_IPV4_BITS, _IPV6_BITS = 32, 128


def _translating(fleet: Fleet) -> Iterator[tuple[str, Drawn, IPv6Network]]:
    for name, one in fleet.drawn.items():
        prefix = one.intent.gateway.translation_prefix
        if one.intent.row.carriage == "translation" and prefix is not None:
            yield f"{SERVICES}.{name}", one, prefix


def _is_map(one: Drawn) -> bool:
    return one.intent.row.mapping == "rule"


def short_enough(fleet: Fleet) -> Said:
    """MAP014."""
    for place, one, prefix in _translating(fleet):
        if _is_map(one) and prefix.prefixlen > _LONGEST:
            wrong = f"{prefix} leaves no room for an IPv4 address"
            yield f"{place}.gateway.translation_prefix", wrong, f"use a /{_MAP_T_LENGTH}"


def usual_length(fleet: Fleet) -> Said:
    """FLT004."""
    for place, one, prefix in _translating(fleet):
        if _is_map(one) and prefix.prefixlen != _MAP_T_LENGTH and prefix.prefixlen <= _LONGEST:
            wrong = f"{prefix} is not a /{_MAP_T_LENGTH}: some CEs take no other"
            yield f"{place}.gateway.translation_prefix", wrong, f"use a /{_MAP_T_LENGTH}"


def embeddable(fleet: Fleet) -> Said:
    """X001."""
    for place, one, prefix in _translating(fleet):
        problem = prefix_problem(prefix)
        if problem and not (_is_map(one) and prefix.prefixlen > _LONGEST):
            lengths = ", ".join(f"/{length}" for length in LENGTHS)
            right = f"use one of {lengths}, with bits 64 to 71 zero"
            yield f"{place}.gateway.translation_prefix", f"{prefix}: {problem}", right


def global_only(fleet: Fleet) -> Said:
    """X002."""
    for place, one, prefix in _translating(fleet):
        if not prefix.subnet_of(WELL_KNOWN):
            continue
        for network in one.ipv4:
            if any(network.overlaps(special) for special in NON_GLOBAL):
                wrong = f"{prefix} must not carry {network} (not global): customers cannot reach each other"
                yield f"{place}.gateway.translation_prefix", wrong, "use a prefix of your own"
                break


def prefix_beside_lan(fleet: Fleet) -> Said:
    """X003."""
    for place, one, _prefix in _translating(fleet):
        customers = one.intent.customers
        if one.intent.row.mapping != "session" or one.intent.row.edge is None or customers is None:
            continue
        if customers.prefix_length > 63:
            wrong = f"a customer has a /{customers.prefix_length}: the LAN and the translation share one /64"
            yield f"{place}.customers.prefix_length", wrong, "use 63 or less"


def no_overlap(fleet: Fleet) -> Said:
    """X011."""
    for place, service in _with_mappings(fleet):
        for i, j in overlaps(service.eam):
            one, other = service.eam[i], service.eam[j]
            wrong = (
                f"{other.ipv4} overlaps {one.ipv4} of [{i}]"
                if other.ipv4.overlaps(one.ipv4)
                else f"{other.ipv6} overlaps {one.ipv6} of [{i}]"
            )
            yield f"{place}.eam[{j}]", wrong, "let each address be in one mapping"


def suffixes_fit(fleet: Fleet) -> Said:
    """X012."""
    for place, service in _with_mappings(fleet):
        for index, entry in enumerate(service.eam):
            bits = _IPV4_BITS - entry.ipv4.prefixlen
            if bits > _IPV6_BITS - entry.ipv6.prefixlen:
                wrong = (
                    f"{entry.ipv4} has {bits} suffix bits, {entry.ipv6} {_IPV6_BITS - entry.ipv6.prefixlen}"
                )
                yield f"{place}.eam[{index}]", wrong, f"use an IPv6 prefix of /{_IPV6_BITS - bits} or shorter"


def _with_mappings(fleet: Fleet) -> Iterator[tuple[str, ServiceIntent]]:
    for place, one, _prefix in _translating(fleet):
        yield place, one.intent


def lowest_mtu_raised(fleet: Fleet) -> Said:
    """MTU005."""
    for place, one, _prefix in _translating(fleet):
        mtu = one.intent.backbone_mtu
        if one.intent.lowest_ipv6_mtu == _LEAST_MTU < mtu:
            wrong = f"{_LEAST_MTU}: IPv4 packets without DF are cut, though the backbone carries {mtu}"
            yield f"{place}.lowest_ipv6_mtu", wrong, f"use {mtu}"
