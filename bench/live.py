# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A wire of three namespaces, a generator of live frames on it, and a sink that counts.

    customer - relay - internet

Generator, what is measured on the relay, and sink run one inside the other on one CPU: a frame is sent into
the customer's cable, taken by XDP or the kernel on the relay, and dropped by XDP at the far end.
"""

from __future__ import annotations

import ctypes
import json
import os
import struct
import subprocess
import time
from collections.abc import Iterator, Sequence
from contextlib import AbstractContextManager, contextmanager
from dataclasses import dataclass
from functools import cache, cached_property
from pathlib import Path

from measure import ROOT  # first: it makes the imports below work

# isort: split
from ansible_collections.ipv4aas.fleet.engine.node.fast.layout import Layouts
from ansible_collections.ipv4aas.fleet.engine.node.fast.libbpf import XDP, Link, Object, Program, cpus
from frames import AT, Frame
from lab import Lab
from paced import Sender
from topology import Link as Cable
from topology import Node, Topology

PREFIX = "sfb-"
CUSTOMER, RELAY, INTERNET = "customer", "relay", "internet"
MTUS = {CUSTOMER: 1540, INTERNET: 1500}  # an IPv4 packet of 1500 octets fits into the tunnel
GATEWAY4, SERVER4 = "198.51.100.1", "198.51.100.2"
NEAR4, FAR4 = "192.0.2.1", "192.0.2.2"  # the relay and the customer's router
NEAR6, FAR6 = "2001:db8:2::1", "2001:db8:2::2"
OUT6, SERVER6 = "2001:db8:3::1", "2001:db8:3::2"
_NEIGHBOURS = ((CUSTOMER, FAR4), (CUSTOMER, FAR6), (INTERNET, SERVER4), (INTERNET, SERVER6))
TCX_EGRESS = 47  # enum bpf_attach_type
_NEWNET = 0x40000000


def network(routes: Sequence[tuple[str, str]]) -> Topology:
    """Three hosts; `routes` of the relay beside its own cables."""
    return Topology(
        {
            CUSTOMER: Node(CUSTOMER, addresses=[(RELAY, f"{FAR6}/64"), (RELAY, f"{FAR4}/24")]),
            RELAY: Node(
                RELAY,
                forwards=True,
                addresses=[
                    (CUSTOMER, f"{NEAR6}/64"),
                    (CUSTOMER, f"{NEAR4}/24"),
                    (INTERNET, f"{GATEWAY4}/24"),
                    (INTERNET, f"{OUT6}/64"),
                ],
                routes=list(routes),
            ),
            INTERNET: Node(INTERNET, addresses=[(RELAY, f"{SERVER4}/24"), (RELAY, f"{SERVER6}/64")]),
        },
        (Cable(CUSTOMER, RELAY, MTUS[CUSTOMER]), Cable(RELAY, INTERNET, MTUS[INTERNET])),
    )


@contextmanager
def inside(namespace: str) -> Iterator[None]:
    """This thread in a network namespace: what device numbers mean, and where programs are attached."""
    setns = ctypes.CDLL(None, use_errno=True).setns
    with open("/proc/thread-self/ns/net") as back, open(f"/run/netns/{namespace}") as there:
        if setns(there.fileno(), _NEWNET):
            raise OSError(ctypes.get_errno(), f"namespace {namespace}")
        try:
            yield
        finally:
            setns(back.fileno(), _NEWNET)


@dataclass(frozen=True)
class Port:
    """One end of a cable."""

    number: int
    mac: bytes


def port(lab: Lab, host: str, device: str) -> Port:
    """As the kernel numbers it."""
    found = json.loads(lab.on(host, "ip", "-j", "link", "show", device))[0]
    return Port(found["ifindex"], bytes.fromhex(found["address"].replace(":", "")))


class Wire:
    """The laboratory with its ports; neighbours are known for ever."""

    def __init__(self, folder: Path, routes: Sequence[tuple[str, str]]) -> None:
        self.lab = Lab(network(routes), prefix=PREFIX, folder=folder, management=False)

    def up(self) -> None:
        """Raises LabError."""
        self.lab.up()
        for host, address in _NEIGHBOURS:
            mac = self.ports[host, RELAY].mac.hex(":")
            self.lab.on(RELAY, "ip", "neigh", "replace", address, "lladdr", mac, "dev", host)
        for host, device in self.ports:
            self.lab.on(host, "ethtool", "-K", device, "gro", "on")  # a cable into which XDP may send

    def down(self) -> None:
        """Everything goes."""
        self.lab.down()

    @cached_property
    def ports(self) -> dict[tuple[str, str], Port]:
        """(host, towards which host) -> port."""
        pairs = ((CUSTOMER, RELAY), (RELAY, CUSTOMER), (RELAY, INTERNET), (INTERNET, RELAY))
        return {pair: port(self.lab, *pair) for pair in pairs}

    @contextmanager
    def attached(self, program: Program, host: str, device: str, hook: int = XDP) -> Iterator[None]:
        """A program at a port for as long as the block lasts."""
        with inside(self.lab.namespace(host)):
            link = Link.attach(program, self.ports[host, device].number, hook)
        try:
            yield
        finally:
            link.close()


@cache
def compiled() -> bytes:
    """bench/live.bpf.c. Raises CalledProcessError."""
    target = Path("build", "bench", "live.bpf.o")
    subprocess.run(["make", "-s", "-C", str(ROOT), str(target)], check=True)
    return (ROOT / target).read_bytes()


@dataclass(frozen=True)
class Count:
    """What one run sent, and what came of it."""

    sent: int
    arrived: int
    seconds: float
    cpu: float  # seconds that the CPU worked for it

    @property
    def per_core(self) -> float:
        """Packets that arrived, in millions for a second of the CPU's time."""
        return self.arrived / self.cpu / 1e6

    @property
    def rate(self) -> float:
        """Packets that arrived, in millions a second of the clock."""
        return self.arrived / self.seconds / 1e6

    @property
    def is_whole(self) -> bool:
        """Nothing was lost, and nothing counted that was not sent."""
        return self.arrived == self.sent


def work() -> float:
    """Seconds that this CPU has worked for this thread and for what interrupts leave behind."""
    (cpu,) = os.sched_getaffinity(0)
    return time.thread_time() + int(Path(f"/proc/{_ksoftirqd(cpu)}/schedstat").read_text().split()[0]) / 1e9


@cache
def _ksoftirqd(cpu: int) -> str:
    """The kernel's thread that takes over where packets come for too long."""
    return next(
        path.parent.name
        for path in Path("/proc").glob("[0-9]*/comm")
        if path.read_text().strip() == f"ksoftirqd/{cpu}"
    )


class Traffic:
    """Frames of one kind on a wire: how to send them from one end, and who counts them at the other."""

    def __init__(
        self, wire: Wire, frame: Frame, start: str, end: str, stamps: tuple[int, int] = (0, 0)
    ) -> None:
        """`stamps`: of frame.stamps(), where latency is measured. Raises BpfError."""
        self.wire, self.frame, self.start = wire, frame, start
        self.octets = frame.octets(wire.ports[RELAY, start].mac, wire.ports[start, RELAY].mac)
        self.object = Object(compiled(), f"live {frame.name}")
        layouts = Layouts(self.object)
        self._tally, flow = layouts.struct("tally"), layouts.struct("flow").packer(*AT)
        layouts.set_constants(
            self.object,
            {
                "PLACES": frame.places,
                "OCTETS": min(len(self.octets), 128),
                "FLOWS_MASK": len(frame.flows) - 1,
                "TO": wire.ports[start, RELAY].number,
                "EXPECTED": frame.arrives,
                "STAMP_AT": stamps[0],
                "STAMP_FOUND_AT": stamps[1],
            },
        )
        self.object.resize("flows", len(frame.flows))
        self.object.load()
        maps = self.object.maps
        maps["template"][bytes(4)] = self.octets.ljust(128, b"\0")
        count = len(frame.flows)
        maps["flows"].update_all(
            b"".join(n.to_bytes(4, "little") for n in range(count)),
            b"".join(flow(*one) for one in frame.flows),
        )
        self._end = end

    def sink(self) -> AbstractContextManager[None]:
        """Count and drop at the far end for as long as the block lasts."""
        return self.wire.attached(self.object.programs["sink"], self._end, RELAY)

    @contextmanager
    def stamped(self) -> Iterator[None]:
        """Frames of a socket carry the time they left; the sink takes how long they took."""
        programs, wire = self.object.programs, self.wire
        with (
            wire.attached(programs["stamp"], self.start, RELAY, TCX_EGRESS),
            wire.attached(programs["sink_stamped"], self._end, RELAY),
        ):
            yield

    def delays(self, count: int) -> list[int]:
        """Of the first packets that arrived, in ns."""
        with self.object.maps["delays"].mapped(8 * count) as memory:
            return list(struct.unpack(f"={count}Q", memory[: 8 * count]))

    def forget(self) -> None:
        """Count from 0 again."""
        self.object.maps["tallies"].update(bytes(4), bytes(self._tally.size * cpus()))

    def tally(self) -> dict[str, int]:
        """Over all CPUs."""
        size = self._tally.size
        data = self.object.maps["tallies"].get(bytes(4), size * cpus()) or b""
        each = [self._tally.unpack(data[at : at + size]) for at in range(0, len(data), size)]
        return {name: sum(one[name] for one in each) for name in each[0]}

    def flood(self, packets: int, batch: int = 64) -> Count:
        """Live frames as fast as this CPU can. Raises BpfError."""
        before, began, worked = self.tally(), time.monotonic(), work()
        with inside(self.wire.lab.namespace(self.start)):
            device = self.wire.ports[self.start, RELAY].number
            self.object.programs["generate"].send(self.octets, packets, device, batch)
        seconds, worked, after = time.monotonic() - began, work() - worked, self.tally()
        return Count(after["made"] - before["made"], after["arrived"] - before["arrived"], seconds, worked)

    def pace(self, rate: int, seconds: float, *, bypass: bool = True, burst: int = 16) -> Count:
        """Frames of the first flow from a socket, at a rate. Raises OSError."""
        with inside(self.wire.lab.namespace(self.start)):
            sender = Sender(RELAY, self.octets, bypass=bypass)
        before, worked = self.tally(), work()
        try:
            sent = sender.send(rate, seconds, burst)
            time.sleep(0.05)  # for another process that still has some
        finally:
            sender.close()
        return Count(sent, self.tally()["arrived"] - before["arrived"], seconds, work() - worked)

    def close(self) -> None:
        """Lets go of its programs."""
        self.object.close()
