# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""FRR: what an inventory has announced, what is refused, and what the host tells FRR."""

from __future__ import annotations

import os

import pytest
import yaml
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.platforms.frr import apply
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features, driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.platforms.values import ParseError
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from platform_cases import CASES
from platform_cases.case import ROOT, TEMPLATES
from platform_cases.frr import announcing
from platform_cases.services import shownet

BOX, CASE = driver("frr"), CASES["frr"]
HALL7 = announcing(shownet("map-e", "gateway"))
TEXT = CASE.rendered("conf", HALL7)
V4, V6 = "130.129.255.92/30", "2001:3e8:0:2900::1/128"
ISP = ROOT / "inventories" / "small-isp" / "group_vars" / "all.yml"
# As FRR 8.4.4 shows it.
RUNNING = """\
frr version 8.4.4
!
ip route 130.129.255.92/30 Null0 tag 4646
ip route 192.0.2.0/24 Null0
ip route 192.0.2.0/24 192.0.2.1 tag 4646
ipv6 route 2001:3e8:0:2900::1/128 Null0 tag 4646
!
vrf red
 ip route 10.0.0.0/8 Null0 tag 4646
exit-vrf
!
ip prefix-list ipv4aas seq 5 permit any
ip prefix-list ipv4aas-hall7 seq 15 permit 130.129.255.92/30
!
ipv6 prefix-list ipv4aas-hall7 seq 5 permit 2001:3e8:0:2900::1/128
!
route-map ipv4aas permit 10
 match ip address prefix-list ipv4aas-hall7
exit
!
route-map ipv4aas-own permit 10
 match ip address prefix-list ipv4aas-hall7
exit
!
route-map ipv4aas permit 20
 match ipv6 address prefix-list ipv4aas-hall7
exit
!
"""


def test_what_is_ours_in_a_running_frr():
    assert {*apply.ours(RUNNING), apply.LAST} == set(apply.wanted(TEXT, up=True))
    assert apply.commands(apply.ours(RUNNING), apply.wanted(TEXT, up=True)) == [f"{apply.LAST}\nexit"]


def test_withdrawal_and_return():
    """Static routes go at once; the denial is before all else while anything changes."""
    down, up = apply.wanted(TEXT, up=False), apply.wanted(TEXT, up=True)
    routes = [f"ip route {V4} Null0 tag 4646", f"ipv6 route {V6} Null0 tag 4646"]
    assert apply.commands(up, down) == [f"{apply.DENIED}\nexit", *(f"no {route}" for route in routes)]
    assert apply.commands(down, up) == [*routes, f"no {apply.DENIED}"]


def test_all_is_taken_away():
    gone = apply.commands(apply.ours(RUNNING), apply.wanted("", up=True))
    assert gone.pop(0) == f"{apply.LAST}\nexit"  # an empty route map would be deleted
    assert gone[:2] == [f"no ip route {V4} Null0 tag 4646", f"no ipv6 route {V6} Null0 tag 4646"]
    assert sorted(gone[2:]) == [
        f"no ip prefix-list ipv4aas-hall7 permit {V4}",
        f"no ipv6 prefix-list ipv4aas-hall7 permit {V6}",
        "no route-map ipv4aas permit 10",
        "no route-map ipv4aas permit 20",
    ]


def test_one_more_prefix_is_one_more_line():
    more = TEXT.replace("route-map", "ip prefix-list ipv4aas-hall7 permit 203.0.113.0/24\nroute-map", 1)
    told = apply.commands(apply.wanted(TEXT, up=True), apply.wanted(more, up=True))
    assert told == ["ip prefix-list ipv4aas-hall7 permit 203.0.113.0/24"]


def test_no_route_comes_just_after_the_route_map_was_deleted(tmp_path, monkeypatch):
    monkeypatch.setattr(apply, "RUN", tmp_path)
    after = apply.wanted(TEXT, up=True)
    without = [part for part in after if " route " not in part]
    lists = [part for part in without if "prefix-list" in part and "\n" not in part]
    assert apply.without_risk([], after) == after  # there was none
    assert apply.without_risk(lists, after) == without
    assert apply.without_risk(without, after) == without
    os.utime(tmp_path / "held", (0, 0))
    assert apply.without_risk(without, after) == after


def test_failures_are_counted(tmp_path, monkeypatch):
    monkeypatch.setattr(apply, "RUN", tmp_path)
    mark = tmp_path / "up"
    assert apply.judge(False, 0, 2) == 1 and not mark.exists()
    assert apply.judge(True, 1, 2) == 0 and mark.exists()
    assert apply.judge(False, 0, 2) == 1 and mark.exists()
    assert apply.judge(True, 1, 2) == 0 and mark.exists()
    assert apply.judge(False, apply.judge(False, 0, 2), 2) == 2 and not mark.exists()


@pytest.mark.parametrize(("command", "good"), [("true", True), ("false", False), ("sleep 9 & wait", False)])
def test_health_command(command, good):
    assert apply.healthy(command, 1) is good


def test_settings_are_in_the_file():
    text = CASE.rendered("conf", HALL7, health="birdc show # x", interval=7, failures=1)
    assert apply.settings(text) == {"health": "birdc show # x", "interval": "7", "failures": "1"}
    assert apply.settings("") == apply.settings(TEXT)


def test_kernel_routes_are_left_to_the_data_plane():
    text = CASE.rendered("conf", HALL7, routes="kernel")
    assert "Null0" not in text
    assert BOX.parse(text, "conf", (HALL7,)) == (HALL7,)


def test_options_that_do_not_fit():
    with pytest.raises(Refused) as refused:
        CASE.rendered("conf", HALL7, health="a\nip route", routes="bgp", interval=0, failures=True)
    assert str(refused.value).splitlines() == [
        "hosts.box.ipv4aas_options.failures: True does not fit; a number, 1 to 10",
        "hosts.box.ipv4aas_options.health: 'a\\nip route' does not fit; one line, a command for sh",
        "hosts.box.ipv4aas_options.interval: 0 does not fit; a number, 1 to 60",
        "hosts.box.ipv4aas_options.routes: 'bgp' is unknown; static or kernel",
    ]


def test_order_means_nothing_and_a_changed_prefix_is_seen():
    [service] = CASE.golden["nat64-announcer"]
    text = CASE.rendered("conf", service)
    one, other = (f"ipv6 prefix-list ipv4aas-hall7 permit {prefix}\n" for prefix in service.announced_ipv6)
    assert BOX.parse(text.replace(one + other, other + one), "conf", (service,)) == (service,)
    [found] = BOX.parse(text.replace("198.51.100.64/26", "198.51.100.0/26"), "conf", (service,))
    assert [str(network) for network in found.announced_ipv4] == ["198.51.100.0/26"]


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        (f"permit {V4}", f"permit {V4} le 32", "is not understood"),
        (f"permit {V4}", "permit 130.129.255.96/30", f"{V4} is not in ipv4aas-hall7"),
        ("list ipv4aas-hall7 permit", "list ipv4aas-hall8 permit", "is about ipv4aas-hall8"),
        (f"route {V4}", "route 10.0.0.0/8", "10.0.0.0/8 is not in ipv4aas-hall7"),
        ("Null0 tag 4646", "Null0", "is not understood"),
        ("ipv4aas permit 10", "other permit 10", "is not understood"),
    ],
)
def test_nonsense(old, new, wrong):
    with pytest.raises(ParseError, match=wrong):
        BOX.parse(TEXT.replace(old, new, 1), "conf", (HALL7,))


def plan(technique: str, gateways: int, **options):
    services = yaml.safe_load(ISP.read_text())["ipv4aas_services"]
    services["home"]["technique"] = technique
    services["home"]["gateway"]["anycast"] = True
    shared = {"ipv4aas_services": services, "ipv4aas_carries": ["home"]}
    gateway = {"ipv4aas_role": "gateway", "ipv4aas_platform": "linux"}
    hosts = {f"gw{number + 1}": shared | gateway for number in range(gateways)}
    own = {"ipv4aas_role": "announcer", "ipv4aas_platform": "frr", "ipv4aas_options": options}
    return build_plan(hosts | {"ann1": shared | own}, all_features())


@pytest.mark.parametrize("technique", ["map-e", "map-t", "lw4o6", "ds-lite", "464xlat"])
def test_announced_is_what_the_gateway_of_the_plan_attracts(technique):
    nodes = plan(technique, 1).nodes
    [service], [gateway] = nodes["ann1"].services, nodes["gw1"].services
    wanted = announcing(gateway)
    assert service.announced_ipv4 == wanted.announced_ipv4
    assert service.announced_ipv6 == wanted.announced_ipv6
    assert service.announced_ipv4 and service.announced_ipv6
    text = render(nodes["ann1"], TEMPLATES)
    assert BOX.parse(text, "conf", (service,)) == (service,)


def test_gateways_that_attract_the_same_need_no_name():
    assert plan("map-e", 2).nodes["ann1"] == plan("map-e", 1).nodes["ann1"]


def test_part_of_a_divided_pool():
    for name, other in (("gw1", "gw2"), ("gw2", "gw1")):
        nodes = plan("ds-lite", 2, gateway=name).nodes
        [service] = nodes["ann1"].services
        assert service.announced_ipv4 == nodes[name].services[0].pool.ipv4
        assert service.announced_ipv4 != nodes[other].services[0].pool.ipv4


@pytest.mark.parametrize(
    ("options", "said"),
    [
        ({}, "is missing: gw1 and gw2 each have addresses of their own in home; use gw1 or gw2"),
        ({"gateway": "gw3"}, "gw3 is no gateway of home; use gw1 or gw2"),
    ],
)
def test_whose_part_has_to_be_said(options, said):
    with pytest.raises(Refused) as refused:
        plan("ds-lite", 2, **options)
    assert f"hosts.ann1.ipv4aas_options.gateway: {said}" in str(refused.value).splitlines()
