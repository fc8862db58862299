# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that is ours as a whole and holds a JSON list with an entry for each service."""

from __future__ import annotations

import json
from collections.abc import Callable
from typing import Any

from ..techniques.service import Service
from . import located
from .diff import line_diff
from .driver import NO_CHANGE, Change, ParseError

NOTHING = "[]\n"


def write(entries: list[dict[str, Any]]) -> str:
    """The file."""
    return json.dumps(entries, indent=2) + "\n"


def read(text: str) -> list[Any]:
    """The entries; none in an empty text. Raises ParseError."""
    try:
        found = json.loads(text or NOTHING)
    except json.JSONDecodeError as error:
        raise located.not_json(error) from error
    if not isinstance(found, list):
        raise ParseError("line 1: is no list")
    return found


def services(text: str, service: Callable[[Any, str], Service]) -> tuple[Service, ...]:
    """What ``service`` makes of each entry and its place in the list. Raises ParseError with the line."""
    entries = read(text)
    try:
        return tuple(service(entry, f"[{number}]") for number, entry in enumerate(entries))
    except ParseError as error:
        raise located.with_line(text, str(error)) from error


def owned(text: str) -> str:
    """The file in one form; empty where it has no entries, as it is where it is no list."""
    try:
        entries = read(text)
    except ParseError:
        return text
    return write(entries) if entries else ""


def change(running: str, wanted: str) -> Change:
    """From one content to another."""
    before, after = owned(running), owned(wanted)
    if before == after:
        return NO_CHANGE
    return Change(after or NOTHING, before or NOTHING, line_diff(before, after))
