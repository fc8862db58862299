# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The names that services have on a device: what tells ours from the operator's own."""

from __future__ import annotations

import re
from collections.abc import Collection

OURS = "ipv4aas"
_RULE_NAME = re.compile(rf"{OURS}-(?P<service>.+?)(?:_(?P<number>[2-9]|[1-9][0-9]+))?")


def rule_name(service: str, index: int) -> str:
    """Name of the rule at ``index`` (from 0) of a service; the first has no number."""
    return f"{OURS}-{service}" + (f"_{index + 1}" if index else "")


def is_ours(name: str) -> bool:
    """Whether a name on a device is one that rule_name makes."""
    return _RULE_NAME.fullmatch(name) is not None


def owner(name: str, services: Collection[str]) -> tuple[str, int]:
    """Service and index of a name that is ours. Known services win over a guess at the number."""
    whole = name.removeprefix(f"{OURS}-")
    match = _RULE_NAME.fullmatch(name)
    if whole in services or match is None or match["number"] is None:
        return whole, 0
    return match["service"], int(match["number"]) - 1
