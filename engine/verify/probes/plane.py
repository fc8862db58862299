# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Peer to peer where nothing is translated: each host of a plane is reached at its own address."""

from __future__ import annotations

from typing import Any

from .control import CONTROL_PORT, Control, NoAnswer
from .endpoint import Shipment
from .model import Assignment, Verdict, judged
from .pair import IN, OUT, Pair

PACKETS = 20


async def check(task: Assignment, mate: dict[str, Any]) -> Verdict:
    """TCP and UDP with a host of the same plane; the same address in another plane is somebody else.

    ``mate`` is {address, name}: the name is what the responder there was started with.
    """
    address, causes = mate["address"], list[str]()
    details: dict[str, Any] = {"peer": address, "peer_name": mate["name"]}
    try:
        async with Pair(task, address) as pair:
            hello = await pair.control.ask("hello")
            seen = (hello["seen"][0], hello["seen"][1])
            details["seen_by_peer"] = list(seen)
            if hello["name"] != mate["name"]:
                causes.append(f"{address} is {hello['name']}, not {mate['name']}: another plane answers")
            if seen != (pair.endpoint.address, pair.control.local_port):
                causes.append(f"the peer sees {seen[0]}:{seen[1]}, not the host's own address and port")
            arrived = 0
            for direction in (OUT, IN):
                for _ in range(PACKETS // 2):
                    outcome = await pair.ship(direction, Shipment("udp", 500), fits=True)
                    arrived += outcome.receipt is not None
            details["udp"] = {"sent": PACKETS, "arrived": arrived}
            if arrived < PACKETS:
                causes.append(f"{PACKETS - arrived} of {PACKETS} UDP packets are lost")
    except NoAnswer as error:
        causes.append(f"host to host: {error}")
    return judged("p2p_peer", causes, details)


async def inbound(task: Assignment) -> Verdict:
    """The reference host connects to this host's own address; a responder has to run here."""
    reference = task.targets[0]
    async with Control(reference, task.token) as control:
        answer = await control.ask("visit", port=CONTROL_PORT)
    met, causes = answer["met"], []
    if met is None:
        causes.append(f"from the internet to port {CONTROL_PORT}: {answer['why']}")
    elif met["seen"][0] != reference:
        causes.append(f"the host sees {met['seen'][0]} in place of {reference}")
    return judged(
        "p2p_inbound", causes, {"outside_port": CONTROL_PORT, "inside_port": CONTROL_PORT, "met": met}
    )
