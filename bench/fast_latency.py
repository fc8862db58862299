# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Latency of one gateway beside plain forwarding, with paced traffic."""

from __future__ import annotations

import statistics
from collections.abc import Mapping
from contextlib import ExitStack
from dataclasses import asdict, replace
from functools import partial
from ipaddress import IPv6Address

from fast_cases import ADDRESSES, CASES, DOWN, ENDS, FAR, UP, bound
from fast_rows import Bench, Engine, Row, Taken, across
from frames import IPV4, IPV6, Customer, Frame
from live import RELAY, SERVER6, Traffic, Wire

# isort: split
from ansible_collections.ipv4aas.fleet.engine.node.fast.libbpf import TCX_INGRESS
from ansible_collections.ipv4aas.fleet.engine.node.fast.libbpf import XDP as AT_XDP
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, XDP

RATE = 5000  # packets a second, one by one
KEPT = 1 << 10
_ATTACHED: Mapping[str, int] = {TC: TCX_INGRESS, XDP: AT_XDP}


def latency(bench: Bench) -> list[Row]:
    """Median and 99.9th percentile, from leaving one end of the wire to arriving at the other."""
    wire = bench.wire()
    own = [Customer(bound(0), ADDRESSES[1], 4000)]
    plain = {
        UP: Frame("kernel up", own, IPv6Address(SERVER6), True, arrives=IPV6, payload=38),
        DOWN: Frame("kernel down", own, FAR, False, arrives=IPV4),
    }
    rows: list[Row] = []
    limits: dict[str, tuple[str, str]] = {}
    for direction, frame in plain.items():
        found = _rows(bench, wire, f"kernel {direction}", frame, direction, False, None, 0, None)
        limits[direction] = found[0].name, found[1].name
        rows += found
    for case in CASES.values():
        for hook in (XDP, TC):
            service = case.service(case.technique, 1)
            engine = bench.engine(service, hook, across(wire), KEPT if case.keeps_sessions else 0)
            if engine is None:
                continue
            for direction in case.directions:
                frame = replace(case.frame(direction, case.customers(1, 1)), name=f"{case.technique} {hook}")
                name = f"{case.technique} on {hook} {direction}"
                encapsulates = not case.translates
                rows += _rows(
                    bench,
                    wire,
                    name,
                    frame,
                    direction,
                    encapsulates,
                    engine,
                    _ATTACHED[hook],
                    limits[direction],
                )
    return rows


def _rows(
    bench: Bench,
    wire: Wire,
    name: str,
    frame: Frame,
    direction: str,
    encapsulates: bool,
    engine: Engine | None,
    hook: int,
    limits: tuple[str, str] | None,
) -> list[Row]:
    """Both figures of one way: the second one is of the run that gave the first."""
    traffic = bench.keep(Traffic(wire, frame, *ENDS[direction], frame.stamps(encapsulates)))
    seen: list[int] = []
    median = partial(_median, wire, traffic, engine, hook, bench.seconds, seen)
    titles = f"latency: {name}, median", f"latency: {name}, 99.9 %"
    against: list[dict[str, float | None]] = [{limit: None} for limit in limits] if limits else [{}, {}]
    return [
        Row(titles[0], "us", median, against[0]),
        Row(titles[1], "us", lambda: (seen[len(seen) * 999 // 1000] / 1e3, 0, {}), against[1]),
    ]


def _median(
    wire: Wire, traffic: Traffic, engine: Engine | None, hook: int, seconds: float, seen: list[int]
) -> Taken:
    traffic.forget()
    with ExitStack() as stack:
        stack.enter_context(traffic.stamped())
        if engine is not None:
            stack.enter_context(wire.attached(engine.program, RELAY, traffic.start, hook))
            engine.tries.believe()
        count = traffic.pace(RATE, max(seconds, 0.5), bypass=False, burst=1)
    seen[:] = sorted(traffic.delays(count.arrived))
    raw = {**asdict(count), "ns": {n: seen[len(seen) * n // 1000] for n in (1, 10, 500, 900, 990, 999)}}
    return statistics.median(seen) / 1e3, count.sent - count.arrived, raw
