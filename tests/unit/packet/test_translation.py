# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Translation of RFC 7915, judged by independent code: headers, fragments, offload, refusals."""

from __future__ import annotations

import json
import struct
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from random import Random
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import Embedding
from ansible_collections.ipv4aas.fleet.engine.node.reasons import REASONS
from ansible_collections.ipv4aas.fleet.engine.packet import translation, translation_embedded
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import (
    GSO_ECN,
    GSO_TCP4,
    GSO_TCP6,
    GSO_UDP,
    Offload,
)
from ansible_collections.ipv4aas.fleet.engine.packet.ipv4 import Datagram
from ansible_collections.ipv4aas.fleet.engine.packet.verdict import Drop, Icmp6Error, IcmpError
from hypothesis import given
from hypothesis import strategies as st
from unit.packet import packetkit as kit
from unit.packet import translationkit as tk
from unit.packet.translationkit import HOST4, HOST6, PEER4, PEER6

PROHIBITED = IcmpError(3, 13)  # RFC 7915 s4.4
VECTORS = Path(__file__).parents[2] / "vectors"
PACKETS = {v["id"]: v for v in json.loads((VECTORS / "packets.json").read_text(encoding="utf-8"))["vectors"]}
MTUS = {v["id"]: v for v in json.loads((VECTORS / "mtu_mss.json").read_text(encoding="utf-8"))["vectors"]}


def hopped(data: bytes) -> Datagram:
    """As a node hands it over: the hop is counted by the datagram."""
    d = Datagram(data)
    d.hop()
    return d


@pytest.mark.parametrize("name", [name for name in PACKETS if name.startswith("siit46")])
def test_vectors_4_to_6(name: str) -> None:
    d = hopped(bytes.fromhex(PACKETS[name]["input"]["hex"]))
    (packet,) = tk.translator().wrap(d, tk.PREFIX.embed(d.source), tk.PREFIX.embed(d.destination))
    assert packet.data.hex() == PACKETS[name]["expect"]["hex"]


@pytest.mark.parametrize("name", [name for name in PACKETS if name.startswith("siit64")])
def test_vectors_6_to_4(name: str) -> None:
    d = tk.to4(bytes.fromhex(PACKETS[name]["input"]["hex"]))
    d.hop()
    expected = bytes.fromhex(PACKETS[name]["expect"]["hex"])
    assert kit.checksums(bytes(d.buf)) == []
    if name == "siit64-frag":
        assert bytes(d.buf) == expected
    else:  # the generator's Identification, and the checksum over it
        assert (d.buf[:4], d.buf[6:10], d.buf[12:]) == (expected[:4], expected[6:10], expected[12:])


class Nat64Ends(tk.PrefixEnds):
    """RFC 6146 s1.2.2: the IPv6 host is 192.0.0.2 until the NAPT has given it an address."""

    host, prefix = int(IPv6Address("2001:db8::1")), Embedding(IPv6Network("64:ff9b::/96"))

    def to4(self, ipv6: int) -> int:
        return 0xC0000002 if ipv6 == self.host else self.prefix.extract(ipv6)


def test_vectors_of_nat64() -> None:
    ends = Nat64Ends()
    translator = tk.Translation(1500, ends=ends, rng=Random(1))
    syn, answer = (PACKETS[name] for name in ("nat64-syn", "nat64-synack"))
    d = tk.to4(bytes.fromhex(syn["input"]["hex"]), translator)
    d.hop()
    d.set_source(int(IPv4Address("203.0.113.1")), 2000)
    expected = bytes.fromhex(syn["expect"]["hex"])
    assert (d.buf[:4], d.buf[6:10], d.buf[12:]) == (expected[:4], expected[6:10], expected[12:])
    back = hopped(bytes.fromhex(answer["input"]["hex"]))
    back.set_destination(0xC0000002, 1500)
    (packet,) = translator.wrap(back, ends.prefix.embed(back.source), ends.host)
    assert packet.data.hex() == answer["expect"]["hex"]


def test_identification_comes_from_a_generator() -> None:
    translator, packet = tk.translator(), tk.udp6(HOST6, 1, PEER6, 2)
    assert len({tk.to4(packet, translator).ident for turn in range(50)}) > 40


@pytest.mark.parametrize("proto", [4, 41, 47, 50, 51, 59, 89, 132, 255])
def test_other_protocols_cross_as_they_are(proto: int) -> None:
    body = bytes(range(40))
    there = tk.one6(kit.ip(HOST4, PEER4, proto, body))
    assert (there[6], there[40:]) == (proto, body)
    assert tk.one4(there)[20:] == body


@pytest.mark.parametrize("proto", [33, 136])
def test_checksums_of_dccp_and_udp_lite_follow(proto: int) -> None:
    body = struct.pack("!HHHH", 1, 2, 0x100, 0) + bytes(20)
    pseudo = kit.v4(HOST4) + kit.v4(PEER4) + struct.pack("!HH", proto, len(body))
    body = body[:6] + struct.pack("!H", kit.slow_sum(pseudo + body) ^ 0xFFFF) + body[8:]
    there = tk.one6(kit.ip(HOST4, PEER4, proto, body))
    assert tk.wrong6(there) == []
    assert bytes(tk.to4(there).buf[20:]) == body


@pytest.mark.parametrize("proto", [0, 43, 44, 58, 60])
def test_numbers_that_would_be_ipv6_headers_do_not_cross(proto: int) -> None:
    with pytest.raises(Drop) as drop:
        tk.to6(kit.ip(HOST4, PEER4, proto, bytes(40)))
    assert (drop.value.reason, drop.value.error) == ("drop_protocol_untranslatable", PROHIBITED)


def test_igmp_is_dropped_silently() -> None:
    for refused in (
        lambda: tk.to6(kit.ip(HOST4, PEER4, 2, bytes(8))),
        lambda: tk.to4(tk.ip6(HOST6, PEER6, 2, bytes(8))),
    ):
        with pytest.raises(Drop) as drop:
            refused()
        assert (drop.value.reason, drop.value.error) == ("drop_igmp", None)


def test_icmpv4_in_ipv6_does_not_cross() -> None:
    with pytest.raises(Drop) as drop:
        tk.to4(tk.ip6(HOST6, PEER6, 1, kit.echo(HOST4, PEER4, 1)[20:]))
    assert (drop.value.reason, drop.value.error) == ("drop_protocol_untranslatable", PROHIBITED)


def test_hop_limit_and_traffic_class_are_taken_over() -> None:
    there = tk.one6(kit.udp(HOST4, 1, PEER4, 2, ttl=1, tos=0xB9))
    assert (there[7], struct.unpack("!I", there[:4])[0]) == (1, 0x6B900000)
    back = tk.one4(tk.udp6(HOST6, 1, PEER6, 2, hop_limit=1, tc=0xB9))
    assert (back[8], back[1]) == (1, 0xB9)


# Options


def test_options_do_not_cross() -> None:
    timestamp = bytes([68, 8, 9, 0, 0, 0, 0, 0])
    there = tk.one6(kit.udp(HOST4, 1, PEER4, 2, options=timestamp))
    assert len(there) == 40 + 13 and tk.wrong6(there) == []


@pytest.mark.parametrize("kind", [131, 137])
@pytest.mark.parametrize("before", [b"", b"\1\1\1\1", bytes([148, 4, 0, 0])])
def test_source_route_with_stops_left(kind: int, before: bytes) -> None:
    options = before + bytes([kind, 7, 4, 10, 0, 0, 1, 0])
    with pytest.raises(Drop) as drop:
        tk.to6(kit.udp(HOST4, 1, PEER4, 2, options=options))
    assert (drop.value.reason, drop.value.error) == ("drop_source_route", IcmpError(3, 5))


@pytest.mark.parametrize("options", [bytes([131, 7, 8, 10, 0, 0, 1, 0]), bytes([0, 131, 7, 4, 1, 2, 3, 4])])
def test_source_route_at_its_end_does_not_matter(options: bytes) -> None:
    assert tk.wrong6(tk.one6(kit.udp(HOST4, 1, PEER4, 2, options=options))) == []


def test_option_that_is_longer_than_the_header() -> None:
    with pytest.raises(Drop) as drop:
        tk.to6(kit.udp(HOST4, 1, PEER4, 2, options=bytes([131, 9, 4, 0])))
    assert drop.value.reason == "drop_ipv4_malformed"


# Sizes, 4 to 6


def sized(total: int, **header: Any) -> bytes:
    return kit.udp(HOST4, 1, PEER4, 2, bytes(total - 28), **header)


@pytest.mark.parametrize("row", [pytest.param(v, id=k) for k, v in MTUS.items() if k.startswith("mtu-xlat")])
def test_largest_packet_is_20_octets_below_the_mtu(row: dict[str, Any]) -> None:
    translator, largest = tk.translator(row["input"]["ipv6_mtu"]), row["expect"]["ipv4_mtu"]
    assert len(tk.one6(sized(largest), translator)) == row["input"]["ipv6_mtu"]
    for do in (translator.fit, lambda d: translator.wrap(d, 1, 2)):
        with pytest.raises(Drop) as drop:
            do(Datagram(sized(largest + 1)))
        assert (drop.value.reason, drop.value.error) == ("drop_too_big", IcmpError(3, 4, largest))
    super_packet = kit.partial(kit.tcp(HOST4, 1, PEER4, 2, 16, bytes(9000)), row["expect"]["tcp_mss"])
    assert len(tk.to6(super_packet, translator)) == 1


def test_a_piece_with_df_needs_eight_octets_more() -> None:
    translator = tk.translator()
    piece = kit.ip(HOST4, PEER4, 17, bytes(1452), offset=800)
    with pytest.raises(Drop) as drop:
        translator.fit(Datagram(kit.ip(HOST4, PEER4, 17, bytes(1456), mf=True, offset=800)))
    assert drop.value.error == IcmpError(3, 4, 1472)
    assert len(tk.one6(piece, translator)) == 1500


def test_no_fragment_header_where_it_fits_without_df() -> None:
    there = tk.one6(sized(1260, df=False))
    assert (there[6], len(there)) == (17, 1280)


@pytest.mark.parametrize(
    ("lowest", "mtu", "limit"), [(1280, 1500, 1280), (1400, 1500, 1400), (1500, 1400, 1400)]
)
def test_without_df_it_is_cut_to_the_lowest_mtu(lowest: int, mtu: int, limit: int) -> None:
    data = bytes(n % 251 for n in range(4000))
    packet = kit.udp(HOST4, 1, PEER4, 2, data, df=False, ident=0xBEEF, ttl=9, tos=4)
    cut = [p.data for p in tk.to6(packet, tk.translator(mtu, lowest_ipv6_mtu=lowest))]
    assert len(cut[0]) == 48 + (limit - 48) // 8 * 8
    assert len(cut[0]) == 1280 or lowest != 1280
    whole = b""
    for piece in cut:
        following, place, ident = struct.unpack_from("!BxHI", piece, 40)
        assert len(piece) <= limit and (piece[6], following, ident, piece[7]) == (44, 17, 0xBEEF, 9)
        assert struct.unpack_from("!IH", piece) == (0x60400000, len(piece) - 40)
        assert place == len(whole) | (piece is not cut[-1])
        whole += piece[48:]
    assert tk.wrong6(tk.ip6(HOST6, PEER6, 17, whole)) == [] and whole[8:] == data


def test_payload_of_the_pieces() -> None:
    row = MTUS["frag-payload-1280"]
    first = tk.to6(sized(3000, df=False), tk.translator(lowest_ipv6_mtu=row["input"]["lowest_ipv6_mtu"]))[0]
    assert len(first.data) - 48 == row["expect"]["max_ipv4_payload"]


def test_pieces_are_cut_further() -> None:
    piece = kit.ip(HOST4, PEER4, 17, bytes(1400), df=False, mf=True, offset=2800, ident=5)
    first, second = (p.data for p in tk.to6(piece))
    assert struct.unpack_from("!BBHI", first, 40) == (17, 0, 2800 | 1, 5)
    assert struct.unpack_from("!BBHI", second, 40) == (17, 0, 2800 + 1232 | 1, 5)
    last = kit.ip(HOST4, PEER4, 17, bytes(1400), df=False, offset=2800, ident=5)
    assert [struct.unpack_from("!H", p.data, 42)[0] & 1 for p in tk.to6(last)] == [1, 0]


# UDP checksum 0


def without_sum(packet: bytes, header: int = 20) -> bytes:
    return packet[: header + 6] + b"\0\0" + packet[header + 8 :]


def test_missing_udp_checksum_is_computed() -> None:
    there = tk.one6(without_sum(kit.udp(HOST4, 1, PEER4, 2, b"odd")))
    assert tk.wrong6(there) == []


@given(st.integers(0, 0xFFFF))
def test_computed_udp_checksum_is_never_zero(word: int) -> None:
    there = tk.one6(without_sum(kit.udp(HOST4, word, PEER4, 2, b"")))
    assert tk.wrong6(there) == []


def test_adjusted_udp_checksum_is_never_zero() -> None:
    """Data that the right checksum of the other side is 0 for: it is written as its complement."""
    (last,) = struct.unpack("!H", tk.sealed6(HOST6, PEER6, 17, struct.pack("!HHHHH", 1, 2, 10, 0, 0), 6)[6:8])
    there = tk.one6(kit.udp(HOST4, 1, PEER4, 2, struct.pack("!H", last)))
    assert there[46:48] == b"\xff\xff" and tk.wrong6(there) == []
    (last,) = struct.unpack("!H", kit.udp_body(HOST4, 1, PEER4, 2, b"\0\0")[6:8])
    assert tk.one4(tk.udp6(HOST6, 1, PEER6, 2, struct.pack("!H", last)))[26:28] == b"\xff\xff"


def test_computed_checksum_is_over_the_length_that_udp_says() -> None:
    body = struct.pack("!HHHH", 1, 2, 10, 0) + b"ab" + b"trailer"
    there = tk.one6(kit.ip(HOST4, PEER4, 17, body))
    assert tk.wrong6(tk.ip6(HOST6, PEER6, 17, there[40:50])) == []
    for length in (7, 18):
        with pytest.raises(Drop) as drop:
            tk.to6(kit.ip(HOST4, PEER4, 17, struct.pack("!HHHH", 1, 2, length, 0) + bytes(9)))
        assert drop.value.reason == "drop_transport_malformed"


def test_missing_udp_checksum_is_dropped_or_forwarded() -> None:
    packet = without_sum(kit.udp(HOST4, 1, PEER4, 2))
    with pytest.raises(Drop) as drop:
        tk.to6(packet, tk.translator(udp_zero_checksum="drop"))
    assert (drop.value.reason, drop.value.error) == ("drop_udp_no_checksum", PROHIBITED)
    there = tk.one6(packet, tk.translator(udp_zero_checksum="forward"))
    assert there[46:48] == b"\0\0"
    assert bytes(tk.to4(there).buf[26:28]) == b"\0\0"


def test_first_piece_without_udp_checksum() -> None:
    first, *later = kit.cut(without_sum(kit.udp(HOST4, 1, PEER4, 2, bytes(64))), 24)
    for policy in ("compute", "drop"):
        with pytest.raises(Drop) as drop:
            tk.to6(first, tk.translator(udp_zero_checksum=policy))
        assert drop.value.reason == "drop_udp_no_checksum"
    assert tk.one6(first, tk.translator(udp_zero_checksum="forward"))[54:56] == b"\0\0"
    for piece in later:  # zeros at the same place are data here
        assert tk.one6(piece)[48:] == piece[20:]


# Sizes, 6 to 4


@pytest.mark.parametrize(("total", "df"), [(40, 0), (1260, 0), (1261, 1), (1480, 1)])
def test_df_says_whether_it_may_be_cut(total: int, df: int) -> None:
    d = tk.to4(tk.udp6(HOST6, 1, PEER6, 2, bytes(total - 28)))
    assert (len(d.buf), d.fragment) == (total, df << 14)


@pytest.mark.parametrize("name", [name for name in MTUS if name.startswith("df-6to4")])
def test_df_vectors(name: str) -> None:
    row = MTUS[name]
    packet = tk.udp6(HOST6, 1, PEER6, 2, bytes(row["input"]["resulting_ipv4_total_length"] - 28))
    if row["input"]["fragment_header"]:
        packet = tk.ip6(HOST6, PEER6, 44, packet[40:], before=tk.fragment(17, 0, True, 7))
    assert tk.to4(packet).fragment >> 14 == row["expect"]["df"]


@pytest.mark.parametrize(("offset", "more"), [(0, True), (1232, True), (1232, False), (0, False)])
def test_fragment_header_becomes_fragment_fields(offset: int, more: bool) -> None:
    packet = tk.udp6(HOST6, 1, PEER6, 2, bytes(1320))
    piece = tk.ip6(HOST6, PEER6, 44, packet[40:], before=tk.fragment(17, offset, more, 0xCAFEBEEF))
    d = tk.to4(piece)
    assert (d.ident, d.fragment) == (0xBEEF, more << 13 | offset // 8)
    if offset:
        assert d.buf[20:] == packet[40:]
    else:
        whole = kit.ip(HOST4, PEER4, 17, bytes(d.buf[20:]))
        assert kit.checksums(whole) == []


def test_udp_without_checksum_stays_so() -> None:
    assert tk.to4(without_sum(tk.udp6(HOST6, 1, PEER6, 2), 40)).buf[26:28] == b"\0\0"


def test_too_long_for_ipv4() -> None:
    assert len(tk.to4(tk.ip6(HOST6, PEER6, 50, bytes(65515))).buf) == 65535
    with pytest.raises(Drop) as drop:
        tk.to4(tk.ip6(HOST6, PEER6, 50, bytes(65516)))
    assert drop.value.reason == "drop_too_big"
    assert drop.value.error is not None
    assert translation.icmp6_error(drop.value.error) == Icmp6Error(2, 0, 65555)


# Extension headers

HOP_BY_HOP = bytes([60, 0, 5, 2, 0, 0, 1, 0])  # router alert; next: destination options
HOME_ADDRESS = bytes([17, 2, 0xC9, 16, *range(16), 1, 2, 0, 0])  # may not be skipped by a destination
FINISHED_ROUTE = bytes([17, 2, 0, 0, 0, 0, 0, 0, *range(16)])


@pytest.mark.parametrize(
    ("first", "before"),
    [
        (0, HOP_BY_HOP + HOME_ADDRESS),
        (60, HOME_ADDRESS),
        (43, FINISHED_ROUTE),
        (0, bytes([17, *HOP_BY_HOP[1:]])),
    ],
)
def test_extension_headers_are_skipped(first: int, before: bytes) -> None:
    udp = tk.udp6(HOST6, 1, PEER6, 2)
    back = tk.one4(tk.ip6(HOST6, PEER6, first, udp[40:], before=before))
    assert len(back) == 33 and kit.field(back, "dport") == 2


def test_route_with_stops_left() -> None:
    route = bytes([17, 2, 0, 1, 0, 0, 0, 0, *range(16)])
    hop = bytes([43, *HOP_BY_HOP[1:]])
    packet = tk.ip6(HOST6, PEER6, 0, tk.udp6(HOST6, 1, PEER6, 2)[40:], before=hop + route)
    with pytest.raises(Drop) as drop:
        tk.to4(packet)
    assert (drop.value.reason, drop.value.error6) == ("drop_routing_header", Icmp6Error(4, 0, 48 + 3))
    assert packet[51] == 1


@pytest.mark.parametrize("kind", [0, 43, 44, 51, 60, 135, 139, 140])
def test_extension_header_behind_a_fragment_header(kind: int) -> None:
    with pytest.raises(Drop) as drop:
        tk.to4(tk.ip6(HOST6, PEER6, 44, bytes(64), before=tk.fragment(kind, 0, True, 1)))
    assert (drop.value.reason, drop.value.error) == ("drop_fragment_extension", PROHIBITED)
    assert translation.icmp6_error(PROHIBITED) == Icmp6Error(1, 1)


def test_esp_behind_a_fragment_header_crosses() -> None:
    d = tk.to4(tk.ip6(HOST6, PEER6, 44, bytes(64), before=tk.fragment(50, 0, True, 1)))
    assert (d.protocol, d.fragment) == (50, 0x2000)


@pytest.mark.parametrize(
    "packet",
    [
        tk.ip6(HOST6, PEER6, 43, b"", before=bytes([17, 9, 0, 0, 0, 0, 0, 0])),
        tk.ip6(HOST6, PEER6, 44, b"", before=bytes(7)),
        # Hop-by-hop options behind another header.
        tk.ip6(HOST6, PEER6, 60, bytes(8), before=bytes([0, 0, 1, 4, 0, 0, 0, 0, 17, 0, 1, 4, 0, 0, 0, 0])),
        tk.ip6(HOST6, PEER6, 60, b"", before=bytes([60, 0, 1, 4, 0, 0, 0, 0]) * 9),
    ],
)
def test_extension_headers_that_do_not_fit(packet: bytes) -> None:
    with pytest.raises(Drop) as drop:
        tk.to4(packet)
    assert drop.value.reason == "drop_ipv6_malformed"


@pytest.mark.parametrize("source", ["::", "::1", "ff02::1", "ff0e::1"])
def test_sources_that_no_host_has(source: str) -> None:
    with pytest.raises(Drop) as drop:
        tk.to4(tk.udp6(source, 1, PEER6, 2))
    assert (drop.value.reason, drop.value.error) == ("drop_martian_source", None)


def test_addresses_that_stand_for_nothing() -> None:
    for source, target in ((tk.FOREIGN6, PEER6), (HOST6, tk.FOREIGN6)):
        with pytest.raises(Drop) as drop:
            tk.to4(tk.udp6(source, 1, target, 2))
        assert drop.value.reason == "drop_no_rule"


# Super-packets


@given(st.integers(1, 20000), st.sampled_from([6, 17]), st.booleans())
def test_super_packets_cross_whole(size: int, proto: int, congested: bool) -> None:
    data = bytes(n % 249 for n in range(size))
    if proto == 6:
        packet = kit.tcp(HOST4, 1, PEER4, 2, 16, data)
        back6 = tk.tcp6(HOST6, 1, PEER6, 2, data)
    else:
        packet = kit.udp(HOST4, 1, PEER4, 2, data)
        back6 = tk.udp6(HOST6, 1, PEER6, 2, data)
    flag = GSO_ECN if congested and proto == 6 else 0
    four = kit.partial(packet, 1000)
    four = four._replace(offload=tk.plain(four.offload, gso_type=four.offload.gso_type | flag))
    (there,) = tk.to6(four)
    kind = GSO_TCP6 if proto == 6 else GSO_UDP
    assert there.offload == Offload(True, 40, 16 if proto == 6 else 6, kind | flag, 1000, 60)
    # The kernel's own rule: field = pseudo-header sum over the whole length.
    assert there.data == tk.partial6(there.data, 1000).data
    assert tk.wrong6(kit.finished(there)) == []
    six = tk.partial6(back6, 1000)
    six = six._replace(offload=tk.plain(six.offload, gso_type=six.offload.gso_type | flag))
    d = tk.to4(six)
    kind = GSO_TCP4 if proto == 6 else GSO_UDP
    assert d.offload == Offload(True, 20, 16 if proto == 6 else 6, kind | flag, 1000, 40)
    assert bytes(d.buf) == kit.partial(bytes(d.buf), 1000).data
    assert kit.checksums(kit.finished(kit.Packet(bytes(d.buf), d.offload))) == []


@pytest.mark.parametrize(("gso_size", "df"), [(1220, 0), (1221, 1)])
def test_df_of_a_super_packet_is_that_of_its_segments(gso_size: int, df: int) -> None:
    assert tk.to4(tk.partial6(tk.tcp6(HOST6, 1, PEER6, 2, bytes(9000)), gso_size)).fragment == df << 14


def test_super_packet_with_options_in_the_header() -> None:
    packet = kit.tcp(HOST4, 1, PEER4, 2, 16, bytes(5000), options=bytes([1] * 12))
    four = kit.partial(kit.ip(HOST4, PEER4, 6, packet[20:], options=b"\1\1\1\1"), 1400)
    (there,) = tk.to6(four)
    assert there.offload == Offload(True, 40, 16, GSO_TCP6, 1400, 60)
    assert tk.wrong6(kit.finished(there)) == []


def test_super_packet_whose_segments_do_not_fit() -> None:
    packet = kit.tcp(HOST4, 1, PEER4, 2, 16, bytes(5000))
    with pytest.raises(Drop) as drop:
        tk.to6(kit.partial(packet, 1441))
    assert drop.value.error == IcmpError(3, 4, 1480)


@pytest.mark.parametrize("proto", [6, 17])
def test_super_packet_that_may_be_cut(proto: int) -> None:
    data = bytes(n % 247 for n in range(3500))
    build = {
        6: lambda: kit.tcp(HOST4, 1, PEER4, 2, 24, data, df=False),
        17: lambda: kit.udp(HOST4, 1, PEER4, 2, data, df=False),
    }
    out = tk.to6(kit.partial(build[proto](), 1300))
    header, got = 20 if proto == 6 else 8, b""
    whole: list[bytes] = []
    for piece in map(kit.finished, out):
        assert len(piece) <= 1280
        if piece[6] != 44:
            whole.append(piece[40:])
        elif struct.unpack_from("!H", piece, 42)[0] & 0xFFF8:
            whole[-1] += piece[48:]
        else:
            whole.append(piece[48:])
    for segment in whole:
        assert tk.wrong6(tk.ip6(HOST6, PEER6, proto, segment)) == []
        got += segment[header:]
    assert got == data and len(whole) == 3


def test_partial_checksum_stays_partial_or_is_finished_before_cutting() -> None:
    packet = kit.udp(HOST4, 1, PEER4, 2, bytes(1300), df=False)
    small = kit.udp(HOST4, 1, PEER4, 2, b"abc")
    (there,) = tk.to6(kit.partial(small))
    assert there.offload == Offload(True, 40, 6, 0, 0, 60)
    assert tk.wrong6(kit.finished(there)) == []
    pieces = [p.data[48:] for p in tk.to6(kit.partial(packet))]
    assert tk.wrong6(tk.ip6(HOST6, PEER6, 17, b"".join(pieces))) == []
    d = tk.to4(tk.partial6(tk.udp6(HOST6, 1, PEER6, 2)))
    assert d.offload == Offload(True, 20, 6, 0, 0, 40)
    assert kit.checksums(kit.finished(kit.Packet(bytes(d.buf), d.offload))) == []


def test_partial_checksum_behind_extension_headers() -> None:
    udp = tk.partial6(tk.udp6(HOST6, 1, PEER6, 2))
    data = tk.ip6(HOST6, PEER6, 60, udp.data[40:], before=HOME_ADDRESS)
    d = tk.to4(kit.Packet(data, Offload(True, 64, 6, 0, 0, 72)))
    assert d.offload == Offload(True, 20, 6, 0, 0, 28)
    assert kit.checksums(kit.finished(kit.Packet(bytes(d.buf), d.offload))) == []


def test_partial_checksum_of_icmpv6_is_finished() -> None:
    packet = tk.icmp6(HOST6, PEER6, 128, 0, 0x12340001, b"ping")
    pseudo = kit.slow_sum(tk.pseudo(HOST6, PEER6, 58, len(packet) - 40))
    data = packet[:42] + struct.pack("!H", pseudo) + packet[44:]
    d = tk.to4(kit.Packet(data, Offload(True, 40, 2)))
    assert d.offload is None
    assert bytes(d.buf[20:]) == kit.echo(HOST4, PEER4, 0x1234)[20:]


def test_partial_checksum_of_another_header_is_finished() -> None:
    """A UDP datagram in GRE: the sum that is left undone is not that of the packet's own transport."""
    inner = kit.partial(kit.udp(HOST4, 1, PEER4, 2))
    data = tk.ip6(HOST6, PEER6, 47, b"\0\0\x08\0" + inner.data)
    d = tk.to4(kit.Packet(data, Offload(True, 64, 6)))
    assert d.offload is None and kit.checksums(bytes(d.buf[24:])) == []


@pytest.mark.parametrize(
    "offload",
    [
        Offload(True, 40, 16, GSO_TCP4, 1000, 60),
        Offload(True, 40, 6, GSO_UDP, 1000, 60),
        Offload(True, 40, 16, GSO_TCP6, 0, 60),
        Offload(True, 30, 16, 0, 0, 60),
        Offload(True, 40, 60000, 0, 0, 60),
    ],
)
def test_offload_that_does_not_fit(offload: Offload) -> None:
    with pytest.raises(Drop) as drop:
        tk.to4(kit.Packet(tk.tcp6(HOST6, 1, PEER6, 2, bytes(3000)), offload))
    assert drop.value.reason == "drop_offload_invalid"


def test_super_packet_in_pieces_is_refused() -> None:
    data = tk.ip6(
        HOST6, PEER6, 44, tk.tcp6(HOST6, 1, PEER6, 2, bytes(100))[40:], before=tk.fragment(6, 0, True, 1)
    )
    with pytest.raises(Drop) as drop:
        tk.to4(kit.Packet(data, Offload(True, 48, 16, GSO_TCP6, 50, 68)))
    assert drop.value.reason == "drop_offload_invalid"


def test_every_reason_is_known() -> None:
    text = Path(translation.__file__).read_text(encoding="utf-8")
    text += Path(translation_embedded.__file__).read_text(encoding="utf-8")
    names = {part.split('"')[0] for part in text.split('Drop("')[1:]}
    assert len(names) > 10 and names <= set(REASONS)
