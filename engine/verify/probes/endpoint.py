# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One IPv4 address that sends and receives labelled packets: the same at both ends of a probe."""

from __future__ import annotations

import asyncio
import contextlib
import errno
import secrets
import socket
from collections.abc import Callable
from ipaddress import IPv4Address, ip_address
from pathlib import Path
from types import TracebackType
from typing import NamedTuple, TypeVar

from . import label
from .wire import Complaint, number_of, udp, wire_of

T = TypeVar("T")

UNCUT = 65535
REMEMBERED = 4096  # receipts; the oldest go first
ASK, ANSWER = b"4aaE", b"4aaR"  # "tell me where I come from", and the answer
FAMILIES = {4: socket.AF_INET, 6: socket.AF_INET6}
ICMP = {4: socket.IPPROTO_ICMP, 6: socket.IPPROTO_ICMPV6}
# linux/in.h, linux/in6.h: send as told, whatever MTU the kernel has learned. Python has no names for them.
MTU_DISCOVER = {4: (socket.IPPROTO_IP, 10), 6: (socket.IPPROTO_IPV6, 23)}
PMTUDISC_PROBE = 3


class Receipt(NamedTuple):
    """A labelled packet arrived whole and unchanged."""

    source: tuple[str, int]  # address and port, or ICMP identifier
    length: int  # of the IPv4 packet, options not counted


class Shipment(NamedTuple):
    """What is sent: one IPv4 packet, as a whole or in pieces. Over IPv6 its lengths follow."""

    protocol: str  # udp or icmp
    length: int  # octets of the IPv4 packet
    df: bool = False
    piece: int = UNCUT  # cut into pieces of at most so many octets
    backwards: bool = False  # last piece first


class Endpoint:
    """Needs root: raw sockets choose order and flags and hear ICMP errors. Used with ``with``.

    It speaks the IP version of its address. ``answers`` makes it the side that answers echo requests.
    """

    def __init__(self, address: str, port: int = 0, *, answers: bool = False) -> None:
        self.address, self.wire = address, wire_of(address)
        self._kind = self.wire.ECHO_REPLY if answers else self.wire.ECHO_REQUEST
        self.receipts: dict[bytes, Receipt] = {}
        self.answers: dict[bytes, tuple[str, int]] = {}  # cookie -> where the far side saw us
        self._complaints: list[tuple[int, Complaint]] = []  # numbered as they were heard
        self.heard = 0  # complaints so far: what is heard later has a higher number
        self.ident = secrets.randbelow(0xFFFF) + 1
        self._news = asyncio.Event()
        with contextlib.ExitStack() as stack:
            self._udp = stack.enter_context(self._socket(socket.SOCK_DGRAM, 0))
            self._udp.setsockopt(socket.SOL_SOCKET, socket.SO_RCVBUF, 1 << 21)
            self._udp.bind((address, port))
            self._icmp = stack.enter_context(self._socket(socket.SOCK_RAW, ICMP[self.wire.VERSION]))
            self._icmp.bind((address, 0))
            self._raw = stack.enter_context(self._socket(socket.SOCK_RAW, socket.IPPROTO_RAW))
            self._raw.setsockopt(*MTU_DISCOVER[self.wire.VERSION], PMTUDISC_PROBE)
            self._sockets = stack.pop_all()
        self.port: int = self._udp.getsockname()[1]

    def _socket(self, kind: int, protocol: int) -> socket.socket:
        made = socket.socket(FAMILIES[self.wire.VERSION], kind, protocol)
        made.setblocking(False)
        return made

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
        payload = label.labelled(cookie, shipment.length)
        number = number_of(self.wire, shipment.protocol)
        packets = self.wire.pieces(
            *(number, self.address, to[0]),
            self.wire.message(shipment.protocol, self._kind, (self.address, self.port), to, payload),
            ident=secrets.randbelow(0xFFFF) + 1,
            df=shipment.df,
            size=shipment.piece,
        )
        for packet in reversed(packets) if shipment.backwards else packets:
            try:
                self._raw.sendto(packet, (to[0], 0))
            except OSError as error:
                if error.errno != errno.EMSGSIZE:
                    raise
                # Our own kernel says so, of its own link.
                kind = (*self.wire.TOO_BIG, self.wire.WHOLE)
                self._complain(Complaint(self.address, *kind, to[0], number, self.port, to[1]))

    def ask(self, cookie: bytes, to: tuple[str, int]) -> None:
        """Ask the far side where it sees our UDP socket come from."""
        self._udp.sendto(ASK + cookie + bytes(6), to)

    def poke(self, to: tuple[str, int]) -> None:
        """Send an unlabelled UDP datagram, to open a mapping."""
        self._udp.sendto(b"poke", to)

    def trace(self, to: str, port: int, ttl: int) -> None:
        """Send a small UDP datagram that dies after ``ttl`` hops."""
        transport = udp((self.address, self.port), (to, port), b"trace")
        packet = self.wire.packet(number_of(self.wire, "udp"), self.address, to, transport, ttl=ttl)
        self._raw.sendto(packet, (to, 0))

    # -- waiting ----------------------------------------------------------------------------

    def complaints(self, since: int) -> list[Complaint]:
        """What was heard after the complaint of this number. Several may ask at the same time."""
        return [complaint for number, complaint in self._complaints if number > since]

    def _complain(self, complaint: Complaint) -> None:
        self.heard += 1
        self._complaints.append((self.heard, complaint))
        del self._complaints[:-REMEMBERED]

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

    async def too_big(self, protocol: str, to: str, within: float, since: int) -> int | None:
        """MTU of an ICMP error "too big" about our packets to an address, heard after number ``since``."""
        wanted = (self.wire.TOO_BIG, to, number_of(self.wire, protocol))

        def look() -> int | None:
            for complaint in self.complaints(since):
                if ((complaint.type, complaint.code), complaint.destination, complaint.protocol) == wanted:
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
        magic, cookie, body = data[:4], data[4 : label.LABEL], data[label.LABEL :]
        if magic == ASK and self.wire.VERSION == 4:
            seen = IPv4Address(sender[0]).packed + sender[1].to_bytes(2, "big")
            self._udp.sendto(ANSWER + cookie + seen + body[6:], sender)
        elif magic == ANSWER and len(body) >= 6:
            self.answers[cookie] = (str(IPv4Address(body[:4])), int.from_bytes(body[4:6], "big"))
        else:
            self._note(data, sender[:2])

    def _read_icmp(self, data: bytes, sender: tuple[str, int]) -> None:
        message = self.wire.icmp_of(data)
        if message is None:
            return
        if message[0] in (self.wire.ECHO_REQUEST, self.wire.ECHO_REPLY) and message[0] != self._kind:
            ident = int.from_bytes(message[4:6], "big")
            self._note(message[label.TRANSPORT :], (sender[0], ident))
        elif complaint := self.wire.complaint_of(sender[0], message):
            self._complain(complaint)

    def _note(self, payload: bytes, source: tuple[str, int]) -> None:
        cookie = label.cookie_of(payload)
        if cookie is None:
            return
        self.receipts[cookie] = Receipt(source, label.length_of(payload))
        while len(self.receipts) > REMEMBERED:
            del self.receipts[next(iter(self.receipts))]


def new_cookie() -> bytes:
    """Names one labelled packet."""
    return secrets.token_bytes(label.LABEL - 4)


def family_of(address: str) -> socket.AddressFamily:
    """AF_INET or AF_INET6."""
    return FAMILIES[ip_address(address).version]


def own_address(towards: str) -> str:
    """The address this host uses towards another; nothing is sent. Raises OSError without a route."""
    with socket.socket(family_of(towards), socket.SOCK_DGRAM) as probe:
        probe.connect((towards, 9))
        address: str = probe.getsockname()[0]
    return address


def forget_learned_mtus() -> None:
    """Make the kernel forget the path MTUs it learned: it would offer a smaller MSS of its own accord."""
    for version in FAMILIES:
        with contextlib.suppress(OSError):
            Path(f"/proc/sys/net/ipv{version}/route/flush").write_text("1")
