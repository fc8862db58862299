# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every line for the MD-CLI of SR OS is a path of Nokia's own model, with a value that its type allows.

The model is not part of the project: IPV4AAS_YANG names its folder, of which the submodules of NAT are read.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from functools import cache

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.nokia_sros import mdcli
from platform_cases.nokia_sros import CASE, GOLDEN
from servers import model_folder

pytestmark = pytest.mark.skipif(
    model_folder() is None, reason="IPV4AAS_YANG does not name a folder of YANG models"
)

TOKEN = re.compile(r'"(?:[^"\\]|\\.)*"|//[^\n]*|/\*.*?\*/|[{};]|[^\s{};"]+', re.DOTALL)
TRANSPARENT = ("choice", "case")


@dataclass
class Statement:
    keyword: str
    argument: str
    below: list[Statement]

    def all(self, *keywords: str) -> list[Statement]:
        return [item for item in self.below if item.keyword in keywords]

    def first(self, *keywords: str) -> Statement | None:
        return next(iter(self.all(*keywords)), None)


@cache
def module(name: str) -> Statement:
    folder = model_folder()
    assert folder is not None
    text = (folder / "nokia" / f"{name}.yang").read_text("utf-8")
    tokens = [token for token in TOKEN.findall(text) if not token.startswith(("//", "/*"))]
    [top] = statements(iter(tokens))
    return top


def statements(tokens) -> list[Statement]:
    found = []
    words: list[str] = []
    for token in tokens:
        if token == "}":
            break
        if token in ("{", ";"):
            below = statements(tokens) if token == "{" else []
            found.append(Statement(words[0], " ".join(words[1:]).strip('"'), below))
            words = []
        else:
            words.append(token)
    return found


def nodes(statement: Statement) -> dict[str, Statement]:
    """Containers, lists and leaves below, choices looked through."""
    found = {}
    for item in statement.below:
        if item.keyword in TRANSPARENT:
            found |= nodes(item)
        elif item.keyword in ("container", "list", "leaf"):
            found[item.argument] = item
    return found


def tree(kind: str) -> Statement:
    """The container nat of service or of a router."""
    name = {"service": "svc", "router": "router"}[kind]
    top = module(f"nokia-conf-{name}-nat")
    grouping = next(item for item in top.all("grouping") if item.argument == f"conf-{name}-nat")
    return next(item for item in grouping.all("container") if item.argument == "nat")


def check(words: list[str]) -> None:
    """Walks a path. Raises KeyError or AssertionError where the model has no such one."""
    here = tree(words[0])
    rest = words[1:] if words[0] == "service" else words[2:]
    assert rest.pop(0) == "nat"
    while rest:
        here = nodes(here)[rest.pop(0)]
        if here.keyword == "leaf":
            [value] = rest
            return check_value(here, value.strip('"'))
        if here.keyword == "list":
            keys = here.first("key")
            assert keys is not None
            for number, key in enumerate(keys.argument.split()):
                assert not number or rest.pop(0) == key
                check_value(nodes(here)[key], rest.pop(0).strip('"'))
    assert here.keyword == "list", "ends in the middle"


def check_value(leaf: Statement, value: str) -> None:
    kind = leaf.first("type")
    assert kind is not None
    prefix, _, name = kind.argument.rpartition(":")
    if prefix == "types-nat":
        kind = next(t for t in module("nokia-types-nat").all("typedef") if t.argument == name).first("type")
    elif name == "admin-state":
        assert value in ("enable", "disable")
    elif name == "named-item":
        assert 1 <= len(value) <= 32
    assert kind is not None
    if kind.argument == "boolean":
        assert value in ("true", "false")
    if kind.argument == "enumeration":
        assert value in [item.argument for item in kind.all("enum")]
    allowed = kind.first("range")
    if allowed is not None:
        spans = [span.split("..") for span in allowed.argument.replace(" ", "").split("|")]
        assert any(int(span[0]) <= int(value) <= int(span[-1]) for span in spans)


@pytest.mark.parametrize("name", GOLDEN)
@pytest.mark.parametrize("options", [{}, {"fpe": 3}, {"map_t_group": 2}])
def test_every_line_is_in_the_model(name, options):
    lines = mdcli.read(CASE.rendered("mdcli", *GOLDEN[name], **options))
    assert lines
    for line in lines:
        check(list(line.words))


@pytest.mark.parametrize(
    "line",
    [
        'service nat map-domain "x" mtu 1500',
        'service nat map-t domain "x" mtu 9999',
        'service nat map-t domain "x" admin-state up',
        'router "Base" nat outside pool "x" type large',
        'router "Base" nat outside pool "x" address-range 192.0.2.1 192.0.2.2',
        'router "Base" nat inside dual-stack-lite admin-state enable',
        'router "Base" nat inside large-scale nat64 drop-zero-ipv4-checksum yes',
    ],
)
def test_what_is_not_in_the_model_is_seen(line):
    with pytest.raises((KeyError, AssertionError)):
        check(line.split())
