# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NAPT sessions of a gateway: set up a second, and octets each, with a million of them; see bench/README.md.

The session core alone, in one process: packets are made beforehand, nothing is encapsulated or translated.
Times are CPU time, so that a busy machine does not count.
"""

from __future__ import annotations

import argparse
import gc
import json
import struct
import time
from collections.abc import Iterator
from concurrent.futures import ProcessPoolExecutor
from dataclasses import asdict, dataclass
from ipaddress import IPv4Network
from itertools import islice, repeat
from pathlib import Path
from random import Random

from measure import ROOT, circumstances  # first: it makes the imports below work

# isort: split
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.packet.allocation import PoolAllocator
from ansible_collections.ipv4aas.fleet.engine.packet.ipv4 import UDP, Datagram, build
from ansible_collections.ipv4aas.fleet.engine.packet.napt import Napt

POOL = IPv4Network("203.0.112.0/27")  # 32 addresses: room for two million ports of a protocol
CUSTOMERS = 0x20010DB8 << 96
SERVER = 0xC6336407
NAT64_INSIDE = 0xC0000002
BATCH = 50_000


@dataclass(frozen=True)
class Case:
    """Who opens sessions: how many subscribers, and what tells their hosts apart."""

    name: str
    subscribers: int
    nat64: bool
    block_size: int = 0

    def packets(self, count: int) -> Iterator[tuple[Datagram, int]]:
        """First packets of `count` sessions, each of another inside port, and the realm."""
        payload = bytes(8)
        for number in range(count):
            turn, subscriber = divmod(number, self.subscribers)
            realm = CUSTOMERS + (subscriber << 64) + 1
            if self.nat64:
                source, realm = NAT64_INSIDE, realm + turn % 4
            else:
                source = 0x0A000000 + turn % 4
            body = struct.pack("!HHHH", 1024 + turn % 64000, 53, 8 + len(payload), 0) + payload
            yield Datagram(build(UDP, source, SERVER, body)), realm


@dataclass(frozen=True)
class Figures:
    """What was measured: sessions a second of CPU time, octets of resident memory a session."""

    case: str
    sessions: int
    set_up: float
    ended: float
    octets: float


CASES = (
    Case("AFTR, 10,000 softwires", 10_000, nat64=False),
    Case("AFTR, 10,000 softwires, blocks of 64 ports", 10_000, nat64=False, block_size=64),
    Case("AFTR, a softwire a session", 1_000_000, nat64=False),
    Case("NAT64, 10,000 subscribers", 10_000, nat64=True),
)


def resident() -> int:
    """Octets of memory that the process has now."""
    for line in Path("/proc/self/status").read_text().splitlines():
        if line.startswith("VmRSS:"):
            return int(line.split()[1]) * 1024
    raise RuntimeError("no VmRSS in /proc/self/status")


def measure(case: Case, count: int) -> Figures:
    """Fill a table, and empty it."""
    napt = Napt(PoolAllocator(Pool(ipv4=(POOL,), block_size=case.block_size), Random(1)), limit=count)
    spent, now = 0.0, 0.0
    packets = case.packets(count)
    gc.collect()
    before = resident()
    while batch := list(islice(packets, BATCH)):
        begin = time.process_time()
        for d, realm in batch:
            napt.expire(now)
            napt.outbound(d, now, realm)
        spent += time.process_time() - begin
        now += 0.1
    gc.collect()
    octets = (resident() - before) / count
    begin = time.process_time()
    closed = napt.expire(now + 300)
    if closed != count:
        raise RuntimeError(f"{case.name}: {closed} of {count} sessions ended")
    return Figures(case.name, count, count / spent, count / (time.process_time() - begin), octets)


def main() -> None:
    """Print all cases, and keep them."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--output", type=Path, default=ROOT / "build" / "bench")
    options = parser.parse_args()
    options.output.mkdir(parents=True, exist_ok=True)
    before, found = circumstances(), []
    # Each case has a process of its own: memory that another one has used would not count as grown.
    with ProcessPoolExecutor(1, max_tasks_per_child=1) as pool:
        for figures in pool.map(measure, CASES, repeat(options.sessions)):
            found.append(figures)
            print(
                f"{figures.case:44} {figures.set_up:8,.0f}/s set up {figures.ended:8,.0f}/s ended "
                f"{figures.octets:4.0f} octets each",
                flush=True,
            )
    path = options.output / f"sessions-{before['at'].replace(':', '')}.json"
    document = {"circumstances": before, "figures": [asdict(figures) for figures in found]}
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(
        f"{options.sessions:,} sessions a case; {before['cpu']}, Python {before['python']}; figures: {path}"
    )


if __name__ == "__main__":
    main()
