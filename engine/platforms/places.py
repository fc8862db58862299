# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Places without a name that only one can have, the operator or a service, such as an interface's number."""

from __future__ import annotations

from collections.abc import Iterable


def taken(wanted: Iterable[str], there: Iterable[str], ours: Iterable[str], *, right: str) -> list[str]:
    """The wanted places that are on the device and not ours, in words; ``right`` says what would be right."""
    others = set(there) - set(ours)
    return [f"{place} is the operator's; {right}" for place in dict.fromkeys(wanted) if place in others]


def another_number(option: str) -> str:
    """What would be right where an option has the number of a place, or the first of several."""
    return f"another number in ipv4aas_options.{option}"
