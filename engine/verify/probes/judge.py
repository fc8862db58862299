# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that need the gateways' word: what a probe saw, together with what was counted meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ...techniques import TECHNIQUES, Technique
from ...techniques.service import Service
from .model import NOT_APPLICABLE, Verdict, judged, not_applicable

FORMAT_EVENT = "iid_format_"  # counted by a gateway, with the format that it saw (node/reasons.py)

Status = Mapping[str, Any]  # what ``ipv4aas-node status`` prints


def counted(before: Mapping[str, Status], after: Mapping[str, Status], service: str) -> Counter[str]:
    """What all gateways together counted of a service between two looks, host -> status.

    Beside the counters by reason, ``packets`` counts all that crossed their devices. Raises
    ValueError where a gateway was started anew meanwhile: its counters then say nothing.
    """
    total: Counter[str] = Counter()
    for host, late in after.items():
        early = before[host]
        if early["pid"] != late["pid"]:
            raise ValueError(f"{host} was started anew while the probe ran")
        was, now = _counters(early, service), _counters(late, service)
        for name in set(was) | set(now):
            total[name] += now.get(name, 0) - was.get(name, 0)
        total["packets"] += _packets(late) - _packets(early)
    return +total


def _counters(status: Status, service: str) -> Mapping[str, int]:
    found: Mapping[str, int] = status["services"].get(service, {"counters": {}})["counters"]
    return found


def _packets(status: Status) -> int:
    return sum(side["packets_in"] + side["packets_out"] for side in status["traffic"].values())


def p2p(edge: Service, probe: Verdict, counts: Mapping[str, int]) -> Verdict:
    """Where edges meet directly the gateways see nothing of it, elsewhere they turn it round."""
    if probe.verdict == NOT_APPLICABLE:
        return not_applicable("p2p", probe.cause)
    causes = [probe.cause] if probe.cause else []
    packets, turned = counts.get("packets", 0), counts.get("hairpinned", 0)
    direct = edge.mesh or TECHNIQUES[edge.technique].napt == "nowhere"
    if edge.mesh and packets:
        causes.append(f"the plan has a mesh, but {packets} packets crossed a gateway")
    if not direct and probe.passed and not turned:
        causes.append("the plan has no mesh, but no gateway turned the packets round")
    way = "direct" if direct else "by the gateway"
    return judged(
        "p2p", causes, {**probe.details, "way": way, "gateway_packets": packets, "hairpinned": turned}
    )


def drafts(
    edge: Service, gateway: Service, probe: Verdict, counts: Mapping[str, int], running: Service | None = None
) -> Verdict:
    """Both sides compute the same addresses: of one draft, in one prefix, in one plane.

    ``running`` is what the edge says it runs, where it is software of ours.
    """
    row = TECHNIQUES[edge.technique]
    agreed = _agreed(row, gateway)
    if not agreed and probe.passed:
        return not_applicable("drafts", _NOTHING_COMPUTED.format(row=row))
    told = (
        *((_name(edge), *item) for item in _told_by_counters(gateway, counts)),
        *((_name(edge), *item) for item in (_agreed(row, running) if running else {}).items()),
        *_told_by_resolvers(probe),
    )
    foreign = [one for one in dict.fromkeys(told) if one[2] != agreed.get(one[1])]
    details = {**probe.details, "planned": ", ".join(agreed.values()), "foreign": foreign}
    causes = [
        f"{who} uses {what} {value}, the gateways {agreed[what]}: {_EFFECT[what]}"
        for who, what, value in foreign
    ]
    return judged("drafts", [*causes, *([probe.cause] if probe.cause else [])], details)


IDENTIFIER, PREFIX, PLANE = "interface identifiers of", "the translation prefix", "the plane"
_EFFECT = {
    IDENTIFIER: "answers go to another address than the edge has; "
    "set interface_identifier alike on both (lint rule MAP007)",
    PREFIX: "packets go where no gateway is; set gateway.translation_prefix alike on both (lint rule X004)",
    PLANE: "packets go to another network; set plane alike on both (lint rule SA001)",
}
_NOTHING_COMPUTED = (
    "{row.title} has no address format that two boxes must compute alike: "
    "the {row.edge} is told the address of its {row.gateway}, and may have any itself"
)


def _agreed(row: Technique, service: Service) -> dict[str, str]:
    """What addresses of the domain are computed from."""
    if row.mapping in ("rule", "binding"):
        return {IDENTIFIER: service.interface_identifier}
    if row.carriage == "translation":
        return {PREFIX: str(service.translation_prefix)}
    if row.napt == "nowhere" and service.plane is not None:
        return {PLANE: f"{service.plane.plane_id} of {service.plane.prefix}"}
    return {}


def _told_by_counters(gateway: Service, counts: Mapping[str, int]) -> list[tuple[str, str]]:
    """Formats of sources that the gateways do not compute."""
    formats = {name.removeprefix(FORMAT_EVENT) for name in counts if name.startswith(FORMAT_EVENT)}
    return [(IDENTIFIER, found) for found in sorted(formats - {gateway.interface_identifier})]


def _told_by_resolvers(probe: Verdict) -> list[tuple[str, str, str]]:
    """Prefixes of DNS64 (RFC 7050)."""
    return [
        (f"resolver {resolver}", PREFIX, prefix)
        for resolver, prefixes in probe.details.get("dns64_prefixes", {}).items()
        for prefix in prefixes
    ]


def _name(edge: Service) -> str:
    return f"edge {edge.end_user_prefix or ', '.join(map(str, edge.inside))}"


def spoof(sent: Verdict, seen: Verdict, counts: Mapping[str, int]) -> Verdict:
    """Every forged packet is counted under its reason, and none is seen on the internet."""
    wanted: Counter[str] = Counter()
    for case in sent.details["sent"]:
        wanted[case["counter"]] += len(case["cookies"])
    causes = [
        f"{number} packets should be counted as {reason}, the gateways counted {counts.get(reason, 0)}"
        for reason, number in sorted(wanted.items())
        if counts.get(reason, 0) != number
    ]
    causes += [seen.cause] if seen.cause else []
    cases = {case["case"]: case["counter"] for case in sent.details["sent"]}
    return judged(
        "spoof", causes, {"cases": cases, "counted": {reason: counts.get(reason, 0) for reason in wanted}}
    )
