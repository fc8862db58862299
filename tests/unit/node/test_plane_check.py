# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node refuses of planes, and which plane a packet is of."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from random import Random
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.codec import encode
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane, PlaneRoute
from ansible_collections.ipv4aas.fleet.engine.node.check import configuration
from ansible_collections.ipv4aas.fleet.engine.node.kernel import Wanted, error_source, wanted
from ansible_collections.ipv4aas.fleet.engine.node.namespace import Namespace, NamespaceError
from ansible_collections.ipv4aas.fleet.engine.node.services import Services
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Packet
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.techniques.service import NodeConfiguration, Service
from unit.node.plane_samples import FIXED, fp, service
from unit.packet import packetkit as kit

RED = service(name="red", plane=Plane(FIXED, 1), namespace="red")
BLUE = service(name="blue", plane=Plane(FIXED, 2), namespace="blue")


def problems(*services: Service) -> list[str]:
    try:
        configuration(encode(NodeConfiguration(node="box", services=services)))
    except Refused as refused:
        return [str(problem) for problem in refused.problems]
    return []


def test_what_can_run() -> None:
    assert problems(RED, BLUE, service("sa46t-pt")) == []
    assert problems(service("sa46t-pr")) == []
    assert problems(service(role="gateway", inside=())) == []


@pytest.mark.parametrize(
    ("technique", "changes", "wrong"),
    [
        ("sa46t", {"plane": None}, "plane: there is none; prefix and plane ID"),
        ("sa46t-pr", {"plane_routes": ()}, "plane_routes: there is none; where each IPv4 network"),
        (
            "sa46t-pr",
            {"plane_routes": (PlaneRoute(IPv4Network("10.0.0.0/8"), IPv6Network("2001:db8::/80")),)},
            "plane_routes[0]: plane ID 65538 does not fit in the 16 bits after 2001:db8::/80; a",
        ),
        ("sa46t-pt", {"end_user_prefix": None}, "end_user_prefix: there is none; a prefix that the PR"),
        ("sa46t-pt", {"end_user_prefix": FIXED}, f"end_user_prefix: {FIXED} is in the FP domain too"),
        ("sa46t-pt", {"end_user_prefix": IPv6Network("2001:db8:9::/80")}, "end_user_prefix: plane ID 65538"),
        ("sa46t-pt", {"role": "edge"}, "role: SA46T-PT has no edge"),
        ("sa46t", {"namespace": "../x"}, "namespace: '../x' cannot name a namespace; a name of"),
        ("sa46t", {"namespace": ".."}, "namespace: '..' cannot name a namespace"),
    ],
)
def test_what_cannot(technique: str, changes: dict[str, Any], wrong: str) -> None:
    (found,) = problems(service(technique, **changes))
    assert found.startswith(f"services[0].{wrong}")


def test_the_same_addresses_need_another_namespace_and_another_plane() -> None:
    assert problems(RED, replace(BLUE, namespace="red")) == [
        "services[1]: 10.1.1.0/24 belongs to services[0] too; networks that do not overlap, "
        "or another namespace"
    ]
    assert problems(RED, replace(BLUE, plane=RED.plane)) == [
        "services[1]: its tunnel address 2001:db8:0:46:0:1:a01:100/120 is that of services[0] too; "
        "one service with all the rules"
    ]


def running() -> Services:
    made = Services(rng=Random(1))
    made.reload(NodeConfiguration(node="box", services=(RED, BLUE)), lambda service: 0)
    return made


def test_a_native_packet_is_of_the_plane_of_its_namespace() -> None:
    made, packet = running(), Packet(kit.udp("10.1.1.7", 1, "10.1.2.9", 2))
    for namespace, plane_id in (("red", 1), ("blue", 2)):
        ((sent, to),) = made.process(packet, 0.0, namespace)
        assert (kit.outer(sent.data), to) == ((fp("10.1.1.7", plane_id), fp("10.1.2.9", plane_id)), "")
    assert made.process(packet, 0.0) == []
    assert made.process(packet, 0.0, "green") == []
    assert made.status()["counters"] == {"drop_no_service": 2, "encapsulated": 2}


def test_a_tunnel_packet_goes_to_the_namespace_of_its_plane() -> None:
    made = running()
    for namespace, plane_id in (("red", 1), ("blue", 2)):
        inner = kit.udp("10.1.2.9", 1, "10.1.1.7", 2)
        packet = Packet(kit.tunnel(fp("10.1.2.9", plane_id), fp("10.1.1.7", plane_id), inner))
        ((sent, to),) = made.process(packet, 0.0)
        assert (sent.data[20:], to) == (inner[20:], namespace)
        assert made.process(packet, 0.0, namespace) == []  # no tunnel comes from inside


def test_routes_of_each_namespace() -> None:
    mine = "dev tun7 proto 46"
    assert wanted((RED, BLUE), "tun7") == Wanted(
        (f"2001:db8:0:46:0:1:a01:100/120 {mine}", f"2001:db8:0:46:0:2:a01:100/120 {mine}")
    )
    found = wanted((RED, BLUE), "tun7", "red")
    assert found.routes == (f"default {mine} table 4640", f"default {mine} metric 4640")
    assert len(found.rules) == 2


def test_a_way_out_routes_what_is_listed_and_never_the_default() -> None:
    """The host's own default route must live."""
    found = wanted((service("sa46t-pr", role="gateway", inside=()),), "tun7")
    assert [route.split()[0] for route in found.routes] == [
        "2001:db8:0:3:1:2::/96",
        "10.1.3.0/24",
        "10.1.4.0/24",
    ]


def test_joint_routes() -> None:
    found = wanted((service("sa46t-pt"),), "tun7")
    assert [route.split()[0] for route in found.routes] == [
        "2001:db8:0:ff::1/128",
        "2001:db8:0:46:1:2:a01:300/120",
        "2001:db8:0:46:1:2:a01:400/120",
        "2001:db8:0:ff:1:2::/96",
    ]


@pytest.mark.parametrize(
    ("technique", "changes", "source"),
    [
        ("sa46t", {}, "10.1.1.1"),
        ("sa46t-pr", {"role": "gateway"}, "10.1.3.1"),
        ("sa46t-pr", {"role": "gateway", "inside": (IPv4Network("0.0.0.0/0"),)}, "198.51.100.1"),
        ("sa46t-pr", {"role": "gateway", "inside": (IPv4Network("10.9.0.0/16"),)}, "192.0.0.8"),
    ],
)
def test_errors_come_from_an_address_that_the_others_believe(
    technique: str, changes: dict[str, Any], source: str
) -> None:
    own = [IPv4Address(text) for text in ("198.51.100.1", "10.1.1.1", "10.1.3.1")]
    assert error_source(service(technique, **changes), own) == int(IPv4Address(source))


def test_a_namespace_that_is_not_there() -> None:
    with pytest.raises(NamespaceError, match=r"^network namespace no-such-one .* ip netns add no-such-one$"):
        Namespace("no-such-one")
