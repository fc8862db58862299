# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the intent to the plan of the whole fleet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cache
from ipaddress import IPv4Network, IPv6Network

from ..intent.model import SERVICES, HostIntent, Intent, ServiceIntent
from ..intent.wording import all_of
from ..mapping.rule import MapRule
from ..problem import Problem
from ..techniques.service import ANNOUNCER, EDGE, GATEWAY, Service
from .announcing import announcing, gateway_of
from .capability import Features
from .draw import Drawn, draw
from .edges import (
    Ranges,
    binding_problems,
    clat_problems,
    forward_problems,
    inside_problems,
    lan_problems,
    outside_customers,
    outside_rules,
    ports_of,
    same_customer,
    same_subscriber,
)
from .figures import figures
from .forwards import switchboard, with_bindings
from .model import FleetPlan, NodePlan
from .pools import addresses_in, parts
from .seats import (
    Lack,
    Seat,
    device_problems,
    fallback_refusal,
    has_own_template,
    lacking,
    platform_problems,
    refusal,
    take_seat,
    unverified_problems,
)
from .services import common_service, has_work, service_of_edge, service_of_gateway

_Kind = tuple[str, str, str, MapRule | None]  # service, role, identifier format, an edge's only rule


@dataclass(frozen=True, slots=True)
class Edge:
    """One customer edge and the rule that numbers it, where the mapping has rules or bindings."""

    host: HostIntent  # that has the seat
    prefix: IPv6Network
    rule: MapRule
    bound: bool = False  # by a binding, which may say any address in the prefix

    @property
    def ea(self) -> int:
        """The EA bits: the number of the customer under its rule."""
        bits = int(self.prefix.network_address) >> (128 - self.rule.customer_prefix_len)
        return bits & (self.rule.customer_count - 1)

    @property
    def long_enough(self) -> bool:
        """Whether the prefix holds all EA bits (lint MAP001)."""
        whole = self.bound and not self.rule.ea_len and self.rule.ipv6_prefix.subnet_of(self.prefix)
        return whole or self.prefix.prefixlen >= self.rule.customer_prefix_len


@dataclass(frozen=True, slots=True)
class Subscriber:
    """One customer edge whose addresses and ports are the gateway's to give."""

    host: HostIntent
    prefix: IPv6Network
    service: ServiceIntent


@dataclass(frozen=True, slots=True)
class Fleet:
    """The plan with what it was made of, for lint, and the problems met on the way."""

    intent: Intent
    features: Mapping[str, Features]
    drawn: Mapping[str, Drawn]
    edges: tuple[Edge, ...]
    subscribers: tuple[Subscriber, ...]
    plan: FleetPlan
    problems: tuple[Problem, ...]


def draw_fleet(intent: Intent, features: Mapping[str, Features]) -> Fleet:
    """The whole fleet; never raises for what the operator wrote."""
    problems: list[Problem] = []
    drawn: dict[str, Drawn] = {}
    for name, service in intent.services.items():
        drawn[name], wrong = draw(service, intent.services, tuple(intent.hosts.values()))
        problems += wrong
    seating = _Seating(intent, features, drawn)
    for host in intent.hosts.values():
        unknown = tuple(platform_problems(host, features))
        problems += unknown
        if host.role is not None and not unknown:
            problems += seating.seat(host)
    problems += _customers_twice(seating.edges)
    problems += _subscribers_twice(seating.subscribers)
    problems += _gateway_problems(drawn, seating.seats)
    problems += _edge_problems(seating, drawn)
    problems += _connect(seating, drawn)
    services = {name: figures(one, seating.nodes) for name, one in drawn.items() if one.usable}
    plan = FleetPlan(services=services, nodes=seating.nodes)
    return Fleet(
        intent, features, drawn, tuple(seating.edges), tuple(seating.subscribers), plan, tuple(problems)
    )


class _Seating:
    """Seats hosts one after the other, and gathers their seats, edges and node plans."""

    def __init__(self, intent: Intent, features: Mapping[str, Features], drawn: Mapping[str, Drawn]) -> None:
        self._hosts, self._features, self._drawn = intent.hosts, features, drawn
        self.seats: list[Seat] = []
        self.edges: list[Edge] = []
        self.subscribers: list[Subscriber] = []
        self.nodes: dict[str, NodePlan] = {}
        # Many hosts are alike: each kind of service is made, and held against a platform, once.
        self._service = cache(lambda name, *kind: common_service(drawn[name], *kind))
        self._lacking = cache(
            lambda platform, dialect, *kind: lacking(features[platform], self._service(*kind), dialect)
        )
        self._parts = cache(self._divide)

    def seat(self, host: HostIntent) -> Iterator[Problem]:
        """Plans a host, and its fallback where that takes the seat."""
        usable = [name for name in host.carries or () if name in self._drawn and self._drawn[name].usable]
        names, rule = tuple(self._with_work(host, usable)), None
        if host.role == EDGE and names:
            misplaced = list(self._misplaced(host, self._drawn[names[0]]))
            yield from misplaced
            if misplaced:
                return
            rule = self._place(host, self._drawn[names[0]])
        if not usable:
            return  # told already: the service is at fault
        if host.role == ANNOUNCER:
            problems = [one for name in names if isinstance(one := self._gateway_of(host, name), Problem)]
            yield from problems
            if problems:
                return
        lacks = self._lacks(host, host, names, rule)
        seat = take_seat(host, lacks, self._hosts)
        self.seats.append(seat)
        self._add(seat, host, names, rule)
        if not lacks:
            yield from self._device_problems(host, host, names)
        elif host.fallback is None:
            yield from refusal(host, lacks, self._able(host, names, rule))
        fallback = seat.taken_by
        if fallback is not None and fallback.platform in self._features:
            self._add(seat, fallback, names, rule)
            yield from self._device_problems(fallback, host, names)
            beyond = self._lacks(fallback, host, names, rule)
            yield from fallback_refusal(host, beyond, self._able(host, names, rule) if beyond else ())

    def _with_work(self, host: HostIntent, names: Iterable[str]) -> Iterator[str]:
        """The services that the host has something to do for: a resolver has nothing to do for MAP-E.

        A platform that helps other techniques in the role, but not this one, has nothing to do either.
        """
        role, features = host.role or "", self._features[host.platform or ""]
        helps = role not in (GATEWAY, EDGE) and any(row.role == role for row in features.techniques)
        for name in names:
            row = self._drawn[name].intent.row
            feature = features.feature(row.name, role)
            if has_work(row, role) and not (helps and (feature is None or feature.state != "yes")):
                yield name

    def _misplaced(self, host: HostIntent, one: Drawn) -> Iterator[Problem]:
        """What keeps an edge from being a customer of the service."""
        prefix, row = host.customer_prefix, one.intent.row
        if prefix is None:
            return
        if row.mapping == "session":
            yield from outside_customers(host, prefix, one.intent)
            yield from clat_problems(host, prefix, row)
        elif one.rules:
            rule = one.index.find(prefix)
            if rule is None:
                yield outside_rules(host, prefix, one.intent.name, one.rules)
            elif row.mapping == "binding":
                yield from binding_problems(host, prefix, rule)

    def _place(self, host: HostIntent, one: Drawn) -> MapRule | None:
        """Notes whose customer an edge is; the rule that numbers it."""
        prefix = host.customer_prefix
        rule = one.index.find(prefix) if prefix is not None and one.rules else None
        if rule is not None and prefix is not None:
            self.edges.append(Edge(host, prefix, rule, one.intent.row.mapping == "binding"))
        elif prefix is not None and one.pool is not None:
            self.subscribers.append(Subscriber(host, prefix, one.intent))
        return rule

    def _kinds(
        self, runner: HostIntent, seat: HostIntent, names: tuple[str, ...], rule: MapRule | None
    ) -> Iterator[_Kind]:
        for name in names:
            wanted = self._drawn[name].intent
            iid_format = runner.interface_identifier or wanted.interface_identifier
            shared = wanted.mesh or wanted.row.mapping != "rule"
            yield name, seat.role or "", iid_format, None if shared else rule

    def _lacks(
        self, runner: HostIntent, seat: HostIntent, names: tuple[str, ...], rule: MapRule | None
    ) -> list[Lack]:
        """What the runner's platform lacks for the work of the seat."""
        if has_own_template(runner):
            return []
        dialect = runner.dialect or self._features[runner.platform or ""].dialects[0]
        kinds = self._kinds(runner, seat, names, rule)
        lacks = {self._lacking(runner.platform, dialect, *kind) for kind in kinds}
        return sorted(lack for lack in lacks if lack is not None)

    def _device_problems(
        self, runner: HostIntent, seat: HostIntent, names: tuple[str, ...]
    ) -> Iterator[Problem]:
        features = self._features[runner.platform or ""]
        yield from device_problems(runner, features)
        kinds = {(self._drawn[name].intent.technique, seat.role or "") for name in names}
        yield from unverified_problems(runner, features, kinds)

    def _able(self, host: HostIntent, names: tuple[str, ...], rule: MapRule | None) -> list[str]:
        kinds = list(self._kinds(host, host, names, rule))
        return [
            name
            for name in sorted(self._features)
            if name != host.platform and not any(self._lacking(name, None, *kind) for kind in kinds)
        ]

    def _add(self, seat: Seat, runner: HostIntent, names: tuple[str, ...], rule: MapRule | None) -> None:
        """The node plan of a runner of a seat: the host itself, or its fallback."""
        host, itself = seat.host, runner is seat.host
        services = tuple(self._service(*kind) for kind in self._kinds(runner, host, names, rule))
        if host.role == EDGE:
            services = tuple(
                service_of_edge(service, host, rule, self._drawn[service.name]) for service in services
            )
        elif host.role == GATEWAY:
            services = tuple(
                service_of_gateway(service, host, self._part(host, service.name)) for service in services
            )
        elif host.role == ANNOUNCER:
            services = tuple(self._announced(service, host) for service in services)
        features = self._features[runner.platform or ""]
        dialect = runner.dialect or features.dialects[0]
        self.nodes[runner.name] = NodePlan(
            name=runner.name,
            role=host.role or "",
            platform=features.platform,
            services=services,
            dialect=dialect,
            options=dict(runner.options),
            seat_of=None if itself else host.name,
            seat_taken_by=seat.taken_by.name if itself and seat.taken_by else None,
            refused=seat.refused if itself else None,
            deploy=host.deploy
            and runner.deploy
            and not features.by_person(dialect)
            and not (itself and (seat.refused or seat.taken_by)),
        )

    def _announced(self, service: Service, host: HostIntent) -> Service:
        """With what its gateway attracts, or every gateway of the service."""
        attracting = self._service(service.name, GATEWAY, service.interface_identifier, None)
        gateway = self._gateway_of(host, service.name)
        if isinstance(gateway, HostIntent):
            attracting = service_of_gateway(attracting, gateway, self._part(gateway, service.name))
        return announcing(service, attracting)

    def _gateway_of(self, host: HostIntent, name: str) -> HostIntent | Problem | None:
        gateways = [
            one for one in self._hosts.values() if one.role == GATEWAY and name in (one.carries or ())
        ]
        divided = bool(self._parts(name)) or self._drawn[name].intent.row.mapping.startswith("plane")
        return gateway_of(host, name, gateways, divided)

    def _part(self, host: HostIntent, name: str) -> tuple[IPv4Network, ...]:
        """The gateway's part of a pool: all of it where it is not one of several that are deployed."""
        return self._parts(name).get(host.name, self._drawn[name].ipv4)

    def _divide(self, name: str) -> dict[str, tuple[IPv4Network, ...]]:
        pool = self._drawn[name].pool
        if pool is None or pool.deterministic:  # a deterministic block is the customer's at every gateway
            return {}
        sharers = [
            host.name
            for host in self._hosts.values()
            if host.role == GATEWAY and host.deploy and name in (host.carries or ())
        ]
        return dict(zip(sharers, parts(pool.ipv4, len(sharers)), strict=True)) if sharers else {}


def _customers_twice(edges: Iterable[Edge]) -> Iterator[Problem]:
    """Edges whose prefixes carry the same EA bits of the same rule."""
    taken: dict[MapRule, dict[int, str]] = {}
    for edge in edges:
        if edge.long_enough:
            owners = taken.setdefault(edge.rule, {})
            first = owners.setdefault(edge.ea, edge.host.name)
            if first != edge.host.name:
                yield same_customer(edge.host, first, edge.rule, owners)


def _subscribers_twice(subscribers: Iterable[Subscriber]) -> Iterator[Problem]:
    """Edges whose prefixes are one subscriber's."""
    taken: dict[tuple[str, int], str] = {}
    for one in subscribers:
        assert one.service.customers is not None  # intent/check.py
        number = int(one.prefix.network_address) >> (128 - one.service.customers.prefix_length)
        first = taken.setdefault((one.service.name, number), one.host.name)
        if first != one.host.name:
            yield same_subscriber(one.host, first, one.service.customers.prefix_length)


def _gateway_problems(drawn: Mapping[str, Drawn], seats: Sequence[Seat]) -> Iterator[Problem]:
    """A gateway address or prefix that is a customer's, or that several gateways have without anycast."""
    space = [(one.intent.name, prefix) for one in drawn.values() for prefix in one.customer_space]
    for name, one in drawn.items():
        place, given = f"{SERVICES}.{name}.gateway", one.intent.gateway
        if given.address is not None:
            yield from _inside_customers(f"{place}.address", IPv6Network(given.address), space)
        for at, entry in enumerate(one.intent.bindings or ()):
            if entry.gateway_address is not None:
                where = f"{SERVICES}.{name}.bindings[{at}].gateway_address"
                yield from _inside_customers(where, IPv6Network(entry.gateway_address), space)
        if given.translation_prefix is not None and one.intent.row.carriage == "translation":
            yield from _inside_customers(f"{place}.translation_prefix", given.translation_prefix, space)
        deployed = [
            seat.runner.name
            for seat in seats
            if seat.host.role == GATEWAY and seat.host.deploy and name in (seat.host.carries or ())
        ]
        if len(deployed) > 1 and one.intent.row.napt != "nowhere" and not given.anycast:
            wrong = f"is false, but {all_of(deployed)} have the address {one.gateway_address}"
            yield Problem(f"{place}.anycast", wrong, "use true, or let one gateway carry the service")
        if one.pool is not None and not one.pool.deterministic and len(deployed) > addresses_in(one.ipv4):
            wrong = (
                f"cannot be divided among {all_of(deployed)}: {addresses_in(one.ipv4)} for {len(deployed)}"
            )
            yield Problem(f"{SERVICES}.{name}.ipv4_pools", wrong, "give each gateway an address or more")


def _inside_customers(
    place: str, prefix: IPv6Network, space: Iterable[tuple[str, IPv6Network]]
) -> Iterator[Problem]:
    owner = next(((name, customers) for name, customers in space if prefix.overlaps(customers)), None)
    if owner is not None:
        is_address = prefix.prefixlen == prefix.max_prefixlen
        shown = prefix.network_address if is_address else prefix
        what = "an address" if is_address else "a prefix"
        wrong = f"{shown} {'is inside' if is_address else 'overlaps'} {owner[1]}, the customers of {owner[0]}"
        yield Problem(place, wrong, f"use {what} outside {owner[1]}")


def _edge_problems(seating: _Seating, drawn: Mapping[str, Drawn]) -> Iterator[Problem]:
    pools = Ranges(network for one in drawn.values() for network in one.ipv4 if network.prefixlen)
    for edge in seating.edges:
        yield from lan_problems(edge.host, pools)
        if edge.host.port_forwards and edge.long_enough:
            yield from forward_problems(edge.host, ports_of(edge.rule, edge.prefix))
    for subscriber in seating.subscribers:
        yield from lan_problems(subscriber.host, pools)
        yield from inside_problems(subscriber.host)


def _connect(seating: _Seating, drawn: Mapping[str, Drawn]) -> Iterator[Problem]:
    """Gives gateways the port forwards of edges that have no NAPT of their own."""
    found = {name: switchboard(one.pool) for name, one in drawn.items() if one.pool is not None}
    boards = {name: board for name, board in found.items() if board is not None}
    for one in seating.subscribers:
        if one.host.port_forwards and one.service.name in boards:
            [service] = seating.nodes[one.host.name].services
            boards[one.service.name].connect(one.host, service)
    for board in boards.values():
        yield from board.problems
    bound = {name: board.bindings for name, board in boards.items() if board.bindings}
    for node in list(seating.nodes.values()):
        if node.role == GATEWAY and any(service.name in bound for service in node.services):
            services = tuple(with_bindings(service, bound.get(service.name, ())) for service in node.services)
            seating.nodes[node.name] = replace(node, services=services)
