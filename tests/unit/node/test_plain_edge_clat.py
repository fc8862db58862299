# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The CLAT of 464XLAT (RFC 6877 s6.3), alone and with a PLAT."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.eam import Eam
from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import WELL_KNOWN
from session_samples import (
    CLAT_SERVICE,
    INSIDE,
    PLAT_SERVICE,
    ROUTER6,
    SERVER,
    cut6,
    echo6,
    in_clat,
    in_prefix,
    node,
    ports6,
    tcp6,
)
from unit.packet import packetkit as kit
from unit.packet import translationkit as kit6
from unit.packet.packetkit import ACK, NATIVE, SOFTWIRE, SYN

HOST6, SERVER6, OWN6 = in_clat(INSIDE), in_prefix(SERVER), in_clat("192.0.0.2")
OPERATOR6 = "2001:db8:9::9"
MAPPED = Eam(IPv4Network("198.51.100.64/26"), IPv6Network("2001:db8:aa::/122"))
OWN_MAPPED = Eam(IPv4Network("192.168.1.128/25"), IPv6Network("2001:db8:bb::/121"))


def clat(**changes: Any) -> Any:
    return node(CLAT_SERVICE, **changes)


def out6(edge: Any, packet: bytes) -> bytes:
    (out,), events = kit.run(edge, packet, NATIVE)
    assert kit6.wrong6(out) == [], events
    return out


def test_address_of_the_rfc() -> None:
    """RFC 6877 App. A: 192.168.1.2 in 2001:db8:aaaa::/96, the Internet in 2001:db8:1234::/96."""
    edge = clat(
        end_user_prefix=IPv6Network("2001:db8:aaaa::/96"),
        translation_prefix=IPv6Network("2001:db8:1234::/96"),
    )
    out = out6(edge, kit.udp("192.168.1.2", 5000, "198.51.100.1", 53))
    assert kit.outer(out) == ("2001:db8:aaaa::c0a8:102", "2001:db8:1234::c633:6401")


def test_there_and_back() -> None:
    edge = clat()
    out = out6(edge, kit.udp(INSIDE, 5000, SERVER, 53, b"question", tos=0xB8))
    assert (kit.outer(out), ports6(out), out[48:]) == ((HOST6, SERVER6), (5000, 53), b"question")
    assert (int.from_bytes(out[:2], "big") >> 4 & 0xFF, out[7]) == (0xB8, 63)
    back = kit.one(edge, kit6.udp6(SERVER6, 53, HOST6, 5000, b"answer", tc=0x28), SOFTWIRE)
    assert (kit.field(back, "src"), kit.field(back, "dst"), back[28:]) == (SERVER, INSIDE, b"answer")
    assert (back[1], kit.field(back, "ttl")) == (0x28, 63)


def test_ping_and_tcp() -> None:
    edge = clat()
    assert out6(edge, kit.echo(INSIDE, SERVER, 7))[40:] == echo6(HOST6, SERVER6, 7)[40:]
    assert (
        kit.one(edge, echo6(SERVER6, HOST6, 7, reply=True), SOFTWIRE)[20:]
        == kit.echo(SERVER, INSIDE, 7, reply=True)[20:]
    )
    assert out6(edge, kit.tcp(INSIDE, 5000, SERVER, 80))[53] == SYN
    assert kit.one(edge, tcp6(SERVER6, 80, HOST6, 5000, SYN | ACK), SOFTWIRE)[33] == SYN | ACK


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (kit.udp("192.168.2.1", 5000, SERVER, 53), "drop_not_inside"),
        (kit.udp(INSIDE, 5000, "192.168.1.77", 53), "drop_own_destination"),
        (kit.udp(INSIDE, 5000, "192.0.0.2", 53), "drop_own_destination"),
        (kit.udp(INSIDE, 5000, "224.0.0.251", 5353), "drop_martian_destination"),
    ],
)
def test_what_never_leaves(packet: bytes, reason: str) -> None:
    assert kit.run(clat(), packet, NATIVE) == ([], [reason])


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (kit6.udp6(OPERATOR6, 53, HOST6, 5000), "drop_untranslatable"),
        (kit6.udp6(in_clat("192.168.1.9"), 53, HOST6, 5000), "drop_spoofed_source"),
        (kit6.udp6(in_prefix(INSIDE), 53, HOST6, 5000), "drop_spoofed_source"),
        (kit6.udp6(SERVER6, 53, in_clat("192.168.2.1"), 5000), "drop_wrong_address"),
        (kit6.udp6(SERVER6, 53, "2001:db8:1:101::1", 5000), "drop_not_for_us"),
    ],
)
def test_what_never_comes_in(packet: bytes, reason: str) -> None:
    assert kit.run(clat(), packet, SOFTWIRE) == ([], [reason])


def test_the_well_known_prefix_carries_global_addresses_only() -> None:
    edge = clat(translation_prefix=WELL_KNOWN)
    assert kit.run(edge, kit.udp(INSIDE, 1, "10.1.2.3", 2), NATIVE) == ([], ["drop_prefix_not_global"])
    assert out6(edge, kit.udp(INSIDE, 1, "8.8.8.8", 2))


def test_without_networks_all_sources_are_inside() -> None:
    edge = clat(inside=())
    out = out6(edge, kit.udp("10.9.9.9", 5000, SERVER, 53))
    assert kit.outer(out) == (in_clat("10.9.9.9"), SERVER6)
    back = kit.one(edge, kit6.udp6(SERVER6, 53, in_clat("10.9.9.9"), 5000), SOFTWIRE)
    assert (kit.field(back, "src"), kit.field(back, "dst")) == (SERVER, "10.9.9.9")


# Explicit mappings (RFC 7757)


def test_a_mapped_server_is_reached_without_the_plat() -> None:
    edge = clat(eam=(MAPPED,))
    assert kit.outer(out6(edge, kit.udp(INSIDE, 5000, "198.51.100.70", 53))) == (HOST6, "2001:db8:aa::6")
    assert kit.outer(out6(edge, kit.udp(INSIDE, 5000, SERVER, 53))) == (HOST6, SERVER6)
    back = kit.one(edge, kit6.udp6("2001:db8:aa::6", 53, HOST6, 5000), SOFTWIRE)
    assert kit.field(back, "src") == "198.51.100.70"


def test_a_mapped_inside_host_has_its_own_address() -> None:
    edge = clat(eam=(OWN_MAPPED,))
    assert kit.outer(out6(edge, kit.udp("192.168.1.130", 5000, SERVER, 53))) == ("2001:db8:bb::2", SERVER6)
    back = kit.one(edge, kit6.udp6(SERVER6, 53, "2001:db8:bb::2", 5000), SOFTWIRE)
    assert kit.field(back, "dst") == "192.168.1.130"
    spoofed = kit6.udp6("2001:db8:bb::3", 53, HOST6, 5000)
    assert kit.run(edge, spoofed, SOFTWIRE) == ([], ["drop_spoofed_source"])


# Errors


def test_error_from_the_internet() -> None:
    edge = clat()
    sent = out6(edge, kit.udp(INSIDE, 5000, SERVER, 53))
    error = kit.one(edge, kit6.icmp6(SERVER6, HOST6, 1, 4, 0, sent), SOFTWIRE)
    assert (kit.field(error, "src"), kit.field(error, "dst"), kit.field(error, "icmp")) == (
        SERVER,
        INSIDE,
        (3, 3),
    )
    inner = kit.field(error, "embedded")
    assert (kit.field(inner, "src"), kit.field(inner, "sport")) == (INSIDE, 5000)
    assert (kit.field(inner, "dst"), kit.checksums(inner)) == (SERVER, [])


def test_error_of_a_router_in_the_domain() -> None:
    """RFC 6791."""
    edge = clat()
    sent = out6(edge, kit.udp(INSIDE, 5000, SERVER, 53, bytes(1400)))
    error = kit.one(edge, kit6.icmp6(OPERATOR6, HOST6, 2, 0, 1400, sent[:1200]), SOFTWIRE)
    assert (kit.field(error, "src"), kit.field(error, "icmp"), kit.field(error, "mtu")) == (
        "192.0.0.8",
        (3, 4),
        1380,
    )


def test_error_of_an_inside_host() -> None:
    edge = clat()
    came = kit.one(edge, kit6.udp6(SERVER6, 53, HOST6, 5000), SOFTWIRE)
    error = out6(edge, kit.icmp(INSIDE, SERVER, 3, 3, 0, came))
    assert (kit.outer(error), error[40], error[41]) == ((HOST6, SERVER6), 1, 4)
    inner = error[48:]
    assert (kit.outer(inner), ports6(inner)) == ((SERVER6, HOST6), (53, 5000))
    assert kit6.wrong6(inner) == []


def test_own_errors() -> None:
    edge = clat()
    error = kit.one(edge, kit.udp(INSIDE, 5000, SERVER, 53, ttl=1), NATIVE)
    assert (kit.field(error, "icmp"), kit.field(error, "dst")) == ((11, 0), INSIDE)
    (out,), _events = kit.run(edge, kit6.udp6(SERVER6, 53, HOST6, 5000, hop_limit=1), SOFTWIRE)
    assert (out[40], out[41], kit.outer(out)) == (3, 0, (OWN6, SERVER6))
    assert kit6.wrong6(out) == []


def test_own_address_answers_pings() -> None:
    (out,), events = kit.run(clat(), echo6(ROUTER6, OWN6, 7), SOFTWIRE)
    assert (kit.outer(out), events) == ((OWN6, ROUTER6), ["echo_answered"])


# Sizes


def test_too_big_is_told() -> None:
    edge = clat()
    assert out6(edge, kit.udp(INSIDE, 1, SERVER, 2, bytes(1480 - 28)))
    error = kit.one(edge, kit.udp(INSIDE, 1, SERVER, 2, bytes(1481 - 28)), NATIVE)
    assert (kit.field(error, "icmp"), kit.field(error, "mtu")) == ((3, 4), 1480)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0)])
def test_fragments_cross_one_by_one(order: tuple[int, ...]) -> None:
    edge = clat()
    cut = kit.cut(kit.udp(INSIDE, 1, SERVER, 2, bytes(240)), 96)
    assert [kit.run(edge, cut[i], NATIVE)[0][0][6] for i in order] == [44] * 3
    pieces = cut6(kit6.udp6(SERVER6, 2, HOST6, 1, bytes(240)), 96)
    out = [kit.one(edge, pieces[i], SOFTWIRE) for i in order]
    assert {kit.field(p, "ident") for p in out} == {0x5678}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_pings_in_pieces_are_put_together(order: tuple[int, ...]) -> None:
    """ICMPv6 sums up its length too; without DF what was cut may be cut again (RFC 6146 s3.4)."""
    edge = clat()
    cut = kit.cut(kit.icmp(INSIDE, SERVER, 8, 0, 7 << 16, bytes(240)), 88)
    (out,) = (p for i in order for p in kit.run(edge, cut[i], NATIVE)[0])
    assert kit6.wrong6(out) == []
    assert out[40:] == kit6.icmp6(HOST6, SERVER6, 128, 0, 7 << 16, bytes(240))[40:]
    pieces = cut6(kit6.icmp6(SERVER6, HOST6, 129, 0, 7 << 16, bytes(1440)), 512)
    (back,) = (p for i in order for p in kit.run(edge, pieces[i], SOFTWIRE)[0])
    assert kit.checksums(back) == []
    assert back[20:] == kit.icmp(SERVER, INSIDE, 0, 0, 7 << 16, bytes(1440))[20:]
    assert int.from_bytes(back[6:8], "big") == 0


def test_pings_in_pieces_that_overlap_are_given_up() -> None:
    """RFC 5722, RFC 1858."""
    edge = clat()
    cut = kit.cut(kit.icmp(INSIDE, SERVER, 8, 0, 7 << 16, bytes(240)), 88)
    over = kit.ip(INSIDE, SERVER, 1, bytes(88), df=False, mf=True, offset=80)
    assert kit.run(edge, cut[0], NATIVE)[1] == ["fragment_held"]
    assert kit.run(edge, over, NATIVE)[1] == ["drop_fragment_overlap"]
    assert [kit.run(edge, piece, NATIVE)[1] for piece in cut[1:]] == [["drop_fragment_broken_chain"]] * 2


def test_ping_of_the_edge_itself_in_pieces_is_answered() -> None:
    edge, asked = clat(), cut6(kit6.icmp6(OPERATOR6, OWN6, 128, 0, 7 << 16, bytes(3000)), 1400)
    *held, (out, events) = (kit.run(edge, piece, SOFTWIRE) for piece in asked)
    assert [answer for answer, _unused in held] == [[], []]
    assert events == ["reassembled", "echo_answered"]
    assert {kit.outer(packet) for packet in out} == {(OWN6, OPERATOR6)}


def test_super_packets_cross_whole_both_ways() -> None:
    edge = clat()
    up = kit.partial(kit.tcp(INSIDE, 1, SERVER, 2, ACK, bytes(14000)), 1400)
    ((packet, link),), _events = edge.process(up, NATIVE, 0.0)
    assert link is SOFTWIRE and packet.offload.gso_size == 1400
    assert kit6.wrong6(kit.finished(packet)) == []
    down = kit6.partial6(tcp6(SERVER6, 2, HOST6, 1, ACK, bytes(14000)), 1400)
    ((packet, link),), _events = edge.process(down, SOFTWIRE, 0.0)
    assert link is NATIVE and packet.offload.gso_size == 1400
    assert kit.checksums(kit.finished(packet)) == []


# With a PLAT


@pytest.mark.parametrize("size", [10, 1400, 4000])
def test_through_both_and_back(size: int) -> None:
    edge, gateway = clat(), node(PLAT_SERVICE)
    domain, _unused = kit.run(edge, kit.udp(INSIDE, 5000, SERVER, 53, bytes(size), df=False), NATIVE)
    internet = [p for packet in domain for p in kit.run(gateway, packet, SOFTWIRE)[0]]
    first = next(p for p in internet if not int.from_bytes(p[6:8], "big") & 0x1FFF)
    outside = kit.field(first, "src"), kit.field(first, "sport")
    domain, _unused = kit.run(gateway, kit.udp(SERVER, 53, *outside, bytes(size), df=False), NATIVE)
    home = [p for packet in domain for p in kit.run(edge, packet, SOFTWIRE)[0]]
    assert {(kit.field(p, "src"), kit.field(p, "dst")) for p in home} == {(SERVER, INSIDE)}
    parts = sorted(home, key=lambda p: int.from_bytes(p[6:8], "big") & 0x1FFF)
    whole = kit.ip(SERVER, INSIDE, 17, b"".join(p[20:] for p in parts))
    assert kit.checksums(whole) == [] and len(whole) == size + 28
    assert kit.field(whole, "dport") == 5000


def test_clat_to_clat_goes_by_the_plat() -> None:
    """RFC 6877 s5."""
    gateway = node(PLAT_SERVICE, filtering="endpoint-independent")
    near, far = clat(), clat(end_user_prefix=IPv6Network("2001:db8:1:200::/64"))
    opened = kit.one(gateway, out6(far, kit.udp(INSIDE, 7000, SERVER, 53)), SOFTWIRE)
    target = kit.field(opened, "src"), kit.field(opened, "sport")
    (turned,), events = kit.run(gateway, out6(near, kit.udp(INSIDE, 5000, *target)), SOFTWIRE)
    assert "hairpinned" in events
    came = kit.one(far, turned, SOFTWIRE)
    assert (kit.field(came, "dst"), kit.field(came, "dport")) == (INSIDE, 7000)
