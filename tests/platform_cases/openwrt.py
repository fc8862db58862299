# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenWrt."""

from __future__ import annotations

import platform_devices as devices

from .case import Case
from .services import shownet

CASE = Case(
    platform="openwrt",
    options={"uplink": "wan6"},
    device=lambda dialect: devices.device("openwrt", dialect),
    golden={"shownet": (shownet("map-e", "edge"),)},
    endings={"uci": "uci"},
    facts=devices.facts,
)
