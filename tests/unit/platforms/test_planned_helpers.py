# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The small ISP's plan on real platforms: every helper is rendered and read back, whatever the technique."""

from __future__ import annotations

import json
from ipaddress import IPv6Network

import helper_samples as samples
import pytest
import yaml
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features, driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render

ISP = samples.ROOT / "inventories" / "small-isp"
OPTIONS = {
    "unbound": ("resolver", {}),
    "bind": ("resolver", {}),
    "kea": ("provisioner", {"link": "lan"}),
    "hb46pp": ("provisioner", {"enabler_name": "ISP"}),
    "radvd": ("router", {"interfaces": {"lan": {}}}),
}
# Who has something to do, by technique.
AT_WORK = {
    "map-e": {"kea", "hb46pp"},
    "map-t": {"kea", "hb46pp"},
    "lw4o6": {"kea", "hb46pp"},
    "ds-lite": {"kea", "hb46pp"},
    "464xlat": set(OPTIONS),
}


def plan(technique: str):
    """Of the inventory with one helper of each platform."""
    services = yaml.safe_load((ISP / "group_vars" / "all.yml").read_text())["ipv4aas_services"]
    services["home"]["technique"] = technique
    helpers = {
        platform: {"ipv4aas_role": role, "ipv4aas_platform": platform, "ipv4aas_options": options}
        for platform, (role, options) in OPTIONS.items()
    }
    gateway = {"gw1": {"ipv4aas_role": "gateway", "ipv4aas_platform": "linux"}}
    shared = {"ipv4aas_services": services, "ipv4aas_carries": ["home"]}
    return build_plan({name: shared | own for name, own in (gateway | helpers).items()}, all_features())


@pytest.mark.parametrize("technique", AT_WORK)
def test_helpers_of_every_technique(technique):
    nodes = plan(technique).nodes
    for name in OPTIONS:
        node = nodes[name]
        assert bool(node.services) == (name in AT_WORK[technique]), name
        text = render(node, samples.TEMPLATES)
        box = driver(node.platform)
        assert box.parse(text, node.dialect, node.services) == node.services
        assert box.owned(text, node.dialect) == text


def test_one_prefix_for_everybody():
    """The PLAT, both resolvers, the router and the rule server have the prefix from one place."""
    nodes = plan("464xlat").nodes
    [prefix] = {service.translation_prefix for node in nodes.values() for service in node.services}
    assert prefix == IPv6Network("2001:db8:0:64::/64")
    texts = {name: render(nodes[name], samples.TEMPLATES) for name in OPTIONS if name != "kea"}
    assert all(str(prefix) in text for text in texts.values())


def test_customers_of_the_binding_table_are_told_their_entry():
    """What Kea and the rule server say of a customer is the lwAFTR's entry."""
    nodes = plan("lw4o6").nodes
    table = {binding.softwire: binding for binding in nodes["gw1"].services[0].bindings}
    for name in ("kea", "hb46pp"):
        node = nodes[name]
        [found] = driver(name).parse(render(node, samples.TEMPLATES), node.dialect, ())
        assert {binding.softwire: binding for binding in found.bindings} == table
    answers = json.loads(render(nodes["hb46pp"], samples.TEMPLATES))[0]["answers"]
    assert len(answers) == len(table) == 4096
