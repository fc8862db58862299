# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Joins TCP segments that come out of the tunnel in a row into one super-packet, as receive offload does.

The kernel cannot do it for us: it knows no super-packet of IPv4 in IPv6 that a TUN device could
take. A joined packet stands for exactly the packets that it was made of, but for what the other
end of any segmentation may change too: Identification of packets that forbid fragments
(RFC 6864 section 4.1), and PSH (RFC 9293 section 3.9.1.2).
"""

from __future__ import annotations

import struct
from collections.abc import Sequence

from ..packet.buffer import GSO_NONE, GSO_TCP4, Offload, Packet
from ..packet.checksum import ONES, checksum, pseudo4, valid

_IPV6, _IPV4 = 40, 20  # octets of the headers; only packets without extensions and options are joined
_TCP = _IPV6 + _IPV4
_SHORTEST = _TCP + 20
_LARGEST = 65535
_CHECKSUM_AT = 16
_ACK, _PSH = 0x10, 0x08
_DF_ONLY = b"\x40\0"

_U16 = struct.Struct("!H")
_U32 = struct.Struct("!I")
_ADDRESSES = struct.Struct("!II")


class _Run:
    """Segments in a row, the first of them whole."""

    __slots__ = ("_first", "_parts", "_push", "_same", "_size", "_start", "_total", "following")

    def __init__(self, packet: Packet, start: int, same: bytes, sequence: int) -> None:
        self._first, self._start, self._same = packet, start, same
        self._size = self._total = len(packet.data) - start
        self._parts: list[bytes] = []
        self._push = 0
        self.following = (sequence + self._size) & 0xFFFFFFFF

    def takes(self, data: bytes, same: bytes, sequence: int) -> bool:
        """Whether the segment comes next and differs in nothing but what is made anew."""
        size = len(data) - self._start
        return (
            sequence == self.following
            and same == self._same
            and size <= self._size
            and self._start - _IPV6 + self._total + size <= _LARGEST
        )

    def add(self, data: bytes, flags: int) -> bool:
        """Put a segment to it that it takes; whether more may come."""
        payload = data[self._start :]
        self._parts.append(payload)
        self._push = flags & _PSH
        self._total += len(payload)
        self.following = (self.following + len(payload)) & 0xFFFFFFFF
        return len(payload) == self._size and not self._push

    def packet(self) -> Packet:
        """All of it as one packet."""
        if not self._parts:
            return self._first
        data, start = self._first.data, self._start
        length = start - _IPV6 + self._total
        head = bytearray(data[:start])
        _U16.pack_into(head, 4, length)
        _U16.pack_into(head, _IPV6 + 2, length)
        _U16.pack_into(head, _IPV6 + 10, 0)
        _U16.pack_into(head, _IPV6 + 10, checksum(head[_IPV6:_TCP]))
        head[_TCP + 13] |= self._push
        source, destination = _ADDRESSES.unpack_from(head, _IPV6 + 12)
        _U16.pack_into(head, _TCP + _CHECKSUM_AT, pseudo4(source, destination, 6, length - _IPV4))
        offload = Offload(True, _TCP, _CHECKSUM_AT, GSO_TCP4, self._size, start)
        return Packet(b"".join((head, data[start:], *self._parts)), offload)


def coalesce(packets: Sequence[Packet]) -> list[Packet]:
    """The same traffic in fewer packets; the order within a TCP connection stays as it is."""
    out: list[Packet | _Run] = []
    runs: dict[bytes, _Run] = {}
    for packet in packets:
        data = packet.data
        if len(data) < _SHORTEST or data[6] != 4 or data[0] >> 4 != 6 or data[40] != 0x45 or data[49] != 6:
            out.append(packet)
            continue
        flow = data[8:40] + data[52:64]  # tunnel addresses, addresses, ports
        flags, start = data[73], _TCP + (data[72] >> 4) * 4
        if flags & ~_PSH != _ACK or not _joinable(packet, start):
            runs.pop(flow, None)
            out.append(packet)
            continue
        # Traffic class and flow label, hop limit, TOS, TTL, acknowledgement and length of the TCP
        # header, window, urgent pointer and options.
        same = data[:4] + data[7:8] + data[41:42] + data[48:49] + data[68:73] + data[74:76] + data[78:start]
        (sequence,) = _U32.unpack_from(data, 64)
        run = runs.get(flow)
        if run is not None and run.takes(data, same, sequence):
            if not run.add(data, flags):
                del runs[flow]
            continue
        run = _Run(packet, start, same, sequence)
        out.append(run)
        if flags & _PSH:
            runs.pop(flow, None)
        else:
            runs[flow] = run
    return [item.packet() if isinstance(item, _Run) else item for item in out]


def _joinable(packet: Packet, start: int) -> bool:
    """Whether a TCP segment has data and is in one piece, as long as it says, and intact."""
    data, offload = packet.data, packet.offload
    length = len(data) - _IPV6
    if (
        start < _SHORTEST
        or start >= len(data)
        or data[46:48] != _DF_ONLY
        or _U16.unpack_from(data, 4)[0] != length
        or _U16.unpack_from(data, _IPV6 + 2)[0] != length
        or int.from_bytes(data[_IPV6:_TCP], "big") % ONES
    ):
        return False
    if offload is not None:
        return offload.gso_type == GSO_NONE and (offload.csum_start, offload.csum_offset) == (
            _TCP,
            _CHECKSUM_AT,
        )
    source, destination = _ADDRESSES.unpack_from(data, _IPV6 + 12)
    return valid(memoryview(data)[_TCP:], pseudo4(source, destination, 6, length - _IPV4))
