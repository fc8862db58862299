# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A shuffle of 0..n-1 that a key gives and takes back: no table of who got what (RFC 6431 section 2.2)."""

from __future__ import annotations

from functools import lru_cache
from hashlib import blake2b

_ROUNDS = 8


class Permutation:
    """A Feistel network over two halves, walked until the number is below `size` again.

    `size` is 1..65536; `number` makes permutations of one key differ.
    """

    def __init__(self, size: int, key: bytes, number: int) -> None:
        if not 1 <= size <= 1 << 16:
            raise ValueError(f"size {size} is outside 1..65536")
        self._size = size
        self._half = max(1, ((size - 1).bit_length() + 1) // 2)
        self._tables = _tables(key, number, self._half)

    def __len__(self) -> int:
        return self._size

    def __call__(self, value: int) -> int:
        """The place of a number."""
        half, mask = self._half, (1 << self._half) - 1
        while True:
            left, right = value >> half, value & mask
            for table in self._tables:
                left, right = right, left ^ table[right]
            value = left << half | right
            if value < self._size:
                return value

    def back(self, value: int) -> int:
        """The number at a place."""
        half, mask = self._half, (1 << self._half) - 1
        while True:
            left, right = value >> half, value & mask
            for table in reversed(self._tables):
                left, right = right ^ table[left], left
            value = left << half | right
            if value < self._size:
                return value


@lru_cache(maxsize=1024)
def _tables(key: bytes, number: int, half: int) -> tuple[bytes, ...]:
    """The round functions: keyed hashes of round and half, of `half` bits."""
    seed = blake2b(key).digest()  # a key of blake2b has at most 64 octets
    return tuple(
        bytes(
            blake2b(number.to_bytes(4, "big") + bytes((half, turn, value)), key=seed, digest_size=1).digest()[
                0
            ]
            >> (8 - half)
            for value in range(1 << half)
        )
        for turn in range(_ROUNDS)
    )
