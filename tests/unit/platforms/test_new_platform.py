# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/new-platform.md: the platform on that page is built from it, runs, and passes the shared tests."""

from __future__ import annotations

import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
PAGE = ROOT / "docs" / "new-platform.md"
BLOCK = re.compile(r"^`(?P<path>[\w./-]+)`:\n\n```\w+\n(?P<text>.*?)^```$", re.MULTILINE | re.DOTALL)
PRINTED = re.compile(r"^```text\n(.*?)^```$", re.MULTILINE | re.DOTALL)
NEEDED = (
    "engine",
    "templates",
    "tests/conftest.py",
    "tests/helper_samples.py",
    "tests/platform_cases",
    "tests/platform_devices.py",
    "tests/unit/platforms/test_every_platform.py",
    "pyproject.toml",
)


@pytest.fixture(scope="module")
def tree(tmp_path_factory):
    """A copy of the collection with the platform of the page in it, and nothing else changed."""
    root = tmp_path_factory.mktemp("tree")
    for name in NEEDED:
        source, copy = ROOT / name, root / name
        copy.parent.mkdir(parents=True, exist_ok=True)
        if source.is_dir():
            shutil.copytree(source, copy, ignore=shutil.ignore_patterns("__pycache__"))
        else:
            shutil.copy(source, copy)
    blocks = {match["path"]: match["text"] for match in BLOCK.finditer(PAGE.read_text("utf-8"))}
    assert {path.split("/")[0] for path in blocks} == {"engine", "templates", "tests", "try_it.py"}
    for path, text in blocks.items():
        file = root / path
        assert not file.exists()
        file.parent.mkdir(parents=True, exist_ok=True)
        file.write_text(text, "utf-8")
    return root


def run(tree, *command, **environment):
    return subprocess.run(
        [sys.executable, *command],
        cwd=tree,
        env={**os.environ, "PYTHONPATH": str(tree), **environment},
        capture_output=True,
        text=True,
        check=False,
        timeout=120,
    )


def test_plan_render_parse_change(tree):
    done = run(tree, "try_it.py")
    assert done.returncode == 0, done.stderr
    [printed] = PRINTED.findall(PAGE.read_text("utf-8"))
    assert done.stdout == printed


def test_it_passes_what_every_platform_has_to(tree):
    tests = ("-m", "pytest", "-q", "-p", "no:cacheprovider", "tests/unit/platforms", "-k", "example")
    assert run(tree, *tests, UPDATE_GOLDEN="1").returncode == 0
    done = run(tree, *tests)
    assert done.returncode == 0, done.stdout
    assert " passed" in done.stdout and "failed" not in done.stdout
    assert (
        (tree / "tests/golden/platforms/example/ds-lite.txt")
        .read_text()
        .startswith("softwire ipv4aas-hall7 ")
    )


def test_a_fault_in_it_is_found(tree):
    """That the shared tests can fail: the driver takes the operator's softwires for ours."""
    driver = tree / "engine/platforms/example/driver.py"
    good = driver.read_text("utf-8")
    driver.write_text(good.replace('is_ours("".join(words[1:2]))', "len(words) > 1"), "utf-8")
    try:
        done = run(tree, "-m", "pytest", "-q", "tests/unit/platforms", "-k", "example and operator")
    finally:
        driver.write_text(good, "utf-8")
    assert done.returncode == 1 and "test_nothing_of_the_operator_is_ours" in done.stdout
