# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The session core at a gateway: what nat_requirements.json asks of it, id by id."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address
from random import Random
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.packet.allocation import PoolAllocator
from ansible_collections.ipv4aas.fleet.engine.packet.ipv4 import Datagram
from ansible_collections.ipv4aas.fleet.engine.packet.napt import Napt, StaticBinding
from ansible_collections.ipv4aas.fleet.engine.packet.verdict import Drop
from hypothesis import given, settings
from hypothesis import strategies as st
from unit.packet import packetkit as kit
from unit.packet.packetkit import ACK, FIN, RST, SYN

POOL = Pool(ipv4=(IPv4Network("203.0.113.0/31"),), first_port=65536 - 512)
A, B = "192.168.1.10", "192.168.1.11"
SERVER, OTHER = "198.51.100.7", "198.51.100.8"
HOME, NEIGHBOUR = (int(IPv6Address(f"2001:db8:{n}::1")) for n in (1, 2))  # two softwires
BOTH = pytest.mark.parametrize("proto", ["udp", "tcp"])


class Nat:
    """A Napt with a way to talk to it: packets in, packets out, checksums judged."""

    def __init__(self, pool: Pool = POOL, *, limit: int = 10_000, eif: bool = False, **how: Any) -> None:
        self.records: list[Any] = []
        self.allocator = PoolAllocator(pool, Random(1), log=self.records.append)
        self.napt = Napt(self.allocator, limit=limit, endpoint_independent_filtering=eif, **how)

    def out(self, packet: bytes, now: float = 0.0, realm: int = HOME) -> bytes:
        d = Datagram(packet)
        self.napt.expire(now)
        (self.napt.outbound_error(d, realm) if d.is_icmp_error else self.napt.outbound(d, now, realm))
        assert kit.checksums(bytes(d.buf)) == []
        return bytes(d.buf)

    def back(self, packet: bytes, now: float = 0.0, *, hairpin: bool = False) -> tuple[int, bytes]:
        d = Datagram(packet)
        self.napt.expire(now)
        napt = self.napt
        realm = napt.inbound_error(d) if d.is_icmp_error else napt.inbound(d, now, hairpin=hairpin)
        assert kit.checksums(bytes(d.buf)) == []
        return realm, bytes(d.buf)

    def opened(
        self, host: str = A, sport: int = 5000, realm: int = HOME, proto: str = "udp", dst: str = SERVER,
        now: float = 0.0,
    ) -> tuple[str, int]:  # fmt: skip
        """The outside address and port of a new session."""
        return self.ends(self.out(packet(proto, host, sport, dst, 53), now, realm))

    @staticmethod
    def ends(sent: bytes) -> tuple[str, int]:
        return kit.field(sent, "src"), kit.field(sent, "icmp_id" if sent[9] == 1 else "sport")

    def reaches(self, source: str, sport: int, target: tuple[str, int], proto: str = "udp", now: float = 0.0,
                **how: Any) -> bool:  # fmt: skip
        try:
            self.back(packet(proto, source, sport, *target), now, **how)
        except Drop:
            return False
        return True

    def reason(self, packet: bytes, now: float = 0.0, realm: int = HOME) -> Drop:
        with pytest.raises(Drop) as caught:
            self.out(packet, now, realm)
        return caught.value

    def states(self) -> list[str]:
        return [view.state for view in self.napt.sessions()]


def packet(proto: str, src: str, sport: int, dst: str, dport: int) -> bytes:
    """A first packet."""
    make = {"udp": kit.udp, "tcp": kit.tcp}.get(proto)
    return kit.echo(src, dst, sport) if make is None else make(src, sport, dst, dport)


# Mapping


@BOTH
def test_mapping_is_endpoint_independent(proto: str) -> None:
    """RFC4787-REQ-1, RFC5382-REQ-1, RFC7857-s5/s6 (each protocol for itself)."""
    nat = Nat()
    first = nat.opened(proto=proto)
    assert nat.opened(proto=proto, dst=OTHER) == first
    assert nat.ends(nat.out(packet(proto, A, 5000, SERVER, 99))) == first
    assert len(nat.napt) == 3
    other = {"udp": "tcp", "tcp": "udp"}[proto]
    nat.opened(proto=other)
    assert len({(view.protocol, view.outside_port) for view in nat.napt.sessions()}) == 2


def test_identifiers_are_endpoint_independent() -> None:
    """RFC5508-REQ-1: queries pass, and one identifier stays one."""
    nat = Nat()
    address, ident = nat.ends(nat.out(kit.echo(A, SERVER, 7)))
    assert nat.ends(nat.out(kit.echo(A, OTHER, 7))) == (address, ident)
    realm, answer = nat.back(kit.echo(SERVER, address, ident, reply=True))
    assert (realm, kit.field(answer, "dst"), kit.field(answer, "icmp_id")) == (HOME, A, 7)
    with pytest.raises(Drop, match="drop_unsolicited"):
        nat.back(kit.echo(SERVER, address, ident))  # a query of the outside


@BOTH
def test_no_port_is_used_twice(proto: str) -> None:
    """RFC4787-REQ-3, RFC5382-REQ-7: also where inside addresses are the same (RFC 6333 s6.6)."""
    nat = Nat(replace(POOL, ipv4=(IPv4Network("203.0.113.1/32"),)))
    flows = [(realm, host) for realm in (HOME, NEIGHBOUR) for host in (A, B)]
    ends = {flow: nat.opened(flow[1], realm=flow[0], proto=proto) for flow in flows}
    assert len(set(ends.values())) == 4
    for (realm, host), target in ends.items():
        came, answer = nat.back(packet(proto, SERVER, 53, *target))
        assert (came, kit.field(answer, "dst"), kit.field(answer, "dport")) == (realm, host, 5000)


def test_parity_is_kept() -> None:
    """RFC4787-REQ-4."""
    nat = Nat()
    assert all(nat.opened(sport=5000 + n)[1] % 2 == n % 2 for n in range(100))


def test_behaviour_is_the_same_under_load() -> None:
    """RFC4787-REQ-11: with most ports taken, mapping and filtering are what they were."""
    nat = Nat()
    first = nat.opened()
    for n in range(1, 500):
        nat.opened(sport=5000 + n)
    assert nat.opened(dst=OTHER) == first
    last = nat.opened(sport=6000)
    assert nat.opened(sport=6000, dst=OTHER) == last
    assert [nat.reaches(peer, 1, end) for end in (first, last) for peer in (SERVER, "198.51.100.99")] == [
        True, False, True, False,
    ]  # fmt: skip


# Filtering


@BOTH
@pytest.mark.parametrize("eif", [False, True])
def test_who_may_come_in(proto: str, eif: bool) -> None:
    """RFC4787-REQ-8, RFC6888-REQ-7, RFC7857-s5/s6: address-dependent, or open to all."""
    nat = Nat(eif=eif)
    end = nat.opened(proto=proto)
    assert nat.reaches(SERVER, 4000, end, proto)
    assert nat.reaches(OTHER, 53, end, proto) is eif
    assert not nat.reaches(SERVER, 53, (end[0], 65535 if end[1] != 65535 else 65534), proto)


def test_filter_follows_the_sessions() -> None:
    """The permission ends with the last session to that address."""
    nat = Nat()
    end = nat.opened()
    nat.opened(dst=OTHER, now=200.0)
    nat.out(kit.udp(A, 5000, OTHER, 99), 250.0)
    assert nat.reaches(SERVER, 1, end, now=299.0)
    assert not nat.reaches("198.51.100.9", 1, end, now=299.0)
    assert nat.reaches(OTHER, 1, end, now=540.0)
    assert nat.reaches(SERVER, 2, end, now=598.0)  # the session that the packet at 299 opened
    assert not nat.reaches(SERVER, 2, end, now=1500.0)


def test_filtered_packets_refresh_nothing() -> None:
    """RFC7857-s7."""
    nat = Nat()
    end = nat.opened()
    for now in range(10, 300, 10):
        assert not nat.reaches(OTHER, 53, end, now=float(now))
    assert nat.napt.expire(300.0) == 1


# Timers


def test_udp_timer() -> None:
    """RFC4787-REQ-5, RFC4787-REQ-6: five minutes, refreshed from inside and by what comes in."""
    nat = Nat()
    end = nat.opened()
    assert nat.opened(now=299.0) == end
    assert nat.reaches(SERVER, 53, end, now=598.0)
    assert nat.reaches(SERVER, 53, end, now=897.0)
    assert not nat.reaches(SERVER, 53, end, now=1197.0)
    assert len(nat.napt) == 0


def test_icmp_timer() -> None:
    """RFC5508-REQ-2: not below 60 s."""
    nat = Nat()
    nat.out(kit.echo(A, SERVER, 7))
    assert (nat.napt.expire(59.9), nat.napt.expire(60.0)) == (0, 1)


def established(nat: Nat, now: float = 0.0) -> tuple[str, int]:
    end = nat.ends(nat.out(kit.tcp(A, 5000, SERVER, 80), now))
    nat.back(kit.tcp(SERVER, 80, *end, SYN | ACK), now)
    assert nat.states() == ["established"]
    return end


def test_tcp_timers() -> None:
    """RFC5382-REQ-5: 2 h 4 min idle when established, 4 min when not."""
    nat = Nat()
    nat.opened(proto="tcp", sport=6000)
    assert (nat.napt.expire(239.9), nat.napt.expire(240.0)) == (0, 1)
    established(nat)
    assert (nat.napt.expire(7439.9), nat.napt.expire(7440.0)) == (0, 1)


def test_timers_are_as_many_as_sessions() -> None:
    """Also where lives are made longer and shorter, and where time jumps."""
    nat = Nat(eif=True)
    end = nat.opened()
    for n in range(300):
        assert nat.reaches(SERVER, n + 1, end, now=n * 1.5)
    assert (
        len(nat.napt._timers)
        == len(nat.napt)
        == 300 - sum(n * 1.5 <= 448.5 - 300 for n in range(300)) + 1 - 1
    )
    assert nat.napt.expire(1e6) and not len(nat.napt) and not len(nat.napt._timers)


@settings(max_examples=60)
@given(st.lists(st.tuples(st.integers(0, 3), st.integers(1, 200)), max_size=60))
def test_sessions_end_when_their_time_comes(steps: list[tuple[int, int]]) -> None:
    """Against a model: the time of the last packet + 300 s, exactly."""
    nat, model, now = Nat(), {}, 0.0
    for host, pause in steps:
        now += pause / 2
        nat.opened(sport=5000 + host, now=now)
        model[host] = now + 300.0
        model = {key: due for key, due in model.items() if due > now}
        assert {view.inside_port - 5000: view.expires for view in nat.napt.sessions()} == model
    for due in sorted(set(model.values())):
        before = len(nat.napt)
        assert nat.napt.expire(due - 0.001) == 0
        assert nat.napt.expire(due) == before - len(nat.napt) > 0
    assert not nat.napt._inside and not nat.napt._outside and not len(nat.napt._timers)


# TCP


def test_simultaneous_open() -> None:
    """RFC5382-REQ-2, RFC7857-s2."""
    nat = Nat()
    end = nat.opened(proto="tcp")
    nat.back(kit.tcp(SERVER, 53, *end, SYN))
    assert nat.states() == ["established"]


def test_open_from_outside() -> None:
    """RFC 6146 s3.5.2.2: V4 SYN over a binding, then the answer from inside."""
    nat = Nat(eif=True)
    end = nat.opened(proto="tcp")
    nat.back(kit.tcp(OTHER, 99, *end, SYN))
    assert nat.states() == ["inside-init", "outside-init"]
    nat.out(kit.tcp(A, 5000, OTHER, 99, SYN | ACK))
    assert nat.states() == ["inside-init", "established"]


def test_resets_are_translated_and_keep_the_session_four_minutes() -> None:
    """RFC7857-s2, RFC7857-s7: a RST from inside refreshes nothing either."""
    nat = Nat()
    end = established(nat)
    assert nat.back(kit.tcp(SERVER, 80, *end, RST), 10.0)[0] == HOME
    assert nat.states() == ["transitory"]
    nat.out(kit.tcp(A, 5000, SERVER, 80, RST), 100.0)
    assert (nat.napt.expire(249.9), nat.napt.expire(250.0)) == (0, 1)


def test_data_after_a_forged_reset_keeps_the_connection() -> None:
    """RFC7857-s2."""
    nat = Nat()
    end = established(nat)
    nat.back(kit.tcp(SERVER, 80, *end, RST), 10.0)
    nat.out(kit.tcp(A, 5000, SERVER, 80, ACK), 11.0)
    assert nat.states() == ["established"]
    assert nat.napt.expire(7000.0) == 0


def test_only_a_syn_opens() -> None:
    """RFC 6146 s3.5.2.2, CLOSED."""
    nat = Nat(eif=True)
    for flags in (ACK, SYN | ACK, FIN | ACK, RST, 0):
        assert nat.reason(kit.tcp(A, 5000, SERVER, 80, flags)).reason == "drop_tcp_no_session"
    end = nat.opened(proto="tcp")
    for flags in (ACK, SYN | ACK, RST):
        with pytest.raises(Drop, match="drop_tcp_no_session"):
            nat.back(kit.tcp(OTHER, 99, *end, flags))


@pytest.mark.parametrize("eif", [False, True])
def test_an_unsolicited_syn_is_answered_after_six_seconds(eif: bool) -> None:
    """RFC5382-REQ-4: silence for 6 s, then what an ICMP 3/3 is made of."""
    nat = Nat(eif=eif, remembered_syns=10)
    address, _port = nat.opened(proto="tcp")
    syn = kit.tcp(SERVER, 99, address, 65100, SYN, ttl=9)
    for now in (1.0, 2.0):  # repeated by the sender: one answer
        assert not nat.reaches(SERVER, 99, (address, 65100), "tcp", now)
    nat.back(kit.tcp(SERVER, 53, *nat.opened(proto="tcp"), SYN | ACK), 3.0)
    assert nat.napt.unanswered(6.9) == []
    assert [p[:20] for p in nat.napt.unanswered(7.0)] == [kit.tcp(SERVER, 99, address, 65100)[:20]]
    assert nat.napt.unanswered(100.0) == []
    assert len(syn) == 40


def test_a_syn_from_inside_in_time_is_the_answer() -> None:
    """RFC5382-REQ-4: the SYN that came too early is dropped without a word, and the connection opens."""
    nat = Nat(remembered_syns=10)
    end = nat.opened(proto="tcp", dst=OTHER)
    assert not nat.reaches(SERVER, 53, end, "tcp", 1.0)
    assert nat.opened(proto="tcp", now=2.0) == end
    assert nat.napt.unanswered(100.0) == []
    nat.back(kit.tcp(SERVER, 53, *end, SYN), 3.0)
    assert nat.states() == ["inside-init", "established"]


def test_remembered_syns_are_bounded() -> None:
    """RFC5382-REQ-4 (a), RFC6888-REQ-5: a flood is forgotten, other packets are never remembered."""
    nat = Nat(remembered_syns=5)
    for port in range(65100, 65150):
        nat.reaches(SERVER, 9, ("203.0.113.0", port), "tcp")
        nat.reaches(SERVER, 9, ("203.0.113.0", port), "udp")
        with pytest.raises(Drop):
            nat.back(kit.tcp(SERVER, 9, "203.0.113.1", port, SYN | ACK))
    assert len(nat.napt.unanswered(6.0)) == 5
    silent = Nat()
    assert not silent.reaches(SERVER, 9, ("203.0.113.0", 65100), "tcp")
    assert silent.napt.unanswered(6.0) == []


# Hairpinning


def turned(
    nat: Nat, proto: str, realm: int, target: tuple[str, int], host: str = B, sport: int = 6000
) -> Any:
    """From one subscriber to another's outside address and port."""
    sent = nat.out(packet(proto, host, sport, *target), realm=realm)
    return nat.back(sent, hairpin=True), nat.ends(sent)


@BOTH
def test_hairpin(proto: str) -> None:
    """RFC4787-REQ-9, RFC5382-REQ-8: the other sees outside address and port."""
    nat = Nat()
    target = nat.opened(proto=proto)
    (realm, came), own = turned(nat, proto, NEIGHBOUR, target)
    assert (realm, kit.field(came, "dst"), kit.field(came, "dport")) == (HOME, A, 5000)
    assert (kit.field(came, "src"), kit.field(came, "sport")) == own
    if proto == "tcp":
        answer = nat.out(kit.tcp(A, 5000, *own, SYN | ACK))
        back, last = nat.back(answer, hairpin=True)
        assert (back, kit.field(last, "dst"), kit.field(last, "sport")) == (NEIGHBOUR, B, target[1])
        assert sorted(nat.states()) == ["established", "established", "inside-init"]


def test_hairpinned_error() -> None:
    """RFC5508-REQ-7."""
    nat = Nat()
    target = nat.opened()
    (_realm, came), own = turned(nat, "udp", NEIGHBOUR, target)
    error = nat.out(kit.icmp(A, own[0], 3, 3, 0, came))
    assert kit.field(error, "src") == target[0]
    realm, told = nat.back(error)
    inner = kit.field(told, "embedded")
    assert (realm, kit.field(told, "dst"), kit.field(inner, "src"), kit.field(inner, "sport")) == (
        NEIGHBOUR, B, B, 6000,
    )  # fmt: skip
    assert (kit.field(inner, "dst"), kit.field(inner, "dport")) == target


# ICMP errors


@BOTH
def test_errors_are_reverted_and_end_nothing(proto: str) -> None:
    """RFC5508-REQ-4/5, RFC5508-REQ-6, RFC4787-REQ-12, RFC5382-REQ-10."""
    nat = Nat()
    sent = nat.out(packet(proto, A, 5000, SERVER, 53))
    before = nat.napt.sessions()
    for kind, code, word in ((3, 3, 0), (3, 4, 1400), (11, 0, 0), (12, 0, 0)):
        realm, told = nat.back(kit.icmp("192.0.2.99", kit.field(sent, "src"), kind, code, word, sent), 100.0)
        inner = kit.field(told, "embedded")
        assert (realm, kit.field(told, "icmp"), kit.field(told, "dst")) == (HOME, (kind, code), A)
        assert (kit.field(inner, "src"), kit.field(inner, "sport")) == (A, 5000)
        assert kit.field(told, "src") == "192.0.2.99"
    assert nat.napt.sessions() == before
    assert nat.reaches(SERVER, 53, nat.ends(sent), proto, 101.0)


def test_errors_about_others_are_dropped() -> None:
    """RFC5508-REQ-4/5: no session, no translation."""
    nat = Nat()
    sent = nat.out(kit.udp(A, 5000, SERVER, 53))
    address, port = nat.ends(sent)
    for about in (
        kit.udp(address, port, OTHER, 53),
        kit.udp(address, port, SERVER, 54),
        kit.udp(address, port ^ 1, SERVER, 53),
    ):
        with pytest.raises(Drop, match="drop_no_session"):
            nat.back(kit.icmp("192.0.2.99", address, 3, 3, 0, about))
    with pytest.raises(Drop, match="drop_no_session"):
        nat.out(kit.icmp(A, SERVER, 3, 3, 0, kit.udp(SERVER, 53, A, 5000)), realm=NEIGHBOUR)


def test_error_must_go_to_the_sender_of_the_packet_in_it() -> None:
    """RFC 5508 REQ-4: the other address of the pool has not sent it."""
    nat = Nat()
    sent = nat.out(kit.udp(A, 5000, SERVER, 53))
    other = {"203.0.113.0": "203.0.113.1", "203.0.113.1": "203.0.113.0"}[kit.field(sent, "src")]
    with pytest.raises(Drop, match="drop_icmp_mismatch"):
        nat.back(kit.icmp("192.0.2.99", other, 3, 3, 0, sent))


def test_packet_in_an_error_without_checksum_stays_so() -> None:
    """UDP: 0 says that there is none, and adjusting would make it a wrong one."""
    nat = Nat()
    sent = bytearray(nat.out(kit.udp(A, 5000, SERVER, 53)))
    sent[26:28] = bytes(2)
    _realm, told = nat.back(kit.icmp("192.0.2.99", kit.field(bytes(sent), "src"), 3, 3, 0, bytes(sent)))
    inner = kit.field(told, "embedded")
    assert (kit.field(inner, "src"), kit.field(inner, "sport"), inner[26:28]) == (A, 5000, bytes(2))


def test_error_about_a_query_does_not_refresh() -> None:
    """RFC5508-REQ-6."""
    nat = Nat()
    sent = nat.out(kit.echo(A, SERVER, 7))
    nat.back(kit.icmp("192.0.2.99", kit.field(sent, "src"), 11, 0, 0, sent), 50.0)
    assert nat.napt.expire(60.0) == 1


def test_error_cut_short_and_wrong_sums() -> None:
    """RFC5508-REQ-3: the inner transport checksum is never looked at, the others are."""
    nat = Nat()
    sent = nat.out(kit.udp(A, 5000, SERVER, 53, bytes(100)))
    address = kit.field(sent, "src")
    cut = kit.icmp("192.0.2.99", address, 3, 3, 0, sent[:28])
    assert nat.back(cut)[0] == HOME
    broken = bytearray(sent[:28])
    broken[8] ^= 1
    for error in (kit.icmp("192.0.2.99", address, 3, 3, 0, bytes(broken)), cut[:-1] + bytes((cut[-1] ^ 1,))):
        with pytest.raises(Drop, match="drop_icmp_checksum"):
            nat.back(error)


# Limits


@pytest.mark.parametrize(
    ("pool", "limit", "reason"),
    [
        (replace(POOL, ipv4=(IPv4Network("203.0.113.1/32"),)), 10_000, "drop_ports_exhausted"),
        (replace(POOL, ports_per_subscriber=512), 10_000, "drop_quota"),
        (replace(POOL, sessions_per_subscriber=512), 10_000, "drop_session_quota"),
        (POOL, 512, "drop_session_limit"),
    ],
)
def test_without_resources_new_sessions_are_refused_and_old_ones_live(
    pool: Pool, limit: int, reason: str
) -> None:
    """RFC6888-REQ-11, RFC5508-REQ-8, RFC6888-REQ-4: drop, say 3/1 (to IPv6 1/3), evict nothing."""
    nat = Nat(pool, limit=limit)
    ends = [nat.opened(sport=1024 + n) for n in range(512)]
    for n in range(100):
        drop = nat.reason(kit.udp(A, 3000 + n, SERVER, 53))
        assert (drop.reason, drop.error, drop.error6) == (reason, (3, 1, 0), (1, 3, 0))
    assert len(nat.napt) == 512
    assert all(nat.reaches(SERVER, 53, end) for end in ends)
    assert nat.napt.expire(300.0) == 512
    nat.napt.expire(420.0)
    assert nat.opened(now=420.0)


def test_sessions_from_outside_count_for_the_subscriber() -> None:
    """RFC6888-REQ-5: a scan of an open binding stops at the limit; the scanner is told nothing."""
    nat = Nat(replace(POOL, sessions_per_subscriber=10), eif=True)
    end = nat.opened()
    assert sum(nat.reaches(f"198.51.100.{n}", 9, end) for n in range(50, 100)) == 9
    with pytest.raises(Drop, match="drop_session_quota") as caught:
        nat.back(kit.udp("198.51.100.200", 9, *end))
    assert caught.value.error is None
    assert nat.opened(realm=NEIGHBOUR)
    nat.napt.expire(300.0)
    assert nat.opened(now=301.0)


def test_a_port_rests_after_its_binding() -> None:
    """RFC6888-REQ-8."""
    nat = Nat(replace(POOL, ipv4=(IPv4Network("203.0.113.1/32"),), first_port=65535))
    end = nat.opened()
    nat.napt.expire(300.0)
    for now in (300.0, 419.9):
        assert nat.reason(kit.udp(A, 5001, SERVER, 53), now, NEIGHBOUR).reason == "drop_ports_exhausted"
    assert nat.opened(realm=NEIGHBOUR, now=420.0) == end


# Port forwards at a gateway


def test_port_forwards_of_two_subscribers() -> None:
    outside = int(IPv4Address("203.0.113.1"))
    static = [
        StaticBinding(6, 80, int(IPv4Address(A)), 8080, outside, HOME),
        StaticBinding(6, 65100, int(IPv4Address(A)), 8080, outside, NEIGHBOUR),
    ]
    nat = Nat(static=static)
    for port, realm in ((80, HOME), (65100, NEIGHBOUR)):
        came, packet_ = nat.back(kit.tcp(OTHER, 9, "203.0.113.1", port))
        assert (came, kit.field(packet_, "dst"), kit.field(packet_, "dport")) == (realm, A, 8080)
        answer = nat.out(kit.tcp(A, 8080, OTHER, 9, SYN | ACK), realm=realm)
        assert nat.ends(answer) == ("203.0.113.1", port)
    assert nat.napt.expire(1e5) == 2
    assert nat.reaches(OTHER, 9, ("203.0.113.1", 80), "tcp", 1e5)
    taken = {nat.opened(sport=n, realm=HOME, proto="tcp", now=1e5)[1] for n in range(1024, 1024 + 511)}
    assert 65100 not in taken
    with pytest.raises(ValueError, match="port forward tcp 443"):
        Nat(static=[StaticBinding(6, 443, 1, 1, outside - 100, HOME)])
    with pytest.raises(ValueError, match="port forward tcp 80"):
        nat.napt.configure(
            PoolAllocator(POOL, Random(1)), False, [static[0], replace(static[0], outside=1, realm=9)]
        )
    assert nat.reaches(OTHER, 10, ("203.0.113.1", 80), "tcp", 1e5)


def test_a_port_forward_that_changes() -> None:
    """To another host: its sessions end; to the host that has the port already: they live."""
    outside = int(IPv4Address("203.0.113.1"))
    forward = StaticBinding(6, 65100, int(IPv4Address(A)), 80, outside, HOME)
    nat = Nat(static=[forward])
    nat.back(kit.tcp(OTHER, 9, "203.0.113.1", 65100))
    other = replace(forward, inside=int(IPv4Address(B)))
    assert nat.napt.configure(PoolAllocator(POOL, Random(1)), False, [other]) == 1
    _realm, came = nat.back(kit.tcp(OTHER, 9, "203.0.113.1", 65100))
    assert kit.field(came, "dst") == B
    end = nat.opened(proto="tcp", realm=NEIGHBOUR)
    held = StaticBinding(6, end[1], int(IPv4Address(A)), 5000, int(IPv4Address(end[0])), NEIGHBOUR)
    last = PoolAllocator(POOL, Random(1))
    assert nat.napt.configure(last, False, [other, held]) == 0
    assert [one.sessions for one in last._subscribers.values()] == [1, 1]
    assert nat.reaches("198.51.100.99", 1, end, "tcp")  # a port forward is open to all
    assert nat.napt.expire(240.0) == 3
    assert nat.reaches(OTHER, 9, end, "tcp", 1000.0)


# Reload


def test_a_changed_pool_keeps_what_it_still_has() -> None:
    nat = Nat()
    ends = [nat.opened(sport=5000 + n, realm=HOME + (n << 64)) for n in range(100)]
    smaller = nat.allocator.successor(replace(POOL, ipv4=(IPv4Network("203.0.113.1/32"),)))
    lost = nat.napt.configure(smaller, True)
    kept = [end for end in ends if end[0] == "203.0.113.1"]
    assert (lost, len(kept), len(nat.napt)) == (50, 50, 50)
    assert [nat.reaches(SERVER, 53, end) for end in ends] == [end in kept for end in ends]
    assert nat.reaches(OTHER, 9, kept[0])  # the filter changed with it
    fresh = {nat.opened(sport=n, realm=NEIGHBOUR) for n in range(1024, 1024 + 462)}
    assert len(fresh) == 462 and not fresh & set(kept)
    assert nat.reason(kit.udp(A, 9, SERVER, 53), realm=NEIGHBOUR).reason == "drop_ports_exhausted"
    assert nat.napt.expire(1000.0) == 50 + 462 + 1


def test_a_pool_that_stays_costs_nothing() -> None:
    nat = Nat()
    end = nat.opened()
    assert nat.allocator.successor(replace(POOL)) is nat.allocator
    assert nat.napt.configure(nat.allocator, True) == 0
    assert nat.reaches(OTHER, 9, end)
    with pytest.raises(ValueError, match="new allocator"):
        nat.napt.configure(nat.allocator, True, [StaticBinding(6, 65100, 1, 1, int(POOL.ipv4[0][0]))])


def test_sessions_of_another_translator() -> None:
    """Those that fit go on, with their binding, timer and count; no port is taken for the others."""
    nat = Nat()
    ends = [nat.opened(sport=5000 + n) for n in range(4)]
    nat.opened(sport=5000, dst=OTHER)
    few = Nat(replace(POOL, sessions_per_subscriber=4), limit=3)
    views = nat.napt.sessions()
    assert few.napt.adopt(views) == 2
    kept = few.napt.sessions()
    assert len(few.napt) == len(kept) == 3
    assert set(kept) < set(views)
    assert few.napt.ports[17] == len({view.outside_port for view in kept})
    assert [few.reaches(SERVER, 53, end) for end in ends] == [
        end[1] in {v.outside_port for v in kept} for end in ends
    ]
    assert sum(one.sessions for one in few.allocator._subscribers.values()) == 3
    assert few.napt.expire(1e4) == 3
    assert few.napt.ports[17] == 0


def test_blocks_over_a_reload_are_in_the_log() -> None:
    """Released by the old pool, assigned by the new one: at any time one owner."""
    nat = Nat(replace(POOL, block_size=32))
    nat.opened(now=5.0)
    nat.napt.configure(nat.allocator.successor(replace(POOL, block_size=64)), False)
    assert [(r.event, r.last_port - r.first_port) for r in nat.records] == [
        ("block_assigned", 31), ("block_released", 31), ("block_assigned", 63),
    ]  # fmt: skip
    assert [r.time for r in nat.records] == [5.0, 5.0, 5.0]


# All together


# Subscriber, host, remote, seconds since the last packet.
STEP = st.tuples(st.integers(0, 5), st.integers(0, 2), st.integers(0, 3), st.integers(0, 60))


@settings(max_examples=80, deadline=None)
@given(st.lists(STEP, max_size=80), st.sampled_from([0, 16]))
def test_every_packet_maps_back(steps: list[tuple[int, int, int, int]], block_size: int) -> None:
    """Two inside ends never have one outside end, and what goes out comes back to where it was sent."""
    nat, now = Nat(replace(POOL, block_size=block_size, hold_down=30)), 0.0
    for subscriber, host, remote, pause in steps:
        now += pause
        realm, peer = HOME + (subscriber << 64), f"198.51.100.{remote}"
        inside = f"192.168.1.{host + 1}"
        sent = nat.out(kit.udp(inside, 5000 + host, peer, 53), now, realm)
        came, answer = nat.back(kit.udp(peer, 53, *nat.ends(sent)), now)
        assert (came, kit.field(answer, "dst"), kit.field(answer, "dport")) == (realm, inside, 5000 + host)
        views = nat.napt.sessions()
        assert len(views) == len(nat.napt) == len(nat.napt._timers)
        outer = {(view.outside, view.outside_port): (view.realm, view.inside) for view in views}
        assert len(outer) == len({(view.realm, view.inside, view.inside_port) for view in views})
    nat.napt.expire(now + 300)
    nat.napt.expire(now + 331)
    nat.napt.expire(now + 362)
    assert not nat.allocator._subscribers
