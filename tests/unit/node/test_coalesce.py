# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Joined segments stand for exactly the packets that they were made of."""

from __future__ import annotations

import struct
from dataclasses import dataclass, replace

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.coalesce import coalesce
from ansible_collections.ipv4aas.fleet.engine.packet import ipv6
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Offload, Packet
from ansible_collections.ipv4aas.fleet.engine.packet.checksum import checksum, pseudo4
from hypothesis import given, settings
from hypothesis import strategies as st

ACK, PSH, FIN, SYN = 0x10, 0x08, 0x01, 0x02
CUSTOMER, GATEWAY = 0x20010DB8 << 96 | 1, 0x20010DB8 << 96 | 2
PARTIAL = Offload(True, 60, 16)


@dataclass(frozen=True)
class Segment:
    """A TCP segment inside the tunnel, as values."""

    sequence: int = 1000
    payload: bytes = bytes(100)
    flags: int = ACK
    port: int = 5000
    acknowledgement: int = 7
    window: int = 500
    options: bytes = b""
    tos: int = 0
    ttl: int = 64
    fragment: int = 0x4000
    ident: int = 0
    ip_options: bytes = b""
    flow_label: int = 0
    peer: int = CUSTOMER
    partial: bool = False

    def packet(self) -> Packet:
        """As it comes out of the device, checksums right."""
        tcp = struct.pack(
            *("!HHIIBBHHH", self.port, 80, self.sequence, self.acknowledgement),
            *((20 + len(self.options)) << 2, self.flags, self.window, 0, 0),
        )
        body = tcp + self.options + self.payload
        pseudo = pseudo4(0xC0000201, 0xC6336402, 6, len(body))
        body = body[:16] + struct.pack("!H", pseudo if self.partial else checksum(body, pseudo)) + body[18:]
        header = 20 + len(self.ip_options)
        head = struct.pack(
            *("!BBHHHBBHII", 0x40 | header // 4, self.tos, header + len(body), self.ident, self.fragment),
            *(self.ttl, 6, 0, 0xC0000201, 0xC6336402),
        )
        head += self.ip_options
        head = head[:10] + struct.pack("!H", checksum(head)) + head[12:]
        outer = bytearray(ipv6.write(self.tos, len(head + body), 4, self.peer, GATEWAY))
        outer[2:4] = struct.pack("!H", self.flow_label)
        return Packet(bytes(outer) + head + body, PARTIAL if self.partial else None)


def row(count: int, size: int = 100, **values) -> list[Segment]:
    """Segments one after the other."""
    return [
        Segment(sequence=(1000 + i * size) % 2**32, payload=bytes([i % 256]) * size, **values)
        for i in range(count)
    ]


def joined(segments: list[Segment]) -> list[Packet]:
    return coalesce([segment.packet() for segment in segments])


def taken_apart(packet: Packet) -> list[tuple]:
    """What a network card would send for a packet: every value but Identification, PSH and checksums."""
    data, offload = packet.data, packet.offload
    start = 60 + (data[72] >> 4) * 4
    size = offload.gso_size if offload and offload.gso_type else max(1, len(data) - start)
    parts = [data[at : at + size] for at in range(start, len(data), size)] or [b""]
    (sequence,) = struct.unpack_from("!I", data, 64)
    return [
        (
            data[:4] + data[6:42] + data[46:50] + data[52:64] + data[68:73] + data[74:76] + data[78:start],
            (sequence + number * size) % 2**32,
            data[73] & ~PSH,
            part,
        )
        for number, part in enumerate(parts)
    ]


@pytest.mark.parametrize("partial", [False, True])
def test_row_becomes_one(partial):
    segments = row(40, 1408, options=b"\1\1\x08\x0a" + bytes(8), partial=partial)
    (packet,) = joined(segments)
    assert packet.offload == Offload(True, 60, 16, 1, 1408, 92)
    assert packet.data[92:] == b"".join(segment.payload for segment in segments)
    length = 20 + 32 + 40 * 1408
    assert struct.unpack_from("!H", packet.data, 4) == struct.unpack_from("!H", packet.data, 42) == (length,)
    assert checksum(packet.data[40:60]) == 0
    assert struct.unpack_from("!H", packet.data, 76) == (pseudo4(0xC0000201, 0xC6336402, 6, length - 20),)


def test_limit_is_what_the_length_field_holds():
    packets = joined(row(50, 1420))
    assert [len(packet.data) for packet in packets] == [40 + 40 + 46 * 1420, 40 + 40 + 4 * 1420]


def test_last_may_be_shorter_and_ends_it():
    segments = row(3)
    segments[2] = replace(segments[2], payload=b"end")
    segments.append(replace(segments[2], sequence=segments[2].sequence + 3))
    assert [len(taken_apart(packet)) for packet in joined(segments)] == [3, 1]


def test_push_is_kept_and_ends_it():
    segments = row(4)
    segments[1] = replace(segments[1], flags=ACK | PSH)
    packets = joined(segments)
    assert [len(taken_apart(packet)) for packet in packets] == [2, 2]
    assert [packet.data[73] & PSH for packet in packets] == [PSH, 0]


def test_sequence_number_goes_round():
    segments = [Segment(sequence=2**32 - 100), Segment(sequence=0)]
    (packet,) = joined(segments)
    assert len(packet.data) == 280


DIFFERENT = {
    "gap": {"sequence": 1101},
    "acknowledgement": {"acknowledgement": 8},
    "window": {"window": 501},
    "options": {"options": b"\1\1\1\0"},
    "FIN": {"flags": ACK | FIN},
    "ECE": {"flags": ACK | 0x40},
    "no data": {"payload": b""},
    "larger": {"payload": bytes(101)},
    "congestion mark": {"tos": 3},
    "TTL": {"ttl": 63},
    "may be cut": {"fragment": 0},
    "first piece": {"fragment": 0x2000},
    "IPv4 options": {"ip_options": b"\1\1\1\0"},
    "flow label": {"flow_label": 9},
    "customer": {"peer": CUSTOMER + 1},
    "port": {"port": 5001},
}


@pytest.mark.parametrize("values", DIFFERENT.values(), ids=DIFFERENT)
def test_what_differs_stays_apart(values):
    first, second = row(2)
    packets = [first.packet(), replace(second, **values).packet()]
    assert coalesce(packets) == packets


@pytest.mark.parametrize("at", [44, 50, 61, 76, 100])
def test_damaged_segment_is_not_made_whole(at):
    """IPv4 header, its checksum, port, TCP checksum, data: who judges it later has to see it."""
    packets = [segment.packet() for segment in row(3)]
    damaged = bytearray(packets[1].data)
    damaged[at] ^= 1
    packets[1] = Packet(bytes(damaged))
    assert coalesce(packets) == packets


@pytest.mark.parametrize("number", [0, 1])
def test_lengths_that_lie_are_left_to_the_core(number):
    for at, octets in ((4, 2), (42, 2), (72, 1)):
        for value in (0, 1, 255):
            packets = [segment.packet() for segment in row(2)]
            data = bytearray(packets[number].data)
            data[at : at + octets] = bytes([value]) * octets
            packets[number] = Packet(bytes(data), PARTIAL)
            assert coalesce(packets) == packets


def test_order_within_a_connection_stays():
    """A segment that comes after one that cannot be joined does not overtake it."""
    first, second, third = row(3)
    bare = replace(first, sequence=second.sequence, payload=b"", acknowledgement=9)
    packets = joined([first, bare, second, third])
    assert [len(packet.data) for packet in packets] == [180, 80, 280]


def test_connections_are_joined_beside_each_other():
    segments = [segment for pair in zip(row(5), row(5, port=5001), strict=True) for segment in pair]
    packets = joined(segments)
    assert [len(taken_apart(packet)) for packet in packets] == [5, 5]


def test_other_traffic_passes_as_it_is():
    other = [Packet(b""), Packet(b"\x45"), Packet(b"\x45" + bytes(99)), Packet(b"\x60" + bytes(99))]
    assert coalesce(other) == other
    assert coalesce([]) == []


variants = st.fixed_dictionaries(
    {},
    optional={
        "flags": st.sampled_from([ACK, ACK | PSH, ACK | FIN, SYN]),
        "payload": st.binary(max_size=3),
        "acknowledgement": st.integers(7, 8),
        "window": st.integers(500, 501),
        "ttl": st.integers(63, 64),
        "fragment": st.sampled_from([0x4000, 0, 0x2000]),
        "sequence": st.integers(1000, 1004),
    },
)


@settings(max_examples=400, deadline=None)
@given(st.lists(st.tuples(st.integers(0, 1), st.booleans(), variants), max_size=12))
def test_every_connection_is_the_same_traffic_in_the_same_order(choices):
    at, packets = [1000, 1000], []
    for which, partial, values in choices:
        segment = replace(
            Segment(sequence=at[which], payload=b"ab", port=5000 + which, partial=partial), **values
        )
        at[which] = segment.sequence + len(segment.payload)
        packets.append(segment.packet())
    after = coalesce(packets)
    for port in (5000, 5001):
        mine = struct.pack("!H", port)
        before_parts = [
            part for packet in packets if packet.data[60:62] == mine for part in taken_apart(packet)
        ]
        after_parts = [part for packet in after if packet.data[60:62] == mine for part in taken_apart(packet)]
        assert after_parts == before_parts
