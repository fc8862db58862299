# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Junos configuration as the lines of ``display set``."""

from __future__ import annotations

import re
from collections.abc import Callable, Container, Iterable
from dataclasses import dataclass, field, replace

from .reading import once
from .values import Leaf, canonical

ANY = "*"  # in a path: whatever name
_NAME = r'(?:"(?:\\.|[^"\\\n])*"|\S+)'
_WORD = re.compile(_NAME)
DEACTIVATED = re.compile(r"^ *deactivate +\S.*", re.MULTILINE)

Words = tuple[str, ...]
# The words of the object (concentrator, rule, unit ...) that a statement belongs to.
ObjectOf = Callable[[Words], Words]


@dataclass(frozen=True, slots=True, order=True)
class Statement:
    """``set`` (or ``deactivate``) and the words after it."""

    words: tuple[str, ...]
    verb: str = "set"
    line: int = field(default=0, compare=False)
    source: str = field(default="", compare=False)  # the text it was read from, where that is no statement

    def __str__(self) -> str:
        return " ".join((self.verb, *self.words))

    def starts(self, *words: str) -> bool:
        """Whether these are its first words."""
        return self.words[: len(words)] == words

    def leaf(self) -> Leaf:
        """The last word with its line."""
        return Leaf(self.words[-1], self.line, self.source or str(self))


def lines_of(paths: Iterable[Words]) -> re.Pattern[str]:
    """The lines in an entry of one of the lists at ``paths``, where ANY is whatever name."""
    ways = "|".join(" +".join(_NAME if word == ANY else re.escape(word) for word in path) for path in paths)
    return re.compile(rf"^ *(?:set|deactivate) +(?:{ways}) +\S.*", re.MULTILINE)


@once
def read(text: str, *, lines: re.Pattern[str]) -> tuple[Statement, ...]:
    """Those of the ``set`` and ``deactivate`` lines: of a device's whole text few matter."""
    found = []
    number, at = 1, 0
    for match in lines.finditer(text):
        line = match[0]
        verb, *words = _WORD.findall(line) if '"' in line else line.split()
        number += text.count("\n", at, match.start())
        at = match.start()
        found.append(Statement(tuple(words), verb, number))
    return tuple(found)


def normal(statement: Statement) -> Statement:
    """With addresses in one spelling."""
    return replace(statement, words=tuple(canonical(word) for word in statement.words))


def write(statements: Iterable[Statement]) -> str:
    """Text of statements, a line each."""
    return "".join(f"{statement}\n" for statement in statements)


def commands(
    running: Iterable[Statement], wanted: Iterable[Statement], object_of: ObjectOf, leaves: frozenset[str]
) -> str:
    """``delete`` and ``set`` lines that turn one into the other.

    An object that nobody wants is deleted in one line. A leaf in ``leaves`` holds one value and is
    only set again, also where it was read with other values beside the wanted one; what was
    deactivated by hand is activated.
    """
    before, after = list(running), list(wanted)
    objects = {object_of(statement.words) for statement in after}
    paths = {_path(statement.words, object_of, leaves) for statement in after}
    stale = {_path(item.words, object_of, leaves) for item in before if item not in after}
    lines = []
    for statement in before:
        thing = object_of(statement.words)
        path = _path(statement.words, object_of, leaves)
        if thing not in objects:
            lines.append(f"delete {' '.join(thing)}")
        elif statement.verb == "deactivate" and statement not in after:
            lines.append(f"activate {' '.join(statement.words)}")
        elif path not in paths:
            lines.append(f"delete {' '.join(path)}")
    lines += [
        str(item)
        for item in after
        if item not in before or (_is_leaf(item.words, object_of, leaves) and item.words[:-1] in stale)
    ]
    unique = dict.fromkeys(lines)
    return "".join(f"{line}\n" for line in unique if not _goes_with_another(line, unique))


def _goes_with_another(line: str, lines: Container[str]) -> bool:
    """Whether a line deletes what another one deletes with all around it."""
    words = line.split()
    return words[0] == "delete" and any(" ".join(words[:end]) in lines for end in range(2, len(words)))


def _path(words: tuple[str, ...], object_of: ObjectOf, leaves: frozenset[str]) -> tuple[str, ...]:
    """Without the value, where the statement is a leaf of its object."""
    return words[:-1] if _is_leaf(words, object_of, leaves) else words


def _is_leaf(words: tuple[str, ...], object_of: ObjectOf, leaves: frozenset[str]) -> bool:
    return len(words) - len(object_of(words)) >= 2 and words[-2] in leaves
