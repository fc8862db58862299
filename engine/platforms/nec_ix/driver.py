# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NEC UNIVERGE IX: a tunnel interface for DS-Lite, or for MAP-E with the rules of a provider's server."""

from __future__ import annotations

import re
from collections.abc import Iterable
from typing import Any

from ...plan.model import NodePlan
from ...techniques import TECHNIQUES
from ...techniques.service import Service
from .. import indented
from ..assembly import in_order
from ..driver import Change
from ..edges import edge, numbered, provider
from ..guard import option
from ..indented import Block
from ..places import another_number, taken
from ..stanzas import Language, entry, leaf, own_lines, service_of, word_of

_HEADER = re.compile(r"interface Tunnel[0-9]+\.0")
_DESCRIPTION = "description"
# How our lines start, in the order in which they are written.
_WORDS = (
    _DESCRIPTION,
    "tunnel mode",
    "tunnel destination",
    "ip unnumbered",
    "ip address",
    "ip mtu",
    "ip tcp adjust-mss",
    "ip napt enable",
    "ip napt hairpinning",
    "no shutdown",
)
_MODES = {"4-over-6": "ds-lite", "map-e": "map-e"}
_PROVIDERS = ("ocn",)
_FAMILY = "an interface with the router's IPv4 address, such as GigaEthernet1.0"


def _take_back(line: str) -> str:
    return line.removeprefix("no ") if line.startswith("no ") else f"no {line}"


_LANGUAGE = Language(lambda line: word_of(line, _WORDS) or "", _take_back, indent="  ", end="!")


class NecIx:
    """The driver. Ours are our lines in tunnel interfaces with the description ipv4aas-<service>."""

    name = "nec_ix"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """One tunnel interface for each service."""
        map_e = any(service.technique == "map-e" for service in node.services)
        return {
            "tunnels": numbered(node, 0, 255),
            "provider": provider(node, _PROVIDERS) if map_e else "",
            "lan": "" if map_e else option(node, "unnumbered", str, _FAMILY),
        }

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver."""
        return _LANGUAGE.write(_owned(text))

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver. A tunnel that is shut down carries nothing."""
        found = (_found(block, wanted) for block in _owned(text) if leaf(block, "no shutdown") is not None)
        return in_order(found, wanted)

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver."""
        return _LANGUAGE.change(_owned(running), _owned(wanted))

    def occupied(self, text: str, wanted: str, dialect: str) -> list[str]:
        """See platforms.driver.Careful. A tunnel with none of our words is free, whatever else is in it."""
        used = (block for block in indented.read(text) if own_lines(block, _WORDS).children)
        places = (_headers(blocks) for blocks in (_owned(wanted), used, _owned(text)))
        return taken(*places, right=another_number("tunnel"))


def _headers(blocks: Iterable[Block]) -> list[str]:
    return [block.text for block in blocks]


def _owned(text: str) -> tuple[Block, ...]:
    ours = (
        block
        for block in indented.read(text)
        if _HEADER.fullmatch(block.text) and service_of(block, _DESCRIPTION) is not None
    )
    return tuple(own_lines(block, _WORDS) for block in sorted(ours, key=_number))


def _number(block: Block) -> int:
    return int(block.text.removeprefix("interface Tunnel").split(".")[0])


def _found(block: Block, wanted: tuple[Service, ...]) -> Service:
    mode = leaf(block, "tunnel mode")
    if mode is None:
        raise entry(block).error("has no tunnel mode")
    technique = _MODES.get(mode.value.split(" ")[0])
    if technique is None:
        raise mode.error(f"{mode.value} is not one of {', '.join(_MODES)}")
    facts: dict[str, Any] = {}
    if technique == "ds-lite":
        destination = leaf(block, "tunnel destination")
        if destination is None:
            raise entry(block).error("has no tunnel destination")
        facts["gateway_address"] = destination.ipv6()
    mtu = leaf(block, "ip mtu")
    if mtu is not None:
        facts["ipv6_mtu"] = mtu.integer(68, 65535) + TECHNIQUES[technique].overhead
    return edge(service_of(block, _DESCRIPTION) or "", technique, facts, wanted)


DRIVER = NecIx()
