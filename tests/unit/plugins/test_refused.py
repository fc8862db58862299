# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What devices show, and inventories of real platforms, that cannot be used: the messages of the tasks."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.plugins.action import drift_info
from fleet_samples import GOLDEN
from refused_cases import expect_message, rows


def parameters(area):
    return [pytest.param(name, case, id=name) for name, case in rows(area)]


class Shows:
    """A session with a device that shows a text."""

    def __init__(self, text):
        self.text = text

    def read(self):
        return self.text


@pytest.mark.parametrize(("name", "case"), parameters("device"))
def test_device(name, case, run_action, monkeypatch):
    good = (GOLDEN / "platforms" / case["platform"] / case["file"]).read_text("utf-8")
    assert case["part"] in good
    platform, dialect = case["platform"], case["dialect"]
    services = driver(platform).parse(good, dialect, ())
    node = NodePlan(name="br1", role=services[0].role, platform=platform, dialect=dialect, services=services)
    text = good.replace(case["part"], case["shown"], 1)
    if drift_info.device.FEATURES[platform].by_person(dialect):
        with pytest.raises(ParseError) as caught:
            driver(platform).parse(text, dialect, services)
        expect_message("device", name, caught.value)
        return
    monkeypatch.setattr(drift_info.plan_file, "node_to_configure", lambda plan, host: node)
    monkeypatch.setattr(drift_info.plan_file, "nodes", lambda plan, hosts: [node])
    monkeypatch.setattr(drift_info, "render", lambda node, templates, dialect: good)
    monkeypatch.setattr(drift_info.device, "session", lambda *_: contextlib.nullcontext(Shows(text)))
    result = run_action("drift_info")
    assert result.get("failed"), result["text"]
    expect_message("device", name, result["msg"])
