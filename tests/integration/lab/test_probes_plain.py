# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The probes against plain Linux routing: they must pass where all is right and name what is not.

host - r1 =(narrow)= r2 - far. The customer owns its whole address, so nothing needs translation.
"""

from __future__ import annotations

import json
import subprocess
import time
from collections.abc import Callable
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.codec import encode
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.techniques.service import PortForward, Service
from ansible_collections.ipv4aas.fleet.engine.verify.probes.model import Assignment
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.bundle import BUNDLES, write
from lab import Lab
from topology import Link, Node, Topology
from waiting import wait_until

pytestmark = pytest.mark.root

HOST, FAR = "192.0.2.2", ("198.51.100.2", "198.51.100.3")
NARROW = 1460
TOKEN = "only for tests"

SERVICE = Service(
    name="plain",
    technique="map-e",
    role="edge",
    gateway_address=IPv6Address("2001:db8::1"),
    rules=(MapRule(IPv6Network("2001:db8:1::/64"), IPv4Network(f"{HOST}/32"), 0),),
    ipv6_mtu=NARROW + 40,
    end_user_prefix=IPv6Network("2001:db8:1::/64"),
    port_forwards=(PortForward("tcp", 8080, IPv4Address(HOST), 8080),),
)


@pytest.fixture(scope="module")
def network(build: Callable[[Topology, str], Lab], tmp_path_factory: pytest.TempPathFactory) -> Lab:
    nodes = {
        "host": Node("host", addresses=[("r1", f"{HOST}/30")], routes=[("0.0.0.0/0", "192.0.2.1")]),
        "r1": Node(
            "r1",
            forwards=True,
            addresses=[("host", "192.0.2.1/30"), ("r2", "203.0.113.1/30")],
            routes=[("0.0.0.0/0", "203.0.113.2")],
        ),
        "r2": Node(
            "r2",
            forwards=True,
            addresses=[("r1", "203.0.113.2/30"), ("far", "198.51.100.1/24")],
            routes=[("192.0.2.0/24", "203.0.113.1")],
        ),
        "far": Node(
            "far",
            addresses=[("r2", f"{address}/24") for address in FAR],
            routes=[("0.0.0.0/0", "198.51.100.1")],
        ),
    }
    links = (Link("host", "r1"), Link("r1", "r2", NARROW), Link("r2", "far"))
    program = tmp_path_factory.mktemp("program") / "ipv4aas-probe.pyz"
    write(BUNDLES["probe"], program)
    made = build(Topology(nodes, links), "p")
    made.program = program  # type: ignore[attr-defined]
    for host, addresses, port in (("far", FAR, "8597"), ("host", (HOST,), "8080")):
        words = [word for address in addresses for word in ("--address", address)]
        made.on(
            *(host, "python3", str(program), "responder", *words),
            *("--control-port", port, "--detach"),
            feed=TOKEN + "\n",
        )
    return made


def ask(
    network: Lab, check: str, service: Service = SERVICE, *, token: str = TOKEN, **more: Any
) -> dict[str, Any]:
    """The verdict of a check that runs on the host."""
    task = Assignment(service=service, references=tuple(map(IPv4Address, FAR)), token=token)
    program: Path = network.program  # type: ignore[attr-defined]
    done = subprocess.run(
        network.enter("host", "python3", str(program), check),
        input=json.dumps(encode(task) | {"more": more}),
        text=True,
        capture_output=True,
        check=False,
    )
    assert done.stdout, done.stderr
    verdict: dict[str, Any] = json.loads(done.stdout)
    assert done.returncode == (verdict["verdict"] != "pass")
    return verdict


@pytest.mark.parametrize("check", ["mtu", "fragments", "tcp_udp", "icmp", "p2p_inbound", "reach"])
def test_passes_where_all_is_right(network: Lab, check: str) -> None:
    verdict = ask(network, check)
    assert verdict["verdict"] == "pass", verdict
    assert verdict["cause"] == ""


def test_matrix_is_whole(network: Lab) -> None:
    matrix = ask(network, "fragments")["details"]["matrix"]
    assert len(matrix) == 36
    assert all(set(row) == {"in", "out"} for row in matrix.values())
    assert matrix["udp 1500 DF whole"] == {"in": "too big, MTU 1460", "out": "too big, MTU 1460"}
    assert matrix["icmp 8000 -- pieces of 1500 last first"] == {"in": "delivered", "out": "delivered"}


def test_path_is_narrower_than_planned(network: Lab) -> None:
    verdict = ask(network, "mtu", replace(SERVICE, ipv6_mtu=1520))
    assert verdict["verdict"] == "fail"
    assert "UDP outwards: 1480 octets with DF: too big, MTU 1460, not delivered" in verdict["cause"]
    assert "ICMP inwards: 1480 octets with DF: too big, MTU 1460" in verdict["cause"]


def test_path_is_wider_than_planned(network: Lab) -> None:
    assert (
        "1421 octets with DF pass; the plan says 1420"
        in ask(network, "mtu", replace(SERVICE, ipv6_mtu=1460))["cause"]
    )


def test_clamping_is_missing(network: Lab) -> None:
    cause = ask(network, "mtu", replace(SERVICE, mss_clamp=1420))["cause"]
    assert "MSS seen outside is 1460; the plan clamps to 1420" in cause
    assert "MSS seen inside is 1460" in cause


def test_source_is_not_the_customers(network: Lab) -> None:
    other = replace(SERVICE, rules=(MapRule(IPv6Network("2001:db8:1::/64"), IPv4Network("192.0.2.9/32"), 0),))
    verdict = ask(network, "tcp_udp", other)
    assert f"seen as {HOST}:" in verdict["cause"]
    assert "which is not the customer's" in ask(network, "icmp", other)["cause"]


def test_lost_pieces_are_named_with_what_they_have_in_common(network: Lab) -> None:
    """The far host has no memory for fragments: all that is cut on its way out is lost, nothing else."""
    limits = ("net.ipv4.ipfrag_low_thresh", "net.ipv4.ipfrag_high_thresh")
    before = [network.on("far", "sysctl", "-n", name).strip() for name in limits]
    network.on("far", "sysctl", "-qw", *(f"{name}=0" for name in limits))
    try:
        verdict = ask(network, "fragments")
    finally:
        network.on(
            "far", "sysctl", "-qw", *(f"{n}={v}" for n, v in zip(limits[::-1], before[::-1], strict=True))
        )
    assert verdict["cause"].startswith("only packets to the internet are concerned; ")
    matrix = verdict["details"]["matrix"]
    lost = {row for row, ways in matrix.items() if ways["out"] == "lost"}
    assert {"udp 8000 -- pieces of 1500 in order", "icmp 1000 DF pieces of 420 last first"} <= lost
    assert matrix["udp 1460 DF whole"] == {"in": "delivered", "out": "delivered"}
    assert all(matrix[row]["in"] == "delivered" for row in lost)


def test_stream_counts_what_an_interruption_costs(network: Lab) -> None:
    pending = subprocess.Popen(
        network.enter("host", "python3", str(network.program), "stream"),  # type: ignore[attr-defined]
        stdin=subprocess.PIPE,
        stdout=subprocess.PIPE,
        text=True,
    )
    task = Assignment(service=SERVICE, references=tuple(map(IPv4Address, FAR)), token=TOKEN)
    assert pending.stdin
    pending.stdin.write(json.dumps(encode(task) | {"more": {"seconds": 8}}))
    pending.stdin.close()
    before = _carried(network)
    wait_until(lambda: _carried(network) > before + 50)
    begin = time.monotonic()
    network.on("r1", "ip", "link", "set", "r2", "down")
    network.on("r1", "sleep", "0.5")
    network.on("r1", "ip", "link", "set", "r2", "up")
    network.on("r1", "ip", "route", "add", "0.0.0.0/0", "via", "203.0.113.2")
    took = 1000 * (time.monotonic() - begin)
    assert pending.stdout
    verdict = json.load(pending.stdout)
    assert pending.wait() == 0
    assert verdict["verdict"] == "pass", verdict
    # No more than it was down, and the moment in which the neighbours find one another.
    assert 300 <= verdict["details"]["udp"]["longest_gap_ms"] <= took + 1500
    assert verdict["details"]["tcp"]["whole"]


def _carried(network: Lab) -> int:
    """Packets that the router in the middle sent to the far side."""
    return int(network.on("r1", "cat", "/sys/class/net/r2/statistics/tx_packets"))


def test_wrong_token_gets_no_answer(network: Lab) -> None:
    verdict = ask(network, "mtu", token="guessed")
    assert verdict["verdict"] == "fail"
    assert "the token is not ours" in verdict["cause"]
