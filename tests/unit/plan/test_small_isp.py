# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The example of a small ISP: only the word changes; every node is planned, linted, rendered, read back."""

from __future__ import annotations

import json
from functools import cache
from ipaddress import IPv4Network
from pathlib import Path

import pytest
from ansible.inventory.manager import InventoryManager
from ansible.parsing.dataloader import DataLoader
from ansible.vars.manager import VariableManager
from ansible_collections.ipv4aas.fleet.engine.node.check import configuration
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features, driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES

ROOT = Path(__file__).resolve().parents[3]
SWITCH = ("map-e", "map-t", "lw4o6", "ds-lite", "464xlat")
EDGES = ("alice", "bob", "carol")
# Said of every technique: the addresses are those of documents, and few.
ALWAYS = {"X009", "MAP016", "FLT001"}
ALSO = {
    "map-e": {"MAP015", "FLT002"},
    "map-t": {"MAP015", "FLT002"},
    "lw4o6": {"MAP015", "FLT002"},
    "ds-lite": {"FLT002", "FLT003"},
    "464xlat": {"FLT003"},
}


@cache
def example():
    """Variables of every host, as Ansible has them."""
    loader = DataLoader()
    inventory = InventoryManager(loader=loader, sources=[str(ROOT / "inventories" / "small-isp")])
    variables = VariableManager(loader=loader, inventory=inventory)
    return {host.name: variables.get_vars(host=host) for host in inventory.get_hosts()}


@cache
def planned(technique):
    hosts = {name: dict(values) for name, values in example().items()}
    for values in hosts.values():
        service = values["ipv4aas_services"]["home"] | {"technique": technique}
        values["ipv4aas_services"] = {"home": service}
    return build_plan(hosts, all_features())


@pytest.mark.parametrize("technique", SWITCH)
def test_it_is_planned_and_linted(technique):
    plan = planned(technique)
    row, figures = TECHNIQUES[technique], plan.services["home"]
    assert (figures.technique, figures.customers, figures.ports_per_customer) == (technique, 4096, 1008)
    assert (figures.ipv4_mtu, figures.gateways, figures.edges) == (1540 - row.overhead, ("gw1", "gw2"), EDGES)
    assert {finding.rule for finding in plan.findings} <= ALWAYS | ALSO[technique]
    assert ALSO[technique] <= {finding.rule for finding in plan.findings}
    assert not any(finding.severity == "error" for finding in plan.findings)


@pytest.mark.parametrize("technique", SWITCH)
def test_every_node_is_rendered_and_read_back(technique):
    for node in planned(technique).nodes.values():
        text = render(node, ROOT / "templates")
        found = driver(node.platform).parse(text, node.dialect, node.services)
        assert found == node.services
        if node.platform == "linux":
            assert configuration(json.loads(text)).services == node.services
        assert bool(text) == bool(node.services)
        assert bool(node.services) == (node.name != "dns1" or technique == "464xlat")


def test_gateways_of_sessions_divide_the_pool():
    for technique in ("ds-lite", "464xlat"):
        nodes = planned(technique).nodes
        pools = [nodes[name].services[0].pool.ipv4 for name in ("gw1", "gw2")]
        assert pools == [(IPv4Network("203.0.113.0/27"),), (IPv4Network("203.0.113.32/27"),)]


@pytest.mark.parametrize("technique", SWITCH)
def test_the_web_server_stays_reachable(technique):
    nodes = planned(technique).nodes
    at_edge = [forward.outside_port for forward in nodes["alice"].services[0].port_forwards]
    at_gateway = [one.outside_port for one in nodes["gw1"].services[0].static_bindings]
    assert (at_edge, at_gateway) == (([8208], []) if technique in SWITCH[:3] else ([], [8208]))


@pytest.mark.parametrize(
    ("technique", "missing"),
    [
        ("nat64", "hosts.alice.ipv4aas_role: NAT64 has no edge"),
        ("sa46t", "ipv4aas_services.home.plane: is missing: SA46T needs one; give it, such as {prefix: "),
        ("sa46t-pt", "ipv4aas_services.home.plane: is missing"),
    ],
)
def test_what_the_others_need_is_told(technique, missing):
    with pytest.raises(Refused) as refused:
        planned(technique)
    assert missing in str(refused.value)
