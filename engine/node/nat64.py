# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The carrier side of 464XLAT and NAT64: a PLAT or NAT64 (RFC 6146)."""

from __future__ import annotations

from ..packet import ipv6
from ..packet.ipv4 import Datagram
from ..packet.verdict import Drop
from ..techniques.service import B4_ADDRESS, Service
from .places import internet
from .session_gateway import SessionGateway

# Every IPv6 host is this one of its own realm; the address never leaves the node.
_HOST = B4_ADDRESS


class Nat64(SessionGateway):
    """IPv6 hosts find the IPv4 Internet in a prefix: stateless headers, and a NAPT for their side."""

    def apply(self, service: Service) -> list[str]:
        """Take over a service."""
        self._internet = internet(service)
        return super().apply(service)

    def owns(self, address: int) -> bool:
        """The prefix, and the own address for pings."""
        return self._internet.holds(address) or address == self.address

    def near(self, d: Datagram, far: int) -> int:
        """The Internet host, as the IPv6 host knows it."""
        return self._internet.end6(d.source)

    def to6(self, ipv4: int, port: int | None) -> int:
        """In the prefix (RFC 6146 s3.5.4)."""
        return self._internet.end6(ipv4)

    def to4(self, ipv6: int) -> int:
        """The address in the prefix; every other one gets an address from the NAPT."""
        return self._internet.end4(ipv6) if self._internet.holds(ipv6) else _HOST

    def admit(self, outer: ipv6.Outer) -> int:
        """Any host, but none that stands for an Internet host: its packets would go round (RFC 6146 s3.5)."""
        if not self._internet.holds(outer.destination):
            raise Drop("drop_not_for_us")
        if not ipv6.is_unicast(outer.source) or self.owns(outer.source):
            raise Drop("drop_softwire_source")
        return outer.source
