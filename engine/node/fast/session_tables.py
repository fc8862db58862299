# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The tables of sessions that a node's services have in the kernel, from one configuration to the next."""

from __future__ import annotations

from collections.abc import Callable, Hashable, Iterable, Iterator
from dataclasses import dataclass
from functools import partial

from ...packet.napt import Napt, SessionView, StaticBinding, Translator
from ...packet.natlog import Record
from ...techniques.service import GATEWAY, Service
from .. import edge, session_gateway
from ..base import Node
from ..napt_node import NaptNode
from ..session_gateway import SessionGateway
from .compiled import read_object
from .kernel_napt import KernelNapt
from .leases import Leases, changes
from .left_tables import KEPT, LeftTables
from .pins import Pins
from .sessions import KernelSessions

LogOf = Callable[[str, Record], None]  # by the name of the service


@dataclass
class _Made:
    """Tables for a configuration."""

    tables: KernelSessions
    left: LeftTables | None  # of an earlier process: whose sessions they have
    first: Leases


@dataclass(frozen=True, slots=True)
class _Exchange:
    """A node's new translator: one that asks other tables, or the core's own."""

    name: str
    node: NaptNode
    before: Translator
    napt: KernelNapt | Napt
    lost: int  # sessions


class SessionTables:
    """Tables by the name of a service. What is made for a configuration is taken or given up."""

    def __init__(self, pins: Pins, log: LogOf | None = None) -> None:
        """`log` hears of services that an earlier process ran."""
        self._pins, self._log = pins, log
        self._used: dict[str, KernelSessions] = {}
        self._made: dict[str, _Made] = {}
        self._shapes: dict[KernelSessions, Hashable] = {}
        self._exchanged: list[_Exchange] = []
        self._is_first = True

    def of(self, service: Service) -> KernelSessions:
        """The running ones where nothing changed for them, else new ones with the sessions of those.

        Raises Unsupported, ValueError or BpfError.
        """
        made, used = self._made.get(service.name), self._used.get(service.name)
        for tables in (None if made is None else made.tables, used):
            if tables is not None and self._shapes[tables] == _shape(service):
                return tables
        self.forget([service.name])
        left = LeftTables.found(self._pins, _owner(service.name, _kind(service))) if used is None else None
        try:
            tables = self._make(service, used, left)
        except Exception:
            if left is not None:
                left.close()
            raise
        self._shapes[tables] = _shape(service)
        self._made[service.name] = _Made(tables, left, tables.ledger.held())
        return tables

    def _make(self, service: Service, used: KernelSessions | None, left: LeftTables | None) -> KernelSessions:
        gateway = service.role == GATEWAY
        kind = session_gateway.SessionGateway if gateway else edge.Edge
        carried: Iterable[SessionView] = ()
        if left is not None:
            carried = left.views()
        elif used is not None and self._shapes[used][0] == _kind(service):  # type: ignore[index]
            carried = used.entries.views()
        return KernelSessions(
            service,
            limit=kind.LIMITS.sessions,
            static=_static_bindings(service),
            carried=carried,
            logs=gateway,
        )

    def share(self, nodes: Iterable[tuple[str, Node]], now: float) -> list[tuple[str, list[str]]]:
        """Have nodes ask the tables made for their services, by name; the events of that.

        Without tables for another pool a node keeps its sessions by itself. Raises BpfError, or ValueError
        for static bindings that cannot be, with nothing changed.
        """
        napts = [(name, node) for name, node in nodes if isinstance(node, NaptNode)]
        found = [self._to_tables(name, node, now) or self._to_core(name, node) for name, node in napts]
        self._exchanged = [exchange for exchange in found if exchange is not None]
        for exchange in self._exchanged:
            exchange.node.exchange(exchange.napt)
        return [(exchange.name, ["session_lost_on_reload"] * exchange.lost) for exchange in self._exchanged]

    def _to_tables(self, name: str, node: NaptNode, now: float) -> _Exchange | None:
        made, before = self._made.get(name), node.napt
        if made is None:
            return None
        napt = KernelNapt(
            made.tables,
            before.allocator,
            remembered_syns=_remembered_syns(node),
            log=None if node.log is None else partial(node.log, node.service),
            now=now,
        )
        lost = made.tables.lost + (0 if isinstance(before, KernelNapt) else len(before))
        return _Exchange(name, node, before, napt, lost)

    def _to_core(self, name: str, node: NaptNode) -> _Exchange | None:
        used, before, service = self._used.get(name), node.napt, node.service
        if used is None or not isinstance(before, KernelNapt) or self._shapes[used] == _shape(service):
            return None
        napt = Napt(
            before.allocator,
            limit=node.limits.sessions,
            endpoint_independent_filtering=service.filtering == "endpoint-independent",
            static=_static_bindings(service),
            remembered_syns=_remembered_syns(node),
        )
        return _Exchange(name, node, before, napt, napt.adopt(before.sessions()))

    def settle(self, names: Iterable[str], now: float) -> None:
        """What was made is in use from now on, for services of these names; what was before is let go of.

        No program uses that any more: only now is certain what it ends with. Raises Unsupported or BpfError.
        """
        if self._is_first:
            self._is_first = False
            self._release_left(now)
        for exchange in self._exchanged:
            self._tell(exchange, now)
        to_core = {exchange.name for exchange in self._exchanged if isinstance(exchange.napt, Napt)}
        self._exchanged = []
        for name in to_core | self._made.keys() | self._used.keys() - set(names):
            self._let_go(self._used.pop(name, None))
        for name, made in self._made.items():
            self._used[name] = made.tables
            if made.left is not None:
                made.left.close()
        self._made = {}
        self._pins.keep_only("napt", dict(self._kept()))

    def _tell(self, exchange: _Exchange, now: float) -> None:
        """The log what changed hands."""
        before, napt = exchange.before, exchange.napt
        if isinstance(napt, Napt):
            assert isinstance(before, KernelNapt)
            before.give_back(now)
            napt.expire(now)  # which tells of all that it has, as it is the first time
            return
        made = self._made[exchange.name]
        held: Leases = frozenset()
        if isinstance(before, KernelNapt):
            held = before.end()
        else:
            before.close()
            if made.left is not None and self._log is not None:
                held = made.left.end(partial(self._log, exchange.name))
        napt.take_over(held, made.first, now)

    # What outlives the process

    def _kept(self) -> Iterator[tuple[str, int]]:
        build = read_object("napt") if self._used else b""
        for name, tables in self._used.items():
            owner = _owner(name, self._shapes[tables][0])  # type: ignore[index]
            for pin, item in KEPT.items():
                yield self._pins.name_of("napt", build, owner, pin), tables.object.maps[item].descriptor

    def _release_left(self, now: float) -> None:
        """Tell the log of what an earlier process left and nobody takes over."""
        taken = {_owner(name, self._shapes[made.tables][0]) for name, made in self._made.items()}  # type: ignore[index]
        for owner in self._pins.owners("napt", read_object("napt")) - taken:
            left = LeftTables.found(self._pins, owner)
            if left is None:
                continue
            if self._log is not None:
                log = partial(self._log, owner.rsplit(":", 2)[0])
                for record in changes(left.end(log), frozenset(), now):
                    log(record)
            left.close()

    def leave(self, nodes: Iterable[Node]) -> None:
        """The process ends, what is pinned does not."""
        if self._pins.fault:
            return
        for node in nodes:
            if isinstance(node, NaptNode) and isinstance(node.napt, KernelNapt):
                node.napt.leave()

    def forget(self, names: Iterable[str] | None = None) -> None:
        """What was made, for services of these names, is not wanted."""
        for name in list(self._made if names is None else names):
            made = self._made.pop(name, None)
            if made is not None:
                self._let_go(made.tables)
                if made.left is not None:
                    made.left.close()

    def close(self) -> None:
        """The end."""
        self.forget()
        self._is_first = False
        self.settle((), 0.0)

    def _let_go(self, tables: KernelSessions | None) -> None:
        if tables is not None:
            del self._shapes[tables]
            tables.close()


def _static_bindings(service: Service) -> list[StaticBinding]:
    if service.role == GATEWAY:
        return session_gateway.static_bindings(service)
    return edge.static_bindings(service)


def _remembered_syns(node: Node) -> int:
    return node.limits.unsolicited_syns if isinstance(node, SessionGateway) else 0


def _kind(service: Service) -> tuple[str, str]:
    return service.technique, service.role


def _owner(name: str, kind: tuple[str, str]) -> str:
    return ":".join((name, *kind))


def _shape(service: Service) -> tuple[Hashable, ...]:
    """All that tables follow from."""
    return (
        _kind(service),
        *(service.pool, service.static_bindings, service.filtering),
        *(service.rules, service.bindings, service.end_user_prefix, service.inside, service.port_forwards),
    )
