# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lint of gateways that have the NAPT, and of the edges before them. Yields as lint_rules does."""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv4Network

from ..intent.model import INNER, SERVICES
from ..intent.wording import all_of
from ..techniques import Technique
from ..techniques.service import GATEWAY
from .compile import Fleet
from .pools import addresses_in

Said = Iterator[tuple[str, str, str]]

CONTINUITY = IPv4Network("192.0.0.0/29")  # RFC 7335
# What a B4 may number its LAN with (RFC 6333 section 11).
_BEHIND_B4 = (
    IPv4Network("10.0.0.0/8"),
    IPv4Network("172.16.0.0/12"),
    IPv4Network("192.168.0.0/16"),
    CONTINUITY,
)


def _is_ds_lite(row: Technique) -> bool:
    return row.mapping == "session" and row.carriage == "encapsulation"


def private_networks(fleet: Fleet) -> Said:
    """DSL003."""
    for one in fleet.subscribers:
        if _is_ds_lite(one.service.row):
            for index, network in enumerate(one.host.lan):
                if not any(network.subnet_of(private) for private in _BEHIND_B4):
                    wrong = f"{network} is not private: the AFTR drops its packets"
                    yield f"{one.host.place('lan')}[{index}]", wrong, "use private space (RFC 1918)"


def inner_packets_whole(fleet: Fleet) -> Said:
    """DSL005."""
    for name, one in fleet.drawn.items():
        if _is_ds_lite(one.intent.row) and one.intent.fragmentation == INNER:
            place = f"{SERVICES}.{name}.fragmentation"
            yield place, "inner: DS-Lite cuts the packet outside only", "use outer, and a larger backbone_mtu"


def no_continuity_clash(fleet: Fleet) -> Said:
    """DSL006."""
    for one in fleet.subscribers:
        for index, network in enumerate(one.host.lan):
            if network.overlaps(CONTINUITY):
                wrong = f"{network} overlaps {CONTINUITY}, which the {one.service.row.edge} itself uses"
                yield f"{one.host.place('lan')}[{index}]", wrong, "use other private space (RFC 1918)"


def sessions_stay(fleet: Fleet) -> Said:
    """FLT003."""
    for name, figures in fleet.plan.services.items():
        one = fleet.drawn[name]
        deployed = [node for node in figures.gateways if fleet.plan.nodes[node].deploy]
        if len(deployed) < 2 or one.intent.row.napt != GATEWAY:
            continue
        place = f"{SERVICES}.{name}.gateway"
        wrong = f"{all_of(deployed)} share no sessions: those of one end when its traffic moves to another"
        yield place, wrong, "prefer one by route metric for each customer"
        assert one.pool is not None
        blocks = addresses_in(one.pool.ipv4) // len(deployed) * figures.customers_per_address
        if one.pool.block_size and not one.pool.deterministic and blocks < figures.customers:
            wrong = f"each of {all_of(deployed)} has blocks for {blocks:,} of {figures.customers:,} customers"
            yield place, wrong, "lead customers to all of them alike, or use more addresses"
