# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NEC AccessTechnica Aterm: a check sheet for a person, since the router has no remote configuration.

The sheet is ours as a whole. It says what the router has to be sent, and what is to be seen on it.
What is read back are the lines ``- WHAT: `VALUE` `` of each service: that proves what the sheet says, not
what the router does.
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from ...mapping.rfc6052 import prefix_problem
from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques import TECHNIQUES
from ...techniques.service import Service
from .. import own_file
from ..assembly import in_order
from ..driver import Change
from ..edges import edge
from ..render import normalised
from ..values import Leaf, parse_error

NOTHING = "# Check sheet: no service\n"
_SERVICE = re.compile(r"## Service `(?P<name>[^`]+)`: (?P<title>.+)")
_VALUE = re.compile(r"- (?P<what>[^:`]+): `(?P<value>[^`]*)`(?:[ ,.].*)?")
_TECHNIQUES: Mapping[str, str] = MappingProxyType(
    {TECHNIQUES[name].title: name for name in ("ds-lite", "464xlat")}
)
# The words of a line, and the field of Service that it tells.
PREFIX, AFTR, PREF64, MTU = "Prefix delegation", "AFTR address", "NAT64 prefix", "IPv6 MTU"
_NEEDED = {"ds-lite": (AFTR, MTU), "464xlat": (PREF64, MTU)}


class Aterm:
    """The driver."""

    name = "aterm"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """The words of the lines that are read back, and what follows for IPv4."""
        problems = [problem for service in node.services for problem in _problems(node, service)]
        if problems:
            raise Refused(problems)
        return {
            "words": {"prefix": PREFIX, "aftr": AFTR, "pref64": PREF64, "mtu": MTU},
            "rows": [(service, TECHNIQUES[service.technique]) for service in node.services],
        }

    def owned(self, text: str, dialect: str) -> str:
        """The whole sheet; empty where it has no service."""
        return own_file.owned(text, NOTHING)

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver."""
        return in_order((_found(head, values, wanted) for head, values in _sections(text)), wanted)

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver. The payload is the whole sheet."""
        return own_file.change(running, wanted, NOTHING)


def _problems(node: NodePlan, service: Service) -> Iterator[Problem]:
    place = f"ipv4aas_services.{service.name}"
    if service.end_user_prefix is None:
        yield Problem(
            f"{node.name}.ipv4aas_customer_prefix", "missing", "the prefix that the router is delegated"
        )
    if TECHNIQUES[service.technique].carriage == "translation":
        prefix = service.translation_prefix
        wrong = "missing" if prefix is None else prefix_problem(prefix)
        if wrong:
            yield Problem(f"{place}.gateway.translation_prefix", wrong, "the PLAT's prefix (RFC 6052)")


def _sections(text: str) -> Iterator[tuple[Leaf, dict[str, Leaf]]]:
    head: Leaf | None = None
    values: dict[str, Leaf] = {}
    for number, line in enumerate(normalised(text).splitlines(), 1):
        match, value = _SERVICE.fullmatch(line), _VALUE.fullmatch(line)
        if line.startswith("## ") and match is None:
            raise parse_error(number, line, "not a service; expected ## Service `NAME`: TECHNIQUE")
        if match is not None:
            if head is not None:
                yield head, values
            head, values = Leaf(match["name"], number, line), {}
        elif value is not None and head is not None:
            values[value["what"]] = Leaf(value["value"], number, line)
    if head is not None:
        yield head, values


def _found(head: Leaf, values: dict[str, Leaf], wanted: tuple[Service, ...]) -> Service:
    title = head.text.rpartition(": ")[2]
    technique = _TECHNIQUES.get(title)
    if technique is None:
        raise head.error(f"{title} is not one of {', '.join(_TECHNIQUES)}")
    missing = [what for what in (PREFIX, *_NEEDED[technique]) if what not in values]
    if missing:
        raise head.error(f"has no {', no '.join(missing)}")
    facts: dict[str, Any] = {
        "end_user_prefix": values[PREFIX].ipv6_network(),
        "ipv6_mtu": values[MTU].integer(1280, 65535),
    }
    if technique == "ds-lite":
        facts["gateway_address"] = values[AFTR].ipv6()
    else:
        facts["translation_prefix"] = values[PREF64].ipv6_network()
    return edge(head.value, technique, facts, wanted)


DRIVER = Aterm()
