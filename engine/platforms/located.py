# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""JSON with the lines that its objects begin in, for messages."""

from __future__ import annotations

import json
import re
from typing import Any

from .driver import ParseError

_PLACE = re.compile(r"\w*((?:\.[\w-]+|\[\d+\])*)")  # a name, and the way from there
_STEP = re.compile(r"\.([\w-]+)|\[(\d+)\]")


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


def decode(text: str) -> Any:
    """The value. Raises ParseError, also for a name that is there twice in an object.

    Of several comments of an object the first one counts.
    """
    try:
        return _Decoder().decode(text)
    except json.JSONDecodeError as error:
        raise not_json(error) from error


def not_json(error: json.JSONDecodeError) -> ParseError:
    """The error with its line."""
    return ParseError(f"line {error.lineno}: not JSON: {error.msg}")


def with_line(text: str, message: str) -> ParseError:
    """A message that begins with a place, such as services[0].rules[1], and the line of the object there."""
    here, line = decode(text), 1
    match = _PLACE.match(message)
    for name, index in _STEP.findall(match[1] if match else ""):
        line = getattr(here, "line", line)
        try:
            here = here[name] if name else here[int(index)]
        except (KeyError, IndexError, TypeError):
            break
    return ParseError(f"line {getattr(here, 'line', line)}: {message}")
