# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of sessions that a node's services have in the kernel, from one configuration to the next."""

from __future__ import annotations

from collections.abc import Hashable, Iterable
from functools import partial

from ...techniques.service import GATEWAY, Service
from .. import edge, session_gateway
from ..base import Node
from ..napt_node import NaptNode
from ..session_gateway import SessionGateway
from .kernel_napt import KernelNapt
from .sessions import KernelSessions


class SessionTables:
    """Tables by the name of a service. What is made for a configuration is taken or given up."""

    def __init__(self) -> None:
        self._used: dict[str, KernelSessions] = {}
        self._made: dict[str, KernelSessions] = {}
        self._shapes: dict[KernelSessions, Hashable] = {}

    def of(self, service: Service) -> KernelSessions:
        """The running ones where nothing changed for them, else new ones with the sessions of those.

        Raises Unsupported, ValueError or BpfError.
        """
        made, used = self._made.get(service.name), self._used.get(service.name)
        for tables in (made, used):
            if tables is not None and self._shapes[tables] == _shape(service):
                return tables
        gateway = service.role == GATEWAY
        kind = session_gateway.SessionGateway if gateway else edge.Edge
        there = self._shapes.get(used) if used is not None else None
        goes_on = used is not None and there is not None and _kind(service) == there[0]  # type: ignore[index]
        tables = KernelSessions(
            service,
            limit=kind.LIMITS.sessions,
            static=(session_gateway if gateway else edge).static_bindings(service),
            carried=used.entries.views() if used is not None and goes_on else (),
            logs=gateway,
        )
        self._shapes[tables] = _shape(service)
        self._made[service.name] = tables
        return tables

    def share(self, name: str, node: Node) -> list[str]:
        """Have a node ask the tables made for its service; the events of that. Raises BpfError."""
        tables = self._made.get(name)
        if tables is None or not isinstance(node, NaptNode):
            return []
        before = node.napt
        log = None if node.log is None else partial(node.log, node.service)
        napt = KernelNapt(
            tables,
            before.allocator,
            remembered_syns=node.limits.unsolicited_syns if isinstance(node, SessionGateway) else 0,
            log=log,
        )
        lost = tables.lost if isinstance(before, KernelNapt) else len(before)
        before.retire()
        node.exchange(napt)
        napt.announce()
        return ["session_lost_on_reload"] * lost

    def settle(self, names: Iterable[str]) -> None:
        """What was made is in use from now on, for services of these names; what was before is let go of."""
        for name, tables in self._made.items():
            self._let_go(self._used.get(name))
            self._used[name] = tables
        self._made = {}
        for name in self._used.keys() - set(names):
            self._let_go(self._used.pop(name))

    def forget(self, names: Iterable[str] | None = None) -> None:
        """What was made, for services of these names, is not wanted."""
        for name in list(self._made if names is None else names):
            self._let_go(self._made.pop(name, None))

    def close(self) -> None:
        """The end."""
        self.forget()
        self.settle(())

    def _let_go(self, tables: KernelSessions | None) -> None:
        if tables is not None:
            del self._shapes[tables]
            tables.close()


def _kind(service: Service) -> tuple[str, str]:
    return service.technique, service.role


def _shape(service: Service) -> tuple[Hashable, ...]:
    """All that tables follow from."""
    return (
        _kind(service),
        *(service.pool, service.static_bindings, service.filtering),
        *(service.rules, service.bindings, service.end_user_prefix, service.inside, service.port_forwards),
    )
