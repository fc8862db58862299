# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The plan of a fleet: who runs what, in whose seat, with which rules."""

from __future__ import annotations

import time
from dataclasses import replace
from ipaddress import IPv6Network

import pytest
import yaml
from ansible_collections.ipv4aas.fleet.engine.intent.read import read_intent
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan, compile_fleet
from ansible_collections.ipv4aas.fleet.engine.plan.limits import WORDS, beyond_limits
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from fleet_samples import FEATURES, GOLDEN, feature, hostvars, platform

SHOWNET = (GOLDEN / "good" / "shownet2013" / "inventory.yml").read_text()


def vary(change, text=SHOWNET, features=FEATURES):
    """The plan after a change of the parsed inventory."""
    document = yaml.safe_load(text)
    change(document["hosts"], document["services"])
    return build_plan(hostvars(yaml.safe_dump(document, sort_keys=False)), features)


def refused(change, text=SHOWNET, features=FEATURES):
    with pytest.raises(Refused) as problems:
        vary(change, text, features)
    return [str(problem) for problem in problems.value.problems]


def unchanged(hosts, services):
    pass


def test_a_fallback_takes_everything_over_from_its_seat():
    plan = vary(unchanged)
    seat, taker = plan.nodes["seil42"], plan.nodes["ce42"]
    assert (seat.seat_taken_by, taker.seat_of) == ("ce42", "seil42")
    assert (taker.role, taker.platform, taker.dialect, taker.options) == (
        "edge",
        "linux",
        "json",
        {"device": "map0"},
    )
    assert taker.services == seat.services
    assert [str(network) for network in taker.services[0].inside] == ["192.168.42.0/24"]
    assert taker.services[0].port_forwards[0].outside_port == 4224
    assert seat.refused == "opaque is no MAP-E edge: no public syntax" and taker.refused is None
    assert (seat.deploy, taker.deploy) == (False, True)


def test_always_seats_the_fallback_though_the_platform_could():
    plan = vary(unchanged)
    assert plan.nodes["asr9k"].refused is None and plan.nodes["asr9k"].seat_taken_by == "br1"
    assert plan.nodes["br1"].deploy and not plan.nodes["asr9k"].deploy
    assert plan.services["hall7"].gateways == ("br1", "br2")
    assert plan.services["hall7"].edges == ("ce42", "owrt10")


def test_a_fallback_that_is_not_needed_stays_out():
    plan = vary(lambda hosts, _: hosts["asr9k"].pop("ipv4aas_fallback_when"))
    assert "br1" not in plan.nodes
    assert plan.nodes["asr9k"].deploy and plan.nodes["asr9k"].seat_taken_by is None


@pytest.mark.parametrize("host", ["seil42", "ce42"])
def test_neither_seat_nor_fallback_is_deployed_against_its_will(host):
    assert not vary(lambda hosts, _: hosts[host].update(ipv4aas_deploy=False)).nodes["ce42"].deploy


def test_a_fallback_that_cannot_do_it_either():
    weak = dict(FEATURES) | {
        "linux": platform("linux", feature("edge", limits={"psid_offset": [6, 16]}), feature("gateway"))
    }
    [text] = refused(lambda hosts, _: hosts["ce42"].pop("ipv4aas_options"), features=weak)
    assert text.startswith(
        "hosts.seil42.ipv4aas_fallback: ce42 cannot take the seat: linux cannot take hall7: PSID offset is 4"
    )


def test_the_identifier_is_that_of_the_runner_not_of_the_seat():
    plan = vary(lambda hosts, _: hosts["seil42"].update(ipv4aas_interface_identifier="draft-03"))
    assert plan.nodes["ce42"].services[0].interface_identifier == "rfc7597"
    texts = refused(lambda hosts, _: hosts["ce42"].update(ipv4aas_interface_identifier="draft-03"))
    assert [
        text
        for text in texts
        if text.startswith("hosts.ce42.ipv4aas_interface_identifier: ") and "MAP007" in text
    ]


def test_an_own_template_makes_up_for_what_is_not_known():
    def own(consent):
        def change(hosts, _):
            del hosts["seil42"]["ipv4aas_fallback"]
            hosts["seil42"]["ipv4aas_options"] = {"template": "my.j2"} | consent
            del hosts["ce42"]

        return change

    assert vary(own({"allow_unverified": True})).nodes["seil42"].refused is None
    [text] = refused(own({}))
    assert text.startswith(
        "hosts.seil42.ipv4aas_options.allow_unverified: a template of your own is unverified"
    )


def test_unverified_syntax_needs_consent():
    doubtful = dict(FEATURES) | {"homece": platform("homece", feature("edge", confidence="unverified"))}

    def change(consent):
        return lambda hosts, _: hosts["owrt10"].update(ipv4aas_options=consent)

    [text] = refused(change({}), features=doubtful)
    assert text.startswith(
        "hosts.owrt10.ipv4aas_options.allow_unverified: the syntax of homece is unverified"
    )
    assert vary(change({"allow_unverified": True}), features=doubtful).nodes["owrt10"].refused is None


def test_one_address_is_no_anycast_where_only_one_gateway_is_deployed():
    def change(hosts, services):
        services["hall7"]["gateway"]["anycast"] = False
        hosts["fx5k"]["ipv4aas_deploy"] = False

    assert vary(change).nodes["br2"].deploy is False


NESTED = """
services:
  town:
    technique: map-e
    gateway: {address: "2400:5000::1"}
    rules:
      - {ipv6_prefix: "2400:4000::/40", ipv4_prefix: 133.0.0.0/24, ea_length: 16}
      - {ipv6_prefix: "2400:4000:80::/48", ipv4_prefix: 133.0.9.0/24, ea_length: 8}
hosts:
  br: {ipv4aas_role: gateway, ipv4aas_platform: linux, ipv4aas_carries: [town]}
  outer: &edge
    ipv4aas_role: edge
    ipv4aas_platform: linux
    ipv4aas_carries: [town]
    ipv4aas_customer_prefix: "2400:4000:1:200::/56"
  inner:
    <<: *edge
    ipv4aas_customer_prefix: "2400:4000:80:200::/56"
"""


def test_an_edge_belongs_to_the_longest_rule():
    plan = vary(unchanged, NESTED)
    gateway = plan.nodes["br"].services[0].rules
    assert plan.nodes["outer"].services[0].rules == gateway[:1]
    assert plan.nodes["inner"].services[0].rules == gateway[1:]
    assert str(plan.nodes["inner"].services[0].customer.ipv4) == "133.0.9.2/32"


def test_edges_of_a_mesh_know_every_rule():
    plan = vary(lambda _, services: services["town"].update(topology="mesh"), NESTED)
    for node in plan.nodes.values():
        assert node.services[0].rules == plan.nodes["br"].services[0].rules
        assert node.services[0].mesh


def test_rules_follow_each_other_at_multiples_of_their_size():
    plan = build_plan(hostvars((GOLDEN / "good" / "mesh-of-pools" / "inventory.yml").read_text()), FEATURES)
    assert [(str(rule.ipv6_prefix), rule.ea_len) for rule in plan.nodes["br"].services[0].rules] == [
        ("2400:4000::/44", 12),
        ("2400:4000:10::/45", 11),
        ("2400:4000:18::/46", 10),
    ]


def test_a_pool_that_is_added_renumbers_nobody():
    before = vary(unchanged).nodes["br1"].services[0].rules

    def change(_, services):
        services["hall7"]["customers"]["ipv6"] = "2001:3e8:6000::/48"
        services["hall7"]["ipv4_pools"].append("130.129.255.64/28")

    assert vary(change).nodes["br1"].services[0].rules[:1] == before


def test_compile_fleet_says_the_same():
    assert compile_fleet(read_intent(hostvars(SHOWNET)), FEATURES) == vary(unchanged)


# word -> what it measures in the service of SHOWNET, were there a translation prefix
MEASURED = {
    "name_length": 5,
    "rules": 1,
    "bindings": 0,
    "ipv6_mtu": 1500,
    "ipv6_prefix_len": 56,
    "ipv4_prefix_len": 30,
    "customer_prefix_len": 64,
    "customer_ipv4_len": 32,
    "ea_len": 8,
    "psid_len": 6,
    "psid_offset": 4,
    "sharing_ratio": 64,
    "contiguous_ports": 64,
    "translation_prefix_len": 96,
    "mss_clamp": 1420,
}


@pytest.mark.parametrize("word", WORDS)
def test_limits(word):
    service = vary(unchanged).nodes["br1"].services[0]
    service = replace(service, translation_prefix=IPv6Network("64:ff9b::/96"))
    value = MEASURED[word]
    for low, high, within in [(value, value, True), (0, value - 1, False), (value + 1, value + 9, False)]:
        beyond = beyond_limits(feature("gateway", limits={word: [low, high]}), service)
        assert (beyond == ()) == within
        takes = f"{low} to {high}" if high > low else f"{low}"
        assert within or beyond[0].endswith(f"is {value}, it takes {takes}")


def test_a_limit_that_does_not_exist_is_a_fault_of_the_platform():
    with pytest.raises(KeyError):
        beyond_limits(feature("gateway", limits={"colour": [1, 2]}), vary(unchanged).nodes["br1"].services[0])


def test_ten_thousand_nodes_in_seconds():
    services = {
        "town": {
            "technique": "map-e",
            "customers": {"ipv6": "2400:4000::/24", "prefix_length": 56},
            "ipv4_pools": [f"133.0.{index}.0/24" for index in range(16)],
            "sharing": {"customers_per_address": 16},
            "gateway": {"address": "2400:5100::1"},
        }
    }
    common = {"ipv4aas_services": services, "ipv4aas_platform": "linux", "ipv4aas_carries": ["town"]}
    hosts = {"br": common | {"ipv4aas_role": "gateway"}} | {
        f"ce{number}": common
        | {
            "ipv4aas_role": "edge",
            "ipv4aas_customer_prefix": f"2400:4000:{number >> 8:x}:{(number & 255) << 8:x}::/56",
            "ipv4aas_lan": ["192.168.1.0/24"],
        }
        for number in range(10_000)
    }
    start = time.process_time()
    plan = build_plan(hosts, FEATURES)
    assert len(plan.services["town"].edges) == 10_000
    assert isinstance(plan.nodes["ce9999"].services[0].rules[0], MapRule)
    # 1.2 s where this was written; a square somewhere would take minutes.
    assert time.process_time() - start < 20
