# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Writes the configuration of every planned node and parses it back."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import closing
from typing import TYPE_CHECKING, Any

from ansible_collections.ipv4aas.fleet.engine.problem import Problem, Refused
from ansible_collections.ipv4aas.fleet.plugins.doc_fragments.options import ModuleDocFragment
from ansible_collections.ipv4aas.fleet.plugins.modules.render import DOCUMENTATION
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import plan_file
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import Failed, FleetAction
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.controller import parent
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.files import Files
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.fleet_variables import fleet_variables
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.language import TEMPLATES, file_name
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.side_by_side import (
    Lost,
    Work,
    cores,
    side_by_side,
)

if TYPE_CHECKING:
    from ansible_collections.ipv4aas.fleet.engine.plan.capability import Features
    from ansible_collections.ipv4aas.fleet.engine.plan.model import FleetPlan, NodePlan

NODES = "nodes"


class ActionModule(FleetAction):
    """render"""

    BYPASS_HOST_LOOP = True
    _requires_connection = False
    DOCUMENTS = (DOCUMENTATION, ModuleDocFragment.PLAN, ModuleDocFragment.DEST)

    def work(self, options: dict[str, Any], variables: Mapping[str, Any]) -> dict[str, Any]:
        plan = _compiled(variables) if options["compile"] else plan_file.load_plan(options["plan"])
        refused = {name: node.refused for name, node in plan.nodes.items() if node.refused is not None}
        contents, given_up = _contents([node for name, node in plan.nodes.items() if name not in refused])
        files = Files(options["dest"], self._task.check_mode)
        for name, content in contents.items():
            files.put(f"{NODES}/{name}", content)
        files.keep_only(NODES, set(contents))
        configurations: dict[str, list[str]] = {}
        for name in contents:
            path = str(files.folder / NODES / name)
            configurations.setdefault(name.partition("/")[0], []).append(path)
        return {
            "changed": files.changed,
            "diff": files.diff,
            "configurations": configurations,
            "refused": {
                name: {"reason": reason, "seat_taken_by": plan.nodes[name].seat_taken_by}
                for name, reason in {**refused, **given_up}.items()
            },
        }


def _compiled(variables: Mapping[str, Any]) -> FleetPlan:
    """The plan of the inventory, written or not. Raises Refused."""
    from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
    from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features

    return build_plan(fleet_variables(variables["hostvars"]), all_features())


def _contents(nodes: list[NodePlan]) -> tuple[dict[str, str], dict[str, str]]:
    """File name -> configuration; and node -> why it has none, where another one takes its place.

    Raises Refused with the problems of all other nodes, Failed for a fault here.
    """
    from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver

    for platform in {node.platform for node in nodes}:
        driver(platform)  # imported once, where each process would do it
    named = {node.name: node for node in nodes}
    work = Work(named.__getitem__, lambda node, _controller: _made(node))
    with closing(side_by_side(work, named, cores(), parent())) as found:
        made = dict(found)
    contents: dict[str, str] = {}
    given_up: dict[str, str] = {}
    problems: list[Problem] = []
    for name in named:
        result = made.get(name, Lost("the controller has died"))
        if isinstance(result, Lost):
            raise Failed(f"{name}: {result.why}")
        contents.update(result[0])
        if result[1] and named[name].seat_taken_by is not None:
            given_up[name] = "; ".join(sorted(problem.wrong for problem in result[1]))
        else:
            problems += result[1]
    if problems:
        raise Refused(set(problems))
    return contents, given_up


def _made(node: NodePlan) -> tuple[dict[str, str], list[Problem]]:
    """The files of a node, or what is wrong with it."""
    try:
        return dict(_of_node(node)), []
    except Refused as error:
        return {}, list(error.problems)


def _of_node(node: NodePlan) -> Iterator[tuple[str, str]]:
    from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features
    from ansible_collections.ipv4aas.fleet.engine.platforms.render import render

    features = all_features()[node.platform]
    for dialect in features.dialects:
        text = render(node, TEMPLATES, dialect)
        name = f"{node.name}/{file_name(node.platform, dialect, features.transports[dialect])}"
        if _is_read_back(features, node):
            _check_round_trip(node, dialect, text)
        yield name, text


def _is_read_back(features: Features, node: NodePlan) -> bool:
    """False where the operator's own template says what the platform has no driver for."""
    rows = (features.feature(service.technique, service.role) for service in node.services)
    return all(row is not None and row.state == "yes" for row in rows)


def _check_round_trip(node: NodePlan, dialect: str, text: str) -> None:
    """Raises Refused where the configuration does not say what the plan says."""
    from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
    from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
    from ansible_collections.ipv4aas.fleet.engine.verify.drift import compare

    right = f"a template of {node.platform} that says what the plan says"
    try:
        drift = compare(node.services, driver(node.platform).parse(text, dialect, node.services))
    except ParseError as error:
        problem = Problem(node.name, f"the {dialect} configuration cannot be parsed back: {error}", right)
        raise Refused([problem]) from error
    if drift:
        wrong = f"the {dialect} configuration means something else: {drift.text()}"
        raise Refused([Problem(node.name, wrong, right)])
