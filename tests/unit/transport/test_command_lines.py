# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is typed and what is made of the answers, without a device; words of progress; targets."""

from __future__ import annotations

from io import BytesIO
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import Change
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.transport.connect import session_for
from ansible_collections.ipv4aas.fleet.engine.transport.ios_xr import IosXr
from ansible_collections.ipv4aas.fleet.engine.transport.junos import Junos
from ansible_collections.ipv4aas.fleet.engine.transport.openwrt import OpenWrt, packages_of
from ansible_collections.ipv4aas.fleet.engine.transport.progress import Phase, Progress
from ansible_collections.ipv4aas.fleet.engine.transport.session import TransportError
from ansible_collections.ipv4aas.fleet.engine.transport.ssh import Rejected, SshSession
from ansible_collections.ipv4aas.fleet.engine.transport.target import Target

TARGET = Target(host="192.0.2.1", username="ops", password="s3cret")


class Script:
    """Stands for a Terminal: answers and prompts that are given, lines that are noted."""

    def __init__(self, prompt: str, answers: dict[str, tuple[str, str]]) -> None:
        self.prompt, self.answers, self.typed = prompt, answers, []

    def run(self, line: str, questions: str = "") -> str:
        self.typed.append(line)
        answer, self.prompt = self.answers.get(line, ("", self.prompt))
        return answer


def xr(answers: dict[str, tuple[str, str]]) -> tuple[IosXr, Script]:
    line, script = IosXr(TARGET), Script("XR(config)#", answers)
    line._terminal = script  # type: ignore[assignment]
    return line, script


def junos(answers: dict[str, tuple[str, str]]) -> tuple[Junos, Script]:
    line, script = Junos(TARGET), Script("ops@mx#", answers)
    line._terminal = script  # type: ignore[assignment]
    return line, script


def xe(answers: dict[str, tuple[str, str]]) -> Any:
    """A command line that is described by data."""
    session = session_for("cisco_iosxe", "cli", TARGET)
    assert isinstance(session, SshSession)
    line: Any = session._line
    line._terminal = Script("XE#", answers)
    return line


def test_xr_leaves_modes_by_indentation_and_types_no_exclamation_mark() -> None:
    line, script = xr({})
    line.stage(Change("a\n b\n  c\n  d\n !\n e\n!\nno f\n", "", ""))
    assert script.typed == ["a", "b", "c", "d", "exit", "e", "exit", "no f", "show commit changes diff"]


def test_xr_leaves_a_mode_that_holds_nothing() -> None:
    line, script = xr({"a": ("", "XR(config-a)#"), "exit": ("", "XR(config)#")})
    line.stage(Change("a\n!\nb\n", "", ""))
    assert script.typed == ["a", "exit", "b", "show commit changes diff"]


@pytest.mark.parametrize(
    ("answer", "wrong"),
    [
        ("      ^\n% Invalid input detected at '^' marker.", True),
        ("% Incomplete command.", True),
        ("% WARNING: Policy object exists!", False),
        ("", False),
    ],
)
def test_xr_knows_an_error(answer: str, wrong: bool) -> None:
    line, _script = xr({"a": (answer, "XR(config)#")})
    if wrong:
        with pytest.raises(Rejected, match=r"^a: "):
            line.stage(Change("a\n", "", ""))
    else:
        line.stage(Change("a\n", "", ""))


def test_xr_does_not_answer_its_own_echo() -> None:
    line, script = xr({"commit confirmed 30": ("", "XR(config)#")})
    line.apply(30)
    assert script.typed == ["commit confirmed 30"]


def test_xr_answers_the_question_about_a_large_configuration() -> None:
    question = "This could be a few minutes if your config is large. Confirm? [y/n][confirm]"
    line, script = xr({"commit confirmed 30": (question, "XR(config)#")})
    line.apply(30)
    assert script.typed == ["commit confirmed 30", "y"]


def test_xr_does_not_commit_over_somebody_else() -> None:
    question = (
        "One or more commits have occurred from other configuration sessions since this session started.\n"
        "Do you wish to proceed with this commit anyway? [no]:"
    )
    line, script = xr({"commit confirmed 30": (question, "XR(config)#")})
    with pytest.raises(Rejected, match="One or more commits have occurred"):
        line.apply(30)
    assert script.typed == ["commit confirmed 30", "no"]


def test_xr_takes_the_confirming_message_for_no_error() -> None:
    line, script = xr({"commit": ("% Confirming commit for trial session.", "XR(config)#")})
    line.confirm()
    assert script.typed == ["commit", "end"]


def test_xr_strips_the_time_of_day() -> None:
    line, _script = xr({"do show running-config": ("Mon Nov 23 09:10:02.875 UTC\nhostname a", "XR(config)#")})
    assert line.read() == "hostname a"


BANNER = "Building configuration...\n!! IOS XR\nhostname a\nbanner login ^\n% Authorized users only\n^\nend"


def test_what_stands_in_a_banner_is_no_refusal() -> None:
    line, _script = xr({"do show running-config": (BANNER, "XR(config)#")})
    assert line.read() == BANNER
    assert xe({"show running-config": (BANNER, "XE#")}).read() == BANNER


def test_a_refusal_to_show_is_one() -> None:
    answer = "            ^\n% Invalid input detected at '^' marker."
    line, _script = xr({"do show running-config": (answer, "XR(config)#")})
    with pytest.raises(Rejected, match=r"do show running-config: .*\n% Invalid input"):
        line.read()
    with pytest.raises(Rejected, match=r"show running-config: .*\n% Invalid input"):
        xe({"show running-config": (answer, "XE#")}).read()


@pytest.mark.parametrize(("asked", "given"), [(1, 30), (30, 30), (90, 90), (100000, 65535)])
def test_xr_waits_within_its_range(asked: int, given: int) -> None:
    assert IosXr(TARGET).seconds(asked) == given


@pytest.mark.parametrize(("asked", "given"), [(1, 60), (60, 60), (61, 120)])
def test_junos_waits_whole_minutes(asked: int, given: int) -> None:
    assert Junos(TARGET).seconds(asked) == given


def test_junos_takes_any_word_but_a_warning_for_a_refusal() -> None:
    ready = {"commit check": ("configuration check succeeds", "ops@mx#")}
    line, _script = junos({"delete a": ("warning: statement not found", "ops@mx#"), **ready})
    line.stage(Change("delete a\n", "", ""))
    line, _script = junos({"set a": ("Invalid numeric value: 'x' at 'x'", "ops@mx#"), **ready})
    with pytest.raises(Rejected, match="set a: Invalid numeric value"):
        line.stage(Change("set a\n", "", ""))


PENDING = (
    "0   2026-11-23 by ops via cli commit confirmed, rollback in 1mins\n    rollback pending\n1   2026-11\n"
)
# The words on the first line stay for good; only the line below says that it waits still.
SETTLED = "0   2026-11-23 by a via cli\n1   2026-11-22 by a via cli commit confirmed, rollback in 1mins\n"


def test_junos_rolls_back_only_what_still_waits() -> None:
    commits = "run show system commit | no-more"
    done = {"rollback 1": ("load complete", "ops@mx#"), "commit": ("commit complete", "ops@mx#")}
    line, script = junos({commits: (PENDING, "ops@mx#"), **done})
    line.take_back()
    assert script.typed == [commits, "rollback 1", "commit", "exit configuration-mode"]
    line, script = junos({commits: (SETTLED, "ops@mx#"), **done})
    line.take_back()
    assert script.typed == [commits, "exit configuration-mode"]


def test_openwrt_reads_what_is_no_utf_8(monkeypatch: pytest.MonkeyPatch) -> None:
    """Somebody's description in Latin-1 is as good as any."""
    channel = SimpleNamespace(
        sendall=lambda data: None,
        shutdown_write=lambda: None,
        makefile=lambda mode: BytesIO("option name 'Büro'\noption proto 'map'\n".encode("latin-1")),
        makefile_stderr=lambda mode: BytesIO(),
        recv_exit_status=lambda: 0,
    )
    monkeypatch.setattr(OpenWrt, "_start", lambda self, script: channel)
    assert OpenWrt(TARGET).read().endswith("ro'\noption proto 'map'\n")


def test_packages_of_a_batch() -> None:
    batch = "set network.a=interface\nset network.a.b='map'\nadd_list firewall.a.b='a'\ndelete dhcp.x\n"
    assert packages_of(batch) == ("network", "firewall", "dhcp")


def test_sessions_by_platform_and_dialect() -> None:
    assert isinstance(session_for("openwrt", "uci", TARGET)._line, OpenWrt)
    with pytest.raises(Refused, match="fx5000 cannot be reached in cli"):
        session_for("fx5000", "cli", TARGET)


def test_words_of_progress() -> None:
    now = [100.0]
    progress = Progress(lambda: now[0])
    assert progress.left == "unchanged"
    progress.phase = Phase.STAGED
    assert progress.left == "unchanged"
    progress.reverts_in(30)
    progress.phase = Phase.PENDING
    assert progress.left == "changed, reverts by itself in at most 31 s"
    now[0] += 20.5
    assert progress.left == "changed, reverts by itself in at most 10 s"
    now[0] += 20
    assert progress.left == "changed, has reverted by itself by now"
    progress.phase = Phase.CONFIRMED
    assert progress.left == "changed and confirmed"


def test_a_target_hides_its_password() -> None:
    assert "s3cret" not in repr(TARGET)
    assert TARGET.without_secrets("login s3cret failed") == "login ******** failed"


def test_a_password_with_blanks_is_hidden_as_well() -> None:
    """Whoever says it back: a message is one line, in which two blanks would be one."""
    target = Target(host="192.0.2.1", username="ops", password="two  blanks")
    session: Any = session_for("asr9000", "cli", target)
    session._line._terminal = Script("XR#", {"configure exclusive": ("no such\ncommand: two  blanks", "XR#")})
    with pytest.raises(TransportError) as caught:
        session.begin()
    assert caught.value.wrong == "no such command: ********"


def test_the_preferred_host_key_is_taken(tmp_path: Path) -> None:
    rsa = "ssh-rsa AAAAB3NzaC1yc2EAAAADAQABAAAAQQC5tYcdmJpEsJwzWzlNfgTTmGWqH+sYPU8gLWrTKfTmcdXwXKw7nb2WWRuqA8mr2pFSbRMt7b5b5sGgQ0gQ0S4T"  # noqa: E501
    ed25519 = "ssh-ed25519 AAAAC3NzaC1lZDI1NTE5AAAAIGPKSUTyz0HwHReFVvD5obVsALAgJRNarH4TRpNePnAS"
    known = tmp_path / "known_hosts"
    known.write_text(f"[192.0.2.1]:830 {rsa}\n[192.0.2.1]:830 {ed25519}\n192.0.2.9 {ed25519}\n")
    target = Target(host="192.0.2.1", port=830, username="ops", known_hosts=str(known))
    assert target.host_key().get_name() == "ssh-ed25519"
    with pytest.raises(TransportError, match=r"host key of 192\.0\.2\.1 is not in"):
        Target(host="192.0.2.1", username="ops", known_hosts=str(known)).host_key()
