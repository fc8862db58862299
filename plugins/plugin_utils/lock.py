# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The lock of the rollout: one run at a time changes the fleet whose plan and journal are in a folder."""

from __future__ import annotations

import contextlib
import fcntl
import json
import os
import socket
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path

from ansible_collections.ipv4aas.fleet.engine.codec import CodecError, decode, encode

from .action import Failed
from .files import replace

NAME = "rollout.lock"


@dataclass(frozen=True, slots=True, kw_only=True)
class Holder:
    """The run that holds the lock, and the process that carries it out."""

    run: str
    who: str
    since: str  # RFC 3339, UTC
    host: str  # the controller
    pid: int  # of ansible-playbook
    born: str  # when that process began, as its system counts; empty where the system does not tell

    @property
    def alive(self) -> bool:
        """Whether it may still be at work; a controller elsewhere cannot be asked and counts as alive."""
        return self.host != socket.gethostname() or (_exists(self.pid) and born(self.pid) == self.born)

    def __str__(self) -> str:
        return f"run {self.run} of {self.who} since {self.since}, process {self.pid} on {self.host}"


def holder(dest: str) -> Holder | None:
    """Who holds the lock, dead or alive. Raises Failed where the file is none of ours."""
    path = Path(dest) / NAME
    try:
        return decode(Holder, json.loads(path.read_text("utf-8")), str(path))
    except FileNotFoundError:
        return None
    except (ValueError, CodecError) as error:
        raise Failed(f"{path}: not a lock: {error}; remove it when no rollout is under way") from error


def take(dest: str, run: str, who: str, since: str, pid: int) -> Holder | None:
    """Takes the lock; returns the dead holder that it was taken from. Raises Failed where it is held."""
    with _guard(dest):
        found = holder(dest)
        if found is not None and found.alive:
            raise Failed(held(dest, found))
        mine = Holder(run=run, who=who, since=since, host=socket.gethostname(), pid=pid, born=born(pid))
        replace(Path(dest) / NAME, json.dumps(encode(mine)) + "\n")
        return found


def release(dest: str, run: str) -> None:
    """Gives the lock up, where it is this run's."""
    with _guard(dest):
        found = holder(dest)
        if found is not None and found.run == run:
            (Path(dest) / NAME).unlink()


def held(dest: str, found: Holder) -> str:
    """What to say to somebody who comes second."""
    return (
        f"another rollout is under way: {found}; wait for its end. If that process is surely gone, "
        f"remove {Path(dest) / NAME}"
    )


@contextlib.contextmanager
def _guard(dest: str) -> Iterator[None]:
    """Between looking at the lock and writing it nobody else does."""
    Path(dest).mkdir(parents=True, exist_ok=True)
    with (Path(dest) / f".{NAME}").open("w") as file:
        fcntl.flock(file, fcntl.LOCK_EX)
        yield


def _exists(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    except PermissionError:
        return True
    return True


def born(pid: int) -> str:
    """Clock ticks after boot at which a process began: the number of a process is given again."""
    try:
        stat = Path(f"/proc/{pid}/stat").read_text("utf-8")
    except OSError:
        return ""
    # The name, in parentheses, may hold anything.
    return stat.rpartition(")")[2].split()[19]
