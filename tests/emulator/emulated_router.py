# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the emulated routers share: a command line over SSH, a clock, and faults to order.

An emulator stands for a router's *behaviour towards a client*: modes, prompts, echo, candidate and
running configuration, locks, confirmed commits and the words of its errors as far as they are
publicly known. It forwards no packet, and it knows only the statements that its grammar lists.
"""

from __future__ import annotations

import asyncio
import math
import re
import threading
import time
from collections.abc import Callable, Coroutine
from dataclasses import dataclass
from pathlib import Path
from typing import Any, Protocol

import asyncssh


class Closed(Exception):
    """The session ends without an answer."""


class Shell(Protocol):
    """One user's session: a line in, what is said to it and the next prompt out."""

    def answer(self, line: str) -> str: ...

    def prompt(self) -> str: ...

    def gone(self) -> None:
        """The connection has ended, politely or not."""


class Abortable(Protocol):
    """A connection that can be cut."""

    def abort(self) -> None: ...


@dataclass
class Order:
    """Something that goes wrong once, at the first line that the pattern matches.

    ``before`` runs in place of the line, ``after`` once it is carried out and before the answer;
    ``answer`` replaces what would be said; ``delay`` is in seconds, or what is waited for, or without end.
    """

    pattern: str
    before: Callable[[], None] | None = None
    after: Callable[[], None] | None = None
    answer: str | None = None
    delay: float | threading.Event = 0.0


class Ground:
    """Where routers stand: one thread with an event loop, the key that they show and the one they accept."""

    def __init__(self, folder: Path) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.loop = asyncio.new_event_loop()
        self.user_key = folder / "user_key"
        host_key = asyncssh.generate_private_key("ssh-ed25519")
        client_key = asyncssh.generate_private_key("ssh-ed25519")
        client_key.write_private_key(str(self.user_key))
        self.user_key.chmod(0o600)
        self.public_key = host_key.export_public_key().decode().strip()
        self.options = asyncssh.SSHServerConnectionOptions(
            server_host_keys=[host_key],
            authorized_client_keys=asyncssh.import_authorized_keys(client_key.export_public_key().decode()),
            line_editor=False,
        )
        self._thread = threading.Thread(target=self.loop.run_forever, daemon=True)

    def start(self) -> None:
        self._thread.start()

    def stop(self) -> None:
        self.loop.call_soon_threadsafe(self.loop.stop)
        self._thread.join(10)
        self.loop.close()

    def run(self, coroutine: Coroutine[Any, Any, None]) -> None:
        """Runs it where the sessions run, and waits."""
        asyncio.run_coroutine_threadsafe(coroutine, self.loop).result(60)

    def call(self, action: Callable[[], None]) -> None:
        """The same for a function; at once where that is here, or where nothing runs: routers that only
        hear what is typed straight at them need no thread."""
        if not self._thread.is_alive() or threading.current_thread() is self._thread:
            action()
            return

        async def run() -> None:
            action()

        self.run(run())


class Router:
    """An SSH server, alone in a thread or one of many on a ``ground``. Subclasses keep the configuration.

    A second of the router lasts ``second`` seconds, so that a test need not wait for its timers.
    """

    def __init__(self, folder: Path, second: float = 0.1, ground: Ground | None = None) -> None:
        folder.mkdir(parents=True, exist_ok=True)
        self.folder, self.second = folder, second
        self.journal: list[str] = []  # every line that was typed
        self.orders: list[Order] = []
        self.known_hosts = folder / "known_hosts"
        self._alone = ground is None
        self._ground = ground or Ground(folder)
        self.user_key = self._ground.user_key
        self._connections: list[Abortable] = []
        self._sessions = 0  # over SSH, that the router knows of
        self._timer: asyncio.TimerHandle | None = None
        self._then: Callable[[], None] = lambda: None
        self.port = 0

    def new_shell(self) -> Shell:
        raise NotImplementedError

    @property
    def waiting(self) -> bool:
        """Whether a change waits for its confirmation."""
        raise NotImplementedError

    def settle(self) -> None:
        """Returns when every session has ended and no change waits: the time for that passes at once."""
        deadline = time.monotonic() + 60
        while self._sessions:
            assert time.monotonic() < deadline, "somebody is still logged in"
            time.sleep(0.02)
        self.elapse()

    def on_restart(self) -> None:
        """The power comes back: only what is kept over a restart is left."""
        raise NotImplementedError

    def start(self) -> None:
        if self._alone:
            self._ground.start()
        self._ground.run(self.listen())

    def stop(self) -> None:
        """Ends every session and the server."""
        self.drop_sessions()
        self._ground.call(self._server.close)
        if self._alone:
            self._ground.stop()

    def drop_sessions(self) -> None:
        """Cuts every connection; the router goes on."""
        self._ground.call(self._cut)

    def restart(self) -> None:
        """Power off and on: sessions, timers, candidates and locks are gone."""

        def power_off_and_on() -> None:
            self._cut()
            self.set_timer(None, None)
            self.on_restart()

        self._ground.call(power_off_and_on)

    def set_timer(self, seconds: float | None, action: Callable[[], None] | None) -> None:
        """One timer, in seconds of the router; None stops it."""
        if self._timer is not None:
            self._timer.cancel()
            self._timer = None
        if seconds is not None and action is not None:
            self._timer = self._ground.loop.call_later(seconds * self.second, action)
            self._then = action

    def elapse(self) -> None:
        """The time that a change waits for its confirmation passes at once."""

        def ring() -> None:
            if self._timer is not None:
                self.set_timer(None, None)
                self._then()

        self._ground.call(ring)

    def typed(self) -> Typed:
        """A session without SSH."""
        return Typed(self)

    def carry_out(self, shell: Shell, line: str) -> tuple[str, float | threading.Event]:
        """The answer to a line and how long it takes; with what was ordered for it."""
        self.journal.append(line)
        order = next((each for each in self.orders if re.search(each.pattern, line)), None)
        if order is None:
            return shell.answer(line), 0.0
        self.orders.remove(order)
        if order.before is not None:
            order.before()
            return "", 0.0
        if order.answer is not None:
            return order.answer, order.delay
        answer = shell.answer(line)
        if order.after is not None:
            order.after()
        return answer, order.delay

    async def listen(self) -> None:
        """Serves on a free port of 127.0.0.1."""
        self._server = await asyncssh.create_server(
            lambda: _Server(self._connections),
            "127.0.0.1",
            0,
            options=self._ground.options,
            process_factory=self._serve,
        )
        self.port = self._server.get_port()
        self.known_hosts.write_text(f"[127.0.0.1]:{self.port} {self._ground.public_key}\n", "ascii")

    async def _serve(self, process: asyncssh.SSHServerProcess[str]) -> None:
        shell = self.new_shell()
        self._sessions += 1
        line = ""
        try:
            process.stdout.write(shell.prompt())
            while text := await process.stdin.read(4096):
                for character in text:
                    if character not in "\r\n":
                        line += character
                        continue
                    process.stdout.write(f"{line}\r\n")
                    answer, delay = self.carry_out(shell, line.strip()) if line.strip() else ("", 0.0)
                    line = ""
                    if delay == math.inf:  # nor does it hear anything more
                        while await process.stdin.read(4096):
                            pass
                        return
                    if isinstance(delay, threading.Event):
                        while not delay.is_set():
                            await asyncio.sleep(0.02)
                    else:
                        await asyncio.sleep(delay)
                    process.stdout.write(answer.replace("\n", "\r\n") + shell.prompt())
        except (Closed, asyncssh.Error, OSError):
            pass
        finally:
            shell.gone()
            self._sessions -= 1
            process.close()

    def _cut(self) -> None:
        for connection in self._connections:
            connection.abort()
        self._connections.clear()


class _Server(asyncssh.SSHServer):
    def __init__(self, connections: list[Abortable]) -> None:
        self._connections = connections

    def connection_made(self, conn: asyncssh.SSHServerConnection) -> None:
        self._connections.append(conn)


class Typed:
    """Stands for transport.terminal.Terminal: lines go to a router's shell without SSH between them."""

    def __init__(self, router: Router) -> None:
        self._router, self._shell = router, router.new_shell()
        self._open = True
        self.prompt = self._shell.prompt().split("\n")[-1]
        router._ground.call(lambda: router._connections.append(self))

    def open(self) -> None:
        """It is."""

    def run(self, line: str, questions: str = "") -> str:
        """As Terminal.run."""
        said = ""

        def answer() -> None:
            nonlocal said
            if self._open:
                said = self._router.carry_out(self._shell, line)[0] + self._shell.prompt()

        self._router._ground.call(answer)
        if not self._open:
            raise EOFError("the router closed the session")
        lines = said.rstrip().split("\n")
        if self._shell.prompt():
            self.prompt = lines.pop()
        return "\n".join(lines).strip("\n")

    def close(self) -> None:
        self._router._ground.call(self.abort)

    def abort(self) -> None:
        """The connection is gone."""
        if self._open:
            self._open = False
            self._shell.gone()
