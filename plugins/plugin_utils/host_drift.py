# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the device of one host runs, beside its plan."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.codec import encode
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError, occupied
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.transport.session import TransportError
from ansible_collections.ipv4aas.fleet.engine.verify.drift import (
    NO_INTENT,
    DriftReport,
    ServiceDrift,
    compare,
)

from . import device, journal, plan_file
from .action import Failed, Skipped
from .device import Host
from .language import TEMPLATES

# Of a host, beside those of its device: what it is where the plan does not have it.
VARIABLES = ("ipv4aas_platform", "ipv4aas_dialect")


def look(host: Host, options: Mapping[str, Any]) -> dict[str, Any]:
    """The result of drift_info with these options. Raises Skipped, Failed, Refused or Elsewhere."""
    if not plan_file.nodes(options["plan"], [host.name]):
        return _without_intent(host, options)
    node = plan_file.node_to_configure(options["plan"], host.name)
    platform = driver(node.platform)
    text = _shown(host, node, options)
    running = _owned(node, text)
    # All of it, since lines are counted in what the device shows.
    with _told_for(node, "deploy would write it anew"):
        found = platform.parse(text, node.dialect, node.services)
    rendered = render(node, TEMPLATES, node.dialect)
    change = platform.change(running, rendered, node.dialect)
    in_the_way = occupied(platform, text, rendered, node.dialect)
    report = compare(node.services, found, not_checked(node), change, in_the_way)
    if report and options.get("fail_on_drift"):
        raise Failed(report.text(), drift=True, services=encode(report.services))
    return {
        "changed": False,
        "drift": bool(report),
        "services": encode(report.services),
        "not_checked": list(report.not_checked),
        "text": report.text(),
        "diff": {"prepared": change.diff} if change else {},
    }


def _without_intent(host: Host, options: Mapping[str, Any]) -> dict[str, Any]:
    """A device of which the plan knows nothing has to carry nothing of ours."""
    node = _suspect(host, options["dest"])
    try:
        running = "" if device.is_bare(host, node) else _owned(node, _shown(host, node, options))
    except Refused as error:
        # What no driver reads carries nothing that a driver wrote.
        raise Skipped(str(error)) from error
    drifts = tuple(ServiceDrift(name, NO_INTENT) for name in _names(node, running))
    report = DriftReport(drifts)
    if report and options.get("fail_on_drift"):
        raise Failed(report.text(), drift=True, services=encode(drifts))
    return {
        "changed": False,
        "drift": bool(report),
        "services": encode(drifts),
        "not_checked": [],
        "text": report.text(),
    }


def _suspect(host: Host, dest: str) -> NodePlan:
    """What the host is, by the inventory or by the last that a run did to it."""
    platform, dialect = (host.variable(name) for name in VARIABLES)
    if platform is None:
        record = journal.last(dest, host.name)
        if record is None:
            raise Skipped("the plan does not have it")
        platform, dialect = record.platform, record.dialect
    features = device.FEATURES.get(platform)
    if features is None:
        raise Failed(f"ipv4aas_platform: {platform} is unknown")
    return NodePlan(
        name=host.name, role="", platform=platform, services=(), dialect=dialect or features.dialects[0]
    )


def _shown(host: Host, node: NodePlan, options: Mapping[str, Any]) -> str:
    """The device's configuration, ours or not."""
    try:
        with device.session(host, node, options) as session:
            return session.read()
    except TransportError as error:
        raise Failed(str(error)) from error


@contextmanager
def _told_for(node: NodePlan, remedy: str) -> Iterator[None]:
    """A configuration that cannot be understood: whose it is, and what helps."""
    try:
        yield
    except ParseError as error:
        raise Failed(f"{node.name}, {node.dialect} configuration, {error}; {remedy}") from error


def _owned(node: NodePlan, text: str) -> str:
    """What the device runs of ours."""
    with _told_for(node, "correct it on the device"):
        return driver(node.platform).owned(text, node.dialect)


def _names(node: NodePlan, running: str) -> list[str]:
    """The services in a configuration; something without a name where it cannot be understood."""
    if not running:
        return []
    try:
        found = driver(node.platform).parse(running, node.dialect, ())
    except ParseError:
        found = ()
    return [service.name for service in found] or ["(unnamed)"]


def not_checked(node: NodePlan) -> tuple[str, ...]:
    """What the platform has no words for in the language of the node's plan, sorted."""
    features = device.FEATURES[node.platform]
    rows = (features.feature(service.technique, service.role) for service in node.services)
    words = (word.partition(" ") for row in rows if row is not None for word in row.not_carried)
    return tuple(sorted({name for name, _blank, only in words if only in ("", f"({node.dialect})")}))
