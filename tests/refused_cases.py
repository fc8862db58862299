# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bad inputs and their messages, as an engineer sees them: tests/golden/refused, see the README there."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import yaml
from fleet_samples import GOLDEN, expect

REFUSED = GOLDEN / "refused"
AREAS = ("capability", "connection", "device", "host", "inventory")


def rows(area: str) -> list[tuple[str, dict[str, Any]]]:
    """Name and content of each case of an area: a row of one of its files."""
    found = [
        (name, case)
        for path in sorted((REFUSED / area).glob("*.yml"))
        for name, case in yaml.safe_load(path.read_text("utf-8")).items()
        if not name.startswith("_")  # what cases share
    ]
    assert found
    assert len({name for name, _case in found}) == len(found)
    return found


def message_file(area: str, name: str) -> Path:
    """Where the golden message of a case is."""
    return REFUSED / area / f"{name}.txt"


def expect_message(area: str, name: str, message: str) -> None:
    """The message is the golden one; UPDATE_GOLDEN=1 writes it."""
    expect(message_file(area, name), f"{message}\n")
