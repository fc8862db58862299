# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A run over many hosts: its document beside the journal's records, and which hosts are its business."""

from __future__ import annotations

import hashlib
import json
from collections.abc import Collection
from dataclasses import dataclass
from dataclasses import replace as with_values
from pathlib import Path
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.codec import CodecError, decode, encode

from . import journal
from .action import Failed
from .files import read_as, replace
from .table import some, table

DEPLOY, ROLLBACK = "deploy", "rollback"
RUNNING, DONE, FAILED, INTERRUPTED = "running", "done", "failed", "interrupted"
NOT_BEGUN = "not begun"
# Holds the name of the host at which a run has to stop.
_STOP = "stopped"


@dataclass(frozen=True, slots=True, kw_only=True)
class State:
    """Where one host stands at the end of a run."""

    verdict: str  # of the record; "not begun" without one
    left: str
    message: str = ""


@dataclass(frozen=True, slots=True, kw_only=True)
class Run:
    """One run, as ``journal/<run>.json``."""

    run: str
    kind: str  # deploy or rollback
    of: str = ""  # the run that is resumed or taken back
    who: str
    controller: str
    started: str  # RFC 3339, UTC
    finished: str = ""
    plan: str  # digest of the plan
    order: tuple[str, ...]  # the hosts, the canary first
    canary: tuple[str, ...] = ()
    batches: tuple[Any, ...] = ()
    stand: tuple[str, ...] = ()  # hosts that the resumed run has brought to this plan already
    verdict: str = RUNNING  # running, done, failed or interrupted
    hosts: dict[str, State] | None = None  # None while it is running

    def closed(self, dest: str, verdict: str = "") -> Run:
        """With what stands where, from the records."""
        hosts = states(dest, self)
        found = {state.verdict for state in hosts.values()}
        if not verdict:
            verdict = DONE if found <= {journal.CHANGED, journal.UNCHANGED} else FAILED
        return with_values(self, hosts=hosts, finished=journal.now(), verdict=verdict)

    def text(self) -> str:
        """For people: a line, then a table of what stands where."""
        hosts = self.hosts or {}
        groups: dict[State, list[str]] = {}
        for host, state in hosts.items():
            groups.setdefault(state, []).append(host)
        rows = [(state.verdict, some(names, 8), state.left, state.message) for state, names in groups.items()]
        of = f" of {self.of}" if self.of else ""
        return f"{self.kind} {self.run}{of}: {self.verdict}\n" + table(
            ("verdict", "hosts", "device", "what went wrong"), rows
        )


def states(dest: str, run: Run) -> dict[str, State]:
    """What is known of each host of a run."""
    found = {record.host: record for record in journal.records(dest, run.run)}
    return {
        host: State(verdict=found[host].verdict, left=found[host].left, message=found[host].message)
        if host in found
        else State(verdict=NOT_BEGUN, left="not touched by this run")
        for host in run.order
    }


def write(dest: str, run: Run) -> str:
    """Keeps the document; returns its path."""
    path = _path(dest, run.run)
    replace(path, json.dumps(encode(run), indent=2) + "\n")
    return str(path)


def read(dest: str, name: str) -> Run | None:
    """The document of a run; None where there is none. Raises Failed or CodecError."""
    path = _path(dest, name)
    try:
        return read_as(path, _run_of)
    except FileNotFoundError:
        return None
    except CodecError as error:
        raise CodecError(f"{path}: {error}") from error
    except ValueError as error:
        raise Failed(f"{path}: not a run: {error}") from error


def _run_of(text: str) -> Run:
    return decode(Run, json.loads(text))


def new_name(dest: str, wanted: str | None) -> str:
    """A name that no run has. Raises Failed where ``wanted`` is taken."""
    taken = _taken(dest, wanted) if wanted else False
    if taken:
        raise Failed(f"the journal has a run {wanted} already; name this one otherwise")
    name = wanted or journal.new_run()
    stem, number = name, 1
    while _taken(dest, name):
        number += 1
        name = f"{stem}-{number}"
    return name


def digest(text: str) -> str:
    """By which a plan or a configuration is known again."""
    return hashlib.sha256(text.encode()).hexdigest()


def stop(dest: str, run: str, host: str) -> None:
    """Lets no other host of a run begin or confirm; without a document of the run there is no other."""
    if _path(dest, run).is_file() and not stopped_at(dest, run):
        replace(journal.folder(dest, run) / _STOP, host)


def stopped_at(dest: str, run: str) -> str:
    """The host that has stopped a run; empty where none has."""
    try:
        return (journal.folder(dest, run) / _STOP).read_text("utf-8")
    except FileNotFoundError:
        return ""


def to_resume(dest: str, name: str, plan: str, hosts: Collection[str]) -> tuple[str, ...]:
    """Those of the hosts that a run has brought to the same plan. Raises Failed."""
    run = read(dest, name)
    if run is None or run.kind != DEPLOY:
        raise Failed(f"the journal has no deployment {name}; say which of build/journal is to go on")
    if run.plan != plan:
        raise Failed(f"the plan is another than in {name}; deploy it as a new run, without ipv4aas_resume")
    stand = {record.host for record in journal.records(dest, name) if record.stands} | set(run.stand)
    return tuple(host for host in hosts if host in stand)


def to_take_back(dest: str, name: str, through: bool) -> dict[str, str]:
    """Hosts that a run has changed, and the run to before which each goes back.

    Where later runs changed one of them too, ``through`` asks for what these and all later runs
    changed on any host. Raises Failed where it is needed and not asked for.
    """
    runs = journal.runs(dest)
    if name not in runs:
        raise Failed(f"the journal has no run {name}; it has {some(runs[::-1], 5) if runs else 'none'}")
    first: dict[str, str] = {}
    later: dict[str, list[str]] = {}
    for run in runs[runs.index(name) :]:
        for record in journal.records(dest, run):
            if not record.touched:
                continue
            if run != name and record.host in first:
                later.setdefault(run, []).append(record.host)
            if run == name or through:
                first.setdefault(record.host, run)
    if later and not through:
        told = "; ".join(f"{run} changed {some(hosts)}" for run, hosts in later.items())
        raise Failed(
            f"{name} is not the last run that changed its hosts: {told}. Take those runs back first, or all "
            "together with ipv4aas_through=true, which takes back every later run of every host too"
        )
    return first


def _taken(dest: str, name: str) -> bool:
    return _path(dest, name).exists() or journal.folder(dest, name).exists()


def _path(dest: str, name: str) -> Path:
    return journal.folder(dest, name).with_name(f"{name}.json")
