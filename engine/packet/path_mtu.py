# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the paths to the other ends of a tunnel carry (RFC 1853 section 5.1, RFC 8201)."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Callable
from typing import NamedTuple

LIFETIME = 600.0  # seconds until a larger packet is tried again (RFC 8201 s4: 10 minutes)


Told = Callable[[int, int, float], None]  # destination, octets (0: nothing is known any more), until when


class _Path(NamedTuple):
    mtu: int
    until: float


def _nobody(destination: int, mtu: int, until: float) -> None:
    """Who hears where nobody wants to."""


class PathMtus:
    """Paths narrower than the link, by IPv6 destination. At the limit the oldest goes: it is learnt anew."""

    def __init__(self, limit: int, lifetime: float = LIFETIME) -> None:
        self._limit, self._lifetime = limit, lifetime
        self._tell: Told = _nobody
        self._paths: OrderedDict[int, _Path] = OrderedDict()

    def __len__(self) -> int:
        return len(self._paths)

    def tell(self, who: Told | None) -> None:
        """Have somebody hear of each that is known, comes or goes; None: nobody any more."""
        self._tell = who or _nobody
        for destination, path in self._paths.items():
            self._tell(destination, *path)

    def lower(self, destination: int, mtu: int, now: float) -> bool:
        """Note what a Packet Too Big says; False where the path was known to be no wider.

        A smaller value is never raised before its time (RFC 8201 section 4).
        """
        known = self.get(destination, now)
        if known is not None and known <= mtu:
            return False
        self._paths.pop(destination, None)
        if len(self._paths) >= self._limit:
            oldest, _ = self._paths.popitem(last=False)
            self._tell(oldest, 0, now)
        self._paths[destination] = _Path(mtu, now + self._lifetime)
        self._tell(destination, mtu, now + self._lifetime)
        return True

    def get(self, destination: int, now: float) -> int | None:
        """Octets that the path carries; None where nothing is known."""
        path = self._paths.get(destination)
        if path is None:
            return None
        if path.until <= now:
            del self._paths[destination]
            self._tell(destination, 0, now)
            return None
        return path.mtu
