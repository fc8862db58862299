# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Jool, CLAT."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Network

from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service

from .case import Case
from .jool_device import JoolDevice
from .services import shownet

EMPTY = driver("jool_siit").change("x", "", "json").payload


PREFIX = IPv6Network("2001:db8:64::/96")  # the well-known one carries no address of a test


def fit(service: Service) -> Service:
    """UDP checksums of zero are computed or dropped."""
    return service if service.udp_zero_checksum != "forward" else replace(service, udp_zero_checksum="drop")


CASE = Case(
    platform="jool_siit",
    options={},
    device=lambda dialect: JoolDevice("jool_siit", EMPTY),
    golden={"464xlat": (shownet("464xlat", "edge", translation_prefix=PREFIX),)},
    endings={"json": "json"},
    fit=fit,
    most_services=1,
    facts=lambda text, dialect: [] if text == EMPTY else text.splitlines(),
)
