# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What changes, for people."""

from __future__ import annotations

from difflib import SequenceMatcher


def line_diff(running: str, wanted: str) -> str:
    """All lines of both, each with "+ ", "- " or two blanks in front; empty where they are equal."""
    before, after = running.splitlines(), wanted.splitlines()
    if before == after:
        return ""
    lines = []
    for kind, i, j, k, m in SequenceMatcher(None, before, after, autojunk=False).get_opcodes():
        if kind == "equal":
            lines += [f"  {line}" for line in before[i:j]]
        else:
            lines += [f"- {line}" for line in before[i:j]] + [f"+ {line}" for line in after[k:m]]
    return "\n".join(lines) + "\n"
