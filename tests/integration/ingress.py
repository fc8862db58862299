# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Programs at the ingress of devices, as this kernel takes them: TCX since Linux 6.6, else clsact."""

from __future__ import annotations

import ctypes
import os
import re
import socket
from contextlib import ExitStack

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.fast.attach import TC_KINDS, new_attachment
from ansible_collections.ipv4aas.fleet.engine.node.fast.compiled import old_decapsulation
from ansible_collections.ipv4aas.fleet.engine.node.fast.libbpf import TCX_INGRESS, Program, library
from netns import Host

_RELEASE = re.match(r"(\d+)\.(\d+)", os.uname().release)
HAS_TCX = _RELEASE is not None and tuple(map(int, _RELEASE.groups())) >= (6, 6)
KIND = "tcx" if HAS_TCX else "clsact"


def needs_one_step() -> None:
    """Skips a test that says how an outer header is taken off, where the kernel only knows the other way."""
    if old_decapsulation():
        pytest.skip("decapsulation in one step came with Linux 6.3")


def attach(
    stack: ExitStack, host: Host, device: str, program: Program, kinds: tuple[str, ...] = TC_KINDS
) -> None:
    """At a host's device, until the stack is left. Raises BpfError."""
    made = host.inside(lambda: new_attachment(kinds, program, socket.if_nametoindex(device)))
    stack.callback(lambda: host.inside(made.detach))


def programs_at(host: Host, device: str) -> int:
    """How many there are."""
    return tcx_at(host, device) + filters_at(host, device)


def tcx_at(host: Host, device: str) -> int:
    """How many TCX links."""

    def count() -> int:
        found = ctypes.c_uint32(0)
        index = socket.if_nametoindex(device)
        assert not library().bpf_prog_query(index, TCX_INGRESS, 0, None, None, ctypes.byref(found))
        return found.value

    return host.inside(count) if HAS_TCX else 0


def filters_at(host: Host, device: str) -> int:
    """How many filters of clsact."""
    return host.run("tc", "filter", "show", "dev", device, "ingress").stdout.count("direct-action")
