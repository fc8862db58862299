# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A node of any platform as an inventory's plan makes it."""

from __future__ import annotations

import yaml
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features

_HOME = """
customers: {ipv6: 2001:db8:6000::/52, prefix_length: 64}
ipv4_pools: [192.0.2.0/26]
sharing: {customers_per_address: 64, reserved_ports: 4096}
gateway: {address: "2001:db8:0:2900::1", translation_prefix: "2001:db8:64::/96"}
"""


def planned_gateway(technique, platform, options, dialect=None):
    """The plan of a gateway that carries service home."""
    host = {
        "ipv4aas_role": "gateway",
        "ipv4aas_platform": platform,
        "ipv4aas_carries": ["home"],
        "ipv4aas_options": options,
        "ipv4aas_services": {"home": yaml.safe_load(_HOME) | {"technique": technique}},
    }
    if dialect:
        host["ipv4aas_dialect"] = dialect
    return build_plan({"box": host}, all_features()).nodes["box"]
