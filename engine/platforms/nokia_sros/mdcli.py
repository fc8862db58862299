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
    """Deletions, then values: order does not count in a candidate."""
    before, after = list(running), list(wanted)
    paths = {line.path for line in after}
    kept = {line.words[:depth] for line in after for depth in range(1, len(line.words) + 1)}
    gone = (_whole(line, kept) for line in before if line.path not in paths)
    deletions = dict.fromkeys(f"delete /configure {' '.join(path)}\n" for path in gone)
    return "".join(deletions) + write(line for line in after if line not in before)


def _whole(line: Line, kept: set[Words]) -> Words:
    """The object or part of it that goes with a line, where nothing of it stays; else the value."""
    if line.kind != "large-scale" and line.thing not in kept:
        return line.thing
    if line.part != line.thing and line.part not in kept:
        return line.part
    return line.path
