# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lint of devices against each other: MTU, fragments, identifiers. Yields as lint_rules does.

Devices of one platform are told of together: a thousand equal edges make one finding.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from itertools import combinations

from ..intent.model import LINUX, OFF, SERVICES, VARIABLE
from ..intent.wording import all_of
from ..techniques import TECHNIQUES
from ..techniques.service import EDGE, GATEWAY, Service
from .capability import Feature, Features
from .compile import Fleet
from .draw import Drawn
from .model import NodePlan

Said = Iterator[tuple[str, str, str]]

_SHOWN_NODES = 3
_ETHERNET_MTU = 1500
_FIRST_RANGE_ONLY = "MAP018:"  # how a caveat starts whose platform uses the first port range only


@dataclass(frozen=True, slots=True)
class _Crew:
    """The nodes of one platform in one role of a service."""

    role: str
    features: Features
    feature: Feature
    dialect: str
    service: Service  # of one of them
    nodes: tuple[str, ...]

    def __str__(self) -> str:
        more = len(self.nodes) - _SHOWN_NODES
        listed = [*self.nodes[:_SHOWN_NODES], *([f"{more:,} more"] if more > 0 else [])]
        return f"{all_of(listed)} ({self.features.platform})"

    def carries(self, field: str) -> bool:
        """Whether the platform's configuration has words for a field of Service."""
        return not {field, f"{field} ({self.dialect})"} & set(self.feature.not_carried)

    @property
    def cuts(self) -> str:
        """outer, inner or none: what it cuts where a packet is too big."""
        return self.service.fragmentation if self.carries("fragmentation") else self.features.fragments


def _crews(fleet: Fleet, name: str) -> list[_Crew]:
    """Who really runs a service, by role and platform."""
    figures = fleet.plan.services.get(name)
    if figures is None:
        return []
    groups: dict[tuple[str, str, str], list[NodePlan]] = {}
    for node_name in (*figures.gateways, *figures.edges):
        node = fleet.plan.nodes[node_name]
        groups.setdefault((node.role, node.platform, node.dialect), []).append(node)
    crews = []
    for (role, platform, dialect), nodes in groups.items():
        features = fleet.features[platform]
        service = next(service for service in nodes[0].services if service.name == name)
        feature = features.feature(service.technique, role)
        if feature is not None:
            names = tuple(node.name for node in nodes)
            crews.append(_Crew(role, features, feature, dialect, service, names))
    return crews


def _each(fleet: Fleet) -> Iterator[tuple[str, Drawn, list[_Crew]]]:
    for name, one in fleet.drawn.items():
        yield f"{SERVICES}.{name}", one, _crews(fleet, name)


def one_identifier_layout(fleet: Fleet) -> Said:
    """MAP007."""
    for name, figures in fleet.plan.services.items():
        first: tuple[str, str] | None = None
        for node_name in (*figures.gateways, *figures.edges):
            [service] = (s for s in fleet.plan.nodes[node_name].services if s.name == name)
            if first is None:
                first = node_name, service.interface_identifier
            elif service.interface_identifier != first[1]:
                yield (
                    f"hosts.{node_name}.{VARIABLE}interface_identifier",
                    f"{node_name} uses {service.interface_identifier}, {first[0]} uses {first[1]}:"
                    f" {name} carries nothing between them",
                    f"set the device to {first[1]}",
                )


def services_apart(fleet: Fleet) -> Said:
    """FLT006. Only of the engine: other platforms may know customers by their interfaces."""
    for node in fleet.plan.nodes.values():
        if node.role != GATEWAY or node.platform != LINUX:
            continue
        host = fleet.intent.hosts[node.seat_of or node.name]
        for first, other in combinations(node.services, 2):
            same = _same_end(first, other)
            if same is not None:
                place = f"{host.place('carries')}[{(host.carries or ()).index(other.name)}]"
                wrong = (
                    f"{other.name} has {same} of {first.name}: {node.name} cannot tell their packets apart"
                )
                yield place, wrong, "give each service its own, or one service all customers"


def _same_end(first: Service, other: Service) -> str | None:
    """What two services have in common that customers send to."""
    if TECHNIQUES[first.technique].napt == "nowhere" or TECHNIQUES[other.technique].napt == "nowhere":
        return None  # every plane has addresses of its own
    if first.gateway_address == other.gateway_address:
        return "the gateway address"
    prefixes = first.translation_prefix, other.translation_prefix
    if prefixes[0] is not None and prefixes[1] is not None and prefixes[0].overlaps(prefixes[1]):
        return "a part of the translation prefix"
    return None


def one_gateway_a_packet(fleet: Fleet) -> Said:
    """MAP015."""
    for name, figures in fleet.plan.services.items():
        deployed = [node for node in figures.gateways if fleet.plan.nodes[node].deploy]
        stateless = fleet.drawn[name].intent.row.mapping in ("rule", "binding")
        if len(deployed) > 1 and stateless:
            wrong = (
                f"{all_of(deployed)} serve the same addresses: with ECMP, fragments of one packet may part"
            )
            right = "prefer one by route metric, or reassemble before them"
            yield f"{SERVICES}.{name}.gateway", wrong, right


def whole_port_set(fleet: Fleet) -> Said:
    """MAP018."""
    for place, _, crews in _each(fleet):
        for crew in crews:
            shared = any(rule.psid_len and rule.psid_offset for rule in crew.service.rules)
            for caveat in crew.feature.caveats:
                if caveat.startswith(_FIRST_RANGE_ONLY) and shared:
                    yield (
                        place,
                        f"{crew}: {caveat.removeprefix(_FIRST_RANGE_ONLY).strip()}",
                        "check it with a load",
                    )


def no_larger_fixed_mtu(fleet: Fleet) -> Said:
    """MTU001."""
    for place, one, crews in _each(fleet):
        for crew in crews:
            fixed, mtu = crew.features.ipv6_mtu_fixed, one.intent.backbone_mtu
            if fixed is not None and fixed > mtu:
                ipv4 = TECHNIQUES[one.intent.technique].ipv4_mtu(fixed)
                wrong = f"IPv6 MTU {fixed} is fixed on {crew}, above {mtu}: IPv4 packets of {ipv4} get in"
                yield f"{place}.backbone_mtu", wrong, f"raise it to {fixed}, or use another platform"


def no_smaller_fixed_mtu(fleet: Fleet) -> Said:
    """MTU003."""
    for place, one, crews in _each(fleet):
        for crew in crews:
            fixed, mtu = crew.features.ipv6_mtu_fixed, one.intent.backbone_mtu
            if fixed is not None and fixed < mtu:
                wrong = f"IPv6 MTU {fixed} is fixed on {crew}, the service uses {mtu}"
                yield f"{place}.backbone_mtu", wrong, f"use {fixed}"


def clamped_mss(fleet: Fleet) -> Said:
    """MTU002."""
    for place, one, crews in _each(fleet):
        wanted, row = one.intent.mss_clamp, TECHNIQUES[one.intent.technique]
        best = row.tcp_mss(one.intent.backbone_mtu)
        place = f"{place}.mss_clamp"
        if wanted == OFF:
            yield place, "is off: TCP depends on path MTU discovery", f"use auto ({best})"
            continue
        if isinstance(wanted, int) and wanted != best:
            yield place, f"{wanted} is not IPv4 MTU {best + 40} - 40 = {best}", "use auto"
        unable = {
            role: [str(crew) for crew in crews if crew.role == role and not crew.carries("mss_clamp")]
            for role in (EDGE, GATEWAY)
        }
        if unable[EDGE] and unable[GATEWAY]:
            wrong = f"cannot be set on {all_of(unable[EDGE])}, nor on {all_of(unable[GATEWAY])}"
            yield place, wrong, f"set {best} by other means on one of the two"


def no_fragment_clash(fleet: Fleet) -> Said:
    """MTU004."""
    for place, one, crews in _each(fleet):
        if TECHNIQUES[one.intent.technique].ipv4_mtu(one.intent.backbone_mtu) >= _ETHERNET_MTU:
            continue  # nothing is cut
        for sender in crews:
            for receiver in crews:
                meet = sender.role != receiver.role or (one.intent.mesh and sender.role == EDGE)
                dropped = _dropped(receiver.features)
                if meet and sender.cuts == "outer" and dropped:
                    enough = _ETHERNET_MTU + TECHNIQUES[one.intent.technique].overhead
                    inner = "fragmentation: inner, or " if sender.carries("fragmentation") else ""
                    wrong = f"{dropped} from {sender} are lost at {receiver}"
                    yield f"{place}.fragmentation", wrong, f"use {inner}a backbone_mtu of {enough}"


def _dropped(features: Features) -> str | None:
    if not features.accepts_outer_fragments:
        return "IPv6 fragments"
    return None if features.accepts_fragmented_icmp else "IPv6 fragments of ICMP"


def icmp_encapsulated(fleet: Fleet) -> Said:
    """CAP001."""
    for place, one, crews in _each(fleet):
        if one.intent.row.carriage != "encapsulation":
            continue
        for crew in crews:
            if not crew.features.icmpv4_encapsulation:
                wrong = f"ICMPv4 is not encapsulated by {crew}: ping, traceroute and path MTU discovery fail"
                yield place, wrong, "judge the service by TCP and UDP, or use another platform"
