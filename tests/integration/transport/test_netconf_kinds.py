# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NETCONF servers of other models and of fewer abilities."""

from __future__ import annotations

import re
from dataclasses import replace

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms import registry
from ansible_collections.ipv4aas.fleet.engine.transport.connect import session_for
from ansible_collections.ipv4aas.fleet.engine.transport.session import CapabilityMissing, TransportError
from faults import roll_out
from netconf_devices import Make, canonical, goes_back, running, target
from nodes import MOVED, SERVICE, node, rendered
from platform_cases import CASES
from servers import model_folder
from waiting import wait_until

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(model_folder() is None, reason="IPV4AAS_YANG names no folder of YANG models"),
]

PLAN = node("asr9000", "netconf")
MOVED_PLAN = node("asr9000", "netconf", MOVED)


def test_juniper_mx(make_device: Make) -> None:
    mx = make_device("juniper_mx")
    plan, moved = node("juniper_mx", "netconf"), node("juniper_mx", "netconf", MOVED)
    driver = registry.driver("juniper_mx")
    before = running(mx, "juniper_mx")
    assert roll_out(plan, target(mx), confirm_within=30, check_mode=True).changed
    assert running(mx, "juniper_mx") == before
    outcome = roll_out(plan, target(mx), confirm_within=30)
    assert outcome.changed
    assert outcome.after == driver.owned(rendered(plan), "netconf")
    assert not roll_out(plan, target(mx), confirm_within=30).changed
    with pytest.raises(TransportError, match="no way through") as caught:
        roll_out(moved, target(mx), confirm_within=30, post_check=lambda: ["no way through"])
    assert caught.value.left == "unchanged"
    with pytest.raises(TransportError) as caught:
        roll_out(moved, target(mx), confirm_within=2, moment="after apply", fault=mx.kill)
    # Whole minutes.
    assert 30 < int(re.findall(r"reverts by itself in at most (\d+) s", caught.value.left)[0]) <= 61
    mx.restart()
    assert driver.owned(running(mx, "juniper_mx"), "netconf") == outcome.after
    assert roll_out(moved, target(mx), confirm_within=30).changed
    assert not roll_out(moved, target(mx), confirm_within=30).changed
    assert "customer-60" in running(mx, "juniper_mx")
    assert roll_out(replace(plan, services=()), target(mx), confirm_within=30).changed
    # The way to the removed units stays: an interface without units.
    empty = (
        '<interfaces xmlns="http://yang.juniper.net/junos/conf/interfaces"><interface><name>si-0/0/0</name>'
    )
    assert running(mx, "juniper_mx").replace(f"{empty}</interface></interfaces>", "") == before


def test_juniper_srx(make_device: Make) -> None:
    """One technique after the other; one that fails its check leaves the one before."""
    srx, case = make_device("juniper_srx"), CASES["juniper_srx"]
    driver = registry.driver("juniper_srx")
    before = running(srx, "juniper_srx")
    plans = {
        name: case.node(*case.golden[name], dialect="netconf") for name in ("ds-lite", "464xlat", "map-e")
    }
    for plan in plans.values():
        assert roll_out(plan, target(srx), confirm_within=60).changed
        assert driver.owned(running(srx, "juniper_srx"), "netconf") == rendered(plan)
        assert not roll_out(plan, target(srx), confirm_within=60).changed
    with pytest.raises(TransportError, match="no way through") as caught:
        roll_out(plans["ds-lite"], target(srx), confirm_within=60, post_check=lambda: ["no way through"])
    assert caught.value.left == "unchanged"
    assert driver.owned(running(srx, "juniper_srx"), "netconf") == rendered(plans["map-e"])
    assert roll_out(replace(plans["map-e"], services=()), target(srx), confirm_within=60).changed
    after = running(srx, "juniper_srx")
    for empty in ("<static></static>", "<softwires></softwires>"):  # containers without a meaning
        after = after.replace(empty, "")
    assert after == before


def test_confirmed_commit_without_persist(make_device: Make) -> None:
    """confirmed-commit:1.0: the change lives as long as its session, until it is confirmed."""
    device = make_device("asr9000", "--protocols=netconf1.0")
    before = running(device)
    with pytest.raises(TransportError, match="no way through") as caught:
        roll_out(PLAN, target(device), confirm_within=30, post_check=lambda: ["no way through"])
    assert caught.value.left == "unchanged"
    assert running(device) == before
    with pytest.raises(TransportError) as caught:
        roll_out(PLAN, target(device), confirm_within=30, moment="after apply", fault=device.drop_sessions)
    assert "reverts by itself" in caught.value.left
    goes_back(device, before)
    assert roll_out(PLAN, target(device), confirm_within=30).changed
    assert not roll_out(PLAN, target(device), confirm_within=30).changed
    device.settle()
    assert registry.driver("asr9000").owned(running(device), "netconf") == rendered(PLAN)


def test_confirmed_commit_without_persist_runs_out(make_device: Make) -> None:
    device = make_device("asr9000", "--protocols=netconf1.0")
    before = running(device)

    def slow() -> list[str]:
        wait_until(lambda: running(device) == before, pause=2.5)  # it goes back in an idle second only
        return []

    with pytest.raises(TransportError) as caught:
        roll_out(PLAN, target(device), confirm_within=5, post_check=slow)
    # The late commit is answered with ok: only reading again shows that it kept nothing.
    assert caught.value.step in ("confirm", "read after confirm")
    assert caught.value.left == "unchanged"
    assert running(device) == before


def test_a_startup_datastore_is_written(make_device: Make) -> None:
    device = make_device("asr9000", "--with-startup=true")
    roll_out(PLAN, target(device), confirm_within=30)
    after = running(device)
    device.restart()
    assert running(device) == after
    assert "ipv4aas-hall7" in after


def test_no_candidate_is_refused_unless_weaker_is_allowed(make_device: Make) -> None:
    device = make_device("asr9000", datastore="running")
    with pytest.raises(CapabilityMissing, match=":candidate and :confirmed-commit") as caught:
        roll_out(PLAN, target(device), confirm_within=30)
    assert caught.value.left == "unchanged"
    driver = registry.driver("asr9000")
    before = running(device)
    change = driver.change(before, rendered(PLAN), "netconf")
    with session_for("asr9000", "netconf", target(device), allow_weaker=True) as session:
        session.begin()
        session.propose(change)
        assert canonical(session.read()) == before
        session.apply(30)
        assert driver.parse(session.read(), "netconf", PLAN.services) == (SERVICE,)
        session.revert()
        assert canonical(session.read()) == before
        session.begin()
        session.propose(change)
        session.apply(30)
        session.confirm()
    assert driver.parse(running(device), "netconf", PLAN.services) == (SERVICE,)
