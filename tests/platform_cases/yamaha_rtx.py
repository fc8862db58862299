# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Yamaha RTX."""

from __future__ import annotations

from .blocks_device import placed
from .case import Case
from .services import shownet
from .yamaha_rtx_device import YamahaRtxDevice

CASE = Case(
    platform="yamaha_rtx",
    options={"tunnel": 7, "nat_descriptor": 2000, "provider": "v6plus"},
    device=lambda dialect: YamahaRtxDevice(),
    golden={"ds-lite": (shownet("ds-lite", "edge"),), "map-e": (shownet("map-e", "edge"),)},
    endings={"cli": "txt"},
    facts=lambda text, dialect: placed(text),
)
