# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of DNS as probes need (RFC 1035): one question over UDP, addresses in its answer, and a server."""

from __future__ import annotations

import asyncio
import secrets
import struct
from ipaddress import IPv4Address, IPv6Address

from .control import NoAnswer
from .endpoint import family_of

PORT = 53
A, AAAA = 1, 28
PATIENCE = 2.0
TRIES = 3
_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_RECURSE, _IN, _POINTER = 0x0100, 1, 0xC0
_ANSWER = 0x8400  # authoritative
_TTL = 60  # seconds


def question(ident: int, name: str, kind: int) -> bytes:
    """A query that asks for recursion, without EDNS: CD and DO are clear (RFC 7050 section 3)."""
    labels = b"".join(bytes([len(part)]) + part.encode() for part in name.rstrip(".").split("."))
    return _HEADER.pack(ident, _RECURSE, 1, 0, 0, 0) + labels + struct.pack("!BHH", 0, kind, _IN)


def answer(message: bytes, address: IPv4Address) -> bytes | None:
    """What a server says that has this address for every name, and nothing else; None to no question."""
    try:
        ident, flags, questions, *_ = _HEADER.unpack_from(message)
        end = _after_name(message, _HEADER.size) + 4
        (kind,) = struct.unpack_from("!H", message, end - 4)
    except (struct.error, IndexError):
        return None
    if flags & 0x8000 or questions != 1:
        return None
    name = struct.pack("!H", _POINTER << 8 | _HEADER.size)
    record = name + _RECORD.pack(A, _IN, _TTL, 4) + address.packed if kind == A else b""
    head = _HEADER.pack(ident, _ANSWER | flags & _RECURSE, 1, 1 if record else 0, 0, 0)
    return head + message[_HEADER.size : end] + record


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
        self.heard: asyncio.Future[bytes] = asyncio.get_running_loop().create_future()

    def datagram_received(self, data: bytes, addr: object) -> None:
        if data[:2] == self._ident and not self.heard.done():
            self.heard.set_result(data)


class NameServer(asyncio.DatagramProtocol):
    """Answers every name with one address."""

    def __init__(self, address: str) -> None:
        self._address = IPv4Address(address)

    def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
        """See asyncio."""
        self._transport = transport

    def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
        """A question."""
        if told := answer(data, self._address):
            self._transport.sendto(told, addr)


async def ask(resolver: str, name: str, *, port: int = PORT) -> list[IPv6Address]:
    """AAAA records of a name, as a resolver tells them. Raises NoAnswer."""
    ident = secrets.randbelow(1 << 16)
    loop = asyncio.get_running_loop()
    try:
        transport, protocol = await loop.create_datagram_endpoint(
            lambda: _Asked(ident), remote_addr=(resolver, port), family=family_of(resolver)
        )
    except OSError as error:
        raise NoAnswer(f"DNS at {resolver}: {error}") from error
    try:
        for _ in range(TRIES):
            transport.sendto(question(ident, name, AAAA))
            try:
                return addresses(await asyncio.wait_for(asyncio.shield(protocol.heard), PATIENCE))
            except TimeoutError:
                continue
    except (OSError, ValueError) as error:
        raise NoAnswer(f"DNS at {resolver}: {error}") from error
    finally:
        transport.close()
    raise NoAnswer(f"DNS at {resolver}: no answer for {name}")
