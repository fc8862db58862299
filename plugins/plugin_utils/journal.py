# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each run did to each host, as files: who, when, before, after, verdict.

A record is there before its device is touched and says at every moment what is sure of the device, so
that it is true as well where the controller dies.
"""

from __future__ import annotations

import getpass
import json
import os
import re
from collections.abc import Iterator
from dataclasses import dataclass
from dataclasses import replace as with_values
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.codec import decode, encode
from ansible_collections.ipv4aas.fleet.engine.transport.progress import UNCHANGED as DEVICE_UNCHANGED

from .action import Failed
from .files import replace

FOLDER = "journal"
STARTED, CHANGED, UNCHANGED, FAILED = "started", "changed", "unchanged", "failed"
# How a device is left by a controller that dies between applying a change and the end.
APPLYING = "unknown: a change was made; the device takes it back by itself unless it was confirmed"
_NAME = re.compile(r"[A-Za-z0-9][A-Za-z0-9._-]*\Z")


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One host in one run. ``before`` and ``after`` are what the services own of its configuration."""

    run: str
    host: str
    who: str
    started: str  # RFC 3339, UTC
    finished: str  # empty where the end is not known
    platform: str
    dialect: str
    verdict: str  # started, changed, unchanged or failed
    left: str  # how the device was left, in words
    message: str = ""  # what went wrong
    before: str | None = None  # None where it was not learned
    after: str | None = None
    plan: str = ""  # digest of the configuration that it should run
    checked: str = ""  # by what the change was judged before it was confirmed

    @property
    def stands(self) -> bool:
        """Whether the device runs what the run wanted."""
        return self.verdict in (CHANGED, UNCHANGED)

    @property
    def touched(self) -> bool:
        """Whether the run has changed the device, or may have."""
        return self.verdict == CHANGED or (self.before is not None and self.left != DEVICE_UNCHANGED)


class Entry:
    """The record of a host while the run is at it."""

    def __init__(self, dest: str, record: Record) -> None:
        self.dest, self.record = dest, record
        self.path = write(dest, record)

    def applying(self, before: str) -> None:
        """From here on the device may be changed."""
        self._write(before=before, left=APPLYING)

    def end(self, verdict: str, left: str, **values: Any) -> str:
        """The last word; returns the record's path."""
        return self._write(verdict=verdict, left=left, finished=now(), **values)

    def _write(self, **values: Any) -> str:
        self.record = with_values(self.record, **values)
        return write(self.dest, self.record)


def who() -> str:
    """Who runs Ansible; the number where the system has no name for it, as in a container."""
    try:
        return getpass.getuser()
    except (KeyError, OSError):
        return f"uid {os.getuid()}"


def now() -> str:
    """The time, for a record."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_run() -> str:
    """A name for a run; sorts by time."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


def write(dest: str, record: Record) -> str:
    """Keeps a record; returns its path. Raises Failed for a name that is none of a file."""
    path = record_path(dest, record.run, record.host)
    replace(path, json.dumps(encode(record), indent=2) + "\n")
    return str(path)


def read(dest: str, run: str, host: str) -> Record | None:
    """The record of a host in a run, None where there is none. Raises Failed or CodecError."""
    path = record_path(dest, run, host)
    return _load(path) if path.is_file() else None


def last(dest: str, host: str) -> Record | None:
    """The newest record that tells what a host runs, not only that a run left it as it was.

    Raises Failed or CodecError.
    """
    found = [_load(path) for path in (Path(dest) / FOLDER).glob(f"*/{host}.json")]
    telling = [record for record in found if record.stands or record.touched]
    return max(telling, key=lambda record: (record.started, record.run), default=None)


def hosts(dest: str) -> set[str]:
    """All hosts that any run was at."""
    return {path.stem for path in (Path(dest) / FOLDER).glob("*/*.json")}


def records(dest: str, run: str) -> Iterator[Record]:
    """All records of a run, by host. Raises Failed or CodecError."""
    for path in sorted(folder(dest, run).glob("*.json")):
        yield _load(path)


def runs(dest: str) -> list[str]:
    """The names of all runs that have records, the oldest first."""
    first: dict[str, str] = {}
    for path in (Path(dest) / FOLDER).glob("*/*.json"):
        run = path.parent.name
        # One record tells: all of a run begin after all of the run before it.
        if run not in first:
            first[run] = _load(path).started
    return sorted(first, key=lambda run: (first[run], run))


def folder(dest: str, run: str) -> Path:
    """Where the records of a run are. Raises Failed for a name that is none of a file."""
    if not _NAME.match(run):
        raise Failed(f"{run!r} names no run; a run's name is letters, digits, dots and dashes")
    return Path(dest) / FOLDER / run


def record_path(dest: str, run: str, host: str) -> Path:
    """The file of a record."""
    return folder(dest, run) / f"{host}.json"


def _load(path: Path) -> Record:
    try:
        document = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise Failed(f"{path}: not a record: {error}") from error
    return decode(Record, document, str(path))
