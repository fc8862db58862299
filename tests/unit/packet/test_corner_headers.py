# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Header fields at the corners of RFC 7915 and its neighbours, worked out by hand."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import Embedding
from ansible_collections.ipv4aas.fleet.engine.packet import icmp
from ansible_collections.ipv4aas.fleet.engine.packet.fragments import Reassembler
from ansible_collections.ipv4aas.fleet.engine.packet.ipv4 import Datagram
from ansible_collections.ipv4aas.fleet.engine.packet.translation_icmp import (
    icmp4_error,
    icmp6_error,
    mtu_to4,
    mtu_to6,
)
from ansible_collections.ipv4aas.fleet.engine.packet.verdict import Drop, Icmp6Error, IcmpError
from unit.packet import packetkit as kit
from unit.packet.translationkit import (
    HOST4,
    HOST6,
    PEER4,
    PEER6,
    fragment,
    ip6,
    one4,
    one6,
    to4,
    to6,
    translator,
    udp6,
)


@pytest.mark.parametrize(
    ("advertised", "total", "mtu4", "mtu6", "told"),
    [
        (1500, 1500, 1500, 1500, 1500),
        (1400, 1500, 1300, 1500, 1320),  # the IPv4 next hop is narrower still
        (1400, 1500, 1500, 1400, 1400),
        (1260, 1500, 1500, 1500, 1280),
        (1261, 1500, 1500, 1500, 1281),
        (68, 1500, 1500, 1500, 1280),
        (0, 1500, 9000, 9000, 1512),  # a router older than RFC 1191: plateau 1492
        (0, 1493, 9000, 9000, 1512),
        (0, 1492, 9000, 9000, 1280),  # the plateau below is 1006
        (0, 2002, 9000, 9000, 1512),
        (0, 2003, 9000, 9000, 2022),
        (65535, 65535, 9000, 9000, 9000),
    ],
)
def test_packet_too_big_4_to_6(advertised: int, total: int, mtu4: int, mtu6: int, told: int) -> None:
    """RFC 7915 section 4.2: max(1280, min(MTU + 20, MTU6, MTU4 + 20))."""
    assert mtu_to6(advertised, mtu4, mtu6, total) == told


@pytest.mark.parametrize(
    ("advertised", "mtu4", "mtu6", "told"),
    [
        (1280, 1500, 1500, 1260),
        (1500, 1500, 1280, 1260),
        (1520, 1500, 1520, 1500),
        (9000, 1400, 9000, 1400),
        (0xFFFFFFFF, 1500, 1500, 1480),
        (1279, 1500, 1500, 1259),
        (80, 1500, 1500, 68),  # never below what RFC 791 asks every link to carry
    ],
)
def test_packet_too_big_6_to_4(advertised: int, mtu4: int, mtu6: int, told: int) -> None:
    """RFC 7915 section 5.2: min(MTU - 20, MTU4, MTU6 - 20)."""
    assert mtu_to4(advertised, mtu4, mtu6) == told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (IcmpError(3, 2), Icmp6Error(4, 1, 6)),  # the field that names the protocol
        (IcmpError(3, 14), None),  # host precedence violation
        (IcmpError(3, 16), None),
        (IcmpError(5, 1), None),
        (IcmpError(4, 0), None),  # source quench
        (IcmpError(11, 2), None),
        (IcmpError(12, 0, 0 << 24), Icmp6Error(4, 0, 0)),
        (IcmpError(12, 0, 1 << 24), Icmp6Error(4, 0, 1)),
        (IcmpError(12, 2, 3 << 24), Icmp6Error(4, 0, 4)),  # bad length
        (IcmpError(12, 0, 4 << 24), None),  # Identification: IPv6 has none
        (IcmpError(12, 0, 7 << 24), None),
        (IcmpError(12, 0, 8 << 24), Icmp6Error(4, 0, 7)),
        (IcmpError(12, 0, 9 << 24), Icmp6Error(4, 0, 6)),
        (IcmpError(12, 0, 10 << 24), None),
        (IcmpError(12, 0, 15 << 24), Icmp6Error(4, 0, 8)),
        (IcmpError(12, 0, 19 << 24), Icmp6Error(4, 0, 24)),
        (IcmpError(12, 0, 20 << 24), None),
        (IcmpError(12, 1, 8 << 24), None),  # an option is missing
    ],
)
def test_errors_4_to_6(error: IcmpError, told: Icmp6Error | None) -> None:
    assert icmp6_error(error) == told


@pytest.mark.parametrize(
    ("error", "told"),
    [
        (Icmp6Error(1, 1), IcmpError(3, 10)),
        (Icmp6Error(1, 2), IcmpError(3, 1)),
        (Icmp6Error(1, 5), None),
        (Icmp6Error(1, 6), None),
        (Icmp6Error(3, 2), None),
        (Icmp6Error(4, 0, 1), IcmpError(12, 0, 1 << 24)),
        (Icmp6Error(4, 0, 2), None),  # flow label
        (Icmp6Error(4, 0, 4), IcmpError(12, 0, 2 << 24)),
        (Icmp6Error(4, 0, 6), IcmpError(12, 0, 9 << 24)),
        (Icmp6Error(4, 0, 7), IcmpError(12, 0, 8 << 24)),
        (Icmp6Error(4, 0, 23), IcmpError(12, 0, 12 << 24)),
        (Icmp6Error(4, 0, 39), IcmpError(12, 0, 16 << 24)),
        (Icmp6Error(4, 0, 40), None),
        (Icmp6Error(4, 0, 0x01000000), None),  # all 32 bits are the pointer
        (Icmp6Error(4, 1, 6), IcmpError(3, 2)),
        (Icmp6Error(4, 2, 6), None),
        (Icmp6Error(137, 0), None),
    ],
)
def test_errors_6_to_4(error: Icmp6Error, told: IcmpError | None) -> None:
    assert icmp4_error(error) == told


@pytest.mark.parametrize(
    ("size", "df", "mf", "offset", "mtu", "fields"),
    [  # fields: (offset, more) of each IPv6 fragment; none for a packet without Fragment header
        (1260, False, False, 0, 1500, []),
        (1261, False, False, 0, 1500, [(0, True), (1232, False)]),
        (1261, True, False, 0, 1500, []),
        (1480, True, False, 0, 1500, []),
        (28, True, True, 0, 1500, [(0, True)]),
        (28, False, False, 65528 - 8, 1500, [(65520, False)]),
        (20 + 1232, False, True, 8, 1500, [(8, True)]),
        (20 + 1240, False, True, 8, 1500, [(8, True), (1240, True)]),
    ],
)
def test_fragment_headers(
    size: int, df: bool, mf: bool, offset: int, mtu: int, fields: list[tuple[int, bool]]
) -> None:
    """RFC 7915 section 4.1: only what was a fragment, or has to be one, gets the header."""
    body = kit.udp_body(HOST4, 1, PEER4, 2, bytes(size - 28))
    packet = kit.ip(HOST4, PEER4, 17, body, df=df, mf=mf, offset=offset, ident=0xBEEF)
    made = [one.data for one in to6(packet, translator(mtu))]
    assert all(len(one) <= (mtu if df else 1280) for one in made)
    if not fields:
        assert [one[6] for one in made] == [17]
        return
    assert [one[6] for one in made] == [44] * len(fields)
    words = [struct.unpack_from("!BBHI", one, 40) for one in made]
    assert words == [(17, 0, at | more, 0xBEEF) for at, more in fields]


def test_twice_translated_piece_may_be_cut() -> None:
    """RFC 7599 section 10: DF=1 and MF=1 becomes DF=0 and MF=1; the Identification stays."""
    body = kit.udp_body(HOST4, 1, PEER4, 2, bytes(16))
    back = one4(one6(kit.ip(HOST4, PEER4, 17, body, df=True, mf=True, ident=0xBEEF)))
    assert struct.unpack_from("!HH", back, 4) == (0xBEEF, 0x2000)


@pytest.mark.parametrize(
    ("ident", "offset", "more", "words"),
    [
        (0xFFFF0001, 0, True, (0x0001, 0x2000)),  # the low 16 bits
        (0x00010000, 1232, True, (0x0000, 0x2000 | 154)),
        (0x12345678, 65520, False, (0x5678, 8190)),
        (0x12345678, 0, False, (0x5678, 0)),  # an atomic fragment: DF = 0, its own Identification
    ],
)
def test_fragment_header_6_to_4(ident: int, offset: int, more: bool, words: tuple[int, int]) -> None:
    piece = ip6(HOST6, PEER6, 17, bytes(16), before=fragment(17, offset, more, ident))
    packet = piece[:6] + bytes((44,)) + piece[7:]
    assert struct.unpack_from("!HH", bytes(to4(packet).buf), 4) == words


@pytest.mark.parametrize("prefix", ["64:ff9b::/96", "2001:db8:d246::/96"])
def test_checksum_neutral_prefixes(prefix: str) -> None:
    """RFC 6052 section 4.1: their words sum up to 0xffff, so only the next header's field moves nothing."""
    embedding = Embedding(IPv6Network(prefix))
    for ipv4 in ("0.0.0.1", "198.51.100.2", "255.255.255.255"):
        number = int(IPv4Address(ipv4))
        assert (embedding.embed(number) - number) % 0xFFFF == 0


def test_rewritten_udp_checksum_is_never_zero() -> None:
    """RFC 768: 0 would say that there is none."""
    packet = kit.udp(HOST4, 1000, PEER4, 53)
    (field,) = struct.unpack_from("!H", packet, 26)
    d = Datagram(packet)
    d.set_source(d.source, 1000 + field if 1000 + field < 65536 else 1000 + field - 65535)
    assert d.buf[26:28] == b"\xff\xff"
    assert kit.checksums(bytes(d.buf)) == []


def test_icmp_message_of_zeros_has_a_checksum_of_ones() -> None:
    """RFC 1071: the one message whose checksum an incremental update cannot tell from 0."""
    d = Datagram(kit.icmp(PEER4, HOST4, 0, 0, 5 << 16))
    d.set_destination(d.destination, 0)
    assert bytes(d.buf[20:]) == b"\0\0\xff\xff\0\0\0\0"


@pytest.mark.parametrize("target", ["224.0.0.1", "255.255.255.255", "0.0.0.0", "127.0.0.1"])
def test_no_error_about_what_went_to_many(target: str) -> None:
    """RFC 1122 section 3.2.2; and none to a source that is no host."""
    for packet in (kit.udp(HOST4, 1, target, 2), kit.udp(target, 1, HOST4, 2)):
        assert icmp.error(packet, int(IPv4Address(PEER4)), IcmpError(3, 1)) is None
    assert icmp.error(kit.udp(HOST4, 1, PEER4, 2), int(IPv4Address(PEER4)), IcmpError(3, 1))


def test_own_error_has_at_most_576_octets_and_is_about_first_pieces() -> None:
    """RFC 1812 section 4.3.2.3, RFC 1122 section 3.2.2."""
    router = int(IPv4Address(PEER4))
    told = icmp.error(kit.udp(HOST4, 1, PEER4, 2, bytes(1400)), router, IcmpError(3, 4, 1240))
    assert told is not None and len(told) == 576
    first, later = kit.cut(kit.udp(HOST4, 1, PEER4, 2, bytes(64)), 40)
    assert icmp.error(first, router, IcmpError(11, 0))
    assert icmp.error(later, router, IcmpError(11, 0)) is None


def test_piece_in_an_error_has_no_ports() -> None:
    """What looks like ports in a later piece are octets of somebody's data."""
    first, later = kit.cut(kit.udp(HOST4, 1, PEER4, 2, bytes(64)), 40)
    assert icmp.read_embedded(first, 0).source_port == 1
    with pytest.raises(Drop, match="drop_icmp_truncated"):
        icmp.read_embedded(later, 0)


@pytest.mark.parametrize("marks", [(2, 2, 3), (3, 2, 2), (2, 3, 2), (2, 2, 2)])
def test_reassembled_packet_has_the_mark_of_any_piece(marks: tuple[int, ...]) -> None:
    """RFC 3168 section 5.3: congestion that one piece has met."""
    table = Reassembler(count=8, octets=1 << 16, timeout=60)
    pieces = kit.cut(kit.udp(HOST4, 1, PEER4, 2, bytes(100)), 40)
    whole = None
    for piece, mark in zip(pieces, marks, strict=True):
        d = Datagram(piece)
        d.set_ecn(mark)
        whole = table.add4(d, 0, 0.0, [])
    assert whole is not None and kit.checksums(whole) == []
    assert whole[1] & 3 == max(marks)


def test_hop_limit_of_one_is_the_nodes_business() -> None:
    """The header is translated as it is: a node has counted the hop before."""
    assert one6(kit.udp(HOST4, 1, PEER4, 2, ttl=1))[7] == 1
    assert one4(udp6(HOST6, 1, PEER6, 2, hop_limit=1))[8] == 1
    assert IPv6Address(one6(kit.udp(HOST4, 1, PEER4, 2))[8:24]) == IPv6Address(HOST6)
