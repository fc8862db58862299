# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Throughput through an edge and a gateway on the TUN tier, beside plain kernel IPv6 routing.

Both ways lead over the same namespaces and cables, in turns within one run; see bench/README.md.
"""

from __future__ import annotations

import sys

from measure import (  # first: it makes the imports below work
    TCP_DOWN,
    TCP_UP,
    TCP_UP_4,
    UDP_DOWN,
    UDP_UP,
    Measure,
    circumstances,
    options,
    report,
    rounds,
    save,
    serve,
)

# isort: split
from fleet import Fleet, fleet_plan
from lab import Lab, LabError
from topology import topology

PREFIX = "snb-"
CLIENT, SERVER, EDGE, GATEWAY = "host42", "www", "ce42", "br1"
ENGINE, KERNEL = "engine", "kernel"
WAYS = {ENGINE: "edge and gateway", KERNEL: "plain IPv6 routing"}


def destinations(lab: Lab, fleet: Fleet) -> dict[str, str]:
    """Way -> address of the server by which it is taken."""
    own = [address.partition("/")[0] for _interface, address in lab.plan.nodes[SERVER].addresses]
    return {ENGINE: fleet.references[0], KERNEL: next(address for address in own if ":" in address)}


def main(argv: list[str]) -> int:
    """Command line."""
    asked = options(__doc__).parse_args(argv)
    asked.output.mkdir(parents=True, exist_ok=True)
    lab = Lab(topology(native=True), prefix=PREFIX, folder=asked.output / "lab", management=False)
    before = circumstances()
    try:
        lab.up()
        fleet = Fleet(lab, asked.output, fleet_plan())
        fleet.start([EDGE, GATEWAY])
        to = destinations(lab, fleet)
        for address in to.values():
            serve(lab, SERVER, address)
        kinds = (TCP_UP, TCP_DOWN, TCP_UP_4, UDP_UP, UDP_DOWN)
        measures = [Measure(kind.name, kind, CLIENT, to) for kind in kinds]
        samples = rounds(lab, measures, asked.rounds, asked.seconds)
        status = {host: fleet.node(host, "status") for host in (EDGE, GATEWAY)}
    except LabError as error:
        print(f"bench: {error}", file=sys.stderr)
        return 1
    finally:
        lab.down()
    print("\n" + save(asked.output, "tunnel", before, samples, status=status) + "\n")
    print(report(samples, measures, WAYS))
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
