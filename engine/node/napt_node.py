# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What all nodes that translate addresses and ports have: the NAPT, its sessions, their end."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from ..packet.allocation import Allocator
from ..packet.napt import PROTOCOLS, Napt, SessionView, StaticBinding, Translator
from ..techniques.service import Service
from .base import Node


class NaptNode(Node):
    """An edge with a port set, or a gateway with a pool."""

    _napt: Translator | None = None

    def take_over(
        self,
        service: Service,
        allocator: Allocator,
        static: Iterable[StaticBinding],
        remembered_syns: int = 0,
    ) -> list[str]:
        """Translate by a service; sessions that are valid under it live on, the others are told.

        Raises ValueError, with nothing changed, for static bindings that cannot be.
        """
        open_filter = service.filtering == "endpoint-independent"
        if self._napt is not None:
            return ["session_lost_on_reload"] * self._napt.configure(allocator, open_filter, static)
        self._napt = Napt(
            allocator,
            limit=self.limits.sessions,
            endpoint_independent_filtering=open_filter,
            static=static,
            remembered_syns=remembered_syns,
        )
        return []

    def exchange(self, napt: Translator) -> None:
        """Another translator from the next packet on; what the one before has to end, its owner ends."""
        self._napt = napt

    @property
    def napt(self) -> Translator:
        """The address translator."""
        assert self._napt is not None
        return self._napt

    def sessions(self, limit: int | None = None) -> list[SessionView]:
        """NAPT sessions, at most `limit`."""
        return self.napt.sessions(limit)

    def session_count(self) -> int:
        """NAPT sessions, counted."""
        return len(self.napt)

    def tables(self) -> dict[str, Any]:
        """Sessions, and the pool or port set too."""
        return super().tables() | {"session_limit": self.limits.sessions, "pool": _pool(self.napt)}

    def expire(self, now: float) -> list[str]:
        """Fragments and sessions."""
        return super().expire(now) + ["session_expired"] * self.napt.expire(now)


def _pool(napt: Translator) -> dict[str, Any]:
    stock = napt.stock()
    view: dict[str, Any] = {"addresses": stock.addresses, "ports": {}}
    for number, name in PROTOCOLS.items():
        assigned, waiting = napt.ports[number], stock.waiting.get(number, 0)
        free = stock.ports + stock.beside.get(number, 0) - assigned - waiting
        view["ports"][name] = {"assigned": assigned, "waiting": waiting, "free": free}
    if stock.subscribers is not None:
        view["subscribers"] = stock.subscribers
    if stock.blocks:
        view["blocks"] = {"assigned": stock.blocks_assigned, "free": stock.blocks - stock.blocks_assigned}
    return view
