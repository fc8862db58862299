# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""This kernel takes the programs of every seat; what scripts/on-kernel asks an older one first."""

from __future__ import annotations

from dataclasses import replace

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import (
    TC,
    XDP,
    ServiceProgram,
    needs_sessions,
)
from ansible_collections.ipv4aas.fleet.engine.node.fast.sessions import KernelSessions
from fuzz_seats import SEATS

pytestmark = pytest.mark.root


HOW: dict[str, tuple[str, dict[str, bool]]] = {
    "tc": (TC, {"redirect": True}),
    "tc, the kernel routes": (TC, {"redirect": False}),
    "tc, decapsulation in two steps": (TC, {"redirect": True, "old_decapsulation": True}),
    "xdp": (XDP, {"redirect": True}),
}


@pytest.mark.parametrize("how", HOW)
@pytest.mark.parametrize("seat", SEATS, ids=" ".join)
def test_loads(seat: tuple[str, str], how: str) -> None:
    hook, settings = HOW[how]
    service = replace(SEATS[seat].service, eam=())
    sessions = KernelSessions(service, limit=1000, logs=True) if needs_sessions(service) else None
    program = ServiceProgram(service, hook, sessions=sessions, **settings)
    assert program.program.descriptor > 0
    program.close()
    if sessions is not None:
        sessions.close()
