# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Small packets on one core, tables of all sizes, and new sessions."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import asdict, replace
from functools import partial
from ipaddress import IPv4Address, IPv4Network, IPv6Address

from fast_cases import ADDRESSES, CASES, DOWN, ENDS, FAR, MOST, PREFIX64, UP, Case, bound
from fast_rows import WARM, Bench, Engine, Row, Taken, across
from frames import IPV4, IPV6, Customer, Frame
from live import INTERNET, RELAY, SERVER6, Count, Traffic, Wire
from tayga import Tayga

# isort: split
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import XDP
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service

SIZES = (1, 1024, MOST)
KEPT = 1 << 16  # sessions that there is room for where they are not what is measured
EACH = 64  # sessions of a subscriber, where there are as many as in a crowd
RATES = (100_000, 150_000, 200_000, 300_000)  # offered to tayga; its best counts
MASQUERADED = 1 << 15
MASQUERADE = f"""
table ip bench {{
  chain out {{
    type nat hook postrouting priority srcnat;
    oifname "{INTERNET}" masquerade
  }}
}}
"""


def flows_for(count: int) -> int:
    """How many flows a generator has for so many customers."""
    return min(MOST, 1 << max(0, (count - 1).bit_length()))


def packets(bench: Bench) -> list[Row]:
    """Small packets on one core."""
    wire = bench.wire()
    alone, kernel, tayga = _generator(bench, wire), _kernel(bench, wire), _tayga(bench, wire)
    rows = [*alone.values(), *kernel.values(), *tayga]
    for case in CASES.values():
        beside = {d: (alone[d].name, kernel[d].name) for d in kernel}
        rows += _case(bench, wire, case, beside, tayga[0].name)
    return rows


def _plain(bench: Bench, wire: Wire, name: str) -> dict[str, Traffic]:
    """Packets that are for no engine, as long as those that are."""
    own = [Customer(bound(0), ADDRESSES[1], 4000)]
    frames = {
        UP: Frame(f"{name}: IPv6 up", own, IPv6Address(SERVER6), True, arrives=IPV6, payload=38),
        DOWN: Frame(f"{name}: IPv4 down", own, FAR, False, arrives=IPV4),
    }
    return {d: bench.keep(Traffic(wire, frame, *ENDS[d])) for d, frame in frames.items()}


def _generator(bench: Bench, wire: Wire) -> dict[str, Row]:
    """Dropped where the others are measured: what all rows have in common."""
    return {
        direction: bench.row(traffic.frame.name, traffic, traffic.object.programs["sink"])
        for direction, traffic in _plain(bench, wire, "generator alone").items()
    }


def _kernel(bench: Bench, wire: Wire) -> dict[str, Row]:
    """Plain forwarding."""
    return {
        direction: bench.row(traffic.frame.name, traffic, None)
        for direction, traffic in _plain(bench, wire, "kernel").items()
    }


def _case(
    bench: Bench, wire: Wire, case: Case, beside: Mapping[str, tuple[str, str]], tayga: str
) -> Iterator[Row]:
    service = case.service(case.technique, 1)
    engine = bench.engine(service, XDP, across(wire), KEPT if case.keeps_sessions else 0)
    if engine is None:
        return
    customers = case.customers(1, 1)
    for direction in case.directions:
        start, end = ENDS[direction]
        alone, kernel = beside[direction]
        limit = bench.row(
            f"{case.technique}: bare redirect {direction}",
            bench.keep(Traffic(wire, case.frame(direction, customers, carried=False), start, end)),
            bench.bare(wire, end),
            against={alone: None},
        )
        yield limit
        against: dict[str, float | None] = {limit.name: case.goal, kernel: None}
        frame = case.frame(direction, customers)
        kinds = {"redirect, resized": bench.resized}
        if not case.translates:
            kinds["tunnel that asks nothing"] = bench.tunnel
        for kind, program in kinds.items():
            least = bench.row(
                f"{case.technique}: {kind} {direction}",
                bench.keep(Traffic(wire, frame, start, end)),
                program(wire, end, case.growth(direction), frame.arrives),
                against={limit.name: None},
            )
            yield least
            against[least.name] = None
        if case.keeps_sessions:
            against[tayga] = 8.0
        elif not case.translates:
            against[kernel] = 2.0
        traffic = bench.keep(Traffic(wire, frame, start, end))
        yield bench.row(
            f"{case.technique}: XDP gateway {direction}", traffic, engine.program, engine, against
        )


def _tayga(bench: Bench, wire: Wire) -> list[Row]:
    """tayga of Debian as a NAT64, flooded by the same generator."""
    bench.keep(Tayga(wire.lab, RELAY, PREFIX64, IPv4Network("192.168.255.0/24")))
    case = CASES["nat64"]
    frame = replace(case.frame(UP, case.customers(1, 1)), name="tayga")
    traffic = bench.keep(Traffic(wire, frame, *ENDS[UP]))

    def flooded() -> Taken:
        with traffic.sink():
            count = traffic.flood(max(WARM, int(2_000_000 * bench.seconds)))
        return count.rate, 0, asdict(count)

    def paced() -> Taken:
        with traffic.sink():
            best = max((offer(traffic, rate, bench) for rate in RATES), key=lambda count: count.rate)
        return best.rate, 0, asdict(best)

    return [Row("tayga: NAT64 up, flooded", "Mpps", flooded), Row("tayga: NAT64 up, paced", "Mpps", paced)]


def offer(traffic: Traffic, rate: int, bench: Bench) -> Count:
    """Packets at a rate from another process's socket (AF_PACKET), on the other CPU."""
    return traffic.pace(rate, max(0.2, bench.seconds / len(RATES)))


def table(bench: Bench) -> list[Row]:
    """From one binding to a million, keys in no order."""
    wire = bench.wire()
    rows: list[Row] = []
    for technique in ("lw4o6", "map-e"):
        case = CASES[technique]
        first: dict[str, str] = {}
        for count in SIZES:
            engine = bench.engine(case.service(technique, count), XDP, across(wire))
            if engine is None:
                break
            customers = case.customers(count, flows_for(count))
            for direction in case.directions:
                traffic = bench.keep(Traffic(wire, case.frame(direction, customers), *ENDS[direction]))
                name = f"{technique}: {count:,} customers {direction}"
                against = {first[direction]: 0.75} if direction in first else {}
                first.setdefault(direction, name)
                rows.append(bench.row(name, traffic, engine.program, engine, against))
    return rows


def sessions(bench: Bench) -> list[Row]:
    """First packets, each of a session of its own.

    The goal is for subscribers that have some tens of sessions. Where each session is a random subscriber's,
    most sessions make a subscriber too: the worst case, which is told beside it.
    """
    wire = bench.wire()
    rows = [_nftables(bench, wire)]
    for case in CASES.values():
        if not case.keeps_sessions:
            continue
        service = case.service(case.technique, MOST)
        if bench.engine(service, XDP, across(wire), KEPT) is None:
            continue
        crowd, singles = case.crowd(MOST // EACH, EACH), case.customers(MOST, MOST)
        for name, customers, goal in (
            (f"new sessions, {EACH} a subscriber", crowd, 0.8),
            ("new sessions, mostly one a subscriber", singles, None),
        ):
            traffic = bench.keep(Traffic(wire, case.frame(UP, customers), *ENDS[UP]))
            rows.append(
                Row(
                    f"{case.technique}: {name}",
                    "M/s/core",
                    partial(_set_up, wire, service, traffic, len(customers)),
                    {rows[0].name: None},
                    at_least=goal,
                )
            )
        small = replace(service, pool=Pool(ipv4=(IPv4Network(ADDRESSES[0]),)))
        ports = 65536 - small.pool.first_port
        rows.append(
            Row(
                f"{case.technique}: taken of 99 % of a pool",
                "part",
                partial(_fill, wire, small, traffic, ports * 99 // 100),
                at_least=1.0,
            )
        )
    return rows


def _set_up(wire: Wire, service: Service, traffic: Traffic, count: int) -> Taken:
    engine = Engine(service, XDP, across(wire), limit=count + count // 8)
    try:
        with traffic.sink(), wire.attached(engine.program, RELAY, traffic.start):
            engine.tries.believe()
            found = traffic.flood(count)
        counters = engine.service.counters()
    finally:
        engine.close()
    return found.per_core, found.sent - found.arrived, {**asdict(found), "counters": counters}


def _fill(wire: Wire, service: Service, traffic: Traffic, count: int) -> Taken:
    _, lost, raw = _set_up(wire, service, traffic, count)
    return 1 - lost / count, lost, raw


def _nftables(bench: Bench, wire: Wire) -> Row:
    """The kernel's own NAPT44, as many sessions as one address has room for."""
    customers = [
        Customer(bound(0), IPv4Address(int(IPv4Address("10.0.0.0")) + n % 65536), 1024 + n % 60000)
        for n in range(MASQUERADED)
    ]
    traffic = bench.keep(Traffic(wire, Frame("nftables", customers, FAR, True), *ENDS[UP]))
    lab = wire.lab

    def take() -> Taken:
        lab.on(RELAY, "nft", "-f", "-", feed=MASQUERADE)
        try:
            with traffic.sink():
                found = traffic.flood(len(customers))
        finally:
            lab.on(RELAY, "nft", "delete", "table", "ip", "bench")
            lab.on(RELAY, "conntrack", "-F")
        return found.per_core, found.sent - found.arrived, asdict(found)

    return Row("nftables: masquerade, new sessions", "M/s/core", take)
