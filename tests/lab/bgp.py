# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""BGP of the laboratory's routers, as text for FRR.

A gateway announces a kernel route of its engine only while it is there, and only what the inventory
gives to the services that it carries; whatever the technique, that is one of the prefixes below.
"""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv6Network, ip_address
from typing import Any

CORE_AS, GATEWAY_AS, INTERNET_AS = 65000, 65001, 65002
BACKUP_METRIC = 100

_SPEAKER = """\
router bgp {asn}
 bgp router-id {router_id}
 no bgp default ipv4-unicast
 no bgp ebgp-requires-policy
 timers bgp 5 30
{neighbors}{families}"""


def router(asn: int, router_id: str, gateways: Iterable[str], planes: Iterable[str] = ()) -> str:
    """Core or internet: listens to gateways, and announces only what it has of SA46T ``planes``.

    The routes of a plane are in the IGP (draft-matsuhira-m46e-fp section 4.2).
    """
    peers = dict.fromkeys(gateways, GATEWAY_AS)
    families = _family(4, _of(4, peers), ())
    families += _family(6, _of(6, peers), ["redistribute kernel route-map ours"])
    return _speaker(asn, router_id, peers, families) + _ours(6, [f"{prefix} le 128" for prefix in planes])


def gateway(router_id: str, peers: Mapping[str, int], services: Iterable[dict[str, Any]], rank: int) -> str:
    """``peers`` are address -> AS. Of gateways with the same services the one of rank 0 is preferred.

    A service's IPv4 is its ipv4_pools and rules, or the ``networks`` that the caller adds.
    """
    services = list(services)
    attracted = {
        4: [f"{prefix} le 32" for service in services for prefix in ipv4_prefixes(service)],
        6: [f"{prefix} le 128" for service in services for prefix in ipv6_prefixes(service)],
    }
    endpoints = {_slash64(address) for address in map(_address, services) if address}
    families, text = "", ""
    for version, permitted in attracted.items():
        lines = ["redistribute kernel route-map ours"]
        if version == 6:
            # The /64 is announced while the /128 of the tunnel endpoint is there.
            lines += [f"aggregate-address {prefix} summary-only" for prefix in sorted(endpoints)]
        families += _family(version, _of(version, peers), lines, route_map="ranked")
        text += _ours(version, permitted)
    text += f"route-map ranked permit 10\n set metric {rank * BACKUP_METRIC}\n"
    return _speaker(GATEWAY_AS, router_id, peers, families) + text


def ipv4_prefixes(service: dict[str, Any]) -> Iterator[str]:
    """IPv4 that a service may attract on its native side."""
    yield from service.get("ipv4_pools", ())
    yield from (rule["ipv4_prefix"] for rule in service.get("rules", ()))
    yield from service.get("networks", ())


def ipv6_prefixes(service: dict[str, Any]) -> Iterator[str]:
    """IPv6 that a service may attract: the tunnel endpoint, translated space, or a plane's space."""
    if address := _address(service):
        yield f"{address}/128"
    if prefix := service.get("gateway", {}).get("translation_prefix"):
        yield prefix
    if "plane" in service:
        yield service["plane"]["prefix"]


def _ours(version: int, prefixes: Iterable[str]) -> str:
    """The route-map that lets through kernel routes inside the prefixes; without any, none."""
    word, prefixes = "ip" if version == 4 else "ipv6", list(dict.fromkeys(prefixes))
    text = "".join(f"{word} prefix-list ours permit {prefix}\n" for prefix in prefixes)
    if prefixes:
        text += f"route-map ours permit {version}\n match {word} address prefix-list ours\n"
    return text


def _address(service: dict[str, Any]) -> str | None:
    address: str | None = service.get("gateway", {}).get("address")
    return address


def _slash64(address: str) -> str:
    return str(IPv6Network((int(ip_address(address)) >> 64 << 64, 64)))


def _of(version: int, peers: Iterable[str]) -> list[str]:
    return [peer for peer in peers if ip_address(peer).version == version]


def _family(version: int, peers: list[str], lines: Iterable[str], route_map: str | None = None) -> str:
    if not peers:
        return ""
    text = f" address-family ipv{version} unicast\n" + "".join(f"  {line}\n" for line in lines)
    for peer in peers:
        text += f"  neighbor {peer} activate\n"
        if route_map:
            text += f"  neighbor {peer} route-map {route_map} out\n"
    return text + " exit-address-family\n"


def _speaker(asn: int, router_id: str, peers: Mapping[str, int], families: str) -> str:
    neighbors = "".join(
        f" neighbor {peer} remote-as {remote}\n"
        f" neighbor {peer} advertisement-interval 0\n"
        f" neighbor {peer} timers connect 1\n"
        for peer, remote in peers.items()
    )
    return _SPEAKER.format(asn=asn, router_id=router_id, neighbors=neighbors, families=families)
