# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Tables for people, in plain text."""

from __future__ import annotations

from collections.abc import Iterable, Sequence


def table(heads: Sequence[str], rows: Iterable[Sequence[str]]) -> str:
    """Columns as wide as their widest cell, two blanks between them; without rows nothing."""
    body = [tuple(" ".join(cell.split()) for cell in row) for row in rows]
    if not body:
        return ""
    widths = [max(len(row[column]) for row in (tuple(heads), *body)) for column in range(len(heads))]
    lines = [tuple(heads), tuple("-" * width for width in widths), *body]
    return "".join(
        "  ".join(cell.ljust(width) for cell, width in zip(line, widths, strict=True)).rstrip() + "\n"
        for line in lines
    )


def some(names: Sequence[str], shown: int = 3) -> str:
    """How many names, and the first of them."""
    return f"{len(names)}: {', '.join(names[:shown])}{', ...' if len(names) > shown else ''}"
