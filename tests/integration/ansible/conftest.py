# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs real processes of ansible-core, in an empty folder, against the checkout."""

from __future__ import annotations

import os
import re
import subprocess
import sys
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet import engine

COLLECTIONS = Path(engine.__file__).parents[4]
SHOWNET = Path(__file__).resolve().parents[3] / "inventories" / "shownet2013"


@dataclass(frozen=True)
class Run:
    """What a process did."""

    code: int
    out: str
    errors: str

    def count(self, word: str) -> int:
        """Sum over all hosts of one column of the recap, such as changed."""
        return sum(
            int(number) for number in re.findall(rf"{word}=(\d+)", self.out.partition("PLAY RECAP")[2])
        )


@pytest.fixture
def ansible(tmp_path) -> Callable[..., Run]:
    """ansible(tool, words) runs a tool of the Python that runs the tests, after the words ``inside``."""
    environment = {
        **{name: value for name, value in os.environ.items() if not name.startswith("ANSIBLE_")},
        "ANSIBLE_LOCAL_TEMP": str(tmp_path / "local"),
        "ANSIBLE_NOCOLOR": "1",
        "LC_ALL": "C.UTF-8",
    }

    def run(tool: str, *words: str, inside: tuple[str, ...] = (), collections: Path = COLLECTIONS) -> Run:
        done = subprocess.run(
            [*inside, str(Path(sys.executable).with_name(tool)), *words],
            env=environment | {"ANSIBLE_COLLECTIONS_PATH": str(collections)},
            cwd=tmp_path,
            stdin=subprocess.DEVNULL,
            capture_output=True,
            text=True,
            check=False,
            timeout=900,
        )
        return Run(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture
def play(ansible) -> Callable[..., Run]:
    """play(name, words) runs a playbook of the collection with the ShowNet inventory."""

    def run(name: str, *words: str, inventory: Path = SHOWNET, inside: tuple[str, ...] = ()) -> Run:
        return ansible(
            "ansible-playbook", "-i", str(inventory), f"ipv4aas.fleet.{name}", *words, inside=inside
        )

    return run
