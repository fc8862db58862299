# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""ICMP through a translator: tables, MTU, the packet inside, extensions, own errors (RFC 7915 s4.2-5.3)."""

from __future__ import annotations

import json
import struct
from ipaddress import IPv6Address
from pathlib import Path
from random import Random
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.packet import icmp
from ansible_collections.ipv4aas.fleet.engine.packet.translation import Translation, icmp6_error
from ansible_collections.ipv4aas.fleet.engine.packet.translation_icmp import icmp4_error, mtu_to4, mtu_to6
from ansible_collections.ipv4aas.fleet.engine.packet.verdict import Drop, Icmp6Error, IcmpError
from hypothesis import given
from hypothesis import strategies as st
from unit.packet import packetkit as kit
from unit.packet import translationkit as tk
from unit.packet.translationkit import HOST4, HOST6, PEER4, PEER6, ROUTER4, ROUTER6

VECTORS = Path(__file__).parents[2] / "vectors"
TABLES = json.loads((VECTORS / "rfc7915_icmp_tables.json").read_text(encoding="utf-8"))["vectors"]
MTUS = json.loads((VECTORS / "mtu_mss.json").read_text(encoding="utf-8"))["vectors"]

# The packets that errors are about: HOST sent them to PEER.
ABOUT4 = kit.udp(HOST4, 1000, PEER4, 2000, b"payload of the packet in the error")
ABOUT6 = tk.udp6(HOST6, 1000, PEER6, 2000, b"payload of the packet in the error")


def error4(kind: int, code: int, word: int = 0, about: bytes = ABOUT4, source: str = ROUTER4) -> bytes:
    """An ICMPv4 error to HOST."""
    return kit.icmp(source, HOST4, kind, code, word, about)


def error6(kind: int, code: int, word: int = 0, about: bytes = ABOUT6, source: str = ROUTER6) -> bytes:
    return tk.icmp6(source, HOST6, kind, code, word, about)


def kind6(packet: bytes) -> tuple[int, int, int]:
    assert tk.wrong6(packet) == [] and packet[6] == 58
    kind, code, word = struct.unpack_from("!BB2xI", packet, 40)
    return kind, code, word


def kind4(packet: bytes) -> tuple[int, int, int]:
    assert kit.checksums(packet) == [] and packet[9] == 1
    kind, code, word = struct.unpack_from("!BB2xI", packet, 20)
    return kind, code, word


def reason(packet: bytes) -> str:
    with pytest.raises(Drop) as drop:
        tk.to6(packet) if packet[0] >> 4 == 4 else tk.to4(packet)
    assert drop.value.error is None and drop.value.error6 is None  # silently
    return drop.value.reason


def message(direction: str, kind: int, code: int) -> bytes:
    """An ICMP message of a kind, about a packet where it is an error."""
    if direction == "4to6":
        word = 1500 if (kind, code) == (3, 4) else 0
        return error4(kind, code, word, ABOUT4 if kind in (3, 4, 5, 11, 12) else b"data")
    word = 1500 if kind == 2 else 0
    return error6(kind, code, word, ABOUT6 if kind < 128 else b"data")


def translated(direction: str, kind: int, code: int) -> tuple[int, int] | None:
    try:
        if direction == "4to6":
            return kind6(tk.one6(message(direction, kind, code)))[:2]
        return kind4(tk.one4(message(direction, kind, code)))[:2]
    except Drop:
        return None


def covered(direction: str, row: dict[str, Any]) -> list[tuple[int, int]]:
    """The types and codes that a row speaks of; "other" is what no row of the RFC names."""
    kind, code = row["input"]["type"], row["input"]["code"]
    if kind == "other":
        return [(n, 0) for n in (1, 2, 6, 7, 14, 16, 19, 30, 40, 41, 127, 253, 255)]
    if code == "other":
        return [(kind, n) for n in (range(16, 256) if direction == "4to6" else range(5, 256))]
    return [(kind, n) for n in range(256)] if code == "*" else [(kind, code)]


@pytest.mark.parametrize("row", [pytest.param(v, id=v["id"]) for v in TABLES if "type" in v["input"]])
def test_types_and_codes(row: dict[str, Any]) -> None:
    wanted = row["expect"]
    expected = None if wanted["action"] == "drop" else (wanted["type"], wanted["code"])
    for kind, code in covered(row["direction"], row):
        assert translated(row["direction"], kind, code) == expected, (kind, code)


# RFC 7915 s4.2 and s5.2, all of what is translated; rows of the vectors are checked above too.
ALL_TO6 = {
    **dict.fromkeys([(3, n) for n in (0, 1, 5, 6, 7, 8, 11, 12)], (1, 0)),
    **dict.fromkeys([(3, n) for n in (9, 10, 13, 15)], (1, 1)),
    (3, 2): (4, 1),
    (3, 3): (1, 4),
    (3, 4): (2, 0),
    (11, 0): (3, 0),
    (11, 1): (3, 1),
    (12, 0): (4, 0),
    (12, 2): (4, 0),
}
ALL_TO4 = {
    **dict.fromkeys([(1, n) for n in (0, 2, 3)], (3, 1)),
    (1, 1): (3, 10),
    (1, 4): (3, 3),
    **dict.fromkeys([(2, n) for n in range(256)], (3, 4)),
    (3, 0): (11, 0),
    (3, 1): (11, 1),
    (4, 0): (12, 0),
    (4, 1): (3, 2),
}


def test_nothing_else_is_translated() -> None:
    echoes4, echoes6 = {0: (129, 0), 8: (128, 0)}, {128: (8, 0), 129: (0, 0)}
    for kind in range(256):
        for code in (*range(20), 255):
            assert translated("4to6", kind, code) == echoes4.get(kind, ALL_TO6.get((kind, code)))
            assert translated("6to4", kind, code) == echoes6.get(kind, ALL_TO4.get((kind, code)))


@pytest.mark.parametrize("row", [pytest.param(v, id=v["id"]) for v in TABLES if "pointer" in v["input"]])
def test_pointers(row: dict[str, Any]) -> None:
    pointer, wanted = row["input"]["pointer"], row["expect"]["pointer"]
    packet = error4(12, 0, pointer << 24) if row["direction"] == "4to6" else error6(4, 0, pointer)
    if row["expect"]["action"] == "drop":
        assert reason(packet) == "drop_icmp_untranslatable"
    elif row["direction"] == "4to6":
        assert kind6(tk.one6(packet)) == (4, 0, wanted)
    else:
        assert kind4(tk.one4(packet)) == (12, 0, wanted << 24)


def test_pointers_that_no_figure_has() -> None:
    four = {*range(256)} - {0, 1, 2, 3, 8, 9, *range(12, 20)}
    assert all(icmp6_error(IcmpError(12, 0, n << 24)) is None for n in four)
    assert {n: icmp6_error(IcmpError(12, 2, n << 24)) for n in (3, 8, 9, 15)} == {
        n: Icmp6Error(4, 0, to) for n, to in ((3, 4), (8, 7), (9, 6), (15, 8))
    }
    six = {2, 3, *range(40, 2000), 0xFFFFFFFF}
    assert all(icmp4_error(Icmp6Error(4, 0, n)) is None for n in six)
    assert icmp4_error(Icmp6Error(4, 0, 4)) == IcmpError(12, 0, 2 << 24)
    assert icmp4_error(Icmp6Error(4, 0, 39)) == IcmpError(12, 0, 16 << 24)


def test_protocol_unreachable_points_at_next_header() -> None:
    assert kind6(tk.one6(error4(3, 2))) == (4, 1, 6)


# MTU


@pytest.mark.parametrize("row", [pytest.param(v, id=v["id"]) for v in MTUS if v["id"].startswith("ptb-")])
def test_mtu_vectors(row: dict[str, Any]) -> None:
    given_, wanted = row["input"], row["expect"]
    translator = tk.translator(given_["mtu_v6_nexthop"], ipv4_mtu=given_["mtu_v4_nexthop"])
    if "icmpv4_mtu" in given_:
        assert kind6(tk.one6(error4(3, 4, given_["icmpv4_mtu"]), translator)) == (2, 0, wanted["icmpv6_mtu"])
    else:
        assert kind4(tk.one4(error6(2, 0, given_["icmpv6_mtu"]), translator)) == (3, 4, wanted["icmpv4_mtu"])


MTU = st.integers(0, 70000)


@given(MTU, MTU, MTU)
def test_mtu_arithmetic(advertised: int, ipv4: int, ipv6: int) -> None:
    if advertised:
        assert mtu_to6(advertised, ipv4, ipv6) == max(1280, min(advertised + 20, ipv6, ipv4 + 20))
    assert mtu_to4(advertised, ipv4, ipv6) == max(68, min(advertised - 20, ipv4, ipv6 - 20))


PLATEAUS = (65535, 32000, 17914, 8166, 4352, 2002, 1492, 1006, 508, 296, 68)


@given(st.integers(1261, 65535) | st.sampled_from([p for p in PLATEAUS if p > 1260]))
def test_routers_older_than_rfc_1191(total: int) -> None:
    about = ABOUT4[:2] + struct.pack("!H", total) + ABOUT4[4:]
    plateau = max(p for p in PLATEAUS if p < total)
    got = kind6(tk.one6(error4(3, 4, 0, about), tk.translator(9000)))
    assert got == (2, 0, max(1280, min(plateau + 20, 9000)))


def test_mtu_minds_the_fragment_header_of_the_packet_in_the_error() -> None:
    about = tk.ip6(HOST6, PEER6, 44, bytes(100), before=tk.fragment(17, 800, True, 7))
    assert kind4(tk.one4(error6(2, 0, 1400, about))) == (3, 4, 1372)


# Echo


@given(st.binary(max_size=60), st.integers(0, 0xFFFFFFFF), st.booleans())
def test_echo_there_and_back(data: bytes, word: int, reply: bool) -> None:
    packet = kit.icmp(HOST4, PEER4, 0 if reply else 8, 0, word, data)
    there = tk.one6(packet)
    assert kind6(there) == (129 if reply else 128, 0, word) and there[48:] == data
    assert tk.one4(there)[20:] == packet[20:]


def test_echo_reply_of_zeros() -> None:
    packet = kit.icmp(HOST4, PEER4, 0, 0, 0, bytes(9))
    assert packet[22:24] == b"\xff\xff"
    assert tk.one4(tk.one6(packet))[20:] == packet[20:]


def test_icmp_in_pieces_does_not_cross() -> None:
    for piece in kit.cut(kit.icmp(HOST4, PEER4, 8, 0, 1, bytes(100)), 64):
        assert reason(piece) == "drop_icmp_fragmented"
    for piece in kit.cut6(tk.icmp6(HOST6, PEER6, 128, 0, 1, bytes(100)), 64):
        assert reason(piece) == "drop_icmp_fragmented"
    whole = tk.icmp6(HOST6, PEER6, 128, 0, 1, b"x")
    atomic = tk.ip6(HOST6, PEER6, 44, whole[40:], before=tk.fragment(58, 0, False, 5))
    assert kind4(tk.one4(atomic)) == (8, 0, 1)


def test_big_echo_is_cut() -> None:
    packet = kit.icmp(HOST4, PEER4, 8, 0, 1, bytes(2000), df=False, ident=77)
    first, second = (p.data for p in tk.to6(packet))
    assert tk.wrong6(tk.ip6(HOST6, PEER6, 58, first[48:] + second[48:])) == []


def test_short_icmpv6() -> None:
    assert reason(tk.ip6(HOST6, PEER6, 58, b"\x80\0\0\0\0\0\0")) == "drop_icmpv6_invalid"


# Errors: checksum, source, the packet inside


def test_errors_with_a_wrong_checksum() -> None:
    four, six = error4(3, 1), error6(1, 0)
    assert reason(four[:-1] + b"?") == "drop_icmp_checksum"
    assert reason(six[:-1] + b"?") == "drop_icmpv6_invalid"


def test_the_packet_in_an_error_4_to_6() -> None:
    there = tk.one6(error4(3, 3, about=ABOUT4[:8] + b"\3" + ABOUT4[9:]))
    assert kit.outer(there) == (ROUTER6, HOST6)
    inner = there[48:]
    assert kit.outer(inner) == (HOST6, PEER6)
    assert tk.wrong6(inner) == [] and inner[48:] == ABOUT4[28:]
    assert inner[7] == 3  # hop limit as it was


def test_the_packet_in_an_error_6_to_4() -> None:
    back = tk.one4(error6(1, 4, about=ABOUT6[:7] + b"\3" + ABOUT6[8:]))
    assert (kit.field(back, "src"), kit.field(back, "dst")) == (ROUTER4, HOST4)
    inner = back[28:]
    assert (kit.field(inner, "src"), kit.field(inner, "dst"), inner[8]) == (HOST4, PEER4, 3)
    assert kit.checksums(inner) == [] and inner[28:] == ABOUT6[48:]


@pytest.mark.parametrize("kept", [20, 24, 28, 30])
def test_packets_in_errors_may_be_cut_short(kept: int) -> None:
    """As RFC 792 does it: header and 8 octets; the checksum of UDP is among them."""
    inner = tk.one6(error4(11, 0, about=ABOUT4[:kept]))[48:]
    whole = tk.one6(ABOUT4)
    assert inner == whole[: kept + 20]
    back = tk.one4(error6(3, 0, about=ABOUT6[: kept + 20]))[28:]
    whole4 = tk.one4(ABOUT6)
    assert back[:4] == whole4[:4] and back[12:] == whole4[12:kept]


def test_tcp_in_errors_follows_where_its_checksum_is() -> None:
    tcp = kit.tcp(HOST4, 1, PEER4, 2, 16, b"data")
    assert tk.one6(error4(11, 0, about=tcp[:28]))[48:] == tk.one6(tcp)[:48]
    assert tk.one6(error4(11, 0, about=tcp[:38]))[48:] == tk.one6(tcp)[:58]


def test_udp_without_checksum_in_errors() -> None:
    about = ABOUT4[:26] + b"\0\0" + ABOUT4[28:]
    assert tk.one6(error4(11, 0, about=about))[94:96] == b"\0\0"


def test_echo_in_errors() -> None:
    echo = kit.echo(HOST4, PEER4, 0x1234)
    assert tk.wrong6(tk.one6(error4(11, 0, about=echo))[48:]) == []
    echo6 = tk.icmp6(HOST6, PEER6, 128, 0, 0x12340001, b"ping")
    assert kit.checksums(tk.one4(error6(3, 0, about=echo6))[28:]) == []


@pytest.mark.parametrize(
    "packet",
    [
        error4(3, 1, about=error4(3, 1)),
        error4(3, 1, about=kit.icmp(HOST4, PEER4, 13, 0, 0, bytes(12))),
        error6(1, 0, about=error6(1, 0)),
        error6(1, 0, about=tk.icmp6(HOST6, PEER6, 135, 0, 0, bytes(16))),
    ],
)
def test_errors_about_what_is_not_translated(packet: bytes) -> None:
    assert reason(packet) == "drop_icmp_about_icmp_error"


@pytest.mark.parametrize(
    "packet",
    [
        error4(3, 1, about=ABOUT4[:19]),
        error4(3, 1, about=b"\x60" + ABOUT4[1:]),
        error4(3, 1, about=b"\x44" + ABOUT4[1:]),
        error4(3, 1, about=b"\x4f" + ABOUT4[1:40]),
        error4(3, 1, about=ABOUT4[:2] + b"\0\x13" + ABOUT4[4:]),
        error4(3, 1, about=kit.ip(HOST4, PEER4, 1, b"\x08\0")),
        error6(1, 0, about=ABOUT6[:39]),
        error6(1, 0, about=b"\x40" + ABOUT6[1:]),
        error6(1, 0, about=tk.ip6(HOST6, PEER6, 58, b"\x80")),
        error6(1, 0, about=ABOUT6[:4] + b"\xff\xff" + ABOUT6[6:]),
        error6(1, 0, about=tk.ip6(HOST6, PEER6, 60, bytes(16), before=bytes(8))[:4] + b"\0\4" + bytes(42)),
    ],
)
def test_errors_without_enough_of_their_packet(packet: bytes) -> None:
    assert reason(packet) in ("drop_icmp_truncated", "drop_ipv6_malformed")


def test_pieces_in_errors_keep_their_fields() -> None:
    data = bytes(range(80))
    piece = kit.ip(HOST4, PEER4, 17, data, df=False, mf=True, offset=160, ident=0xBEEF)
    inner = tk.one6(error4(11, 1, about=piece))[48:]
    assert inner[6] == 44 and inner[40:48] == tk.fragment(17, 160, True, 0xBEEF) and inner[48:] == data
    assert struct.unpack_from("!H", inner, 4)[0] == 88
    back = tk.one4(error6(3, 1, about=inner))[28:]
    assert back == piece


def test_options_and_extension_headers_in_errors_are_left_out() -> None:
    about = kit.udp(HOST4, 1000, PEER4, 2000, b"abc", options=bytes([1, 1, 1, 0]))
    assert tk.wrong6(tk.one6(error4(3, 1, about=about))[48:]) == []
    skipped = bytes([17, 0, 1, 4, 0, 0, 0, 0])
    about6 = tk.ip6(HOST6, PEER6, 60, ABOUT6[40:], before=skipped)
    inner = tk.one4(error6(1, 0, about=about6))[28:]
    assert kit.checksums(inner) == [] and len(inner) == len(ABOUT6) - 20


def test_errors_from_routers_without_an_ipv4_address() -> None:
    """RFC 6791: one address speaks for them all; other messages from there are dropped."""
    back = tk.one4(error6(3, 0, source=tk.FOREIGN6))
    assert kit.field(back, "src") == tk.ICMP_SOURCE
    assert reason(tk.icmp6(tk.FOREIGN6, HOST6, 129, 0, 1)) == "drop_no_rule"


def test_addresses_in_errors_must_stand_for_something() -> None:
    assert reason(error6(1, 0, about=tk.udp6(tk.FOREIGN6, 1, PEER6, 2))) == "drop_no_rule"


class ByPort(tk.PrefixEnds):
    """A shared address: its ports are at different customers."""

    def to6(self, ipv4: int, port: int | None) -> int:
        return tk.PREFIX.embed(ipv4) | (port or 0)


def test_the_port_says_where_the_other_end_is() -> None:
    translator = Translation(1500, ends=ByPort(), rng=Random(1))
    for about, port in (
        (ABOUT4, 2000),
        (kit.echo(HOST4, PEER4, 77), 77),
        (kit.ip(HOST4, PEER4, 47, bytes(20)), 0),
        (kit.ip(HOST4, PEER4, 17, bytes(8), offset=8), 0),
    ):
        there = tk.one6(error4(3, 1, about=about), translator)
        assert kit.outer(there[48:])[1] == str(IPv6Address(tk.PREFIX.embed(0xC0000221) | port))
    # One about a packet of another: its own address and port say where it is.
    there = tk.one6(error4(3, 1, about=kit.udp(PEER4, 5, ROUTER4, 6)), translator)
    assert kit.outer(there[48:])[0] == str(IPv6Address(tk.PREFIX.embed(0xC0000221) | 5))


# Length and extensions


def test_errors_are_cut_to_1280_octets() -> None:
    about = kit.udp(HOST4, 1, PEER4, 2, bytes(1400))
    there = tk.one6(error4(3, 1, about=about))
    assert len(there) == 1280 and tk.wrong6(there) == []
    back = tk.one4(there)
    assert back[28:][:4] == about[:4]


EXTENSION = bytes(range(20))


def extended4(kind: int, code: int, about: bytes, extension: bytes = EXTENSION, more: int = 0) -> bytes:
    """RFC 4884 s4.1: length in 32-bit words, at least 128 octets of the packet."""
    size = max(128, -(-len(about) // 4) * 4)
    return error4(kind, code, size // 4 << 16 | more, about.ljust(size, b"\0") + extension)


def extended6(kind: int, code: int, about: bytes, extension: bytes = EXTENSION) -> bytes:
    size = max(128, -(-len(about) // 8) * 8)
    return error6(kind, code, size // 8 << 24, about.ljust(size, b"\0") + extension)


@pytest.mark.parametrize("size", [10, 100, 101, 104, 300])
@pytest.mark.parametrize(("kind", "code"), [(3, 1), (11, 0)])
def test_extensions_4_to_6(size: int, kind: int, code: int) -> None:
    about = kit.udp(HOST4, 1, PEER4, 2, bytes(n % 255 + 1 for n in range(size)))
    there = tk.one6(extended4(kind, code, about))
    word = kind6(there)[2]
    length = (word >> 24) * 8
    assert word & 0xFFFFFF == 0
    assert length == max(128, -(-(len(about) + 20) // 8) * 8)
    quoted, extension = there[48 : 48 + length], there[48 + length :]
    assert extension == EXTENSION
    assert quoted == tk.one6(about).ljust(length, b"\0")


@pytest.mark.parametrize("size", [10, 100, 101, 104, 300])
@pytest.mark.parametrize(("kind", "code"), [(1, 0), (3, 1)])
def test_extensions_6_to_4(size: int, kind: int, code: int) -> None:
    about = tk.udp6(HOST6, 1, PEER6, 2, bytes(n % 255 + 1 for n in range(size)))
    back = tk.one4(extended6(kind, code, about))
    word = kind4(back)[2]
    length = (word >> 16) * 4
    assert word & 0xFFFF == 0
    assert length == max(128, -(-(len(about) - 20) // 4) * 4)
    quoted, extension = back[28 : 28 + length], back[28 + length :]
    assert extension == EXTENSION
    assert quoted[20 : len(about) - 20] == tk.one4(about)[20:]
    assert not any(quoted[len(about) - 20 :])


def test_extension_stays_when_the_packet_has_to_be_cut() -> None:
    about = kit.udp(HOST4, 1, PEER4, 2, bytes(972))
    extension = bytes(n % 256 for n in range(236))
    there = tk.one6(extended4(11, 0, about, extension))
    length = (kind6(there)[2] >> 24) * 8
    assert len(there) <= 1280 and there[48 + length :] == extension and length == (1232 - 236) // 8 * 8


def test_extension_that_does_not_fit_is_cut() -> None:
    there = tk.one6(extended4(11, 0, ABOUT4, bytes(1200)))
    assert len(there) == 1280 and kind6(there)[2] == 16 << 24
    assert tk.wrong6(there) == []


def test_length_attribute_of_icmpv4_is_enough() -> None:
    about = tk.udp6(HOST6, 1, PEER6, 2, bytes(1040))
    back = tk.one4(extended6(1, 0, about))
    length = (kind4(back)[2] >> 16) * 4
    assert length <= 1020 and back[28 + length :] == EXTENSION


@pytest.mark.parametrize(
    ("packet", "expected"),
    [
        (extended4(3, 4, ABOUT4, more=1400), (2, 0, 1420)),
        (extended4(3, 2, ABOUT4), (4, 1, 6)),
        (extended4(12, 0, ABOUT4, more=9 << 24), (4, 0, 6)),
    ],
)
def test_extensions_that_icmpv6_has_no_place_for(packet: bytes, expected: tuple[int, int, int]) -> None:
    there = tk.one6(packet)
    assert kind6(there) == expected and there[48:] == tk.one6(ABOUT4)


@pytest.mark.parametrize("length", [1, 31, 200])
def test_length_attributes_that_cannot_be(length: int) -> None:
    """Too small for RFC 4884, or longer than the message: there is no extension then."""
    there = tk.one6(error4(3, 1, length << 16))
    assert kind6(there) == (1, 0, 0) and there[48:] == tk.one6(ABOUT4)


# Own errors


@pytest.mark.parametrize(
    ("error", "expected"),
    [
        (IcmpError(11, 0), Icmp6Error(3, 0)),
        (IcmpError(3, 1), Icmp6Error(1, 0)),
        (IcmpError(3, 13), Icmp6Error(1, 1)),
        (IcmpError(3, 4, 1400), Icmp6Error(2, 0, 1420)),
        (IcmpError(3, 4, 600), Icmp6Error(2, 0, 1280)),
        (IcmpError(3, 2), Icmp6Error(4, 1, 6)),
        (IcmpError(5, 0), None),
    ],
)
def test_own_errors_for_ipv6_sources(error: IcmpError, expected: Icmp6Error | None) -> None:
    assert icmp6_error(error) == expected


HOPS = Icmp6Error(3, 0)


def told(about: bytes, kind: Icmp6Error = HOPS) -> bytes | None:
    return icmp.error6(about, int(IPv6Address(ROUTER6)), kind)


def test_own_error() -> None:
    about = tk.udp6(HOST6, 1, PEER6, 2, bytes(1400), hop_limit=1)
    got = told(about, Icmp6Error(4, 0, 7))
    assert got is not None
    assert kit.outer(got) == (ROUTER6, HOST6) and kind6(got) == (4, 0, 7)
    assert len(got) == 1280 and got[48:] == about[:1232]
    short = told(about[:60])
    assert short is not None and short[48:] == about[:60]


@pytest.mark.parametrize(
    "about",
    [
        tk.udp6("::", 1, PEER6, 2),
        tk.udp6("ff02::1", 1, PEER6, 2),
        tk.udp6(HOST6, 1, "ff0e::1", 2),
        tk.icmp6(HOST6, PEER6, 1, 0, 0, ABOUT6),
        tk.icmp6(HOST6, PEER6, 127, 0, 0, b""),
        tk.icmp6(HOST6, PEER6, 137, 0, 0, bytes(40)),
        tk.ip6(
            HOST6, PEER6, 60, tk.icmp6(HOST6, PEER6, 1, 0, 0)[40:], before=bytes([58, 0, 1, 4, 0, 0, 0, 0])
        ),
        tk.ip6(HOST6, PEER6, 44, b"\x80" + bytes(7), before=tk.fragment(58, 64, True, 1)),
        tk.ip6(HOST6, PEER6, 58, b""),
        tk.ip6(HOST6, PEER6, 43, b"", before=bytes(7)),
        ABOUT6[:39],
    ],
)
def test_no_own_error_about(about: bytes) -> None:
    """RFC 4443 s2.4 (e)."""
    assert told(about) is None


@pytest.mark.parametrize(
    "about",
    [
        tk.icmp6(HOST6, PEER6, 128, 0, 0),
        tk.ip6(HOST6, PEER6, 44, bytes(8), before=tk.fragment(17, 64, True, 1)),
        tk.ip6(HOST6, PEER6, 43, bytes(8), before=bytes([17, 2, 0, 1, *bytes(20)])),
    ],
)
def test_own_error_about(about: bytes) -> None:
    assert told(about) is not None


def test_packet_too_big_may_answer_multicast() -> None:
    assert told(tk.udp6(HOST6, 1, "ff0e::1", 2), Icmp6Error(2, 0, 1280)) is not None
