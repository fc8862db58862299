# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the words on a line are the answer to what was typed."""

from __future__ import annotations

import socket
from types import SimpleNamespace
from typing import Any

import paramiko
import pytest
from ansible_collections.ipv4aas.fleet.engine.transport.target import Target
from ansible_collections.ipv4aas.fleet.engine.transport.terminal import Terminal, _prepared, _transport

TARGET = Target(host="192.0.2.1", username="ops", timeout=1)


class Channel:
    """Gives pieces one after the other, then nothing in time."""

    def __init__(self, *pieces: str) -> None:
        self.pieces = list(pieces)

    def settimeout(self, seconds: float) -> None:
        pass

    def recv(self, size: int) -> bytes:
        if not self.pieces:
            raise TimeoutError("timed out")
        return self.pieces.pop(0).encode()


def terminal(*pieces: str) -> Any:
    """A terminal that was opened on a router "mx"."""
    made: Any = Terminal(TARGET, "juniper_junos")
    made._connection = SimpleNamespace(
        write_channel=lambda text: None, remote_conn=Channel(*pieces), ansi_escape_codes=False
    )
    made._prompt_pattern = r"ops@mx[^\r\n]*[>#]\s*$"
    return made


def test_the_answer_is_without_the_echo_and_the_prompt() -> None:
    line = terminal("show x\r\n", "a\r\nb\r\n", "ops@mx> ")
    assert line.run("show x") == "a\nb"
    assert line.prompt == "ops@mx>"


def test_prompts_of_earlier_lines_that_come_late_are_no_answer() -> None:
    line = terminal("\r\nops@mx> ", "\r\nops@mx> ", "configure\r\nEntering\r\n\r\nops@mx# ")
    assert line.run("configure") == "Entering"
    assert line.prompt == "ops@mx#"


def test_a_line_that_is_part_of_the_prompt_is_not_taken_for_the_echo() -> None:
    line = terminal("\r\nops@mx> ", "mx\r\nunknown command.\r\nops@mx> ")
    assert line.run("mx") == "unknown command."


def test_what_a_question_wants_need_not_be_echoed() -> None:
    line = terminal("end\r\nLeave? [no]: ", "\r\nops@mx> ")
    assert line.run("end", r"\[no\]:").endswith("Leave? [no]:")
    assert line.run("yes") == ""


@pytest.mark.parametrize("line", [" description ops@mx port #", "! to ops@mx>", "a ops@mx #"])
def test_a_piece_of_a_line_that_ends_like_a_prompt_is_not_the_end(line: str) -> None:
    router = terminal("show x\r\n", line, "7\r\nb\r\n", "ops@mx> ")
    assert router.run("show x") == f"{line}7\nb"


def test_a_prompt_behind_other_words_counts_when_nothing_follows() -> None:
    router = terminal("show x\r\n", "a\r\nno end of line ops@mx> ")
    assert router.run("show x") == "a"
    assert router.prompt == "no end of line ops@mx>"


def test_without_an_echo_nothing_counts_as_answered() -> None:
    with pytest.raises(TimeoutError):
        terminal("ops@mx> ").run("commit")


class Router:
    """Greets, and answers each line that is typed."""

    ansi_escape_codes = False

    def __init__(self, greeting: str, answers: dict[str, str]) -> None:
        self.remote_conn = Channel(*([greeting] if greeting else []))
        self.typed: list[str] = []
        self._answers = answers
        self.base_prompt = ""

    def write_channel(self, text: str) -> None:
        line = text.strip()
        self.typed.append(line)
        self.remote_conn.pieces += [f"{line}\r\n", self._answers[line]]


PREPARATION = ("terminal width 511", "terminal length 0")
PROMPT = "\r\nRP/0/RSP0/CPU0:xr#"


@pytest.mark.parametrize(
    ("greeting", "answers"),
    [
        (PROMPT, (PROMPT, PROMPT)),
        (f"Welcome\r\n{PROMPT}", (f"Thu Nov 26 09:00:00.000 UTC{PROMPT}", PROMPT)),
        # A line of the greeting that looks like a prompt comes before the echo.
        ("####\r\n# xr #", (f"####{PROMPT}", PROMPT)),
    ],
)
def test_a_session_is_prepared_line_by_line(greeting: str, answers: tuple[str, str]) -> None:
    router = Router(greeting, dict(zip(PREPARATION, answers, strict=True)))
    assert _prepared(router, PREPARATION, 1)
    assert router.base_prompt == "RP/0/RSP0/CPU0:xr"
    assert router.typed == list(PREPARATION)


@pytest.mark.parametrize("greeting", ["", "root@mx:~ # ", "% ", "ops@mx$ "])
def test_a_shell_and_a_silent_router_are_netmikos(greeting: str) -> None:
    router = Router(greeting, {})
    assert not _prepared(router, PREPARATION, 1)
    assert router.typed == []


def test_another_prompt_after_each_line_is_not_sure() -> None:
    router = Router(PROMPT, dict(zip(PREPARATION, ("# late banner #", PROMPT), strict=True)))
    assert not _prepared(router, PREPARATION, 1)


def test_of_a_long_name_that_counts_which_is_shown_everywhere() -> None:
    router = Router("name" * 10 + "#", dict.fromkeys(PREPARATION, "name" * 10 + "#"))
    assert _prepared(router, PREPARATION, 1)
    assert router.base_prompt == "namenamenamenamenamenamenamenam"


def test_ciphers_with_their_own_authentication_come_first() -> None:
    ours, theirs = socket.socketpair()
    with ours, theirs:
        ciphers = _transport(ours).get_security_options().ciphers
    assert [cipher.partition("@")[0] for cipher in ciphers[:3]] == ["aes128-gcm", "aes256-gcm", "aes128-ctr"]
    assert set(ciphers) == set(paramiko.Transport._preferred_ciphers)
