# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A web server with three pages, and the check that fetches from it with the whole port set at once."""

from __future__ import annotations

import asyncio
import contextlib
import json
import socket
import struct
from collections.abc import Sequence
from typing import Any
from urllib.parse import parse_qs, urlsplit

from . import dns
from .control import PATIENCE, WEB_PORT, NoAnswer
from .endpoint import own_address
from .label import filling
from .model import Assignment, Verdict, judged
from .ownership import ownership

PAGE = 4096  # octets of filling in a page
CHUNK = 0.02  # seconds between the chunks of a paced download
AT_ONCE = 64  # connections in their opening at the same time
# Local ports of the fetches: a second run meets the mappings of the first one again, and does not
# find the set exhausted by sessions that the translator may not forget yet (RFC 5382 REQ-5).
FIRST_LOCAL_PORT = 20000
ABORT = struct.pack("ii", 1, 0)  # SO_LINGER: end with RST, so that no end waits in TIME_WAIT
COOKIE = b"web page"


async def serve(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
    """One connection: /who says where it came from, /stream?seconds=S&rate=R is a paced download."""
    with contextlib.suppress(ConnectionError, ValueError, IndexError):
        while (line := await reader.readline()).strip():
            while (await reader.readline()).strip():
                pass
            target = urlsplit(line.split()[1].decode())
            if target.path == "/stream":
                await _stream(writer, {key: float(value[0]) for key, value in parse_qs(target.query).items()})
                break
            address, port = writer.get_extra_info("peername")
            body = json.dumps({"address": address, "port": port, "page": filling(COOKIE, PAGE).hex()})
            writer.write(_head(len(body)) + body.encode())
            await writer.drain()
    writer.close()


def _head(length: int) -> bytes:
    return b"HTTP/1.1 200 OK\r\nContent-Type: application/json\r\nContent-Length: %d\r\n\r\n" % length


async def _stream(writer: asyncio.StreamWriter, query: dict[str, float]) -> None:
    chunk = int(query["rate"] * CHUNK)
    count = int(query["seconds"] / CHUNK)
    writer.write(_head(chunk * count))
    loop = asyncio.get_running_loop()
    start = loop.time()
    for number in range(count):
        writer.write(filling(number.to_bytes(8, "big"), chunk))
        await writer.drain()
        await asyncio.sleep(max(0.0, start + number * CHUNK - loop.time()))


async def get(reader: asyncio.StreamReader, writer: asyncio.StreamWriter, path: str) -> int:
    """Ask for a page on an open connection; octets of its body. Raises OSError, ValueError."""
    writer.write(f"GET {path} HTTP/1.1\r\nHost: reference\r\n\r\n".encode())
    status = await reader.readline()
    if b" 200 " not in status:
        raise ValueError(f"answer {status!r}")
    length = 0
    while line := (await reader.readline()).strip():
        name, _, value = line.partition(b":")
        if name.lower() == b"content-length":
            length = int(value)
    return length


async def _looked_up(task: Assignment, name: str | None, resolvers: Sequence[str]) -> str:
    """The reference's address as every resolver tells it, or as it is known. Raises NoAnswer."""
    wanted = task.targets[0]
    for resolver in resolvers if name else ():
        found = list(map(str, await dns.addresses(resolver, name or "")))
        if wanted not in found:
            raise NoAnswer(f"{name} is {', '.join(found) or 'nothing'} to {resolver}, in place of {wanted}")
    return wanted


async def check(task: Assignment, more: dict[str, Any]) -> Verdict:
    """Hold as many connections open at once as the customer must be able to have.

    Where the first of them show so many faults as ``more`` says in ``enough``, the others are not
    tried. With ``resolvers`` and the reference's ``name`` in it, the name is asked for first.
    """
    enough = more.get("enough")
    reference = await _looked_up(task, more.get("name"), more.get("resolvers") or ())
    own = own_address(reference)
    owner = ownership(task, own)
    gate = asyncio.Semaphore(AT_ONCE)
    connections: list[asyncio.StreamWriter] = []
    failures: list[str] = []

    async def fetch(local_port: int) -> tuple[str, int] | None:
        try:
            async with gate:
                return None if enough and len(failures) >= enough else await page_seen(local_port)
        except (OSError, ValueError, TimeoutError, asyncio.IncompleteReadError) as error:
            failures.append(f"{type(error).__name__} {error}".strip())
            return None

    async def page_seen(local_port: int) -> tuple[str, int]:
        async with asyncio.timeout(PATIENCE * 3):
            reader, writer = await asyncio.open_connection(reference, WEB_PORT, local_addr=(own, local_port))
            connections.append(writer)
            page = json.loads(await reader.readexactly(await get(reader, writer, "/who")))
        if page["page"] != filling(COOKIE, PAGE).hex():
            raise ValueError("page changed on its way")
        return page["address"], page["port"]

    local_ports = range(FIRST_LOCAL_PORT, FIRST_LOCAL_PORT + owner.connections)
    results = await asyncio.gather(*map(fetch, local_ports))
    for writer in connections:
        writer.get_extra_info("socket").setsockopt(socket.SOL_SOCKET, socket.SO_LINGER, ABORT)
        writer.close()
    seen = {local: source for local, source in zip(local_ports, results, strict=True) if source}
    foreign = [fault for local, source in seen.items() if (fault := owner.fault(source, local))]
    causes = []
    if failures:
        causes.append(f"{len(failures)} of {len(results)} parallel fetches failed: {failures[0]}")
    if foreign:
        causes.append(f"{len(foreign)} foreign sources: {foreign[0]}")
    if not failures:
        causes += owner.shortfalls(seen.values())
    details: dict[str, Any] = {
        "fetches": len(results),
        "failed": len(failures),
        "ports_seen": len({port for _, port in seen.values()}),
        "customer": owner.describe(),
    }
    return judged("web", causes, details)
