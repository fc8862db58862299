# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The services of one software node: which one a packet belongs to, and what is counted."""

from __future__ import annotations

import sys
import traceback
from collections import Counter
from collections.abc import Callable, Iterable, Iterator
from ipaddress import IPv4Address, IPv6Address
from random import Random
from typing import Any

from ..mapping.longest import LongestMatch
from ..packet.buffer import Packet
from ..packet.napt import SessionView
from ..techniques.reach import ipv4_networks, ipv6_prefixes
from ..techniques.service import EDGE, NodeConfiguration, Service
from .core import Limits, Link, Node, Output, SessionLog, build_node
from .namespace import HOME

# Beside the names of reasons.py: what happens before any service has the packet.
UNOWNED = "drop_no_service"
FAULT = "drop_internal_fault"

Sent = tuple[Packet, str]  # and the namespace whose kernel gets it


class Side:
    """Packets and octets that crossed the device on one side of the node."""

    def __init__(self) -> None:
        self.packets_in = self.octets_in = self.packets_out = self.octets_out = 0

    def view(self) -> dict[str, int]:
        """For display; a super-packet counts once."""
        return {
            "packets_in": self.packets_in,
            "octets_in": self.octets_in,
            "packets_out": self.packets_out,
            "octets_out": self.octets_out,
        }


class Seat:
    """One running service."""

    def __init__(self, service: Service, node: Node) -> None:
        self.service, self.node = service, node
        self.counters: Counter[str] = Counter()

    def goes_on_as(self, service: Service) -> bool:
        """Whether the same kind of node runs it."""
        return (self.service.technique, self.service.role) == (service.technique, service.role)

    def reload(self, service: Service) -> None:
        """Other values for the same service: tables and sessions live on."""
        self.counters.update(self.node.reload(service))
        self.service = service


class Ends:
    """Which service an IPv6 packet is for: tunnel ends by address, prefixes by longest match."""

    def __init__(self, seats: Iterable[Seat]) -> None:
        reached = [(prefix, seat) for seat in seats for prefix in ipv6_prefixes(seat.service)]
        self._addresses = {prefix[0].packed: seat for prefix, seat in reached if prefix.prefixlen == 128}
        self._prefixes = LongestMatch((prefix, seat) for prefix, seat in reached if prefix.prefixlen < 128)

    def find(self, data: bytes) -> Seat | None:
        """The service of a packet."""
        destination = data[24:40]
        return self._addresses.get(destination) or self._prefixes.find(int.from_bytes(destination, "big"))


class Natives:
    """Which service an IPv4 packet of one namespace is for."""

    def __init__(self, seats: Iterable[Seat] = ()) -> None:
        seats = list(seats)
        # With one service alone, it tells better than we why a packet is not its own.
        self._only = seats[0] if len(seats) == 1 else None
        # An edge takes the packets of its own hosts, a gateway what is for customers, an open edge the rest.
        edges = [seat for seat in seats if seat.service.role == EDGE]
        self._sources = _by_network(seat for seat in edges if seat.service.inside)
        self._destinations = _by_network(seat for seat in seats if seat.service.role != EDGE)
        self._rest = next((seat for seat in edges if not seat.service.inside), None)

    def find(self, data: bytes) -> Seat | None:
        """The service of a packet."""
        return (
            self._only
            or self._sources.find(int.from_bytes(data[12:16], "big"))
            or self._destinations.find(int.from_bytes(data[16:20], "big"))
            or self._rest
        )


def _by_network(seats: Iterable[Seat]) -> LongestMatch[Seat]:
    return LongestMatch((network, seat) for seat in seats for network in ipv4_networks(seat.service))


class Services:
    """All services of a node. Pure but for the nodes' own tables: the clock comes from outside."""

    def __init__(self, *, rng: Random, limits: Limits | None = None, log: SessionLog | None = None) -> None:
        self._rng, self._limits, self._log = rng, limits, log
        self._seats: dict[str, Seat] = {}
        self._ends = Ends(())
        self._natives: dict[str, Natives] = {}  # by namespace
        self.counters: Counter[str] = Counter()  # of services that are gone, and of no service
        self.native, self.softwire = Side(), Side()

    def __len__(self) -> int:
        return len(self._seats)

    def prepare(self, configuration: NodeConfiguration) -> None:
        """Make ready what a reload with it needs; packets may be processed meanwhile, by another thread."""
        for service in configuration.services:
            seat = self._seats.get(service.name)
            if seat is not None and seat.goes_on_as(service) and seat.service != service:
                seat.node.prepare(service)

    def reload(self, configuration: NodeConfiguration, icmp_source: Callable[[Service], int]) -> None:
        """Run other services. Those that stay keep their tables and sessions; counters never go back."""
        before, self._seats = self._seats, {}
        for service in configuration.services:
            seat = before.pop(service.name, None)
            if seat is not None and seat.goes_on_as(service):
                if seat.service != service:
                    seat.reload(service)
            else:
                if seat is not None:
                    self._retire(seat)
                seat = Seat(service, self._build(service))
            seat.node.icmp_source = icmp_source(service)
            self._seats[service.name] = seat
        for seat in before.values():
            self._retire(seat)
        seats = list(self._seats.values())
        self._ends = Ends(seats)
        self._natives = {
            namespace: Natives(seat for seat in seats if seat.service.namespace == namespace)
            for namespace in {seat.service.namespace for seat in seats}
        }

    def nodes(self) -> Iterator[tuple[str, Node]]:
        """By the names of their services."""
        return ((name, seat.node) for name, seat in self._seats.items())

    def note(self, name: str, events: Iterable[str]) -> None:
        """Count what happened to a service."""
        self._seats[name].counters.update(events)

    def stop(self) -> None:
        """All services end."""
        for seat in self._seats.values():
            seat.node.stop()

    def _retire(self, seat: Seat) -> None:
        self.counters += seat.counters
        seat.node.stop()

    def _build(self, service: Service) -> Node:
        # The kernel forwards before and after: it counts the hop.
        return build_node(service, rng=self._rng, decrement_ttl=False, limits=self._limits, log=self._log)

    def process(self, packet: Packet, now: float, namespace: str = HOME) -> list[Sent]:
        """What goes to which kernel because of one packet from that of a namespace."""
        data = packet.data
        if data[0] >> 4 == 4:
            arrival, side = Link.NATIVE, self.native
            natives = self._natives.get(namespace)
            seat = None if natives is None else natives.find(data)
        else:
            arrival, side = Link.SOFTWIRE, self.softwire
            seat = self._ends.find(data) if namespace == HOME else None
        side.packets_in += 1
        side.octets_in += len(data)
        if seat is None:
            self.counters[UNOWNED] += 1
            return []
        try:
            outputs, events = seat.node.process(packet, arrival, now)
        except Exception:
            # One packet must not end the service for all others.
            seat.counters[FAULT] += 1
            if seat.counters[FAULT] <= 10:
                traceback.print_exc(file=sys.stderr)
            return []
        return self._count(seat, outputs, events)

    def _count(self, seat: Seat, outputs: list[Output], events: list[str]) -> list[Sent]:
        counters = seat.counters
        for event in events:
            counters[event] += 1
        packets: list[Sent] = []
        for sent, departure in outputs:
            side, to = self.softwire, HOME
            if departure is Link.NATIVE:
                side, to = self.native, seat.service.namespace
            side.packets_out += 1
            side.octets_out += len(sent.data)
            packets.append((sent, to))
        return packets

    def expire(self, now: float) -> list[Sent]:
        """Let time pass for all tables; what goes to which kernel because of it."""
        packets = []
        for seat in self._seats.values():
            seat.counters.update(seat.node.expire(now))
            packets += self._count(seat, *seat.node.overdue(now))
        return packets

    def sessions(self, now: float, limit: int) -> dict[str, Any]:
        """NAPT sessions as JSON values, at most ``limit`` of the ``total``; expiry in seconds from now."""
        shown: list[dict[str, Any]] = []
        for name, seat in self._seats.items():
            views = seat.node.sessions(limit - len(shown))
            shown += [_session(name, view, now) for view in views]
        total = sum(seat.node.session_count() for seat in self._seats.values())
        return {"total": total, "sessions": shown}

    def status(self) -> dict[str, Any]:
        """Services, what crossed the device, and all counters, as JSON values."""
        totals = self.counters.copy()
        for seat in self._seats.values():
            totals.update(seat.counters)
        return {
            "services": {name: _seat(seat) for name, seat in self._seats.items()},
            "counters": dict(sorted(totals.items())),
            "traffic": {"native": self.native.view(), "softwire": self.softwire.view()},
        }


def _seat(seat: Seat) -> dict[str, Any]:
    return {
        "technique": seat.service.technique,
        "role": seat.service.role,
        "address": str(IPv6Address(seat.node.address)),
        "sessions": seat.node.session_count(),
        **seat.node.tables(),
        "counters": dict(sorted(seat.counters.items())),
    }


def _session(service: str, view: SessionView, now: float) -> dict[str, Any]:
    def pair(address: int, port: int) -> str:
        return f"{IPv4Address(address)}:{port}"

    return {
        "service": service,
        "protocol": view.protocol,
        **({"subscriber": str(IPv6Address(view.realm))} if view.realm else {}),
        "inside": pair(view.inside, view.inside_port),
        "outside": pair(view.outside, view.outside_port),
        "remote": pair(view.remote, view.remote_port),
        "state": view.state,
        "expires_in": max(0, round(view.expires - now)),
    }
