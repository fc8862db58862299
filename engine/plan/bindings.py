# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Binding tables (RFC 7596): the customers that MAP rules would number, each as an entry of its own.

So a customer keeps its address and ports when the technique changes. An explicit entry is a rule
for one customer, with an explicit PSID.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from types import MappingProxyType

from ..intent.model import SERVICES, ServiceIntent, Subscriber
from ..mapping.binding import Binding
from ..mapping.iid import RFC7597, map_address
from ..mapping.rule import Customer, MapRule, split_ea
from ..problem import Problem
from .rules import RuleDraft

# Subscribers of one service: a gateway's document of that many has some 60 MB.
MOST_BINDINGS = 1 << 18


def draft_bindings(service: ServiceIntent) -> tuple[RuleDraft, ...]:
    """The explicit entries of a service."""
    return tuple(_draft(service, index, entry) for index, entry in enumerate(service.bindings or ()))


def _draft(service: ServiceIntent, index: int, entry: Subscriber) -> RuleDraft:
    return RuleDraft(
        place=f"{SERVICES}.{service.name}.bindings[{index}]",
        # Behind a /128 there are no bits for an identifier: the address is just the one given.
        ipv6_prefix=entry.customer_prefix or IPv6Network(entry.softwire or 0),
        ipv4_prefix=IPv4Network(entry.ipv4),
        ea_len=0,
        psid_offset=entry.psid_offset,
        stated_psid_len=entry.psid_length,
        psid=entry.psid,
        forwarding=False,
    )


def too_many(service: ServiceIntent, rules: Iterable[MapRule]) -> Problem | None:
    """More subscribers than one table is planned for."""
    count = sum(rule.customer_count for rule in rules)
    if count <= MOST_BINDINGS:
        return None
    key = "ipv4_pools" if service.bindings is None else "bindings"
    wrong = f"{count:,} subscribers are more than the {MOST_BINDINGS:,} of one binding table"
    return Problem(f"{SERVICES}.{service.name}.{key}", wrong, "divide them among services")


def own_gateways(service: ServiceIntent) -> dict[IPv6Address, IPv6Address]:
    """Softwires whose lwAFTR is another than the service's, with its address."""
    return {
        own_softwire(draft): entry.gateway_address
        for draft, entry in zip(draft_bindings(service), service.bindings or (), strict=True)
        if entry.gateway_address is not None and draft.fits
    }


def own_softwire(draft: RuleDraft) -> IPv6Address:
    """Of an explicit entry."""
    rule = draft.rule()
    return rule.customer(rule.ipv6_prefix).address


def whole_table(
    rules: Iterable[MapRule], gateways: Mapping[IPv6Address, IPv6Address] = MappingProxyType({})
) -> tuple[Binding, ...]:
    """Every subscriber that the rules can number, in their order. ``gateways``: see own_gateways()."""
    table = (binding for rule in rules for binding in _of_rule(rule))
    if not gateways:
        return tuple(table)
    return tuple(replace(one, gateway_address=gateways.get(one.softwire)) for one in table)


def _of_rule(rule: MapRule) -> Iterator[Binding]:
    """As binding_of() of each customer, on integers: tables are long."""
    length = rule.customer_prefix_len
    first, step = int(rule.ipv6_prefix.network_address), 1 << (128 - length)
    offset = rule.psid_offset if rule.psid_len else 0
    for number in range(rule.customer_count):
        prefix = first + number * step
        ipv4, psid = split_ea(rule, prefix)
        softwire = IPv6Address(map_address(prefix, length, ipv4, psid, RFC7597))
        yield Binding(softwire, IPv4Address(ipv4), offset, rule.psid_len, psid)


def binding_of(customer: Customer) -> Binding:
    """The entry of one customer: its softwire has the identifier of RFC 7597 (RFC 7596 section 5.1)."""
    ports = customer.ports
    return Binding(
        customer.address,
        customer.ipv4.network_address,
        ports.offset if ports.shared else 0,
        ports.psid_len,
        ports.psid,
    )


def own_binding(rule: MapRule, prefix: IPv6Network) -> Binding | None:
    """The entry that the edge with an End-user prefix has; None where it is too short for the EA bits."""
    if not rule.ea_len and rule.ipv6_prefix.subnet_of(prefix):
        return binding_of(rule.customer(rule.ipv6_prefix))
    length = rule.customer_prefix_len
    if prefix.prefixlen < length:
        return None
    return binding_of(rule.customer(prefix.supernet(new_prefix=length)))
