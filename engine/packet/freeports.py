# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which ports of one address are free: found and changed in the same short time however many are taken."""

from __future__ import annotations

from collections.abc import Sequence
from random import Random

from .ipv4 import ICMP

_WIDTH = 256  # bits in a word: two levels hold the 65536 ports of an address
_FULL = (1 << _WIDTH) - 1
_EVEN = _FULL // 3  # the bits 0, 2, 4 ...
_ODD = _EVEN << 1


class Bits:
    """The numbers 0..count-1, each free or taken."""

    __slots__ = ("_even", "_odd", "_words", "left")

    def __init__(self, count: int) -> None:
        self.left = count
        self._words = [_FULL] * (count // _WIDTH)
        if count % _WIDTH:
            self._words.append((1 << count % _WIDTH) - 1)
        # One bit for each word that has an even or odd number free.
        self._even = sum(1 << at for at, word in enumerate(self._words) if word & _EVEN)
        self._odd = sum(1 << at for at, word in enumerate(self._words) if word & _ODD)

    def take(self, number: int) -> bool:
        """Take one; False where it is taken already."""
        at, bit = divmod(number, _WIDTH)
        if not self._words[at] >> bit & 1:
            return False
        self._remove(at, bit)
        return True

    def free(self, number: int) -> None:
        """Give one back that was taken."""
        at, bit = divmod(number, _WIDTH)
        self._words[at] |= 1 << bit
        if bit & 1:
            self._odd |= 1 << at
        else:
            self._even |= 1 << at
        self.left += 1

    def pick(self, rng: Random, odd: int | None = None) -> int:
        """Take a random one, of the wanted parity while there is any; -1 where all are taken."""
        words, mask = self._even | self._odd, _FULL
        if odd is not None:
            liked = self._odd if odd else self._even
            if liked:
                words, mask = liked, _ODD if odd else _EVEN
        if not words:
            return -1
        dice = int(rng.random() * 65536)
        at = _some_bit(words, dice % len(self._words))
        word = self._words[at] & mask
        bit = _some_bit(word, (dice >> 8) * word.bit_length() >> 8)
        self._remove(at, bit)
        return at * _WIDTH + bit

    def _remove(self, at: int, bit: int) -> None:
        word = self._words[at] = self._words[at] ^ (1 << bit)
        self.left -= 1
        if bit & 1:
            if not word & _ODD:
                self._odd ^= 1 << at
        elif not word & _EVEN:
            self._even ^= 1 << at


def _some_bit(value: int, start: int) -> int:
    """The first 1 at `start` or above, else the lowest one; there must be one."""
    upper = value >> start
    if upper:
        return (upper & -upper).bit_length() - 1 + start
    return (value & -value).bit_length() - 1


class Span:
    """A sequence of ports, each to be had once for every protocol."""

    __slots__ = ("_free", "_parity", "ports")

    def __init__(self, ports: Sequence[int]) -> None:
        self.ports = ports
        self._free: dict[int, Bits] = {}
        # Neighbours differ in parity, or none is to be kept.
        self._parity = None if len(ports) < 2 or not (ports[1] - ports[0]) & 1 else ports[0] & 1

    def _of(self, protocol: int) -> Bits:
        bits = self._free.get(protocol)
        if bits is None:
            bits = self._free[protocol] = Bits(len(self.ports))
            if bits.left and self.ports[0] == 0:
                bits.take(0)  # port 0 is nobody's
        return bits

    def left(self, protocol: int) -> int:
        """How many are free."""
        return self._of(protocol).left

    def take(self, protocol: int, port: int) -> bool:
        """Take this one; False where it is taken."""
        return self._of(protocol).take(self.ports.index(port))

    def pick(self, protocol: int, wanted: int, rng: Random) -> int:
        """Take a random one, of the same parity while there is any (RFC 4787 REQ-4); 0 where none is left."""
        odd = None if self._parity is None or protocol == ICMP else (wanted ^ self._parity) & 1
        index = self._of(protocol).pick(rng, odd)
        return 0 if index < 0 else self.ports[index]

    def free(self, protocol: int, port: int) -> None:
        """Give one back."""
        self._of(protocol).free(self.ports.index(port))
