# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What probe and responder say to each other: one JSON object a line over TCP, through the service itself."""

from __future__ import annotations

import asyncio
import json
import socket
from types import TracebackType
from typing import Any

from .endpoint import family_of
from .wire import mss_of
from .wire4 import tcp_of

CONTROL_PORT = 8597  # TCP
UDP_PORT = 8598
WEB_PORT = 80
# linux/tcp.h: keep the headers of a SYN, and read them back. Python has no names for them.
TCP_SAVE_SYN, TCP_SAVED_SYN = 27, 28
PATIENCE = 5.0  # seconds for a connection or an answer


class NoAnswer(Exception):
    """The far side was not reached or refused; says what was tried."""


class Control:
    """A control connection, used with ``async with``. Raises NoAnswer."""

    def __init__(
        self, address: str, token: str, *, port: int = CONTROL_PORT, local: tuple[str, int] | None = None
    ) -> None:
        self.address, self.port, self._token, self._local = address, port, token, local

    async def __aenter__(self) -> Control:
        try:
            self._reader, self._writer = await asyncio.wait_for(
                asyncio.open_connection(sock=await self._connected()), PATIENCE
            )
        except (OSError, TimeoutError) as error:
            raise NoAnswer(f"TCP to {self.address} port {self.port}: {str(error) or 'no answer'}") from error
        self.local_port: int = self._writer.get_extra_info("sockname")[1]
        return self

    async def _connected(self) -> socket.socket:
        made = socket.socket(family_of(self.address), socket.SOCK_STREAM)
        made.setblocking(False)
        try:
            if self._local is not None:
                made.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
                made.bind(self._local)
            target = (self.address, self.port)
            await asyncio.wait_for(asyncio.get_running_loop().sock_connect(made, target), PATIENCE)
        except BaseException:
            made.close()
            raise
        return made

    async def __aexit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        self._writer.close()

    async def ask(self, do: str, **what: Any) -> dict[str, Any]:
        """One request, its answer."""
        try:
            self._writer.write(json.dumps({"do": do, "token": self._token, **what}).encode() + b"\n")
            line = await asyncio.wait_for(self._reader.readline(), PATIENCE * 2)
            answer: dict[str, Any] = json.loads(line)
        except (OSError, TimeoutError, ValueError) as error:
            raise NoAnswer(f"{do} at {self.address} port {self.port}: no answer") from error
        if "error" in answer:
            raise NoAnswer(f"{do} at {self.address} port {self.port}: {answer['error']}")
        return answer


def keep_syn(listener: Any) -> None:
    """Make a listening socket keep the SYN of each connection."""
    listener.setsockopt(socket.IPPROTO_TCP, TCP_SAVE_SYN, 1)


def syn_mss(connection: Any) -> int | None:
    """MSS that the SYN of an accepted connection offered, as it arrived here."""
    return mss_of(tcp_of(connection.getsockopt(socket.IPPROTO_TCP, TCP_SAVED_SYN, 512)))
