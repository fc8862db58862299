# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The customer side of DS-Lite: a B4 (RFC 6333 section 5)."""

from __future__ import annotations

from ..packet import ipv6
from ..packet.ipv4 import Datagram
from ..packet.verdict import Drop
from ..techniques.service import Service
from .plain_edge import PlainEdge


class B4(PlainEdge):
    """One softwire, to one gateway."""

    @staticmethod
    def own_address(service: Service) -> int:
        """The own end of the softwire."""
        return int(service.softwire_address)

    def apply(self, service: Service) -> list[str]:
        """Take over a service."""
        self._gateway = int(service.gateway_address)
        return super().apply(service)

    def far(self, ipv4: int) -> int:
        """The gateway."""
        return self._gateway

    def admit(self, outer: ipv6.Outer) -> int:
        """Only the gateway."""
        if outer.source != self._gateway:
            raise Drop("drop_not_gateway")
        return outer.source

    def finish(self, outer: ipv6.Outer, d: Datagram) -> None:
        """The DSCP (RFC 6333 s7.1)."""
        d.set_dscp(outer.traffic_class >> 2)
