# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet plan as a file."""

from __future__ import annotations

import json
import re
from collections.abc import Collection
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.codec import decode, encode
from ansible_collections.ipv4aas.fleet.engine.plan.model import FleetPlan, NodePlan
from ansible_collections.ipv4aas.fleet.engine.techniques.service import GATEWAY, Service

from . import rollout
from .action import Failed, Skipped
from .files import read_as

NAME = "plan.json"
# As to_text() indents.
_NODES, _NODES_END = '\n  "nodes": {', "\n  }"
_NODE = re.compile(r'\n    ("(?:[^"\\]|\\.)*"): ')


def to_text(plan: FleetPlan) -> str:
    """The content of the file."""
    return json.dumps(encode(plan), indent=2) + "\n"


def digest(path: str) -> str:
    """By which the plan is known again. Raises Failed without one."""
    return _kept(path).digest


def load_plan(path: str) -> FleetPlan:
    """The whole plan. Raises Failed where there is none, CodecError where it is not one."""
    return decode(FleetPlan, _document(path), path)


def node_to_configure(path: str, host: str) -> NodePlan:
    """The plan of a host. Raises Skipped where it gets no configuration, Failed without a plan."""
    found = nodes(path, [host])
    if not found:
        raise Skipped("the plan does not have it")
    [node] = found
    reason = why_not(node)
    if reason:
        raise Skipped(reason)
    return node


def nodes(path: str, names: Collection[str]) -> list[NodePlan]:
    """Those of the nodes that the plan has. Raises Failed without a plan."""
    found = {name: _node(path, name) for name in names}
    return [
        decode(NodePlan, document, f"{path}: nodes.{name}")
        for name, document in found.items()
        if document is not None
    ]


def platforms(path: str) -> set[str]:
    """Those of all nodes. Raises Failed without a plan."""
    return {str(node.get("platform")) for node in _document(path).get("nodes", {}).values()}


def gateways(path: str, service: str) -> list[str]:
    """The nodes that get a configuration as a service's gateway. Raises Failed without a plan."""
    found = _document(path)["nodes"]
    carry = [
        name
        for name, node in found.items()
        if node["role"] == GATEWAY and any(each["name"] == service for each in node["services"])
    ]
    return [node.name for node in nodes(path, carry) if not why_not(node)]


def hosts_to_configure(path: str) -> list[str]:
    """The hosts that get a configuration, in the order of the plan. Raises Failed without a plan."""
    nodes = _document(path)["nodes"]
    return [host for host in nodes if not why_not(decode(NodePlan, nodes[host], f"{path}: nodes.{host}"))]


def planned(path: str, node: str) -> NodePlan:
    """A node, whether it gets a configuration or not. Raises Failed where there is none."""
    for found in nodes(path, [node]):
        return found
    raise Failed(f"{node}: the plan has no such node")


def service_of(path: str, node: str, name: str | None) -> Service:
    """A service of a node, the first one where no name is given. Raises Failed where there is none."""
    for service in planned(path, node).services:
        if name in (None, service.name):
            return service
    raise Failed(f"{node}: does not carry the service {name}")


def gateway_of(path: str, name: str) -> Service | None:
    """A service as its first gateway that is not replaced by another node runs it; None without one."""
    for node in load_plan(path).nodes.values():
        if node.role == GATEWAY and node.seat_taken_by is None:
            for service in node.services:
                if service.name == name:
                    return service
    return None


def _node(path: str, name: str) -> Any:
    """The document of one node, None without one. Every host reads the plan: it parses its own part alone."""
    kept = _kept(path)
    at = kept.nodes.get(json.dumps(name))
    if at is None:
        return _parsed(path, kept.text).get("nodes", {}).get(name)
    try:
        return json.JSONDecoder().raw_decode(kept.text, at)[0]
    except ValueError as error:
        raise _no_plan(path, error) from error


def _document(path: str) -> Any:
    return _parsed(path, _kept(path).text)


@dataclass(frozen=True, slots=True)
class _Kept:
    """The file of a plan."""

    text: str
    digest: str
    nodes: dict[str, int]  # name, as it is written there -> where its document begins


def _kept(path: str) -> _Kept:
    try:
        return read_as(Path(path), _known)
    except FileNotFoundError:
        raise Failed(f"{path}: no plan there; run ipv4aas.fleet.plan first, or say where it is") from None


def _known(text: str) -> _Kept:
    start = text.find(_NODES)
    there = _NODE.finditer(text, start, text.find(_NODES_END, start)) if start >= 0 else ()
    nodes = {match[1]: match.end() for match in there}
    return _Kept(text, rollout.digest(text), nodes)


def _parsed(path: str, text: str) -> Any:
    try:
        return json.loads(text)
    except ValueError as error:
        raise _no_plan(path, error) from error


def _no_plan(path: str, error: ValueError) -> Failed:
    return Failed(f"{path}: not a plan: {error}")


def why_not(node: NodePlan) -> str:
    """Why nothing is deployed to a node; empty where it is."""
    if node.seat_taken_by is not None:
        return f"{node.seat_taken_by} takes its place" + (f": {node.refused}" if node.refused else "")
    if node.refused is not None:
        return node.refused
    if node.deploy:
        return ""
    from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features

    why = all_features()[node.platform].by_person(node.dialect)
    return f"by hand: {why}" if why else "ipv4aas_deploy is false: planned and rendered only"
