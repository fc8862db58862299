# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Rule server of HB46PP."""

from __future__ import annotations

from ansible_collections.ipv4aas.fleet.engine.platforms.own_list import NOTHING
from helper_samples import PROVISIONED, provisioner_service

from .case import Case
from .daemon_device import FileDevice, check_hb46pp
from .provisioned import fit

CASE = Case(
    platform="hb46pp",
    options={"enabler_name": "ShowNet", "isp_name": "Hall 7", "ttl": 3600},
    device=lambda dialect: FileDevice(NOTHING, check_hb46pp),
    golden={technique: (provisioner_service(technique),) for technique in PROVISIONED},
    endings={"json": "json"},
    fit=fit,
    facts=lambda text, dialect: [] if text == NOTHING else text.splitlines(),
)
