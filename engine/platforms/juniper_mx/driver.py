# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Juniper MX: MAP-E border relay inline on Trio."""

from __future__ import annotations

from typing import Any

from ...mapping.iid import DRAFT03
from ...mapping.rule import MapRule
from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques.service import GATEWAY, Service
from .. import assembly
from ..assembly import offset_on_device
from ..driver import Change
from ..guard import check_rules, option
from ..naming import OURS, rule_name
from . import cli, netconf
from .model import found_rule

_DIALECTS: dict[str, Any] = {"cli": cli, "netconf": netconf}
_UNITS = (1, 2)


class JuniperMx:
    """The driver. Everything of ours is named ipv4aas or ipv4aas-<service>."""

    name = "juniper_mx"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """The service set with its two units, and one concentrator and softwire rule for each MAP rule."""
        check_rules(node, _inexpressible)
        inside, outside = _units(node)
        return {
            "service_set": OURS,
            "service_interface": option(
                node, "service_interface", str, "an inline interface such as si-0/0/0"
            ),
            "inside_unit": inside,
            "outside_unit": outside,
            "units": sorted([(str(inside), "inside"), (str(outside), "outside")]),
            "concentrators": sorted(
                (
                    _concentrator(service, index)
                    for service in node.services
                    for index in range(len(service.rules))
                ),
                key=lambda entry: str(entry["name"]),
            ),
        }

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver."""
        return str(_DIALECTS[dialect].owned(text))

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver."""
        found = (found_rule(entry, wanted) for entry in _DIALECTS[dialect].maps(text))
        return assembly.services(found, wanted, "map-e", GATEWAY)

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver."""
        made: Change = _DIALECTS[dialect].change(running, wanted)
        return made


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
        "ipv4_prefix": rule.ipv4_prefix,
        "mape_prefix": rule.ipv6_prefix,
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
