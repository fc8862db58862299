# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Frames that a generator sends: a template, and what each flow has of its own."""

from __future__ import annotations

import struct
from collections.abc import Callable, Sequence
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv4Address, IPv6Address

# Members of `struct flow` of live.bpf.c, in the order of a flow here.
AT = ("address", "port", "check4", "check", "address6")
Flow = tuple[bytes, bytes, bytes, bytes, bytes]
L2, HEADER4, HEADER6, UDP = 14, 20, 40, 17
IPV4, IPV6 = 0x0800, 0x86DD  # protocols of Ethernet


@dataclass(frozen=True)
class Customer:
    """Who sends or gets packets: an IPv6 address, and the IPv4 address and port that are known outside."""

    softwire: IPv6Address
    address: IPv4Address
    port: int


def total(data: bytes) -> int:
    """Sum of 16-bit words, not folded."""
    return sum(struct.unpack(f"!{len(data) // 2}H", data))


def folded(value: int) -> int:
    """The complement of a sum in 16 bits (RFC 1071)."""
    while value >> 16:
        value = (value & 0xFFFF) + (value >> 16)
    return ~value & 0xFFFF


@dataclass(frozen=True)
class Frame:
    """UDP over IPv4, IPv4 in IPv6, or IPv6. The varying end is the customer's."""

    name: str
    customers: Sequence[Customer]  # their number is a power of two
    far: IPv4Address | IPv6Address  # the other end
    outbound: bool  # the customer is the source
    tunnel: IPv6Address | None = None  # the gateway of a packet in a softwire
    arrives: int = IPV4  # protocol of Ethernet behind what is measured
    payload: int = 18

    @property
    def carried6(self) -> bool:
        """IPv6 all the way, no IPv4 in it."""
        return self.far.version == 6

    @cached_property
    def inner(self) -> int:
        """Where the header is that the transport belongs to."""
        return L2 + (HEADER6 if self.tunnel else 0)

    @cached_property
    def transport(self) -> int:
        """Where the UDP header is."""
        return self.inner + (HEADER6 if self.carried6 else HEADER4)

    def stamps(self, encapsulates: bool) -> tuple[int, int]:
        """Where a stamp of 16 octets is: when the frame leaves, and when it arrives."""
        arrives = L2 + (HEADER4 if self.arrives == IPV4 else HEADER6)
        if self.arrives == IPV6 and not self.carried6 and encapsulates:
            arrives += HEADER4
        return self.transport + 8, arrives + 8

    @cached_property
    def places(self) -> dict[str, int]:
        """`struct places` of live.bpf.c."""
        own = 0 if self.outbound else 1  # source or destination
        found = {"port": self.transport + 2 * own, "check": self.transport + 6}
        if not self.carried6:
            found |= {"address": self.inner + 12 + 4 * own, "check4": self.inner + 10}
        if self.carried6 or self.tunnel:
            found["address6"] = L2 + 8 + 16 * own
        return found

    def octets(self, destination: bytes, source: bytes) -> bytes:
        """The template: a frame of the first customer."""
        first = self.customers[0]
        size = 8 + self.payload
        addresses = self._ends(first)
        ports = self._pair(first.port.to_bytes(2), (53).to_bytes(2))
        udp = ports + struct.pack("!HH", size, 0) + bytes(self.payload)
        if self.carried6:
            packet = header6(size, UDP, addresses) + udp
        else:
            packet = struct.pack("!BBHHHBBH", 0x45, 0, HEADER4 + size, 0, 0, 64, UDP, 0) + addresses + udp
        if self.tunnel:
            packet = header6(len(packet), 4, self._pair(first.softwire.packed, self.tunnel.packed)) + packet
        protocol = IPV6 if self.carried6 or self.tunnel else IPV4
        frame = bytearray(destination + source + protocol.to_bytes(2) + packet)
        flow = dict(zip(AT, self.flows[0], strict=True))
        for name, place in self.places.items():
            frame[place : place + len(flow[name])] = flow[name]
        return bytes(frame)

    @cached_property
    def flows(self) -> list[Flow]:
        """One for each customer."""
        size = 8 + self.payload
        far = total(self.far.packed)
        base4 = total(struct.pack("!BBHHHBBH", 0x45, 0, HEADER4 + size, 0, 0, 64, UDP, 0)) + far
        base = far + UDP + size + size + 53
        return [self._flow(one, base4, base) for one in self.customers]

    def _flow(self, one: Customer, base4: int, base: int) -> Flow:
        address, softwire = one.address.packed, one.softwire.packed
        end = total(softwire if self.carried6 else address)
        check = folded(base + end + one.port) or 0xFFFF
        check4 = folded(base4 + total(address))
        return address, one.port.to_bytes(2), check4.to_bytes(2), check.to_bytes(2), softwire

    def _ends(self, one: Customer) -> bytes:
        return self._pair(one.softwire.packed if self.carried6 else one.address.packed, self.far.packed)

    def _pair(self, own: bytes, far: bytes) -> bytes:
        return own + far if self.outbound else far + own


def header6(payload: int, following: int, ends: bytes) -> bytes:
    """An IPv6 header."""
    return struct.pack("!IHBB", 6 << 28, payload, following, 64) + ends


Population = Callable[[int], list[Customer]]
