# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The MAP-T edge: NAPT in the port set, DMR and mesh, ICMP, fragments; and both ends together (RFC 7599)."""

from __future__ import annotations

import struct
from ipaddress import IPv4Network, IPv6Network
from random import Random
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.core import build_node
from map_t_samples import (
    BR,
    MAP_T,
    PREFIX_CUSTOMER,
    PREFIX_RULE,
    ROUTER,
    dmr,
    echo6,
    edge,
    error6,
    fields6,
    gateway,
    prefix_host,
)
from unit.packet import packetkit as kit
from unit.packet import translationkit as kit6
from unit.packet.packetkit import NATIVE, OTHER4, OTHER6, OTHER_PORT, OWN4, OWN6, OWN_PORT, SERVER, SOFTWIRE

A, B = "192.168.1.10", "192.168.1.11"
MESH = {"rules": (kit.rule(forwarding=True),)}


def send(node: Any, packet: bytes, now: float = 0.0) -> bytes:
    """From the LAN; the only IPv6 packet that leaves, its checksums right."""
    out, events = kit.run(node, packet, NATIVE, now)
    assert len(out) == 1 and out[0][0] >> 4 == 6, events
    assert kit6.wrong6(out[0]) == []
    return out[0]


def receive(node: Any, packet: bytes, now: float = 0.0) -> bytes:
    """From the domain; the only IPv4 packet that leaves, its checksums right."""
    out, events = kit.run(node, packet, SOFTWIRE, now)
    assert len(out) == 1 and out[0][0] >> 4 == 4, events
    assert kit.checksums(out[0]) == []
    return out[0]


def opened(node: Any, sport: int = 5000, remote: str = SERVER) -> int:
    """Make a UDP session; the outside port."""
    return fields6(send(node, kit.udp(A, sport, remote, 53)))[1]


def test_out_and_back() -> None:
    node = edge()
    out = send(node, kit.udp(A, 5000, SERVER, 53))
    assert kit.outer(out) == (OWN6, dmr(SERVER))
    assert (fields6(out)[0], fields6(out)[2], out[7]) == (17, 53, 63)
    port = fields6(out)[1]
    assert port in node.customer.ports
    back = receive(node, kit6.udp6(dmr(SERVER), 53, OWN6, port, b"answer"))
    assert (kit.field(back, "src"), kit.field(back, "dst"), kit.field(back, "dport")) == (SERVER, A, 5000)


def test_draft_03_edge() -> None:
    node = edge(interface_identifier="draft-03")
    assert kit.outer(send(node, kit.udp(A, 5000, SERVER, 53)))[0] == "2001:db8:12:3400:c0:2:1200:3400"
    assert kit.run(node, kit6.udp6(dmr(SERVER), 53, OWN6, 1232), SOFTWIRE)[1] == ["drop_not_for_us"]


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (kit6.udp6(dmr(SERVER), 53, OWN6, OWN_PORT + 4), "drop_wrong_port"),
        (kit6.udp6(dmr(SERVER), 53, OWN6, OWN_PORT), "drop_unsolicited"),
        (kit6.udp6("2001:db9::1", 53, OWN6, OWN_PORT), "drop_mesh_disabled"),
        (kit6.udp6(OTHER6, OTHER_PORT, OWN6, OWN_PORT), "drop_mesh_disabled"),
        (kit6.udp6(dmr(SERVER), 53, OTHER6, OTHER_PORT), "drop_not_for_us"),
        (kit6.udp6(dmr("127.0.0.1"), 53, OWN6, OWN_PORT), "drop_martian_source"),
    ],
)
def test_unwanted_packets_are_dropped_in_silence(packet: bytes, reason: str) -> None:
    assert kit.run(edge(), packet, SOFTWIRE) == ([], [reason])


# Mesh


def test_mesh_uses_map_addresses_and_checks_the_peer() -> None:
    node = edge(**MESH)
    out = send(node, kit.udp(A, 5000, OTHER4, OTHER_PORT))
    assert kit.outer(out) == (OWN6, OTHER6)
    port = fields6(out)[1]
    assert kit.field(receive(node, kit6.udp6(OTHER6, OTHER_PORT, OWN6, port)), "src") == OTHER4
    (told,), events = kit.run(node, kit6.udp6(OTHER6, OTHER_PORT + 4, OWN6, port), SOFTWIRE)
    assert (kit.outer(told), tuple(told[40:42])) == ((OWN6, OTHER6), (1, 5))
    assert events == ["drop_spoofed_source", "icmpv6_sent"]
    assert kit.run(node, kit.udp(A, 5000, OTHER4, 80), NATIVE)[1] == ["drop_excluded_port"]
    assert kit.run(node, kit6.udp6("2001:db9::1", 1, OWN6, port), SOFTWIRE)[1] == ["drop_no_rule"]


def test_longest_match_decides_between_peer_and_internet() -> None:
    """A DMR that holds the rules: peers are still judged as peers (RFC 7599 s8.2)."""
    node = edge(translation_prefix=IPv6Network("2001:db8::/32"), **MESH)
    out = send(node, kit.udp(A, 5000, SERVER, 53))
    assert kit.outer(out) == (OWN6, "2001:db8:c633:6407::")
    port = fields6(out)[1]
    assert receive(node, kit6.udp6("2001:db8:c633:6407::", 53, OWN6, port))
    spoofed = kit6.udp6(OTHER6, OTHER_PORT + 4, OWN6, port)
    assert kit.run(node, spoofed, SOFTWIRE)[1][0] == "drop_spoofed_source"


# ICMP


def test_ping_gets_an_identifier_of_the_set() -> None:
    node = edge()
    out = send(node, kit.echo(A, SERVER, 77))
    ident = struct.unpack_from("!H", out, 44)[0]
    assert (out[6], out[40], ident in node.customer.ports) == (58, 128, True)
    back = receive(node, echo6(dmr(SERVER), OWN6, ident, reply=True))
    assert (kit.field(back, "dst"), kit.field(back, "icmp_id")) == (A, 77)
    assert kit.run(node, echo6(dmr(SERVER), OWN6, ident), SOFTWIRE)[1] == ["drop_unsolicited"]


def test_operators_ping_the_map_address() -> None:
    out, events = kit.run(edge(), echo6(ROUTER, OWN6, 7), SOFTWIRE)
    assert (kit.outer(out[0]), events) == ((OWN6, ROUTER), ["echo_answered"])


@pytest.mark.parametrize("sender", [ROUTER, BR, dmr("203.0.113.9"), "2001:db8:13:5600::99"])
@pytest.mark.parametrize("mesh", [False, True])
def test_error_from_anywhere_about_an_own_packet_reaches_the_host(sender: str, mesh: bool) -> None:
    node = edge(**(MESH if mesh else {}))
    sent = send(node, kit.udp(A, 5000, SERVER, 53, bytes(1300)))
    told = receive(node, error6(sender, OWN6, 2, 0, sent, 1300))
    known = sender == dmr("203.0.113.9")
    assert kit.field(told, "src") == ("203.0.113.9" if known else "192.0.0.8")
    assert (kit.field(told, "dst"), kit.field(told, "icmp"), kit.field(told, "mtu")) == (A, (3, 4), 1280)
    inner = kit.field(told, "embedded")
    assert (kit.field(inner, "src"), kit.field(inner, "sport"), kit.field(inner, "dst")) == (A, 5000, SERVER)


def test_error_of_a_peer_about_a_packet_to_it() -> None:
    node = edge(**MESH)
    sent = send(node, kit.udp(A, 5000, OTHER4, OTHER_PORT))
    told = receive(node, error6(OTHER6, OWN6, 1, 4, sent))
    assert (kit.field(told, "src"), kit.field(told, "icmp")) == (OTHER4, (3, 3))


def test_forged_errors() -> None:
    node = edge()
    sent = send(node, kit.udp(A, 5000, SERVER, 53))
    port = fields6(sent)[1]
    not_sent = kit6.udp6(OWN6, port, dmr("203.0.113.9"), 53)
    assert kit.run(node, error6(ROUTER, OWN6, 1, 0, not_sent), SOFTWIRE)[1] == ["drop_no_session"]
    not_own = kit6.udp6(OTHER6, port, dmr(SERVER), 53)
    assert kit.run(node, error6(ROUTER, OWN6, 1, 0, not_own), SOFTWIRE)[1] == ["drop_icmpv6_not_ours"]
    not_there = kit6.udp6(OWN6, port, "2001:db9::1", 53)
    assert kit.run(node, error6(ROUTER, OWN6, 1, 0, not_there), SOFTWIRE)[1] == ["drop_no_rule"]


def test_error_of_an_inside_host_shows_the_outside_view() -> None:
    node = edge()
    port = opened(node)
    incoming = kit6.udp6(dmr(SERVER), 53, OWN6, port)
    received = receive(node, incoming)
    told = send(node, kit.icmp(A, SERVER, 3, 3, 0, received))
    assert (kit.outer(told), tuple(told[40:42])) == ((OWN6, dmr(SERVER)), (1, 4))
    assert (kit.outer(told[48:]), fields6(told[48:])) == ((dmr(SERVER), OWN6), (17, 53, port))
    assert kit6.wrong6(told[48:]) == []


def test_own_errors() -> None:
    node = edge()
    port = opened(node)
    (told,), _ = kit.run(node, kit6.udp6(dmr(SERVER), 53, OWN6, port, hop_limit=1), SOFTWIRE)
    assert (kit.outer(told), tuple(told[40:42])) == ((OWN6, dmr(SERVER)), (3, 0))
    (told,), _ = kit.run(node, kit.udp(A, 5000, SERVER, 53, bytes(1453)), NATIVE)
    assert (kit.field(told, "dst"), kit.field(told, "icmp"), kit.field(told, "mtu")) == (A, (3, 4), 1480)
    assert len(node.sessions()) == 1


# Fragments


@pytest.mark.parametrize("order", [1, -1])
def test_identification_comes_from_the_own_set(order: int) -> None:
    node = edge()
    out: list[bytes] = []
    for piece in kit.cut(kit.udp(A, 5000, SERVER, 53, bytes(200)), 64)[::order]:
        out += kit.run(node, piece, NATIVE)[0]
    assert len(out) == 4 and {kit.outer(piece) for piece in out} == {(OWN6, dmr(SERVER))}
    (ident,) = {struct.unpack_from("!I", piece, 44)[0] for piece in out}
    assert ident in node.customer.ports
    long, _ = kit.run(node, kit.udp(A, 5000, SERVER, 53, bytes(1400), df=False), NATIVE)
    (ident,) = {struct.unpack_from("!I", piece, 44)[0] for piece in long}
    assert len(long) == 2 and ident in node.customer.ports


@pytest.mark.parametrize("order", [1, -1])
def test_fragments_from_the_domain_reach_the_host(order: int) -> None:
    node = edge()
    port = opened(node)
    out: list[bytes] = []
    for piece in kit.cut6(kit6.udp6(dmr(SERVER), 53, OWN6, port, bytes(range(200))), 64)[::order]:
        out += kit.run(node, piece, SOFTWIRE)[0]
    assert len(out) == 4 and {kit.field(piece, "dst") for piece in out} == {A}


# Prefix customer: hosts with addresses of their own


def prefix_edge(**changes: Any) -> Any:
    values = {"rules": (PREFIX_RULE,), "end_user_prefix": PREFIX_CUSTOMER}
    inside = (IPv4Network("203.0.113.64/28"),)
    return edge(**(values | {"inside": inside} | changes))


def test_hosts_of_a_prefix_keep_their_addresses() -> None:
    node = prefix_edge()
    out = send(node, kit.udp("203.0.113.70", 5000, SERVER, 53))
    assert (kit.outer(out), fields6(out)[1]) == ((prefix_host("203.0.113.70"), dmr(SERVER)), 5000)
    back = receive(node, kit6.udp6(dmr(SERVER), 53, prefix_host("203.0.113.70"), 5000))
    assert (kit.field(back, "dst"), kit.field(back, "dport")) == ("203.0.113.70", 5000)
    astray = kit6.udp6(dmr(SERVER), 53, prefix_host("203.0.113.80"), 5000)
    assert kit.run(node, astray, SOFTWIRE)[1] == ["drop_not_for_us"]


def test_hosts_of_two_prefixes_meet_in_the_mesh() -> None:
    mesh = (
        kit.rule(
            ipv6_prefix=PREFIX_RULE.ipv6_prefix,
            ipv4_prefix=PREFIX_RULE.ipv4_prefix,
            ea_len=4,
            forwarding=True,
        ),
    )
    one = prefix_edge(rules=mesh)
    two = prefix_edge(
        rules=mesh,
        end_user_prefix=IPv6Network("2001:db8:8050::/44"),
        inside=(IPv4Network("203.0.113.80/28"),),
    )
    out = send(one, kit.udp("203.0.113.70", 5000, "203.0.113.85", 53))
    there = receive(two, out)
    assert (kit.field(there, "src"), kit.field(there, "dst")) == ("203.0.113.70", "203.0.113.85")


# Both ends


@pytest.mark.parametrize("seed", range(20))
def test_there_and_back_over_both_ends(seed: int) -> None:
    """What an inside host sends comes out of the relay as from the NAPT alone, and the answer comes home."""
    rng = Random(seed)
    ce, br = edge({"decrement_ttl": False}), gateway({"decrement_ttl": False})
    for _ in range(30):
        sport, dport, data = (
            rng.randrange(1024, 65536),
            rng.randrange(1, 65536),
            rng.randbytes(rng.randrange(1200)),
        )
        make = rng.choice([kit.udp, lambda *a, **k: kit.tcp(*a[:4], kit.SYN, a[4], **k)])
        head = {"tos": rng.randrange(256), "ttl": rng.randrange(1, 256), "df": len(data) > 1200}
        sent = make(A, sport, SERVER, dport, data, **head)
        across = send(ce, sent)
        outside = kit.run(br, across, SOFTWIRE)[0][0]
        port = kit.field(outside, "sport")
        expect = make(OWN4, port, SERVER, dport, data, **head)
        assert (
            outside[:4] + outside[6:10] + outside[12:]
            == expect[:4] + outside[6:8] + expect[8:10] + expect[12:]
        )
        answer = make(SERVER, dport, OWN4, port, data, **head)
        home = receive(ce, kit.run(br, answer, NATIVE)[0][0])
        wanted = make(SERVER, dport, A, sport, data, **head)
        assert home[8:10] + home[12:] == wanted[8:10] + wanted[12:]


def test_edges_and_relay_agree_on_random_rules() -> None:
    """Every edge's packets are accepted by a strict relay, and its answers find the edge."""
    rng = Random(7599)
    for _ in range(200):
        rule = kit.rule(
            ipv4_prefix=IPv4Network((rng.getrandbits(8) << 16 | 0xC6000000, 16)),
            ea_len=rng.choice([8, 12, 16, 20, 24]),
            psid_offset=rng.choice([0, 4, 6]),
        )
        prefix = rule.nth_prefix(rng.randrange(rule.customer_count))
        inside = () if rule.kind != "prefix" else (rule.customer(prefix).ipv4,)
        form = rng.choice(["rfc7597", "draft-03"])
        values = MAP_T | {"rules": (rule,), "interface_identifier": form}
        ce = edge(**(values | {"end_user_prefix": prefix, "inside": inside}))
        br = gateway(**(values | {"strict_iid": True}))
        host = str(rng.choice(list(inside[0]))) if inside else A
        across = send(ce, kit.udp(host, 5000, SERVER, 53))
        outside = kit.run(br, across, SOFTWIRE)[0][0]
        assert kit.checksums(outside) == []
        own, port = kit.field(outside, "src"), kit.field(outside, "sport")
        back = kit.run(br, kit.udp(SERVER, 53, own, port), NATIVE)[0][0]
        assert kit.outer(back)[1] == kit.outer(across)[0]
        assert kit.field(receive(ce, back), "dst") == host


def test_reload_from_hub_to_mesh_keeps_sessions() -> None:
    node = edge()
    port = opened(node)
    node.reload(kit.service("edge", **(MAP_T | MESH)))
    assert receive(node, kit6.udp6(dmr(SERVER), 53, OWN6, port))
    assert kit.outer(send(node, kit.udp(B, 5000, OTHER4, OTHER_PORT)))[1] == OTHER6


def test_services_without_a_prefix_cannot_be_built() -> None:
    with pytest.raises(ValueError, match="translation prefix"):
        build_node(kit.service("edge", **(MAP_T | {"translation_prefix": None})), rng=Random(1))
