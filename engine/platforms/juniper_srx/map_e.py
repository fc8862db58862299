# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MAP-E customer edge of an SRX: its one domain, terms for the template and read back."""

from __future__ import annotations

from typing import Any

from ...mapping.iid import DRAFT03, RFC7597
from ...mapping.rule import MapRule
from ...plan.model import NodePlan
from ...techniques.service import Service
from ..assembly import map_rule, offset_on_device
from ..guard import check_rules
from ..junos_schema import Entry, entries

RULE = "bmr"
_DRAFT = "3"  # draft-ietf-softwire-map-03
_DEFAULT_MTU = 9192
_ENCRYPTED = "$9$"


def terms(node: NodePlan, service: Service) -> dict[str, Any]:
    """What the template writes of a service. Raises Refused for rules that the device cannot express."""
    check_rules(node, _inexpressible)
    [rule] = service.rules
    return {
        "map_rule": RULE,
        "rule": rule,
        "psid_offset": offset_on_device(rule),
        "gateway_address": service.gateway_address,
        "end_user_prefix": service.end_user_prefix,
        "draft_03": service.interface_identifier == DRAFT03,
    }


def _inexpressible(rule: MapRule) -> str | None:
    if rule.forwarding:
        return "no document shows one rule as BMR and FMR"
    if rule.explicit_psid_len:
        return "the PSID comes from the EA bits"
    return "no document shows an IPv4 prefix for a customer" if rule.kind == "prefix" else None


def facts(domain: Entry, wanted: Service | None) -> dict[str, Any]:
    """What a domain says of the service. Raises ParseError."""
    for item in domain.statements:
        if item.words[-1].strip('"').startswith(_ENCRYPTED):
            raise item.leaf().error("is encrypted and cannot be compared: confidentiality has to go")
    rules = entries(domain.statements, "rule")
    if len(rules) != 1:
        raise domain.at.error(f"has {len(rules)} rules, not one")
    [rule] = rules.values()
    version = domain.leaf("version")
    if version is not None and version.value != _DRAFT:
        raise version.error(f"version {version.value} is not {_DRAFT}")
    return {
        "gateway_address": domain.needed("br-address").ipv6(),
        "end_user_prefix": domain.needed("end-user-prefix").ipv6_network(),
        "interface_identifier": RFC7597 if version is None else DRAFT03,
        "ipv6_mtu": rule.number("mtu-v6", least=1280, most=9192, default=_DEFAULT_MTU),
        "rules": (_rule(rule, wanted.rules[0] if wanted and wanted.rules else None),),
    }


def _rule(rule: Entry, hint: MapRule | None) -> MapRule:
    ipv4_prefix = rule.needed("ipv4-prefix").ipv4_network()
    ea_len = rule.needed("ea-bits-length").integer(0, 48)
    shared = max(0, ea_len - 32 + ipv4_prefix.prefixlen)
    return map_rule(
        rule.leaf("psid-len") or rule.at,
        ipv6_prefix=rule.needed("ipv6-prefix").ipv6_network(),
        ipv4_prefix=ipv4_prefix,
        ea_len=ea_len,
        psid_offset=rule.needed("psid-offset").integer(0, 16),
        psid_len=rule.number("psid-len", least=0, most=16, default=shared),
        hint=hint,
        forwarding=False,
    )
