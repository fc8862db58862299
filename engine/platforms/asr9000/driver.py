# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cisco ASR 9000, IOS XR: MAP-E border relay inline on the line cards."""

from __future__ import annotations

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
from . import cli, netconf
from .model import MAX_CUSTOMER_PREFIX, found_rule

_DIALECTS: dict[str, Any] = {"cli": cli, "netconf": netconf}
_INTERFACES = "a list of interfaces such as TenGigE0/0/0/0"
_SHARED = "name of a cgv6 instance that is there already"


class Asr9000:
    """The driver. Everything of ours is named ipv4aas or ipv4aas-<service>."""

    name = "asr9000"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """The cgv6 instance, its inline interfaces, and one map-e entry for each rule."""
        check_rules(node, _inexpressible)
        shared = "cgv6_instance" in node.options
        return {
            "instance": option(node, "cgv6_instance", str, _SHARED) if shared else OURS,
            "inline_interfaces": []
            if shared
            else sorted(option(node, "inline_interfaces", list, _INTERFACES)),
            "maps": sorted(
                (_entry(service, index) for service in node.services for index in range(len(service.rules))),
                key=lambda entry: entry["name"],
            ),
        }

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver."""
        return str(_DIALECTS[dialect].owned(text))

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver. There is no leaf for the EA bits: all suffix and PSID bits."""
        found = (found_rule(entry, wanted) for entry in _DIALECTS[dialect].maps(text))
        return assembly.services(found, wanted, "map-e", GATEWAY)

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


def _inexpressible(rule: MapRule) -> str | None:
    if rule.ea_len != 32 - rule.ipv4_prefix.prefixlen + rule.psid_len:
        return "IOS XR takes the whole rest of the IPv4 address and the PSID from the EA bits"
    if rule.customer_prefix_len > MAX_CUSTOMER_PREFIX:
        return f"the IPv6 prefix and the EA bits are {rule.customer_prefix_len} bits, more than 64"
    return None


DRIVER = Asr9000()
