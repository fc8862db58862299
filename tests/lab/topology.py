# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The ShowNet laboratory as data: nodes, links, addresses, routes. Service values come from the inventory."""

from __future__ import annotations

from dataclasses import dataclass, field
from ipaddress import IPv4Network, ip_address
from pathlib import Path
from typing import Any

import yaml

ROOT = Path(__file__).resolve().parents[2]
INVENTORY = ROOT / "inventories" / "shownet2013"
MTU = 1500
MANAGEMENT = "mgmt"


@dataclass
class Node:
    """One namespace."""

    name: str
    forwards: bool = False
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


def topology(inventory: Path = INVENTORY, *, native: bool = False) -> Topology:
    """The network. ``native`` adds IPv6 of their own to customer and internet hosts, for bench."""
    hosts = host_variables(inventory)
    seats = {hosts[name]["ipv4aas_fallback"]: name for name in hosts if "ipv4aas_fallback" in hosts[name]}
    gateways = [name for name in seats if hosts[seats[name]]["ipv4aas_role"] == "gateway"]
    vantages = {v["ipv4aas_vantage_of"]: name for name, v in hosts.items() if "ipv4aas_vantage_of" in v}
    reference = next(name for name, v in hosts.items() if "ipv4aas_reference_addresses" in v)
    nodes = {
        name: Node(name, forwards=name in seats, management=hosts[name]["ansible_host"])
        for name in (*seats, *vantages.values(), reference)
    }
    core = nodes["core"] = Node("core", forwards=True)
    inet = nodes["inet"] = Node("inet", forwards=True)
    links = []
    for number, name in enumerate(gateways, start=1):
        links += [Link("core", name), Link("inet", name)]
        core.addresses.append((name, f"2001:3e8:0:{number}::1/64"))
        inet.addresses.append((name, f"203.0.113.{number * 4 - 3}/30"))
        nodes[name].addresses += [
            ("core", f"2001:3e8:0:{number}::2/64"),
            ("inet", f"203.0.113.{number * 4 - 2}/30"),
        ]
        nodes[name].routes += [
            ("::/0", f"2001:3e8:0:{number}::1"),
            ("0.0.0.0/0", f"203.0.113.{number * 4 - 3}"),
        ]
    for number, (edge, vantage) in enumerate(vantages.items(), start=1):
        seat = hosts[seats[edge]]
        (lan,) = (IPv4Network(text) for text in seat["ipv4aas_lan"])
        links += [Link("core", edge), Link(edge, vantage)]
        core.addresses.append((edge, f"2001:3e8:0:10{number}::1/64"))
        core.routes.append((seat["ipv4aas_customer_prefix"], f"2001:3e8:0:10{number}::2"))
        nodes[edge].addresses += [
            ("core", f"2001:3e8:0:10{number}::2/64"),
            (vantage, f"{lan[1]}/{lan.prefixlen}"),
        ]
        nodes[edge].routes.append(("::/0", f"2001:3e8:0:10{number}::1"))
        nodes[vantage].addresses.append((edge, f"{hosts[vantage]['ipv4aas_address']}/{lan.prefixlen}"))
        nodes[vantage].routes.append(("0.0.0.0/0", str(lan[1])))
    links.append(Link("inet", reference))
    outside = IPv4Network(hosts[reference]["ipv4aas_reference_addresses"][0] + "/24", strict=False)
    inet.addresses.append((reference, f"{outside[1]}/24"))
    nodes[reference].addresses += [
        ("inet", f"{address}/24") for address in hosts[reference]["ipv4aas_reference_addresses"]
    ]
    nodes[reference].routes.append(("0.0.0.0/0", str(outside[1])))
    if native:
        _add_native(nodes, vantages, gateways, reference)
    _add_routing(nodes, gateways, services(inventory))
    return Topology(nodes, tuple(links))


def _add_native(
    nodes: dict[str, Node], vantages: dict[str, str], gateways: list[str], reference: str
) -> None:
    """Plain IPv6 from the first customer's host to the reference host, over the first gateway."""
    edge, vantage = next(iter(vantages.items()))
    lan, beyond, outside = "2001:3e8:0:f1::", "2001:3e8:0:f2::", "2001:3e8:0:f3::"
    nodes[vantage].addresses.append((edge, f"{lan}2/64"))
    nodes[vantage].routes.append(("::/0", f"{lan}1"))
    nodes[edge].addresses.append((vantage, f"{lan}1/64"))
    uplink = dict(nodes["core"].addresses)
    nodes["core"].routes += [
        (f"{lan}/64", uplink[edge].replace("::1/64", "::2")),
        (f"{outside}/64", uplink[gateways[0]].replace("::1/64", "::2")),
    ]
    nodes[gateways[0]].addresses.append(("inet", f"{beyond}2/64"))
    nodes[gateways[0]].routes.append((f"{outside}/64", f"{beyond}1"))
    nodes["inet"].addresses += [(gateways[0], f"{beyond}1/64"), (reference, f"{outside}1/64")]
    nodes["inet"].routes.append(("::/0", f"{beyond}2"))
    nodes[reference].addresses.append(("inet", f"{outside}2/64"))
    nodes[reference].routes.append(("::/0", f"{outside}1"))


CORE_AS, GATEWAY_AS, INTERNET_AS = 65000, 65001, 65002
# The first gateway carries all while it is there: what is stopped or changed is then known.
BACKUP_METRIC = 100

_BGP = """\
router bgp {asn}
 bgp router-id {router_id}
 no bgp default ipv4-unicast
 no bgp ebgp-requires-policy
 bgp network import-check
 timers bgp 1 3
{neighbors}{families}"""


def _add_routing(nodes: dict[str, Node], gateways: list[str], all_services: dict[str, Any]) -> None:
    """BGP: gateways announce what their engine's device holds, core and inet listen."""
    addresses = {name: dict(reversed(node.addresses)) for name, node in nodes.items()}
    for number, name in enumerate(gateways):
        peers = {
            _host(addresses["core"][name]): CORE_AS,
            _host(addresses["inet"][name]): INTERNET_AS,
        }
        pools = [pool for service in all_services.values() for pool in service["ipv4_pools"]]
        tunnels = [service["gateway"]["address"] for service in all_services.values()]
        nodes[name].routing = _speaker(
            GATEWAY_AS,
            f"192.0.2.{number + 1}",
            peers,
            metric=number * BACKUP_METRIC,
            networks4=pools,
            # The /64 is announced while the /128 of the tunnel endpoint is there.
            networks6=[f"{address}/128" for address in tunnels],
            aggregates6=[_slash64(address) for address in tunnels],
        )
    for asn, name in ((CORE_AS, "core"), (INTERNET_AS, "inet")):
        peers = {_host(addresses[gateway][name]): GATEWAY_AS for gateway in gateways}
        nodes[name].routing = _speaker(asn, f"192.0.2.{100 + asn - CORE_AS}", peers)


def _host(address: str) -> str:
    return address.partition("/")[0]


def _slash64(address: str) -> str:
    return f"{ip_address(int(ip_address(address)) >> 64 << 64)}/64"


def _speaker(
    asn: int,
    router_id: str,
    peers: dict[str, int],
    *,
    metric: int | None = None,
    networks4: list[str] | None = None,
    networks6: list[str] | None = None,
    aggregates6: list[str] | None = None,
) -> str:
    neighbors = "".join(
        f" neighbor {peer} remote-as {remote}\n"
        f" neighbor {peer} advertisement-interval 0\n"
        f" neighbor {peer} timers connect 1\n"
        for peer, remote in peers.items()
    )
    originated = {
        4: [f"network {prefix}" for prefix in networks4 or []],
        6: [f"network {prefix}" for prefix in networks6 or []]
        + [f"aggregate-address {prefix} summary-only" for prefix in aggregates6 or []],
    }
    families = ""
    for version, lines in originated.items():
        active = [peer for peer in peers if ip_address(peer).version == version]
        if not active:
            continue
        families += f" address-family ipv{version} unicast\n"
        families += "".join(f"  {line}\n" for line in lines)
        for peer in active:
            families += f"  neighbor {peer} activate\n"
            if metric is not None:
                families += f"  neighbor {peer} route-map out out\n"
        families += " exit-address-family\n"
    text = _BGP.format(asn=asn, router_id=router_id, neighbors=neighbors, families=families)
    if metric is not None:
        text += f"route-map out permit 10\n set metric {metric}\n"
    return text
