# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The node's configuration: what is confirmed, what is on trial, what is proposed, and by whom.

Only the confirmed one is on disk. A node that is killed while another is on trial therefore
comes back with the confirmed one.
"""

from __future__ import annotations

import dataclasses
import difflib
import functools
import json
import os
import re
import typing
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from ..codec import encode
from ..techniques.service import NodeConfiguration
from . import check

NAME = "running.json"
LEASE = 30.0  # seconds of silence after which another proposer may take over

_PIECE = 1000
_CONTEXT = 3
_MOST_LINES = 20_000  # shown of a difference; difflib needs seconds for as many
_HUNK = re.compile(r"@@ -(\d+)(,\d+)? \+(\d+)(,\d+)? @@")

EMPTY = NodeConfiguration(node="", services=())


class StoreError(Exception):
    """The command cannot be done now; says why and what can be done."""


@dataclass(frozen=True, slots=True)
class Lock:
    """Who is changing the configuration, and until when nobody else may."""

    owner: str
    until: float


@dataclass(frozen=True, slots=True)
class Trial:
    """A configuration that runs but goes back at ``deadline`` unless confirmed."""

    configuration: NodeConfiguration
    deadline: float


class Store:
    """The configuration of one node. Times are of one monotonic clock, in seconds."""

    def __init__(self, folder: Path) -> None:
        """Reads the confirmed configuration. Raises StoreError where it cannot be understood."""
        self._path = folder / NAME
        self.confirmed = load(self._path)
        self.candidate: NodeConfiguration | None = None
        self.trial: Trial | None = None
        self.lock: Lock | None = None

    @property
    def running(self) -> NodeConfiguration:
        """What the node should run now."""
        return self.trial.configuration if self.trial else self.confirmed

    def begin(self, owner: str, now: float) -> None:
        """Lock for ``owner``; a proposal or trial left from before is taken back. Raises StoreError."""
        self._take(owner, now)
        self.candidate = self.trial = None

    def propose(self, owner: str, document: Any, now: float) -> str:
        """Keep a valid document as candidate; the difference to what runs. Raises StoreError or Refused."""
        self._take(owner, now)
        self.candidate = None
        self.candidate = check.configuration(document)
        return difference(self.running, self.candidate)

    def proposed(self, owner: str, now: float) -> NodeConfiguration:
        """The candidate, for its owner. Raises StoreError."""
        self._take(owner, now)
        if self.candidate is None:
            raise StoreError("there is no proposal; propose one first")
        return self.candidate

    def accept(self, owner: str, within: float | None, now: float) -> None:
        """The candidate runs: on trial for ``within`` seconds, or for good. Raises StoreError or OSError."""
        candidate = self.proposed(owner, now)
        if within is None:
            self._keep(candidate)
        else:
            self.trial, self.candidate = Trial(candidate, now + within), None

    def confirm(self, owner: str, now: float) -> None:
        """Keep what is on trial, also over a restart. Raises StoreError or OSError."""
        if self.trial is None or self.lock is None or self.lock.owner != owner:
            raise StoreError(
                f"{owner} has nothing to confirm: nothing was applied, or it has gone back already"
            )
        self._take(owner, now)
        self._keep(self.trial.configuration)

    def revert(self, owner: str, now: float) -> None:
        """Forget proposal and trial, and unlock. Raises StoreError."""
        self.begin(owner, now)
        self.lock = None

    def tick(self, now: float) -> None:
        """End a trial whose time is over."""
        if self.trial is not None and self.trial.deadline <= now:
            self.trial = self.candidate = self.lock = None

    def view(self, now: float) -> dict[str, Any]:
        """State for display."""
        view: dict[str, Any] = {"state": "confirming" if self.trial else "confirmed"}
        if self.trial:
            view["seconds_left"] = round(self.trial.deadline - now, 1)
        if self.lock:
            view["owner"] = self.lock.owner
            view["proposal"] = self.candidate is not None
        return view

    def _take(self, owner: str, now: float) -> None:
        lock = self.lock
        if lock is not None and lock.owner != owner:
            if lock.until > now:
                what = "a change on trial" if self.trial else "a proposal"
                raise StoreError(
                    f"{lock.owner} has {what}; wait until it is confirmed or reverted,"
                    f" or until its owner was silent for {LEASE:.0f} s (now {lock.until - now:.0f} s more)"
                )
            self.candidate = self.trial = None
        self.lock = Lock(owner, now + LEASE)

    def _keep(self, configuration: NodeConfiguration) -> None:
        save(self._path, configuration)
        self.confirmed = configuration
        self.candidate = self.trial = self.lock = None


def text(configuration: NodeConfiguration) -> str:
    """The one way a configuration is written: entries of a table a line each, there may be a million."""
    return "\n".join(_lines(configuration, "")) + "\n"


def _lines(value: Any, indent: str) -> Iterator[str]:
    """JSON of a dataclass tree, indented where it has something nested; encoded row by row."""
    if _is_flat(value.__class__):
        yield json.dumps(encode(value))
        return
    deeper, members = indent + "  ", []
    if dataclasses.is_dataclass(value):
        opening, closing = "{", "}"
        members = [(f'"{f.name}": ', getattr(value, f.name)) for f in dataclasses.fields(value)]
    elif isinstance(value, tuple):
        opening, closing = "[", "]"
        members = [("", item) for item in value]
    if not any(isinstance(item, tuple) or dataclasses.is_dataclass(item) for _, item in members):
        yield json.dumps(encode(value))
        return
    yield opening
    for number, (name, item) in enumerate(members, 1):
        lines = list(_lines(item, deeper))
        lines[-1] += "," if number < len(members) else ""
        yield deeper + name + lines[0]
        yield from lines[1:]
    yield indent + closing


@functools.cache
def _is_flat(cls: type) -> bool:
    """Whether a class has nothing nested, whatever the values: a row of a table."""
    if not dataclasses.is_dataclass(cls):
        return False
    hints = typing.get_type_hints(cls).values()
    kinds = [kind for hint in hints for kind in (typing.get_args(hint) or (hint,))]
    return not any(
        typing.get_origin(hint) is tuple or dataclasses.is_dataclass(hint) for hint in (*hints, *kinds)
    )


def dissolve(document: Any) -> None:
    """Empty the large lists of a document piece by piece: to free them at once would keep packets waiting."""
    if isinstance(document, dict):
        for item in document.values():
            dissolve(item)
    elif isinstance(document, list):
        while len(document) > _PIECE:
            del document[-_PIECE:]
        for item in document:
            dissolve(item)


def difference(before: NodeConfiguration, after: NodeConfiguration) -> str:
    """Unified diff, empty where both are equal."""
    if before == after:
        return ""
    old, new = ([line + "\n" for line in _lines(one, "")] for one in (before, after))
    head = _alike(old, new)
    tail = _alike(old[: head - 1 if head else None : -1], new[: head - 1 if head else None : -1])
    # What is alike around the change is left out: difflib would be long about it.
    start, old_end, new_end = max(0, head - _CONTEXT), len(old) - tail + _CONTEXT, len(new) - tail + _CONTEXT
    if max(old_end, new_end) - start > _MOST_LINES:
        return f"{old_end - start} lines of {len(old)} become {new_end - start} other ones\n"
    lines = difflib.unified_diff(old[start:old_end], new[start:new_end], "running", "proposed")
    return "".join(_moved(line, start) for line in lines)


def _alike(one: list[str], other: list[str]) -> int:
    """How many lines at the beginning are the same."""
    return next(
        (n for n, (a, b) in enumerate(zip(one, other, strict=False)) if a != b), min(len(one), len(other))
    )


def _moved(line: str, by: int) -> str:
    """A line of a diff whose numbers count from line `by`."""
    found = _HUNK.match(line)
    if found is None:
        return line
    old, old_size, new, new_size = found.groups(default="")
    return f"@@ -{int(old) + by}{old_size} +{int(new) + by}{new_size} @@\n"


def load(path: Path) -> NodeConfiguration:
    """The configuration in a file, the empty one without a file. Raises StoreError."""
    if not path.exists():
        return EMPTY
    try:
        return check.configuration(json.loads(path.read_text("utf-8")))
    except (OSError, ValueError) as error:
        raise StoreError(f"{path}: {error}") from error


def save(path: Path, configuration: NodeConfiguration) -> None:
    """Replace the file so that a crash leaves the old or the new one, whole."""
    new = path.with_suffix(".new")
    descriptor = os.open(new, os.O_WRONLY | os.O_CREAT | os.O_TRUNC | os.O_CLOEXEC, 0o600)
    with os.fdopen(descriptor, "w", encoding="utf-8") as file:
        file.write(text(configuration))
        file.flush()
        os.fsync(file.fileno())
    new.replace(path)
    folder = os.open(path.parent, os.O_RDONLY | os.O_DIRECTORY)
    try:
        os.fsync(folder)
    finally:
        os.close(folder)
