# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Traffic from plain sockets of namespaces: UDP, TCP, ICMP and hand-made IPv4 packets."""

from __future__ import annotations

import errno
import hashlib
import os
import socket
import struct
import threading
import time
from dataclasses import dataclass
from ipaddress import IPv4Address
from typing import Any

from netns import Host

# Seconds for what has to come, however busy the machine is, and for what is not to come.
PATIENCE, BRIEFLY = 20.0, 1.0
DF, MF = 0x4000, 0x2000
_SILENCE = 5.0  # seconds after which a packet counts as lost
_IP_MTU_DISCOVER, _IP_PMTUDISC_DONT, _IP_PMTUDISC_DO, _IP_MTU = 10, 0, 2, 14


def udp(host: Host, address: str = "", port: int = 0) -> socket.socket:
    """A UDP socket without DF, bound where an address is given, that waits PATIENCE for a packet."""
    made = host.socket(socket.AF_INET, socket.SOCK_DGRAM)
    made.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT)
    made.settimeout(PATIENCE)
    if address:
        made.bind((address, port))
    return made


def do_not_fragment(sock: socket.socket) -> None:
    """Set DF and keep what the path says of its MTU."""
    sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DO)


def until_too_big(sock: socket.socket, data: bytes) -> None:
    """Send until an ICMP error says that it is too big: the fast path hears of a new MTU by and by."""
    deadline = time.monotonic() + PATIENCE
    sock.settimeout(0.2)
    while time.monotonic() < deadline:
        try:
            sock.send(data)
            sock.recv(1)
        except TimeoutError:
            continue
        except OSError as error:
            if error.errno == errno.EMSGSIZE:
                return
            raise
    raise AssertionError(f"nobody says that {len(data)} octets are too big")


def path_mtu(sock: socket.socket) -> int:
    """What the host believes of the path of a connected socket."""
    return sock.getsockopt(socket.IPPROTO_IP, _IP_MTU)


def checksum(data: bytes) -> int:
    """Internet checksum."""
    data += bytes(len(data) % 2)
    total = sum(struct.unpack(f"!{len(data) // 2}H", data))
    while total >> 16:
        total = (total & 0xFFFF) + (total >> 16)
    return ~total & 0xFFFF


def echo(identifier: int, sequence: int, payload: bytes) -> bytes:
    """An ICMP echo request."""
    head = struct.pack("!BBHHH", 8, 0, 0, identifier, sequence)
    return head[:2] + struct.pack("!H", checksum(head + payload)) + head[4:] + payload


def ping(host: Host, address: str, size: int = 56) -> bytes | None:
    """The payload that came back, None where nothing did. DF is not set."""
    with host.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as sock:
        sock.settimeout(PATIENCE)
        sock.setsockopt(socket.IPPROTO_IP, _IP_MTU_DISCOVER, _IP_PMTUDISC_DONT)
        payload = bytes(i % 251 for i in range(size))
        sock.sendto(echo(4711, 1, payload), (address, 0))
        deadline = time.monotonic() + PATIENCE
        while time.monotonic() < deadline:
            try:
                data, _ = sock.recvfrom(65535)
            except TimeoutError:
                return None
            if data[20] == 0 and data[24:26] == struct.pack("!H", 4711):
                return data[28:]
    return None


@dataclass
class IcmpError:
    """An ICMP error as a host gets it."""

    source: str
    type: int
    code: int
    value: int
    about: bytes


def icmp_error(sock: socket.socket) -> IcmpError:
    """The next ICMP error that a raw ICMP socket gets."""
    while True:
        data, (source, _) = sock.recvfrom(65535)
        kind, code, _, value = struct.unpack_from("!BBHI", data, 20)
        if kind in (3, 11):
            return IcmpError(source, kind, code, value, data[28:])


def datagram(source: str, destination: str, sport: int, dport: int, payload: bytes) -> bytes:
    """UDP header and payload, checksum right."""
    size = 8 + len(payload)
    pseudo = IPv4Address(source).packed + IPv4Address(destination).packed + struct.pack("!HH", 17, size)
    head = struct.pack("!HHHH", sport, dport, size, 0)
    return head[:6] + struct.pack("!H", checksum(pseudo + head + payload) or 0xFFFF) + payload


def pieces(
    source: str, destination: str, body: bytes, *, ident: int, size: int, protocol: int = 17
) -> list[bytes]:
    """IPv4 packets of ``size`` octets of body each (a multiple of 8), in order."""
    packets = []
    for at in range(0, len(body), size):
        part = body[at : at + size]
        place = (MF if at + size < len(body) else 0) | at // 8
        head = struct.pack("!BBHHHBBH", 0x45, 0, 20 + len(part), ident, place, 64, protocol, 0)
        head += IPv4Address(source).packed + IPv4Address(destination).packed
        packets.append(head[:10] + struct.pack("!H", checksum(head)) + head[12:] + part)
    return packets


def send_packets(host: Host, destination: str, packets: list[bytes]) -> None:
    """Send packets as they are."""
    with host.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_RAW) as sock:
        for packet in packets:
            sock.sendto(packet, (destination, 0))


def answered(client: Host, server: Host, address: str, patience: float = PATIENCE) -> bool:
    """Whether one packet goes from client to server's port 5000, and its answer comes back."""
    with udp(server, address, 5000) as far, udp(client) as near:
        far.settimeout(patience)
        near.settimeout(patience)
        question = os.urandom(8)  # none that was asked before, and came late
        near.sendto(question, (address, 5000))
        try:
            while (heard := far.recvfrom(10))[0] != question:
                pass
            far.sendto(b"!", heard[1])
            return near.recv(10) == b"!"
        except TimeoutError:
            return False


def listen(host: Host, address: str, port: int) -> socket.socket:
    """A listening TCP socket."""
    sock = host.socket(socket.AF_INET, socket.SOCK_STREAM)
    sock.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
    sock.settimeout(PATIENCE)
    sock.bind((address, port))
    sock.listen()
    return sock


class Transfer:
    """A TCP stream from one connected socket to another, of ``octets`` or until it is stopped."""

    BLOCK = hashlib.sha256(b"ipv4aas").digest() * 2048

    def __init__(self, sender: socket.socket, receiver: socket.socket, octets: int = 1 << 60) -> None:
        self.received = 0
        self._going = True
        self._sent, self._got = hashlib.sha256(), hashlib.sha256()
        self._threads = [
            threading.Thread(target=self._send, args=(sender, octets)),
            threading.Thread(target=self._receive, args=(receiver,)),
        ]
        for thread in self._threads:
            thread.start()

    def _send(self, sock: socket.socket, octets: int) -> None:
        sock.settimeout(30)
        for at in range(0, octets, len(self.BLOCK)):
            if not self._going:
                break
            block = self.BLOCK[: octets - at]
            self._sent.update(block)
            sock.sendall(block)
        sock.shutdown(socket.SHUT_WR)

    def _receive(self, sock: socket.socket) -> None:
        sock.settimeout(30)
        while data := sock.recv(1 << 16):
            self.received += len(data)
            self._got.update(data)

    def finish(self) -> bool:
        """Wait for the end; whether all arrived as it was sent."""
        for thread in self._threads:
            thread.join(60)
        return self._sent.digest() == self._got.digest()

    def stop(self) -> bool:
        """Send no more; whether all that was sent arrived as it was."""
        self._going = False
        return self.finish()


class Stream:
    """Numbered UDP packets at a steady pace from one socket to another."""

    def __init__(self, sender: socket.socket, to: Any, receiver: socket.socket, pause: float) -> None:
        self.sent, self._going = 0, True
        self._seen: set[int] = set()
        receiver.settimeout(BRIEFLY)
        self._threads = [
            threading.Thread(target=self._send, args=(sender, to, pause)),
            threading.Thread(target=self._receive, args=(receiver,)),
        ]
        for thread in self._threads:
            thread.start()

    def _send(self, sock: socket.socket, to: Any, pause: float) -> None:
        while self._going:
            sock.sendto(struct.pack("!I", self.sent), to)
            self.sent += 1
            time.sleep(pause)

    def _receive(self, sock: socket.socket) -> None:
        silent = 0.0  # seconds since the end of the sender
        while silent < _SILENCE and not self._complete():
            try:
                self._seen.add(struct.unpack("!I", sock.recv(100))[0])
            except TimeoutError:
                silent += 0 if self._going else BRIEFLY

    def _complete(self) -> bool:
        return not self._going and not self._threads[0].is_alive() and len(self._seen) == self.sent

    def finish(self) -> list[int]:
        """Numbers that never came."""
        self._going = False
        for thread in self._threads:
            thread.join()
        return sorted(set(range(self.sent)) - self._seen)
