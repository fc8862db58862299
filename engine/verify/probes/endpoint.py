# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One IPv4 address that sends and receives labelled packets: the same at both ends of a probe."""

from __future__ import annotations

import asyncio
import contextlib
import secrets
import socket
from collections.abc import Callable
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TypeVar

from . import wire
from .wire import Complaint

T = TypeVar("T")

REMEMBERED = 4096  # receipts; the oldest go first
ASK, ANSWER = b"4aaE", b"4aaR"  # "tell me where I come from", and the answer
# linux/in.h: send as told, whatever MTU the kernel has learned. Python has no names for them.
IP_MTU_DISCOVER, IP_PMTUDISC_PROBE = 10, 3
WHOLE = 1500  # octets: what an Ethernet carries; larger packets are cut by their sender


class Receipt(NamedTuple):
    """A labelled packet arrived whole and unchanged."""

    source: tuple[str, int]  # address and port, or ICMP identifier
    length: int  # of the IPv4 packet, options not counted


class Shipment(NamedTuple):
    """What is sent: one IPv4 packet, as a whole or in pieces."""

    protocol: str  # udp or icmp
    length: int  # octets of the IPv4 packet
    df: bool = False
    piece: int = WHOLE  # cut into pieces of at most so many octets
    backwards: bool = False  # last piece first


class Endpoint:
    """Needs root: raw sockets choose order and flags and hear ICMP errors. Used with ``with``."""

    def __init__(self, address: str, port: int = 0, *, icmp_kind: int = wire.ECHO_REQUEST) -> None:
        self.address, self.icmp_kind = address, icmp_kind
        self.receipts: dict[bytes, Receipt] = {}
        self.answers: dict[bytes, tuple[str, int]] = {}  # cookie -> where the far side saw us
        self.complaints: list[Complaint] = []
        self.ident = secrets.randbelow(0xFFFF) + 1
        self._news = asyncio.Event()
        with contextlib.ExitStack() as stack:
            self._udp = stack.enter_context(_socket(socket.SOCK_DGRAM, 0))
            self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
            self._udp.bind((address, port))
            self._icmp = stack.enter_context(_socket(socket.SOCK_RAW, socket.IPPROTO_ICMP))
            self._icmp.bind((address, 0))
            self._raw = stack.enter_context(_socket(socket.SOCK_RAW, socket.IPPROTO_RAW))
            self._raw.setsockopt(socket.IPPROTO_IP, IP_MTU_DISCOVER, IP_PMTUDISC_PROBE)
            self._sockets = stack.pop_all()
        self.port: int = self._udp.getsockname()[1]

    def __enter__(self) -> Endpoint:
        loop = asyncio.get_running_loop()
        loop.add_reader(self._udp, self._drain, self._udp, self._read_udp)
        loop.add_reader(self._icmp, self._drain, self._icmp, self._read_icmp)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        loop = asyncio.get_running_loop()
        loop.remove_reader(self._udp)
        loop.remove_reader(self._icmp)
        self._sockets.close()

    # -- sending ----------------------------------------------------------------------------

    def send(self, shipment: Shipment, cookie: bytes, to: tuple[str, int]) -> None:
        """Send a labelled packet. For ICMP the port of ``to`` is the identifier. Raises OSError."""
        payload = wire.labelled(cookie, shipment.length)
        if shipment.protocol == "udp":
            transport = wire.udp((self.address, self.port), to, payload)
        else:
            transport = wire.echo(self.icmp_kind, to[1], payload)
        packets = wire.pieces(
            *(wire.NUMBERS[shipment.protocol], self.address, to[0], transport),
            ident=secrets.randbelow(0xFFFF) + 1,
            df=shipment.df,
            size=shipment.piece,
        )
        for packet in reversed(packets) if shipment.backwards else packets:
            self._raw.sendto(packet, (to[0], 0))

    def ask(self, cookie: bytes, to: tuple[str, int]) -> None:
        """Ask the far side where it sees our UDP socket come from."""
        self._udp.sendto(ASK + cookie + bytes(6), to)

    def poke(self, to: tuple[str, int]) -> None:
        """Send an unlabelled UDP datagram, to open a mapping."""
        self._udp.sendto(b"poke", to)

    def trace(self, to: str, port: int, ttl: int) -> None:
        """Send a small UDP datagram that dies after ``ttl`` hops."""
        transport = wire.udp((self.address, self.port), (to, port), b"trace")
        packet = wire.ipv4(wire.UDP, self.address, to, transport, ident=ttl, ttl=ttl)
        self._raw.sendto(packet, (to, 0))

    # -- waiting ----------------------------------------------------------------------------

    async def until(self, look: Callable[[], T | None], within: float) -> T | None:
        """The first result of ``look`` that is not None, looking again at whatever arrives."""
        loop = asyncio.get_running_loop()
        deadline = loop.time() + within
        while (result := look()) is None and (left := deadline - loop.time()) > 0:
            self._news.clear()
            with contextlib.suppress(TimeoutError):
                await asyncio.wait_for(self._news.wait(), left)
        return result

    async def receipt(self, cookie: bytes, within: float) -> Receipt | None:
        """The receipt of a labelled packet."""
        return await self.until(lambda: self.receipts.get(cookie), within)

    async def too_big(self, protocol: str, to: str, within: float) -> int | None:
        """MTU of an ICMPv4 error 3/4 about our packets to an address, since complaints were cleared."""

        def look() -> int | None:
            for complaint in self.complaints:
                about = (complaint.type, complaint.code, complaint.destination, complaint.protocol)
                if about == (wire.UNREACHABLE, wire.TOO_BIG, to, wire.NUMBERS[protocol]):
                    return complaint.mtu
            return None

        return await self.until(look, within)

    # -- receiving --------------------------------------------------------------------------

    def _drain(self, source: socket.socket, read: Callable[[bytes, tuple[str, int]], None]) -> None:
        with contextlib.suppress(BlockingIOError):
            while True:
                try:
                    data, sender = source.recvfrom(65535)
                except ConnectionRefusedError:
                    continue  # an ICMP error about an earlier datagram; the raw socket has it too
                read(data, sender)
        self._news.set()

    def _read_udp(self, data: bytes, sender: tuple[str, int]) -> None:
        magic, cookie, body = data[:4], data[4 : wire.LABEL], data[wire.LABEL :]
        if magic == ASK:
            seen = socket.inet_aton(sender[0]) + sender[1].to_bytes(2, "big")
            self._udp.sendto(ANSWER + cookie + seen + body[6:], sender)
        elif magic == ANSWER and len(body) >= 6:
            self.answers[cookie] = (socket.inet_ntoa(body[:4]), int.from_bytes(body[4:6], "big"))
        else:
            self._note(data, sender, wire.IPV4 + wire.TRANSPORT + len(data))

    def _read_icmp(self, data: bytes, _sender: tuple[str, int]) -> None:
        parsed = wire.icmp_of(data)
        if parsed is None:
            return
        reporter, message = parsed
        if message[0] in (wire.ECHO_REQUEST, wire.ECHO_REPLY) and message[0] != self.icmp_kind:
            ident = int.from_bytes(message[4:6], "big")
            self._note(message[wire.TRANSPORT :], (reporter, ident), wire.IPV4 + len(message))
        elif complaint := wire.complaint_of(reporter, message):
            self.complaints.append(complaint)

    def _note(self, payload: bytes, source: tuple[str, int], length: int) -> None:
        cookie = wire.cookie_of(payload)
        if cookie is None:
            return
        self.receipts[cookie] = Receipt(source, length)
        while len(self.receipts) > REMEMBERED:
            del self.receipts[next(iter(self.receipts))]


def _socket(kind: int, protocol: int) -> socket.socket:
    made = socket.socket(socket.AF_INET, kind, protocol)
    made.setblocking(False)
    return made


def new_cookie() -> bytes:
    """Names one labelled packet."""
    return secrets.token_bytes(wire.LABEL - 4)


def own_address(towards: str) -> str:
    """The address this host uses towards another; nothing is sent. Raises OSError without a route."""
    with socket.socket(socket.AF_INET, socket.SOCK_DGRAM) as probe:
        probe.connect((towards, 9))
        address: str = probe.getsockname()[0]
    return address


def forget_learned_mtus() -> None:
    """Make the kernel forget the path MTUs it learned: it would offer a smaller MSS of its own accord."""
    with contextlib.suppress(OSError):
        Path("/proc/sys/net/ipv4/route/flush").write_text("1")
