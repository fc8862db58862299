# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS for tests: messages (RFC 1035), a client, and a server that knows a few names and how to misbehave."""

from __future__ import annotations

import random
import socket
import struct
import threading
from collections.abc import Callable, Mapping
from dataclasses import dataclass, field
from ipaddress import ip_address

A, CNAME, SOA, PTR, AAAA, OPT = 1, 5, 6, 12, 28, 41
NOERROR, SERVFAIL, NXDOMAIN = 0, 2, 3
CHECKING_DISABLED, AUTHENTIC = 0x0010, 0x0020
_DNSSEC_OK = 0x8000


@dataclass(frozen=True)
class Answer:
    """What a server said."""

    rcode: int
    flags: int
    records: tuple[tuple[str, int, int, str], ...]  # name, type, TTL, value of the answer section

    def values(self, kind: int) -> list[str]:
        """Values of one type, sorted."""
        return sorted(value for _name, type_, _ttl, value in self.records if type_ == kind)

    def ttls(self, kind: int) -> list[int]:
        return [ttl for _name, type_, ttl, _value in self.records if type_ == kind]


def ask(
    channel: socket.socket, server: str, name: str, kind: int, *, flags: int = 0, dnssec: bool = False
) -> Answer:
    """One question over UDP to port 53; asked again where no answer comes."""
    number = random.SystemRandom().randrange(1 << 16)
    extra = b"\0" + struct.pack("!HHIH", OPT, 1232, _DNSSEC_OK if dnssec else 0, 0)
    question = struct.pack("!HHHHHH", number, 0x0100 | flags, 1, 0, 0, 1) + _encoded(name)
    question += struct.pack("!HH", kind, 1) + extra
    channel.settimeout(4)
    for _attempt in range(3):
        channel.sendto(question, (server, 53))
        try:
            while True:
                reply, _peer = channel.recvfrom(4096)
                if reply[:2] == question[:2]:
                    return _answer(reply)
        except TimeoutError:
            continue
    raise AssertionError(f"{server} does not answer {name}")


def _encoded(name: str) -> bytes:
    labels = [label.encode() for label in name.rstrip(".").split(".") if label]
    return b"".join(bytes((len(label),)) + label for label in labels) + b"\0"


def _name(message: bytes, at: int) -> tuple[str, int]:
    """A name and where it ends; pointers are followed."""
    labels, end = [], None
    while message[at]:
        if message[at] & 0xC0:
            end = end or at + 2
            at = int.from_bytes(message[at : at + 2], "big") & 0x3FFF
            continue
        labels.append(message[at + 1 : at + 1 + message[at]].decode().lower())
        at += 1 + message[at]
    return ".".join(labels), end or at + 1


def _answer(message: bytes) -> Answer:
    _number, flags, questions, answers = struct.unpack("!HHHH", message[:8])
    at = 12
    for _question in range(questions):
        _asked, at = _name(message, at)
        at += 4
    records = []
    for _record in range(answers):
        name, at = _name(message, at)
        kind, _class, ttl, length = struct.unpack("!HHIH", message[at : at + 10])
        at += 10
        data = message[at : at + length]
        if kind in (A, AAAA):
            records.append((name, kind, ttl, str(ip_address(data))))
        elif kind in (CNAME, PTR):
            records.append((name, kind, ttl, _name(message, at)[0]))
        at += length
    return Answer(flags & 15, flags, tuple(records))


@dataclass(frozen=True)
class Zone:
    """What the server knows. A name that is nowhere does not exist."""

    records: Mapping[tuple[str, int], tuple[str, ...]]
    rcodes: Mapping[tuple[str, int], int] = field(default_factory=dict)
    silent: frozenset[tuple[str, int]] = frozenset()  # questions that are not answered
    ttl: int = 3600
    soa_minimum: int | None = None  # with it, an SOA is in the answers that are empty


class Server:
    """Answers as a recursive server would: resolvers forward to it. Keeps what it was asked."""

    def __init__(self, make_socket: Callable[[int, int], socket.socket], address: str, zone: Zone) -> None:
        self.zone, self.asked = zone, []
        self._channel = make_socket(socket.AF_INET6, socket.SOCK_DGRAM)
        self._channel.bind((address, 53))
        threading.Thread(target=self._serve, daemon=True).start()

    def close(self) -> None:
        self._channel.close()

    def _serve(self) -> None:
        while True:
            try:
                question, peer = self._channel.recvfrom(4096)
            except OSError:
                return
            reply = self._reply(question)
            if reply:
                self._channel.sendto(reply, peer)

    def _reply(self, question: bytes) -> bytes | None:
        name, at = _name(question, 12)
        (kind,) = struct.unpack("!H", question[at : at + 2])
        asked = question[12 : at + 4]
        self.asked.append((name, kind))
        if (name, kind) in self.zone.silent:
            return None
        found = []  # aliases, then what the name at their end has
        end = name
        while kind != CNAME and (target := self.zone.records.get((end, CNAME))):
            found.append((end, CNAME, target[0]))
            end = target[0]
        values = self.zone.records.get((end, kind), ())
        known = any(end == other for other, _kind in (*self.zone.records, *self.zone.rcodes))
        within = any(other.endswith(f".{end}") for other, _kind in self.zone.records)
        rcode = self.zone.rcodes.get((end, kind), NOERROR if known or within or not end else NXDOMAIN)
        if rcode:
            values = ()
        found += [(end, kind, value) for value in values]
        answers = b"".join(self._record(*each) for each in found)
        authority = b"" if values or self.zone.soa_minimum is None or rcode == SERVFAIL else self._soa()
        counts = struct.pack("!HHHH", 1, len(found), bool(authority), 0)
        return question[:2] + struct.pack("!H", 0x8580 | rcode) + counts + asked + answers + authority

    def _record(self, name: str, kind: int, value: str) -> bytes:
        data = ip_address(value).packed if kind in (A, AAAA) else _encoded(value)
        return _encoded(name) + struct.pack("!HHIH", kind, 1, self.zone.ttl, len(data)) + data

    def _soa(self) -> bytes:
        ttl = min(self.zone.ttl, self.zone.soa_minimum)  # RFC 2308 section 3
        data = _encoded("ns.example.com") + _encoded("root.example.com")
        data += struct.pack("!IIIII", 1, 3600, 600, 86400, self.zone.soa_minimum)
        return _encoded("example.com") + struct.pack("!HHIH", SOA, 1, ttl, len(data)) + data
