# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FD.io VPP, by a file of its commands that apply.py on the host makes it run.

VPP keeps no configuration: the file is ours, the running domains are changed by what differs from it.
``parse`` takes the file, and also what ``show map domain`` prints.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...mapping.rule import MapRule
from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques import TECHNIQUES
from ...techniques.service import Service
from .. import own_file
from ..driver import Change
from ..guard import check_rules, option
from ..values import Leaf
from . import domains, sessions
from .apply import SHOWN, as_commands
from .words import DOMAIN, Written

# Of all domains of a VPP, by carriage.
_SHARED = {"encapsulation": "fragmentation", "translation": "mss_clamp"}
_INTERFACES = "a list of VPP's interfaces that carry packets of the services"
_SIDES = {
    "inside": "a list of VPP's interfaces towards the IPv6 hosts",
    "outside": "a list of VPP's interfaces towards the IPv4 Internet",
}


class Vpp:
    """The driver."""

    name = "vpp"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """Raises Refused for what VPP cannot do and for interfaces that are not given."""
        problems = [problem for service in node.services for problem in _problems(service)]
        problems += _together(node)
        if problems:
            raise Refused(problems)
        check_rules(node, _inexpressible)
        return {"head": own_file.HEAD, "sections": list(_written(node))}

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver. The whole file."""
        return own_file.owned(text)

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver. What is shown has domains only."""
        if SHOWN.match(text.lstrip()):
            return _in_order(domains.parse(list(_shown(text)), wanted), wanted)
        found: list[Service] = []
        mapped: list[Leaf] = []
        for section in own_file.sections(text):
            service = sessions.parse(section, wanted)
            if service is not None:
                found.append(service)
            else:
                mapped += section.lines
        return _in_order((*domains.parse(mapped, wanted), *found), wanted)

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver. The whole file; the host computes what VPP is told."""
        return own_file.change(running, wanted)


def _problems(service: Service) -> Iterator[Problem]:
    if TECHNIQUES[service.technique].mapping == "session":
        return sessions.problems(service)
    return domains.problems(service)


def _inexpressible(rule: MapRule) -> str | None:
    if not rule.ea_len:
        return "without EA bits VPP takes the Rule IPv6 prefix for the address of the only customer"
    return None


def _together(node: NodePlan) -> Iterator[Problem]:
    """What the services of one VPP have to have in common."""
    first, *more = node.services
    for service in more:
        place = f"ipv4aas_services.{service.name}"
        if service.technique != first.technique:
            wrong = f"vpp {node.name} carries {first.technique} and {service.technique}"
            yield Problem(place, wrong, "services of one technique on one node")
        elif TECHNIQUES[service.technique].mapping == "session":
            yield Problem(place, f"vpp {node.name} has one {service.technique} already", "one service on it")
        field = _SHARED[TECHNIQUES[service.technique].carriage]
        value, other = getattr(service, field), getattr(first, field)
        if value != other:
            wrong = f"vpp {node.name} has one {field} for all, {other} of {first.name}, not {value}"
            yield Problem(f"{place}.{field}", wrong, "the same for both")


def _written(node: NodePlan) -> Iterator[Written]:
    count = 0
    for service in node.services:
        if service.technique == "ds-lite":
            lines = tuple(sessions.ds_lite_lines(service))
        elif TECHNIQUES[service.technique].mapping == "session":
            sides = {name: option(node, name, list, meaning) for name, meaning in _SIDES.items()}
            lines = tuple(sessions.nat64_lines(service, **sides))
        else:
            interfaces = option(node, "interfaces", list, _INTERFACES)
            lines = tuple(domains.lines(service, interfaces, count))
        count += sum(line.startswith(DOMAIN) for line in lines)
        yield Written(service.name, lines)


def _shown(text: str) -> Iterator[Leaf]:
    """What VPP shows as commands; rules refer to the number of their domain in it."""
    position: dict[int, int] = {}
    for number, (line, index) in enumerate(as_commands(text), 1):
        if line.startswith(f"{DOMAIN} "):
            if " tag " not in line:
                line = line.replace(DOMAIN, f"{DOMAIN} tag [no-tag]", 1)
            position[index] = len(position)
        else:
            line = line.replace(f"index {index} ", f"index {position[index]} ", 1)
        yield Leaf(line, number, line)


def _in_order(found: tuple[Service, ...], wanted: tuple[Service, ...]) -> tuple[Service, ...]:
    """In the order of ``wanted``, then those that nobody wants."""
    names = [service.name for service in wanted]
    return tuple(
        sorted(found, key=lambda service: names.index(service.name) if service.name in names else len(names))
    )


DRIVER = Vpp()
