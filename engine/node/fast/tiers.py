# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which tier every device and service is on, and why it is not a better one."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from typing import Any

from ...techniques.service import Service
from .chain import Chain
from .program import TC, XDP, problem

TUN = "tun"

Tier = dict[str, Any]  # tier, why; of a device also its hook


def of_device(device: int, chains: Mapping[str, Chain], no_xdp: str) -> Tier:
    """A device by its index; `no_xdp`: why it was not tried."""
    why = no_xdp
    for hook in (XDP, TC):
        chain = chains.get(hook)
        if chain is None:
            continue
        kind = chain.attachments.kind(device)
        if kind:
            return {"tier": hook, "hook": kind, "why": why}
        why = chain.attachments.faults.get(device, "") or why
    return {"tier": TUN, "hook": "", "why": why or "no service is on the fast path"}


def of_service(service: Service, reason: str, chains: Mapping[str, Chain], devices: Iterable[Tier]) -> Tier:
    """A service; `reason`: why it is not on the fast path."""
    devices = list(devices)
    tiers = {device["tier"] for device in devices}
    if reason:
        return {"tier": TUN, "why": reason}
    if XDP in tiers and chains[XDP].runs(service):
        return {"tier": XDP, "why": ""}
    if XDP in tiers or TC in tiers:
        return {
            "tier": TC,
            "why": (chains[XDP].reason(service) or problem(service, XDP)) if XDP in tiers else "",
        }
    return {"tier": TUN, "why": "; ".join(device["why"] for device in devices) or "no Ethernet device is up"}


def best(services: Iterable[Tier]) -> str:
    """The best in use."""
    used = {service["tier"] for service in services}
    return next((tier for tier in (XDP, TC) if tier in used), TUN)
