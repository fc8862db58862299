# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""radvd: the prefix of a NAT64 in router advertisements (RFC 8781).

radvd has no include: the whole of /etc/radvd.conf is ours. What an interface announces beside the prefix
comes from the host's options.
"""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from ...mapping.rfc6052 import prefix_problem
from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...provision.pref64 import lifetime_for
from ...techniques.service import ROUTER, Service
from .. import assembly, own_file
from ..driver import Change
from ..guard import option
from ..values import Leaf

_TECHNIQUE = "nat64"  # of a service that nobody planned: for a PLAT the announcement is the same
_INTERVAL = 600  # MaxRtrAdvInterval of radvd and RFC 4861 section 6.2.1, in seconds
_INTERVALS = range(4, 1801)
_INTERFACES = "a mapping of interface to {prefixes, resolvers, interval}, all of them optional"
_KEYS = ("prefixes", "resolvers", "interval")
# radvd takes no file without an interface.
_NOTHING = f"{own_file.HEAD}\ninterface lo {{ AdvSendAdvert off; }};\n"
_SERVICE = "# service "
_EXPECTED = "nat64prefix PREFIX { AdvValidLifetime SECONDS; };"
_PREF64 = re.compile(r"nat64prefix (\S+) \{ AdvValidLifetime \d+; \};")
_FOREIGN = re.compile(
    r"interface \S+ \{|AdvSendAdvert on;|MaxRtrAdvInterval \d+;|(prefix|RDNSS) .+ \{ \};|\};|#.*"
)


@dataclass(frozen=True, slots=True)
class Interface:
    """What an interface announces beside PREF64."""

    name: str
    interval: int  # seconds, MaxRtrAdvInterval
    prefixes: tuple[IPv6Network, ...]
    resolvers: tuple[IPv6Address, ...]

    @property
    def lifetime(self) -> int:
        """Seconds that the prefix is valid."""
        return lifetime_for(self.interval)


class Radvd:
    """The driver."""

    name = "radvd"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """Raises Refused for options that do not fit, and for prefixes that cannot be announced."""
        problems = [problem for service in node.services for problem in _problems(service)]
        given: dict[str, Any] = option(node, "interfaces", dict, _INTERFACES)
        interfaces = []
        for name, values in given.items():
            try:
                interfaces.append(_interface(name, values or {}))
            except (ValueError, TypeError, AttributeError) as error:
                place = f"{node.name}.ipv4aas_options.interfaces.{name}"
                problems.append(Problem(place, str(error), _INTERFACES))
        if problems:
            raise Refused(problems)
        return {"head": own_file.HEAD, "interfaces": interfaces}

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver. The whole file."""
        return own_file.owned(text, _NOTHING)

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver. Every interface has to announce the same."""
        if not self.owned(text, dialect):
            return ()
        found: dict[str, IPv6Network] = {}
        for service, leaf in _announced(text):
            prefix = leaf.pref64()
            if found.setdefault(service, prefix) != prefix:
                raise leaf.error(f"service {service} has {found[service]} on another interface")
        return tuple(
            assembly.found_service(name, wanted, {"role": ROUTER, "translation_prefix": prefix}, _TECHNIQUE)
            for name, prefix in found.items()
        )

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver."""
        return own_file.change(running, wanted, _NOTHING)


def _problems(service: Service) -> Iterator[Problem]:
    prefix = service.translation_prefix
    wrong = "missing" if prefix is None else prefix_problem(prefix)
    if wrong:
        place = f"ipv4aas_services.{service.name}.gateway.translation_prefix"
        yield Problem(place, wrong, "a prefix of RFC 6052, that of the NAT64")


def _interface(name: str, values: dict[str, Any]) -> Interface:
    """Raises ValueError, TypeError or AttributeError for what is no description of an interface."""
    unknown = values.keys() - set(_KEYS)
    if unknown:
        raise ValueError(f"{', '.join(sorted(unknown))} is unknown")
    interval = values.get("interval", _INTERVAL)
    if not isinstance(interval, int) or interval not in _INTERVALS:
        raise ValueError(f"interval {interval!r} is outside 4..1800 seconds")
    return Interface(
        name,
        interval,
        tuple(IPv6Network(prefix) for prefix in values.get("prefixes", ())),
        tuple(IPv6Address(address) for address in values.get("resolvers", ())),
    )


def _announced(text: str) -> Iterator[tuple[str, Leaf]]:
    """Service and prefix of each announcement. Raises ParseError for a line that is not understood."""
    service = ""
    for number, raw in enumerate(text.splitlines(), 1):
        line = raw.strip()
        leaf = Leaf(line, number, line)
        announced = _PREF64.fullmatch(line)
        if line.startswith(_SERVICE):
            service = line.removeprefix(_SERVICE).strip()
        elif announced and service:
            yield service, Leaf(announced[1], number, line)
            service = ""
        elif announced:
            raise leaf.error(f"is no service's; expected '{_SERVICE}NAME' before it")
        elif line and not _FOREIGN.fullmatch(line):
            raise leaf.error(f"is not understood; expected {_EXPECTED}")


DRIVER = Radvd()
