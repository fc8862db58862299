# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How throughput is measured and told: iperf3 by two ways in turns, ratios of neighbours."""

from __future__ import annotations

import argparse
import json
import os
import platform
import statistics
import subprocess
import sys
import time
from collections.abc import Callable, Iterable, Mapping, Sequence
from dataclasses import asdict, dataclass
from datetime import UTC, datetime
from pathlib import Path
from typing import Any

TESTS = Path(__file__).resolve().parents[1] / "tests"
for folder in (TESTS, TESTS / "lab"):
    sys.path.insert(0, str(folder))

from conftest import ROOT  # noqa: E402  makes ansible_collections.ipv4aas.fleet importable
from lab import Lab, LabError  # noqa: E402

PORT = 5201
_CLOSING = ("busy", "Connection reset")  # the server has not done with the run before
SMALL = 18  # octets of UDP payload: the smallest Ethernet frame over IPv4


@dataclass(frozen=True)
class Kind:
    """How iperf3 is called, and how its answer is read."""

    name: str
    unit: str
    arguments: tuple[str, ...]
    read: Callable[[dict[str, Any]], float]


@dataclass(frozen=True)
class Measure:
    """One figure: what is asked of a host, towards which address for each way."""

    name: str
    kind: Kind
    client: str
    to: Mapping[str, str]


@dataclass(frozen=True)
class Scene:
    """Measures that need the same, and how to bring it about."""

    measures: Sequence[Measure]
    prepare: Callable[[], None] = lambda: None


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


_FLOOD = ("-u", "-b", "0", "-l", str(SMALL))
TCP_UP = Kind("TCP up, 1 connection", "Gbit/s", (), _gigabits)
TCP_DOWN = Kind("TCP down, 1 connection", "Gbit/s", ("-R",), _gigabits)
TCP_UP_4 = Kind("TCP up, 4 connections", "Gbit/s", ("-P", "4"), _gigabits)
UDP_UP = Kind(f"UDP up, {SMALL} octets", "kpacket/s", _FLOOD, _kilopackets)
UDP_DOWN = Kind(f"UDP down, {SMALL} octets", "kpacket/s", ("-R", *_FLOOD), _kilopackets)


def options(description: str) -> argparse.ArgumentParser:
    """What every bench asks on its command line."""
    parser = argparse.ArgumentParser(description=description.splitlines()[0])
    parser.add_argument("--rounds", type=int, default=3, help="(default %(default)s)")
    parser.add_argument("--seconds", type=int, default=4, help="of each single run (default %(default)s)")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench")
    return parser


def serve(lab: Lab, host: str, address: str) -> None:
    """Start an iperf3 server that answers from an address; it ends with the laboratory."""
    argv = lab.enter(host, "iperf3", "-s", "-B", address, "-p", str(PORT))
    subprocess.Popen(argv, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL)


def rounds(lab: Lab, scenes: Sequence[Scene], count: int, seconds: int) -> list[Sample]:
    """All measures by both ways, one right after the other, in every round. Raises LabError."""
    samples = []
    for number in range(1, count + 1):
        for scene in scenes:
            scene.prepare()
            for client, address in dict.fromkeys(
                (m.client, to) for m in scene.measures for to in m.to.values()
            ):
                _await(lab, client, address)
            for measure in scene.measures:
                for way in measure.to:
                    last = _sample(lab, measure, way, number, seconds)
                    samples.append(last)
                    print(
                        f"round {number}: {measure.name:34}{way:8}{last.value:9.3f} {measure.kind.unit}",
                        flush=True,
                    )
    return samples


def _sample(lab: Lab, measure: Measure, way: str, number: int, seconds: int) -> Sample:
    argv = ("iperf3", "-c", measure.to[way], "-p", str(PORT), "-t", str(seconds), "-J")
    answer = _ask(lab, measure.client, (*argv, *measure.kind.arguments))
    while any(word in answer.get("error", "") for word in _CLOSING):
        time.sleep(0.2)
        answer = _ask(lab, measure.client, (*argv, *measure.kind.arguments))
    if "error" in answer or "end" not in answer:
        raise LabError(f"{measure.name}, {way}: iperf3: {answer.get('error', 'no answer')}")
    return Sample(number, measure.name, way, round(measure.kind.read(answer), 3), answer)


def _ask(lab: Lab, client: str, argv: tuple[str, ...]) -> dict[str, Any]:
    answer: dict[str, Any] = json.loads(lab.on(client, *argv, check=False) or "{}")
    return answer


def _await(lab: Lab, client: str, address: str, within: float = 15.0) -> None:
    """Until the way stands: BGP holds its first announcement back for some seconds."""
    deadline = time.monotonic() + within
    probe = ("iperf3", "-c", address, "-p", str(PORT), "-n", "1K", "-J", "--connect-timeout", "1000")
    while "end" not in (answer := _ask(lab, client, probe)) or "error" in answer:
        if time.monotonic() > deadline:
            raise LabError(f"{client} does not reach {address} within {within:.0f} s")
        time.sleep(0.2)


def spread(values: list[float]) -> str:
    """Lowest, median and highest."""
    return f"{min(values):8.3f} {statistics.median(values):8.3f} {max(values):8.3f}"


def report(samples: Sequence[Sample], measures: Iterable[Measure], ways: Mapping[str, str]) -> str:
    """The figures for people; ``ways`` are name -> explanation. A ratio is of two neighbours."""
    lines = [f"{'':34}{'':11}{'min':>8} {'median':>8} {'max':>8}"]
    for measure in measures:
        of = {way: [s.value for s in samples if (s.measure, s.way) == (measure.name, way)] for way in ways}
        first, second = of.values()
        title = (measure.name, measure.kind.unit)
        for way, explanation in ways.items():
            lines.append(f"{title[0]:34}{title[1]:11}{spread(of[way])}  {way}: {explanation}")
            title = ("", measure.kind.unit)
        ratios = [one / other if other else float("inf") for one, other in zip(first, second, strict=True)]
        lines.append(f"{'':34}{'ratio':11}{spread(ratios)}")
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


def save(output: Path, name: str, before: dict[str, Any], samples: list[Sample], **more: Any) -> str:
    """Keep all that iperf3 said; what the figures depend on, in words."""
    path = output / f"{name}-{before['at'].replace(':', '')}.json"
    document = {"circumstances": before, "samples": [asdict(one) for one in samples], **more}
    path.write_text(json.dumps(document, indent=1) + "\n")
    return (
        f"{before['cpu']}, {before['cores']} cores, load {before['load'][0]:.1f} before the run\n"
        f"Linux {before['kernel']}, Python {before['python']}; raw figures: {path}"
    )
