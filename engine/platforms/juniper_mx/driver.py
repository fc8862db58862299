# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Juniper MX: MAP-E and MAP-T border relay inline on Trio, AFTR and NAT64 on a services card."""

from __future__ import annotations

import re
from typing import Any

from ...mapping.iid import DRAFT03
from ...mapping.rule import MapRule
from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques import TECHNIQUES
from ...techniques.service import GATEWAY, Service
from .. import assembly
from ..assembly import offset_on_device
from ..driver import Change
from ..guard import check_rules, option
from ..junos_schema import LANGUAGES, entries
from ..naming import OURS, rule_name
from ..places import taken
from . import napt
from .concentrators import MAP_E, MAP_T, found_rule
from .schema import CONCENTRATORS, SCHEMA

_DIALECTS = {dialect: language(SCHEMA) for dialect, language in LANGUAGES.items()}
_UNITS = (1, 2)
# Juniper, "Services Interface Naming Overview"; rms and rsp are pairs of cards. An MX-SPC3 (vms) takes NAT in
# other words ("Next Gen Services").
_INLINE = re.compile(r"si-\d+/\d+/\d+")
_CARD = re.compile(r"(?:ms|sp)-\d+/\d+/\d+|(?:ams|rms|rsp)\d+")


class JuniperMx:
    """The driver. Everything of ours is named ipv4aas or ipv4aas-<service>, whatever the technique."""

    name = "juniper_mx"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """The service set with its two units, and what each rule or service needs beside it."""
        inside, outside = _units(node)
        context: dict[str, Any] = {
            "service_set": OURS,
            "service_interface": _service_interface(node),
            "inside_unit": inside,
            "outside_unit": outside,
            "units": sorted([(str(inside), "inside"), (str(outside), "outside")]),
        }
        if TECHNIQUES[node.services[0].technique].mapping == "rule":
            check_rules(node, _inexpressible)
            made = [_concentrator(one, index) for one in node.services for index in range(len(one.rules))]
            return context | {"concentrators": sorted(made, key=_name)}
        napt.check(node)
        return context | {"gateways": sorted((napt.terms(one) for one in node.services), key=_name)}

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver."""
        return _DIALECTS[dialect].owned(text)

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver."""
        statements = _DIALECTS[dialect].statements(text)
        found = napt.services(statements, wanted)
        for kind in (MAP_E, MAP_T):
            maps = entries(statements, *CONCENTRATORS, kind.technique).values()
            rules = (found_rule(kind, entry, wanted) for entry in maps)
            found += assembly.services(rules, wanted, kind.technique, GATEWAY)
        return assembly.in_order(found, wanted)

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver."""
        return _DIALECTS[dialect].change(running, wanted)

    def occupied(self, text: str, wanted: str, dialect: str) -> list[str]:
        """See platforms.driver.Careful: units of the services interface; what is deactivated around ours."""
        language = _DIALECTS[dialect]
        needed, ours = (language.things(one, ours=True) for one in (wanted, text))
        right = "other units in ipv4aas_options.service_units"
        there = language.things(text, ours=False)
        return [*taken(needed, there, ours, right=right), *language.asleep(text, wanted)]


def _name(terms: dict[str, Any]) -> str:
    return str(terms["name"])


def _service_interface(node: NodePlan) -> str:
    """MAP runs inline on Trio, a NAPT on a services card; the option may name one of each."""
    technique = node.services[0].technique
    inline = TECHNIQUES[technique].mapping == "rule"
    meaning = (
        "an inline services interface such as si-0/0/0"
        if inline
        else "the interface of a services card such as ms-1/0/0, sp-1/0/0 or ams0"
    )
    given = option(node, "service_interface", object, meaning)
    pattern = _INLINE if inline else _CARD
    names = given if isinstance(given, list) else [given]
    fitting = [name for name in names if isinstance(name, str) and pattern.fullmatch(name)]
    if len(fitting) == 1:
        return fitting[0]
    wrong = f"{given!r} does not fit {technique}"
    raise Refused([Problem(f"{node.name}.ipv4aas_options.service_interface", wrong, meaning)])


def _units(node: NodePlan) -> tuple[int, int]:
    units = node.options.get("service_units", list(_UNITS))
    if isinstance(units, list) and len(units) == 2 and all(type(n) is int and n >= 0 for n in units):
        inside, outside = units
        if inside != outside:
            return inside, outside
    place = f"{node.name}.ipv4aas_options.service_units"
    raise Refused([Problem(place, f"{units!r} does not fit", "two numbers such as [1, 2]: inside, outside")])


def _concentrator(service: Service, index: int) -> dict[str, Any]:
    rule = service.rules[index]
    return {
        "name": rule_name(service.name, index),
        "softwire_address": service.gateway_address,
        "dmr_prefix": service.translation_prefix,
        "ipv4_prefix": rule.ipv4_prefix,
        "ipv6_prefix": rule.ipv6_prefix,
        "ea_bits_len": rule.ea_len,
        "psid_offset": offset_on_device(rule),
        "psid_length": rule.psid_len,
        "mtu_v6": service.ipv6_mtu,
        "draft_03": service.interface_identifier == DRAFT03,
    }


def _inexpressible(rule: MapRule) -> str | None:
    if rule.kind == "prefix":
        return "an IPv4 prefix per customer has another meaning there than in RFC 7597"
    if rule.explicit_psid_len:
        return "a concentrator takes every PSID of an address, not one"
    return None


DRIVER = JuniperMx()
