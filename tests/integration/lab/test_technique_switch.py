# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One inventory of a small ISP, and one word: planned, taken over by running nodes, and verified."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from pathlib import Path

import pytest
import yaml
from ansible_collections.ipv4aas.fleet.engine.verify.probes import judge
from ansible_collections.ipv4aas.fleet.engine.verify.probes.model import FAIL, NOT_APPLICABLE, PASS
from fleet import Fleet, fleet_plan
from lab import Lab
from topology import ROOT, Topology, topology

pytestmark = pytest.mark.root

SMALL_ISP = ROOT / "inventories" / "small-isp"
TECHNIQUES = ["map-e", "map-t", "lw4o6", "ds-lite", "464xlat"]
SERVICE, EDGE, HOST = "home", "alice", "pc"
ASKED = {
    "ipv4aas_vantages": {
        "hosts": {
            HOST: {"ansible_host": HOST, "ipv4aas_vantage_of": EDGE, "ipv4aas_address": "192.168.1.10"},
        }
    },
    "ipv4aas_references": {
        "hosts": {
            "www": {"ansible_host": "www", "ipv4aas_reference_addresses": ["198.51.100.80", "198.51.100.81"]}
        }
    },
}


@pytest.fixture(scope="module")
def inventory(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The example, with a host that asks and one that answers."""
    folder = tmp_path_factory.mktemp("inventory")
    hosts = yaml.safe_load((SMALL_ISP / "hosts.yml").read_text())
    hosts["all"]["children"] |= ASKED
    (folder / "hosts.yml").write_text(yaml.safe_dump(hosts))
    (folder / "group_vars").mkdir()
    (folder / "group_vars" / "all.yml").write_text((SMALL_ISP / "group_vars" / "all.yml").read_text())
    return folder


@pytest.fixture(scope="module")
def fleet(
    build: Callable[[Topology, str], Lab], inventory: Path, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[Fleet]:
    """The network, whose nodes run nothing yet."""
    lab = build(topology(inventory), "i")
    made = Fleet(lab, tmp_path_factory.mktemp("programs"), inventory=inventory)
    for host in made.nodes:
        made.node(host, "start")
    made.respond("www", made.references)
    yield made
    for host in made.nodes:
        made.node(host, "stop")


@pytest.fixture(scope="module", params=TECHNIQUES)
def switched(request: pytest.FixtureRequest, fleet: Fleet, inventory: Path) -> Fleet:
    """The fleet after the word was changed: the nodes run on."""
    fleet.plan = fleet_plan(inventory, technique=request.param)
    for host in fleet.nodes:
        fleet.run(host, *fleet.plan.nodes[host].services)
    deadline = time.monotonic() + 60
    while not (verdict := fleet.probe(HOST, "reach", edge=EDGE)).passed:
        assert time.monotonic() < deadline, verdict
        time.sleep(0.5)
    return fleet


@pytest.mark.parametrize("check", ["mtu", "tcp_udp", "icmp", "fragments", "web"])
def test_a_check_passes(switched: Fleet, check: str) -> None:
    verdict = switched.probe(HOST, check, edge=EDGE)
    assert verdict.verdict == PASS, verdict


def test_both_sides_compute_alike(switched: Fleet) -> None:
    service = switched.service(EDGE)
    before = switched.gateways(SERVICE)
    probe = switched.probe(HOST, "drafts", edge=EDGE)
    counts = judge.counted(before, switched.gateways(SERVICE), SERVICE)
    verdict = judge.drafts(service, switched.service("gw1"), probe, counts, service)
    assert verdict.verdict == (NOT_APPLICABLE if service.technique == "ds-lite" else PASS), verdict


def test_forged_packets_are_dropped_and_counted(switched: Fleet) -> None:
    before = switched.gateways(SERVICE)
    sent = switched.probe(EDGE, "spoof", edge=EDGE)
    cookies = [cookie for case in sent.details["sent"] for cookie in case["cookies"]]
    assert cookies
    seen = switched.probe(HOST, "seen", edge=EDGE, cookies=cookies)
    verdict = judge.spoof(sent, seen, judge.counted(before, switched.gateways(SERVICE), SERVICE))
    assert verdict.verdict == PASS, verdict


def test_another_plan_is_told_apart(switched: Fleet, inventory: Path) -> None:
    """The probes judge by the plan, not by what they find."""
    technique = switched.service(EDGE).technique
    narrow = fleet_plan(inventory, technique=technique, backbone_mtu=1400, lowest_ipv6_mtu=1400)
    verdict = switched.probe(HOST, "mtu", edge=EDGE, plan=narrow)
    assert verdict.verdict == FAIL
    assert "octets with DF pass; the plan says" in verdict.cause
