# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of sessions that a node's services have in the kernel, from one configuration to the next."""

from __future__ import annotations

import os
from collections.abc import Hashable, Iterable, Iterator
from functools import partial

from ...packet.napt import SessionView
from ...techniques.service import GATEWAY, Service
from .. import edge, session_gateway
from ..base import Node
from ..napt_node import NaptNode
from ..session_gateway import SessionGateway
from .compiled import read_object
from .kernel_napt import KernelNapt
from .layout import Layouts
from .libbpf import Map, Object
from .pins import Pins
from .session_entries import SessionEntries
from .sessions import KernelSessions

ENTRIES = ("napt_bindings", "further_sessions", "tallies")  # what sessions are read from


class SessionTables:
    """Tables by the name of a service. What is made for a configuration is taken or given up."""

    def __init__(self, pins: Pins) -> None:
        self._pins = pins
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
            carried=self._left(service) if used is None else used.entries.views() if goes_on else (),
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
        self._pins.keep_only("napt", dict(self._kept()))

    # What outlives the process

    def _kept(self) -> Iterator[tuple[str, int]]:
        build = read_object("napt") if self._used else b""
        for name, tables in self._used.items():
            for item in ENTRIES:
                pin = self._pins.name_of("napt", build, self._owner(name, tables), item)
                yield pin, tables.object.maps[item].descriptor

    def _owner(self, name: str, tables: KernelSessions) -> str:
        return ":".join((name, *self._shapes[tables][0]))  # type: ignore[index]

    def _left(self, service: Service) -> list[SessionView]:
        """Sessions that an earlier process left, if it had the very same programs."""
        build = read_object("napt")
        owner = ":".join((service.name, *_kind(service)))
        found = {item: self._pins.open(self._pins.name_of("napt", build, owner, item)) for item in ENTRIES}
        item = Object(build, f"sessions of {service.name}")
        try:
            maps = {
                name: Map(name, descriptor, item.key_size(name), item.value_size(name))
                for name, descriptor in found.items()
                if descriptor is not None
            }
            return list(SessionEntries(Layouts(item), maps).views()) if len(maps) == len(ENTRIES) else []
        finally:
            item.close()
            for descriptor in found.values():
                if descriptor is not None:
                    os.close(descriptor)

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
