# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is rendered for Jool is read by Jool's own programs; what its parser refuses, ours refuses."""

from __future__ import annotations

import os
import shutil
import subprocess
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from hypothesis import given, settings
from hypothesis import strategies as st
from platform_cases import CASES

NEEDED = ("jool", "jool_siit", "gcc")
ABSENT = [name for name in NEEDED if shutil.which(name) is None]

pytestmark = [
    pytest.mark.servers,
    pytest.mark.skipif(bool(ABSENT), reason=f"needs {', '.join(ABSENT)}: make packages"),
]

ROLES = {"jool": (("nat64", "gateway"), ("464xlat", "gateway")), "jool_siit": (("464xlat", "edge"),)}
KINDS = [(program, kind) for program, kinds in ROLES.items() for kind in kinds]


@pytest.fixture(scope="module")
def handle(tmp_path_factory):
    """What ``jool file handle`` says of a text: exit code and message."""
    folder = tmp_path_factory.mktemp("jool")
    source = Path(__file__).with_name("jool_kernel.c")
    subprocess.run(["gcc", "-shared", "-fPIC", "-o", folder / "kernel.so", source], check=True)

    def run(program, text):
        (folder / "file.json").write_text(text)
        done = subprocess.run(
            [program, "file", "handle", folder / "file.json"],
            env=os.environ | {"LD_PRELOAD": str(folder / "kernel.so")},
            capture_output=True,
            text=True,
            check=False,
            timeout=20,
        )
        return done.returncode, done.stderr

    return run


@pytest.mark.parametrize(
    ("program", "kind"), [(name, kind) for name, kinds in ROLES.items() for kind in kinds]
)
def test_it_takes_what_is_rendered(handle, program, kind):
    @settings(max_examples=20, deadline=None)
    @given(st.data())
    def check(data):
        text = CASES[program].rendered("json", *data.draw(CASES[program].services(*kind)))
        assert handle(program, text) == (0, "")

    check()
    for services in CASES[program].golden.values():
        assert handle(program, CASES[program].rendered("json", *services)) == (0, "")


@pytest.mark.parametrize("program", ROLES)
def test_it_takes_the_file_without_services(handle, program):
    empty = driver(program).change("x", "", "json").payload
    assert handle(program, empty) == (0, "")


@pytest.mark.parametrize(
    ("program", "old", "new"),
    [
        ("jool", '"pool6"', '"pool7"'),
        ("jool", "2001:db8:64::/96", "2001:db8:64::/xx"),
        ("jool", '"pool4"', '"eamt"'),
        ("jool", '"TCP"', '"SCTP"'),
        ("jool", '"prefix": "198.51.100.64/26",', ""),
        ("jool", "1024-65535", "1024-70000"),
        ("jool", "netfilter", "bpf"),
        ("jool", "#443", ""),
        ("jool_siit", "192.168.1.0/24", "192.168.1.0/33"),
        ("jool_siit", "true", '"yes"'),
        ("jool_siit", '"eamt"', '"bib"'),
        ("jool_siit", "1280", "-1"),
    ],
)
def test_both_refuse(handle, program, old, new):
    services = CASES[program].golden["464xlat"]
    text = CASES[program].rendered("json", *services)
    assert old in text
    broken = text.replace(old, new)
    code, said = handle(program, broken)
    assert code != 0 and said
    with pytest.raises(ParseError):
        driver(program).parse(broken, "json", services)
