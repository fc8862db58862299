# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Probes: packets as they are written, what has to arrive, and what no honest edge sends."""

from __future__ import annotations

import io
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.packet.checksum import pseudo4, valid
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from ansible_collections.ipv4aas.fleet.engine.verify.probes import cli, fragments, spoof, wire
from ansible_collections.ipv4aas.fleet.engine.verify.probes.endpoint import Receipt, Shipment
from ansible_collections.ipv4aas.fleet.engine.verify.probes.model import owns
from ansible_collections.ipv4aas.fleet.engine.verify.probes.pair import Outcome
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import IPv6

SERVICE = Service(
    name="hall7",
    technique="map-e",
    role="edge",
    gateway_address=IPv6Address("2001:3e8:0:2900::1"),
    rules=(MapRule(IPv6Network("2001:3e8:6000::/56"), IPv4Network("130.129.255.92/30"), 8, 4),),
    end_user_prefix=IPv6Network("2001:3e8:6000:42::/64"),
)
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
    payload = wire.labelled(COOKIE, length)
    if protocol == "udp":
        transport = wire.udp((HERE, 5000), (THERE, 6000), payload)
    else:
        transport = wire.echo(wire.ECHO_REQUEST, 77, payload)
    cut = wire.pieces(wire.NUMBERS[protocol], HERE, THERE, transport, ident=9, df=df, size=size)
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
    payload = wire.labelled(COOKIE, 500)
    assert wire.cookie_of(payload) == COOKIE
    assert wire.cookie_of(payload[:-1] + bytes([payload[-1] ^ 1])) is None
    assert wire.cookie_of(payload[:-1]) is None
    assert wire.cookie_of(b"something else") is None


def test_complaint_is_read_from_an_icmp_error() -> None:
    about = IP(src=HERE, dst=THERE, proto=17) / UDP(sport=5000, dport=6000) / b"x"
    error = bytes(ICMP(type=3, code=4, nexthopmtu=1460) / about)
    complaint = wire.complaint_of("203.0.113.1", error)
    assert complaint == wire.Complaint("203.0.113.1", 3, 4, 1460, THERE, wire.UDP, 5000, 6000)
    about = IP(src=HERE, dst=THERE) / ICMP(type=8, id=77)
    complaint = wire.complaint_of("203.0.113.1", bytes(ICMP(type=11) / about))
    assert complaint is not None
    assert (complaint.type, complaint.protocol, complaint.port) == (11, wire.ICMP, 77)
    assert wire.complaint_of("203.0.113.1", bytes(ICMP(type=8, id=1))) is None


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
    assert wire.mss_of(bytes(IP() / TCP(flags="S", options=options))) == mss


def test_matrix_has_every_combination() -> None:
    matrix = list(fragments.cases(1460))
    assert len(matrix) == len({fragments.label(case) for case in matrix}) == 36
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
    assert fragments.wrong(shipment, outcome, 1460) == fault


def test_common_cause_is_said_first() -> None:
    causes = ["icmp 3000 -- whole in: lost, not delivered", "icmp 8000 -- whole out: lost, not delivered"]
    assert fragments._pattern(causes)[0].startswith("only ICMP is concerned")
    assert fragments._pattern([*causes, "udp 1000 -- whole in: lost"]) == [
        *causes,
        "udp 1000 -- whole in: lost",
    ]


def test_owner_of_an_outside_source() -> None:
    assert owns(SERVICE, "130.129.255.93", 4224)
    assert not owns(SERVICE, "130.129.255.93", 4288)  # PSID 3
    assert not owns(SERVICE, "130.129.255.93", 128)  # A = 0
    assert not owns(SERVICE, "130.129.255.92", 4224)


@given(customer=st.integers(0, 255), offset=st.integers(0, 10))
def test_forgeries_are_lies(customer: int, offset: int) -> None:
    """Whatever the rule: none of the inner sources is the customer's, or the IPv6 source is foreign."""
    rule = replace(SERVICE.rules[0], psid_offset=offset)
    prefix = IPv6Network((int(IPv6Address("2001:3e8:6000::")) | customer << 64, 64))
    service = replace(SERVICE, rules=(rule,), end_user_prefix=prefix)
    found = list(spoof.forgeries(service))
    assert {lie.counter for lie in found} == {"drop_spoofed_source", "drop_no_rule"}
    for lie in found:
        if lie.outer in rule.ipv6_prefix:
            assert lie.outer == service.customer.address
            assert not owns(service, *lie.inner)
        else:
            assert lie.counter == "drop_no_rule"


def test_forged_packet_is_what_it_says() -> None:
    inner = wire.ipv4(wire.UDP, HERE, THERE, wire.udp((HERE, 1), (THERE, 2), b"x"), ident=3)
    packet = IPv6(wire.ipv6(IPv6Address("2001:db8::1"), IPv6Address("2001:db8::2"), inner))
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
