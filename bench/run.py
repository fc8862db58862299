# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Throughput of every technique on the TUN tier, beside plain kernel IPv6 routing.

    host - edge - core - gateway - server

Both ways lead over the same namespaces and cables, in turns within one run; see bench/README.md.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from measure import (  # first: it makes the imports below work
    TCP_DOWN,
    TCP_UP,
    TCP_UP_4,
    UDP_DOWN,
    UDP_UP,
    Measure,
    Scene,
    circumstances,
    options,
    report,
    rounds,
    save,
    serve,
)

# isort: split
from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane, PlaneRoute
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.plan.model import FleetPlan
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, GATEWAY, Service
from fleet import Fleet
from lab import Lab, LabError
from topology import Link, Node, Topology

PREFIX = "snb-"
HOST, SERVER = "host", "server"
NODES = A, MIDDLE, B = "edge", "core", "gateway"
ENGINE, KERNEL = "engine", "kernel"
WAYS = {ENGINE: "edge and gateway", KERNEL: "plain IPv6 routing"}
MTU = 1500

LAN, INTERNET = IPv4Network("10.0.0.0/24"), IPv4Network("198.51.100.0/24")
LAN6, INTERNET6 = IPv6Network("2001:db8:1::/64"), IPv6Network("2001:db8:3::/64")
CABLES = {A: IPv6Network("2001:db8:2:1::/64"), B: IPv6Network("2001:db8:2:2::/64")}
# What is behind the edge and behind the gateway, for all techniques.
CUSTOMERS, CARRIER = IPv6Network("2001:db8:c::/48"), IPv6Network("2001:db8:f::/48")
CUSTOMER = IPv6Network("2001:db8:c:120::/60")
POOL = IPv4Network("192.0.2.0/24")
FIXED = Plane(IPv6Network("2001:db8:46::/64"), 7)
RESOLVED = {A: IPv6Network("2001:db8:c:46::/64"), B: IPv6Network("2001:db8:f:46::/64")}
JOINT = IPv6Network("2001:db8:2:ff::/64")  # of the SA46T-PT in the PR domain


def network(domain: int = MTU) -> Topology:
    """Five hosts in a row; `domain`: MTU between the edge and the gateway."""
    near, far = ({end: str(network[n]) for end, network in CABLES.items()} for n in (1, 2))
    return Topology(
        {
            HOST: Node(
                HOST,
                addresses=[(A, f"{LAN[2]}/24"), (A, f"{LAN6[2]}/64")],
                routes=[("0.0.0.0/0", str(LAN[1])), ("::/0", str(LAN6[1]))],
            ),
            A: Node(
                A,
                forwards=True,
                addresses=[(HOST, f"{LAN[1]}/24"), (HOST, f"{LAN6[1]}/64"), (MIDDLE, f"{far[A]}/64")],
                routes=[("::/0", near[A])],
            ),
            MIDDLE: Node(
                MIDDLE,
                forwards=True,
                addresses=[(end, f"{address}/64") for end, address in near.items()],
                routes=[
                    *((str(prefix), far[A]) for prefix in (LAN6, CUSTOMERS, FIXED.route(LAN))),
                    *((str(prefix), far[B]) for prefix in (INTERNET6, CARRIER, FIXED.prefix)),
                ],
            ),
            B: Node(
                B,
                forwards=True,
                addresses=[
                    (MIDDLE, f"{far[B]}/64"),
                    (SERVER, f"{INTERNET[1]}/24"),
                    (SERVER, f"{INTERNET6[1]}/64"),
                ],
                routes=[("::/0", near[B])],
            ),
            SERVER: Node(
                SERVER,
                addresses=[(B, f"{INTERNET[2]}/24"), (B, f"{INTERNET6[2]}/64")],
                routes=[("0.0.0.0/0", str(INTERNET[1])), ("::/0", str(INTERNET6[1]))],
            ),
        },
        (Link(HOST, A), Link(A, MIDDLE, domain), Link(MIDDLE, B, domain), Link(B, SERVER)),
    )


def seats(technique: str, domain: int = MTU) -> dict[str, Service]:
    """Who runs what: host -> service; `domain`: its MTU."""
    row = TECHNIQUES[technique]
    base = Service(
        name=technique,
        technique=technique,
        role=GATEWAY,
        gateway_address=CARRIER[1],
        ipv6_mtu=domain,
        mss_clamp=row.tcp_mss(domain),
        translation_prefix=IPv6Network("2001:db8:f:64::/64") if row.carriage == "translation" else None,
    )
    return _SEATS[row.mapping](base)


def _with_edge(gateway: Service) -> dict[str, Service]:
    edge = replace(gateway, role=EDGE, pool=None, end_user_prefix=CUSTOMER, inside=(LAN,))
    return {A: edge, B: gateway}


def _rule(base: Service) -> dict[str, Service]:
    return _with_edge(replace(base, rules=(MapRule(CUSTOMERS, POOL, ea_len=12),)))


def _binding(base: Service) -> dict[str, Service]:
    own = Binding(CUSTOMER[1], POOL[1], psid_offset=0, psid_len=4, psid=2)
    return _with_edge(replace(base, bindings=(own,)))


def _session(base: Service) -> dict[str, Service]:
    return _with_edge(replace(base, pool=Pool(ipv4=(POOL,))))


def _plane(base: Service) -> dict[str, Service]:
    base = replace(base, role=EDGE, plane=FIXED)
    return {A: replace(base, inside=(LAN,)), B: replace(base, inside=(INTERNET,))}


def _table(base: Service) -> dict[str, Service]:
    inside = {A: LAN, B: INTERNET}
    table = tuple(PlaneRoute(inside[end], prefix) for end, prefix in RESOLVED.items())
    return {
        end: replace(
            base,
            role=EDGE,
            plane=Plane(prefix, FIXED.plane_id),
            plane_routes=table,
            inside=(inside[end],),
        )
        for end, prefix in RESOLVED.items()
    }


def _rewrite(base: Service) -> dict[str, Service]:
    """SA46T before the host, SA46T-PR before the server, SA46T-PT between them."""
    table = (PlaneRoute(INTERNET, RESOLVED[B]), PlaneRoute(IPv4Network("0.0.0.0/0"), JOINT))
    side = seats("sa46t-pr")[B]
    return {
        A: seats("sa46t")[A],
        MIDDLE: replace(
            base, gateway_address=JOINT[1], plane=FIXED, plane_routes=table, end_user_prefix=JOINT
        ),
        B: replace(side, plane_routes=table),
    }


_SEATS: dict[str, Callable[[Service], dict[str, Service]]] = {
    "rule": _rule,
    "binding": _binding,
    "session": _session,
    "plane": _plane,
    "plane-table": _table,
    "plane-rewrite": _rewrite,
}


def scene(fleet: Fleet, technique: str) -> Scene:
    """One technique, measured from the customer's host."""

    def prepare() -> None:
        taken = seats(technique)
        for host in NODES:
            fleet.run(host, *([taken[host]] if host in taken else []))

    to = {ENGINE: str(IPv4Address(INTERNET[2])), KERNEL: str(IPv6Address(INTERNET6[2]))}
    kinds = (TCP_UP, TCP_DOWN, TCP_UP_4, UDP_UP, UDP_DOWN)
    return Scene([Measure(f"{technique}: {kind.name}", kind, HOST, to) for kind in kinds], prepare)


# A NAT64 has no edge: bench/translation.py.
MEASURED = [name for name, row in TECHNIQUES.items() if row.edge is not None or row.napt == "nowhere"]


def main(argv: list[str]) -> int:
    """Command line."""
    parser = options(__doc__)
    parser.add_argument("technique", nargs="*", help=f"of {', '.join(MEASURED)} (default: all)")
    asked = parser.parse_args(argv)
    if wrong := sorted({*asked.technique} - {*MEASURED}):
        parser.error(f"{', '.join(wrong)}: not one of {', '.join(MEASURED)}")
    asked.output.mkdir(parents=True, exist_ok=True)
    lab = Lab(network(), prefix=PREFIX, folder=asked.output / "lab", management=False)
    before = circumstances()
    try:
        lab.up()
        fleet = Fleet(lab, asked.output, FleetPlan(services={}, nodes={}))
        for host in NODES:
            fleet.node(host, "start", "--fast-path", "off")
        for address in (INTERNET[2], INTERNET6[2]):
            serve(lab, SERVER, str(address))
        scenes = [scene(fleet, name) for name in asked.technique or MEASURED]
        samples = rounds(lab, scenes, asked.rounds, asked.seconds)
        status = {host: fleet.node(host, "status") for host in NODES}
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        lab.down()
    print("\n" + save(asked.output, "techniques", before, samples, status=status) + "\n")
    print(report(samples, [measure for one in scenes for measure in one.measures], WAYS))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
