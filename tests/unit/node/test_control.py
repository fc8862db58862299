# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control socket: answers, errors, and clients that behave badly."""

from __future__ import annotations

import json
import selectors
import socket
import threading

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.control import (
    ControlError,
    HungUp,
    NotRunning,
    Server,
    ask,
)


def handle(request):
    """echo gives its text, big gives much, fail fails."""
    match request.pop("command"):
        case "echo":
            return request["text"]
        case "big":
            return "x" * 5_000_000
        case name:
            raise ValueError(f"{name}: no")


@pytest.fixture
def path(tmp_path):
    """A socket that is served by an event loop in a thread."""
    path, going = tmp_path / "control.sock", threading.Event()
    selector = selectors.DefaultSelector()
    server = Server(path, selector, handle)
    going.set()

    def serve():
        while going.is_set():
            for key, mask in selector.select(0.05):
                key.data(mask)
        server.close()

    thread = threading.Thread(target=serve)
    thread.start()
    yield path
    going.clear()
    thread.join()


def test_answer_and_error(path):
    assert ask(path, "echo", text="wörter") == "wörter"
    with pytest.raises(ControlError, match="fail: no"):
        ask(path, "fail")
    assert ask(path, "echo", text=1) == 1


def test_long_answer_to_a_slow_client_delays_nobody(path):
    with socket.socket(socket.AF_UNIX) as slow:
        slow.connect(str(path))
        slow.sendall(b'{"command": "big"}\n')
        assert ask(path, "echo", text="meanwhile", timeout=60) == "meanwhile"
        received = b""
        while not received.endswith(b"\n"):
            received += slow.recv(1 << 16)
        assert len(json.loads(received)["result"]) == 5_000_000


@pytest.mark.parametrize("line", [b"{", b"[]", b"\xff", b"1"])
def test_nonsense_is_answered(path, line):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        client.sendall(line + b"\n")
        assert "error" in json.loads(client.recv(1000))
    assert ask(path, "echo", text=2) == 2


def test_client_that_hangs_up_in_the_middle(path):
    for sent in (b"", b'{"comm', b'{"command": "big"}\n'):
        with socket.socket(socket.AF_UNIX) as client:
            client.connect(str(path))
            client.sendall(sent)
    assert ask(path, "echo", text=3) == 3


def test_request_in_pieces_and_two_in_one(path):
    with socket.socket(socket.AF_UNIX) as client:
        client.connect(str(path))
        answers = client.makefile()
        for piece in (b'{"command": "echo", ', b'"text": 1}', b'\n{"command": "echo", "text": 2}\n'):
            client.sendall(piece)
        assert [json.loads(answers.readline())["result"] for _ in range(2)] == [1, 2]


def test_socket_is_for_its_owner_only(path):
    assert path.stat().st_mode & 0o777 == 0o600


def test_second_server_is_refused_and_the_first_goes_on(path):
    with pytest.raises(ControlError, match="another node answers there"):
        Server(path, selectors.DefaultSelector(), handle)
    assert ask(path, "echo", text=4) == 4


@pytest.mark.parametrize("said", [b"", b'{"result": 1'])
def test_server_that_ends_before_it_has_answered(tmp_path, said):
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dying:
        dying.bind(str(path))
        dying.listen()

        def serve():
            connection, _ = dying.accept()
            connection.sendall(said)
            connection.close()

        thread = threading.Thread(target=serve)
        thread.start()
        with pytest.raises(HungUp, match="echo: the node hung up"):
            ask(path, "echo", text=1)
        thread.join()


def test_socket_of_a_dead_server_is_replaced(tmp_path):
    path = tmp_path / "control.sock"
    with socket.socket(socket.AF_UNIX) as dead:
        dead.bind(str(path))
    with pytest.raises(NotRunning, match="no node answers; start it first"):
        ask(path, "echo", text=1)
    selector = selectors.DefaultSelector()
    Server(path, selector, handle).close()
    assert not path.exists()
