# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A command line that is described by data: the words of ``access`` in a platform's features.yml.

Two kinds of device. One keeps what is typed as a candidate until a commit; the other does each line at
once. Both may have a trial: a commit, or a way into configuration mode, that the device takes back by
itself unless it is confirmed. Without one the session is a weaker one (ssh.SshSession).
"""

from __future__ import annotations

import re
from collections.abc import Iterable
from contextlib import suppress
from dataclasses import dataclass, field
from typing import Any

from ..codec import decode
from ..platforms.driver import Change
from .nested import type_nested
from .ssh import Rejected, refusal_to_show
from .target import Target
from .terminal import Terminal

_MOST_QUESTIONS = 5  # that one command asks


@dataclass(frozen=True, slots=True, kw_only=True)
class Words:
    """Commands and patterns. ``{time}`` in ``trial`` is the time to confirm, in units of ``unit`` seconds."""

    terminal: str  # netmiko's name of the kind of device
    read: str  # shows the running configuration
    enter: tuple[str, ...]  # into configuration mode; takes the lock where there is one
    leave: tuple[str, ...]  # out of it
    inside: str  # pattern of the prompt in it
    error: str  # pattern in an answer that refuses; ^ and $ match at lines
    prompt: str = r"{name}[^\r\n]*[>#]"  # pattern of all prompts
    banner: str = ""  # pattern of a line above the prompt that tells the mode, where there is one
    marks: str = ""  # pattern of what in a prompt shows only that something is not committed or saved
    show: str = ""  # before ``read`` in configuration mode, such as "do "
    exit: str = "exit"  # leaves a nested mode; empty where each line is a whole command
    candidate: bool = False
    compare: str = ""  # candidate: the device's own diff
    check: str = ""  # candidate: validates it
    discard: tuple[str, ...] = ()  # candidate: forgets it
    commit: str = ""  # candidate: makes it active for good
    trial: str = ""  # candidate: in place of commit; else in place of enter
    unit: int = 1
    most: int = 65535  # units that a trial can last
    confirm: tuple[str, ...] = ()  # ends a trial for good
    revert: tuple[str, ...] = ()  # ends a trial at once
    save: tuple[str, ...] = ()  # keeps it over a restart
    answers: dict[str, str] = field(default_factory=dict)  # pattern of a question -> what is answered


class Described:
    """A ssh.CommandLine. ``words`` are the fields of Words."""

    def __init__(self, target: Target, **words: Any) -> None:
        self.target = target
        self._words = decode(Words, words, "access")
        self._terminal = Terminal(target, self._words.terminal, self._words.prompt, self._words.banner)
        self._change: Change | None = None
        self._error = re.compile(self._words.error, re.MULTILINE)

    @property
    def reverts_by_itself(self) -> bool:
        return bool(self._words.trial)

    def open(self) -> None:
        self._terminal.open()

    def close(self) -> None:
        self._terminal.close()

    def at_rest(self) -> bool:
        return False

    def begin(self) -> None:
        if self._words.candidate:
            self._enter(self._words.enter)

    def read(self) -> str:
        line = f"{self._words.show if self._configuring else ''}{self._words.read}"
        answer = self._answered(line)
        self._refuse(line, refusal_to_show(answer))
        return answer

    def stage(self, change: Change) -> str:
        self._change = change
        if not self._words.candidate:
            return ""
        self._type(change.payload)
        difference = self._run(self._words.compare) if self._words.compare else ""
        if self._words.check:
            self._run(self._words.check)
        return difference

    def leave(self) -> None:
        if self._configuring:
            self._run_all(self._words.discard)
            self._run_all(self._words.leave)

    def seconds(self, confirm_within: int) -> int:
        unit = self._words.unit
        return unit * min(-(-confirm_within // unit), self._words.most)

    def apply(self, seconds: int) -> None:
        words = self._words
        trial = words.trial.format(time=seconds // words.unit)
        if words.candidate:
            self._run(trial or words.commit)
            return
        assert self._change is not None
        self._enter((trial,) if trial else words.enter)
        try:
            self._type(self._change.payload)
        except Rejected:
            # The lines before it are active already.
            self._run_all(words.leave)
            self.take_back()
            raise
        self._run_all(words.leave)

    def confirm(self) -> None:
        self._run_all(self._words.confirm)
        if self._configuring:
            self._run_all(self._words.leave)
        self._run_all(self._words.save)

    def take_back(self) -> None:
        words = self._words
        if words.trial:
            self._run_all(words.revert)
        elif self._change is not None:
            if not self._configuring:
                self._enter(words.enter)
            self._type(self._change.undo, tolerant=not words.candidate)
            if words.candidate:
                self._run(words.commit)
        if self._configuring:
            self._run_all(words.leave)

    @property
    def _configuring(self) -> bool:
        return re.search(self._words.inside, self._terminal.prompt) is not None

    @property
    def _place(self) -> str:
        """The prompt as far as it tells the mode."""
        return re.sub(self._words.marks, "", self._terminal.prompt)

    def _enter(self, commands: Iterable[str]) -> None:
        answers = [self._run(command) for command in commands]
        if not self._configuring:
            raise Rejected(" ".join(answers) or "the device does not enter configuration mode")

    def _type(self, payload: str, *, tolerant: bool = False) -> None:
        """``tolerant``: a line that is refused, such as one that deletes what never came, is passed over."""

        def run(line: str) -> None:
            with suppress(*((Rejected,) if tolerant else ())):
                self._run(line)

        if self._words.exit:
            type_nested(payload, run, lambda: self._place, self._words.exit, close=True)
        else:
            for line in payload.splitlines():
                run(line)

    def _run_all(self, commands: Iterable[str]) -> None:
        for command in commands:
            self._run(command)

    def _run(self, line: str) -> str:
        """What the device says. Raises Rejected."""
        answer = self._answered(line)
        self._refuse(line, answer)
        return answer

    def _refuse(self, line: str, answer: str) -> None:
        if self._error.search(answer):
            raise Rejected(f"{line}: {answer}")

    def _answered(self, line: str) -> str:
        """What the device says, its questions answered."""
        questions = "|".join(self._words.answers)
        answer = self._terminal.run(line, questions)
        for _ in range(_MOST_QUESTIONS):
            reply = self._reply(answer)
            if reply is None:
                break
            answer = self._terminal.run(reply, questions)
        return answer

    def _reply(self, answer: str) -> str | None:
        for question, reply in self._words.answers.items():
            if re.search(rf"(?:{question})\s*$", answer):
                return reply
        return None
