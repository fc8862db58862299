# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Drift of every technique: what differs is told with its meaning, and with a packet that shows it."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane, PlaneRoute
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Dns64, PortForward, Service
from ansible_collections.ipv4aas.fleet.engine.verify.drift import compare
from ansible_collections.ipv4aas.fleet.engine.verify.twin import counterexample

PREFIX, OTHER_PREFIX = IPv6Network("2001:db8:64::/96"), IPv6Network("2001:db8:65::/96")
COMMON = {"role": "gateway", "gateway_address": IPv6Address("2001:db8:0:46::1"), "mss_clamp": 1420}
LINE = {
    "role": "edge",
    "pool": None,
    "end_user_prefix": IPv6Network("2001:db8:4000:100::/56"),
    "inside": (IPv4Network("192.168.1.0/24"),),
}
BR = Service(
    name="home",
    technique="map-t",
    translation_prefix=PREFIX,
    rules=(MapRule(IPv6Network("2001:db8:4000::/44"), IPv4Network("203.0.113.0/26"), 12, psid_offset=6),),
    **COMMON,
)
CE = replace(BR, **LINE)
BINDINGS = tuple(
    Binding(IPv6Address(f"2001:db8:4000:{number}00::1"), IPv4Address("203.0.113.1"), 0, 6, number)
    for number in range(1, 9)
)
LWAFTR = Service(name="home", technique="lw4o6", bindings=BINDINGS, **COMMON)
LWB4 = replace(
    LWAFTR,
    **LINE,
    bindings=BINDINGS[:1],
    port_forwards=(PortForward("tcp", 1024, IPv4Address("192.168.1.10"), 8080),),
)
POOL = Pool(ipv4=(IPv4Network("203.0.113.0/28"),), ports_per_subscriber=100, subscriber_prefix_len=56)
AFTR = Service(name="home", technique="ds-lite", pool=POOL, filtering="endpoint-independent", **COMMON)
B4 = replace(AFTR, **LINE)
PLAT = replace(AFTR, technique="464xlat", translation_prefix=PREFIX, mss_clamp=1440)
CLAT = replace(PLAT, **LINE)
NAT64 = replace(PLAT, technique="nat64")
FP = Plane(IPv6Network("2001:db8:46::/64"), 1)
SA46T = Service(
    name="home",
    technique="sa46t",
    plane=FP,
    plane_routes=(PlaneRoute(IPv4Network("192.168.2.0/24"), FP.prefix),),
    inside=(IPv4Network("192.168.1.0/24"),),
    **COMMON | {"role": "edge"},
)
PR_ROUTES = tuple(
    PlaneRoute(IPv4Network(f"192.168.{number}.0/24"), IPv6Network(f"2001:db8:{number}::/64"))
    for number in (1, 2)
)
PR = replace(
    SA46T, technique="sa46t-pr", plane=Plane(IPv6Network("2001:db8:1::/64"), 1), plane_routes=PR_ROUTES
)


def pool(service, **values):
    return replace(service, pool=replace(service.pool, **values))


def translation(service):
    """What may differ wherever headers are translated."""
    return {
        "translation prefix": replace(service, translation_prefix=OTHER_PREFIX),
        "lowest MTU": replace(service, lowest_ipv6_mtu=1400),
        "UDP without checksum": replace(service, udp_zero_checksum="drop"),
    }


def any_node(service):
    return {
        "MTU": replace(service, ipv6_mtu=1400),
        "MSS": replace(service, mss_clamp=1300),
    }


def any_tunnel(service):
    return {
        "gateway address": replace(service, gateway_address=IPv6Address("2001:db8:0:46::2")),
        "fragmentation": replace(service, fragmentation="inner"),
    }


def session_gateway(service):
    return {
        "pool": pool(service, ipv4=(IPv4Network("198.51.100.0/28"),)),
        "first port": pool(service, first_port=40000),
        "quota": pool(service, ports_per_subscriber=50),
        "no pool": replace(service, pool=None),
        "filtering": replace(service, filtering="address-dependent"),
        "hairpinning": replace(service, hairpinning=False),
    }


def rules(service, **values):
    return replace(service, rules=tuple(replace(rule, **values) for rule in service.rules))


CHANGES = {
    "BR": (
        BR,
        any_node(BR)
        | translation(BR)
        | {"PSID offset": rules(BR, psid_offset=4), "hairpinning": replace(BR, hairpinning=False)},
    ),
    "CE": (CE, any_node(CE) | translation(CE) | {"PSID offset": rules(CE, psid_offset=4)}),
    "lwAFTR": (
        LWAFTR,
        any_node(LWAFTR)
        | any_tunnel(LWAFTR)
        | {
            "binding gone": replace(LWAFTR, bindings=BINDINGS[1:]),
            "binding changed": replace(LWAFTR, bindings=(replace(BINDINGS[0], psid=9), *BINDINGS[1:])),
            "hairpinning": replace(LWAFTR, hairpinning=False),
            "ICMP on miss": replace(LWAFTR, icmp_on_miss=True),
        },
    ),
    "lwB4": (
        LWB4,
        any_node(LWB4)
        | any_tunnel(LWB4)
        | {
            "forward gone": replace(LWB4, port_forwards=()),
            "binding": replace(LWB4, bindings=(replace(BINDINGS[0], psid=9),), port_forwards=()),
        },
    ),
    "AFTR": (AFTR, any_node(AFTR) | any_tunnel(AFTR) | session_gateway(AFTR)),
    "B4": (
        B4,
        any_node(B4) | any_tunnel(B4) | {"inside": replace(B4, inside=(IPv4Network("10.0.0.0/8"),))},
    ),
    "PLAT": (PLAT, any_node(PLAT) | translation(PLAT) | session_gateway(PLAT)),
    "CLAT": (
        CLAT,
        any_node(CLAT)
        | translation(CLAT)
        | {"End-user prefix": replace(CLAT, end_user_prefix=IPv6Network("2001:db8:4000:200::/56"))},
    ),
    "NAT64": (NAT64, any_node(NAT64) | translation(NAT64) | session_gateway(NAT64)),
    "SA46T": (
        SA46T,
        any_node(SA46T)
        | {
            "plane ID": replace(SA46T, plane=replace(FP, plane_id=2)),
            "plane prefix": replace(SA46T, plane=replace(FP, prefix=IPv6Network("2001:db8:47::/64"))),
            "inside": replace(SA46T, inside=(IPv4Network("192.168.3.0/24"),)),
        },
    ),
    "SA46T-PR": (
        PR,
        any_node(PR)
        | {
            "table": replace(PR, plane_routes=PR_ROUTES[:1]),
            "entry": replace(
                PR, plane_routes=(PR_ROUTES[0], replace(PR_ROUTES[1], prefix=IPv6Network("2001:db8:9::/64")))
            ),
        },
    ),
}
CASES = [(node, change) for node, (_, changes) in CHANGES.items() for change in changes]


@pytest.mark.parametrize("node", CHANGES)
def test_equal_is_no_drift(node):
    planned, _ = CHANGES[node]
    assert not compare((planned,), (replace(planned),))
    assert counterexample(planned, replace(planned)) is None


@pytest.mark.parametrize(("node", "change"), CASES)
def test_every_parameter_has_a_counterexample(node, change):
    planned, changes = CHANGES[node]
    report = compare((planned,), (changes[change],))
    (drift,) = report.services
    assert drift.packet is not None, report.text()
    assert drift.packet.planned != drift.packet.found
    for difference in drift.differences:
        assert "in another way than planned" not in difference.meaning, difference.path


def test_meaning_of_a_pool():
    text = compare((AFTR,), (pool(AFTR, ports_per_subscriber=50, hold_down=10),)).text()
    assert "pool.ports_per_subscriber is 50, planned 100: a subscriber has 50 ports in place of 100" in text
    assert "pool.hold_down is 10, planned 120: a port is given to somebody else after 10 s" in text
    assert "customers concerned: all" in text
    assert "for example UDP session" in text
    assert "device: drop_quota" in text


def test_meaning_of_bindings():
    found = replace(LWAFTR, bindings=(replace(BINDINGS[0], psid=9), *BINDINGS[2:]))
    report = compare((LWAFTR,), (found,))
    assert [one.path for one in report.services[0].differences] == [
        "bindings[2001:db8:4000:100::1]",
        "bindings[2001:db8:4000:200::1]",
    ]
    assert report.services[0].customers == 2
    assert (
        "is 203.0.113.1, PSID 9 of 6 bits, offset 0, planned 203.0.113.1, PSID 1 of 6 bits" in report.text()
    )
    assert "absent" in report.text()
    nothing = compare((LWAFTR,), (replace(LWAFTR, bindings=()),))
    assert "8 bindings differ in all" in nothing.text()
    assert nothing.services[0].customers == 8


def test_mtu_is_told_by_the_technique():
    def told(service):
        return compare((service,), (replace(service, ipv6_mtu=1400),)).text()

    assert "IPv4 packets of up to 1360 octets in place of 1460" in told(AFTR)
    assert "IPv4 packets of up to 1380 octets in place of 1480" in told(PLAT)


def test_a_helper_forwards_nothing():
    resolver = replace(NAT64, role="resolver", pool=None, dns64=Dns64())
    found = replace(resolver, dns64=Dns64(clients=(IPv6Network("2001:db8::/32"),)))
    report = compare((resolver,), (found,))
    assert report.services[0].packet is None
    assert "dns64.clients is 2001:db8::/32, planned none: others get synthesised answers" in report.text()


def test_what_cannot_run_is_said():
    found = counterexample(AFTR, replace(AFTR, pool=None))
    assert found is not None
    assert found.found.startswith("cannot run")


@pytest.mark.parametrize("service", [AFTR, PLAT, NAT64], ids=["aftr", "plat", "nat64"])
@pytest.mark.parametrize("network", ["198.51.100.64/26", "203.0.113.0/24", "192.0.2.0/24"])
@pytest.mark.parametrize(
    "fields", [{"ipv6_mtu": 1400}, {"mss_clamp": 1200}, {"filtering": "address-dependent"}], ids=repr
)
def test_pool_may_have_any_address(service, network, fields):
    """The packets that show a difference go to the Internet, not to a customer of the pool."""
    service = replace(service, pool=replace(POOL, ipv4=(IPv4Network(network),)))
    found = counterexample(service, replace(service, **fields))
    assert found is not None and "drop_unsolicited" not in found.planned
