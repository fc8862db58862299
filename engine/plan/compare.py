# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What each technique would be for the operator's own services: the comparison table of the ShowNet deck.

Every service is planned again with each technique, one word changed; the figures are those of
that plan, the words follow from the technique's row (plan/aspects.py).
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from dataclasses import dataclass
from typing import Any

from ..intent.model import SERVICES
from ..intent.read import HostVars
from ..intent.wording import all_of
from ..problem import Problem, Refused
from ..techniques import TECHNIQUES, Technique
from ..techniques.service import EDGE, GATEWAY, Service
from . import aspects
from .build import build_plan
from .capability import Features
from .lint_table import WARN
from .model import FleetPlan, ServicePlan

# RFC 7422 section 1: connections of a household in a day, octets of a record of DS-Lite: one with the IPv6
# address that tells customers apart, as those of NAT64 have too.
CONNECTIONS = 33_000
RECORD = 175
# A block (RFC 6908) that is given when the first packet comes and taken back in the night.
BLOCK_RECORDS = 2
FORMULA = (
    f"log volume: customers x {CONNECTIONS:,} connections x {RECORD} octets a day where ports are given one"
    f" by one (RFC 7422 section 1), customers x {BLOCK_RECORDS} x {RECORD} where they are given in"
    " blocks, each once a day (RFC 6908), 0 where they follow from the customer"
)
NO_FIGURE = "-"
_OF_A_PLAN = (
    "customers",
    "customers per address",
    "ports per customer",
    "sessions per customer",
    "state",
    "traceability",
    "log volume per day",
    "lint warnings",
)
_SHOWN_PROBLEMS = 3
_UNITS = ("B", "kB", "MB", "GB", "TB", "PB")


@dataclass(frozen=True, slots=True, kw_only=True)
class Column:
    """One technique for one service."""

    technique: str
    title: str
    needs: tuple[str, ...]  # why the inventory cannot have it; empty where it can
    cells: dict[str, str]  # aspect -> what it is


@dataclass(frozen=True, slots=True, kw_only=True)
class Comparison:
    """All techniques for one service."""

    service: str
    technique: str  # that the inventory says
    columns: tuple[Column, ...]


def compare(hostvars: HostVars, features: Mapping[str, Features]) -> tuple[Comparison, ...]:
    """A table for each service of an inventory that can be planned. Raises Refused where it cannot."""
    plan = build_plan(hostvars, features)
    return tuple(
        Comparison(
            service=name,
            technique=figures.technique,
            columns=tuple(_column(hostvars, features, name, row, figures) for row in TECHNIQUES.values()),
        )
        for name, figures in plan.services.items()
    )


def with_technique(hostvars: HostVars, service: str, technique: str) -> dict[str, dict[str, Any]]:
    """The same inventory, one word changed."""
    changed: dict[str, dict[str, Any]] = {}
    for host, values in hostvars.items():
        changed[host] = dict(values)
        if SERVICES in values:
            services = dict(values[SERVICES])
            services[service] = {**services[service], "technique": technique}
            changed[host][SERVICES] = services
    return changed


def _column(
    hostvars: HostVars,
    features: Mapping[str, Features],
    service: str,
    row: Technique,
    now: ServicePlan,
) -> Column:
    needs: tuple[str, ...] = ()
    plan = None
    try:
        plan = build_plan(with_technique(hostvars, service, row.name), features)
    except Refused as refused:
        needs = tuple(_needs(refused.problems, service))
    words = {aspect: str(word(row)) for aspect, word in aspects.ASPECTS.items()}
    return Column(
        technique=row.name,
        title=row.title,
        needs=needs,
        cells=words | _sizes(row, now.ipv6_mtu) | _figures(row, service, plan),
    )


def _sizes(row: Technique, mtu: int) -> dict[str, str]:
    overhead = f"{row.overhead} octets"
    if row.carriage == "translation":
        overhead += f", {row.overhead + 8} in fragments"  # RFC 8200 section 4.5
    return {
        "overhead": overhead,
        "IPv4 MTU / TCP MSS": f"{row.ipv4_mtu(mtu):,} / {row.tcp_mss(mtu):,}",
    }


def _figures(row: Technique, name: str, plan: FleetPlan | None) -> dict[str, str]:
    """What only a plan can say."""
    if plan is None:
        return dict.fromkeys(_OF_A_PLAN, NO_FIGURE)
    figures, gateway = plan.services[name], _a_gateway(plan, name)
    here = {}
    if row.mapping == "rule" and gateway is not None and not gateway.mesh:
        here["topology"] = "hub and spoke here, mesh possible"
    values = (
        f"{figures.customers:,}",
        f"{figures.customers_per_address:,}",
        "all, own addresses" if row.napt == aspects.NOWHERE else f"{figures.ports_per_customer:,}",
        _sessions(row, figures),
        _state(row, figures, gateway),
        f"{aspects.traceability(row)}: {_found_by(row, gateway)}",
        _log_volume(row, figures.customers, gateway),
        _warnings(plan, name),
    )
    return here | dict(zip(_OF_A_PLAN, values, strict=True))


def _warnings(plan: FleetPlan, name: str) -> str:
    """Lint rules that warn of the service, or of a host."""
    places = (f"{SERVICES}.{name}", "hosts.")
    found = {one.rule for one in plan.findings if one.severity == WARN and one.place.startswith(places)}
    return ", ".join(sorted(found)) or "none"


def _a_gateway(plan: FleetPlan, name: str) -> Service | None:
    nodes = (plan.nodes[node] for node in plan.services[name].gateways)
    return next((service for node in nodes for service in node.services if service.name == name), None)


def _sessions(row: Technique, figures: ServicePlan) -> str:
    """How many mappings a customer can have at a time."""
    if row.napt == aspects.NOWHERE:
        return "no limit"
    protocols = "each of TCP, UDP and ICMP" if row.napt == EDGE else "of all protocols"
    return f"{figures.ports_per_customer:,} {protocols}"


def _state(row: Technique, figures: ServicePlan, gateway: Service | None) -> str:
    """Who keeps what of flows or customers."""
    if row.napt == GATEWAY:
        return f"{row.gateway}: the sessions of {figures.customers:,} customers"
    if row.napt == aspects.NOWHERE:
        return "nobody"
    table = f", {row.gateway}: {figures.customers:,} bindings" if row.mapping == "binding" else ""
    return f"each {row.edge}: its own sessions{table}"


def _found_by(row: Technique, gateway: Service | None) -> str:
    """How (IPv4 address, port, time) leads to a customer."""
    if row.napt == aspects.NOWHERE:
        return "the address is the customer's"
    if row.mapping == "rule":
        return "arithmetic on address and port"
    if row.mapping == "binding":
        return "binding table"
    pool = gateway.pool if gateway else None
    if pool is not None and pool.deterministic:
        return "arithmetic on address and port (RFC 7422)"
    return "log of port blocks" if pool is not None and pool.block_size else "log of sessions"


def _log_volume(row: Technique, customers: int, gateway: Service | None) -> str:
    pool = gateway.pool if gateway else None
    if row.napt != GATEWAY or (pool is not None and pool.deterministic):
        kept = aspects.logging(row) if row.napt == EDGE else "none"
        return "0 B" + (f" ({kept})" if row.napt == EDGE else "")
    records = BLOCK_RECORDS if pool is not None and pool.block_size else CONNECTIONS
    return shown_octets(customers * records * RECORD)


def shown_octets(count: int) -> str:
    """Octets with a decimal unit, two digits at least."""
    size, unit = float(count), 0
    while size >= 1000 and unit < len(_UNITS) - 1:
        size, unit = size / 1000, unit + 1
    return f"{size:.0f} {_UNITS[unit]}" if unit == 0 or size >= 100 else f"{size:.1f} {_UNITS[unit]}"


def _needs(problems: Iterable[Problem], service: str) -> Iterator[str]:
    """The problems of a technique in short: missing keys of the service, then the rest, each kind once."""
    prefix = f"{SERVICES}.{service}."
    missing, others = [], dict[str, int]()
    for problem in problems:
        if problem.place.startswith(prefix) and problem.wrong.startswith("is missing"):
            missing.append(problem.place.removeprefix(prefix))
        else:
            # Alike hosts are told of once.
            key = problem.place.removeprefix(prefix).removeprefix(f"{SERVICES}.")
            key = key.rpartition(".")[2] if key.startswith("hosts.") else key
            told = f"{key}: {problem.wrong}"
            others[told] = others.get(told, 0) + 1
    if missing:
        yield f"needs {all_of(missing)}"
    for told, count in list(others.items())[:_SHOWN_PROBLEMS]:
        yield told + (f" ({count} times)" if count > 1 else "")
    if len(others) > _SHOWN_PROBLEMS:
        yield f"and {len(others) - _SHOWN_PROBLEMS} more"


def to_text(comparison: Comparison) -> str:
    """A table for people, in Markdown: techniques side by side, that of the inventory marked."""
    head = [
        f"**{column.title}**" if column.technique == comparison.technique else column.title
        for column in comparison.columns
    ]
    rows = [["", *head]]
    rows.append(["with this inventory", *("no" if column.needs else "yes" for column in comparison.columns)])
    for aspect in comparison.columns[0].cells:
        rows.append([aspect, *(column.cells[aspect] for column in comparison.columns)])
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    lines = [_line(row, widths) for row in rows]
    lines.insert(1, _line(["-" * width for width in widths], widths))
    lacking = [f"- {one.title}: {'; '.join(one.needs)}" for one in comparison.columns if one.needs]
    told = ["", "What the inventory lacks:", "", *lacking] if lacking else []
    return "\n".join([f"Service {comparison.service}", "", *lines, *told, "", FORMULA, ""])


def _line(cells: Iterable[str], widths: Iterable[int]) -> str:
    padded = (cell.ljust(width) for cell, width in zip(cells, widths, strict=True))
    return f"| {' | '.join(padded)} |".rstrip()
