# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea DHCPv6."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms.own_list import NOTHING
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from helper_samples import CUSTOMER_SPACE, PROVISIONED, provisioner_service

from .case import Case
from .daemon_device import FileDevice, check_kea
from .provisioned import fit

# Of ShowNet's customers, also of those that have a binding.
ALWAYS = {"2001:3e8:6000:42::/64": "00:03:00:01:aa:bb:cc:dd:ee:42"}


@dataclass(frozen=True, kw_only=True)
class KeaCase(Case):
    """The customer that always gets its prefix is one of ShowNet's."""

    def node(self, *carried: Service, dialect: str = "", **options: Any) -> NodePlan:
        known = ALWAYS if any(CUSTOMER_SPACE in service.delegations for service in carried) else {}
        return super().node(*carried, dialect=dialect, **({"subscribers": known} | options))


CASE = KeaCase(
    platform="kea",
    options={"link": "lan"},
    device=lambda dialect: FileDevice(NOTHING, check_kea),
    golden={technique: (provisioner_service(technique),) for technique in PROVISIONED},
    endings={"json": "json"},
    fit=fit,
    most_services=1,  # of one link
    facts=lambda text, dialect: [] if text == NOTHING else text.splitlines(),
)
