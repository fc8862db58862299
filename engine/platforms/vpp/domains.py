# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MAP-E, MAP-T and lw4o6: MAP domains, and for bindings the rules in them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from typing import Any

from ...mapping.binding import Binding
from ...mapping.iid import RFC7597
from ...mapping.portset import PortSetError
from ...mapping.rule import MapRule
from ...problem import Problem
from ...techniques import TECHNIQUES
from ...techniques.service import GATEWAY, Service
from ..assembly import FoundRule, found_service, map_rule, offset_on_device, services, wanted_rule
from ..naming import is_ours, owner, rule_name
from ..own_file import bound
from ..values import Leaf
from .words import DOMAIN, RULE, domain, in_order, leaf_after, needed, number, pairs, source

_FRAGMENT = "map params fragment "
_SECURITY = "map params security-check enable fragments on"
_MSS = "map params tcp-mss "
_INTERFACE = "map interface "
DMR_LEN = 64


def problems(service: Service) -> Iterator[Problem]:
    """What VPP cannot do of a service."""
    place = f"ipv4aas_services.{service.name}"
    row = TECHNIQUES[service.technique]
    if row.carriage == "translation":
        prefix = service.translation_prefix
        if prefix is None or prefix.prefixlen != DMR_LEN:
            wrong = (
                f"{prefix}: with a DMR of another length VPP makes other addresses of customers than RFC 7599"
            )
            yield Problem(f"{place}.gateway.translation_prefix", wrong, f"a prefix of /{DMR_LEN}")
    for ipv4, group in _by_address(service.bindings).items():
        shapes = {(one.psid_offset, one.psid_len, one.gateway_address) for one in group}
        if len(shapes) > 1:
            wrong = f"the bindings of {ipv4} differ in port sets or gateway, for VPP they are one domain"
            yield Problem(f"{place}.bindings", wrong, "bindings of one address alike")


def lines(service: Service, interfaces: Sequence[str], first: int) -> Iterator[str]:
    """The commands of a service whose first domain is number ``first`` of the file."""
    translated = TECHNIQUES[service.technique].carriage == "translation"
    for index, rule in enumerate(service.rules):
        yield domain(
            tag=rule_name(service.name, index),
            ip4_pfx=rule.ipv4_prefix,
            ip6_pfx=rule.ipv6_prefix,
            ip6_src=service.translation_prefix if translated else f"{service.gateway_address}/128",
            ea_bits_len=rule.ea_len,
            psid_offset=offset_on_device(rule),
            psid_len=rule.psid_len,
            mtu=service.ipv6_mtu,
        )
    for at, (ipv4, group) in enumerate(_by_address(service.bindings).items(), first):
        yield from _bound(service, at, ipv4, group)
    if translated:
        yield f"{_MSS}{service.mss_clamp}"
    else:
        yield f"{_FRAGMENT}{service.fragmentation} honor-df"
    yield _SECURITY
    yield from (f"{_INTERFACE}{name}{' map-t' if translated else ''}" for name in interfaces)


def _bound(service: Service, at: int, ipv4: object, group: list[Binding]) -> Iterator[str]:
    one = group[0]
    yield domain(
        tag=rule_name(service.name, 0),
        ip4_pfx=f"{ipv4}/32",
        ip6_pfx="::/0" if one.psid_len else f"{one.softwire}/128",
        ip6_src=f"{one.gateway_address or service.gateway_address}/128",
        ea_bits_len=0,
        psid_offset=one.psid_offset if one.psid_len else 0,
        psid_len=one.psid_len,
        mtu=service.ipv6_mtu,
    )
    if one.psid_len:
        for binding in group:
            yield f"{RULE} index {at} psid {binding.psid} ip6-dst {binding.softwire}"


def _by_address(bindings: Sequence[Binding]) -> dict[object, list[Binding]]:
    groups: dict[object, list[Binding]] = {}
    for binding in bindings:
        groups.setdefault(binding.ipv4, []).append(binding)
    return groups


def parse(leaves: Sequence[Leaf], wanted: tuple[Service, ...]) -> tuple[Service, ...]:
    """The services of all domains in commands, with what the other commands say of all of them."""
    whole: dict[str, Any] = {}
    found: list[tuple[Leaf, dict[str, Leaf], list[Leaf]]] = []
    for leaf in leaves:
        if leaf.text.startswith(f"{DOMAIN} "):
            found.append((leaf, pairs(leaf, DOMAIN), []))
        elif leaf.text.startswith(f"{RULE} "):
            at = needed(pairs(leaf, RULE, ("index", "psid", "ip6-dst")), "index", leaf)
            found[at.integer(0, len(found) - 1)][2].append(leaf)
        elif leaf.text.startswith(_FRAGMENT):
            whole["fragmentation"] = _fragmentation(leaf)
        elif leaf.text.startswith(_MSS):
            whole["mss_clamp"] = leaf_after(leaf, _MSS).integer(0, 65535)
        elif leaf.text != _SECURITY and not leaf.text.startswith(_INTERFACE):
            known = ", ".join(each.strip() for each in (_FRAGMENT, _MSS, _SECURITY, _INTERFACE))
            raise leaf.error(f"is not understood; expected {known}, or a domain and its rules")
    ruled: dict[str, list[FoundRule]] = {}
    bindings: dict[str, list[tuple[Binding, IPv6Address]]] = {}
    facts: dict[str, dict[str, Any]] = {}
    for leaf, values, rules in found:
        tag = needed(values, "tag", leaf).value
        if not is_ours(tag):
            continue
        name, index = owner(tag, [service.name for service in wanted])
        if number(values, "ea-bits-len", 48):
            technique, rule = _rule(leaf, values, whole, name, index, wanted)
            ruled.setdefault(technique, []).append(rule)
        else:
            bindings.setdefault(name, []).extend(_bindings(leaf, values, rules))
            facts[name] = whole | {"ipv6_mtu": number(values, "mtu", 65535), "role": GATEWAY}
    made = [
        service
        for technique, rules_of in ruled.items()
        for service in services(rules_of, wanted, technique, GATEWAY)
    ]
    for name, table in bindings.items():
        carried = facts[name] | {"technique": "lw4o6"} | bound(table, name, wanted)
        hint = next((service.bindings for service in wanted if service.name == name), ())
        carried["bindings"] = in_order(carried["bindings"], hint)
        made.append(found_service(name, wanted, carried))
    return tuple(made)


def _fragmentation(leaf: Leaf) -> str:
    words = leaf_after(leaf, _FRAGMENT).value.split()
    if len(words) != 2 or words[0] not in ("inner", "outer") or words[1] != "honor-df":
        raise leaf.error("expected inner or outer, and honor-df")
    return words[0]


def _rule(
    leaf: Leaf,
    values: dict[str, Leaf],
    whole: dict[str, Any],
    name: str,
    index: int,
    wanted: tuple[Service, ...],
) -> tuple[str, FoundRule]:
    src, length = source(needed(values, "ip6-src", leaf))
    facts = whole | {"ipv6_mtu": number(values, "mtu", 65535), "interface_identifier": RFC7597}
    if length == 128:
        technique, facts = "map-e", facts | {"gateway_address": src}
    else:
        technique = "map-t"
        hint = next((service.gateway_address for service in wanted if service.name == name), IPv6Address(0))
        facts |= {
            "translation_prefix": IPv6Network((src, length), strict=False),
            "gateway_address": hint,
        }
    rule: MapRule = map_rule(
        leaf,
        ipv6_prefix=needed(values, "ip6-pfx", leaf).ipv6_network(),
        ipv4_prefix=needed(values, "ip4-pfx", leaf).ipv4_network(),
        ea_len=number(values, "ea-bits-len", 48),
        psid_offset=number(values, "psid-offset", 16),
        psid_len=number(values, "psid-len", 16),
        hint=wanted_rule(wanted, name, index),
    )
    return technique, FoundRule(name, index, rule, facts, leaf)


def _bindings(
    leaf: Leaf, values: dict[str, Leaf], rules: list[Leaf]
) -> Iterator[tuple[Binding, IPv6Address]]:
    gateway, _length = source(needed(values, "ip6-src", leaf))
    ipv4: IPv4Network = needed(values, "ip4-pfx", leaf).ipv4_network()
    offset, length = number(values, "psid-offset", 16), number(values, "psid-len", 16)
    if not length:
        softwire = needed(values, "ip6-pfx", leaf).ipv6_network()
        if softwire.prefixlen != 128 or ipv4.prefixlen != 32:
            raise leaf.error("without EA bits and port set it has to be one address, /32 and /128")
        yield Binding(softwire.network_address, ipv4.network_address), gateway
    elif not rules:
        raise leaf.error(f"has a port set, no EA bits and no rule; {RULE} for each customer would be")
    for rule in rules:
        told = pairs(rule, RULE, ("index", "psid", "ip6-dst"))
        try:
            plain = Binding(needed(told, "ip6-dst", rule).ipv6(), ipv4.network_address, offset, length, 0)
            yield replace(plain, psid=needed(told, "psid", rule).integer(0, 65535)), gateway
        except PortSetError as error:
            raise rule.error(str(error)) from error
