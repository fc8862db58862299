# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From the intent to the plan of the whole fleet."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass, replace
from functools import cache
from ipaddress import IPv6Network, collapse_addresses

from ..intent.model import SERVICES, HostIntent, Intent, ServiceIntent
from ..intent.wording import all_of
from ..mapping.portset import PORT_BITS
from ..mapping.rule import MapRule
from ..problem import Problem
from ..techniques import TECHNIQUES
from ..techniques.service import EDGE, GATEWAY, PortForward, Service
from .capability import Features
from .edges import Ranges, RuleIndex, forward_problems, lan_problems, outside_rules, same_customer
from .model import FleetPlan, NodePlan, ServicePlan
from .mtu import mss_clamp
from .rules import RuleDraft, draft_rules
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

_Kind = tuple[str, str, str, MapRule | None]  # service, role, identifier format, an edge's only rule


@dataclass(frozen=True, slots=True)
class Drawn:
    """One service with its rules."""

    intent: ServiceIntent
    drafts: tuple[RuleDraft, ...]
    rules: tuple[MapRule, ...]  # of the drafts that fit
    index: RuleIndex


@dataclass(frozen=True, slots=True)
class Edge:
    """One customer edge and the rule that it belongs to."""

    host: HostIntent  # that has the seat
    prefix: IPv6Network
    rule: MapRule

    @property
    def ea(self) -> int:
        """The EA bits: the number of the customer under its rule."""
        bits = int(self.prefix.network_address) >> (128 - self.rule.customer_prefix_len)
        return bits & (self.rule.customer_count - 1)

    @property
    def long_enough(self) -> bool:
        """Whether the prefix holds all EA bits (lint MAP001)."""
        return self.prefix.prefixlen >= self.rule.customer_prefix_len


@dataclass(frozen=True, slots=True)
class Fleet:
    """The plan with what it was made of, for lint, and the problems met on the way."""

    intent: Intent
    features: Mapping[str, Features]
    drawn: Mapping[str, Drawn]
    edges: tuple[Edge, ...]
    plan: FleetPlan
    problems: tuple[Problem, ...]


def draw_fleet(intent: Intent, features: Mapping[str, Features]) -> Fleet:
    """The whole fleet; never raises for what the operator wrote."""
    problems: list[Problem] = []
    drawn = {name: _draw(service, problems) for name, service in intent.services.items()}
    seating = _Seating(intent, features, drawn)
    for host in intent.hosts.values():
        unknown = tuple(platform_problems(host, features))
        problems += unknown
        if host.role is not None and not unknown:
            problems += seating.seat(host)
    problems += _customers_twice(seating.edges)
    problems += _gateway_problems(drawn, seating.seats)
    problems += _edge_problems(seating.edges, drawn)
    figures = {name: _figures(one, seating.nodes) for name, one in drawn.items() if one.rules}
    plan = FleetPlan(services=figures, nodes=seating.nodes)
    return Fleet(intent, features, drawn, tuple(seating.edges), plan, tuple(problems))


def _draw(service: ServiceIntent, problems: list[Problem]) -> Drawn:
    drafts, wrong = draft_rules(service)
    problems += wrong
    rules = tuple(draft.rule() for draft in drafts if draft.fits)
    return Drawn(service, drafts, rules, RuleIndex(rules))


class _Seating:
    """Seats hosts one after the other, and gathers their seats, edges and node plans."""

    def __init__(self, intent: Intent, features: Mapping[str, Features], drawn: Mapping[str, Drawn]) -> None:
        self._hosts, self._features, self._drawn = intent.hosts, features, drawn
        self.seats: list[Seat] = []
        self.edges: list[Edge] = []
        self.nodes: dict[str, NodePlan] = {}
        # Many hosts are alike: each kind of service is made, and held against a platform, once.
        self._service = cache(self._make)
        self._lacking = cache(lambda platform, *kind: lacking(features[platform], self._service(*kind)))

    def seat(self, host: HostIntent) -> Iterator[Problem]:
        """Plans a host, and its fallback where that takes the seat."""
        names = tuple(name for name in host.carries or () if name in self._drawn and self._drawn[name].rules)
        rule = None
        if host.role == EDGE and host.customer_prefix is not None and names:
            rule = self._drawn[names[0]].index.find(host.customer_prefix)
            if rule is None:
                yield outside_rules(host, host.customer_prefix, names[0], self._drawn[names[0]].rules)
        if not names or (host.role == EDGE and rule is None):
            return  # told already: the service is at fault, or the prefix
        lacks = self._lacks(host, host, names, rule)
        seat = take_seat(host, lacks, self._hosts)
        self.seats.append(seat)
        if rule is not None and host.customer_prefix is not None:
            self.edges.append(Edge(host, host.customer_prefix, rule))
        self._add(seat, host, names, rule)
        if not lacks:
            yield from self._device_problems(host, host, names)
        elif host.fallback is None:
            yield from refusal(host, lacks, self._able(host, names, rule))
        fallback = seat.taken_by
        if fallback is not None and fallback.platform in self._features:
            self._add(seat, fallback, names, rule)
            yield from self._device_problems(fallback, host, names)
            yield from fallback_refusal(host, self._lacks(fallback, host, names, rule))

    def _kinds(
        self, runner: HostIntent, seat: HostIntent, names: tuple[str, ...], rule: MapRule | None
    ) -> Iterator[_Kind]:
        for name in names:
            wanted = self._drawn[name].intent
            iid_format = runner.interface_identifier or wanted.interface_identifier
            yield name, seat.role or "", iid_format, None if wanted.mesh else rule

    def _lacks(
        self, runner: HostIntent, seat: HostIntent, names: tuple[str, ...], rule: MapRule | None
    ) -> list[Lack]:
        """What the runner's platform lacks for the work of the seat."""
        if has_own_template(runner):
            return []
        lacks = {self._lacking(runner.platform, *kind) for kind in self._kinds(runner, seat, names, rule)}
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
            name for name in sorted(self._features) if not any(self._lacking(name, *kind) for kind in kinds)
        ]

    def _make(self, name: str, role: str, iid_format: str, rule: MapRule | None) -> Service:
        """A service without what is one host's own; with all rules, or the one that an edge needs."""
        wanted = self._drawn[name].intent
        return Service(
            name=name,
            technique=wanted.technique,
            role=role,
            gateway_address=wanted.gateway.address,
            rules=self._drawn[name].rules if rule is None else (rule,),
            interface_identifier=iid_format,
            ipv6_mtu=wanted.backbone_mtu,
            mss_clamp=mss_clamp(TECHNIQUES[wanted.technique], wanted.backbone_mtu, wanted.mss_clamp),
            fragmentation=wanted.fragmentation,
            strict_iid=wanted.strict_identifiers,
            filtering=wanted.filtering,
        )

    def _add(self, seat: Seat, runner: HostIntent, names: tuple[str, ...], rule: MapRule | None) -> None:
        """The node plan of a runner of a seat: the host itself, or its fallback."""
        host, itself = seat.host, runner is seat.host
        services = tuple(self._service(*kind) for kind in self._kinds(runner, host, names, rule))
        if host.role == EDGE:
            services = tuple(_for_edge(service, host) for service in services)
        features = self._features[runner.platform or ""]
        self.nodes[runner.name] = NodePlan(
            name=runner.name,
            role=host.role or "",
            platform=features.platform,
            services=services,
            dialect=runner.dialect or features.dialects[0],
            options=dict(runner.options),
            seat_of=None if itself else host.name,
            seat_taken_by=seat.taken_by.name if itself and seat.taken_by else None,
            refused=seat.refused if itself else None,
            deploy=host.deploy and runner.deploy and not (itself and (seat.refused or seat.taken_by)),
        )


def _for_edge(service: Service, host: HostIntent) -> Service:
    forwards = tuple(
        PortForward(forward.protocol, forward.outside_port, forward.inside_address, forward.inside_port)
        for forward in host.port_forwards
    )
    return replace(service, end_user_prefix=host.customer_prefix, inside=host.lan, port_forwards=forwards)


def _customers_twice(edges: Iterable[Edge]) -> Iterator[Problem]:
    """Edges whose prefixes carry the same EA bits of the same rule."""
    taken: dict[MapRule, dict[int, str]] = {}
    for edge in edges:
        if edge.long_enough:
            owners = taken.setdefault(edge.rule, {})
            first = owners.setdefault(edge.ea, edge.host.name)
            if first != edge.host.name:
                yield same_customer(edge.host, first, edge.rule, owners)


def _gateway_problems(drawn: Mapping[str, Drawn], seats: Iterable[Seat]) -> Iterator[Problem]:
    """A gateway address that is a customer's, or that several gateways have without anycast."""
    space = [(one.intent.name, prefix) for one in drawn.values() for prefix in _customer_space(one)]
    for name, one in drawn.items():
        place, address = f"{SERVICES}.{name}.gateway", one.intent.gateway.address
        inside = next(((owner, prefix) for owner, prefix in space if address in prefix), None)
        if inside is not None:
            wrong = f"{address} is inside {inside[1]}, the customers of {inside[0]}"
            yield Problem(f"{place}.address", wrong, f"use an address outside {inside[1]}")
        deployed = [
            seat.runner.name
            for seat in seats
            if seat.host.role == GATEWAY and seat.host.deploy and name in (seat.host.carries or ())
        ]
        if len(deployed) > 1 and not one.intent.gateway.anycast:
            wrong = f"is false, but {all_of(deployed)} have the address {address}"
            yield Problem(f"{place}.anycast", wrong, "use true, or let one gateway carry the service")


def _customer_space(one: Drawn) -> Iterator[IPv6Network]:
    if one.intent.customers is not None:
        yield one.intent.customers.ipv6
    else:
        yield from (draft.ipv6_prefix for draft in one.drafts)


def _edge_problems(edges: Iterable[Edge], drawn: Mapping[str, Drawn]) -> Iterator[Problem]:
    pools = Ranges(
        rule.ipv4_prefix for one in drawn.values() for rule in one.rules if rule.ipv4_prefix.prefixlen
    )
    for edge in edges:
        host = edge.host
        yield from lan_problems(host, pools)
        if host.port_forwards and edge.long_enough:
            yield from forward_problems(host, edge.rule.customer(edge.prefix).ports)


def _figures(one: Drawn, nodes: Mapping[str, NodePlan]) -> ServicePlan:
    """Where rules differ, sharing is told of the one that shares most."""
    row = TECHNIQUES[one.intent.technique]
    tightest = max(one.rules, key=lambda rule: rule.sharing_ratio)
    ports = tightest.port_set(tightest.explicit_psid)
    carriers = [
        node
        for node in nodes.values()
        if node.seat_taken_by is None and any(service.name == one.intent.name for service in node.services)
    ]
    return ServicePlan(
        name=one.intent.name,
        technique=row.name,
        customers=sum(rule.customer_count for rule in one.rules),
        ipv4_addresses=sum(n.num_addresses for n in collapse_addresses(r.ipv4_prefix for r in one.rules)),
        customers_per_address=tightest.sharing_ratio,
        ports_per_customer=len(ports),
        excluded_ports=1 << (PORT_BITS - ports.offset) if ports.shared and ports.offset else 0,
        psid_offset=tightest.psid_offset,
        psid_len=tightest.psid_len,
        ea_len=tightest.ea_len,
        ipv6_mtu=one.intent.backbone_mtu,
        ipv4_mtu=row.ipv4_mtu(one.intent.backbone_mtu),
        tcp_mss=row.tcp_mss(one.intent.backbone_mtu),
        gateways=tuple(node.name for node in carriers if node.role == GATEWAY),
        edges=tuple(node.name for node in carriers if node.role == EDGE),
    )
