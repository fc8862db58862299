# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that have several planes with the same IPv4 addresses."""

from __future__ import annotations

from ipaddress import IPv4Network
from random import Random
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.codec import encode
from ansible_collections.ipv4aas.fleet.engine.node.check import configuration
from ansible_collections.ipv4aas.fleet.engine.node.core import build_node
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.plan.model import FleetPlan
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.techniques.service import NodeConfiguration
from fleet_samples import FEATURES
from unit.packet import packetkit as kit

PREFIX = "2001:db8:0:46::/64"


def hostvars(technique: str, **west: Any) -> dict[str, dict[str, Any]]:
    """Two planes with the same networks, on two hosts."""
    plane: dict[str, Any] = {} if technique == "sa46t-pr" else {"prefix": PREFIX}
    services = {
        name: {"technique": technique, "plane": {**plane, "id": number}}
        for number, name in enumerate(("red", "blue"), 1)
    }
    common = {
        "ipv4aas_services": services,
        "ipv4aas_role": "edge",
        "ipv4aas_platform": "linux",
        "ipv4aas_carries": ["red", "blue"],
    }

    def host(number: int) -> dict[str, Any]:
        network = [f"10.0.{number}.0/24"]
        seats = [{"service": n, "namespace": f"n-{n}", "lan": network} for n in ("red", "blue")]
        prefix = {"ipv4aas_customer_prefix": f"2001:db8:0:{number}::/64"} if technique == "sa46t-pr" else {}
        return {**common, **prefix, "ipv4aas_planes": seats}

    return {"west": {**host(1), **west}, "east": host(2)}


def plan(technique: str, **west: Any) -> FleetPlan:
    return build_plan(hostvars(technique, **west), FEATURES)


@pytest.mark.parametrize("technique", ["sa46t", "sa46t-pr"])
def test_a_node_runs_what_is_planned(technique: str) -> None:
    node = plan(technique).nodes["west"]
    assert [(s.name, s.namespace, s.inside) for s in node.services] == [
        ("red", "n-red", (IPv4Network("10.0.1.0/24"),)),
        ("blue", "n-blue", (IPv4Network("10.0.1.0/24"),)),
    ]
    wanted = NodeConfiguration(node="west", services=node.services)
    assert configuration(encode(wanted)) == wanted
    if technique == "sa46t-pr":
        assert {str(route.prefix) for route in node.services[0].plane_routes} == {
            "2001:db8:0:1::/64",
            "2001:db8:0:2::/64",
        }


@pytest.mark.parametrize(
    ("planes", "wrong"),
    [
        (
            [{"service": "green", "namespace": "n", "lan": ["10.0.0.0/8"]}],
            "hosts.west.ipv4aas_planes[0].service: green is none that the host carries; use red or blue",
        ),
        (
            [
                {"service": "red", "namespace": "n", "lan": ["10.0.0.0/8"]},
                {"service": "blue", "namespace": "n", "lan": ["10.0.0.0/8"]},
            ],
            "hosts.west.ipv4aas_planes[1].namespace: n is that of hosts.west.ipv4aas_planes[0] too; "
            "give each namespace once",
        ),
        (
            [{"service": "red", "namespace": "n", "lan": ["10.0.0.0/8"]}] * 2,
            "hosts.west.ipv4aas_planes[1].service: red is that of hosts.west.ipv4aas_planes[0] too; "
            "give each service once",
        ),
        (
            [{"service": "red", "lan": []}],
            "hosts.west.ipv4aas_planes[0].namespace: is missing",
        ),
    ],
)
def test_what_is_refused(planes: list[dict[str, Any]], wrong: str) -> None:
    with pytest.raises(Refused) as refused:
        plan("sa46t", ipv4aas_planes=planes)
    assert any(str(problem).startswith(wrong) for problem in refused.value.problems), str(refused.value)


def test_other_techniques_and_platforms_have_none() -> None:
    values = hostvars("sa46t", ipv4aas_platform="seil_x86")
    values["west"]["ipv4aas_services"]["red"]["technique"] = "ds-lite"
    with pytest.raises(Refused) as refused:
        build_plan(values, FEATURES)
    assert "hosts.west.ipv4aas_planes: seil_x86 has no network namespaces; use linux" in str(refused.value)


def test_planned_nodes_of_both_domains_reach_each_other() -> None:
    """SA46T, SA46T-PT and SA46T-PR as planned, with a packet and its answer."""
    services = {
        "fixed": {"technique": "sa46t", "plane": {"prefix": PREFIX, "id": 7}},
        "resolved": {"technique": "sa46t-pr", "plane": {"id": 7}},
        "joint": {"technique": "sa46t-pt", "plane": {"prefix": PREFIX, "id": 7}},
    }

    def host(role: str, service: str, **values: Any) -> dict[str, Any]:
        return {
            "ipv4aas_services": services,
            "ipv4aas_platform": "linux",
            "ipv4aas_role": role,
            "ipv4aas_carries": [service],
            **values,
        }

    made = build_plan(
        {
            "left": host("edge", "fixed", ipv4aas_lan=["10.1.1.0/24"]),
            "joint": host("gateway", "joint", ipv4aas_customer_prefix="2001:db8:0:ff::/64"),
            "right": host(
                "edge",
                "resolved",
                ipv4aas_lan=["10.1.3.0/24"],
                ipv4aas_customer_prefix="2001:db8:0:3::/64",
            ),
        },
        FEATURES,
    )
    left, joint, right = (
        build_node(made.nodes[name].services[0], rng=Random(1)) for name in ("left", "joint", "right")
    )
    for near, far, ends in ((left, right, ("10.1.1.7", "10.1.3.9")), (right, left, ("10.1.3.9", "10.1.1.7"))):
        sent = kit.udp(ends[0], 1, ends[1], 2)
        joined = kit.one(joint, kit.one(near, sent, kit.NATIVE), kit.SOFTWIRE)
        assert kit.one(far, joined, kit.SOFTWIRE)[20:] == sent[20:]
