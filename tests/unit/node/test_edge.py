# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The MAP-E edge: NAPT in the port set, mesh, filtering, ICMP, timers (RFC 7597 s8 and s9)."""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Network
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.core import Limits
from ansible_collections.ipv4aas.fleet.engine.techniques.service import PortForward
from unit.packet import packetkit as kit
from unit.packet.packetkit import (
    ACK,
    BR,
    FIN,
    NATIVE,
    OTHER4,
    OTHER6,
    OTHER_PORT,
    OWN4,
    OWN6,
    OWN_PORT,
    RST,
    SERVER,
    SOFTWIRE,
    SYN,
)

A, B = "192.168.1.10", "192.168.1.11"
MESH = {"rules": (kit.rule(forwarding=True),)}


def send(node: Any, packet: bytes, now: float = 0.0) -> bytes:
    """From the LAN; the IPv4 packet that leaves in the tunnel."""
    out = kit.one(node, packet, NATIVE, now)
    assert kit.outer(out) == (OWN6, BR)
    return out[40:]


def receive(node: Any, packet: bytes, now: float = 0.0, via: str = BR) -> tuple[list[bytes], list[str]]:
    return kit.run(node, kit.tunnel(via, OWN6, packet), SOFTWIRE, now)


def opened(node: Any, sport: int = 5000, host: str = A, remote: str = SERVER, now: float = 0.0) -> int:
    """Make a UDP session; the outside port."""
    return int(kit.field(send(node, kit.udp(host, sport, remote, 53), now), "sport"))


# Out and back


def test_out_and_back() -> None:
    node = kit.edge()
    packet = send(node, kit.udp(A, 5000, SERVER, 53))
    port = kit.field(packet, "sport")
    assert (kit.field(packet, "src"), kit.field(packet, "dst"), kit.field(packet, "dport")) == (
        OWN4,
        SERVER,
        53,
    )
    assert port in node.customer.ports
    assert kit.field(packet, "ttl") == 63
    out, events = receive(node, kit.udp(SERVER, 53, OWN4, port, b"answer"))
    assert out == [kit.udp(SERVER, 53, A, 5000, b"answer", ttl=63)]
    assert events == ["decapsulated"]


def test_mapping_is_endpoint_independent_and_ports_are_not_shared() -> None:
    node = kit.edge()
    assert opened(node) == opened(node, remote="203.0.113.9")
    assert opened(node, host=B) != opened(node)


@pytest.mark.parametrize("sport", [5000, 5001])
def test_parity_and_preservation(sport: int) -> None:
    assert opened(kit.edge(), sport) % 2 == sport % 2
    assert opened(kit.edge(), OWN_PORT + 1) == OWN_PORT + 1


def test_ports_are_drawn_over_the_whole_set() -> None:
    node = kit.edge()
    ports = {opened(node, sport) for sport in range(10000, 10252)}
    assert ports == {port for low, high in node.customer.ports.ranges() for port in range(low, high + 1)}


def test_exhaustion_drops_the_new_and_keeps_the_old() -> None:
    node = kit.edge()
    first = opened(node, 10000)
    for sport in range(10001, 10252):
        opened(node, sport)
    out, events = kit.run(node, kit.udp(A, 20000, SERVER, 53), NATIVE)
    assert events == ["drop_ports_exhausted", "icmp_sent"]
    assert (kit.field(out[0], "icmp"), kit.field(out[0], "dst")) == ((3, 13), A)
    assert opened(node, 10000) == first
    assert node.expire(301.0) == ["session_expired"] * 252
    assert opened(node, 20000, now=302.0)


def test_session_limit() -> None:
    node = kit.edge({"limits": Limits(sessions=2)})
    opened(node, 1), opened(node, 2)
    assert kit.run(node, kit.udp(A, 3, SERVER, 53), NATIVE)[1][0] == "drop_session_limit"


def test_zero_udp_checksum_stays_zero() -> None:
    packet = bytearray(kit.udp(A, 5000, SERVER, 53))
    packet[26:28] = b"\0\0"
    assert send(kit.edge(), bytes(packet))[26:28] == b"\0\0"


def test_undone_checksum_is_adjusted_as_a_partial_sum() -> None:
    for gso in (0, 100):
        packet = kit.tcp(A, 5000, SERVER, 80, SYN if not gso else ACK, b"" if not gso else bytes(350))
        node = kit.edge()
        send(node, kit.tcp(A, 5000, SERVER, 80))
        outputs, _ = node.process(kit.partial(packet, gso), NATIVE, 0.0)
        assert len(outputs) == (4 if gso else 1)
        assert all(kit.checksums(kit.finished(out)[40:]) == [] for out, _ in outputs)


def test_sources_outside_the_inside_networks() -> None:
    assert kit.run(kit.edge(), kit.udp("10.1.1.1", 1, SERVER, 2), NATIVE)[1] == ["drop_not_inside"]
    assert kit.run(kit.edge(), kit.udp(OWN4, OWN_PORT, SERVER, 2), NATIVE)[1] == ["drop_not_inside"]
    assert kit.one(kit.edge(inside=()), kit.udp("10.1.1.1", 1, SERVER, 2), NATIVE)


def test_other_protocols_are_not_translated() -> None:
    assert kit.run(kit.edge(), kit.ip(A, SERVER, 47, bytes(8)), NATIVE)[1] == ["drop_protocol_unsupported"]


# Filtering


def test_address_dependent_filtering_is_the_default() -> None:
    node = kit.edge()
    port = opened(node)
    assert receive(node, kit.udp(SERVER, 9999, OWN4, port))[0]
    assert receive(node, kit.udp("203.0.113.9", 53, OWN4, port)) == ([], ["drop_filtered"])


def test_endpoint_independent_filtering() -> None:
    node = kit.edge(filtering="endpoint-independent")
    assert receive(node, kit.udp("203.0.113.9", 53, OWN4, opened(node)))[0]


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (kit.udp(SERVER, 53, OWN4, OWN_PORT), "drop_unsolicited"),
        (kit.tcp(SERVER, 53, OWN4, OWN_PORT), "drop_unsolicited"),
        (kit.echo(SERVER, OWN4, OWN_PORT), "drop_unsolicited"),
        (kit.udp(SERVER, 53, OWN4, OWN_PORT + 4), "drop_wrong_port"),
        (kit.udp(SERVER, 53, OTHER4, OWN_PORT), "drop_wrong_address"),
    ],
)
def test_unwanted_packets_are_dropped_in_silence(packet: bytes, reason: str) -> None:
    assert receive(kit.edge(), packet) == ([], [reason])


def test_port_forward() -> None:
    node = kit.edge(port_forwards=(PortForward("tcp", OWN_PORT, IPv4Address(A), 80),))
    out, _ = receive(node, kit.tcp("203.0.113.9", 4444, OWN4, OWN_PORT))
    assert (kit.field(out[0], "dst"), kit.field(out[0], "dport")) == (A, 80)
    back = send(node, kit.tcp(A, 80, "203.0.113.9", 4444, SYN | ACK))
    assert (kit.field(back, "src"), kit.field(back, "sport")) == (OWN4, OWN_PORT)


def test_port_forwards_that_cannot_work() -> None:
    with pytest.raises(ValueError, match="not in the own port set"):
        kit.edge(port_forwards=(PortForward("tcp", 80, IPv4Address(A), 80),))
    twice = tuple(PortForward("udp", OWN_PORT + i, IPv4Address(A), 80) for i in range(2))
    with pytest.raises(ValueError, match="same inside address"):
        kit.edge(port_forwards=twice)


# Hairpin and mesh


def test_hairpin_shows_the_outside_address() -> None:
    node = kit.edge()
    port_b = opened(node, 6000, host=B)
    out = kit.one(node, kit.udp(A, 5000, OWN4, port_b), NATIVE)
    assert (kit.field(out, "src"), kit.field(out, "dst"), kit.field(out, "dport")) == (OWN4, B, 6000)
    back = kit.one(node, kit.udp(B, 6000, OWN4, kit.field(out, "sport")), NATIVE)
    assert (kit.field(back, "src"), kit.field(back, "sport"), kit.field(back, "dst")) == (OWN4, port_b, A)
    error = kit.icmp(B, OWN4, 3, 3, 0, out[:28])
    told = kit.one(node, error, NATIVE)
    assert (kit.field(told, "src"), kit.field(told, "dst")) == (OWN4, A)
    inner = kit.field(told, "embedded")
    assert (kit.field(inner, "src"), kit.field(inner, "sport")) == (A, 5000)
    assert (kit.field(inner, "dst"), kit.field(inner, "dport")) == (OWN4, port_b)


def test_mesh_goes_straight_to_the_peer_and_checks_it() -> None:
    node = kit.edge(**MESH)
    out = kit.one(node, kit.udp(A, 5000, OTHER4, OTHER_PORT), NATIVE)
    assert kit.outer(out) == (OWN6, OTHER6)
    port = kit.field(out[40:], "sport")
    assert receive(node, kit.udp(OTHER4, OTHER_PORT, OWN4, port), via=OTHER6)[0]
    for spoofed in (kit.udp(SERVER, 53, OWN4, port), kit.udp(OTHER4, OTHER_PORT + 4, OWN4, port)):
        assert receive(node, spoofed, via=OTHER6) == ([], ["drop_spoofed_source"])
    assert kit.run(node, kit.udp(A, 5000, OTHER4, 80), NATIVE)[1] == ["drop_excluded_port"]


def test_without_mesh_only_the_gateway_may_send() -> None:
    node = kit.edge()
    out = kit.one(node, kit.udp(A, 5000, OTHER4, OTHER_PORT), NATIVE)
    assert kit.outer(out) == (OWN6, BR)
    assert receive(node, kit.udp(OTHER4, OTHER_PORT, OWN4, OWN_PORT), via=OTHER6)[1] == ["drop_mesh_disabled"]


def test_only_the_own_tunnel_address_is_served_and_pinged() -> None:
    node = kit.edge()
    assert kit.run(node, kit.tunnel(BR, OTHER6, bytes(40)), SOFTWIRE)[1] == ["drop_not_for_us"]
    assert kit.run(node, kit.icmpv6(BR, OWN6, 128, 0, 1, b""), SOFTWIRE)[1] == ["echo_answered"]


# ICMP


def test_ping_uses_an_identifier_of_the_set() -> None:
    node = kit.edge()
    out = send(node, kit.echo(A, SERVER, 77))
    ident = kit.field(out, "icmp_id")
    assert ident in node.customer.ports
    assert ident != kit.field(send(node, kit.echo(B, SERVER, 77)), "icmp_id")
    back, _ = receive(node, kit.echo(SERVER, OWN4, ident, reply=True))
    assert back == [kit.echo(SERVER, A, 77, reply=True, ttl=63)]
    assert receive(node, kit.echo("203.0.113.9", OWN4, ident, reply=True))[1] == ["drop_filtered"]
    assert receive(node, kit.echo(SERVER, OWN4, ident))[1] == ["drop_unsolicited"]


@pytest.mark.parametrize("kept", [28, 36, 1000])
@pytest.mark.parametrize(
    "packet", [kit.udp(A, 5000, SERVER, 53), kit.tcp(A, 5000, SERVER, 80), kit.echo(A, SERVER, 7)]
)
def test_inbound_icmp_error_is_turned_back(packet: bytes, kept: int) -> None:
    node = kit.edge()
    sent = send(node, packet)
    error = kit.icmp("203.0.113.1", OWN4, 11, 0, 0, sent[:kept])
    out, _ = receive(node, error)
    assert kit.checksums(out[0]) == []
    assert (kit.field(out[0], "src"), kit.field(out[0], "dst")) == ("203.0.113.1", A)
    inner = kit.field(out[0], "embedded")
    wanted = packet[:8] + b"\x3f" + packet[9:10] + inner[10:12] + packet[12:]
    assert inner[:36] == wanted[: len(inner)][:36]
    if kept == 1000:
        assert kit.checksums(inner) == []


def test_outbound_icmp_error_is_turned() -> None:
    node = kit.edge()
    port = opened(node)
    incoming, _ = receive(node, kit.udp(SERVER, 53, OWN4, port))
    for sender in (A, "192.168.9.9"):  # the host, or a router before it
        out = send(node, kit.icmp(sender, SERVER, 3, 3, 0, incoming[0]))
        assert (kit.field(out, "src"), kit.field(out, "icmp")) == (OWN4, (3, 3))
        inner = kit.field(out, "embedded")
        assert (kit.field(inner, "dst"), kit.field(inner, "dport")) == (OWN4, port)
        assert kit.checksums(inner) == []


def test_icmp_error_without_session_or_with_bad_sums() -> None:
    node = kit.edge()
    sent = send(node, kit.udp(A, 5000, SERVER, 53))
    other = kit.udp(OWN4, kit.field(sent, "sport"), "203.0.113.9", 53)
    assert receive(node, kit.icmp(SERVER, OWN4, 3, 3, 0, other))[1] == ["drop_no_session"]
    bad = kit.icmp(SERVER, OWN4, 3, 3, 0, sent)
    assert receive(node, bad[:-1] + b"?")[1] == ["drop_icmp_checksum"]
    assert receive(node, kit.icmp(SERVER, OWN4, 3, 3, 0, b"\x45\1" + sent[2:]))[1] == ["drop_icmp_checksum"]


def test_icmp_never_ends_or_refreshes_a_session() -> None:
    node = kit.edge()
    sent = send(node, kit.udp(A, 5000, SERVER, 53))
    assert receive(node, kit.icmp(SERVER, OWN4, 3, 3, 0, sent), now=100.0)[0]
    assert receive(node, kit.udp(SERVER, 53, OWN4, kit.field(sent, "sport")), now=299.0)[0]
    node = kit.edge()
    sent = send(node, kit.udp(A, 5000, SERVER, 53))
    receive(node, kit.icmp(SERVER, OWN4, 3, 3, 0, sent), now=100.0)
    assert node.expire(301.0) == ["session_expired"]


def test_icmpv6_error_about_a_sent_packet_reaches_the_host() -> None:
    node = kit.edge()
    sent = kit.one(node, kit.udp(A, 5000, SERVER, 53, bytes(1300)), NATIVE)
    out = kit.one(node, kit.icmpv6("2001:db8::99", OWN6, 2, 0, 1300, sent[:1232]), SOFTWIRE)
    assert (kit.field(out, "dst"), kit.field(out, "icmp"), kit.field(out, "mtu")) == (A, (3, 4), 1260)
    inner = kit.field(out, "embedded")
    assert (kit.field(inner, "src"), kit.field(inner, "sport")) == (A, 5000)


def test_too_big_and_expired_packets_are_reported_with_the_inside_view() -> None:
    node = kit.edge()
    out = kit.one(node, kit.udp(A, 5000, SERVER, 53, bytes(1433)), NATIVE)
    assert (kit.field(out, "dst"), kit.field(out, "mtu")) == (A, 1460)
    assert kit.field(kit.field(out, "embedded"), "src") == A
    assert not node.sessions()
    port = opened(node)
    out = kit.one(node, kit.tunnel(BR, OWN6, kit.udp(SERVER, 53, OWN4, port, ttl=1)), SOFTWIRE)
    assert kit.outer(out) == (OWN6, BR)
    assert (kit.field(out[40:], "src"), kit.field(out[40:], "icmp")) == (OWN4, (11, 0))


# TCP


def tcp_session(node: Any) -> int:
    port = int(kit.field(send(node, kit.tcp(A, 5000, SERVER, 80)), "sport"))
    assert receive(node, kit.tcp(SERVER, 80, OWN4, port, SYN | ACK))[0]
    return port


def state(node: Any) -> str:
    (session,) = node.sessions()
    return str(session.state)


def test_tcp_life() -> None:
    node = kit.edge()
    port = tcp_session(node)
    assert state(node) == "established"
    receive(node, kit.tcp(SERVER, 80, OWN4, port, FIN | ACK), now=7000.0)
    assert state(node) == "outside-fin"
    send(node, kit.tcp(A, 5000, SERVER, 80, FIN | ACK), now=7000.0)
    assert state(node) == "both-fin"
    assert node.expire(7239.0) == []
    assert node.expire(7240.0) == ["session_expired"]


def test_tcp_established_lives_two_hours_and_four_minutes() -> None:
    node = kit.edge()
    tcp_session(node)
    assert node.expire(7439.0) == []
    assert node.expire(7440.0) == ["session_expired"]
    assert kit.run(node, kit.tcp(A, 5000, SERVER, 80, ACK), NATIVE, 7441.0)[1] == ["drop_tcp_no_session"]


def test_tcp_reset_is_translated_and_leaves_four_minutes() -> None:
    node = kit.edge()
    port = tcp_session(node)
    assert receive(node, kit.tcp(SERVER, 80, OWN4, port, RST), now=10.0)[0]
    assert state(node) == "transitory"
    assert node.expire(249.0) == []
    send(node, kit.tcp(A, 5000, SERVER, 80, ACK), now=249.5)
    assert state(node) == "established"
    receive(node, kit.tcp(SERVER, 80, OWN4, port, RST), now=250.0)
    assert node.expire(490.0) == ["session_expired"]


def test_tcp_simultaneous_open() -> None:
    node = kit.edge()
    port = int(kit.field(send(node, kit.tcp(A, 5000, SERVER, 80)), "sport"))
    assert receive(node, kit.tcp(SERVER, 80, OWN4, port, SYN))[0]
    assert state(node) == "established"


def test_tcp_timers_do_not_pile_up() -> None:
    node = kit.edge()
    port = tcp_session(node)
    for step in range(500):
        receive(node, kit.tcp(SERVER, 80, OWN4, port, RST), now=10.0 + step)
        send(node, kit.tcp(A, 5000, SERVER, 80, ACK), now=10.5 + step)
    assert len(node.napt._timers) < 10


# UDP timers


def test_udp_timer_is_five_minutes_and_refreshed() -> None:
    node = kit.edge()
    port = opened(node)
    assert receive(node, kit.udp(SERVER, 53, OWN4, port), now=299.0)[0]
    assert receive(node, kit.udp(SERVER, 53, OWN4, port), now=598.0)[0]
    assert receive(node, kit.udp(SERVER, 53, OWN4, port), now=898.0)[1] == [
        "session_expired",
        "drop_unsolicited",
    ]


def test_icmp_timer_is_a_minute() -> None:
    node = kit.edge()
    send(node, kit.echo(A, SERVER, 7))
    assert (node.expire(59.0), node.expire(60.0)) == ([], ["session_expired"])


# Fragments


@pytest.mark.parametrize("order", [1, -1])
def test_fragments_are_translated_in_any_order(order: int) -> None:
    node = kit.edge()
    packet = kit.udp(A, 5000, SERVER, 53, bytes(range(200)))
    out: list[bytes] = []
    for piece in kit.cut(packet, 64)[::order]:
        out += [p[40:] for p in kit.run(node, piece, NATIVE)[0]]
    assert len({kit.field(p, "ident") for p in out}) == 1
    assert kit.field(out[0], "ident") in node.customer.ports
    assert all(kit.checksums(p) == [] and kit.field(p, "src") == OWN4 for p in out)
    whole = b"".join(p[20:] for p in sorted(out, key=lambda p: p[6:8][1] | (p[6] & 31) << 8))
    port = int.from_bytes(whole[:2], "big")
    assert whole == kit.udp_body(OWN4, port, SERVER, 53, bytes(range(200)))
    answer = kit.udp(SERVER, 53, OWN4, port, bytes(range(200)))
    back: list[bytes] = []
    for piece in kit.cut(answer, 64)[::order]:
        back += receive(node, piece)[0]
    assert {(kit.field(p, "dst"), kit.field(p, "ident")) for p in back} == {(A, 7)}
    whole = b"".join(p[20:] for p in sorted(back, key=lambda p: p[6:8][1] | (p[6] & 31) << 8))
    assert whole == kit.udp_body(SERVER, 53, A, 5000, bytes(range(200)))


def test_identification_comes_out_of_the_set_where_it_matters() -> None:
    node = kit.edge()
    first = kit.field(send(node, kit.udp(A, 5000, SERVER, 53, df=False)), "ident")
    second = kit.field(send(node, kit.udp(A, 5000, SERVER, 53, df=False)), "ident")
    assert first != second and {first, second} <= {p for p in range(65536) if p in node.customer.ports}
    assert kit.field(send(node, kit.udp(A, 5000, SERVER, 53)), "ident") == 7


def test_big_packet_without_df_is_cut_after_translation() -> None:
    out, _ = kit.run(kit.edge(), kit.udp(A, 5000, SERVER, 53, bytes(3000), df=False), NATIVE)
    body = b"".join(piece[48:] for piece in out)
    assert all(len(piece) <= 1500 for piece in out)
    assert kit.checksums(body) == []


# Full address and prefix


FULL = {"rules": (kit.rule(ipv6_prefix=IPv6Network("2001:db8::/40"), ea_len=8),)}
FULL_END = {"end_user_prefix": IPv6Network("2001:db8:12::/48")}
PREFIX = {"rules": (kit.rule(ipv4_prefix=IPv4Network("10.9.0.0/16"), ea_len=8),), **FULL_END}


def test_full_address_uses_every_port_but_the_low_ones() -> None:
    node = kit.edge(**FULL, **FULL_END)
    out = kit.one(node, kit.udp(A, 5000, SERVER, 53), NATIVE)[40:]
    assert (kit.field(out, "src"), kit.field(out, "sport")) == ("192.0.2.18", 5000)
    out = kit.one(node, kit.udp(B, 5000, SERVER, 53), NATIVE)[40:]
    assert kit.field(out, "sport") >= 1024


def test_prefix_is_shared_out_in_pairs() -> None:
    node = kit.edge(**PREFIX)
    seen = {
        host: {kit.field(kit.one(node, kit.udp(host, p, SERVER, 53), NATIVE)[40:], "src") for p in (1, 2, 3)}
        for host in (A, B)
    }
    assert all(len(addresses) == 1 for addresses in seen.values())
    assert all(IPv4Address(a) in IPv4Network("10.9.18.0/24") for (a,) in seen.values())


def test_hosts_that_have_a_delegated_address_are_not_translated() -> None:
    node = kit.edge(**PREFIX, inside=(IPv4Network("192.168.0.0/16"), IPv4Network("10.9.18.0/25")))
    packet = kit.ip("10.9.18.5", SERVER, 47, bytes(8))
    assert kit.one(node, packet, NATIVE)[40:] == kit.ip("10.9.18.5", SERVER, 47, bytes(8), ttl=63)
    own = str(node.customer.address)
    out, events = kit.run(node, kit.tunnel(BR, own, kit.tcp(SERVER, 1, "10.9.18.5", 22)), SOFTWIRE)
    assert out == [kit.tcp(SERVER, 1, "10.9.18.5", 22, ttl=63)]
    assert events == ["forwarded", "decapsulated"]
    direct = kit.one(node, kit.udp(A, 5000, "10.9.18.5", 53), NATIVE)
    assert kit.field(direct, "dst") == "10.9.18.5"


# Reload


def test_reload_keeps_sessions_that_stay_valid() -> None:
    node = kit.edge()
    port = opened(node)
    assert node.reload(kit.service("edge", **MESH)) == []
    assert receive(node, kit.udp(SERVER, 53, OWN4, port))[0]
    moved = kit.service("edge", end_user_prefix=IPv6Network("2001:db8:12:3500::/56"))
    assert node.reload(moved) == ["session_lost_on_reload"]
    assert node.sessions() == []
    assert node.expire(1000.0) == []


def test_reload_of_port_forwards() -> None:
    forward = PortForward("udp", OWN_PORT, IPv4Address(A), 80)
    node = kit.edge(port_forwards=(forward,))
    assert receive(node, kit.udp(SERVER, 53, OWN4, OWN_PORT))[0]
    assert node.reload(kit.service("edge")) == ["session_lost_on_reload"]
    assert receive(node, kit.udp(SERVER, 53, OWN4, OWN_PORT))[1] == ["drop_unsolicited"]
    assert node.reload(kit.service("edge", port_forwards=(forward,))) == []
    assert receive(node, kit.udp(SERVER, 53, OWN4, OWN_PORT))[0]


def test_reload_that_cannot_work_changes_nothing() -> None:
    node = kit.edge()
    port = opened(node)
    before = node.service
    with pytest.raises(ValueError, match="not in the own port set"):
        node.reload(kit.service("edge", **MESH, port_forwards=(PortForward("tcp", 80, IPv4Address(A), 80),)))
    assert node.service is before
    assert receive(node, kit.udp(SERVER, 53, OWN4, port))[0]
