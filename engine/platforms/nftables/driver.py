# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SA46T-PT by netfilter: the prefix of outer addresses is exchanged, all bits behind it stay.

A PT joins a domain of SA46T and one of SA46T-PR by rewriting the prefixes of IPv4-in-IPv6 packets
(draft-matsuhira-m46e-pt). That is the translation of whole prefixes that nft(8) calls ``prefix to``. The
kernel does the same for ICMPv6 errors, with the packet in them and the checksum. In the inner packet nothing
changes: no checksum of it is about the outer addresses.
"""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from ipaddress import IPv6Network
from typing import Any

from ...mapping.plane import Plane, PlaneError, PlaneRoute
from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques.planes import plane_of, resolved_routes, resolved_side
from ...techniques.reach import EVERYTHING
from ...techniques.service import GATEWAY, Service
from .. import assembly, own_file
from ..driver import Change
from ..own_file import Section
from ..values import Leaf

_TECHNIQUE = "sa46t-pt"
_TABLE = "ip6 ipv4aas"
_IPV4 = "meta l4proto 4"  # IPv4 in IPv6; by name it would depend on /etc/protocols
_BEGIN = (
    f"table {_TABLE}",
    f"delete table {_TABLE}",
    f"table {_TABLE} {{",
    "  chain prerouting {",
    "    type nat hook prerouting priority dstnat;",
)
_BETWEEN = ("  }", "  chain postrouting {", "    type nat hook postrouting priority srcnat;")
_END = ("  }", "}")
_FRAME = {line.strip() for line in (*_BEGIN, *_BETWEEN, *_END)}
_NOTHING = "\n".join((own_file.HEAD, *_BEGIN[:2])) + "\n"
_DEFINE = re.compile(r"define (\w+) = (\S+)")
_DESTINATION = re.compile(rf"{_IPV4} ip6 daddr (\S+) dnat prefix to (\S+)")


@dataclass(frozen=True, slots=True)
class Rules:
    """The rules of one service, and what the two planes are called in the file (word of nft -> prefix)."""

    name: str
    destinations: tuple[str, ...]
    sources: tuple[str, ...]
    planes: dict[str, IPv6Network] = field(default_factory=dict)

    def named(self, number: int) -> Rules:
        """With names in place of the planes, which so are in the file once."""
        names = {str(prefix): f"{word}_{number}" for word, prefix in self.planes.items()}

        def with_names(lines: tuple[str, ...]) -> tuple[str, ...]:
            return tuple(
                " ".join(f"${names[word]}" if word in names else word for word in line.split())
                for line in lines
            )

        return Rules(
            self.name,
            with_names(self.destinations),
            with_names(self.sources),
            {f"{word}_{number}": prefix for word, prefix in self.planes.items()},
        )


class Nftables:
    """The driver."""

    name = "nftables"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """Raises Refused for a PT without its two sides."""
        sections, problems = [], []
        for number, service in enumerate(node.services, 1):
            try:
                sections.append(_rules(service).named(number))
            except PlaneError as error:
                right = "a plane, ipv4aas_customer_prefix, and stub networks on the other side"
                problems.append(Problem(f"ipv4aas_services.{service.name}", str(error), right))
        if problems:
            raise Refused(problems)
        frame = {"begin": _BEGIN, "between": _BETWEEN, "end": _END}
        return {"head": own_file.HEAD, "frame": frame, "sections": sections}

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver. The whole file."""
        return own_file.owned(text, _NOTHING)

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver. Rules for sources have to be those that follow from the others."""
        lines = _without_names([" ".join(line.split()) for line in text.splitlines()])
        kept = "\n".join("" if line in _FRAME else line for line in lines)
        found: dict[str, list[Section]] = {}
        for section in own_file.sections(kept):
            found.setdefault(section.service, []).append(section)
        return tuple(_service(name, parts, wanted) for name, parts in found.items())

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver. nft takes a file as one transaction."""
        return own_file.change(running, wanted, _NOTHING)


def _rules(service: Service) -> Rules:
    """Longer prefixes first: the first rule that matches counts. Raises PlaneError."""
    fixed, own = plane_of(service), resolved_side(service)
    routes = sorted(resolved_routes(service), key=lambda route: -route.ipv4.prefixlen)
    if not routes:
        raise PlaneError(f"service {service.name}: nothing is known in the PR domain")
    inside, outside = fixed.route(EVERYTHING), own.route(EVERYTHING)
    there = [(fixed.route(route.ipv4), _behind(route, fixed)) for route in routes]
    return Rules(
        service.name,
        (
            _dnat(outside, inside),
            *(_dnat(here, away) for here, away in there),
        ),
        (
            *(_snat(inside, away, outside) for _here, away in there),
            *(_snat(away, inside, here) for here, away in there),
        ),
        {"fixed": inside, "own": outside},
    )


def _without_names(lines: list[str]) -> list[str]:
    """Lines with values in place of names, and without their definitions."""
    names = {match[1]: match[2] for line in lines if (match := _DEFINE.fullmatch(line))}
    return [
        ""
        if _DEFINE.fullmatch(line)
        else " ".join(names.get(word[1:], word) if word.startswith("$") else word for word in line.split())
        for line in lines
    ]


def _behind(route: PlaneRoute, plane: Plane) -> IPv6Network:
    return Plane(route.prefix, plane.plane_id).route(route.ipv4)


def _dnat(seen: IPv6Network, becomes: IPv6Network) -> str:
    return f"{_IPV4} ip6 daddr {seen} dnat prefix to {becomes}"


def _snat(seen: IPv6Network, towards: IPv6Network, becomes: IPv6Network) -> str:
    return f"{_IPV4} ip6 saddr {seen} ip6 daddr {towards} snat prefix to {becomes}"


def _service(name: str, parts: list[Section], wanted: tuple[Service, ...]) -> Service:
    leaves = [leaf for section in parts for leaf in section.lines]
    pairs = [
        (Leaf(match[1], leaf.line, leaf.text), Leaf(match[2], leaf.line, leaf.text))
        for leaf in leaves
        if (match := _DESTINATION.fullmatch(leaf.text))
    ]
    if not pairs:
        raise parts[0].entry.error("has no rule for destinations")
    hint = next((service for service in wanted if service.name == name), None)
    (own, fixed), *there = [(seen.ipv6_network(), becomes.ipv6_network()) for seen, becomes in pairs]
    plane, side = _planes(fixed, own, hint, pairs[0][0])
    routes = [
        _route(away, plane, leaf) for (_here, away), (_seen, leaf) in zip(there, pairs[1:], strict=True)
    ]
    known = tuple(hint.plane_routes) if hint else ()
    carried = {
        "technique": _TECHNIQUE,
        "role": GATEWAY,
        "plane": plane,
        "end_user_prefix": side,
        "plane_routes": known if _same(routes, known, side) else tuple(routes),
    }
    service = assembly.found_service(name, wanted, carried)
    try:
        expected = _rules(service)
    except PlaneError as error:
        raise parts[0].entry.error(str(error)) from error
    missing = dict.fromkeys((*expected.destinations, *expected.sources))
    for leaf in leaves:
        if leaf.text not in missing:
            raise leaf.error(f"does not follow from the rules for destinations of {name}")
        del missing[leaf.text]
    if missing:
        raise parts[-1].entry.error(f"lacks {next(iter(missing))}")
    return service


def _planes(
    fixed: IPv6Network, own: IPv6Network, hint: Service | None, at: Leaf
) -> tuple[Plane, IPv6Network]:
    """The plane of the FP domain and the own prefix: where prefixes end only the wanted service knows."""
    if fixed.prefixlen != 96 or own.prefixlen != 96:
        raise at.error("is not about whole planes, /96")
    length = hint.plane.prefix.prefixlen if hint and hint.plane else 64
    own_length = hint.end_user_prefix.prefixlen if hint and hint.end_user_prefix else 64
    number = int(fixed.network_address) >> 32 & ((1 << (96 - length)) - 1)
    plane, side = Plane(fixed.supernet(new_prefix=length), number), own.supernet(new_prefix=own_length)
    if Plane(side, number).route(EVERYTHING) != own:
        raise at.error(f"has another plane ID than {number}, that of {fixed}")
    return plane, side


def _route(away: IPv6Network, plane: Plane, at: Leaf) -> PlaneRoute:
    if away.prefixlen < 96:
        raise at.error(f"{away} is shorter than a plane, /96")
    prefix = IPv6Network((int(away.network_address) >> 32 << 32, 96)).supernet(
        new_prefix=plane.prefix.prefixlen
    )
    ipv4 = int(away.network_address) & 0xFFFFFFFF
    return PlaneRoute(type(EVERYTHING)((ipv4, away.prefixlen - 96)), prefix)


def _same(found: list[PlaneRoute], wanted: tuple[PlaneRoute, ...], own: IPv6Network) -> bool:
    return set(found) == {route for route in wanted if route.prefix != own}


DRIVER = Nftables()
