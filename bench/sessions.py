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
import resource
import struct
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network
from itertools import islice
from pathlib import Path
from random import Random

sys.path.insert(0, str(Path(__file__).resolve().parents[1] / "tests"))

import conftest  # noqa: F401  makes ansible_collections.ipv4aas.fleet importable
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


def measure(case: Case, count: int) -> str:
    """Fill a table; one line for people."""
    pool = Pool(ipv4=(POOL,), block_size=case.block_size)
    napt = Napt(PoolAllocator(pool, Random(1)), limit=count)
    spent, now = 0.0, 0.0
    packets = case.packets(count)
    gc.collect()
    before = resident()
    while True:
        batch = list(islice(packets, BATCH))
        if not batch:
            break
        begin = time.process_time()
        for d, realm in batch:
            napt.expire(now)
            napt.outbound(d, now, realm)
        spent += time.process_time() - begin
        now += 0.1
    del batch
    gc.collect()
    each = (resident() - before) / count
    begin = time.process_time()
    closed = napt.expire(now + 300)
    ended = time.process_time() - begin
    if closed != count:
        raise RuntimeError(f"{case.name}: {closed} of {count} sessions ended")
    return (
        f"{case.name:46} {count / spent:9,.0f} sessions/s set up {count / ended:9,.0f}/s ended "
        f"{each:5.0f} octets each"
    )


def main() -> None:
    """Print all cases."""
    parser = argparse.ArgumentParser(description=__doc__)
    parser.add_argument("--sessions", type=int, default=1_000_000)
    parser.add_argument("--case", type=int, choices=range(len(CASES)), help="only this one")
    options = parser.parse_args()
    cases = CASES if options.case is None else CASES[options.case : options.case + 1]
    for case in cases:
        print(measure(case, options.sessions), flush=True)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss // 1024
    print(f"Python {sys.version.split()[0]}, peak {peak:,} MB")


if __name__ == "__main__":
    main()
