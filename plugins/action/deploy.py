# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the device of the current host to its plan, or back to what it was before a run."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.ipv4aas.fleet.plugins.doc_fragments.options import ModuleDocFragment
from ansible_collections.ipv4aas.fleet.plugins.modules.deploy import DOCUMENTATION
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import FleetAction
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.controller import parent
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.device import Host
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.host_deploy import bring
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.post_check import places


class ActionModule(FleetAction):
    """deploy"""

    DOCUMENTS = (
        DOCUMENTATION,
        ModuleDocFragment.DEPLOY,
        ModuleDocFragment.PLAN,
        ModuleDocFragment.DEST,
        ModuleDocFragment.DEVICE,
    )

    def work(self, options: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        return bring(Host.current(self), options, places(variables), self._task.check_mode, parent())
