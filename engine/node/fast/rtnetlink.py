# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Netlink of the standard library's sockets: dumps, notifications, and what links, routes and neighbours are.

Sockets and not `ip monitor`: nothing to keep alive, a lost notification is an error that is seen (ENOBUFS),
and a program that reads text would have to be trusted on its form. Layouts and numbers are those of
uapi/linux/netlink.h, rtnetlink.h, if_link.h, neighbour.h and fib_rules.h.
"""

from __future__ import annotations

import errno
import os
import socket
import sys
from collections.abc import Iterator
from struct import Struct
from typing import NamedTuple

ROUTE, NETFILTER = 0, 12  # protocols of a socket
NEWLINK, DELLINK, GETLINK = 16, 17, 18
NEWROUTE, DELROUTE, GETROUTE = 24, 25, 26
NEWNEIGH, DELNEIGH, GETNEIGH = 28, 29, 30
NEWRULE, DELRULE, GETRULE = 32, 33, 34
NEWADDR = 20

# Multicast groups as bits: links, neighbours; addresses, routes and rules of IPv4, of IPv6; next hop objects.
ALL_GROUPS = 1 << 0 | 1 << 2 | 1 << 4 | 1 << 6 | 1 << 7 | 1 << 8 | 1 << 10 | 1 << 18 | 1 << 31

_HEADER = Struct("=IHHII")
_ATTRIBUTE = Struct("=HH")
_ERROR, _DONE = 2, 3
_REQUEST, _ACK, _DUMP = 0x1, 0x4, 0x300
_REPLACE, _INTERRUPTED = 0x100, 0x10
_NESTED = 0xC000  # flags in the type of an attribute
_CHUNK = 1 << 18
_BUFFER = 4 << 20
_SO_RCVBUFFORCE = 33

_ETHERNET = 1  # ARPHRD_ETHER
_UP, _LOWER_UP = 0x1, 0x10000
_DEFAULT, _MAIN, _LOCAL = 253, 254, 255
_NOTHING = 0xFFFFFFFF
_UNICAST = 1
_CLONED = 0x200
_DEAD, _LINKDOWN = 0x1, 0x10
# NUD_REACHABLE, STALE, DELAY, PROBE, NOARP and PERMANENT: the kernel would send to it.
STALE, _USABLE = 0x04, 0x02 | 0x04 | 0x08 | 0x10 | 0x40 | 0x80
_NTF_USE = 0x01

_LINK = Struct("=BxHiII")
_ROUTE = Struct("=BBBBBBBBI")
_NEIGHBOUR = Struct("=BxxxiHBB")
_RULE = Struct("=BBBBBBBBI")
_NUMBER = Struct("=I")


class Overrun(Exception):
    """Notifications were lost: all has to be asked for again."""


class Message(NamedTuple):
    """One of netlink's."""

    kind: int
    flags: int
    body: bytes


class Link(NamedTuple):
    """A device."""

    number: int  # its index
    name: str
    up: bool
    carrier: bool
    ethernet: bool
    mac: bytes
    mtu: int
    master: int  # index of the bridge or bond that it is a port of; 0: none
    kind: str  # of a virtual device, for example veth
    below: int  # index of the device that it lies on, or of a veth's peer
    elsewhere: int  # identifier of the namespace of that device; -1: here


class Route(NamedTuple):
    """A route of the tables main and local."""

    prefix: tuple[int, int, bytes]  # family, bits, address
    local: bool
    metric: int
    device: int  # 0: only the kernel can follow it
    gateway: bytes  # empty: the neighbour is the destination itself
    mtu: int  # 0: the device's


class Neighbour(NamedTuple):
    """An entry of the kernel's neighbour table."""

    device: int
    address: bytes
    mac: bytes
    state: int

    @property
    def usable(self) -> bool:
        """Whether the kernel would send to it."""
        return bool(self.state & _USABLE) and len(self.mac) == 6


class Netlink:
    """One socket; `groups` as bits. Raises OSError."""

    def __init__(self, groups: int = 0, protocol: int = ROUTE) -> None:
        kind = socket.SOCK_RAW | socket.SOCK_CLOEXEC
        self._socket = socket.socket(socket.AF_NETLINK, kind, protocol)
        try:
            self._socket.setsockopt(socket.SOL_SOCKET, _SO_RCVBUFFORCE, _BUFFER)
            self._socket.bind((0, groups))
        except OSError:
            self._socket.close()
            raise
        self._socket.setblocking(not groups)

    def fileno(self) -> int:
        """For selectors."""
        return self._socket.fileno()

    def close(self) -> None:
        """Let go of it."""
        self._socket.close()

    def notifications(self) -> Iterator[Message]:
        """All that wait. Raises Overrun."""
        while True:
            try:
                data = self._socket.recv(_CHUNK)
            except BlockingIOError:
                return
            except OSError as error:
                if error.errno == errno.ENOBUFS:
                    raise Overrun from error
                raise
            yield from _messages(data)

    def dump(self, kind: int, body: bytes) -> Iterator[Message]:
        """The answers to a GET... Raises OSError, and Overrun where something changed meanwhile."""
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, _REQUEST | _DUMP, 1, 0) + body)
        interrupted = 0
        while True:
            for message in _messages(self._socket.recv(_CHUNK)):
                interrupted |= message.flags & _INTERRUPTED
                if message.kind == _DONE:
                    if interrupted:
                        raise Overrun
                    return
                if message.kind == _ERROR:
                    _raise(message)
                yield message

    def tell(self, kind: int, body: bytes) -> None:
        """A request that is only acknowledged. Raises OSError."""
        self._send(kind, _REQUEST | _ACK, body)

    def ask(self, kind: int, body: bytes) -> Message:
        """The one answer to a request. Raises OSError."""
        return self._send(kind, _REQUEST, body)

    def _send(self, kind: int, flags: int, body: bytes) -> Message:
        self._socket.send(_HEADER.pack(_HEADER.size + len(body), kind, flags, 1, 0) + body)
        message = next(_messages(self._socket.recv(_CHUNK)))
        if message.kind == _ERROR:
            _raise(message)
        return message


def _raise(message: Message) -> None:
    number = int.from_bytes(message.body[:4], sys.byteorder, signed=True)
    if number:
        raise OSError(-number, os.strerror(-number))


def _messages(data: bytes) -> Iterator[Message]:
    at = 0
    while at + _HEADER.size <= len(data):
        size, kind, flags, _, _ = _HEADER.unpack_from(data, at)
        if size < _HEADER.size:
            return
        yield Message(kind, flags, data[at + _HEADER.size : at + size])
        at += size + 3 & ~3


def attributes(data: bytes, at: int = 0) -> dict[int, bytes]:
    """Type -> value, from a place on."""
    found = {}
    while at + 4 <= len(data):
        size, kind = _ATTRIBUTE.unpack_from(data, at)
        if size < 4:
            break
        found[kind & ~_NESTED] = data[at + 4 : at + size]
        at += size + 3 & ~3
    return found


def attribute(kind: int, value: bytes) -> bytes:
    """One of a request."""
    return _ATTRIBUTE.pack(4 + len(value), kind) + value + bytes(-len(value) % 4)


def _number(value: bytes | None, absent: int = 0) -> int:
    return absent if value is None else int(_NUMBER.unpack(value[:4])[0])


def link(message: Message) -> Link:
    """A device of NEWLINK or DELLINK."""
    _, kind, number, flags, _ = _LINK.unpack_from(message.body)
    found = attributes(message.body, _LINK.size)
    about = attributes(found.get(18, b""))  # IFLA_LINKINFO: IFLA_INFO_KIND
    return Link(
        number=number,
        name=found.get(3, b"").rstrip(b"\0").decode(errors="replace"),
        up=bool(flags & _UP) and message.kind == NEWLINK,
        carrier=bool(flags & _LOWER_UP),
        ethernet=kind == _ETHERNET and len(found.get(1, b"")) == 6,
        mac=found.get(1, b""),
        mtu=_number(found.get(4)),
        master=_number(found.get(10)),
        kind=about.get(1, b"").rstrip(b"\0").decode(errors="replace"),
        below=_number(found.get(5)),
        elsewhere=_number(found[37]) if 37 in found else -1,
    )


def route(message: Message) -> Route | None:
    """A route of NEWROUTE or DELROUTE; None: of another table, or a copy that the kernel keeps."""
    family, bits, source_bits, tos, table, _, _, kind, flags = _ROUTE.unpack_from(message.body)
    found = attributes(message.body, _ROUTE.size)
    table = _number(found.get(15), table)
    if table not in (_MAIN, _LOCAL) or flags & _CLONED or family not in (socket.AF_INET, socket.AF_INET6):
        return None
    device, gateway = _number(found.get(4)), found.get(5, b"")
    if 18 in found:  # RTA_VIA: a gateway of another family
        gateway = found[18][2:]
    # RTA_MULTIPATH, RTA_ENCAP, and what else the entry of one neighbour does not say
    special = (
        kind != _UNICAST or source_bits or tos or 9 in found or 22 in found or flags & (_DEAD | _LINKDOWN)
    )
    return Route(
        prefix=(family, bits, found.get(1, bytes(4 if family == socket.AF_INET else 16))),
        local=table == _LOCAL,
        metric=_number(found.get(6)),
        device=0 if special else device,
        gateway=gateway,
        mtu=_number(attributes(found.get(8, b"")).get(2)),  # RTA_METRICS: RTAX_MTU
    )


def replaces(message: Message) -> bool:
    """Whether a NEWROUTE takes the place of another one."""
    return bool(message.flags & _REPLACE)


def neighbour(message: Message) -> Neighbour | None:
    """An entry of NEWNEIGH or DELNEIGH; None: of a bridge."""
    family, device, state, _, _ = _NEIGHBOUR.unpack_from(message.body)
    if family not in (socket.AF_INET, socket.AF_INET6):
        return None
    found = attributes(message.body, _NEIGHBOUR.size)
    state = state if message.kind == NEWNEIGH else 0
    return Neighbour(device, found.get(1, b""), found.get(2, b""), state)


def use(netlink: Netlink, one: Neighbour) -> None:
    """Have the kernel do as if it had sent to it: a stale one is probed (NTF_USE). Raises OSError."""
    family = socket.AF_INET if len(one.address) == 4 else socket.AF_INET6
    head = _NEIGHBOUR.pack(family, one.device, one.state, _NTF_USE, 0)
    netlink.tell(NEWNEIGH, head + attribute(1, one.address))


class Rule(NamedTuple):
    """A routing rule, as far as it matters: who made it, and whether every host has it."""

    protocol: int
    usual: bool


def rule(message: Message) -> Rule | None:
    """A rule of NEWRULE; None: of multicast routing."""
    family, destination, source, tos, table, _, _, action, flags = _RULE.unpack_from(message.body)
    if family not in (socket.AF_INET, socket.AF_INET6):
        return None
    found = attributes(message.body, _RULE.size)
    table, priority = _number(found.get(15), table), _number(found.get(6))
    selects = destination or source or tos or flags or action != 1 or set(found) - {6, 14, 15, 21}
    selects = selects or _number(found.get(14), _NOTHING) != _NOTHING  # FRA_SUPPRESS_PREFIXLEN
    usual = not selects and (priority, table) in ((0, _LOCAL), (32766, _MAIN), (32767, _DEFAULT))
    return Rule(found.get(21, b"\0")[0], usual)


def request(kind: int, family: int = 0) -> bytes:
    """The body of a dump's request."""
    return {
        GETLINK: _LINK.pack(family, 0, 0, 0, 0),
        GETROUTE: _ROUTE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0),
        GETNEIGH: _NEIGHBOUR.pack(family, 0, 0, 0, 0),
        GETRULE: _RULE.pack(family, 0, 0, 0, 0, 0, 0, 0, 0),
    }[kind]
