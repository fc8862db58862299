# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Peer to peer, by the place of the address translation: at edges, at a gateway, or nowhere."""

from __future__ import annotations

from typing import Any

from . import forwards, hairpin, plane
from .model import Assignment, Verdict, not_applicable


async def mapping(task: Assignment) -> Verdict:
    """Preparation, before counters are looked at: what of the check itself would ask the internet."""
    if task.row.napt == "edge":
        return await forwards.mapping(task)
    return not_applicable("p2p_mapping", "nothing to prepare: no edge translates addresses")


async def peer(task: Assignment, more: dict[str, Any]) -> Verdict:
    """With another customer. ``more`` holds the details of ``mapping``, or the mate in a plane."""
    if task.row.napt == "gateway":
        return await hairpin.check(task)
    if task.row.napt == "nowhere":
        if "mate" not in more:
            return not_applicable("p2p_peer", "no other host of the plane answers probes")
        return await plane.check(task, more["mate"])
    if task.peer is None:
        return not_applicable("p2p_peer", "no other customer has a TCP port forward that answers probes")
    return await forwards.peer(task, more)


async def inbound(task: Assignment) -> Verdict:
    """From the internet."""
    if task.row.napt == "gateway":
        name = task.row.gateway
        return not_applicable("p2p_inbound", f"a customer has no port of its own at the {name} to listen on")
    if task.row.napt == "nowhere":
        return await plane.inbound(task)
    return await forwards.inbound(task)
