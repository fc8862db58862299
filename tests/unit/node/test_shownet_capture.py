# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The packet that the ShowNet 2013 deck prints: whose it is, and what a border relay does with it."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from random import Random

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule, customer_prefix
from ansible_collections.ipv4aas.fleet.engine.node.core import Link, build_node
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Packet
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from scapy.layers.inet import IP, TCP
from scapy.layers.inet6 import IPv6

VECTORS = Path(__file__).resolve().parents[2] / "vectors" / "seed_shownet2013.json"
SEEN = next(row for row in json.loads(VECTORS.read_text())["vectors"] if row["id"] == "seed-capture")
GIVEN, EXPECT = SEEN["input"], SEEN["expect"]
RULE = MapRule(
    IPv6Network(GIVEN["rule_ipv6"]),
    IPv4Network(GIVEN["rule_ipv4"]),
    GIVEN["ea_len"],
    psid_offset=GIVEN["psid_offset"],
)
SERVICE = Service(
    name="hall7",
    technique="map-e",
    role="gateway",
    gateway_address=IPv6Address(GIVEN["ipv6_dst"]),
    rules=(RULE,),
    mss_clamp=GIVEN["tcp_mss"],
)


def capture(sport: int = GIVEN["sport"]) -> IPv6:
    options = [
        ("MSS", GIVEN["tcp_mss"]),
        ("SAckOK", b""),
        ("Timestamp", (1, 0)),
        ("NOP", None),
        ("WScale", 6),
    ]
    inner = IP(src=GIVEN["ipv4_src"], dst=GIVEN["ipv4_dst"], flags="DF")
    inner /= TCP(sport=sport, dport=GIVEN["dport"], flags="S", window=14600, options=options)
    return IPv6(src=GIVEN["ipv6_src"], dst=GIVEN["ipv6_dst"]) / inner


def test_it_is_customer_c0() -> None:
    table = SERVICE.address_table()
    source = int(IPv6Address(GIVEN["ipv6_src"]))
    owner = table.entitlement(source)
    assert owner is not None
    assert IPv4Address(owner.ipv4) == IPv4Address(EXPECT["ipv4"])
    assert owner.ports.psid == EXPECT["psid"]
    assert (EXPECT["port_block"][0], EXPECT["port_block"][1]) in owner.ports.ranges()
    assert table.source_format(source, owner) == "rfc7597"
    assert IPv6Address(owner.address) == IPv6Address(EXPECT["map_ipv6"])
    prefix = customer_prefix(RULE, IPv4Address(owner.ipv4), owner.ports.psid)
    assert prefix == IPv6Network(EXPECT["end_user_prefix"])


def test_the_gateway_accepts_it_and_its_answer_goes_back() -> None:
    gateway = build_node(SERVICE, rng=Random(1))
    sent = capture()
    outputs, events = gateway.process(Packet(bytes(sent)), Link.SOFTWIRE, 0.0)
    assert events == ["decapsulated"]
    ((packet, link),) = outputs
    assert link is Link.NATIVE
    expected = sent[IP].copy()
    expected.ttl -= 1
    del expected.chksum
    assert packet.data == bytes(expected)

    answer = IP(src=GIVEN["ipv4_dst"], dst=GIVEN["ipv4_src"], flags="DF")
    answer /= TCP(sport=GIVEN["dport"], dport=GIVEN["sport"], flags="SA", options=[("MSS", 1460)])
    outputs, events = gateway.process(Packet(bytes(answer)), Link.NATIVE, 0.0)
    assert events == ["mss_clamped", "encapsulated"]
    back = IPv6(outputs[0][0].data)
    assert (back.src, back.dst) == (GIVEN["ipv6_dst"], EXPECT["map_ipv6"])
    assert dict(back[TCP].options)["MSS"] == GIVEN["tcp_mss"]


@pytest.mark.parametrize("port", [45120, 33, 4160])
def test_the_neighbours_ports_are_refused(port: int) -> None:
    gateway = build_node(SERVICE, rng=Random(1))
    assert gateway.process(Packet(bytes(capture(port))), Link.SOFTWIRE, 0.0) == ([], ["drop_spoofed_source"])
