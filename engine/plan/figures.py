# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Figures of a service: whom it serves, with how many addresses and ports, by its mapping."""

from __future__ import annotations

from collections.abc import Mapping
from ipaddress import collapse_addresses

from ..mapping.pool import Pool
from ..mapping.portset import PORT_BITS
from ..techniques.service import EDGE, GATEWAY
from .draw import Drawn
from .model import NodePlan, ServicePlan
from .pools import UNSHARED, subscribers

_PORTS = 1 << PORT_BITS


def figures(one: Drawn, nodes: Mapping[str, NodePlan]) -> ServicePlan:
    """The figures of a drawn service, and who carries it."""
    row, mtu = one.intent.row, one.intent.backbone_mtu
    carriers = [
        node
        for node in nodes.values()
        if node.seat_taken_by is None and any(service.name == one.intent.name for service in node.services)
    ]
    edges = tuple(node.name for node in carriers if node.role == EDGE)
    if one.rules:
        shares = _of_rules(one)
    elif one.pool is not None:
        shares = _of_pool(one, one.pool)
    else:
        shares = _of_plane(len(carriers))
    return ServicePlan(
        name=one.intent.name,
        technique=row.name,
        ipv4_addresses=sum(network.num_addresses for network in collapse_addresses(one.ipv4)),
        ipv6_mtu=mtu,
        ipv4_mtu=row.ipv4_mtu(mtu),
        tcp_mss=row.tcp_mss(mtu),
        gateways=tuple(node.name for node in carriers if node.role == GATEWAY),
        edges=edges,
        **shares,
    )


def _of_rules(one: Drawn) -> dict[str, int]:
    """Where rules differ, sharing is told of the one that shares most."""
    tightest = max(one.rules, key=lambda rule: rule.sharing_ratio)
    ports = tightest.port_set(tightest.explicit_psid)
    return {
        "customers": sum(rule.customer_count for rule in one.rules),
        "customers_per_address": tightest.sharing_ratio,
        "ports_per_customer": len(ports),
        "excluded_ports": 1 << (PORT_BITS - ports.offset) if ports.shared and ports.offset else 0,
        "psid_offset": tightest.psid_offset,
        "psid_len": tightest.psid_len,
        "ea_len": tightest.ea_len,
    }


def _of_pool(one: Drawn, pool: Pool) -> dict[str, int]:
    """Blocks suffice for as many customers as there are blocks; ports one by one for all, in turn."""
    ratio = (one.intent.sharing or UNSHARED).customers_per_address
    room = subscribers(one.intent)
    blocks = sum(network.num_addresses for network in collapse_addresses(pool.ipv4)) * ratio
    return {
        "customers": min(room, blocks) if pool.block_size else room,
        "customers_per_address": ratio,
        "ports_per_customer": pool.ports_per_subscriber,
        "excluded_ports": pool.first_port,
        "psid_offset": 0,
        "psid_len": 0,
        "ea_len": 0,
    }


def _of_plane(sites: int) -> dict[str, int]:
    """Every site has whole networks of its own."""
    return {
        "customers": sites,
        "customers_per_address": 1,
        "ports_per_customer": _PORTS,
        "excluded_ports": 0,
        "psid_offset": 0,
        "psid_len": 0,
        "ea_len": 0,
    }
