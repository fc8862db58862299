# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Of a device's whole text only some lines are read: those, where they stand, and no other."""

from __future__ import annotations

from ansible_collections.ipv4aas.fleet.engine.platforms import indented, junos
from ansible_collections.ipv4aas.fleet.engine.platforms.juniper_mx.schema import SCHEMA

IOS_XR = """\
banner motd #
service cgv6 of-the-banner
#
hostname r1
service cgv6 one
 service-type map-e a
  sharing-ratio 64
 !
!
interface Loopback0
 service cgv6 not-here
!
service cgv6 two
!
router staticky
"""


def test_only_some_outermost_blocks():
    blocks = indented.read(IOS_XR, only=("service cgv6", "router static "))
    assert [(block.text, block.line) for block in blocks] == [
        ("service cgv6 one", 5),
        ("service cgv6 two", 13),
    ]
    assert [child.text for child in blocks[0].children] == ["service-type map-e a"]
    assert blocks == tuple(block for block in indented.read(IOS_XR) if block.opens("service cgv6"))


def test_lines_of_some_lists():
    text = """\
set system host-name r1
set interfaces si-0/0/0 unit 1 family inet
set interfaces "xe 0" unit 2 description "a b"
set interfaces si-0/0/0 description unit
# set services service-set ipv4aas no

  deactivate  services service-set  ipv4aas
set services service-set
netops@mx> set services service-set prompt x
set services service-sets ipv4aas x
"""
    lines = junos.lines_of([("interfaces", junos.ANY, "unit"), ("services", "service-set")])
    found = [(item.line, item.verb, *item.words) for item in junos.read(text, lines=lines)]
    assert found == [
        (2, "set", "interfaces", "si-0/0/0", "unit", "1", "family", "inet"),
        (3, "set", "interfaces", '"xe 0"', "unit", "2", "description", '"a b"'),
        (7, "deactivate", "services", "service-set", "ipv4aas"),
    ]


def test_every_line_of_a_kind_is_among_the_lines():
    for kind in SCHEMA.kinds:
        words = tuple("some-name" if word == junos.ANY else word for word in kind.path)
        for name in ("x", '"x y"'):
            line = f"set {' '.join((*words, name))} rest"
            [item] = junos.read(line, lines=SCHEMA.lines)
            assert SCHEMA.kind_of(item.words) is kind
