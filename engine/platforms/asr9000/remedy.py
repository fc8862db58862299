# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands that turn blocks into others, by hier_config."""

from __future__ import annotations

from collections.abc import Iterable

from hier_config import HConfig, HConfigChild, WorkflowRemediation, get_hconfig
from hier_config.models import IdempotentCommandsRule, MatchRule
from hier_config.platforms.driver_base import HConfigDriverBase, HConfigDriverRules

from .. import indented
from ..indented import Block
from .cli import INSTANCE, SINGLE


class _Rules(HConfigDriverBase):
    """A command of an entry that is entered again with another value replaces the old value."""

    @staticmethod
    def _instantiate_rules() -> HConfigDriverRules:
        return HConfigDriverRules(
            indentation=1,
            idempotent_commands=[
                IdempotentCommandsRule(
                    match_rules=tuple(MatchRule(startswith=f"{word} ") for word in (INSTANCE, kind, leaf))
                )
                for kind, leaves in SINGLE.items()
                for leaf in leaves
            ],
        )


def commands(before: tuple[Block, ...], after: tuple[Block, ...], frames: list[Block]) -> tuple[str, str]:
    """There and back. ``frames`` are the operator's around what is ours."""
    flow = WorkflowRemediation(_tree(before, frames), _tree(after, frames))
    return _text(flow.remediation_config), _text(flow.rollback_config)


def _tree(blocks: tuple[Block, ...], frames: list[Block]) -> HConfig:
    """With every frame of the operator's in it, so that none is ever removed as a whole."""
    tree = get_hconfig(_Rules())
    _fill(tree, (*blocks, *sorted(frames, key=lambda block: block.text)))
    return tree


def _fill(parent: HConfig | HConfigChild, blocks: Iterable[Block]) -> None:
    for block in blocks:
        _fill(parent.add_child(block.text, return_if_present=True), block.children)


def _text(tree: HConfig) -> str:
    return indented.write(_blocks(tree))


def _blocks(tree: HConfig | HConfigChild) -> tuple[Block, ...]:
    return tuple(Block(child.text, 0, _blocks(child)) for child in sorted(tree.children))
