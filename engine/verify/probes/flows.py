# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP and UDP flows: who the outside sees, and whether data come back unchanged."""

from __future__ import annotations

import asyncio
import socket
from collections.abc import Awaitable, Callable
from typing import Any

from .control import UDP_PORT, Control, NoAnswer
from .endpoint import Endpoint, family_of, new_cookie, own_address
from .model import Assignment, Verdict, judged
from .ownership import Ownership, ownership

FLOWS = 8  # of each protocol
ANSWERS = 1.0  # seconds for one UDP answer
TRIES = 3


async def check(task: Assignment) -> Verdict:
    """Each local port is seen as one outside port from every destination (RFC 4787 REQ-1), all in the set."""
    references = task.targets
    own = own_address(references[0])
    owner = ownership(task, own)
    flows: dict[str, list[dict[str, Any]]] = {
        "tcp": await _several(lambda: _tcp(own, references, task.token)),
        "udp": await _several(lambda: _udp(own, references)),
    }
    causes: list[str] = []
    for protocol, found in flows.items():
        for flow in found:
            causes += _faults(owner, protocol, flow)
    sources = [
        tuple(source) for found in flows.values() for flow in found for source in flow["seen"].values()
    ]
    causes += _one_address(sources)
    return judged("tcp_udp", causes, {"flows": flows, "customer": owner.describe()})


async def _several(flow: Callable[[], Awaitable[dict[str, Any]]]) -> list[dict[str, Any]]:
    """Flows one after the other; a first one that nobody answers is enough."""
    found = [await flow()]
    while found[0]["seen"] and len(found) < FLOWS:
        found.append(await flow())
    return found


def _faults(owner: Ownership, protocol: str, flow: dict[str, Any]) -> list[str]:
    name = f"{protocol.upper()} from port {flow['local_port']}"
    faults = [f"{name} to {to}: {why}" for to, why in flow["unanswered"].items()]
    seen = flow["seen"]
    for to, (address, port) in seen.items():
        if fault := owner.fault((address, port), flow["local_port"]):
            faults.append(f"{name} to {to}: {fault}")
    if len({tuple(source) for source in seen.values()}) > 1:
        faults.append(f"{name}: another outside source for each destination: {seen} (RFC 4787 REQ-1)")
    return faults


def _one_address(sources: list[tuple[str, int]]) -> list[str]:
    """Pairing: an inside address is always the same outside (RFC 4787 REQ-2)."""
    addresses = sorted({address for address, _ in sources})
    return [] if len(addresses) <= 1 else [f"one host is seen as {', '.join(addresses)} (RFC 4787 REQ-2)"]


async def _tcp(own: str, references: list[str], token: str) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    unanswered: dict[str, str] = {}
    port = _free_port(own)
    for reference in references:
        try:
            async with Control(reference, token, local=(own, port)) as control:
                seen[reference] = (await control.ask("hello"))["seen"]
        except NoAnswer as error:
            unanswered[reference] = str(error)
    return {"local_port": port, "seen": seen, "unanswered": unanswered}


def _free_port(own: str) -> int:
    with socket.socket(family_of(own), socket.SOCK_STREAM) as chooser:
        chooser.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
        chooser.bind((own, 0))
        port: int = chooser.getsockname()[1]
    return port


async def _udp(own: str, references: list[str]) -> dict[str, Any]:
    seen: dict[str, Any] = {}
    unanswered: dict[str, str] = {}
    with Endpoint(own) as endpoint:
        for reference in references:
            answer = await outside_source(endpoint, reference)
            if answer is None:
                unanswered[reference] = "no answer"
            else:
                seen[reference] = answer
        return {"local_port": endpoint.port, "seen": seen, "unanswered": unanswered}


async def outside_source(endpoint: Endpoint, reference: str) -> tuple[str, int] | None:
    """Where the reference host sees the endpoint's UDP socket; None where it does not answer."""
    for _ in range(TRIES):
        cookie = new_cookie()
        endpoint.ask(cookie, (reference, UDP_PORT))
        if answer := await endpoint.until(lambda: endpoint.answers.get(cookie), ANSWERS):  # noqa: B023
            return answer
        await asyncio.sleep(0)
    return None
