# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the RFCs ask and test_edge.py and test_gateway.py do not show; scapy judges some of it."""

from __future__ import annotations

from ipaddress import IPv4Network, IPv6Network
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.core import Limits
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Packet
from ansible_collections.ipv4aas.fleet.engine.techniques.service import PortForward
from scapy.layers.inet import ICMP, IP, TCP, UDP, IPerror, UDPerror
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
NEIGHBOUR6, NEIGHBOUR_PORT = "2001:db8:12:3500:0:c000:212:35", 1236  # the same IPv4 address, PSID 0x35
FULL = {"rules": (kit.rule(ea_len=8),), "end_user_prefix": IPv6Network("2001:db8:12::/48")}
PREFIX = {
    "rules": (kit.rule(ipv4_prefix=IPv4Network("10.9.0.0/16"), ea_len=8),),
    "end_user_prefix": IPv6Network("2001:db8:12::/48"),
}


def send(node: Any, packet: bytes, now: float = 0.0) -> bytes:
    """From the LAN; the IPv4 packet that leaves."""
    return kit.one(node, packet, NATIVE, now)[40:]


def receive(node: Any, packet: bytes, now: float = 0.0, via: str = BR) -> tuple[list[bytes], list[str]]:
    return kit.run(node, kit.tunnel(via, OWN6, packet), SOFTWIRE, now)


def opened(node: Any, sport: int = 5000, host: str = A, remote: str = SERVER, now: float = 0.0) -> int:
    return int(kit.field(send(node, kit.udp(host, sport, remote, 53), now), "sport"))


# Neighbours on one address (RFC 7597 s5.1)


@pytest.mark.parametrize(("changes", "next_hop"), [({}, BR), (MESH, NEIGHBOUR6)])
def test_a_neighbour_on_the_same_address_is_reached(changes: dict[str, Any], next_hop: str) -> None:
    node = kit.edge(**changes)
    out = kit.one(node, kit.udp(A, 5000, OWN4, NEIGHBOUR_PORT), NATIVE)
    assert kit.outer(out) == (OWN6, next_hop)
    port = kit.field(out[40:], "sport")
    back, _ = receive(node, kit.udp(OWN4, NEIGHBOUR_PORT, OWN4, port), via=next_hop)
    assert (kit.field(back[0], "src"), kit.field(back[0], "dst")) == (OWN4, A)
    assert receive(node, kit.udp(OWN4, OWN_PORT, OWN4, port), via=NEIGHBOUR6)[0] == []


def test_pieces_and_errors_for_a_neighbour_on_the_same_address() -> None:
    node = kit.edge()
    port = opened(node)
    for piece in reversed(kit.cut(kit.udp(A, 5000, OWN4, NEIGHBOUR_PORT, bytes(200)), 64)):
        out, events = kit.run(node, piece, NATIVE)
        assert "hairpinned" not in events
        assert all(kit.outer(packet) == (OWN6, BR) for packet in out)
    came, _ = receive(node, kit.udp(SERVER, 53, OWN4, port))
    assert came
    asked = kit.udp(A, 5000, OWN4, NEIGHBOUR_PORT)
    answer = kit.udp(OWN4, NEIGHBOUR_PORT, OWN4, kit.field(send(node, asked), "sport"))
    delivered, _ = receive(node, answer)
    error = send(node, kit.icmp(A, OWN4, 3, 3, 0, delivered[0]))
    inner = kit.field(error, "embedded")
    assert (kit.field(inner, "src"), kit.field(inner, "sport")) == (OWN4, NEIGHBOUR_PORT)


def test_gateway_turns_packets_between_neighbours_on_one_address() -> None:
    packet = kit.udp(OWN4, OWN_PORT, OWN4, NEIGHBOUR_PORT)
    assert kit.outer(kit.one(kit.gateway(), kit.tunnel(OWN6, BR, packet), SOFTWIRE)) == (BR, NEIGHBOUR6)
    back = kit.tunnel(NEIGHBOUR6, BR, packet)
    assert kit.run(kit.gateway(), back, SOFTWIRE)[1] == ["drop_spoofed_source"]


def test_neighbours_pieces_with_one_identification_do_not_mix() -> None:
    node = kit.gateway()
    mine = kit.cut(kit.udp(OWN4, OWN_PORT, SERVER, 53, b"m" * 200), 64)
    theirs = kit.cut(kit.udp(OWN4, NEIGHBOUR_PORT, SERVER, 53, b"t" * 200), 64)
    assert mine[0][4:6] == theirs[0][4:6]
    out: list[bytes] = []
    for a, b in zip(reversed(mine), reversed(theirs), strict=True):
        for softwire, piece in ((OWN6, a), (NEIGHBOUR6, b)):
            out += kit.run(node, kit.tunnel(softwire, BR, piece), SOFTWIRE)[0]
    assert sorted(p[20:] for p in out) == sorted(p[20:] for p in mine + theirs)


def test_explicit_psids_on_one_address_through_the_gateway() -> None:
    """RFC 7597 App. A example 5, two customers."""
    rules = tuple(
        kit.rule(
            ipv6_prefix=IPv6Network(f"2001:db8:{psid:x}::/56"), ipv4_prefix=IPv4Network("192.0.2.18/32"),
            ea_len=0, explicit_psid_len=8, explicit_psid=psid,
        )
        for psid in (0x34, 0x35)
    )  # fmt: skip
    node = kit.gateway(rules=rules)
    for psid, port in ((0x34, OWN_PORT), (0x35, NEIGHBOUR_PORT)):
        out = kit.one(node, kit.udp(SERVER, 53, OWN4, port), NATIVE)
        assert kit.outer(out)[1] == f"2001:db8:{psid:x}::c000:212:{psid:x}"
        assert kit.one(node, kit.tunnel(kit.outer(out)[1], BR, kit.udp(OWN4, port, SERVER, 53)), SOFTWIRE)
    edge = kit.edge(rules=rules, end_user_prefix=IPv6Network("2001:db8:35::/56"))
    assert opened(edge) in edge.customer.ports and edge.customer.ports.psid == 0x35


# ICMP (RFC 5508 s4, RFC 7597 s8.2)


def test_error_between_customers_goes_back_through_the_hub() -> None:
    sent = kit.udp(OWN4, OWN_PORT, OTHER4, OTHER_PORT)
    error = kit.icmp(OTHER4, OWN4, 3, 3, 0, sent)
    assert kit.outer(kit.one(kit.gateway(), kit.tunnel(OTHER6, BR, error), SOFTWIRE)) == (BR, OWN6)
    forged = kit.tunnel(NEIGHBOUR6, BR, error)
    assert kit.run(kit.gateway(), forged, SOFTWIRE)[1] == ["drop_spoofed_source"]


@pytest.mark.parametrize("via", [BR, OTHER6])
def test_error_from_another_customer_reaches_the_host(via: str) -> None:
    node = kit.edge(**MESH)
    sent = send(node, kit.udp(A, 5000, OTHER4, OTHER_PORT))
    out, _ = receive(node, kit.icmp(OTHER4, OWN4, 3, 3, 0, sent), via=via)
    seen = IP(out[0])
    assert (seen[ICMP].type, seen[ICMP].code, seen.dst) == (3, 3, A)
    assert (seen[IPerror].src, seen[UDPerror].sport, seen[UDPerror].dport) == (A, 5000, OTHER_PORT)
    wrong = kit.icmp("203.0.113.1", OWN4, 11, 0, 0, sent)  # a peer speaks for itself only
    assert bool(receive(node, wrong, via=via)[0]) is (via == BR)


def test_traceroute_through_the_hub() -> None:
    """Each of the three hops is seen: own edge, gateway, the other edge."""
    end_user = IPv6Network("2001:db8:13:5600::/56")
    node, hub, far = kit.edge(), kit.gateway(), kit.edge(end_user_prefix=end_user)
    answers = []
    for ttl in (1, 2, 3):
        data, at = kit.udp(A, 5000, OTHER4, OTHER_PORT, ttl=ttl), NATIVE
        out = kit.one(node, data, at)
        if ttl > 1:
            out = kit.one(hub, out, SOFTWIRE)
        if ttl > 2:
            out = kit.one(hub, kit.one(far, out, SOFTWIRE), SOFTWIRE)
        if ttl > 1:
            assert kit.outer(out) == (BR, OWN6)
            out = kit.one(node, out, SOFTWIRE)
        seen = IP(out)
        assert (seen[ICMP].type, seen.dst, seen[UDPerror].sport) == (11, A, 5000)
        answers.append(seen.src)
    assert answers == ["192.0.0.8", "192.0.0.8", OTHER4]


def test_traceroute_through_the_mesh() -> None:
    node, far = kit.edge(**MESH), kit.edge(**MESH, end_user_prefix=IPv6Network("2001:db8:13:5600::/56"))
    probe = kit.one(node, kit.udp(A, 5000, OTHER4, OTHER_PORT, ttl=2), NATIVE)
    back = kit.one(far, probe, SOFTWIRE)
    assert kit.outer(back) == (OTHER6, OWN6)
    seen = IP(kit.one(node, back, SOFTWIRE))
    assert (seen.src, seen.dst, seen[ICMP].type, seen[UDPerror].sport) == (OTHER4, A, 11, 5000)


@pytest.mark.parametrize("options", [b"", b"\x07\x07\x04\0\0\0\0\0"])
@pytest.mark.parametrize("first", [False, True])
def test_error_about_a_first_piece_or_with_options(options: bytes, first: bool) -> None:
    node = kit.edge()
    body = kit.udp_body(A, 5000, SERVER, 53, bytes(64))
    out = kit.one(node, kit.ip(A, SERVER, 17, body, df=False, mf=first, options=options), NATIVE)[40:]
    told, _ = receive(node, kit.icmp("203.0.113.1", OWN4, 11, 1, 0, out))
    seen = IP(told[0])
    assert (seen.dst, seen[IPerror].src, seen[UDPerror].sport) == (A, A, 5000)
    assert bytes(seen[UDPerror]) == body
    assert kit.slow_sum(kit.field(told[0], "embedded")[: 20 + len(options)]) == 0xFFFF
    hub = kit.one(kit.gateway(), kit.icmp("203.0.113.1", OWN4, 11, 1, 0, out), NATIVE)
    assert kit.outer(hub)[1] == OWN6


def test_error_about_a_later_piece_names_nobody() -> None:
    """It has no port: nothing of a shared address can be found (RFC 5508 s4 leaves it open)."""
    later = kit.ip(OWN4, SERVER, 17, bytes(64), df=False, offset=64)
    error = kit.icmp("203.0.113.1", OWN4, 11, 1, 0, later)
    assert kit.run(kit.gateway(), error, NATIVE) == ([], ["drop_icmp_truncated"])
    assert receive(kit.edge(), error) == ([], ["drop_icmp_truncated"])
    whole = kit.icmp("203.0.113.1", "192.0.2.18", 11, 1, 0, later)
    assert kit.run(kit.gateway(rules=FULL["rules"]), whole, NATIVE)[0]  # a full address needs no port


def test_icmp_extensions_stay_and_keep_the_sum() -> None:
    node = kit.edge()
    sent = send(node, kit.udp(A, 5000, SERVER, 53, bytes(200)))
    labels = b"\x20\0\xdf\xf8\0\x08\1\1\0\1\x01\x40"
    error = kit.icmp("203.0.113.1", OWN4, 11, 0, 32 << 16, sent[:128].ljust(128, b"\0") + labels)
    out, _ = receive(node, error)
    assert kit.checksums(out[0]) == []
    assert out[0].endswith(labels)


def test_tunnel_error_about_a_packet_without_ports() -> None:
    """RFC 2473 s8: to be told to the source, whatever the protocol, where the address says enough."""
    node = kit.gateway(rules=FULL["rules"])
    about = kit.one(node, kit.ip(SERVER, "192.0.2.18", 47, bytes(100)), NATIVE)
    out = kit.one(node, kit.icmpv6("2001:db8::99", BR, 2, 0, 1280, about), SOFTWIRE)
    assert (kit.field(out, "dst"), kit.field(out, "icmp"), kit.field(out, "mtu")) == (SERVER, (3, 4), 1240)


def test_tunnel_error_about_an_outer_fragment() -> None:
    node = kit.gateway()
    pieces, _ = kit.run(node, kit.udp(SERVER, 80, OWN4, OWN_PORT, bytes(3000), df=False), NATIVE)
    first, later = (kit.icmpv6("2001:db8::99", BR, 1, 0, 0, piece[:1232]) for piece in pieces[:2])
    out = kit.one(node, first, SOFTWIRE)
    assert (kit.field(out, "dst"), kit.field(out, "icmp")) == (SERVER, (3, 1))
    assert kit.run(node, later, SOFTWIRE) == ([], ["drop_icmpv6_truncated"])
    too_big = kit.icmpv6("2001:db8::99", BR, 2, 0, 1280, pieces[0][:1232])
    assert kit.run(node, too_big, SOFTWIRE) == ([], ["icmpv6_absorbed"])


def test_identifiers_run_out_and_come_back() -> None:
    """RFC 5508 REQ-8; ICMP has its own set of numbers beside UDP's."""
    node = kit.edge()
    idents = {kit.field(send(node, kit.echo(A, SERVER, i)), "icmp_id") for i in range(252)}
    assert idents == {p for p in range(65536) if p in node.customer.ports}
    assert kit.run(node, kit.echo(A, SERVER, 999), NATIVE)[1] == ["drop_ports_exhausted", "icmp_sent"]
    assert kit.one(node, kit.echo(A, SERVER, 5), NATIVE)
    assert opened(node)
    assert kit.run(node, kit.echo(A, SERVER, 999), NATIVE, 60.0)[1][-1] == "encapsulated"


# Timers at their edges


@pytest.mark.parametrize("quiet", [119.0, 299.9])
def test_udp_mapping_is_there_after(quiet: float) -> None:
    """RFC 4787 REQ-5: not before 120 s; 300 s by default."""
    node = kit.edge()
    port = opened(node, now=7.0)
    assert receive(node, kit.udp(SERVER, 53, OWN4, port), now=7.0 + quiet)[0]


def test_udp_mapping_is_kept_by_outbound_packets_alone() -> None:
    node = kit.edge()
    ports = {opened(node, now=299.0 * step) for step in range(30)}
    assert len(ports) == 1
    assert node.expire(299.0 * 29 + 300.0) == ["session_expired"]


def handshake(node: Any, now: float = 0.0) -> int:
    port = int(kit.field(send(node, kit.tcp(A, 5000, SERVER, 80), now), "sport"))
    assert receive(node, kit.tcp(SERVER, 80, OWN4, port, SYN | ACK), now)[0]
    return port


def test_tcp_idle_just_below_two_hours_and_four_minutes() -> None:
    node = kit.edge()
    port = handshake(node)
    assert receive(node, kit.tcp(SERVER, 80, OWN4, port, ACK), now=7439.9)[0]
    assert send(node, kit.tcp(A, 5000, SERVER, 80, ACK), now=7439.9 * 2)
    assert node.expire(7439.9 * 2 + 7440) == ["session_expired"]


def test_tcp_half_open_and_refused() -> None:
    node = kit.edge()
    port = int(kit.field(send(node, kit.tcp(A, 5000, SERVER, 80)), "sport"))
    refused, _ = receive(node, kit.tcp(SERVER, 80, OWN4, port, RST | ACK), now=1.0)
    assert kit.field(refused[0], "dst") == A  # RFC 7857 s2: translated
    assert (node.expire(239.9), node.expire(240.0)) == ([], ["session_expired"])


def test_tcp_begins_again_on_the_same_ports() -> None:
    """RFC 5382 REQ-2: a SYN in TIME-WAIT is a valid sequence, and its session has a whole life."""
    node = kit.edge()
    port = handshake(node)
    receive(node, kit.tcp(SERVER, 80, OWN4, port, FIN | ACK), now=10.0)
    send(node, kit.tcp(A, 5000, SERVER, 80, FIN | ACK), now=10.0)
    assert handshake(node, now=100.0) == port
    assert send(node, kit.tcp(A, 5000, SERVER, 80, ACK), now=1000.0)
    assert node.expire(8439.0) == []


def test_simultaneous_open_from_outside_first() -> None:
    node = kit.edge(filtering="endpoint-independent")
    port = int(kit.field(send(node, kit.tcp(A, 5000, SERVER, 80)), "sport"))
    assert receive(node, kit.tcp("203.0.113.9", 81, OWN4, port, SYN))[0]
    assert send(node, kit.tcp(A, 5000, "203.0.113.9", 81, SYN))
    assert {(s.remote_port, s.state) for s in node.sessions()} == {(80, "inside-init"), (81, "established")}


def test_one_timer_for_each_session() -> None:
    """Long connections that end would otherwise leave a timer of two hours behind."""
    node = kit.edge()
    for round_ in range(5):
        at = round_ * 1000.0
        port = handshake(node, at)
        send(node, kit.tcp(A, 5000, SERVER, 80, ACK), at + 500)
        node.expire(at + 500)
        receive(node, kit.tcp(SERVER, 80, OWN4, port, FIN | ACK), at + 501)
        send(node, kit.tcp(A, 5000, SERVER, 80, FIN | ACK), at + 501)
        assert node.expire(at + 740.9) == []
        assert node.expire(at + 741) == ["session_expired"]
        assert not node.napt._timers


# Ports


def test_a_set_of_low_ports_only_is_used() -> None:
    """Offset 0, PSID 0 (RFC 7597 App. B.2 example 2): REQ-3a of RFC 4787 must not make it useless."""
    rules = (kit.rule(ea_len=14, psid_offset=0),)
    node = kit.edge(rules=rules, end_user_prefix=IPv6Network("2001:db8:12::/54"))
    assert node.customer.ports.ranges() == [(0, 1023)]
    out = kit.one(node, kit.udp(A, 5000, SERVER, 53), NATIVE)
    assert 0 < kit.field(out[40:], "sport") < 1024


def test_one_port_is_one_binding() -> None:
    rules = (kit.rule(ipv6_prefix=IPv6Network("fd00::/16"), ipv4_prefix=IPv4Network("0.0.0.0/0"), ea_len=48,
                      psid_offset=0),)  # fmt: skip
    node = kit.edge(rules=rules, end_user_prefix=IPv6Network("fd00:c000:212:d431::/64"))
    for remote in (SERVER, "203.0.113.9"):
        assert kit.field(kit.one(node, kit.udp(A, 5000, remote, 53), NATIVE)[40:], "sport") == 0xD431
    assert kit.run(node, kit.udp(A, 5001, SERVER, 53), NATIVE)[1][0] == "drop_ports_exhausted"
    assert kit.field(kit.one(node, kit.udp(A, 5001, SERVER, 53), NATIVE, 300.0)[40:], "sport") == 0xD431


# Prefix with and without NAPT (RFC 7597 s5.2)


def test_napt_never_uses_an_address_that_a_host_has() -> None:
    lan = (IPv4Network("192.168.0.0/16"), IPv4Network("10.9.18.0/25"))
    node = kit.edge(**PREFIX, inside=lan)
    own = str(node.customer.address)
    for host in range(1, 40):
        out = kit.one(node, kit.udp(f"192.168.1.{host}", 5000, SERVER, 53), NATIVE)[40:]
        assert int(out[15]) >= 128
        answer = kit.udp(SERVER, 53, kit.field(out, "src"), kit.field(out, "sport"))
        back = kit.one(node, kit.tunnel(BR, own, answer), SOFTWIRE)
        assert kit.field(back, "dst") == f"192.168.1.{host}"


def test_where_hosts_have_all_addresses_there_is_no_napt() -> None:
    for changes, host in ((PREFIX, "10.9.18.5"), (FULL, "192.0.2.18")):
        lan = (IPv4Network("192.168.0.0/16"), IPv4Network(f"{host}/32" if changes is FULL else "10.9.0.0/16"))
        node = kit.edge(**changes, inside=lan)
        assert kit.run(node, kit.udp(A, 5000, SERVER, 53), NATIVE)[1] == [
            "drop_ports_exhausted",
            "icmp_sent",
        ]
        packet = kit.udp(host, 5000, SERVER, 53)
        assert kit.one(node, packet, NATIVE)[40:] == kit.udp(host, 5000, SERVER, 53, ttl=63)
        forward = PortForward("tcp", 80, lan[0][9], 80)
        with pytest.raises(ValueError, match="take all own addresses"):
            kit.edge(**changes, inside=lan, port_forwards=(forward,))


# Spoofing (RFC 7597 s8.1)


@pytest.mark.parametrize("source", [OTHER4, SERVER, "192.0.2.255", "10.0.0.1"])
def test_a_customer_cannot_speak_as_another(source: str) -> None:
    question, answered = kit.udp(source, OWN_PORT, SERVER, 53), kit.udp(SERVER, 53, source, OWN_PORT)
    for packet in (question, kit.icmp(source, SERVER, 3, 3, 0, answered)):
        out, events = kit.run(kit.gateway(), kit.tunnel(OWN6, BR, packet), SOFTWIRE)
        assert (out, events) == ([], ["drop_spoofed_source"])


def test_no_port_is_no_spoofing() -> None:
    packet = kit.tunnel(OWN6, BR, kit.ip(OWN4, SERVER, 47, bytes(8)))
    assert kit.run(kit.gateway(), packet, SOFTWIRE) == ([], ["drop_no_port"])


def test_gateway_address_as_source_and_destination() -> None:
    looped = kit.tunnel(BR, BR, kit.udp(OWN4, OWN_PORT, SERVER, 53))
    assert kit.run(kit.gateway(), looped, SOFTWIRE) == ([], ["drop_no_rule"])
    looped = kit.tunnel(OWN6, OWN6, kit.udp(OTHER4, OTHER_PORT, OWN4, OWN_PORT))
    assert kit.run(kit.edge(**MESH), looped, SOFTWIRE) == ([], ["drop_spoofed_source"])
    assert kit.run(kit.edge(), looped, SOFTWIRE) == ([], ["drop_mesh_disabled"])


def test_native_side_is_not_asked_for_its_source() -> None:
    """RFC 7597 s8.1 judges what comes out of tunnels; the IPv4 side is BCP 38's."""
    assert kit.one(kit.gateway(), kit.udp(OTHER4, OTHER_PORT, OWN4, OWN_PORT), NATIVE)


def test_mesh_peer_address_from_another_peer() -> None:
    node = kit.edge(**MESH)
    sent = send(node, kit.udp(A, 5000, OTHER4, OTHER_PORT))
    port = kit.field(sent, "sport")
    packet = kit.udp(OTHER4, OTHER_PORT, OWN4, port)
    assert receive(node, packet, via=NEIGHBOUR6)[1] == ["drop_spoofed_source"]
    assert receive(node, packet, via="2001:db9::1")[1] == ["drop_no_rule"]


# IPv6 headers


@pytest.mark.parametrize("length", [0, 1, 0xFFFF])
def test_payload_length_that_does_not_fit(length: int) -> None:
    packet = bytearray(kit.tunnel(OWN6, BR, kit.udp(OWN4, OWN_PORT, SERVER, 53)))
    packet[4:6] = length.to_bytes(2, "big")
    _, events = kit.run(kit.gateway(), bytes(packet), SOFTWIRE)
    assert events == ["drop_ipv4_malformed" if length == 1 else "drop_ipv6_malformed"]


def test_jumbogram_is_refused() -> None:
    inner = kit.udp(OWN4, OWN_PORT, SERVER, 53)
    packet = bytearray(kit.tunnel(OWN6, BR, inner, next_header=0, before=b"\x04\0\xc2\x04\0\1\0\0"))
    assert kit.run(kit.gateway(), bytes(packet), SOFTWIRE)[1] == ["drop_ipv6_option"]
    packet[4:6] = b"\0\0"
    assert kit.run(kit.gateway(), bytes(packet), SOFTWIRE)[1] == ["drop_ipv6_malformed"]


def test_octets_behind_the_inner_packet_are_left() -> None:
    packet = kit.udp(OWN4, OWN_PORT, SERVER, 53)
    out = kit.one(kit.gateway(), kit.tunnel(OWN6, BR, packet + b"padding!"), SOFTWIRE)
    assert len(out) == len(packet)


@pytest.mark.parametrize("size", [16, 1000])
def test_encapsulation_limit_behind_the_fragment_header(size: int) -> None:
    """RFC 8200 s4.1 puts the second Destination header behind the Fragment header."""
    inner = kit.udp(OWN4, OWN_PORT, SERVER, 53, bytes(100))
    limit = b"\x04\0\x04\x01\x04\x01\0\0"
    whole = kit.tunnel(OWN6, BR, inner, next_header=60, before=limit)
    node, out = kit.gateway(), []
    for piece in kit.cut6(whole, size):
        out += kit.run(node, piece, SOFTWIRE)[0]
    assert out == [kit.udp(OWN4, OWN_PORT, SERVER, 53, bytes(100), ttl=63)]


def test_a_fragment_in_a_fragment_is_refused() -> None:
    inner = kit.cut6(kit.tunnel(OWN6, BR, kit.udp(OWN4, OWN_PORT, SERVER, 53)), 1000)[0]
    (nested,) = kit.cut6(inner, 1000)
    assert kit.run(kit.gateway(), nested, SOFTWIRE) == ([], ["drop_ipv6_malformed"])


def test_a_repeated_outer_piece_is_harmless_and_another_one_is_not() -> None:
    """RFC 8200 s4.5 allows to ignore exact repetitions; RFC 5722 s4 gives up the packet at any overlap."""
    pieces = kit.cut6(kit.tunnel(OWN6, BR, kit.udp(OWN4, OWN_PORT, SERVER, 53, bytes(200))), 64)
    node, out = kit.gateway(), []
    for piece in (pieces[0], pieces[0], *pieces[1:]):
        out += kit.run(node, piece, SOFTWIRE)[0]
    assert len(out) == 1


# Congestion (RFC 6040 s4.2, figure 4)

NOT, ONE, ZERO, CE = 0, 1, 2, 3


@pytest.mark.parametrize(
    ("inner", "row"),
    [
        (NOT, {NOT: NOT, ZERO: NOT, ONE: NOT, CE: None}),
        (ZERO, {NOT: ZERO, ZERO: ZERO, ONE: ONE, CE: CE}),
        (ONE, {NOT: ONE, ZERO: ONE, ONE: ONE, CE: CE}),
        (CE, {NOT: CE, ZERO: CE, ONE: CE, CE: CE}),
    ],
)
def test_congestion_table(inner: int, row: dict[int, int | None]) -> None:
    packet = kit.udp(OWN4, OWN_PORT, SERVER, 80, tos=0xB8 | inner)
    for mark, wanted in row.items():
        out, events = kit.run(kit.gateway(), kit.tunnel(OWN6, BR, packet, tc=mark), SOFTWIRE)
        if wanted is None:
            assert events == ["drop_congestion_marked"]
        else:
            assert out[0][1] == 0xB8 | wanted
            assert kit.checksums(out[0]) == []


# Segments, sizes and MSS, judged by scapy


def rebuilt(packet: bytes) -> bytes:
    """The packet with every length and checksum computed again by scapy."""
    seen = IP(packet)
    del seen.chksum, seen.len
    for layer in (TCP, UDP):
        if layer in seen:
            del seen[layer].chksum
    return bytes(seen)


@pytest.mark.parametrize("flags", ["S", "SA"])
@pytest.mark.parametrize("half_done", [False, True])
@pytest.mark.parametrize(
    "options",
    [
        [("MSS", 1460), ("SAckOK", b""), ("Timestamp", (1, 0)), ("NOP", None), ("WScale", 7)],
        [("NOP", None), ("MSS", 9000)],
        [("NOP", None), ("NOP", None), ("NOP", None), ("MSS", 1461)],
        [("WScale", 7), ("MSS", 65535)],
    ],
)
def test_mss_of_syn_and_syn_ack_both_ways(flags: str, half_done: bool, options: list[Any]) -> None:
    there = bytes(IP(src=SERVER, dst=OWN4) / TCP(sport=80, dport=OWN_PORT, flags=flags, options=options))
    outputs, events = kit.gateway().process(kit.partial(there) if half_done else Packet(there), NATIVE, 0.0)
    assert "mss_clamped" in events
    inbound = kit.finished(outputs[0][0])[40:]
    back = bytes(IP(src=OWN4, dst=SERVER) / TCP(sport=OWN_PORT, dport=80, flags=flags, options=options))
    outbound, _ = kit.run(kit.gateway(), kit.tunnel(OWN6, BR, back), SOFTWIRE)
    for seen in (inbound, outbound[0]):
        assert dict(IP(seen)[TCP].options)["MSS"] == 1420
        assert seen == rebuilt(seen)


def test_mss_below_the_limit_and_without_syn_is_left() -> None:
    for flags, size in (("S", 1420), ("A", 1460)):
        options = [("MSS", size)]
        packet = bytes(IP(src=SERVER, dst=OWN4) / TCP(sport=80, dport=OWN_PORT, flags=flags, options=options))
        out, events = kit.run(kit.gateway(), packet, NATIVE)
        assert dict(IP(out[0][40:])[TCP].options)["MSS"] == size and "mss_clamped" not in events


@pytest.mark.parametrize("proto", [6, 17])
def test_too_big_super_packet_from_the_lan(proto: int) -> None:
    """RFC 4787 REQ-13: DF says error, without DF the segments are cut; addresses are translated first."""
    node, data = kit.edge(), bytes(range(256)) * 40
    if proto == 6:
        send(node, kit.tcp(A, 5000, SERVER, 80))

    def packet(df: bool) -> Packet:
        make = kit.tcp(A, 5000, SERVER, 80, ACK, data, df=df) if proto == 6 else kit.udp(
            A, 5000, SERVER, 80, data, df=df
        )  # fmt: skip
        return kit.partial(make, 1450)

    outputs, events = node.process(packet(True), NATIVE, 0.0)
    told = IP(kit.finished(outputs[0][0]))
    assert events == ["drop_too_big", "icmp_sent"]
    assert (told.dst, told[ICMP].type, told[ICMP].code, told[ICMP].nexthopmtu) == (A, 3, 4, 1460)
    assert told[IPerror].src == A
    outputs, _ = node.process(packet(False), NATIVE, 0.0)
    hub, got = kit.gateway(), []
    for out, _ in outputs:
        assert len(out.data) <= 1500
        got += kit.run(hub, kit.finished(out), SOFTWIRE)[0]
    assert all(p == rebuilt(p) for p in got)
    assert b"".join(bytes(IP(p)[TCP if proto == 6 else UDP].payload) for p in got) == data


def test_identification_is_out_of_the_set_with_an_undone_checksum_too() -> None:
    node = kit.edge()
    outputs, _ = node.process(kit.partial(kit.udp(A, 5000, SERVER, 53, df=False)), NATIVE, 0.0)
    assert kit.field(outputs[0][0].data[40:], "ident") in node.customer.ports


# Fragments under flood


def later_piece(source: str, ident: int) -> bytes:
    return kit.ip(source, OWN4, 17, bytes(40), df=False, offset=64, ident=ident)


def test_one_sender_cannot_push_out_the_pieces_of_others() -> None:
    node = kit.gateway({"limits": Limits(fragment_packets=80)})
    early = kit.cut(kit.udp(SERVER, 53, OWN4, OWN_PORT, bytes(200)), 128)
    assert kit.run(node, early[1], NATIVE)[1] == ["fragment_held"]
    seen: set[str] = set()
    for ident in range(1000):
        seen.update(kit.run(node, later_piece("203.0.113.9", ident), NATIVE)[1])
    assert seen == {"fragment_held", "drop_fragment_limit"}
    assert len(kit.run(node, early[0], NATIVE)[0]) == 2


def test_one_customer_cannot_push_out_the_tunnel_pieces_of_others() -> None:
    """Whatever addresses it takes inside its prefix, and with large pieces too."""
    node = kit.gateway({"limits": Limits(fragment_packets=80, fragment_octets=100_000)})
    early = kit.cut6(kit.tunnel(OTHER6, BR, kit.udp(OTHER4, OTHER_PORT, SERVER, 53, bytes(200))), 128)
    assert kit.run(node, early[1], SOFTWIRE)[1] == ["fragment_held"]
    for ident in range(1000):
        source = f"2001:db8:12:34{ident % 256:02x}::{ident:x}"
        for piece in kit.cut6(kit.tunnel(source, BR, bytes(4000)), 1000 if ident % 2 else 8, ident)[:1]:
            kit.run(node, piece, SOFTWIRE)
        assert node.reassembler.chains.octets <= 100_000
    assert kit.run(node, early[0], SOFTWIRE)[1] == ["reassembled", "decapsulated"]


def test_pieces_of_a_packet_without_port_are_not_kept() -> None:
    node = kit.gateway()
    pieces = kit.cut(kit.ip(SERVER, OWN4, 47, bytes(200)), 64)
    assert kit.run(node, pieces[0], NATIVE)[1] == ["drop_fragment_no_port"]
    assert kit.run(node, pieces[1], NATIVE)[1] == ["drop_fragment_broken_chain"]
    assert node.fragments.chains.octets == 0
