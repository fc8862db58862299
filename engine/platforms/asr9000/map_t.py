# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A map-t-cisco entry of IOS XR, whatever the language: a service with all its rules.

Lengths, sharing ratio and contiguous ports are the entry's, so all rules share them; and so does the
prefix of the Internet, by which the router tells entries apart on the way out.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network

from ...mapping.portset import PORT_BITS
from ...mapping.rfc6052 import Embedding, prefix_problem
from ...mapping.rule import MapRule
from ...plan.model import NodePlan
from ...problem import Problem
from ...techniques.service import Service
from ..assembly import FoundRule, map_rule, offset_on_device, wanted_rule
from ..naming import OURS, owner, rule_name
from ..values import Leaf
from .model import CONTIGUOUS_PORTS, MAX_CUSTOMER_PREFIX, SHARING_RATIO, port_bits

IPV4_LENGTH = "cpe-domain ipv4 prefix length"
IPV6_LENGTH = "cpe-domain ipv6 prefix length"
VRF = "cpe-domain ipv6 vrf"
# Each is there once.
LEAVES = (CONTIGUOUS_PORTS, IPV4_LENGTH, IPV6_LENGTH, VRF, SHARING_RATIO)
DEFAULT_VRF = "default"
_DUMMY = 0xC0000008  # 192.0.0.8 (RFC 7600 section 4.8), where nobody said another gateway address


@dataclass(frozen=True, slots=True)
class Customers:
    """A cpe-domain-name: addresses without their lengths."""

    name: Leaf
    ipv4: Leaf
    ipv6: Leaf


@dataclass(frozen=True, slots=True)
class Internet:
    """An ext-domain-name: the prefix with its length, and the VRF of its IPv4 side."""

    prefix: Leaf
    vrf: Leaf


@dataclass(frozen=True, slots=True)
class Entry:
    """What a device shows of one map-t-cisco entry."""

    at: Leaf  # its name
    values: dict[str, Leaf]  # by the words of LEAVES
    customers: tuple[Customers, ...]
    internets: tuple[Internet, ...]


def name_of(service: str) -> str:
    """Name of the entry of a service."""
    return rule_name(service, 0)


def problems(node: NodePlan) -> Iterator[Problem]:
    """Services whose rules one entry cannot hold, or that the router could not tell apart."""
    for service in node.services:
        place = f"ipv4aas_services.{service.name}"
        shapes = {_shape(rule) for rule in service.rules}
        if len(shapes) > 1:
            wrong = f"{node.platform} {node.name} cannot hold rules of {len(shapes)} shapes in one entry"
            right = (
                "rules alike in both prefix lengths, EA length and PSID offset, or a service for each shape"
            )
            yield Problem(f"{place}.rules", wrong, right)
        if service.translation_prefix is None:
            yield Problem(f"{place}.gateway.translation_prefix", "missing", "the prefix of the Internet")
    for index, service in enumerate(node.services):
        for other in node.services[:index]:
            first, second = other.translation_prefix, service.translation_prefix
            if first is not None and second is not None and first.overlaps(second):
                place = f"ipv4aas_services.{service.name}.gateway.translation_prefix"
                wrong = (
                    f"{second} overlaps {first} of {other.name}: {node.name} cannot tell their packets apart"
                )
                yield Problem(place, wrong, "a prefix of its own")


def _shape(rule: MapRule) -> tuple[int, ...]:
    return rule.ipv6_prefix.prefixlen, rule.ipv4_prefix.prefixlen, rule.psid_len, offset_on_device(rule)


def found_rules(entry: Entry, wanted: tuple[Service, ...]) -> Iterator[FoundRule]:
    """The rules that an entry describes. Raises ParseError for what is missing or out of range."""
    missing = [word for word in LEAVES if word not in entry.values]
    missing += ["cpe-domain-name"] * (not entry.customers) + ["ext-domain-name"] * (not entry.internets)
    if missing:
        raise entry.at.error(f"has no {', no '.join(missing)}")
    psid_len, m = port_bits(entry.values)
    ipv4_length = entry.values[IPV4_LENGTH].integer(0, 32)
    ipv6_length = entry.values[IPV6_LENGTH].integer(1, MAX_CUSTOMER_PREFIX)
    name = entry.at.value.removeprefix(f"{OURS}-")
    facts = _facts(entry, next((service for service in wanted if service.name == name), None))
    for index, customers in enumerate(sorted(entry.customers, key=lambda one: _place(one.name.value, name))):
        rule = map_rule(
            customers.name,
            ipv6_prefix=_ipv6(customers.ipv6, ipv6_length),
            ipv4_prefix=_ipv4(customers.ipv4, ipv4_length),
            ea_len=32 - ipv4_length + psid_len,
            psid_offset=PORT_BITS - psid_len - m,
            psid_len=psid_len,
            hint=wanted_rule(wanted, name, index),
        )
        yield FoundRule(name, index, rule, facts, customers.name)


def _facts(entry: Entry, wanted: Service | None) -> dict[str, object]:
    other = next((leaf for leaf in _vrfs(entry) if leaf.value != DEFAULT_VRF), None)
    if other is not None:
        raise other.error(f"VRF {other.value} is not {DEFAULT_VRF}")
    if len(entry.internets) > 1:
        raise entry.internets[1].prefix.error("a second prefix of the Internet; a service has one")
    prefix = entry.internets[0].prefix.ipv6_network()
    if wanted is not None:
        gateway = wanted.gateway_address
    else:
        gateway = IPv6Address(0 if prefix_problem(prefix) else Embedding(prefix).embed(_DUMMY))
    return {"translation_prefix": prefix, "gateway_address": gateway}


def _vrfs(entry: Entry) -> Iterator[Leaf]:
    yield entry.values[VRF]
    yield from (internet.vrf for internet in entry.internets)


def _place(name: str, service: str) -> tuple[bool, int, str]:
    """Where a cpe-domain-name stands among the rules: ours by their number, then others by name."""
    found, index = owner(name, {service})
    return found != service, index, name


def _ipv4(leaf: Leaf, length: int) -> IPv4Network:
    network = leaf.ipv4_network()
    if network.prefixlen != network.max_prefixlen:
        raise leaf.error(f"{leaf.value} is not an IPv4 address without a length")
    return IPv4Network((network.network_address, length), strict=False)


def _ipv6(leaf: Leaf, length: int) -> IPv6Network:
    return IPv6Network((leaf.ipv6(), length), strict=False)
