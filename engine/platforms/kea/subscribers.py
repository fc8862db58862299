# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Customers that always get their End-user prefix: the option ``subscribers``, prefix -> DUID."""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping, Sequence
from ipaddress import IPv6Network
from typing import Any

from ...mapping.binding import Binding
from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques.service import Service

_DUID = re.compile(r"[0-9a-f]{2}(:[0-9a-f]{2}){2,129}", re.IGNORECASE)  # RFC 8415 section 11.1
_DUIDS = "3 to 130 octets in hexadecimal with colons, quoted"
_MAPPING = "End-user prefix: DUID, such as 2001:3e8:6000::/64: 00:03:00:01:aa:bb:cc:dd:ee:02"

Reserved = list[tuple[IPv6Network, str]]  # prefixes and DUIDs, in order


def prefix_of(service: Service, binding: Binding) -> IPv6Network:
    """The End-user prefix that a binding belongs to."""
    return IPv6Network((binding.softwire, service.delegations[0].length), strict=False)


def reservations(node: NodePlan) -> dict[str, Reserved]:
    """Those of each service. Raises Refused for what is no prefix or DUID, or what no customer can have."""
    place = f"{node.name}.ipv4aas_options.subscribers"
    given: Any = node.options.get("subscribers") or {}
    if not isinstance(given, Mapping):
        raise Refused([Problem(place, "is no mapping", _MAPPING)])
    found: dict[str, Reserved] = {service.name: [] for service in node.services}
    problems = [
        problem
        for prefix, duid in given.items()
        for problem in _reserve(str(prefix), duid, node.services, found, f"{place}.{prefix}")
    ]
    if problems:
        raise Refused(problems)
    return {service: sorted(pairs) for service, pairs in found.items()}


def _reserve(
    text: str, duid: Any, services: Sequence[Service], found: dict[str, Reserved], place: str
) -> Iterator[Problem]:
    """Adds a customer to ``found``, or says why not. Kea takes a prefix and a DUID once in a subnet."""
    known = isinstance(duid, str) and _DUID.fullmatch(duid)
    if not known:
        yield Problem(place, f"{duid!r} is no DUID", _DUIDS)
    try:
        prefix = IPv6Network(text)
    except ValueError:
        yield Problem(place, "is no IPv6 prefix", _prefixes(services))
        return
    owner = next((service for service in services if _has(service, prefix)), None)
    if owner is None:
        yield Problem(place, "no customer here has it", _prefixes(services))
    elif known:
        taken = found[owner.name]
        if any(prefix == other for other, _duid in taken):
            yield Problem(place, "is there twice", "one DUID for a prefix")
        for other, its_duid in taken:
            if its_duid == duid.lower():
                yield Problem(place, f"{its_duid} has {other} already", "a DUID once for a service")
        taken.append((prefix, duid.lower()))


def _has(service: Service, prefix: IPv6Network) -> bool:
    """Whether a customer of the service can have this prefix. Without a binding it would have no IPv4."""
    if service.bindings:
        return any(prefix_of(service, binding) == prefix for binding in service.bindings)
    return any(
        prefix.prefixlen == delegation.length and prefix.subnet_of(delegation.prefix)
        for delegation in service.delegations
    )


def _prefixes(services: Sequence[Service]) -> str:
    return " or ".join(
        f"the prefix of a binding of {service.name}, such as {prefix_of(service, service.bindings[0])}"
        if service.bindings
        else " or ".join(f"a /{one.length} inside {one.prefix}" for one in service.delegations)
        for service in services
    )
