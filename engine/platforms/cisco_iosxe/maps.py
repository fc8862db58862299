# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What MAP domains mean: of MAP-T the rules of a border relay, of MAP-E what one customer edge is."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from ...mapping.rfc6052 import Embedding, prefix_problem
from ...mapping.rule import MapRule, MapRuleError
from ...techniques.service import EDGE, Service
from ..assembly import FoundRule, map_rule, wanted_rule
from ..indented import Block
from ..naming import OURS, owner
from ..values import Leaf
from .lines import leaf, need, values
from .ports import psid_bits

_BMR = "basic-mapping-rule"
_DMR = "default-mapping-rule"
_BR = "border-relay-address"
_IPV6, _IPV4, _LOCAL = "ipv6-prefix", "ipv4-prefix", "local-ipv4-prefix"
_PORTS, _PSID = "port-parameters", "port-set-id"
_DUMMY = 0xC0000008  # 192.0.0.8 (RFC 7600 section 4.8), where nobody said another gateway address


def gateway_in(prefix: IPv6Network) -> IPv6Address:
    """A gateway address for a service that nobody wants: 192.0.0.8 in its prefix, :: where none can be."""
    return IPv6Address(0 if prefix_problem(prefix) else Embedding(prefix).embed(_DUMMY))


def map_t_rule(block: Block, name: Leaf, wanted: tuple[Service, ...]) -> FoundRule:
    """The rule of a MAP-T domain. Raises ParseError for what is missing, unknown or out of range."""
    prefix = need(values(_without_rule(block), (_DMR,)), _DMR, block).ipv6_network()
    found = values(_rule(block), (_IPV6, _IPV4, _PORTS))
    ipv4_prefix = need(found, _IPV4, block).ipv4_network()
    psid_len, offset = psid_bits(found.get(_PORTS))
    service, index = owner(name.value, {service.name for service in wanted})
    rule = map_rule(
        leaf(block),
        ipv6_prefix=need(found, _IPV6, block).ipv6_network(),
        ipv4_prefix=ipv4_prefix,
        ea_len=32 - ipv4_prefix.prefixlen + psid_len,
        psid_offset=offset,
        psid_len=psid_len,
        hint=wanted_rule(wanted, service, index),
    )
    known = next((one for one in wanted if one.name == service), None)
    gateway = known.gateway_address if known else gateway_in(prefix)
    return FoundRule(
        service, index, rule, {"translation_prefix": prefix, "gateway_address": gateway}, leaf(block)
    )


def map_e_edge(block: Block, name: Leaf, wanted: tuple[Service, ...]) -> Service:
    """The service of a MAP-E domain, which says what the customer has and not the rule it has it by.

    The rule is the wanted one where that gives the same, else one for this customer alone.
    """
    known = name.value.removeprefix(f"{OURS}-")
    gateway = need(values(_without_rule(block), (_BR,)), _BR, block).ipv6()
    found = values(_rule(block), (_IPV6, _IPV4, _LOCAL, _PORTS, _PSID))
    prefix = need(found, _IPV6, block).ipv6_network()
    ipv4 = need(found, _IPV4, block)
    psid_len, offset = psid_bits(need(found, _PORTS, block))
    psid = found[_PSID].integer(0, (1 << psid_len) - 1) if _PSID in found else 0
    own = _own_rule(ipv4, prefix, offset, psid_len, psid)
    fields: dict[str, Any] = {
        "technique": "map-e",
        "role": EDGE,
        "gateway_address": gateway,
        "end_user_prefix": prefix,
        "inside": (need(found, _LOCAL, block).ipv4_network(),),
    }
    hint = next((service for service in wanted if service.name == known), None)
    if hint is None:
        return Service(name=known, rules=(own,), **fields)
    made = replace(hint, **fields)
    return made if _same(made, own) else replace(made, rules=(own,))


def _own_rule(ipv4: Leaf, prefix: IPv6Network, offset: int, psid_len: int, psid: int) -> MapRule:
    try:
        return MapRule(prefix, ipv4.ipv4_network(), 0, offset, psid_len, psid)
    except MapRuleError as error:
        raise ipv4.error(str(error)) from error


def _same(service: Service, own: MapRule) -> bool:
    """Whether the rules of a service give the customer what its own rule says."""
    try:
        customer = service.customer
    except MapRuleError:
        return False
    mine = own.customer(own.ipv6_prefix, service.interface_identifier)
    return (customer.ipv4, customer.ports, customer.address) == (mine.ipv4, mine.ports, mine.address)


def _rule(block: Block) -> Block:
    rules = [line for line in block.children if line.text == _BMR]
    if not rules:
        raise leaf(block).error(f"has no {_BMR}")
    return rules[0]


def _without_rule(block: Block) -> Block:
    return replace(block, children=tuple(line for line in block.children if line.text != _BMR))
