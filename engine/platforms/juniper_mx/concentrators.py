# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Softwire concentrators of Junos, whatever the language: their values and what they mean."""

from __future__ import annotations

from dataclasses import dataclass

from ...mapping.iid import DRAFT03, RFC7597
from ...techniques.service import Service
from ..assembly import FoundRule, map_rule, wanted_rule
from ..junos_schema import Entry
from ..naming import owner
from ..values import Leaf

DEFAULTS = {"psid-offset": 4, "mtu-v6": 9192}
DRAFT_FLAG = "version-03"
# The order in which the vendor prints them.
LEAVES = (
    *("softwire-address", "dmr-prefix", "ipv4-prefix", "mape-prefix", "mapt-prefix"),
    *("ea-bits-len", "psid-offset", "psid-length", "mtu-v6", "session-limit-per-prefix"),
)
# Statements that say nothing of the service itself.
IGNORED = ("v4-reassembly", "v6-reassembly", "v4-partial-reassembly", "disable-auto-route")


@dataclass(frozen=True, slots=True)
class MapKind:
    """How the concentrators of MAP-E and MAP-T differ."""

    technique: str  # as the list of concentrators is called
    gateway: str  # leaf: the address or the prefix that stands for the gateway
    ipv6_prefix: str  # leaf
    flags: tuple[str, ...] = ()

    @property
    def mandatory(self) -> tuple[str, ...]:
        """Leaves that have no default."""
        return (self.gateway, "ipv4-prefix", self.ipv6_prefix, "ea-bits-len")

    @property
    def known(self) -> tuple[str, ...]:
        """Every leaf that counts."""
        return (*self.mandatory, "psid-offset", "psid-length", "mtu-v6", *self.flags)


MAP_E = MapKind("map-e", "softwire-address", "mape-prefix", (DRAFT_FLAG,))
MAP_T = MapKind("map-t", "dmr-prefix", "mapt-prefix")


def found_rule(kind: MapKind, entry: Entry, wanted: tuple[Service, ...]) -> FoundRule:
    """The MAP rule that a concentrator describes. Raises ParseError for what is missing or out of range."""
    at, values = entry.at, {item.words[0]: item.leaf() for item in entry.statements}
    missing = [word for word in kind.mandatory if word not in values]
    if missing:
        raise at.error(f"has no {', no '.join(missing)}")
    unknown = [leaf for word, leaf in values.items() if word not in (*kind.known, *IGNORED)]
    if unknown:
        raise unknown[0].error(f"not understood; one of {', '.join(kind.known)}")
    ipv4_prefix = values["ipv4-prefix"].ipv4_network()
    ea_len = values["ea-bits-len"].integer(0, 48)
    service, index = owner(at.value, {service.name for service in wanted})
    rule = map_rule(
        values.get("psid-length", at),
        ipv6_prefix=values[kind.ipv6_prefix].ipv6_network(),
        ipv4_prefix=ipv4_prefix,
        ea_len=ea_len,
        psid_offset=_number(values, "psid-offset", 0, 16),
        psid_len=values["psid-length"].integer(0, 16)
        if "psid-length" in values
        else max(0, ea_len - 32 + ipv4_prefix.prefixlen),
        hint=wanted_rule(wanted, service, index),
    )
    facts = {
        **_gateway(kind, values),
        "ipv6_mtu": _number(values, "mtu-v6", 1280, 9192),
        "interface_identifier": DRAFT03 if DRAFT_FLAG in values else RFC7597,
    }
    return FoundRule(service, index, rule, facts, at)


def _gateway(kind: MapKind, values: dict[str, Leaf]) -> dict[str, object]:
    if kind is MAP_E:
        return {"gateway_address": values[kind.gateway].ipv6()}
    return {"translation_prefix": values[kind.gateway].ipv6_network()}


def _number(values: dict[str, Leaf], word: str, least: int, most: int) -> int:
    return values[word].integer(least, most) if word in values else DEFAULTS[word]
