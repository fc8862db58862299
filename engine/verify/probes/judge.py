# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Checks that need the gateways' word: what a probe saw, together with what was counted meanwhile."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ...techniques.service import Service
from .model import Verdict, judged

FORMAT_EVENT = "iid_format_"  # counted by a gateway, with the format that it saw (node/reasons.py)

Status = Mapping[str, Any]  # what ``ipv4aas-node status`` prints


def counted(before: Mapping[str, Status], after: Mapping[str, Status]) -> Counter[str]:
    """What all gateways together counted between two looks, host -> status.

    Beside the counters by reason, ``packets`` counts all that crossed their devices. Raises
    ValueError where a gateway was started anew meanwhile: its counters then say nothing.
    """
    total: Counter[str] = Counter()
    for host, late in after.items():
        early = before[host]
        if early["pid"] != late["pid"]:
            raise ValueError(f"{host} was started anew while the probe ran")
        for name in set(early["counters"]) | set(late["counters"]):
            total[name] += late["counters"].get(name, 0) - early["counters"].get(name, 0)
        total["packets"] += _packets(late) - _packets(early)
    return +total


def _packets(status: Status) -> int:
    return sum(side["packets_in"] + side["packets_out"] for side in status["traffic"].values())


def p2p(edge: Service, probe: Verdict, counts: Mapping[str, int]) -> Verdict:
    """With a mesh the gateways see nothing of it, without one they turn it round (RFC 7597 section 5.4)."""
    causes = [probe.cause] if probe.cause else []
    packets, turned = counts.get("packets", 0), counts.get("hairpinned", 0)
    if edge.mesh and packets:
        causes.append(f"the plan has a mesh, but {packets} packets crossed a gateway")
    if not edge.mesh and probe.passed and not turned:
        causes.append("the plan has no mesh, but no gateway turned the packets round")
    way = "direct" if edge.mesh else "by the gateway"
    return judged(
        "p2p", causes, {**probe.details, "way": way, "gateway_packets": packets, "hairpinned": turned}
    )


def drafts(edge: Service, gateway: Service, probe: Verdict, counts: Mapping[str, int]) -> Verdict:
    """No edge may use another interface identifier format than the gateways (lint rule MAP007)."""
    foreign = {
        name.removeprefix(FORMAT_EVENT): number
        for name, number in counts.items()
        if name.startswith(FORMAT_EVENT) and name != FORMAT_EVENT + gateway.interface_identifier
    }
    details = {**probe.details, "planned": gateway.interface_identifier, "foreign_identifiers": foreign}
    if not foreign:
        return judged("drafts", [probe.cause] if probe.cause else [], details)
    found = ", ".join(sorted(foreign))
    cause = (
        f"edge {edge.end_user_prefix} uses interface identifiers of {found}, the gateways those of "
        f"{gateway.interface_identifier}: answers go to another address than the edge has; "
        f"set interface_identifier alike on both (lint rule MAP007)"
    )
    return judged("drafts", [cause, *([probe.cause] if probe.cause else [])], details)


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
