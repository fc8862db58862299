# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenWrt's UCI: sections as ``uci export`` prints them, changes as ``uci batch`` takes them."""

from __future__ import annotations

import re
import shlex
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field

from .values import Leaf, parse_error

_KEY = re.compile(
    r"[^\s'\"\\#]+"
)  # of a section's type and of an option: they are written without quotation marks
Value = str | tuple[str, ...]  # a list has several values


@dataclass(frozen=True, slots=True)
class Section:
    """``config <type> '<name>'`` and its options."""

    type: str
    name: str  # empty where the section has none
    options: dict[str, Value]
    package: str = field(default="", compare=False)
    line: int = field(default=0, compare=False)
    lines: dict[str, int] = field(default_factory=dict, compare=False)

    def leaf(self, option: str) -> Leaf | None:
        """The value of an option with its line, None where it is not there."""
        value = self.options.get(option)
        if value is None:
            return None
        text = value if isinstance(value, str) else " ".join(value)
        return Leaf(text, self.lines.get(option, 0), f"option {option} '{text}'")

    def entry(self) -> Leaf:
        """The section itself, for messages about something missing in it."""
        return Leaf(self.name, self.line, f"config {self.type} '{self.name}'")


def read(text: str) -> list[Section]:
    """Every section of one or several packages. Raises ParseError for a line that is no UCI."""
    sections: list[Section] = []
    package = ""
    for number, line, words in _statements(text):
        match words:
            case ["package", name]:
                package = name
            case ["config", type_, *name] if len(name) <= 1 and _KEY.fullmatch(type_):
                sections.append(Section(type_, "".join(name), {}, package, number))
            case ["option", key, value] if sections and _KEY.fullmatch(key):
                sections[-1].options[key] = value
                sections[-1].lines[key] = number
            case ["list", key, value] if sections and _KEY.fullmatch(key):
                old = sections[-1].options.get(key, ())
                sections[-1].options[key] = (*((old,) if isinstance(old, str) else old), value)
                sections[-1].lines.setdefault(key, number)
            case _:
                raise parse_error(number, line, "not UCI: expected package, config, option or list")
    return sections


def _statements(text: str) -> Iterator[tuple[int, str, list[str]]]:
    """Line number, text and words of each statement; a quoted value may go over several lines."""
    start, pending = 0, ""
    for number, line in enumerate(text.splitlines(), 1):
        if not pending:
            start = number
        pending += line
        try:
            words = shlex.split(pending, comments=True)
        except ValueError:
            pending += "\n"
            continue
        if words:
            yield start, pending, words
        pending = ""
    if pending:
        raise parse_error(start, pending, "not UCI: a quotation that does not end")


def write(sections: Iterable[Section]) -> str:
    """Text of sections as ``uci export`` prints it."""
    return "\n".join(_section(section) for section in sections)


def _section(section: Section) -> str:
    lines = [f"config {section.type} {_quoted(section.name)}"]
    for key, value in section.options.items():
        if isinstance(value, str):
            lines.append(f"\toption {key} {_quoted(value)}")
        else:
            lines += [f"\tlist {key} {_quoted(item)}" for item in value]
    return "".join(f"{line}\n" for line in lines)


def batch(package: str, running: Iterable[Section], wanted: Iterable[Section]) -> str:
    """Commands that turn one set of named sections into the other, without the ``commit``."""
    before = {section.name: section for section in running}
    after = {section.name: section for section in wanted}
    lines = [f"delete {package}.{name}" for name in before if name not in after]
    for name, section in after.items():
        path = f"{package}.{name}"
        old = before.get(name)
        if old is None:
            lines.append(f"set {path}={section.type}")
        options = old.options if old else {}
        lines += [f"delete {path}.{key}" for key in options if key not in section.options]
        for key, value in section.options.items():
            if options.get(key) != value:
                lines += _set(f"{path}.{key}", value, key in options)
    return "".join(f"{line}\n" for line in lines)


def _set(path: str, value: Value, replaces: bool) -> list[str]:
    if isinstance(value, str):
        return [f"set {path}={_quoted(value)}"]
    return [
        *([f"delete {path}"] if replaces else []),
        *(f"add_list {path}={_quoted(item)}" for item in value),
    ]


def _quoted(value: str) -> str:
    return "'" + value.replace("'", "'\\''") + "'"
