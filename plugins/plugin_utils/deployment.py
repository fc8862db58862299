# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One host of a run: its device brought to what is wanted, its record true at every moment."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from dataclasses import dataclass, field

from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import Outcome, deploy
from ansible_collections.ipv4aas.fleet.engine.transport.progress import UNCHANGED
from ansible_collections.ipv4aas.fleet.engine.transport.session import Session, TransportError

from . import journal, rollout
from .action import Skipped
from .controller import Controller, parent
from .post_check import DEVICE_STATE, Judge


@dataclass(frozen=True, slots=True, kw_only=True)
class Job:
    """A host of a run, what its device is to become, and by what the change is judged."""

    run: str
    node: NodePlan
    wanted: str  # the configuration
    dest: str = "build"
    confirm_within: int = 120  # seconds
    judge: Judge = field(default_factory=Judge)  # beside the device's own state
    controller: Controller = field(default_factory=parent)


def carry_out(job: Job, open_session: Callable[[], Session]) -> tuple[Outcome, str]:
    """Deploys, and keeps the record; returns its path too.

    Raises Skipped where another host has stopped the run, and what engine.deploy and opening a
    session raise, once the record tells it.
    """
    stopped = rollout.stopped_at(job.dest, job.run)
    if stopped:
        raise Skipped(f"not begun: {stopped} failed, and the run stops there")
    entry = journal.Entry(job.dest, _record(job))
    try:
        with open_session() as session:
            outcome = deploy(
                session,
                driver(job.node.platform),
                job.node,
                job.wanted,
                job.node.dialect,
                confirm_within=job.confirm_within,
                before_apply=entry.applying,
                post_check=lambda: job.judge() or _stopped(job),
            )
    except Exception as error:
        left = error.left if isinstance(error, TransportError) else UNCHANGED
        _stop(job)
        try:
            entry.end(journal.FAILED, left, message=str(error), checked=job.judge.words)
        except OSError as second:
            raise TransportError("record", f"{error}; and then: {second}", left) from error
        raise
    verdict = journal.CHANGED if outcome.changed else journal.UNCHANGED
    checked = job.judge.words or DEVICE_STATE
    try:
        path = entry.end(verdict, outcome.left, before=outcome.before, after=outcome.after, checked=checked)
    except OSError as error:
        _stop(job)
        raise TransportError("record", str(error), outcome.left) from error
    return outcome, path


def try_out(job: Job, open_session: Callable[[], Session]) -> Outcome:
    """What it would do; the device forgets it, and no record is kept."""
    with open_session() as session:
        return deploy(
            session, driver(job.node.platform), job.node, job.wanted, job.node.dialect, check_mode=True
        )


def given_up(dest: str, run: str, host: str, why: str) -> None:
    """A host at which the process has died that worked on it: the run stops there, and its record says so."""
    record = journal.read(dest, run, host)
    if record is not None and record.verdict == journal.STARTED:
        journal.Entry(dest, record).end(journal.FAILED, record.left, message=why)
    rollout.stop(dest, run, host)


def _stop(job: Job) -> None:
    # On a full disk no other host begins either: it could write no record.
    with suppress(OSError):
        rollout.stop(job.dest, job.run, job.node.name)


def _stopped(job: Job) -> list[str]:
    """Nothing is confirmed any more once another host has failed, or nobody is there to hear of it."""
    if not job.controller.alive():
        return ["the controller has died"]
    host = rollout.stopped_at(job.dest, job.run)
    return [f"{host} failed, and the run stops there"] if host else []


def _record(job: Job) -> journal.Record:
    return journal.Record(
        run=job.run,
        host=job.node.name,
        who=journal.who(),
        started=journal.now(),
        finished="",
        platform=job.node.platform,
        dialect=job.node.dialect,
        verdict=journal.STARTED,
        left=UNCHANGED,
        plan=rollout.digest(job.wanted),
    )
