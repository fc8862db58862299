# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is rendered is what is read back: for every service that a platform can express."""

from __future__ import annotations

import platform_samples as samples
import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from hypothesis import given, settings
from hypothesis import strategies as st


@pytest.mark.parametrize(("platform", "dialect"), samples.LANGUAGES)
@settings(max_examples=40, deadline=None)
@given(data=st.data())
def test_parse_of_render_is_the_service(platform, dialect, data):
    services = data.draw(samples.services_of(platform))
    text = samples.rendered(platform, dialect, *services)
    box = driver(platform)
    assert box.owned(text, dialect) == text
    assert box.parse(text, dialect, services) == services
    assert not box.change(text, text, dialect)


@pytest.mark.parametrize(("platform", "dialect"), samples.LANGUAGES)
@settings(max_examples=25, deadline=None)
@given(data=st.data())
def test_undo_is_the_change_back(platform, dialect, data):
    before, after = (data.draw(samples.services_of(platform)) for _ in range(2))
    running, wanted = (samples.rendered(platform, dialect, *services) for services in (before, after))
    there, back = (driver(platform).change(*pair, dialect) for pair in ((running, wanted), (wanted, running)))
    assert (there.payload, there.undo) == (back.undo, back.payload)
    assert bool(there) == (running != wanted)
