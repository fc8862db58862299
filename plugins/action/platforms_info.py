# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lists what the platforms can do."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.platforms.guide import Row, overview, rows
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features
from ansible_collections.ipv4aas.fleet.engine.problem import Problem, Refused
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from ansible_collections.ipv4aas.fleet.plugins.modules.platforms_info import DOCUMENTATION
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import FleetAction


class ActionModule(FleetAction):
    """platforms_info"""

    BYPASS_HOST_LOOP = True
    _requires_connection = False
    DOCUMENTS = (DOCUMENTATION,)

    def work(self, options: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        features = all_features()
        problems = [
            Problem(f"{name}[{index}]", f"{word} is unknown", f"one of {', '.join(known)}")
            for name, known in (("techniques", list(TECHNIQUES)), ("platforms", list(features)))
            for index, word in enumerate(options[name])
            if word not in known
        ]
        if problems:
            raise Refused(problems)
        found = [row for row in rows(features) if _is_asked(row, options)]
        return {"changed": False, "rows": [_document(row) for row in found], "text": overview(found)}


def _is_asked(row: Row, options: Mapping[str, Any]) -> bool:
    asked = ((row.technique, "techniques"), (row.role, "roles"), (row.platform, "platforms"))
    if options["possible"] and not row.possible:
        return False
    return all(value in options[name] or not options[name] for value, name in asked)


def _document(row: Row) -> dict[str, Any]:
    return {
        "technique": row.technique,
        "role": row.role,
        "platform": row.platform,
        "title": row.box.title,
        "state": row.feature.state,
        "reason": row.feature.reason,
        "confidence": row.feature.confidence if row.possible else "",
        "source": row.feature.source,
        "dialects": list(row.feature.dialects or row.box.dialects),
        "caveats": list(row.caveats),
        "not_carried": list(row.feature.not_carried),
    }
