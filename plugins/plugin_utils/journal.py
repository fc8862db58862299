# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each run did to each host, as files: who, when, before, after, verdict."""

from __future__ import annotations

import getpass
import json
from dataclasses import dataclass
from datetime import UTC, datetime
from pathlib import Path

from ansible_collections.ipv4aas.fleet.engine.codec import decode, encode

from .action import Failed
from .files import replace

CHANGED, UNCHANGED, FAILED = "changed", "unchanged", "failed"


@dataclass(frozen=True, slots=True, kw_only=True)
class Record:
    """One host in one run. ``before`` and ``after`` are what the services own of its configuration."""

    run: str
    host: str
    who: str
    started: str  # RFC 3339, UTC
    finished: str
    platform: str
    dialect: str
    verdict: str  # changed, unchanged or failed
    left: str  # how the device was left, in words
    message: str = ""  # what went wrong
    before: str | None = None  # None where it was not learned
    after: str | None = None


def who() -> str:
    """Who runs Ansible."""
    return getpass.getuser()


def now() -> str:
    """The time, for a record."""
    return datetime.now(UTC).isoformat(timespec="seconds")


def new_run() -> str:
    """A name for a run; sorts by time."""
    return datetime.now(UTC).strftime("%Y%m%dT%H%M%SZ")


def write(dest: str, record: Record) -> str:
    """Keeps a record; returns its path."""
    path = _path(dest, record.run, record.host)
    path.parent.mkdir(parents=True, exist_ok=True)
    replace(path, json.dumps(encode(record), indent=2) + "\n")
    return str(path)


def read(dest: str, run: str, host: str) -> Record | None:
    """The record of a host in a run, None where there is none. Raises Failed or CodecError."""
    path = _path(dest, run, host)
    if not path.is_file():
        return None
    try:
        document = json.loads(path.read_text("utf-8"))
    except ValueError as error:
        raise Failed(f"{path}: not a record: {error}") from error
    return decode(Record, document, str(path))


def _path(dest: str, run: str, host: str) -> Path:
    return Path(dest) / "journal" / run / f"{host}.json"
