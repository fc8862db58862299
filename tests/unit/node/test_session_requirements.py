# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""nat_requirements.json at the gateways that have a NAPT: an AFTR and a NAT64 pass the same probes.

The ids are in the docstrings; the last test says which ones are shown here or nearby, and which are not.
"""

from __future__ import annotations

import json
import re
import tracemalloc
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from itertools import pairwise
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.core import Limits
from ansible_collections.ipv4aas.fleet.engine.packet import napt, tcp
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from ansible_collections.ipv4aas.fleet.engine.techniques.service import StaticBinding
from session_samples import (
    AFTR6,
    AFTR_SERVICE,
    B4_SERVICE,
    CLAT_SERVICE,
    INSIDE,
    NAT64_SERVICE,
    PLAT_SERVICE,
    SERVER,
    SERVER2,
    echo6,
    in_prefix,
    node,
    pool,
    ports6,
    tcp6,
)
from unit.packet import packetkit as kit
from unit.packet import translationkit as kit6
from unit.packet.packetkit import ACK, FIN, NATIVE, RST, SOFTWIRE, SYN

FOLDER = Path(__file__).parent
REQUIREMENTS = json.loads((FOLDER.parents[1] / "vectors" / "nat_requirements.json").read_text())
SECONDS = REQUIREMENTS["constants_seconds"]
OPEN = {"filtering": "endpoint-independent"}
HOME, SECOND_HOME, AWAY = "2001:db8:1:100::10", "2001:db8:1:100::11", "2001:db8:1:200::20"

Pair = tuple[str, int]


@dataclass
class Line:
    """One subscriber's line, whatever it is made of: what it says arrives at the gateway."""

    gateway: Any
    address: str = HOME
    host: str = INSIDE

    def run(self, packet: bytes, now: float = 0.0) -> tuple[list[bytes], list[str]]:
        return kit.run(self.gateway, packet, SOFTWIRE, now)

    def outside(self, packet: bytes, now: float = 0.0) -> Pair:
        """Source that the Internet sees; the identifier for a ping."""
        out = kit.one(self.gateway, packet, SOFTWIRE, now)
        return kit.field(out, "src"), kit.field(out, "icmp_id" if out[9] == 1 else "sport")

    def open(self, sport: int = 5000, remote: str = SERVER, dport: int = 53, now: float = 0.0) -> Pair:
        return self.outside(self.udp(sport, remote, dport), now)

    def connect(self, sport: int = 5000, now: float = 0.0) -> Pair:
        """A TCP connection to SERVER:80."""
        outside = self.outside(self.tcp(sport, SERVER, 80), now)
        assert kit.run(self.gateway, kit.tcp(SERVER, 80, *outside, SYN | ACK), NATIVE, now)[0]
        assert self.run(self.tcp(sport, SERVER, 80, ACK), now)[0]
        return outside

    def hears(self, packet: bytes, now: float = 0.0) -> bool:
        """Whether an IPv4 packet from outside gets to this line."""
        out, _events = kit.run(self.gateway, packet, NATIVE, now)
        return [kit.outer(p)[1] for p in out if p[0] >> 4 == 6] == [self.address]

    def udp(self, sport: int, remote: str, dport: int) -> bytes:
        raise NotImplementedError

    def tcp(self, sport: int, remote: str, dport: int, flags: int = SYN) -> bytes:
        raise NotImplementedError

    def echo(self, remote: str, query: int) -> bytes:
        raise NotImplementedError

    def refusal(self, packet: bytes) -> tuple[int, int]:
        """Type and code of an ICMP error of the gateway."""
        raise NotImplementedError

    def heard(self, packet: bytes) -> tuple[Pair, int]:
        """Source, and destination port, of a packet that came."""
        raise NotImplementedError


class Softwire(Line):
    """DS-Lite."""

    SERVICE = AFTR_SERVICE
    EXHAUSTED = (3, 1)  # RFC 6888 REQ-11b

    def udp(self, sport: int, remote: str, dport: int) -> bytes:
        return kit.tunnel(self.address, AFTR6, kit.udp(self.host, sport, remote, dport))

    def tcp(self, sport: int, remote: str, dport: int, flags: int = SYN) -> bytes:
        return kit.tunnel(self.address, AFTR6, kit.tcp(self.host, sport, remote, dport, flags))

    def echo(self, remote: str, query: int) -> bytes:
        return kit.tunnel(self.address, AFTR6, kit.echo(self.host, remote, query))

    def refusal(self, packet: bytes) -> tuple[int, int]:
        kind, code = kit.field(packet[40:], "icmp")
        return kind, code

    def heard(self, packet: bytes) -> tuple[Pair, int]:
        inner = packet[40:]
        return (kit.field(inner, "src"), kit.field(inner, "sport")), kit.field(inner, "dport")


class Ipv6Host(Line):
    """NAT64."""

    SERVICE = NAT64_SERVICE
    EXHAUSTED = (1, 3)  # RFC 6146 s3.5.1.1

    def udp(self, sport: int, remote: str, dport: int) -> bytes:
        return kit6.udp6(self.address, sport, in_prefix(remote), dport)

    def tcp(self, sport: int, remote: str, dport: int, flags: int = SYN) -> bytes:
        return tcp6(self.address, sport, in_prefix(remote), dport, flags)

    def echo(self, remote: str, query: int) -> bytes:
        return echo6(self.address, in_prefix(remote), query)

    def refusal(self, packet: bytes) -> tuple[int, int]:
        return packet[40], packet[41]

    def heard(self, packet: bytes) -> tuple[Pair, int]:
        source = str(IPv4Address(kit.v6(kit.outer(packet)[0])[12:]))
        sport, dport = ports6(packet)
        return (source, sport), dport


class Make:
    """Lines of one technique."""

    def __init__(self, kind: type[Any]) -> None:
        self.kind = kind

    def gateway(self, limits: Limits | None = None, **changes: Any) -> Any:
        return node(self.kind.SERVICE, limits, **changes)

    def line(self, limits: Limits | None = None, **changes: Any) -> Any:
        return self.kind(self.gateway(limits, **changes))

    def pair(self, limits: Limits | None = None, **changes: Any) -> tuple[Any, Any]:
        gateway = self.gateway(limits, **changes)
        return self.kind(gateway), self.kind(gateway, AWAY)


@pytest.fixture(params=[Softwire, Ipv6Host], ids=["aftr", "nat64"])
def make(request: pytest.FixtureRequest) -> Make:
    return Make(request.param)


def answer(outside: Pair, *, server: str = SERVER, port: int = 53) -> bytes:
    return kit.udp(server, port, *outside)


# Mapping


def test_one_inside_port_is_one_outside_port(make: Make) -> None:
    """RFC4787-REQ-1, RFC5382-REQ-1, RFC5508-REQ-1, RFC6888-REQ-1, RFC7857-s5/s6."""
    line = make.line()
    for packets in (
        [line.udp(5000, SERVER, 53), line.udp(5000, SERVER, 54), line.udp(5000, SERVER2, 53)],
        [line.tcp(5000, SERVER, 80), line.tcp(5000, SERVER, 81), line.tcp(5000, SERVER2, 80)],
        [line.echo(SERVER, 7), line.echo(SERVER2, 7)],
    ):
        assert len({line.outside(packet) for packet in packets}) == 1


def test_a_subscriber_has_one_address(make: Make) -> None:
    """RFC4787-REQ-2, RFC6888-REQ-2: of all addresses in its prefix; others are spread."""
    gateway = make.gateway(pool=pool(ipv4=(IPv4Network("203.0.113.0/28"),)))
    lines = [make.kind(gateway, address) for address in (HOME, SECOND_HOME)]
    seen = {line.open(sport=5000 + n)[0] for line in lines for n in range(20)}
    seen |= {lines[0].outside(lines[0].tcp(1, SERVER, 80))[0], lines[0].outside(lines[0].echo(SERVER, 1))[0]}
    assert len(seen) == 1
    others = {make.kind(gateway, f"2001:db8:2:{n:x}::1").open()[0] for n in range(15)}
    assert len(others) == 15


def test_no_port_is_used_twice(make: Make) -> None:
    """RFC4787-REQ-3, RFC5382-REQ-7: also when many want the same one."""
    gateway = make.gateway()
    lines = [make.kind(gateway, f"2001:db8:2:{n:x}::1") for n in range(1, 51)]
    udp = {line.open(): line for line in lines}
    assert len(udp) == 50
    assert all(line.hears(answer(outside)) for outside, line in udp.items())
    assert len({line.connect() for line in lines}) == 50


def test_system_ports_stay_system_ports(make: Make) -> None:
    """RFC4787-REQ-3a."""
    line = make.line(pool=pool(first_port=1))
    assert all(line.open(sport=sport)[1] < 1024 for sport in (1, 500, 1023))
    assert all(line.open(sport=sport)[1] >= 1024 for sport in (1024, 5000, 65535))


def test_parity_is_kept(make: Make) -> None:
    """RFC4787-REQ-4."""
    line = make.line()
    assert all(line.open(sport=sport)[1] % 2 == sport % 2 for sport in range(5000, 5040))


def test_behaviour_does_not_change_under_load(make: Make) -> None:
    """RFC4787-REQ-11: a port that is taken changes the number, and nothing else."""
    gateway = make.gateway(**OPEN)
    line, crowd = make.kind(gateway), [make.kind(gateway, f"2001:db8:2:{n:x}::1") for n in range(200)]
    for other in crowd:
        other.open()
    outside = line.open()
    assert {line.open(remote=SERVER2), line.open(dport=99)} == {outside}
    assert line.hears(answer(outside, server=SERVER2, port=9))
    assert outside[1] % 2 == 0 and outside[1] >= 1024


def test_ports_cannot_be_guessed(make: Make) -> None:
    """RFC7857-s9, RFC6888-REQ-13/14/15: random over all ports, where they are given one by one."""
    line = make.line()
    ports = [line.open(sport=5000 + 2 * n)[1] for n in range(200)]
    steps = {after - before for before, after in pairwise(ports)}
    assert len(steps) > 150
    assert {port >> 13 for port in ports} == set(range(8))


# Timers


def test_idle_sessions_live_long_enough(make: Make) -> None:
    """RFC4787-REQ-5, RFC5508-REQ-2."""
    line = make.line()
    outside = line.open()
    assert line.hears(answer(outside), SECONDS["UDP_MIN"] - 1)
    assert line.hears(answer(outside), SECONDS["UDP_MIN"] - 1 + SECONDS["UDP_DEFAULT"] - 1)
    ping = line.outside(line.echo(SERVER, 7))
    reply = kit.echo(SERVER, *ping, reply=True)
    assert line.hears(reply, SECONDS["ICMP_DEFAULT"] - 1)
    assert not line.hears(reply, 3 * SECONDS["ICMP_DEFAULT"])


def test_idle_sessions_end(make: Make) -> None:
    line = make.line()
    outside = line.open()
    assert not line.hears(answer(outside), SECONDS["UDP_DEFAULT"] + 1)
    assert line.gateway.session_count() == 0


def test_packets_from_inside_keep_a_session(make: Make) -> None:
    """RFC4787-REQ-6."""
    line = make.line()
    outside = line.open()
    assert line.open(now=250) == outside
    assert line.hears(answer(outside), 540)


def test_what_is_filtered_keeps_nothing(make: Make) -> None:
    """RFC7857-s7."""
    line = make.line()
    outside = line.open()
    for now in range(50, 301, 50):
        assert not line.hears(answer(outside, server=SERVER2), now)
    assert not line.hears(answer(outside), 301)


def test_tcp_timers() -> None:
    """RFC5382-REQ-5, RFC5508-REQ-2: what the engine counts with."""
    assert SECONDS["TCP_EST_effective_min"] <= tcp.ESTABLISHED_TIME
    assert SECONDS["TCP_TRANS"] <= tcp.TRANSITORY_TIME
    assert SECONDS["TCP_INCOMING_SYN"] == tcp.INCOMING_SYN_TIME
    assert SECONDS["UDP_DEFAULT"] <= napt.UDP_TIME
    assert SECONDS["ICMP_DEFAULT"] <= napt.ICMP_TIME


def test_an_idle_connection_lives_two_hours_and_four_minutes(make: Make) -> None:
    """RFC5382-REQ-5."""
    line = make.line()
    data = kit.tcp(SERVER, 80, *line.connect(), ACK, b"x")
    assert line.hears(data, SECONDS["TCP_EST_effective_min"] - 1)
    assert not line.hears(data, 2 * SECONDS["TCP_EST_effective_min"] + 10)


# Filtering


@pytest.mark.parametrize(
    ("filtering", "server", "good"),
    [
        ("endpoint-independent", SERVER2, True),
        ("address-dependent", SERVER2, False),
        ("address-dependent", SERVER, True),
    ],
)
def test_third_parties(make: Make, filtering: str, server: str, good: bool) -> None:
    """RFC4787-REQ-8, RFC6888-REQ-7: from another port, and from another host."""
    line = make.line(filtering=filtering)
    assert line.hears(answer(line.open(), server=server, port=99)) is good
    syn = kit.tcp(server, 99, *line.connect())
    assert line.hears(syn) is good


# TCP


def test_simultaneous_open(make: Make) -> None:
    """RFC5382-REQ-2: the SYN from outside comes while ours is on its way."""
    line = make.line()
    outside = line.outside(line.tcp(5000, SERVER, 80))
    assert line.hears(kit.tcp(SERVER, 80, *outside))
    assert line.run(line.tcp(5000, SERVER, 80, SYN | ACK))[0]
    assert line.hears(kit.tcp(SERVER, 80, *outside, SYN | ACK))
    assert line.hears(kit.tcp(SERVER, 80, *outside, ACK, b"x"), 7000)


def test_a_syn_from_outside_waits_for_ours(make: Make) -> None:
    """RFC5382-REQ-2, RFC5382-REQ-4: nothing is answered when ours comes in time."""
    line = make.line()
    outside = line.outside(line.tcp(5000, SERVER2, 80))
    assert not line.hears(kit.tcp(SERVER, 80, *outside), 1)
    assert line.outside(line.tcp(5000, SERVER, 80), 3) == outside
    out, _events = kit.run(line.gateway, answer(("203.0.113.1", 9)), NATIVE, 20)
    assert out == []
    assert line.hears(kit.tcp(SERVER, 80, *outside, SYN | ACK), 21)


@pytest.mark.parametrize("bound", [True, False])
def test_an_unsolicited_syn_is_answered_after_six_seconds(make: Make, bound: bool) -> None:
    """RFC5382-REQ-4."""
    line = make.line()
    outside = line.outside(line.tcp(5000, SERVER2, 80)) if bound else ("203.0.113.1", 7777)
    assert kit.run(line.gateway, kit.tcp(SERVER, 80, *outside), NATIVE, 1)[0] == []
    nothing = answer(("203.0.113.1", 9))
    assert kit.run(line.gateway, nothing, NATIVE, 6.9)[0] == []
    (error,), _events = kit.run(line.gateway, nothing, NATIVE, 7.1)
    assert (kit.field(error, "icmp"), kit.field(error, "dst")) == ((3, 3), SERVER)
    inner = kit.field(error, "embedded")
    assert (kit.field(inner, "dst"), kit.field(inner, "dport")) == outside
    assert kit.run(line.gateway, nothing, NATIVE, 20)[0] == []


def test_only_a_syn_opens(make: Make) -> None:
    """RFC7857-s2: RFC 6146 s3.5.2.2, CLOSED."""
    for flags in (ACK, FIN | ACK, RST, SYN | ACK, SYN | RST):
        line = make.line()
        assert line.run(line.tcp(5000, SERVER, 80, flags)) == ([], ["drop_tcp_no_session"])
        assert line.gateway.session_count() == 0


@pytest.mark.parametrize("from_inside", [True, False])
def test_a_reset_is_passed_on_and_ends_nothing_yet(make: Make, from_inside: bool) -> None:
    """RFC7857-s2."""
    line = make.line()
    outside = line.connect()
    if from_inside:
        assert line.run(line.tcp(5000, SERVER, 80, RST), 10)[0]
    else:
        assert line.hears(kit.tcp(SERVER, 80, *outside, RST), 10)
    assert line.hears(kit.tcp(SERVER, 80, *outside, ACK, b"x"), 10 + SECONDS["TCP_TRANS"] - 1)
    # Data after a forged one: the connection lives on (RFC 6146 s3.5.2.2, TRANS).
    assert line.hears(kit.tcp(SERVER, 80, *outside, ACK, b"x"), 7000)


def test_a_reset_connection_ends_after_four_minutes(make: Make) -> None:
    """RFC7857-s2."""
    line = make.line()
    outside = line.connect()
    line.run(line.tcp(5000, SERVER, 80, RST), 10)
    assert not line.hears(kit.tcp(SERVER, 80, *outside, ACK, b"x"), 10 + SECONDS["TCP_TRANS"] + 1)


def test_a_closed_connection_ends_after_four_minutes(make: Make) -> None:
    """RFC5382-REQ-5."""
    line = make.line()
    outside = line.connect()
    assert line.run(line.tcp(5000, SERVER, 80, FIN | ACK), 10)[0]
    assert line.hears(kit.tcp(SERVER, 80, *outside, FIN | ACK), 11)
    assert line.run(line.tcp(5000, SERVER, 80, ACK), 12)[0]
    assert line.hears(kit.tcp(SERVER, 80, *outside, ACK), 11 + SECONDS["TCP_TRANS"] - 1)
    assert not line.hears(kit.tcp(SERVER, 80, *outside, ACK), 11 + SECONDS["TCP_TRANS"] + 1)


# ICMP


def test_errors_with_a_wrong_checksum_are_dropped(make: Make) -> None:
    """RFC5508-REQ-3: of the message and of the IPv4 header inside; never of the transport inside."""
    line = make.line()
    sent = kit.one(line.gateway, line.udp(5000, SERVER, 53), SOFTWIRE)
    source = kit.field(sent, "src")
    bad_transport = sent[:26] + b"\x12\x34" + sent[28:]
    assert line.hears(kit.icmp(SERVER, source, 3, 1, 0, bad_transport))
    assert line.hears(kit.icmp(SERVER, source, 3, 1, 0, sent[:28]))
    bad_header = sent[:10] + b"\x12\x34" + sent[12:]
    assert not line.hears(kit.icmp(SERVER, source, 3, 1, 0, bad_header))
    error = bytearray(kit.icmp(SERVER, source, 3, 1, 0, sent))
    error[22] ^= 1
    assert not line.hears(bytes(error))


def test_errors_touch_no_timer(make: Make) -> None:
    """RFC5508-REQ-6, RFC4787-REQ-12, RFC5382-REQ-10."""
    line = make.line()
    asked = kit.one(line.gateway, line.echo(SERVER, 7), SOFTWIRE)
    outside = kit.field(asked, "src"), kit.field(asked, "icmp_id")
    error = kit.icmp("8.8.4.4", outside[0], 11, 0, 0, asked)
    assert line.hears(error, 50)
    assert line.hears(kit.echo(SERVER, *outside, reply=True), 55)
    assert line.hears(error, 110)
    assert not line.hears(error, 116)


# Hairpin


def test_the_other_one_sees_the_outside_source(make: Make) -> None:
    """RFC4787-REQ-9, RFC5382-REQ-8."""
    one, other = make.pair(**OPEN)
    mine, theirs = one.open(), other.open()
    (out,), _events = one.run(one.udp(5000, *theirs))
    assert kit.outer(out)[1] == AWAY
    assert one.heard(out) == (mine, 5000)
    mine, theirs = one.connect(), other.connect()
    (out,), _events = one.run(one.tcp(5000, *theirs))
    assert kit.outer(out)[1] == AWAY
    assert one.heard(out) == (mine, 5000)


# No more resources


def test_quota(make: Make) -> None:
    """RFC6888-REQ-4: of the subscriber, whatever its addresses; others are not hurt."""
    gateway = make.gateway(pool=pool(ports_per_subscriber=4))
    one, second, other = (make.kind(gateway, address) for address in (HOME, SECOND_HOME, AWAY))
    opened = {n: one.open(sport=5000 + n) for n in range(2)} | {n: second.open(sport=n) for n in (2, 3)}
    (out,), events = second.run(second.udp(6000, SERVER, 53))
    assert (events[0], second.refusal(out)) == ("drop_quota", second.EXHAUSTED)
    assert one.open(sport=5000, remote=SERVER2) == opened[0]
    assert other.open()
    assert one.hears(answer(opened[1])) and second.hears(answer(opened[3]))


def test_sessions_of_a_subscriber_are_limited(make: Make) -> None:
    """RFC6888-REQ-5."""
    one, other = make.pair(pool=pool(sessions_per_subscriber=3))
    for number in range(3):
        one.open(dport=number + 1)
    out, events = one.run(one.udp(5000, SERVER, 99))
    assert (events[0], one.refusal(out[0])) == ("drop_session_quota", one.EXHAUSTED)
    assert other.open()
    assert one.open(dport=2)


def test_new_sessions_a_second_are_limited(make: Make) -> None:
    """RFC6888-REQ-5."""
    one, other = make.pair(pool=pool(new_sessions_per_second=2))
    assert one.open(sport=1) and one.open(sport=2)
    assert one.run(one.udp(3, SERVER, 53), 0.5)[1][0] == "drop_session_rate"
    assert other.open(now=0.5)
    assert one.open(sport=3, now=1.0)


def test_ports_run_out(make: Make) -> None:
    """RFC6888-REQ-11, RFC5508-REQ-8, RFC7857-s4: refused and told, nobody is put out."""
    ports = pool(ipv4=(IPv4Network("203.0.113.1/32"),), first_port=65500)
    one, other = make.pair(pool=ports)
    opened = {sport: one.open(sport=sport) for sport in range(5000, 5036)}
    assert sorted(port for _unused, port in opened.values()) == list(range(65500, 65536))
    for line in (one, other):
        out, events = line.run(line.udp(6000, SERVER, 53))
        assert (events[0], line.refusal(out[0])) == ("drop_ports_exhausted", line.EXHAUSTED)
    assert all(one.hears(answer(outside)) for outside in opened.values())
    # Other protocols have ports of their own.
    assert one.outside(one.tcp(5000, SERVER, 80))


def test_a_full_table_refuses_and_keeps(make: Make) -> None:
    """RFC6888-REQ-11."""
    one, other = make.pair(Limits(sessions=3))
    opened = [one.open(sport=5000 + n) for n in range(3)]
    for line in (one, other):
        out, events = line.run(line.udp(6000, SERVER, 53))
        assert (events[0], line.refusal(out[0])) == ("drop_session_limit", line.EXHAUSTED)
    assert all(one.hears(answer(outside)) for outside in opened)
    assert other.open(now=302)


def test_a_million_sessions_fit_in_half_a_gigabyte(make: Make) -> None:
    """RFC6888-REQ-5: the bound in LIMITS, from what 10,000 bindings with one session each cost."""
    gateway = make.gateway(pool=pool(ipv4=(IPv4Network("203.0.113.0/28"),)))
    lines = [make.kind(gateway, f"2001:db8:2:{n:x}::1") for n in range(1, 501)]
    packets = [line.udp(5000 + n, SERVER, 53) for line in lines for n in range(20)]
    tracemalloc.start()
    before, _peak = tracemalloc.get_traced_memory()
    for packet in packets:
        kit.run(gateway, packet, SOFTWIRE)
    used = tracemalloc.get_traced_memory()[0] - before
    tracemalloc.stop()
    assert gateway.session_count() == len(packets)
    assert used / len(packets) * gateway.LIMITS.sessions < 512 << 20


def test_freed_ports_wait(make: Make) -> None:
    """RFC6888-REQ-8: 120 s, and configurable."""
    for hold_down, wait in ((SECONDS["PORT_HOLD_DOWN"], 119), (10, 9)):
        ports = pool(ipv4=(IPv4Network("203.0.113.1/32"),), first_port=65535, hold_down=hold_down)
        one, other = make.pair(pool=ports)
        one.open(sport=5001)
        assert one.gateway.expire(300.0) == ["session_expired"]
        assert other.run(other.udp(5001, SERVER, 53), 300.0 + wait)[1][0] == "drop_ports_exhausted"
        assert other.open(sport=5001, now=300.0 + wait + 2)


def test_a_static_binding_serves_all(make: Make) -> None:
    """RFC 6146 s3.1: a static BIB entry; only a router needs to know where the host is."""
    bound = StaticBinding(
        protocol="udp",
        outside_address=IPv4Address("203.0.113.1"),
        outside_port=53,
        subscriber=IPv6Address(HOME),
        inside_address=IPv4Address(INSIDE) if make.kind is Softwire else None,
        inside_port=5300,
    )
    line = make.line(static_bindings=(bound,))
    assert line.hears(answer(("203.0.113.1", 53), server=SERVER2, port=9))
    assert line.open(sport=5300, remote=SERVER2, dport=9) == ("203.0.113.1", 53)
    assert line.hears(answer(("203.0.113.1", 53)), 100_000)


def test_deterministic_ports_follow_from_the_subscriber(make: Make) -> None:
    """RFC 7422: no log; and the same again after a restart."""
    ports = pool(
        ipv4=(IPv4Network("203.0.113.0/31"),),
        deterministic=True,
        block_size=4032,
        subscribers=IPv6Network("2001:db8:1:100::/60"),
    )
    seen = []
    for _restart in range(2):
        gateway = make.gateway(pool=ports)
        lines = [make.kind(gateway, f"2001:db8:1:{0x100 + n:x}::5") for n in range(16)]
        opened = [[line.open(sport=5000 + i) for i in range(5)] for line in lines]
        seen.append([(pairs[0][0], {(port - 1024) // 4032 for _unused, port in pairs}) for pairs in opened])
    assert seen[0] == seen[1]
    assert seen[0] == [("203.0.113.0", {n}) for n in range(16)]
    stranger = make.kind(make.gateway(pool=ports), AWAY)
    assert stranger.run(stranger.udp(5000, SERVER, 53))[1][0] == "drop_no_subscriber"


def test_strangers_are_not_served(make: Make) -> None:
    """RFC 6908: a gateway is not open to the world; routers on the way are no customers, and may speak."""
    gateway = make.gateway(pool=pool(subscribers=IPv6Network("2001:db8:1:100::/56")))
    line, stranger = make.kind(gateway), make.kind(gateway, AWAY)
    outside = line.open()
    assert stranger.run(stranger.udp(5000, SERVER, 53)) == ([], ["drop_no_subscriber"])
    for piece in kit.cut6(stranger.udp(5000, SERVER, 53), 16):
        assert stranger.run(piece) == ([], ["drop_no_subscriber"])
    (came,), _events = kit.run(gateway, answer(outside), NATIVE)
    to = kit.outer(came)[0]
    (error,), _events = stranger.run(kit6.icmp6("2001:db8:9::9", to, 1, 0, 0, came))
    assert (kit.field(error, "icmp"), kit.field(error, "dst")) == ((3, 1), SERVER)


# Sizes


MTUS = [
    v
    for v in json.loads((FOLDER.parents[1] / "vectors" / "mtu_mss.json").read_text())["vectors"]
    if v["input"].get("mode", "").split(" ")[0] in ("encap", "translation") and "ipv4_mtu" in v["expect"]
]


@pytest.mark.parametrize("vector", MTUS, ids=lambda v: v["id"])
def test_largest_packet_and_segment(vector: dict[str, Any]) -> None:
    """RFC4787-REQ-13 from both sides: vectors of mtu_mss.json, at gateway and edge."""
    ipv6_mtu, wanted = vector["input"]["ipv6_mtu"], vector["expect"]
    encap = vector["input"]["mode"].startswith("encap")
    gateways = (AFTR_SERVICE,) if encap else (NAT64_SERVICE, PLAT_SERVICE)
    edge, kind = (B4_SERVICE, Softwire) if encap else (CLAT_SERVICE, Ipv6Host)
    for service in gateways:
        assert TECHNIQUES[service.technique].ipv4_mtu(ipv6_mtu) == wanted["ipv4_mtu"]
        assert TECHNIQUES[service.technique].tcp_mss(ipv6_mtu) == wanted["tcp_mss"]
        line = kind(node(service, ipv6_mtu=ipv6_mtu))
        _judge_sizes(line.gateway, line.open(), wanted["ipv4_mtu"], ipv6_mtu)
    home = node(edge, ipv6_mtu=ipv6_mtu)
    _judge_sizes(home, (SERVER, 53), wanted["ipv4_mtu"], ipv6_mtu, source=INSIDE)


def _judge_sizes(at: Any, to: Pair, ipv4_mtu: int, ipv6_mtu: int, source: str = SERVER) -> None:
    for octets in (ipv4_mtu, ipv4_mtu + 1):
        (out,), _events = kit.run(at, kit.udp(source, 53, *to, bytes(octets - 28)), NATIVE)
        if octets == ipv4_mtu:
            assert (out[0] >> 4, len(out)) == (6, ipv6_mtu)
        else:
            assert (kit.field(out, "icmp"), kit.field(out, "mtu")) == ((3, 4), ipv4_mtu)


# What is shown where

_ELSEWHERE = {
    "RFC4787-REQ-14": "test_session_gateway_dslite.py, test_session_gateway_nat64.py",
    "RFC5508-REQ-4/5": "test_session_gateway_dslite.py, test_session_gateway_nat64.py",
    "RFC5508-REQ-7": "test_session_gateway_dslite.py, test_session_gateway_nat64.py",
    "RFC6888-REQ-3": "test_session_gateway_dslite.py",
    "RFC6888-REQ-12": "test_session_gateway_dslite.py",
    "RFC7857-s10": "test_session_gateway_dslite.py, test_session_gateway_nat64.py",
}
_NOT_HERE = {
    "RFC6888-REQ-6": "an inside address without translation has no way back in DS-Lite and NAT64",
    "RFC6888-REQ-9": "there is no PCP server; static bindings are in the configuration",
    "RFC6888-REQ-10": "counters, sessions and log by the control socket",
}


def test_every_requirement_has_its_place() -> None:
    wanted = {requirement["id"] for requirement in REQUIREMENTS["requirements"]}
    here = _named(Path(__file__).read_text().split("# What is shown where")[0])
    assert here & (_ELSEWHERE.keys() | _NOT_HERE.keys()) == set()
    assert here | _ELSEWHERE.keys() | _NOT_HERE.keys() == wanted
    for name, files in _ELSEWHERE.items():
        for file in files.split(", "):
            assert name in _named((FOLDER / file).read_text()), (name, file)


def _named(text: str) -> set[str]:
    return set(re.findall(r"RFC\d{4}-(?:REQ-\d+(?:/\d+)*|s\d+(?:/s\d+)?)", text))


def test_addresses_of_lines_differ() -> None:
    prefixes = [int(IPv6Address(address)) >> 64 for address in (HOME, SECOND_HOME, AWAY)]
    assert prefixes[0] == prefixes[1] != prefixes[2]
