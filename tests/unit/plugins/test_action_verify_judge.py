# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action verify_judge: a probe's result and the gateways' counters, from tasks to a verdict."""

from __future__ import annotations

import json

import pytest

PROBE = {
    "check": "reach",
    "verdict": "pass",
    "cause": "",
    "details": {"tcp": True},
    "seconds": 0.5,
    "changed": False,
}
DEAD = PROBE | {"verdict": "fail", "cause": "no answer to tcp", "failed": True}


def look(host, pid=1, packets=0, **counters):
    """What a looped task that ran ``ipv4aas-node status`` registers for one host."""
    side = {"packets_in": packets, "packets_out": 0}
    services = {"hall7": {"counters": counters}}
    status = {"pid": pid, "services": services, "traffic": {"native": side}}
    return {"item": host, "stdout": json.dumps(status), "rc": 0}


@pytest.fixture
def judge(run_action, hostvars):
    """judge(check, before, after, probe, **args), PROBE where there is none, for a host behind ce42."""
    assert not run_action("plan", {}, {"hostvars": hostvars}).get("failed")

    def run(check, before, after, probe=None, **args):
        args = {"check": check, "probe": probe or PROBE, "before": before, "after": after, **args}
        return run_action("verify_judge", args, {"ipv4aas_vantage_of": "ce42"})

    return run


def test_a_hub_has_to_turn_packets_round(judge):
    result = judge("p2p", [look("br1")], [look("br1", packets=4, hairpinned=2)])
    assert (result["verdict"], result["details"]["way"]) == ("pass", "by the gateway")
    assert result["seconds"] == 0.5
    result = judge("p2p", [look("br1")], [look("br1")])
    assert result["failed"]
    assert result["msg"] == "p2p: the plan has no mesh, but no gateway turned the packets round"


def test_the_plan_says_what_the_gateways_use(judge):
    result = judge("drafts", [look("br1")], [look("br1", **{"iid_format_draft-03": 3})], DEAD)
    assert result["failed"]
    assert "2001:3e8:6000:42::/64 uses interface identifiers of draft-03" in result["cause"]
    assert judge("drafts", [look("br1")], [look("br1", iid_format_rfc7597=3)])["verdict"] == "pass"


def test_forged_packets(judge):
    sent = PROBE | {"details": {"sent": [{"case": "a", "counter": "drop_no_rule", "cookies": ["1"]}]}}
    args = {"probe": sent, "seen": PROBE}
    assert judge("spoof", [look("br1")], [look("br1", drop_no_rule=1)], **args)["verdict"] == "pass"
    assert judge("spoof", [look("br1")], [look("br1")], **args)["failed"]


@pytest.mark.parametrize(
    ("before", "after", "probe", "message"),
    [
        ([look("br1")], [look("br2")], PROBE, "before, after: not of the same gateways"),
        ([look("br1")], [look("br1", pid=2)], PROBE, "br1 was started anew while the probe ran"),
        ([look("br1")], [look("br1")], {"failed": True, "msg": "no python"}, "no python"),
    ],
)
def test_what_cannot_be_judged(judge, before, after, probe, message):
    result = judge("p2p", before, after, probe)
    assert result["failed"]
    assert result["msg"] == message
    assert "verdict" not in result
