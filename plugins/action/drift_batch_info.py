# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Compares what the devices of many hosts run with their plans."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.ipv4aas.fleet.plugins.doc_fragments.options import ModuleDocFragment
from ansible_collections.ipv4aas.fleet.plugins.modules.drift_batch_info import DOCUMENTATION
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import host_drift
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.batch import BatchAction
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.controller import Controller
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.device import Host


class ActionModule(BatchAction):
    """drift_batch_info"""

    DOCUMENTS = (
        DOCUMENTATION,
        ModuleDocFragment.PLAN,
        ModuleDocFragment.DEST,
        ModuleDocFragment.DEVICE,
        ModuleDocFragment.BATCH,
    )
    VARIABLES = host_drift.VARIABLES

    def one(self, host: Host, options: Mapping[str, Any], controller: Controller) -> dict[str, Any]:
        return host_drift.look(host, options)
