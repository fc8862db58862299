# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FRR: announces what a gateway attracts, while its data plane is in order.

The file is in FRR's own language; apply.py on the host gives it to FRR, and takes it away. The operator's
router block refers to the route map.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques.service import ANNOUNCER, Service
from .. import assembly, own_file
from ..driver import Change
from ..naming import rule_name
from ..own_file import Section
from ..values import Leaf
from .apply import FAILURES, HEALTH, INTERVAL, ROUTE_MAP, TAG

_TECHNIQUE = "map-e"  # of a service that nobody planned: the announcement is the same for all
_STATIC, _KERNEL = "static", "kernel"
_INTERVALS, _FAILURES = range(1, 61), range(1, 11)
_ENTRY = re.compile(r"(ip|ipv6) prefix-list (\S+) permit (\S+)")
_ROUTE = re.compile(rf"(ip|ipv6) route (\S+) Null0 tag {TAG}")
_MATCH = re.compile(r"match (?:ip|ipv6) address prefix-list (\S+)")
_MAP = re.compile(rf"route-map {ROUTE_MAP} permit \d+|exit")
_EXPECTED = f"a prefix list, the route map {ROUTE_MAP}, or a route to Null0 with tag {TAG}"


class Frr:
    """The driver."""

    name = "frr"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """Raises Refused for options that do not fit."""
        problems = list(_problems(node))
        if problems:
            raise Refused(problems)
        return {
            "head": own_file.HEAD,
            "health": node.options.get("health", HEALTH),
            "interval": node.options.get("interval", INTERVAL),
            "failures": node.options.get("failures", FAILURES),
            "static": node.options.get("routes", _STATIC) == _STATIC,
            "tag": TAG,
            "route_map": ROUTE_MAP,
            "lists": [
                (service.name, rule_name(service.name, 0), list(_lists(service))) for service in node.services
            ],
        }

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver. The whole file."""
        return own_file.owned(text)

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver."""
        return tuple(_service(section, wanted) for section in own_file.sections(text))

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver. The whole file; the host tells FRR the difference."""
        return own_file.change(running, wanted)


def _problems(node: NodePlan) -> Iterator[Problem]:
    place = f"{node.name}.ipv4aas_options"
    health, routes = node.options.get("health", HEALTH), node.options.get("routes", _STATIC)
    if not isinstance(health, str) or not health.strip() or not health.isprintable():
        yield Problem(f"{place}.health", f"{health!r} does not fit", "one line, a command for sh")
    if routes not in (_STATIC, _KERNEL):
        yield Problem(f"{place}.routes", f"{routes!r} is unknown", f"{_STATIC} or {_KERNEL}")
    for name, fit, default in (("interval", _INTERVALS, INTERVAL), ("failures", _FAILURES, FAILURES)):
        value = node.options.get(name, default)
        if type(value) is not int or value not in fit:
            yield Problem(f"{place}.{name}", f"{value!r} does not fit", f"a number, {fit[0]} to {fit[-1]}")


def _lists(service: Service) -> Iterator[tuple[str, tuple[IPv4Network, ...] | tuple[IPv6Network, ...]]]:
    """The word of each IP version that has something to announce, and what."""
    if service.announced_ipv4:
        yield "ip", service.announced_ipv4
    if service.announced_ipv6:
        yield "ipv6", service.announced_ipv6


def _service(section: Section, wanted: tuple[Service, ...]) -> Service:
    """What the prefix lists permit. Raises ParseError for what is not as it would be rendered."""
    name = rule_name(section.service, 0)
    entries: dict[tuple[str, str], Leaf] = {}
    for line in section.lines:
        entry, match, route = (form.fullmatch(line.text) for form in (_ENTRY, _MATCH, _ROUTE))
        used = entry[2] if entry else match[1] if match else name
        if used != name:
            raise line.error(f"is about {used}; expected {name}")
        if entry:
            entries[entry[1], entry[3]] = Leaf(entry[3], line.line, line.text)
        elif route and (route[1], route[2]) not in entries:
            raise line.error(f"{route[2]} is not in {name}")
        elif not (route or match or _MAP.fullmatch(line.text)):
            raise line.error(f"is not understood; expected {_EXPECTED}")
    carried = {
        "role": ANNOUNCER,
        "announced_ipv4": tuple(leaf.ipv4_network() for (word, _), leaf in entries.items() if word == "ip"),
        "announced_ipv6": tuple(leaf.ipv6_network() for (word, _), leaf in entries.items() if word == "ipv6"),
    }
    hint = next((service for service in wanted if service.name == section.service), None)
    for field in ("announced_ipv4", "announced_ipv6"):
        # Their order means nothing.
        if hint is not None and set(getattr(hint, field)) == set(carried[field]):
            carried[field] = getattr(hint, field)
    return assembly.found_service(section.service, wanted, carried, _TECHNIQUE)


DRIVER = Frr()
