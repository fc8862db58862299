# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NETCONF: abilities, XML that goes out, errors that come back, and servers that no test machine has."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import Change
from ansible_collections.ipv4aas.fleet.engine.transport import netconf
from ansible_collections.ipv4aas.fleet.engine.transport.netconf import (
    Abilities,
    NetconfSession,
    config_element,
    errors_text,
    filter_element,
)
from ansible_collections.ipv4aas.fleet.engine.transport.session import CapabilityMissing, TransportError
from ansible_collections.ipv4aas.fleet.engine.transport.target import Target
from lxml import etree
from ncclient.operations import RPCError
from ncclient.operations.errors import TimeoutExpiredError

CAPABILITY = "urn:ietf:params:netconf:capability:"
CHANGE = Change("<a xmlns='urn:x'>1</a>", "<a xmlns='urn:x'>0</a>", "+ 1\n")


class Server:
    """Stands for ncclient's manager: notes each request, answers with ok."""

    def __init__(self, *capabilities: str, failing: dict[str, list[Exception]] | None = None) -> None:
        self.server_capabilities = [f"{CAPABILITY}{name}" for name in capabilities]
        self.requests: list[str] = []
        self.failing = failing or {}
        self.connected, self.timeout = True, 0.0
        channel = SimpleNamespace(closed=False, eof_received=False)
        self._session = SimpleNamespace(
            _channel=channel, close=lambda: None, add_listener=lambda _listener: None
        )

    def __getattr__(self, name: str) -> Any:
        def request(*arguments: Any, **options: Any) -> Any:
            shown = [each for each in arguments if isinstance(each, str)]
            shown += [f"{key}={each}" for key, each in options.items() if isinstance(each, str)]
            self.requests.append(" ".join([name, *shown]))
            if self.failing.get(name):
                raise self.failing[name].pop(0)
            if name == "close_session":
                self.connected = False
            return SimpleNamespace(data_xml="<data/>")

        return request


@pytest.fixture
def connect(monkeypatch: pytest.MonkeyPatch) -> Any:
    """Gives servers one after the other to a session that is opened."""

    def connect(*servers: Server, **options: Any) -> NetconfSession:
        queue = list(servers)
        monkeypatch.setattr(netconf.manager, "connect_ssh", lambda **_: queue.pop(0))
        monkeypatch.setattr(netconf.login, "dial", lambda target: None)
        target = Target(host="192.0.2.1", username="ops", verify_host_key=False, timeout=30)
        return NetconfSession(target, subtree_filter="<a xmlns='urn:x'/>", **options)

    return connect


FULL = (
    "candidate:1.0",
    "confirmed-commit:1.0",
    "confirmed-commit:1.1",
    "validate:1.1",
    "rollback-on-error:1.0",
)


def test_requests_of_a_change(connect: Any) -> None:
    server = Server(*FULL)
    with connect(server) as session:
        session.begin()
        session.propose(CHANGE)
        session.apply(90)
        session.confirm()
    edit = "edit_config target=candidate test_option=test-then-set error_option=rollback-on-error"
    assert server.requests == [
        "get_config running",
        "lock candidate",
        "cancel_commit ipv4aas.fleet",
        "discard_changes",
        "lock running",
        edit,
        "validate candidate",
        "discard_changes",
        edit,
        "unlock running",
        "commit timeout=90 persist=ipv4aas.fleet",
        "commit persist_id=ipv4aas.fleet",
        "unlock candidate",
        "close_session",
    ]


def test_options_follow_the_capabilities(connect: Any) -> None:
    server = Server("candidate:1.0", "confirmed-commit:1.0")
    with connect(server) as session:
        session.begin()
        session.propose(CHANGE)
        session.apply(90)
        session.confirm()
    assert [each for each in server.requests if each.startswith(("edit", "valid", "commit", "cancel"))] == [
        "edit_config target=candidate",
        "commit timeout=90",
        "commit",
    ]


def test_the_startup_datastore_is_written_after_the_confirmation(connect: Any) -> None:
    server = Server(*FULL, "startup:1.0")
    with connect(server) as session:
        session.begin()
        session.propose(CHANGE)
        session.apply(90)
        session.confirm()
    assert server.requests[-4:-1] == [
        "commit persist_id=ipv4aas.fleet",
        "copy_config running startup",
        "unlock candidate",
    ]


@pytest.mark.parametrize(("asked", "given"), [(1, 60), (60, 60), (90, 120)])
def test_times_are_rounded_up(connect: Any, asked: int, given: int) -> None:
    server = Server(*FULL)
    with connect(server, time_step=60) as session:
        session.begin()
        session.propose(CHANGE)
        session.apply(asked)
    assert f"commit timeout={given} persist=ipv4aas.fleet" in server.requests


def test_without_confirmed_commit_it_is_refused(connect: Any) -> None:
    server = Server("candidate:1.0", "validate:1.0")
    with connect(server) as session, pytest.raises(CapabilityMissing) as caught:
        session.begin()
    assert ":confirmed-commit" in caught.value.wrong
    assert "weaker mode (allow_weaker): commit at once" in caught.value.wrong
    assert not [each for each in server.requests if "lock" in each]


def test_the_weaker_mode_commits_and_takes_back_by_a_second_commit(connect: Any) -> None:
    server = Server("candidate:1.0")
    with connect(server, allow_weaker=True) as session:
        session.begin()
        session.propose(CHANGE)
        session.apply(90)
        session.revert()
    assert [each for each in server.requests if each.startswith(("edit", "commit"))] == [
        "edit_config target=candidate",
        "commit",
        "edit_config target=candidate",
        "commit",
    ]
    assert server.requests[-3:] == ["unlock running", "unlock candidate", "close_session"]


def test_the_weaker_mode_says_that_nothing_reverts_by_itself(connect: Any) -> None:
    server = Server("candidate:1.0")
    with connect(server, allow_weaker=True) as session:
        session.begin()
        session.propose(CHANGE)
        session.apply(90)
        server.failing["edit_config"] = [error("locked")]
        with pytest.raises(TransportError, match="locked") as caught:
            session.revert()
        assert caught.value.left == "changed, does not revert by itself"


def test_a_server_with_no_way_to_change_is_refused(connect: Any) -> None:
    with (
        connect(Server("rollback-on-error:1.0"), allow_weaker=True) as session,
        pytest.raises(CapabilityMissing, match="neither :candidate nor :writable-running"),
    ):
        session.begin()


def test_a_refused_commit_leaves_the_device_unchanged(connect: Any) -> None:
    server = Server(*FULL, failing={"commit": [error("no")]})
    with connect(server) as session:
        session.begin()
        session.propose(CHANGE)
        with pytest.raises(TransportError) as caught:
            session.apply(90)
        assert (caught.value.step, caught.value.left) == ("apply", "unchanged")
    assert server.requests[-3:] == ["discard_changes", "unlock candidate", "close_session"]


def test_a_commit_without_an_answer_may_have_changed_it(connect: Any) -> None:
    server = Server(*FULL, failing={"commit": [TimeoutExpiredError("30 s")]})
    with connect(server) as session:
        session.begin()
        session.propose(CHANGE)
        with pytest.raises(TransportError) as caught:
            session.apply(90)
        assert caught.value.left.startswith("unchanged, or changed and reverts by itself in at most")
    assert "cancel_commit ipv4aas.fleet" in server.requests[-5:]


def test_a_first_request_without_an_answer_is_tried_on_a_new_connection(connect: Any) -> None:
    silent = Server(*FULL, failing={"get_config": [TimeoutExpiredError("10 s")]})
    good = Server(*FULL)
    with connect(silent, good) as session:
        assert session.read() == "<data/>"
    assert silent.requests == ["get_config running", "close_session"]


def test_two_silent_connections_are_an_error(connect: Any) -> None:
    first = Server(*FULL, failing={"get_config": [TimeoutExpiredError("10 s")]})
    second = Server(*FULL, failing={"get_config": [TimeoutExpiredError("10 s")]})
    session = connect(first, second)
    with pytest.raises(TransportError, match="no answer to the first request"):
        session.__enter__()


def test_a_lock_that_is_refused_gives_back_the_first(connect: Any) -> None:
    server = Server(*FULL, failing={"cancel_commit": [error("nothing pending")]})
    with connect(server) as session:
        server.lock = refusing(server, "running", error("modified by session 7"))
        with pytest.raises(TransportError, match=r"running datastore cannot be locked: .*session 7"):
            session.begin()
    assert server.requests[1:5] == [
        "lock candidate",
        "cancel_commit ipv4aas.fleet",
        "lock running",
        "unlock candidate",
    ]


def test_what_is_pending_is_taken_back_only_where_nobody_has_the_candidate(connect: Any) -> None:
    """A server may refuse the lock for a dead run's commit, or since another controller is at work."""
    held = Server(*FULL)
    with connect(held) as session:
        held.lock = refusing(held, "candidate", error("held by session 7", "lock-denied"))
        with pytest.raises(TransportError, match=r"candidate datastore cannot be locked: .*session 7"):
            session.begin()
    assert held.requests[1:-1] == ["lock candidate"]
    left = Server(*FULL)
    with connect(left) as session:
        left.lock = refusing(left, "candidate", error("confirmed-commit pending", "in-use"))
        session.begin()
    assert left.requests[1:6] == [
        "lock candidate",
        "cancel_commit ipv4aas.fleet",
        "discard_changes",
        "lock candidate",
        "lock running",
    ]


def refusing(server: Server, datastore: str, refusal: Exception) -> Any:
    """Lets a server refuse the lock of a datastore once."""
    real, refusals = server.__getattr__("lock"), [refusal]

    def lock(name: str) -> Any:
        real(name)
        if name == datastore and refusals:
            raise refusals.pop()

    return lock


def test_abilities() -> None:
    found = Abilities.of(
        [f"{CAPABILITY}writable-running:1.0", f"{CAPABILITY}confirmed-commit:1.0", "urn:x:candidate:1.0"]
    )
    assert found.writable_running
    assert found.confirmed
    assert not found.persist
    assert not found.candidate


def test_config_is_put_around_what_has_none() -> None:
    bare = config_element("<a xmlns='urn:x'/><b xmlns='urn:y'/>")
    assert [child.tag for child in bare] == ["{urn:x}a", "{urn:y}b"]
    assert bare.tag == f"{{{netconf.BASE}}}config"
    whole = f"<?xml version='1.0'?>\n<config xmlns='{netconf.BASE}'><a xmlns='urn:x'/></config>"
    assert [child.tag for child in config_element(whole)] == ["{urn:x}a"]
    with pytest.raises(ValueError, match="not XML"):
        config_element("<a>")


def test_an_entity_is_not_looked_up() -> None:
    with pytest.raises(ValueError, match="not XML"):
        config_element('<!DOCTYPE a [<!ENTITY e SYSTEM "file:///etc/passwd">]><a>&e;</a>')


def test_an_empty_filter_selects_nothing() -> None:
    assert etree.tostring(filter_element("")).decode().endswith('type="subtree"/>')


def test_every_error_is_told() -> None:
    both = RPCError(None, [error("first", path="/a/b"), error("second")])
    assert errors_text(both) == "invalid-value at /a/b: first; invalid-value: second"


def error(message: str, tag: str = "invalid-value", path: str = "") -> RPCError:
    place = f"<error-path>{path}</error-path>" if path else ""
    return RPCError(
        etree.fromstring(
            f"<rpc-error xmlns='{netconf.BASE}'><error-tag>{tag}</error-tag>"
            f"<error-severity>error</error-severity>{place}<error-message>{message}</error-message></rpc-error>"
        )
    )
