# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories with random damage are planned or refused: nothing else ever comes out."""

from __future__ import annotations

import copy
from random import Random

import yaml
from ansible_collections.ipv4aas.fleet.engine.codec import decode, encode
from ansible_collections.ipv4aas.fleet.engine.node.check import configuration
from ansible_collections.ipv4aas.fleet.engine.node.core import build_node
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.plan.model import FleetPlan
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from ansible_collections.ipv4aas.fleet.engine.techniques.service import NodeConfiguration
from fleet_samples import FEATURES, GOLDEN, hostvars_of
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.plan.test_fleet_lint_techniques import CLEAN
from unit.plan.test_fleet_techniques import CAMPUS, SMALL

TECHNIQUE_TEXTS = (SMALL, CAMPUS, *CLEAN.values())
DOCUMENTS = [
    *(yaml.safe_load(path.read_text()) for path in sorted(GOLDEN.glob("*/*/inventory.yml"))),
    *(yaml.safe_load(text) for text in TECHNIQUE_TEXTS),
]


def leaves(value, path=()):
    """Every place of a document, containers too, with what is there."""
    if path:
        yield path, value
    items = value.items() if isinstance(value, dict) else enumerate(value) if isinstance(value, list) else ()
    for key, item in items:
        yield from leaves(item, (*path, key))


VALUES = [value for document in DOCUMENTS for _, value in leaves(document)]


# Keys that every service may have, whatever its technique makes of them.
KEYS = {
    name: st.sampled_from(values)
    for name, values in {
        "fragmentation": ["inner", "outer"],
        "mss_clamp": ["off", "auto", 1200],
        "strict_identifiers": [True],
        "filtering": ["address-dependent", "endpoint-independent"],
        "hairpinning": [False],
        "icmp_on_miss": [True],
        "udp_zero_checksum": ["drop", "forward"],
        "lowest_ipv6_mtu": [1280, 1400],
        "backbone_mtu": [1280, 9000],
        "topology": ["mesh", "hub"],
        "interface_identifier": ["draft-03"],
        "eam": [[{"ipv4": "133.0.9.0/28", "ipv6": "2400:4001::/124"}]],
    }.items()
}


def put(document, path, value):
    *way, last = path
    for key in way:
        document = document[key]
    document[last] = copy.deepcopy(value)


@settings(max_examples=250, deadline=None)
@given(data=st.data())
def test_damage(data):
    document = copy.deepcopy(data.draw(st.sampled_from(DOCUMENTS)))
    services = document.get("services")
    if data.draw(st.booleans()) and isinstance(services, dict):
        for service in filter(lambda found: isinstance(found, dict), services.values()):
            service["technique"] = data.draw(st.sampled_from(list(TECHNIQUES)))
            service.update(copy.deepcopy(data.draw(st.fixed_dictionaries({}, optional=KEYS))))
    for _ in range(data.draw(st.integers(1, 3))):
        paths = [path for path, _ in leaves(document) if len(path) > 2]
        put(
            document,
            data.draw(st.sampled_from(paths)),
            data.draw(st.sampled_from([*VALUES, None, 0, -1, ""])),
        )
    try:
        plan = build_plan(hostvars_of(document), FEATURES)
    except Refused as refused:
        lines = str(refused).splitlines()
        if len(lines) != len(refused.problems) or not lines:
            raise AssertionError(f"one line for each problem: {lines}") from refused
        return
    assert decode(FleetPlan, encode(plan)) == plan
    for node in plan.nodes.values():
        if node.platform == "linux" and node.services:
            # What is planned for the engine is what the engine takes.
            configuration(encode(NodeConfiguration(node=node.name, services=node.services)))
            for service in node.services:
                build_node(service, rng=Random(1))
