# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IPv4 addresses and ports that a session gateway (AFTR, PLAT, NAT64) gives to its subscribers."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Network
from itertools import accumulate, pairwise
from typing import Literal

from .keyed import Permutation

PORTS = 1 << 16
SEQUENTIAL, STAGGERED, ROUND_ROBIN, INTERLACED, RANDOM = (
    "sequential",
    "staggered",
    "round-robin",
    "interlaced",
    "random",
)
ALGORITHMS = (SEQUENTIAL, STAGGERED, ROUND_ROBIN, INTERLACED, RANDOM)
# All ports of a subscriber are on one outside address, which paired pooling needs (RFC 6888 REQ-2).
PAIRED = (SEQUENTIAL, STAGGERED, RANDOM)

Owner = int | Literal["dynamic", "reserved"]


class PoolError(ValueError):
    """The parameters cannot describe a pool."""


class Addresses(Sequence[int]):
    """The addresses of several networks as one sequence of integers, in the order given."""

    def __init__(self, networks: Sequence[IPv4Network]) -> None:
        self._first = [int(network.network_address) for network in networks]
        self._ends = list(accumulate(network.num_addresses for network in networks))
        self._begins = [0, *self._ends[:-1]]
        ordered = sorted(networks)
        for one, other in pairwise(ordered):
            if one.overlaps(other):
                raise PoolError(f"pool {one} overlaps with {other}")

    def __len__(self) -> int:
        return self._ends[-1] if self._ends else 0

    def __getitem__(self, index: int) -> int:  # type: ignore[override]
        if not 0 <= index < len(self):
            raise IndexError(index)
        at = bisect_right(self._ends, index)
        return self._first[at] + index - self._begins[at]

    def __contains__(self, address: object) -> bool:
        return any(
            isinstance(address, int) and 0 <= address - first < end - begin
            for first, begin, end in zip(self._first, self._begins, self._ends, strict=True)
        )

    def index(self, value: int, start: int = 0, stop: int | None = None) -> int:
        """Which one an address is; raises ValueError for an address of no network."""
        for first, begin, end in zip(self._first, self._begins, self._ends, strict=True):
            if 0 <= value - first < end - begin:
                return begin + value - first
        raise ValueError(f"{IPv4Address(value)} is not in the pool")


@dataclass(frozen=True, slots=True)
class Deterministic:
    """Ports that follow from a subscriber's number by arithmetic, with the variables of RFC 7422 section 2.

    Every outside address (O) has `compression` (C) ranges for subscribers and room for `dynamic` (D) more,
    above `reserved` (R) ports: a range has (65536 - R) // (C + D) ports. With D > 0 all above the last range
    is the dynamic part, to be had by anybody and logged; with D = 0 it is nobody's.

    `algorithm` (A), for subscriber n:

    - sequential: range n % C of address n // C, contiguous.
    - staggered: every C-th port of address n // C, from R + n % C. (The RFC's formula for the second address
      would repeat ports of the first one; this is what its words say.)
    - round-robin: the same ports on every address.
    - interlaced: every C-th port, each on the next address.
    - random: a range of address n // C after its ports were shuffled by `key` (RFC 6431 section 2.2).

    Raises PoolError where the variables leave no port.
    """

    outside: tuple[IPv4Network, ...]
    compression: int
    dynamic: int = 0
    reserved: int = 1024
    algorithm: str = SEQUENTIAL
    key: bytes = b""

    def __post_init__(self) -> None:
        if self.algorithm not in ALGORITHMS:
            raise PoolError(f"algorithm {self.algorithm!r} is none of {', '.join(ALGORITHMS)}")
        if not len(Addresses(self.outside)):
            raise PoolError("the pool has no address")
        if self.compression < 1 or self.dynamic < 0 or not 0 <= self.reserved < PORTS:
            raise PoolError("C is at least 1, D at least 0, and R from 0 to 65535")
        if not self.block:
            raise PoolError(f"{PORTS - self.reserved} ports are too few for C + D = {self._shares} ranges")
        if self.algorithm == RANDOM and not self.key:
            raise PoolError("algorithm random needs a key")
        if self.algorithm == ROUND_ROBIN and len(self.addresses) > self.block:
            raise PoolError(
                f"round-robin over {len(self.addresses)} addresses needs as many ports per subscriber, "
                f"not {self.block}"
            )

    @property
    def _shares(self) -> int:
        return self.compression + self.dynamic

    @property
    def addresses(self) -> Addresses:
        """The outside addresses."""
        return Addresses(self.outside)

    @property
    def block(self) -> int:
        """Ports of one subscriber."""
        return (PORTS - self.reserved) // self._shares

    @property
    def subscribers(self) -> int:
        """How many have ports."""
        return self.compression * len(self.addresses)

    @property
    def dynamic_ports(self) -> range:
        """The dynamic part of every address."""
        return range(self.reserved + self.compression * self.block, PORTS if self.dynamic else 0)

    def ports(self, number: int) -> dict[int, Sequence[int]]:
        """Outside addresses of a subscriber (counted from 0) and the ports on each.

        Raises PoolError for a subscriber for whom there are none.
        """
        if not 0 <= number < self.subscribers:
            raise PoolError(f"subscriber {number} is outside 0..{self.subscribers - 1}")
        addresses, size = self.addresses, self.block
        turn, place = divmod(number, self.compression)
        end = self.reserved + self.compression * size
        if self.algorithm == ROUND_ROBIN:
            each = size // len(addresses)
            first = self.reserved + number * each
            return {address: range(first, first + each) for address in addresses}
        if self.algorithm == INTERLACED:
            count = len(addresses)
            firsts = (
                (i, self.reserved + place + (i - turn) % count * self.compression) for i in range(count)
            )
            return {addresses[i]: range(first, end, count * self.compression) for i, first in firsts}
        if self.algorithm == STAGGERED:
            return {addresses[turn]: range(self.reserved + place, end, self.compression)}
        if self.algorithm == RANDOM:
            return {
                addresses[turn]: Shuffled(self._shuffle(addresses[turn]), self.reserved, place * size, size)
            }
        first = self.reserved + place * size
        return {addresses[turn]: range(first, first + size)}

    def owner(self, address: int, port: int) -> Owner:
        """Number of the subscriber who has a port; "dynamic" where only the log knows, "reserved": nobody.

        Raises ValueError for an address that is not in the pool.
        """
        turn = self.addresses.index(address)
        at, size, ratio = port - self.reserved, self.block, self.compression
        if at < 0 or port >= PORTS:
            return "reserved"
        if at >= ratio * size:
            return "dynamic" if self.dynamic else "reserved"
        count = len(self.addresses)
        if self.algorithm == ROUND_ROBIN:
            number = at // (size // count)
            return number if number < self.subscribers else "reserved"
        if self.algorithm == INTERLACED:
            step, place = divmod(at, ratio)
            return (turn - step) % count * ratio + place
        if self.algorithm == STAGGERED:
            return turn * ratio + at % ratio
        if self.algorithm == RANDOM:
            return turn * ratio + self._shuffle(address).back(at) // size
        return turn * ratio + at // size

    def _shuffle(self, address: int) -> Permutation:
        return Permutation(self.compression * self.block, self.key, address)


class Shuffled(Sequence[int]):
    """Ports whose numbers before a permutation are contiguous."""

    def __init__(self, shuffle: Permutation, base: int, first: int, count: int) -> None:
        self._shuffle, self._base, self._first, self._count = shuffle, base, first, count

    def __len__(self) -> int:
        return self._count

    def __getitem__(self, index: int) -> int:  # type: ignore[override]
        if not 0 <= index < self._count:
            raise IndexError(index)
        return self._base + self._shuffle(self._first + index)

    def index(self, value: int, start: int = 0, stop: int | None = None) -> int:
        """Which one a port is; raises ValueError for another port."""
        at = value - self._base
        index = self._shuffle.back(at) - self._first if 0 <= at < len(self._shuffle) else -1
        if not 0 <= index < self._count:
            raise ValueError(f"port {value} is not among them")
        return index

    def __contains__(self, port: object) -> bool:
        try:
            return isinstance(port, int) and self.index(port) >= 0
        except ValueError:
            return False


@dataclass(frozen=True, slots=True, kw_only=True)
class Pool:
    """What may be given, and how (RFC 6888, RFC 7422). Raises PoolError for what cannot be.

    Deterministic: an outside address has ranges of `block_size` ports (0: as many ranges as `subscribers`
    need); `dynamic_blocks` of them are the dynamic part, the others are subscribers' own.
    """

    ipv4: tuple[IPv4Network, ...]
    first_port: int = 1024  # below: nobody's (RFC 6888 section 3, RFC 7422 R)
    # Quota (RFC 6888 REQ-4): ports and identifiers of all protocols together, as its text counts; 0 = none.
    ports_per_subscriber: int = 0
    block_size: int = 0  # ports are drawn in blocks of this many, one log record a block; 0 = one by one
    deterministic: bool = False  # blocks follow from the subscriber's number (RFC 7422), no log
    hold_down: int = 120  # seconds before a freed port is given again (RFC 6888 REQ-8)
    subscriber_prefix_len: int = 64  # what makes a subscriber of IPv6 addresses (RFC 7785 subscriber-mask)
    hold_down_ports: int = 0  # ports that may wait so; beyond, the oldest is given again; 0 = any number
    sessions_per_subscriber: int = 0  # RFC 6888 REQ-5; 0 = as many as the table holds
    new_sessions_per_second: int = 0  # of one subscriber (RFC 6888 REQ-4C, REQ-5B); 0 = any number
    subscribers: IPv6Network | None = None  # deterministic: number 0 is its first prefix (RFC 7422 I)
    dynamic_blocks: int = 0  # deterministic: RFC 7422 D
    algorithm: str = SEQUENTIAL  # deterministic: RFC 7422 A

    def __post_init__(self) -> None:
        if not 0 <= self.first_port < PORTS:
            raise PoolError(f"first port {self.first_port} is outside 0..65535")
        if not 0 <= self.block_size <= PORTS - self.first_port:
            raise PoolError(f"block size {self.block_size} is outside 0..{PORTS - self.first_port}")
        if not 0 <= self.subscriber_prefix_len <= 128:
            raise PoolError(f"subscriber prefix length {self.subscriber_prefix_len} is outside 0..128")

    def serves(self, realm: int) -> bool:
        """Whether an IPv6 address is a subscriber's; without their prefix everybody's is."""
        if self.subscribers is None:
            return True
        return int(self.subscribers.network_address) <= realm <= int(self.subscribers.broadcast_address)

    def number(self, realm: int) -> int:
        """Number of the subscriber that an IPv6 address belongs to, counted in `subscribers`.

        Raises PoolError for an address outside.
        """
        if self.subscribers is None:
            raise PoolError("a deterministic pool needs to know the subscribers' prefix")
        if not self.serves(realm):
            raise PoolError(f"the subscriber is not in {self.subscribers}")
        return (realm - int(self.subscribers.network_address)) >> (128 - self.subscriber_prefix_len)

    def subscriber(self, number: int) -> IPv6Network:
        """The prefix of a subscriber by number; inverse of number()."""
        if self.subscribers is None:
            raise PoolError("a deterministic pool needs to know the subscribers' prefix")
        base = int(self.subscribers.network_address)
        return IPv6Network(
            (base + (number << (128 - self.subscriber_prefix_len)), self.subscriber_prefix_len)
        )

    def arithmetic(self, key: bytes = b"") -> Deterministic:
        """How a deterministic pool's ranges follow from numbers; `key` for the algorithm random.

        Raises PoolError where there are more subscribers than ranges.
        """
        if self.subscribers is None:
            raise PoolError("a deterministic pool needs to know the subscribers' prefix")
        wanted = 1 << max(0, self.subscriber_prefix_len - self.subscribers.prefixlen)
        addresses = len(Addresses(self.ipv4))
        if not addresses:
            raise PoolError("the pool has no address")
        if self.block_size:
            compression = (PORTS - self.first_port) // self.block_size - self.dynamic_blocks
        else:
            compression = -(-wanted // addresses)
        if compression * addresses < wanted:
            raise PoolError(
                f"{wanted} subscribers in {self.subscribers}, but {addresses} addresses have ranges of "
                f"{self.block_size} ports for {max(0, compression) * addresses}"
            )
        return Deterministic(
            self.ipv4, compression, self.dynamic_blocks, self.first_port, self.algorithm, key
        )
