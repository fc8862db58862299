# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action drift_report: one line a cause, whatever the number of hosts."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

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
        ("mss_clamp", ["br2"]),
        ("", ["cec0"]),
    ]
    assert result["text"].splitlines() == [
        "1 of 6 devices run what is planned",
        "",
        "hosts        service  parameter             found  planned  meaning",
        "-----------  -------  --------------------  -----  -------  ------------------------------",
        "2: br1, br2  hall7    rules[0].psid_offset  6      4        256 customers: other ports",
        "1: br2       hall7    mss_clamp             0      1420     not clamped",
        "1: cec0      hall7    missing                               planned, but not on the device",
        "",
        "not read  reason",
        "--------  -------------------------------------",
        "1: ceff   connect: no route (device: unchanged)",
        "1: ce10   not reached",
    ]
    assert result["verdict"] == "drift"
    assert result["skipped"] == [{"reason": "br1 takes its place", "hosts": ["asr9k"]}]
    assert json.loads(Path("build/drift.json").read_text())["causes"] == result["causes"]
    assert Path("build/drift.txt").read_text() == result["text"]


def test_drift_can_be_a_failure_and_the_report_is_written_all_the_same(run_action):
    result = run_action("drift_report", {"reports": {"br1": changed(OFFSET)}, "fail_on_drift": True})
    assert result["failed"]
    assert "psid_offset" in result["msg"]
    assert Path("build/drift.txt").is_file()


def test_an_unread_device_is_a_failure_too(run_action):
    result = run_action("drift_report", {"reports": {"br1": {"unreachable": True}}, "fail_on_drift": True})
    assert result["failed"]
    assert result["verdict"] == "unread"


@pytest.mark.parametrize("known", [["br1"], ["another-network"]])
def test_a_device_that_left_the_inventory_with_a_service_is_told(run_action, known):
    folder = Path("build/journal/r1")
    folder.mkdir(parents=True)
    common = {"run": "r1", "who": "me", "started": "2026-11-23T08:45:00+00:00"}
    run = {"kind": "deploy", "controller": "c", "plan": "", "order": ["br1", "gone", "emptied"]}
    folder.with_suffix(".json").write_text(json.dumps(common | run))
    record = {"finished": "", "left": "", "platform": "linux", "dialect": "json", "verdict": "changed"}
    for host, after in (("br1", "x"), ("gone", "x"), ("emptied", "")):
        (folder / f"{host}.json").write_text(json.dumps(common | record | {"host": host, "after": after}))
    result = run_action("drift_report", {"reports": {known[0]: SAME}}, {"groups": {"all": known}})
    reason = "not in the inventory, but run r1 left services on it"
    assert result["unread"] == ([{"reason": reason, "hosts": ["gone"]}] if known == ["br1"] else [])


def test_no_drift(run_action):
    args = {"reports": {"br1": SAME, "ce42": SAME}, "fail_on_drift": True}
    result = run_action("drift_report", args)
    assert not result.get("failed")
    assert result["verdict"] == "same"
    assert result["text"] == "2 of 2 devices run what is planned\n"
    assert not run_action("drift_report", args)["changed"]


def test_the_report_is_shown_where_it_is_no_failure(run_action, capsys):
    for reports in ({"br1": SAME}, {"br1": SAME, "ce42": changed(OFFSET)}):
        result = run_action("drift_report", {"reports": reports})
        assert result["text"] in capsys.readouterr().out


def test_many_hosts_are_counted_not_listed(run_action):
    reports = {f"ce{number}": changed(OFFSET) for number in range(500)}
    text = run_action("drift_report", {"reports": reports})["text"]
    assert text.splitlines()[-1].startswith("500: ce0, ce1, ce2, ...  hall7")


def test_check_mode_writes_nothing(run_action):
    assert run_action("drift_report", {"reports": {"br1": SAME}}, check_mode=True)["changed"]
    assert not Path("build").exists()
