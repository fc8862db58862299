# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The MAP-T border relay: addresses, source checks, ICMP both ways, fragments (RFC 7599 s8 to s10)."""

from __future__ import annotations

import struct
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import pytest
from map_t_samples import (
    BR,
    MAP_T,
    PREFIX_RULE,
    ROUTER,
    dmr,
    echo6,
    error6,
    fields6,
    gateway,
    prefix_host,
)
from unit.packet import packetkit as kit
from unit.packet import translationkit as kit6
from unit.packet.packetkit import NATIVE, OTHER4, OTHER6, OTHER_PORT, OWN4, OWN6, OWN_PORT, SERVER, SOFTWIRE

DRAFT03_6 = "2001:db8:12:3400:c0:2:1200:3400"
REFUSED = (1, 5)


def inward(node: Any, packet: bytes) -> bytes:
    """From the Internet; the only IPv6 packet that leaves, its checksums right."""
    out, events = kit.run(node, packet, NATIVE)
    assert len(out) == 1 and out[0][0] >> 4 == 6, events
    assert kit6.wrong6(out[0]) == []
    return out[0]


def outward(node: Any, packet: bytes) -> bytes:
    """From the domain; the only IPv4 packet that leaves, its checksums right."""
    out, events = kit.run(node, packet, SOFTWIRE)
    assert len(out) == 1 and out[0][0] >> 4 == 4, events
    assert kit.checksums(out[0]) == []
    return out[0]


def refused(node: Any, packet: bytes) -> tuple[bytes, list[str]]:
    """A packet whose source is told why (RFC 7599 s8.3)."""
    (told,), events = kit.run(node, packet, SOFTWIRE)
    assert (told[6], tuple(told[40:42])) == (58, REFUSED)
    assert kit.outer(told) == (BR, kit.outer(packet)[0])
    assert kit6.wrong6(told) == []
    assert told[48:] == packet[: len(told) - 48]
    return told, events


def test_inbound_goes_from_the_dmr_to_the_owner_of_the_port() -> None:
    for packet in (kit.udp(SERVER, 53, OWN4, OWN_PORT), kit.tcp(SERVER, 80, OWN4, OWN_PORT)):
        out = inward(gateway(), packet)
        assert kit.outer(out) == (dmr(SERVER), OWN6)
        assert (out[6], out[7], out[40:44]) == (packet[9], 63, packet[20:24])


def test_outbound_is_translated_to_the_customers_address() -> None:
    out = outward(gateway(), kit6.udp6(OWN6, OWN_PORT, dmr(SERVER), 53))
    assert (kit.field(out, "src"), kit.field(out, "dst")) == (OWN4, SERVER)
    assert (kit.field(out, "sport"), kit.field(out, "dport"), kit.field(out, "ttl")) == (OWN_PORT, 53, 63)


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (kit6.udp6(OWN6, OWN_PORT + 4, dmr(SERVER), 53), "drop_spoofed_source"),
        (kit6.tcp6(OWN6, OTHER_PORT, dmr(SERVER), 80), "drop_spoofed_source"),
        (kit6.udp6("2001:db9::1", OWN_PORT, dmr(SERVER), 53), "drop_no_rule"),
        (echo6(OWN6, dmr(SERVER), OWN_PORT + 4), "drop_spoofed_source"),
    ],
)
def test_who_is_not_entitled_is_told(packet: bytes, reason: str) -> None:
    assert refused(gateway(), packet)[1] == [reason, "icmpv6_sent"]


def test_refusals_are_rate_limited() -> None:
    node = gateway()
    packet = kit6.udp6(OWN6, 1, dmr(SERVER), 53)
    said = [len(kit.run(node, packet, SOFTWIRE)[0]) for _ in range(200)]
    assert sum(said) == node.limits.icmp_burst
    assert kit.run(node, packet, SOFTWIRE)[1] == ["drop_spoofed_source", "icmp_suppressed"]
    assert kit.run(node, packet, SOFTWIRE, now=1.0)[0]


def test_identifier_of_the_source() -> None:
    packet = kit6.udp6(DRAFT03_6, OWN_PORT, dmr(SERVER), 53)
    out, events = kit.run(gateway(), packet, SOFTWIRE)
    assert kit.field(out[0], "src") == OWN4 and "iid_format_draft-03" in events
    assert refused(gateway(strict_iid=True), packet)[1][-2:] == ["drop_iid_mismatch", "icmpv6_sent"]
    old = gateway(interface_identifier="draft-03", strict_iid=True)
    assert kit.field(outward(old, packet), "src") == OWN4
    assert kit.outer(inward(old, kit.udp(SERVER, 53, OWN4, OWN_PORT)))[1] == DRAFT03_6


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (kit.udp(SERVER, 80, OWN4, 208), "drop_excluded_port"),
        (kit.udp(SERVER, 80, "203.0.113.1", 1232), "drop_unmapped_destination"),
        (kit.ip(SERVER, OWN4, 47, bytes(8)), "drop_no_port"),
        (kit.udp("127.0.0.1", 80, OWN4, OWN_PORT), "drop_martian_source"),
    ],
)
def test_native_drops(packet: bytes, reason: str) -> None:
    assert kit.run(gateway(), packet, NATIVE) == ([], [reason])


def test_only_the_prefix_and_the_gateway_address_are_served() -> None:
    packet = kit6.udp6(OWN6, OWN_PORT, "2001:db8:ffff:1::1", 53)
    assert kit.run(gateway(), packet, SOFTWIRE) == ([], ["drop_not_for_us"])
    packet = kit6.udp6(OWN6, OWN_PORT, BR, 53)
    assert kit.run(gateway(), packet, SOFTWIRE) == ([], ["drop_untranslatable"])


def test_well_known_prefix_carries_only_global_addresses() -> None:
    node = gateway(translation_prefix=IPv6Network("64:ff9b::/96"))
    assert inward(node, kit.udp("8.8.8.8", 53, OWN4, OWN_PORT))
    assert kit.run(node, kit.udp("10.0.0.1", 53, OWN4, OWN_PORT), NATIVE) == ([], ["drop_prefix_not_global"])
    packet = kit6.udp6(OWN6, OWN_PORT, "64:ff9b::10.0.0.1", 53)
    assert kit.run(node, packet, SOFTWIRE) == ([], ["drop_prefix_not_global"])


@pytest.mark.parametrize("length", [32, 40, 48, 56, 64, 96])
def test_every_length_of_a_dmr(length: int) -> None:
    node = gateway(translation_prefix=IPv6Network(f"2001:dc8::/{length}"))
    there = inward(node, kit.udp(SERVER, 53, OWN4, OWN_PORT))
    back = outward(node, kit6.udp6(OWN6, OWN_PORT, kit.outer(there)[0], 53))
    assert (kit.field(back, "src"), kit.field(back, "dst")) == (OWN4, SERVER)


# Prefix and full address: no ports


def test_prefix_customers_have_a_map_address_for_each_host() -> None:
    node = gateway(rules=(PREFIX_RULE,), strict_iid=True)
    for host in ("203.0.113.64", "203.0.113.69", "203.0.113.79"):
        out = inward(node, kit.ip(SERVER, host, 47, bytes(8)))
        assert kit.outer(out) == (dmr(SERVER), prefix_host(host))
        back = outward(node, kit6.ip6(prefix_host(host), dmr(SERVER), 47, bytes(8)))
        assert (kit.field(back, "src"), kit.field(back, "dst")) == (host, SERVER)
    stranger = kit6.ip6(prefix_host("203.0.113.80"), dmr(SERVER), 47, bytes(8))
    assert refused(node, stranger)[1] == ["drop_iid_mismatch", "icmpv6_sent"]


def test_full_address_needs_no_port() -> None:
    rule = kit.rule(
        ipv6_prefix=IPv6Network("2001:db8:1::/48"), ipv4_prefix=IPv4Network("203.0.113.0/24"), ea_len=8
    )
    node = gateway(rules=(rule,))
    out = inward(node, kit.udp(SERVER, 1, "203.0.113.5", 9))
    assert kit.outer(out)[1] == "2001:db8:1:500:0:cb00:7105:0"
    assert (
        kit.field(outward(node, kit6.ip6(kit.outer(out)[1], dmr(SERVER), 50, bytes(8))), "src")
        == "203.0.113.5"
    )


def test_contiguous_ports_and_explicit_psid() -> None:
    contiguous = gateway(rules=(kit.rule(psid_offset=0),))
    out = inward(contiguous, kit.udp(SERVER, 53, OWN4, 0x3401))
    assert kit.outer(out)[1] == OWN6
    single = kit.rule(
        ipv6_prefix=IPv6Network("2001:db8:12:3400::/56"),
        ipv4_prefix=IPv4Network("192.0.2.18/32"),
        ea_len=0,
        explicit_psid_len=8,
        explicit_psid=0x34,
    )
    node = gateway(rules=(single,))
    assert kit.outer(inward(node, kit.udp(SERVER, 53, OWN4, OWN_PORT)))[1] == OWN6
    assert kit.run(node, kit.udp(SERVER, 53, OWN4, OTHER_PORT), NATIVE)[1] == ["drop_excluded_port"]


# ICMP


@pytest.mark.parametrize("reply", [False, True])
def test_identifier_is_the_port_both_ways(reply: bool) -> None:
    out = inward(gateway(), kit.echo(SERVER, OWN4, OWN_PORT, reply=reply))
    assert (kit.outer(out)[1], out[40], fields6(out)[0]) == (OWN6, 129 if reply else 128, 58)
    back = outward(gateway(), echo6(OWN6, dmr(SERVER), OWN_PORT, reply=reply))
    assert (kit.field(back, "icmp")[0], kit.field(back, "icmp_id")) == (0 if reply else 8, OWN_PORT)


def test_error_from_the_internet_shows_the_customer_its_own_packet() -> None:
    sent = outward(gateway(), kit6.udp6(OWN6, OWN_PORT, dmr(SERVER), 53))
    told = inward(gateway(), kit.icmp("203.0.113.1", OWN4, 3, 3, 0, sent))
    assert (kit.outer(told), tuple(told[40:42])) == ((dmr("203.0.113.1"), OWN6), (1, 4))
    inner = told[48:]
    assert kit.outer(inner) == (OWN6, dmr(SERVER))
    assert fields6(inner) == (17, OWN_PORT, 53)
    assert kit6.wrong6(inner) == []


def test_error_from_a_customer_is_judged_by_the_packet_inside() -> None:
    received = inward(gateway(), kit.udp(SERVER, 53, OWN4, OWN_PORT))
    told = outward(gateway(), error6(OWN6, dmr(SERVER), 1, 4, received))
    assert (kit.field(told, "src"), kit.field(told, "dst"), kit.field(told, "icmp")) == (OWN4, SERVER, (3, 3))
    inner = kit.field(told, "embedded")
    assert (kit.field(inner, "src"), kit.field(inner, "dst"), kit.field(inner, "dport")) == (
        SERVER,
        OWN4,
        OWN_PORT,
    )
    forged = kit6.udp6(dmr(SERVER), 53, OWN6, OWN_PORT + 4)
    assert kit.run(gateway(), error6(OWN6, dmr(SERVER), 1, 4, forged), SOFTWIRE)[1] == [
        "drop_icmpv6_not_ours"
    ]


@pytest.mark.parametrize("router", [ROUTER, "2001:db8::99", "2001:db8:13:5600::1"])
def test_error_from_a_router_of_the_domain(router: str) -> None:
    """Also where its address looks like a customer's: it must not speak for one (RFC 6791)."""
    received = inward(gateway(), kit.udp(SERVER, 53, OWN4, OWN_PORT, bytes(1300)))
    told = outward(gateway({"icmp_source": 0xC6336401}), error6(router, dmr(SERVER), 2, 0, received, 1280))
    assert (kit.field(told, "src"), kit.field(told, "dst")) == ("198.51.100.1", SERVER)
    assert (kit.field(told, "icmp"), kit.field(told, "mtu")) == ((3, 4), 1260)
    assert kit.field(kit.field(told, "embedded"), "dst") == OWN4


def test_forged_errors() -> None:
    received = inward(gateway(), kit.udp(SERVER, 53, OWN4, OWN_PORT))
    other = kit6.udp6(dmr("203.0.113.9"), 53, OWN6, OWN_PORT)
    wrong_port = kit6.udp6(dmr(SERVER), 53, OWN6, OTHER_PORT)
    for about in (other, wrong_port):
        assert kit.run(gateway(), error6(ROUTER, dmr(SERVER), 1, 0, about), SOFTWIRE) == (
            [],
            ["drop_icmpv6_not_ours"],
        )
    assert kit.run(gateway(), error6(ROUTER, dmr(SERVER), 1, 0, received[:39]), SOFTWIRE)[1] == [
        "drop_icmpv6_truncated"
    ]
    damaged = bytearray(error6(ROUTER, dmr(SERVER), 1, 0, received))
    damaged[-1] ^= 1
    assert kit.run(gateway(), bytes(damaged), SOFTWIRE)[1] == ["drop_icmpv6_invalid"]


def test_own_errors_go_to_both_sides() -> None:
    expired = kit6.udp6(OWN6, OWN_PORT, dmr(SERVER), 53, hop_limit=1)
    (told,), events = kit.run(gateway(), expired, SOFTWIRE)
    assert (kit.outer(told), tuple(told[40:42])) == ((BR, OWN6), (3, 0))
    assert events == ["drop_ttl_expired", "icmpv6_sent"]
    (told,), _ = kit.run(gateway(), kit.udp(SERVER, 53, OWN4, OWN_PORT, ttl=1), NATIVE)
    assert (kit.field(told, "icmp"), kit.field(told, "dst")) == ((11, 0), SERVER)


def test_ping_of_the_gateway_and_through_it() -> None:
    out, events = kit.run(gateway(), echo6(ROUTER, BR, 7), SOFTWIRE)
    assert (kit.outer(out[0]), out[0][40], events) == ((BR, ROUTER), 129, ["echo_answered"])
    through = outward(gateway(), echo6(OWN6, dmr(SERVER), OWN_PORT))
    assert kit.field(through, "dst") == SERVER


# Hub and spoke


def test_hairpin_comes_from_the_dmr() -> None:
    out, events = kit.run(gateway(), kit6.udp6(OWN6, OWN_PORT, dmr(OTHER4), OTHER_PORT), SOFTWIRE)
    assert kit.outer(out[0]) == (dmr(OWN4), OTHER6)
    assert (out[0][7], kit6.wrong6(out[0]), "hairpinned" in events) == (63, [], True)
    told, _ = kit.run(gateway(), error6(OTHER6, dmr(OWN4), 1, 4, out[0]), SOFTWIRE)
    assert kit.outer(told[0]) == (dmr(OTHER4), OWN6)
    assert kit.outer(told[0][48:]) == (OWN6, dmr(OTHER4)), "as the customer sent it"
    closed = kit.run(gateway(hairpinning=False), kit6.udp6(OWN6, OWN_PORT, dmr(OTHER4), OTHER_PORT), SOFTWIRE)
    assert closed == ([], ["drop_hairpin_disabled"])


# Size


def test_too_big_is_told_and_without_df_cut() -> None:
    told, _ = kit.run(gateway(), kit.udp(SERVER, 53, OWN4, OWN_PORT, bytes(1453)), NATIVE)
    assert (kit.field(told[0], "icmp"), kit.field(told[0], "mtu")) == ((3, 4), 1480)
    assert len(inward(gateway(), kit.udp(SERVER, 53, OWN4, OWN_PORT, bytes(1452)))) == 1500
    cut, _ = kit.run(gateway(), kit.udp(SERVER, 53, OWN4, OWN_PORT, bytes(1452), df=False), NATIVE)
    assert [piece[6] for piece in cut] == [44, 44] and max(map(len, cut)) <= 1280
    whole, _ = kit.run(
        gateway(lowest_ipv6_mtu=1500), kit.udp(SERVER, 53, OWN4, OWN_PORT, bytes(1452), df=False), NATIVE
    )
    assert len(whole) == 1 and whole[0][6] == 17


@pytest.mark.parametrize("order", [1, -1])
def test_fragments_find_the_owner_in_both_directions(order: int) -> None:
    node, data = gateway(), bytes(range(200))
    out: list[bytes] = []
    for piece in kit.cut(kit.udp(SERVER, 53, OWN4, OWN_PORT, data), 64)[::order]:
        out += kit.run(node, piece, NATIVE)[0]
    assert {kit.outer(piece) for piece in out} == {(dmr(SERVER), OWN6)}
    body = b"".join(piece[48:] for piece in sorted(out, key=lambda piece: piece[42:44]))
    assert body[8:] == data and kit6.wrong6(kit6.ip6(dmr(SERVER), OWN6, 17, body)) == []
    back: list[bytes] = []
    for piece in kit.cut6(kit6.udp6(OWN6, OWN_PORT, dmr(SERVER), 53, data), 64)[::order]:
        back += kit.run(node, piece, SOFTWIRE)[0]
    joined = b"".join(piece[20:] for piece in sorted(back, key=lambda piece: piece[6:8] != b"\x20\0"))
    assert len(back) == 4 and {kit.field(piece, "src") for piece in back} == {OWN4}
    assert {struct.unpack_from("!H", piece, 4)[0] for piece in back} == {99}
    assert len(joined) == 208
    spoofed = [kit.run(node, p, SOFTWIRE)[0] for p in kit.cut6(kit6.udp6(OWN6, 1, dmr(SERVER), 53, data), 64)]
    assert not any(out and out[0][0] >> 4 == 4 for out in spoofed)


def test_mss_is_clamped() -> None:
    out = inward(gateway(mss_clamp=1440), kit.tcp(SERVER, 80, OWN4, OWN_PORT, options=b"\x02\x04\x05\xb4"))
    assert out[-2:] == (1440).to_bytes(2, "big")


def test_super_packets_stay_whole() -> None:
    packet = kit.partial(kit.tcp(SERVER, 80, OWN4, OWN_PORT, kit.ACK, bytes(5000)), 1400)
    ((out, _),), _ = gateway().process(packet, NATIVE, 0.0)
    assert out.offload is not None and (out.offload.gso_size, out.data[6]) == (1400, 6)


def test_reload_swaps_the_rules() -> None:
    node = gateway()
    moved = MAP_T | {"translation_prefix": IPv6Network("2001:db8:aaaa::/64")}
    assert node.reload(kit.service("gateway", **moved)) == []
    assert kit.outer(inward(node, kit.udp(SERVER, 53, OWN4, OWN_PORT)))[0].startswith("2001:db8:aaaa:")
