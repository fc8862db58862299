# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""BIND 9: statements ``dns64``, in a file that the options of named include."""

from __future__ import annotations

import re
from ipaddress import IPv4Network, IPv6Network
from typing import Any

from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques.service import RESOLVER, Dns64, Service
from .. import assembly, own_file
from ..driver import Change
from ..own_file import Section
from ..resolver import check_services
from ..values import Leaf

_TECHNIQUE = "nat64"  # of a service that nobody planned: for a PLAT the configuration is the same
_OPEN = re.compile(r"dns64 (\S+) \{")
_LIST = re.compile(r"(clients|mapped|exclude) \{((?: [^ ;{}]+;)+) \};")
_FIXED = ("break-dnssec no;", "};")


class Bind:
    """The driver."""

    name = "bind"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """Raises Refused for services without a prefix, or with one that another has."""
        check_services(node)
        _check_prefixes(node)
        return {"head": own_file.HEAD}

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver. The whole file."""
        return own_file.owned(text)

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver."""
        return tuple(_service(section, wanted) for section in own_file.sections(text))

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver."""
        return own_file.change(running, wanted)


def _check_prefixes(node: NodePlan) -> None:
    """named makes a reverse zone for each statement and takes none twice."""
    owners: dict[IPv6Network | None, str] = {}
    problems = []
    for service in node.services:
        first = owners.setdefault(service.translation_prefix, service.name)
        if first != service.name:
            place = f"ipv4aas_services.{service.name}.gateway.translation_prefix"
            wrong = f"bind {node.name} has {service.translation_prefix} for {first} already"
            problems.append(Problem(place, wrong, "another prefix, or another resolver"))
    if problems:
        raise Refused(problems)


def _service(section: Section, wanted: tuple[Service, ...]) -> Service:
    prefix: Leaf | None = None
    lists: dict[str, list[Leaf]] = {}
    for line in section.lines:
        opened, listed = _OPEN.fullmatch(line.text), _LIST.fullmatch(line.text)
        if opened and prefix is None:
            prefix = Leaf(opened[1], line.line, line.text)
        elif listed and prefix is not None and listed[1] not in lists:
            lists[listed[1]] = [
                Leaf(item.strip(), line.line, line.text) for item in listed[2].split(";")[:-1]
            ]
        elif line.text not in _FIXED:
            raise line.error("is not understood")
    if prefix is None:
        raise section.entry.error("has no dns64")
    missing = {"clients", "mapped", "exclude"} - lists.keys()
    if missing or [line.text for line in section.lines[-2:]] != list(_FIXED):
        raise section.entry.error(f"has no {', '.join(sorted(missing)) or ' '.join(_FIXED)}")
    carried = {
        "role": RESOLVER,
        "translation_prefix": prefix.pref64(),
        "dns64": Dns64(
            exclude=tuple(leaf.ipv6_network() for leaf in _without(lists["exclude"], "none")),
            clients=tuple(leaf.ipv6_network() for leaf in _without(lists["clients"], "any")),
            private=tuple(_private(leaf) for leaf in _without(lists["mapped"], "any", last=True)),
        ),
    }
    return assembly.found_service(section.service, wanted, carried, _TECHNIQUE)


def _without(leaves: list[Leaf], word: str, *, last: bool = False) -> list[Leaf]:
    """The list without the word that stands alone in an empty one, or with ``last`` at the end of each."""
    if leaves[-1].value == word and (last or len(leaves) == 1):
        return leaves[:-1]
    if last:
        raise leaves[-1].error(f"does not end with {word}")
    return leaves


def _private(leaf: Leaf) -> IPv4Network:
    if not leaf.value.startswith("!"):
        raise leaf.error(f"{leaf.value} does not begin with !")
    return Leaf(leaf.value[1:], leaf.line, leaf.text).ipv4_network()


DRIVER = Bind()
