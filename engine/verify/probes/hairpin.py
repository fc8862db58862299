# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Peer to peer through a gateway that translates: hairpinning and filtering (RFC 4787 sections 5 and 6)."""

from __future__ import annotations

from typing import Any

from .control import Control
from .endpoint import Endpoint, Shipment, new_cookie, own_address
from .flows import outside_source
from .model import Assignment, Verdict, judged

PACKETS = 20
ARRIVES = 3.0  # seconds that a packet may take: none is sent again
STAYS_AWAY = 1.0  # seconds after which one that is to be filtered does not come any more
OPEN = "endpoint-independent"


async def check(task: Assignment) -> Verdict:
    """Two sockets of a host meet at their outside addresses, and who else may send there is as planned."""
    assert task.gateway is not None
    first, second = task.targets[0], task.targets[-1]
    own = own_address(first)
    causes: list[str] = []
    details: dict[str, Any] = {"filtering": task.gateway.filtering}
    with Endpoint(own) as here, Endpoint(own) as there:
        mappings = [await outside_source(endpoint, first) for endpoint in (here, there)]
        if mappings[0] is None or mappings[1] is None:
            return judged("p2p_peer", [f"no answer to UDP from {first}"], details)
        details["mappings"] = mappings
        outside, other = ((task.target(address), port) for address, port in filter(None, mappings))
        arrived = await _turned(here, there, outside, other, causes)
        details["udp"] = {"sent": PACKETS, "arrived": arrived}
        if task.gateway.hairpinning and arrived < PACKETS:
            causes.append(f"{PACKETS - arrived} of {PACKETS} UDP packets to an own outside address are lost")
        if not task.gateway.hairpinning and arrived:
            causes.append("the plan has no hairpinning, but packets to an own outside address come back")
        if second != first:
            details["stranger"] = await _stranger(task, second, here, outside[1], causes)
    return judged("p2p_peer", causes, details)


async def _turned(
    here: Endpoint,
    there: Endpoint,
    here_outside: tuple[str, int],
    there_outside: tuple[str, int],
    causes: list[str],
) -> int:
    """How many packets arrive; the receiver must see the sender's outside address (RFC 4787 REQ-9)."""
    here.poke(there_outside)  # opens this side where filtering depends on the address
    cookies = [new_cookie() for _ in range(PACKETS)]
    for cookie in cookies:
        there.send(Shipment("udp", 500), cookie, here_outside)
    receipts = [
        await here.receipt(cookie, ARRIVES if number == 0 else 0.2) for number, cookie in enumerate(cookies)
    ]
    sources = {receipt.source for receipt in receipts if receipt is not None}
    if sources - {there_outside}:
        causes.append(
            f"turned packets come from {sorted(sources)}, not from {there_outside} (RFC 4787 REQ-9)"
        )
    return sum(receipt is not None for receipt in receipts)


async def _stranger(task: Assignment, second: str, here: Endpoint, port: int, causes: list[str]) -> str:
    """Whether somebody that the socket never sent to gets through: the plan's filtering decides."""
    assert task.gateway is not None
    wanted = task.gateway.filtering == OPEN
    cookie = new_cookie()
    async with Control(second, task.token) as control:
        await control.ask("punch", port=port, cookie=cookie.hex())
        arrived = await here.receipt(cookie, ARRIVES if wanted else STAYS_AWAY) is not None
    if arrived != wanted:
        told = "reach" if arrived else "do not reach"
        causes.append(
            f"packets of a stranger {told} a mapping, filtering is planned {task.gateway.filtering}"
        )
    return "arrives" if arrived else "filtered"
