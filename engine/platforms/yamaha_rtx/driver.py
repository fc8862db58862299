# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Yamaha RTX: a tunnel for DS-Lite, or for MAP-E with a provider's rules and a NAT descriptor."""

from __future__ import annotations

import re
from dataclasses import replace
from typing import Any

from ...plan.model import NodePlan
from ...problem import Problem, Refused
from ...techniques import TECHNIQUES
from ...techniques.service import Service
from .. import indented
from ..assembly import in_order
from ..driver import Change
from ..edges import edge, numbered, provider
from ..indented import Block
from ..places import another_number, taken
from ..stanzas import Language, entry, leaf, own_lines, service_of, word_of

_HEADER = re.compile(r"tunnel select [0-9]+")
_NAT = re.compile(r"(nat descriptor (?:type|address outer) ([0-9]+)) \S.*")
_DESCRIPTION = "description tunnel"
_NAT_OF_TUNNEL = "ip tunnel nat descriptor"
# How our lines start, in the order in which they are written.
_WORDS = (
    _DESCRIPTION,
    "tunnel encapsulation",
    "tunnel endpoint",  # address or name
    "tunnel map-e type",
    "ip tunnel mtu",
    "ip tunnel tcp mss limit",
    _NAT_OF_TUNNEL,
    "tunnel enable",
)
_ENCAPSULATIONS = {"ipip": "ds-lite", "map-e": "map-e"}
_PROVIDERS = ("ocn", "v6plus")
_MOST_TUNNELS, _MOST_DESCRIPTORS = 6000, 65535


def _key(line: Block) -> str:
    nat = _NAT.fullmatch(line.text)
    return nat[1] if nat else word_of(line, _WORDS) or ""


def _take_back(line: str) -> str:
    return line.replace("enable", "disable", 1) if line.startswith("tunnel enable ") else f"no {line}"


_LANGUAGE = Language(_key, _take_back, indent=" ")


class YamahaRtx:
    """The driver. Ours are our lines in tunnels with the description ipv4aas-<service>, and their NAT."""

    name = "yamaha_rtx"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """One tunnel for each service; of MAP-E a NAT descriptor each."""
        map_e = any(service.technique == "map-e" for service in node.services)
        tunnels = numbered(node, 1, _MOST_TUNNELS)
        return {
            "tunnels": tunnels,
            "provider": provider(node, _PROVIDERS) if map_e else "",
            "descriptors": _descriptors(node, len(tunnels)) if map_e else [],
        }

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver."""
        return _LANGUAGE.write(_owned(text))

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver. A tunnel that is not enabled carries nothing."""
        tunnels = [block for block in _owned(text) if leaf(block, "tunnel enable") is not None]
        return in_order((_found(block, wanted) for block in tunnels), wanted)

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver."""
        return _LANGUAGE.change(_owned(running), _owned(wanted))

    def occupied(self, text: str, wanted: str, dialect: str) -> list[str]:
        """See platforms.driver.Careful. A tunnel with none of our words is free, whatever else is in it."""
        configurations = (_owned(wanted), indented.read(text), _owned(text))
        tunnels, descriptors = (
            [[name for block in blocks if (name := place(block))] for blocks in configurations]
            for place in (_tunnel_place, _nat_place)
        )
        return [
            *taken(*tunnels, right=another_number("tunnel")),
            *taken(*descriptors, right=another_number("nat_descriptor")),
        ]


def _tunnel_place(block: Block) -> str:
    return block.text if _HEADER.fullmatch(block.text) and own_lines(block, _WORDS).children else ""


def _nat_place(line: Block) -> str:
    match = _NAT.fullmatch(line.text)
    return f"nat descriptor {match[2]}" if match else ""


def _descriptors(node: NodePlan, count: int) -> list[int]:
    first = node.options.get("nat_descriptor")
    if type(first) is not int or not 1 <= first <= _MOST_DESCRIPTORS + 1 - count:
        wrong = "missing" if first is None else f"{first!r} does not fit"
        right = f"a number in 1..{_MOST_DESCRIPTORS + 1 - count}, the first of {count} that nobody uses"
        raise Refused([Problem(f"{node.name}.ipv4aas_options.nat_descriptor", wrong, right)])
    return list(range(first, first + count))


def _owned(text: str) -> tuple[Block, ...]:
    blocks = indented.read(text)
    tunnels = [
        own_lines(block, _WORDS)
        for block in blocks
        if _HEADER.fullmatch(block.text) and service_of(block, _DESCRIPTION) is not None
    ]
    numbers = {found.value for block in tunnels if (found := leaf(block, _NAT_OF_TUNNEL)) is not None}
    nat = [block for block in blocks if (match := _NAT.fullmatch(block.text)) and match[2] in numbers]
    return (*sorted(tunnels, key=_number), *sorted(nat, key=_nat_order))


def _number(block: Block) -> int:
    return int(block.text.removeprefix("tunnel select "))


def _nat_order(line: Block) -> tuple[int, str]:
    match = _NAT.fullmatch(line.text)
    assert match is not None
    return int(match[2]), "" if "type" in match[1] else match[1]


def _found(block: Block, wanted: tuple[Service, ...]) -> Service:
    kind = leaf(block, "tunnel encapsulation")
    if kind is None:
        raise entry(block).error("has no tunnel encapsulation")
    technique = _ENCAPSULATIONS.get(kind.value)
    if technique is None:
        raise kind.error(f"{kind.value} is not one of {', '.join(_ENCAPSULATIONS)}")
    facts: dict[str, Any] = {}
    if technique == "ds-lite":
        endpoint = leaf(block, "tunnel endpoint address")
        if endpoint is None:
            raise entry(block).error("has no tunnel endpoint address")
        # The router's own address may stand before it.
        facts["gateway_address"] = replace(endpoint, value=endpoint.value.split(" ")[-1]).ipv6()
    mtu = leaf(block, "ip tunnel mtu")
    if mtu is not None:
        facts["ipv6_mtu"] = mtu.integer(64, 65535) + TECHNIQUES[technique].overhead
    return edge(service_of(block, _DESCRIPTION) or "", technique, facts, wanted)


DRIVER = YamahaRtx()
