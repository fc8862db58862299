# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The configuration store: what is on disk, who may change it, when it goes back."""

from __future__ import annotations

import difflib
import json
import os
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address

import pytest
from ansible_collections.ipv4aas.fleet.engine.codec import encode
from ansible_collections.ipv4aas.fleet.engine.node import check
from ansible_collections.ipv4aas.fleet.engine.node import store as module
from ansible_collections.ipv4aas.fleet.engine.node.store import EMPTY, LEASE, Store, StoreError
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from node_samples import GATEWAY_SERVICE, configuration
from technique_samples import LW4O6

FIRST = configuration(GATEWAY_SERVICE)
SECOND = configuration(replace(GATEWAY_SERVICE, ipv6_mtu=1400))


@pytest.fixture
def store(tmp_path):
    """A store that runs FIRST."""
    made = Store(tmp_path)
    made.propose("setup", encode(FIRST), 0)
    made.accept("setup", None, 0)
    return made


def test_new_node_runs_nothing(tmp_path):
    assert Store(tmp_path).running == EMPTY
    assert list(tmp_path.iterdir()) == []


def test_accepted_for_good_is_on_disk(store, tmp_path):
    assert store.running == Store(tmp_path).running == FIRST
    assert store.view(0) == {"state": "confirmed"}
    assert os.stat(tmp_path / module.NAME).st_mode & 0o777 == 0o600


def test_proposal_is_shown_as_difference_and_changes_nothing(store):
    difference = store.propose("a", encode(SECOND), 0)
    assert '-      "ipv6_mtu": 1500,' in difference.splitlines()
    assert '+      "ipv6_mtu": 1400,' in difference.splitlines()
    assert store.running == FIRST
    assert store.propose("a", encode(FIRST), 0) == ""


def test_trial_runs_and_is_not_on_disk(store, tmp_path):
    store.propose("a", encode(SECOND), 0)
    store.accept("a", 60, 10)
    assert store.running == SECOND
    assert Store(tmp_path).running == FIRST
    assert store.view(30) == {"state": "confirming", "seconds_left": 40, "owner": "a", "proposal": False}


def test_trial_ends_at_its_deadline_and_not_before(store):
    store.propose("a", encode(SECOND), 0)
    store.accept("a", 60, 10)
    store.tick(69.9)
    assert store.running == SECOND
    store.tick(70)
    assert store.running == FIRST
    with pytest.raises(StoreError, match="a has nothing to confirm"):
        store.confirm("a", 71)


def test_confirm_keeps_and_unlocks(store, tmp_path):
    store.propose("a", encode(SECOND), 0)
    store.accept("a", 60, 0)
    store.confirm("a", 59)
    store.tick(1000)
    assert store.running == Store(tmp_path).running == SECOND
    assert store.lock is None


def test_confirm_without_trial(store):
    store.propose("a", encode(SECOND), 0)
    with pytest.raises(StoreError, match="nothing was applied"):
        store.confirm("a", 0)


def test_revert_takes_back_proposal_and_trial(store):
    store.propose("a", encode(SECOND), 0)
    store.accept("a", 60, 0)
    store.propose("a", encode(FIRST), 1)
    store.revert("a", 2)
    assert (store.running, store.candidate, store.lock) == (FIRST, None, None)


def test_second_change_within_a_trial_goes_back_to_the_confirmed(store):
    store.propose("a", encode(SECOND), 0)
    store.accept("a", 60, 0)
    store.propose("a", encode(configuration()), 1)
    store.accept("a", 60, 1)
    store.tick(61)
    assert store.running == FIRST


def test_second_owner_is_told_who_and_how_long(store):
    store.propose("a", encode(SECOND), 100)
    with pytest.raises(StoreError, match=r"a has a proposal; .* \(now 20 s more\)"):
        store.propose("b", encode(SECOND), 110)
    store.accept("a", 60, 110)
    for refused in (store.begin, store.revert, store.proposed):
        with pytest.raises(StoreError, match="a has a change on trial"):
            refused("b", 111)
    with pytest.raises(StoreError, match="b has nothing to confirm"):
        store.confirm("b", 111)
    assert store.running == SECOND


def test_silent_owner_is_taken_over_and_his_trial_taken_back(store):
    store.propose("dead", encode(SECOND), 0)
    store.accept("dead", 600, 0)
    store.begin("b", LEASE)
    assert store.running == FIRST
    with pytest.raises(StoreError, match="dead has nothing to confirm"):
        store.confirm("dead", LEASE)
    with pytest.raises(StoreError, match="no proposal"):
        store.proposed("b", LEASE)


def test_silent_owner_may_go_on_where_nobody_came(store):
    store.propose("slow", encode(SECOND), 0)
    store.accept("slow", 600, 0)
    store.confirm("slow", 599)
    assert store.confirmed == SECOND


def test_invalid_proposal_replaces_the_one_before_by_none(store):
    store.propose("a", encode(SECOND), 0)
    with pytest.raises(Refused):
        store.propose("a", {"node": "x"}, 0)
    with pytest.raises(StoreError, match="no proposal"):
        store.proposed("a", 0)


def test_failed_write_keeps_file_and_trial(store, tmp_path, monkeypatch):
    store.propose("a", encode(SECOND), 0)
    store.accept("a", 60, 0)

    def full(_descriptor):
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(module.os, "fsync", full)
    with pytest.raises(OSError, match="No space left"):
        store.confirm("a", 1)
    monkeypatch.undo()
    assert Store(tmp_path).running == FIRST
    store.tick(60)
    assert store.running == FIRST


@pytest.mark.parametrize(
    ("content", "wrong"),
    [("{", "Expecting property name"), ('{"node": "x"}', "missing services"), ("[]", "list in place")],
)
def test_unreadable_file_is_named(tmp_path, content, wrong):
    (tmp_path / module.NAME).write_text(content)
    with pytest.raises(StoreError, match=rf"{module.NAME}: .*{wrong}"):
        Store(tmp_path)


def test_left_over_of_a_crash_while_writing_does_no_harm(store, tmp_path):
    (tmp_path / "running.new").write_text('{"node": "ha')
    assert Store(tmp_path).running == FIRST
    store.propose("a", encode(SECOND), 0)
    store.accept("a", None, 0)
    assert Store(tmp_path).running == SECOND


def lw4o6(*ends: int):
    """A gateway with bindings."""
    bindings = tuple(replace(LW4O6.bindings[2], softwire=IPv6Address(n), ipv4=IPv4Address(n)) for n in ends)
    return configuration(replace(LW4O6, bindings=bindings))


def test_text_is_a_line_a_binding_and_says_the_same():
    wanted = lw4o6(*range(1, 51))
    written = module.text(wanted)
    assert len(written.splitlines()) < 120
    assert check.configuration(json.loads(written)) == wanted


@pytest.mark.parametrize("gone", [1, 2, 25, 49, 50])
def test_difference_is_what_difflib_says_about_the_whole(gone):
    before, after = lw4o6(*range(1, 51)), lw4o6(*(n for n in range(1, 51) if n != gone))
    whole = difflib.unified_diff(
        module.text(before).splitlines(keepends=True),
        module.text(after).splitlines(keepends=True),
        "running",
        "proposed",
    )
    assert module.difference(before, after) == "".join(whole)
    assert module.difference(before, before) == ""
    assert module.difference(EMPTY, before).startswith("--- running\n+++ proposed\n@@ -1,")


def test_a_difference_that_nobody_reads_is_summed_up(monkeypatch):
    monkeypatch.setattr(module, "_MOST_LINES", 20)
    found = module.difference(lw4o6(*range(1, 51)), lw4o6(*range(101, 151)))
    assert len(found.splitlines()) == 1
    assert "become" in found
