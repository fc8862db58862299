# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What programs counted, in the words and figures of the core."""

from __future__ import annotations

from collections import Counter
from collections.abc import Mapping
from typing import Any

from ...techniques import TECHNIQUES
from ...techniques.service import Service

Counts = Mapping[str, tuple[int, int]]  # verdict -> packets, octets

_ETHERNET = 14
_LONGER = {"encapsulation": 40, "translation": 20}  # octets of an IPv6 packet beside its IPv4 one
_NOTHING = (0, 0)


def events(tc: Counts, xdp: Counts) -> Counter[str]:
    """Packets by the names of reasons.py. What XDP punts is seen and counted by tc."""
    found = Counter({name: packets for name, (packets, _) in tc.items()})
    for name, (packets, _) in xdp.items():
        if not name.startswith("punt_") or name == "punt_limited":
            found[name] += packets
    # A name of C cannot have a hyphen.
    return Counter(
        {name.replace("draft_03", "draft-03"): packets for name, packets in found.items() if packets}
    )


_TAKEN = ("encapsulated", "decapsulated", "prefix_rewritten")


def carried(tc: Counts, xdp: Counts) -> int:
    """Packets that programs took all the way; one that turns back to a customer is in both of the first."""
    done = sum(counts.get(name, _NOTHING)[0] for counts in (tc, xdp) for name in _TAKEN)
    return done - sum(counts.get("hairpinned", _NOTHING)[0] for counts in (tc, xdp))


def traffic(service: Service, counts: Counts) -> dict[str, dict[str, int]]:
    """Packets and octets that programs carried, as services.Side.view() has them for the core.

    Octets are counted on arrival, with the Ethernet header; of packets that turn also as `hairpinned`.
    """
    longer = _LONGER[TECHNIQUES[service.technique].carriage]
    turned, turned_octets = _bare(counts.get("hairpinned", _NOTHING))
    into, into_octets = _bare(counts.get("encapsulated", _NOTHING), but=turned)
    out, out_octets = _bare(counts.get("decapsulated", _NOTHING))
    return {
        "native": {
            "packets_in": into,
            "octets_in": into_octets,
            "packets_out": out - turned,
            "octets_out": out_octets - turned_octets - longer * (out - turned),
        },
        "softwire": {
            "packets_in": out,
            "octets_in": out_octets,
            "packets_out": into + turned,
            "octets_out": into_octets + longer * into + turned_octets,
        },
    }


def _bare(count: tuple[int, int], but: int = 0) -> tuple[int, int]:
    packets, octets = count
    return packets - but, octets - _ETHERNET * (packets - but)


def add(
    status: dict[str, Any], counted: Mapping[str, tuple[Service, Counts, Counts]], gone: Counter[str]
) -> None:
    """To the core's status: what programs did for each service, and for services that are gone."""
    totals = Counter(status["counters"]) + gone
    for name, (service, tc, xdp) in counted.items():
        found = events(tc, xdp)
        totals += found
        one = status["services"].get(name)
        if one is not None:
            one["counters"] = dict(sorted((Counter(one["counters"]) + found).items()))
        for counts in (tc, xdp):
            for side, figures in traffic(service, counts).items():
                for figure, number in figures.items():
                    status["traffic"][side][figure] += number
    status["counters"] = dict(sorted(totals.items()))
