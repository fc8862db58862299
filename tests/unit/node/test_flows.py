# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The short way of a NAT64 gives what the long way gives, or leaves the packet to it."""

from __future__ import annotations

import struct
from collections import Counter
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from random import Random
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.node import flows
from ansible_collections.ipv4aas.fleet.engine.node.base import Node
from ansible_collections.ipv4aas.fleet.engine.node.flows import Flows
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Offload, Packet
from ansible_collections.ipv4aas.fleet.engine.packet.napt import UDP_TIME
from ansible_collections.ipv4aas.fleet.engine.packet.tcp import ESTABLISHED_TIME, TRANSITORY_TIME
from ansible_collections.ipv4aas.fleet.engine.techniques.service import StaticBinding
from session_samples import HOST6, NAT64_SERVICE, OTHER6, SERVER, SERVER2, Host, echo6, in_prefix, node, pool
from unit.packet import packetkit as kit
from unit.packet import translationkit as kit6
from unit.packet.packetkit import ACK, FIN, NATIVE, RST, SOFTWIRE, SYN

ELSEWHERE = IPv6Network("2001:db8:65::/96")
NOT_OURS = StaticBinding(
    protocol="tcp",
    outside_address=IPv4Address("192.0.2.99"),
    outside_port=8080,
    subscriber=IPv6Address(HOST6),
    inside_port=80,
)
PSH = 8
FLAGS = [ACK] * 30 + [ACK | PSH] * 10 + [FIN | ACK, RST, RST | ACK, SYN, SYN | ACK, 0]
SIZES = [0, 0, 1, 7, 1188, 1200, 1220, 1240, 1248, 1400, 1420, 1440, 1448, 1460, 4000, 14000]
OPTIONS = [b"", b"", b"\1\1\x08\x0a" + bytes(8), b"\x02\x04\x05\xb4"]
TTLS = [0, 1, 2, *[64] * 5]
GSO_SIZES = [0, 0, 536, 1200, 1400, 1428, 1440, 1460]


class Talk:
    """One TCP connection through a NAT64, or the same of UDP, seen from both ends."""

    def __init__(
        self, gateway: Any, host: str = HOST6, sport: int = 5000, server: str = SERVER, *, udp: bool = False
    ) -> None:
        self.udp = udp
        self.gateway, self.host, self.sport, self.server = gateway, Host(gateway, host), sport, server
        self.outside = ("", 0)

    def open(self, now: float = 0.0) -> Talk:
        """A handshake but for its last segment; one packet each way."""
        out = self.host.send(self.up(SYN).data, now)
        self.outside = kit.field(out, "src"), kit.field(out, "sport")
        assert self.run(self.down(SYN | ACK), NATIVE, now)[1] == ["encapsulated"]
        return self

    def up(self, flags: int = ACK, data: bytes = b"", options: bytes = b"", **header: Any) -> Packet:
        """A packet of the host."""
        ends = self.host.address, in_prefix(self.server)
        if self.udp:
            return Packet(kit6.udp6(ends[0], self.sport, ends[1], 80, data, **header))
        body = struct.pack("!HHIIBBHHH", self.sport, 80, 1, 2, (20 + len(options)) * 4, flags, 1000, 0, 0)
        return Packet(kit6.ip6(*ends, 6, kit6.sealed6(*ends, 6, body + options + data, 16), **header))

    def down(self, flags: int = ACK, data: bytes = b"", options: bytes = b"", **header: Any) -> Packet:
        """A packet of the server."""
        if self.udp:
            return Packet(kit.udp(self.server, 80, *self.outside, data, **header))
        return Packet(kit.tcp(self.server, 80, *self.outside, flags, data, options, **header))

    def run(self, packet: Packet, link: Any, now: float = 0.0) -> Any:
        """What Node.process() gives."""
        return self.gateway.process(packet, link, now)

    def settle(self, now: float = 0.0) -> Talk:
        """Both directions become known."""
        self.run(self.up(), SOFTWIRE, now)
        self.run(self.down(), NATIVE, now)
        return self


@contextmanager
def counted() -> Iterator[Counter[bool]]:
    """Packets by whether they took the short way."""
    found: Counter[bool] = Counter()
    before = Flows.process

    def process(self: Flows, *packet: Any) -> Any:
        outcome = before(self, *packet)
        found[outcome is not None] += 1
        return outcome

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Flows, "process", process)
        yield found


def gateway(**changes: Any) -> Any:
    return node(NAT64_SERVICE, **changes)


def short(talk: Talk, packet: Packet, link: Any, now: float = 0.0) -> bool:
    """Whether a packet takes the short way."""
    with counted() as found:
        talk.run(packet, link, now)
    return found[True] == 1


def view(outcome: Any) -> Any:
    """All of it but the Identification, which is in turn."""
    outputs, events = outcome
    shown = []
    for packet, link in outputs:
        data = packet.data
        if data[0] >> 4 == 4:
            assert "header" not in kit.checksums(kit.finished(packet))
            data = data[:4] + data[6:10] + data[12:]
        shown.append((data, packet.offload, link))
    return shown, events


# The same


def some_packet(rng: Random, talk: Talk) -> tuple[Packet, Any]:
    """A packet of either end; mostly one that a kernel would hand over."""
    pick, native = rng.choice, rng.random() < 0.5
    flags, data, options = pick(FLAGS), rng.randbytes(pick(SIZES)), pick(OPTIONS)
    if native:
        header = {
            "df": rng.random() < 0.7,
            "ttl": pick(TTLS),
            "tos": pick([0, 1, 3, 0xB8]),
        }
        packet = talk.down(flags, data, options, ident=rng.randrange(9), **header)
    else:
        packet = talk.up(flags, data, options, hop_limit=pick(TTLS), tc=pick([0, 1, 3, 0xB8]))
    choice = rng.random()
    if choice < 0.4:
        packet = (kit.partial if native else kit6.partial6)(packet.data, pick(GSO_SIZES))
    elif choice < 0.5:
        packet = Packet(damaged(rng, packet.data))
    elif choice < 0.55 and talk.udp:
        packet = without_sum(packet)
    if packet.offload is not None and rng.random() < 0.1:
        lie = {pick(Offload._fields): pick([0, 1, 4, 5, 16, 20, 36, 40, 0x81, 0x84, 1400])}
        packet = packet._replace(offload=packet.offload._replace(**lie))
    return packet, NATIVE if native else SOFTWIRE


def without_sum(packet: Packet) -> Packet:
    """A UDP packet that has none."""
    at = (20 if packet.data[0] >> 4 == 4 else 40) + 6
    return Packet(packet.data[:at] + b"\0\0" + packet.data[at + 2 :])


def damaged(rng: Random, data: bytes) -> bytes:
    """One octet of the headers, a cut, or something behind the packet."""
    choice = rng.random()
    if choice < 0.4:
        return data[: rng.randrange(1, min(len(data), 80))]
    if choice < 0.5:
        return data + b"pad"
    out = bytearray(data)
    out[rng.randrange(min(len(out), 80))] ^= 1 << rng.randrange(8)
    return bytes(out)


@pytest.mark.parametrize("hops", [True, False], ids=["router", "behind a kernel"])
@pytest.mark.parametrize(
    "changes", [{}, {"mss_clamp": 1200}, {"ipv6_mtu": 1480, "lowest_ipv6_mtu": 1480}], ids=str
)
def test_both_ways_give_the_same(changes: dict[str, Any], hops: bool) -> None:
    rng, now = Random(f"{changes}{hops}"), 0.0
    known, long = (gateway(ttl=hops, **changes) for _ in range(2))
    pairs = [
        [Talk(of, host, sport, server, udp=udp) for of in (known, long)]
        for host, sport, server, udp in (
            (HOST6, 5000, SERVER, False), (HOST6, 5000, SERVER2, False), (HOST6, 5001, SERVER, False),
            (OTHER6, 5000, SERVER, False), (HOST6, 5000, SERVER, True), (OTHER6, 5000, SERVER, True),
        )
    ]  # fmt: skip
    long.process = lambda *packet: Node.process(long, *packet)
    with counted() as found:
        for number in range(4000):
            now += rng.choice([0, 0.01, 1.5]) if number % 50 else rng.choice([0, 250, 8000])
            # Only the long way looks at the clock of others: between two of them it does so every second.
            assert known.expire(now) == long.expire(now)
            assert view(known.overdue(now)) == view(long.overdue(now))
            pair = rng.choice(pairs)
            if rng.random() < 0.05 or not pair[0].outside[1]:
                for talk in pair:
                    talk.open(now)
            packet, link = some_packet(rng, pair[0])
            outcomes = [talk.run(packet, link, now) for talk in pair]
            assert view(outcomes[0]) == view(outcomes[1]), (number, packet)
            assert known.sessions() == long.sessions()
    assert found[True] > 1000 and found[False] > 1000


def test_identifications_come_in_turn() -> None:
    """A small packet may be cut on its way: none that comes soon has the same one (RFC 6864 s4.3)."""
    talk = Talk(gateway()).open().settle()
    first, second = (
        struct.unpack_from("!HH", talk.run(talk.up(), SOFTWIRE)[0][0][0].data, 4) for _ in range(2)
    )
    assert (first[1], second) == (0, (first[0] + 1 & 0xFFFF, 0))
    out = talk.host.send(kit6.udp6(HOST6, 4000, in_prefix(SERVER), 53))
    assert struct.unpack_from("!H", out, 4) == (second[0] + 1 & 0xFFFF,)


# Which packets


@pytest.mark.parametrize("udp", [False, True], ids=["tcp", "udp"])
def test_the_third_packet_each_way_is_the_first_on_the_short_one(udp: bool) -> None:
    talk = Talk(gateway(), udp=udp).open()
    for packet, link in ((talk.up(), SOFTWIRE), (talk.down(), NATIVE)):
        assert [short(talk, packet, link) for _ in range(3)] == [False, True, True]


@pytest.mark.parametrize(
    "special",
    [
        lambda talk: (talk.up(SYN), SOFTWIRE),
        lambda talk: (talk.down(SYN | ACK), NATIVE),
        lambda talk: (talk.down(ttl=1), NATIVE),
        lambda talk: (talk.up(hop_limit=1), SOFTWIRE),
        lambda talk: (talk.down(data=bytes(1461)), NATIVE),
        lambda talk: (talk.down(data=bytes(1221), df=False), NATIVE),
        lambda talk: (talk.up(data=bytes(65500)), SOFTWIRE),
        lambda talk: (Packet(talk.down().data + b"pad"), NATIVE),
        lambda talk: (with_option(talk.down()), NATIVE),
        lambda talk: (stump(talk.down()), NATIVE),
        lambda talk: (with_header_of(4, talk.down()), NATIVE),
        lambda talk: (with_header_of(6, talk.down()), NATIVE),
        lambda talk: (with_header_of(4, talk.up()), SOFTWIRE),
        lambda talk: (with_header_of(6, talk.up()), SOFTWIRE),
        lambda talk: (Packet(kit.cut(talk.down(data=bytes(99)).data, 64)[0]), NATIVE),
        lambda talk: (Packet(kit.cut6(talk.up(data=bytes(99)).data, 64)[0]), SOFTWIRE),
    ],
)
def test_what_is_special_takes_the_long_way(special: Callable[[Talk], tuple[Packet, Any]]) -> None:
    talk = Talk(gateway()).open().settle()
    assert not short(talk, *special(talk))


def with_option(packet: Packet) -> Packet:
    """An IPv4 option that looks like the ports, and more that is where it would be without it."""
    head, body = bytearray(packet.data[:20]), bytearray(packet.data[20:])
    body[8] = 5 << 4
    head[0] = 0x46
    head[2:4], head[10:12] = struct.pack("!H", len(packet.data) + 4), bytes(2)
    head += body[:4]
    head[10:12] = struct.pack("!H", kit.slow_sum(bytes(head)) ^ 0xFFFF)
    return Packet(bytes(head + body))


def stump(packet: Packet) -> Packet:
    """Nothing but the ports behind the IPv4 header."""
    source, destination = (str(IPv4Address(packet.data[at : at + 4])) for at in (12, 16))
    return Packet(kit.ip(source, destination, packet.data[9], packet.data[20:24]))


def with_header_of(words: int, packet: Packet) -> Packet:
    """A TCP header that says another length."""
    data = bytearray(packet.data)
    data[-8] = words << 4
    return Packet(bytes(data))


def test_udp_without_checksum_takes_the_long_way() -> None:
    talk = Talk(gateway(), udp=True).open().settle()
    assert short(talk, talk.up(data=b"data"), SOFTWIRE) and short(talk, talk.down(data=b"data"), NATIVE)
    assert not short(talk, without_sum(talk.up(data=b"data")), SOFTWIRE)
    assert not short(talk, without_sum(talk.down(data=b"data")), NATIVE)


def test_ping_takes_the_long_way() -> None:
    made = gateway()
    talk = Talk(made)
    for _ in range(3):
        assert not short(talk, Packet(echo6(HOST6, in_prefix(SERVER), 7)), SOFTWIRE)
    assert not len(made._flows)


def test_flows_between_two_hosts_take_the_long_way() -> None:
    """Hairpinning has two sessions."""
    one, other = Host(made := gateway(filtering="endpoint-independent")), Host(made, OTHER6)
    address, port = kit.field(out := one.send(one.tcp(5000, SERVER, 80)), "src"), kit.field(out, "sport")
    assert "hairpinned" in other.run(other.tcp(6000, address, port))[1]
    known = len(made._flows)
    for _ in range(3):
        assert "hairpinned" in other.run(other.tcp(6000, address, port, ACK))[1]
    assert len(made._flows) == known


# Sessions


def test_the_timer_is_refreshed() -> None:
    talk = Talk(gateway()).open().settle()
    assert short(talk, talk.up(), SOFTWIRE, 7000.0)
    (session,) = talk.gateway.sessions()
    assert session.expires == 7000.0 + ESTABLISHED_TIME
    assert short(talk, talk.down(), NATIVE, 14000.0)
    (session,) = talk.gateway.sessions()
    assert session.expires == 14000.0 + ESTABLISHED_TIME


def test_the_timer_of_udp_is_refreshed() -> None:
    talk = Talk(gateway(), udp=True).open().settle()
    assert short(talk, talk.down(data=b"data"), NATIVE, 250.0)
    (session,) = talk.gateway.sessions()
    assert session.expires == 250.0 + UDP_TIME
    assert short(talk, talk.up(data=b"data"), SOFTWIRE, 500.0)
    assert talk.run(talk.down(data=b"data"), NATIVE, 500.0 + UDP_TIME)[1][0] == "session_expired"


def test_tcp_and_udp_with_the_same_ports_are_two() -> None:
    made = gateway()
    one, other = Talk(made).open().settle(), Talk(made, udp=True).open().settle()
    assert short(one, one.up(), SOFTWIRE) and short(other, other.up(), SOFTWIRE)
    assert len(made._flows) == 4


def test_the_end_of_a_connection_is_seen() -> None:
    talk = Talk(gateway()).open().settle()
    assert short(talk, talk.up(FIN | ACK), SOFTWIRE, 1.0) and short(talk, talk.down(FIN | ACK), NATIVE, 2.0)
    (session,) = talk.gateway.sessions()
    assert (session.state, session.expires) == ("both-fin", 2.0 + TRANSITORY_TIME)


@pytest.mark.parametrize("swept", [True, False])
def test_no_session_no_way(swept: bool) -> None:
    talk, late = Talk(gateway()).open().settle(), ESTABLISHED_TIME
    if swept:
        assert talk.gateway.expire(late) == ["session_expired"]
    assert not short(talk, talk.down(), NATIVE, late)
    outputs, events = talk.run(talk.up(), SOFTWIRE, late)
    assert (outputs, events) == ([], ["drop_tcp_no_session"])


def test_another_session_of_the_same_port_is_another_connection() -> None:
    talk = Talk(gateway()).open().settle()
    talk.gateway.expire(ESTABLISHED_TIME)
    again = Talk(talk.gateway, OTHER6)
    again.open(9000.0).settle(9000.0)
    outputs, _events = again.run(again.down(), NATIVE, 9000.0)
    assert kit.outer(outputs[0][0].data)[1] == OTHER6
    assert talk.run(talk.up(), SOFTWIRE, 9000.0)[1] == ["drop_tcp_no_session"]


def test_a_binding_that_lives_on_has_other_sessions() -> None:
    """An Internet host whose session has ended is a stranger again."""
    made = gateway()
    first, second, third = (Talk(made, server=server) for server in (SERVER, SERVER2, "198.51.100.9"))
    first.open().settle()
    second.open(5000.0)
    made.expire(ESTABLISHED_TIME)
    assert third.open(8000.0).outside == first.outside
    assert first.run(first.down(), NATIVE, 8000.0)[1] == ["drop_filtered"]
    assert first.run(first.up(), SOFTWIRE, 8000.0)[1] == ["drop_tcp_no_session"]


def test_what_happened_to_others_happens_once() -> None:
    made = gateway()
    Talk(made, sport=4000).open()
    talk = Talk(made).open(5000.0)
    happened = [talk.run(talk.down(), NATIVE, ESTABLISHED_TIME)[1] for _ in range(3)]
    assert happened == [["session_expired", "encapsulated"], ["encapsulated"], ["encapsulated"]]


# Rules


def test_other_rules_hold_at_once() -> None:
    talk = Talk(gateway()).open().settle()
    talk.gateway.reload(replace(NAT64_SERVICE, translation_prefix=ELSEWHERE))
    assert talk.run(talk.up(), SOFTWIRE)[1] == ["drop_not_for_us"]
    outputs, _events = talk.run(talk.down(), NATIVE)
    assert kit.outer(outputs[0][0].data)[0] == in_prefix(SERVER, ELSEWHERE)
    talk.gateway.reload(replace(NAT64_SERVICE, pool=pool(subscribers=IPv6Network("2001:db8:9::/48"))))
    assert talk.run(talk.up(), SOFTWIRE)[1] == ["drop_no_subscriber"]


def test_rules_that_cannot_be_change_nothing() -> None:
    talk = Talk(gateway()).open().settle()
    with pytest.raises(ValueError, match="the port cannot be given to it"):
        talk.gateway.reload(replace(NAT64_SERVICE, translation_prefix=ELSEWHERE, static_bindings=(NOT_OURS,)))
    assert short(talk, talk.up(), SOFTWIRE) and short(talk, talk.down(), NATIVE)
    assert Talk(talk.gateway, OTHER6).open().outside[1]


# Bounds


def test_a_full_table_learns_no_more_until_it_is_tidied(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(flows, "LIMIT", 4)
    made = gateway()
    talks = [Talk(made, sport=5000 + n).open().settle() for n in range(3)]
    assert [short(talk, talk.up(), SOFTWIRE) for talk in talks] == [True, True, False]
    made.expire(1.0)
    assert len(made._flows) == 0
    talks[2].settle().settle()
    assert short(talks[2], talks[2].up(), SOFTWIRE) and not short(talks[0], talks[0].up(), SOFTWIRE)
    made.expire(2.0)
    assert len(made._flows) == 3
