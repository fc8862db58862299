# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What both kinds of Jool have in common: a file for ``jool file handle`` that describes one instance.

Facts are those of Jool's "Atomic Configuration" and of src/usr/nl/file.c (4.1.9): names are compared without
regard to case, comments are free anywhere, unknown names are refused, what is missing has its default.
"""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ..driver import ParseError
from ..own_document import read

INSTANCE = "ipv4aas"
HEAD = "ipv4aas.fleet: the whole file, changes by hand do not last."
LOWEST_MTU = 1280  # default of lowest-ipv6-mtu
_SHARED = ("instance", "framework", "global")
_GLOBAL = (
    "manually-enabled",
    "pool6",
    "lowest-ipv6-mtu",
    "logging-debug",
    "zeroize-traffic-class",
    "override-tos",
    "tos",
    "mtu-plateaus",
)


def nothing(**settings: Any) -> dict[str, Any]:
    """The file of a node without services: an instance that is paused, so that packets pass it."""
    return {"comment": {"written by": HEAD}, **_instance({"manually-enabled": False} | settings)}


def described(service: str, settings: dict[str, Any], **tables: list[dict[str, Any]]) -> dict[str, Any]:
    """The file of a service."""
    return {"comment": {"written by": HEAD, "service": service}, **_instance(settings), **tables}


def _instance(settings: dict[str, Any]) -> dict[str, Any]:
    return {"instance": INSTANCE, "framework": "netfilter", "global": settings}


@dataclass(frozen=True, slots=True)
class Entry:
    """An entry of a table."""

    values: dict[str, Any]
    line: int

    def error(self, wrong: str) -> ParseError:
        """A ParseError at this entry."""
        return ParseError(f"line {self.line}: {wrong}")


class Document:
    """A file that was read. Raises ParseError where Jool would take it for no description of an instance."""

    def __init__(self, text: str, tables: tuple[str, ...], settings: tuple[str, ...]) -> None:
        raw = read(text)
        self._comment = raw.get("comment")
        self._line = raw.line
        found = _lower(raw, "the file", (*_SHARED, *tables), raw.line)
        for key, right in (("instance", INSTANCE), ("framework", "netfilter")):
            if found.get(key) != right:
                raise self.error(f"{key}: {found.get(key)!r} is not {right}")
        self.settings = _lower(found.get("global", {}), "global", (*_GLOBAL, *settings), raw.line)
        self._tables = {name: found.get(name, []) for name in tables}
        for name, entries in self._tables.items():
            if not isinstance(entries, list):
                raise self.error(f"{name}: {entries!r} is no list")

    def error(self, wrong: str) -> ParseError:
        """A ParseError about the whole file."""
        return ParseError(f"line {self._line}: {wrong}")

    @property
    def service(self) -> str | None:
        """Name of the service; None where the instance is paused. Raises ParseError where nothing says it."""
        if self.settings.get("manually-enabled", True) is False:
            return None
        if not isinstance(self._comment, dict) or not isinstance(self._comment.get("service"), str):
            raise self.error("comment: does not say the service of this instance")
        return str(self._comment["service"])

    def table(self, name: str, needed: tuple[str, ...], more: tuple[str, ...] = ()) -> list[Entry]:
        """Entries of a table: those have ``needed`` and may have ``more``, comments left out."""
        entries = []
        for number, entry in enumerate(self._tables[name]):
            place = f"{name}[{number}]"
            line = getattr(entry, "line", self._line)
            values = _lower(entry, place, (*needed, *more), line)
            missing = [key for key in needed if key not in values]
            if missing:
                raise ParseError(f"line {line}: {place}: has no {', '.join(missing)}")
            entries.append(Entry(values, line))
        return entries

    @property
    def lowest_ipv6_mtu(self) -> int:
        """lowest-ipv6-mtu, octets."""
        value = self.settings.get("lowest-ipv6-mtu", LOWEST_MTU)
        if not isinstance(value, int) or isinstance(value, bool) or value < LOWEST_MTU:
            raise self.error(f"global.lowest-ipv6-mtu: {value!r} is not a number of at least {LOWEST_MTU}")
        return value

    def flag(self, name: str) -> bool:
        """A setting that is off where it is missing."""
        value = self.settings.get(name, False)
        if not isinstance(value, bool):
            raise self.error(f"global.{name}: {value!r} is not true or false")
        return value


def _lower(found: Any, place: str, allowed: tuple[str, ...], line: int) -> dict[str, Any]:
    """An object without comments, its names in lower case. ``line``: of what it is in."""
    line = getattr(found, "line", line)
    if not isinstance(found, dict):
        raise ParseError(f"line {line}: {place}: {found!r} is no object")
    named = {name.lower(): value for name, value in found.items() if name.lower() != "comment"}
    for name in named:
        if name not in allowed:
            known = ", ".join(allowed)
            raise ParseError(f"line {line}: {place}: {name} is not understood; expected one of {known}")
    return named
