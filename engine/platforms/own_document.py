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


class Located(dict[str, Any]):
    """An object of a file, with the line that it begins in."""

    line = 1


class _Decoder(json.JSONDecoder):
    """Gives objects as Located, which needs the decoder that is written in Python."""

    def __init__(self) -> None:
        super().__init__()
        self.parse_object = self._located
        self.scan_once = json.scanner.py_make_scanner(self)  # type: ignore[attr-defined]

    def _located(self, at: tuple[str, int], *more: Any) -> tuple[Located, int]:
        strict, scan_once, _object_hook, _pairs_hook, memo, *_space = more
        pairs, end = json.decoder.JSONObject(at, strict, scan_once, None, list, memo)  # type: ignore[attr-defined]
        found = Located()
        found.line = at[0].count("\n", 0, at[1]) + 1
        for name, value in pairs:
            if name in found and name != "comment":
                raise ParseError(f"line {found.line}: {name} is there twice")
            found.setdefault(name, value)
        return found, end


def read(text: str) -> Located:
    """The object; an empty one in an empty text. Raises ParseError, also for a name that is there twice.

    Of several comments of an object the first one counts.
    """
    try:
        found = _Decoder().decode(text or "{}")
    except json.JSONDecodeError as error:
        raise ParseError(f"line {error.lineno}: not JSON: {error.msg}") from error
    if not isinstance(found, Located):
        raise ParseError("line 1: is no object")
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
