# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The carrier side of DS-Lite: an AFTR (RFC 6333 section 6)."""

from __future__ import annotations

from ipaddress import IPv4Network

from ..packet import icmp, ipv4, ipv6
from ..packet.ipv4 import Datagram
from ..packet.verdict import Drop
from ..techniques.service import Service
from .base import Work
from .networks import Networks
from .session_gateway import SessionGateway

AFTR_ADDRESS = 0xC0000001  # 192.0.0.1 (RFC 6333 section 5.7)
SOFTWIRE_ENDS = IPv4Network("192.0.0.0/29")
# What a customer may number its network with (RFC 1918), and the ends of softwires themselves.
CUSTOMER_NETWORKS = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    SOFTWIRE_ENDS,
)
_ENDS = Networks([SOFTWIRE_ENDS])
_TTL = 64


class Aftr(SessionGateway):
    """Softwires tell apart customers who all have the same private addresses."""

    def apply(self, service: Service) -> list[str]:
        """Take over a service; what its `inside` names may be a source too (RFC 6333 s11)."""
        events = super().apply(service)
        self._sources = Networks((*CUSTOMER_NETWORKS, *service.inside))
        return events

    def admit(self, outer: ipv6.Outer) -> int:
        """Any customer: the operator's IPv6 network keeps spoofed sources out (RFC 6333 s11)."""
        if not ipv6.is_unicast(outer.source) or self.owns(outer.source):
            raise Drop("drop_softwire_source")
        self.check_subscriber(outer.source)
        return outer.source

    def check_inner(self, outer: ipv6.Outer, d: Datagram) -> None:
        """A customer's source; the DSCP comes along (RFC 6333 s11, s7.1)."""
        if d.source not in self._sources:
            raise Drop("drop_spoofed_source")
        if d.destination in _ENDS and d.destination != AFTR_ADDRESS:
            raise Drop("drop_unmapped_destination")
        d.set_dscp(outer.traffic_class >> 2)

    def send_out(self, d: Datagram, work: Work, realm: int) -> None:
        """Customers may ping the well-known address (RFC 6333 s5.7)."""
        if d.destination != AFTR_ADDRESS:
            super().send_out(d, work, realm)
            return
        if d.is_fragment:
            whole = self.reassembler.add4(d, realm, work.now, work.events)
            if whole is None:
                return
            d = Datagram(whole)
        body = icmp.echo_reply(d)
        if body is None:
            raise Drop("drop_unmapped_destination")
        head = ipv4.write(d.tos, 20 + len(body), self.new_ident(), 0, _TTL, ipv4.ICMP, AFTR_ADDRESS, d.source)
        work.events.append("echo_answered")
        self.send(Datagram(head + body), realm, work)

    def error_source(self, work: Work) -> int:
        """Inside, the address that every softwire knows (RFC 6333 s5.7)."""
        return AFTR_ADDRESS if work.peer else self.icmp_source
