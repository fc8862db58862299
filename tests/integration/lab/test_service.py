# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The checks against the packet engine in the ShowNet network: they pass where it is as planned, and
name what is wrong where one box is not.
"""

from __future__ import annotations

import threading
import time
from collections.abc import Iterator

import pytest
from ansible_collections.ipv4aas.fleet.engine.verify.probes import judge
from fleet import Fleet, changed, fleet_plan
from lab import Lab
from waiting import wait_until

pytestmark = pytest.mark.root

SERVICE = "hall7"


@pytest.fixture(scope="module")
def fleet(lab: Lab, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Fleet]:
    made = Fleet(lab, tmp_path_factory.mktemp("programs"))
    made.start()
    made.respond("www", made.references)
    made.respond("host42", [made.hosts["host42"]["ipv4aas_address"]], control=8080, web=0)
    _wait_for_the_routes(made)
    yield made
    for host in made.nodes:
        made.node(host, "stop")


def _wait_for_the_routes(fleet: Fleet) -> None:
    """The gateways announce the anycast address only once they run."""
    deadline = time.monotonic() + 60
    while time.monotonic() < deadline and not fleet.probe("host42", "reach", edge="ce42").passed:
        time.sleep(0.5)


@pytest.mark.parametrize("check", ["mtu", "fragments", "tcp_udp", "icmp", "p2p_inbound", "web"])
def test_as_planned(fleet: Fleet, check: str) -> None:
    verdict = fleet.probe("host42", check, edge="ce42")
    assert verdict.passed, verdict


def test_web_can_be_asked_again_at_once(fleet: Fleet) -> None:
    """The translator may not forget sessions for four minutes (RFC 5382 REQ-5)."""
    for _again in range(2):
        verdict = fleet.probe("hostff", "web", edge="ceff")
        assert verdict.passed, verdict
    assert verdict.details["ports_seen"] == 864
    assert verdict.details["customer"]["ranges"] == 15


def test_edge_without_clamping_is_named(fleet: Fleet) -> None:
    for host in ("cec0", "br1", "br2"):
        fleet.run(host, changed(fleet.service(host), mss_clamp=0))
    try:
        verdict = fleet.probe("hostc0", "mtu", edge="cec0")
    finally:
        for host in ("cec0", "br1", "br2"):
            fleet.run(host, fleet.service(host))
    assert "MSS seen outside is 1460; the plan clamps to 1420" in verdict.cause
    assert fleet.probe("hostc0", "mtu", edge="cec0").passed


def test_narrower_tunnel_is_named(fleet: Fleet) -> None:
    fleet.run("cec0", changed(fleet.service("cec0"), ipv6_mtu=1400))
    try:
        verdict = fleet.probe("hostc0", "mtu", edge="cec0")
    finally:
        fleet.run("cec0", fleet.service("cec0"))
    assert "UDP outwards: 1460 octets with DF: too big, MTU 1360, not delivered" in verdict.cause
    assert "inwards" not in verdict.cause


@pytest.mark.parametrize("mesh", [False, True])
def test_customer_to_customer(fleet: Fleet, mesh: bool) -> None:
    plan = fleet_plan(of=SERVICE, topology="mesh" if mesh else "hub")
    nodes = [host for host in fleet.nodes if fleet.service(host).name == SERVICE]
    for host in nodes:
        fleet.run(host, *plan.nodes[host].services)
    try:
        prepared = fleet.probe("hostc0", "p2p_mapping", edge="cec0", plan=plan)
        assert prepared.passed, prepared
        before = fleet.gateways(SERVICE)
        probe = fleet.probe("hostc0", "p2p_peer", edge="cec0", peer="ce42", plan=plan, **prepared.details)
        counts = judge.counted(before, fleet.gateways(SERVICE), SERVICE)
    finally:
        for host in nodes:
            fleet.run(host, *fleet.plan.nodes[host].services)
    verdict = judge.p2p(plan.nodes["cec0"].services[0], probe, counts)
    assert verdict.passed, verdict
    assert verdict.details["way"] == ("direct" if mesh else "by the gateway")
    assert (verdict.details["gateway_packets"] == 0) is mesh
    # The other topology is seen through by the same figures.
    other = fleet_plan(of=SERVICE, topology="hub" if mesh else "mesh").nodes["cec0"].services[0]
    assert not judge.p2p(other, probe, counts).passed


def test_edge_of_an_old_draft_is_named(fleet: Fleet) -> None:
    def drafts() -> judge.Verdict:
        before = fleet.gateways(SERVICE)
        probe = fleet.probe("hostff", "reach", edge="ceff")
        return judge.drafts(
            fleet.service("ceff"),
            fleet.service("br1"),
            probe,
            judge.counted(before, fleet.gateways(SERVICE), SERVICE),
        )

    assert drafts().passed
    fleet.run("ceff", changed(fleet.service("ceff"), interface_identifier="draft-03"))
    try:
        verdict = drafts()
    finally:
        fleet.run("ceff", fleet.service("ceff"))
    assert not verdict.passed
    assert "uses interface identifiers of draft-03, the gateways rfc7597" in verdict.cause
    assert "MAP007" in verdict.cause
    assert drafts().passed


def test_forged_packets_are_dropped_and_counted(fleet: Fleet) -> None:
    before = fleet.gateways(SERVICE)
    sent = fleet.probe("ce42", "spoof", edge="ce42")
    cookies = [cookie for case in sent.details["sent"] for cookie in case["cookies"]]
    seen = fleet.probe("host42", "seen", edge="ce42", cookies=cookies)
    verdict = judge.spoof(sent, seen, judge.counted(before, fleet.gateways(SERVICE), SERVICE))
    assert verdict.passed, verdict
    assert verdict.details["counted"] == {"drop_spoofed_source": 30, "drop_no_rule": 10}


def test_traffic_survives_the_loss_of_a_gateway(fleet: Fleet) -> None:
    def carried() -> int:
        return sum(fleet.node("br1", "status")["counters"].values())

    def stop() -> None:
        """Once the stream goes through it."""
        before = carried()
        wait_until(lambda: carried() > before + 100)
        fleet.node("br1", "stop")

    stopper = threading.Thread(target=stop)
    stopper.start()
    try:
        verdict = fleet.probe("host42", "stream", edge="ce42", seconds=10)
    finally:
        stopper.join()
        fleet.node("br1", "start")
    assert verdict.passed, verdict
    # The way is withdrawn: nobody waits until BGP believes that it is gone.
    assert 0 < verdict.details["udp"]["longest_gap_ms"] < 6000
    assert len(verdict.details["udp"]["sources"]) == 1
