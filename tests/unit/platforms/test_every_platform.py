# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds for every platform, technique and role that features.yml calls possible.

``UPDATE_GOLDEN=1`` writes the golden files anew.
"""

from __future__ import annotations

import os

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from platform_cases import CASES, GOLDENS, LANGUAGES, SEATS
from platform_cases.case import GOLDEN

SLOW = [HealthCheck.too_slow]


@pytest.mark.parametrize(("platform", "dialect", "name"), GOLDENS)
def test_golden(platform, dialect, name):
    case = CASES[platform]
    services = case.golden[name]
    text = case.rendered(dialect, *services)
    path = GOLDEN / platform / f"{name}.{case.endings[dialect]}"
    if os.environ.get("UPDATE_GOLDEN"):
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_text(text, "utf-8")
    assert text == path.read_text("utf-8")
    assert driver(platform).parse(text, dialect, services) == services


@pytest.mark.parametrize(("platform", "dialect", "technique", "role"), SEATS)
def test_each_has_a_golden_file(platform, dialect, technique, role):
    shown = {(service.technique, service.role) for one in CASES[platform].golden.values() for service in one}
    assert (technique, role) in shown


@pytest.mark.parametrize(("platform", "dialect", "technique", "role"), SEATS)
@settings(max_examples=25, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_parse_of_render_is_the_service(platform, dialect, technique, role, data):
    case, box = CASES[platform], driver(platform)
    services = data.draw(case.services(technique, role))
    text = case.rendered(dialect, *services)
    assert box.owned(text, dialect) == text
    assert box.parse(text, dialect, services) == services
    assert not box.change(text, text, dialect)


@pytest.mark.parametrize(("platform", "dialect", "technique", "role"), SEATS)
@settings(max_examples=15, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_undo_is_the_change_back(platform, dialect, technique, role, data):
    case, box = CASES[platform], driver(platform)
    running, wanted = (case.rendered(dialect, *data.draw(case.services(technique, role))) for _ in range(2))
    there, back = box.change(running, wanted, dialect), box.change(wanted, running, dialect)
    assert (there.payload, there.undo) == (back.undo, back.payload)
    assert bool(there) == (running != wanted)


@pytest.mark.parametrize(("platform", "dialect"), LANGUAGES)
def test_nothing_of_the_operator_is_ours(platform, dialect):
    text = CASES[platform].device(dialect).show()
    assert driver(platform).owned(text, dialect) == ""
    assert driver(platform).parse(text, dialect, ()) == ()


@pytest.mark.parametrize(("platform", "dialect", "technique", "role"), SEATS)
@settings(max_examples=10, deadline=None, suppress_health_check=SLOW)
@given(data=st.data())
def test_change_leads_to_the_wanted_and_undo_back(platform, dialect, technique, role, data):
    """On a device with a large configuration of somebody else's, of which nothing changes."""
    case, box = CASES[platform], driver(platform)
    device = case.device(dialect)

    def facts():
        return sorted(case.facts(device.show(), dialect))

    def deploy(wanted):
        change = box.change(box.owned(device.show(), dialect), wanted, dialect)
        device.apply(change.payload)
        return change

    foreign = facts()
    for _ in range(2):
        services = data.draw(case.services(technique, role))
        before = facts()
        change = deploy(case.rendered(dialect, *services))
        assert box.parse(device.show(), dialect, services) == services
        assert set(foreign) <= set(facts())
        assert not deploy(case.rendered(dialect, *services))
        after = facts()
        device.apply(change.undo)
        assert facts() == before
        device.apply(change.payload)
        assert facts() == after
    deploy("")
    assert facts() == foreign
