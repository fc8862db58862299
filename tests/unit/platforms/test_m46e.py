# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""m46e: the sample of m46e-app means a service, what is refused, and what the host does about a change."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane, PlaneRoute
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.m46e import apply
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features, driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from platform_cases import CASES
from platform_cases.case import TEMPLATES
from platform_cases.services import PLANE, shownet

BOX, CASE = driver("m46e"), CASES["m46e"]
FP, PR = shownet("sa46t", "edge"), shownet("sa46t-pr", "edge")
FAR = PR.plane_routes[0]
ALL = IPv4Network("0.0.0.0/0")
WAY_OUT = {"eth1": {"address": "192.0.2.129/25", "gateway": "192.0.2.254"}}
# m46e_sample.conf of m46e-app (SA46T-PR, its optional parts left as they are) with our names and prefixes.
SAMPLE = """# service hall7
[general]
Plane_Name             = hall7
plane_id               = 0:0009
m46e_unicast_prefix   = 2001:DB8:1:1:0::/64
m46e_pr_src_addr_unicast_prefix   = 2001:db8:1:1::/64
m46e_multicast_prefix = ff01:db8:0:46::/64
tunnel_mode            = 2
debug_log              = no
daemon                 = yes
startup_script         = /etc/m46e/m46e_startup.sh
route_sync  = no
route_entry_max = 256

[pmtud]
type        = 2
expire_time = 600

[m46e-pr]
m46e_pr_prefix = 2001:db8:1:2::/64
ipv4_address    = 10.1.0.0/24
[m46e-pr]
ipv4_address    = 10.0.0.0/24
m46e_pr_prefix = 2001:db8:1:1::/64

[tunnel]
tunnel_name     = m46e0
ipv6_address    = 2001:db8:a:b:c:d::1/64
ipv4_default_gw = yes

[device]
physical_dev   = eth2
name           = eth0
ipv4_address   = 10.0.0.1/24
mtu            = 1500
"""


def rendered(*services, **options):
    return CASE.rendered("conf", *services, **options)


def test_sample_means_the_service():
    assert BOX.parse(SAMPLE, "conf", (PR,)) == (PR,)
    [found] = BOX.parse(SAMPLE, "conf", ())
    assert (found.technique, found.plane, found.plane_routes) == ("sa46t-pr", PLANE, (FAR,))
    assert (found.inside, found.ipv6_mtu) == (FP.inside, 1500)


@pytest.mark.parametrize(
    ("service", "old", "new", "field", "value"),
    [
        (FP, "plane_id = 0:9", "plane_id = 0:a", "plane", replace(PLANE, plane_id=10)),
        (FP, "2001:db8:1:1::", "2001:db8:1:3::", "plane", Plane(IPv6Network("2001:db8:1:3::/64"), 9)),
        (FP, "10.0.0.1/24", "10.0.3.1/24", "inside", (IPv4Network("10.0.3.0/24"),)),
        (FP, "mtu = 1500", "mtu = 1400", "ipv6_mtu", 1400),
        (FP, "tunnel_mode = 0", "tunnel_mode = 2", "technique", "sa46t-pr"),
        (
            PR,
            "2001:db8:1:2::",
            "2001:db8:1:5::",
            "plane_routes",
            (replace(FAR, prefix=IPv6Network("2001:db8:1:5::/64")),),
        ),
        (PR, "10.1.0.0/24", "10.9.0.0/24", "plane_routes", (replace(FAR, ipv4=IPv4Network("10.9.0.0/24")),)),
    ],
)
def test_each_change_by_hand_is_seen(service, old, new, field, value):
    text = rendered(service)
    assert old in text
    [found] = BOX.parse(text.replace(old, new), "conf", (service,))
    assert getattr(found, field) == value
    assert BOX.change(text.replace(old, new), text, "conf").payload == text


@pytest.mark.parametrize(
    ("prefix", "number", "shown"),
    [
        ("2001:db8::/32", 0x123456789ABC, "1234:5678:9abc"),
        ("2001:db8::/64", 0x10000, "1:0"),
        ("2001:db8::/95", 1, "0:1"),
    ],
)
def test_plane_id_of_any_length(prefix, number, shown):
    wanted = replace(FP, plane=Plane(IPv6Network(prefix), number))
    text = rendered(wanted)
    assert f"plane_id = {shown}\n" in text
    assert BOX.parse(text, "conf", (wanted,)) == (wanted,)


def test_prefix_of_96_bits_has_no_plane_id():
    wanted = replace(FP, plane=Plane(IPv6Network("2001:db8::/96"), 0))
    assert "plane_id" not in rendered(wanted)
    assert BOX.parse(rendered(wanted), "conf", (wanted,)) == (wanted,)


def test_way_out():
    """A device with a router is the way out, whichever network it is in; the tunnel is no default then."""
    wanted = replace(FP, role="gateway", inside=(ALL,))
    text = rendered(wanted, devices=WAY_OUT)
    assert (
        "ipv4_default_gw = no" in text and "route_sync = yes" in text and "ipv4_gateway = 192.0.2.254" in text
    )
    assert BOX.parse(text, "conf", (wanted,)) == (wanted,)
    own = PlaneRoute(ALL, PLANE.prefix)
    resolved = replace(PR, role="gateway", inside=(ALL,), plane_routes=(own, FAR))
    text = rendered(resolved, devices=WAY_OUT)
    assert "ipv4_address = 0.0.0.0/0" not in text and "route_sync = no" in text
    assert BOX.parse(text, "conf", (resolved,)) == (resolved,)
    [plane] = apply.planes(text).values()
    assert apply.way_out(plane) == ["-6", "route", "replace", "2001:db8:1:1:0:9::/96", "dev", "aas_hall7"]


def test_default_of_a_pr_is_its_tunnel():
    wanted = replace(PR, plane_routes=(PlaneRoute(ALL, FAR.prefix),))
    assert "ipv4_default_gw = yes" in rendered(wanted)


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("[tunnel]", "[tunnels]", r"line 14: \[tunnels\]: is no section"),
        ("tunnel_mode = 0", "tunnel_mode = 1", "port sharing"),
        ("tunnel_mode = 0", "tunnel_mode = 3", "3 is not a number in 0..2"),
        ("plane_id = 0:9", "plane_id = red", "is no plane ID such as 0:9"),
        ("plane_id = 0:9", "plane_id = 1:0:9", "plane ID 4294967305 does not fit"),
        ("plane_name = hall7", "plane_name = hall8", "is not hall7"),
        ("mtu = 1500", "mtu = 1279", "1279 is not a number in 1280..65521"),
        ("physical_dev = eth1\n", "", "the device has no physical_dev"),
        ("mtu = 1500", "mtu 1500", "is not understood"),
        (
            "src_addr_unicast_prefix = 2001:db8:1:1",
            "src_addr_unicast_prefix = 2001:db8:1:2",
            "is not 2001:db8:1:1::/64",
        ),
        ("# service hall7\n", "", "is no service's"),
    ],
)
def test_nonsense(old, new, wrong):
    text = rendered(FP)
    assert old in text
    with pytest.raises(ParseError, match=wrong):
        BOX.parse(text.replace(old, new), "conf", (FP,))


def test_refused():
    for services, devices, words in (
        ((FP,), {"eth1": {"address": "10.0.9.1/24"}}, "are on 10.0.9.0/24, but hall7 has 10.0.0.0/24"),
        ((FP,), {"eth1": {"address": "10.0.0.1/24", "vlan": 5}}, "vlan is unknown"),
        ((FP,), {"eth1": {"address": "10.0.0.1/24", "service": "x"}}, "service x is none of hall7"),
        ((FP,), {"eth1": "10.0.0.1/24"}, "devices.eth1: does not fit"),
        ((replace(FP, plane=None),), CASE.options["devices"], "has no plane"),
        ((FP,), {"a": WAY_OUT["eth1"], "b": WAY_OUT["eth1"]}, "hall7 has two gateways"),
    ):
        with pytest.raises(Refused, match=words):
            rendered(*services, devices=devices)


def test_two_planes_with_the_same_addresses():
    other = replace(FP, name="hall8", plane=replace(PLANE, plane_id=10))
    both = {name: {"address": "10.0.0.1/24", "service": f"hall{name[-1]}"} for name in ("eth7", "eth8")}
    assert BOX.parse(rendered(FP, other, devices=both), "conf", (FP, other)) == (FP, other)


def test_from_an_inventory():
    services = {"red": {"technique": "sa46t-pr", "plane": {"id": 1}}}
    shared = {"ipv4aas_services": services, "ipv4aas_carries": ["red"], "ipv4aas_platform": "m46e"}
    plan = build_plan(
        {
            "west": shared
            | {
                "ipv4aas_role": "edge",
                "ipv4aas_lan": ["10.0.1.0/24"],
                "ipv4aas_customer_prefix": "2001:db8:0:101::/64",
                "ipv4aas_options": {"devices": {"eth1": {"address": "10.0.1.1/24"}}},
            },
            "out": shared
            | {
                "ipv4aas_role": "gateway",
                "ipv4aas_lan": ["0.0.0.0/0"],
                "ipv4aas_customer_prefix": "2001:db8:0:103::/64",
                "ipv4aas_options": {"devices": WAY_OUT},
            },
        },
        all_features(),
    )
    for node in plan.nodes.values():
        text = render(node, TEMPLATES)
        assert BOX.parse(text, node.dialect, node.services) == node.services
    assert "0.0.0.0/0" in render(plan.nodes["west"], TEMPLATES)


def test_steps(tmp_path, monkeypatch):
    """A plane restarts for anything but its table, and where it has died."""
    monkeypatch.setattr(apply, "RUN", tmp_path)
    down = set()
    monkeypatch.setattr(apply, "alive", lambda name: name not in down)
    running = apply.planes(rendered(PR))
    (tmp_path / "hall7.conf").write_text(running["hall7"])
    assert apply.steps(running) == []
    more = replace(PR, plane_routes=(*PR.plane_routes, PlaneRoute(IPv4Network("10.7.0.0/16"), FAR.prefix)))
    assert apply.steps(apply.planes(rendered(more))) == [("table", "hall7")]
    assert apply.table(apply.planes(rendered(more))["hall7"])["10.7.0.0/16"] == "2001:db8:1:2::/64"
    again = [("end", "hall7"), ("begin", "hall7")]
    assert apply.steps(apply.planes(rendered(replace(PR, ipv6_mtu=1400)))) == again
    assert apply.steps({}) == [("end", "hall7")]
    down.add("hall7")
    assert apply.steps(running) == again
