# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""radvd."""

from __future__ import annotations

from dataclasses import replace

from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.techniques.service import ROUTER
from helper_samples import resolver_service

from .case import Case
from .daemon_device import FileDevice, check_radvd

NOTHING = driver("radvd").change("x", "", "conf").payload
SERVICE = replace(resolver_service(), role=ROUTER, dns64=None)

CASE = Case(
    platform="radvd",
    options={
        "interfaces": {
            "wlan0": {
                "prefixes": ["2001:db8:1::/64"],
                "resolvers": ["2001:db8::53", "2001:db8::54"],
                "interval": 30,
            },
            "eth1": None,
        }
    },
    device=lambda dialect: FileDevice(NOTHING, check_radvd),
    golden={"conference": (SERVICE, replace(SERVICE, name="hall7", technique="464xlat"))},
    endings={"conf": "conf"},
    facts=lambda text, dialect: [] if text == NOTHING else text.splitlines(),
)
