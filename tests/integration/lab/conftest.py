# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A laboratory of the tests' own, beside the one that the demonstration may be using."""

from __future__ import annotations

import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lab"))

from lab import Lab
from topology import topology


@pytest.fixture(scope="session")
def lab(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Lab]:
    """A laboratory without management network: hosts are entered, not logged in to."""
    made = Lab(topology(), prefix="snt-", folder=tmp_path_factory.mktemp("lab") / "files", management=False)
    try:
        made.up()
        yield made
    finally:
        made.down()
