# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""An IPv4 packet that can be read and rewritten in place, every checksum kept right."""

from __future__ import annotations

import struct
from collections.abc import Iterator, Sequence

from .buffer import GSO_ECN, GSO_NONE, GSO_TCP4, GSO_UDP, Offload, complete
from .checksum import ONES, adjust, checksum, pseudo4, valid
from .verdict import Drop, IcmpError

ICMP, TCP, UDP = 1, 6, 17
# Transports whose first four octets are the ports: also DCCP, SCTP and UDP-Lite.
PORTED = frozenset({TCP, UDP, 33, 132, 136})
# ICMP types that carry an Identifier: echo and timestamp (RFC 792); the others are obsolete.
ICMP_REQUESTS = frozenset({8, 13})
ICMP_QUERIES = frozenset({0, 8, 13, 14})
# ICMP types that carry the packet they are about; redirect does not cross a router.
ICMP_ERRORS = frozenset({3, 4, 11, 12})

ECT1, ECT0, CE = 1, 2, 3  # ECN marks (RFC 3168 s5)
DF, MF, OFFSET = 0x4000, 0x2000, 0x1FFF
TTL_EXPIRED = IcmpError(11, 0)

_HEADER = struct.Struct("!BBHHHBBHII")
_U16 = struct.Struct("!H")
_U32 = struct.Struct("!I")
_PORTS = struct.Struct("!HH")
# Where the transport checksum lies, for the transports that NAPT rewrites.
_CHECKSUM_AT = {TCP: 16, UDP: 6, ICMP: 2}
_SUPER = {TCP: GSO_TCP4, UDP: GSO_UDP}


class Datagram:
    """One IPv4 packet (or piece of one, or super-packet) in a private buffer."""

    __slots__ = (
        "buf",
        "destination",
        "fragment",
        "header",
        "ident",
        "offload",
        "ports",
        "protocol",
        "source",
        "tos",
        "ttl",
    )

    def __init__(self, data: bytes | bytearray | memoryview, offload: Offload | None = None) -> None:
        """Parse and check; raises Drop for what no router would forward (RFC 1812 s5.2.2).

        A bytearray is taken over, anything else copied.
        """
        if len(data) < 20:
            raise Drop("drop_ipv4_malformed")
        (
            version,
            self.tos,
            length,
            self.ident,
            self.fragment,
            self.ttl,
            self.protocol,
            _,
            source,
            destination,
        ) = _HEADER.unpack_from(data)
        self.header = header = (version & 15) * 4
        if version >> 4 != 4 or header < 20 or length < header or length > len(data):
            raise Drop("drop_ipv4_malformed")
        if int.from_bytes(data[:header], "big") % ONES:
            raise Drop("drop_ipv4_checksum")
        self.source: int = source
        self.destination: int = destination
        if length != len(data):
            data = data[:length]
        self.buf = data if isinstance(data, bytearray) else bytearray(data)
        self.offload = None if offload is None else self._checked(offload)
        self.ports = self._read_ports()

    def _checked(self, offload: Offload) -> Offload | None:
        """The offload if it is about this packet's own transport header; finished here otherwise."""
        field = _CHECKSUM_AT.get(self.protocol)
        own = offload.csum_start == self.header and offload.csum_offset == field and not self.is_fragment
        kind = offload.gso_type & ~GSO_ECN
        if kind != GSO_NONE:
            if kind != _SUPER.get(self.protocol) or not offload.gso_size or self.is_fragment:
                raise Drop("drop_offload_invalid")
            assert field is not None
            if own and offload.needs_csum:
                return offload
            return Offload(True, self.header, field, offload.gso_type, offload.gso_size, offload.hdr_len)
        if not offload.needs_csum:
            return None
        if offload.csum_start < self.header:
            raise Drop("drop_offload_invalid")
        if own:
            return offload
        complete(self.buf, offload)
        return None

    def _read_ports(self) -> tuple[int, int] | None:
        """(source, destination) port, the ICMP identifier twice, or None where there is none."""
        offset, size = self.fragment & OFFSET, len(self.buf) - self.header
        if offset:
            # RFC 1858 s3.2.1, RFC 3128: a piece at offset 8 could overwrite TCP flags.
            if offset == 1 and self.protocol == TCP:
                raise Drop("drop_fragment_tiny")
            return None
        if self.protocol == TCP:
            if size < 20 or size < self.buf[self.header + 12] >> 2 & 0x3C:
                raise Drop("drop_fragment_tiny" if self.fragment & MF else "drop_transport_malformed")
            if self.buf[self.header + 12] < 0x50:
                raise Drop("drop_transport_malformed")
        elif self.protocol == UDP:
            if size < 8:
                raise Drop("drop_fragment_tiny" if self.fragment & MF else "drop_transport_malformed")
        elif self.protocol == ICMP:
            if size < 8:
                raise Drop("drop_transport_malformed")
            if self.buf[self.header] not in ICMP_QUERIES:
                return None
            (ident,) = _U16.unpack_from(self.buf, self.header + 4)
            return ident, ident
        elif self.protocol not in PORTED:
            return None
        elif size < 4:
            raise Drop("drop_transport_malformed")
        return _PORTS.unpack_from(self.buf, self.header)

    @property
    def is_fragment(self) -> bool:
        """A piece of a larger packet."""
        return bool(self.fragment & (MF | OFFSET))

    @property
    def is_icmp_error(self) -> bool:
        """An ICMP error, at least its first piece."""
        return self.protocol == ICMP and not self.fragment & OFFSET and self.buf[self.header] in ICMP_ERRORS

    @property
    def is_super(self) -> bool:
        """A super-packet, which stands for many."""
        return self.offload is not None and self.offload.gso_size > 0

    @property
    def wire_size(self) -> int:
        """Octets of the largest packet this one stands for."""
        if self.offload is None or not self.is_super:
            return len(self.buf)
        return min(len(self.buf), self._segment_header() + self.offload.gso_size)

    def _segment_header(self) -> int:
        header: int = self.header
        return header + (self.buf[header + 12] >> 4) * 4 if self.protocol == TCP else header + 8

    def hop(self) -> None:
        """Count one router hop (RFC 1812 s5.3.1)."""
        if self.ttl <= 1:
            raise Drop("drop_ttl_expired", TTL_EXPIRED)
        self.ttl -= 1
        self.buf[8] = self.ttl
        self._fix_header(-0x100)

    def set_ecn(self, mark: int) -> None:
        """Write another ECN mark (RFC 3168 s5)."""
        self._set_tos(self.tos & ~3 | mark)

    def set_dscp(self, dscp: int) -> None:
        """Write another DSCP (RFC 2474 s3)."""
        if dscp != self.tos >> 2:
            self._set_tos(dscp << 2 | self.tos & 3)

    def _set_tos(self, tos: int) -> None:
        self._fix_header(tos - self.tos)
        self.buf[1] = self.tos = tos

    def set_ident(self, ident: int) -> None:
        """Write another Identification."""
        _U16.pack_into(self.buf, 4, ident)
        self._fix_header(ident - self.ident)
        self.ident = ident

    def set_source(self, address: int, port: int | None = None) -> None:
        """Rewrite source address and port (or ICMP identifier)."""
        self._rewrite(12, address, self.source, 0, port)
        self.source = address

    def set_destination(self, address: int, port: int | None = None) -> None:
        """Rewrite destination address and port (or ICMP identifier)."""
        self._rewrite(16, address, self.destination, 1, port)
        self.destination = address

    def _fix_header(self, delta: int) -> None:
        (field,) = _U16.unpack_from(self.buf, 10)
        _U16.pack_into(self.buf, 10, adjust(field, delta))

    def _rewrite(self, at: int, address: int, old: int, which: int, port: int | None) -> None:
        buf, delta = self.buf, address - old
        _U32.pack_into(buf, at, address)
        self._fix_header(delta)
        change = 0
        icmp = self.protocol == ICMP
        if port is not None and self.ports is not None:
            change = port - self.ports[which]
            if icmp:
                self.ports = (port, port)
            else:
                self.ports = (self.ports[0], port) if which else (port, self.ports[1])
        if self.fragment & OFFSET:
            return  # the transport header is in the first piece
        if change and port is not None:
            _U16.pack_into(buf, self.header + (4 if icmp else 2 * which), port)
        if delta or change:
            self._fix_transport(delta, change)

    def _fix_transport(self, pseudo: int, body: int) -> None:
        """Adjust the transport checksum for changed addresses (`pseudo`) and ports (`body`)."""
        offset = _CHECKSUM_AT.get(self.protocol)
        if offset is None:
            return
        at = self.header + offset
        (field,) = _U16.unpack_from(self.buf, at)
        if self.protocol == ICMP:
            pseudo = 0
        if self.offload is not None and self.offload.needs_csum:
            # A partial field is the uncomplemented pseudo-header sum; the body is summed later.
            field = (field + pseudo) % ONES
        elif self.protocol == UDP and not field:
            return
        else:
            field = adjust(field, pseudo + body)
            if self.protocol == UDP:
                field = field or ONES
            elif not field and self.protocol == ICMP and not self.is_fragment:
                # All-zero ICMP: only the full sum tells 0 from 0xffff.
                _U16.pack_into(self.buf, at, 0)
                field = checksum(memoryview(self.buf)[self.header :])
        _U16.pack_into(self.buf, at, field)

    def finish(self) -> None:
        """Complete a partial checksum, before the packet is cut."""
        if self.offload is not None:
            complete(self.buf, self.offload)
            self.offload = None

    def clamp_mss(self, limit: int) -> bool:
        """Lower the MSS option of a SYN to `limit`; True when it was larger. Broken options are left."""
        if self.protocol != TCP or self.fragment & OFFSET or not self.buf[self.header + 13] & 2:
            return False
        at = mss_option(self.buf, self.header)
        if not at:
            return False
        (old,) = _U16.unpack_from(self.buf, at)
        if old <= limit:
            return False
        _U16.pack_into(self.buf, at, limit)
        delta = limit - old
        # At an odd place the two octets belong to different words: they count swapped.
        self._fix_transport(0, delta if (at - self.header) % 2 == 0 else _swap(limit) - _swap(old))
        return True

    def icmp_sum_valid(self) -> bool:
        """Whether the ICMP checksum is right (RFC 5508 REQ-3a)."""
        return valid(memoryview(self.buf)[self.header :])

    def segments(self) -> Iterator[tuple[bytes, memoryview]]:
        """Cut a super-packet into (headers, payload) pairs that keep a partial transport checksum.

        CWR stays on the first segment only, FIN and PSH on the last (RFC 9293, Linux tcp_gso_segment).
        """
        assert self.offload is not None
        at, step, total = self.header, self.offload.gso_size, len(self.buf)
        start = self._segment_header()
        head, view = bytearray(self.buf[:start]), memoryview(self.buf)
        tcp = self.protocol == TCP
        (sequence,) = _U32.unpack_from(head, at + 4)
        flags = head[at + 13] if tcp else 0
        base = ONES - checksum(b"".join((head[:2], b"\0\0\0\0", head[6:10], head[12:at])))
        length = 0
        for number, begin in enumerate(range(start, max(total, start + 1), step)):
            last = begin + step >= total
            if last or not number:  # the others are as long as the first
                length = min(start + step, start + total - begin)
                pseudo = pseudo4(self.source, self.destination, self.protocol, length - at)
            ident = (self.ident + number) & 0xFFFF
            _PORTS.pack_into(head, 2, length, ident)
            _U16.pack_into(head, 10, ONES - ((base + length + ident) % ONES or ONES))
            if tcp:
                _U32.pack_into(head, at + 4, (sequence + begin - start) & 0xFFFFFFFF)
                head[at + 13] = flags & (0xFF if not number else 0x7F) & (0xFF if last else 0xF6)
                _U16.pack_into(head, at + 16, pseudo)
            else:
                _PORTS.pack_into(head, at + 4, length - at, pseudo)
            yield bytes(head), view[begin : begin + step]

    def pieces(self, mtu: int) -> Iterator[bytes]:
        """Fragment to `mtu` (RFC 791 s3.2); an already cut piece is cut further."""
        first, later = bytes(self.buf[: self.header]), _copied_options(bytes(self.buf[: self.header]))
        at, end, head = self.header, len(self.buf), first
        base = self.fragment & OFFSET
        while at < end:
            room = mtu - len(head)
            take = end - at if end - at <= room else room & ~7
            more = MF if at + take < end else self.fragment & MF
            offset = base + (at - self.header) // 8
            yield _with_header(head, len(head) + take, more | offset) + self.buf[at : at + take]
            at, head = at + take, later


def _swap(value: int) -> int:
    return value >> 8 | (value & 0xFF) << 8


def mss_option(buf: bytes | bytearray, tcp: int) -> int:
    """Position of the MSS value in the TCP header at `tcp`, 0 where there is none (RFC 9293 s3.2)."""
    at, end = tcp + 20, min(len(buf), tcp + (buf[tcp + 12] >> 4) * 4)
    while at < end:
        kind = buf[at]
        if kind == 0:
            return 0
        if kind == 1:
            at += 1
            continue
        if at + 1 >= end or buf[at + 1] < 2 or at + buf[at + 1] > end:
            return 0
        if kind == 2:
            return at + 2 if buf[at + 1] == 4 else 0
        at += buf[at + 1]
    return 0


def _copied_options(header: bytes) -> bytes:
    """The header that later fragments carry: only options with the copy flag (RFC 791 s3.1)."""
    kept, at = b"", 20
    while at < len(header) and header[at]:
        size = 1 if header[at] == 1 else max(2, header[at + 1]) if at + 1 < len(header) else 1
        if header[at] & 0x80:
            kept += header[at : at + size]
        at += size
    kept += bytes(-len(kept) % 4)
    return bytes((0x40 | 5 + len(kept) // 4,)) + header[1:20] + kept


def joined(header: bytes, tos: int, parts: Sequence[bytes]) -> bytes:
    """Pieces behind the header of the first, without DF. Raises Drop for one too long."""
    payload = b"".join(parts)
    if len(header) + len(payload) > 0xFFFF:
        raise Drop("drop_fragment_invalid")
    return _with_header(header[:1] + bytes((tos,)) + header[2:], len(header) + len(payload), 0) + payload


def _with_header(header: bytes, length: int, fragment: int) -> bytes:
    """The header with another length and fragment word, checksum recomputed."""
    head = bytearray(header)
    _U16.pack_into(head, 2, length)
    _U16.pack_into(head, 6, fragment)
    _U16.pack_into(head, 10, 0)
    _U16.pack_into(head, 10, checksum(head))
    return bytes(head)


def build(
    protocol: int, source: int, destination: int, payload: bytes, *, tos: int = 0, ttl: int = 64
) -> bytes:
    """A new packet with DF set, so that its Identification need not be unique (RFC 6864 s4.1)."""
    header = _HEADER.pack(0x45, tos, 20 + len(payload), 0, DF, ttl, protocol, 0, source, destination)
    return header[:10] + _U16.pack(checksum(header)) + header[12:] + payload


def write(
    tos: int, length: int, ident: int, fragment: int, ttl: int, protocol: int, source: int, destination: int
) -> bytes:
    """A header without options, checksum right; `length` is the total length."""
    total = 0x4500 + tos + length + ident + fragment + (ttl << 8) + protocol + source + destination
    return _HEADER.pack(
        0x45, tos, length, ident, fragment, ttl, protocol, ONES - (total % ONES or ONES), source, destination
    )


def is_unicast(address: int) -> bool:
    """An address a single host can have: not 0/8, 127/8 or from 224/4 up (RFC 1812 s5.3.7)."""
    return 0x01000000 <= address < 0xE0000000 and address >> 24 != 127
