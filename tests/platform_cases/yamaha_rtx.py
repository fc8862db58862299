# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Yamaha RTX."""

from __future__ import annotations

from .blocks_device import placed
from .case import Case
from .services import shownet
from .terminal import Manners
from .yamaha_rtx_device import YamahaRtxDevice

CASE = Case(
    platform="yamaha_rtx",
    options={"tunnel": 7, "nat_descriptor": 2000, "provider": "v6plus"},
    device=lambda dialect: YamahaRtxDevice(),
    golden={"ds-lite": (shownet("ds-lite", "edge"),), "map-e": (shownet("map-e", "edge"),)},
    endings={"cli": "txt"},
    manners={
        "cli": Manners(
            exec_prompt="[RTX1210]>",
            inside_prompt="[RTX1210]{mode}#",
            mode="tunnel7",
            always=True,
            enter="administrator",
            exit="",
            opens=r"tunnel select \d+",
            read="show config",
            show="",
            quiet="console lines infinity",
            refused="Error: Invalid command name",  # the text is not known
            save="save",
        )
    },
    facts=lambda text, dialect: placed(text),
)
