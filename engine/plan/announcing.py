# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an announcer announces: that which a gateway attracts."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import replace

from ..intent.model import HostIntent
from ..intent.wording import all_of, any_of
from ..problem import Problem
from ..techniques.reach import ipv4_networks, ipv6_prefixes
from ..techniques.service import Service

GATEWAY_OPTION = "gateway"  # of ipv4aas_options


def gateway_of(
    host: HostIntent, name: str, gateways: Sequence[HostIntent], divided: bool
) -> HostIntent | Problem | None:
    """The gateway whose part of a service the host announces, out of those that carry it.

    None where all of them attract the same. ``divided``: each of them has addresses of its own.
    """
    place, names = f"{host.place('options')}.{GATEWAY_OPTION}", [gateway.name for gateway in gateways]
    given = host.options.get(GATEWAY_OPTION)
    if given is not None:
        found = next((gateway for gateway in gateways if gateway.name == given), None)
        right = f"use {any_of(names)}" if names else f"a host with the role gateway that carries {name}"
        return found or Problem(place, f"{given} is no gateway of {name}", right)
    if not divided:
        return None
    if len(gateways) > 1:
        wrong = f"is missing: {all_of(names)} each have addresses of their own in {name}"
        return Problem(place, wrong, f"use {any_of(names)}")
    return gateways[0] if gateways else None


def announcing(service: Service, gateway: Service) -> Service:
    """The announcer's service with what its gateway attracts; nothing where lint says why (SA001)."""
    try:
        return replace(service, announced_ipv4=ipv4_networks(gateway), announced_ipv6=ipv6_prefixes(gateway))
    except ValueError:
        return service
