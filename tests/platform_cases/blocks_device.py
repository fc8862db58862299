# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command line with one level of submodes, as small routers have; written without the code under test."""

from __future__ import annotations

import re
from typing import ClassVar


class BlocksDevice:
    """Lines at the top and in blocks. A line whose ``SINGLE`` start is there already replaces the old one."""

    HEAD = ""  # what it shows before its configuration
    FOREIGN = ""  # an operator's configuration, as the device shows it
    OPENS = r"interface \S+"  # lines that open a submode
    SINGLE: ClassVar[tuple[str, ...]] = ()  # regular expressions
    INDENT, CLOSE = " ", "!\n"

    def __init__(self) -> None:
        self.top: list[str] = []
        self.blocks: dict[str, list[str]] = {}
        self.apply(self.FOREIGN)

    def show(self) -> str:
        text = self.HEAD + "".join(f"{line}\n" for line in self.top)
        for header, lines in sorted(self.blocks.items()):
            if lines:
                text += f"{header}\n" + "".join(f"{self.INDENT}{line}\n" for line in lines) + self.CLOSE
        return text

    def apply(self, payload: str) -> None:
        mode: str | None = None
        for raw in payload.splitlines():
            line = raw.strip()
            if not line or line == "!":
                continue
            if re.fullmatch(self.OPENS, line):
                assert not raw.startswith(" "), raw
                mode = line
                self.blocks.setdefault(mode, [])
            elif raw.startswith(" "):
                assert mode is not None, f"no submode for: {raw}"
                self.enter(mode, self.blocks[mode], line)
            else:
                mode = None
                self.enter_top(line)

    def enter_top(self, line: str) -> None:
        self.set(self.top, line)

    def enter(self, mode: str, lines: list[str], line: str) -> None:
        self.set(lines, line)

    def set(self, lines: list[str], line: str) -> None:
        if line.startswith("no "):
            self.remove(lines, line[3:])
            return
        start = next((m[0] for one in self.SINGLE if (m := re.match(rf"{one}(?= |$)", line))), line)
        old = [item for item in lines if item == start or item.startswith(f"{start} ")]
        for item in old:
            lines.remove(item)
        lines.append(line)

    def remove(self, lines: list[str], start: str) -> None:
        """A command that takes back what is not there is refused."""
        old = [item for item in lines if item == start or item.startswith(f"{start} ")]
        assert old, f"nothing to take back: {start}"
        for item in old:
            lines.remove(item)


def placed(text: str) -> list[str]:
    """What a device shows, each line with the block that it is in."""
    block, found = "", []
    for line in text.splitlines():
        block = block if line.startswith(" ") else line
        if not line.startswith("!"):
            found.append(f"{block}|{line.strip()}")
    return found
