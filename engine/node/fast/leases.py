# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Who has which outside ports by the tables of a NAPT in the kernel, and what the session log hears of it.

Everything follows from the tables and from the constants of their programs, so that tables of an earlier
process can be asked as well.
"""

from __future__ import annotations

from collections.abc import Iterator, Mapping, Set
from ipaddress import IPv4Network
from itertools import islice
from typing import NamedTuple

from ...mapping.pool import Addresses
from ...packet.natlog import (
    ALL_PROTOCOLS,
    BLOCK_ASSIGNED,
    BLOCK_RELEASED,
    PORT_ASSIGNED,
    PORT_RELEASED,
    Log,
    Record,
)
from .layout import Field, Layout, Layouts
from .libbpf import CONSTANTS, Map, Ring

_NS = 10**9
_OUTSIDE = 8  # octets of struct outside


class BlockLease(NamedTuple):
    """A block that a subscriber has."""

    realm: int
    outside: int
    first: int
    last: int


# The octets of a binding's outside and of its realm: there may be a million of them.
PortLease = bytes
Leases = frozenset[PortLease | BlockLease]


class Ledger:
    """Reads the maps `napt_bindings`, `tallies`, `subscribers` and `records`, and the constants."""

    def __init__(self, layouts: Layouts, maps: Mapping[str, Map]) -> None:
        """The maps of loaded programs, or those that are left of them."""
        self._layouts, self._maps = layouts, maps
        content = maps[CONSTANTS].get(bytes(4)) or b""
        self._config = layouts.read_constant(content, "NAPT")
        networks = layouts.read_constant(content, "POOL")[: layouts.read_constant(content, "POOL_NETWORKS")]
        self._addresses = Addresses([_network(network) for network in networks])
        supplies = {number: name for name, number in layouts.enum("supply").items()}
        self._supply = supplies[self._config["supply"]]
        self._events = {number: name.lower() for name, number in layouts.enum("record_event").items()}

    def listen(self, log: Log) -> Ring:
        """A reader of what the programs tell the session log. Raises BpfError."""
        layout = self._layouts.struct("record")

        def hear(data: bytes) -> None:
            r = layout.unpack(data[: layout.size])
            ends = r["outside"], r["first_port"], r["last_port"]
            log(Record(r["time"] / _NS, self._events[r["event"]], r["realm"], r["protocol"], *ends))

        return Ring(self._maps["records"], hear)

    def held(self) -> Leases:
        """All that somebody has and that the log tells of. Raises BpfError."""
        if self._supply == "PORT_SET" or not self._config["logs"]:
            return frozenset()
        return frozenset((*self._ports(), *self._blocks()))

    def _ports(self) -> Iterator[PortLease]:
        """Those with a record of their own: is_told() in c/napt.h, and port forwards that are in no block."""
        layout = self._layouts.struct("binding")
        number, static = _slice(layout.fields["number"]), layout.fields["is_static"].at
        outside, realm = _slice(layout.fields["outside"]), _realm(layout)
        port = outside.start + 4
        fresh = self._layouts.struct("tally").unpack(self._maps["tallies"].get(bytes(4)) or b"")["fresh"]
        nobody, every = bytes(4), self._supply == "ONE_BY_ONE"
        for _number, value in islice(self._maps["napt_bindings"].items(), fresh):
            if value[number] == nobody:
                continue
            if every or self._is_told(value[port] << 8 | value[port + 1], static=bool(value[static])):
                yield value[outside] + value[realm]

    def _is_told(self, port: int, *, static: bool) -> bool:
        config = self._config
        if self._supply == "BLOCKS":
            first = config["first_port"]
            return not first <= port < first + config["blocks"] * config["block_size"]
        return static or port >= config["first_dynamic"]

    def _blocks(self) -> Iterator[BlockLease]:
        if self._supply != "BLOCKS":
            return
        layout, size = self._layouts.struct("subscriber"), self._config["block_size"]
        for key, value in self._maps["subscribers"].items():
            subscriber = layout.unpack(value)
            outside, realm = self._addresses[subscriber["address"]], int.from_bytes(key, "big")
            for number in filter(None, subscriber["blocks"]):
                first = self._config["first_port"] + (number - 1) * size
                yield BlockLease(realm, outside, first, first + size - 1)


def changes(
    before: Set[PortLease | BlockLease], after: Set[PortLease | BlockLease], now: float
) -> Iterator[Record]:
    """What ends and begins where one set of leases takes the place of another."""
    for lease in before - after:
        yield _record(lease, now, PORT_RELEASED, BLOCK_RELEASED)
    for lease in after - before:
        yield _record(lease, now, PORT_ASSIGNED, BLOCK_ASSIGNED)


def _record(lease: PortLease | BlockLease, now: float, of_port: str, of_block: str) -> Record:
    if isinstance(lease, BlockLease):
        return Record(now, of_block, lease.realm, ALL_PROTOCOLS, *lease[1:])
    outside, port = int.from_bytes(lease[:4], "big"), int.from_bytes(lease[4:6], "big")
    realm = int.from_bytes(lease[_OUTSIDE:], "big")
    return Record(now, of_port, realm, lease[6], outside, port, port)


def _slice(field: Field) -> slice:
    return slice(field.at, field.at + field.size)


def _realm(binding: Layout) -> slice:
    inside = binding.fields["inside"]
    (realm,) = (field for field in inside.fields if field.name == "realm")
    return slice(inside.at + realm.at, inside.at + realm.at + realm.size)


def _network(found: Mapping[str, int]) -> IPv4Network:
    """Of struct network4."""
    return IPv4Network((found["address"], found["mask"].bit_count()))
