# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Juniper MX."""

from __future__ import annotations

import platform_devices as devices

from .case import Case
from .services import shownet

CASE = Case(
    platform="juniper_mx",
    options={"service_interface": "si-0/0/0"},
    device=lambda dialect: devices.device("juniper_mx", dialect),
    golden={"shownet": (shownet("map-e", "gateway"),)},
    endings={"cli": "txt", "netconf": "xml"},
    facts=devices.facts,
)
