# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The MAP-E gateway: who may send, who receives, what fits (RFC 7597 s8)."""

from __future__ import annotations

import json
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.core import Limits
from unit.packet import packetkit as kit
from unit.packet.packetkit import (
    BR,
    NATIVE,
    OTHER4,
    OTHER6,
    OTHER_PORT,
    OWN4,
    OWN6,
    OWN_PORT,
    SERVER,
    SOFTWIRE,
)

VECTORS = Path(__file__).parents[2] / "vectors"
CHECKS = [
    v
    for v in json.loads((VECTORS / "map_e_rfc7597.json").read_text())["vectors"]
    if v["id"].startswith("rfc7597-8.1") and "br" not in v["input"]
]
MTUS = [
    v
    for v in json.loads((VECTORS / "mtu_mss.json").read_text())["vectors"]
    if v["input"].get("mode", "").startswith("encap ") and "ipv4_mtu" in v["expect"]
]


def inside(packet: bytes) -> bytes:
    """The IPv4 packet in a tunnel packet."""
    assert packet[6] == 4
    return packet[40:]


# Addresses


def test_inbound_goes_to_the_owner_of_the_port() -> None:
    out = kit.one(kit.gateway(), kit.udp("1.2.3.4", 80, OWN4, OWN_PORT), NATIVE)
    assert kit.outer(out) == (BR, OWN6)  # RFC 7597 App. A example 2
    assert kit.field(inside(out), "ttl") == 63


def test_outbound_is_decapsulated_unchanged_but_for_ttl() -> None:
    packet = kit.udp(OWN4, OWN_PORT, "1.2.3.4", 80)
    assert kit.one(kit.gateway(), kit.tunnel(OWN6, BR, packet), SOFTWIRE) == kit.udp(
        OWN4, OWN_PORT, "1.2.3.4", 80, ttl=63
    )


def test_behind_a_kernel_the_ttl_is_not_counted_again() -> None:
    node = kit.gateway({"decrement_ttl": False})
    packet = kit.udp(OWN4, OWN_PORT, SERVER, 80, ttl=1)
    assert kit.one(node, kit.tunnel(OWN6, BR, packet), SOFTWIRE) == packet


@pytest.mark.parametrize("vector", CHECKS, ids=lambda v: v["id"])
def test_source_validation_vectors(vector: dict) -> None:
    given = vector["input"]
    node = kit.gateway(strict_iid=given.get("strict_iid", False))
    packet = kit.udp(given["ipv4_src"], given["sport"], SERVER, 53)
    out, events = kit.run(node, kit.tunnel(given["ipv6_src"], BR, packet), SOFTWIRE)
    assert bool(out) == (vector["expect"]["verdict"] == "accept"), events
    assert out or events[-1] in ("drop_spoofed_source", "drop_no_rule", "drop_iid_mismatch")


def test_source_validation_counts_the_other_identifier_format() -> None:
    packet = kit.udp(OWN4, OWN_PORT, SERVER, 53)
    out, events = kit.run(kit.gateway(), kit.tunnel("2001:db8:12:3400:c0:2:1200:3400", BR, packet), SOFTWIRE)
    assert out and "iid_format_draft-03" in events
    node = kit.gateway(interface_identifier="draft-03")
    assert "iid_format_rfc7597" in kit.run(node, kit.tunnel(OWN6, BR, packet), SOFTWIRE)[1]


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (kit.udp(SERVER, 80, OWN4, 208), "drop_excluded_port"),
        (kit.udp(SERVER, 80, "203.0.113.1", 1232), "drop_unmapped_destination"),
        (kit.ip(SERVER, OWN4, 47, bytes(8)), "drop_no_port"),
        (kit.udp("127.0.0.1", 80, OWN4, OWN_PORT), "drop_martian_source"),
        (kit.udp("224.0.0.1", 80, OWN4, OWN_PORT), "drop_martian_source"),
        (kit.udp(SERVER, 80, "255.255.255.255", OWN_PORT), "drop_martian_destination"),
        (kit.udp(SERVER, 80, OWN4, OWN_PORT)[:19], "drop_ipv4_malformed"),
        (b"", "drop_ipv4_malformed"),
    ],
)
def test_native_drops(packet: bytes, reason: str) -> None:
    assert kit.run(kit.gateway(), packet, NATIVE) == ([], [reason])


def test_bad_header_checksum_is_dropped() -> None:
    packet = bytearray(kit.udp(SERVER, 80, OWN4, OWN_PORT))
    packet[10] ^= 1
    assert kit.run(kit.gateway(), bytes(packet), NATIVE)[1] == ["drop_ipv4_checksum"]


def test_only_the_gateway_address_is_served() -> None:
    packet = kit.tunnel(OWN6, "2001:db8:ffff::2", kit.udp(OWN4, OWN_PORT, SERVER, 80))
    assert kit.run(kit.gateway(), packet, SOFTWIRE)[1] == ["drop_not_for_us"]


def test_prefix_and_full_address_need_no_port() -> None:
    full = kit.rule(
        ipv6_prefix=IPv6Network("2001:db8:1::/48"), ipv4_prefix=IPv4Network("203.0.113.0/24"), ea_len=8
    )
    prefix = kit.rule(
        ipv6_prefix=IPv6Network("2001:db8:2::/48"), ipv4_prefix=IPv4Network("10.9.0.0/16"), ea_len=8
    )
    node = kit.gateway(rules=(full, prefix))
    out = kit.one(node, kit.ip(SERVER, "203.0.113.5", 47, bytes(8)), NATIVE)
    assert kit.outer(out)[1] == "2001:db8:1:500:0:cb00:7105:0"
    pieces = kit.cut(kit.udp(SERVER, 80, "10.9.7.200", 9, bytes(100)), 40)
    for piece in reversed(pieces):
        assert kit.outer(kit.run(node, piece, NATIVE)[0][0])[1] == "2001:db8:2:700:0:a09:700:0"
    for source, good in (("10.9.7.1", True), ("10.9.7.255", True), ("10.9.8.1", False)):
        packet = kit.tunnel("2001:db8:2:700::1", BR, kit.ip(source, SERVER, 47, bytes(8)))
        assert bool(kit.run(node, packet, SOFTWIRE)[0]) is good


def test_hairpin_stays_inside() -> None:
    out, events = kit.run(
        kit.gateway(), kit.tunnel(OWN6, BR, kit.udp(OWN4, OWN_PORT, OTHER4, OTHER_PORT)), SOFTWIRE
    )
    assert kit.outer(out[0]) == (BR, OTHER6)
    assert kit.field(out[0][40:], "ttl") == 63
    assert "hairpinned" in events


# ICMP


@pytest.mark.parametrize("reply", [False, True])
def test_icmp_identifier_is_the_port_both_ways(reply: bool) -> None:
    node = kit.gateway()
    assert kit.outer(kit.one(node, kit.echo(SERVER, OWN4, OWN_PORT, reply=reply), NATIVE))[1] == OWN6
    assert kit.one(node, kit.tunnel(OWN6, BR, kit.echo(OWN4, SERVER, OWN_PORT, reply=reply)), SOFTWIRE)
    spoofed = kit.tunnel(OWN6, BR, kit.echo(OWN4, SERVER, OWN_PORT + 4))
    assert kit.run(node, spoofed, SOFTWIRE)[1] == ["drop_spoofed_source"]


def test_icmp_error_goes_to_the_sender_of_the_embedded_packet() -> None:
    for about in (kit.udp(OWN4, OWN_PORT, SERVER, 53), kit.echo(OWN4, SERVER, OWN_PORT)):
        out = kit.one(kit.gateway(), kit.icmp("203.0.113.1", OWN4, 3, 1, 0, about[:28]), NATIVE)
        assert kit.outer(out)[1] == OWN6
    about = kit.udp(OTHER4, OTHER_PORT, SERVER, 53)
    wrong = kit.icmp("203.0.113.1", OWN4, 3, 1, 0, about)
    assert kit.run(kit.gateway(), wrong, NATIVE)[1] == ["drop_icmp_mismatch"]


def test_icmp_error_from_a_customer_is_judged_by_the_embedded_packet() -> None:
    good = kit.icmp(OWN4, SERVER, 3, 3, 0, kit.udp(SERVER, 53, OWN4, OWN_PORT))
    assert kit.one(kit.gateway(), kit.tunnel(OWN6, BR, good), SOFTWIRE)
    bad = kit.icmp(OWN4, SERVER, 3, 3, 0, kit.udp(SERVER, 53, OWN4, OWN_PORT + 4))
    assert kit.run(kit.gateway(), kit.tunnel(OWN6, BR, bad), SOFTWIRE)[1] == ["drop_spoofed_source"]


def test_ttl_expired_is_reported_to_both_sides() -> None:
    node = kit.gateway()
    out = kit.one(node, kit.udp(SERVER, 80, OWN4, OWN_PORT, ttl=1), NATIVE)
    assert (kit.field(out, "icmp"), kit.field(out, "dst")) == ((11, 0), SERVER)
    out = kit.one(node, kit.tunnel(OWN6, BR, kit.udp(OWN4, OWN_PORT, SERVER, 80, ttl=1)), SOFTWIRE)
    assert kit.outer(out) == (BR, OWN6)
    assert (kit.field(out[40:], "icmp"), kit.field(out[40:], "src")) == ((11, 0), "192.0.0.8")


def test_no_error_about_errors_or_pieces_and_not_too_many() -> None:
    node = kit.gateway()
    about = kit.udp(OWN4, OWN_PORT, SERVER, 53)
    _, events = kit.run(node, kit.icmp(SERVER, OWN4, 3, 1, 0, about, ttl=1), NATIVE)
    assert events == ["drop_ttl_expired", "icmp_suppressed"]
    sent = sum(len(kit.run(node, kit.udp(SERVER, 80, OWN4, OWN_PORT, ttl=1), NATIVE)[0]) for _ in range(200))
    assert sent == node.limits.icmp_burst
    assert kit.run(node, kit.udp(SERVER, 80, OWN4, OWN_PORT, ttl=1), NATIVE, now=1.0)[0]


def test_ping_of_the_gateway_is_answered() -> None:
    out, events = kit.run(kit.gateway(), kit.icmpv6(OWN6, BR, 128, 0, 0x00070001, b"ping"), SOFTWIRE)
    assert out == [kit.icmpv6(BR, OWN6, 129, 0, 0x00070001, b"ping")]
    assert events == ["echo_answered"]


def test_large_ping_is_answered_in_pieces() -> None:
    request = kit.icmpv6(OWN6, BR, 128, 0, 7 << 16 | 1, bytes(2000))
    node = kit.gateway(ipv6_mtu=1280)
    out: list[bytes] = []
    for piece in kit.cut6(request, 1024):
        out += kit.run(node, piece, SOFTWIRE)[0]
    assert [packet[6] for packet in out] == [44, 44]
    assert all(len(packet) <= 1280 for packet in out)


# Errors from inside the tunnel


def sent_by(node: object, packet: bytes) -> bytes:
    return kit.one(node, packet, NATIVE)


def test_packet_too_big_becomes_fragmentation_needed() -> None:
    node = kit.gateway()
    about = sent_by(node, kit.udp(SERVER, 80, OWN4, OWN_PORT, bytes(1400)))
    out = kit.one(node, kit.icmpv6("2001:db8::99", BR, 2, 0, 1400, about[:1232]), SOFTWIRE)
    assert (kit.field(out, "dst"), kit.field(out, "icmp"), kit.field(out, "mtu")) == (SERVER, (3, 4), 1360)
    assert kit.field(kit.field(out, "embedded"), "dport") == OWN_PORT
    # The tunnel MTU stays (RFC 7597 s8.3.1, anycast).
    assert len(sent_by(node, kit.udp(SERVER, 80, OWN4, OWN_PORT, bytes(1400)))) == 1468


def test_packet_too_big_about_a_cuttable_packet_is_absorbed() -> None:
    node = kit.gateway()
    about = sent_by(node, kit.udp(SERVER, 80, OWN4, OWN_PORT, bytes(1400), df=False))
    error = kit.icmpv6("2001:db8::99", BR, 2, 0, 1400, about[:1232])
    assert kit.run(node, error, SOFTWIRE) == ([], ["icmpv6_absorbed"])


@pytest.mark.parametrize("kind", [1, 3, 4])
def test_other_errors_become_host_unreachable(kind: int) -> None:
    node = kit.gateway()
    about = sent_by(node, kit.udp(SERVER, 80, OWN4, OWN_PORT))
    out = kit.one(node, kit.icmpv6("2001:db8::99", BR, kind, 0, 0, about), SOFTWIRE)
    assert (kit.field(out, "dst"), kit.field(out, "icmp")) == (SERVER, (3, 1))


def test_error_about_a_hairpinned_packet_goes_back_through_the_tunnel() -> None:
    node = kit.gateway()
    about = kit.one(node, kit.tunnel(OWN6, BR, kit.udp(OWN4, OWN_PORT, OTHER4, OTHER_PORT)), SOFTWIRE)
    out = kit.one(node, kit.icmpv6("2001:db8::99", BR, 1, 0, 0, about), SOFTWIRE)
    assert kit.outer(out) == (BR, OWN6)


@pytest.mark.parametrize(
    ("error", "reason"),
    [
        (kit.icmpv6("::1", BR, 1, 0, 0, kit.tunnel(OWN6, BR, bytes(40))), "drop_icmpv6_not_ours"),
        (kit.icmpv6("::1", BR, 1, 0, 0, kit.tunnel(BR, OWN6, bytes(8))), "drop_icmpv6_truncated"),
        (
            kit.icmpv6("::1", BR, 1, 0, 0, kit.tunnel(BR, OTHER6, kit.udp(SERVER, 80, OWN4, OWN_PORT))),
            "drop_icmpv6_not_ours",
        ),
        (
            kit.icmpv6("::1", BR, 2, 0, 1279, kit.tunnel(BR, OWN6, kit.udp(SERVER, 80, OWN4, OWN_PORT))),
            "drop_icmpv6_invalid",
        ),
        (kit.icmpv6("::1", BR, 135, 0, 0, bytes(40)), "drop_icmpv6_unexpected"),
        (kit.icmpv6("::1", BR, 1, 0, 0, bytes(40))[:-1] + b"\1", "drop_icmpv6_invalid"),
    ],
)
def test_forged_and_broken_icmpv6(error: bytes, reason: str) -> None:
    assert kit.run(kit.gateway(), error, SOFTWIRE) == ([], [reason])


# Size


@pytest.mark.parametrize("vector", MTUS, ids=lambda v: v["id"])
def test_mtu_vectors(vector: dict) -> None:
    mtu, ipv4_mtu = vector["input"]["ipv6_mtu"], vector["expect"]["ipv4_mtu"]
    node = kit.gateway(ipv6_mtu=mtu, mss_clamp=vector["expect"]["tcp_mss"])
    assert len(kit.one(node, kit.udp(SERVER, 80, OWN4, OWN_PORT, bytes(ipv4_mtu - 28)), NATIVE)) == mtu
    out, events = kit.run(node, kit.udp(SERVER, 80, OWN4, OWN_PORT, bytes(ipv4_mtu - 27)), NATIVE)
    assert events == ["drop_too_big", "icmp_sent"]
    assert (kit.field(out[0], "icmp"), kit.field(out[0], "mtu")) == ((3, 4), ipv4_mtu)
    syn = kit.tcp(SERVER, 80, OWN4, OWN_PORT, options=b"\x02\x04\xff\xff")
    clamped = kit.one(node, syn, NATIVE)
    assert int.from_bytes(clamped[-2:], "big") == vector["expect"]["tcp_mss"]


def test_outer_fragments() -> None:
    packet = kit.udp(SERVER, 80, OWN4, OWN_PORT, bytes(range(256)) * 12, df=False)
    out, _ = kit.run(kit.gateway(), packet, NATIVE)
    assert [len(piece) for piece in out[:-1]] == [40 + 8 + 1448] * 2
    body = b"".join(piece[48:] for piece in out)
    assert body == kit.udp(SERVER, 80, OWN4, OWN_PORT, bytes(range(256)) * 12, df=False, ttl=63)
    assert [piece[43] & 1 for piece in out] == [1, 1, 0]
    assert len({piece[44:48] for piece in out}) == 1


def test_inner_fragments_keep_copied_options() -> None:
    options = b"\x82\x04ab" + b"\x07\x04\x04\0"  # security: copied; record route: not
    packet = kit.udp(SERVER, 80, OWN4, OWN_PORT, bytes(3000), df=False, options=options)
    out, _ = kit.run(kit.gateway(fragmentation="inner"), packet, NATIVE)
    assert all(len(piece) <= 1500 and not kit.checksums(piece[40:]) for piece in out)
    assert [piece[40] & 15 for piece in out] == [7, 6, 6]
    body = b"".join(piece[40 + (piece[40] & 15) * 4 :] for piece in out)
    assert body == packet[28:]


def test_outer_fragments_are_reassembled_in_any_order() -> None:
    packet = kit.tunnel(OWN6, BR, kit.udp(OWN4, OWN_PORT, SERVER, 53, bytes(range(250)) * 8), tc=0)
    for order in (1, -1):
        node = kit.gateway()
        out: list[bytes] = []
        for piece in kit.cut6(packet, 512)[::order]:
            out += kit.run(node, piece, SOFTWIRE)[0]
        assert out == [kit.udp(OWN4, OWN_PORT, SERVER, 53, bytes(range(250)) * 8, ttl=63)]
        assert len(node.reassembler.chains) == node.reassembler.chains.octets == 0


def test_overlapping_outer_fragments_break_the_packet() -> None:
    pieces = kit.cut6(kit.tunnel(OWN6, BR, kit.udp(OWN4, OWN_PORT, SERVER, 53, bytes(200))), 64)
    overlap = kit.cut6(kit.tunnel(OWN6, BR, kit.udp(OWN4, OWN_PORT, SERVER, 53, bytes(200))), 128)[0]
    node = kit.gateway()
    kit.run(node, pieces[0], SOFTWIRE)
    assert kit.run(node, overlap, SOFTWIRE)[1] == ["drop_fragment_overlap"]
    for piece in pieces[1:]:
        assert kit.run(node, piece, SOFTWIRE)[1] == ["drop_fragment_broken_chain"]


def test_fragments_of_strangers_take_no_memory() -> None:
    pieces = kit.cut6(kit.tunnel("2001:db9::1", BR, bytes(200)), 64)
    assert kit.run(kit.gateway(), pieces[0], SOFTWIRE)[1] == ["drop_no_rule"]


def test_fragment_memory_is_bounded_and_timed() -> None:
    node = kit.gateway()
    for ident in range(node.limits.fragment_packets + 10):
        piece = kit.cut6(kit.tunnel(OWN6, BR, bytes(200)), 64, ident)[0]
        _, events = kit.run(node, piece, SOFTWIRE)
    assert "drop_fragment_limit" in events
    assert len(node.reassembler.chains) == node.limits.fragment_packets
    assert node.expire(61.0) == ["drop_fragment_timeout"] * node.limits.fragment_packets


def test_packet_larger_than_the_fragment_memory() -> None:
    for size in (300, 427):
        node = kit.gateway({"limits": Limits(fragment_octets=size)})
        for piece in kit.cut6(kit.tunnel(OWN6, BR, kit.udp(OWN4, OWN_PORT, SERVER, 53, bytes(400))), 128):
            assert kit.run(node, piece, SOFTWIRE)[0] == []
        assert node.reassembler.chains.octets <= size


@pytest.mark.parametrize("order", [1, -1])
def test_inbound_fragments_find_the_owner_of_the_port(order: int) -> None:
    node = kit.gateway()
    pieces = kit.cut(kit.udp(SERVER, 80, OWN4, OWN_PORT, bytes(range(200))), 64)
    out: list[bytes] = []
    for piece in pieces[::order]:
        out += kit.run(node, piece, NATIVE)[0]
    assert sorted(p[46:48] + p[60:] for p in out) == sorted(p[6:8] + p[20:] for p in pieces)
    assert {kit.outer(p)[1] for p in out} == {OWN6}
    assert len(node.fragments.chains) == node.fragments.chains.octets == 0


@pytest.mark.parametrize("order", [1, -1])
def test_fragments_from_a_customer_are_judged_by_the_first(order: int) -> None:
    for port, good in ((OWN_PORT, True), (OWN_PORT + 4, False)):
        node = kit.gateway()
        pieces = kit.cut(kit.udp(OWN4, port, SERVER, 80, bytes(200)), 64)
        out = [kit.run(node, kit.tunnel(OWN6, BR, p), SOFTWIRE)[0] for p in pieces[::order]]
        assert sum(map(len, out)) == (len(pieces) if good else 0)


def test_tiny_and_overlapping_fragments() -> None:
    node = kit.gateway()
    segment = kit.tcp_body(SERVER, 80, OWN4, OWN_PORT, kit.SYN, bytes(40))
    tiny = kit.ip(SERVER, OWN4, 6, segment[:16], df=False, mf=True)
    assert kit.run(node, tiny, NATIVE)[1] == ["drop_fragment_tiny"]
    flags = kit.ip(SERVER, OWN4, 6, segment[8:], df=False, offset=8)
    assert kit.run(node, flags, NATIVE)[1] == ["drop_fragment_tiny"]
    first = kit.ip(SERVER, OWN4, 6, segment[:32], df=False, mf=True)
    again = kit.ip(SERVER, OWN4, 6, segment[24:], df=False, offset=24)
    assert kit.run(node, first, NATIVE)[0]
    assert kit.run(node, again, NATIVE)[1] == ["drop_fragment_overlap"]


# Extension headers, congestion, offload


def test_encapsulation_limit_option_is_skipped() -> None:
    inner = kit.udp(OWN4, OWN_PORT, SERVER, 80)
    packet = kit.tunnel(OWN6, BR, inner, next_header=60, before=b"\x04\0\x04\x01\x04\x01\0\0")
    assert kit.one(kit.gateway(), packet, SOFTWIRE)


@pytest.mark.parametrize(
    ("kind", "header", "reason"),
    [
        (43, b"\x04\0\0\x01\0\0\0\0", "drop_routing_header"),
        (60, b"\x04\0\xc4\x01\x04\x01\0\0", "drop_ipv6_option"),
        (60, b"\x04\xff\x04\x01\x04\x01\0\0", "drop_ipv6_malformed"),
        (51, b"\x04\0\0\0\0\0\0\0", "drop_next_header"),
    ],
)
def test_other_extension_headers(kind: int, header: bytes, reason: str) -> None:
    packet = kit.tunnel(OWN6, BR, kit.udp(OWN4, OWN_PORT, SERVER, 80), next_header=kind, before=header)
    assert kit.run(kit.gateway(), packet, SOFTWIRE) == ([], [reason])


@pytest.mark.parametrize(
    ("inner", "mark", "result"), [(2, 3, 3), (1, 3, 3), (1, 0, 1), (0, 3, None), (3, 0, 3)]
)
def test_congestion_marks(inner: int, mark: int, result: int | None) -> None:
    packet = kit.udp(OWN4, OWN_PORT, SERVER, 80, tos=0x28 | inner)
    out, events = kit.run(kit.gateway(), kit.tunnel(OWN6, BR, packet, tc=mark), SOFTWIRE)
    if result is None:
        assert events == ["drop_congestion_marked"]
    else:
        assert out[0][1] == 0x28 | result
        assert kit.checksums(out[0]) == []


def test_traffic_class_is_the_tos() -> None:
    out = kit.one(kit.gateway(), kit.udp(SERVER, 80, OWN4, OWN_PORT, tos=0xB9), NATIVE)
    assert int.from_bytes(out[:2], "big") >> 4 & 0xFF == 0xB9


@pytest.mark.parametrize("proto", ["tcp", "udp"])
def test_super_packets_are_segmented_with_undone_checksums(proto: str) -> None:
    data = bytes(range(256)) * 20
    if proto == "tcp":
        packet = kit.tcp(SERVER, 80, OWN4, OWN_PORT, kit.ACK | kit.FIN | 8 | 0x80, data)
    else:
        packet = kit.udp(SERVER, 80, OWN4, OWN_PORT, data)
    outputs, _ = kit.gateway().process(kit.partial(packet, 1000), NATIVE, 0.0)
    head = 40 if proto == "tcp" else 28
    assert len(outputs) == 6
    inner = [kit.finished(p)[40:] for p, _ in outputs]
    assert b"".join(p[head:] for p in inner) == data
    for number, (segment, (out, _)) in enumerate(zip(inner, outputs, strict=True)):
        assert kit.checksums(segment) == []
        assert kit.field(segment, "ident") == 7 + number
        assert out.offload is not None and out.offload.needs_csum and out.offload.csum_start == 60
        if proto == "tcp":
            assert int.from_bytes(segment[24:28], "big") == 1 + number * 1000
    if proto == "tcp":
        assert [s[33] for s in inner] == [kit.ACK | 0x80, *[kit.ACK] * 4, kit.ACK | kit.FIN | 8]


def test_super_packet_counts_with_its_segments() -> None:
    packet = kit.tcp(SERVER, 80, OWN4, OWN_PORT, kit.ACK, bytes(5000))
    _, events = kit.gateway().process(kit.partial(packet, 1460), NATIVE, 0.0)
    assert events == ["drop_too_big", "icmp_sent"]
    packet = kit.tcp(SERVER, 80, OWN4, OWN_PORT, kit.ACK, bytes(5000), df=False)
    outputs, _ = kit.gateway().process(kit.partial(packet, 1460), NATIVE, 0.0)
    assert all(len(p.data) <= 1500 for p, _ in outputs)


def test_undone_checksum_moves_with_the_tunnel_header() -> None:
    node = kit.gateway()
    packet = kit.udp(SERVER, 80, OWN4, OWN_PORT)
    ((out, _),) = node.process(kit.partial(packet), NATIVE, 0.0)[0]
    assert out.offload is not None and out.offload.csum_start == 60
    assert kit.checksums(kit.finished(out)[40:]) == []


# MSS


@pytest.mark.parametrize(
    "options",
    [
        b"\x02\x04\x05\xb4",
        b"\x01\x02\x04\x05\xb4\0\0\0",
        b"\x01\x01\x01\x02\x04\x05\xb4\0",
        b"\x04\x02\x02\x04\x05\xb4\0\0",
    ],
)
def test_mss_is_clamped_wherever_the_option_lies(options: bytes) -> None:
    wanted = options.replace(b"\x05\xb4", (1420).to_bytes(2, "big"))
    out, events = kit.run(kit.gateway(), kit.tcp(SERVER, 80, OWN4, OWN_PORT, options=options), NATIVE)
    assert out[0][80:] == wanted
    assert kit.checksums(out[0][40:]) == []
    assert events == ["mss_clamped", "encapsulated"]
    out, _ = kit.run(
        kit.gateway(), kit.tunnel(OWN6, BR, kit.tcp(OWN4, OWN_PORT, SERVER, 80, options=options)), SOFTWIRE
    )
    assert out[0][40:] == wanted
    assert kit.checksums(out[0]) == []


@pytest.mark.parametrize(
    "options",
    [
        b"\x02\x00\x05\xb4",
        b"\x02\x03\x05\xb4",
        b"\x02\x28\x05\xb4",
        b"\x03\x01\x02\x04",
        b"",
        b"\x01\x01\x01\x02",
    ],
)
def test_broken_or_missing_mss_is_left(options: bytes) -> None:
    out, events = kit.run(kit.gateway(), kit.tcp(SERVER, 80, OWN4, OWN_PORT, options=options), NATIVE)
    assert out[0][80:] == options
    assert events == ["encapsulated"]


# Reload


def test_reload_swaps_the_rules() -> None:
    node = kit.gateway()
    moved = kit.service("gateway", gateway_address=IPv6Address("2001:db8:ffff::2"))
    assert node.reload(moved) == []
    assert kit.outer(kit.one(node, kit.udp(SERVER, 80, OWN4, OWN_PORT), NATIVE))[0] == "2001:db8:ffff::2"
    assert node.sessions() == []
