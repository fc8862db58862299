# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""There and back through a translator is the identity where RFC 7915 says so.

From IPv4 and back it is not for: options (left out), the Identification of what is no fragment
(made anew), DF (by size: set above 1260 octets; gone from fragments), a UDP checksum of 0 (computed),
and ICMP errors that share an ICMPv6 code with others. From IPv6 and back it is not for: the flow
label, extension headers (left out), a Fragment header without fragments, the high half of a
fragment's Identification, and ICMPv6 1/2 and 1/3 (both become 3/1, which goes back to 1/0).
"""

from __future__ import annotations

import struct
from random import Random

import pytest
from ansible_collections.ipv4aas.fleet.engine.packet.ipv4 import Datagram
from ansible_collections.ipv4aas.fleet.engine.packet.verdict import Drop
from hypothesis import given
from hypothesis import strategies as st
from unit.packet import packetkit as kit
from unit.packet import translationkit as tk
from unit.packet.translationkit import HOST4, HOST6, PEER4, PEER6, ROUTER4, ROUTER6

BYTE = st.integers(0, 255)
PORT = st.integers(0, 0xFFFF)
DATA = st.binary(max_size=80) | st.integers(1150, 1440).map(lambda n: bytes(k % 253 for k in range(n)))
# Neither with a checksum over addresses nor an extension header of IPv6, nor IGMP.
OTHERS = sorted({*range(256)} - {0, 1, 2, 6, 17, 33, 43, 44, 51, 58, 60, 135, 136, 139, 140})


@st.composite
def transports4(draw: st.DrawFn) -> tuple[int, bytes]:
    """(protocol, body) between HOST4 and PEER4, checksum right."""
    kind, data = draw(st.sampled_from(["tcp", "udp", "echo", "other"])), draw(DATA)
    first, second = draw(PORT), draw(PORT)
    if kind == "tcp":
        return 6, kit.tcp_body(HOST4, first, PEER4, second, draw(BYTE), data)
    if kind == "udp":
        return 17, kit.udp_body(HOST4, first, PEER4, second, data)
    if kind == "echo":
        return 1, kit.icmp(HOST4, PEER4, draw(st.sampled_from([0, 8])), 0, first << 16 | second, data)[20:]
    return draw(st.sampled_from(OTHERS)), bytes(8) + data


def same4(got: bytes, sent: bytes) -> bool:
    """Equal but for the Identification, and the checksum over it."""
    return (got[:4], got[6:10], got[12:]) == (sent[:4], sent[6:10], sent[12:])


@given(transports4(), BYTE, st.integers(1, 255))
def test_whole_packets_4_6_4(transport: tuple[int, bytes], tos: int, ttl: int) -> None:
    protocol, body = transport
    sent = kit.ip(HOST4, PEER4, protocol, body, tos=tos, ttl=ttl, df=len(body) + 20 > 1260)
    there = tk.one6(sent)
    if protocol in (1, 6, 17):
        assert tk.wrong6(there) == []
    assert same4(tk.one4(there), sent)


@given(transports4(), st.integers(0, 0xFFFF), st.integers(1, 150))
def test_pieces_4_6_4(transport: tuple[int, bytes], ident: int, units: int) -> None:
    protocol, body = transport
    if protocol == 1:
        return
    whole = kit.ip(HOST4, PEER4, protocol, body, ident=ident)
    pieces = kit.cut(whole, max(24, units * 8))
    for piece in pieces if len(pieces) > 1 else []:
        assert bytes(tk.to4(tk.one6(piece)).buf) == piece


@given(transports4(), st.integers(1, 255))
def test_pieces_that_the_translator_cuts_make_the_packet_again(
    transport: tuple[int, bytes], ttl: int
) -> None:
    protocol, body = transport
    if protocol == 1:
        return  # in pieces it does not cross (RFC 7915 s1.2)
    sent = kit.ip(HOST4, PEER4, protocol, body, df=False, ttl=ttl, ident=0xABCD)
    back = [bytes(tk.to4(p.data).buf) for p in tk.to6(sent)]
    if len(back) == 1:
        assert same4(back[0], sent)
        return
    assert all(piece[4:6] == b"\xab\xcd" and piece[8] == ttl for piece in back)
    assert [struct.unpack_from("!H", p, 6)[0] for p in back] == [0x2000, 154]
    assert b"".join(piece[20:] for piece in back) == body


IDENTICAL_ERRORS = [(3, 1, 0), (3, 2, 0), (3, 3, 0), (11, 0, 0), (11, 1, 0), (3, 4, 1400)]
IDENTICAL_ERRORS += [(12, 0, pointer << 24) for pointer in (0, 1, 2, 8, 9, 12, 16)]


@given(transports4(), st.sampled_from(IDENTICAL_ERRORS), st.integers(0, 60), BYTE)
def test_errors_4_6_4(transport: tuple[int, bytes], error: tuple[int, int, int], cut: int, ttl: int) -> None:
    protocol, body = transport
    about = kit.ip(HOST4, PEER4, protocol, body[:500], ttl=ttl, df=False, ident=0)
    about = about[: max(28, len(about) - cut)]
    sent = kit.icmp(ROUTER4, HOST4, *error, about, df=False)
    there = tk.one6(sent)
    assert tk.wrong6(there) == []
    assert same4(tk.one4(there), sent)


def full6(transport: tuple[int, bytes]) -> tuple[int, bytes]:
    """The same between the IPv6 addresses."""
    protocol, body = transport
    if protocol in (6, 17):
        return protocol, tk.sealed6(HOST6, PEER6, protocol, body, 16 if protocol == 6 else 6)
    if protocol == 1:
        return 58, tk.sealed6(HOST6, PEER6, 58, bytes([128 + (not body[0])]) + body[1:], 2)
    return protocol, body


@given(transports4(), BYTE, st.integers(1, 255))
def test_whole_packets_6_4_6(transport: tuple[int, bytes], tc: int, hop_limit: int) -> None:
    next_header, body = full6(transport)
    sent = tk.ip6(HOST6, PEER6, next_header, body, tc=tc, hop_limit=hop_limit)
    d = tk.to4(sent)
    if next_header in (6, 17, 58):
        assert kit.checksums(bytes(d.buf)) == []
    assert tk.one6(bytes(d.buf)) == sent


@given(transports4(), st.integers(0, 0xFFFF), st.integers(3, 150))
def test_pieces_6_4_6(transport: tuple[int, bytes], ident: int, units: int) -> None:
    next_header, body = full6(transport)
    pieces = kit.cut6(tk.ip6(HOST6, PEER6, next_header, body), units * 8, ident)
    if next_header == 58 or len(pieces) == 1:
        return
    translator = tk.translator(lowest_ipv6_mtu=1500)
    for piece in pieces:
        assert tk.one6(bytes(tk.to4(piece).buf), translator) == piece


@given(
    transports4(),
    st.sampled_from(
        [(1, 0, 0), (1, 4, 0), (3, 0, 0), (3, 1, 0), (2, 0, 1400), (4, 0, 4), (4, 0, 8), (4, 1, 6)]
    ),
    st.integers(0, 60),
    BYTE,
)
def test_errors_6_4_6(transport: tuple[int, bytes], error: tuple[int, int, int], cut: int, hops: int) -> None:
    next_header, body = full6(transport)
    about = tk.ip6(HOST6, PEER6, next_header, body[:1000], hop_limit=hops)
    about = about[: max(48, len(about) - cut)]
    sent = tk.icmp6(ROUTER6, HOST6, *error, about)
    d = tk.to4(sent)
    assert kit.checksums(bytes(d.buf)) == []
    assert tk.one6(bytes(d.buf)) == sent


@given(transports4(), st.integers(500, 1400), st.booleans())
def test_super_packets_there_and_back(transport: tuple[int, bytes], gso_size: int, from4: bool) -> None:
    protocol, body = transport
    if protocol not in (6, 17):
        return
    if from4:
        four = kit.partial(kit.ip(HOST4, PEER4, protocol, body), gso_size)
        (six,) = tk.to6(four)
        d = tk.to4(six)
        assert same4(bytes(d.buf)[:6] + four.data[6:8] + bytes(d.buf)[8:], four.data)
        assert d.offload is not None and four.offload is not None
        assert d.offload == tk.plain(four.offload, hdr_len=40)
    else:
        six = tk.partial6(tk.ip6(HOST6, PEER6, protocol, full6(transport)[1]), gso_size)
        d = tk.to4(six)
        (again,) = tk.to6(kit.Packet(bytes(d.buf), d.offload))
        assert again == six


def seeds() -> list[bytes]:
    route = bytes([17, 2, 0, 0, 0, 0, 0, 0, *range(16)])
    about4, about6 = kit.udp(HOST4, 1, PEER4, 2, bytes(130)), tk.udp6(HOST6, 1, PEER6, 2, bytes(130))
    piece = tk.ip6(HOST6, PEER6, 44, bytes(20), before=tk.fragment(17, 8, True, 1))
    return [
        kit.tcp(HOST4, 1, PEER4, 2, 16, b"data"),
        kit.udp(HOST4, 1, PEER4, 2, options=bytes([131, 7, 8, 1, 2, 3, 4, 0])),
        kit.echo(HOST4, PEER4, 1),
        kit.icmp(ROUTER4, HOST4, 3, 1, 35 << 16, about4[:140] + bytes(16)),
        kit.icmp(ROUTER4, HOST4, 3, 4, 1400, kit.echo(HOST4, PEER4, 1)),
        kit.ip(HOST4, PEER4, 17, bytes(40), mf=True, df=False, offset=64),
        tk.tcp6(HOST6, 1, PEER6, 2, b"data"),
        tk.ip6(HOST6, PEER6, 43, about6[40:], before=route),
        tk.icmp6(HOST6, PEER6, 128, 0, 1),
        tk.icmp6(ROUTER6, HOST6, 1, 0, 18 << 24, about6[:144] + bytes(16)),
        tk.icmp6(ROUTER6, HOST6, 2, 0, 1400, piece),
        tk.ip6(HOST6, PEER6, 44, bytes(64), before=tk.fragment(6, 0, True, 1)),
    ]  # fmt: skip


@pytest.mark.parametrize("number", range(len(seeds())))
def test_damaged_packets_are_refused_or_translated(number: int) -> None:
    """No exception but Drop, and what leaves is well formed, whatever the damage."""
    rng, translator, crossed = Random(number), tk.translator(udp_zero_checksum="forward"), 0
    seed = seeds()[number]
    for _turn in range(2000):
        data = bytearray(seed)
        for _damage in range(rng.randrange(1, 4)):
            data[rng.randrange(len(data))] = rng.choice((0, 1, 255, rng.randrange(256)))
        if rng.random() < 0.2:
            del data[rng.randrange(1, len(data)) :]
        sealed = mended(bytes(data))
        try:
            if sealed[0] >> 4 == 4:
                d = Datagram(sealed)
                for packet in tk.to6(sealed, translator):
                    assert len(packet.data) <= 1500
                    assert struct.unpack_from("!H", packet.data, 4)[0] == len(packet.data) - 40
                    assert packet.data[7] == d.ttl
            else:
                d = tk.to4(sealed, translator)
                assert kit.slow_sum(d.buf[:20]) == 0xFFFF and d.header == 20
                assert struct.unpack_from("!H", d.buf, 2)[0] == len(d.buf)
        except Drop:
            continue
        crossed += 1
    assert crossed > 50


def mended(data: bytes) -> bytes:
    """With the checksums right again that a translator looks at, so that damage gets further."""
    if len(data) >= 28 and data[0] >> 4 == 4:
        size = max(20, (data[0] & 15) * 4)
        head = data[:10] + b"\0\0" + data[12:size]
        data = head[:10] + struct.pack("!H", kit.slow_sum(head) ^ 0xFFFF) + data[12:]
        if data[9] == 1 and len(data) >= size + 8:
            body = data[size : size + 2] + b"\0\0" + data[size + 4 :]
            data = data[: size + 2] + struct.pack("!H", kit.slow_sum(body) ^ 0xFFFF) + data[size + 4 :]
    elif len(data) >= 48 and data[6] == 58:
        total = kit.slow_sum(data[8:40] + struct.pack("!II", len(data) - 40, 58) + data[40:42] + data[44:])
        data = data[:42] + struct.pack("!H", total ^ 0xFFFF) + data[44:]
    return data
