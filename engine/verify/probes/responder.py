# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The far side of the probes: answers on the internet, or behind an edge to another customer.

It does nothing for who does not know the token, and sends only to who asks it.
"""

from __future__ import annotations

import asyncio
import contextlib
import hmac
import json
from collections.abc import Awaitable, Callable
from typing import Any

from . import dns, web
from .control import UDP_PORT, Control, NoAnswer, keep_syn, syn_mss
from .endpoint import Endpoint, Shipment, forget_learned_mtus

Handler = Callable[..., Awaitable[dict[str, Any]]]

WAIT_LIMIT = 5.0  # seconds that a request may make us wait


class Responder:
    """One address: control, labelled packets, web. Used with ``async with``."""

    def __init__(
        self,
        address: str,
        token: str,
        *,
        name: str,
        control_port: int,
        web_port: int | None,
        dns_port: int | None,
    ) -> None:
        self.address, self._token, self._name = address, token, name
        self._control_port, self._web_port, self._dns_port = control_port, web_port, dns_port
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Responder:
        try:
            self._endpoint = self._stack.enter_context(Endpoint(self.address, UDP_PORT, answers=True))
            await self._listen(self._serve, self._control_port)
            if self._web_port is not None:
                await self._listen(web.serve, self._web_port)
            if self._dns_port is not None:
                loop = asyncio.get_running_loop()
                transport, _ = await loop.create_datagram_endpoint(
                    lambda: dns.NameServer(self.address), local_addr=(self.address, self._dns_port)
                )
                self._stack.callback(transport.close)
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(self, *_: object) -> None:
        await self._stack.aclose()

    async def _listen(
        self,
        serve: Callable[[asyncio.StreamReader, asyncio.StreamWriter], Awaitable[None]],
        port: int,
    ) -> None:
        server = await asyncio.start_server(serve, self.address, port, backlog=1024)
        self._stack.callback(server.close)
        for listener in server.sockets:
            keep_syn(listener)

    async def _serve(self, reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        seen = writer.get_extra_info("peername")
        with contextlib.suppress(ConnectionError):
            mss = syn_mss(writer.get_extra_info("socket"))
            while line := await reader.readline():
                answer = await self._answer(line, seen, mss)
                writer.write(json.dumps(answer).encode() + b"\n")
                await writer.drain()
        writer.close()

    async def _answer(self, line: bytes, seen: tuple[str, int], mss: int | None) -> dict[str, Any]:
        try:
            request = json.loads(line)
            if not hmac.compare_digest(str(request.pop("token", "")), self._token):
                return {"error": "the token is not ours"}
            do = request.pop("do")
            if do == "hello":
                return {"seen": seen, "mss": mss, "name": self._name}
            handlers: dict[str, Handler] = {
                "received": self._received,
                "send": self._send,
                "too_big": self._too_big,
                "forget": self._forget,
                "visit": self._visit,
                "punch": self._punch,
            }
            return await handlers[do](seen, **request)
        except (KeyError, TypeError, ValueError) as error:
            return {"error": f"request not understood: {error}"}
        except OSError as error:
            return {"error": str(error)}

    async def _received(self, _seen: tuple[str, int], cookie: str, within: float) -> dict[str, Any]:
        """Whether a labelled packet arrived."""
        receipt = await self._endpoint.receipt(bytes.fromhex(cookie), min(within, WAIT_LIMIT))
        return {"receipt": receipt}

    async def _send(self, seen: tuple[str, int], shipment: list[Any], cookie: str, to: str) -> dict[str, Any]:
        """Send a labelled packet back to where the one named ``to`` came from."""
        known = self._endpoint.receipts.get(bytes.fromhex(to))
        if known is None or known.source[0] != seen[0]:
            return {"error": "no packet of that name came from you"}
        before = self._endpoint.heard
        self._endpoint.send(Shipment(*shipment), bytes.fromhex(cookie), known.source)
        return {"heard": before}

    async def _too_big(
        self, seen: tuple[str, int], protocol: str, listen: float, since: int
    ) -> dict[str, Any]:
        """The MTU that somebody told us about a packet to the caller, after complaint number ``since``."""
        return {"mtu": await self._endpoint.too_big(protocol, seen[0], min(listen, WAIT_LIMIT), since)}

    async def _forget(self, _seen: tuple[str, int]) -> dict[str, Any]:
        """Offer the full MSS again."""
        forget_learned_mtus()
        return {}

    async def _visit(self, seen: tuple[str, int], port: int) -> dict[str, Any]:
        """Come in from outside: connect to a port of the caller's address and say hello there."""
        try:
            async with Control(seen[0], self._token, port=port, local=(self.address, 0)) as inside:
                return {"met": await inside.ask("hello")}
        except NoAnswer as error:
            return {"met": None, "why": str(error)}

    async def _punch(self, seen: tuple[str, int], port: int, cookie: str) -> dict[str, Any]:
        """Send a labelled datagram to a UDP port of the caller, from our one socket."""
        self._endpoint.send(Shipment("udp", 200), bytes.fromhex(cookie), (seen[0], port))
        return {}


async def respond(
    addresses: list[str],
    token: str,
    *,
    name: str,
    control_port: int,
    web_port: int | None,
    dns_port: int | None,
    lifetime: float,
) -> None:
    """Answer for ``lifetime`` seconds: a responder that was forgotten ends by itself."""
    async with contextlib.AsyncExitStack() as stack:
        for address in addresses:
            made = Responder(
                address, token, name=name, control_port=control_port, web_port=web_port, dns_port=dns_port
            )
            await stack.enter_async_context(made)
        print(json.dumps({"listening": addresses}), flush=True)
        await asyncio.sleep(lifetime)
