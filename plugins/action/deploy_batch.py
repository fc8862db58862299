# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the devices of many hosts to their plans, or back to what they were before a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.ipv4aas.fleet.plugins.doc_fragments.options import ModuleDocFragment
from ansible_collections.ipv4aas.fleet.plugins.modules.deploy_batch import DOCUMENTATION
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import Failed, Skipped
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.batch import BatchAction
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.controller import Controller
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.deployment import given_up
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.device import Host
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.host_deploy import bring
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.post_check import places


class ActionModule(BatchAction):
    """deploy_batch"""

    DOCUMENTS = (
        DOCUMENTATION,
        ModuleDocFragment.DEPLOY,
        ModuleDocFragment.PLAN,
        ModuleDocFragment.DEST,
        ModuleDocFragment.DEVICE,
        ModuleDocFragment.BATCH,
    )

    def work(self, options: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        self._places = places(variables)
        answer = super().work(options, variables)
        failed = answer["failed_hosts"]
        if failed:
            raise Failed("; ".join(f"{name}: {answer['hosts'][name]['msg']}" for name in failed), **answer)
        return answer

    def one(self, host: Host, options: Mapping[str, Any], controller: Controller) -> dict[str, Any]:
        to = options["targets"].get(host.name) or options["to"]
        if options["targets"] and not to:
            raise Skipped("the roll-back is not of this host")
        return bring(host, {**options, "to": to}, self._places, self._task.check_mode, controller)

    def lost(self, name: str, options: Mapping[str, Any], why: str) -> None:
        if options["run"] and not self._task.check_mode:
            given_up(options["dest"], options["run"], name, why)
