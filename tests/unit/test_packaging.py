# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The wheel and the collection hold all that they need, and say the same of themselves."""

from __future__ import annotations

import tomllib
from pathlib import Path

import yaml

ROOT = Path(__file__).resolve().parents[2]
PROJECT = tomllib.loads((ROOT / "pyproject.toml").read_text())
GALAXY = yaml.safe_load((ROOT / "galaxy.yml").read_text())


def test_the_wheel_has_every_package_of_the_engine():
    """Folders of platforms go into the wheel by a pattern."""
    found = {path.parent.relative_to(ROOT).as_posix() for path in (ROOT / "engine").rglob("__init__.py")}
    found = {path for path in found if not path.startswith("engine/platforms/")}
    listed = PROJECT["tool"]["setuptools"]["packages"]
    assert sorted(listed) == sorted(
        path.replace("engine", "ipv4aas_engine", 1).replace("/", ".") for path in found
    )


def test_the_controller_needs_the_same_from_both():
    """Beside ansible-core, which the wheel does without."""
    lines = (line.strip() for line in (ROOT / "requirements.txt").read_text().splitlines())
    wanted = {line for line in lines if line and not line.startswith(("#", "ansible-core"))}
    assert wanted == set(PROJECT["project"]["optional-dependencies"]["controller"])


def test_one_version():
    changelog = yaml.safe_load((ROOT / "changelogs" / "changelog.yaml").read_text())
    assert GALAXY["version"] == PROJECT["project"]["version"]
    assert GALAXY["version"] in changelog["releases"]


def test_every_role_has_a_specification_and_a_readme():
    for role in (ROOT / "roles").iterdir():
        specification = yaml.safe_load((role / "meta" / "argument_specs.yml").read_text())
        entries = {path.stem for path in (role / "tasks").glob("*.yml")}
        assert set(specification["argument_specs"]) <= entries
        assert (role / "README.md").is_file()
