# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which of the words on a line are the answer to what was typed."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.transport.target import Target
from ansible_collections.ipv4aas.fleet.engine.transport.terminal import Terminal

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
    made._prompt_pattern = r"mx[^\r\n]*[>#]\s*$"
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


def test_without_an_echo_nothing_counts_as_answered() -> None:
    with pytest.raises(TimeoutError):
        terminal("ops@mx> ").run("commit")
