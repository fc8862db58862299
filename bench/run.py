# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Throughput through an edge and a gateway on the TUN tier, beside plain kernel IPv6 routing.

Both ways lead over the same namespaces and cables, in turns within one run; see bench/README.md.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1] / "tests"
for folder in (TESTS, TESTS / "lab"):
    sys.path.insert(0, str(folder))

from conftest import ROOT  # noqa: E402  makes ansible_collections.ipv4aas.fleet importable
from fleet import Fleet, fleet_plan  # noqa: E402
from lab import Lab, LabError  # noqa: E402
from topology import topology  # noqa: E402

PREFIX = "snb-"
CLIENT, SERVER, EDGE, GATEWAY = "host42", "www", "ce42", "br1"
PORT = 5201
SMALL = 18  # octets of UDP payload: the smallest Ethernet frame over IPv4
ENGINE, KERNEL = "engine", "kernel"


@dataclass(frozen=True)
class Measure:
    """One figure: how iperf3 is called, and how its answer is read."""

    name: str
    unit: str
    arguments: tuple[str, ...]
    read: Callable[[dict[str, Any]], float]


@dataclass(frozen=True)
class Sample:
    """One run of one measure over one of the two ways."""

    round: int
    measure: str
    way: str
    value: float
    raw: dict[str, Any]


def _gigabits(answer: dict[str, Any]) -> float:
    return float(answer["end"]["sum_received"]["bits_per_second"]) / 1e9


def _kilopackets(answer: dict[str, Any]) -> float:
    # From octets that arrived: the packet count of iperf3 3.12 is the sender's.
    total = answer["end"]["sum_received"]
    return float(total["bytes"]) / SMALL / float(total["seconds"]) / 1e3


MEASURES = (
    Measure("TCP up, 1 connection", "Gbit/s", (), _gigabits),
    Measure("TCP down, 1 connection", "Gbit/s", ("-R",), _gigabits),
    Measure("TCP up, 4 connections", "Gbit/s", ("-P", "4"), _gigabits),
    Measure(f"UDP up, {SMALL} octets", "kpacket/s", ("-u", "-b", "0", "-l", str(SMALL)), _kilopackets),
    Measure(
        f"UDP down, {SMALL} octets", "kpacket/s", ("-R", "-u", "-b", "0", "-l", str(SMALL)), _kilopackets
    ),
)


def destinations(lab: Lab, fleet: Fleet) -> dict[str, str]:
    """Way -> address of the server by which it is taken."""
    own = [address.partition("/")[0] for _interface, address in lab.plan.nodes[SERVER].addresses]
    return {ENGINE: fleet.references[0], KERNEL: next(address for address in own if ":" in address)}


def sample(lab: Lab, measure: Measure, way: str, address: str, number: int, seconds: int) -> Sample:
    """Run iperf3 once. Raises LabError with what it says where it fails."""
    argv = ("iperf3", "-c", address, "-p", str(PORT), "-t", str(seconds), "-J", *measure.arguments)
    answer = _ask(lab, argv)
    while "busy" in answer.get("error", ""):  # the server is still closing the run before
        time.sleep(0.2)
        answer = _ask(lab, argv)
    if "error" in answer or "end" not in answer:
        raise LabError(f"{measure.name}, {way}: iperf3: {answer.get('error', 'no answer')}")
    return Sample(number, measure.name, way, round(measure.read(answer), 3), answer)


def _ask(lab: Lab, argv: tuple[str, ...]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(lab.on(CLIENT, *argv, check=False) or "{}")
    return answer


def spread(values: list[float]) -> str:
    """Lowest, median and highest."""
    return f"{min(values):8.3f} {statistics.median(values):8.3f} {max(values):8.3f}"


def report(samples: list[Sample]) -> str:
    """The figures for people. A ratio is of two runs that followed each other."""
    lines = [f"{'':26}{'':11}{'min':>8} {'median':>8} {'max':>8}"]
    for measure in MEASURES:
        of = {
            way: [s.value for s in samples if (s.measure, s.way) == (measure.name, way)]
            for way in (ENGINE, KERNEL)
        }
        if not of[ENGINE]:
            continue
        ratios = [engine / kernel for engine, kernel in zip(of[ENGINE], of[KERNEL], strict=True)]
        lines.append(f"{measure.name:26}{measure.unit:11}{spread(of[ENGINE])}  engine: edge and gateway")
        lines.append(f"{'':26}{'':11}{spread(of[KERNEL])}  kernel: plain IPv6 routing")
        lines.append(f"{'':26}{'ratio':11}{spread(ratios)}")
    return "\n".join(lines)


def circumstances() -> dict[str, Any]:
    """What the figures depend on."""
    model = next(
        (line.partition(":")[2].strip() for line in _lines("/proc/cpuinfo") if line.startswith("model name")),
        platform.machine(),
    )
    return {
        "cpu": model,
        "cores": os.cpu_count(),
        "load": os.getloadavg(),
        "kernel": platform.release(),
        "python": platform.python_version(),
        "at": datetime.now(UTC).isoformat(timespec="seconds"),
    }


def _lines(path: str) -> list[str]:
    return Path(path).read_text().splitlines()


def main(argv: list[str]) -> int:
    """Command line."""
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="(default %(default)s)")
    parser.add_argument("--seconds", type=int, default=4, help="of each single run (default %(default)s)")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench")
    options = parser.parse_args(argv)
    options.output.mkdir(parents=True, exist_ok=True)
    lab = Lab(topology(native=True), prefix=PREFIX, folder=options.output / "lab", management=False)
    before, samples = circumstances(), []
    try:
        lab.up()
        fleet = Fleet(lab, options.output, fleet_plan())
        fleet.start([EDGE, GATEWAY])
        ways = destinations(lab, fleet)
        subprocess.Popen(lab.enter(SERVER, "iperf3", "-s", "-p", str(PORT)), stdout=subprocess.DEVNULL)
        for address in ways.values():
            _await(lab, address)
        for number in range(1, options.rounds + 1):
            for measure in MEASURES:
                for way in (ENGINE, KERNEL):
                    samples.append(sample(lab, measure, way, ways[way], number, options.seconds))
                    last = samples[-1]
                    print(
                        f"round {number}: {measure.name:26}{way:8}{last.value:9.3f} {measure.unit}",
                        flush=True,
                    )
        status = {host: fleet.node(host, "status") for host in (EDGE, GATEWAY)}
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        lab.down()
    path = options.output / f"{before['at'].replace(':', '')}.json"
    document = {"circumstances": before, "samples": [asdict(one) for one in samples], "status": status}
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(f"\n{before['cpu']}, {before['cores']} cores, load {before['load'][0]:.1f} before the run")
    print(f"Linux {before['kernel']}, Python {before['python']}; raw figures: {path}\n")
    print(report(samples))
    return 0


def _await(lab: Lab, address: str, within: float = 15.0) -> None:
    """Until the way stands: BGP holds its first announcement back for some seconds."""
    deadline = time.monotonic() + within
    probe = ("iperf3", "-c", address, "-p", str(PORT), "-n", "1K", "-J", "--connect-timeout", "1000")
    while "end" not in (answer := _ask(lab, probe)) or "error" in answer:
        if time.monotonic() > deadline:
            raise LabError(f"{address} is not reached within {within:.0f} s")
        time.sleep(0.2)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
