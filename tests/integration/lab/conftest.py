# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A laboratory of the tests' own, beside the one that the demonstration may be using."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "lab"))

from lab import Lab
from topology import Topology, topology

Build = Callable[[Topology, str], Lab]


@pytest.fixture(scope="session")
def build(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Build]:
    """build(topology, letter): a laboratory that is up and that no other test run has.

    Its namespaces bear the number of this process. It has no management network: hosts are
    entered, not logged in to.
    """
    _remove_orphans()
    made: list[Lab] = []

    def up(plan: Topology, letter: str) -> Lab:
        folder = tmp_path_factory.mktemp("lab") / "files"
        made.append(Lab(plan, prefix=f"{letter}{os.getpid()}-", folder=folder, management=False))
        made[-1].up()
        return made[-1]

    try:
        yield up
    finally:
        for lab in made:
            lab.down()


def _remove_orphans() -> None:
    """Remove the laboratories of test runs that were killed."""
    listed = subprocess.run(["ip", "netns", "list"], text=True, capture_output=True, check=True).stdout
    owners = {found.groups() for found in re.finditer(r"^([a-z])(\d+)-", listed, re.MULTILINE)}
    for letter, pid in owners:
        if not Path(f"/proc/{pid}").exists():
            Lab(Topology({}, ()), prefix=f"{letter}{pid}-", folder=Path("/nonexistent")).down()


@pytest.fixture(scope="session")
def lab(build: Build) -> Lab:
    """The ShowNet laboratory."""
    return build(topology(), "t")
