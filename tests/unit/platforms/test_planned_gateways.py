# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Routers in an inventory: planned, rendered, read back, and the next technique after one word."""

from __future__ import annotations

import pytest
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features, driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from platform_cases.case import TEMPLATES

OPTIONS = {
    "juniper_mx": {"service_interface": ["si-0/0/0", "ms-1/0/0"]},
    "juniper_srx": {"from_zone": "trust", "to_zone": "untrust"},
    "vyos": {"rule": 100},
}
PREFIXES = {"map-t": "2001:db8:ffff::/64", "464xlat": "2001:db8:64::/96", "nat64": "2001:db8:64::/96"}
SEATS = [
    (platform, dialect, row.technique)
    for platform in OPTIONS
    for dialect in all_features()[platform].dialects
    for row in all_features()[platform].techniques
    if row.state == "yes" and row.role == "gateway"
]


def planned(platform, dialect, technique, **gateway):
    """The node of the one host of an inventory."""
    prefix = {"translation_prefix": PREFIXES[technique]} if technique in PREFIXES else {}
    service = {
        "technique": technique,
        "customers": {"ipv6": "2001:db8:100::/44", "prefix_length": 56},
        "ipv4_pools": ["192.0.2.0/26"],
        "sharing": {"customers_per_address": 64, "reserved_ports": 1024},
        "gateway": {"address": "2001:db8:0:1::1"} | prefix | gateway,
        "backbone_mtu": 1500,
    }
    host = {
        "ipv4aas_services": {"home": service},
        "ipv4aas_role": "gateway",
        "ipv4aas_platform": platform,
        "ipv4aas_dialect": dialect,
        "ipv4aas_carries": ["home"],
        "ipv4aas_options": OPTIONS[platform],
    }
    return build_plan({"box": host}, all_features()).nodes["box"]


@pytest.mark.parametrize(("platform", "dialect", "technique"), SEATS)
def test_planned_rendered_and_read_back(platform, dialect, technique):
    node, box = planned(platform, dialect, technique), driver(platform)
    text = render(node, TEMPLATES)
    assert box.owned(text, dialect) == text
    assert box.parse(text, dialect, node.services) == node.services


@pytest.mark.parametrize("platform", OPTIONS)
def test_a_prefix_that_no_document_shows_is_refused(platform):
    with pytest.raises(Refused, match="length of the translation prefix is 64, it takes 96"):
        planned(
            platform, all_features()[platform].dialects[0], "nat64", translation_prefix="2001:db8:64::/64"
        )
