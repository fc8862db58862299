# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The line of a place in a JSON document."""

from __future__ import annotations

import json

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.located import decode, with_line

TEXT = json.dumps([{"a": 1}, {"pd-pools": [{"b": {"c": [5]}}, 7]}], indent=1)


@pytest.mark.parametrize(
    ("place", "line"),
    [
        ("", 1),
        ("[0]", 2),
        ("list[0].a", 2),
        ("[1]", 5),
        ("[1].pd-pools", 5),
        ("[1].pd-pools[0]", 7),
        ("[1].pd-pools[0].b.c[0]", 8),
        ("[1].pd-pools[1]", 5),
        ("[1].pools[0]", 5),  # what is not there is in the object around it
        ("[1].pd-pools[9].b", 5),
        ("[9]", 1),
    ],
)
def test_line_of_the_object_at_a_place(place, line):
    assert str(with_line(TEXT, f"{place}: is wrong")) == f"line {line}: {place}: is wrong"


def test_a_name_that_is_there_twice():
    with pytest.raises(ParseError, match="line 2: a is there twice"):
        decode('[\n{"a": 1, "a": 2}]')
    assert decode('{"comment": 1, "comment": 2}') == {"comment": 1}


def test_what_is_no_json():
    with pytest.raises(ParseError, match="line 2: not JSON: "):
        decode("[\n}")
