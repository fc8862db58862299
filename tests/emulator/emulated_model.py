# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands for any device with a command line: a platform case's model of a device behind real SSH.

The model (tests/platform_cases) knows the configuration language and refuses what the device would refuse;
the manners (terminal.Manners) say how one gets into configuration mode, whether there is a candidate, and
what a trial is. It forwards no packet. A restart keeps what was saved or, where there is a candidate,
committed.
"""

from __future__ import annotations

import copy
import re
from collections.abc import Callable
from pathlib import Path

from emulated_router import Closed, Router
from platform_cases.case import Device
from platform_cases.terminal import Manners


class ModelRouter(Router):
    """``device`` is the model, with what it runs at the start."""

    def __init__(self, folder: Path, device: Device, manners: Manners, second: float = 0.1) -> None:
        super().__init__(folder, second)
        self.running, self.saved, self.manners = device, copy.deepcopy(device), manners
        self.before_trial: Device | None = None
        self.editor: ModelShell | None = None

    def new_shell(self) -> ModelShell:
        return ModelShell(self)

    @property
    def waiting(self) -> bool:
        return self.before_trial is not None

    def on_restart(self) -> None:
        if self.before_trial is not None:
            self.roll_back()
        if not self.manners.candidate:
            self.running = copy.deepcopy(self.saved)
        self.editor = None

    def text(self) -> str:
        """The whole running configuration."""
        return self.running.show()

    def begin_trial(self, seconds: int) -> None:
        self.before_trial = copy.deepcopy(self.running)
        self.set_timer(seconds, self.roll_back)

    def end_trial(self) -> None:
        self.before_trial = None
        self.set_timer(None, None)

    def roll_back(self) -> None:
        """The time is up."""
        assert self.before_trial is not None
        self.running = self.before_trial
        self.end_trial()


class ModelShell:
    """One session."""

    def __init__(self, router: ModelRouter) -> None:
        self.router, self.manners = router, router.manners
        self.inside = self.manners.always
        self.path: list[str] = []  # lines of the open submodes
        self.candidate: Device | None = None
        self.typed = False  # something that is not committed or saved

    def prompt(self) -> str:
        mark = self.manners.marks[self.typed]
        if not self.inside:
            return f"{self.manners.exec_prompt.format(mark=mark)} "
        mode = self.manners.mode if self.path else ""
        return f"{self.manners.inside_prompt.format(mode=mode, mark=mark)} "

    def gone(self) -> None:
        self._outside()

    def answer(self, line: str) -> str:
        if self.inside:
            known = self._inside(line)
            if known is not None:
                return known
            if line.startswith(self.manners.show) and (
                self.manners.show or self._is(self.manners.read, line)
            ):
                line = line.removeprefix(self.manners.show)
            else:
                return self._edit(line)
        return self._exec(line)

    def _exec(self, line: str) -> str:
        manners, router = self.manners, self.router
        if self._is(manners.quiet, line):
            return ""
        if line == manners.read:
            return router.text().rstrip("\n") + "\n"
        if (match := re.fullmatch(manners.trial, line)) and not manners.candidate:
            router.begin_trial(int(match[1]) * manners.unit)
            return self._enter()
        for pattern, action in self._trial_ends():
            if self._is(pattern, line):
                return action()
        if self._is(manners.enter, line):
            return self._enter()
        if self._is(manners.save, line):
            router.saved = copy.deepcopy(router.running)
            self.typed = False
            return ""
        if line in ("exit", "quit"):
            raise Closed
        return f"{manners.refused}\n"

    def _inside(self, line: str) -> str | None:
        """The answer to what is no line of configuration; None for one that is."""
        manners = self.manners
        if self.path and line == manners.exit:
            self.path.pop()
            return ""
        if self._is(manners.leave, line):
            self._outside()
            return ""
        if self._is(manners.top, line):
            self.path = []
            return ""
        if self._is(manners.quiet, line):
            return ""
        if self._is(manners.save, line):
            self.router.saved = copy.deepcopy(self.router.running)
            return ""
        if not manners.candidate:
            return None
        actions: tuple[tuple[str, Callable[[], str]], ...] = (
            (manners.compare, self._compare),
            (manners.check, lambda: ""),
            (manners.discard, self._discard),
            (manners.commit, self._commit),
            *self._trial_ends(),
        )
        for pattern, action in actions:
            if self._is(pattern, line):
                return action()
        if match := re.fullmatch(manners.trial, line):
            self.router.begin_trial(int(match[1]) * manners.unit)
            return self._activate()
        return None

    def _edit(self, line: str) -> str:
        target = self.candidate if self.manners.candidate else self.router.running
        assert target is not None
        trial = copy.deepcopy(target)
        if not self.manners.exit and self._is(self.manners.opens, line):
            self.path = []
        lines = [*self.path, line]
        try:
            trial.apply("".join(f"{' ' * depth}{text}\n" for depth, text in enumerate(lines)))
        except (AssertionError, KeyError, ValueError):
            return f"{self.manners.refused}\n"
        self.typed = True
        if self.manners.candidate:
            self.candidate = trial
        else:
            self.router.running = trial
        if self._is(self.manners.opens, line):
            self.path.append(line)
        return ""

    def _enter(self) -> str:
        if self.manners.candidate:
            if self.router.editor not in (None, self):
                return "the configuration is locked by another user\n"
            self.router.editor = self
            self.candidate = copy.deepcopy(self.router.running)
        self.inside, self.path = True, []
        return ""

    def _outside(self) -> None:
        self.inside, self.path, self.candidate = False, [], None
        if self.router.editor is self:
            self.router.editor = None

    def _compare(self) -> str:
        assert self.candidate is not None
        old, new = self.router.text().splitlines(), self.candidate.show().splitlines()
        return "".join(f"- {x}\n" for x in old if x not in new) + "".join(
            f"+ {x}\n" for x in new if x not in old
        )

    def _discard(self) -> str:
        self.candidate = copy.deepcopy(self.router.running)
        self.path = []
        self.typed = False
        return ""

    def _commit(self) -> str:
        self.router.end_trial()
        return self._activate()

    def _activate(self) -> str:
        assert self.candidate is not None
        self.router.running = copy.deepcopy(self.candidate)
        self.typed = False
        return ""

    def _trial_ends(self) -> tuple[tuple[str, Callable[[], str]], ...]:
        return ((self.manners.confirm, self._confirm), (self.manners.revert, self._revert))

    def _confirm(self) -> str:
        if not self.router.waiting:
            return f"{self.manners.refused}\n"
        self.router.end_trial()
        return ""

    def _revert(self) -> str:
        if not self.router.waiting:
            return f"{self.manners.refused}\n"
        self.router.roll_back()
        if self.manners.candidate:
            self._discard()
        return ""

    @staticmethod
    def _is(pattern: str, line: str) -> bool:
        return re.fullmatch(pattern, line) is not None
