# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which services are on the fast path together, in which order, and what their programs counted."""

from __future__ import annotations

from collections import Counter
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network

from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.node.fast import figures
from ansible_collections.ipv4aas.fleet.engine.node.fast.order import Ranges, order
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, GATEWAY, Service

HALL7 = Service(
    name="hall7",
    technique="map-e",
    role=GATEWAY,
    gateway_address=IPv6Address("2001:db8::1"),
    rules=(MapRule(IPv6Network("2001:db8:6000::/56"), IPv4Network("192.0.2.0/30"), 8, 4),),
)
HALL8 = replace(
    HALL7,
    name="hall8",
    gateway_address=IPv6Address("2001:db8::2"),
    rules=(MapRule(IPv6Network("2001:db8:7000::/56"), IPv4Network("203.0.113.0/30"), 8, 4),),
)
B4 = Service(
    name="b4",
    technique="ds-lite",
    role=EDGE,
    gateway_address=IPv6Address("2001:db8::3"),
    end_user_prefix=IPv6Network("2001:db8:8000::/64"),
    inside=(IPv4Network("192.168.0.0/24"),),
)


def names(*services: Service, without: tuple[str, ...] = ()) -> tuple[list[str], dict[str, str]]:
    found = order(services, lambda service: "no program" if service.name in without else "")
    return [service.name for service in found.services], dict(found.reasons)


def test_edges_of_their_own_hosts_then_gateways_then_the_edge_of_the_rest():
    rest = replace(B4, name="rest", inside=(), end_user_prefix=IPv6Network("2001:db8:9000::/64"))
    assert names(rest, HALL7, B4, HALL8)[0] == ["b4", "hall7", "hall8", "rest"]


def test_reason_of_a_service_without_a_program():
    assert names(HALL7, HALL8, without=("hall7",)) == (["hall8"], {"hall7": "no program"})


def test_namespace_of_its_own():
    found, reasons = names(replace(HALL7, namespace="red"), HALL8)
    assert found == ["hall8"]
    assert "namespace red" in reasons["hall7"]


def test_gateways_of_overlapping_networks_are_left_to_the_longest_match():
    wide = replace(
        HALL8, rules=(MapRule(IPv6Network("2001:db8:7000::/56"), IPv4Network("192.0.2.0/24"), 8, 4),)
    )
    found, reasons = names(HALL7, wide)
    assert found == []
    assert "those of hall8" in reasons["hall7"]
    assert "those of hall7" in reasons["hall8"]


def test_prefix_that_holds_anothers_address():
    wide = replace(HALL7, technique="map-t", translation_prefix=IPv6Network("2001:db8::/64"))
    found, reasons = names(wide, HALL8)
    assert found == ["hall8"]
    assert "IPv6 prefixes" in reasons["hall7"]


def test_gateway_waits_for_an_edge_that_is_in_the_core():
    found, reasons = names(B4, HALL7, without=("b4",))
    assert found == []
    assert "b4 is asked before it" in reasons["hall7"]


def test_ranges():
    ranges = Ranges([IPv4Network("192.0.2.0/24"), IPv4Network("198.51.100.0/24")])
    first = int(IPv4Network("192.0.2.0/24")[0])
    assert ranges.meets(first - 5, first)
    assert not ranges.meets(first - 5, first - 1)
    assert ranges.meets(first + 255, first + 300)
    assert not ranges.meets(first + 256, first + 300)
    assert ranges.hold(first, first + 255)
    assert not ranges.hold(first, first + 256)
    assert not ranges.hold(first - 1, first)
    assert not Ranges([]).hold(0, 0)


def test_traffic_of_programs_is_as_the_core_counts_it():
    """Ten packets of 100 octets each way, two of 140 from customer to customer; Ethernet is not counted."""
    counts = {"encapsulated": (12, 10 * 114), "decapsulated": (12, 12 * 154), "hairpinned": (2, 2 * 154)}
    assert figures.traffic(HALL7, counts) == {
        "native": {"packets_in": 10, "octets_in": 1000, "packets_out": 10, "octets_out": 1000},
        "softwire": {"packets_in": 12, "octets_in": 1680, "packets_out": 12, "octets_out": 1680},
    }
    assert figures.carried(counts, {}) == 22


def test_punts_of_xdp_are_seen_again_by_tc():
    tc = {"encapsulated": (1, 0), "punt_ttl": (3, 0), "iid_format_draft_03": (2, 0)}
    xdp = {"encapsulated": (4, 0), "punt_ttl": (3, 0), "punt_limited": (5, 0)}
    assert figures.events(tc, xdp) == {
        "encapsulated": 5,
        "punt_ttl": 3,
        "punt_limited": 5,
        "iid_format_draft-03": 2,
    }


def test_added_to_the_status_of_the_core():
    side = {"packets_in": 1, "octets_in": 10, "packets_out": 0, "octets_out": 0}
    status = {
        "counters": {"drop_too_big": 1, "encapsulated": 1},
        "services": {"hall7": {"counters": {"encapsulated": 1}}},
        "traffic": {"native": dict(side), "softwire": dict(side)},
    }
    figures.add(status, {"hall7": (HALL7, {"encapsulated": (2, 228)}, {})}, Counter(encapsulated=5))
    assert status["counters"] == {"drop_too_big": 1, "encapsulated": 8}
    assert status["services"]["hall7"]["counters"] == {"encapsulated": 3}
    assert status["traffic"]["native"]["octets_in"] == 210
