# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways and edges where the gateway translates addresses, and what is said to them."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from random import Random
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.node.core import Limits, build_node
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, GATEWAY, Service
from unit.packet import packetkit as kit

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
