# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that is ours as a whole and holds one JSON object."""

from __future__ import annotations

import json
from typing import Any

from .diff import line_diff
from .driver import Change, ParseError


def write(document: dict[str, Any]) -> str:
    """The file."""
    return json.dumps(document, indent=2) + "\n"


def read(text: str) -> dict[str, Any]:
    """The object; an empty one in an empty text. Raises ParseError, also for a name that is there twice.

    Of several comments of an object the first one counts.
    """
    try:
        found = json.loads(text or "{}", object_pairs_hook=_once)
    except json.JSONDecodeError as error:
        raise ParseError(f"line {error.lineno}: {error.msg}") from error
    if not isinstance(found, dict):
        raise ParseError("line 1: is no object")
    return found


def _once(pairs: list[tuple[str, Any]]) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, value in pairs:
        if name in found and name != "comment":
            raise ParseError(f"{name} is there twice")
        found.setdefault(name, value)
    return found


def owned(text: str, nothing: dict[str, Any]) -> str:
    """The file in one form; empty where it is ``nothing``, the content without services."""
    try:
        document = read(text)
    except ParseError:
        return text
    return write(document) if document and document != nothing else ""


def change(running: str, wanted: str, nothing: dict[str, Any]) -> Change:
    """From one content to another."""
    before, after = owned(running, nothing), owned(wanted, nothing)
    if before == after:
        return Change("", "", "")
    return Change(after or write(nothing), before or write(nothing), line_diff(before, after))
