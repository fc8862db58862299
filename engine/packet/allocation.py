# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which outside address and port a NAPT binding gets: out of an edge's port set, or of a gateway's pool."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random
from typing import Protocol

from ..mapping.portset import PortSet
from . import icmp
from .ipv4 import ICMP
from .verdict import Drop, IcmpError

_TRIES = 32


class Allocator(Protocol):
    """Gives outside ports to bindings and takes them back."""

    refusal: IcmpError  # what the sender is told when there is nothing left

    def take(self, protocol: int, realm: int, inside: int, wanted: int, now: float) -> tuple[int, int]:
        """Outside address and port for an inside address and port; raises Drop where there is none."""

    def claim(self, protocol: int, realm: int, outside: int, port: int, now: float) -> bool:
        """Take one that is in use already; False where it is not for this realm, or not free."""

    def give_back(self, protocol: int, realm: int, outside: int, port: int, now: float) -> None:
        """The binding has ended."""


class PortSetAllocator:
    """One customer's own addresses and port set (RFC 7597 s5.2).

    No hold-down: the set is one customer's own, which RFC 6888 REQ-8 exempts.
    """

    refusal = icmp.PROHIBITED  # RFC 5508 REQ-8

    def __init__(self, addresses: Sequence[int], ports: PortSet, rng: Random) -> None:
        self.addresses, self.ports, self._rng = addresses, ports, rng
        # A set that ends below 1024 (offset 0) has no others to give.
        self._low_only = ports.nth(len(ports) - 1) < 1024
        self._taken: set[tuple[int, int, int]] = set()
        # (protocol, outside address, low port) found exhausted
        self._full: set[tuple[int, int, bool]] = set()

    def take(self, protocol: int, realm: int, inside: int, wanted: int, now: float) -> tuple[int, int]:
        """Paired pooling: one inside host always gets one outside address (RFC 4787 REQ-2)."""
        if not self.addresses:
            raise Drop("drop_ports_exhausted", self.refusal)
        outside = self.addresses[inside % len(self.addresses)]
        port = self._choose(protocol, outside, wanted)
        self._taken.add((protocol, outside, port))
        return outside, port

    def claim(self, protocol: int, realm: int, outside: int, port: int, now: float) -> bool:
        """Any port of the set."""
        key = protocol, outside, port
        if outside not in self.addresses or port not in self.ports or key in self._taken:
            return False
        self._taken.add(key)
        return True

    def give_back(self, protocol: int, realm: int, outside: int, port: int, now: float) -> None:
        """Free at once."""
        self._taken.discard((protocol, outside, port))
        self._full.discard((protocol, outside, False))
        self._full.discard((protocol, outside, True))

    def _choose(self, protocol: int, outside: int, wanted: int) -> int:
        """A free port: the same one, else random over the whole set, of the same parity if possible.

        Ports below 1024 go only to sources that are there too (RFC 4787 REQ-3a), and port 0 to nobody.
        """
        ports, taken = self.ports, self._taken

        def free(port: int) -> bool:
            return (
                port != 0
                and (port >= 1024 or wanted < 1024 or protocol == ICMP or self._low_only)
                and (protocol, outside, port) not in taken
            )

        # Identifiers are not preserved: they say nothing, and two hosts often use the same.
        if protocol != ICMP and wanted in ports and free(wanted):
            return wanted
        kind = protocol, outside, wanted < 1024
        if kind not in self._full:
            size = len(ports)
            for _ in range(_TRIES):
                port = ports.nth(self._rng.randrange(size))
                if free(port) and (protocol == ICMP or not (port ^ wanted) & 1):
                    return port
            start = self._rng.randrange(size)
            rest = [p for p in (ports.nth((start + i) % size) for i in range(size)) if free(p)]
            if rest:
                return next((p for p in rest if not (p ^ wanted) & 1), rest[0])
            # Remembered until a port comes back: the search is long and a flood would repeat it.
            self._full.add(kind)
        raise Drop("drop_ports_exhausted", self.refusal)
