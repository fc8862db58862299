# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random services as a provisioner can tell them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Network

from ansible_collections.ipv4aas.fleet.engine.provision.dhcpv6 import Bound
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Delegation, Service
from helper_samples import CUSTOMER_SPACE

_LENGTH = 64


def fit(service: Service) -> Service:
    """With what customers have, softwires that an lwB4 forms (RFC 7596 section 5.1), the name of an AFTR.

    DHCPv6 has four bits for a PSID offset (RFC 7598 section 4.5).
    """
    rules = tuple(replace(rule, psid_offset=min(15, rule.psid_offset)) for rule in service.rules)
    delegations = tuple(
        Delegation(rule.ipv6_prefix, rule.ipv6_prefix.prefixlen + rule.ea_len) for rule in rules
    )
    bindings = []
    for binding in service.bindings:
        prefix = IPv6Network((binding.softwire, _LENGTH), strict=False)
        bindings.append(Bound(binding.ipv4, prefix, binding.ports).binding(prefix))
    if bindings:
        delegations = (Delegation(IPv6Network((bindings[0].softwire, 32), strict=False), _LENGTH),)
    return replace(
        service,
        rules=rules,
        bindings=tuple(bindings),
        delegations=delegations or (CUSTOMER_SPACE,),
        aftr_name=f"{service.name}.example.net" if service.technique == "ds-lite" else "",
    )
