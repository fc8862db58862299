# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MD-CLI: what ``admin show configuration full-context`` prints, and what a candidate takes."""

from __future__ import annotations

import re
from collections.abc import Iterable

from .lines import Line, Words

_WORD = re.compile(r'"(?:\\.|[^"\\])*"|\S+')
_STARTS = ("/configure", "configure")


def read(text: str) -> list[Line]:
    """Every line below ``configure``; others (prompts, comments) are left out."""
    found = []
    for number, line in enumerate(text.splitlines(), 1):
        first, *words = _WORD.findall(line) or [""]
        if first in _STARTS and words:
            found.append(Line(tuple(words), number))
    return found


def write(lines: Iterable[Line]) -> str:
    """Text of lines."""
    return "".join(f"/configure {line}\n" for line in lines)


def commands(running: Iterable[Line], wanted: Iterable[Line]) -> str:
    """Values that go, values that come, objects that go.

    Order does not count in a candidate; in this one every line alone leaves it without loose ends.
    """
    before, after = list(running), list(wanted)
    paths = {line.path for line in after}
    kept = {line.words[:depth] for line in after for depth in range(1, len(line.words) + 1)}
    gone = [line for line in reversed(before) if line.path not in paths]
    objects = _deletions(line.thing for line in gone if _goes(line, kept))
    values = _deletions(_whole(line, kept) for line in gone if not _goes(line, kept))
    return values + write(line for line in after if line not in before) + objects


def _deletions(paths: Iterable[Words]) -> str:
    return "".join(dict.fromkeys(f"delete /configure {' '.join(path)}\n" for path in paths))


def _goes(line: Line, kept: set[Words]) -> bool:
    """Whether nothing stays of the object; the large-scale NAT of a router is none of ours."""
    return line.kind != "large-scale" and line.thing not in kept


def _whole(line: Line, kept: set[Words]) -> Words:
    """The part of an object that goes with a line, where nothing of it stays; else the value."""
    if line.part != line.thing and line.part not in kept:
        return line.part
    return line.path
