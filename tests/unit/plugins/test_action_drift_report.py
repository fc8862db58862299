# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action drift_report: one line a cause, whatever the number of hosts."""

from __future__ import annotations

import json
from pathlib import Path

OFFSET = {
    "path": "rules[0].psid_offset",
    "planned": "4",
    "found": "6",
    "meaning": "256 customers: other ports",
}


def changed(*differences):
    return {"drift": True, "services": [{"service": "hall7", "kind": "changed", "differences": differences}]}


SAME = {"drift": False, "services": []}
REPORTS = {
    "br1": changed(OFFSET),
    "br2": changed(OFFSET, {"path": "mss_clamp", "planned": "1420", "found": "0", "meaning": "not clamped"}),
    "ce42": SAME,
    "cec0": {"drift": True, "services": [{"service": "hall7", "kind": "missing", "differences": []}]},
    "ceff": {"msg": "connect: no route (device: unchanged)", "failed_when_result": False},
    "ce10": {"unreachable": True},
    "asr9k": {"skipped": True, "skipped_reason": "br1 takes its place", "msg": "br1 takes its place"},
}


def test_causes_are_grouped_and_the_most_common_comes_first(run_action):
    result = run_action("drift_report", {"reports": REPORTS})
    assert not result.get("failed")
    assert [(cause["path"], cause["hosts"]) for cause in result["causes"]] == [
        ("rules[0].psid_offset", ["br1", "br2"]),
        ("", ["cec0"]),
        ("mss_clamp", ["br2"]),
    ]
    assert result["text"].splitlines() == [
        "1 of 6 devices run what is planned",
        "hall7: rules[0].psid_offset is 6, planned 4: 256 customers: other ports (2: br1, br2)",
        "hall7: missing (1: cec0)",
        "hall7: mss_clamp is 0, planned 1420: not clamped (1: br2)",
        "not read: connect: no route (device: unchanged) (1: ceff)",
        "not read: not reached (1: ce10)",
    ]
    assert result["skipped"] == [{"reason": "br1 takes its place", "hosts": ["asr9k"]}]
    assert json.loads(Path("build/drift.json").read_text())["causes"] == result["causes"]
    assert Path("build/drift.txt").read_text() == result["text"]


def test_drift_can_be_a_failure_and_the_report_is_written_all_the_same(run_action):
    result = run_action("drift_report", {"reports": {"br1": changed(OFFSET)}, "fail_on_drift": True})
    assert result["failed"]
    assert "psid_offset" in result["msg"]
    assert Path("build/drift.txt").is_file()


def test_an_unread_device_is_a_failure_too(run_action):
    assert run_action("drift_report", {"reports": {"br1": {"unreachable": True}}, "fail_on_drift": True})[
        "failed"
    ]


def test_no_drift(run_action):
    args = {"reports": {"br1": SAME, "ce42": SAME}, "fail_on_drift": True}
    result = run_action("drift_report", args)
    assert not result.get("failed")
    assert result["text"] == "2 of 2 devices run what is planned\n"
    assert not run_action("drift_report", args)["changed"]


def test_many_hosts_are_counted_not_listed(run_action):
    reports = {f"ce{number}": changed(OFFSET) for number in range(500)}
    text = run_action("drift_report", {"reports": reports})["text"]
    assert text.splitlines()[1].endswith("(500: ce0, ce1, ce2, ...)")


def test_check_mode_writes_nothing(run_action):
    assert run_action("drift_report", {"reports": {"br1": SAME}}, check_mode=True)["changed"]
    assert not Path("build").exists()
