# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Whether anything gets through at all, one protocol at a time, and whether certain packets did."""

from __future__ import annotations

import asyncio

from ...provision.dns64 import WELL_KNOWN_NAME, discover
from . import dns
from .control import Control, NoAnswer
from .endpoint import Endpoint, Shipment, new_cookie, own_address
from .flows import outside_source
from .model import Assignment, Verdict, judged

WAIT = 1.5


async def check(task: Assignment) -> Verdict:
    """TCP, UDP and ICMP to the reference host: which of them are answered."""
    reference = task.targets[0]
    with Endpoint(own_address(reference)) as endpoint:
        answers = await asyncio.gather(
            _udp(endpoint, reference), _icmp(endpoint, reference), _tcp(reference, task.token)
        )
    found = dict(zip(("udp", "icmp", "tcp"), answers, strict=True))
    dead = sorted(name for name, alive in found.items() if not alive)
    return judged("reach", [f"no answer to {', '.join(dead)}"] if dead else [], found)


async def agree(task: Assignment, resolvers: list[str]) -> Verdict:
    """The same, and which prefix each resolver's DNS64 has (RFC 7050 section 3)."""
    verdict = await check(task)
    causes = [verdict.cause] if verdict.cause else []
    told: dict[str, list[str]] = {}
    for resolver in resolvers:
        try:
            told[resolver] = list(map(str, discover(await dns.addresses(resolver, WELL_KNOWN_NAME))))
        except NoAnswer as error:
            causes.append(str(error))
            continue
        if not told[resolver]:
            causes.append(f"the resolver {resolver} does not say which prefix its DNS64 has")
    return judged("drafts", causes, verdict.details | {"dns64_prefixes": told})


async def _udp(endpoint: Endpoint, reference: str) -> bool:
    return await outside_source(endpoint, reference) is not None


async def _icmp(endpoint: Endpoint, reference: str) -> bool:
    cookie = new_cookie()
    endpoint.send(Shipment("icmp", 100), cookie, (reference, endpoint.ident))
    return await endpoint.receipt(cookie, WAIT) is not None


async def _tcp(reference: str, token: str) -> bool:
    try:
        async with Control(reference, token) as control:
            await control.ask("hello")
    except NoAnswer:
        return False
    return True


async def seen(task: Assignment, cookies: list[str]) -> Verdict:
    """Which of the packets that must be dropped reached the reference host nevertheless."""
    async with Control(task.targets[0], task.token) as control:
        leaked = [
            cookie
            for cookie in cookies
            if (await control.ask("received", cookie=cookie, within=0))["receipt"] is not None
        ]
    causes = [f"{len(leaked)} of {len(cookies)} packets reached the internet"] if leaked else []
    return judged("seen", causes, {"asked": len(cookies), "leaked": leaked})
