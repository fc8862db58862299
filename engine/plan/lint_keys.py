# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lint of keys without effect, which an inventory keeps for another technique. Yields as lint_rules does."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from types import MappingProxyType

from ..intent.model import OWN_PREFIX, SERVICES, ServiceIntent
from ..intent.wording import all_of
from ..techniques import TECHNIQUES, Technique
from ..techniques.service import EDGE, GATEWAY
from .compile import Fleet

Said = Iterator[tuple[str, str, str]]


def _mapped(*mappings: str) -> Callable[[Technique], bool]:
    return lambda row: row.mapping in mappings


def _translating(row: Technique) -> bool:
    return row.carriage == "translation"


def _encapsulating(row: Technique) -> bool:
    return row.carriage == "encapsulation"


def _with_napt(row: Technique) -> bool:
    return row.napt in (EDGE, GATEWAY)


_SHARING = _mapped("rule", "binding", "session")

# Key -> whether it counts for a technique. Keys that are not here count for all.
_COUNTS: Mapping[str, Callable[[Technique], bool]] = MappingProxyType(
    {
        "customers": _SHARING,
        "ipv4_pools": _SHARING,
        "sharing": _SHARING,
        "sharing.allocation": _mapped("session"),
        "rules": _mapped("rule"),
        "bindings": _mapped("binding"),
        "plane": _mapped("plane", *OWN_PREFIX),
        "gateway.address": lambda row: row.mapping not in OWN_PREFIX,
        "gateway.translation_prefix": _translating,
        "gateway.path_mtu_discovery": _encapsulating,
        "eam": _translating,
        "aftr_name": lambda row: row.mapping == "session" and _encapsulating(row),
        "dns64": lambda row: row.mapping == "session" and _translating(row),
        "interface_identifier": _mapped("rule"),
        "topology": _SHARING,
        "fragmentation": _encapsulating,
        "strict_identifiers": _mapped("rule", "binding"),
        "filtering": _with_napt,
        "hairpinning": _with_napt,
        "icmp_on_miss": _mapped("binding"),
        "udp_zero_checksum": _translating,
        "lowest_ipv6_mtu": _translating,
        "minimum_ports": _with_napt,
    }
)


def counts(key: str, row: Technique) -> bool:
    """Whether a key of a service, with dots between its levels, has an effect under a technique."""
    return key not in _COUNTS or _COUNTS[key](row)


def every_key_counts(fleet: Fleet) -> Said:
    """FLT001."""
    for name, one in fleet.drawn.items():
        row = one.intent.row
        for key in _given(one.intent):
            if not counts(key, row):
                others = [other.title for other in TECHNIQUES.values() if _COUNTS[key](other)]
                wrong = f"does not count for {row.title}"
                yield f"{SERVICES}.{name}.{key}", wrong, f"keep it for {all_of(others)}, or remove it"


def _given(service: ServiceIntent) -> Iterator[str]:
    """Keys that the inventory gives, those of gateway and sharing too where the whole counts."""
    yield from sorted(service.model_fields_set)
    yield from (f"gateway.{key}" for key in sorted(service.gateway.model_fields_set))
    if service.sharing is not None and counts("sharing", service.row):
        yield from (f"sharing.{key}" for key in sorted(service.sharing.model_fields_set))
