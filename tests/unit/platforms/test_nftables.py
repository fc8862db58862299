# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SA46T-PT by netfilter: which rules follow from which others, what is seen and what is refused."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane, PlaneRoute
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features, driver
from ansible_collections.ipv4aas.fleet.engine.platforms.render import render
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from platform_cases import CASES
from platform_cases.case import TEMPLATES
from platform_cases.nftables import OWN
from platform_cases.services import shownet

BOX, CASE = driver("nftables"), CASES["nftables"]
PT = shownet("sa46t-pt", "gateway", end_user_prefix=OWN)
FAR = PT.plane_routes[0]


def rendered(*services):
    return CASE.rendered("conf", *services)


def test_longer_prefixes_come_first():
    default = PlaneRoute(IPv4Network("0.0.0.0/0"), IPv6Network("2001:db8:1:3::/64"))
    wanted = replace(PT, plane_routes=(default, FAR))
    text = rendered(wanted)
    assert text.index("9:a01:0/120 dnat") < text.index("$fixed_1 dnat")
    assert BOX.parse(text, "conf", (wanted,)) == (wanted,)
    assert BOX.parse(text, "conf", ())[0].plane_routes == (FAR, default)


def test_two_planes():
    other = replace(PT, name="hall8", plane=Plane(PT.plane.prefix, 10))
    assert BOX.parse(rendered(PT, other), "conf", (PT, other)) == (PT, other)


def test_entries_of_the_own_prefix_are_about_the_other_side():
    wanted = replace(PT, plane_routes=(FAR, PlaneRoute(IPv4Network("10.0.0.0/24"), OWN)))
    assert rendered(wanted) == rendered(PT)
    assert BOX.parse(rendered(wanted), "conf", (wanted,)) == (wanted,)


def test_each_change_by_hand_is_seen():
    """Also where it is consistent: all of a prefix is another one."""
    text = rendered(PT)
    [found] = BOX.parse(text.replace("2001:db8:1:7:", "2001:db8:1:8:"), "conf", (PT,))
    assert found == replace(PT, end_user_prefix=IPv6Network("2001:db8:1:8::/64"))
    [found] = BOX.parse(text.replace("2001:db8:1:2:", "2001:db8:1:5:"), "conf", (PT,))
    assert found.plane_routes == (replace(FAR, prefix=IPv6Network("2001:db8:1:5::/64")),)
    [found] = BOX.parse(text.replace("0:9:", "0:a:"), "conf", (PT,))
    assert found.plane.plane_id == 10


@pytest.mark.parametrize(
    ("old", "new", "wrong"),
    [
        ("daddr 2001:db8:1:2:0:9:a01:0/120 snat", "daddr 2001:db8:1:2:0:9:a01:0/121 snat", "does not follow"),
        (
            "    meta l4proto 4 ip6 saddr 2001:db8:1:2",
            "    # meta 2001:db8:1:2",
            "lacks meta l4proto 4 ip6 saddr",
        ),
        ("= 2001:db8:1:7:0:9::/96", "= 2001:db8:1:7:0:9::/97", "is not about whole planes"),
        ("= 2001:db8:1:7:0:9::/96", "= 2001:db8:1:7:0:a::/96", "has another plane ID than 9"),
        ("define own_1", "define own_2", r"\$own_1 is not an IPv6 prefix"),
        ("dnat prefix to 2001:db8:1:2:0:9:a01:0/120", "accept", "nothing is known in the PR domain"),
        ("dnat", "redirect", "has no rule for destinations"),
        ("# service hall7\n", "", "is no service's"),
    ],
)
def test_nonsense(old, new, wrong):
    text = rendered(PT)
    assert old in text
    with pytest.raises(ParseError, match=wrong):
        BOX.parse(text.replace(old, new), "conf", (PT,))


def test_refused():
    for service, words in (
        (replace(PT, end_user_prefix=None), "no prefix of its own in the PR domain"),
        (replace(PT, plane_routes=()), "nothing is known in the PR domain"),
        (replace(PT, plane=None), "has no plane"),
    ):
        with pytest.raises(Refused, match=words):
            rendered(service)


def test_from_an_inventory():
    services = {
        "fp": {"technique": "sa46t", "plane": {"prefix": "2001:db8:1:1::/64", "id": 9}},
        "pr": {"technique": "sa46t-pr", "plane": {"id": 9}},
        "pt": {"technique": "sa46t-pt", "plane": {"prefix": "2001:db8:1:1::/64", "id": 9}},
    }

    def host(name, role, platform, **more):
        seat = {"ipv4aas_role": role, "ipv4aas_platform": platform, "ipv4aas_carries": [name]}
        return seat | {"ipv4aas_services": services} | more

    plan = build_plan(
        {
            "a": host("fp", "edge", "linux", ipv4aas_lan=["10.0.0.0/24"]),
            "b": host(
                "pr",
                "edge",
                "linux",
                ipv4aas_lan=["10.1.0.0/24"],
                ipv4aas_customer_prefix="2001:db8:1:2::/64",
            ),
            "t": host("pt", "gateway", "nftables", ipv4aas_customer_prefix="2001:db8:1:7::/64"),
        },
        all_features(),
    )
    node = plan.nodes["t"]
    text = render(node, TEMPLATES)
    assert BOX.parse(text, node.dialect, node.services) == node.services
    assert "2001:db8:1:2:0:9:a01:0/120" in text
