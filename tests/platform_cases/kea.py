# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea DHCPv6."""

from __future__ import annotations

from ansible_collections.ipv4aas.fleet.engine.platforms.own_list import NOTHING
from helper_samples import PROVISIONED, provisioner_service

from .case import Case
from .daemon_device import FileDevice, check_kea
from .provisioned import fit

CASE = Case(
    platform="kea",
    options={"link": "lan", "subscribers": {"2001:3e8:6000:2::/64": "00:03:00:01:aa:bb:cc:dd:ee:02"}},
    device=lambda dialect: FileDevice(NOTHING, check_kea),
    golden={technique: (provisioner_service(technique),) for technique in PROVISIONED},
    endings={"json": "json"},
    fit=fit,
    most_services=1,  # of one link
    facts=lambda text, dialect: [] if text == NOTHING else text.splitlines(),
)
