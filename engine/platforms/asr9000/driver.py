# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cisco ASR 9000, IOS XR: MAP-E and MAP-T border relay inline on the line cards, MAP-E on a service card."""

from __future__ import annotations

from collections.abc import Iterable
from itertools import chain
from typing import Any

from ...mapping.portset import PORT_BITS
from ...mapping.rule import MapRule
from ...plan.model import NodePlan
from ...techniques.service import GATEWAY, Service
from .. import assembly
from ..assembly import offset_on_device
from ..driver import Change
from ..guard import check_rules, option
from ..naming import OURS, rule_name
from . import card, cli, map_t, netconf
from .model import MAX_CUSTOMER_PREFIX, found_rule

_DIALECTS: dict[str, Any] = {"cli": cli, "netconf": netconf}
_MAP_T = "map-t"
_INTERFACES = "a list of interfaces such as TenGigE0/0/0/0"
_SHARED = "name of a cgv6 instance that is there already"


class Asr9000:
    """The driver. Everything of ours is named ipv4aas or ipv4aas-<service>."""

    name = "asr9000"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """The cgv6 instance, its inline interfaces, and its entries: a map-e for each rule of MAP-E, a
        map-t-cisco for each service of MAP-T."""
        translating = any(service.technique == _MAP_T for service in node.services)
        check_rules(node, _inexpressible, map_t.problems(node) if translating else ())
        shared, on_card = "cgv6_instance" in node.options, card.LOCATION in node.options
        return {
            "instance": option(node, "cgv6_instance", str, _SHARED) if shared else OURS,
            "inline_interfaces": []
            if shared or on_card
            else sorted(option(node, "inline_interfaces", list, _INTERFACES)),
            "maps": _sorted(
                _entry(service, index) for service in node.services for index in range(len(service.rules))
            ),
            "card": card.context(node, dialect) if on_card else None,
            "translations": _sorted(_translation(service) for service in node.services)
            if translating
            else [],
        }

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver."""
        return str(_DIALECTS[dialect].owned(text))

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver. There is no leaf for the EA bits: all suffix and PSID bits."""
        language = _DIALECTS[dialect]
        maps = (found_rule(entry, wanted) for entry in language.maps(text))
        translations = (map_t.found_rules(entry, wanted) for entry in language.translations(text))
        return (
            *assembly.services(maps, wanted, "map-e", GATEWAY),
            *assembly.services(chain.from_iterable(translations), wanted, _MAP_T, GATEWAY),
        )

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver."""
        made: Change = _DIALECTS[dialect].change(running, wanted)
        return made


def _entry(service: Service, index: int) -> dict[str, Any]:
    rule = service.rules[index]
    return {
        "name": rule_name(service.name, index),
        "gateway_address": service.gateway_address,
        "contiguous_ports": 1 << (PORT_BITS - offset_on_device(rule) - rule.psid_len),
        "ipv4_prefix": rule.ipv4_prefix,
        "ipv6_prefix": rule.ipv6_prefix,
        "sharing_ratio": rule.sharing_ratio,
    }


def _translation(service: Service) -> dict[str, Any]:
    first = service.rules[0]
    return {
        "name": map_t.name_of(service.name),
        "contiguous_ports": 1 << (PORT_BITS - offset_on_device(first) - first.psid_len),
        "sharing_ratio": first.sharing_ratio,
        "ipv4_length": first.ipv4_prefix.prefixlen,
        "ipv6_length": first.ipv6_prefix.prefixlen,
        "vrf": map_t.DEFAULT_VRF,
        "customers": _sorted(
            {
                "name": rule_name(service.name, index),
                "ipv4": rule.ipv4_prefix.network_address,
                "ipv6": rule.ipv6_prefix.network_address,
            }
            for index, rule in enumerate(service.rules)
        ),
        "internet": service.translation_prefix,
    }


def _sorted(entries: Iterable[dict[str, Any]]) -> list[dict[str, Any]]:
    return sorted(entries, key=lambda entry: str(entry["name"]))


def _inexpressible(rule: MapRule) -> str | None:
    if rule.ea_len != 32 - rule.ipv4_prefix.prefixlen + rule.psid_len:
        return "IOS XR takes the whole rest of the IPv4 address and the PSID from the EA bits"
    if rule.customer_prefix_len > MAX_CUSTOMER_PREFIX:
        return f"the IPv6 prefix and the EA bits are {rule.customer_prefix_len} bits, more than 64"
    return None


DRIVER = Asr9000()
