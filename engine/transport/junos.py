# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Junos command line: exclusive configuration and commit confirmed, in minutes.

While a confirmed commit is pending, every ``commit`` and even ``commit check`` of anybody confirms
it; so a device with a pending one is left alone.
"""

from __future__ import annotations

import re

from ..platforms.driver import Change
from .ssh import Rejected
from .target import Target
from .terminal import Terminal

MOST_MINUTES = 65535

# Above the prompt: the routing engine's role and the place in the configuration.
_BANNER = re.compile(r"(\{[\w:-]+\})?(\[edit[^\]]*\])?")


class Junos:
    """A ssh.CommandLine."""

    reverts_by_itself = True

    def __init__(self, target: Target, read_command: str = "show configuration | display set") -> None:
        self.target = target
        self._terminal = Terminal(
            target,
            "juniper_junos",
            begins_outside=True,
            preparation=(
                "set cli screen-width 511",
                "set cli complete-on-space off",
                "set cli screen-length 0",
            ),
        )
        self._read_command = f"{read_command} | no-more"

    def open(self) -> None:
        self._terminal.open()

    def close(self) -> None:
        self._terminal.close()

    def at_rest(self) -> bool:
        return not self._pending

    def begin(self) -> None:
        if self._pending:
            raise Rejected(
                "a commit waits for its confirmation; run again when the device has rolled it back"
            )
        answer = self._terminal.run("configure exclusive")
        if not self._configuring:
            raise Rejected(answer)

    def read(self) -> str:
        return self._show(self._read_command)

    def stage(self, change: Change) -> str:
        for line in change.payload.splitlines():
            answer = self._run(line)
            if any(word and not word.startswith("warning:") for word in answer.splitlines()):
                raise Rejected(f"{line}: {answer}")
        difference = self._run("show | compare")
        self._expect("commit check", "configuration check succeeds")
        return difference

    def leave(self) -> None:
        self._expect("rollback 0", "load complete")
        self._leave_mode()

    def seconds(self, confirm_within: int) -> int:
        return 60 * min(-(-confirm_within // 60), MOST_MINUTES)

    def apply(self, seconds: int) -> None:
        self._expect(f"commit confirmed {seconds // 60}", "commit complete")

    def confirm(self) -> None:
        if not self._pending:
            raise Rejected("the device no longer waits for a confirmation: it has gone back by itself")
        self._expect("commit", "commit complete")
        self._leave_mode()

    def take_back(self) -> None:
        # Once the device has rolled back, "rollback 1" would be the change itself.
        if self._pending:
            self._expect("rollback 1", "load complete")
            self._expect("commit", "commit complete")
        self._leave_mode()

    @property
    def _configuring(self) -> bool:
        return self._terminal.prompt.endswith("#")

    @property
    def _pending(self) -> bool:
        """Whether the newest commit waits for its confirmation: a line of its own below it says so."""
        newest = re.split(
            r"^\s*1\s", self._show("show system commit | no-more"), maxsplit=1, flags=re.MULTILINE
        )
        return any(line.strip() == "rollback pending" for line in newest[0].splitlines())

    def _leave_mode(self) -> None:
        self._run("exit configuration-mode")

    def _show(self, command: str) -> str:
        return self._run(f"run {command}" if self._configuring else command)

    def _expect(self, command: str, success: str) -> None:
        answer = self._run(command)
        if success not in answer or re.search("^error:", answer, re.MULTILINE):
            raise Rejected(f"{command}: {answer}")

    def _run(self, line: str) -> str:
        """The answer without the banner of the next prompt."""
        lines = self._terminal.run(line).splitlines()
        while lines and _BANNER.fullmatch(lines[-1].strip()):
            lines.pop()
        return "\n".join(lines).strip("\n")
