# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From what a device says, such as its rules, to services; what it has no words for is taken over."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from typing import Any

from ..mapping.rule import DEFAULT_OFFSET, MapRule, MapRuleError
from ..techniques.service import Service
from .driver import ParseError
from .values import Leaf

NO_ADDRESS = IPv6Address(0)  # gateway of a service that nobody wants, where the device does not name it


@dataclass(frozen=True, slots=True)
class FoundRule:
    """One rule of a service as the device has it, and what it says of the whole service."""

    service: str
    index: int
    rule: MapRule
    facts: dict[str, Any]  # Service fields that the configuration carries
    at: Leaf  # for messages


def offset_on_device(rule: MapRule) -> int:
    """PSID offset to configure: 0 for an address that is not shared, where no port may be excluded."""
    return rule.psid_offset if rule.psid_len else 0


def map_rule(
    at: Leaf,
    *,
    ipv6_prefix: IPv6Network,
    ipv4_prefix: IPv4Network,
    ea_len: int,
    psid_offset: int,
    psid_len: int,
    hint: MapRule | None,
    forwarding: bool | None = None,
) -> MapRule:
    """A MapRule whose PSID comes from the EA bits. Raises ParseError where the values are none.

    From ``hint``, the wanted rule, comes what the device does not say: the offset of an address that
    is not shared, and the F flag where ``forwarding`` is None.
    """
    expected = max(0, ea_len - (32 - ipv4_prefix.prefixlen))
    if psid_len != expected:
        raise at.error(
            f"PSID length {psid_len} does not go with {ea_len} EA bits and {ipv4_prefix}: {expected} would"
        )
    if not psid_len:
        psid_offset = hint.psid_offset if hint else DEFAULT_OFFSET
    if forwarding is None:
        forwarding = hint is not None and hint.forwarding
    try:
        return MapRule(ipv6_prefix, ipv4_prefix, ea_len, psid_offset, forwarding=forwarding)
    except MapRuleError as error:
        raise at.error(str(error)) from error


def wanted_rule(wanted: Iterable[Service], name: str, index: int) -> MapRule | None:
    """The rule that should be there, for what the device cannot say of it."""
    service = wanted_service(wanted, name)
    return service.rules[index] if service and index < len(service.rules) else None


def wanted_service(wanted: Iterable[Service], name: str) -> Service | None:
    """The service of a name that should be there."""
    return next((service for service in wanted if service.name == name), None)


def found_service(
    name: str, wanted: Iterable[Service], carried: dict[str, Any], technique: str = ""
) -> Service:
    """A service with the fields that a configuration ``carried``; what it has no words for is as ``wanted``.

    ``technique`` is that of a service which nobody wants, where the configuration does not tell it.
    """
    hint = wanted_service(wanted, name)
    if hint is not None:
        return replace(hint, **carried)
    unknown: dict[str, Any] = {"gateway_address": NO_ADDRESS, "technique": technique}
    return Service(name=name, **(unknown | carried))


def services(
    found: Iterable[FoundRule], wanted: tuple[Service, ...], technique: str, role: str
) -> tuple[Service, ...]:
    """Services in the order of ``wanted``, then those that nobody wants, by name.

    Raises ParseError where two rules of one service contradict each other.
    """
    by_name: dict[str, list[FoundRule]] = {}
    for item in sorted(found, key=lambda item: (item.service, item.index)):
        by_name.setdefault(item.service, []).append(item)
    known = {service.name: service for service in wanted}
    names = [name for name in known if name in by_name] + [name for name in by_name if name not in known]
    return tuple(_service(by_name[name], wanted, technique, role) for name in names)


def in_order(found: Iterable[Service], wanted: Iterable[Service]) -> tuple[Service, ...]:
    """Services in the order of ``wanted``, then those that nobody wants, by name."""
    places = {service.name: place for place, service in enumerate(wanted)}
    return tuple(sorted(found, key=lambda one: (places.get(one.name, len(places)), one.name)))


def _service(found: list[FoundRule], wanted: Iterable[Service], technique: str, role: str) -> Service:
    first = found[0]
    for other in found[1:]:
        for field, value in other.facts.items():
            if value != first.facts[field]:
                raise _contradiction(other, field, value, first.facts[field])
    rules = tuple(item.rule for item in found)
    carried = {"technique": technique, "role": role, "rules": rules} | first.facts
    return found_service(first.service, wanted, carried)


def _contradiction(other: FoundRule, field: str, value: object, first: object) -> ParseError:
    return other.at.error(f"{field} is {value}, but {first} for the first rule of service {other.service}")
