# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A packet as it crosses a TUN device, and the offload description that goes with it (virtio_net_hdr)."""

from __future__ import annotations

import struct
from typing import NamedTuple

from .checksum import checksum
from .verdict import Drop

# Values of linux/virtio_net.h.
GSO_NONE = 0
GSO_TCP4 = 1
GSO_TCP6 = 4
GSO_UDP = 5  # VIRTIO_NET_HDR_GSO_UDP_L4: many datagrams of one size (USO)
GSO_ECN = 0x80  # flag: the CWR bit belongs to the first segment only

_NEEDS_CSUM = 1
_VIRTIO = struct.Struct("=BBHHHH")
OFFLOAD_SIZE = _VIRTIO.size
_U16 = struct.Struct("!H")


class Offload(NamedTuple):
    """What the other side of the TUN device left undone; positions count from the start of the IP header.

    With `needs_csum` the transport checksum field holds the uncomplemented pseudo-header sum. With a
    `gso_type` the packet is a super-packet that stands for many of `gso_size` payload bytes each.
    """

    needs_csum: bool = False
    csum_start: int = 0
    csum_offset: int = 0
    gso_type: int = GSO_NONE
    gso_size: int = 0
    hdr_len: int = 0

    @classmethod
    def unpack(cls, header: bytes | bytearray | memoryview) -> Offload | None:
        """From a 10-byte virtio_net_hdr; None when nothing was left undone (the usual small packet)."""
        flags, gso_type, hdr_len, gso_size, csum_start, csum_offset = _VIRTIO.unpack_from(header)
        if not flags & _NEEDS_CSUM and gso_type == GSO_NONE:
            return None
        return cls(bool(flags & _NEEDS_CSUM), csum_start, csum_offset, gso_type, gso_size, hdr_len)

    def pack(self) -> bytes:
        """The 10-byte virtio_net_hdr."""
        flags = _NEEDS_CSUM if self.needs_csum else 0
        return _VIRTIO.pack(
            flags, self.gso_type, self.hdr_len, self.gso_size, self.csum_start, self.csum_offset
        )

    def moved(self, by: int) -> Offload:
        """The same work after `by` bytes were put before the packet (negative: taken away)."""
        return Offload(
            self.needs_csum,
            self.csum_start + by,
            self.csum_offset,
            self.gso_type,
            self.gso_size,
            max(0, self.hdr_len + by),
        )


class Packet(NamedTuple):
    """One IP packet without link header, with its offload work if any."""

    data: bytes
    offload: Offload | None = None


def complete(buf: bytearray, offload: Offload) -> None:
    """Finish a partial checksum in place, as the network card would have."""
    field = offload.csum_start + offload.csum_offset
    if field + 2 > len(buf):
        raise Drop("drop_offload_invalid")
    _U16.pack_into(buf, field, checksum(memoryview(buf)[offload.csum_start :]) or 0xFFFF)
