# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Fujitsu m46e-app."""

from __future__ import annotations

from ansible_collections.ipv4aas.fleet.engine.platforms.own_file import NOTHING

from .case import Case
from .m46e_device import M46eDevice
from .services import shownet

CASE = Case(
    platform="m46e",
    options={"devices": {"eth1": {"address": "10.0.0.1/24"}}},
    device=lambda dialect: M46eDevice(NOTHING),
    golden={
        f"{technique}-{role}": (shownet(technique, role),)
        for technique in ("sa46t", "sa46t-pr")
        for role in ("gateway", "edge")
    },
    endings={"conf": "conf"},
    most_services=1,
    facts=lambda text, dialect: [] if text == NOTHING else text.splitlines(),
)
