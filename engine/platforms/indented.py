# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration that nests by indentation, as Cisco prints it."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .reading import once

_INDENT = ("", " ", "\t")
# A banner ends where the character that follows its kind comes again; Control-C is shown as ^C.
_BANNER = re.compile(r"banner (?:\S+ )?(?P<mark>\^C|\S)(?P<text>.*)")


@dataclass(frozen=True, slots=True)
class Block:
    """A line and the lines that are indented below it."""

    text: str
    line: int = field(default=0, compare=False)  # from 1; 0 where it was never read
    children: tuple[Block, ...] = ()

    def opens(self, start: str) -> bool:
        """Whether the first words of the line are those of ``start``."""
        return self.text == start or self.text.startswith(f"{start} ")

    def names(self, start: str) -> bool:
        """Whether the line is ``start`` and a name."""
        return self.opens(start) and " " not in self.text.removeprefix(f"{start} ")


@once
def read(text: str, *, only: tuple[str, ...] = ()) -> tuple[Block, ...]:
    """Blocks of a configuration. Comments (lines that start with !), banners and ``end`` are left out.

    Where a few outermost blocks matter, ``only`` has what their lines start with; others are passed by.
    """
    lines = []
    passing = False
    for number, line in _without_banners(text):
        if only and line[:1] not in _INDENT:
            passing = not line.startswith(only)
        if passing:
            continue
        bare = line.strip()
        if bare and bare[0] != "!" and bare != "end":
            lines.append((line.index(bare[0]), " ".join(bare.split()), number))
    blocks, _ = _read(lines, 0, -1)
    return blocks


def _without_banners(text: str) -> Iterator[tuple[int, str]]:
    """Lines by their numbers: the text of a banner may look like anything."""
    mark = ""
    for number, line in enumerate(text.splitlines(), 1):
        if mark:
            mark = "" if mark in line else mark
        elif line.startswith("banner ") and (start := _BANNER.match(line)):
            mark = "" if start["mark"] in start["text"] else start["mark"]
        else:
            yield number, line


def _read(lines: list[tuple[int, str, int]], at: int, indent: int) -> tuple[tuple[Block, ...], int]:
    blocks = []
    while at < len(lines) and lines[at][0] > indent:
        own, text, number = lines[at]
        children, at = _read(lines, at + 1, own)
        blocks.append(Block(text, number, children))
    return tuple(blocks), at


def write(
    blocks: Iterable[Block], submodes: tuple[str, ...] = (), depth: int = 0, *, inner: bool = True
) -> str:
    """Text of blocks, each with children, or one of ``submodes`` with a name, closed by ``!`` as IOS XR does.

    ``inner`` is False for IOS, which closes the outermost blocks only.
    """
    lines = []
    for block in blocks:
        lines.append(f"{' ' * depth}{block.text}\n")
        if block.children or any(block.names(word) for word in submodes):
            lines.append(write(block.children, submodes, depth + 1, inner=inner))
            lines.append(f"{' ' * depth}!\n" if inner or not depth else "")
    return "".join(lines)
