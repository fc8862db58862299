# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This host and the reference host together: labelled packets either way, and what became of them."""

from __future__ import annotations

import asyncio
import contextlib
import time
from types import TracebackType
from typing import Any, NamedTuple

from .control import UDP_PORT, Control, NoAnswer
from .endpoint import Endpoint, Receipt, Shipment, new_cookie, own_address
from .model import Assignment

OUT, IN = "out", "in"
ARRIVES = 1.0  # seconds that a packet may take, at most
LEAST, ROUND_TRIPS = 0.25, 10  # what is waited for: so many seconds and round trips
TRIES = 3  # packets get lost
ERROR_PAUSE = 0.5  # seconds, more each time: ICMP errors are rate limited (RFC 1812 section 4.3.2.8)


class Outcome(NamedTuple):
    """What became of one packet."""

    receipt: Receipt | None
    too_big: int | None  # MTU that an ICMP error 3/4 told

    @property
    def text(self) -> str:
        """delivered, too big, or lost."""
        if self.receipt is not None:
            return "delivered"
        return "lost" if self.too_big is None else f"too big, MTU {self.too_big}"


class Pair:
    """Used with ``async with``. Raises NoAnswer where the reference host cannot be reached by TCP."""

    def __init__(self, task: Assignment, reference: str | None = None) -> None:
        self.reference = reference or task.targets[0]
        self.control = Control(self.reference, task.token)
        self._anchors: dict[str, bytes] = {}
        self._stack = contextlib.AsyncExitStack()

    async def __aenter__(self) -> Pair:
        try:
            self.endpoint = self._stack.enter_context(Endpoint(own_address(self.reference)))
            await self._stack.enter_async_context(self.control)
            started = time.monotonic()
            await self.control.ask("hello")
            self.patience = min(ARRIVES, LEAST + ROUND_TRIPS * (time.monotonic() - started))
        except OSError as error:
            await self._stack.aclose()
            raise NoAnswer(f"no way to {self.reference}: {error}") from error
        except BaseException:
            await self._stack.aclose()
            raise
        return self

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        await self._stack.aclose()

    def target(self, protocol: str) -> tuple[str, int]:
        """Where our labelled packets go."""
        return self.reference, UDP_PORT if protocol == "udp" else self.endpoint.ident

    async def received(self, cookie: bytes, within: float) -> Receipt | None:
        """What the far side has of a packet of ours."""
        answer = await self.control.ask("received", cookie=cookie.hex(), within=within)
        return _receipt(answer["receipt"])

    async def anchor(self, protocol: str) -> Receipt:
        """The receipt of a small packet that opened our mapping. Raises NoAnswer where none arrives."""
        cookie = self._anchors.get(protocol)
        for _ in range(TRIES):
            if cookie is None:
                cookie = new_cookie()
                self.endpoint.send(Shipment(protocol, 100), cookie, self.target(protocol))
            receipt = await self.received(cookie, self.patience)
            if receipt is not None:
                self._anchors[protocol] = cookie
                return receipt
            cookie = None
        raise NoAnswer(f"small {protocol.upper()} packets to {self.reference} do not arrive")

    async def ship(self, direction: str, shipment: Shipment, *, fits: bool, once: bool = False) -> Outcome:
        """Send one packet. ``fits`` only says what is worth waiting for: arrival, or an ICMP error."""
        outcome = Outcome(None, None)
        for attempt in range(1 if once else TRIES):
            await asyncio.sleep(0 if fits else attempt * ERROR_PAUSE)
            one_way = self._out if direction == OUT else self._in
            outcome = await one_way(shipment, fits)
            if outcome != Outcome(None, None):
                break
        return outcome

    async def _out(self, shipment: Shipment, fits: bool) -> Outcome:
        cookie = new_cookie()
        before = self.endpoint.heard
        self.endpoint.send(shipment, cookie, self.target(shipment.protocol))
        mtu = None
        if not fits:
            mtu = await self.endpoint.too_big(shipment.protocol, self.reference, self.patience, before)
        receipt = await self.received(cookie, self.patience if fits else 0)
        if fits and receipt is None:
            mtu = await self.endpoint.too_big(shipment.protocol, self.reference, 0, before)
        return Outcome(receipt, mtu)

    async def _in(self, shipment: Shipment, fits: bool) -> Outcome:
        await self.anchor(shipment.protocol)
        cookie = new_cookie()
        anchor = self._anchors[shipment.protocol].hex()
        sent = await self.control.ask("send", shipment=shipment, cookie=cookie.hex(), to=anchor)
        receipt = await self.endpoint.receipt(cookie, self.patience) if fits else None
        if receipt is not None:
            return Outcome(receipt, None)
        listen = 0 if fits else self.patience
        told = await self.control.ask(
            "too_big", protocol=shipment.protocol, listen=listen, since=sent["heard"]
        )
        return Outcome(await self.endpoint.receipt(cookie, 0), told["mtu"])


def _receipt(value: Any) -> Receipt | None:
    return None if value is None else Receipt((value[0][0], value[0][1]), value[1])
