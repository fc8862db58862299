# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service has to give, by the mapping of its technique: rules, bindings, a pool or a plane."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from types import MappingProxyType

from ..intent.model import DETERMINISTIC, DYNAMIC, OWN_PREFIX, HostIntent, ServiceIntent
from ..mapping.binding import Binding
from ..mapping.eam import Eam
from ..mapping.plane import Plane, PlaneError, PlaneRoute
from ..mapping.pool import Pool
from ..mapping.rfc6052 import Embedding, PrefixError
from ..mapping.rule import MapRule
from ..problem import Problem
from .bindings import draft_bindings, own_gateways, too_many, whole_table
from .edges import RuleIndex
from .planes import plane_problems, routes_of
from .pools import UNSHARED, pool_problems
from .rules import RuleDraft, draft_rules

# The IPv4 dummy address (RFC 7600, IANA): a node of ours that has no IPv6 address given has it in its prefix.
DUMMY = IPv4Address("192.0.0.8")
NOWHERE = IPv6Address(0)


@dataclass(frozen=True, slots=True)
class Drawn:
    """One service. Which fields count follows from the mapping; ``usable`` is false where lint refuses it."""

    intent: ServiceIntent
    gateway_address: IPv6Address | None
    drafts: tuple[RuleDraft, ...] = ()
    rules: tuple[MapRule, ...] = ()  # of the drafts that fit; with bindings they number the subscribers
    index: RuleIndex = field(default_factory=lambda: RuleIndex(()))
    bindings: tuple[Binding, ...] = ()  # of every possible subscriber
    gateways: Mapping[IPv6Address, IPv6Address] = field(default_factory=dict)  # softwire -> its own lwAFTR
    pool: Pool | None = None
    plane: Plane | None = None
    routes: tuple[PlaneRoute, ...] = ()

    @property
    def usable(self) -> bool:
        """Whether nodes can be planned from it."""
        bound = self.intent.row.mapping == "binding"
        given = self.bindings if bound else self.rules or self.pool or self.plane
        return bool(given) and self.gateway_address is not None

    @property
    def ipv4(self) -> tuple[IPv4Network, ...]:
        """Public addresses that its gateways serve."""
        return self.pool.ipv4 if self.pool else tuple(rule.ipv4_prefix for rule in self.rules)

    @property
    def customer_space(self) -> tuple[IPv6Network, ...]:
        """Where its End-user prefixes lie."""
        if self.intent.customers is not None:
            return (self.intent.customers.ipv6,)
        return tuple(draft.ipv6_prefix for draft in self.drafts)


Hosts = Iterable[HostIntent]
_Drawing = tuple[Drawn, tuple[Problem, ...]]


def draw(service: ServiceIntent, services: Mapping[str, ServiceIntent], hosts: Hosts) -> _Drawing:
    """The service, and why it cannot be drawn. ``services`` and ``hosts`` are those of the fleet."""
    return _DRAW[service.row.mapping](service, services, hosts)


def gateway_address(service: ServiceIntent) -> IPv6Address | None:
    """As given, or 192.0.0.8 in the prefix of the service; None where no such address can be (lint X001).

    NOWHERE where each node has one of its own, in a prefix of its own.
    """
    prefix = service.gateway.translation_prefix
    if service.row.mapping in OWN_PREFIX:
        return NOWHERE
    if service.gateway.address is not None:
        return service.gateway.address
    if service.row.carriage == "translation" and prefix is not None:
        try:
            return IPv6Address(Embedding(prefix).embed(int(DUMMY)))
        except PrefixError:
            return None
    assert service.plane is not None and service.plane.prefix is not None  # intent/check.py
    plane = plane_in(service.plane.prefix, service.plane.id)
    return address_in(plane) if plane else None


def address_in(plane: Plane) -> IPv6Address:
    """192.0.0.8 in a plane."""
    return plane.route(IPv4Network(DUMMY)).network_address


def plane_in(prefix: IPv6Network, plane_id: int) -> Plane | None:
    """The plane under a prefix; None where they do not fit (lint SA001)."""
    try:
        return Plane(prefix, plane_id)
    except PlaneError:
        return None


def eam_of(service: ServiceIntent) -> Iterator[Eam]:
    """The explicit address mappings that can be (lint X012)."""
    for entry in service.eam:
        if 32 - entry.ipv4.prefixlen <= 128 - entry.ipv6.prefixlen:
            yield Eam(entry.ipv4, entry.ipv6)


def _draw_rules(service: ServiceIntent, services: Mapping[str, ServiceIntent], hosts: Hosts) -> _Drawing:
    drafts, problems = draft_rules(service)
    return _numbered(service, drafts), problems


def _draw_bindings(service: ServiceIntent, services: Mapping[str, ServiceIntent], hosts: Hosts) -> _Drawing:
    drafts, problems = draft_rules(service) if service.bindings is None else (draft_bindings(service), ())
    drawn = _numbered(service, drafts)
    excess = too_many(service, drawn.rules)
    if excess is not None:
        return drawn, (*problems, excess)
    gateways = own_gateways(service)
    return replace(drawn, bindings=whole_table(drawn.rules, gateways), gateways=gateways), problems


def _numbered(service: ServiceIntent, drafts: tuple[RuleDraft, ...]) -> Drawn:
    rules = tuple(draft.rule() for draft in drafts if draft.fits)
    return Drawn(service, gateway_address(service), drafts, rules, RuleIndex(rules))


def _draw_pool(service: ServiceIntent, services: Mapping[str, ServiceIntent], hosts: Hosts) -> _Drawing:
    assert service.customers is not None and service.ipv4_pools is not None  # intent/check.py
    sharing = service.sharing or UNSHARED
    pool = Pool(
        ipv4=service.ipv4_pools,
        first_port=sharing.reserved_ports,
        ports_per_subscriber=sharing.ports,
        block_size=0 if sharing.allocation == DYNAMIC else sharing.ports,
        deterministic=sharing.allocation == DETERMINISTIC,
        subscriber_prefix_len=service.customers.prefix_length,
        subscribers=service.customers.ipv6,
    )
    return Drawn(service, gateway_address(service), pool=pool), tuple(pool_problems(service, pool))


def _draw_plane(service: ServiceIntent, services: Mapping[str, ServiceIntent], hosts: Hosts) -> _Drawing:
    assert service.plane is not None  # intent/check.py
    plane = plane_in(service.plane.prefix or IPv6Network("::/0"), service.plane.id)
    routes = tuple(routes_of(service, services, hosts))
    drawn = Drawn(service, gateway_address(service), plane=plane, routes=routes)
    return drawn, tuple(plane_problems(service, hosts))


_DRAW: Mapping[str, Callable[[ServiceIntent, Mapping[str, ServiceIntent], Hosts], _Drawing]] = (
    MappingProxyType(
        {
            "rule": _draw_rules,
            "binding": _draw_bindings,
            "session": _draw_pool,
            "plane": _draw_plane,
            "plane-table": _draw_plane,
            "plane-rewrite": _draw_plane,
        }
    )
)
