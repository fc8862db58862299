# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""All vectors and cases of the nodes' unit tests through the programs of the fast path (shadow.py)."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from pathlib import Path

import pytest

TESTS = Path(__file__).resolve().parents[1]

pytestmark = pytest.mark.root


PLACES = (TESTS.parent / "build/collections", TESTS, *(TESTS / n for n in ("fast", "fuzz", "unit/node")))
CASES = ("unit/node", *(f"unit/plan/test_fleet_{what}.py" for what in ("packets", "planes", "techniques")))


def test_unit_tests_with_a_shadow() -> None:
    cases = [str(TESTS / case) for case in CASES]
    done = subprocess.run(
        [sys.executable, "-m", "pytest", "-q", "-p", "shadow", "-p", "no:cacheprovider", *cases],
        env={**os.environ, "PYTHONPATH": os.pathsep.join(map(str, PLACES))},
        cwd=TESTS.parent,
        capture_output=True,
        text=True,
        timeout=900,
        check=False,
    )
    assert done.returncode == 0, done.stdout[-4000:]
    told = re.search(r"shadow: (.*)", done.stdout)
    assert told is not None
    for hook in ("tc", "xdp"):
        assert re.search(rf"'{hook} (redirect|stack)': [1-9]", told[1]), told[1]
