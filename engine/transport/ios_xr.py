# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IOS XR command line: exclusive configuration and commit confirmed.

The trial of a confirmed commit belongs to the session that made it: only that one can confirm it,
leaving its configuration mode takes the change back at once, and the router takes it back by itself
when the time is up, whether the session is still there or not.
"""

from __future__ import annotations

import re

from ..platforms.driver import Change
from .nested import type_nested
from .ssh import Rejected, refusal_to_show
from .target import Target
from .terminal import Terminal

LEAST_SECONDS = 30
MOST_SECONDS = 65535

_TIMESTAMP = re.compile(r"\A\w{3} \w{3} +\d+ [\d:.]+ \w+\n?")
_ERROR = re.compile(r"^%(?! WARNING|\s*Confirming commit)|^\s*\^\s*$", re.MULTILINE)
_NOTHING = "No configuration changes to commit"
# What a commit may ask: the configuration is large; others have committed; leaving ends the trial.
_LARGE = r"\[y/n\]\[confirm\]"
_OTHERS = r"proceed with this commit anyway\? \[no\]:"
_ENDS_TRIAL = r"Do you wish to exit\? \[no\]:"
_UNCOMMITTED = r"\(yes/no/cancel\)\? *\[cancel\]:"


class IosXr:
    """A ssh.CommandLine."""

    reverts_by_itself = True

    def __init__(self, target: Target, read_command: str = "show running-config") -> None:
        self.target = target
        self._terminal = Terminal(
            target,
            "cisco_xr",
            begins_outside=True,
            preparation=("terminal width 511", "terminal length 0"),
        )
        self._read_command = read_command

    def open(self) -> None:
        self._terminal.open()

    def close(self) -> None:
        self._terminal.close()

    def at_rest(self) -> bool:
        return False

    def begin(self) -> None:
        answer = self._terminal.run("configure exclusive")
        if not self._configuring:
            raise Rejected(answer)

    def read(self) -> str:
        command = f"do {self._read_command}" if self._configuring else self._read_command
        answer = self._answered(command)
        _refuse(command, refusal_to_show(answer))
        return answer

    def stage(self, change: Change) -> str:
        type_nested(change.payload, self._run, lambda: self._terminal.prompt)
        return self._run("show commit changes diff")

    def leave(self) -> None:
        self._run("abort")

    def seconds(self, confirm_within: int) -> int:
        return min(max(confirm_within, LEAST_SECONDS), MOST_SECONDS)

    def apply(self, seconds: int) -> None:
        self._commit(f"commit confirmed {seconds}")

    def confirm(self) -> None:
        answer = self._commit("commit")
        if _NOTHING in answer:
            raise Rejected("the router no longer waits for a confirmation: it has gone back by itself")
        self._run("end")

    def take_back(self) -> None:
        answer = self._terminal.run("end", f"{_ENDS_TRIAL}|{_UNCOMMITTED}")
        if re.search(f"{_ENDS_TRIAL}$", answer):
            self._terminal.run("yes")
        elif re.search(f"{_UNCOMMITTED}$", answer):
            self._terminal.run("no")

    @property
    def _configuring(self) -> bool:
        return "(config" in self._terminal.prompt

    def _commit(self, command: str) -> str:
        answer = self._terminal.run(command, f"{_LARGE}|{_OTHERS}")
        if re.search(f"{_OTHERS}$", answer):
            raise Rejected(f"{answer} {self._terminal.run('no')}")
        if re.search(f"{_LARGE}$", answer):
            answer = self._terminal.run("y")
        if _ERROR.search(answer):
            raise Rejected(f"{command}: {answer} {self._terminal.run('show configuration failed')}")
        return answer

    def _run(self, line: str) -> str:
        answer = self._answered(line)
        _refuse(line, answer)
        return answer

    def _answered(self, line: str) -> str:
        return _TIMESTAMP.sub("", self._terminal.run(line))


def _refuse(line: str, answer: str) -> None:
    if _ERROR.search(answer):
        raise Rejected(f"{line}: {answer}")
