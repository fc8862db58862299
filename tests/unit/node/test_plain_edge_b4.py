# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DS-Lite B4 (RFC 6333 s5): no address translation, one gateway, its own LAN only."""

from __future__ import annotations

import json
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
from session_samples import AFTR6, AFTR_SERVICE, B4, B4_SERVICE, INSIDE, SERVER, node
from unit.packet import packetkit as kit
from unit.packet.packetkit import ACK, NATIVE, SOFTWIRE

VECTORS = Path(__file__).parents[2] / "vectors"


def b4(**changes: Any) -> Any:
    return node(B4_SERVICE, **changes)


def test_dslite_vector() -> None:
    """packets.json dslite-b4; its TTL is shown after the hop."""
    vectors = json.loads((VECTORS / "packets.json").read_text())["vectors"]
    (vector,) = [v for v in vectors if v["id"] == "dslite-b4"]
    wanted = bytes.fromhex(vector["expect"]["hex"])
    edge = node(B4_SERVICE, ttl=False, gateway_address=IPv6Address(wanted[24:40]), inside=())
    out = kit.one(edge, bytes.fromhex(vector["input"]["hex"]), NATIVE)
    assert (out[:8], out[24:]) == (wanted[:8], wanted[24:])  # the B4 has an address of our own choice
    assert kit.outer(out)[0] == B4


def test_packets_leave_unchanged_but_for_the_hop() -> None:
    out = kit.one(b4(), kit.udp(INSIDE, 5000, SERVER, 53, tos=0xB8), NATIVE)
    assert kit.outer(out) == (B4, AFTR6)
    assert int.from_bytes(out[:2], "big") >> 4 & 0xFF == 0xB8
    assert out[40:] == kit.udp(INSIDE, 5000, SERVER, 53, tos=0xB8, ttl=63)


def test_packets_come_in_unchanged_but_for_hop_and_class() -> None:
    """RFC 6333 s7.1."""
    out = kit.one(b4(), kit.tunnel(AFTR6, B4, kit.udp(SERVER, 53, INSIDE, 5000), tc=0x28), SOFTWIRE)
    assert out == kit.udp(SERVER, 53, INSIDE, 5000, ttl=63, tos=0x28)


@pytest.mark.parametrize("number", [6, 17, 47, 50, 132])
def test_any_protocol_crosses(number: int) -> None:
    body = kit.tcp_body(INSIDE, 1, SERVER, 2, ACK) if number == 6 else bytes(20)
    assert kit.one(b4(), kit.ip(INSIDE, SERVER, number, body), NATIVE)[40:] == kit.ip(
        INSIDE, SERVER, number, body, ttl=63
    )


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (kit.udp("192.168.2.1", 5000, SERVER, 53), "drop_not_inside"),
        (kit.udp("8.8.8.8", 5000, SERVER, 53), "drop_not_inside"),
        (kit.udp(INSIDE, 5000, "192.168.1.77", 53), "drop_own_destination"),
        (kit.udp(INSIDE, 5000, "192.0.0.2", 53), "drop_own_destination"),
        (kit.udp(INSIDE, 5000, "224.0.0.251", 5353), "drop_martian_destination"),
    ],
)
def test_what_never_leaves(packet: bytes, reason: str) -> None:
    assert kit.run(b4(), packet, NATIVE) == ([], [reason])


def test_the_b4_itself_may_speak() -> None:
    assert kit.one(b4(), kit.udp("192.0.0.2", 5000, SERVER, 53), NATIVE)
    assert kit.one(b4(), kit.tunnel(AFTR6, B4, kit.udp(SERVER, 53, "192.0.0.2", 5000)), SOFTWIRE)


def test_without_networks_all_sources_are_inside() -> None:
    assert kit.one(b4(inside=()), kit.udp("10.9.9.9", 5000, SERVER, 53), NATIVE)
    assert kit.one(b4(inside=()), kit.tunnel(AFTR6, B4, kit.udp(SERVER, 53, "10.9.9.9", 5000)), SOFTWIRE)


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (kit.tunnel("2001:db8:ffff::2", B4, kit.udp(SERVER, 53, INSIDE, 1)), "drop_not_gateway"),
        (kit.tunnel(AFTR6, B4, kit.udp(SERVER, 53, "192.168.2.1", 1)), "drop_wrong_address"),
        (kit.tunnel(AFTR6, B4, kit.udp("192.168.1.9", 53, INSIDE, 1)), "drop_spoofed_source"),
        (kit.tunnel(AFTR6, "2001:db8:1:100::1", kit.udp(SERVER, 53, INSIDE, 1)), "drop_not_for_us"),
        (kit.tunnel(AFTR6, B4, kit.udp(SERVER, 53, INSIDE, 1), next_header=41), "drop_next_header"),
    ],
)
def test_what_never_comes_in(packet: bytes, reason: str) -> None:
    assert kit.run(b4(), packet, SOFTWIRE) == ([], [reason])


def test_strangers_hold_no_fragments() -> None:
    for piece in kit.cut6(kit.tunnel("2001:db8:ffff::2", B4, kit.udp(SERVER, 53, INSIDE, 1, bytes(200))), 64):
        assert kit.run(b4(), piece, SOFTWIRE) == ([], ["drop_not_gateway"])


# Too big (RFC 6333 s5.3)


def test_df_too_big_is_told() -> None:
    assert kit.one(b4(), kit.udp(INSIDE, 1, SERVER, 2, bytes(1460 - 28)), NATIVE)
    error = kit.one(b4(), kit.udp(INSIDE, 1, SERVER, 2, bytes(1461 - 28)), NATIVE)
    assert (kit.field(error, "icmp"), kit.field(error, "mtu"), kit.field(error, "dst")) == (
        (3, 4),
        1460,
        INSIDE,
    )


def test_the_inner_packet_is_never_cut() -> None:
    out, _events = kit.run(b4(), kit.udp(INSIDE, 1, SERVER, 2, bytes(3000), df=False), NATIVE)
    assert [packet[6] for packet in out] == [44] * 3
    assert b"".join(p[48:] for p in out) == kit.udp(INSIDE, 1, SERVER, 2, bytes(3000), df=False, ttl=63)
    gateway = node(AFTR_SERVICE)
    whole = [p for piece in reversed(out) for p in kit.run(gateway, piece, SOFTWIRE)[0]]
    assert len(whole) == 1 and kit.checksums(whole[0]) == []


def test_super_packets_leave_as_segments_of_the_same_sums() -> None:
    big = kit.partial(kit.tcp(INSIDE, 1, SERVER, 2, ACK, bytes(14000)), 1400)
    outputs, _unused = b4().process(big, NATIVE, 0.0)
    assert len(outputs) == 10
    assert all(kit.checksums(kit.finished(p)[40:]) == [] for p, _unused in outputs)


# Errors


def test_error_of_a_router_in_the_domain_reaches_the_host() -> None:
    sent = kit.one(b4(), kit.udp(INSIDE, 5000, SERVER, 53, bytes(1400)), NATIVE)
    error = kit.one(b4(), kit.icmpv6("2001:db8:9::1", B4, 2, 0, 1400, sent[:1232]), SOFTWIRE)
    assert (kit.field(error, "icmp"), kit.field(error, "mtu"), kit.field(error, "dst")) == (
        (3, 4),
        1360,
        INSIDE,
    )
    assert kit.field(error, "embedded")[:28] == sent[40:68]


@pytest.mark.parametrize(
    "about",
    [
        kit.tunnel(B4, "2001:db8:ffff::2", kit.udp(INSIDE, 5000, SERVER, 53)),
        kit.tunnel(B4, AFTR6, kit.udp("8.8.8.8", 5000, SERVER, 53)),
    ],
)
def test_forged_errors_are_dropped(about: bytes) -> None:
    packet = kit.icmpv6("2001:db8:9::1", B4, 1, 0, 0, about)
    assert kit.run(b4(), packet, SOFTWIRE) == ([], ["drop_icmpv6_not_ours"])


def test_ttl_errors_go_to_both_sides() -> None:
    error = kit.one(b4(), kit.udp(INSIDE, 5000, SERVER, 53, ttl=1), NATIVE)
    assert (kit.field(error, "icmp"), kit.field(error, "dst")) == ((11, 0), INSIDE)
    error = kit.one(b4(), kit.tunnel(AFTR6, B4, kit.udp(SERVER, 53, INSIDE, 5000, ttl=1)), SOFTWIRE)
    assert kit.outer(error) == (B4, AFTR6)
    # Any other would not pass the gateway (RFC 6333 s11).
    assert (kit.field(error[40:], "src"), kit.field(error[40:], "dst")) == ("192.0.0.2", SERVER)


def test_ping_of_the_tunnel_end() -> None:
    (out,), events = kit.run(b4(), kit.icmpv6(SOURCE, B4, 128, 0, 1, b"x"), SOFTWIRE)
    assert events == ["echo_answered"]
    assert kit.outer(out) == (B4, SOURCE)


SOURCE = "2001:db8:9::1"


def test_reload_moves_the_tunnel_end() -> None:
    edge = b4()
    edge.reload(node(B4_SERVICE, end_user_prefix=IPv6Network("2001:db8:1:200::/56")).service)
    assert (
        kit.outer(kit.one(edge, kit.udp(INSIDE, 5000, SERVER, 53), NATIVE))[0] == "2001:db8:1:200:0:c000:2:0"
    )
