# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compiles the whole inventory into a fleet plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import TYPE_CHECKING, Any

from ansible_collections.ipv4aas.fleet.plugins.doc_fragments.options import ModuleDocFragment
from ansible_collections.ipv4aas.fleet.plugins.modules.plan import DOCUMENTATION
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import plan_file
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import FleetAction
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.files import Files
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.fleet_variables import fleet_variables

if TYPE_CHECKING:
    from ansible_collections.ipv4aas.fleet.engine.plan.model import Finding, FleetPlan


class ActionModule(FleetAction):
    """plan"""

    BYPASS_HOST_LOOP = True
    _requires_connection = False
    DOCUMENTS = (DOCUMENTATION, ModuleDocFragment.DEST)

    def work(self, options: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        from ansible_collections.ipv4aas.fleet.engine.codec import encode
        from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
        from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features

        fleet = fleet_variables(variables["hostvars"])
        plan = build_plan(fleet, all_features())
        for finding in plan.findings:
            if finding.severity != "info":
                self._display.warning(finding_line(finding))
        files = Files(options["dest"], self._task.check_mode)
        files.put(plan_file.NAME, plan_file.to_text(plan))
        return {
            "changed": files.changed,
            "diff": files.diff,
            "path": str(files.folder / plan_file.NAME),
            "services": encode(plan.services),
            "nodes": _nodes(plan),
            "findings": encode(plan.findings),
            **(self._comparison(fleet) if options["compare"] else {}),
        }

    def _comparison(self, fleet: Mapping[str, Mapping[str, Any]]) -> dict[str, Any]:
        """Every technique for every service; printed too, as it is made for people."""
        from ansible_collections.ipv4aas.fleet.engine.codec import encode
        from ansible_collections.ipv4aas.fleet.engine.plan.compare import compare, to_text
        from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features

        found = compare(fleet, all_features())
        text = "\n".join(to_text(comparison) for comparison in found)
        self._display.display(text)
        return {"comparison": encode(found), "comparison_text": text}


def finding_line(finding: Finding) -> str:
    """For people."""
    return f"{finding.rule} {finding.severity}: {finding.place}: {finding.wrong}; {finding.right}"


def _nodes(plan: FleetPlan) -> dict[str, dict[str, Any]]:
    reasons = {name: plan_file.why_not(node) for name, node in plan.nodes.items()}
    return {
        name: {"platform": node.platform, "deploy": not reasons[name], "reason": reasons[name]}
        for name, node in plan.nodes.items()
    }
