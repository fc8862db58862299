# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lint of resolvers, provisioners and routers. Yields as lint_rules does."""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv6Network, ip_address

from ..intent.model import DNS64_EXCLUDE, SERVICES, HostIntent, ServiceIntent
from ..intent.wording import all_of
from ..mapping.iid import RFC7597, map_address
from ..techniques.service import EDGE, GATEWAY, PROVISIONER, RESOLVER
from .compile import Fleet
from .lint_keys import counts

Said = Iterator[tuple[str, str, str]]

_LABEL = re.compile(r"(?!-)[A-Za-z0-9_-]{1,63}(?<!-)")
_LONGEST_NAME = 253
_SOFTWIRE_PREFIX = 64


def _helpers(fleet: Fleet, role: str) -> Iterator[tuple[HostIntent, list[ServiceIntent]]]:
    """Hosts of a role, and the services that they really serve."""
    for host in fleet.intent.hosts.values():
        node = fleet.plan.nodes.get(host.name)
        if host.role == role and node is not None:
            yield host, [fleet.drawn[service.name].intent for service in node.services]


def one_mechanism(fleet: Fleet) -> Said:
    """DHCP003."""
    for host, services in _helpers(fleet, PROVISIONER):
        titles = sorted({service.row.title for service in services})
        if len(titles) > 1:
            wrong = f"offers {all_of(titles)}: a client that asks for all cannot tell which is meant"
            right = "let customers have one each, or send OPTION_S46_PRIORITY"
            yield host.place("carries"), wrong, right


def aftr_named(fleet: Fleet) -> Said:
    """DSL001."""
    announcing = {
        service.name: host.name for host, services in _helpers(fleet, PROVISIONER) for service in services
    }
    for name, one in fleet.drawn.items():
        row, place = one.intent.row, f"{SERVICES}.{name}.aftr_name"
        if row.mapping != "session" or row.carriage != "encapsulation":
            continue
        if one.intent.aftr_name is not None:
            problem = name_problem(one.intent.aftr_name)
            if problem:
                yield place, problem, "use one full name, such as aftr.example.net"
        elif name in announcing:
            wrong = f"is missing: {announcing[name]} announces it, and an address cannot be announced"
            yield place, wrong, "give the name of the gateway address, such as aftr.example.net"


def name_problem(name: str) -> str | None:
    """Why a name cannot be announced (RFC 6334 section 3), None where it can."""
    try:
        ip_address(name)
    except ValueError:
        labels = name.rstrip(".").split(".")
        if len(name) <= _LONGEST_NAME and len(labels) > 1 and all(map(_LABEL.fullmatch, labels)):
            return None
        return f"{name} is not one full domain name"
    return f"{name} is an address"


def mapped_addresses_left_out(fleet: Fleet) -> Said:
    """X007."""
    for name, one in fleet.drawn.items():
        given = one.intent.dns64
        if given is None or not counts("dns64", one.intent.row):
            continue
        for wanted in DNS64_EXCLUDE:
            if not any(wanted.subnet_of(prefix) for prefix in given.exclude):
                wrong = f"{wanted} is not in it: mapped addresses in AAAA answers reach nobody"
                yield f"{SERVICES}.{name}.dns64.exclude", wrong, f"add {wanted}"


def no_dual_stack(fleet: Fleet) -> Said:
    """X008."""
    dual = [
        (one.intent.name, space)
        for one in fleet.drawn.values()
        if one.intent.row.edge is not None
        for space in one.customer_space
    ]
    for _host, services in _helpers(fleet, RESOLVER):
        for service in services:
            for client in _clients(service):
                other = next((o for o in dual if o[0] != service.name and o[1].overlaps(client)), None)
                if other is not None:
                    wrong = f"{client} overlaps {other[1]}, customers of {other[0]} who have IPv4 by it"
                    right = "give dns64.clients without them"
                    yield f"{SERVICES}.{service.name}.dns64.clients", wrong, right


def _clients(service: ServiceIntent) -> tuple[IPv6Network, ...]:
    given = service.dns64.clients if service.dns64 else ()
    return given or ((service.customers.ipv6,) if service.customers else ())


def computed_softwires(fleet: Fleet) -> Said:
    """FLT005."""
    for host, services in _helpers(fleet, PROVISIONER):
        for service in services:
            for index, entry in enumerate(service.bindings or ()):
                if entry.softwire is None:
                    continue
                prefix = int(entry.softwire) >> _SOFTWIRE_PREFIX << _SOFTWIRE_PREFIX
                own = map_address(prefix, _SOFTWIRE_PREFIX, int(entry.ipv4), entry.psid, RFC7597)
                if own != int(entry.softwire):
                    place = f"{SERVICES}.{service.name}.bindings[{index}].softwire"
                    wrong = f"{entry.softwire} is not what an lwB4 makes of what {host.name} tells it"
                    yield place, wrong, "give customer_prefix in its place"


def every_helper_works(fleet: Fleet) -> Said:
    """FLT002."""
    for host in fleet.intent.hosts.values():
        node = fleet.plan.nodes.get(host.name)
        if host.role in (None, GATEWAY, EDGE) or node is None:
            continue
        served = {service.name for service in node.services}
        for index, name in enumerate(host.carries or ()):
            if name not in served and name in fleet.drawn and fleet.drawn[name].usable:
                row = fleet.drawn[name].intent.row
                wrong = f"{node.platform} has nothing to do as {host.role} for {row.title}"
                place = f"{host.place('carries')}[{index}]"
                yield place, wrong, "keep it for another technique, or remove it"
