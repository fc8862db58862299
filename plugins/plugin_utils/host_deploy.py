# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Brings the device of one host to its plan, or back to what it was before a run."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import replace
from pathlib import Path
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.codec import CodecError
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import Check, Outcome
from ansible_collections.ipv4aas.fleet.engine.transport.session import Session, TransportError

from . import device, journal, lock, plan_file, post_check, rollout
from .action import Failed, Skipped
from .controller import Controller
from .deployment import Job, carry_out, try_out
from .device import Host
from .language import TEMPLATES


def bring(
    host: Host,
    options: Mapping[str, Any],
    places: Mapping[str, str | None],
    check_mode: bool,
    controller: Controller,
) -> dict[str, Any]:
    """The result of deploy, of which ``options`` are those.

    ``places`` are the hosts that probes can start from, and the edge that each is behind. Raises Skipped,
    Elsewhere, and Failed with what the result of a failure says.
    """
    job = Job(
        run=options["run"] or journal.new_run(),
        node=NodePlan(name=host.name, role="", platform="", services=()),
        wanted="",
        dest=options["dest"],
        confirm_within=options["confirm_within"],
        controller=controller,
    )
    try:
        return _deploy(_filled(job, options), host, options, places, check_mode)
    except (TransportError, Failed, Refused, CodecError, ParseError, OSError) as error:
        raise Failed(str(error), verdict=journal.FAILED, **_how_it_failed(job, error)) from error


def _deploy(
    job: Job, host: Host, options: Mapping[str, Any], places: Mapping[str, str | None], check_mode: bool
) -> dict[str, Any]:
    # Before there is a record: whoever can reach it will keep that.
    device.within_reach(host, job.node)

    def open_session() -> Session:
        return device.session(host, job.node, options, allow_weaker=options["allow_weaker"])

    if check_mode:
        return _result(try_out(job, open_session))
    _refuse_to_meddle(job, options["plan"])
    outcome, path = carry_out(replace(job, judge=_judge(job, options, places)), open_session)
    return _result(outcome) | {"journal": path}


def _filled(job: Job, options: Mapping[str, Any]) -> Job:
    """With the node and its configuration: of the plan, or of before a run."""
    if options["to"]:
        record = journal.read(job.dest, options["to"], job.node.name)
        if record is None or not record.touched:
            raise Skipped(f"run {options['to']} did not change it")
        return replace(job, node=_as_before(options["plan"], record), wanted=record.before or "")
    node = plan_file.node_to_configure(options["plan"], job.node.name)
    return replace(job, node=node, wanted=render(node, TEMPLATES, node.dialect))


def _as_before(plan: str, record: journal.Record) -> NodePlan:
    """A node with the services that it ran before the run of a record, also where the plan has it no more."""
    planned = plan_file.nodes(plan, [record.host]) if Path(plan).is_file() else []
    bare = NodePlan(name=record.host, role="", platform=record.platform, services=(), dialect=record.dialect)
    node = planned[0] if planned else bare
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


def _refuse_to_meddle(job: Job, plan: str) -> None:
    """Raises Failed where another run is at work, or where the run's own plan was written anew."""
    found = lock.holder(job.dest)
    if found is not None and found.alive and found.run != job.run and found.pid != job.controller.pid:
        raise Failed(lock.held(job.dest, found))
    run = rollout.read(job.dest, job.run)
    if run is not None and run.plan and run.plan != plan_file.digest(plan):
        raise Failed(f"{plan} is no longer the plan that {job.run} began with; begin again")


def _judge(job: Job, options: Mapping[str, Any], places: Mapping[str, str | None]) -> post_check.Judge:
    """What has to be content before the change is confirmed."""
    words, seconds = options["post_check"], float(job.confirm_within)

    def the_command() -> tuple[str, Check] | None:
        name = job.node.name
        return (f"the command {words[0]}", post_check.command(name, words, seconds)) if words else None

    def the_probes() -> tuple[str, Check] | None:
        if not options["probes"]:
            return None
        hosts = post_check.vantages(job.node, options["plan"], places, job.dest)
        probes = post_check.Probes(
            vantages=tuple(hosts),
            checks=tuple(options["probes"]),
            plan=options["plan"],
            folder=journal.folder(job.dest, job.run),
            seconds=seconds,
        )
        return (f"probes from {', '.join(hosts)}", probes) if hosts else None

    return post_check.Judge(the_command, the_probes)


def _how_it_failed(job: Job, error: Exception) -> dict[str, str]:
    path = journal.record_path(job.dest, job.run, job.node.name)
    kept = {"journal": str(path)} if path.is_file() else {}
    return {"step": error.step, "left": error.left} | kept if isinstance(error, TransportError) else kept


def _result(outcome: Outcome) -> dict[str, Any]:
    return {
        "changed": outcome.changed,
        "verdict": journal.CHANGED if outcome.changed else journal.UNCHANGED,
        "diff": {"prepared": outcome.diff} if outcome.diff else {},
        "steps": list(outcome.steps),
        "left": outcome.left,
        "device_diff": outcome.device_diff,
    }
