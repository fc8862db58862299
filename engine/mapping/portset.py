# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Port sets by the Generalized Modulus Algorithm (RFC 7597 section 5.1 and appendix B)."""

from __future__ import annotations

from dataclasses import dataclass

PORT_BITS = 16


class PortSetError(ValueError):
    """The parameters cannot describe a port set."""


@dataclass(frozen=True, slots=True)
class PortSet:
    """The ports that one customer may use on one IPv4 address.

    A 16-bit port is ``A (offset bits) | PSID (psid_len bits) | j (m bits)``; with offset > 0 the
    ranges with A = 0 belong to nobody. With psid_len = 0 the address is not shared and every
    port belongs to its owner (RFC 7597 section 5.2), whatever the offset.

    Raises PortSetError where offset, psid_len or psid are outside what 16 bits can hold.
    """

    offset: int
    psid_len: int
    psid: int

    def __post_init__(self) -> None:
        if not 0 <= self.offset <= PORT_BITS:
            raise PortSetError(f"PSID offset {self.offset} is outside 0..16")
        if not 0 <= self.psid_len <= PORT_BITS:
            raise PortSetError(f"PSID length {self.psid_len} is outside 0..16")
        if self.offset + self.psid_len > PORT_BITS:
            raise PortSetError(
                f"PSID offset {self.offset} + PSID length {self.psid_len} = "
                f"{self.offset + self.psid_len} is more than the 16 bits of a port"
            )
        if not 0 <= self.psid < 1 << self.psid_len:
            raise PortSetError(f"PSID {self.psid} does not fit in {self.psid_len} bits")

    @property
    def shared(self) -> bool:
        """Whether other customers own other ports of the same address."""
        return self.psid_len > 0

    @property
    def m(self) -> int:
        """Bits that number the ports of one range."""
        return PORT_BITS - self.offset - self.psid_len

    @property
    def range_size(self) -> int:
        """Contiguous ports in one range."""
        return 1 << self.m if self.shared else 1 << PORT_BITS

    @property
    def range_count(self) -> int:
        """Ranges in the set: 2^offset - 1, or one where nothing is excluded."""
        return (1 << self.offset) - 1 if self.shared and self.offset else 1

    def __len__(self) -> int:
        return self.range_count * self.range_size

    def __contains__(self, port: int) -> bool:
        if not self.shared:
            return 0 <= port <= 0xFFFF
        if self.offset and not port >> (PORT_BITS - self.offset):
            return False
        return 0 <= port <= 0xFFFF and (port >> self.m) & ((1 << self.psid_len) - 1) == self.psid

    def nth(self, index: int) -> int:
        """The port at ``index``, counted upwards over all ranges (0 <= index < len)."""
        if not self.shared:
            return index
        block, j = divmod(index, 1 << self.m)
        first = 1 if self.offset else 0
        return (block + first) << (PORT_BITS - self.offset) | self.psid << self.m | j

    def index(self, port: int) -> int:
        """Inverse of nth(); the port must be in the set."""
        if not self.shared:
            return port
        block = (port >> (PORT_BITS - self.offset)) - (1 if self.offset else 0)
        return block << self.m | port & (1 << self.m) - 1

    def ranges(self) -> list[tuple[int, int]]:
        """First and last port of every range, ascending."""
        size = self.range_size
        starts = (self.nth(i * size) for i in range(self.range_count))
        return [(start, start + size - 1) for start in starts]


ALL_PORTS = PortSet(0, 0, 0)


def psid_of(port: int, offset: int, psid_len: int) -> int | None:
    """PSID that owns ``port`` (RFC 7597 appendix B formula 2), None where A = 0 excludes it."""
    if offset and psid_len and not port >> (PORT_BITS - offset):
        return None
    return (port >> (PORT_BITS - offset - psid_len)) & ((1 << psid_len) - 1)


def left_aligned_psid(psid: int, psid_len: int) -> int:
    """PSID as DHCPv6 option 93, DHCPv4 option 159 and OpenWrt carry it (RFC 7598 section 4.5)."""
    return psid << (PORT_BITS - psid_len)


def psid_from_left_aligned(value: int, psid_len: int) -> int:
    """Inverse of left_aligned_psid."""
    return value >> (PORT_BITS - psid_len)
