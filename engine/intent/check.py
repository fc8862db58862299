# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What two or more values of the inventory say against each other, without any arithmetic of rules."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from types import MappingProxyType

from ..mapping.portset import PORT_BITS
from ..mapping.rfc6052 import LENGTHS
from ..problem import Problem
from ..techniques import TECHNIQUES, Technique
from ..techniques.service import EDGE, GATEWAY
from .model import (
    ALWAYS,
    HUB,
    LINUX,
    OWN_PREFIX,
    ROLES,
    SERVICES,
    VARIABLE,
    Gateway,
    HostIntent,
    Rule,
    ServiceIntent,
    Subscriber,
)
from .wording import all_of, any_of, closest, use_known

_EDGE_ONLY = ("customer_prefix", "lan", "planes", "port_forwards")
_INHERITED = ("role", "carries", *_EDGE_ONLY)
PORTS = 1 << PORT_BITS
_NAME_OCTETS = 200  # file systems take 255, of which the names of temporary files need some
Services = Mapping[str, ServiceIntent | None]  # None for one that could not be read


def service_problems(service: ServiceIntent) -> Iterator[Problem]:
    """Keys of one service that do not go together, or that its technique needs."""
    place = f"{SERVICES}.{service.name}"
    yield from _FORMS[service.row.mapping](service, place)
    for key, prefix in _shared(service):
        wrong = _unusable(prefix.network_address)
        if wrong:
            yield Problem(f"{place}.{key}", f"{prefix} is {wrong}", "use addresses that hosts may have")
    yield from _gateway_keys(service, f"{place}.gateway")
    if service.lowest_ipv6_mtu > service.backbone_mtu:
        wrong = f"{service.lowest_ipv6_mtu} is above the {service.backbone_mtu} that the backbone carries"
        yield Problem(f"{place}.lowest_ipv6_mtu", wrong, f"use {service.backbone_mtu} or less")
    if service.mesh and service.row.mapping in ("binding", "session"):
        wrong = f"{service.row.title} is hub and spoke: everything crosses the {service.row.gateway}"
        right = f"use topology: {HUB}, or a technique with rules: {any_of(_with_mapping('rule'))}"
        yield Problem(f"{place}.topology", wrong, right)


def _shared(service: ServiceIntent) -> Iterator[tuple[str, IPv4Network]]:
    """The IPv4 prefixes of customers, each with its key."""
    for index, pool in enumerate(service.ipv4_pools or ()):
        yield f"ipv4_pools[{index}]", pool
    for index, rule in enumerate(service.rules or ()):
        yield f"rules[{index}].ipv4_prefix", rule.ipv4_prefix
    for index, binding in enumerate(service.bindings or ()):
        yield f"bindings[{index}].ipv4", IPv4Network(binding.ipv4)


def _rule_form(service: ServiceIntent, place: str) -> Iterator[Problem]:
    if service.rules is None:
        yield from _pool_form(service, place, "rules")
        return
    yield from _beside(service, place, "rules")
    for index, rule in enumerate(service.rules):
        yield from _explicit_psid(rule, f"{place}.rules[{index}]")


def _binding_form(service: ServiceIntent, place: str) -> Iterator[Problem]:
    if service.bindings is None:
        yield from _pool_form(service, place, "bindings")
        return
    yield from _beside(service, place, "bindings")
    for index, binding in enumerate(service.bindings):
        yield from _binding(binding, f"{place}.bindings[{index}]")


def _session_form(service: ServiceIntent, place: str) -> Iterator[Problem]:
    yield from _pool_form(service, place)
    sharing = service.sharing
    if sharing is not None and not sharing.ports:
        most = PORTS - sharing.reserved_ports
        wrong = f"{sharing.customers_per_address:,} customers cannot share {most:,} ports"
        right = f"use {1 << (most.bit_length() - 1)} or less"
        yield Problem(f"{place}.sharing.customers_per_address", wrong, right)
    row, customers = service.row, service.customers
    if row.edge and row.carriage == "translation" and customers and customers.prefix_length > LENGTHS[-1]:
        wrong = f"/{customers.prefix_length} leaves a {row.edge} no room for an IPv4 address"
        yield Problem(f"{place}.customers.prefix_length", wrong, "use 64, or 96 at most (RFC 6052)")


def _plane_form(service: ServiceIntent, place: str) -> Iterator[Problem]:
    title = service.row.title
    if service.plane is None:
        example = "{prefix: 2001:db8:0:46::/64, id: 9}"
        yield Problem(f"{place}.plane", f"is missing: {title} needs one", f"give it, such as {example}")
    elif service.plane.prefix is None and service.row.mapping != "plane-table":
        right = "give the prefix of the SA46T domain, such as 2001:db8:0:46::/64"
        yield Problem(f"{place}.plane.prefix", f"is missing: {title} needs one", right)


_FORMS: Mapping[str, Callable[[ServiceIntent, str], Iterator[Problem]]] = MappingProxyType(
    {
        "rule": _rule_form,
        "binding": _binding_form,
        "session": _session_form,
        "plane": _plane_form,
        "plane-table": _plane_form,
        "plane-rewrite": _plane_form,
    }
)


def _beside(service: ServiceIntent, place: str, explicit: str) -> Iterator[Problem]:
    """What stands in place of customers, ipv4_pools and sharing is given beside them."""
    given = [key for key in ("customers", "ipv4_pools", "sharing") if getattr(service, key) is not None]
    if given:
        wrong = f"is given beside {all_of(given)}, in whose place it stands"
        yield Problem(f"{place}.{explicit}", wrong, f"remove {explicit}, or remove {all_of(given)}")


def _gateway_keys(service: ServiceIntent, place: str) -> Iterator[Problem]:
    row, gateway = service.row, service.gateway
    info = Gateway.model_fields
    if row.carriage == "translation" and gateway.translation_prefix is None:
        prefix = info["translation_prefix"]
        right = f"give the prefix where IPv4 addresses of the Internet are, such as {prefix.examples[0]}"  # type: ignore[index]
        yield Problem(f"{place}.translation_prefix", f"is missing: {row.title} needs one", right)
    if gateway.address is None:
        if row.carriage == "encapsulation" and row.napt != "nowhere":
            right = f"give the IPv6 address that edges send to, such as {info['address'].examples[0]}"  # type: ignore[index]
            yield Problem(f"{place}.address", f"is missing: {row.title} needs one", right)
        return
    unusable = _unusable(gateway.address)
    if unusable:
        yield Problem(f"{place}.address", f"{gateway.address} is {unusable}", "use a global unicast address")


def _pool_form(service: ServiceIntent, place: str, otherwise: str | None = None) -> Iterator[Problem]:
    instead = f", or give {otherwise}" if otherwise else ""
    missing = [key for key in ("customers", "ipv4_pools") if getattr(service, key) is None]
    for key in missing:
        info = ServiceIntent.model_fields[key]
        yield Problem(f"{place}.{key}", "is missing", f"give {info.description}{instead}")
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


def _binding(entry: Subscriber, place: str) -> Iterator[Problem]:
    if (entry.customer_prefix is None) == (entry.softwire is None):
        wrong = "has both customer_prefix and softwire" if entry.softwire else "belongs to nobody"
        yield Problem(place, wrong, "give customer_prefix or softwire")
    if entry.gateway_address is not None and _unusable(entry.gateway_address):
        wrong = f"{entry.gateway_address} is {_unusable(entry.gateway_address)}"
        yield Problem(f"{place}.gateway_address", wrong, "use a global unicast address")
    if entry.psid >= 1 << entry.psid_length:
        wrong = f"{entry.psid} does not fit in {entry.psid_length} bits"
        right = f"use 0 to {(1 << entry.psid_length) - 1}, or psid_length {entry.psid.bit_length()}"
        yield Problem(f"{place}.psid", wrong, right)


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


def _unusable(address: IPv4Address | IPv6Address) -> str | None:
    """Why an address cannot be a node's or a customer's, None where it can."""
    words = {
        "is_multicast": "multicast",
        "is_loopback": "the loopback address",
        "is_unspecified": "the unspecified address",
        "is_link_local": "link-local",
    }
    if isinstance(address, IPv4Address):
        words["is_reserved"] = "reserved"  # of IPv6 most is that still
    return next((word for test, word in words.items() if getattr(address, test)), None)


def host_problems(
    host: HostIntent,
    services: Services,
    hosts: Mapping[str, HostIntent | None],
    seats: Mapping[str, tuple[str, ...]],
) -> Iterator[Problem]:
    """Variables of one host that do not go together, or that name what is not there.

    ``hosts`` has None for a host that could not be read; ``seats`` maps a fallback to the hosts
    that name it.
    """
    if not _is_file_name(host.name):
        wrong = "cannot be the name of a folder, as which build/ has each host"
        right = f"use printable characters without /, at most {_NAME_OCTETS} octets"
        yield Problem(f"hosts.{host.name}", wrong, right)
    if host.platform is None:
        yield Problem(host.place("platform"), "is missing", "say what the host is, such as linux")
    if host.name in seats:
        yield from _as_fallback(host, seats[host.name])
    elif host.role is None:
        yield Problem(
            host.place("role"),
            "is missing",
            f"use {any_of(ROLES)}, or name {host.name} in ipv4aas_fallback of another host",
        )
    else:
        yield from _carried(host, services)
        rows = [service.row for service in map(services.get, host.carries or ()) if service is not None]
        yield from (_edge if host.role == EDGE else _not_an_edge)(host, rows)
        yield from _plane_seats(host, services)
        yield from _its_fallback(host, hosts, seats)


def _is_file_name(name: str) -> bool:
    return (
        "/" not in name
        and name not in (".", "..")
        and name.isprintable()
        and len(name.encode()) <= _NAME_OCTETS
    )


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


def _carried(host: HostIntent, services: Services) -> Iterator[Problem]:
    if host.carries is None:
        known = f"[{', '.join(services)}]" if services else "the names of services"
        yield Problem(host.place("carries"), "is missing", f"use {known}")
        return
    for index, name in enumerate(host.carries):
        if services and name not in services:
            place = f"{host.place('carries')}[{index}]"
            yield Problem(place, f"there is no service {name}", use_known(name, tuple(services)))
        elif name in host.carries[:index]:
            yield Problem(f"{host.place('carries')}[{index}]", f"{name} is there twice", "remove one")


def _edge(host: HostIntent, rows: Sequence[Technique]) -> Iterator[Problem]:
    if host.customer_prefix is None and not any(row.mapping == "plane" for row in rows):
        own = any(row.mapping in OWN_PREFIX for row in rows)
        right = _REACHED if own else "give the edge its End-user prefix, inside customers.ipv6"
        yield Problem(host.place("customer_prefix"), "is missing", right)
    planes = all(row.mapping.startswith("plane") for row in rows)
    if host.carries is not None and len(set(host.carries)) > 1 and not planes:
        yield Problem(
            host.place("carries"),
            f"an edge has one End-user prefix, which belongs to one service, not to {all_of(host.carries)}",
            f"use {any_of(f'[{name}]' for name in host.carries)}",
        )
    for row in rows:
        if row.edge is None:
            yield Problem(
                host.place("role"), f"{row.title} has no edge: {_NO_EDGE[row.mapping]}", _without_edge(row)
            )
        elif host.port_forwards and row.napt == "nowhere":
            able = [other.name for other in TECHNIQUES.values() if other.edge and other.napt != "nowhere"]
            wrong = f"{row.title} translates no ports"
            yield Problem(host.place("port_forwards"), wrong, f"remove them, or use {any_of(able)}")


def _plane_seats(host: HostIntent, services: Services) -> Iterator[Problem]:
    """Planes that are in a namespace each."""
    if host.planes and host.platform not in (None, LINUX) and host.fallback is None:
        yield Problem(host.place("planes"), f"{host.platform} has no network namespaces", f"use {LINUX}")
    seen: dict[tuple[str, str], str] = {}
    for index, seat in enumerate(host.planes):
        place = f"{host.place('planes')}[{index}]"
        service = services.get(seat.service)
        if host.carries is not None and seat.service not in host.carries:
            right = use_known(seat.service, host.carries)
            yield Problem(f"{place}.service", f"{seat.service} is none that the host carries", right)
        elif service is not None and service.row.napt != "nowhere":
            able = any_of(row.name for row in TECHNIQUES.values() if row.mapping.startswith("plane"))
            yield Problem(
                f"{place}.service", f"{service.row.title} has no planes", f"remove it, or use {able}"
            )
        for what in ("service", "namespace"):
            first = seen.setdefault((what, getattr(seat, what)), place)
            if first != place:
                wrong = f"{getattr(seat, what)} is that of {first} too"
                yield Problem(f"{place}.{what}", wrong, f"give each {what} once")


_REACHED = "give the prefix under which the others of its domain reach it"
_NO_EDGE = MappingProxyType(
    {
        "session": "IPv6 hosts reach its gateway by themselves, at addresses that DNS64 makes",
        "plane-rewrite": "it joins an SA46T domain and an SA46T-PR domain",
    }
)


def _without_edge(row: Technique) -> str:
    alike = [
        o.name
        for o in TECHNIQUES.values()
        if (o.mapping, o.carriage) == (row.mapping, row.carriage) and o.edge
    ]
    other = f", or use {any_of(alike)}" if alike else f", or use {VARIABLE}role: gateway"
    return f"remove the host{other}"


def _not_an_edge(host: HostIntent, rows: Sequence[Technique]) -> Iterator[Problem]:
    """A gateway of the SA46T family has networks behind it as an edge has, others have none."""
    allowed = set()
    if host.role == GATEWAY and any(row.napt == "nowhere" for row in rows):
        allowed = {"lan", "planes", "customer_prefix"}
    for variable in _EDGE_ONLY:
        if getattr(host, variable) and variable not in allowed:
            yield Problem(
                host.place(variable), "only an edge has one", f"remove it, or use {VARIABLE}role: {EDGE}"
            )
    needing = next((row for row in rows if row.mapping in OWN_PREFIX), None)
    if host.role == GATEWAY and needing is not None and host.customer_prefix is None:
        wrong = f"is missing: {needing.title} has one of its own"
        yield Problem(host.place("customer_prefix"), wrong, _REACHED)


def _with_mapping(mapping: str) -> list[str]:
    return [row.name for row in TECHNIQUES.values() if row.mapping == mapping]


def _its_fallback(
    host: HostIntent, hosts: Mapping[str, HostIntent | None], seats: Mapping[str, tuple[str, ...]]
) -> Iterator[Problem]:
    place = host.place("fallback")
    if host.fallback is None:
        if host.fallback_when == ALWAYS:
            yield Problem(place, "is missing, with ipv4aas_fallback_when: always", "name a linux host")
        return
    if host.fallback not in hosts:
        near = closest(host.fallback, [name for name in hosts if name != host.name])
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
