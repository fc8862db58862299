# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node can run a configuration: every fault at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from ipaddress import IPv4Network
from random import Random
from types import MappingProxyType
from typing import Any, TypeVar

from ..codec import CodecError, decode
from ..mapping.binding import binding_problems
from ..mapping.iid import FORMATS
from ..mapping.plane import Plane, PlaneError
from ..mapping.pool import PoolError
from ..mapping.rfc6052 import Embedding, PrefixError, prefix_problem
from ..mapping.rule import Customer, MapRuleError
from ..packet.allocation import PoolAllocator
from ..problem import Problem, Refused
from ..techniques import TECHNIQUES
from ..techniques.reach import ipv4_networks, ipv6_prefixes
from ..techniques.service import (
    COMPUTE,
    DROP,
    EDGE,
    FORWARD,
    GATEWAY,
    NodeConfiguration,
    PortForward,
    Service,
)
from .core import has_node

_CHOICES: dict[str, tuple[str, ...]] = {
    "technique": tuple(TECHNIQUES),
    "role": (GATEWAY, EDGE),
    "interface_identifier": FORMATS,
    "fragmentation": ("outer", "inner"),
    "filtering": ("address-dependent", "endpoint-independent"),
    "udp_zero_checksum": (COMPUTE, FORWARD, DROP),
}
_DEVICE = re.compile(r"[A-Za-z0-9_.-]{1,15}")  # IFNAMSIZ, without what /proc and ip(8) cannot take
_NAMESPACE = re.compile(r"(?!\.\.?$)[A-Za-z0-9_.-]{1,200}")  # a file of /run/netns
_MTU = (1280, 65535)  # RFC 8200 section 5
_FORWARDED = ("tcp", "udp")
_LEAST_MSS = 88  # Linux' TCP_MIN_MSS


def configuration(document: Any) -> NodeConfiguration:
    """The configuration that a JSON document holds. Raises Refused with all that is wrong in it."""
    if not isinstance(document, dict):
        raise Refused([Problem("configuration", f"{type(document).__name__} in place of a mapping", _FORM)])
    problems: list[Problem] = []
    listed = document.get("services")
    services: list[tuple[str, Service]] = []
    for index, item in enumerate(listed if isinstance(listed, list) else ()):
        place = f"services[{index}]"
        try:
            services.append((place, decode(Service, item, place)))
        except CodecError as error:
            problems.append(_form(error))
    frame = document | ({"services": []} if isinstance(listed, list) else {})
    try:
        node = decode(NodeConfiguration, frame, "configuration")
    except CodecError as error:
        raise Refused([*problems, _form(error)]) from error
    if not _DEVICE.fullmatch(node.device) or node.device in (".", ".."):
        problems.append(
            Problem(
                "device", f"{node.device!r} cannot name an interface", "1 to 15 letters, digits, _ . or -"
            )
        )
    for place, service in services:
        problems += _service_problems(place, service)
    problems += _clashes(services)
    if problems:
        raise Refused(problems)
    return NodeConfiguration(node=node.node, services=tuple(s for _, s in services), device=node.device)


_FORM = "the form that `ipv4aas-node read` prints"


def _form(error: CodecError) -> Problem:
    place, _, wrong = str(error).partition(": ")
    return Problem(place, wrong, _FORM)


def _service_problems(place: str, service: Service) -> Iterator[Problem]:
    for name, choices in _CHOICES.items():
        value = getattr(service, name)
        if value not in choices:
            yield Problem(f"{place}.{name}", f"{value} is unknown", f"one of {', '.join(choices)}")
    if not _MTU[0] <= service.ipv6_mtu <= _MTU[1]:
        yield Problem(f"{place}.ipv6_mtu", f"{service.ipv6_mtu}", f"{_MTU[0]} to {_MTU[1]}")
    if service.mss_clamp and not _LEAST_MSS <= service.mss_clamp <= _MTU[1]:
        yield Problem(
            f"{place}.mss_clamp", f"{service.mss_clamp}", f"0 for off, or {_LEAST_MSS} to {_MTU[1]}"
        )
    if service.namespace and not _NAMESPACE.fullmatch(service.namespace):
        right = "a name of `ip netns list`, or nothing for the node's own"
        yield Problem(f"{place}.namespace", f"{service.namespace!r} cannot name a namespace", right)
    if service.technique not in TECHNIQUES or service.role not in (GATEWAY, EDGE):
        return
    row = TECHNIQUES[service.technique]
    if not has_node(service.technique, service.role):
        yield Problem(f"{place}.role", f"{row.title} has no {service.role}", "a role that it has")
        return
    for check in (*_CARRIAGE_CHECKS.get(row.carriage, ()), *_MAPPING_CHECKS.get(row.mapping, ())):
        yield from check(place, service)


def _translation_problems(place: str, service: Service) -> Iterator[Problem]:
    """Carriage by translation: where the Internet is (RFC 6052, RFC 7599 section 5.1), and what is cut."""
    prefix = service.translation_prefix
    wrong = "there is none" if prefix is None else prefix_problem(prefix)
    if wrong:
        yield Problem(
            f"{place}.translation_prefix", wrong, "a prefix of RFC 6052, such as 64:ff9b::/96 or a /64"
        )
    if not _MTU[0] <= service.lowest_ipv6_mtu <= _MTU[1]:
        yield Problem(f"{place}.lowest_ipv6_mtu", f"{service.lowest_ipv6_mtu}", f"{_MTU[0]} to {_MTU[1]}")


def _rule_problems(place: str, service: Service) -> Iterator[Problem]:
    if not service.rules:
        yield Problem(f"{place}.rules", "there is none", "at least one mapping rule")


def _binding_problems(place: str, service: Service) -> Iterator[Problem]:
    """An lwAFTR may begin without bindings; an lwB4 has its own (see _port_set_problems)."""
    for wrong in binding_problems(service.bindings):
        yield Problem(f"{place}.bindings", wrong, "one binding a softwire, one owner a port")


def _port_set_problems(place: str, service: Service) -> Iterator[Problem]:
    """An edge that has NAPT of its own, in what it owns."""
    if service.role != EDGE or service.interface_identifier not in FORMATS:
        return
    try:
        customer = service.customer
    except MapRuleError as error:
        yield Problem(f"{place}.end_user_prefix", str(error), _own_prefixes(service))
        return
    seen = set()
    for index, forward in enumerate(service.port_forwards):
        where = f"{place}.port_forwards[{index}]"
        yield from _forward_problems(where, forward, customer, service.inside)
        if (key := (forward.protocol, forward.outside_port)) in seen:
            yield Problem(where, f"{key[0]} {key[1]} is forwarded twice", "one forward for each outside port")
        seen.add(key)


def _own_prefixes(service: Service) -> str:
    """What the End-user prefix of an edge may be."""
    if TECHNIQUES[service.technique].mapping == "binding":
        softwires = ", ".join(str(binding.softwire) for binding in service.bindings[:3]) or "none"
        return f"a prefix that holds the softwire of a binding ({softwires})"
    rules = ", ".join(f"{r.ipv6_prefix} with {r.ea_len} EA bits" for r in service.rules) or "none"
    return f"a prefix of one of the rules ({rules})"


def _forward_problems(
    place: str, forward: PortForward, customer: Customer, inside: tuple[IPv4Network, ...]
) -> Iterator[Problem]:
    if forward.protocol not in _FORWARDED:
        yield Problem(f"{place}.protocol", f"{forward.protocol} is unknown", " or ".join(_FORWARDED))
    if not forward.outside_port or forward.outside_port not in customer.ports:
        first = ", ".join(f"{a}-{b}" for a, b in customer.ports.ranges()[:3])
        yield Problem(
            f"{place}.outside_port",
            f"{forward.outside_port} is not in the own port set of {customer.end_user_prefix}",
            f"a port of {first} ...",
        )
    if not 0 < forward.inside_port <= 0xFFFF:
        yield Problem(f"{place}.inside_port", f"{forward.inside_port}", "1 to 65535")
    if inside and not any(forward.inside_address in network for network in inside):
        networks = ", ".join(map(str, inside))
        yield Problem(f"{place}.inside_address", f"{forward.inside_address} is not inside", f"in {networks}")


def _plane_problems(place: str, service: Service) -> Iterator[Problem]:
    """The SA46T family: a plane, and a table that it fits (draft-matsuhira-m46a)."""
    if service.plane is None:
        yield Problem(f"{place}.plane", "there is none", "prefix and plane ID")
        return
    for index, route in enumerate(service.plane_routes):
        try:
            Plane(route.prefix, service.plane.plane_id)
        except PlaneError as error:
            yield Problem(
                f"{place}.plane_routes[{index}]", str(error), "a shorter prefix, or a lower plane ID"
            )


def _resolution_problems(place: str, service: Service) -> Iterator[Problem]:
    if not service.plane_routes:
        right = "where each IPv4 network of the plane is (draft-matsuhira-m46e-pr section 3.3)"
        yield Problem(f"{place}.plane_routes", "there is none", right)


def _joint_problems(place: str, service: Service) -> Iterator[Problem]:
    """A PT is in the PR domain under a prefix of its own."""
    own, plane = service.end_user_prefix, service.plane
    if own is None or (plane is not None and own.overlaps(plane.prefix)):
        wrong = "there is none" if own is None else f"{own} is in the FP domain too"
        yield Problem(f"{place}.end_user_prefix", wrong, "a prefix that the PR domain routes to this node")
    elif plane is not None:
        try:
            Plane(own, plane.plane_id)
        except PlaneError as error:
            yield Problem(f"{place}.end_user_prefix", str(error), "a shorter prefix")


def _session_problems(place: str, service: Service) -> Iterator[Problem]:
    """NAPT at the gateway: its pool there, nothing of the kind at the edge."""
    if TECHNIQUES[service.technique].carriage == "encapsulation" and service.fragmentation != "outer":
        yield Problem(f"{place}.fragmentation", service.fragmentation, "outer (RFC 6333 section 5.3)")
    if service.role == GATEWAY:
        yield from _pool_problems(place, service)
    else:
        yield from _plain_edge_problems(place, service)


def _pool_problems(place: str, service: Service) -> Iterator[Problem]:
    if service.pool is None:
        yield Problem(f"{place}.pool", "there is none", "IPv4 addresses for the subscribers")
        return
    try:
        PoolAllocator(service.pool, Random(0))
    except PoolError as error:
        yield Problem(f"{place}.pool", str(error), "a pool that can be given out")
    seen = set()
    for index, binding in enumerate(service.static_bindings):
        where, outside = f"{place}.static_bindings[{index}]", binding.outside_address
        if binding.protocol not in _FORWARDED:
            yield Problem(f"{where}.protocol", f"{binding.protocol} is unknown", " or ".join(_FORWARDED))
        for name in ("outside_port", "inside_port"):
            if not 0 < getattr(binding, name) <= 0xFFFF:
                yield Problem(f"{where}.{name}", f"{getattr(binding, name)}", "1 to 65535")
        if not any(outside in network for network in service.pool.ipv4):
            right = "in " + ", ".join(map(str, service.pool.ipv4))
            yield Problem(f"{where}.outside_address", f"{outside} is not in the pool", right)
        if (key := (binding.protocol, outside, binding.outside_port)) in seen:
            wrong = f"{key[0]} {outside}:{key[2]} is bound twice"
            yield Problem(where, wrong, "one static binding for each outside port")
        seen.add(key)


def _plain_edge_problems(place: str, service: Service) -> Iterator[Problem]:
    if service.port_forwards:
        yield Problem(f"{place}.port_forwards", "the NAPT is at the gateway", "a static binding there")
    own, internet = service.end_user_prefix, service.translation_prefix
    if own is None:
        yield Problem(f"{place}.end_user_prefix", "there is none", "the customer's prefix")
    elif TECHNIQUES[service.technique].carriage == "translation":
        try:
            Embedding(service.clat_prefix)
        except PrefixError as error:
            yield Problem(f"{place}.end_user_prefix", str(error), "a prefix of RFC 6052")
        if internet is not None and own.overlaps(internet):
            yield Problem(f"{place}.end_user_prefix", f"{own} overlaps with {internet}", "another prefix")


_Check = Callable[[str, Service], Iterator[Problem]]

# What the row of a technique needs; a piece that needs something adds its line.
_CARRIAGE_CHECKS: Mapping[str, tuple[_Check, ...]] = MappingProxyType(
    {"translation": (_translation_problems,)}
)
_MAPPING_CHECKS: Mapping[str, tuple[_Check, ...]] = MappingProxyType(
    {
        "rule": (_rule_problems, _port_set_problems),
        "binding": (_binding_problems, _port_set_problems),
        "session": (_session_problems,),
        "plane": (_plane_problems,),
        "plane-table": (_plane_problems, _resolution_problems),
        "plane-rewrite": (_plane_problems, _resolution_problems, _joint_problems),
    }
)


def _clashes(services: list[tuple[str, Service]]) -> Iterator[Problem]:
    """What would leave it open which service a packet belongs to."""
    names: dict[str, str] = {}
    prefixes: dict[Any, str] = {}
    networks: dict[tuple[str, str], list[tuple[IPv4Network, str]]] = {}
    for place, service in services:
        first = names.setdefault(service.name, place)
        if first != place:
            yield Problem(f"{place}.name", f"{service.name} is the name of {first} too", "another name")
        for prefix in _quiet(ipv6_prefixes, service):
            first = prefixes.setdefault(prefix, place)
            if first != place:
                shown = prefix.network_address if prefix.prefixlen == 128 else prefix
                yield Problem(
                    place,
                    f"its tunnel address {shown} is that of {first} too",
                    "one service with all the rules",
                )
        group = networks.setdefault((service.role, service.namespace), [])
        group += [(network, place) for network in _quiet(ipv4_networks, service)]
    for group in networks.values():
        for network, place, first in _nested(group):
            yield Problem(
                place,
                f"{network} belongs to {first} too",
                "networks that do not overlap, or another namespace",
            )


def _nested(entries: list[tuple[IPv4Network, str]]) -> Iterator[tuple[IPv4Network, str, str]]:
    """(network, its place, the earlier place) where networks of two places overlap."""
    order = {place: number for number, (_, place) in reversed(list(enumerate(entries)))}
    around: list[tuple[IPv4Network, str]] = []
    for network, place in sorted(entries, key=lambda entry: (entry[0].network_address, entry[0].prefixlen)):
        while around and around[-1][0].broadcast_address < network.network_address:
            around.pop()
        for outer, other in around:
            if other != place:
                late, early = sorted(((network, place), (outer, other)), key=lambda e: -order[e[1]])
                yield late[0], late[1], early[1]
        around.append((network, place))


Found = TypeVar("Found")


def _quiet(compute: Callable[[Service], Iterable[Found]], service: Service) -> Iterable[Found]:
    """Nothing where the service is too broken to tell; that is reported elsewhere."""
    try:
        return compute(service)
    except (ValueError, KeyError, AssertionError, StopIteration):
        return ()
