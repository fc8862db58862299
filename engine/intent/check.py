# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What two or more values of the inventory say against each other, without any arithmetic of rules."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from ipaddress import IPv6Address

from ..problem import Problem
from ..techniques.service import EDGE, GATEWAY
from .model import ALWAYS, LINUX, SERVICES, VARIABLE, HostIntent, Rule, ServiceIntent
from .wording import all_of, any_of, closest, use_known

_EDGE_ONLY = ("customer_prefix", "lan", "port_forwards")
_INHERITED = ("role", "carries", *_EDGE_ONLY)


def service_problems(service: ServiceIntent) -> Iterator[Problem]:
    """Keys of one service that do not go together."""
    place = f"{SERVICES}.{service.name}"
    if service.rules is None:
        yield from _pool_form(service, place)
    else:
        given = [key for key in ("customers", "ipv4_pools", "sharing") if getattr(service, key) is not None]
        if given:
            wrong = f"is given beside {all_of(given)}, in whose place it stands"
            yield Problem(f"{place}.rules", wrong, f"remove rules, or remove {all_of(given)}")
        for index, rule in enumerate(service.rules):
            yield from _explicit_psid(rule, f"{place}.rules[{index}]")
    unusable = _unusable(service.gateway.address)
    if unusable:
        wrong = f"{service.gateway.address} is {unusable}"
        yield Problem(f"{place}.gateway.address", wrong, "use a global unicast address")


def _pool_form(service: ServiceIntent, place: str) -> Iterator[Problem]:
    missing = [key for key in ("customers", "ipv4_pools") if getattr(service, key) is None]
    for key in missing:
        info = ServiceIntent.model_fields[key]
        yield Problem(f"{place}.{key}", "is missing", f"give {info.description}, or give rules")
    customers = service.customers
    if customers is None:
        return
    if customers.prefix_length < customers.ipv6.prefixlen:
        yield Problem(
            f"{place}.customers.prefix_length",
            f"/{customers.prefix_length} is larger than the prefix {customers.ipv6} that holds the customers",
            f"use {customers.ipv6.prefixlen} to 64, or a shorter customers.ipv6",
        )
    wrong = _unusable(customers.ipv6.network_address)
    if wrong:
        yield Problem(
            f"{place}.customers.ipv6", f"{customers.ipv6} is {wrong}", "use a global unicast prefix"
        )


def _explicit_psid(rule: Rule, place: str) -> Iterator[Problem]:
    """RFC 7597 appendix A example 5, RFC 7598 section 4.5."""
    if rule.psid is not None and rule.ea_length:
        yield Problem(
            f"{place}.psid",
            f"is given beside ea_length {rule.ea_length}, whose bits carry the PSID",
            "remove psid",
        )
    if rule.ea_length or not (rule.psid or rule.psid_length):
        return
    if rule.ipv4_prefix.prefixlen != 32:
        yield Problem(
            f"{place}.ipv4_prefix",
            f"{rule.ipv4_prefix} is not one address, as a rule with an explicit PSID needs",
            f"use {rule.ipv4_prefix.network_address}/32",
        )
    length = rule.psid_length or 0
    if rule.psid is not None and rule.psid >= 1 << length:
        yield Problem(
            f"{place}.psid",
            f"{rule.psid} does not fit in {length} bits",
            f"use 0 to {(1 << length) - 1}, or psid_length {rule.psid.bit_length()}",
        )
    if rule.psid is None:
        yield Problem(
            f"{place}.psid",
            f"is missing: psid_length {length} without EA bits needs one",
            f"give 0 to {(1 << length) - 1}",
        )


def _unusable(address: IPv6Address) -> str | None:
    """Why an address cannot be a node's, None where it can."""
    words = {
        "is_multicast": "multicast",
        "is_loopback": "the loopback address",
        "is_unspecified": "the unspecified address",
        "is_link_local": "link-local",
    }
    return next((word for test, word in words.items() if getattr(address, test)), None)


def host_problems(
    host: HostIntent,
    services: tuple[str, ...],
    hosts: Mapping[str, HostIntent | None],
    seats: Mapping[str, tuple[str, ...]],
) -> Iterator[Problem]:
    """Variables of one host that do not go together, or that name what is not there.

    ``hosts`` has None for a host that could not be read; ``seats`` maps a fallback to the hosts
    that name it.
    """
    if host.platform is None:
        yield Problem(host.place("platform"), "is missing", "say what the host is, such as linux")
    if host.name in seats:
        yield from _as_fallback(host, seats[host.name])
    elif host.role is None:
        yield Problem(
            host.place("role"),
            "is missing",
            f"use {GATEWAY} or {EDGE}, or name {host.name} in ipv4aas_fallback of another host",
        )
    else:
        yield from _carried(host, services)
        yield from (_edge if host.role == EDGE else _gateway)(host)
        yield from _its_fallback(host, hosts, seats)


def _as_fallback(host: HostIntent, seats: tuple[str, ...]) -> Iterator[Problem]:
    if host.platform not in (None, LINUX):
        yield Problem(
            host.place("platform"),
            f"{host.name} is the fallback of {seats[0]}, but {host.platform} cannot run the engine",
            f"use {LINUX}, or name a {LINUX} host in hosts.{seats[0]}.{VARIABLE}fallback",
        )
    own = [VARIABLE + variable for variable in _INHERITED if getattr(host, variable)]
    if own:
        wrong = f"has work of its own, but is the fallback of {seats[0]} and takes over its work"
        right = f"remove {all_of(own)}, or name another host in hosts.{seats[0]}.{VARIABLE}fallback"
        yield Problem(f"hosts.{host.name}", wrong, right)


def _carried(host: HostIntent, services: tuple[str, ...]) -> Iterator[Problem]:
    if host.carries is None:
        known = f"[{', '.join(services)}]" if services else "the names of services"
        yield Problem(host.place("carries"), "is missing", f"use {known}")
        return
    for index, name in enumerate(host.carries):
        if services and name not in services:
            place = f"{host.place('carries')}[{index}]"
            yield Problem(place, f"there is no service {name}", use_known(name, services))
        elif name in host.carries[:index]:
            yield Problem(f"{host.place('carries')}[{index}]", f"{name} is there twice", "remove one")


def _edge(host: HostIntent) -> Iterator[Problem]:
    if host.customer_prefix is None:
        yield Problem(
            host.place("customer_prefix"),
            "is missing",
            "give the edge its End-user prefix, inside customers.ipv6",
        )
    if host.carries is not None and len(set(host.carries)) > 1:
        yield Problem(
            host.place("carries"),
            f"an edge has one End-user prefix, which belongs to one service, not to {all_of(host.carries)}",
            f"use {any_of(f'[{name}]' for name in host.carries)}",
        )


def _gateway(host: HostIntent) -> Iterator[Problem]:
    for variable in _EDGE_ONLY:
        if getattr(host, variable):
            yield Problem(
                host.place(variable), "only an edge has one", f"remove it, or use {VARIABLE}role: {EDGE}"
            )


def _its_fallback(
    host: HostIntent, hosts: Mapping[str, HostIntent | None], seats: Mapping[str, tuple[str, ...]]
) -> Iterator[Problem]:
    place = host.place("fallback")
    if host.fallback is None:
        if host.fallback_when == ALWAYS:
            yield Problem(place, "is missing, with ipv4aas_fallback_when: always", "name a linux host")
        return
    if host.fallback not in hosts:
        near = closest(host.fallback, hosts)
        right = f"use {near}" if near else _idle_advice(host, hosts, seats)
        yield Problem(place, f"there is no host {host.fallback}", right)
    elif seats[host.fallback][0] != host.name:
        wrong = f"{host.fallback} is already the fallback of {seats[host.fallback][0]}"
        yield Problem(place, wrong, _idle_advice(host, hosts, seats))


def _idle_advice(
    host: HostIntent, hosts: Mapping[str, HostIntent | None], seats: Mapping[str, tuple[str, ...]]
) -> str:
    idle = [
        name
        for name, other in hosts.items()
        if other is not None and other.platform == LINUX and other.role is None and name not in seats
    ]
    return f"use {any_of(idle)}" if idle else f"give {host.name} a {LINUX} host of its own"
