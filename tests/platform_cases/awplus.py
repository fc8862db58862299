# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Allied Telesis AlliedWare Plus."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule

from .awplus_device import AwPlusDevice
from .blocks_device import placed
from .case import Case
from .services import RULE, shownet
from .terminal import Manners

_FULL = MapRule(IPv6Network("2001:3e8:6100::/56"), IPv4Network("198.51.100.0/24"), 8, 4)

CASE = Case(
    platform="awplus",
    options={},
    device=lambda dialect: AwPlusDevice(),
    golden={
        "shownet": (shownet("map-e", "edge"),),
        "mesh": (shownet("map-e", "edge", rules=(replace(RULE, forwarding=True), _FULL)),),
    },
    endings={"cli": "txt"},
    manners={
        "cli": Manners(
            exec_prompt="awplus#",
            inside_prompt="awplus(config{mode})#",
            mode="-softwire",
            opens=r"(interface|softwire-configuration) \S+",
            save="write",
        )
    },
    facts=lambda text, dialect: placed(text),
)
