# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A file that is ours as a whole and holds one JSON object."""

from __future__ import annotations

import json
from typing import Any

from .diff import line_diff
from .driver import NO_CHANGE, Change, ParseError
from .located import Located, decode


def write(document: dict[str, Any]) -> str:
    """The file."""
    return json.dumps(document, indent=2) + "\n"


def read(text: str) -> Located:
    """The object; an empty one in an empty text. Raises ParseError."""
    found = decode(text or "{}")
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
        return NO_CHANGE
    return Change(after or write(nothing), before or write(nothing), line_diff(before, after))
