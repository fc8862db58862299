# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A rollout, a second one and a drift check over emulated routers, beside nornir with netmiko; see README.md.

Both ways work on routers of their own, started anew for each round, one way right after the other.
"""

from __future__ import annotations

import argparse
import json
import os
import resource
import shutil
import statistics
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from dataclasses import asdict, dataclass
from pathlib import Path

import yaml
from measure import ROOT, circumstances

STEPS = ("rollout", "second rollout", "drift check")
WAYS = ("ours", "plain")
# As docs/rollout.md says of large fleets.
ANSIBLE_CFG = "[inventory]\nenable_plugins = ansible.builtin.yaml\n"
LOOK = 2.0  # seconds between two looks at the memory
SERVICES = {
    "ipv4aas_carries": ["hall7"],
    "ipv4aas_services": {
        "hall7": {
            "technique": "map-e",
            "customers": {"ipv6": "2001:3e8:6000::/56", "prefix_length": 64},
            "ipv4_pools": ["130.129.255.92/30"],
            "sharing": {"customers_per_address": 64, "reserved_ports": 4096},
            "gateway": {"address": "2001:3e8:0:2900::1", "anycast": True},
            "backbone_mtu": 1500,
        }
    },
}


@dataclass(frozen=True)
class Sample:
    """One step by one way: seconds from start to end of the program, and what its processes took."""

    round: int
    way: str
    step: str
    seconds: float
    cpu: float  # seconds of CPU, user and system, of all its processes
    megabytes: float  # most that all processes of the way held at one moment, shared pages counted once


@dataclass(frozen=True)
class Taken:
    """What a program took, and what it printed."""

    seconds: float
    cpu: float
    megabytes: float
    text: str


@contextmanager
def fleet(folder: Path, devices: int) -> Iterator[Path]:
    """Routers in a process of their own; gives the inventory of Ansible."""
    program = ROOT / "tests" / "emulator" / "emulated_fleet.py"
    command = [sys.executable, str(program), "--devices", str(devices), str(folder)]
    server = subprocess.Popen(command, stdin=subprocess.PIPE, stdout=subprocess.PIPE, text=True)
    assert server.stdin is not None and server.stdout is not None
    try:
        if not server.stdout.readline():
            raise SystemExit("the routers did not start")
        variables = folder / "group_vars"
        variables.mkdir()
        (variables / "all.yml").write_text(yaml.safe_dump(SERVICES), "utf-8")
        yield folder / "hosts.yml"
    finally:
        server.stdin.close()
        server.wait(60)


def timed(command: list[str], folder: Path) -> Taken:
    """Runs a program. Memory is its proportional set size, looked at seldom: that takes CPU time itself."""
    environment = {**os.environ, "ANSIBLE_COLLECTIONS_PATH": str(ROOT / "build" / "collections")}
    environment.pop("PYTHONDONTWRITEBYTECODE", None)  # byte code is kept, as it is where people work
    began, spent = time.monotonic(), _spent()
    with tempfile.TemporaryFile("w+") as printed:
        work = subprocess.Popen(
            command,
            cwd=folder,
            env=environment,
            stdout=printed,
            stderr=subprocess.STDOUT,
            stdin=subprocess.DEVNULL,
        )
        most = 0.0
        while work.returncode is None:
            with suppress(subprocess.TimeoutExpired):
                work.wait(LOOK)
            most = max(most, _held(work.pid))
        seconds = time.monotonic() - began
        printed.seek(0)
        text = printed.read()
    if work.returncode:
        raise SystemExit(f"{' '.join(command)}: ended with {work.returncode}\n{text[-4000:]}")
    return Taken(seconds, _spent() - spent, most, text)


def _spent() -> float:
    """Seconds of CPU of all processes below this one that have ended."""
    used = resource.getrusage(resource.RUSAGE_CHILDREN)
    return used.ru_utime + used.ru_stime


def _held(parent: int) -> float:
    """Proportional set size of a process and all below it, in megabytes."""
    total, waiting = 0, [parent]
    while waiting:
        process = waiting.pop()
        try:
            for line in Path(f"/proc/{process}/smaps_rollup").read_text().splitlines():
                if line.startswith("Pss:"):
                    total += int(line.split()[1])
            children = Path(f"/proc/{process}/task/{process}/children").read_text()
        except OSError:
            continue  # it has ended
        waiting += [int(child) for child in children.split()]
    return total / 1024


def ours(hosts: Path, folder: Path, forks: int) -> Iterator[tuple[str, Taken]]:
    """The playbooks; all routers in one batch, as the peer does it."""
    (folder / "ansible.cfg").write_text(ANSIBLE_CFG, "utf-8")
    batch = json.dumps({"ipv4aas_batches": ["100%"], "ipv4aas_probes": []})
    play = [str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(hosts), "-f", str(forks)]
    for step in STEPS:
        playbook = "drift" if step == STEPS[2] else "deploy"
        order = [] if step == STEPS[2] else ["-e", batch]
        taken = timed([*play, f"ipv4aas.fleet.{playbook}", *order], folder)
        expected = {STEPS[0]: "changed=", STEPS[1]: "changed="}.get(step, "")
        assert expected in taken.text
        yield step, taken


def plain(hosts: Path, folder: Path, forks: int) -> Iterator[tuple[str, Taken]]:
    """nornir and netmiko, with the configurations that our playbooks have rendered."""
    program = [sys.executable, str(ROOT / "bench" / "plain.py")]
    for step in STEPS:
        what = "drift" if step == STEPS[2] else "rollout"
        taken = timed([*program, what, str(hosts), str(folder / "wanted"), "--workers", str(forks)], folder)
        told = json.loads(taken.text.splitlines()[-1])
        if step != STEPS[2] and (told["changed"] > 0) != (step == STEPS[0]):
            raise SystemExit(f"plain: {step}: {told}")
        yield step, taken


def measure(number: int, devices: int, forks: int) -> Iterator[Sample]:
    """One round: our three steps on fresh routers, then the peer's on others."""
    with tempfile.TemporaryDirectory() as name:
        top = Path(name)
        for way, work in ((WAYS[0], ours), (WAYS[1], plain)):
            folder = top / way
            folder.mkdir()
            if way == WAYS[1]:
                _hand_over(top / WAYS[0] / "build" / "nodes", folder / "wanted")
            with fleet(folder / "routers", devices) as hosts:
                for step, taken in work(hosts, folder, forks):
                    figures = round(taken.seconds, 2), round(taken.cpu, 2), round(taken.megabytes, 1)
                    sample = Sample(number, way, step, *figures)
                    print(
                        f"round {number}: {step:16}{way:8}{sample.seconds:8.1f} s {sample.cpu:8.1f} s of CPU"
                        f"{sample.megabytes:8.0f} MB",
                        flush=True,
                    )
                    yield sample


def _hand_over(nodes: Path, to: Path) -> None:
    """The configurations that were rendered, one file a router."""
    to.mkdir()
    for node in nodes.iterdir():
        shutil.copy(next(node.glob("*.cli.conf")), to / node.name)


def report(samples: list[Sample], devices: int) -> str:
    """Medians; the ratio is of the neighbours of a round, more than 1 where ours is faster."""
    lines = [f"{'':18}{'way':8}{'seconds':>9}{'ms/device':>11}{'CPU':>8}{'MB':>8}   ratio: min, median, max"]
    for step in STEPS:
        of = {way: [s for s in samples if (s.step, s.way) == (step, way)] for way in WAYS}
        ratios = [b.seconds / a.seconds for a, b in zip(*of.values(), strict=True)]
        for way in WAYS:
            seconds = statistics.median(one.seconds for one in of[way])
            cpu = statistics.median(one.cpu for one in of[way])
            memory = max(one.megabytes for one in of[way])
            shown = (
                f"{min(ratios):8.2f}{statistics.median(ratios):8.2f}{max(ratios):8.2f}"
                if way == WAYS[0]
                else ""
            )
            lines.append(
                f"{step:18}{way:8}{seconds:9.1f}{seconds * 1000 / devices:11.1f}"
                f"{cpu:8.1f}{memory:8.0f}{shown}"
            )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--forks", type=int, default=20, help="of Ansible, and threads of nornir")
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench")
    order = parser.parse_args()
    before = circumstances()
    samples = [
        sample
        for number in range(1, order.rounds + 1)
        for sample in measure(number, order.devices, order.forks)
    ]
    order.output.mkdir(parents=True, exist_ok=True)
    path = order.output / f"rollout-{before['at'].replace(':', '')}.json"
    document = {"circumstances": before, "devices": order.devices, "samples": [asdict(s) for s in samples]}
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(report(samples, order.devices))
    print(
        f"{before['cpu']}, {before['cores']} cores, load {before['load'][0]:.1f} before; raw figures: {path}"
    )
    return 0


if __name__ == "__main__":
    sys.exit(main())
