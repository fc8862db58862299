# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VyOS: NAT64 and PLAT by Jool, B4 by a tunnel of IPv4 in IPv6."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv6Address, IPv6Network
from typing import Any

from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques import TECHNIQUES
from ...techniques.service import EDGE, GATEWAY, Service
from .. import assembly, sessions
from ..diff import line_diff
from ..driver import Change
from ..guard import option
from ..naming import OURS, owner, rule_name
from ..places import another_number, taken
from ..sessions import LAST_PORT, Wish
from ..values import Leaf
from . import commands
from .commands import DESCRIPTION, RULES, TUNNELS, Setting, Words

_OVERHEAD = TECHNIQUES["ds-lite"].overhead
_DEFAULT_MTU = 1476  # of a tunnel
_IPIP6 = "ipip6"
_FILTERING = "endpoint-independent"  # Jool's, where nothing else is set
_RULE_NUMBERS = range(1, 1000000)
_TUNNEL = re.compile("tun[0-9]+")
_ANOTHER_TUNNEL = "another name in ipv4aas_options.tunnel"
_PORTS = re.compile(r"(?P<low>\d+)-(?P<high>\d+)")


class Vyos:
    """The driver. Ours are the rule and the tunnel whose description is ipv4aas-<service>."""

    name = "vyos"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """The one service of the node, and the number that it has on the device."""
        sessions.check(node, _unable, 1)
        [service] = node.services
        named = {"name": rule_name(service.name, 0)}
        if service.pool is None:
            return named | {
                "tunnel": _tunnel(node),
                "mtu": service.ipv6_mtu - _OVERHEAD,
                "remote": service.gateway_address,
                "source_address": service.softwire_address,
            }
        return named | {
            "rule": _rule(node),
            "prefix": service.translation_prefix,
            "addresses": service.pool.ipv4,
            "ports": f"{service.pool.first_port}-{LAST_PORT}",
        }

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver. ``text`` is what ``show configuration commands`` prints."""
        return commands.write(commands.owned(text))

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver."""
        entries: dict[Words, list[Setting]] = {}
        for item in commands.owned(text):
            entries.setdefault(item.entry, []).append(item)
        found = (_service(_Entry(path, items), wanted) for path, items in entries.items())
        return assembly.in_order((service for service in found if service is not None), wanted)

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver."""
        before, after = commands.owned(running), commands.owned(wanted)
        return Change(
            commands.changes(before, after),
            commands.changes(after, before),
            line_diff(commands.write(before), commands.write(after)),
        )

    def occupied(self, text: str, wanted: str, dialect: str) -> list[str]:
        """See platforms.driver.Careful."""
        settings = (commands.owned(wanted), [*commands.read(text)], commands.owned(text))
        return [
            problem
            for start, right in ((RULES, another_number("rule")), (TUNNELS, _ANOTHER_TUNNEL))
            for problem in taken(*(_entries(start, found) for found in settings), right=right)
        ]


def _entries(start: Words, settings: Iterable[Setting]) -> list[str]:
    """The rules or tunnels that settings are in."""
    return [" ".join(item.entry) for item in settings if item.path[: len(start)] == start]


def _unable(service: Service) -> Iterable[Wish]:
    if service.pool is None:
        return
    yield from sessions.out_of(
        "sharing.reserved_ports", "a first port", service.pool.first_port, 1, LAST_PORT
    )
    if service.filtering != _FILTERING:
        yield Wish("filtering", f"lets every host in through a mapping, not {service.filtering}", _FILTERING)


def _rule(node: NodePlan) -> int:
    number: int = option(node, "rule", int, "number of the NAT64 rule, free on the device")
    if type(number) is int and number in _RULE_NUMBERS:
        return number
    place = f"{node.name}.ipv4aas_options.rule"
    raise Refused([Problem(place, f"{number!r} does not fit", "a number in 1..999999")])


def _tunnel(node: NodePlan) -> str:
    name: str = option(node, "tunnel", str, "name of the tunnel, free on the device, such as tun0")
    if _TUNNEL.fullmatch(name):
        return name
    place = f"{node.name}.ipv4aas_options.tunnel"
    raise Refused([Problem(place, f"{name!r} does not fit", "tun and a number, such as tun0")])


class _Entry:
    """The settings of one rule or tunnel of ours."""

    def __init__(self, path: Words, settings: list[Setting]) -> None:
        self.path = path
        self._values = {item.path[len(path) :]: item for item in settings}
        description = self._values[(DESCRIPTION,)]
        self.name = description.value or ""
        self.at = Leaf(self.name, description.line, str(description))

    def has(self, *words: str) -> bool:
        return words in self._values

    def leaf(self, *words: str) -> Leaf | None:
        item = self._values.get(words)
        return item.leaf() if item is not None else None

    def needed(self, *words: str) -> Leaf:
        found = self.leaf(*words)
        if found is None:
            raise self.at.error(f"has no {' '.join(words)}")
        return found

    def pools(self) -> Iterator[Words]:
        """The pools of a rule by number; those that are disabled do not count."""
        start = ("translation", "pool")
        numbers = {path[2] for path in self._values if path[:2] == start and len(path) > 2}
        for number in sorted(numbers, key=lambda word: (len(word), word)):
            if not self.has(*start, number, "disable"):
                yield (*start, number)

    def below(self, *words: str) -> Setting | None:
        """Any setting below a node."""
        return next((item for path, item in self._values.items() if path[: len(words)] == words), None)


def _service(entry: _Entry, wanted: tuple[Service, ...]) -> Service | None:
    if entry.has("disable"):
        return None
    hint = assembly.wanted_service(wanted, owner(entry.name, {service.name for service in wanted})[0])
    name = entry.name.removeprefix(f"{OURS}-") if hint is None else hint.name
    if entry.path[: len(TUNNELS)] == TUNNELS:
        return sessions.found_service(name, hint, ("ds-lite",), EDGE, **_tunnel_facts(entry, hint))
    assert entry.path[: len(RULES)] == RULES
    return sessions.found_service(name, hint, ("nat64", "464xlat"), GATEWAY, **_rule_facts(entry, hint))


def _tunnel_facts(entry: _Entry, hint: Service | None) -> dict[str, Any]:
    kind = entry.needed("encapsulation")
    if kind.value != _IPIP6:
        raise kind.error(f"{kind.value} is not {_IPIP6}")
    mtu = entry.leaf("mtu")
    return {
        "gateway_address": entry.needed("remote").ipv6(),
        "ipv6_mtu": (mtu.integer(68, 16000) if mtu else _DEFAULT_MTU) + _OVERHEAD,
        "end_user_prefix": _end_user_prefix(entry.needed("source-address").ipv6(), hint),
    }


def _end_user_prefix(source: IPv6Address, hint: Service | None) -> IPv6Network:
    """That of the plan where it makes the address; else only the address itself is known."""
    if hint is not None and hint.end_user_prefix is not None and hint.softwire_address == source:
        return hint.end_user_prefix
    return IPv6Network(source)


def _rule_facts(entry: _Entry, hint: Service | None) -> dict[str, Any]:
    networks, ports = [], None
    for pool in entry.pools():
        limited = entry.below(*pool, "protocol")
        if limited is not None:
            raise limited.leaf().error("a pool of one protocol: the others are not translated")
        networks.append(entry.needed(*pool, "address").ipv4_network())
        first = _first_port(entry.needed(*pool, "port"))
        if ports is not None and first != ports:
            raise entry.needed(*pool, "port").error(f"starts at {first}, the first pool at {ports}")
        ports = first
    return {
        "translation_prefix": entry.needed("source", "prefix").ipv6_network(),
        "filtering": _FILTERING,
        "pool": sessions.pool(entry.at, networks, hint.pool if hint else None, first_port=ports or 1),
    }


def _first_port(ports: Leaf) -> int:
    match = _PORTS.fullmatch(ports.value)
    if match is None:
        raise ports.error(f"{ports.value} is no range such as 1024-{LAST_PORT}")
    if int(match["high"]) != LAST_PORT:
        raise ports.error(f"ports up to {match['high']}: a pool has those up to {LAST_PORT}")
    return Leaf(match["low"], ports.line, ports.text).integer(1, LAST_PORT)


DRIVER = Vyos()
