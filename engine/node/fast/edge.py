# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an edge with a port set is to the programs (c/edge.h)."""

from __future__ import annotations

from dataclasses import replace
from typing import Any

from ...techniques import TECHNIQUES
from ...techniques.service import EDGE, Service
from .tables import division


def is_port_set_edge(service: Service) -> bool:
    """Whether the NAPT of the technique is at this node."""
    return TECHNIQUES[service.technique].napt == service.role == EDGE


def peers_only(service: Service) -> Service:
    """An edge's service with the owners that it asks for: its peers (FMR, RFC 7597 section 5)."""
    return replace(service, rules=tuple(rule for rule in service.rules if rule.forwarding), bindings=())


def customer_settings(service: Service) -> dict[str, Any]:
    """Members of struct config."""
    customer = service.customer
    return {
        "own": int(customer.address),
        "mesh": service.mesh,
        "strict_iid": False,  # of peers the End-user prefix counts
        "customer": {
            "ipv4": int(customer.ipv4.network_address),
            "mask": int(customer.ipv4.netmask),
            "psid": customer.ports.psid,
            "psid_offset": customer.ports.offset,
            "psid_length": customer.ports.psid_len,
            "division": division(customer.ports.offset, customer.ports.psid_len),
        },
    }
