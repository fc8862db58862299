# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fleet plan: what each node has to run. Encoded with engine.codec as build/plan.json."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Any

from ..techniques.service import Service


@dataclass(frozen=True, slots=True, kw_only=True, order=True)
class Finding:
    """What a lint rule says of one place in the inventory."""

    place: str
    rule: str  # an id of plan/lint.py
    severity: str  # error, warn or info
    wrong: str
    right: str
    source: str


@dataclass(frozen=True, slots=True, kw_only=True)
class NodePlan:
    """What one host of the inventory has to run, and in which language."""

    name: str
    role: str  # gateway, edge, resolver, provisioner, router or announcer
    platform: str  # a folder of engine/platforms
    services: tuple[Service, ...]
    dialect: str = "cli"  # a dialect of the platform's features.yml
    options: dict[str, Any] = field(default_factory=dict)  # ipv4aas_options of the host
    seat_of: str | None = None  # the node whose place this software node takes
    seat_taken_by: str | None = None  # the software node that takes this one's place
    refused: str | None = None  # why the platform cannot do it; its configuration is not rendered
    # False: planned and rendered only: by ipv4aas_deploy, as another node has the seat, or as only a
    # person can bring the configuration to the device (Features.by_person).
    deploy: bool = True


@dataclass(frozen=True, slots=True, kw_only=True)
class ServicePlan:
    """Figures of one service, derived from what its mapping gives."""

    name: str
    technique: str
    customers: int
    ipv4_addresses: int
    customers_per_address: int
    ports_per_customer: int
    excluded_ports: int  # on each shared address
    psid_offset: int  # rules and bindings; 0 elsewhere
    psid_len: int
    ea_len: int
    ipv6_mtu: int
    ipv4_mtu: int
    tcp_mss: int
    gateways: tuple[str, ...]  # node names
    edges: tuple[str, ...]


@dataclass(frozen=True, slots=True, kw_only=True)
class FleetPlan:
    """Everything that follows from the inventory."""

    services: dict[str, ServicePlan]
    nodes: dict[str, NodePlan]
    findings: tuple[Finding, ...] = ()
