# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet engine: build_node() makes a node, its process() is the one meaning of a service."""

from __future__ import annotations

from random import Random

from ..techniques.service import EDGE, GATEWAY, Service
from .base import DUMMY_ADDRESS, Limits, Link, Node, Output
from .edge import Edge
from .gateway import Gateway
from .plain_edge import PlainEdge
from .plane import PlaneNode
from .plane_rewrite import PrefixTranslator
from .session_gateway import SessionGateway

__all__ = ["Limits", "Link", "Node", "Output", "build_node"]

_NODES: dict[tuple[str, str], type[Node]] = {
    ("map-e", GATEWAY): Gateway,
    ("map-e", EDGE): Edge,
    ("ds-lite", GATEWAY): SessionGateway,
    ("ds-lite", EDGE): PlainEdge,
    ("sa46t", GATEWAY): PlaneNode,
    ("sa46t", EDGE): PlaneNode,
    ("sa46t-pr", GATEWAY): PlaneNode,
    ("sa46t-pr", EDGE): PlaneNode,
    ("sa46t-pt", GATEWAY): PrefixTranslator,
}


def build_node(
    service: Service,
    *,
    rng: Random,
    decrement_ttl: bool = True,
    limits: Limits | None = None,
    icmp_source: int = DUMMY_ADDRESS,
) -> Node:
    """The node that runs a service. Raises ValueError for what the engine cannot run.

    `decrement_ttl=False` is for a node behind a forwarding kernel, which counts the hop itself.
    """
    kind = _NODES.get((service.technique, service.role))
    if kind is None:
        raise ValueError(f"the packet engine has no {service.role} for {service.technique}")
    return kind(service, rng=rng, decrement_ttl=decrement_ttl, limits=limits, icmp_source=icmp_source)
