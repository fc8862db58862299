# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The software node of a Linux host, by its command line; somebody else's connection runs the commands."""

from __future__ import annotations

import contextlib
import json
import uuid
from collections.abc import Callable, Sequence
from types import TracebackType
from typing import Any

from ..platforms.driver import Change
from .progress import Phase, Progress
from .session import TransportError

# run(argv, standard input) -> (exit code, standard output, standard error)
Run = Callable[[list[str], str], tuple[int, str, str]]

COMMAND = ("/opt/ipv4aas/current/bin/ipv4aas-node",)
OWNER = "ipv4aas.fleet"
# Seconds: longer than the node honours the lock of an owner that is silent, so that a dead run delays the
# next one and does not stop it.
LOCK_PATIENCE = 40
# Seconds that an answer may be late before the change counts as begun.
_LATENESS = 60
# Words of a shell, of env, of the node and of ssh -> what helps.
_ADVICE = {
    "ipv4aas-node: not found": "install the software node with the role ipv4aas.fleet.software_node",
    "/usr/bin/env: ": "install Python 3.11 or newer on the host",
    "no node answers": "the role ipv4aas.fleet.software_node does that",
    "[Errno 13]": "set ansible_become: true for the host",
    "Permission denied (": "look at ansible_user, ansible_password and ansible_ssh_private_key_file of the"
    " host",
    "connect to host": "look at ansible_host and ansible_port of the host",
}


class LocalSession:
    """A session.Session with the software node.

    ``run`` runs a command on the host and gives exit code, standard output and standard error; an
    exception of its own counts as a lost answer.
    """

    reverts_by_itself = True

    def __init__(
        self, run: Run, command: Sequence[str] = COMMAND, lock_patience: float = LOCK_PATIENCE
    ) -> None:
        self._run, self._command, self._lock_patience = run, list(command), lock_patience
        self._owner = f"{OWNER}:{uuid.uuid4().hex[:8]}"
        self._progress = Progress()
        self._begun = False

    def __enter__(self) -> LocalSession:
        self._call("connect", "status")
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The error that ended the session says more; the node goes back by itself.
        with contextlib.suppress(TransportError):
            self.revert()

    def begin(self) -> None:
        self._progress = Progress()
        self._begun = True
        self._call("begin", "begin", *self._own, "--wait", f"{self._lock_patience}")

    def read(self) -> str:
        return json.dumps(self._call("read", "read"), indent=2) + "\n"

    def propose(self, change: Change) -> str:
        self._begun = True
        diff: str = self._call("propose", "propose", *self._own, feed=change.payload)["diff"]
        self._progress.phase = Phase.STAGED
        return diff

    def apply(self, confirm_within: int) -> None:
        sure = self._progress.phase
        self._progress.phase = Phase.APPLYING
        self._progress.reverts_in(confirm_within + _LATENESS)
        self._call("apply", "apply", *self._own, "--within", str(confirm_within), refused=sure)
        self._progress.phase = Phase.PENDING
        self._progress.reverts_in(confirm_within)

    def confirm(self) -> None:
        sure = self._progress.phase
        self._progress.phase = Phase.CONFIRMING
        self._call("confirm", "confirm", *self._own, refused=sure)
        self._progress.phase = Phase.CONFIRMED
        self._begun = False

    def revert(self) -> None:
        if not self._begun:
            return
        self._call("revert", "revert", *self._own)
        self._progress.phase = Phase.IDLE
        self._begun = False

    @property
    def _own(self) -> tuple[str, str]:
        return "--owner", self._owner

    def _call(self, step: str, *words: str, feed: str = "", refused: Phase | None = None) -> Any:
        """The node's answer. Where the node itself refuses, the phase goes back to ``refused``."""
        try:
            code, out, err = self._run([*self._command, *words], feed)
        except Exception as error:
            raise TransportError(step, _advised(f"no answer: {error}"), self._progress.left) from error
        if code == 0:
            with contextlib.suppress(ValueError):
                return json.loads(out)
        wrong = _refusal(err)
        if wrong is not None and refused is not None:
            self._progress.phase = refused
        said = " ".join((err or out).split()) or "nothing"
        wrong = wrong or f"no answer: exit code {code}, it said: {said}"
        raise TransportError(step, _advised(wrong), self._progress.left)


def _advised(wrong: str) -> str:
    """With what helps, where that is known."""
    return "; ".join([wrong, *(advice for words, advice in _ADVICE.items() if words in wrong)])


def _refusal(text: str) -> str | None:
    """The node's own words in what came on standard error, where a connection may have put its own too."""
    for line in reversed(text.splitlines()):
        with contextlib.suppress(ValueError):
            found = json.loads(line)
            if isinstance(found, dict) and isinstance(found.get("error"), str):
                return str(found["error"])
    return None
