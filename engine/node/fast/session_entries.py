# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bindings and sessions as entries of the maps that c/sessions.h describes, read and written from Python."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from itertools import groupby, islice
from typing import Any

from ...packet.napt import NUMBERS, PROTOCOLS, SessionView, StaticBinding
from .layout import Layouts
from .libbpf import Map, Program

_NS = 10**9
Pair = tuple[int, int]


class SessionEntries:
    """The maps `napt_bindings`, `further_sessions` and `tallies`; who writes has `peers` too."""

    def __init__(self, layouts: Layouts, maps: Mapping[str, Map], carry: Program | None = None) -> None:
        """`carry`: who enters a binding; None: they are only read."""
        self._maps, self._carry = maps, carry
        self._outside, self._binding = layouts.struct("outside"), layouts.struct("binding")
        number = self._binding.fields["number"]
        self._number = slice(number.at, number.at + number.size)
        self._further, self._session = layouts.struct("further"), layouts.struct("session")
        self._peer, self._tally = layouts.struct("peer"), layouts.struct("tally")
        self._numbers = {_shown(name): number for name, number in layouts.enum("session_state").items()}
        self._names = {number: name for name, number in self._numbers.items()}

    # Reading

    def views(self) -> Iterator[SessionView]:
        """All sessions; what comes and goes meanwhile may be missed."""
        shared: dict[bytes, tuple[dict[str, int], bool]] = {}
        for binding in self._bindings():
            outside, session = binding["outside"], binding["session"]
            inside = binding["inside"], bool(binding["is_static"])
            if binding["others"]:
                shared[self._outside.pack(**outside)] = inside
            if session["state"]:
                yield self._view(outside, *inside, session)
        for key, value in self._maps["further_sessions"].items():
            outside, session = self._further.unpack(key)["outside"], self._session.unpack(value)
            known = shared.get(self._outside.pack(**outside))
            if known is not None:
                yield self._view(outside, *known, session)

    def _bindings(self) -> Iterator[dict[str, Any]]:
        """Those that somebody has, of as many as ever were somebody's: the array is handed out in order."""
        fresh = self._tally.unpack(self._maps["tallies"].get(bytes(4)) or b"")["fresh"]
        nobody = bytes(4)
        for _number, value in islice(self._maps["napt_bindings"].items(), fresh):
            if value[self._number] != nobody:
                yield self._binding.unpack(value)

    def _view(
        self, outside: dict[str, int], inside: dict[str, int], static: bool, session: dict[str, int]
    ) -> SessionView:
        return SessionView(
            PROTOCOLS[outside["protocol"]],
            inside["address"],
            inside["port"],
            outside["address"],
            outside["port"],
            session["remote"],
            session["remote_port"],
            self._names[session["state"]],
            session["expires"] / _NS,
            inside["realm"],
            static,
        )

    # Writing, where no program runs yet

    def add(self, static: Iterable[StaticBinding], sessions: Iterable[SessionView]) -> int:
        """Bindings that live as long as the tables; sessions, those of a binding one behind the other.

        Returns how many sessions there is no room for. Raises BpfError, or ValueError for a static binding
        without room.
        """
        forwards = {(s.protocol, (s.outside, s.outside_port)): s for s in static}
        lost = 0
        for key, each in groupby(sessions, binding_of):
            views = list(each)
            is_static = forwards.pop(key, None) is not None
            if not self._enter(key, views[0], is_static=is_static, views=views):
                lost += len(views)
        for key, forward in forwards.items():
            self._enter(key, forward, is_static=True)
        return lost

    def _enter(
        self,
        key: tuple[int, Pair],
        ends: StaticBinding | SessionView,
        *,
        is_static: bool,
        views: Sequence[SessionView] = (),
    ) -> bool:
        """Whether there is room."""
        assert self._carry is not None
        outside = {"address": key[1][0], "port": key[1][1], "protocol": key[0]}
        inside = {
            "realm": ends.realm,
            "address": ends.inside,
            "port": ends.inside_port,
            "protocol": key[0],
        }
        values = {"inside": inside, "outside": outside, "is_static": is_static}
        context = bytearray(self._binding.pack(**values))
        self._carry.call(context)
        number = int.from_bytes(context[self._number], sys.byteorder)
        if not number and is_static:
            raise ValueError(f"no room for the binding of {ends}")
        if not number or not views:
            # Without room it has no session, so the first walk ends it and gives its port back.
            return bool(number)
        first, *others = views
        values |= {"number": number, "session": self._values(first), "others": len(others)}
        self._maps["napt_bindings"].update(
            (number - 1).to_bytes(4, sys.byteorder), self._binding.pack(**values)
        )
        peers = Counter[int]()
        for view in others:
            peers[view.remote] += 1
            self._maps["further_sessions"].update(
                self._further.pack(outside=outside, remote=view.remote, remote_port=view.remote_port),
                self._session.pack(**self._values(view)),
            )
        for remote, count in peers.items():
            self._maps["peers"].update(
                self._peer.pack(outside=outside, remote=remote), count.to_bytes(4, sys.byteorder)
            )
        return True

    def _values(self, view: SessionView) -> dict[str, int]:
        """Of struct session."""
        return {
            "remote": view.remote,
            "remote_port": view.remote_port,
            "state": self._numbers[view.state],
            "expires": round(view.expires * _NS),
        }


def binding_of(view: SessionView) -> tuple[int, Pair]:
    """Protocol, outside address and port."""
    return NUMBERS[view.protocol], (view.outside, view.outside_port)


def _shown(state: str) -> str:
    """A name of c/tcp.h as the core says it."""
    return state.lower().replace("_", "-")
