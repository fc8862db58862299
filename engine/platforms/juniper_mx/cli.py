# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Junos command line: what ``show configuration | display set`` prints and ``configure`` takes."""

from __future__ import annotations

from collections.abc import Iterator

from .. import junos
from ..diff import line_diff
from ..driver import Change
from ..junos import Statement
from ..naming import OURS, is_ours
from ..values import Leaf
from .model import DRAFT_FLAG, IGNORED, LEAVES, Found

_CONCENTRATOR = ("services", "softwire", "softwire-concentrator", "map-e")
_RULE = ("services", "softwire", "rule")
_SERVICE_SET = ("services", "service-set", OURS)
_NEXT_HOP = (*_SERVICE_SET, "next-hop-service")
_INTERFACES = ("interfaces",)
_ORDER = (_INTERFACES, _CONCENTRATOR, _RULE, _SERVICE_SET)
_LEAF_ORDER = (
    "family",
    "service-domain",
    *LEAVES,
    DRAFT_FLAG,
    *IGNORED,
    "match-direction",
    "term",
    "softwire-rules",
)
_LEAVES = frozenset(
    (
        *LEAVES,
        "match-direction",
        "map-e",
        "service-domain",
        "inside-service-interface",
        "outside-service-interface",
    )
)


def owned(text: str) -> str:
    """Our concentrators, rules and service set, and the units that the service set uses."""
    return junos.write(_owned(text))


def _owned(text: str) -> list[Statement]:
    statements = junos.read(text)
    units = {
        tuple(statement.words[-1].rsplit(".", 1))
        for statement in statements
        if statement.starts(*_NEXT_HOP) and statement.words[-2].endswith("-service-interface")
    }
    return sorted({junos.normal(item) for item in statements if _is_ours(item, units)}, key=_rank)


def _is_ours(item: Statement, units: set[tuple[str, ...]]) -> bool:
    if item.starts(*_CONCENTRATOR):
        return len(item.words) > 4 and is_ours(item.words[4])
    if item.starts(*_RULE):
        return len(item.words) > 3 and is_ours(item.words[3])
    if item.starts(*_INTERFACES):
        return len(item.words) > 3 and item.words[2] == "unit" and (item.words[1], item.words[3]) in units
    return item.starts(*_SERVICE_SET)


def _rank(item: Statement) -> tuple[int, tuple[str, ...], int, Statement]:
    group = next(index for index, start in enumerate(_ORDER) if item.starts(*start))
    thing = _object_of(item.words)
    word = item.words[len(thing)] if len(item.words) > len(thing) else ""
    return group, thing, _LEAF_ORDER.index(word) if word in _LEAF_ORDER else len(_LEAF_ORDER), item


def _object_of(words: tuple[str, ...]) -> tuple[str, ...]:
    for start, length in ((_CONCENTRATOR, 5), (_RULE, 4), (_SERVICE_SET, 3)):
        if words[: len(start)] == start:
            return words[:length]
    return words[:4]


def maps(text: str) -> Iterator[Found]:
    """Our concentrators that are active, with their values."""
    entries: dict[str, tuple[Leaf, dict[str, Leaf]]] = {}
    inactive = [item.words for item in junos.read(text) if item.verb == "deactivate"]
    for item in _owned(text):
        if (
            item.verb != "set"
            or not item.starts(*_CONCENTRATOR)
            or any(item.starts(*path) for path in inactive)
        ):
            continue
        name, *rest = item.words[4:]
        _, values = entries.setdefault(name, (Leaf(name, item.line, str(item)), {}))
        if rest:
            values[rest[0]] = item.leaf()
    yield from entries.values()


def change(running: str, wanted: str) -> Change:
    """Commands from what the device runs to what it should run, and back."""
    before, after = _owned(running), _owned(wanted)
    return Change(
        junos.commands(before, after, _object_of, _LEAVES),
        junos.commands(after, before, _object_of, _LEAVES),
        line_diff(junos.write(before), junos.write(after)),
    )
