# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lines that nest by indentation, typed into a command line that knows modes."""

from __future__ import annotations

from collections.abc import Callable


def type_nested(
    payload: str,
    run: Callable[[str], object],
    prompt: Callable[[], str],
    leave: str = "exit",
    *,
    close: bool = False,
) -> None:
    """Types the lines of ``payload`` by ``run``, and ``leave`` where a mode ends.

    A line opened a mode where ``prompt`` has changed behind it, or where the next line is indented
    below it. Lines of ``!`` or ``#`` close nothing there and are not typed. ``close``: the modes that are
    open at the end are left too.
    """
    lines = [line for line in payload.splitlines() if line.strip() not in ("", "!", "#")]
    opened: list[int] = []  # indentation of the lines whose modes are open
    for line, following in zip(lines, [*lines[1:], ""], strict=True):
        depth = _depth(line)
        while opened and opened[-1] >= depth:
            run(leave)
            opened.pop()
        outside = prompt()
        run(line.strip())
        if prompt() != outside or _depth(following) > depth:
            opened.append(depth)
    for _ in opened if close else ():
        run(leave)


def _depth(line: str) -> int:
    return len(line) - len(line.lstrip(" "))
