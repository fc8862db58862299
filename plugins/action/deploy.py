# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the device of the current host to its plan, or back to what it was before a run."""

from __future__ import annotations

import os
import subprocess
from collections.abc import Mapping
from dataclasses import replace
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import Check, Outcome, deploy
from ansible_collections.ipv4aas.fleet.engine.transport.session import TransportError
from ansible_collections.ipv4aas.fleet.plugins.doc_fragments.options import ModuleDocFragment
from ansible_collections.ipv4aas.fleet.plugins.modules.deploy import DOCUMENTATION
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import device, journal, plan_file
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import Failed, FleetAction, Skipped
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.language import TEMPLATES


class ActionModule(FleetAction):
    """deploy"""

    DOCUMENTS = (DOCUMENTATION, ModuleDocFragment.PLAN, ModuleDocFragment.DEST, ModuleDocFragment.DEVICE)

    def work(self, options: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        node = plan_file.node_to_configure(options["plan"], variables["inventory_hostname"])
        if options["to"] is None:
            return self._deploy(node, render(node, TEMPLATES, node.dialect), options)
        record = journal.read(options["dest"], options["to"], node.name)
        if record is None or record.verdict != journal.CHANGED or record.before is None:
            raise Skipped(f"run {options['to']} did not change it")
        return self._deploy(_as_before(node, record), record.before, options)

    def _deploy(self, node: NodePlan, wanted: str, options: dict[str, Any]) -> dict[str, Any]:
        started = journal.now()
        try:
            with device.session(self, node, options, allow_weaker=options["allow_weaker"]) as session:
                outcome = deploy(
                    session,
                    driver(node.platform),
                    node,
                    wanted,
                    node.dialect,
                    check_mode=self._task.check_mode,
                    confirm_within=options["confirm_within"],
                    post_check=_post_check(node.name, options["post_check"]),
                )
        except TransportError as error:
            told = {"verdict": journal.FAILED, "left": error.left, "message": str(error)}
            raise Failed(
                str(error), step=error.step, left=error.left, **self._record(node, options, started, told)
            ) from error
        return _result(outcome) | self._record(node, options, started, _told(outcome))

    def _record(
        self, node: NodePlan, options: Mapping[str, Any], started: str, told: Mapping[str, Any]
    ) -> dict[str, str]:
        if self._task.check_mode:
            return {}
        record = journal.Record(
            run=options["run"] or journal.new_run(),
            host=node.name,
            who=journal.who(),
            started=started,
            finished=journal.now(),
            platform=node.platform,
            dialect=node.dialect,
            **told,
        )
        return {"journal": journal.write(options["dest"], record)}


def _as_before(node: NodePlan, record: journal.Record) -> NodePlan:
    """The node with the services that it ran before the run of a record."""
    if (record.platform, record.dialect) != (node.platform, node.dialect):
        raise Failed(
            f"{record.run} left a {record.platform} {record.dialect} configuration, the plan now says "
            f"{node.platform} {node.dialect}; plan as it was then"
        )
    try:
        before = driver(node.platform).parse(record.before or "", node.dialect, node.services)
    except ParseError as error:
        raise Failed(f"the record of {node.name} in {record.run}: before: {error}") from error
    return replace(node, services=before)


def _post_check(host: str, command: list[str] | None) -> Check | None:
    if not command:
        return None

    def check() -> list[str]:
        environment = {**os.environ, "IPV4AAS_HOST": host}
        done = subprocess.run(command, env=environment, capture_output=True, text=True, check=False)
        if done.returncode == 0:
            return []
        return [f"{command[0]} ended with {done.returncode}: {(done.stderr or done.stdout).strip()}"]

    return check


def _result(outcome: Outcome) -> dict[str, Any]:
    return {
        "changed": outcome.changed,
        "diff": {"prepared": outcome.diff} if outcome.diff else {},
        "steps": list(outcome.steps),
        "left": outcome.left,
        "device_diff": outcome.device_diff,
    }


def _told(outcome: Outcome) -> dict[str, Any]:
    return {
        "verdict": journal.CHANGED if outcome.changed else journal.UNCHANGED,
        "left": outcome.left,
        "before": outcome.before,
        "after": outcome.after,
    }
