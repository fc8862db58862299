# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""As much of DNS as probes need (RFC 1035): a question over UDP, or TCP where that is short, and a server."""

from __future__ import annotations

import asyncio
import secrets
import struct
from collections.abc import Iterator
from ipaddress import IPv4Address, IPv6Address

from ...provision.records import AAAA, CNAME, DNAME, PTR, SOA, A, Question, Record, Response
from .control import NoAnswer
from .endpoint import family_of

PORT = 53
PATIENCE = 2.0
TRIES = 3
_HEADER = struct.Struct("!HHHHHH")
_RECORD = struct.Struct("!HHIH")
_RECURSE, _IN, _POINTER = 0x0100, 1, 0xC0
_ANSWER = 0x8400  # authoritative
_AUTHORITATIVE, _TRUNCATED, _AUTHENTIC, _CHECKING_DISABLED, _RCODE = 0x0400, 0x0200, 0x0020, 0x0010, 0x000F
_TTL = 60  # seconds
_OPT, _DNSSEC_OK, _PAYLOAD = 41, 0x8000, 1232  # RFC 6891; the size crosses any IPv6 path in one piece


def question(ident: int, asked: Question) -> bytes:
    """A query that asks for recursion; without DO it has no EDNS, as hosts ask (RFC 7050 section 3)."""
    flags = _RECURSE | (_CHECKING_DISABLED if asked.checking_disabled else 0)
    labels = b"".join(bytes([len(part)]) + part.encode() for part in asked.name.split(".") if part)
    head = _HEADER.pack(ident, flags, 1, 0, 0, 1 if asked.dnssec_ok else 0)
    extra = b"\0" + _RECORD.pack(_OPT, _PAYLOAD, _DNSSEC_OK, 0) if asked.dnssec_ok else b""
    return head + labels + struct.pack("!BHH", 0, asked.kind, _IN) + extra


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


def response(message: bytes) -> Response:
    """What a message says. Raises ValueError for one that breaks off or leads round in circles."""
    try:
        _, flags, questions, *counts = _HEADER.unpack_from(message)
        at, sections = _HEADER.size, []
        for _ in range(questions):
            at = _after_name(message, at) + 4
        for count in counts:
            found = []
            for _ in range(count):
                record, at = _record(message, at)
                found.append(record)
            sections.append(tuple(record for record in found if record is not None))
    except (struct.error, IndexError, ValueError) as error:
        raise ValueError(f"a DNS message of {len(message)} octets breaks off") from error
    return Response(
        rcode=flags & _RCODE,
        answer=sections[0],
        authority=sections[1],
        additional=sections[2],
        authoritative=bool(flags & _AUTHORITATIVE),
        authentic=bool(flags & _AUTHENTIC),
    )


def _record(message: bytes, at: int) -> tuple[Record | None, int]:
    """A record and where it ends; None for a type that nobody here asks for."""
    name, at = _name(message, at)
    kind, _, ttl, length = _RECORD.unpack_from(message, at)
    at += _RECORD.size
    end = at + length
    data: IPv4Address | IPv6Address | str | int
    if end > len(message):
        raise ValueError("data beyond the end")
    if kind == A:
        data = IPv4Address(message[at:end])
    elif kind == AAAA:
        data = IPv6Address(message[at:end])
    elif kind in (CNAME, DNAME, PTR):
        data = _name(message, at)[0]
    elif kind == SOA:
        (data,) = struct.unpack_from("!I", message, end - 4)
    else:
        return None, end
    return Record(name, kind, ttl, data), end


def _name(message: bytes, at: int) -> tuple[str, int]:
    """A name and where it ends."""
    return ".".join(_labels(message, at)), _after_name(message, at)


def _labels(message: bytes, at: int) -> Iterator[str]:
    """A pointer has to lead back (RFC 1035 section 4.1.4), so that they come to an end."""
    start = at
    while size := message[at]:
        if size & _POINTER == _POINTER:
            at = struct.unpack_from("!H", message, at)[0] & 0x3FFF
            if at >= start:
                raise ValueError("a pointer that does not lead back")
            start = at
            continue
        yield message[at + 1 : at + 1 + size].decode("ascii", "backslashreplace").lower()
        at += size + 1


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


async def ask(resolver: str, asked: Question, *, port: int = PORT) -> Response:
    """What a server says. Raises NoAnswer."""
    ident = secrets.randbelow(1 << 16)
    message = question(ident, asked)
    try:
        told = await _over_udp(resolver, port, ident, message)
        if told and int.from_bytes(told[2:4], "big") & _TRUNCATED:
            told = await asyncio.wait_for(_over_tcp(resolver, port, message), PATIENCE)
        if told:
            return response(told)
    except (OSError, EOFError, ValueError, TimeoutError) as error:
        raise NoAnswer(f"DNS at {resolver}: {asked}: {str(error) or 'no answer over TCP'}") from error
    raise NoAnswer(f"DNS at {resolver}: no answer for {asked}")


async def addresses(resolver: str, name: str, *, port: int = PORT) -> list[IPv6Address]:
    """AAAA records of a name, as a resolver tells them. Raises NoAnswer."""
    told = await ask(resolver, Question(name, AAAA), port=port)
    return [record.data for record in told.of(AAAA) if isinstance(record.data, IPv6Address)]


async def _over_udp(resolver: str, port: int, ident: int, message: bytes) -> bytes | None:
    transport, protocol = await asyncio.get_running_loop().create_datagram_endpoint(
        lambda: _Asked(ident), remote_addr=(resolver, port), family=family_of(resolver)
    )
    try:
        for _ in range(TRIES):
            transport.sendto(message)
            try:
                return await asyncio.wait_for(asyncio.shield(protocol.heard), PATIENCE)
            except TimeoutError:
                continue
    finally:
        transport.close()
    return None


async def _over_tcp(resolver: str, port: int, message: bytes) -> bytes:
    reader, writer = await asyncio.open_connection(resolver, port)
    try:
        writer.write(struct.pack("!H", len(message)) + message)
        return await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big"))
    finally:
        writer.close()
