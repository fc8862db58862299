# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration with words lost, doubled, exchanged or mistyped is understood, or refused by line."""

from __future__ import annotations

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st
from platform_cases import CASES, LANGUAGES

# Markup has tests of its own.
TEXTS = [
    (platform, dialect, name)
    for platform, dialect in LANGUAGES
    if dialect != "netconf"
    for name, services in CASES[platform].golden.items()
    if services[0].technique in {row.technique for row in CASES[platform].rows(dialect)}
]
JUNK = st.one_of(
    st.text(alphabet="0123456789abcdefx:./-'\"²٣ ", max_size=8),
    st.sampled_from(["", "99999999999", "::", "0", "-1"]),
)


@pytest.mark.parametrize(("platform", "dialect", "name"), TEXTS)
@settings(max_examples=100, deadline=None, suppress_health_check=[HealthCheck.too_slow])
@given(data=st.data())
def test_damaged_text(platform, dialect, name, data):
    case, box = CASES[platform], driver(platform)
    services = case.golden[name]
    good = case.rendered(dialect, *services)
    text = damaged(data, good)
    for wanted in ((), services):
        assert complaint(box, text, dialect, wanted).startswith("line ")
    try:
        owned = box.owned(text, dialect)
    except ParseError:
        return
    assert box.owned(owned, dialect) == owned
    assert bool(box.change(owned, good, dialect)) == (owned != good)


def complaint(box, text, dialect, wanted):
    try:
        box.parse(text, dialect, wanted)
    except ParseError as error:
        return str(error)
    return "line 0: understood"


def damaged(data, text):
    words = text.replace("\n", " \n ").split(" ")
    for _ in range(data.draw(st.integers(1, 3))):
        at, other = (data.draw(st.integers(0, len(words) - 1)) for _ in range(2))
        what = data.draw(st.sampled_from(["lost", "doubled", "exchanged", "mistyped"]))
        if what == "lost" and len(words) > 1:
            del words[at]
        elif what == "doubled":
            words.insert(at, words[at])
        elif what == "exchanged":
            words[at], words[other] = words[other], words[at]
        else:
            words[at] = data.draw(JUNK)
    return " ".join(words)
