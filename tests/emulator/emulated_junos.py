# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands for the command line of a Juniper MX or SRX, as far as the techniques need it.

True to public transcripts of Junos: one candidate that all share, ``configure exclusive`` and its
two refusals, ``commit check``, ``commit confirmed`` in minutes that any commit or commit check of
anybody confirms, ``show system commit`` with "rollback pending", ``rollback`` 0 and 1, the question
on leaving with uncommitted changes. Statements and ranges follow junos-conf-services and
junos-es-conf-security. Ours: which statements exist beside those of the techniques (none), the wording
of a value out of range, the form of the difference, and that a restart while a commit waits rolls it back.
"""

from __future__ import annotations

import ipaddress
import re
from collections.abc import Callable
from pathlib import Path

from emulated_router import Closed, Ground, Router

HOST = "netops@mx"
DISCARD = (
    "The configuration has been changed but not committed\n"
    "warning: Auto rollback on exiting 'configure exclusive'\n"
    "Discard uncommitted changes? [yes,no] (yes) "
)
KEEP = "The configuration has been changed but not committed\nExit with uncommitted changes? [yes,no] (yes) "

Words = tuple[str, ...]


def _range(least: int, most: int) -> Callable[[str], str]:
    def check(word: str) -> str:
        if word.isdigit() and least <= int(word) <= most:
            return ""
        return f"error: Value {word} is not within range ({least}..{most})\n"

    return check


def _address(kind: Callable[[str], object]) -> Callable[[str], str]:
    def check(word: str) -> str:
        try:
            kind(word)
        except ValueError:
            return f"error: invalid value '{word}' in ip address: '{word}'\n"
        return ""

    return check


def _anything(word: str) -> str:
    return ""


_MAP_E = r"services softwire softwire-concentrator map-e (\S{1,63})"
_MAP_T = r"services softwire softwire-concentrator map-t \S{1,63}"
_DS_LITE = r"services softwire softwire-concentrator ds-lite \S{1,63}"
_POOL = r"services nat pool \S{1,63}"
_TERM = r"services nat rule \S{1,63} term \S{1,63}"
_SOFTWIRE = r"security softwires softwire-name \S{1,23}"
_SOURCE_POOL = r"security nat source pool \S{1,63}"
_SOURCE_RULES = r"security nat source rule-set \S{1,63}"
_SOURCE_POOL_OF_RULE = rf"{_SOURCE_RULES} rule \S{{1,63}} then source-nat pool"
_STATIC_RULES = r"security nat static rule-set \S{1,63}"
_UNIT = r"interfaces ((?:si|ms|sp)-\d+/\d+/\d+|(?:ams|rms|rsp)\d+) unit \d+"
# Pattern of a statement, and the check of the word after it; None where no word follows.
GRAMMAR: tuple[tuple[str, Callable[[str], str] | None], ...] = (
    (rf"{_MAP_E} softwire-address", _address(ipaddress.IPv6Address)),
    (rf"{_MAP_E} ipv4-prefix", _address(ipaddress.IPv4Network)),
    (rf"{_MAP_E} mape-prefix", _address(ipaddress.IPv6Network)),
    (rf"{_MAP_E} ea-bits-len", _range(0, 48)),
    (rf"{_MAP_E} psid-offset", _range(0, 16)),
    (rf"{_MAP_E} psid-length", _range(0, 16)),
    (rf"{_MAP_E} mtu-v6", _range(1280, 9192)),
    (rf"{_MAP_E} version-03", None),
    (rf"{_MAP_T} dmr-prefix", _address(ipaddress.IPv6Network)),
    (rf"{_MAP_T} ipv4-prefix", _address(ipaddress.IPv4Network)),
    (rf"{_MAP_T} mapt-prefix", _address(ipaddress.IPv6Network)),
    (rf"{_MAP_T} ea-bits-len", _range(0, 48)),
    (rf"{_MAP_T} psid-(offset|length)", _range(0, 16)),
    (rf"{_MAP_T} mtu-v6", _range(1280, 9192)),
    (rf"{_DS_LITE} softwire-address", _address(ipaddress.IPv6Address)),
    (rf"{_DS_LITE} mtu-v6", _range(1280, 9192)),
    (rf"{_DS_LITE} session-limit-per-prefix", _range(0, 16384)),
    (r"services softwire rule \S+ match-direction", _anything),
    (r"services softwire rule \S+ term \S+ then (map-e|map-t|ds-lite)", _anything),
    (rf"{_POOL} address [0-9./]+", None),
    (rf"{_POOL} port range (low|high)", _range(1, 65535)),
    (rf"{_POOL} port secured-port-block-allocation block-size", _range(1, 64512)),
    (rf"{_POOL} port secured-port-block-allocation max-blocks-per-address", _range(1, 512)),
    (rf"{_POOL} limit-ports-per-address", _range(2, 65435)),
    (r"services nat rule \S+ match-direction", _anything),
    (rf"{_TERM} from destination-address \S+", None),
    (rf"{_TERM} then translated (source-pool|destination-prefix)", _anything),
    (rf"{_TERM} then translated translation-type (napt-44|stateful-nat64)", None),
    (rf"{_TERM} then translated (mapping-type|filtering-type) endpoint-independent", None),
    (rf"{_TERM} then translated address-pooling paired", None),
    (r"services service-set \S+ (softwire|nat)-rules \S+", None),
    (r"services service-set \S+ softwire-options dslite-ipv6-prefix-length", _anything),
    (rf"{_SOFTWIRE} softwire-concentrator", _address(ipaddress.IPv6Address)),
    (rf"{_SOFTWIRE} softwire-type", _anything),
    (rf"{_SOFTWIRE} mtu-v6", _range(1280, 9192)),
    (rf"{_SOFTWIRE} session-limit-per-prefix", _range(0, 16384)),
    (rf"{_SOURCE_POOL} address [0-9./]+", None),
    (rf"{_SOURCE_POOL} port range( to)?", _range(1024, 65535)),
    (rf"{_SOURCE_POOL} port block-allocation block-size", _range(1, 64512)),
    (rf"{_SOURCE_POOL} port block-allocation maximum-blocks-per-host", _range(1, 512)),
    (rf"{_SOURCE_POOL} port block-allocation last-block-recycle-timeout", _range(120, 864000)),
    (rf"{_SOURCE_POOL} limit-ports-per-host", _range(2, 65535)),
    (rf"{_SOURCE_POOL} address-pooling paired", None),
    (rf"{_SOURCE_POOL} address-persistent subscriber ipv6-prefix-length", _range(8, 128)),
    (rf"{_SOURCE_RULES} (from|to) zone \S+", None),
    (rf"{_SOURCE_RULES} rule \S+ match (source|destination)-address \S+", None),
    (_SOURCE_POOL_OF_RULE, _anything),
    (rf"{_SOURCE_POOL_OF_RULE} persistent-nat permit (any-remote-host|target-host)", None),
    (rf"{_SOURCE_POOL_OF_RULE} persistent-nat inactivity-timeout", _range(60, 7200)),
    (rf"{_SOURCE_POOL_OF_RULE} persistent-nat max-session-number", _range(8, 65536)),
    (rf"{_STATIC_RULES} from zone \S+", None),
    (rf"{_STATIC_RULES} rule \S+ match source-address \S+", None),
    (rf"{_STATIC_RULES} rule \S+ match destination-address", _address(ipaddress.IPv6Network)),
    (rf"{_STATIC_RULES} rule \S+ then static-nat inet", None),
    (r"services service-set \S+ next-hop-service (inside|outside)-service-interface", _anything),
    (rf"{_UNIT} family inet6?", None),
    (rf"{_UNIT} service-domain", _anything),
    (r"system location building", _anything),
)


class JunosRouter(Router):
    """``running`` is the configuration at the start as set lines; ``second`` scales the minutes."""

    def __init__(
        self, folder: Path, running: str, second: float = 0.02, ground: Ground | None = None
    ) -> None:
        super().__init__(folder, second, ground)
        self.take(running)
        self.history: list[list[Words]] = []  # what rollback 1, 2 ... bring back
        self.log = ["2026-11-20 08:00:00 UTC by root via other"]
        self.pending = False
        self.exclusive: JunosShell | None = None

    def take(self, running: str) -> None:
        """What it runs, whatever it ran."""
        self.running: list[Words] = [tuple(line.split()[1:]) for line in running.splitlines() if line]
        self.candidate = list(self.running)

    def new_shell(self) -> JunosShell:
        return JunosShell(self)

    @property
    def waiting(self) -> bool:
        return self.pending

    def on_restart(self) -> None:
        if self.pending:
            self.roll_back()
        self.candidate = list(self.running)
        self.exclusive = None

    def commit(self, how: str, minutes: int | None) -> None:
        self.history.insert(0, self.running)
        self.running = list(self.candidate)
        text = f" commit confirmed, rollback in {minutes}mins" if minutes else ""
        self.log.insert(0, f"2026-11-23 09:16:51 UTC by {how}{text}")
        self.pending = minutes is not None
        self.set_timer(60 * minutes if minutes else None, self.roll_back)

    def confirm(self) -> None:
        self.pending = False
        self.set_timer(None, None)

    def roll_back(self) -> None:
        """The time is up."""
        self.candidate = list(self.history[0])
        self.commit("root via other", None)

    def text(self) -> str:
        """The whole running configuration."""
        return display_set(self.running)


def display_set(statements: list[Words]) -> str:
    """As ``| display set`` prints it: by hierarchy, in each by age."""
    order = list(dict.fromkeys(statement[0] for statement in statements))
    lines = sorted(statements, key=lambda statement: order.index(statement[0]))
    return "".join(f"set {' '.join(words)}\n" for words in lines)


class JunosShell:
    """One session."""

    def __init__(self, router: JunosRouter) -> None:
        self.router = router
        self.configuring = False
        self.question: Callable[[str], str] | None = None

    def prompt(self) -> str:
        if self.question is not None:
            return ""
        return f"\n{{master}}[edit]\n{HOST}# " if self.configuring else f"\n{{master}}\n{HOST}> "

    def gone(self) -> None:
        if self.router.exclusive is self:
            self.router.candidate = list(self.router.running)
            self.router.exclusive = None
        self.configuring = False

    def answer(self, line: str) -> str:
        if self.question is not None:
            question, self.question = self.question, None
            return question(line)
        return self._configure(line) if self.configuring else self._operate(line)

    def _operate(self, line: str) -> str:
        router = self.router
        line = line.removesuffix(" | no-more")
        if line.startswith("set cli screen-width "):
            return f"Screen width set to {line.split()[-1]}\n"
        if line == "set cli complete-on-space off":
            return "Disabling complete-on-space\n"
        if line.startswith("set cli screen-length "):
            return f"Screen length set to {line.split()[-1]}\n"
        if line in ("exit", "quit"):
            raise Closed
        if match := re.fullmatch(r"show configuration ?(.*?) \| display set", line):
            path = tuple(match[1].split())
            return display_set([words for words in router.running if words[: len(path)] == path])
        if line == "show system commit":
            return self._show_commits()
        if line in ("configure", "configure exclusive"):
            return self._enter(line)
        return "          ^\nunknown command.\n"

    def _show_commits(self) -> str:
        text = ""
        for number, entry in enumerate(self.router.log):
            text += f"{number:<4}{entry}\n"
            if number == 0 and self.router.pending:
                text += "    rollback pending\n"
        return text

    def _enter(self, line: str) -> str:
        router = self.router
        changed = router.candidate != router.running
        if line == "configure exclusive":
            if router.exclusive is not None:
                return (
                    "error: configuration database locked by:\n  netops terminal pts/0 (pid 31745) on since"
                    " 2026-11-23 09:00:00 UTC\n      exclusive [edit]\n"
                )
            if changed:
                return "error: configuration database modified\n"
            router.exclusive = self
        self.configuring = True
        warning = (
            "warning: uncommitted changes will be discarded on exit\n" if router.exclusive is self else ""
        )
        note = "The configuration has been changed but not committed\n" if changed else ""
        return f"{warning}Entering configuration mode\n{note}"

    def _configure(self, line: str) -> str:
        router = self.router
        if line.startswith("run "):
            return self._operate(line.removeprefix("run "))
        if line in ("exit configuration-mode", "exit", "quit"):
            return self._exit()
        if line == "show | compare":
            return self._compare()
        if match := re.fullmatch(r"rollback (\d+)", line):
            return self._rollback(int(match[1]))
        if line == "commit check":
            errors = self._errors()
            if not errors:
                router.confirm()
            return errors or "configuration check succeeds\n"
        if match := re.fullmatch(r"commit(?: confirmed (\d+))?", line):
            return self._commit(int(match[1]) if match[1] else None)
        verb, _, rest = line.partition(" ")
        edits = {"set": self._set, "delete": self._delete}
        if verb in edits and rest:
            if router.exclusive not in (None, self):
                return "error: configuration database locked by:\n  netops terminal pts/0 (pid 31745)\n"
            return edits[verb](tuple(rest.split()))
        return "          ^\nunknown command.\n"

    def _set(self, words: Words) -> str:
        text = " ".join(words)
        for pattern, check in GRAMMAR:
            if check is None:
                if re.fullmatch(pattern, text):
                    return self._put(words, None)
            elif match := re.fullmatch(rf"(?:{pattern}) (\S+)", text):
                return check(match.group(match.lastindex or 0)) or self._put(words, words[:-1])
        return " " * (len(HOST) + 6) + "^\nsyntax error.\n"

    def _put(self, words: Words, leaf: Words | None) -> str:
        candidate = self.router.candidate
        if words in candidate:
            return ""
        for index, old in enumerate(candidate):
            if leaf is not None and old[:-1] == leaf:
                candidate[index] = words
                return ""
        candidate.append(words)
        return ""

    def _delete(self, path: Words) -> str:
        kept = [words for words in self.router.candidate if words[: len(path)] != path]
        if len(kept) == len(self.router.candidate):
            return "warning: statement not found\n"
        self.router.candidate = kept
        return ""

    def _compare(self) -> str:
        old, new = self.router.running, self.router.candidate
        return "".join(f"-  {' '.join(words)};\n" for words in old if words not in new) + "".join(
            f"+  {' '.join(words)};\n" for words in new if words not in old
        )

    def _rollback(self, number: int) -> str:
        router = self.router
        if number > len(router.history):
            return f"error: rollback {number} does not exist\n"
        router.candidate = list(router.history[number - 1] if number else router.running)
        return "load complete\n"

    def _errors(self) -> str:
        candidate = self.router.candidate
        concentrators = {words[4] for words in candidate if words[:4] == tuple(_MAP_E.split()[:4])}
        missing = [
            words
            for words in candidate
            if words[:3] == ("services", "softwire", "rule")
            and words[-2] == "map-e"
            and words[-1] not in concentrators
        ]
        return "".join(
            f"[edit services softwire rule {words[3]}]\n  'map-e {words[-1]}'\n"
            "    softwire-concentrator is not defined\n"
            "error: configuration check-out failed\n"
            for words in missing
        )

    def _commit(self, minutes: int | None) -> str:
        if errors := self._errors():
            return errors
        if minutes is not None and not 1 <= minutes <= 65535:
            return f"error: Value {minutes} is not within range (1..65535)\n"
        self.router.commit("netops via cli", minutes)
        if minutes is None:
            return "commit complete\n"
        return (
            f"commit confirmed will be automatically rolled back in {minutes} minutes unless confirmed\n"
            f"commit complete\n\n# commit confirmed will be rolled back in {minutes} minutes\n"
        )

    def _exit(self) -> str:
        if self.router.candidate != self.router.running:
            self.question = self._exit_changed
            return DISCARD if self.router.exclusive is self else KEEP
        return self._left()

    def _exit_changed(self, answer: str) -> str:
        if answer == "no":
            return ""
        if self.router.exclusive is self:
            self.router.candidate = list(self.router.running)
            return "warning: discarding uncommitted changes\nload complete\n" + self._left()
        return self._left()

    def _left(self) -> str:
        self.configuring = False
        if self.router.exclusive is self:
            self.router.exclusive = None
        return "Exiting configuration mode\n"
