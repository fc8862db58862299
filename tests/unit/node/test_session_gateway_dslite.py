# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The DS-Lite AFTR (RFC 6333 s6): softwires tell customers apart, and the rules of a CGN."""

from __future__ import annotations

import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from pathlib import Path
from random import Random
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.core import Limits, build_node
from ansible_collections.ipv4aas.fleet.engine.node.services import Services
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Packet
from ansible_collections.ipv4aas.fleet.engine.techniques.service import NodeConfiguration, StaticBinding
from session_samples import (
    AFTR6,
    AFTR_SERVICE,
    B4,
    INSIDE,
    OTHER_B4,
    SERVER,
    SERVER2,
    Customer,
    node,
    pool,
)
from unit.packet import packetkit as kit
from unit.packet.packetkit import ACK, NATIVE, SOFTWIRE, SYN

VECTORS = Path(__file__).parents[2] / "vectors"
OPEN = {"filtering": "endpoint-independent"}


def aftr(limits: Limits | None = None, **changes: Any) -> Any:
    return node(AFTR_SERVICE, limits, **changes)


def single(**changes: Any) -> tuple[Any, Customer]:
    gateway = aftr(**changes)
    return gateway, Customer(gateway)


def pair(**changes: Any) -> tuple[Customer, Customer]:
    gateway = aftr(**changes)
    return Customer(gateway), Customer(gateway, OTHER_B4)


# Softwires (RFC 6333 s6.6)


def test_two_customers_with_the_same_inside_address_are_told_apart() -> None:
    one, other = pair()
    gateway = one.gateway
    mine, theirs = one.open(), other.open()
    assert mine != theirs
    for (address, port), softwire in ((mine, B4), (theirs, OTHER_B4)):
        back = kit.one(gateway, kit.udp(SERVER, 53, address, port), NATIVE)
        assert kit.outer(back) == (AFTR6, softwire)
        assert (kit.field(back[40:], "dst"), kit.field(back[40:], "dport")) == (INSIDE, 5000)


@pytest.mark.parametrize("protocol", ["tcp", "icmp"])
def test_other_protocols_cross_too(protocol: str) -> None:
    gateway, one = single()
    if protocol == "tcp":
        out = one.send(kit.tcp(INSIDE, 5000, SERVER, 80))
        answer = kit.tcp(SERVER, 80, kit.field(out, "src"), kit.field(out, "sport"), SYN | ACK)
    else:
        out = one.send(kit.echo(INSIDE, SERVER, 77))
        answer = kit.echo(SERVER, kit.field(out, "src"), kit.field(out, "icmp_id"), reply=True)
    back = kit.one(gateway, answer, NATIVE)
    assert kit.outer(back) == (AFTR6, B4)
    assert kit.field(back[40:], "dst") == INSIDE
    assert kit.field(back[40:], "icmp_id" if protocol == "icmp" else "dport") == (
        77 if protocol == "icmp" else 5000
    )


@pytest.mark.parametrize(
    ("source", "good"),
    [
        ("10.1.2.3", True),
        ("172.31.255.254", True),
        ("192.168.255.1", True),
        ("192.0.0.2", True),
        ("192.0.0.7", True),
        ("192.0.0.8", False),
        ("172.32.0.1", False),
        ("100.64.0.1", False),
        ("8.8.8.8", False),
        ("203.0.113.0", False),
    ],
)
def test_only_private_sources_pass(source: str, good: bool) -> None:
    """RFC 6333 s11."""
    out, events = Customer(aftr()).run(kit.udp(source, 5000, SERVER, 53))
    assert bool(out) is good
    assert good or events == ["drop_spoofed_source"]


def test_a_source_that_the_operator_allows_passes() -> None:
    gateway = aftr(inside=(IPv4Network("100.64.0.0/10"),))
    assert Customer(gateway).open(host="100.64.0.1")
    assert Customer(gateway).run(kit.udp("8.8.8.8", 5000, SERVER, 53))[0] == []


@pytest.mark.parametrize("source", ["::", "::1", "ff02::1", AFTR6])
def test_a_softwire_has_an_address_that_a_host_can_have(source: str) -> None:
    out, events = Customer(aftr(), source).run(kit.udp(INSIDE, 5000, SERVER, 53))
    assert (out, events) == ([], ["drop_softwire_source"])


@pytest.mark.parametrize("target", ["192.0.0.1", "192.0.0.2", "192.0.0.3"])
def test_softwire_ends_are_not_the_internet(target: str) -> None:
    """RFC 6333 s5.7: the block means something on a softwire only."""
    out, events = Customer(aftr()).run(kit.udp(INSIDE, 5000, target, 53))
    assert (out, events) == ([], ["drop_unmapped_destination"])


@pytest.mark.parametrize("size", [0, 1, 56, 3000])
def test_the_well_known_address_answers_pings(size: int) -> None:
    gateway, one = single()
    body = bytes(n % 251 for n in range(size))
    out, events = one.run(kit.icmp(INSIDE, "192.0.0.1", 8, 0, 77 << 16 | 5, body), tc=0x20)
    assert events == ["echo_answered", "encapsulated"]
    assert {kit.outer(packet) for packet in out} == {(AFTR6, B4)}
    answer = out[0][40:] if len(out) == 1 else b"".join(packet[48:] for packet in out)
    assert kit.checksums(answer) == []
    assert answer[20:] == kit.icmp("192.0.0.1", INSIDE, 0, 0, 77 << 16 | 5, body)[20:]
    assert (kit.field(answer, "src"), kit.field(answer, "dst"), answer[1]) == ("192.0.0.1", INSIDE, 0x20)
    assert gateway.session_count() == 0


def test_pings_of_two_customers_in_pieces_do_not_mix() -> None:
    one, other = pair()
    asked = [kit.cut(kit.icmp(INSIDE, "192.0.0.1", 8, 0, 7 << 16, bytes([n]) * 200), 104) for n in range(2)]
    assert one.run(asked[0][0])[0] == other.run(asked[1][0])[0] == []
    for number, line in enumerate((one, other)):
        (out,), _events = line.run(asked[number][1])
        assert kit.outer(out) == (AFTR6, line.softwire)
        assert out[68:] == bytes([number]) * 200


def test_native_packets_for_nobody_are_dropped() -> None:
    gateway = aftr()
    assert kit.run(gateway, kit.udp(SERVER, 53, "203.0.113.2", 5000), NATIVE) == (
        [],
        ["drop_unmapped_destination"],
    )
    assert kit.run(gateway, kit.udp(SERVER, 53, "203.0.113.1", 5000), NATIVE) == ([], ["drop_unsolicited"])


# Too big (RFC 6333 s6.3: never the inner packet)


def test_df_too_big_towards_the_customer_is_told() -> None:
    """RFC4787-REQ-13, RFC 2473 s7.2; vectors encap-1460-df1, encap-1461-df1."""
    gateway, one = single()
    address, port = one.open()
    vectors = {v["id"]: v for v in json.loads((VECTORS / "mtu_mss.json").read_text())["vectors"]}
    fits = vectors["encap-1460-df1"]["input"]["ipv4_total_length"]
    assert kit.one(gateway, kit.udp(SERVER, 53, address, port, bytes(fits - 28)), NATIVE)
    error = kit.one(gateway, kit.udp(SERVER, 53, address, port, bytes(fits + 1 - 28)), NATIVE)
    assert (kit.field(error, "icmp"), kit.field(error, "mtu")) == ((3, 4), 1460)
    assert kit.field(error, "dst") == SERVER


def test_without_df_the_outer_packet_is_cut() -> None:
    gateway, one = single()
    address, port = one.open()
    whole = kit.udp(SERVER, 53, address, port, bytes(range(256)) * 6, df=False)
    out, _events = kit.run(gateway, whole, NATIVE)
    assert [packet[6] for packet in out] == [44, 44]
    assert max(map(len, out)) <= 1500
    inner = b"".join(packet[48:] for packet in out)
    assert kit.checksums(inner) == []
    assert (kit.field(inner, "dst"), inner[28:]) == (INSIDE, whole[28:])


def test_outer_fragments_are_put_together() -> None:
    gateway = aftr()
    packet = kit.udp(INSIDE, 5000, SERVER, 53, bytes(2000), df=False)
    cut = kit.cut6(kit.tunnel(B4, AFTR6, packet), 1024)
    assert kit.run(gateway, cut[1], SOFTWIRE)[0] == []
    (out,), _events = kit.run(gateway, cut[0], SOFTWIRE)
    assert kit.checksums(out) == [] and len(out) == len(packet)


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_inbound_pieces_in_any_order(order: tuple[int, ...]) -> None:
    """RFC4787-REQ-14."""
    gateway, one = single()
    address, port = one.open()
    cut = kit.cut(kit.udp(SERVER, 53, address, port, b"abcdefgh" * 30), 96)
    out = [p for i in order for p in kit.run(gateway, cut[i], NATIVE)[0]]
    assert {kit.outer(p) for p in out} == {(AFTR6, B4)}
    inner = sorted((p[40:] for p in out), key=lambda p: int.from_bytes(p[6:8], "big") & 0x1FFF)
    assert b"".join(p[20:] for p in inner)[8:] == b"abcdefgh" * 30
    assert {kit.field(p, "dst") for p in inner} == {INSIDE}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_outbound_pieces_in_any_order(order: tuple[int, ...]) -> None:
    """RFC4787-REQ-14; pieces of two customers with one Identification never mix (RFC7857-s10)."""
    one, other = pair()
    packets = {c: kit.udp(INSIDE, 5000, SERVER, 53, bytes([n]) * 240) for n, c in enumerate((one, other))}
    cuts = {c: kit.cut(p, 96) for c, p in packets.items()}
    assert cuts[one][0][4:6] == cuts[other][0][4:6]
    out = {c: [p for i in order for p in c.run(cuts[c][i])[0]] for c in (one, other)}
    idents = {c: {kit.field(p, "ident") for p in out[c]} for c in out}
    assert [len(found) for found in idents.values()] == [1, 1]
    assert idents[one] != idents[other]
    for number, packets_out in enumerate(out.values()):
        assert {p[-1] for p in packets_out} == {number}


def test_whole_packets_that_may_be_cut_get_own_identifications() -> None:
    """RFC7857-s10."""
    one, other = pair()
    sent = [c.send(kit.udp(INSIDE, 5000, SERVER, 53, df=False, ident=7)) for c in (one, other)]
    assert kit.field(sent[0], "ident") != kit.field(sent[1], "ident")


# Traffic class (RFC 6333 s7.1)


def test_dscp_goes_both_ways() -> None:
    gateway, one = single()
    out = one.send(kit.udp(INSIDE, 5000, SERVER, 53, tos=0), tc=0xB8)
    assert out[1] == 0xB8
    back = kit.one(
        gateway, kit.udp(SERVER, 53, kit.field(out, "src"), kit.field(out, "sport"), tos=0x28), NATIVE
    )
    assert int.from_bytes(back[:2], "big") >> 4 & 0xFF == 0x28
    assert back[41] == 0x28


def test_congestion_marks_of_the_tunnel_reach_the_inner_packet() -> None:
    out = Customer(aftr()).send(kit.udp(INSIDE, 5000, SERVER, 53, tos=0x02), tc=0xBB)
    assert out[1] == 0xBB


# Hairpin


def test_customers_reach_each_other_by_outside_addresses() -> None:
    """RFC4787-REQ-9: the other one sees outside address and port."""
    one, other = pair(**OPEN)
    mine, theirs = one.open(), other.open()
    (out,), events = one.run(kit.udp(INSIDE, 5000, *theirs))
    assert "hairpinned" in events
    assert kit.outer(out) == (AFTR6, OTHER_B4)
    assert (kit.field(out[40:], "src"), kit.field(out[40:], "sport")) == mine
    assert (kit.field(out[40:], "dst"), kit.field(out[40:], "dport")) == (INSIDE, 5000)
    assert kit.field(out[40:], "ttl") == 63
    assert kit.checksums(out[40:]) == []


def test_hairpin_between_hosts_of_one_customer() -> None:
    one = Customer(aftr(**OPEN))
    one.open()
    theirs = one.open(host="192.168.1.11")
    out, _events = one.run(kit.udp(INSIDE, 5000, *theirs))
    assert kit.outer(out[0]) == (AFTR6, B4)
    assert kit.field(out[0][40:], "dst") == "192.168.1.11"


def test_filtering_holds_between_customers() -> None:
    """A neighbour is outside: with address-dependent filtering both have to talk (RFC 6146 s3.8)."""
    one, other = pair()
    mine, theirs = one.open(), other.open()
    assert one.run(kit.udp(INSIDE, 5000, *theirs))[1][-1] == "drop_filtered"
    out, _events = other.run(kit.udp(INSIDE, 5000, *mine))
    assert kit.outer(out[0]) == (AFTR6, B4)
    assert one.run(kit.udp(INSIDE, 5000, *theirs))[0]


def test_hairpinned_tcp_handshake() -> None:
    """RFC5382-REQ-8."""
    one, other = pair(**OPEN)
    served = other.send(kit.tcp(INSIDE, 8080, SERVER, 80))
    theirs = kit.field(served, "src"), kit.field(served, "sport")
    (syn,), _events = one.run(kit.tcp(INSIDE, 6000, *theirs))
    mine = kit.field(syn[40:], "src"), kit.field(syn[40:], "sport")
    (answer,), _events = other.run(kit.tcp(INSIDE, 8080, *mine, SYN | ACK))
    assert kit.outer(answer) == (AFTR6, B4)
    assert (kit.field(answer[40:], "src"), kit.field(answer[40:], "sport")) == theirs
    (data,), _events = one.run(kit.tcp(INSIDE, 6000, *theirs, ACK, b"data"))
    assert kit.outer(data) == (AFTR6, OTHER_B4)


def test_hairpinned_icmp_error() -> None:
    """RFC5508-REQ-7."""
    one, other = pair(**OPEN)
    mine, theirs = one.open(), other.open()
    (came,), _events = one.run(kit.udp(INSIDE, 5000, *theirs))
    (error,), _events = other.run(kit.icmp(INSIDE, mine[0], 3, 3, 0, came[40:]))
    assert kit.outer(error) == (AFTR6, B4)
    assert (kit.field(error[40:], "src"), kit.field(error[40:], "icmp")) == (theirs[0], (3, 3))
    inner = kit.field(error[40:], "embedded")
    assert (kit.field(inner, "src"), kit.field(inner, "sport")) == (INSIDE, 5000)
    assert (kit.field(inner, "dst"), kit.field(inner, "dport")) == theirs


# ICMP errors


def test_error_from_the_internet_reaches_the_host() -> None:
    """RFC5508-REQ-4/5."""
    gateway, one = single()
    sent = one.send(kit.udp(INSIDE, 5000, SERVER, 53))
    error = kit.one(gateway, kit.icmp("8.8.4.4", kit.field(sent, "src"), 3, 1, 0, sent), NATIVE)
    assert kit.outer(error) == (AFTR6, B4)
    assert (kit.field(error[40:], "src"), kit.field(error[40:], "dst")) == ("8.8.4.4", INSIDE)
    inner = kit.field(error[40:], "embedded")
    assert (kit.field(inner, "src"), kit.field(inner, "sport")) == (INSIDE, 5000)
    assert kit.checksums(inner) == []


def test_error_of_an_inside_host_reaches_the_internet() -> None:
    gateway, one = single()
    address, port = one.open()
    came = kit.one(gateway, kit.udp(SERVER, 53, address, port), NATIVE)[40:]
    error = one.send(kit.icmp(INSIDE, SERVER, 3, 3, 0, came))
    inner = kit.field(error, "embedded")
    assert (kit.field(error, "src"), kit.field(error, "dst")) == (address, SERVER)
    assert (kit.field(inner, "dst"), kit.field(inner, "dport")) == (address, port)
    assert kit.checksums(inner) == []


def test_error_about_anothers_session_is_dropped() -> None:
    one, other = pair()
    gateway = one.gateway
    came = kit.one(gateway, kit.udp(SERVER, 53, *one.open()), NATIVE)[40:]
    assert other.run(kit.icmp(INSIDE, SERVER, 3, 3, 0, came)) == ([], ["drop_no_session"])


def test_errors_end_no_session() -> None:
    """RFC4787-REQ-12, RFC5382-REQ-10."""
    gateway, one = single()
    sent = one.send(kit.udp(INSIDE, 5000, SERVER, 53))
    kit.run(gateway, kit.icmp(SERVER, kit.field(sent, "src"), 3, 3, 0, sent), NATIVE)
    assert kit.run(gateway, kit.udp(SERVER, 53, kit.field(sent, "src"), kit.field(sent, "sport")), NATIVE)[0]


def tunnel_error(gateway: Any, about: bytes, kind: int, value: int = 0) -> tuple[list[bytes], list[str]]:
    return kit.run(gateway, kit.icmpv6("2001:db8:1::9", AFTR6, kind, 0, value, about[:1232]), SOFTWIRE)


def test_error_of_a_router_in_the_domain_is_relayed_to_the_internet() -> None:
    """RFC 2473 s8, with what is known outside: no inside address may leak."""
    gateway, one = single()
    address, port = one.open()
    sent = kit.one(gateway, kit.udp(SERVER, 53, address, port, bytes(1400)), NATIVE)
    (error,), events = tunnel_error(gateway, sent, 2, 1400)
    assert "icmpv6_relayed" in events
    assert (kit.field(error, "icmp"), kit.field(error, "mtu")) == ((3, 4), 1360)
    assert (kit.field(error, "src"), kit.field(error, "dst")) == ("192.0.0.8", SERVER)
    inner = kit.field(error, "embedded")
    assert (kit.field(inner, "dst"), kit.field(inner, "dport")) == (address, port)


def test_error_about_a_hairpinned_packet_is_relayed_to_its_sender() -> None:
    one, other = pair(**OPEN)
    gateway = one.gateway
    one.open()
    theirs = other.open()
    (came,), _events = one.run(kit.udp(INSIDE, 5000, *theirs))
    (error,), _events = tunnel_error(gateway, came, 1)
    assert kit.outer(error) == (AFTR6, B4)
    assert (kit.field(error[40:], "dst"), kit.field(error[40:], "icmp")) == (INSIDE, (3, 1))
    inner = kit.field(error[40:], "embedded")
    assert (kit.field(inner, "dst"), kit.field(inner, "dport")) == theirs


def test_forged_error_of_the_domain_is_dropped() -> None:
    gateway, one = single()
    one.open()
    forged = kit.tunnel(AFTR6, B4, kit.udp(SERVER2, 53, INSIDE, 5000))
    out, events = tunnel_error(gateway, forged, 1)
    assert out == [] and events[-1] == "drop_no_session"


def test_own_errors_to_a_customer_come_from_the_well_known_address() -> None:
    """RFC 6333 s5.7."""
    error = kit.one(aftr(), kit.tunnel(B4, AFTR6, kit.udp(INSIDE, 5000, SERVER, 53, ttl=1)), SOFTWIRE)
    assert kit.outer(error) == (AFTR6, B4)
    assert (kit.field(error[40:], "src"), kit.field(error[40:], "dst")) == ("192.0.0.1", INSIDE)
    assert kit.field(error[40:], "icmp") == (11, 0)


@pytest.mark.parametrize("number", [47, 50, 132])
def test_protocols_without_napt_are_told(number: int) -> None:
    gateway, one = single()
    address, _unused = one.open()
    error = one.run(kit.ip(INSIDE, SERVER, number, bytes(20)))[0][0][40:]
    assert (kit.field(error, "icmp"), kit.field(error, "dst")) == ((3, 2), INSIDE)
    error = kit.one(gateway, kit.ip(SERVER, address, number, bytes(20)), NATIVE)
    assert (kit.field(error, "icmp"), kit.field(error, "dst")) == ((3, 2), SERVER)


# A CGN


def test_mapping_is_endpoint_independent() -> None:
    """RFC4787-REQ-1, RFC5382-REQ-1, RFC5508-REQ-1."""
    one = Customer(aftr())
    assert one.open(remote=SERVER) == one.open(remote=SERVER2)
    tcp = [one.send(kit.tcp(INSIDE, 5000, host, 80)) for host in (SERVER, SERVER2)]
    assert kit.field(tcp[0], "sport") == kit.field(tcp[1], "sport")
    pings = [one.send(kit.echo(INSIDE, host, 9)) for host in (SERVER, SERVER2)]
    assert kit.field(pings[0], "icmp_id") == kit.field(pings[1], "icmp_id")


@pytest.mark.parametrize(
    ("filtering", "good"), [("endpoint-independent", True), ("address-dependent", False)]
)
def test_filtering_of_third_parties(filtering: str, good: bool) -> None:
    """RFC4787-REQ-8, RFC6888-REQ-7."""
    gateway = aftr(filtering=filtering)
    address, port = Customer(gateway).open()
    assert bool(kit.run(gateway, kit.udp(SERVER2, 53, address, port), NATIVE)[0]) is good


def test_full_session_table_refuses_and_keeps() -> None:
    """RFC6888-REQ-11."""
    gateway = aftr(Limits(sessions=3))
    one = Customer(gateway)
    ports = [one.open(sport=5000 + n) for n in range(3)]
    out, events = one.run(kit.udp(INSIDE, 6000, SERVER, 53))
    assert events[0] == "drop_session_limit"
    assert kit.field(out[0][40:], "icmp")[0] == 3
    for address, port in ports:
        assert kit.run(gateway, kit.udp(SERVER, 53, address, port), NATIVE)[0]


def test_super_packets_cross_whole() -> None:
    gateway, one = single()
    out = one.send(kit.tcp(INSIDE, 5000, SERVER, 80))
    address, port = kit.field(out, "src"), kit.field(out, "sport")
    kit.run(gateway, kit.tcp(SERVER, 80, address, port, SYN | ACK), NATIVE)
    big = kit.partial(kit.tcp(SERVER, 80, address, port, ACK, bytes(14000)), 1400)
    outputs, _unused = gateway.process(big, NATIVE, 1.0)
    assert len(outputs) == 10
    assert {kit.outer(p.data) for p, _unused in outputs} == {(AFTR6, B4)}
    assert all(kit.checksums(kit.finished(p)[40:]) == [] for p, _unused in outputs)


def test_reload_keeps_sessions_of_pools_that_stay() -> None:
    """RFC6888-REQ-3: disjoint pools."""
    both = pool(ipv4=(IPv4Network("203.0.113.0/32"), IPv4Network("192.0.2.8/32")))
    gateway = aftr(pool=both)
    opened = [Customer(gateway, f"2001:db8:1:{n:x}00::1").open() for n in range(1, 9)]
    assert {address for address, _unused in opened} == {"203.0.113.0", "192.0.2.8"}
    events = gateway.reload(aftr(pool=pool(ipv4=(IPv4Network("192.0.2.8/32"),))).service)
    kept = [pair for pair in opened if pair[0] == "192.0.2.8"]
    assert events == ["session_lost_on_reload"] * (8 - len(kept))
    for address, port in opened:
        out, _events = kit.run(gateway, kit.udp(SERVER, 53, address, port), NATIVE)
        assert bool(out) is (address == "192.0.2.8")


def test_sessions_for_display_name_the_softwire() -> None:
    one, other = pair()
    gateway = one.gateway
    one.open()
    other.open()
    assert {view.realm for view in gateway.sessions()} == {
        int.from_bytes(kit.v6(B4), "big"), int.from_bytes(kit.v6(OTHER_B4), "big")
    }  # fmt: skip
    assert gateway.session_count() == 2
    assert "session_expired" in gateway.expire(301)
    assert gateway.session_count() == 0


def test_offload_towards_the_gateway_is_kept() -> None:
    gateway = aftr()
    inner = kit.partial(kit.tcp(INSIDE, 5000, SERVER, 80))
    wrapped = Packet(kit.tunnel(B4, AFTR6, inner.data), inner.offload.moved(40) if inner.offload else None)
    ((out, link),), _events = gateway.process(wrapped, SOFTWIRE, 0.0)
    assert link is NATIVE
    assert kit.checksums(kit.finished(out)) == []


def test_sessions_are_shown_with_their_subscriber() -> None:
    services = Services(rng=Random(1))
    services.reload(NodeConfiguration(node="box", services=(AFTR_SERVICE,)), lambda service: 0)
    packet = kit.tunnel(B4, AFTR6, kit.udp(INSIDE, 5000, SERVER, 53))
    services.process(Packet(packet), 10.0)
    (shown,) = services.sessions(10.0, 9)["sessions"]
    assert (shown["subscriber"], shown["inside"], shown["expires_in"]) == (B4, f"{INSIDE}:5000", 300)


# Static bindings

FORWARD = StaticBinding(
    protocol="tcp",
    outside_address=IPv4Address("203.0.113.1"),
    outside_port=80,
    subscriber=IPv6Address(B4),
    inside_address=IPv4Address(INSIDE),
    inside_port=8080,
)


def test_static_binding_is_open_to_all() -> None:
    """Also below the pool's first port, which nobody else gets."""
    gateway = aftr(static_bindings=(FORWARD,))
    came = kit.one(gateway, kit.tcp(SERVER, 99, "203.0.113.1", 80), NATIVE)
    assert kit.outer(came) == (AFTR6, B4)
    assert (kit.field(came[40:], "dst"), kit.field(came[40:], "dport")) == (INSIDE, 8080)
    answer = Customer(gateway).send(kit.tcp(INSIDE, 8080, SERVER, 99, SYN | ACK))
    assert (kit.field(answer, "src"), kit.field(answer, "sport")) == ("203.0.113.1", 80)
    gateway.expire(100_000)
    assert kit.one(gateway, kit.tcp(SERVER2, 99, "203.0.113.1", 80), NATIVE, 100_001)


def test_static_binding_comes_and_goes_with_the_configuration() -> None:
    gateway, one = single()
    opened = one.open()
    asked = kit.tcp(SERVER, 99, "203.0.113.1", 80)
    assert kit.run(gateway, asked, NATIVE)[1] == ["drop_unsolicited"]
    gateway.reload(aftr(static_bindings=(FORWARD,)).service)
    assert kit.run(gateway, asked, NATIVE)[0]
    assert kit.run(gateway, kit.udp(SERVER, 53, *opened), NATIVE)[0]
    gateway.reload(aftr().service)
    assert kit.run(gateway, kit.tcp(SERVER2, 99, "203.0.113.1", 80), NATIVE)[0] == []
    assert kit.run(gateway, kit.udp(SERVER, 53, *opened), NATIVE)[0]


def test_impossible_static_binding_changes_nothing() -> None:
    gateway, one = single()
    opened = one.open()
    outside = replace(FORWARD, outside_address=IPv4Address("192.0.2.1"))
    with pytest.raises(ValueError, match="port forward tcp 80"):
        gateway.reload(replace(gateway.service, static_bindings=(outside,), ipv6_mtu=1280))
    assert gateway.service.ipv6_mtu == 1500
    assert kit.run(gateway, kit.udp(SERVER, 53, *opened), NATIVE)[0]


def test_hairpinning_can_be_off() -> None:
    one, other = pair(hairpinning=False, **OPEN)
    one.open()
    assert one.run(kit.udp(INSIDE, 5000, *other.open())) == ([], ["drop_hairpin_disabled"])


# Log


def test_log_tells_who_had_which_ports() -> None:
    """RFC 6888 s4, RFC6888-REQ-12: no destination; one record a block (REQ-14)."""
    records: list[tuple[Any, Any]] = []
    gateway = build_node(
        replace(AFTR_SERVICE, pool=pool(block_size=64)),
        rng=Random(1),
        log=lambda service, record: records.append((service.name, record)),
    )
    one = Customer(gateway)
    ports = {one.open(sport=5000 + n) for n in range(10)}
    ((name, record),) = records
    assert (name, record.event, record.last_port - record.first_port) == ("t", "block_assigned", 63)
    assert record.realm == int(IPv6Address("2001:db8:1:100::"))
    assert {IPv4Address(address) for address, _unused in ports} == {IPv4Address(record.outside)}
    assert all(record.first_port <= port <= record.last_port for _unused, port in ports)
    gateway.expire(302.0)
    gateway.expire(500.0)
    assert [r.event for _unused, r in records] == ["block_assigned", "block_released"]
