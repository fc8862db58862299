# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift is told in meaning, with the customers concerned and a packet that shows it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.techniques.service import PortForward, Service
from ansible_collections.ipv4aas.fleet.engine.verify.drift import compare
from ansible_collections.ipv4aas.fleet.engine.verify.twin import counterexample

RULE = MapRule(IPv6Network("2001:3e8:6000::/56"), IPv4Network("130.129.255.92/30"), ea_len=8, psid_offset=4)
GATEWAY = Service(
    name="hall7",
    technique="map-e",
    role="gateway",
    gateway_address=IPv6Address("2001:3e8:0:2900::1"),
    rules=(RULE,),
    ipv6_mtu=1500,
    mss_clamp=1420,
)
EDGE = replace(
    GATEWAY,
    role="edge",
    end_user_prefix=IPv6Network("2001:3e8:6000:42::/64"),
    inside=(IPv4Network("192.168.42.0/24"),),
    port_forwards=(PortForward("tcp", 4224, IPv4Address("192.168.42.10"), 8080),),
)


def changed(service, **rule):
    return replace(service, rules=(replace(service.rules[0], **rule),))


def test_equal_is_no_drift():
    assert not compare((GATEWAY,), (replace(GATEWAY),))
    assert counterexample(GATEWAY, replace(GATEWAY)) is None
    assert counterexample(EDGE, replace(EDGE)) is None


def test_psid_offset_of_a_gateway():
    report = compare((GATEWAY,), (changed(GATEWAY, psid_offset=6),))
    (drift,) = report.services
    assert [difference.path for difference in drift.differences] == ["rules[0].psid_offset"]
    assert drift.customers == 256
    assert drift.packet.found.startswith("drop_")
    assert "256 customers would use 1,008 other ports in place of 960" in report.text()


def test_missing_and_unplanned_services():
    report = compare((GATEWAY,), (replace(GATEWAY, name="other"),))
    assert report.text().splitlines() == [
        "hall7: planned, but the device does not carry it",
        "other: on the device, but nothing plans it",
    ]


def test_rule_count():
    second = MapRule(IPv6Network("2001:3e8:6100::/56"), IPv4Network("192.0.2.0/30"), 8, psid_offset=4)
    both = replace(GATEWAY, rules=(RULE, second))
    (drift,) = compare((both,), (GATEWAY,)).services
    assert drift.differences[0].path == "rules[1]"
    assert drift.customers == 256
    assert drift.examples[0] == IPv6Network("2001:3e8:6100::/64")
    assert drift.packet is not None


GATEWAY_CHANGES = {
    "psid offset": changed(GATEWAY, psid_offset=6),
    "ea length": changed(GATEWAY, ea_len=9),
    "ipv4 prefix": changed(GATEWAY, ipv4_prefix=IPv4Network("130.129.255.88/30")),
    "ipv6 prefix": changed(GATEWAY, ipv6_prefix=IPv6Network("2001:3e8:6000:100::/56")),
    "gateway address": replace(GATEWAY, gateway_address=IPv6Address("2001:3e8:0:2900::2")),
    "mtu": replace(GATEWAY, ipv6_mtu=1480),
    "mss": replace(GATEWAY, mss_clamp=0),
    "identifier": replace(GATEWAY, interface_identifier="draft-03"),
    "fragmentation": replace(GATEWAY, fragmentation="inner"),
    "strict": replace(GATEWAY, strict_iid=True),
}
EDGE_CHANGES = {
    "psid offset": changed(EDGE, psid_offset=6),
    "mesh": changed(EDGE, forwarding=True),
    "gateway address": replace(EDGE, gateway_address=IPv6Address("2001:3e8:0:2900::2")),
    "end-user prefix": replace(EDGE, end_user_prefix=IPv6Network("2001:3e8:6000:43::/64"), port_forwards=()),
    "mtu": replace(EDGE, ipv6_mtu=1400),
    "mss": replace(EDGE, mss_clamp=1300),
    "identifier": replace(EDGE, interface_identifier="draft-03"),
    "filtering": replace(EDGE, filtering="endpoint-independent"),
    "forward gone": replace(EDGE, port_forwards=()),
    "inside": replace(EDGE, inside=(IPv4Network("10.0.0.0/8"),)),
}


@pytest.mark.parametrize("name", GATEWAY_CHANGES)
def test_every_parameter_of_a_gateway_has_a_counterexample(name):
    found = GATEWAY_CHANGES[name]
    report = compare((GATEWAY,), (found,))
    assert report.services[0].packet is not None, report.text()
    assert report.services[0].packet.planned != report.services[0].packet.found


@pytest.mark.parametrize("name", EDGE_CHANGES)
def test_every_parameter_of_an_edge_has_a_counterexample(name):
    report = compare((EDGE,), (EDGE_CHANGES[name],))
    assert report.services[0].packet is not None, report.text()
    assert report.services[0].customers == 1


def test_no_packet_can_tell():
    # Filtering is an edge's business: a gateway that carries another word treats no packet otherwise.
    report = compare((GATEWAY,), (replace(GATEWAY, filtering="endpoint-independent"),))
    assert report.services[0].packet is None
    assert "no packet was found" in report.text()


def test_what_of_the_operators_is_in_the_way():
    report = compare((GATEWAY,), (), occupied=["interface Tunnel5 is the operator's; another number"])
    assert report.text().splitlines() == [
        "hall7: planned, but the device does not carry it",
        "configuration: interface Tunnel5 is the operator's; another number",
    ]
