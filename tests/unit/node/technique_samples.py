# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One service of every technique and role that the packet engine has, all of them different."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane, PlaneRoute
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, GATEWAY, PortForward, Service

LAN = (IPv4Network("192.168.0.0/16"),)
DMR = IPv6Network("2001:db8:ffff::/64")
PREF64 = IPv6Network("2001:db8:64::/96")
RULE = MapRule(IPv6Network("2001:db8::/40"), IPv4Network("192.0.2.0/24"), 16, 6, forwarding=True)
MAP_PREFIX = IPv6Network("2001:db8:12:3400::/56")

MAP_E = Service(
    name="map-e",
    technique="map-e",
    role=GATEWAY,
    gateway_address=IPv6Address("2001:db8:fffe::1"),
    rules=(RULE,),
    mss_clamp=1200,
)
MAP_T = replace(MAP_E, name="map-t", technique="map-t", translation_prefix=DMR)
BINDINGS = (
    Binding(IPv6Address("2001:db8:12:3400:0:c000:212:34"), IPv4Address("192.0.2.18"), 6, 8, 0x34),
    Binding(IPv6Address("2001:db8:13:5600:0:c000:213:56"), IPv4Address("192.0.2.19"), 6, 8, 0x56),
    Binding(
        IPv6Address("2001:db8:14::1"),
        IPv4Address("192.0.2.20"),
        gateway_address=IPv6Address("2001:db8:fffe::2"),
    ),
)
LW4O6 = replace(MAP_E, name="lw4o6", technique="lw4o6", rules=(), bindings=BINDINGS, icmp_on_miss=True)
POOL = Pool(ipv4=(IPv4Network("203.0.113.0/28"),), ports_per_subscriber=100)
DS_LITE = replace(MAP_E, name="ds-lite", technique="ds-lite", rules=(), pool=POOL)
NAT64 = replace(DS_LITE, name="nat64", technique="nat64", translation_prefix=PREF64)
XLAT464 = replace(NAT64, name="464xlat", technique="464xlat")

PLANE = Plane(IPv6Network("2001:db8:4600::/64"), 7)
ROUTES = (
    PlaneRoute(IPv4Network("10.2.0.0/16"), IPv6Network("2001:db8:4602::/64")),
    PlaneRoute(IPv4Network("10.3.0.0/16"), IPv6Network("2001:db8:4603::/64")),
)
SA46T = Service(
    name="sa46t",
    technique="sa46t",
    role=EDGE,
    gateway_address=IPv6Address("2001:db8:fffe::46"),
    plane=PLANE,
    inside=(IPv4Network("10.1.0.0/16"),),
    mss_clamp=1200,
)
SA46T_PR = replace(
    SA46T,
    name="sa46t-pr",
    technique="sa46t-pr",
    plane=Plane(IPv6Network("2001:db8:4601::/64"), 7),
    plane_routes=(*ROUTES, PlaneRoute(IPv4Network("10.1.0.0/16"), IPv6Network("2001:db8:4601::/64"))),
)
SA46T_PT = replace(
    SA46T,
    name="sa46t-pt",
    technique="sa46t-pt",
    role=GATEWAY,
    inside=(),
    plane_routes=ROUTES,
    end_user_prefix=IPv6Network("2001:db8:4604::/64"),
)


def edge_of(gateway: Service, prefix: IPv6Network = MAP_PREFIX, **changes: object) -> Service:
    """The customer's side of a gateway's service."""
    values = {"role": EDGE, "end_user_prefix": prefix, "inside": LAN, "pool": None}
    return replace(gateway, **(values | changes))


FORWARD = (PortForward("tcp", 1234, IPv4Address("192.168.1.5"), 80),)

SERVICES: dict[tuple[str, str], Service] = {
    (service.technique, service.role): service
    for service in (
        MAP_E,
        edge_of(MAP_E, port_forwards=FORWARD),
        MAP_T,
        edge_of(MAP_T, port_forwards=FORWARD),
        LW4O6,
        edge_of(LW4O6, bindings=BINDINGS[:1], port_forwards=FORWARD),
        DS_LITE,
        edge_of(DS_LITE),
        NAT64,
        XLAT464,
        edge_of(XLAT464),
        SA46T,
        replace(SA46T, role=GATEWAY),
        SA46T_PR,
        replace(SA46T_PR, role=GATEWAY),
        SA46T_PT,
    )
}
