# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cisco IOS XE: MAP-T border relay, stateful NAT64, DS-Lite B4 and MAP-E customer edge."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...plan.model import NodePlan
from ...techniques.service import GATEWAY, Service
from .. import assembly, indented
from ..diff import line_diff
from ..driver import Change
from ..indented import Block
from ..values import Leaf
from . import contexts, maps, nat64, tunnels
from .commands import commands
from .occupied import occupied
from .owned import MAP_E, MAP_T, domains, numbered_as, owned, text_of


class CiscoIosXe:
    """The driver. See owned.py for what is ours."""

    name = "cisco_iosxe"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """See platforms.driver.Driver."""
        return contexts.context(node)

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver."""
        return text_of(owned(text))

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver. A NAT64 and a PLAT look the same: what was wanted, else a NAT64."""
        blocks = owned(text)
        found = (
            *_map_t_services(blocks, wanted),
            *_map_e_services(blocks, wanted),
            *nat64.services(blocks, wanted),
            *tunnels.services(blocks, wanted),
        )
        order = [service.name for service in wanted]
        return tuple(
            sorted(found, key=lambda one: order.index(one.name) if one.name in order else len(order))
        )

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver. A domain that is there keeps its number."""
        before = owned(running)
        after = numbered_as(before, owned(wanted))
        return Change(
            indented.write(commands(before, after), inner=False),
            indented.write(commands(after, before), inner=False),
            line_diff(text_of(before), text_of(after)),
        )

    def occupied(self, text: str, wanted: str, dialect: str) -> list[str]:
        """See platforms.driver.Careful."""
        return occupied(text, wanted)


def _map_t_services(blocks: tuple[Block, ...], wanted: tuple[Service, ...]) -> tuple[Service, ...]:
    found = (maps.map_t_rule(block, name, wanted) for block, name in _blocks_of(MAP_T, blocks))
    return assembly.services(found, wanted, MAP_T, GATEWAY)


def _map_e_services(blocks: tuple[Block, ...], wanted: tuple[Service, ...]) -> Iterator[Service]:
    for block, name in _blocks_of(MAP_E, blocks):
        yield maps.map_e_edge(block, name, wanted)


def _blocks_of(kind: str, blocks: tuple[Block, ...]) -> Iterator[tuple[Block, Leaf]]:
    """Domains that are there, with their names. A variable without its domain is not a service."""
    by_text = {block.text: block for block in blocks}
    for domain in domains(blocks):
        block = by_text.get(f"nat64 {domain.kind} domain {domain.number}")
        if domain.kind == kind and block is not None:
            yield block, domain.name


DRIVER = CiscoIosXe()
