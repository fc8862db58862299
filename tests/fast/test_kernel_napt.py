# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What holds of a gateway's NAPT holds where its sessions are in the kernel: the same tests, other tables."""

from __future__ import annotations

from collections.abc import Iterator
from functools import partial
from typing import Any

import pytest
import test_session_gateway_dslite as dslite
import test_session_gateway_nat64 as nat64
import test_session_requirements as requirements
from ansible_collections.ipv4aas.fleet.engine.node.core import build_node
from ansible_collections.ipv4aas.fleet.engine.node.fast.kernel_napt import KernelNapt
from ansible_collections.ipv4aas.fleet.engine.node.fast.sessions import KernelSessions
from ansible_collections.ipv4aas.fleet.engine.node.session_gateway import SessionGateway, static_bindings

pytestmark = pytest.mark.root

MODULES = (dslite, nat64, requirements)
# They reload a node with another pool, which takes new tables; look at the core's memory; or know its dice.
OTHER = {
    "test_impossible_static_binding_changes_nothing",
    "test_reload_keeps_sessions_of_pools_that_stay",
    "test_static_binding_comes_and_goes_with_the_configuration",
    "test_settings_change_under_traffic",
    "test_a_million_sessions_fit_in_half_a_gigabyte",
    "test_udp_without_checksum_in_pieces_gets_one",
}
make = requirements.make


def _share(node: Any, kept: list[KernelSessions]) -> Any:
    """The node with its sessions in the kernel."""
    if isinstance(node, SessionGateway):
        log = None if node.log is None else partial(node.log, node.service)
        tables = KernelSessions(
            node.service,
            limit=min(node.limits.sessions, 2000),
            static=static_bindings(node.service),
            logs=log is not None,
            own_clock=True,
        )
        kept.append(tables)
        syns = node.limits.unsolicited_syns
        node.exchange(KernelNapt(tables, node._allocator, remembered_syns=syns, log=log))
    return node


@pytest.fixture(autouse=True)
def _in_the_kernel(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    kept: list[KernelSessions] = []

    def build(*arguments: Any, **how: Any) -> Any:
        return _share(build_node(*arguments, **how), kept)

    import session_samples

    monkeypatch.setattr(session_samples, "build_node", build)
    for module in MODULES:
        if hasattr(module, "build_node"):
            monkeypatch.setattr(module, "build_node", build)
    yield
    for tables in kept:
        tables.close()


for _module in MODULES:
    for _name in dir(_module):
        if _name.startswith("test_") and _name not in OTHER and callable(getattr(_module, _name)):
            globals()[f"test_{_module.__name__.removeprefix('test_')}_{_name[5:]}"] = getattr(_module, _name)
