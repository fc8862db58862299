# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares what the device of the current host runs with its plan."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.codec import encode
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.transport.session import TransportError
from ansible_collections.ipv4aas.fleet.engine.verify.drift import compare
from ansible_collections.ipv4aas.fleet.plugins.doc_fragments.options import ModuleDocFragment
from ansible_collections.ipv4aas.fleet.plugins.modules.drift_info import DOCUMENTATION
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import device, plan_file
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import Failed, FleetAction
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.language import TEMPLATES


class ActionModule(FleetAction):
    """drift_info"""

    DOCUMENTS = (DOCUMENTATION, ModuleDocFragment.PLAN, ModuleDocFragment.DEVICE)

    def work(self, options: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        node = plan_file.node_to_configure(options["plan"], variables["inventory_hostname"])
        platform = driver(node.platform)
        try:
            with device.session(self, node, options) as session:
                running = platform.owned(session.read(), node.dialect)
            change = platform.change(running, render(node, TEMPLATES, node.dialect), node.dialect)
            found = platform.parse(running, node.dialect, node.services)
            report = compare(node.services, found, not_checked(node), change)
        except TransportError as error:
            raise Failed(str(error)) from error
        if report and options["fail_on_drift"]:
            raise Failed(report.text(), drift=True, services=encode(report.services))
        return {
            "changed": False,
            "drift": bool(report),
            "services": encode(report.services),
            "not_checked": list(report.not_checked),
            "text": report.text(),
            "diff": {"prepared": change.diff} if change else {},
        }


def not_checked(node: NodePlan) -> tuple[str, ...]:
    """What the platform has no words for in the language of the node's plan, sorted."""
    features = device.FEATURES[node.platform]
    rows = (features.feature(service.technique, service.role) for service in node.services)
    words = (word.partition(" ") for row in rows if row is not None for word in row.not_carried)
    return tuple(sorted({name for name, _blank, only in words if only in ("", f"({node.dialect})")}))
