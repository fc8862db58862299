# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The collection as it is published: built, installed into an empty folder, used from there."""

from __future__ import annotations

from pathlib import Path

ROOT = Path(__file__).resolve().parents[3]


def test_the_tarball_installs_and_plans(ansible, tmp_path):
    built = ansible(
        "ansible-galaxy", "collection", "build", str(ROOT), "--output-path", str(tmp_path / "dist")
    )
    assert built.code == 0, built.errors
    (tarball,) = (tmp_path / "dist").glob("ipv4aas-fleet-*.tar.gz")
    place = tmp_path / "collections"
    words = ("ansible-galaxy", "collection", "install", str(tarball), "-p", str(place))
    done = ansible(*words, collections=place)
    assert done.code == 0, done.errors

    installed = place / "ansible_collections" / "ipv4aas" / "fleet"
    assert not any((installed / name).exists() for name in (".venv", ".git", "build", "dist", ".ci"))
    inventory = str(installed / "inventories" / "shownet2013")
    run = ansible("ansible-playbook", "-i", inventory, "ipv4aas.fleet.plan", collections=place)
    assert run.code == 0, run.out
    assert (tmp_path / "build" / "nodes" / "br1" / "linux.json").is_file()
