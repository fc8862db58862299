# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables of the SA46T family: which prefix each IPv4 network of a plane is behind (m46e-pr, m46e-pt)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network, IPv6Network

from ..intent.model import HostIntent, ServiceIntent
from ..mapping.plane import PlaneRoute
from ..problem import Problem

Services = Mapping[str, ServiceIntent]


def routes_of(
    service: ServiceIntent, services: Services, hosts: Iterable[HostIntent]
) -> Iterator[PlaneRoute]:
    """The table of the service's plane. In SA46T itself all of it is in the one prefix: no address depends
    on the table, but the IPv4 side of a gateway has to know what is in the plane.

    A translator (PT) stands in the PR domain for all networks of the FP domain that it joins.
    """
    mapping = service.row.mapping
    hosts = tuple(hosts)
    if mapping == "plane":
        assert service.plane is not None
        prefix = service.plane.prefix
        inside = dict.fromkeys(_networks([service], hosts))
        yield from (PlaneRoute(n, prefix) for n in inside if prefix is not None and n.prefixlen)
        return
    for host, networks in _behind(alike(service, services, "plane-table"), hosts):
        if host.customer_prefix is not None:
            yield from (PlaneRoute(network, host.customer_prefix) for network in networks)
    if mapping == "plane-table":
        for translator in alike(service, services, "plane-rewrite"):
            fixed = tuple(_networks(alike(translator, services, "plane"), hosts))
            for host, _nothing in _behind([translator], hosts):
                if host.customer_prefix is not None:
                    yield from (PlaneRoute(network, host.customer_prefix) for network in fixed)


def alike(service: ServiceIntent, services: Services, mapping: str) -> list[ServiceIntent]:
    """Services of a mapping that have the same plane ID, and the same prefix where both have one."""
    assert service.plane is not None
    return [
        other
        for other in services.values()
        if other.row.mapping == mapping
        and other.plane is not None
        and other.plane.id == service.plane.id
        and (mapping != "plane" or other.plane.prefix == service.plane.prefix)
    ]


def _behind(
    services: Iterable[ServiceIntent], hosts: Iterable[HostIntent]
) -> Iterator[tuple[HostIntent, tuple[IPv4Network, ...]]]:
    """Hosts that carry one of the services, and the networks that it has behind them."""
    for service in services:
        for host in hosts:
            if service.name in (host.carries or ()):
                yield host, host.lan_of(service.name)


def _networks(services: Iterable[ServiceIntent], hosts: Iterable[HostIntent]) -> Iterator[IPv4Network]:
    for _host, networks in _behind(services, hosts):
        yield from networks


def plane_problems(service: ServiceIntent, hosts: Iterable[HostIntent]) -> Iterator[Problem]:
    """A node of a plane that has no network, or one that another node has under another prefix."""
    if service.row.mapping == "plane-rewrite":
        return
    owners: dict[IPv4Network, tuple[IPv6Network | None, str]] = {}
    for host, networks in _behind([service], hosts):
        if not networks:
            right = "give the IPv4 networks behind it, or 0.0.0.0/0 for the way out of the plane"
            yield Problem(host.place("lan"), f"is missing: {service.row.title} carries whole networks", right)
        for index, network in enumerate(networks):
            first = owners.setdefault(network, (host.customer_prefix, host.name))
            if service.row.mapping == "plane-table" and first[0] != host.customer_prefix:
                seated = host.plane_seat(service.name) is not None
                place = host.place("planes") if seated else f"{host.place('lan')}[{index}]"
                wrong = f"{network} is behind {first[1]} too, under {first[0]}"
                yield Problem(place, wrong, "remove one of the two, or give both one customer_prefix")
