# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Random services: what the plan says is what enumerating every customer and port shows."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network

from ansible_collections.ipv4aas.fleet.engine.codec import decode, encode
from ansible_collections.ipv4aas.fleet.engine.intent.read import examine, read_intent
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import RuleTable, customer_prefix
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.plan.compile import draw_fleet
from ansible_collections.ipv4aas.fleet.engine.plan.edges import Ranges, nearest_port
from ansible_collections.ipv4aas.fleet.engine.plan.model import FleetPlan
from ansible_collections.ipv4aas.fleet.engine.plan.rules import draft_rules
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from fleet_samples import FEATURES
from hypothesis import assume, given, settings
from hypothesis import strategies as st

BASE = int(IPv6Network("2400:4000::/32").network_address)


@st.composite
def pools(draw):
    """Up to three small IPv4 prefixes that do not overlap: each in a /24 of its own."""
    lengths = draw(st.lists(st.integers(29, 32), min_size=1, max_size=3))
    return [
        str(IPv4Network((0x85000000 | index << 8 | draw(st.integers(0, 7)) << 5, length), strict=False))
        for index, length in enumerate(lengths)
    ]


@st.composite
def services(draw):
    """A service as it is written in an inventory; not all of them can work."""
    k = draw(st.integers(0, 6))
    length = draw(st.integers(40, 96))
    return {
        "technique": "map-e",
        "customers": {
            "ipv6": str(IPv6Network((BASE, draw(st.integers(max(32, length - 14), length))), strict=False)),
            "prefix_length": length,
        },
        "ipv4_pools": draw(pools()),
        "sharing": {
            "customers_per_address": 1 << k,
            "reserved_ports": draw(st.sampled_from([0, *(1 << n for n in range(10, 16))])),
        },
        "gateway": {"address": "2400:5000::1"},
        "backbone_mtu": draw(st.integers(1280, 9000)),
        "topology": draw(st.sampled_from(["hub", "mesh"])),
        "interface_identifier": draw(st.sampled_from(["rfc7597", "draft-03"])),
    }


def inventory(service, prefixes=()):
    common = {"ipv4aas_services": {"town": service}, "ipv4aas_platform": "linux", "ipv4aas_carries": ["town"]}
    edges = {
        f"ce{index}": common | {"ipv4aas_role": "edge", "ipv4aas_customer_prefix": str(prefix)}
        for index, prefix in enumerate(prefixes)
    }
    return {"br": common | {"ipv4aas_role": "gateway"}} | edges


def customers_of(rules):
    """Every customer of every rule."""
    for rule in rules:
        for ea in range(rule.customer_count):
            address = int(rule.ipv6_prefix.network_address) | ea << (128 - rule.customer_prefix_len)
            yield rule.customer(IPv6Network((address, rule.customer_prefix_len)))


@settings(max_examples=60, deadline=None)
@given(service=services())
def test_figures_and_ownership(service):
    try:
        plan = build_plan(inventory(service), FEATURES)
    except Refused:
        assume(False)
    figures = plan.services["town"]
    rules = plan.nodes["br"].services[0].rules
    table = RuleTable(rules, service["interface_identifier"])
    space = IPv6Network(service["customers"]["ipv6"])
    owners, count, per_customer = {}, 0, set()
    for customer in customers_of(rules):
        count += 1
        per_customer.add(len(customer.ports))
        address = int(customer.ipv4.network_address)
        assert customer.end_user_prefix.subnet_of(space)
        assert customer.end_user_prefix.prefixlen == service["customers"]["prefix_length"]
        assert Ranges(map(IPv4Network, service["ipv4_pools"])).overlapping(customer.ipv4)
        for low, high in customer.ports.ranges():
            key = (address, low)
            assert key not in owners
            owners[key] = high
        # The way back: from an address and its last port to the customer, as the gateway does it.
        assert (
            customer_prefix(table.rule_for_ipv4(address), customer.ipv4.network_address, customer.ports.psid)
            == customer.end_user_prefix
        )
        found = table.softwire(address, customer.ports.nth(len(customer.ports) - 1))
        assert found is not None and found >> 64 == int(customer.end_user_prefix.network_address) >> 64
    by_address = {}
    for (address, low), high in sorted(owners.items()):
        assert low > by_address.get(address, -1)  # ranges of one address do not overlap
        by_address[address] = high
    lowest = min(low for _, low in owners)
    assert figures.customers == count
    assert figures.ipv4_addresses == len(by_address)
    assert {figures.ports_per_customer} == per_customer
    assert figures.customers_per_address == count // len(by_address)
    assert figures.excluded_ports == lowest
    assert (figures.ipv4_mtu, figures.tcp_mss) == (service["backbone_mtu"] - 40, service["backbone_mtu"] - 80)
    assert all(rule.forwarding == (service["topology"] == "mesh") for rule in rules)


@settings(max_examples=150, deadline=None)
@given(service=services(), numbers=st.lists(st.integers(0, 1 << 14), max_size=6))
def test_plan_survives_its_own_document(service, numbers):
    """Whatever the edges: a plan that is made is read back equal, and nothing but Refused is raised."""
    length = service["customers"]["prefix_length"]
    prefixes = [IPv6Network((BASE + (number << (128 - length)), length)) for number in numbers]
    try:
        plan = build_plan(inventory(service, prefixes), FEATURES)
    except Refused:
        return
    assert decode(FleetPlan, encode(plan)) == plan
    assert len(set(numbers)) == len(numbers)  # one customer twice would have been refused
    owned = set()
    for node in plan.nodes.values():
        if node.role == "edge":
            customer = node.services[0].customer
            for low, _ in customer.ports.ranges():
                key = (customer.ipv4, low)
                assert key not in owned
                owned.add(key)


@settings(max_examples=200, deadline=None)
@given(service=services())
def test_pools_that_do_not_fit_come_with_a_way_to_fit(service):
    """The prefix and the sharing that a refusal proposes do work."""
    intent = read_intent(inventory(service)).services["town"]
    drafts, problems = draft_rules(intent)
    if drafts:
        assert not problems
        return
    [problem] = problems
    proposals = problem.right.removeprefix("use ").replace(" or ", ", ").split(", ")
    assert proposals
    for proposal in proposals:
        better = dict(service)
        if proposal.startswith("customers_per_address "):
            better["sharing"] = {"customers_per_address": int(proposal.split()[1])}
        elif proposal.startswith("a pool of /"):
            better["ipv4_pools"] = [
                str(
                    IPv4Network(
                        (service["ipv4_pools"][0].split("/")[0], int(proposal.split("/")[1])), strict=False
                    )
                )
            ]
        elif proposal.startswith("ipv4_pools"):
            better["ipv4_pools"] = sorted(service["ipv4_pools"], key=lambda pool: int(pool.split("/")[1]))
        else:
            better["customers"] = service["customers"] | {"ipv6": proposal}
        assert draft_rules(read_intent(inventory(better)).services["town"])[0], proposal


@st.composite
def explicit_rules(draw):
    """Small rules in narrow spaces, so that they overlap often."""
    n = draw(st.integers(56, 62))
    r = draw(st.integers(28, 32))
    rule = {
        "ipv6_prefix": str(IPv6Network((BASE | draw(st.integers(0, 63)) << 66, n), strict=False)),
        "ipv4_prefix": str(IPv4Network((0x85000000 | draw(st.integers(0, 7)), r), strict=False)),
        "ea_length": draw(st.integers(0, 6)),
        "psid_offset": draw(st.sampled_from([0, 4, 6])),
    }
    if not rule["ea_length"] and r == 32 and draw(st.booleans()):
        rule |= {"psid_length": 2, "psid": draw(st.integers(0, 3))}
    return rule


@settings(max_examples=400, deadline=None)
@given(rules=st.lists(explicit_rules(), min_size=1, max_size=3))
def test_rules_that_pass_lint_give_no_port_to_two_customers(rules):
    """MAP003 and MAP009 refuse all that would: each customer as its own edge would compute it."""
    service = {"technique": "map-e", "gateway": {"address": "2400:5000::1"}, "rules": rules}
    try:
        plan = build_plan(inventory(service), FEATURES)
    except Refused:
        return
    [made] = plan.nodes["br"].services
    table = RuleTable(made.rules)
    owners = {}
    for rule in made.rules:
        for customer in customers_of([rule]):
            if table.rule_for_ipv6(int(customer.end_user_prefix.network_address)) is not rule:
                continue  # a longer rule is this customer's
            for address in customer.ipv4:
                for low, high in customer.ports.ranges():
                    for other_low, other_high in owners.get(address, ()):
                        assert high < other_low or other_high < low
                    owners.setdefault(address, []).append((low, high))


@given(
    networks=st.lists(
        st.tuples(st.integers(0, 255), st.integers(24, 32)).map(
            lambda x: IPv4Network((0x0A000000 | x[0], x[1]), strict=False)
        ),
        max_size=6,
    ),
    wanted=st.tuples(st.integers(0, 511), st.integers(22, 32)).map(
        lambda x: IPv4Network((0x0A000000 | x[0], x[1]), strict=False)
    ),
)
def test_ranges_find_an_overlap_where_there_is_one(networks, wanted):
    found = Ranges(networks).overlapping(wanted)
    assert (found is not None) == any(network.overlaps(wanted) for network in networks)
    assert found is None or found.overlaps(wanted)


@settings(max_examples=100, deadline=None)
@given(port=st.integers(1, 65535), number=st.integers(0, 255))
def test_nearest_port_is_the_nearest(port, number):
    service = {
        "technique": "map-e",
        "customers": {"ipv6": "2001:3e8:6000::/56", "prefix_length": 64},
        "ipv4_pools": ["130.129.255.92/30"],
        "sharing": {"customers_per_address": 64, "reserved_ports": 4096},
        "gateway": {"address": "2001:3e8:0:2900::1"},
    }
    [rule] = draw_fleet(examine(inventory(service)).intent, FEATURES).drawn["town"].rules
    ports = rule.port_set(number & 63)
    distance = min(abs(port - own) for low, high in ports.ranges() for own in range(low, high + 1))
    assert nearest_port(ports, port) in ports and abs(nearest_port(ports, port) - port) == distance
