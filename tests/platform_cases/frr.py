# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FRR, by a file of its own."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Network

from ansible_collections.ipv4aas.fleet.engine.platforms.own_file import NOTHING
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from ansible_collections.ipv4aas.fleet.engine.techniques.reach import ipv4_networks, ipv6_prefixes
from ansible_collections.ipv4aas.fleet.engine.techniques.service import ANNOUNCER, GATEWAY, Service

from .case import Case
from .frr_device import FrrDevice
from .services import shownet

OWN = IPv6Network("2001:db8:1:7::/64")  # of a PT


def announcing(gateway: Service) -> Service:
    """What an announcer has to know of a gateway's service."""
    return Service(
        name=gateway.name,
        technique=gateway.technique,
        role=ANNOUNCER,
        gateway_address=gateway.gateway_address,
        translation_prefix=gateway.translation_prefix,
        interface_identifier=gateway.interface_identifier,
        announced_ipv4=ipv4_networks(gateway),
        announced_ipv6=ipv6_prefixes(gateway),
    )


def fit(service: Service) -> Service:
    """shownet() gives a pool to gateways only."""
    pool = shownet(service.technique, GATEWAY).pool
    return announcing(replace(service, role=GATEWAY, pool=pool, end_user_prefix=OWN))


CASE = Case(
    platform="frr",
    options={},
    device=lambda dialect: FrrDevice(NOTHING),
    golden={
        f"{technique}-announcer": (announcing(shownet(technique, GATEWAY, end_user_prefix=OWN)),)
        for technique in TECHNIQUES
    },
    endings={"conf": "conf"},
    fit=fit,
    facts=lambda text, dialect: [] if text == NOTHING else text.splitlines(),
)
