# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Path MTU, both ways, and the MSS that each side of a TCP connection is told."""

from __future__ import annotations

import asyncio
import socket
from typing import Any

from . import web
from .control import WEB_PORT, Control
from .endpoint import Shipment, family_of, forget_learned_mtus, own_address
from .model import Assignment, Verdict, judged
from .pair import IN, OUT, Pair
from .wire import Wire, mss_of, wire_of

TCP_IPV4 = 40  # octets: headers without options
BULK = 1 << 18  # octets: many full segments
SYN_ACK = 0x12


async def check(task: Assignment) -> Verdict:
    """The largest DF packet that passes is the plan's; a larger one is answered with that figure."""
    wanted = task.ipv4_mtu
    causes: list[str] = []
    details: dict[str, Any] = {"planned_ipv4_mtu": wanted, "planned_mss": task.service.mss_clamp}
    reference = task.targets[0]
    async with Control(reference, task.token) as control:
        forget_learned_mtus()
        await control.ask("forget")
    async with Pair(task) as pair:
        details["mss_seen_outside"] = (await pair.control.ask("hello"))["mss"]
        details["mss_seen_inside"], details["bulk_octets"] = await _download(pair.endpoint.address, reference)
        for direction in (OUT, IN):
            for protocol in ("udp", "icmp"):
                figures = await _measure(pair, direction, protocol, wanted, causes)
                details[f"{direction}_{protocol}"] = figures
    # A host offers no more than its own link carries.
    clamp = min(task.service.mss_clamp, wire_of(own_address(reference)).WHOLE - TCP_IPV4)
    for side in ("outside", "inside"):
        mss = details[f"mss_seen_{side}"]
        if task.service.mss_clamp and mss != clamp:
            causes.append(f"MSS seen {side} is {mss}; the plan clamps to {clamp} (lint rules MTU001, MTU002)")
    if details["bulk_octets"] != BULK:
        causes.append(f"a download of {BULK} octets stopped at {details['bulk_octets']}")
    return judged("mtu", causes, details)


async def _measure(
    pair: Pair, direction: str, protocol: str, wanted: int, causes: list[str]
) -> dict[str, str]:
    """What becomes of DF packets of the planned size, and of one octet more."""
    whole = await pair.ship(direction, Shipment(protocol, wanted, df=True), fits=True)
    larger = await pair.ship(direction, Shipment(protocol, wanted + 1, df=True), fits=False)
    way = f"{protocol.upper()} {direction}wards"
    if whole.receipt is None:
        causes.append(f"{way}: {wanted} octets with DF: {whole.text}, not delivered")
    if larger.receipt is not None:
        causes.append(f"{way}: {wanted + 1} octets with DF pass; the plan says {wanted}")
    elif larger.too_big != wanted:
        causes.append(f"{way}: {wanted + 1} octets with DF: {larger.text}, not too big with MTU {wanted}")
    return {str(wanted): whole.text, str(wanted + 1): larger.text}


async def _download(own: str, reference: str) -> tuple[int | None, int]:
    """MSS in the SYN-ACK that reached us, and octets of a download in full segments."""
    with socket.socket(family_of(own), socket.SOCK_RAW, socket.IPPROTO_TCP) as listener:
        listener.setblocking(False)
        listener.bind((own, 0))
        listener.connect((reference, 0))
        try:
            async with asyncio.timeout(10):
                reader, writer = await asyncio.open_connection(reference, WEB_PORT)
                local_port = writer.get_extra_info("sockname")[1]
                mss = _syn_ack_mss(listener, wire_of(own), local_port)
                await web.get(reader, writer, f"/stream?seconds={web.CHUNK}&rate={BULK / web.CHUNK}")
                got = await _count(reader)
                writer.close()
        except (OSError, ValueError, TimeoutError):
            return None, 0
    return mss, got


async def _count(reader: asyncio.StreamReader) -> int:
    got = 0
    while data := await reader.read(1 << 16):
        got += len(data)
    return got


def _syn_ack_mss(listener: socket.socket, wire: Wire, port: int) -> int | None:
    while True:
        try:
            packet = listener.recv(65535)
        except BlockingIOError:
            return None
        tcp = wire.tcp_of(packet)
        if (
            tcp[13] & SYN_ACK == SYN_ACK
            and tcp[:2] == WEB_PORT.to_bytes(2, "big")
            and tcp[2:4] == port.to_bytes(2, "big")
        ):
            return mss_of(tcp)
