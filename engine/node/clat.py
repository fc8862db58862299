# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The customer side of 464XLAT: a CLAT (RFC 6877 section 6.3)."""

from __future__ import annotations

from ..mapping.eam import EamTable
from ..mapping.rfc6052 import Embedding
from ..packet import ipv6
from ..packet.ipv4 import Datagram
from ..packet.verdict import Drop
from ..techniques.service import B4_ADDRESS, Service
from .places import internet
from .plain_edge import PlainEdge


class Clat(PlainEdge):
    """Inside hosts are in the CLAT's own prefix, all others in the PLAT's; explicit mappings come first."""

    @staticmethod
    def own_address(service: Service) -> int:
        """The edge itself, in its own prefix."""
        return Embedding(service.clat_prefix).embed(B4_ADDRESS)

    def apply(self, service: Service) -> list[str]:
        """Take over a service."""
        own, outside = Embedding(service.clat_prefix), internet(service)
        self._own, self._internet, self._explicit = own, outside, EamTable(service.eam)
        return super().apply(service)

    def owns(self, address: int) -> bool:
        """An inside host, as it is known outside."""
        if address in self._own:
            return True
        mapped = self._explicit.to4(address)
        return mapped is not None and self.is_inside(mapped)

    def near(self, d: Datagram, far: int) -> int:
        """The sender."""
        return self._near6(d.source)

    def far(self, ipv4: int) -> int:
        """The receiver."""
        mapped = self._explicit.to6(ipv4)
        return self._internet.end6(ipv4) if mapped is None else mapped

    def to6(self, ipv4: int, port: int | None) -> int:
        """Of a packet in an error: inside or outside."""
        return self._near6(ipv4) if self.may_be_inside(ipv4) else self.far(ipv4)

    def _near6(self, ipv4: int) -> int:
        mapped = self._explicit.to6(ipv4)
        return self._own.embed(ipv4) if mapped is None else mapped

    def to4(self, ipv6: int) -> int:
        """The way back."""
        mapped = self._explicit.to4(ipv6)
        if mapped is not None:
            return mapped
        if ipv6 in self._own:
            return self._own.extract(ipv6)
        if not self._internet.holds(ipv6):
            raise Drop("drop_untranslatable")
        return self._internet.end4(ipv6)

    def admit(self, outer: ipv6.Outer) -> int:
        """Anybody but an inside host."""
        if self.owns(outer.source):
            raise Drop("drop_spoofed_source")
        return outer.source
