# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes: packets as they are written, what has to arrive, and what no honest edge sends."""

from __future__ import annotations

import asyncio
import contextlib
import io
import struct
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.packet.checksum import pseudo4, pseudo6, valid
from ansible_collections.ipv4aas.fleet.engine.provision.records import (
    AAAA,
    CNAME,
    PTR,
    SOA,
    A,
    Question,
    Record,
    Response,
)
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from ansible_collections.ipv4aas.fleet.engine.verify.probes import (
    cli,
    dns,
    fragments,
    label,
    spoof,
    wire,
    wire4,
    wire6,
)
from ansible_collections.ipv4aas.fleet.engine.verify.probes.endpoint import Receipt, Shipment
from ansible_collections.ipv4aas.fleet.engine.verify.probes.model import Assignment
from ansible_collections.ipv4aas.fleet.engine.verify.probes.ownership import ownership
from ansible_collections.ipv4aas.fleet.engine.verify.probes.pair import Outcome
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.dns import DNS, DNSQR, DNSRR, DNSRRSOA
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6PacketTooBig, IPv6, IPv6ExtHdrFragment

SERVICE = Service(
    name="hall7",
    technique="map-e",
    role="edge",
    gateway_address=IPv6Address("2001:3e8:0:2900::1"),
    rules=(MapRule(IPv6Network("2001:3e8:6000::/56"), IPv4Network("130.129.255.92/30"), 8, 4),),
    end_user_prefix=IPv6Network("2001:3e8:6000:42::/64"),
)
TASK = Assignment(service=SERVICE, references=(IPv4Address("198.51.100.80"),), token="t")
_AFTR = Service(
    name="dslite",
    technique="ds-lite",
    role="gateway",
    gateway_address=IPv6Address("2001:db8::99"),
    pool=Pool(ipv4=(IPv4Network("203.0.113.8/29"),), ports_per_subscriber=200),
)
_PLAT = replace(_AFTR, technique="464xlat", translation_prefix=IPv6Network("2001:db8:64::/96"))
_NAT64 = replace(_PLAT, technique="nat64")
_LINE = {"role": "edge", "pool": None, "end_user_prefix": IPv6Network("2001:db8:1::/64")}
DS_LITE = replace(TASK, service=replace(_AFTR, **_LINE), gateway=_AFTR)
XLAT = replace(TASK, service=replace(_PLAT, **_LINE), gateway=_PLAT)
NAT64 = replace(TASK, service=_NAT64, gateway=_NAT64)
_PLANE = Service(
    name="wifi",
    technique="sa46t",
    role="edge",
    gateway_address=IPv6Address("2001:db8::99"),
    plane=Plane(IPv6Network("2001:db8:46::/64"), 1),
    inside=(IPv4Network("192.168.46.0/24"),),
)
SA46T = replace(TASK, service=_PLANE, gateway=_PLANE)
COOKIE = bytes(range(8))
HERE, THERE = "192.0.2.1", "198.51.100.1"
RECEIPT = Receipt(("130.129.255.93", 4224), 1460)


@given(
    length=st.integers(60, 8000),
    size=st.integers(60, 1500),
    df=st.booleans(),
    protocol=st.sampled_from(["udp", "icmp"]),
)
def test_pieces_are_the_packet(length: int, size: int, df: bool, protocol: str) -> None:
    """An independent reader puts them together again and finds the checksum right."""
    payload = label.labelled(COOKIE, length)
    if protocol == "udp":
        transport = wire.udp((HERE, 5000), (THERE, 6000), payload)
    else:
        transport = wire.echo(wire4.ECHO_REQUEST, 77, payload)
    cut = wire4.pieces(wire.number_of(wire4, protocol), HERE, THERE, transport, ident=9, df=df, size=size)
    read = [IP(piece) for piece in cut]
    assert all(len(piece) <= size or length <= size for piece in cut)
    assert {packet.id for packet in read} == {9}
    assert all(bool(packet.flags.DF) is df and valid(bytes(packet)[:20]) for packet in read)
    assert [bool(packet.flags.MF) for packet in read] == [True] * (len(read) - 1) + [False]
    whole = bytearray(length - 20)
    for packet, piece in zip(read, cut, strict=True):
        whole[packet.frag * 8 : packet.frag * 8 + len(piece) - 20] = piece[20:]
    assert bytes(whole) == transport
    pseudo = pseudo4(int(IPv4Address(HERE)), int(IPv4Address(THERE)), wire.UDP, len(transport))
    assert valid(transport, pseudo if protocol == "udp" else 0)


def test_a_changed_payload_is_no_receipt() -> None:
    payload = label.labelled(COOKIE, 500)
    assert label.cookie_of(payload) == COOKIE
    assert label.cookie_of(payload[:-1] + bytes([payload[-1] ^ 1])) is None
    assert label.cookie_of(payload[:-1]) is None
    assert label.cookie_of(b"something else") is None


def test_complaint_is_read_from_an_icmp_error() -> None:
    about = IP(src=HERE, dst=THERE, proto=17) / UDP(sport=5000, dport=6000) / b"x"
    error = bytes(ICMP(type=3, code=4, nexthopmtu=1460) / about)
    complaint = wire4.complaint_of("203.0.113.1", error)
    assert complaint == wire.Complaint("203.0.113.1", 3, 4, 1460, THERE, wire.UDP, 5000, 6000)
    about = IP(src=HERE, dst=THERE) / ICMP(type=8, id=77)
    complaint = wire4.complaint_of("203.0.113.1", bytes(ICMP(type=11) / about))
    assert complaint is not None
    assert (complaint.type, complaint.protocol, complaint.port) == (11, wire4.ICMP, 77)
    assert wire4.complaint_of("203.0.113.1", bytes(ICMP(type=8, id=1))) is None


@pytest.mark.parametrize(
    ("options", "mss"),
    [
        ([("MSS", 1420)], 1420),
        ([("NOP", None), ("WScale", 7), ("MSS", 1360)], 1360),
        ([("NOP", None), ("EOL", None)], None),
        ([], None),
    ],
)
def test_mss_of_a_syn(options: list[tuple[str, int | None]], mss: int | None) -> None:
    assert wire.mss_of(bytes(TCP(flags="S", options=options))) == mss


def test_matrix_has_every_combination() -> None:
    matrix = list(fragments.cases(1460))
    assert len(matrix) == len({fragments.row_of(case) for case in matrix}) == 36
    assert {case.protocol for case in matrix} == {"udp", "icmp"}
    assert {case.length for case in matrix} == {1000, 1460, 1500, 3000, 8000}
    assert any(case.backwards and not case.df for case in matrix)


@pytest.mark.parametrize(
    ("shipment", "outcome", "fault"),
    [
        (Shipment("udp", 1460, df=True), Outcome(RECEIPT, None), ""),
        (Shipment("udp", 1461, df=True), Outcome(None, 1460), ""),
        (Shipment("udp", 1461, df=True), Outcome(None, 1500), "too big, MTU 1500, not too big with MTU 1460"),
        (Shipment("udp", 1461, df=True), Outcome(None, None), "lost, not too big with MTU 1460"),
        (
            Shipment("udp", 1461, df=True),
            Outcome(RECEIPT, None),
            "delivered, though DF is set and the path carries 1460",
        ),
        (Shipment("icmp", 8000), Outcome(None, None), "lost, not delivered"),
        (Shipment("icmp", 8000, df=True, piece=420), Outcome(RECEIPT, None), ""),
    ],
)
def test_what_is_wrong_with_an_outcome(shipment: Shipment, outcome: Outcome, fault: str) -> None:
    assert fragments.Path(TASK).wrong(shipment, outcome) == fault


def test_common_cause_is_said_first() -> None:
    causes = ["icmp 3000 -- whole in: lost, not delivered", "icmp 8000 -- whole out: lost, not delivered"]
    assert fragments._pattern(causes)[0].startswith("only ICMP is concerned")
    assert fragments._pattern([*causes, "udp 1000 -- whole in: lost"]) == [
        *causes,
        "udp 1000 -- whole in: lost",
    ]


def test_owner_of_an_outside_source() -> None:
    owner = ownership(TASK, "192.168.42.10")
    assert not owner.fault(("130.129.255.93", 4224), 1)
    assert owner.fault(("130.129.255.93", 4288), 1)  # PSID 3
    assert owner.fault(("130.129.255.93", 128), 1)  # A = 0
    assert owner.fault(("130.129.255.92", 4224), 1)
    assert owner.connections == 864
    assert "14 of 15 port ranges never used, first at 8320" in owner.shortfalls([("130.129.255.93", 4224)])[0]


def test_sources_of_a_pool() -> None:
    owner = ownership(DS_LITE, "192.168.1.10")
    assert not owner.fault(("203.0.113.9", 1024), 1)
    assert "not of the pool 203.0.113.8/29" in owner.fault(("203.0.113.16", 1024), 1)
    assert "ports from 1024 on" in owner.fault(("203.0.113.9", 1023), 1)
    assert owner.connections == 180
    assert not owner.shortfalls([("203.0.113.9", 1024), ("203.0.113.9", 1025)])
    assert "REQ-2" in owner.shortfalls([("203.0.113.9", 1024), ("203.0.113.10", 1024)])[0]
    with pytest.raises(ValueError, match="no gateway with a pool"):
        ownership(replace(DS_LITE, gateway=None), "192.168.1.10")


def test_a_plane_changes_nothing() -> None:
    owner = ownership(SA46T, "192.168.46.10")
    assert not owner.fault(("192.168.46.10", 5000), 5000)
    assert "in place of 192.168.46.10:5000" in owner.fault(("192.168.46.10", 5001), 5000)
    assert owner.fault(("192.168.46.11", 5000), 5000)


def test_ipv6_only_host_finds_ipv4_in_the_prefix() -> None:
    assert NAT64.targets == ["2001:db8:64::c633:6450"]
    assert NAT64.ipv4_of("2001:db8:64::c633:6450") == "198.51.100.80"
    assert NAT64.ipv4_of("2001:db8:1::1") == "2001:db8:1::1"
    # A host behind a CLAT has IPv4.
    assert XLAT.targets == ["198.51.100.80"]


@given(length=st.integers(60, 8000), size=st.integers(100, 1480), protocol=st.sampled_from(["udp", "icmp"]))
def test_pieces_over_ipv6_are_the_packet(length: int, size: int, protocol: str) -> None:
    """No larger than what IPv4 of that size becomes; an independent reader finds all of it."""
    payload = label.labelled(COOKIE, length)
    here, there = "2001:db8::1", "2001:db8:64::c633:6450"
    number = wire.number_of(wire6, protocol)
    transport = wire6.message(protocol, wire6.ECHO_REQUEST, (here, 5000), (there, 6000), payload)
    cut = wire6.pieces(number, here, there, transport, ident=9, df=False, size=size)
    assert all(len(piece) <= size + 20 for piece in cut)
    read = [IPv6(piece) for piece in cut]
    if len(read) == 1:
        assert cut[0][40:] == transport
    else:
        whole = bytearray(len(transport))
        for packet, piece in zip(read, cut, strict=True):
            head = packet[IPv6ExtHdrFragment]
            assert (head.nh, head.id) == (number, 9)
            whole[head.offset * 8 : head.offset * 8 + len(piece) - 48] = piece[48:]
        assert bytes(whole) == transport
        assert [packet[IPv6ExtHdrFragment].m for packet in read] == [1] * (len(read) - 1) + [0]
    sides = (int(IPv6Address(here)), int(IPv6Address(there)))
    assert valid(transport, pseudo6(*sides, number, len(transport)))


def test_complaint_over_ipv6_tells_the_ipv4_mtu() -> None:
    about = IPv6(src="2001:db8::1", dst="2001:db8:64::c633:6450", nh=17) / UDP(sport=5000, dport=6000)
    error = bytes(IPv6() / ICMPv6PacketTooBig(mtu=1400) / about)[40:]
    complaint = wire6.complaint_of("2001:db8::2", error)
    assert complaint is not None
    assert (complaint.type, complaint.code) == wire6.TOO_BIG
    assert (complaint.mtu, complaint.destination) == (1380, "2001:db8:64::c633:6450")
    assert (complaint.protocol, complaint.port, complaint.destination_port) == (17, 5000, 6000)
    assert wire6.complaint_of("2001:db8::2", bytes(8)) is None


def test_translated_pieces_need_a_header_more() -> None:
    """RFC 7915 sections 1.2 and 4.1."""
    path = fragments.Path(XLAT)
    assert path.mtu == 1480
    assert path.fits(Shipment("udp", 1480, df=True))
    assert not path.fits(Shipment("udp", 3000, df=True, piece=1480))
    assert path.fits(Shipment("udp", 3000, df=True, piece=1472))
    assert path.may_be_lost(Shipment("icmp", 1000, piece=420))
    assert path.may_be_lost(Shipment("icmp", 1261))  # cut to 1280 octets of IPv6
    assert not path.may_be_lost(Shipment("icmp", 1480, df=True))
    assert not path.may_be_lost(Shipment("udp", 8000, piece=420))
    assert not fragments.Path(TASK).may_be_lost(Shipment("icmp", 8000, piece=420))
    assert all(case.df for case in fragments.sent_from(wire6, 1480))


@pytest.mark.parametrize("name", ["ds-lite", "464xlat", "nat64", "sa46t"])
def test_forgeries_of_each_technique(name: str) -> None:
    """Each is a packet from a seat of its own, to where a gateway hears it, and says what it says."""
    task = {"ds-lite": DS_LITE, "464xlat": XLAT, "nat64": NAT64, "sa46t": SA46T}[name]
    found = list(spoof.forgeries(task))
    wanted = {
        "ds-lite": {"drop_spoofed_source"},
        "464xlat": {"drop_softwire_source"},
        "nat64": {"drop_softwire_source"},
        "sa46t": {"drop_other_plane", "drop_spoofed_source"},
    }
    assert {lie.counter for lie in found} == wanted[name]
    for lie in found:
        to, data = spoof.forged(task, lie, "198.51.100.80", COOKIE)
        packet = IPv6(data)
        assert (packet.src, packet.dst) == (str(lie.outer), to)
        if name in ("ds-lite", "sa46t"):
            assert packet[IP].src == lie.inner[0]
            assert packet[IP].dst == "198.51.100.80"
        else:
            assert lie.outer in IPv6Network("2001:db8:64::/96")
            assert packet[UDP].dport == packet.payload.dport


def test_name_server_has_one_address_for_every_name() -> None:
    told = DNS(dns.answer(dns.question(7, Question("www.example", A)), IPv4Address("198.51.100.80")))
    assert (told.id, told.qr, told.aa, told.rcode, told.ancount) == (7, 1, 1, 0, 1)
    assert (told.an[0].rrname, told.an[0].rdata) == (b"www.example.", "198.51.100.80")
    assert DNS(dns.answer(dns.question(8, Question("www.example", AAAA)), IPv4Address(1))).ancount == 0
    for junk in (b"", bytes(12), bytes(DNS(id=7, qr=1, qd=DNSQR(qname="x")))):
        assert dns.answer(junk, IPv4Address(1)) is None


def test_a_name_is_asked_for_and_answered() -> None:
    async def over_udp() -> tuple[list[IPv6Address], Response]:
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(
            lambda: dns.NameServer("127.0.0.1"), local_addr=("127.0.0.1", 0)
        )
        port = transport.get_extra_info("sockname")[1]
        try:
            addresses = await dns.addresses("127.0.0.1", "www.example", port=port)
            return addresses, await dns.ask("127.0.0.1", Question("www.example", A), port=port)
        finally:
            transport.close()

    addresses, told = asyncio.run(over_udp())
    assert addresses == []
    assert told == Response(
        answer=(Record("www.example", A, 60, IPv4Address("127.0.0.1")),), authoritative=True
    )


def test_a_short_answer_is_asked_for_over_tcp() -> None:
    class Short(asyncio.DatagramProtocol):
        def connection_made(self, transport: asyncio.DatagramTransport) -> None:  # type: ignore[override]
            self.transport = transport

        def datagram_received(self, data: bytes, addr: tuple[str, int]) -> None:
            self.transport.sendto(bytes(DNS(id=DNS(data).id, qr=1, tc=1, qd=DNS(data).qd)), addr)

    async def whole(reader: asyncio.StreamReader, writer: asyncio.StreamWriter) -> None:
        asked = DNS(await reader.readexactly(int.from_bytes(await reader.readexactly(2), "big")))
        told = [DNSRR(rrname="www.example", type="AAAA", rdata=f"2001:db8::{n}") for n in range(100)]
        message = bytes(DNS(id=asked.id, qr=1, qd=asked.qd, an=told))
        writer.write(len(message).to_bytes(2, "big") + message)
        writer.close()

    async def both() -> list[IPv6Address]:
        server = await asyncio.start_server(whole, "127.0.0.1", 0)
        port = server.sockets[0].getsockname()[1]
        loop = asyncio.get_running_loop()
        transport, _ = await loop.create_datagram_endpoint(Short, local_addr=("127.0.0.1", port))
        try:
            return await dns.addresses("127.0.0.1", "www.example", port=port)
        finally:
            transport.close()
            server.close()

    assert len(asyncio.run(both())) == 100


@pytest.mark.parametrize("bits", [False, True])
def test_dns_question_is_read_by_another(bits: bool) -> None:
    asked = Question("ipv4only.arpa", AAAA, dnssec_ok=bits, checking_disabled=bits)
    read = DNS(dns.question(7, asked))
    assert (read.id, read.qd[0].qname, read.qd[0].qtype, read.rd) == (7, b"ipv4only.arpa.", 28, 1)
    assert (read.cd, read.arcount) == (bits, bits)
    if bits:
        assert (read.ar[0].type, read.ar[0].rclass, read.ar[0].z) == (41, 1232, 0x8000)


def test_dns_answer_of_another_is_read() -> None:
    chain = [
        DNSRR(rrname="ipv4only.arpa", type="CNAME", ttl=5, rdata="x.example"),
        DNSRR(rrname="x.example", type="AAAA", ttl=6, rdata="2001:db8:64::c000:aa"),
        DNSRR(rrname="x.example", type="TXT", ttl=7, rdata="passed over"),
        DNSRR(rrname="y.example", type="PTR", ttl=8, rdata="Z.example"),
    ]
    soa = DNSRRSOA(rrname="example", mname="ns.example", rname="root.example", minimum=30, ttl=60)
    more = DNSRR(rrname="ns.example", type="A", ttl=9, rdata="192.0.2.53")
    question = DNSQR(qname="ipv4only.arpa", qtype="AAAA")
    message = bytes(DNS(id=7, qr=1, ad=1, rcode=3, qd=question, an=chain, ns=[soa], ar=[more]))
    told = dns.response(message)
    assert told == Response(
        rcode=3,
        authentic=True,
        answer=(
            Record("ipv4only.arpa", CNAME, 5, "x.example"),
            Record("x.example", AAAA, 6, IPv6Address("2001:db8:64::c000:aa")),
            Record("y.example", PTR, 8, "z.example"),
        ),
        authority=(Record("example", SOA, 60, 30),),
        additional=(Record("ns.example", A, 9, IPv4Address("192.0.2.53")),),
    )
    assert told.negative_ttl == 60
    for end in range(len(message)):
        with pytest.raises(ValueError, match="breaks off"):
            dns.response(message[:end])


def test_a_name_that_points_at_itself_ends() -> None:
    question = dns.question(7, Question("a", AAAA))
    turning = len(question)
    record = struct.pack("!HHHIH", 0xC000 | turning, AAAA, 1, 60, 0)
    message = question[:6] + struct.pack("!H", 1) + question[8:] + record
    with pytest.raises(ValueError, match="breaks off"):
        dns.response(message)


@given(st.binary(max_size=200))
def test_what_is_no_message_is_told_apart(junk: bytes) -> None:
    with contextlib.suppress(ValueError):
        dns.response(junk)
    with contextlib.suppress(ValueError):
        dns.response(struct.pack("!HHHHHH", 7, 0x8000, 0, 3, 0, 0) + junk)


@given(customer=st.integers(0, 255), offset=st.integers(0, 10))
def test_forgeries_are_lies(customer: int, offset: int) -> None:
    """Whatever the rule: none of the inner sources is the customer's, or the IPv6 source is foreign."""
    rule = replace(SERVICE.rules[0], psid_offset=offset)
    prefix = IPv6Network((int(IPv6Address("2001:3e8:6000::")) | customer << 64, 64))
    service = replace(SERVICE, rules=(rule,), end_user_prefix=prefix)
    task = replace(TASK, service=service)
    found = list(spoof.forgeries(task))
    assert {lie.counter for lie in found} == {"drop_spoofed_source", "drop_no_rule"}
    for lie in found:
        if lie.outer in rule.ipv6_prefix:
            assert lie.outer == service.customer.address
            assert ownership(task, HERE).fault(lie.inner, 0)
        else:
            assert lie.counter == "drop_no_rule"


def test_forged_packet_is_what_it_says() -> None:
    inner = wire4.ipv4(wire.UDP, HERE, THERE, wire.udp((HERE, 1), (THERE, 2), b"x"), ident=3)
    packet = IPv6(wire6.ipv6(spoof.IPIP, "2001:db8::1", "2001:db8::2", inner))
    assert (packet.src, packet.dst, packet.nh) == ("2001:db8::1", "2001:db8::2", 4)
    assert packet[IP].src == HERE
    assert packet[UDP].dport == 2


@pytest.mark.parametrize("text", ["", "[]", "{}", '{"service": 1}'])
def test_assignment_that_is_none(
    text: str, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr("sys.stdin", io.StringIO(text))
    assert cli.main(["reach"]) == 2
    assert "error" in capsys.readouterr().err
