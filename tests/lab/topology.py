# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A laboratory as data: nodes, links, addresses and routes that follow from an inventory.

A node is a linux host with a seat: of its own, or as somebody's fallback. Gateways stand between
the IPv6-only core and the internet and announce by BGP what their services attract; edges,
resolvers and provisioners are behind the core, hosts behind edges or, without IPv4, behind the core.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Address, IPv4Network, IPv6Network, ip_address
from pathlib import Path
from typing import Any

import bgp
import yaml

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = ROOT / "inventories" / "shownet2013"
MTU = 1500
MANAGEMENT = "mgmt"
CORE, INTERNET = "core", "inet"
# Addresses of the cables: a /64 from core to each node, a /30 from the internet to each gateway.
CORE_LINKS = IPv6Network("2001:3e8::/48")
INTERNET_LINKS = IPv4Network("198.18.0.0/16")  # RFC 2544: laboratories
PRIVATE = [IPv4Network(text) for text in ("10.0.0.0/8", "172.16.0.0/12", "192.168.0.0/16")]
FIRST_GATEWAY, FIRST_EDGE = 1, 0x101  # numbers of cables
OURS = ("linux", "unbound", "bind", "kea")  # platforms that are programs on a Linux host


@dataclass
class Node:
    """One namespace."""

    name: str
    forwards: bool = False
    daemons: bool = False  # runs daemons of Debian packages: it has folders of its own for them
    management: str | None = None  # its ansible_host; such a node runs an sshd
    addresses: list[tuple[str, str]] = field(default_factory=list)  # (interface, address/length)
    routes: list[tuple[str, str]] = field(default_factory=list)  # (prefix, next hop)
    routing: str = ""  # configuration of bgpd; empty: no routing daemon


@dataclass(frozen=True)
class Link:
    """A cable; the interface of each end has the name of the other end."""

    left: str
    right: str
    mtu: int = MTU


@dataclass(frozen=True)
class Topology:
    """What the laboratory builds."""

    nodes: dict[str, Node]
    links: tuple[Link, ...]


def host_variables(inventory: Path = INVENTORY) -> dict[str, dict[str, Any]]:
    """Variables that hosts.yml gives each host, its groups' merged in."""
    found: dict[str, dict[str, Any]] = {}

    def walk(group: dict[str, Any], inherited: dict[str, Any]) -> None:
        variables = inherited | (group.get("vars") or {})
        for name, own in (group.get("hosts") or {}).items():
            found[name] = found.get(name, {}) | variables | (own or {})
        for child in (group.get("children") or {}).values():
            walk(child or {}, variables)

    walk(yaml.safe_load((inventory / "hosts.yml").read_text())["all"], {})
    return found


def services(inventory: Path = INVENTORY) -> dict[str, Any]:
    """ipv4aas_services of the inventory."""
    document: dict[str, Any] = yaml.safe_load((inventory / "group_vars" / "all.yml").read_text())
    found: dict[str, Any] = document["ipv4aas_services"]
    return found


def seats(hosts: dict[str, dict[str, Any]]) -> dict[str, dict[str, Any]]:
    """Host of the laboratory -> variables of its seat: its own, or that of whom it is the fallback of."""
    taken = {v["ipv4aas_fallback"]: v for v in hosts.values() if "ipv4aas_fallback" in v}
    own = {
        name: variables
        for name, variables in hosts.items()
        if "ipv4aas_role" in variables and variables["ipv4aas_platform"] in OURS
    }
    return taken | own


def topology(inventory: Path = INVENTORY) -> Topology:
    """The network."""
    network = _Network(host_variables(inventory), services(inventory))
    return Topology(network.nodes, tuple(network.links))


class _Network:
    """Lays cable after cable; both ends get their addresses where it is laid."""

    def __init__(self, hosts: dict[str, dict[str, Any]], all_services: dict[str, Any]) -> None:
        self._hosts, self._services, self._seats = hosts, all_services, seats(hosts)
        self._backbone = max(MTU, *(service["backbone_mtu"] for service in all_services.values()))
        self.links: list[Link] = []
        self.nodes = {name: Node(name, forwards=True) for name in (CORE, INTERNET)}
        roles = {name: seat["ipv4aas_role"] for name, seat in self._seats.items()}
        self._gateways = [name for name, role in roles.items() if role == "gateway"]
        self._edges = [name for name, role in roles.items() if role == "edge"]
        # The others, such as a resolver, need both worlds like a gateway, but announce nothing.
        beside = [name for name in roles if name not in (*self._gateways, *self._edges)]
        for number, name in enumerate((*self._gateways, *beside), start=FIRST_GATEWAY):
            self._add_between(name, number)
        for name in beside:
            self.nodes[name].daemons = True
        for number, name in enumerate(self._edges, start=FIRST_EDGE):
            self._add_edge(name, number)
        for name, variables in hosts.items():
            if "ipv4aas_vantage_of" in variables and name not in self._seats:
                self._add_vantage(name, variables["ipv4aas_vantage_of"], variables["ipv4aas_address"])
            if "ipv4aas_reference_addresses" in variables:
                self._add_reference(name, variables["ipv4aas_reference_addresses"])
        self._add_routing()

    # -- cables -----------------------------------------------------------------------------

    def _add(self, name: str, *, forwards: bool) -> Node:
        node = Node(name, forwards=forwards, management=self._hosts[name]["ansible_host"])
        return self.nodes.setdefault(name, node)

    def _cable(self, router: str, name: str, network: IPv4Network | IPv6Network, host: int = 2) -> str:
        """A link and its addresses: the router's is the first; what the node does not know goes there."""
        link = Link(router, name, self._backbone if router == CORE else MTU)
        if link not in self.links:
            self.links.append(link)
            self.nodes[name].routes.append(
                (f"{'::' if network.version == 6 else '0.0.0.0'}/0", str(network[1]))
            )
        self.nodes[router].addresses.append((name, f"{network[1]}/{network.prefixlen}"))
        self.nodes[name].addresses.append((router, f"{network[host]}/{network.prefixlen}"))
        return str(network[host])

    def _to_core(self, name: str, number: int) -> str:
        """The node's address there: out of the cables' space, unless it has one that others know it by."""
        known = self._hosts[name].get("ipv4aas_address")
        if known is not None and ":" in known:
            own = int(ip_address(known))
            return self._cable(CORE, name, IPv6Network((own >> 64 << 64, 64)), own & ((1 << 64) - 1))
        network = int(CORE_LINKS.network_address) | number << 64
        return self._cable(CORE, name, IPv6Network((network, 64)))

    def _add_between(self, name: str, number: int) -> None:
        self._add(name, forwards=True)
        self._to_core(name, number)
        network = int(INTERNET_LINKS.network_address) + (number - 1) * 4
        self._cable(INTERNET, name, IPv4Network((network, 30)))
        self._stand_for_lans(name)

    def _add_edge(self, name: str, number: int) -> None:
        self._add(name, forwards=True)
        uplink = self._to_core(name, number)
        self.nodes[CORE].routes += [(prefix, uplink) for prefix in self._behind(self._seats[name])]
        self._stand_for_lans(name)

    def _stand_for_lans(self, name: str) -> None:
        """Where no host is behind it, a node is the first host of its LANs itself."""
        if not any(v.get("ipv4aas_vantage_of") == name for n, v in self._hosts.items() if n != name):
            lans = [lan for lan in _lans(self._seats[name]) if lan.prefixlen]
            self.nodes[name].addresses += [("lo", f"{lan[1]}/32") for lan in lans]

    def _public_networks(self, service: str) -> list[str]:
        """Networks of a plane that the internet may be told."""
        if "plane" not in self._services[service]:
            return []
        carriers = [seat for seat in self._seats.values() if service in seat["ipv4aas_carries"]]
        lans = [lan for seat in carriers for lan in _lans(seat)]
        return [str(lan) for lan in lans if lan.prefixlen and not any(map(lan.subnet_of, PRIVATE))]

    def _behind(self, seat: dict[str, Any]) -> Iterator[str]:
        """IPv6 prefixes of an edge: its End-user prefix, and its LANs in the plane of a service."""
        if "ipv4aas_customer_prefix" in seat:
            yield seat["ipv4aas_customer_prefix"]
        for plane in filter(None, (self._services[name].get("plane") for name in seat["ipv4aas_carries"])):
            yield from (plane_route(plane, lan) for lan in _lans(seat))

    def _add_vantage(self, name: str, before: str, address: str) -> None:
        self._add(name, forwards=False)
        own = ip_address(address)
        if own.version == 6:  # it has no IPv4: nothing but the core is before it
            network = IPv6Network((int(own) >> 64 << 64, 64))
            self._cable(CORE, name, network, int(own) - int(network.network_address))
            return
        # A host has the same number in every LAN of its edge; its own address comes first.
        lans = _lans(self._seats[before])
        home = next(lan for lan in lans if own in lan)
        for lan in sorted(lans, key=lambda lan: lan != home):
            self._cable(before, name, lan, int(own) - int(home.network_address))

    def _add_reference(self, name: str, addresses: list[str]) -> None:
        self._add(name, forwards=False)
        network = IPv4Network(addresses[0] + "/24", strict=False)
        for address in addresses:
            self._cable(INTERNET, name, network, int(IPv4Address(address)) - int(network.network_address))
        # One address of the router is enough.
        router = self.nodes[INTERNET]
        router.addresses = list(dict.fromkeys(router.addresses))

    # -- routing ----------------------------------------------------------------------------

    def _add_routing(self) -> None:
        """BGP: gateways announce what their engine's device holds of their services, core and inet listen."""
        for number, name in enumerate(self._gateways):
            seat = self._seats[name]
            peers = {_own_address(self.nodes[CORE], name): bgp.CORE_AS}
            peers[_own_address(self.nodes[INTERNET], name)] = bgp.INTERNET_AS
            # The first of those that carry a service has it all while it is there.
            rank = sum(
                self._seats[other]["ipv4aas_carries"] == seat["ipv4aas_carries"]
                for other in self._gateways[:number]
            )
            carried = [
                self._services[service] | {"networks": self._public_networks(service)}
                for service in seat["ipv4aas_carries"]
            ]
            self.nodes[name].routing = bgp.gateway(f"192.0.2.{number + 1}", peers, carried, rank)
        planes = [service["plane"]["prefix"] for service in self._services.values() if "plane" in service]
        for asn, name, announced in ((bgp.CORE_AS, CORE, planes), (bgp.INTERNET_AS, INTERNET, ())):
            listed = [_own_address(self.nodes[gateway], name) for gateway in self._gateways]
            self.nodes[name].routing = bgp.router(asn, f"192.0.2.{asn - 64900}", listed, announced)


def _lans(seat: dict[str, Any]) -> list[IPv4Network]:
    return [IPv4Network(text) for text in seat.get("ipv4aas_lan", ())]


def _own_address(node: Node, interface: str) -> str:
    return next(address.partition("/")[0] for name, address in node.addresses if name == interface)


def plane_route(plane: dict[str, Any], ipv4: IPv4Network) -> str:
    """The IPv6 route that stands for an IPv4 route of a plane (draft-matsuhira-m46e-fp section 4.2)."""
    network = int(IPv6Network(plane["prefix"]).network_address) | plane["id"] << 32
    return str(IPv6Network((network | int(ipv4.network_address), 96 + ipv4.prefixlen)))
