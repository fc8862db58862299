# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways and edges where the gateway translates addresses, and what is said to them."""

from __future__ import annotations

import struct
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.node.core import Limits, build_node
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, GATEWAY, Service
from unit.packet import packetkit as kit
from unit.packet import translationkit as kit6

AFTR6 = "2001:db8:ffff::1"
POOL = Pool(ipv4=(IPv4Network("203.0.113.0/31"),))
INSIDE = "192.168.1.10"
SERVER, SERVER2 = "198.51.100.7", "198.51.100.8"
# Two customers of DS-Lite: both have the host 192.168.1.10.
B4, OTHER_B4 = "2001:db8:1:100:0:c000:2:0", "2001:db8:1:200:0:c000:2:0"

AFTR_SERVICE = Service(
    name="t", technique="ds-lite", role=GATEWAY, gateway_address=IPv6Address(AFTR6), pool=POOL
)
B4_SERVICE = replace(
    AFTR_SERVICE,
    role=EDGE,
    pool=None,
    end_user_prefix=IPv6Network("2001:db8:1:100::/56"),
    inside=(IPv4Network("192.168.1.0/24"),),
)


def node(service: Service, limits: Limits | None = None, *, ttl: bool = True, **changes: Any) -> Any:
    """A node of the service with other values."""
    return build_node(replace(service, **changes), rng=Random(1), limits=limits, decrement_ttl=ttl)


def pool(**changes: Any) -> Pool:
    """The pool with other values."""
    return replace(POOL, **changes)


class Customer:
    """One softwire of an AFTR: what it sends comes out on the Internet side, and back."""

    def __init__(self, gateway: Any, softwire: str = B4) -> None:
        self.gateway, self.softwire = gateway, softwire

    def run(self, packet: bytes, now: float = 0.0, **outer: Any) -> tuple[list[bytes], list[str]]:
        """All that leaves, and events."""
        wrapped = kit.tunnel(self.softwire, AFTR6, packet, **outer)
        return kit.run(self.gateway, wrapped, kit.SOFTWIRE, now)

    def send(self, packet: bytes, now: float = 0.0, **outer: Any) -> bytes:
        """The one packet that leaves, its checksums right."""
        return kit.one(self.gateway, kit.tunnel(self.softwire, AFTR6, packet, **outer), kit.SOFTWIRE, now)

    def open(
        self, sport: int = 5000, remote: str = SERVER, dport: int = 53, host: str = INSIDE, now: float = 0.0
    ) -> tuple[str, int]:
        """Outside address and port of a UDP session."""
        out = self.send(kit.udp(host, sport, remote, dport), now)
        return kit.field(out, "src"), kit.field(out, "sport")


PREF64 = IPv6Network("2001:db8:64::/96")
NAT64_6 = "2001:db8:ffff::64"
HOST6, OTHER6 = "2001:db8:1:100::10", "2001:db8:1:200::20"
ROUTER6 = "2001:db8:1:100::1"

NAT64_SERVICE = replace(
    AFTR_SERVICE, technique="nat64", gateway_address=IPv6Address(NAT64_6), translation_prefix=PREF64
)
PLAT_SERVICE = replace(NAT64_SERVICE, technique="464xlat")
CLAT_SERVICE = replace(
    PLAT_SERVICE,
    role=EDGE,
    pool=None,
    end_user_prefix=IPv6Network("2001:db8:1:100::/64"),
    inside=(IPv4Network("192.168.1.0/24"),),
)


def in_prefix(ipv4: str, prefix: IPv6Network = PREF64) -> str:
    """The IPv6 address that stands for an Internet host (a /96)."""
    return str(prefix[int(IPv4Address(ipv4))])


def in_clat(ipv4: str) -> str:
    """The IPv6 address of an inside host of CLAT_SERVICE: octets 9 to 12 behind a /64 (RFC 6052 s2.2)."""
    return str(IPv6Address(kit.v6("2001:db8:1:100::")[:9] + kit.v4(ipv4) + bytes(3)))


def tcp6(src: str, sport: int, dst: str, dport: int, flags: int = kit.SYN, data: bytes = b"") -> bytes:
    """A TCP segment over IPv6."""
    body = struct.pack("!HHIIBBHHH", sport, dport, 1, 2, 0x50, flags, 1000, 0, 0) + data
    return kit6.ip6(src, dst, 6, kit6.sealed6(src, dst, 6, body, 16))


def echo6(src: str, dst: str, query: int, *, reply: bool = False) -> bytes:
    """A ping over IPv6."""
    return kit6.icmp6(src, dst, 129 if reply else 128, 0, query << 16 | 1, b"ping")


def cut6(packet: bytes, size: int, ident: int = 0x12345678) -> list[bytes]:
    """IPv6 fragments of `size` octets (a multiple of 8)."""
    return kit.cut6(packet, size, ident)


class Host:
    """An IPv6 host behind a NAT64."""

    def __init__(self, gateway: Any, address: str = HOST6) -> None:
        self.gateway, self.address = gateway, address

    def run(self, packet: bytes, now: float = 0.0) -> tuple[list[bytes], list[str]]:
        """All that leaves, and events."""
        return kit.run(self.gateway, packet, kit.SOFTWIRE, now)

    def send(self, packet: bytes, now: float = 0.0) -> bytes:
        """The one IPv4 packet that leaves, its checksums right."""
        return kit.one(self.gateway, packet, kit.SOFTWIRE, now)

    def udp(self, sport: int, remote: str, dport: int, data: bytes = b"hello", **header: Any) -> bytes:
        """A datagram to an Internet host."""
        return kit6.udp6(self.address, sport, in_prefix(remote), dport, data, **header)

    def tcp(self, sport: int, remote: str, dport: int, flags: int = kit.SYN, data: bytes = b"") -> bytes:
        """A segment to an Internet host."""
        return tcp6(self.address, sport, in_prefix(remote), dport, flags, data)

    def open(
        self, sport: int = 5000, remote: str = SERVER, dport: int = 53, now: float = 0.0
    ) -> tuple[str, int]:
        """Outside address and port of a UDP session."""
        out = self.send(self.udp(sport, remote, dport), now)
        return kit.field(out, "src"), kit.field(out, "sport")


def from_internet(gateway: Any, packet: bytes, now: float = 0.0) -> bytes:
    """The one IPv6 packet that leaves, its checksums right."""
    (out,), _events = kit.run(gateway, packet, kit.NATIVE, now)
    assert kit6.wrong6(out) == []
    return out


def ports6(packet: bytes) -> tuple[int, int]:
    """Ports of a whole IPv6 packet."""
    source, destination = struct.unpack_from("!HH", packet, 40)
    return source, destination
