# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rows of bench/fast_path.py, and the wire that those of single packets are measured on."""

from __future__ import annotations

import os
import socket
import sys
from collections.abc import Callable, Iterable, Iterator, Mapping
from contextlib import ExitStack
from dataclasses import asdict, dataclass, field
from pathlib import Path
from types import MappingProxyType
from typing import Any

from live import (  # first: it makes the imports below work
    CUSTOMER,
    FAR4,
    FAR6,
    INTERNET,
    MTUS,
    RELAY,
    Count,
    Port,
    Traffic,
    Wire,
    compiled,
    inside,
)

# isort: split
from ansible_collections.ipv4aas.fleet.engine.node.fast.layout import Layouts
from ansible_collections.ipv4aas.fleet.engine.node.fast.libbpf import BpfError, Object, Program
from ansible_collections.ipv4aas.fleet.engine.node.fast.next_hops import Hop
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import ServiceProgram, problem
from ansible_collections.ipv4aas.fleet.engine.node.fast.routing import Tries
from ansible_collections.ipv4aas.fleet.engine.node.fast.tables import Unsupported
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from fast_cases import CUSTOMERS, OUTSIDE

WARM = 4096  # packets before what is counted
TRIES = 5  # a run that lost packets is taken again: another process was on this CPU
LONGEST = 4.0  # seconds of one run: next hops are believed for five
MPPS = "Mpps/core"

Taken = tuple[float, int, Mapping[str, Any]]  # figure, packets lost, what else was seen
Hops = Mapping[tuple[int, int, bytes], Hop]


@dataclass(frozen=True)
class Sample:
    """One run of one row."""

    round: int
    row: str
    value: float
    lost: int = 0
    raw: Mapping[str, Any] = field(default_factory=dict)


@dataclass
class Row:
    """One figure; `against`: names of others -> the ratio that is to be reached, None: only told."""

    name: str
    unit: str
    take: Callable[[], Taken]
    against: Mapping[str, float | None] = field(default_factory=dict)
    at_least: float | None = None  # what the figure itself is to be
    beside: Row | None = None  # taken anew right before, where others are between both

    def sample(self, number: int) -> Sample:
        """Measure once. Raises LabError."""
        value, lost, raw = self.take()
        return Sample(number, self.name, round(value, 4), lost, raw)


def turns(rows: Iterable[Row]) -> Iterator[Row]:
    """Who is measured one after the other in a round."""
    last = None
    for row in rows:
        if row.beside is not None and row.beside is not last:
            yield row.beside
        yield row
        last = row


class Engine:
    """A service's program with its next hops."""

    def __init__(self, service: Service, hook: str, hops: Hops, limit: int = 0) -> None:
        """`limit`: sessions of a gateway that keeps them. Raises Unsupported or BpfError."""
        reason = problem(service, hook)
        if reason:
            raise Unsupported(reason)
        more = {}
        self._sessions = None
        if limit:
            from ansible_collections.ipv4aas.fleet.engine.node.fast.sessions import KernelSessions

            more["sessions"] = self._sessions = KernelSessions(service, limit=limit)
        self.service = ServiceProgram(service, hook, redirect=True, **more)
        self.tries = Tries(self.service.layouts, self.service.maps)
        self.tries.write(dict(hops))

    @property
    def program(self) -> Program:
        """What is attached."""
        return self.service.program

    def tend(self) -> None:
        """What a node's daemon does every second: next hops stay believed, sessions that are over end."""
        self.tries.believe()
        if self._sessions is not None:
            self._sessions.expire()

    def send_by(self, devices: Iterable[int]) -> None:
        """These take packets from XDP, as the daemon would say; in their namespace. Raises BpfError."""
        for device in devices:
            number = device.to_bytes(4, sys.byteorder)
            self.service.maps["xdp_devices"].update(number, number)

    def close(self) -> None:
        """Lets go of all."""
        self.service.close()
        if self._sessions is not None:
            self._sessions.close()


def everything(family: int, own: Port, far: Port, mtu: int) -> Hops:
    """A default route as the daemon would write it."""
    octets = 4 if family == socket.AF_INET else 16
    return {(family, 0, bytes(octets)): Hop(own.number, mtu, far.mac, own.mac)}


def across(wire: Wire) -> Hops:
    """Everything of IPv4 is behind the internet's cable, everything of IPv6 behind the customer's."""
    sides = ((socket.AF_INET, INTERNET), (socket.AF_INET6, CUSTOMER))
    ports = wire.ports
    return {
        key: hop
        for family, side in sides
        for key, hop in everything(family, ports[RELAY, side], ports[side, RELAY], MTUS[side]).items()
    }


class Bench:
    """The wire, what is loaded on it, and how long a run is."""

    def __init__(self, folder: Path, cpu: int, seconds: float) -> None:
        self.folder, self.cpu, self.seconds = folder, cpu, min(seconds, LONGEST)
        self.notes: list[str] = []
        self._open = ExitStack()
        self._bare: dict[tuple[object, ...], Program] = {}
        self._packets: dict[str, int] = {}

    def wire(self) -> Wire:
        """Three namespaces with routes to the customers, and this process on one CPU. Raises LabError."""
        os.sched_setaffinity(0, {self.cpu})
        return self.laboratory(Wire(self.folder, [(str(CUSTOMERS), FAR6), (str(OUTSIDE), FAR4)]))

    def laboratory(self, item: Any) -> Any:
        """Up now, and down at the end. Raises LabError."""
        self._open.callback(item.down)
        item.up()
        return item

    def keep(self, item: Any) -> Any:
        """Closed at the end."""
        self._open.callback(item.close)
        return item

    def engine(self, service: Service, hook: str, hops: Hops, limit: int = 0) -> Engine | None:
        """A seat; a note where there is no program for it."""
        try:
            return self.keep(Engine(service, hook, hops, limit))  # type: ignore[no-any-return]
        except (BpfError, Unsupported, ImportError) as error:
            said = f"{service.technique}, {service.role}, {hook}: not measured: {str(error).splitlines()[0]}"
        if said not in self.notes:
            self.notes.append(said)
        return None

    def close(self) -> None:
        """Everything goes."""
        self._open.close()

    def bare(self, wire: Wire, to: str) -> Program:
        """The bare redirect by the relay's device towards a host."""
        return self._redirect("redirect", wire, to, {})

    def resized(self, wire: Wire, to: str, growth: int, arrives: int) -> Program:
        """The same with so many octets more, and another header of Ethernet: its protocol."""
        return self._redirect("resize", wire, to, {"GROWTH": growth % 2**32, "EXPECTED": arrives})

    def tunnel(self, wire: Wire, to: str, growth: int, arrives: int) -> Program:
        """The end of a tunnel that asks nothing of a packet."""
        return self._redirect("tunnel", wire, to, {"GROWTH": growth % 2**32, "EXPECTED": arrives})

    def _redirect(self, name: str, wire: Wire, to: str, constants: dict[str, int]) -> Program:
        device = wire.ports[RELAY, to].number
        key = name, device, *constants.values()
        if key not in self._bare:
            item = self.keep(Object(compiled(), " ".join(map(str, key))))
            Layouts(item).set_constants(item, {"TO": device, **constants})
            item.load()
            number = device.to_bytes(4, sys.byteorder)
            with inside(wire.lab.namespace(RELAY)):
                item.maps["devices"].update(number, number)
            self._bare[key] = item.programs[name]
        return self._bare[key]

    def run(
        self, traffic: Traffic, program: Program | None, engine: Engine | None = None
    ) -> tuple[Count, int]:
        """Flood for as long as a run is to be, again where packets were lost: the last try, its number."""
        wire, name = traffic.wire, traffic.frame.name
        with ExitStack() as stack:
            stack.enter_context(traffic.sink())
            if program is not None:
                stack.enter_context(wire.attached(program, RELAY, traffic.start))
            if engine is not None:
                engine.tries.believe()
                with inside(wire.lab.namespace(RELAY)):
                    engine.send_by(wire.ports[RELAY, side].number for side in (CUSTOMER, INTERNET))
            traffic.flood(WARM)
            packets = self._packets.get(name) or 0
            if not packets:
                trial = traffic.flood(100_000)
                packets = self._packets[name] = max(WARM, int(self.seconds * trial.sent / trial.seconds))
            attempt = 0
            while attempt < TRIES:
                attempt += 1
                if engine is not None:
                    engine.tries.believe()
                count = traffic.flood(packets)
                if count.is_whole:
                    break
        return count, attempt

    def row(
        self,
        name: str,
        traffic: Traffic,
        program: Program | None,
        engine: Engine | None = None,
        against: Mapping[str, float | None] = MappingProxyType({}),
    ) -> Row:
        """Packets through a program, or the kernel where there is none."""

        def take() -> Taken:
            count, attempt = self.run(traffic, program, engine)
            return count.per_core, count.sent - count.arrived, {**asdict(count), "attempt": attempt}

        return Row(name, MPPS, take, against)
