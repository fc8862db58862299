# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A UDP stream and a TCP download that run while something else happens to the network."""

from __future__ import annotations

import asyncio
from typing import Any

from . import web
from .control import UDP_PORT, WEB_PORT
from .endpoint import Endpoint, own_address
from .label import LABEL
from .model import Assignment, Verdict, judged

RATE = 100  # UDP packets a second, each answered
DOWNLOAD = 1_000_000  # octets a second
PATIENCE = 10.0  # seconds without a single octet that end a download
LAST = 5.0  # seconds for the last answers


async def check(task: Assignment, seconds: float) -> Verdict:
    """Both go on to their end; the figures say how long they were interrupted."""
    reference = task.targets[0]
    udp, tcp = await asyncio.gather(_udp(reference, seconds), _tcp(reference, seconds))
    causes = []
    if not tcp["whole"]:
        causes.append(f"the download ended after {tcp['octets']} of {tcp['wanted']} octets: {tcp['why']}")
    if not udp["answered_at_end"]:
        causes.append("the UDP stream was not answered any more at its end")
    return judged("stream", causes, {"seconds": seconds, "udp": udp, "tcp": tcp})


async def _udp(reference: str, seconds: float) -> dict[str, Any]:
    """Numbered datagrams on one socket; answers tell what was lost and the longest gap."""
    count = int(seconds * RATE)
    loop = asyncio.get_running_loop()
    with Endpoint(own_address(reference)) as endpoint:
        start = loop.time()
        for number in range(count):
            endpoint.ask(_number(number), (reference, UDP_PORT))
            await asyncio.sleep(max(0.0, start + (number + 1) / RATE - loop.time()))
        await endpoint.until(lambda: endpoint.answers.get(_number(count - 1)), LAST)
        answered = [_number(number) in endpoint.answers for number in range(count)]
        sources = set(endpoint.answers.values())
    gap = longest = 0
    for one in answered:
        gap = 0 if one else gap + 1
        longest = max(longest, gap)
    return {
        "sent": count,
        "lost": answered.count(False),
        "longest_gap_ms": longest * 1000 // RATE,
        "sources": sorted(f"{address}:{port}" for address, port in sources),
        "answered_at_end": any(answered[-RATE:]),
    }


def _number(number: int) -> bytes:
    return number.to_bytes(LABEL - 4, "big")


async def _tcp(reference: str, seconds: float) -> dict[str, Any]:
    """A paced download on one connection."""
    loop = asyncio.get_running_loop()
    wanted = got = 0
    stall, why = 0.0, ""
    try:
        async with asyncio.timeout(PATIENCE):
            reader, writer = await asyncio.open_connection(reference, WEB_PORT)
            wanted = await web.get(reader, writer, f"/stream?seconds={seconds}&rate={DOWNLOAD}")
        last = loop.time()
        while got < wanted:
            data = await asyncio.wait_for(reader.read(1 << 16), PATIENCE)
            if not data:
                why = "closed by the far side"
                break
            stall, last = max(stall, loop.time() - last), loop.time()
            got += len(data)
        writer.close()
    except (OSError, ValueError, TimeoutError) as error:
        why = str(error) or "nothing arrived any more"
    return {
        "wanted": wanted,
        "octets": got,
        "whole": 0 < wanted == got,
        "longest_stall_ms": int(stall * 1000),
        "why": why,
    }
