# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""BIND 9."""

from __future__ import annotations

from ansible_collections.ipv4aas.fleet.engine.platforms.own_file import NOTHING
from helper_samples import resolver_service

from .case import Case
from .daemon_device import FileDevice, check_bind
from .infoblox import DNS64, fit

CASE = Case(
    platform="bind",
    options={},
    device=lambda dialect: FileDevice(NOTHING, check_bind),
    golden={
        "conference": (resolver_service(),),
        "464xlat": (resolver_service(technique="464xlat", dns64=DNS64),),
    },
    endings={"conf": "conf"},
    fit=fit,
    facts=lambda text, dialect: [] if text == NOTHING else text.splitlines(),
)
