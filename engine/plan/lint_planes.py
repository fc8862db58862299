# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lint of the SA46T family. Yields as lint_rules does."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Network

from ..intent.model import OWN_PREFIX, SERVICES, ServiceIntent
from .compile import Fleet
from .planes import alike

Said = Iterator[tuple[str, str, str]]

_HIGHEST = 96  # bits before the IPv4 address


def one_network_a_plane(fleet: Fleet) -> Said:
    """SA001."""
    owners: dict[tuple[str, IPv6Network | None, int], str] = {}
    for name, service in _planes(fleet):
        assert service.plane is not None
        place, plane = f"{SERVICES}.{name}.plane", service.plane
        if plane.prefix is not None and service.row.mapping != "plane-table":
            yield from _misfit(plane.prefix, plane.id, f"{place}.id")
        prefix = plane.prefix if service.row.mapping == "plane" else None
        first = owners.setdefault((service.row.mapping, prefix, plane.id), name)
        if first != name:
            yield f"{place}.id", f"{plane.id} is the plane of {first} too", "give each network a plane ID"
    yield from _own_prefixes(fleet)


def _planes(fleet: Fleet) -> Iterator[tuple[str, ServiceIntent]]:
    for name, one in fleet.drawn.items():
        if one.intent.row.napt == "nowhere":
            yield name, one.intent


def _misfit(prefix: IPv6Network, plane_id: int, place: str) -> Said:
    bits = _HIGHEST - prefix.prefixlen
    if bits < 0:
        yield place, f"{prefix} is longer than /{_HIGHEST}", "use a shorter prefix"
    elif plane_id >> bits:
        wrong = f"{plane_id} does not fit in the {bits} bits after {prefix}"
        yield place, wrong, f"use {(1 << bits) - 1} or less, or a shorter prefix"


def _own_prefixes(fleet: Fleet) -> Said:
    """Prefixes of hosts: of SA46T-PR in which the ID has to fit too, of a PT apart from the other domain."""
    for host in fleet.intent.hosts.values():
        for service in (fleet.drawn[name].intent for name in host.carries or () if name in fleet.drawn):
            prefix, plane = host.customer_prefix, service.plane
            if prefix is None or plane is None or service.row.mapping not in OWN_PREFIX:
                continue
            place = host.place("customer_prefix")
            yield from _misfit(prefix, plane.id, place)
            if service.row.mapping == "plane-rewrite" and plane.prefix and prefix.overlaps(plane.prefix):
                wrong = f"{prefix} overlaps {plane.prefix} of {service.name}: one prefix is in both domains"
                yield place, wrong, "use a prefix of its own"


def something_to_join(fleet: Fleet) -> Said:
    """SA002."""
    services = {name: one.intent for name, one in fleet.drawn.items()}
    for name, service in _planes(fleet):
        if service.row.mapping != "plane-rewrite":
            continue
        assert service.plane is not None
        sides = {"SA46T": "plane", "SA46T-PR": "plane-table"}
        for title, mapping in sides.items():
            if not alike(service, services, mapping):
                wrong = f"no {title} service has plane {service.plane.id}: there is nothing to join"
                yield f"{SERVICES}.{name}.plane", wrong, f"give the plane that {title} has"
