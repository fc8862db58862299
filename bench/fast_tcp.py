# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""TCP through an edge and a gateway on tc beside plain IPv6 routing and Debian's tayga, over the same cables.

The network, hosts and services are those of run.py; nothing but the programs forwards here.
"""

from __future__ import annotations

import json
import os
import socket
import subprocess
import time
from collections.abc import Callable, Mapping
from contextlib import ExitStack
from dataclasses import dataclass
from functools import partial
from ipaddress import IPv4Network, IPv6Address, IPv6Network

from fast_rows import Bench, Engine, Hops, Row, Taken, everything
from lab import Lab, LabError
from live import CUSTOMER, MTUS, inside, port
from measure import PORT, serve
from run import CARRIER, HOST, INTERNET, INTERNET6, LAN, MIDDLE, MTU, SERVER, A, B, network, seats
from tayga import Tayga

# isort: split
from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import Embedding
from ansible_collections.ipv4aas.fleet.engine.node.fast.attach import TC_KINDS, new_attachment
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from ansible_collections.ipv4aas.fleet.engine.techniques.service import GATEWAY, Service

PREFIX = "sft-"
DOMAIN = MTUS[CUSTOMER]  # octets: the IPv4 packets of hosts fit into the tunnel
TAYGA_PREFIX = IPv6Network(f"{CARRIER[0xA << 64]}/96")
SESSIONS = 1 << 10
# Which device of a node leads to IPv4; the other one leads to IPv6.
NATIVE = {A: HOST, B: SERVER}
FEATURES = ("tso", "gso", "tx-checksum-ip-generic")
ON, WIRE = "offloads", "as on a wire"
ALL_CPUS = set(range(os.cpu_count() or 1))
UP, DOWN = "up", "down"


class Network:
    """The hosts of run.py, their servers, and tayga on the gateway."""

    def __init__(self, bench: Bench) -> None:
        self.lab = Lab(network(DOMAIN), prefix=PREFIX, folder=bench.folder, management=False)
        self._offloads = ON
        self._tayga: Tayga | None = None

    def up(self) -> None:
        """Raises LabError."""
        self.lab.up()
        for address in (INTERNET[2], INTERNET6[2]):
            serve(self.lab, SERVER, str(address))
        self._set("gro", on=True)
        self._tayga = Tayga(self.lab, B, TAYGA_PREFIX, IPv4Network("203.0.113.0/24"))

    def down(self) -> None:
        """Everything goes."""
        if self._tayga is not None:
            self._tayga.close()
        self.lab.down()

    def offloads(self, wanted: str) -> None:
        """Super-packets across the cables, or what a network card would see; GRO is on either way."""
        if wanted != self._offloads:
            for feature in FEATURES:
                self._set(feature, on=wanted == ON)
            self._offloads = wanted

    def _set(self, feature: str, *, on: bool) -> None:
        for cable in self.lab.plan.links:
            for host, device in ((cable.left, cable.right), (cable.right, cable.left)):
                self.lab.on(host, "ethtool", "-K", device, feature, "on" if on else "off")

    def hops(self, node: str) -> Hops:
        """Where a seat sends IPv4 and IPv6."""
        ways = ((socket.AF_INET, NATIVE[node], MTU), (socket.AF_INET6, MIDDLE, DOMAIN))
        return {
            key: hop
            for family, towards, mtu in ways
            for key, hop in everything(
                family, port(self.lab, node, towards), port(self.lab, towards, node), mtu
            ).items()
        }


@dataclass(frozen=True)
class Seat:
    """A program at both devices of a node."""

    node: str
    engine: Engine


def tcp(bench: Bench) -> list[Row]:
    """One connection up and down, with offloads and without."""
    os.sched_setaffinity(0, ALL_CPUS)
    net = bench.laboratory(Network(bench))
    rows: list[Row] = []
    found = {name: seats_of(bench, net, name) for name in TECHNIQUES}
    for offloads in (ON, WIRE):
        for direction in (UP, DOWN):
            take = partial(_stream, bench, net, offloads, direction)
            kernel = Row(
                f"TCP {direction}, {offloads}: plain IPv6",
                "Gbit/s",
                partial(take, str(INTERNET6[2]), ()),
            )
            tayga = Row(
                f"TCP {direction}, {offloads}: tayga",
                "Gbit/s",
                partial(take, embedded(TAYGA_PREFIX), ()),
            )
            rows += kernel, tayga
            against = {kernel.name: 0.98, tayga.name: 10.0 if offloads == ON else None}
            rows += [
                Row(
                    f"TCP {direction}, {offloads}: {name}",
                    "Gbit/s",
                    partial(take, destination(pair), pair),
                    against,
                    beside=kernel,
                )
                for name, pair in found.items()
                if pair
            ]
    return rows


def embedded(prefix: IPv6Network) -> str:
    """The server in a translation prefix (RFC 6052)."""
    return str(IPv6Address(Embedding(prefix).embed(int(INTERNET[2]))))


def destination(pair: tuple[Seat, ...]) -> str:
    """What the host asks for: IPv4, or without an edge IPv6."""
    service = pair[-1].engine.service.service
    if len(pair) > 1 or service.translation_prefix is None:
        return str(INTERNET[2])
    return embedded(service.translation_prefix)


def seats_of(bench: Bench, net: Network, technique: str) -> tuple[Seat, ...]:
    """Edge and gateway; none where one of them has no program."""
    services: Mapping[str, Service] = seats(technique, DOMAIN)
    if set(services) - set(NATIVE):
        return ()  # a third seat, whose service is not one of both ends
    if TECHNIQUES[technique].edge is None and TECHNIQUES[technique].napt == GATEWAY:
        services = {B: services[B]}  # the host itself has IPv6
    found = []
    for node, service in services.items():
        napt = TECHNIQUES[technique].napt == service.role
        engine = bench.engine(service, TC, net.hops(node), SESSIONS if napt else 0)
        if engine is None:
            return ()
        # What the kernel of a node would not send to its service: the networks of its own cables.
        own = LAN if node == A else INTERNET
        engine.service.set_routes({own: True})
        found.append(Seat(node, engine))
    return tuple(found)


def _stream(
    bench: Bench, net: Network, offloads: str, direction: str, to: str, pair: tuple[Seat, ...]
) -> Taken:
    net.offloads(offloads)
    seconds = max(1, int(bench.seconds))
    with ExitStack() as stack:
        for seat in pair:
            with inside(net.lab.namespace(seat.node)):
                for device in (NATIVE[seat.node], MIDDLE):
                    number = port(net.lab, seat.node, device).number
                    made = new_attachment(TC_KINDS, seat.engine.program, number)
                    stack.callback(in_namespace, net.lab.namespace(seat.node), made.detach)
        argv = ["iperf3", "-c", to, "-p", str(PORT), "-t", str(seconds), "-J", "--connect-timeout", "2000"]
        if direction == DOWN:
            argv.append("-R")
        answer = _ask(net.lab, argv, pair)
    if "end" not in answer or "error" in answer:
        counters = {seat.node: seat.engine.service.counters() for seat in pair}
        raise LabError(f"TCP {direction} to {to}, {offloads}: iperf3: {answer.get('error')}; {counters}")
    return float(answer["end"]["sum_received"]["bits_per_second"]) / 1e9, 0, answer


def in_namespace(namespace: str, step: Callable[[], None]) -> None:
    """Devices are numbered there."""
    with inside(namespace):
        step()


def _ask(lab: Lab, argv: list[str], pair: tuple[Seat, ...]) -> Mapping[str, object]:
    """iperf3's answer; the programs are tended for as long as it runs."""
    for _ in range(5):
        for seat in pair:  # before: a port of the host's may come again
            seat.engine.tend()
        process = subprocess.Popen(lab.enter(HOST, *argv), stdout=subprocess.PIPE, text=True)
        while process.poll() is None:
            for seat in pair:
                seat.engine.tend()
            try:
                process.wait(1)
            except subprocess.TimeoutExpired:
                continue
        answer = json.loads(process.communicate()[0] or "{}")
        if "busy" not in answer.get("error", ""):
            break
        time.sleep(0.3)
    return answer
