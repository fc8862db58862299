# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Configuration that a REST interface shows as objects: one JSON document, path -> body.

A change is a list of edits, each of one object from what it is to what it should be (null where there is
none). The same document turned round is its undo, so that whoever makes the edits can take back each one.
"""

from __future__ import annotations

import json
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

from .diff import line_diff
from .driver import Change
from .values import Leaf, canonical, parse_error

Body = dict[str, Any]
Objects = dict[str, Body]


@dataclass(frozen=True, slots=True)
class Edit:
    """One object's step; ``before`` and ``after`` are None where there is none of ours."""

    path: str
    before: Body | None
    after: Body | None


@dataclass(frozen=True, slots=True, kw_only=True)
class Order:
    """What an API asks of the order of edits."""

    rank: Callable[[str], int]  # what an object refers to has a lower rank than the object
    refers: Callable[[str, Body], set[str]]  # paths of the objects that one refers to by name
    modifiable: Callable[[str, Body, Body], bool]  # False: has to be deleted and made anew


def read(text: str) -> Objects:
    """The objects of a document; none in an empty text. Raises ParseError."""
    try:
        found = json.loads(text or "{}")
    except json.JSONDecodeError as error:
        raise parse_error(
            error.lineno, text.splitlines()[error.lineno - 1], f"no JSON: {error.msg}"
        ) from error
    if not isinstance(found, dict) or not all(isinstance(body, dict) for body in found.values()):
        raise parse_error(1, text, "not a mapping of paths to objects")
    return found


def write(objects: Mapping[str, Body]) -> str:
    """A document, in the order given; empty for no objects."""
    return json.dumps(objects, indent=2) + "\n" if objects else ""


def leaf(text: str, path: str, value: object, *keys: str) -> Leaf:
    """A value of the object at a path, with the line where it stands: for conversions and messages."""
    lines = text.splitlines()
    at = next((number for number, line in enumerate(lines) if json.dumps(path) in line), 0)
    for key in keys:
        at = next(
            (
                number
                for number in range(at, len(lines))
                if lines[number].lstrip().startswith(json.dumps(key))
            ),
            at,
        )
    shown = f"{path}: {'.'.join(keys)}" if keys else path
    return Leaf(value if isinstance(value, str) else json.dumps(value), at + 1, shown)


def without_defaults(value: Any, defaults: Any, dropped: frozenset[str] = frozenset()) -> Any:
    """A value without dropped keys, without what has its default, and without what is empty then.

    ``defaults`` has the shape of the value; of a list it holds the defaults of one item.
    """
    if isinstance(value, list):
        return [without_defaults(item, defaults[0] if defaults else {}, dropped) for item in value]
    if not isinstance(value, dict):
        return canonical(value) if isinstance(value, str) else value
    known = defaults if isinstance(defaults, dict) else {}
    kept = {
        key: without_defaults(item, known.get(key), dropped)
        for key, item in sorted(value.items())
        if key not in dropped
    }
    return {
        key: item
        for key, item in kept.items()
        if item not in ({}, [], "", None) and (key not in known or item != known[key])
    }


def change(before: Objects, after: Objects, order: Order) -> Change:
    """From what a device runs to what it should run."""
    return Change(
        _write_edits(edits(before, after, order)),
        _write_edits(edits(after, before, order)),
        line_diff(write(before), write(after)),
    )


def edits(before: Objects, after: Objects, order: Order) -> list[Edit]:
    """Referrers are deleted first and made last; what refers to an object that comes or goes is made anew."""
    moved = {path for path in before.keys() | after.keys() if (path in before) != (path in after)}
    both = before.keys() & after.keys()
    moved |= {
        path
        for path in both
        if before[path] != after[path] and not order.modifiable(path, before[path], after[path])
    }
    more = True
    while more:
        touched = {
            path
            for path in both - moved
            if moved & (order.refers(path, before[path]) | order.refers(path, after[path]))
        }
        moved |= touched
        more = bool(touched)
    upwards = sorted(before.keys() | after.keys(), key=lambda path: (order.rank(path), path))
    return [
        *(Edit(path, before[path], None) for path in reversed(upwards) if path in moved and path in before),
        *(
            Edit(path, before[path], after[path])
            for path in upwards
            if path not in moved and before[path] != after[path]
        ),
        *(Edit(path, None, after[path]) for path in upwards if path in moved and path in after),
    ]


def _write_edits(steps: list[Edit]) -> str:
    document = [{"path": edit.path, "before": edit.before, "after": edit.after} for edit in steps]
    return json.dumps(document, indent=2) + "\n" if steps else ""


def read_edits(payload: str) -> list[Edit]:
    """The edits of a change's payload."""
    return [Edit(step["path"], step["before"], step["after"]) for step in json.loads(payload or "[]")]
