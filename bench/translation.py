# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Throughput of translation on the TUN tier beside Debian's tayga, one host from the generator to the other.

SIIT is a CLAT with one explicit mapping beside tayga with the same static map; NAT64 is a session
gateway beside tayga's pool of one IPv4 address a host. Both ways in turns within one run; see
bench/README.md.
"""

from __future__ import annotations

import sys
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

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
from ansible_collections.ipv4aas.fleet.engine.mapping.eam import Eam
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import Embedding
from ansible_collections.ipv4aas.fleet.engine.plan.model import FleetPlan
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, GATEWAY, Service
from fleet import Fleet
from lab import Lab, LabError
from topology import Link, Node, Topology

PREFIX = "snt-"
FOUR, BOX, SIX = "four", "box", "six"  # a host with IPv4, the translators, a host with IPv6
ENGINE, TAYGA = "engine", "tayga"
WAYS = {ENGINE: "one node, TUN tier", TAYGA: "tayga of Debian"}

FOUR_ADDRESS, SIX_ADDRESS = "10.0.0.2", "2001:db8:6::2"
FOUR_SERVES = "203.0.113.1"  # behind no CLAT: that takes packets by their source
PREFIXES = {ENGINE: IPv6Network("2001:db8:e::/96"), TAYGA: IPv6Network("2001:db8:a::/96")}
POOLS = {ENGINE: IPv4Network("192.0.2.0/28"), TAYGA: IPv4Network("192.0.2.128/25")}
# How FOUR is known in the IPv6 world, and SIX in the IPv4 world: by one address for each way.
FOUR_MAPPED = {ENGINE: IPv6Address("2001:db8:e:c::2"), TAYGA: IPv6Address("2001:db8:a:c::2")}
SIX_KNOWN = {ENGINE: IPv4Address("198.51.100.1"), TAYGA: IPv4Address("198.51.100.2")}
TAYGA_ADDRESS = "192.0.2.129"
TAYGA_DEVICE = "tayga0"


def embedded(way: str, address: IPv4Address) -> str:
    """An IPv4 address in the prefix of a way (RFC 6052)."""
    return str(IPv6Address(Embedding(PREFIXES[way]).embed(int(address))))


def network() -> Topology:
    """Two cables and three hosts."""
    inside = [embedded(way, SIX_KNOWN[way]) for way in WAYS]
    return Topology(
        {
            FOUR: Node(
                FOUR,
                addresses=[(BOX, f"{FOUR_ADDRESS}/24"), ("lo", f"{FOUR_SERVES}/32")],
                routes=[("0.0.0.0/0", "10.0.0.1")],
            ),
            BOX: Node(
                BOX,
                forwards=True,
                addresses=[(FOUR, "10.0.0.1/24"), (SIX, "2001:db8:6::1/64")],
                # More specific than the translators' own.
                routes=[(f"{FOUR_SERVES}/32", FOUR_ADDRESS), *((f"{a}/128", SIX_ADDRESS) for a in inside)],
            ),
            SIX: Node(
                SIX,
                addresses=[(BOX, f"{SIX_ADDRESS}/64"), *(("lo", f"{address}/128") for address in inside)],
                routes=[("::/0", "2001:db8:6::1")],
            ),
        },
        (Link(BOX, FOUR), Link(BOX, SIX)),
    )


def services() -> tuple[Service, Service]:
    """A CLAT before FOUR, and a NAT64 before SIX, in one node."""
    own = IPv6Address("2001:db8:e:ffff::1")
    clat = Service(
        name="siit",
        technique="464xlat",
        role=EDGE,
        gateway_address=own,
        translation_prefix=PREFIXES[ENGINE],
        end_user_prefix=IPv6Network("2001:db8:e:c::/64"),
        inside=(IPv4Network("10.0.0.0/24"),),
        eam=(Eam(IPv4Network(FOUR_ADDRESS), IPv6Network(FOUR_MAPPED[ENGINE])),),
    )
    nat64 = Service(
        name="nat64",
        technique="nat64",
        role=GATEWAY,
        gateway_address=own,
        translation_prefix=PREFIXES[ENGINE],
        pool=Pool(ipv4=(POOLS[ENGINE],)),
    )
    return clat, nat64


TAYGA_CONFIGURATION = f"""\
tun-device {TAYGA_DEVICE}
ipv4-addr {TAYGA_ADDRESS}
prefix {PREFIXES[TAYGA]}
map {FOUR_ADDRESS} {FOUR_MAPPED[TAYGA]}
dynamic-pool {POOLS[TAYGA]}
"""


def start_tayga(lab: Lab, folder: Path) -> None:
    """The device, its routes, and the daemon (tayga(8), README of the package)."""
    path = folder / "tayga.conf"
    path.write_text(TAYGA_CONFIGURATION)
    lab.on(BOX, "tayga", "-c", str(path), "--mktun")
    lab.on(BOX, "ip", "link", "set", TAYGA_DEVICE, "up")
    for destination in (SIX_KNOWN[TAYGA], POOLS[TAYGA], FOUR_MAPPED[TAYGA], PREFIXES[TAYGA]):
        lab.on(BOX, "ip", "route", "add", str(destination), "dev", TAYGA_DEVICE)
    lab.on(BOX, "tayga", "-c", str(path))


def measures() -> list[Measure]:
    """SIIT from the IPv4 host, NAT64 from the IPv6 host."""
    siit = {way: str(SIX_KNOWN[way]) for way in WAYS}
    nat64 = {way: embedded(way, IPv4Address(FOUR_SERVES)) for way in WAYS}
    kinds = (TCP_UP, TCP_DOWN, TCP_UP_4, UDP_UP, UDP_DOWN)
    return [
        Measure(f"{name}: {kind.name}", kind, client, to)
        for name, client, to in (("SIIT", FOUR, siit), ("NAT64", SIX, nat64))
        for kind in kinds
    ]


def main(argv: list[str]) -> int:
    """Command line."""
    asked = options(__doc__).parse_args(argv)
    asked.output.mkdir(parents=True, exist_ok=True)
    lab = Lab(network(), prefix=PREFIX, folder=asked.output / "lab-translation", management=False)
    before = circumstances()
    try:
        lab.up()
        fleet = Fleet(lab, asked.output, FleetPlan(services={}, nodes={}))
        fleet.node(BOX, "start", "--fast-path", "off")
        fleet.run(BOX, *services())
        start_tayga(lab, asked.output)
        serve(lab, FOUR, FOUR_SERVES)
        for way in WAYS:
            serve(lab, SIX, embedded(way, SIX_KNOWN[way]))
        wanted = measures()
        samples = rounds(lab, [Scene(wanted)], asked.rounds, asked.seconds)
        status = fleet.node(BOX, "status")
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        lab.down()
    print("\n" + save(asked.output, "translation", before, samples, status=status) + "\n")
    print(report(samples, wanted, WAYS))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
