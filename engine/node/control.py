# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The control socket: one JSON value a line each way, for root and the node's own user only.

A request is {"command": name, ...arguments}; the answer is {"result": ...} or {"error": text}.
"""

from __future__ import annotations

import contextlib
import functools
import json
import os
import selectors
import socket
from collections.abc import Callable
from pathlib import Path
from typing import Any

Handler = Callable[[dict[str, Any]], Any]
Parser = Callable[[bytes], Any]

_LARGEST_REQUEST = 512 << 20  # a million bindings are 130 MB
_MOST_CLIENTS = 32
_CHUNK = 1 << 20


class ControlError(Exception):
    """The node refused, or cannot be asked."""


class NotRunning(ControlError):
    """Nobody answers at the socket."""


class HungUp(ControlError):
    """The node took the question and ended, or has too many clients."""


class Server:
    """Answers clients inside somebody else's event loop; a slow client delays nobody."""

    def __init__(
        self,
        path: Path,
        selector: selectors.BaseSelector,
        handle: Handler,
        parse: Parser = json.loads,
        *,
        mode: int = 0o600,
        largest: int = _LARGEST_REQUEST,
    ) -> None:
        """``mode`` says who may ask, ``largest`` with how many octets.

        Raises ControlError where another node answers at the socket.
        """
        self._path, self._selector, self._largest = path, selector, largest
        self._answer = functools.partial(answer, handle=handle, parse=parse)
        self._clients: set[_Client] = set()
        if _answers(path):
            raise ControlError(f"{path}: another node answers there; stop it, or give --socket")
        path.unlink(missing_ok=True)
        self._socket = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM | socket.SOCK_NONBLOCK)
        umask = os.umask(0o777 & ~mode)
        try:
            self._socket.bind(str(path))
        finally:
            os.umask(umask)
        self._socket.listen()
        selector.register(self._socket, selectors.EVENT_READ, self._accept)

    def _accept(self, mask: int) -> None:
        with contextlib.suppress(OSError):  # it hung up already
            connection, _ = self._socket.accept()
            if len(self._clients) >= _MOST_CLIENTS:
                connection.close()
                return
            client = _Client(connection, self._selector, self._answer, self._clients.discard, self._largest)
            self._clients.add(client)

    def close(self) -> None:
        """Stop listening and hang up; who asked to stop sees by this that it is done."""
        self._selector.unregister(self._socket)
        self._path.unlink(missing_ok=True)
        self._socket.close()
        for client in list(self._clients):
            client.finish()


class _Client:
    """One connection."""

    def __init__(
        self,
        connection: socket.socket,
        selector: selectors.BaseSelector,
        respond: Callable[[bytes], bytes],
        gone: Callable[[_Client], None],
        largest: int,
    ) -> None:
        self._connection, self._selector, self._respond, self._gone = connection, selector, respond, gone
        self._largest = largest
        self._received, self._to_send = bytearray(), bytearray()
        connection.setblocking(False)
        selector.register(connection, selectors.EVENT_READ, self._ready)

    def _ready(self, mask: int) -> None:
        try:
            if mask & selectors.EVENT_READ:
                self._receive()
            if self._to_send:
                sent = self._connection.send(self._to_send)
                del self._to_send[:sent]
            waiting = selectors.EVENT_WRITE if self._to_send else 0
            self._selector.modify(self._connection, selectors.EVENT_READ | waiting, self._ready)
        except BlockingIOError:
            pass
        except (OSError, ControlError):
            self.close()

    def _receive(self) -> None:
        chunk = self._connection.recv(_CHUNK)
        if not chunk:
            raise ControlError("hung up")
        self._received += chunk
        if len(self._received) > self._largest:
            raise ControlError("request too long")
        start = len(self._received) - len(chunk)
        while (end := self._received.find(b"\n", start)) >= 0:
            start = 0
            line = bytes(self._received[:end])
            del self._received[: end + 1]
            self._to_send += self._respond(line)

    def finish(self) -> None:
        """Send what is still to be sent, without patience, and hang up."""
        with contextlib.suppress(OSError):
            self._connection.settimeout(1)
            self._connection.sendall(self._to_send)
        self.close()

    def close(self) -> None:
        self._selector.unregister(self._connection)
        self._connection.close()
        self._gone(self)


def answer(line: bytes, handle: Handler, parse: Parser = json.loads) -> bytes:
    """The answer to one request line, as a line."""
    try:
        request = parse(line)
        if not isinstance(request, dict):
            raise ControlError("a request is a JSON mapping")
        reply = {"result": handle(request)}
    except Exception as error:
        reply = {"error": str(error) or type(error).__name__}
    return json.dumps(reply).encode() + b"\n"


def _connect(path: Path, timeout: float) -> socket.socket:
    connection = socket.socket(socket.AF_UNIX, socket.SOCK_STREAM)
    connection.settimeout(timeout)
    try:
        connection.connect(str(path))
    except OSError:
        connection.close()
        raise
    return connection


def _answers(path: Path) -> bool:
    try:
        _connect(path, 2).close()
    except (FileNotFoundError, ConnectionRefusedError):
        return False
    except OSError as error:
        raise ControlError(f"{path}: {error}") from error
    return True


def ask(path: Path, command: str, *, timeout: float = 600, until_gone: bool = False, **arguments: Any) -> Any:
    """The node's answer to a command. Raises NotRunning, HungUp or ControlError.

    ``until_gone`` waits until the node has hung up, which it does as its last act.
    """
    try:
        connection = _connect(path, timeout)
    except (FileNotFoundError, ConnectionRefusedError) as error:
        raise NotRunning(f"{path}: no node answers; start it first") from error
    except OSError as error:
        raise ControlError(f"{path}: {error}") from error
    with connection, connection.makefile("rb") as answers:
        try:
            connection.sendall(json.dumps({"command": command, **arguments}).encode() + b"\n")
            line = answers.readline()
            if until_gone:
                answers.read()
        except (ConnectionResetError, BrokenPipeError) as error:
            raise HungUp(f"{path}: {command}: the node hung up: {error}") from error
        except OSError as error:
            raise ControlError(f"{path}: {command}: {error}") from error
    if not line.endswith(b"\n"):
        raise HungUp(f"{path}: {command}: the node hung up without an answer")
    reply = json.loads(line)
    if "error" in reply:
        raise ControlError(reply["error"])
    return reply["result"]
