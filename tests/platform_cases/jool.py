# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jool, NAT64."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network

from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service, StaticBinding

from .case import Case
from .jool_device import JoolDevice
from .services import shownet

FORWARD = StaticBinding(
    protocol="tcp",
    outside_address=IPv4Address("198.51.100.65"),
    outside_port=8443,
    subscriber=IPv6Address("2001:3e8:6000:45:c0:a801:1000:0"),
    inside_port=443,
)


PREFIX = IPv6Network("2001:db8:64::/96")  # the well-known one carries no address of a test


def fit(service: Service) -> Service:
    """Without blocks of ports."""
    assert service.pool is not None
    return replace(service, pool=replace(service.pool, block_size=0))


EMPTY = driver("jool").change("x", "", "json").payload

CASE = Case(
    platform="jool",
    options={},
    device=lambda dialect: JoolDevice("jool", EMPTY),
    golden={
        "nat64": (shownet("nat64", "gateway", translation_prefix=PREFIX),),
        "464xlat": (
            shownet(
                "464xlat",
                "gateway",
                translation_prefix=PREFIX,
                static_bindings=(FORWARD,),
                filtering="endpoint-independent",
            ),
        ),
    },
    endings={"json": "json"},
    fit=fit,
    most_services=1,
    facts=lambda text, dialect: [] if text == EMPTY else text.splitlines(),
)
