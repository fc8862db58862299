# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stateful NAT64 and the PLAT of 464XLAT (RFC 6146)."""

from __future__ import annotations

import json
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping import rfc6052
from ansible_collections.ipv4aas.fleet.engine.node.core import Limits
from session_samples import (
    HOST6,
    NAT64_6,
    NAT64_SERVICE,
    OTHER6,
    PLAT_SERVICE,
    ROUTER6,
    SERVER,
    SERVER2,
    Host,
    cut6,
    echo6,
    from_internet,
    in_clat,
    in_prefix,
    node,
    pool,
    ports6,
    tcp6,
)
from unit.packet import packetkit as kit
from unit.packet import translationkit as kit6
from unit.packet.packetkit import ACK, NATIVE, SOFTWIRE, SYN

VECTORS = Path(__file__).parents[2] / "vectors"
PACKETS = {v["id"]: v for v in json.loads((VECTORS / "packets.json").read_text())["vectors"]}
OPEN = {"filtering": "endpoint-independent"}
SERVER6 = in_prefix(SERVER)


def nat64(limits: Limits | None = None, **changes: Any) -> Any:
    return node(NAT64_SERVICE, limits, **changes)


def single(**changes: Any) -> tuple[Any, Host]:
    gateway = nat64(**changes)
    return gateway, Host(gateway)


def pair(**changes: Any) -> tuple[Host, Host]:
    gateway = nat64(**changes)
    return Host(gateway), Host(gateway, OTHER6)


# There and back


def test_vectors_of_the_walk_through(monkeypatch: pytest.MonkeyPatch) -> None:
    """packets.json nat64-syn, nat64-synack (RFC 6146 s1.2.2), but for the port, which is our choice."""
    # The RFC's example has documentation addresses in the well-known prefix.
    monkeypatch.setattr(rfc6052, "non_global", lambda ipv4: False)
    gateway = nat64(
        translation_prefix=rfc6052.WELL_KNOWN,
        pool=pool(ipv4=(IPv4Network("203.0.113.1/32"),), first_port=2000),
    )
    syn, synack = PACKETS["nat64-syn"], PACKETS["nat64-synack"]
    out = kit.one(gateway, bytes.fromhex(syn["input"]["hex"]), SOFTWIRE)
    wanted = bytes.fromhex(syn["expect"]["hex"])
    assert (out[:4], out[6:10], out[12:20]) == (wanted[:4], wanted[6:10], wanted[12:20])
    assert out[22:36] == wanted[22:36]
    answer = bytes.fromhex(synack["input"]["hex"])
    port = kit.field(out, "sport")
    answer = kit.tcp("192.0.2.1", 80, "203.0.113.1", port, SYN | ACK)
    back = from_internet(gateway, answer)
    wanted = bytes.fromhex(synack["expect"]["hex"])
    assert back[:44] == wanted[:44]


def test_udp_there_and_back() -> None:
    gateway, host = single()
    out = host.send(host.udp(5000, SERVER, 53, b"question", tc=0xB8))
    assert (kit.field(out, "dst"), kit.field(out, "dport"), out[28:]) == (SERVER, 53, b"question")
    assert kit.field(out, "src").startswith("203.0.113.")
    assert (out[1], kit.field(out, "ttl")) == (0xB8, 63)
    back = from_internet(
        gateway, kit.udp(SERVER, 53, kit.field(out, "src"), kit.field(out, "sport"), b"answer")
    )
    assert (kit.outer(back), ports6(back), back[48:]) == ((SERVER6, HOST6), (53, 5000), b"answer")
    assert back[7] == 63


def test_ping_there_and_back() -> None:
    """RFC5508-REQ-1."""
    gateway, host = single()
    out = host.send(echo6(HOST6, SERVER6, 77))
    assert kit.field(out, "icmp") == (8, 0)
    back = from_internet(
        gateway, kit.echo(SERVER, kit.field(out, "src"), kit.field(out, "icmp_id"), reply=True)
    )
    assert back[40:] == echo6(SERVER6, HOST6, 77, reply=True)[40:]


def test_tcp_there_and_back() -> None:
    gateway, host = single()
    out = host.send(host.tcp(5000, SERVER, 80))
    address, port = kit.field(out, "src"), kit.field(out, "sport")
    back = from_internet(gateway, kit.tcp(SERVER, 80, address, port, SYN | ACK))
    assert (kit.outer(back), ports6(back), back[53]) == ((SERVER6, HOST6), (80, 5000), SYN | ACK)
    assert host.send(host.tcp(5000, SERVER, 80, ACK, b"GET"))[40:] == b"GET"


def test_hosts_with_the_same_port_are_told_apart() -> None:
    """RFC4787-REQ-3, RFC5382-REQ-7."""
    one, other = pair()
    mine, theirs = one.open(), other.open()
    assert mine != theirs
    assert kit.outer(from_internet(one.gateway, kit.udp(SERVER, 53, *mine)))[1] == HOST6
    assert kit.outer(from_internet(one.gateway, kit.udp(SERVER, 53, *theirs)))[1] == OTHER6


def test_plat_takes_a_clats_hosts_for_one_subscriber() -> None:
    """Two hosts of one CLAT, one subscriber prefix: RFC6888-REQ-2."""
    gateway = node(PLAT_SERVICE)
    first, second = (Host(gateway, in_clat(f"192.168.1.{n}")) for n in (10, 11))
    mine, theirs = first.open(), second.open()
    assert mine[0] == theirs[0] and mine[1] != theirs[1]
    assert kit.outer(from_internet(gateway, kit.udp(SERVER, 53, *theirs)))[1] == second.address


# Who may send what where (RFC 6146 s3.5)


@pytest.mark.parametrize("source", [in_prefix(SERVER2), NAT64_6, "::1"])
def test_sources_that_would_go_round_are_dropped(source: str) -> None:
    packet = kit6.udp6(source, 5000, SERVER6, 53)
    assert Host(nat64()).run(packet) == ([], ["drop_softwire_source"])


@pytest.mark.parametrize("target", ["2001:db8:65::1", "2001:db8:ffff::65"])
def test_destinations_outside_the_prefix_are_not_ours(target: str) -> None:
    assert Host(nat64()).run(kit6.udp6(HOST6, 5000, target, 53)) == ([], ["drop_not_for_us"])


def test_the_own_address_answers_pings_and_nothing_else() -> None:
    (out,), events = Host(nat64()).run(echo6(HOST6, NAT64_6, 7))
    assert (kit.outer(out), events) == ((NAT64_6, HOST6), ["echo_answered"])
    assert Host(nat64()).run(kit6.udp6(HOST6, 5000, NAT64_6, 53)) == ([], ["drop_not_for_us"])


@pytest.mark.parametrize(("target", "good"), [("10.1.2.3", False), ("192.168.0.1", False), ("8.8.8.8", True)])
def test_the_well_known_prefix_carries_global_addresses_only(target: str, good: bool) -> None:
    """RFC 6052 s3.1, both ways."""
    gateway = nat64(translation_prefix=rfc6052.WELL_KNOWN, **OPEN)
    host = Host(gateway)
    out, events = host.run(kit6.udp6(HOST6, 5000, in_prefix(target, rfc6052.WELL_KNOWN), 53))
    assert bool(out) is good
    assert good or events == ["drop_prefix_not_global"]
    sent = host.send(kit6.udp6(HOST6, 5000, in_prefix("9.9.9.9", rfc6052.WELL_KNOWN), 53))
    came = kit.udp(target, 53, kit.field(sent, "src"), kit.field(sent, "sport"))
    out, events = kit.run(gateway, came, NATIVE)
    assert bool(out) is good
    assert good or events == ["drop_prefix_not_global"]


def test_an_own_prefix_carries_private_addresses() -> None:
    assert Host(nat64()).open(remote="10.1.2.3")


@pytest.mark.parametrize("number", [47, 50, 132])
def test_protocols_without_napt_are_told(number: int) -> None:
    """RFC 6146 s3.5: ICMPv6 1/4, ICMPv4 3/2."""
    gateway, host = single()
    address, _unused = host.open()
    (out,), events = host.run(kit6.ip6(HOST6, SERVER6, number, bytes(40)))
    assert events[0] == "drop_protocol_unsupported"
    assert (out[6], out[40], out[41], kit.outer(out)) == (58, 1, 4, (NAT64_6, HOST6))
    assert kit6.wrong6(out) == []
    error = kit.one(gateway, kit.ip(SERVER, address, number, bytes(40)), NATIVE)
    assert (kit.field(error, "icmp"), kit.field(error, "dst")) == ((3, 2), SERVER)


# Mapping and filtering


def test_mapping_is_endpoint_independent() -> None:
    """RFC4787-REQ-1, RFC5382-REQ-1."""
    host = Host(nat64())
    assert host.open(remote=SERVER) == host.open(remote=SERVER2)


@pytest.mark.parametrize(
    ("filtering", "good"), [("endpoint-independent", True), ("address-dependent", False)]
)
def test_filtering_of_third_parties(filtering: str, good: bool) -> None:
    """RFC4787-REQ-8."""
    gateway, host = single(filtering=filtering)
    out, events = kit.run(gateway, kit.udp(SERVER2, 99, *host.open()), NATIVE)
    assert bool(out) is good
    assert good or events == ["drop_filtered"]


def test_a_full_session_table_is_told_and_keeps_what_lives() -> None:
    """RFC6888-REQ-11; RFC 6146 s3.5.1.1: ICMPv6 1/3."""
    gateway = nat64(Limits(sessions=2))
    host = Host(gateway)
    opened = [host.open(sport=n) for n in (5000, 5001)]
    (out,), events = host.run(host.udp(5002, SERVER, 53))
    assert events[0] == "drop_session_limit"
    assert (out[40], out[41], kit.outer(out)) == (1, 3, (NAT64_6, HOST6))
    assert all(from_internet(gateway, kit.udp(SERVER, 53, *pair)) for pair in opened)


# Hairpin (RFC 6146 s3.8)


def test_hosts_reach_each_other_by_outside_addresses() -> None:
    """RFC4787-REQ-9: the source is the outside address, in the prefix."""
    one, other = pair(**OPEN)
    mine, theirs = one.open(), other.open()
    (out,), events = one.run(one.udp(5000, *theirs))
    assert "hairpinned" in events
    assert kit6.wrong6(out) == []
    assert (kit.outer(out), ports6(out)) == ((in_prefix(mine[0]), OTHER6), (mine[1], 5000))
    (back,), _events = other.run(other.udp(5000, *mine))
    assert (kit.outer(back), ports6(back)) == ((in_prefix(theirs[0]), HOST6), (theirs[1], 5000))


def test_hairpinned_tcp_handshake() -> None:
    """RFC5382-REQ-8."""
    one, other = pair(**OPEN)
    served = other.send(other.tcp(8080, SERVER, 80))
    theirs = kit.field(served, "src"), kit.field(served, "sport")
    (syn,), _events = one.run(one.tcp(6000, *theirs))
    source, port = kit.outer(syn)[0], ports6(syn)[0]
    (answer,), _events = other.run(tcp6(OTHER6, 8080, source, port, SYN | ACK))
    assert (kit.outer(answer), ports6(answer)) == ((in_prefix(theirs[0]), HOST6), (theirs[1], 6000))


def test_hairpinned_error() -> None:
    """RFC5508-REQ-7."""
    one, other = pair(**OPEN)
    mine, theirs = one.open(), other.open()
    (came,), _events = one.run(one.udp(5000, *theirs))
    (error,), _events = other.run(kit6.icmp6(OTHER6, in_prefix(mine[0]), 1, 4, 0, came))
    assert kit6.wrong6(error) == []
    assert kit.outer(error) == (in_prefix(theirs[0]), HOST6)
    assert (error[40], error[41]) == (1, 4)
    inner = error[48:]
    assert (kit.outer(inner), ports6(inner)) == ((HOST6, in_prefix(theirs[0])), (5000, theirs[1]))


# Errors


def test_error_from_the_internet_reaches_the_host() -> None:
    """RFC5508-REQ-4/5; nodes check that the packet inside is their own."""
    gateway, host = single()
    sent = host.send(host.udp(5000, SERVER, 53))
    error = from_internet(gateway, kit.icmp("8.8.4.4", kit.field(sent, "src"), 3, 3, 0, sent))
    assert (kit.outer(error), error[40], error[41]) == ((in_prefix("8.8.4.4"), HOST6), 1, 4)
    inner = error[48:]
    assert (kit.outer(inner), ports6(inner)) == ((HOST6, SERVER6), (5000, 53))
    assert kit6.wrong6(inner) == []


def test_error_of_a_host_reaches_the_internet() -> None:
    gateway, host = single()
    address, port = host.open()
    came = from_internet(gateway, kit.udp(SERVER, 53, address, port))
    error = host.send(kit6.icmp6(HOST6, SERVER6, 1, 4, 0, came))
    assert (kit.field(error, "src"), kit.field(error, "dst"), kit.field(error, "icmp")) == (
        address,
        SERVER,
        (3, 3),
    )
    inner = kit.field(error, "embedded")
    assert (kit.field(inner, "dst"), kit.field(inner, "dport")) == (address, port)
    assert kit.checksums(inner) == []


def test_error_of_a_router_has_a_source_of_its_own() -> None:
    """RFC 6791: not the host's address."""
    gateway, host = single()
    address, port = host.open()
    came = from_internet(gateway, kit.udp(SERVER, 53, address, port, bytes(1400)))
    error = Host(gateway).send(kit6.icmp6(ROUTER6, SERVER6, 2, 0, 1400, came[:1200]))
    assert (kit.field(error, "src"), kit.field(error, "dst")) == ("192.0.0.8", SERVER)
    assert (kit.field(error, "icmp"), kit.field(error, "mtu")) == ((3, 4), 1380)
    inner = kit.field(error, "embedded")
    assert (kit.field(inner, "dst"), kit.field(inner, "dport")) == (address, port)


def test_forged_errors_are_dropped() -> None:
    one, other = pair()
    address, port = one.open()
    came = from_internet(one.gateway, kit.udp(SERVER, 53, address, port))
    other_port = came[:42] + (5001).to_bytes(2, "big") + came[44:]
    for about in (other_port, came[:24] + kit.v6(OTHER6) + came[40:]):
        out, events = other.run(kit6.icmp6(OTHER6, SERVER6, 1, 4, 0, about))
        assert (out, events) == ([], ["drop_no_session"])


def test_errors_end_no_session() -> None:
    """RFC4787-REQ-12, RFC5382-REQ-10."""
    gateway, host = single()
    sent = host.send(host.udp(5000, SERVER, 53))
    from_internet(gateway, kit.icmp(SERVER, kit.field(sent, "src"), 3, 3, 0, sent))
    assert from_internet(gateway, kit.udp(SERVER, 53, kit.field(sent, "src"), kit.field(sent, "sport")))


def test_hop_limit_errors_go_to_both_sides() -> None:
    gateway, host = single()
    (out,), _events = host.run(host.udp(5000, SERVER, 53, hop_limit=1))
    assert (out[40], out[41], kit.outer(out)) == (3, 0, (NAT64_6, HOST6))
    assert kit6.wrong6(out) == []
    error = kit.one(gateway, kit.udp(SERVER, 53, *host.open(), ttl=1), NATIVE)
    assert (kit.field(error, "icmp"), kit.field(error, "dst")) == ((11, 0), SERVER)


# Sizes


def test_too_big_for_ipv6_is_told() -> None:
    """RFC4787-REQ-13."""
    gateway, host = single()
    opened = host.open()
    assert from_internet(gateway, kit.udp(SERVER, 53, *opened, bytes(1480 - 28)))
    error = kit.one(gateway, kit.udp(SERVER, 53, *opened, bytes(1481 - 28)), NATIVE)
    assert (kit.field(error, "icmp"), kit.field(error, "mtu")) == ((3, 4), 1480)


def test_without_df_it_is_cut_for_ipv6() -> None:
    gateway, host = single()
    out, _events = kit.run(gateway, kit.udp(SERVER, 53, *host.open(), bytes(1400), df=False), NATIVE)
    assert [packet[6] for packet in out] == [44, 44]
    assert max(map(len, out)) <= 1280
    assert {kit.outer(packet) for packet in out} == {(SERVER6, HOST6)}


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_ipv6_fragments_in_any_order(order: tuple[int, ...]) -> None:
    """RFC4787-REQ-14; two hosts with one Identification never mix (RFC7857-s10)."""
    one, other = pair()
    whole = {host: host.udp(5000, SERVER, 53, bytes([n]) * 240) for n, host in enumerate((one, other))}
    out = {h: [p for i in order for p in h.run(cut6(whole[h], 96)[i])[0]] for h in (one, other)}
    for number, pieces in enumerate(out.values()):
        assert len(pieces) == 3
        assert len({(p[4:6], p[12:20]) for p in pieces}) == 1
        parts = sorted(pieces, key=lambda p: int.from_bytes(p[6:8], "big") & 0x1FFF)
        body = b"".join(p[20:] for p in parts)
        assert body[8:] == bytes([number]) * 240
        whole4 = kit.ip(kit.field(parts[0], "src"), SERVER, 17, body)
        assert kit.checksums(whole4) == []
    assert len({p[4:6] for pieces in out.values() for p in pieces}) == 2


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_ipv4_fragments_in_any_order(order: tuple[int, ...]) -> None:
    """RFC4787-REQ-14."""
    gateway, host = single()
    cut = kit.cut(kit.udp(SERVER, 53, *host.open(), b"abcdefgh" * 30), 96)
    out = [p for i in order for p in kit.run(gateway, cut[i], NATIVE)[0]]
    assert {kit.outer(p) for p in out} == {(SERVER6, HOST6)}
    parts = sorted(out, key=lambda p: int.from_bytes(p[42:44], "big") & 0xFFF8)
    body = b"".join(p[48:] for p in parts)
    assert kit6.wrong6(kit6.ip6(SERVER6, HOST6, 17, body)) == []
    assert body[8:] == b"abcdefgh" * 30


def test_udp_without_checksum_gets_one() -> None:
    gateway, host = single()
    packet = bytearray(kit.udp(SERVER, 53, *host.open()))
    packet[26:28] = b"\0\0"
    assert from_internet(gateway, bytes(packet))


@pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 2, 0)])
def test_udp_without_checksum_in_pieces_gets_one(order: tuple[int, ...]) -> None:
    """RFC 6146 s3.4."""
    gateway, host = single()
    packet = bytearray(kit.udp(SERVER, 53, *host.open(), b"abcdefgh" * 30))
    packet[26:28] = b"\0\0"
    cut = kit.cut(bytes(packet), 96)
    (out,) = (p for i in order for p in kit.run(gateway, cut[i], NATIVE)[0])
    assert kit6.wrong6(out) == []
    assert (kit.outer(out), ports6(out), out[48:]) == ((SERVER6, HOST6), (53, 5000), b"abcdefgh" * 30)
    strict = nat64(udp_zero_checksum="drop")
    Host(strict).open()
    assert kit.run(strict, cut[0], NATIVE)[1][0] == "drop_udp_no_checksum"


def test_super_packets_cross_whole_both_ways() -> None:
    gateway, host = single()
    out = host.send(host.tcp(5000, SERVER, 80))
    address, port = kit.field(out, "src"), kit.field(out, "sport")
    from_internet(gateway, kit.tcp(SERVER, 80, address, port, SYN | ACK))
    down = kit.partial(kit.tcp(SERVER, 80, address, port, ACK, bytes(14000)), 1400)
    ((packet, link),), _events = gateway.process(down, NATIVE, 1.0)
    assert link is SOFTWIRE and packet.offload.gso_size == 1400
    assert kit6.wrong6(kit.finished(packet)) == []
    up = kit6.partial6(host.tcp(5000, SERVER, 80, ACK, bytes(14000)), 1400)
    ((packet, link),), _events = gateway.process(up, SOFTWIRE, 1.0)
    assert link is NATIVE and packet.offload.gso_size == 1400
    assert kit.checksums(kit.finished(packet)) == []


def test_mss_is_clamped_both_ways() -> None:
    """mtu_mss.json mtu-xlat-1500."""
    gateway, host = single(mss_clamp=1440)
    big = b"\x02\x04\x05\xb4"
    body = kit6.sealed6(HOST6, SERVER6, 6, kit.tcp_body("0.0.0.0", 5000, "0.0.0.0", 80, SYN, b"", big), 16)
    out = host.send(kit6.ip6(HOST6, SERVER6, 6, body))
    assert out[40:44] == b"\x02\x04\x05\xa0"
    answer = kit.tcp(SERVER, 80, kit.field(out, "src"), kit.field(out, "sport"), SYN | ACK, b"", big)
    assert from_internet(gateway, answer)[60:64] == b"\x02\x04\x05\xa0"


# Change


def test_reload_keeps_sessions() -> None:
    gateway, host = single()
    opened = host.open()
    assert gateway.reload(nat64(mss_clamp=1400).service) == []
    assert from_internet(gateway, kit.udp(SERVER, 53, *opened))
    gateway.reload(nat64(translation_prefix=IPv6Network("2001:db8:65::/96")).service)
    back = from_internet(gateway, kit.udp(SERVER, 53, *opened))
    assert kit.outer(back)[0] == str(IPv6Address(kit.v6("2001:db8:65::")[:12] + kit.v4(SERVER)))


def test_settings_change_under_traffic() -> None:
    gateway, host = single()
    opened = host.open()
    big = kit.udp(SERVER, 53, *opened, bytes(1400), df=False)
    assert len(kit.run(gateway, big, NATIVE)[0]) == 2
    gateway.reload(nat64(lowest_ipv6_mtu=1500).service)
    assert len(from_internet(gateway, big)) == 1448
    gateway.reload(nat64(lowest_ipv6_mtu=1500, udp_zero_checksum="drop").service)
    unsummed = bytearray(kit.udp(SERVER, 53, *opened))
    unsummed[26:28] = b"\0\0"
    assert kit.run(gateway, bytes(unsummed), NATIVE)[1][0] == "drop_udp_no_checksum"
    assert kit.run(gateway, kit.udp(SERVER2, 53, *opened), NATIVE)[1] == ["drop_filtered"]
    gateway.reload(nat64(**OPEN).service)
    assert from_internet(gateway, kit.udp(SERVER2, 53, *opened))
    assert host.open() == opened
