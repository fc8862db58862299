# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fast path beside its limits and peers: packets on one core, table sizes, new sessions, latency, TCP.

Every row is measured in turn with what it is compared with, from the same generator; see bench/README.md.
"""

from __future__ import annotations

import json
import os
import statistics
import sys
from collections.abc import Callable, Iterator, Mapping, Sequence
from dataclasses import asdict
from types import MappingProxyType

from measure import circumstances, options  # first: it makes the imports below work

# isort: split
from fast_latency import latency
from fast_packets import packets, sessions, table
from fast_rows import Bench, Row, Sample, turns
from fast_tcp import tcp
from lab import LabError

GROUPS: Mapping[str, Callable[[Bench], list[Row]]] = MappingProxyType(
    {"packets": packets, "table": table, "sessions": sessions, "latency": latency, "tcp": tcp}
)


def verdict(row: Row, samples: Sequence[Sample]) -> list[tuple[str, float, float | None]]:
    """Ratios of a row to what it is compared with: name, median, goal."""
    found = []
    for other, goal in row.against.items():
        if ratios := list(_ratios(row.name, other, samples)):
            found.append((other, statistics.median(ratios), goal))
    return found


def _ratios(row: str, other: str, samples: Sequence[Sample]) -> Iterator[float]:
    """Each figure of a row by the other's last one before it."""
    theirs = 0.0
    for sample in samples:
        if sample.row == other:
            theirs = sample.value
        elif sample.row == row and theirs:
            yield sample.value / theirs


def report(rows: Sequence[Row], samples: Sequence[Sample]) -> str:
    """The table for people."""
    lines = [f"{'':44}{'':10}{'min':>9}{'median':>9}{'max':>9}"]
    for row in rows:
        values = [s.value for s in samples if s.row == row.name]
        if not values:
            continue
        spread = "".join(f"{v:9.3f}" for v in (min(values), statistics.median(values), max(values)))
        lost = sum(s.lost for s in samples if s.row == row.name)
        lines.append(f"{row.name:44}{row.unit:10}{spread}" + _judged(statistics.median(values), row.at_least))
        if lost:
            lines[-1] += f"  {lost} packets lost"
        for other, ratio, goal in verdict(row, samples):
            lines.append(f"    x {other:40}{'':19}{ratio:9.3f}{_judged(ratio, goal)}")
    return "\n".join(lines)


def _judged(value: float, goal: float | None) -> str:
    if goal is None:
        return ""
    return f"  goal {goal:g}: {'reached' if value >= goal else 'NOT REACHED'}"


def main(argv: list[str]) -> int:
    """Command line."""
    parser = options(__doc__)
    parser.set_defaults(rounds=5, seconds=1)
    parser.add_argument("--only", default="", help="rows whose name has this in it, with what they need")
    parser.add_argument("--cpu", type=int, default=os.cpu_count() - 1, help="(default %(default)s)")
    parser.add_argument("group", nargs="*", help=f"of {', '.join(GROUPS)} (default: all)")
    asked = parser.parse_args(argv)
    if wrong := sorted({*asked.group} - {*GROUPS}):
        parser.error(f"{', '.join(wrong)}: not one of {', '.join(GROUPS)}")
    asked.output.mkdir(parents=True, exist_ok=True)
    before = circumstances()
    rows, samples, notes = [], [], []
    for name in asked.group or GROUPS:
        bench = Bench(asked.output / "lab-fast", asked.cpu, asked.seconds)
        try:
            more = GROUPS[name](bench)
            wanted = needed(more, asked.only)
            rows += wanted
            for number in range(1, asked.rounds + 1):
                for row in turns(wanted):
                    samples.append(row.sample(number))
                    print(f"round {number}: {row.name:44}{samples[-1].value:9.3f} {row.unit}", flush=True)
        except LabError as error:
            print(f"bench: {error}", file=sys.stderr)
            return 1
        finally:
            notes += bench.notes
            bench.close()
    path = asked.output / f"fast-path-{before['at'].replace(':', '')}.json"
    told = {
        row.name: [{"against": o, "ratio": r, "goal": g} for o, r, g in verdict(row, samples)] for row in rows
    }
    document = {
        "circumstances": before,
        "notes": notes,
        "ratios": told,
        "samples": [asdict(sample) for sample in samples],
    }
    path.write_text(json.dumps(document, indent=1) + "\n")
    print(f"\n{before['cpu']}, {before['cores']} cores, load {before['load'][0]:.1f} before the run")
    print(f"Linux {before['kernel']}, Python {before['python']}; raw figures: {path}\n")
    print(report(rows, samples))
    for note in notes:
        print(note)
    return 0


def needed(rows: Sequence[Row], only: str) -> list[Row]:
    """Rows that are asked for, and those that they are compared with."""
    wanted = {row.name for row in rows if only in row.name}
    for row in reversed(rows):  # each is behind what it is compared with
        if row.name in wanted:
            wanted |= row.against.keys()
    return [row for row in rows if row.name in wanted]


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
