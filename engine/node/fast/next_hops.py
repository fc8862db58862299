# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Where packets go next, out of the kernel's links, routes and neighbours.

A prefix without a next hop that one entry can say is there all the same, without a device: the longest match
stays right, and its packets take the kernel's way.
"""

from __future__ import annotations

import socket
from collections import defaultdict
from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network
from typing import NamedTuple

from .rtnetlink import (
    DELLINK,
    DELNEIGH,
    DELROUTE,
    NEWADDR,
    NEWLINK,
    NEWNEIGH,
    NEWROUTE,
    STALE,
    Link,
    Message,
    Neighbour,
    Route,
    link,
    neighbour,
    replaces,
    route,
    rule,
)

MOST_ROUTES = 60_000  # of one IP version; what is left of the tries is for neighbours

Prefix = tuple[int, int, bytes]  # family, bits, address


class Hop(NamedTuple):
    """As in c/next_hop.h."""

    device: int
    mtu: int
    destination: bytes
    source: bytes


KERNEL = Hop(0, 0, bytes(6), bytes(6))  # knows the way


class Network:
    """What the kernel says of links, routes, neighbours and rules; changes by its messages. No I/O."""

    def __init__(self, own_protocol: int) -> None:
        self._own = own_protocol
        self.links: dict[int, Link] = {}
        self._routes: defaultdict[Prefix, list[Route]] = defaultdict(list)
        self._neighbours: dict[tuple[int, bytes], Neighbour] = {}
        self._own_rules = self._foreign_rules = 0
        self._counts: dict[int, int] = {socket.AF_INET: 0, socket.AF_INET6: 0}

    def take(self, message: Message) -> bool:
        """Learn; whether all has to be asked for again, since the kernel does not say what goes with it."""
        if message.kind in (NEWROUTE, DELROUTE):
            found = route(message)
            return found is not None and self._take_route(found, message)
        if message.kind in (NEWNEIGH, DELNEIGH):
            self.learn_neighbour(message)
            return False
        if message.kind in (NEWLINK, DELLINK):
            changed = link(message)
            return changed != self.links.get(changed.number)
        return message.kind != NEWADDR

    def learn_rule(self, message: Message) -> None:
        """One of a dump."""
        found = rule(message)
        if found is not None:
            self._own_rules += found.protocol == self._own
            self._foreign_rules += not found.usual and found.protocol != self._own

    def learn_link(self, message: Message) -> None:
        """One of a dump."""
        found = link(message)
        self.links[found.number] = found

    def learn_route(self, message: Message) -> None:
        """One of a dump."""
        found = route(message)
        if found is not None:
            self._routes[found.prefix].append(found)
            self._counts[found.prefix[0]] += 1

    def learn_neighbour(self, message: Message) -> None:
        """One of a dump, or news."""
        found = neighbour(message)
        if found is None:
            return
        if found.state:
            self._neighbours[found.device, found.address] = found
        else:
            self._neighbours.pop((found.device, found.address), None)

    def _take_route(self, found: Route, message: Message) -> bool:
        group = self._routes[found.prefix]
        alike = [r for r in group if (r.local, r.metric) == (found.local, found.metric)]
        if not found.device or not all(r.device for r in alike):
            return True  # what of several hops is left is not said
        if message.kind == NEWROUTE and not replaces(message):
            alike = [r for r in alike if (r.device, r.gateway) == (found.device, found.gateway)]
        elif message.kind == DELROUTE:
            alike = [r for r in alike if r == found]
        for other in alike:
            group.remove(other)
        if message.kind == NEWROUTE:
            group.append(found)
        self._counts[found.prefix[0]] += (message.kind == NEWROUTE) - len(alike)
        if not group:
            del self._routes[found.prefix]
        return message.kind == DELROUTE and not alike

    @property
    def crowded(self) -> bool:
        """Whether there are more routes than the tries are to hold."""
        return max(self._counts.values()) > MOST_ROUTES

    def reason(self) -> str:
        """Why the kernel has to route everything; empty: it need not."""
        if self._foreign_rules:
            return f"{self._foreign_rules} routing rules beside the usual ones"
        if self.crowded:
            return f"more than {MOST_ROUTES} routes"
        return ""

    def ways(self, device: str) -> Iterator[tuple[IPv4Network, bool]]:
        """IPv4 routes, and whether each leads elsewhere than into this device."""
        own = {link.number for link in self.links.values() if link.name == device}
        for (family, bits, address), group in list(self._routes.items()):
            if family == socket.AF_INET:
                best = self._best(group)
                yield IPv4Network((address, bits)), best is None or best.device not in own

    def native(self) -> Iterator[tuple[int, int]]:
        """IPv4 prefixes (first, last) that are the host's own or behind a wire, the default excepted."""
        for (family, bits, address), group in list(self._routes.items()):  # another thread may read
            if family == socket.AF_INET and bits and any(r.local or self._is_wire(r.device) for r in group):
                first = int.from_bytes(address, "big")
                yield first, first | (1 << 32 - bits) - 1

    def _is_wire(self, device: int) -> bool:
        found = self.links.get(device)
        return found is not None and found.ethernet

    def hops(self, *, but: frozenset[int] = frozenset()) -> dict[Prefix, Hop]:
        """Prefix -> next hop, nothing where the kernel has to route everything; not over devices of `but`."""
        if self.reason():
            return {}
        best = {prefix: self._best(group) for prefix, group in self._routes.items()}
        shadows = [p for p, r in best.items() if r is not None and r.local and p[1] < len(p[2]) * 8]
        found: dict[Prefix, Hop] = {}
        for prefix, chosen in best.items():
            hop = KERNEL
            if chosen is not None and not chosen.local and not _covered(prefix, shadows):
                hop = self._hop(chosen)
            found[prefix] = KERNEL if hop.device in but else hop
        if self._own_rules:
            # The default of the inside networks is the tunnel, see kernel.wanted().
            found[socket.AF_INET, 0, bytes(4)] = KERNEL
        found.update(self._hosts(best, shadows, but))
        return found

    def _best(self, group: list[Route]) -> Route | None:
        """The route that the kernel takes; None where it is more than one."""
        first = [r for r in group if r.local]
        if not first:
            least = min(r.metric for r in group)
            first = [r for r in group if r.metric == least]
        return first[0] if len(first) == 1 or first[0].local else None

    def _hop(self, chosen: Route) -> Hop:
        _, bits, address = chosen.prefix
        whole = bits == len(address) * 8
        target = chosen.gateway or (address if whole else b"")
        return self._over(chosen, self._neighbours.get((chosen.device, target)))

    def _over(self, chosen: Route, to: Neighbour | None) -> Hop:
        device = self.links.get(chosen.device)
        if (
            device is None
            or not device.up
            or not device.carrier
            or not device.ethernet
            or to is None
            or not to.usable
        ):
            return KERNEL
        mtu = min(device.mtu, chosen.mtu) if chosen.mtu else device.mtu
        return Hop(device.number, mtu, to.mac, device.mac)

    def _hosts(
        self, best: Mapping[Prefix, Route | None], shadows: list[Prefix], but: frozenset[int]
    ) -> Iterator[tuple[Prefix, Hop]]:
        """Neighbours of networks that a device is in."""
        lengths: dict[int, list[int]] = defaultdict(list)
        for family, bits in sorted({prefix[:2] for prefix in best}, reverse=True):
            lengths[family].append(bits)
        for entry in self._neighbours.values():
            if not entry.usable or entry.device in but:
                continue
            family = socket.AF_INET if len(entry.address) == 4 else socket.AF_INET6
            host = family, len(entry.address) * 8, entry.address
            if host in best or _covered(host, shadows):
                continue
            for bits in lengths[family]:
                prefix = family, bits, _cut(entry.address, bits)
                if prefix in best:
                    chosen = best[prefix]
                    if chosen and chosen.device == entry.device and not chosen.gateway and not chosen.local:
                        yield host, self._over(chosen, entry)
                    break

    def to_probe(self) -> Iterator[Neighbour]:
        """Stale neighbours that packets are sent to without the kernel, those of gateways first.

        It does not see those packets, and would never ask whether somebody is still there.
        """
        gateways = {(r.device, r.gateway) for group in self._routes.values() for r in group if r.gateway}
        stale = [n for n in self._neighbours.values() if n.state == STALE and n.usable]
        yield from sorted(stale, key=lambda n: (n.device, n.address) not in gateways)


def _cut(address: bytes, bits: int) -> bytes:
    drop = len(address) * 8 - bits
    return (int.from_bytes(address, "big") >> drop << drop).to_bytes(len(address), "big")


def _covered(prefix: Prefix, by: Iterable[Prefix]) -> bool:
    family, bits, address = prefix
    return any(
        other[0] == family and other[1] <= bits and _cut(address, other[1]) == other[2] for other in by
    )
