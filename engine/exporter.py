# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``ipv4aas-exporter``: what a software node says of itself, as Prometheus metrics.

The node is asked at each scrape, at a socket that tells its status and takes no commands. Series grow with
services, reasons and namespaces, never with subscribers. Needs the extra ``exporter`` (prometheus_client).
"""

from __future__ import annotations

import argparse
import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from pathlib import Path
from threading import Event
from typing import Any

from prometheus_client import CollectorRegistry, Metric, start_http_server
from prometheus_client.core import CounterMetricFamily, GaugeMetricFamily
from prometheus_client.registry import Collector

from .node.control import ControlError, ask
from .node.health import STATUS_SOCKET, devices, problems
from .node.reasons import REASONS

SOCKET = Path("/run/ipv4aas") / STATUS_SOCKET
ADDRESS, PORT = "127.0.0.1", 9964
PATIENCE = 8.0  # seconds; a scrape has 10

_PUNT = "punt_"
_NODE = ""  # label of what no service that runs now has counted

Status = Mapping[str, Any]
Row = tuple[Sequence[str], float]


class NodeCollector(Collector):
    """Asks the node each time it is collected; of one that does not answer it says ``ipv4aas_up 0`` only."""

    def __init__(self, socket: Path) -> None:
        self._socket = socket

    def describe(self) -> Iterable[Metric]:
        """Nothing is asked for the sake of registration."""
        return ()

    def collect(self) -> Iterator[Metric]:
        """All metrics."""
        try:
            status = ask(self._socket, "status", timeout=PATIENCE)
        except ControlError as error:
            print(error, file=sys.stderr, flush=True)
            yield _gauge("up", "Whether the node answers.", [((), 0)])
            return
        yield _gauge("up", "Whether the node answers.", [((), 1)])
        yield from metrics(status)


def metrics(status: Status) -> Iterator[Metric]:
    """All that follows from what a node says of itself (`ipv4aas-node status`)."""
    yield from _node(status)
    yield from _events(status)
    yield from _traffic(status)
    yield from _fast_path(status)
    yield from _devices(status)
    yield from _sessions(status["services"])
    yield from _pools(status["services"])
    yield from _fragments(status["services"])


def _node(status: Status) -> Iterator[Metric]:
    trial = status["state"] == "confirming"
    log = status["session_log"]
    yield _gauge("build_info", "Version of the node.", [((status["version"],), 1)], "version")
    yield _gauge("uptime_seconds", "Time since the node started.", [((), status["uptime"])])
    yield _gauge(
        "healthy",
        "Whether the configuration runs and every device is there (ipv4aas-node health says what is wrong).",
        [((), not list(problems(status)))],
    )
    yield _gauge("trial", "Whether a configuration runs on trial, to be confirmed.", [((), trial)])
    yield _gauge(
        "trial_remaining_seconds",
        "Time until a configuration on trial is taken back; 0 without one.",
        [((), status.get("seconds_left", 0))],
    )
    yield _counter("session_log_faults", "Failures to write a session log.", [((), log["faults"])])
    yield _gauge("session_log_fault", "Whether records of sessions are lost now.", [((), "fault" in log)])


def _events(status: Status) -> Iterator[Metric]:
    """Every reason of every service, 0 too: the first of its kind is then an increase like any other."""
    counted = {name: Counter(seat["counters"]) for name, seat in status["services"].items()}
    counted[_NODE] = Counter(status["counters"])
    for name in status["services"]:
        counted[_NODE].subtract(counted[name])
    drops: list[Row] = []
    punts: list[Row] = []
    others: list[Row] = []
    for service, counters in counted.items():
        for reason in sorted({*REASONS, *counters}):
            rows = drops if reason.startswith("drop_") else punts if reason.startswith(_PUNT) else others
            rows.append(((service, reason), counters[reason]))
    labels = "service", "reason"
    yield _counter("drops", "Packets that ended here, by the node's name for why.", drops, *labels)
    yield _counter("punts", "Packets that the fast path left to the core.", punts, *labels)
    yield _counter("events", "What else happened to packets, by the node's name for it.", others, *labels)


def _traffic(status: Status) -> Iterator[Metric]:
    def rows(unit: str) -> list[Row]:
        return [
            ((side, way), seen[f"{unit}_{way}"])
            for side, seen in status["traffic"].items()
            for way in ("in", "out")
        ]

    labels = "side", "direction"
    yield _counter(
        "packets", "Packets across the device; a TCP super-packet is one.", rows("packets"), *labels
    )
    yield _counter("traffic_bytes", "Octets of IP packets across the device.", rows("octets"), *labels)


def _fast_path(status: Status) -> Iterator[Metric]:
    fast = status["fast_path"]
    yield _gauge(
        "service_info",
        "A service; tier is what forwards it: tun (the core alone), tc or xdp (eBPF programs before it).",
        [
            ((name, seat["technique"], seat["role"], seat["address"], _tier(fast["services"], name)), 1)
            for name, seat in status["services"].items()
        ],
        *("service", "technique", "role", "address", "tier"),
    )
    yield _counter(
        "fast_path_packets",
        "Packets that eBPF programs took all the way.",
        [((name,), one["packets"]) for name, one in fast["services"].items() if "packets" in one],
        "service",
    )
    yield _gauge(
        "fast_path_device_info",
        "A network device that programs are attached to; hook is how.",
        [((name, one["tier"], one["hook"]), 1) for name, one in fast["devices"].items()],
        *("device", "tier", "hook"),
    )
    yield _gauge(
        "fast_path_survives_restart",
        "Whether the programs are kept in bpffs, to forward on while the node restarts.",
        [((), fast.get("survives_restart", False))],
    )


def _tier(services: Status, name: str) -> str:
    """The programs' own word; where they have none, the core forwards."""
    tier: str = services.get(name, {"tier": "tun"})["tier"]
    return tier


def _devices(status: Status) -> Iterator[Metric]:
    wanted = devices(status)
    there = {name: device for name, device in wanted.items() if device is not None}
    yield _gauge(
        "device_up",
        "Whether the TUN device is there that services need in a namespace (empty: the node's own).",
        [((name,), device is not None) for name, device in wanted.items()],
        "namespace",
    )
    yield _counter(
        "device_queue_drops",
        "Packets that found the device's queue full: the node is too slow.",
        [((name,), device["queue_drops"]) for name, device in there.items()],
        "namespace",
    )
    yield _counter(
        "device_write_errors",
        "Packets that the kernel did not take, by its error.",
        [
            ((name, error), count)
            for name, device in there.items()
            for error, count in device["write_errors"].items()
        ],
        *("namespace", "error"),
    )


def _sessions(services: Status) -> Iterator[Metric]:
    limited = {name: seat for name, seat in services.items() if "session_limit" in seat}
    yield _gauge(
        "sessions",
        "NAPT sessions.",
        [((name,), seat["sessions"]) for name, seat in limited.items()],
        "service",
    )
    yield _gauge(
        "sessions_limit",
        "NAPT sessions that the table has room for.",
        [((name,), seat["session_limit"]) for name, seat in limited.items()],
        "service",
    )


def _pools(services: Status) -> Iterator[Metric]:
    pools = {name: seat["pool"] for name, seat in services.items() if "pool" in seat}
    yield _gauge(
        "pool_addresses",
        "IPv4 addresses of a gateway's pool, or of an edge.",
        [((name,), pool["addresses"]) for name, pool in pools.items()],
        "service",
    )
    yield _gauge(
        "pool_subscribers",
        "Subscribers that have something of the pool.",
        [((name,), pool["subscribers"]) for name, pool in pools.items() if "subscribers" in pool],
        "service",
    )
    yield _gauge(
        "pool_ports",
        "Ports of all addresses: assigned, waiting (hold-down), free (of a subscriber's block too).",
        [
            ((name, protocol, state), count)
            for name, pool in pools.items()
            for protocol, states in pool["ports"].items()
            for state, count in states.items()
        ],
        *("service", "protocol", "state"),
    )
    yield _gauge(
        "pool_port_blocks",
        "Port blocks of all addresses: assigned to a subscriber, free. A block serves all protocols.",
        [
            ((name, state), count)
            for name, pool in pools.items()
            for state, count in pool.get("blocks", {}).items()
        ],
        *("service", "state"),
    )


def _fragments(services: Status) -> Iterator[Metric]:
    def rows(key: str) -> list[Row]:
        return [
            ((name, table), seen[key])
            for name, seat in services.items()
            for table, seen in seat["fragments"].items()
        ]

    labels = "service", "table"
    yield _gauge("fragmented_packets", "Packets of which not all pieces came yet.", rows("packets"), *labels)
    yield _gauge("fragmented_packets_limit", "Room for them.", rows("packet_limit"), *labels)
    yield _gauge("fragments_bytes", "Memory of the pieces that wait.", rows("octets"), *labels)
    yield _gauge("fragments_limit_bytes", "Room for them.", rows("octet_limit"), *labels)


def _gauge(name: str, text: str, rows: Iterable[Row], *labels: str) -> Metric:
    return _filled(GaugeMetricFamily(f"ipv4aas_{name}", text, labels=labels), rows)


def _counter(name: str, text: str, rows: Iterable[Row], *labels: str) -> Metric:
    return _filled(CounterMetricFamily(f"ipv4aas_{name}", text, labels=labels), rows)


def _filled(family: GaugeMetricFamily | CounterMetricFamily, rows: Iterable[Row]) -> Metric:
    for values, value in rows:
        family.add_metric(values, value)
    return family


def main(argv: Sequence[str] | None = None) -> int:
    """Serve until a signal ends it; the exit code."""
    parser = argparse.ArgumentParser(prog="ipv4aas-exporter", description=__doc__.partition("\n")[0])
    parser.add_argument("--socket", type=Path, default=SOCKET, help="the node's (default %(default)s)")
    parser.add_argument("--address", default=ADDRESS, help="to listen on (default %(default)s)")
    parser.add_argument("--port", type=int, default=PORT, help="to listen on (default %(default)s)")
    options = parser.parse_args(argv)
    registry = CollectorRegistry()
    registry.register(NodeCollector(options.socket))
    try:
        start_http_server(options.port, options.address, registry)
    except OSError as error:
        print(f"{options.address} port {options.port}: {error.strerror}", file=sys.stderr)
        return 1
    Event().wait()
    return 0
