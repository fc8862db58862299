# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Blocks of a command line of which only some lines are ours, such as a tunnel with the operator's filters.

A block is ours by its description. In it are ours the lines that start with a word of the platform's
table; every other line is left alone, whatever becomes of ours.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import dataclass, replace

from .diff import line_diff
from .driver import Change
from .indented import Block
from .naming import OURS, is_ours
from .values import Leaf, canonical


def word_of(line: Block, words: Sequence[str]) -> str | None:
    """The word of a table that a line starts with; None for a line that is not ours."""
    return next((word for word in words if line.opens(word)), None)


def leaf(block: Block, word: str) -> Leaf | None:
    """What follows a word in the block, None where there is no such line."""
    for line in block.children:
        if line.opens(word):
            return Leaf(line.text.removeprefix(word).strip(), line.line, line.text)
    return None


def entry(block: Block) -> Leaf:
    """The block itself, for messages about something missing in it."""
    return Leaf(block.text, block.line, block.text)


def service_of(block: Block, description: str) -> str | None:
    """Name of the service that the description of a block names, None where it is not ours."""
    found = leaf(block, description)
    name = _spelling(found.value) if found else ""
    return name.removeprefix(f"{OURS}-") if is_ours(name) else None


def own_lines(block: Block, words: Sequence[str]) -> Block:
    """The block with our lines alone, in the order of the table, in one spelling."""
    ours = (replace(line, text=_spelling(line.text)) for line in block.children if word_of(line, words))
    ranked = sorted(ours, key=lambda line: (_rank(line, words), line.text))
    return replace(block, children=tuple(ranked))


def _spelling(text: str) -> str:
    """Without quotation marks, which our words never need."""
    return " ".join(canonical(word) for word in text.replace('"', "").split())


def _rank(line: Block, words: Sequence[str]) -> int:
    return next(rank for rank, word in enumerate(words) if line.opens(word))


@dataclass(frozen=True, slots=True)
class Language:
    """How a command line takes lines back.

    Lines of one block with the same ``key`` replace each other. ``take_back`` gives the command that
    undoes a line, ``drop`` the one that takes away a whole block where it is ours as a whole.
    """

    key: Callable[[Block], str]
    take_back: Callable[[str], str]
    indent: str
    end: str = ""  # the line that closes a block
    drop: Callable[[str], str] | None = None

    def change(self, before: tuple[Block, ...], after: tuple[Block, ...]) -> Change:
        """From some blocks to others."""
        return Change(self._commands(before, after), self._commands(after, before), self._diff(before, after))

    def write(self, blocks: Iterable[Block]) -> str:
        """Text of blocks as the device prints them."""
        lines = []
        for block in blocks:
            lines += [block.text, *(f"{self.indent}{line.text}" for line in block.children)]
            lines += [self.end] if self.end and block.children else []
        return "".join(f"{line}\n" for line in lines)

    def _diff(self, before: tuple[Block, ...], after: tuple[Block, ...]) -> str:
        return line_diff(self.write(before), self.write(after))

    def _commands(self, before: Iterable[Block], after: Iterable[Block]) -> str:
        old, new = _by_header(before), _by_header(after)
        # What goes goes first: a number or an address that is given up may be taken anew.
        ordered = sorted(old.keys() | new.keys(), key=lambda header: (header in new, header == "", header))
        return "".join(self._edit(header, old.get(header, ()), new.get(header, ())) for header in ordered)

    def _edit(self, header: str, there: tuple[Block, ...], wanted: tuple[Block, ...]) -> str:
        if self.drop and not wanted:
            return f"{self.drop(header)}\n"
        kept = {self.key(line) for line in wanted}
        gone = [line for line in there if line not in wanted and self.key(line) not in kept]
        lines = [self.take_back(line.text) for line in reversed(gone)]
        lines += [line.text for line in wanted if line not in there]
        if header and lines:
            lines = [header, *(f"{self.indent}{line}" for line in lines)]
        return "".join(f"{line}\n" for line in lines)


def _by_header(blocks: Iterable[Block]) -> Mapping[str, tuple[Block, ...]]:
    """Lines by the block that they are in; those at the top are in block ""."""
    found: dict[str, tuple[Block, ...]] = {}
    for block in blocks:
        if block.children:
            found[block.text] = block.children
        else:
            found[""] = (*found.get("", ()), block)
    return found
