# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What planning costs: plan with lint, render, parse back and compare, for fleets of several sizes.

Each size runs in a process of its own, in turn, over several rounds; CPU time, and the peak of memory.
"""

from __future__ import annotations

import argparse
import json
import resource
import statistics
import subprocess
import sys
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from pathlib import Path
from typing import Any, TypeVar

from measure import ROOT, circumstances  # first: it makes the imports below work

# isort: split
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features, driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.verify.drift import compare

TEMPLATES = ROOT / "templates"
SERVICE = 500  # devices of one service: two gateways, the others are edges
GATEWAYS: tuple[tuple[str, dict[str, Any]], ...] = (
    ("asr9000", {"inline_interfaces": ["TenGigE0/0/0/0"]}),
    ("juniper_mx", {"service_interface": "si-0/0/0"}),
)
EDGES: tuple[tuple[str, dict[str, Any]], ...] = (("openwrt", {"uplink": "wan6"}), ("linux", {}))
STAGES = ("plan and lint", "render", "parse and compare")

T = TypeVar("T")


@dataclass(frozen=True)
class Figures:
    """Of one run: CPU milliseconds a device by stage, and the most memory that was held."""

    devices: int
    milliseconds: dict[str, float]
    megabytes: float

    @property
    def total(self) -> float:
        return sum(self.milliseconds.values())


def inventory(devices: int) -> dict[str, dict[str, Any]]:
    """Host variables of a fleet that has MAP-E: per 500 devices a service, two routers and home routers."""
    services = {f"s{number}": _service(number) for number in range(-(-devices // SERVICE))}
    hosts: dict[str, dict[str, Any]] = {}
    for index in range(devices):
        number, place = divmod(index, SERVICE)
        name = f"s{number}"
        if place < len(GATEWAYS):
            platform, options = GATEWAYS[place]
            own: dict[str, Any] = {"ipv4aas_role": "gateway"}
        else:
            platform, options = EDGES[place % len(EDGES)]
            prefix = (0x20010000 + number << 96) + (place << 72)
            own = {
                "ipv4aas_role": "edge",
                "ipv4aas_customer_prefix": f"{_address(prefix)}/56",
                "ipv4aas_lan": ["192.168.1.0/24"],
            }
        hosts[f"{platform}-{index}"] = own | {
            "ansible_host": f"d{index}.example.net",
            "ipv4aas_platform": platform,
            "ipv4aas_options": options,
            "ipv4aas_carries": [name],
            "ipv4aas_services": services,
        }
    return hosts


def _service(number: int) -> dict[str, Any]:
    return {
        "technique": "map-e",
        "customers": {"ipv6": f"{_address(0x20010000 + number << 96)}/46", "prefix_length": 56},
        "ipv4_pools": [f"10.{number}.0.0/28"],
        "sharing": {"customers_per_address": 64, "reserved_ports": 4096},
        "gateway": {"address": f"2a00:{number:x}::1", "anycast": True},
        "backbone_mtu": 1500,
    }


def _address(value: int) -> str:
    from ipaddress import IPv6Address

    return str(IPv6Address(value))


def run(devices: int) -> Figures:
    """All stages in this process."""
    features = all_features()
    variables = inventory(devices)
    spent: dict[str, float] = {}

    def timed(stage: str, work: Callable[[], T]) -> T:
        began = time.process_time()
        made = work()
        spent[stage] = (time.process_time() - began) * 1000 / devices
        return made

    plan = timed(STAGES[0], lambda: build_plan(variables, features))
    nodes = list(plan.nodes.values())
    assert len(nodes) == devices
    texts = timed(STAGES[1], lambda: [render(node, TEMPLATES, node.dialect) for node in nodes])
    drifts = timed(
        STAGES[2],
        lambda: [
            compare(node.services, driver(node.platform).parse(text, node.dialect, node.services))
            for node, text in zip(nodes, texts, strict=True)
        ],
    )
    assert not any(drifts)
    return Figures(devices, spent, resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024)


def report(found: list[Figures], sizes: list[int]) -> str:
    """Medians, a row a size; the last column is what a device costs against the smallest fleet."""
    lines = [
        f"{'devices':>8}" + "".join(f"{stage:>19}" for stage in STAGES) + f"{'ms/device':>11}{'MB':>7}  ratio"
    ]
    base = 0.0
    for size in sizes:
        of = [one for one in found if one.devices == size]
        total = statistics.median(one.total for one in of)
        base = base or total
        parts = "".join(
            f"{statistics.median(one.milliseconds[stage] for one in of):19.3f}" for stage in STAGES
        )
        lines.append(
            f"{size:8}{parts}{total:11.3f}{max(one.megabytes for one in of):7.0f}{total / base:7.2f}"
        )
    return "\n".join(lines)


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("sizes", type=int, nargs="*", default=[1000, 10000])
    parser.add_argument("--rounds", type=int, default=3)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench")
    parser.add_argument("--one", action="store_true", help="one run of one size, as JSON")
    order = parser.parse_args()
    if order.one:
        print(json.dumps(asdict(run(order.sizes[0]))))
        return 0
    before = circumstances()
    found = []
    for _ in range(order.rounds):
        for size in order.sizes:
            command = [sys.executable, __file__, str(size), "--one"]
            answer = subprocess.run(command, capture_output=True, text=True, check=True).stdout
            found.append(Figures(**json.loads(answer)))
    order.output.mkdir(parents=True, exist_ok=True)
    path = order.output / f"planning-{before['at'].replace(':', '')}.json"
    path.write_text(
        json.dumps({"circumstances": before, "runs": [asdict(one) for one in found]}, indent=1) + "\n"
    )
    print(report(found, order.sizes))
    print(f"{before['cpu']}, load {before['load'][0]:.1f} before the run; raw figures: {path}")
    return 0


if __name__ == "__main__":
    sys.exit(main())
