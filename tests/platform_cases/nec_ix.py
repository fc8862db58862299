# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NEC UNIVERGE IX."""

from __future__ import annotations

from .blocks_device import placed
from .case import Case
from .nec_ix_device import NecIxDevice
from .services import shownet
from .terminal import Manners

CASE = Case(
    platform="nec_ix",
    options={"tunnel": 7, "unnumbered": "GigaEthernet1.0", "provider": "ocn"},
    device=lambda dialect: NecIxDevice(),
    golden={"ds-lite": (shownet("ds-lite", "edge"),), "map-e": (shownet("map-e", "edge"),)},
    endings={"cli": "txt"},
    manners={
        "cli": Manners(
            exec_prompt="ix#",
            inside_prompt="ix(config{mode})#",
            mode="-Tunnel7.0",
            enter="configure|svintr-config",
            leave="exit",
            top="configure",
            opens=r"interface \S+",
            show="",
            refused="% Invalid command",  # the text is not known
            save="write memory",
        )
    },
    facts=lambda text, dialect: placed(text),
)
