# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Keeps the programs' copy of the kernel's next hops: notifications in, entries of the LPM tries out."""

from __future__ import annotations

import contextlib
import socket
import sys
import time
from collections.abc import Callable, Iterable, Mapping
from typing import Any

from .filters import filter_of_forwarding
from .layout import Layouts
from .libbpf import BpfError, Map
from .next_hops import Hop, Network, Prefix
from .rtnetlink import (
    ALL_GROUPS,
    GETLINK,
    GETNEIGH,
    GETROUTE,
    GETRULE,
    Netlink,
    Overrun,
    request,
    use,
)
from .turns import Turns

BELIEVED = 5.0  # seconds that the copy may be used after the last look at it
SHARE = 0.1  # of the CPU's time at most that is spent on it
PROBES = 256  # neighbours a second that are asked whether they are there

FEW_ROUTES = 8  # as in c/next_hop.h
_VERSION: Mapping[int, int] = {socket.AF_INET: 4, socket.AF_INET6: 6}


def _few(prefix: Prefix, hop: Hop) -> dict[str, Any]:
    """An entry of few_routes."""
    _, bits, address = prefix
    width = 8 * len(address)
    return {"address": address, "mask": (1 << width) - (1 << width - bits), "hop": hop._asdict()}


class Tries:
    """The two tries of programs, and what was written to them; `hidden` devices are left to the kernel."""

    def __init__(self, layouts: Layouts, maps: Mapping[str, Map]) -> None:
        self.hidden: frozenset[int] = frozenset()
        self._maps = {family: maps[f"routes{n}"] for family, n in _VERSION.items()}
        self._until = maps["hops_until"]
        self._keys = {family: layouts.struct(f"route{n}") for family, n in _VERSION.items()}
        self._hop = layouts.struct("next_hop")
        self._few, self._few_routes = layouts.struct("few_routes"), maps["few_routes"]
        # Of who had the map before, too: its set is in use until ours is.
        few = self._few.unpack(self._few_routes.get(bytes(4)) or bytes(self._few.size))
        self._in_use, self._sets, self._turns = few["in_use"], few["sets"], Turns()
        self._written: dict[Prefix, Hop] = {}
        self._sound = True

    def write(self, hops: dict[Prefix, Hop]) -> None:
        """Make the difference; what cannot be written is believed no longer."""
        gone = self._written.keys() - hops.keys()
        new = {prefix: hop for prefix, hop in hops.items() if self._written.get(prefix) != hop}
        if gone or new or not self._sound:
            self._sound = False
            with contextlib.suppress(BpfError):
                self._change(gone, new)
                self._write_few(hops)
                self._sound = True
        self.believe()

    def _change(self, gone: Iterable[Prefix], new: Mapping[Prefix, Hop]) -> None:
        """The tries: one entry after the other."""
        for prefix in gone:
            self._maps[prefix[0]].delete(self._key(prefix))
            del self._written[prefix]
        for prefix, hop in new.items():
            self._maps[prefix[0]].update(self._key(prefix), self._hop.pack(**hop._asdict()))
            self._written[prefix] = hop

    def _write_few(self, hops: Mapping[Prefix, Hop]) -> None:
        """The routes of a version where they are few; programs see the old set or the new one."""
        found: dict[str, list[dict[str, Any]]] = {}
        for family, name in ((socket.AF_INET, "four"), (socket.AF_INET6, "six")):
            routes = sorted((p for p in hops if p[0] == family), key=lambda prefix: -prefix[1])
            if len(routes) <= FEW_ROUTES:
                found[name] = [_few(prefix, hops[prefix]) for prefix in routes]
        self._sets[1 - self._in_use] = found
        self._turns.before()
        for in_use in (self._in_use, 1 - self._in_use):
            self._few_routes.update(bytes(4), self._few.pack(in_use=in_use, sets=self._sets))
        self._turns.done()
        self._in_use = 1 - self._in_use

    def _key(self, prefix: Prefix) -> bytes:
        family, bits, address = prefix
        return self._keys[family].pack(length=bits, address=address)

    def believe(self) -> None:
        """From now on for a while, if it is as it should be."""
        until = time.monotonic_ns() + int(BELIEVED * 1e9) if self._sound else 1
        with contextlib.suppress(BpfError):
            self._until.update(bytes(self._until.key_size), until.to_bytes(8, sys.byteorder))


class Routing:
    """A file for a selector. The caller is in the namespace that it is about. Raises OSError."""

    on_links: Callable[[], None] = staticmethod(lambda: None)  # called when those are other ones
    on_routes: Callable[[], None] = staticmethod(lambda: None)  # called when anything is

    def __init__(self, own_protocol: int) -> None:
        self._own = own_protocol
        self._news, self._asking = Netlink(ALL_GROUPS), Netlink()
        self.tries: dict[str, Tries] = {}  # by hook
        self.filter = filter_of_forwarding()
        self._due, self._stale = 0.0, False
        self.network = Network(own_protocol)
        self.version = 0  # another one after each change
        self._ask()

    def fileno(self) -> int:
        """For selectors."""
        return self._news.fileno()

    def close(self) -> None:
        """Let go of it."""
        self._news.close()
        self._asking.close()

    def reason(self) -> str:
        """Why the kernel routes what the programs made; empty where they have its next hops."""
        return f"packet filter: {self.filter}" if self.filter else self.network.reason()

    def _ask(self) -> None:
        try:
            self._again = False
            self.network = self._dumped()
        except Overrun:
            self._again = True

    def _dumped(self) -> Network:
        network = Network(self._own)
        for kind, learn in (
            (GETLINK, network.learn_link),
            (GETRULE, network.learn_rule),
            (GETNEIGH, network.learn_neighbour),
        ):
            for message in self._asking.dump(kind, request(kind)):
                learn(message)
        for family in _VERSION:
            for message in self._asking.dump(GETROUTE, request(GETROUTE, family)):
                network.learn_route(message)
                if network.crowded:
                    # The rest of the answer goes with the socket.
                    self._asking.close()
                    self._asking = Netlink()
                    break
        return network

    def heard(self, mask: int = 0) -> None:
        """For selectors: take what the kernel has to say."""
        try:
            for message in self._news.notifications():
                self._again = (not self.network.crowded and self.network.take(message)) or self._again
        except Overrun:
            self._again = True
        self._stale = True
        self.refresh()

    def refresh(self) -> None:
        """Write what is new, unless that was done very lately."""
        if not self._stale or time.monotonic() < self._due:
            return
        began = time.thread_time()
        self._stale, links = False, self.network.links
        self.version += 1
        if self._again:
            self._ask()
        if self.network.links != links:
            self.on_links()
        self.write()
        self.on_routes()
        self._due = time.monotonic() + (time.thread_time() - began) / SHARE

    def write(self) -> None:
        """Bring the tries to what is known."""
        for tries in self.tries.values():
            self.fill(tries)

    def fill(self, tries: Tries) -> None:
        """One of them."""
        tries.write({} if self.filter else self.network.hops(but=tries.hidden))

    def tick(self) -> None:
        """Once a second: what was put off, packet filters, and neighbours that nobody asks."""
        found = filter_of_forwarding()
        self._stale = self._stale or self._again or found != self.filter
        self.filter = found
        self.refresh()
        for tries in self.tries.values():
            tries.believe()
        if self.tries and not self.reason():
            for _, one in zip(range(PROBES), self.network.to_probe(), strict=False):
                with contextlib.suppress(OSError):  # it is gone: the kernel says so
                    use(self._asking, one)
