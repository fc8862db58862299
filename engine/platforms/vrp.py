# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Huawei VRP8: blocks between lines of #, and the commands that lead from one configuration to another."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass

from . import indented
from .indented import Block

_SEPARATOR = "#"
_LEFT_OUT = (_SEPARATOR, "return")

# A line with the lines of the views that it stands in, outermost first.
Path = tuple[str, ...]


@dataclass(frozen=True, slots=True)
class Grammar:
    """What has to be known of a feature's lines to change them."""

    undo: Callable[[str], str]  # the line that takes a line back
    # What a line holds a value of, where the device takes a new value over the old one; else None.
    overwritten: Callable[[str], str | None]
    # The view and the first words of what a line refers to; None where it refers to nothing of ours.
    reference: Callable[[Path], tuple[Path, str] | None]


def read(text: str) -> tuple[Block, ...]:
    """Blocks of ``display current-configuration``, without separators and header."""
    return indented.read("\n".join("" if line.strip() in _LEFT_OUT else line for line in text.splitlines()))


def write(blocks: Iterable[Block]) -> str:
    """Text of blocks with separators, as the device prints it; empty without blocks."""
    parts = ["".join(_lines(block, 0)) for block in blocks]
    return "".join(f"{_SEPARATOR}\n{part}" for part in parts) + f"{_SEPARATOR}\n" if parts else ""


def _lines(block: Block, depth: int) -> Iterator[str]:
    yield f"{' ' * depth}{block.text}\n"
    for child in block.children:
        yield from _lines(child, depth + 1)


def paths(blocks: Iterable[Block], view: Path = ()) -> Iterator[Path]:
    """Every line with its views, in order."""
    for block in blocks:
        yield (*view, block.text)
        yield from paths(block.children, (*view, block.text))


def commands(running: Iterable[Block], wanted: Iterable[Block], grammar: Grammar) -> str:
    """Lines for the system view that turn one configuration into the other.

    What refers to something that is taken back or changes lets go of it first and takes it up at the end.
    """
    before, after = list(paths(running)), list(paths(wanted))
    kept, gone = set(before) & set(after), set(before) - set(after)
    loose = {path for path in kept if _any_below(gone, grammar.reference(path))}
    new = [path for path in after if path not in kept or path in loose]
    values = {(path[:-1], grammar.overwritten(path[-1])) for path in new}
    removed = [
        path
        for path in reversed(before)
        if (path in gone or path in loose)
        and not any(path[:depth] in gone for depth in range(1, len(path)))
        and not (grammar.overwritten(path[-1]) and (path[:-1], grammar.overwritten(path[-1])) in values)
    ]
    views = {path[:-1] for path in after}
    return _typed(
        [
            *((path[:-1], grammar.undo(path[-1]), False) for path in removed),
            *((path[:-1], path[-1], path in views) for path in new),
        ]
    )


def _any_below(gone: Iterable[Path], reference: tuple[Path, str] | None) -> bool:
    if reference is None:
        return False
    view, start = reference
    depth = len(view)
    return any(
        path[:depth] == view and len(path) > depth and Block(path[depth]).opens(start) for path in gone
    )


def _typed(steps: Iterable[tuple[Path, str, bool]]) -> str:
    """Lines with the way into their views. A step: the view, the line, whether the line opens one."""
    lines = []
    here: Path = ()
    for view, line, opens in steps:
        while view[: len(here)] != here:
            here = here[:-1]
        lines += [f"{' ' * depth}{view[depth]}" for depth in range(len(here), len(view))]
        lines.append(f"{' ' * len(view)}{line}")
        here = (*view, line) if opens else view
    return "".join(f"{line}\n" for line in lines)
