# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""VyOS configuration as ``show configuration commands`` prints it, and the commands that change it.

An entry of ours has no name of its own, but a number: it is ours where its ``description`` says so.
"""

from __future__ import annotations

import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from ..driver import ParseError
from ..naming import is_ours
from ..values import Leaf, canonical

Words = tuple[str, ...]
RULES: Words = ("nat64", "source", "rule")
TUNNELS: Words = ("interfaces", "tunnel")
DESCRIPTION = "description"
# Nodes that hold one value; of others it is a part of the path.
_LEAVES = (
    *(DESCRIPTION, "prefix", "address", "port"),
    *("encapsulation", "mtu", "encaplimit", "remote", "source-address", "source-interface"),
)
_MULTIPLE = ((*TUNNELS, "address"),)  # where a leaf of that name holds several


@dataclass(frozen=True, slots=True)
class Setting:
    """A node of the configuration: the words that lead to it, and its value where it is a leaf."""

    path: Words
    value: str | None
    line: int = field(default=0, compare=False)

    def __str__(self) -> str:
        return " ".join(
            ("set", _words(self.path), *([_quoted(self.value)] if self.value is not None else []))
        )

    @property
    def entry(self) -> Words:
        """The rule or tunnel that it is in."""
        return self.path[: len(_list_of(self.path) or self.path) + 1]

    def leaf(self) -> Leaf:
        """The value with its line."""
        return Leaf(self.value or "", self.line, str(self))


def _words(path: Words) -> str:
    return " ".join(map(shlex.quote, path))


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"


def _list_of(path: Words) -> Words | None:
    return next((start for start in (RULES, TUNNELS) if path[: len(start)] == start), None)


def read(text: str) -> Iterator[Setting]:
    """Every ``set`` line of rules and tunnels. Raises ParseError for a quotation that does not end."""
    for number, line in enumerate(text.splitlines(), 1):
        bare = line.strip()
        if not any(bare.startswith(f"set {' '.join(start)} ") for start in (RULES, TUNNELS)):
            continue
        try:
            _, *words = shlex.split(bare)
        except ValueError as error:
            raise ParseError(f"line {number}: {bare}: {error}") from error
        yield _setting(tuple(words), number)


def _setting(words: Words, line: int) -> Setting:
    *path, value = words
    start = _list_of(words)
    assert start is not None
    single = path and path[-1] in _LEAVES and (*start, path[-1]) not in _MULTIPLE
    if single and len(path) > len(start) + 1:
        return Setting(tuple(path), canonical(value), line)
    return Setting(words, None, line)


def owned(text: str) -> list[Setting]:
    """What is ours, in one order."""
    found = list(read(text))
    ours = {
        item.entry
        for item in found
        if item.path == (*item.entry, DESCRIPTION) and item.value is not None and is_ours(item.value)
    }
    return sorted({item for item in found if item.entry in ours}, key=_rank)


def _rank(item: Setting) -> tuple[list[tuple[int, str]], str]:
    return [(int(word) if word.isdecimal() else -1, word) for word in item.path], item.value or ""


def write(settings: Iterable[Setting]) -> str:
    """Text of settings, a line each."""
    return "".join(f"{item}\n" for item in settings)


def changes(running: list[Setting], wanted: list[Setting]) -> str:
    """``delete`` and ``set`` lines that turn one into the other; ``set`` replaces the value of a leaf."""
    entries, paths = {item.entry for item in wanted}, {item.path for item in wanted}
    gone = [
        item.entry if item.entry not in entries else _nearest(item.path, paths)
        for item in running
        if item.path not in paths
    ]
    lines = [f"delete {_words(path)}" for path in gone]
    lines += [str(item) for item in wanted if item not in running]
    return "".join(f"{line}\n" for line in dict.fromkeys(lines))


def _nearest(path: Words, kept: set[Words]) -> Words:
    """The highest node on the way that nothing kept is below, so that no empty node is left."""
    for end in range(1, len(path)):
        if not any(other[:end] == path[:end] for other in kept):
            return path[:end]
    return path
