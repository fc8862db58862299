# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of DNS as probes need (RFC 1035): one question over UDP, and the addresses in its answer."""

from __future__ import annotations

import asyncio
import secrets
import struct
from ipaddress import IPv6Address

from .control import NoAnswer
from .endpoint import family_of

PORT = 53
AAAA = 28
PATIENCE = 2.0
TRIES = 3
_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_RECURSE, _IN, _POINTER = 0x0100, 1, 0xC0


def question(ident: int, name: str, kind: int) -> bytes:
    """A query that asks for recursion, without EDNS: CD and DO are clear (RFC 7050 section 3)."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.rstrip(".").split("."))
    return _HEADER.pack(ident, _RECURSE, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, kind, _IN)


def addresses(message: bytes) -> list[IPv6Address]:
    """AAAA records of an answer section. Raises ValueError for a message that breaks off."""
    try:
        _, _, questions, answers, _, _ = _HEADER.unpack_from(message)
        at, found = _HEADER.size, []
        for _ in range(questions):
            at = _after_name(message, at) + 4
        for _ in range(answers):
            at = _after_name(message, at)
            kind, _, _, length = _RECORD.unpack_from(message, at)
            at += _RECORD.size
            if kind == AAAA:
                found.append(IPv6Address(message[at : at + length]))
            at += length
    except (struct.error, IndexError, ValueError) as error:
        raise ValueError(f"a DNS message of {len(message)} octets breaks off") from error
    return found


def _after_name(message: bytes, at: int) -> int:
    while message[at]:
        if message[at] & _POINTER == _POINTER:
            return at + 2
        at += message[at] + 1
    return at + 1


class _Asked(asyncio.DatagramProtocol):
    def __init__(self, ident: int) -> None:
        self._ident = ident.to_bytes(2, "big")
        self.answer: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data[:2] == self._ident and not self.answer.done():
            self.answer.set_result(data)


async def ask(resolver: str, name: str) -> list[IPv6Address]:
    """AAAA records of a name, as a resolver tells them. Raises NoAnswer."""
    ident = secrets.randbelow(1 << 16)
    loop = asyncio.get_running_loop()
    try:
        transport, protocol = await loop.create_datagram_endpoint(
            lambda: _Asked(ident), remote_addr=(resolver, PORT), family=family_of(resolver)
        )
    except OSError as error:
        raise NoAnswer(f"DNS at {resolver}: {error}") from error
    try:
        for _ in range(TRIES):
            transport.sendto(question(ident, name, AAAA))
            try:
                return addresses(await asyncio.wait_for(asyncio.shield(protocol.answer), PATIENCE))
            except TimeoutError:
                continue
    except (OSError, ValueError) as error:
        raise NoAnswer(f"DNS at {resolver}: {error}") from error
    finally:
        transport.close()
    raise NoAnswer(f"DNS at {resolver}: no answer for {name}")
