# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node's plan is found in the file, however that was written."""

from __future__ import annotations

import json

import pytest
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import plan_file
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import Failed, Skipped

NAMES = ('r"1', "ré", "r\\2", "nodes", "r3")


@pytest.mark.parametrize("indent", [2, None, 4])
def test_a_node_is_found(tmp_path, indent):
    def node(name):
        return {"name": name, "role": "gateway", "platform": "linux", "services": [], "options": {"r9": {}}}

    document = {
        "findings": [],
        "nodes": {name: node(name) for name in NAMES},
        "services": {"r8": {"name": "r8"}},
    }
    path = tmp_path / "plan.json"
    path.write_text(json.dumps(document, indent=indent) + "\n", "utf-8")
    for name in NAMES:
        [found] = plan_file.nodes(str(path), [name])
        assert isinstance(found, NodePlan)
        assert (found.name, found.platform) == (name, "linux")
    for name in ("r8", "r9", "services"):  # of another part of the file
        assert plan_file.nodes(str(path), [name]) == []
        with pytest.raises(Skipped, match="does not have it"):
            plan_file.node_to_configure(str(path), name)


def test_a_file_that_was_cut_off(tmp_path):
    path = tmp_path / "plan.json"
    path.write_text('{\n  "nodes": {\n    "r1": {\n      "name": "r1",\n', "utf-8")
    with pytest.raises(Failed, match="not a plan"):
        plan_file.nodes(str(path), ["r1"])
    with pytest.raises(Failed, match="no plan there"):
        plan_file.nodes(str(tmp_path / "other.json"), ["r1"])
