# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet engine: build_node() makes a node, its process() is the one meaning of a service."""

from __future__ import annotations

from collections.abc import Mapping
from random import Random
from types import MappingProxyType

from ..techniques import TECHNIQUES
from ..techniques.service import EDGE, GATEWAY, Service
from .aftr import Aftr
from .b4 import B4
from .base import DUMMY_ADDRESS, Limits, Link, Node, Output, SessionLog
from .clat import Clat
from .edge import Edge
from .gateway import Gateway
from .nat64 import Nat64
from .plane import PlaneNode
from .plane_rewrite import PrefixTranslator

__all__ = ["Limits", "Link", "Node", "Output", "SessionLog", "build_node", "has_node"]

# By mapping, carriage and role: what a technique's name stands for is in its row alone.
_NODES: Mapping[tuple[str, str, str], type[Node]] = MappingProxyType(
    {
        ("rule", "encapsulation", GATEWAY): Gateway,
        ("rule", "encapsulation", EDGE): Edge,
        ("rule", "translation", GATEWAY): Gateway,
        ("rule", "translation", EDGE): Edge,
        ("binding", "encapsulation", GATEWAY): Gateway,
        ("binding", "encapsulation", EDGE): Edge,
        ("session", "encapsulation", GATEWAY): Aftr,
        ("session", "encapsulation", EDGE): B4,
        ("session", "translation", GATEWAY): Nat64,
        ("session", "translation", EDGE): Clat,
        ("plane", "encapsulation", GATEWAY): PlaneNode,
        ("plane", "encapsulation", EDGE): PlaneNode,
        ("plane-table", "encapsulation", GATEWAY): PlaneNode,
        ("plane-table", "encapsulation", EDGE): PlaneNode,
        ("plane-rewrite", "encapsulation", GATEWAY): PrefixTranslator,
    }
)


def has_node(technique: str, role: str) -> bool:
    """Whether the packet engine can take a seat."""
    row = TECHNIQUES.get(technique)
    if row is None or (role == EDGE and row.edge is None):
        return False
    return (row.mapping, row.carriage, role) in _NODES


def build_node(
    service: Service,
    *,
    rng: Random,
    decrement_ttl: bool = True,
    limits: Limits | None = None,
    icmp_source: int = DUMMY_ADDRESS,
    log: SessionLog | None = None,
) -> Node:
    """The node that runs a service. Raises ValueError for what the engine cannot run.

    `decrement_ttl=False` is for a node behind a forwarding kernel, which counts the hop itself. `log` is
    told by a gateway with NAPT who has which outside ports.
    """
    if not has_node(service.technique, service.role):
        raise ValueError(f"the packet engine has no {service.role} for {service.technique}")
    row = TECHNIQUES[service.technique]
    kind = _NODES[row.mapping, row.carriage, service.role]
    return kind(
        service, rng=rng, decrement_ttl=decrement_ttl, limits=limits, icmp_source=icmp_source, log=log
    )
