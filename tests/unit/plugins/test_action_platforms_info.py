# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action platforms_info: rows as asked for, and a table."""

from __future__ import annotations

import json

from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features


def test_all_that_is_known(run_action):
    result = run_action("platforms_info")
    json.dumps(result)
    assert not result["changed"]
    assert len(result["rows"]) == sum(len(box.techniques) for box in all_features().values())
    assert {row["state"] for row in result["rows"]} == {"yes", "no"}


def test_some_of_it(run_action):
    result = run_action("platforms_info", {"techniques": ["map-e"], "roles": ["edge"], "possible": True})
    found = {row["platform"]: row for row in result["rows"]}
    assert {"linux", "openwrt"} <= set(found) and "seil_x86" not in found
    assert found["openwrt"]["confidence"] == "vendor"
    assert found["openwrt"]["dialects"] == ["uci"]
    assert any("MAP018" in caveat for caveat in found["openwrt"]["caveats"])
    assert "mss_clamp" in found["openwrt"]["not_carried"]


def test_table_for_people(run_action):
    text = run_action("platforms_info", {"platforms": ["fx5000", "asr9000"], "techniques": ["map-e"]})["text"]
    lines = text.splitlines()
    assert lines[0].split() == ["technique", "role", "platform", "possible", "confidence"]
    assert lines[1].split() == ["map-e", "gateway", "asr9000", "yes", "derived"]
    assert lines[2].split() == ["map-e", "gateway", "fx5000", "no"]
    assert "map-e gateway on Furukawa Electric FX5000" in lines
    assert any(line.startswith("  - not possible: no manual or configuration") for line in lines)
    assert any(line.startswith("  - source: Cisco-IOS-XR-um-service-cfg") for line in lines)


def test_unknown_words_all_at_once(run_action):
    result = run_action("platforms_info", {"techniques": ["map-e", "map-x"], "platforms": ["asr"]})
    assert result["failed"]
    assert "techniques[1]: map-x is unknown; one of map-e" in result["msg"]
    assert "platforms[0]: asr is unknown; one of" in result["msg"]
