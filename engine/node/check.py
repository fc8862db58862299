# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether a node can run a configuration: every fault at once."""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Network
from itertools import combinations
from typing import Any

from ..codec import CodecError, decode
from ..mapping.iid import FORMATS
from ..mapping.rule import Customer, MapRuleError
from ..problem import Problem, Refused
from ..techniques import TECHNIQUES
from ..techniques.service import EDGE, GATEWAY, NodeConfiguration, PortForward, Service

_CHOICES: dict[str, tuple[str, ...]] = {
    "technique": tuple(TECHNIQUES),
    "role": (GATEWAY, EDGE),
    "interface_identifier": FORMATS,
    "fragmentation": ("outer", "inner"),
    "filtering": ("address-dependent", "endpoint-independent"),
}
_DEVICE = re.compile(r"[A-Za-z0-9_.-]{1,15}")  # IFNAMSIZ, without what /proc and ip(8) cannot take
_MTU = (1280, 65535)  # RFC 8200 section 5
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
    if not service.rules:
        yield Problem(f"{place}.rules", "there is none", "at least one mapping rule")
    if not _MTU[0] <= service.ipv6_mtu <= _MTU[1]:
        yield Problem(f"{place}.ipv6_mtu", f"{service.ipv6_mtu}", f"{_MTU[0]} to {_MTU[1]}")
    if service.mss_clamp and not _LEAST_MSS <= service.mss_clamp <= _MTU[1]:
        yield Problem(
            f"{place}.mss_clamp", f"{service.mss_clamp}", f"0 for off, or {_LEAST_MSS} to {_MTU[1]}"
        )
    if service.role == EDGE and service.interface_identifier in FORMATS:
        yield from _edge_problems(place, service)


def _edge_problems(place: str, service: Service) -> Iterator[Problem]:
    try:
        customer = service.customer
    except MapRuleError as error:
        rules = ", ".join(f"{r.ipv6_prefix} with {r.ea_len} EA bits" for r in service.rules) or "none"
        yield Problem(f"{place}.end_user_prefix", str(error), f"a prefix of one of the rules ({rules})")
        return
    seen = set()
    for index, forward in enumerate(service.port_forwards):
        where = f"{place}.port_forwards[{index}]"
        yield from _forward_problems(where, forward, customer, service.inside)
        if (key := (forward.protocol, forward.outside_port)) in seen:
            yield Problem(where, f"{key[0]} {key[1]} is forwarded twice", "one forward for each outside port")
        seen.add(key)


def _forward_problems(
    place: str, forward: PortForward, customer: Customer, inside: tuple[IPv4Network, ...]
) -> Iterator[Problem]:
    if forward.protocol not in ("tcp", "udp"):
        yield Problem(f"{place}.protocol", f"{forward.protocol} is unknown", "tcp or udp")
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


def _clashes(services: list[tuple[str, Service]]) -> Iterator[Problem]:
    """What would leave it open which service a packet belongs to."""
    for (first_place, first), (place, second) in combinations(services, 2):
        if first.name == second.name:
            yield Problem(f"{place}.name", f"{second.name} is the name of {first_place} too", "another name")
        own = _quiet(tunnel_address, second)
        if own is not None and own == _quiet(tunnel_address, first):
            yield Problem(
                place,
                f"its tunnel address {own} is that of {first_place} too",
                "one service with all the rules",
            )
        if first.role == second.role:
            for mine in native_networks(second):
                if any(mine.overlaps(other) for other in native_networks(first)):
                    yield Problem(
                        place, f"{mine} belongs to {first_place} too", "networks that do not overlap"
                    )


def _quiet(compute: Callable[[Service], Any], service: Service) -> Any:
    """None where the service is too broken to tell; that is reported elsewhere."""
    try:
        return compute(service)
    except (MapRuleError, KeyError):
        return None


def tunnel_address(service: Service) -> Any:
    """The node's own address of the service: that of the gateway, or the edge's MAP address."""
    return service.gateway_address if service.role == GATEWAY else service.customer.address


def native_networks(service: Service) -> Iterable[IPv4Network]:
    """IPv4 networks whose packets the service takes: a gateway by destination, an edge by source."""
    if service.role == GATEWAY:
        return tuple(rule.ipv4_prefix for rule in service.rules)
    return service.inside or (IPv4Network("0.0.0.0/0"),)
