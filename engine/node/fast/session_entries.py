# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Bindings and sessions as entries of the maps that c/sessions.h describes, read and written from Python."""

from __future__ import annotations

import sys
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping
from typing import Any

from ...packet.napt import NUMBERS, PROTOCOLS, SessionView, StaticBinding
from .layout import Layouts
from .libbpf import Map

_NS = 10**9
Pair = tuple[int, int]


class SessionEntries:
    """The maps `napt_bindings`, `ways_out`, `further_sessions` and `peers`."""

    def __init__(self, layouts: Layouts, maps: Mapping[str, Map]) -> None:
        self._maps = maps
        self._outside, self._inside = layouts.struct("outside"), layouts.struct("inside")
        self._binding, self._way = layouts.struct("binding"), layouts.struct("way_out")
        self._further, self._session = layouts.struct("further"), layouts.struct("session")
        self._peer = layouts.struct("peer")
        self._numbers = {_shown(name): number for name, number in layouts.enum("session_state").items()}
        self._names = {number: name for name, number in self._numbers.items()}

    # Reading

    def views(self) -> Iterator[SessionView]:
        """All sessions; what comes and goes meanwhile may be missed."""
        for key, value in self._maps["napt_bindings"].items():
            binding = self._binding.unpack(value)
            session = binding["session"]
            if session["state"]:
                twin = self._maps["ways_out"].get(self._inside.pack(**binding["inside"]))
                ends = [session["expires"]]
                if twin is not None:
                    ends.append(self._way.unpack(twin)["session"]["expires"])
                yield self._view(self._outside.unpack(key), binding["inside"], session, max(ends))
        for key, value in self._maps["further_sessions"].items():
            outside, session = self._further.unpack(key)["outside"], self._session.unpack(value)
            found = self._maps["napt_bindings"].get(self._outside.pack(**outside))
            if found is not None:
                inside = self._binding.unpack(found)["inside"]
                yield self._view(outside, inside, session, session["expires"])

    def _view(
        self, outside: dict[str, int], inside: dict[str, int], session: dict[str, int], expires: int
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
            expires / _NS,
            inside["realm"],
        )

    def bindings(self) -> Iterator[tuple[int, int, int, int]]:
        """Protocol, realm, outside address and port of all that are not static."""
        for key, value in self._maps["napt_bindings"].items():
            binding, outside = self._binding.unpack(value), self._outside.unpack(key)
            if not binding["is_static"]:
                yield outside["protocol"], binding["inside"]["realm"], outside["address"], outside["port"]

    def outside_of(self, protocol: int, realm: int, inside: Pair, remote: Pair) -> Pair | None:
        """The outside of a session, by its inside."""
        key = self._inside.pack(realm=realm, address=inside[0], port=inside[1], protocol=protocol)
        found = self._maps["ways_out"].get(key)
        if found is None:
            return None
        way = self._way.unpack(found)
        if not self._is_with(way["session"], way["outside"], remote):
            return None
        return way["outside"]["address"], way["outside"]["port"]

    def inside_of(self, protocol: int, outside: Pair, remote: Pair) -> tuple[int, int, int] | None:
        """Realm, inside address and port of a session, by its outside."""
        ends = {"address": outside[0], "port": outside[1], "protocol": protocol}
        found = self._maps["napt_bindings"].get(self._outside.pack(**ends))
        if found is None:
            return None
        binding = self._binding.unpack(found)
        if not self._is_with(binding["session"], ends, remote):
            return None
        inside = binding["inside"]
        return inside["realm"], inside["address"], inside["port"]

    def _is_with(self, first: dict[str, int], outside: dict[str, int], remote: Pair) -> bool:
        if first["state"] and (first["remote"], first["remote_port"]) == remote:
            return True
        key = self._further.pack(outside=outside, remote=remote[0], remote_port=remote[1])
        return self._maps["further_sessions"].get(key) is not None

    # Writing, where no program runs yet

    def add_static(self, static: Iterable[StaticBinding]) -> None:
        """Bindings that live as long as the tables. Raises BpfError."""
        for s in static:
            self._bind(
                {"address": s.outside, "port": s.outside_port, "protocol": s.protocol},
                {"realm": s.realm, "address": s.inside, "port": s.inside_port, "protocol": s.protocol},
                is_static=1,
            )

    def add(self, static: Mapping[tuple[int, Pair], StaticBinding], sessions: Iterable[SessionView]) -> None:
        """Sessions, those of a binding one behind the other. Raises BpfError."""
        last: tuple[int, Pair] | None = None
        for view in sessions:
            key = binding_of(view)
            outside = {"address": view.outside, "port": view.outside_port, "protocol": key[0]}
            session = {
                "remote": view.remote,
                "remote_port": view.remote_port,
                "state": self._numbers[view.state],
                "expires": round(view.expires * _NS),
            }
            if key != last:
                last, others, peers = key, 0, Counter[int]()
                inside = {
                    "realm": view.realm,
                    "address": view.inside,
                    "port": view.inside_port,
                    "protocol": key[0],
                }
                first, is_static = session, key in static
                self._bind(outside, inside, session=first, is_static=is_static)
                continue
            others += 1
            peers[view.remote] += 1
            ends = {"outside": outside, "remote": view.remote}
            self._maps["further_sessions"].update(
                self._further.pack(**ends, remote_port=view.remote_port), self._session.pack(**session)
            )
            self._maps["peers"].update(self._peer.pack(**ends), peers[view.remote].to_bytes(4, sys.byteorder))
            self._bind(outside, inside, session=first, is_static=is_static, others=others)

    def _bind(self, outside: dict[str, int], inside: dict[str, int], **binding: Any) -> None:
        session = {"session": binding["session"]} if "session" in binding else {}
        self._maps["napt_bindings"].update(
            self._outside.pack(**outside), self._binding.pack(inside=inside, **binding)
        )
        self._maps["ways_out"].update(self._inside.pack(**inside), self._way.pack(outside=outside, **session))


def binding_of(view: SessionView) -> tuple[int, Pair]:
    """Protocol, outside address and port."""
    return NUMBERS[view.protocol], (view.outside, view.outside_port)


def _shown(state: str) -> str:
    """A name of c/tcp.h as the core says it."""
    return state.lower().replace("_", "-")
