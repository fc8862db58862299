# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes one report of the drift of the fleet."""

from __future__ import annotations

import json
from collections.abc import Collection, Mapping
from typing import Any

from ansible_collections.ipv4aas.fleet.plugins.doc_fragments.options import ModuleDocFragment
from ansible_collections.ipv4aas.fleet.plugins.modules.drift_report import DOCUMENTATION
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import journal, rollout
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import Failed, FleetAction
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.drift_summary import summarise
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.files import Files


class ActionModule(FleetAction):
    """drift_report"""

    BYPASS_HOST_LOOP = True
    _requires_connection = False
    DOCUMENTS = (DOCUMENTATION, ModuleDocFragment.DEST)

    def work(self, options: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        known = variables.get("groups", {}).get("all", ())
        summary = summarise({**options["reports"], **_forgotten(options["dest"], known)})
        files = Files(options["dest"], self._task.check_mode)
        files.put("drift.json", json.dumps(summary.document(), indent=2) + "\n")
        files.put("drift.txt", summary.text())
        result = {
            **summary.document(),
            "text": summary.text(),
            "changed": files.changed,
            "diff": files.diff,
        }
        if summary and options["fail_on_drift"]:
            raise Failed(summary.text(), **result)
        self._display.display(summary.text())
        return result


def _forgotten(dest: str, known: Collection[str]) -> dict[str, dict[str, str]]:
    """Of devices that a run left a service on and that the inventory has no more, what to say of each."""
    found = {}
    for host in sorted(journal.hosts(dest) - set(known)) if known else ():
        record = journal.last(dest, host)
        run = rollout.read(dest, record.run) if record is not None else None
        # The folder may have seen runs over other inventories.
        if record is not None and record.after and run is not None and set(run.order) & set(known):
            found[host] = {"msg": f"not in the inventory, but run {record.run} left services on it"}
    return found
