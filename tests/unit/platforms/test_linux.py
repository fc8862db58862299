# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The platform of our own engine: the plan's services as JSON and back."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.codec import decode
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.node.check import configuration as check
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features, driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.techniques.service import (
    EDGE,
    GATEWAY,
    NodeConfiguration,
    PortForward,
    Service,
)

TEMPLATES = Path(__file__).resolve().parents[3] / "templates"
DIALECT = "json"
GATEWAY_SERVICE = Service(
    name="hall7",
    technique="map-e",
    role=GATEWAY,
    gateway_address=IPv6Address("2001:3e8:0:2900::1"),
    rules=(MapRule(IPv6Network("2001:3e8:6000::/56"), IPv4Network("130.129.255.92/30"), 8, 4),),
)
EDGE_SERVICE = replace(
    GATEWAY_SERVICE,
    role=EDGE,
    interface_identifier="draft-03",
    end_user_prefix=IPv6Network("2001:3e8:6000:c0::/64"),
    inside=(IPv4Network("192.168.192.0/24"),),
    port_forwards=(PortForward("tcp", 45057, IPv4Address("192.168.192.10"), 8080),),
)


@pytest.fixture
def box():
    return driver("linux")


def rendered(*services, **options) -> str:
    """What the template makes of a node."""
    node = NodePlan(
        name="br1", role=GATEWAY, platform="linux", services=services, dialect=DIALECT, options=options
    )
    return render(node, TEMPLATES)


@pytest.mark.parametrize("service", [GATEWAY_SERVICE, EDGE_SERVICE], ids=["gateway", "edge"])
def test_rendered_is_what_the_node_runs_and_what_is_parsed_back(box, service):
    text = rendered(service)
    assert check(json.loads(text)) == NodeConfiguration(node="br1", services=(service,))
    assert box.parse(text, DIALECT, ()) == (service,)
    assert box.owned(text, DIALECT) == text


def test_device_is_an_option():
    assert decode(NodeConfiguration, json.loads(rendered(GATEWAY_SERVICE, device="mape0"))).device == "mape0"


def test_owned_is_one_spelling_for_one_meaning(box):
    text = rendered(GATEWAY_SERVICE)
    document = json.loads(text)
    document["services"][0]["gateway_address"] = "2001:3e8:0:2900:0:0:0:1"
    del document["services"][0]["ipv6_mtu"]
    assert box.owned(json.dumps(document), DIALECT) == text


@pytest.mark.parametrize("text", ["", '{"node": "", "services": []}'])
def test_node_that_runs_nothing(box, text):
    assert box.owned(text, DIALECT) == ""
    assert box.parse(text, DIALECT, (GATEWAY_SERVICE,)) == ()


def test_change_there_and_back(box):
    old, new = rendered(GATEWAY_SERVICE), rendered(replace(GATEWAY_SERVICE, ipv6_mtu=1400))
    change = box.change(old, new, DIALECT)
    assert (change.payload, change.undo) == (new, old)
    changed = [line for line in change.diff.splitlines() if line[0] in "+-"]
    assert changed == ['-       "ipv6_mtu": 1500,', '+       "ipv6_mtu": 1400,']


def test_first_change_and_last(box):
    text = rendered(GATEWAY_SERVICE)
    first, last = box.change("", text, DIALECT), box.change(text, "", DIALECT)
    assert first.payload == last.undo == text
    assert check(json.loads(last.payload)).services == check(json.loads(first.undo)).services == ()


def test_no_change_where_only_the_spelling_differs(box):
    text = rendered(GATEWAY_SERVICE)
    assert not box.change(json.dumps(json.loads(text)), text, DIALECT)


@pytest.mark.parametrize(
    ("text", "wrong"),
    [
        ("{\n  oops", "line 2: "),
        ('{"node": "x", "services": [{"name": 1}]}', r"configuration\.services\[0\]: missing "),
        ('{"node": "x", "services": [], "more": 1}', "configuration: unknown more"),
    ],
)
def test_what_cannot_be_parsed_is_named(box, text, wrong):
    with pytest.raises(ParseError, match=wrong):
        box.parse(text, DIALECT, ())


def test_features_tell_no_limit_that_the_node_does_not_have():
    for row in all_features()["linux"].techniques:
        for mtu in row.limits["ipv6_mtu"]:
            check(json.loads(rendered(replace(GATEWAY_SERVICE, ipv6_mtu=mtu))))
        assert (row.state, row.not_carried) == ("yes", ())
