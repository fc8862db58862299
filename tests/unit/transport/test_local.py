# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The local session: which commands it gives, and what it says of the node when an answer is missing."""

from __future__ import annotations

import json

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import Change
from ansible_collections.ipv4aas.fleet.engine.transport.local import LocalSession
from ansible_collections.ipv4aas.fleet.engine.transport.session import TransportError

CHANGE = Change('{"wanted": 1}', "undo", "diff")


class Host:
    """Answers commands; ``faults`` maps a command to what comes instead of its answer."""

    def __init__(self, **faults):
        self.faults, self.commands, self.fed = faults, [], {}

    def __call__(self, argv, stdin):
        assert argv[0] == "/opt/ipv4aas/current/bin/ipv4aas-node"
        command = argv[1]
        self.commands.append(command)
        self.fed[command] = stdin
        self.argv = argv
        fault = self.faults.get(command)
        if isinstance(fault, Exception):
            raise fault
        return fault or (0, json.dumps({"diff": "node's own", "services": []}), "")


REFUSED = (1, "", 'Warning: key added\n{"error": "not now"}\n')
LOST = (255, "", "Connection closed by remote host")


def whole_change(host, check=lambda: None):
    """Every step in order, with a check before the confirm."""
    with LocalSession(host) as session:
        session.begin()
        assert json.loads(session.read())["services"] == []
        assert session.propose(CHANGE) == "node's own"
        session.apply(120)
        assert host.argv[-2:] == ["--within", "120"]
        check()
        session.confirm()


def test_whole_change():
    host = Host()
    whole_change(host)
    assert host.commands == ["status", "begin", "read", "propose", "apply", "confirm"]
    assert host.fed["propose"] == CHANGE.payload


def test_owner_is_the_same_in_one_session_and_another_in_the_next():
    owners = []
    for _ in range(2):
        seen = set()
        host = Host()
        with LocalSession(
            lambda argv, feed, h=host, s=seen: (s.add(tuple(argv[2:4])), h(argv, feed))[1]
        ) as session:
            session.begin()
            session.propose(CHANGE)
        owners.append({words for words in seen if words[:1] == ("--owner",)})
    assert [len(found) for found in owners] == [1, 1]
    assert owners[0] != owners[1]


@pytest.mark.parametrize("steps", [("begin",), ("begin", "propose"), ("begin", "propose", "apply")])
def test_leaving_without_confirm_reverts(steps):
    host = Host()
    with LocalSession(host) as session:
        for step in steps:
            {
                "begin": session.begin,
                "propose": lambda: session.propose(CHANGE),
                "apply": lambda: session.apply(9),
            }[step]()
    assert host.commands == ["status", *steps, "revert"]


def test_reading_alone_locks_and_reverts_nothing():
    host = Host()
    with LocalSession(host) as session:
        session.read()
    assert host.commands == ["status", "read"]


def test_error_inside_is_not_hidden_by_a_revert_that_fails():
    host = Host(revert=LOST)
    with pytest.raises(ZeroDivisionError):
        whole_change(host, lambda: 1 / 0)
    assert host.commands[-1] == "revert"


def failure(step, fault):
    """The error of a session in which one command goes wrong."""
    with pytest.raises(TransportError) as caught:
        whole_change(Host(**{step: fault}))
    assert caught.value.step == ("connect" if step == "status" else step)
    return caught.value


@pytest.mark.parametrize("fault", [REFUSED, LOST, OSError("broken pipe"), (0, "not JSON", "")])
@pytest.mark.parametrize("step", ["status", "begin", "propose"])
def test_before_apply_nothing_has_changed(step, fault):
    assert failure(step, fault).left == "unchanged"


def test_own_words_of_the_node_are_told():
    assert failure("propose", REFUSED).wrong == "not now"
    assert "exit code 255" in failure("propose", LOST).wrong
    assert "Connection closed by remote host" in failure("propose", LOST).wrong
    assert "broken pipe" in failure("propose", OSError("broken pipe")).wrong


def test_lost_answer_to_apply():
    assert failure("apply", REFUSED).left == "unchanged"
    assert failure("apply", LOST).left == "unchanged, or changed and reverts by itself in at most 180 s"


def test_lost_answer_to_confirm():
    assert failure("confirm", REFUSED).left == "changed, reverts by itself in at most 120 s"
    assert failure("confirm", LOST).left == "changed and confirmed, or reverts by itself in at most 120 s"
