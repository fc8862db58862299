# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line without a node: what it prints, where, and with which exit code."""

from __future__ import annotations

import io
import json
import socket
import threading
import tomllib
from pathlib import Path

import pytest
import yaml
from ansible_collections.ipv4aas.fleet.engine import VERSION
from ansible_collections.ipv4aas.fleet.engine.node.cli import main

ROOT = Path(__file__).resolve().parents[3]


@pytest.mark.parametrize("command", ["read", "begin", "apply", "confirm", "revert", "status", "sessions"])
def test_without_a_node_the_error_says_what_to_do(command, tmp_path, capsys):
    path = tmp_path / "control.sock"
    assert main([command, "--socket", str(path)]) == 1
    out, err = capsys.readouterr()
    assert out == ""
    assert json.loads(err) == {"error": f"{path}: no node answers; start it first"}


def test_waiting_for_a_lock_does_not_wait_for_a_node(tmp_path):
    assert main(["--socket", str(tmp_path / "none"), "begin", "--wait", "3600"]) == 1


def test_stopping_what_does_not_run_is_no_error(tmp_path, capsys):
    assert main(["--socket", str(tmp_path / "none"), "stop"]) == 0
    assert json.loads(capsys.readouterr().out) == {"stopped": False}


def test_node_that_dies_while_it_is_asked_to_stop(tmp_path, capsys):
    """One that was killed takes connections until the kernel closes its socket."""
    path = tmp_path / "control.sock"
    dying = socket.socket(socket.AF_UNIX)
    dying.bind(str(path))
    dying.listen()
    timer = threading.Timer(0.3, dying.close)
    timer.start()
    assert main(["--socket", str(path), "--state", str(tmp_path), "stop"]) == 0
    timer.join()
    assert json.loads(capsys.readouterr().out) == {"stopped": False}


def test_proposal_that_is_not_json(tmp_path, capsys, monkeypatch):
    monkeypatch.setattr("sys.stdin", io.StringIO("{oops"))
    assert main(["--socket", str(tmp_path / "none"), "propose"]) == 1
    assert "standard input is not JSON" in json.loads(capsys.readouterr().err)["error"]


def test_version_is_that_of_collection_and_wheel():
    assert yaml.safe_load((ROOT / "galaxy.yml").read_text())["version"] == VERSION
    assert tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["version"] == VERSION
