# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The command line of the software node: ``ipv4aas-node COMMAND``. Prints JSON; see docs/architecture.md."""

from __future__ import annotations

import argparse
import contextlib
import json
import os
import sys
import time
import traceback
from collections.abc import Callable, Sequence
from pathlib import Path
from typing import Any

from .control import ControlError, HungUp, NotRunning, ask
from .health import STATUS_SOCKET, problems

STATE = Path("/var/lib/ipv4aas")
SOCKET = Path("/run/ipv4aas/control.sock")
LOG = "node.log"

_READY = b"+"
_PATIENCE = 0.5  # seconds between two tries to get the lock
_SHORT = 0.05  # seconds between two questions to a node that dies
_STOPS_WITHIN = 60
_DIES_WITHIN = 10  # from SIGKILL until the kernel has closed the socket, the last but one thing it does
_ANSWERS_WITHIN = 10  # a healthy node answers within a tick; pauses of a large change are shorter, too


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command; its exit code."""
    options = _parser().parse_args(argv)
    try:
        result = options.run(options)
    except KeyboardInterrupt:
        return 130
    except Exception as error:
        print(json.dumps({"error": str(error) or type(error).__name__}), file=sys.stderr)
        return 1
    if result is not None:
        print(json.dumps(result, indent=2))
    return 0


def _parser() -> argparse.ArgumentParser:
    parser = argparse.ArgumentParser(prog="ipv4aas-node", description="IPv4aaS gateway or edge on this host")
    parser.add_argument("--state", type=Path, default=STATE, help="folder of the confirmed configuration")
    parser.add_argument("--socket", type=Path, default=SOCKET, help="control socket")
    commands = parser.add_subparsers(dest="command", required=True)

    def add(name: str, run: Callable[[argparse.Namespace], Any], text: str) -> argparse.ArgumentParser:
        command = commands.add_parser(name, help=text, description=text)
        command.add_argument("--state", type=Path, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        command.add_argument("--socket", type=Path, default=argparse.SUPPRESS, help=argparse.SUPPRESS)
        command.set_defaults(run=run)
        return command

    serve = add("serve", _serve, "run in the foreground")
    start = add("start", _start, "run detached; returns when the node answers")
    for command in (serve, start):
        command.add_argument(
            "--fast-path",
            default=os.environ.get("FAST_PATH", "auto"),
            choices=("auto", "tc", "xdp", "off"),
            help="hook of the eBPF programs; auto: tc. Default: FAST_PATH of the environment, else auto",
        )
        command.add_argument(
            "--device", action="append", default=[], metavar="NAME", help="none but these have programs"
        )
    stop = add("stop", _stop, "end gracefully; returns when it has ended")
    for command, text in (
        (serve, "at SIGTERM the programs of the fast path stay and forward on until the next start"),
        (start, "the same"),
        (stop, "end the process, but leave the programs of the fast path until the next start"),
    ):
        command.add_argument("--keep-forwarding", action="store_true", help=text)
    add("read", _ask, "print the running configuration")
    begin = add("begin", _begin, "lock the configuration; takes back what a dead owner left")
    begin.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="for another's lock to end")
    propose = add("propose", _propose, "keep a configuration, from standard input, as candidate")
    apply = add("apply", _apply, "run the candidate")
    apply.add_argument("--within", type=float, metavar="SECONDS", help="go back by itself unless confirmed")
    confirm = add("confirm", _change, "keep what was applied, also over a restart")
    revert = add("revert", _change, "take back a proposal or an unconfirmed change")
    for command in (begin, propose, apply, confirm, revert):
        command.add_argument("--owner", default="operator", help="who holds the lock (default %(default)s)")
    add("status", _ask, "print services, counters and state")
    health = add("health", _health, "say whether it does what it was told to; fails where not")
    health.add_argument("--wait", type=float, default=0, metavar="SECONDS", help="for it to become healthy")
    sessions = add("sessions", _sessions, "print NAPT sessions")
    sessions.add_argument(
        "--limit", type=int, default=1000, metavar="N", help="at most (default %(default)s)"
    )
    return parser


def _ask(options: argparse.Namespace) -> Any:
    return ask(options.socket, options.command)


def _change(options: argparse.Namespace) -> Any:
    return ask(options.socket, options.command, owner=options.owner)


def _begin(options: argparse.Namespace) -> Any:
    return _insist(lambda: _change(options), options.wait, give_up=(NotRunning,))


def _health(options: argparse.Namespace) -> Any:
    return _insist(lambda: _healthy(options.socket.with_name(STATUS_SOCKET)), options.wait)


def _healthy(path: Path) -> Any:
    status = ask(path, "status", timeout=_ANSWERS_WITHIN)
    found = list(problems(status))
    if found:
        raise ControlError("; ".join(found))
    return {"healthy": True, "version": status["version"], "services": list(status["services"])}


def _insist(act: Callable[[], Any], seconds: float, give_up: tuple[type[Exception], ...] = ()) -> Any:
    """Try again until it succeeds or time is up."""
    deadline = time.monotonic() + seconds
    while True:
        try:
            return act()
        except give_up:
            raise
        except ControlError:
            if time.monotonic() >= deadline:
                raise
        time.sleep(_PATIENCE)


def _propose(options: argparse.Namespace) -> Any:
    try:
        document = json.load(sys.stdin)
    except ValueError as error:
        raise ControlError(f"standard input is not JSON: {error}") from error
    return ask(options.socket, "propose", owner=options.owner, configuration=document)


def _apply(options: argparse.Namespace) -> Any:
    return ask(options.socket, "apply", owner=options.owner, within=options.within)


def _sessions(options: argparse.Namespace) -> Any:
    return ask(options.socket, "sessions", limit=options.limit)


def _ask_living(path: Path, command: str, **arguments: Any) -> Any:
    """The answer of a node that is not about to die: one that was killed still takes questions for a moment.

    Raises as ask() does; NotRunning as soon as it is dead.
    """
    until = time.monotonic() + _DIES_WITHIN
    while True:
        try:
            return ask(path, command, **arguments)
        except HungUp:
            if time.monotonic() > until:
                raise
            time.sleep(_SHORT)


def _stop(options: argparse.Namespace) -> Any:
    keep = options.keep_forwarding
    try:
        answer = _ask_living(
            options.socket, "stop", timeout=_STOPS_WITHIN, until_gone=True, keep_forwarding=keep
        )
        return {"stopped": True, **answer}
    except NotRunning:
        if not keep:
            _take_off(options.state)
        return {"stopped": False}


def _take_off(state: Path) -> None:
    """The programs that a killed node left; the session logs hear of what ends with them."""
    from .fast.path import clear
    from .session_log import FOLDER, SessionLogs, since_1970

    logs = SessionLogs(state / FOLDER, since_1970)
    clear(state, logs.write_of)
    logs.close()


def _serve(options: argparse.Namespace) -> None:
    _run_daemon(options, lambda: None)


def _run_daemon(options: argparse.Namespace, ready: Callable[[], None]) -> None:
    # Here and not above: every other command starts faster without the engine.
    from .daemon import Daemon

    Daemon(
        options.state.absolute(),
        options.socket.absolute(),
        hooks=options.fast_path,
        devices=options.device,
        keep_forwarding=options.keep_forwarding,
    ).run(ready)


def _start(options: argparse.Namespace) -> Any:
    try:
        return {"started": False, "pid": _ask_living(options.socket, "status")["pid"]}
    except NotRunning:
        pass
    options.state.mkdir(mode=0o700, parents=True, exist_ok=True)
    near, far = os.pipe()
    child = os.fork()
    if not child:
        os.close(near)
        _detach(options, far)
    os.close(far)
    os.waitpid(child, 0)
    with os.fdopen(near, "rb") as word:
        said = word.read()
    if said != _READY:
        log = options.state / LOG
        raise ControlError(said.decode() or f"the node ended while it started; see {log}")
    return {"started": True, "pid": ask(options.socket, "status")["pid"]}


def _detach(options: argparse.Namespace, far: int) -> None:
    """The daemon's own process: nobody's child, no terminal, output to the log."""
    os.setsid()
    if os.fork():
        os._exit(0)
    log = os.open(options.state / LOG, os.O_WRONLY | os.O_CREAT | os.O_APPEND, 0o600)
    null = os.open(os.devnull, os.O_RDONLY)
    for descriptor, place in ((null, 0), (log, 1), (log, 2)):
        os.dup2(descriptor, place)
    options.state, options.socket = options.state.absolute(), options.socket.absolute()
    os.chdir("/")

    def ready() -> None:
        os.write(far, _READY)
        os.close(far)

    code = 0
    try:
        _run_daemon(options, ready)
    except BaseException as error:
        traceback.print_exc()
        with contextlib.suppress(OSError):  # it had started
            os.write(far, str(error).encode() or type(error).__name__.encode())
        code = 1
    sys.stderr.flush()
    os._exit(code)
