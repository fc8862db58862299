# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Peer to peer between customers whose edges have ports of their own, and from the internet to one."""

from __future__ import annotations

from typing import Any

from ...techniques.service import PortForward, Service
from .control import Control, NoAnswer
from .endpoint import Endpoint, Shipment, new_cookie, own_address
from .flows import outside_source
from .model import Assignment, Verdict, judged
from .ownership import PortSetOwnership, ownership

PACKETS = 20  # each way between the two customers
ARRIVES = 3.0  # seconds that a packet may take: none is sent again
STRAGGLES = 1.0  # seconds after the one before it


def forward_of(service: Service) -> PortForward | None:
    """The port forward that leads to the responder on a host behind the edge."""
    return next((forward for forward in service.port_forwards if forward.protocol == "tcp"), None)


async def mapping(task: Assignment) -> Verdict:
    """Opens a UDP mapping and tells it, so that what follows need not ask the internet."""
    reference = task.targets[0]
    with Endpoint(own_address(reference)) as endpoint:
        seen = await outside_source(endpoint, reference)
        details = {"local_port": endpoint.port, "outside": seen}
    causes = [] if seen else [f"no answer to UDP from {reference}"]
    return judged("p2p_mapping", causes, details)


async def peer(task: Assignment, prepared: dict[str, Any]) -> Verdict:
    """TCP to the peer's port forward, then UDP both ways by hole punching; nobody else is asked.

    ``prepared`` holds the details of ``mapping``.
    """
    assert task.peer is not None
    forward = forward_of(task.peer)
    if forward is None:
        return judged("p2p_peer", ["the peer has no TCP port forward in the plan"], {})
    address = str(task.peer.customer.ipv4.network_address)
    details: dict[str, Any] = {"peer": f"{address}:{forward.outside_port}"}
    causes: list[str] = []
    try:
        async with Control(address, task.token, port=forward.outside_port) as control:
            seen = (await control.ask("hello"))["seen"]
            details["seen_by_peer"] = seen
            if fault := ownership(task, own_address(address)).fault(tuple(seen), control.local_port):
                causes.append(f"TCP to the peer: {fault}")
            details["udp"] = await _punch(task, control, address, prepared, causes)
    except NoAnswer as error:
        causes.append(f"customer to customer: {error}")
    return judged("p2p_peer", causes, details)


async def _punch(
    task: Assignment, control: Control, address: str, prepared: dict[str, Any], causes: list[str]
) -> dict[str, Any]:
    assert task.peer is not None
    with Endpoint(own_address(address), prepared["local_port"]) as endpoint:
        # Opens our side for the peer's address (address-dependent filtering, RFC 4787 section 5).
        endpoint.poke((address, task.peer.customer.ports.nth(0)))
        cookie = new_cookie()
        await control.ask("punch", port=prepared["outside"][1], cookie=cookie.hex())
        first = await endpoint.receipt(cookie, ARRIVES)
        if first is None:
            causes.append("UDP from the peer does not arrive")
            return {"from_peer": None}
        if fault := PortSetOwnership(task.peer.customer).fault(first.source, 0):
            causes.append(f"UDP from the peer: {fault}")
        cookies = [new_cookie() for _ in range(PACKETS)]
        for one in cookies:
            endpoint.send(Shipment("udp", 500), one, first.source)
        arrived = 0
        for number, one in enumerate(cookies):  # they come one after the other
            within = ARRIVES if number == 0 else STRAGGLES
            answer = await control.ask("received", cookie=one.hex(), within=within)
            arrived += answer["receipt"] is not None
        if arrived < PACKETS:
            causes.append(f"{PACKETS - arrived} of {PACKETS} UDP packets to the peer are lost")
        return {"from_peer": first.source, "sent": PACKETS, "arrived": arrived}


async def inbound(task: Assignment) -> Verdict:
    """The reference host connects to this customer's port forward; a responder has to run behind it."""
    forward = forward_of(task.service)
    if forward is None:
        return judged("p2p_inbound", ["this customer has no TCP port forward in the plan"], {})
    reference = task.targets[0]
    async with Control(reference, task.token) as control:
        answer = await control.ask("visit", port=forward.outside_port)
    met = answer["met"]
    causes = []
    if met is None:
        causes.append(f"from the internet to port {forward.outside_port}: {answer['why']}")
    elif met["seen"][0] != reference:
        causes.append(f"the inside host sees {met['seen'][0]} in place of {reference}")
    details = {"outside_port": forward.outside_port, "inside_port": forward.inside_port, "met": met}
    return judged("p2p_inbound", causes, details)
