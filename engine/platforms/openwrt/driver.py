# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenWrt: MAP-E customer edge by netifd's protocol ``map``, in UCI package ``network``."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...mapping.iid import DRAFT03, RFC7597
from ...mapping.rule import MapRule
from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques import TECHNIQUES
from ...techniques.service import EDGE, Service
from .. import assembly, uci
from ..assembly import FoundRule
from ..diff import line_diff
from ..driver import Change
from ..guard import check_rules, option
from ..uci import Section
from ..values import Leaf, canonical
from .rules import OPTIONS, Values, found_values, map_rules, rule_text

PACKAGE = "network"
# Short, since netifd calls the device map-<section> and Linux allows 15 characters.
PREFIX = "aas_"
_TECHNIQUE = "map-e"
_OVERHEAD = TECHNIQUES[_TECHNIQUE].overhead
_DEFAULT_MTU = 1280  # of the tunnel, map.sh
_ORDER = (
    "proto",
    "maptype",
    "type",
    "tunlink",
    "peeraddr",
    *OPTIONS,
    "rule",
    "legacymap",
    "mtu",
    "encaplimit",
    "zone",
)
_TRUE = ("1", "on", "true", "yes", "enabled")
_FALSE = ("0", "off", "false", "no", "disabled", "")


class OpenWrt:
    """The driver. Ours are the interfaces named aas_<service> with protocol map."""

    name = "openwrt"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """One interface for each service, its only rule in options or all rules in one text."""
        check_rules(node, _inexpressible)
        sections = [section_name(service.name) for service in node.services]
        if len(set(sections)) < len(sections):
            names = ", ".join(service.name for service in node.services)
            raise Refused(
                [Problem(node.name, f"{names} are one name in UCI", "names that differ by letters")]
            )
        return {
            "uplink": option(
                node, "uplink", str, "the interface that holds the End-user prefix, such as wan6"
            ),
            "zone": node.options.get("zone", ""),
            "interfaces": sorted(
                (_interface(service) for service in node.services), key=lambda item: item["name"]
            ),
        }

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver. ``text`` is what ``uci export`` prints, of one or several packages."""
        return uci.write(_owned(text))

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver. Options that are missing have the defaults of map.sh and mapcalc."""
        found = [rule for section in _owned(text) for rule in _found(section, wanted)]
        return assembly.services(found, wanted, _TECHNIQUE, EDGE)

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver. Commands for ``uci batch``."""
        before, after = _owned(running), _owned(wanted)
        return Change(
            uci.batch(PACKAGE, before, after),
            uci.batch(PACKAGE, after, before),
            line_diff(uci.write(before), uci.write(after)),
        )


def section_name(service: str) -> str:
    """UCI names have no dashes or dots."""
    return PREFIX + "".join(letter if letter.isalnum() else "_" for letter in service)


def _owned(text: str) -> list[Section]:
    ours = (_normal(section) for section in uci.read(text) if _is_ours(section))
    return sorted(ours, key=lambda section: section.name)


def _is_ours(section: Section) -> bool:
    return (
        section.package in (PACKAGE, "")
        and section.type == "interface"
        and section.name.startswith(PREFIX)
        and section.options.get("proto") == "map"
    )


def _normal(section: Section) -> Section:
    """Options in one order, addresses in one spelling, a switch that is off left out."""
    options = {
        key: canonical(value) if isinstance(value, str) else value
        for key, value in sorted(section.options.items(), key=lambda item: _rank(item[0]))
    }
    if "legacymap" in options:
        del options["legacymap"]
        if _is_on(section.leaf("legacymap")):
            options["legacymap"] = "1"
            options = dict(sorted(options.items(), key=lambda item: _rank(item[0])))
    return replace(section, options=options)


def _rank(key: str) -> tuple[int, str]:
    return (_ORDER.index(key) if key in _ORDER else len(_ORDER)), key


def _is_on(leaf: Leaf | None) -> bool:
    if leaf is None or leaf.value in _FALSE:
        return False
    if leaf.value in _TRUE:
        return True
    raise leaf.error(f"{leaf.value} is not 0 or 1")


def _interface(service: Service) -> dict[str, Any]:
    rule = service.rules[0]
    single = len(service.rules) == 1 and not rule.forwarding
    return {
        "name": section_name(service.name),
        "gateway_address": service.gateway_address,
        "rule": rule if single else None,
        "offset": assembly.offset_on_device(rule),
        "rules": " ".join(rule_text(item, service.gateway_address) for item in service.rules),
        "draft_03": service.interface_identifier == DRAFT03,
        "mtu": service.ipv6_mtu - _OVERHEAD,
    }


def _found(section: Section, wanted: tuple[Service, ...]) -> list[FoundRule]:
    at = section.entry()
    kind = section.leaf("maptype") or section.leaf("type")
    if kind and kind.value != _TECHNIQUE:
        raise kind.error(f"{kind.value} is not {_TECHNIQUE}")
    names = {section_name(service.name): service.name for service in wanted}
    name = names.get(section.name, section.name.removeprefix(PREFIX))
    hints = next((service for service in wanted if service.name == name), None)
    legacy = _is_on(section.leaf("legacymap"))
    mtu = section.leaf("mtu")
    facts = {
        "ipv6_mtu": (mtu.integer(68, 65535) if mtu else _DEFAULT_MTU) + _OVERHEAD,
        "interface_identifier": DRAFT03 if legacy else RFC7597,
    }
    values: list[Values] = found_values(section)
    return [
        FoundRule(name, index, rule, facts | {"gateway_address": gateway}, at)
        for index, (rule, gateway) in enumerate(map_rules(at, values, hints, legacy))
    ]


def _inexpressible(rule: MapRule) -> str | None:
    if rule.kind == "prefix":
        return "mapcalc takes wrong bits for an IPv4 prefix per customer"
    if rule.explicit_psid_len:
        return "mapcalc takes the PSID from the EA bits"
    return None


DRIVER = OpenWrt()
