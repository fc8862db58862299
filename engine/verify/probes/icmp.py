# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Echo, traceroute and too-big: ICMP through the translator and the tunnel."""

from __future__ import annotations

from typing import Any

from .endpoint import Endpoint, Shipment, new_cookie
from .model import Assignment, Verdict, judged
from .ownership import ownership
from .pair import OUT, Pair

HOPS = 16
NOBODY = "*"  # a hop that does not answer
SILENT = 3  # hops in a row that end a traceroute
PER_HOP = 0.7  # seconds
TRIES = 3
TRACE_PORT = 33434  # UDP, as traceroute counts from


async def check(task: Assignment) -> Verdict:
    """Separate causes, so that a box that carries TCP and UDP but not ICMP is known by them."""
    mtu = task.ipv4_mtu
    causes: list[str] = []
    details: dict[str, Any] = {}
    async with Pair(task) as pair:
        details["echo"] = await _echo(task, pair, causes)
        details["traceroute"] = [
            hop if hop == NOBODY else task.ipv4_of(hop) for hop in await _traceroute(pair, causes)
        ]
        larger = await pair.ship(OUT, Shipment("icmp", mtu + 1, df=True), fits=False)
        details["too_big"] = larger.text
        if larger.too_big != mtu:
            causes.append(f"echo of {mtu + 1} octets with DF: {larger.text}, not too big with MTU {mtu}")
    return judged("icmp", causes, details)


async def _echo(task: Assignment, pair: Pair, causes: list[str]) -> dict[str, Any]:
    """Requests of several sizes; their identifier has to be the customer's outside (RFC 7597 section 8.2)."""
    owner = ownership(task, pair.endpoint.address)
    found: dict[str, Any] = {}
    for length in (84, 1000, task.largest_uncut):
        cookie = new_cookie()
        pair.endpoint.send(Shipment("icmp", length), cookie, pair.target("icmp"))
        reply = await pair.endpoint.receipt(cookie, 1.0)
        arrived = await pair.received(cookie, 0)
        found[str(length)] = {"reply": reply is not None, "seen": arrived and arrived.source}
        if arrived is None:
            causes.append(f"echo request of {length} octets does not arrive (lint rule CAP001)")
        elif fault := owner.fault(arrived.source, pair.endpoint.ident):
            causes.append(f"echo request, identifier in place of the port: {fault}")
        if arrived is not None and (reply is None or reply.source[1] != pair.endpoint.ident):
            causes.append(f"echo reply of {length} octets does not come back with its identifier")
    return found


async def _traceroute(pair: Pair, causes: list[str]) -> list[str]:
    """Addresses of the hops; errors come back through the translator (RFC 5508 section 4)."""
    hops: list[str] = []
    for ttl in range(1, HOPS + 1):
        hop = await _hop(pair.endpoint, pair.reference, ttl)
        hops.append(hop or NOBODY)
        if hop == pair.reference or hops[-SILENT:] == [NOBODY] * SILENT:
            break
    if hops[-1] != pair.reference:
        causes.append(f"traceroute does not reach {pair.reference}: {' '.join(hops)}")
    elif NOBODY in hops:
        causes.append(f"traceroute has silent hops: {' '.join(hops)}")
    return hops


async def _hop(endpoint: Endpoint, to: str, ttl: int) -> str | None:
    for attempt in range(TRIES):
        port = TRACE_PORT + ttl * TRIES + attempt
        before = endpoint.heard
        endpoint.trace(to, port, ttl)

        def reporter(port: int = port, before: int = before) -> str | None:
            for complaint in endpoint.complaints(before):
                if (complaint.destination, complaint.destination_port) == (to, port):
                    return complaint.reporter
            return None

        if (found := await endpoint.until(reporter, PER_HOP)) is not None:
            return found
    return None
