# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Cisco ASR 9000."""

from __future__ import annotations

import platform_devices as devices

from .case import Case
from .services import shownet

CASE = Case(
    platform="asr9000",
    options={"inline_interfaces": ["TenGigE0/0/0/0", "TenGigE0/0/0/1"]},
    device=lambda dialect: devices.device("asr9000", dialect),
    golden={"shownet": (shownet("map-e", "gateway"),)},
    endings={"cli": "txt", "netconf": "xml"},
    facts=devices.facts,
)
