# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A DHCPv6 client for tests (RFC 8415): asks for a prefix and the options of softwires, keeps the octets."""

from __future__ import annotations

import random
import socket
import struct
import subprocess
from dataclasses import dataclass
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.provision.dhcpv6 import decode, option, split

SOLICIT, ADVERTISE, REQUEST, REPLY = 1, 2, 3, 7
CLIENT_ID, SERVER_ID, OPTION_REQUEST, ELAPSED_TIME, STATUS, IA_PD, IA_PREFIX = 1, 2, 6, 8, 13, 25, 26
SOFTWIRES = (64, 94, 95, 96, 111)
RELAY_FORWARD, RELAY_REPLY, RELAY_MESSAGE = 12, 13, 9
_RELAY_HEAD = 34  # octets before the options of a relayed message (RFC 8415 section 9)
SERVERS = "ff02::1:2"
CLIENT_PORT, SERVER_PORT = 546, 547


@dataclass(frozen=True)
class Lease:
    """What a server gave."""

    prefix: IPv6Network | None
    options: dict[int, Any]  # of softwires, decoded by the engine
    octets: bytes  # of the reply

    @property
    def raw(self) -> dict[int, bytes]:
        return dict(split(self.octets[4:]))


class Client:
    """On one interface; ``number`` makes its DUID. With ``relay`` it speaks as that relay for a client."""

    def __init__(
        self, channel: socket.socket, index: int, number: int, relay: IPv6Address | None = None
    ) -> None:
        self._channel, self._index, self._relay = channel, index, relay
        self.duid = bytes.fromhex(f"00030001aabbccddee{number:02x}")
        channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_IF, index)
        channel.settimeout(3)

    def lease(self, requested: tuple[int, ...] = SOFTWIRES) -> Lease:
        """By Solicit, Advertise, Request and Reply. Raises AssertionError where no server answers."""
        offer = self._exchange(SOLICIT, ADVERTISE, requested)
        server = dict(split(offer[4:]))[SERVER_ID]
        return self._lease(self._exchange(REQUEST, REPLY, requested, option(SERVER_ID, server)))

    def _exchange(self, kind: int, expected: int, requested: tuple[int, ...], more: bytes = b"") -> bytes:
        message = bytes((kind,)) + random.SystemRandom().randbytes(3) + self._asked(requested) + more
        for _attempt in range(4):
            self._channel.sendto(self._outer(message), (SERVERS, SERVER_PORT, 0, self._index))
            try:
                while True:
                    reply = self._inner(self._channel.recv(65535))
                    if reply[0] == expected and reply[1:4] == message[1:4]:
                        return reply
            except TimeoutError:
                continue
        raise AssertionError("no DHCPv6 server answers")

    def _outer(self, message: bytes) -> bytes:
        if self._relay is None:
            return message
        peer = IPv6Address("fe80::c").packed
        return bytes((RELAY_FORWARD, 0)) + self._relay.packed + peer + option(RELAY_MESSAGE, message)

    def _inner(self, message: bytes) -> bytes:
        if message[0] != RELAY_REPLY:
            return message
        return dict(split(message[_RELAY_HEAD:]))[RELAY_MESSAGE]

    def _asked(self, requested: tuple[int, ...]) -> bytes:
        return (
            option(CLIENT_ID, self.duid)
            + option(IA_PD, struct.pack("!III", 1, 0, 0))
            + option(OPTION_REQUEST, struct.pack(f"!{len(requested)}H", *requested))
            + option(ELAPSED_TIME, b"\0\0")
        )

    @staticmethod
    def _lease(reply: bytes) -> Lease:
        options = split(reply[4:])
        prefix = None
        for code, body in options:
            for inner, data in split(body[12:]) if code == IA_PD else ():
                if inner == IA_PREFIX:
                    prefix = IPv6Network((data[9:25], data[8]))
        known = {code: decode(option(code, body)) for code, body in options if code in SOFTWIRES}
        return Lease(prefix, known, reply)


def dissected(folder: Path, message: bytes) -> str:
    """What tshark makes of a DHCPv6 message, as text."""
    udp = struct.pack("!HHHH", SERVER_PORT, CLIENT_PORT, 8 + len(message), 0) + message
    ipv6 = struct.pack("!IHBB", 6 << 28, len(udp), 17, 64) + IPv6Address("fe80::1").packed
    packet = ipv6 + IPv6Address("fe80::2").packed + udp
    file = folder / "reply.pcap"
    # Of raw IP packets (linktype 101).
    head = struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
    file.write_bytes(head + struct.pack("<IIII", 0, 0, len(packet), len(packet)) + packet)
    done = subprocess.run(["tshark", "-r", file, "-V"], text=True, capture_output=True, check=True)
    return done.stdout
