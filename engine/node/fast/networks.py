# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service and the kernel say of IPv4 networks, as entries of the map `networks` (c/networks.h)."""

from __future__ import annotations

from collections.abc import Iterable, Iterator, Mapping
from ipaddress import IPv4Network
from typing import Any

from ...techniques import TECHNIQUES
from ...techniques.planes import plane_of, resolved_routes
from ...techniques.service import B4_ADDRESS, Service
from .layout import Layouts

Facts = Mapping[str, Any]  # members of struct network

EVERYTHING = IPv4Network("0.0.0.0/0")
_B4 = IPv4Network(B4_ADDRESS)
_NOBODY = {"address": 0xFFFFFFFF, "mask": 0xFFFFFFFF}


class NetworkEntries:
    """One entry for each prefix that anything is said of, with what the shorter ones around it say too."""

    def __init__(self, layouts: Layouts, service: Service) -> None:
        self._key, self._value = layouts.struct("prefix4"), layouts.struct("network")
        self._few, self._in_use = layouts.struct("few_networks"), 0
        self._room = self._few.fields["networks"].count // 2
        self._sets: list[dict[str, Any]] = [_NOBODY] * self._room * 2
        self._own = list(_said(service))

    def of(self, kernel: Mapping[IPv4Network, bool]) -> dict[bytes, bytes]:
        """All entries. `kernel`: its routes, and whether they lead elsewhere than to this node."""
        routes = [(network, {"elsewhere": elsewhere}) for network, elsewhere in kernel.items()]
        return {
            self._key.pack(length=length, address=address): self._value.pack(**facts)
            for address, length, facts in inherited([*self._own, *routes])
        }

    def few(self, entries: Mapping[bytes, bytes]) -> tuple[bytes, bytes]:
        """Values of `few_networks` to be written in turn: the new set, then that it is in use."""
        before, self._in_use = self._in_use, 0
        if len(entries) <= self._room:
            self._in_use = 1 if before == 2 else 2
            start = (self._in_use - 1) * self._room
            self._sets[start : start + self._room] = self._set(entries)
        written, turned = (self._few.pack(in_use=n, networks=self._sets) for n in (before, self._in_use))
        return written, turned

    def _set(self, entries: Mapping[bytes, bytes]) -> list[dict[str, Any]]:
        """All entries, the longest prefix first, and nobody's behind them."""
        each = [(self._key.unpack(key), self._value.unpack(value)) for key, value in entries.items()]
        found: list[dict[str, Any]] = [
            {"address": key["address"], "mask": (1 << 32) - (1 << 32 - key["length"]), "network": network}
            for key, network in sorted(each, key=lambda item: -item[0]["length"])
        ]
        return found + [_NOBODY] * (self._room - len(found))


def inherited(said: Iterable[tuple[IPv4Network, Facts]]) -> Iterator[tuple[int, int, dict[str, Any]]]:
    """Address, length and facts of each prefix; of two that say the same of one prefix the first counts."""
    own: dict[tuple[int, int], dict[str, Any]] = {}
    for network, facts in said:
        known = own.setdefault((int(network.network_address), network.prefixlen), {})
        known.update((name, value) for name, value in facts.items() if name not in known)
    around: list[tuple[int, int, dict[str, Any]]] = []
    for (address, length), facts in sorted(own.items(), key=lambda item: item[0]):
        while around and (address ^ around[-1][0]) >> (32 - around[-1][1]):
            around.pop()
        entry = address, length, {**(around[-1][2] if around else {}), **facts}
        around.append(entry)
        yield entry


def _said(service: Service) -> Iterator[tuple[IPv4Network, Facts]]:
    row = TECHNIQUES[service.technique]
    listed, planar = service.inside, row.mapping.startswith("plane")
    for network in listed:
        # A plane's node that is the way to everywhere else does not know its own networks.
        yield network, {"may_be_inside": True, "inside": bool(network.prefixlen) or not planar}
    if not listed:
        yield EVERYTHING, {"may_be_inside": True}
    if not planar:
        if row.napt == "gateway":
            yield _B4, {"may_be_inside": True, "inside": True}
        return
    plane = plane_of(service)
    routes = resolved_routes(service) if row.mapping == "plane-rewrite" else service.plane_routes
    for route in routes:
        base = int(route.prefix.network_address) | plane.plane_id << 32
        yield route.ipv4, {"in_plane": True, "base": base}
    if row.mapping == "plane":
        yield EVERYTHING, {"in_plane": True, "base": plane.base}
