# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SA46T and SA46T-PR: the outer addresses are the inner ones in a plane (draft-matsuhira-m46e-fp, -pr)."""

from __future__ import annotations

from ipaddress import IPv4Network

from ..mapping.plane import base_of, ipv4_of
from ..packet import icmp, ipv6
from ..packet.buffer import Packet
from ..packet.carriage import Carriage, Encapsulation
from ..packet.ipv4 import Datagram
from ..packet.path_mtu import PathMtus, Told
from ..packet.verdict import Drop, IcmpError
from ..techniques.planes import plane_of, plane_table
from ..techniques.service import Service
from .base import Link, Node, Work
from .networks import Networks

PATHS = 4096  # narrow paths remembered: 1.3 MB
NET_UNREACHABLE = IcmpError(3, 0)
_ALL = (IPv4Network("0.0.0.0/0"),)


class PlaneNode(Node):
    """One plane of a stub network. Stateless but for path MTUs: several nodes may serve the same stub."""

    _listener: Told | None = None

    @staticmethod
    def own_address(service: Service) -> int:
        """The first address of the stub network in the plane."""
        network = (service.inside or _ALL)[0]
        return plane_of(service).address(int(network.network_address))

    def apply(self, service: Service) -> list[str]:
        """Take over a service. Raises PlaneError for a plane or table that cannot be."""
        self._plane, self._table = plane_of(service), plane_table(service)
        self._inside = Networks(service.inside or _ALL)
        # A node that is the way to everywhere else does not know its own networks.
        self._stubs = Networks(network for network in service.inside if network.prefixlen)
        self._paths = PathMtus(PATHS)
        self._paths.tell(self._listener)
        return super().apply(service)

    def tell_paths(self, listener: Told | None) -> None:
        """Have the programs of the fast path hear of narrow paths, also after a reload; None: nobody."""
        self._listener = listener
        self._paths.tell(listener)

    def owns(self, address: int) -> bool:
        """Whether an address of the plane is that of an own stub network."""
        return base_of(address) == self._plane.base and ipv4_of(address) in self._inside

    def near(self, d: Datagram, far: int) -> int:
        """The inner source, in the plane too."""
        return self._plane.address(d.source)

    def from_native(self, packet: Packet, work: Work) -> None:
        """From the stub network to the plane."""
        d = Datagram(packet.data, packet.offload)
        self.check_addresses(d)
        if d.source not in self._inside:
            raise Drop("drop_not_inside")
        if d.destination in self._stubs:
            # The plane would send it straight back.
            raise Drop("drop_own_destination", NET_UNREACHABLE)
        target = self._table.address(d.destination)
        if target is None:
            raise Drop("drop_no_plane_route", NET_UNREACHABLE)
        self.route(d, work)
        self.send(d, target, work)

    def admit(self, outer: ipv6.Outer) -> int:
        """Whoever is in the plane."""
        if outer.source not in self._table:
            raise Drop("drop_other_plane")
        return outer.source

    def from_softwire(self, outer: ipv6.Outer, packet: Packet, work: Work) -> None:
        """From the plane to the stub network."""
        self.admit(outer)
        d = self.carriage.unwrap(outer, packet.offload)
        self.check_addresses(d)
        if outer.source != self._table.address(d.source) or d.source in self._stubs:
            raise Drop("drop_spoofed_source")
        if outer.destination != self._plane.address(d.destination):
            raise Drop("drop_wrong_address")
        self.route(d, work)
        self.emit(d, work)
        work.events.append("decapsulated")

    def send(self, d: Datagram, far: int, work: Work) -> None:
        """Into the plane, no larger than the path carries."""
        packets = self._carriage_to(far, work.now).wrap(d, self.near(d, far), far)
        work.events.append("encapsulated")
        work.outputs += [(packet, Link.SOFTWIRE) for packet in packets]

    # Tunnel MTU discovery (m46e-fp section 4.5, RFC 1853 section 5.1)

    def hear(self, error: icmp.Relayed, work: Work) -> None:
        """Remember a path that is narrower than the link."""
        if error.softwire != self._table.address(error.destination) or error.source not in self._inside:
            raise Drop("drop_icmpv6_not_ours")
        narrower = 0 < error.path_mtu < self.service.ipv6_mtu
        if narrower and self._paths.lower(error.softwire, error.path_mtu, work.now):
            work.events.append("path_mtu_lowered")
        super().hear(error, work)

    def relay_error(self, error: icmp.Relayed, work: Work) -> None:
        """To the host of the stub network whose packet had trouble in the plane."""
        assert error.kind is not None
        d = self.make_error(error.kind, error.inner, self.icmp_source, work)
        if d is not None:
            self.emit(d, work)
            work.events.append("icmpv6_relayed")

    def _carriage_to(self, far: int, now: float) -> Carriage:
        mtu = self._paths.get(far, now)
        if mtu is None:
            return self.carriage
        return Encapsulation(mtu, cut_inner=self.service.fragmentation == "inner", rng=self.rng)
