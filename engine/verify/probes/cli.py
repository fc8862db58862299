# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probe agent, ``ipv4aas-probe``: an Assignment as JSON comes in, a Verdict goes out."""

from __future__ import annotations

import argparse
import asyncio
import contextlib
import dataclasses
import json
import os
import resource
import signal
import subprocess
import sys
import time
from collections.abc import Callable, Coroutine
from pathlib import Path
from typing import Any

from ...codec import CodecError, decode, encode
from . import flows, fragments, icmp, mtu, p2p, reach, resolver, spoof, stream, web
from .control import CONTROL_PORT, WEB_PORT, NoAnswer
from .model import Assignment, Verdict, judged
from .responder import respond

PID_FILE = Path("/run/ipv4aas/responder.pid")

Check = Callable[[Assignment, dict[str, Any]], Coroutine[Any, Any, Verdict]]


async def _spoof(task: Assignment, _more: dict[str, Any]) -> Verdict:
    return spoof.send(task)


# Names of checks: what the command line offers. ``more`` is the document's "more".
CHECKS: dict[str, Check] = {
    "mtu": lambda task, more: mtu.check(task),
    "fragments": lambda task, more: fragments.check(task, more.get("enough")),
    "tcp_udp": lambda task, more: flows.check(task),
    "icmp": lambda task, more: icmp.check(task),
    "web": web.check,
    "p2p_mapping": lambda task, more: p2p.mapping(task),
    "p2p_peer": p2p.peer,
    "p2p_inbound": lambda task, more: p2p.inbound(task),
    "drafts": lambda task, more: reach.agree(task, more.get("resolvers", [])),
    "dns64": resolver.check,
    "reach": lambda task, more: reach.check(task),
    "seen": lambda task, more: reach.seen(task, more["cookies"]),
    "spoof": _spoof,
    "stream": lambda task, more: stream.check(task, more["seconds"]),
}


def main(argv: list[str] | None = None) -> int:
    """0: pass, 1: fail, 2: not understood."""
    parser = argparse.ArgumentParser(prog="ipv4aas-probe", description=__doc__)
    commands = parser.add_subparsers(dest="command", required=True)
    for name in CHECKS:
        commands.add_parser(name)
    responder = commands.add_parser("responder", help="answer probes; the token comes on standard input")
    responder.add_argument("--address", action="append", required=True, help="may be given again")
    responder.add_argument("--name", default="", help="what it says it is")
    responder.add_argument("--control-port", type=int, default=CONTROL_PORT)
    responder.add_argument("--web-port", type=int, default=WEB_PORT, help="0: no web server")
    responder.add_argument("--dns-port", type=int, default=0, help="0: no name server (default)")
    responder.add_argument("--lifetime", type=float, default=3600.0, help="seconds (default %(default)s)")
    responder.add_argument(
        "--detach",
        action="store_true",
        help="go on in the background in place of the one before, print its pid",
    )
    responder.add_argument("--pid-file", type=Path, default=PID_FILE, help="(default %(default)s)")
    options = parser.parse_args(argv)
    _, hard = resource.getrlimit(resource.RLIMIT_NOFILE)
    resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
    if options.command == "responder":
        return _respond(options, argv or sys.argv[1:])
    return _check(options.command)


def _check(name: str) -> int:
    try:
        document = json.load(sys.stdin)
        more = document.pop("more", {}) if isinstance(document, dict) else {}
        task = decode(Assignment, document)
    except (CodecError, ValueError) as error:
        print(json.dumps({"error": str(error)}), file=sys.stderr)
        return 2
    started = time.monotonic()
    verdict = _run(name, task, more)
    verdict = dataclasses.replace(verdict, seconds=round(time.monotonic() - started, 2))
    print(json.dumps(encode(verdict)))
    return 0 if verdict.passed else 1


def _run(name: str, task: Assignment, more: dict[str, Any]) -> Verdict:
    try:
        return asyncio.run(CHECKS[name](task, more))
    except NoAnswer as error:
        return judged(name, [str(error)], {})
    except PermissionError as error:
        return judged(name, [f"the probe needs root: {error}"], {})
    except OSError as error:
        return judged(name, [f"this host: {error}"], {})


def _respond(options: argparse.Namespace, argv: list[str]) -> int:
    token = sys.stdin.readline().strip()
    if not token:
        print(json.dumps({"error": "no token on standard input"}), file=sys.stderr)
        return 2
    if options.detach:
        _end(options.pid_file)
        return _detach([word for word in argv if word != "--detach"], token, options.pid_file)
    try:
        asyncio.run(
            respond(
                options.address,
                token,
                name=options.name,
                control_port=options.control_port,
                web_port=options.web_port or None,
                dns_port=options.dns_port or None,
                lifetime=options.lifetime,
            )
        )
    except OSError as error:
        print(json.dumps({"error": str(error)}), file=sys.stderr)
        return 1
    except KeyboardInterrupt:
        pass
    return 0


def _end(pid_file: Path) -> None:
    """End the responder that an interrupted run left; a pid that is somebody else's by now is let alone."""
    with contextlib.suppress(OSError, ValueError):
        pid = int(pid_file.read_text())
        if b"responder" not in Path(f"/proc/{pid}/cmdline").read_bytes().split(b"\0"):
            return
        os.kill(pid, signal.SIGTERM)
        while Path(f"/proc/{pid}/stat").read_text().rpartition(")")[2].split()[0] != "Z":
            time.sleep(0.01)


def _detach(argv: list[str], token: str, pid_file: Path) -> int:
    """Start ourselves again in a session of its own; returns when it listens."""
    child = subprocess.Popen(
        [sys.executable, sys.argv[0], *argv],
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        start_new_session=True,
        env=os.environ,
        text=True,
    )
    assert child.stdin and child.stdout and child.stderr
    child.stdin.write(token + "\n")
    child.stdin.close()
    if not child.stdout.readline():
        print(child.stderr.read().strip(), file=sys.stderr)
        return 1
    pid_file.parent.mkdir(parents=True, exist_ok=True)
    pid_file.write_text(str(child.pid))
    print(json.dumps({"pid": child.pid}))
    return 0
