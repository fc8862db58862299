# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands for the command line of an IOS XR router, as far as inline MAP-E needs it.

True to public transcripts of IOS XR: ``configure exclusive`` and its two refusals, a target
configuration of each session, ``commit confirmed`` as a trial that only its own session can confirm
and that ends when that session leaves configuration mode, the questions that ``end`` asks, "!" that
closes no mode, lines that name no statement, ``commit`` that fails as a whole. The grammar follows
Cisco-IOS-XR-um-service-cfg. Ours: the names of the configuration modes in the prompt, and which
values are only refused at commit (here: those that are no power of two).
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable, Iterable
from dataclasses import dataclass, field
from pathlib import Path

from emulated_router import Closed, Ground, Router

HOST = "RP/0/RSP0/CPU0:asr9k"
INVALID = "{0}^\n% Invalid input detected at '^' marker.\n"
FAILED = (
    "\n% Failed to commit one or more configuration items during a pseudo-atomic operation. All changes"
    " made have been reverted. Please issue 'show configuration failed [inheritance]' from this session"
    " to view the errors\n"
)
LEAVING = (
    "\nYou are exiting after a 'commit confirm' with an active rollback session.  If you exit the"
    " configuration awaiting confirmation will not be confirmed and the router will immediately rollback"
    " to the previous configuration.\nDo you wish to exit? [no]: "
)
UNCOMMITTED = "Uncommitted changes found, commit them before exiting(yes/no/cancel)? [cancel]: "


@dataclass
class Line:
    """A configuration line and what stands below it."""

    text: str
    children: list[Line] = field(default_factory=list)

    def copy(self) -> Line:
        return Line(self.text, [child.copy() for child in self.children])


def _number(least: int, most: int) -> Callable[[str], bool]:
    return lambda word: word.isdigit() and least <= int(word) <= most


def _name(word: str) -> bool:
    return 1 <= len(word) <= 24


def _fits(kind: Callable[[str], object]) -> Callable[[str], bool]:
    def check(word: str) -> bool:
        try:
            kind(word)
        except ValueError:
            return False
        return True

    return check


_IPV6 = _fits(ipaddress.IPv6Address)
_IPV6_PREFIX = _fits(ipaddress.IPv6Network)
_IPV4_PREFIX = _fits(ipaddress.IPv4Network)


@dataclass(frozen=True)
class Statement:
    """Fixed words, a check of the word after them, and the statements of the mode that it opens."""

    words: str
    check: Callable[[str], bool]
    mode: str = ""
    below: tuple[Statement, ...] = ()
    many: bool = False  # several with different values may stand side by side


_MAP_E = (
    Statement("br-endpoint-address", _IPV6),
    Statement("contiguous-ports", _number(1, 65536)),
    Statement("cpe-domain ipv4 prefix", _IPV4_PREFIX),
    Statement("cpe-domain ipv6 prefix", lambda word: _IPV6(word) or _IPV6_PREFIX(word)),
    Statement("sharing-ratio", _number(1, 32768)),
)
_CGV6 = (
    Statement("service-inline interface", bool, many=True),
    Statement("service-type map-e", _name, "config-cgv6-map-e", _MAP_E, many=True),
)
GRAMMAR = (
    Statement("hostname", bool),
    Statement("service cgv6", _name, "config-cgv6", _CGV6, many=True),
)
_POWERS = ("contiguous-ports", "sharing-ratio")


def parse(text: str) -> list[Line]:
    """Indented text to lines."""
    root = Line("")
    stack = [(-1, root)]
    for raw in text.splitlines():
        if raw.strip() in ("", "!", "end") or raw.startswith("!!"):
            continue
        depth = len(raw) - len(raw.lstrip())
        while stack[-1][0] >= depth:
            stack.pop()
        line = Line(raw.strip())
        stack[-1][1].children.append(line)
        stack.append((depth, line))
    return root.children


def show(lines: Iterable[Line], depth: int = 0) -> str:
    """As ``show running-config`` prints it."""
    text = ""
    for line in lines:
        text += " " * depth + line.text + "\n"
        if line.children:
            text += show(line.children, depth + 1) + " " * depth + "!\n"
    return text


def _copy(lines: list[Line]) -> list[Line]:
    return [line.copy() for line in lines]


class IosXrRouter(Router):
    """``running`` is the configuration at the start; ``second`` scales the trial's seconds."""

    def __init__(self, folder: Path, running: str, second: float = 0.1, ground: Ground | None = None) -> None:
        super().__init__(folder, second, ground)
        self.take(running)
        self.before_trial: list[Line] | None = None
        self.trial_of: XrShell | None = None
        self.lock: XrShell | None = None

    def take(self, running: str) -> None:
        """What it runs, whatever it ran."""
        self.running = parse(running)

    def new_shell(self) -> XrShell:
        return XrShell(self)

    @property
    def waiting(self) -> bool:
        return self.trial_of is not None

    def on_restart(self) -> None:
        self.roll_back()
        self.lock = None

    def try_out(self, shell: XrShell, configuration: list[Line], seconds: int) -> None:
        """A confirmed commit."""
        self.before_trial, self.running, self.trial_of = self.running, configuration, shell
        self.set_timer(seconds, self.roll_back)

    def keep(self) -> None:
        """The confirming commit."""
        self.set_timer(None, None)
        self.before_trial = self.trial_of = None

    def roll_back(self) -> None:
        if self.before_trial is not None:
            self.running = self.before_trial
        self.keep()

    def text(self) -> str:
        """The whole running configuration."""
        return show(self.running)


class XrShell:
    """One session."""

    def __init__(self, router: IosXrRouter) -> None:
        self.router = router
        self.target: list[Line] | None = None  # None outside configuration mode
        self.base: list[Line] = []
        self.path: list[tuple[Statement, str]] = []
        self.failed = ""
        self.question: Callable[[str], str] | None = None

    def prompt(self) -> str:
        if self.question is not None:
            return ""
        if self.target is None:
            return f"{HOST}#"
        return f"{HOST}({self.path[-1][0].mode if self.path else 'config'})#"

    def gone(self) -> None:
        # A trial goes on until its time is up; everything else ends with the session.
        if self.router.lock is self:
            self.router.lock = None
        self.target = None

    def answer(self, line: str) -> str:
        if self.question is not None:
            question, self.question = self.question, None
            return question(line)
        return self._operate(line) if self.target is None else self._configure(line)

    def _operate(self, line: str) -> str:
        if line in ("terminal width 511", "terminal length 0"):
            return ""
        if line == "exit":
            raise Closed
        if line.startswith("show running-config"):
            return self._show_running(line.removeprefix("show running-config").strip())
        if line in ("configure", "configure exclusive"):
            return self._enter(line)
        return INVALID.format(" " * 10)

    def _show_running(self, section: str) -> str:
        lines = [line for line in self.router.running if line.text.startswith(section)]
        header = "Mon Nov 23 09:10:02.875 UTC\n"
        if not section:
            header += "Building configuration...\n!! IOS XR Configuration 7.10.1\n!\n"
        return header + show(lines) + ("" if section else "end\n") + "\n"

    def _enter(self, line: str) -> str:
        if line == "configure exclusive":
            if self.router.trial_of is not None:
                return (
                    "Cannot enter exclusive mode. A trial commit is underway in another configuration"
                    " session.\n"
                )
            if self.router.lock is not None:
                return (
                    "Cannot enter exclusive mode. The Configuration Namespace is locked by another agent.\n"
                )
            self.router.lock = self
        self.base = self.router.running
        self.target, self.path = _copy(self.router.running), []
        return ""

    def _configure(self, line: str) -> str:
        if line.startswith("do "):
            return self._operate(line.removeprefix("do "))
        if line.startswith("!"):
            return ""
        if line == "root":
            self.path = []
            return ""
        if line == "exit" and self.path:
            self.path.pop()
            return ""
        if line in ("end", "exit"):
            return self._end()
        if line == "abort":
            self._leave()
            return ""
        if line == "show commit changes diff":
            return (
                "Mon Nov 23 09:10:03.113 UTC\nBuilding configuration...\n!! IOS XR Configuration 7.10.1\n"
                + (self._diff() + "end\n\n")
            )
        if line == "show configuration failed":
            return f"Mon Nov 23 09:10:04.020 UTC\n{self.failed or '% No such configuration item(s)'}\n"
        if match := re.fullmatch(r"commit(?: confirmed (\d+))?", line):
            return self._commit(int(match[1]) if match[1] else None)
        return self._statement(line)

    def _diff(self) -> str:
        old, new = show(self.base).splitlines(), show(self.target or []).splitlines()
        return "".join(f"-  {x}\n" for x in old if x not in new) + "".join(
            f"+  {x}\n" for x in new if x not in old
        )

    def _statement(self, line: str) -> str:
        remove = line.startswith("no ")
        text = line.removeprefix("no ")
        grammar = self.path[-1][0].below if self.path else GRAMMAR
        statement = next((each for each in grammar if text.startswith(f"{each.words} ")), None)
        value = text.removeprefix(f"{statement.words} ") if statement else ""
        if statement is None or not statement.check(value):
            return INVALID.format(" " * (len(HOST) + 9))
        here = self._here()
        matching = [
            each
            for each in here
            if each.text == text or (not statement.many and each.text.startswith(f"{statement.words} "))
        ]
        for old in matching if remove or not statement.many else []:
            here.remove(old)
        if not remove:
            if not (statement.many and matching):
                here.append(Line(text))
            if self.path:
                here.sort(key=lambda each: _rank(grammar, each))
            if statement.mode:
                self.path.append((statement, text))
        return ""

    def _here(self) -> list[Line]:
        assert self.target is not None
        lines = self.target
        for _statement, text in self.path:
            lines = next(each for each in lines if each.text == text).children
        return lines

    def _commit(self, seconds: int | None) -> str:
        assert self.target is not None
        router = self.router
        if router.trial_of is self and seconds is None:
            router.keep()
            return "% Confirming commit for trial session.\n"
        if router.trial_of is not None:
            return "\n% Cannot commit because there is an unexpired trial/rollback session '00001000'.\n"
        if show(self.target) == show(self.base):
            return "No configuration changes to commit.\n"
        if seconds is not None and not 30 <= seconds <= 65535:
            return INVALID.format(" " * 40)
        self.failed = "".join(_commit_errors(self.target))
        if self.failed:
            return FAILED
        if seconds is None:
            router.running = _copy(self.target)
        else:
            router.try_out(self, _copy(self.target), seconds)
            if router.lock is self:
                router.lock = None
        self.base = router.running
        return ""

    def _end(self) -> str:
        if self.router.trial_of is self:
            return self._ask(LEAVING, self._end_trial)
        if show(self.target or []) != show(self.base):
            return self._ask(UNCOMMITTED, self._end_uncommitted)
        self._leave()
        return ""

    def _ask(self, question: str, then: Callable[[str], str]) -> str:
        self.question = then
        return question

    def _end_trial(self, answer: str) -> str:
        if answer == "yes":
            self.router.roll_back()
            self._leave()
        return ""

    def _end_uncommitted(self, answer: str) -> str:
        if answer == "yes":
            self._commit(None)
        if answer in ("yes", "no"):
            self._leave()
        return ""

    def _leave(self) -> None:
        self.target, self.path = None, []
        if self.router.lock is self:
            self.router.lock = None


def _rank(grammar: tuple[Statement, ...], line: Line) -> tuple[int, str]:
    """Lines come out in the order of the schema, not as they were entered."""
    index = next((i for i, each in enumerate(grammar) if line.text.startswith(f"{each.words} ")), -1)
    return index, line.text


def _commit_errors(lines: Iterable[Line]) -> Iterable[str]:
    for line in lines:
        words = line.text.split()
        if words[0] in _POWERS and int(words[1]).bit_count() != 1:
            yield (
                f"!! SEMANTIC ERRORS: This configuration was rejected by\n{line.text}\n"
                "!!% Invalid argument: the value is no power of two\n"
            )
        yield from _commit_errors(line.children)
