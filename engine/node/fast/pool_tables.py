# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a gateway's pool is in the constants and maps of a program (c/supply.h, c/ports.h)."""

from __future__ import annotations

from collections.abc import Iterable, Mapping
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from typing import Any

from ...mapping.pool import PORTS, SEQUENTIAL, Addresses, Deterministic, Pool, PoolError
from .free_ports import ALL_KINDS, BLOCKS, KINDS, element, packed_ports
from .layout import Layouts
from .libbpf import Map

_LARGEST_POOL = 1 << 14  # addresses: 34 KB each
_SMALLEST_BLOCK = 16
_SECOND = 10**9
_CHUNK = 256  # elements of 8 KB in one update


def pool_problem(pool: Pool | None) -> str:
    """Why the programs cannot give out a pool; empty where they can."""
    if pool is None:
        return "there is no pool"
    if len(pool.ipv4) > 16:
        return f"{len(pool.ipv4)} networks in the pool; the programs look through 16"
    if len(Addresses(pool.ipv4)) > _LARGEST_POOL:
        return (
            f"{len(Addresses(pool.ipv4))} addresses in the pool; the programs keep ports of {_LARGEST_POOL}"
        )
    if pool.deterministic and pool.algorithm != SEQUENTIAL:
        return f"no program for deterministic ports by the algorithm {pool.algorithm}"
    if not pool.deterministic and 0 < pool.block_size < _SMALLEST_BLOCK:
        return f"no program for blocks of {pool.block_size} ports; {_SMALLEST_BLOCK} or more"
    return ""


@dataclass
class _Subscriber:
    """As in c/supply.h."""

    address: int
    first: int = 0
    end: int = 0
    holders: int = 0
    ports: int = 0
    sessions: int = 0
    blocks: list[int] = field(default_factory=list)


@dataclass
class _Block:
    used: int
    owner: int


class PoolTables:
    """A pool with what of it is taken from the beginning, to be filled into new maps."""

    def __init__(self, pool: Pool, layouts: Layouts) -> None:
        """Raises PoolError for a deterministic pool that cannot be."""
        self.pool, self._layouts = pool, layouts
        self._addresses = Addresses(pool.ipv4)
        self._shift = 128 - pool.subscriber_prefix_len
        self._arithmetic: Deterministic | None = pool.arithmetic() if pool.deterministic else None
        self._most_blocks = layouts.struct("subscriber").fields["blocks"].count
        self._subscribers: dict[int, _Subscriber] = {}
        self._blocks: dict[int, _Block] = {}
        self._taken: dict[int, set[int]] = {}  # index in free_ports -> bits
        self.forwards: set[tuple[int, int, int]] = set()

    # What the programs are told

    @property
    def _supply(self) -> str:
        if self._arithmetic is not None:
            return "RANGES"
        return "BLOCKS" if self.pool.block_size else "ONE_BY_ONE"

    @property
    def _size(self) -> int:
        return self._arithmetic.block if self._arithmetic is not None else self.pool.block_size

    @property
    def _count(self) -> int:
        """Blocks, or subscribers, of an address."""
        if self._arithmetic is not None:
            return self._arithmetic.compression
        return (PORTS - self.pool.first_port) // self.pool.block_size if self.pool.block_size else 0

    @property
    def _dynamic(self) -> range:
        return range(0) if self._arithmetic is None else self._arithmetic.dynamic_ports

    def constants(self) -> dict[str, Any]:
        """Of a program that gives it out."""
        pool, dynamic = self.pool, self._dynamic
        held = pool.hold_down_ports
        networks = networks4(pool.ipv4)
        return {
            "NAPT": {
                "supply": self._layouts.enum("supply")[self._supply],
                "first_port": pool.first_port,
                "addresses": len(self._addresses),
                "block_size": self._size,
                "blocks": self._count,
                "first_dynamic": dynamic.start if dynamic else PORTS,
                "ports_per_subscriber": pool.ports_per_subscriber,
                "sessions_per_subscriber": pool.sessions_per_subscriber,
                "new_sessions_per_second": pool.new_sessions_per_second,
                "hold_down": pool.hold_down * _SECOND,
                "most_held": -(-held // self._size) if self._supply == "BLOCKS" else held,
                "subscriber_mask": (1 << 128) - (1 << self._shift),
                "subscriber_shift": self._shift,
                "subscribers": int(pool.subscribers.network_address) if pool.subscribers is not None else 0,
            },
            "POOL": networks,
            "POOL_NETWORKS": len(networks),
        }

    @property
    def ports(self) -> int:
        """Upper bound of what can be given, of all protocols together."""
        return len(self._addresses) * len(KINDS) * PORTS

    def sizes(self) -> dict[str, int]:
        """Entries that maps need; those of sessions follow from their limit."""
        addresses = len(self._addresses)
        return {
            "free_ports": addresses * ALL_KINDS,
            "blocks": addresses * self._count if self._supply == "BLOCKS" else 1,
        }

    # What is taken already

    def claim(
        self, protocol: int, realm: int, outside: int, port: int, *, sessions: int, static: bool
    ) -> bool:
        """As PoolAllocator.claim(): False where it is not this realm's to have, or not free."""
        if outside not in self._addresses or not 0 < port < PORTS:
            return False
        if not static and not self.pool.serves(realm):
            return False
        key = realm >> self._shift << self._shift
        subscriber = self._subscribers.get(key)
        if subscriber is None:
            subscriber = self._new(realm, outside)
            if subscriber is None:
                return False
        if not self._take(key, subscriber, protocol, outside, port, static):
            return False
        self._subscribers[key] = subscriber
        subscriber.holders += 1
        subscriber.ports += 1
        subscriber.sessions += sessions
        return True

    def _new(self, realm: int, outside: int) -> _Subscriber | None:
        if self._arithmetic is None:
            return _Subscriber(self._addresses.index(outside))
        try:
            ((own, ports),) = self._arithmetic.ports(self.pool.number(realm)).items()
        except PoolError:
            return None
        return _Subscriber(self._addresses.index(own), ports[0], ports[-1] + 1)

    def _take(
        self, key: int, subscriber: _Subscriber, protocol: int, outside: int, port: int, static: bool
    ) -> bool:
        address = self._addresses.index(outside)
        if self._supply == "BLOCKS" and 0 <= port - self.pool.first_port < self._count * self._size:
            return self._take_in_block(key, subscriber, protocol, address, port)
        own = self._supply == "RANGES" and address == subscriber.address
        if own and subscriber.first <= port < subscriber.end:
            return self._mark(address, KINDS[protocol], port)
        if port in self._dynamic or (self._supply == "ONE_BY_ONE" and port >= max(1, self.pool.first_port)):
            return self._mark(address, KINDS[protocol], port)
        if not static or (protocol, outside, port) in self.forwards:
            return False
        self.forwards.add((protocol, outside, port))
        return True

    def _take_in_block(
        self, key: int, subscriber: _Subscriber, protocol: int, address: int, port: int
    ) -> bool:
        number = (port - self.pool.first_port) // self._size
        index = address * self._count + number
        block = self._blocks.get(index)
        if block is None:
            if len(subscriber.blocks) >= self._most_blocks or address != subscriber.address:
                return False
            block = self._blocks[index] = _Block(0, key)
            self._mark(address, BLOCKS, number)
            subscriber.blocks.append(number + 1)
            subscriber.holders += 1
        if block.owner != key or not self._mark(address, KINDS[protocol], port):
            return False
        block.used += 1
        return True

    def _mark(self, address: int, kind: int, bit: int) -> bool:
        taken = self._taken.setdefault(address * ALL_KINDS + kind, set())
        if bit in taken:
            return False
        taken.add(bit)
        return True

    @property
    def subscribers(self) -> int:
        """How many have something."""
        return len(self._subscribers)

    @property
    def blocks_assigned(self) -> int:
        """How many have an owner."""
        return len(self._blocks)

    # Filling

    def fill(self, maps: Mapping[str, Map]) -> None:
        """New maps. Raises BpfError."""
        self._fill_ports(maps["free_ports"])
        subscriber, block = self._layouts.struct("subscriber"), self._layouts.struct("block")
        for realm, s in self._subscribers.items():
            values = {name: getattr(s, name) for name in ("address", "first", "end", "holders", "ports")}
            maps["subscribers"][realm.to_bytes(16, "big")] = subscriber.pack(
                **values, sessions=s.sessions, blocks=s.blocks
            )
        for index, b in self._blocks.items():
            maps["blocks"][element(index)] = block.pack(used=b.used, owner=b.owner)

    def _fill_ports(self, item: Map) -> None:
        plain = [packed_ports(self._layouts, self._bits(kind)) for kind in range(ALL_KINDS)]
        count = len(self._addresses) * ALL_KINDS
        for start in range(0, count, _CHUNK):
            part = range(start, min(count, start + _CHUNK))
            values = b"".join(
                packed_ports(self._layouts, self._bits(n % ALL_KINDS) & ~_mask(self._taken[n]))
                if n in self._taken
                else plain[n % ALL_KINDS]
                for n in part
            )
            item.update_all(b"".join(map(element, part)), values)

    def _bits(self, kind: int) -> int:
        """The ports that may be given, as ones; or the blocks."""
        if kind == BLOCKS:
            return (1 << self._count) - 1 if self._supply == "BLOCKS" else 0
        end = PORTS
        if self._supply == "BLOCKS" or (self._arithmetic is not None and not self._dynamic):
            end = self.pool.first_port + self._count * self._size
        first = max(1, self.pool.first_port)
        return (1 << end) - (1 << first)


def _mask(bits: Iterable[int]) -> int:
    return sum(1 << bit for bit in bits)


def networks4(networks: Iterable[IPv4Network]) -> list[dict[str, int]]:
    """As struct network4, with the index of the first address of each."""
    found, first = [], 0
    for network in networks:
        found.append({"address": int(network.network_address), "mask": int(network.netmask), "first": first})
        first += network.num_addresses
    return found
