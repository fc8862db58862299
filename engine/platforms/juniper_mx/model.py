# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A MAP-E concentrator of Junos, whatever the language: its values and what they mean."""

from __future__ import annotations

from ...mapping.iid import DRAFT03, RFC7597
from ...techniques.service import Service
from ..assembly import FoundRule, map_rule, wanted_rule
from ..naming import owner
from ..values import Leaf

MANDATORY = ("softwire-address", "ipv4-prefix", "mape-prefix", "ea-bits-len")
DEFAULTS = {"psid-offset": 4, "mtu-v6": 9192}
DRAFT_FLAG = "version-03"
# The order in which the vendor prints them.
LEAVES = (*MANDATORY, "psid-offset", "psid-length", "mtu-v6")
# Statements that say nothing of the service itself.
IGNORED = ("v4-reassembly", "v6-reassembly", "v4-partial-reassembly", "disable-auto-route")

# The name of a concentrator, its values by name; a flag has its own name as value.
Found = tuple[Leaf, dict[str, Leaf]]


def found_rule(found: Found, wanted: tuple[Service, ...]) -> FoundRule:
    """The MAP rule that a concentrator describes. Raises ParseError for what is missing or out of range."""
    at, values = found
    missing = [word for word in MANDATORY if word not in values]
    if missing:
        raise at.error(f"has no {', no '.join(missing)}")
    unknown = [leaf for word, leaf in values.items() if word not in (*LEAVES, *IGNORED, DRAFT_FLAG)]
    if unknown:
        raise unknown[0].error(f"not understood; one of {', '.join((*LEAVES, DRAFT_FLAG))}")
    ipv4_prefix = values["ipv4-prefix"].ipv4_network()
    ea_len = values["ea-bits-len"].integer(0, 48)
    service, index = owner(at.value, {service.name for service in wanted})
    rule = map_rule(
        values.get("psid-length", at),
        ipv6_prefix=values["mape-prefix"].ipv6_network(),
        ipv4_prefix=ipv4_prefix,
        ea_len=ea_len,
        psid_offset=_number(values, "psid-offset", 0, 16),
        psid_len=values["psid-length"].integer(0, 16)
        if "psid-length" in values
        else max(0, ea_len - 32 + ipv4_prefix.prefixlen),
        hint=wanted_rule(wanted, service, index),
    )
    facts = {
        "gateway_address": values["softwire-address"].ipv6(),
        "ipv6_mtu": _number(values, "mtu-v6", 1280, 9192),
        "interface_identifier": DRAFT03 if DRAFT_FLAG in values else RFC7597,
    }
    return FoundRule(service, index, rule, facts, at)


def _number(values: dict[str, Leaf], word: str, least: int, most: int) -> int:
    return values[word].integer(least, most) if word in values else DEFAULTS[word]
