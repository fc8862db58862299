# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a node refuses to run, and the words it says it in."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.codec import encode
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.node.check import configuration as check
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from ansible_collections.ipv4aas.fleet.engine.techniques.service import PortForward, StaticBinding
from node_samples import EDGE_SERVICE, GATEWAY_SERVICE, OTHER_RULE, configuration
from technique_samples import DS_LITE, LW4O6, MAP_T, NAT64, POOL, XLAT464, edge_of

STATIC = StaticBinding(
    protocol="tcp",
    outside_address=IPv4Address("203.0.113.1"),
    outside_port=80,
    subscriber=IPv6Address("2001:db8:1::2"),
    inside_port=80,
)


def problems(wanted) -> list[str]:
    """What is said of a configuration or document."""
    document = wanted if isinstance(wanted, (dict, list)) else encode(wanted)
    with pytest.raises(Refused) as caught:
        check(document)
    return [str(problem) for problem in caught.value.problems]


def test_good_ones_come_back_as_they_are():
    both = configuration(GATEWAY_SERVICE, EDGE_SERVICE)
    assert check(encode(both)) == both
    assert check(encode(configuration())) == configuration()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"technique": "map-x"},
            f"services[0].technique: map-x is unknown; one of {', '.join(TECHNIQUES)}",
        ),
        ({"role": "router"}, "services[0].role: router is unknown; one of gateway, edge"),
        (
            {"interface_identifier": "draft-99"},
            "services[0].interface_identifier: draft-99 is unknown; one of rfc7597, draft-03",
        ),
        ({"fragmentation": "no"}, "services[0].fragmentation: no is unknown; one of outer, inner"),
        (
            {"filtering": "open"},
            "services[0].filtering: open is unknown; one of address-dependent, endpoint-independent",
        ),
        ({"ipv6_mtu": 1279}, "services[0].ipv6_mtu: 1279; 1280 to 65535"),
        ({"mss_clamp": 87}, "services[0].mss_clamp: 87; 0 for off, or 88 to 65535"),
        ({"rules": ()}, "services[0].rules: there is none; at least one mapping rule"),
    ],
)
def test_value_of_a_gateway(changes, message):
    assert problems(configuration(replace(GATEWAY_SERVICE, **changes))) == [message]


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        (
            {"end_user_prefix": None},
            "services[0].end_user_prefix: service home: the edge has no End-user prefix",
        ),
        (
            {"end_user_prefix": IPv6Network("2001:db8::/64")},
            "services[0].end_user_prefix: service home: no rule matches 2001:db8::/64; "
            "a prefix of one of the rules (2001:3e8:6000::/56 with 8 EA bits)",
        ),
        (
            {"end_user_prefix": IPv6Network("2001:3e8:6000::/60")},
            "services[0].end_user_prefix: 2001:3e8:6000::/60 is shorter than",
        ),
    ],
)
def test_edge_that_owns_nothing(changes, message):
    (found,) = problems(configuration(replace(EDGE_SERVICE, **changes)))
    assert found.startswith(message)


def test_every_fault_of_a_port_forward():
    host = IPv4Address("192.168.192.10")
    wrong = (
        PortForward("sctp", 45057, host, 80),
        PortForward("tcp", 80, host, 80),
        PortForward("tcp", 45058, IPv4Address("10.0.0.1"), 80),
        PortForward("tcp", 45059, host, 0),
        PortForward("udp", 45060, host, 53),
        PortForward("udp", 45060, host, 54),
    )
    assert problems(configuration(replace(EDGE_SERVICE, port_forwards=wrong))) == [
        "services[0].port_forwards[0].protocol: sctp is unknown; tcp or udp",
        "services[0].port_forwards[1].outside_port: 80 is not in the own port set of 2001:3e8:6000:c0::/64; "
        "a port of 4096-4159, 8192-8255, 12288-12351 ...",
        "services[0].port_forwards[2].inside_address: 10.0.0.1 is not inside; in 192.168.192.0/24",
        "services[0].port_forwards[3].inside_port: 0; 1 to 65535",
        "services[0].port_forwards[5]: udp 45060 is forwarded twice; one forward for each outside port",
    ]


@pytest.mark.parametrize("name", ["", "a/b", "..", "sixteen-letters-", "tun 0"])
def test_device_that_cannot_be(name):
    (found,) = problems(configuration(device=name))
    assert found == f"device: {name!r} cannot name an interface; 1 to 15 letters, digits, _ . or -"


def test_services_that_cannot_be_told_apart():
    again = replace(GATEWAY_SERVICE, gateway_address=IPv6Address("2001:db8::1"))
    found = problems(configuration(GATEWAY_SERVICE, again))
    assert found == [
        "services[1]: 130.129.255.92/30 belongs to services[0] too; networks that do not overlap, "
        "or another namespace",
        "services[1].name: hall7 is the name of services[0] too; another name",
    ]
    same_address = replace(GATEWAY_SERVICE, name="hall8", rules=(OTHER_RULE,))
    (found,) = problems(configuration(GATEWAY_SERVICE, same_address))
    assert found == (
        "services[1]: its tunnel address 2001:3e8:0:2900::1 is that of services[0] too; "
        "one service with all the rules"
    )


def test_two_edges_cannot_both_take_everything():
    first = replace(EDGE_SERVICE, inside=(), port_forwards=())
    second = replace(
        first, name="other", rules=(OTHER_RULE,), end_user_prefix=IPv6Network("2001:3e8:7000:1::/64")
    )
    (found,) = problems(configuration(first, second))
    assert "0.0.0.0/0 belongs to services[0] too" in found


def test_form_and_meaning_at_once():
    document = encode(configuration(GATEWAY_SERVICE, replace(GATEWAY_SERVICE, name="b", ipv6_mtu=1)))
    del document["services"][0]["gateway_address"]
    document["color"] = "red"
    found = problems(document)
    assert found == [
        "configuration: unknown color; the form that `ipv4aas-node read` prints",
        "services[0]: missing gateway_address; the form that `ipv4aas-node read` prints",
    ]
    del document["color"]
    assert [line.split(":")[0] for line in problems(document)] == ["services[0]", "services[1].ipv6_mtu"]


@pytest.mark.parametrize("document", [[], {"node": "x", "services": "all"}, {"node": "x", "services": [1]}])
def test_no_configuration_at_all(document):
    (found,) = problems(document)
    assert found.endswith("the form that `ipv4aas-node read` prints")


@pytest.mark.parametrize(
    ("seat", "changes", "message"),
    [
        (
            MAP_T,
            {"translation_prefix": None},
            "services[0].translation_prefix: there is none; a prefix of RFC 6052, "
            "such as 64:ff9b::/96 or a /64",
        ),
        (
            MAP_T,
            {"translation_prefix": IPv6Network("2001:db8::/65")},
            "services[0].translation_prefix: length /65 is not one of /32, /40, /48, /56, /64, /96; "
            "a prefix of RFC 6052, such as 64:ff9b::/96 or a /64",
        ),
        (MAP_T, {"lowest_ipv6_mtu": 1000}, "services[0].lowest_ipv6_mtu: 1000; 1280 to 65535"),
        (
            MAP_T,
            {"udp_zero_checksum": "ignore"},
            "services[0].udp_zero_checksum: ignore is unknown; one of compute, forward, drop",
        ),
        (MAP_T, {"rules": ()}, "services[0].rules: there is none; at least one mapping rule"),
        (
            edge_of(LW4O6),
            {"end_user_prefix": IPv6Network("2001:db8:99::/48")},
            "services[0].end_user_prefix: service lw4o6: no binding is inside 2001:db8:99::/48; "
            "a prefix that holds the softwire of a binding "
            "(2001:db8:12:3400:0:c000:212:34, 2001:db8:13:5600:0:c000:213:56, 2001:db8:14::1)",
        ),
        (NAT64, {"role": "edge"}, "services[0].role: NAT64 has no edge; a role that it has"),
    ],
)
def test_what_the_row_of_a_technique_needs(seat, changes, message):
    assert problems(configuration(replace(seat, **changes))) == [message]


def test_bindings_that_contradict():
    twice = replace(LW4O6.bindings[1], softwire=LW4O6.bindings[0].softwire)
    stolen = replace(LW4O6.bindings[0], softwire=IPv6Address("2001:db8::99"))
    found = problems(configuration(replace(LW4O6, bindings=(*LW4O6.bindings, twice, stolen))))
    assert found == [
        "services[0].bindings: 192.0.2.18 port 1232 belongs to 2001:db8:12:3400:0:c000:212:34 and to "
        "2001:db8::99; one binding a softwire, one owner a port",
        "services[0].bindings: 192.0.2.19 port 1368 belongs to 2001:db8:12:3400:0:c000:212:34 and to "
        "2001:db8:13:5600:0:c000:213:56; one binding a softwire, one owner a port",
        "services[0].bindings: softwire 2001:db8:12:3400:0:c000:212:34 has 2 bindings; "
        "one binding a softwire, one owner a port",
    ]


def test_two_services_with_one_prefix_or_one_customer_pool():
    other = replace(NAT64, name="other", gateway_address=IPv6Address("2001:db8:fffe::9"))
    found = problems(configuration(NAT64, other))
    assert found == [
        "services[1]: 203.0.113.0/28 belongs to services[0] too; networks that do not overlap, "
        "or another namespace",
        "services[1]: its tunnel address 2001:db8:64::/96 is that of services[0] too; "
        "one service with all the rules",
    ]


@pytest.mark.parametrize(
    ("service", "changes", "message"),
    [
        (DS_LITE, {"pool": None}, "pool: there is none; IPv4 addresses for the subscribers"),
        (DS_LITE, {"pool": Pool(ipv4=())}, "pool: the pool has no address; a pool that can be given out"),
        (
            NAT64,
            {"pool": replace(POOL, deterministic=True)},
            "pool: a deterministic pool needs to know the subscribers' prefix; a pool that can be given out",
        ),
        (DS_LITE, {"fragmentation": "inner"}, "fragmentation: inner; outer (RFC 6333 section 5.3)"),
        (
            DS_LITE,
            {"static_bindings": (replace(STATIC, protocol="sctp"),)},
            "static_bindings[0].protocol: sctp is unknown; tcp or udp",
        ),
        (
            DS_LITE,
            {"static_bindings": (replace(STATIC, inside_port=0),)},
            "static_bindings[0].inside_port: 0; 1 to 65535",
        ),
        (
            DS_LITE,
            {"static_bindings": (replace(STATIC, outside_address=IPv4Address("192.0.2.1")),)},
            "static_bindings[0].outside_address: 192.0.2.1 is not in the pool; in 203.0.113.0/28",
        ),
        (
            DS_LITE,
            {"static_bindings": (STATIC, replace(STATIC, inside_port=81))},
            "static_bindings[1]: tcp 203.0.113.1:80 is bound twice; one static binding for each outside port",
        ),
        (
            edge_of(DS_LITE),
            {"port_forwards": (PortForward("tcp", 80, IPv4Address("192.168.1.1"), 80),)},
            "port_forwards: the NAPT is at the gateway; a static binding there",
        ),
        (
            edge_of(DS_LITE),
            {"end_user_prefix": None},
            "end_user_prefix: there is none; the customer's prefix",
        ),
        (
            edge_of(XLAT464),
            {"end_user_prefix": IPv6Network("2001:db8::/104")},
            "end_user_prefix: 2001:db8::/104 has no room for IPv4 addresses; a prefix of RFC 6052",
        ),
        (
            edge_of(XLAT464),
            {"end_user_prefix": IPv6Network("2001:db8:0:1:100::/96")},
            "end_user_prefix: 2001:db8:0:1:100::/96: bits 64 to 71 are not zero; a prefix of RFC 6052",
        ),
        (
            edge_of(XLAT464),
            {"end_user_prefix": IPv6Network("2001:db8::/32")},
            "end_user_prefix: 2001:db8::/32 overlaps with 2001:db8:64::/96; another prefix",
        ),
    ],
)
def test_where_the_gateway_has_the_napt(service, changes, message):
    assert problems(configuration(replace(service, **changes))) == [f"services[0].{message}"]
