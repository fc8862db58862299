# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The values of commands, each with its line."""

from __future__ import annotations

from collections.abc import Collection, Mapping

from ..indented import Block
from ..values import Leaf


def leaf(block: Block, command: str = "") -> Leaf:
    """What follows a command."""
    return Leaf(block.text.removeprefix(command).strip(), block.line, block.text)


def values(block: Block, known: Collection[str], ignored: Collection[str] = ()) -> dict[str, Leaf]:
    """What the lines of a block say, by their commands. Raises ParseError for a line that is none of them."""
    found: dict[str, Leaf] = {}
    for line in block.children:
        if line.text in ignored:
            continue
        command = next((word for word in known if line.opens(word)), None)
        if command is None:
            raise leaf(line).error(f"not understood; one of {', '.join(known)}")
        if command in found:
            raise leaf(line).error(f"{command} is there twice")
        found[command] = leaf(line, command)
    return found


def need(found: Mapping[str, Leaf], command: str, block: Block) -> Leaf:
    """One of the values. Raises ParseError where it is missing."""
    if command not in found:
        raise leaf(block).error(f"has no {command}")
    return found[command]
