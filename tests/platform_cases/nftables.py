# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Linux netfilter as SA46T-PT."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv6Network

from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver

from .case import Case
from .nftables_device import NftDevice
from .services import shownet

EMPTY = driver("nftables").change("x", "", "conf").payload
OWN = IPv6Network("2001:db8:1:7::/64")

CASE = Case(
    platform="nftables",
    options={},
    device=lambda dialect: NftDevice(EMPTY),
    golden={"sa46t-pt": (shownet("sa46t-pt", "gateway", end_user_prefix=OWN),)},
    endings={"conf": "nft"},
    fit=lambda service: replace(service, end_user_prefix=OWN),
    most_services=1,
    facts=lambda text, dialect: [] if text == EMPTY else text.splitlines(),
)
