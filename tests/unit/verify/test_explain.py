# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Captures into customer, rule, identifier format and verdict."""

from __future__ import annotations

import contextlib
import json
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane, PlaneRoute
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.plan.model import FleetPlan, NodePlan
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, GATEWAY, Service
from ansible_collections.ipv4aas.fleet.engine.verify.capture import CaptureError, packet_of
from ansible_collections.ipv4aas.fleet.engine.verify.explain import (
    NO_FORMAT,
    Explanation,
    explain,
    meanings_of,
)
from hypothesis import given
from hypothesis import strategies as st
from scapy.layers.inet import ICMP, IP, TCP, UDP
from scapy.layers.inet6 import ICMPv6EchoRequest, IPv6, IPv6ExtHdrFragment
from scapy.layers.l2 import Dot1Q, Ether

SEED = Path(__file__).resolve().parents[2] / "vectors" / "seed_shownet2013.json"
ROW = next(row for row in json.loads(SEED.read_text())["vectors"] if row["id"] == "seed-capture")
GIVEN, EXPECT = ROW["input"], ROW["expect"]
LINE = "2001:3e8:6000:c0:0:8281:ff5f:0 > 2001:3e8:0:2900::1, IP 130.129.255.95.45089 > 133.242.53.30.80"
BR = IPv6Address(GIVEN["ipv6_dst"])
RULE = MapRule(
    IPv6Network(GIVEN["rule_ipv6"]),
    IPv4Network(GIVEN["rule_ipv4"]),
    GIVEN["ea_len"],
    psid_offset=GIVEN["psid_offset"],
)


def plan(**nodes: Service) -> FleetPlan:
    return FleetPlan(
        services={},
        nodes={
            name: NodePlan(name=name, role=service.role, platform="linux", services=(service,))
            for name, service in nodes.items()
        },
    )


def service(technique: str, role: str = GATEWAY, **values: Any) -> Service:
    return Service(
        **({"name": "hall7", "technique": technique, "role": role, "gateway_address": BR} | values)
    )


MAP = plan(
    br1=service("map-e", rules=(RULE,)),
    br2=service("map-e", rules=(RULE,)),
    home=service("map-e", EDGE, rules=(RULE,), end_user_prefix=IPv6Network(EXPECT["end_user_prefix"])),
)
INNER = IP(src=GIVEN["ipv4_src"], dst=GIVEN["ipv4_dst"]) / TCP(sport=GIVEN["sport"], dport=80, flags="S")
CAPTURED = bytes(IPv6(src=GIVEN["ipv6_src"], dst=GIVEN["ipv6_dst"]) / INNER)


def dump(data: bytes, *, text: bool = False) -> str:
    """As tcpdump -x and -X print it."""
    lines = []
    for at in range(0, len(data), 16):
        part = data[at : at + 16]
        digits = " ".join(part[i : i + 2].hex() for i in range(0, len(part), 2))
        shown = "  " + "".join(chr(c) if 32 < c < 127 else "." for c in part) if text else ""
        lines.append(f"\t0x{at:04x}:  {digits:<39}{shown}")
    return "12:00:00.000000 IP6 x > y: IP z\n" + "\n".join(lines) + "\n"


FORMS = {
    "deck": LINE,
    "tcpdump": f"09:15:01.123456 IP6 {LINE.replace(', IP', ': IP')}: Flags [S], seq 1, win 14600, length 0",
    "tcpdump -v": (
        "09:15:01.123456 IP6 (flowlabel 0x2fd1e, hlim 64, next-header IPIP (4) payload length: 60) "
        "2001:3e8:6000:c0:0:8281:ff5f:0 > 2001:3e8:0:2900::1: IP (tos 0x0, ttl 63, id 1, offset 0, flags "
        "[DF], proto TCP (6), length 60)\n    130.129.255.95.45089 > 133.242.53.30.80: Flags [S], seq 1"
    ),
    "hex": CAPTURED.hex(),
    "hex with blanks": " ".join(CAPTURED[i : i + 1].hex() for i in range(len(CAPTURED))),
    "tcpdump -x": dump(CAPTURED),
    "tcpdump -X": dump(CAPTURED, text=True),
    "Ethernet": bytes(Ether(type=0x86DD) / IPv6(CAPTURED)).hex(),
    "VLAN": bytes(Ether() / Dot1Q(vlan=7, type=0x86DD) / IPv6(CAPTURED)).hex(),
}


@pytest.mark.parametrize("form", FORMS)
def test_the_packet_of_the_deck_is_customer_c0(form: str) -> None:
    found = explain(MAP, packet_of(FORMS[form]))
    assert (str(found.packet.source4), found.packet.source_port) == (GIVEN["ipv4_src"], GIVEN["sport"])
    assert (str(found.packet.destination4), found.packet.destination_port) == (GIVEN["ipv4_dst"], 80)
    customer, gateway = found.meanings
    assert customer.holder is not None
    assert customer.holder.customer == IPv6Network(EXPECT["end_user_prefix"])
    assert customer.holder.node == "home"
    assert customer.holder.psid == EXPECT["psid"]
    assert tuple(EXPECT["port_block"]) in customer.holder.ports
    assert str(customer.holder.address) == EXPECT["map_ipv6"]
    assert (customer.identifier, customer.remark) == ("rfc7597", "")
    assert customer.holder.rule == "2001:3e8:6000::/56 130.129.255.92/30 EA 8 offset 4"
    assert (str(gateway.address), gateway.what) == (GIVEN["ipv6_dst"], "address of the BR")
    (verdict,) = found.verdicts
    assert (verdict.nodes, verdict.accepted, verdict.reason) == (("br1", "br2"), True, "decapsulated")
    assert str(verdict.sent[0].source4) == GIVEN["ipv4_src"] and verdict.sent[0].source6 is None


@pytest.mark.parametrize("port", [45120, 33, 4160])
def test_the_neighbours_port_is_refused_with_the_reason(port: int) -> None:
    (verdict,) = explain(MAP, packet_of(LINE.replace("45089", str(port)))).verdicts
    assert (verdict.accepted, verdict.reason, verdict.sent) == (False, "drop_spoofed_source", ())
    assert verdict.meaning == "inner source or port is not the sender's"


def test_a_packet_for_a_customer_from_the_internet() -> None:
    found = explain(MAP, packet_of("IP 133.242.53.30.80 > 130.129.255.95.45089: Flags [S.]"))
    (verdict,) = found.verdicts
    assert verdict.accepted and str(verdict.sent[0].destination6) == EXPECT["map_ipv6"]
    (verdict,) = explain(MAP, packet_of("IP 133.242.53.30.80 > 130.129.255.95.80: UDP, length 0")).verdicts
    assert verdict.reason == "drop_excluded_port"


def test_a_packet_to_an_edge() -> None:
    line = f"{BR} > {EXPECT['map_ipv6']}, IP 133.242.53.30.80 > 130.129.255.95.45089"
    (verdict,) = explain(MAP, packet_of(line)).verdicts
    assert (verdict.nodes, verdict.reason) == (("home",), "drop_unsolicited")


def test_nobodys_packet() -> None:
    found = explain(MAP, packet_of(LINE.replace("2001:3e8:0:2900::1", "2001:db8::1")))
    assert found.verdicts == () and len(found.meanings) == 1


class TestAddresses:
    def test_the_other_identifier_format(self) -> None:
        (found,) = meanings_of(MAP, IPv6Address("2001:3e8:6000:c0:82:81ff:5f00:0"))
        assert found.identifier == "draft-03"
        assert found.remark == f"the mapping computes {EXPECT['map_ipv6']}"

    def test_a_host_of_the_customer(self) -> None:
        (found,) = meanings_of(MAP, IPv6Address("2001:3e8:6000:c0::1234"))
        assert found.identifier == NO_FORMAT and found.holder is not None and found.holder.node == "home"

    def test_a_translation_prefix(self) -> None:
        prefix = IPv6Network("64:ff9b::/96")
        pool = Pool(ipv4=(IPv4Network("198.51.100.0/30"),), subscribers=IPv6Network("2001:db8::/48"))
        made = plan(
            plat=service("464xlat", pool=pool, translation_prefix=prefix),
            home=service(
                "464xlat",
                EDGE,
                translation_prefix=prefix,
                end_user_prefix=IPv6Network("2001:db8:0:7::/64"),
            ),
        )
        (found,) = meanings_of(made, IPv6Address("64:ff9b::133.242.53.30"))
        assert found.ipv4 == IPv4Address("133.242.53.30")
        (found,) = meanings_of(made, IPv6Address("2001:db8:0:7::5"))
        assert found.remark == "subscriber 2001:db8:0:7::/64, of home"
        (found,) = meanings_of(made, IPv6Address("2001:db8:0:9::5"))
        assert found.remark == "subscriber 2001:db8:0:9::/64, in 2001:db8::/48"
        line = "IP6 2001:db8:0:7:c0:0:200:0.40000 > 64:ff9b::85f2:351e.80: Flags [S], seq 0"
        (verdict,) = explain(made, packet_of(line)).verdicts
        assert verdict.accepted and str(verdict.sent[0].destination4) == "133.242.53.30"
        assert str(verdict.sent[0].source4).startswith("198.51.100.")

    def test_translated_map(self) -> None:
        internet = IPv6Network("2001:3e8:0:64::/64")
        made = plan(br=service("map-t", rules=(RULE,), translation_prefix=internet))
        line = f"IP6 {EXPECT['map_ipv6']}.{{}} > 2001:3e8:0:64:85:f235:1e00:0.80: Flags [S], seq 0"
        found = explain(made, packet_of(line.format(45089)))
        customer, server = found.meanings
        assert customer.holder is not None and customer.identifier == "rfc7597"
        assert customer.holder.customer == IPv6Network(EXPECT["end_user_prefix"])
        assert (server.what, str(server.ipv4)) == ("IPv4 address in a translation prefix", "133.242.53.30")
        (verdict,) = found.verdicts
        assert verdict.accepted and str(verdict.sent[0].source4) == GIVEN["ipv4_src"]
        (verdict,) = explain(made, packet_of(line.format(45120))).verdicts
        assert (verdict.accepted, verdict.reason) == (False, "drop_spoofed_source")

    def test_a_binding(self) -> None:
        bindings = (Binding(IPv6Address("2001:db8:1::1"), IPv4Address("192.0.2.1"), 0, 6, 5),)
        made = plan(aftr=service("lw4o6", bindings=bindings))
        line = f"2001:db8:1::1 > {BR}, IP 192.0.2.1.{{}} > 133.242.53.30.80"
        for port, accepted in ((5120, True), (6143, True), (6144, False)):
            found = explain(made, packet_of(line.format(port)))
            assert found.meanings[0].holder is not None
            assert found.meanings[0].holder.ports == ((5120, 6143),)
            assert found.verdicts[0].accepted == accepted
        assert meanings_of(made, IPv6Address("2001:db8:1::2")) == ()

    def test_a_plane(self) -> None:
        fixed = IPv6Network("2001:db8:0:46::/64")
        common: dict[str, Any] = {"plane": Plane(fixed, 1), "gateway_address": IPv6Address("::")}
        made = plan(
            west=service("sa46t", EDGE, inside=(IPv4Network("10.0.0.0/24"),), **common),
            east=service("sa46t", EDGE, inside=(IPv4Network("10.0.1.0/24"),), **common),
        )
        (found,) = meanings_of(made, IPv6Address("2001:db8:0:46:0:1:a00:105"))
        assert found.holder is not None and found.holder.node == "east"
        assert (found.ipv4, found.remark) == (IPv4Address("10.0.1.5"), f"plane 1 of {fixed}")
        assert meanings_of(made, IPv6Address("2001:db8:0:46:0:2:a00:105")) == ()
        line = "2001:db8:0:46:0:1:a00:5 > 2001:db8:0:46:0:1:a00:105, IP 10.0.0.{}.1 > 10.0.1.5.2"
        for host, reason in ((5, "decapsulated"), (6, "drop_spoofed_source")):
            (verdict,) = explain(made, packet_of(line.format(host))).verdicts
            assert (verdict.nodes, verdict.reason) == (("east",), reason)

    def test_a_translator_of_planes(self) -> None:
        fixed, own = IPv6Network("2001:db8:0:46::/64"), IPv6Network("2001:db8:0:ff::/64")
        route = PlaneRoute(IPv4Network("10.1.3.0/24"), IPv6Network("2001:db8:0:3::/64"))
        made = plan(
            joint=service("sa46t-pt", plane=Plane(fixed, 1), plane_routes=(route,), end_user_prefix=own)
        )
        line = "2001:db8:0:46:0:1:a01:105 > 2001:db8:0:46:0:1:a01:305, IP 10.1.1.5.1 > 10.1.3.5.2"
        (verdict,) = explain(made, packet_of(line)).verdicts
        assert verdict.reason == "prefix_rewritten"
        assert str(verdict.sent[0].destination6) == "2001:db8:0:3:0:1:a01:305"


class TestForms:
    @pytest.mark.parametrize(
        ("line", "layer"),
        [
            ("IP 192.0.2.1.53 > 192.0.2.2.5000: UDP, length 0", UDP(sport=53, dport=5000)),
            ("192.0.2.1.53 > 192.0.2.2.5000", TCP(sport=53, dport=5000)),
            ("IP 192.0.2.1 > 192.0.2.2: ICMP echo request, id 77, seq 1, length 64", ICMP(id=77, seq=1)),
        ],
    )
    def test_ipv4(self, line: str, layer: Any) -> None:
        made = IP(packet_of(line))
        assert (made.src, made.dst) == ("192.0.2.1", "192.0.2.2")
        for name in layer.fields:
            assert made[type(layer)].getfieldval(name) == layer.getfieldval(name)
        whole = bytes(made)
        del made.chksum, made[type(layer)].chksum
        assert bytes(made) == whole  # every checksum is right

    @pytest.mark.parametrize(
        ("line", "layer"),
        [
            ("2001:db8::1.53 > 2001:db8::2.5000: UDP", UDP(sport=53, dport=5000)),
            (
                "IP6 2001:db8::1 > 2001:db8::2: ICMP6, echo request, id 77, seq 1, length 64",
                ICMPv6EchoRequest(id=77, seq=1),
            ),
        ],
    )
    def test_ipv6(self, line: str, layer: Any) -> None:
        made = IPv6(packet_of(line))
        for name in layer.fields:
            assert made[type(layer)].getfieldval(name) == layer.getfieldval(name)
        whole = bytes(made)
        if isinstance(layer, UDP):
            del made[UDP].chksum
        else:
            del made[ICMPv6EchoRequest].cksum
        assert bytes(made) == whole

    @pytest.mark.parametrize(
        "text",
        [
            "",
            "hello",
            "2001:db8::1 > 192.0.2.1",
            "192.0.2.1 > 192.0.2.2",
            "192.0.2.1.80 > 192.0.2.2.99999",
            "192.0.2.1.80 > 192.0.2.2.80, IP6 2001:db8::1.1 > 2001:db8::2.2",
            "00" * 40,
            "6000",
        ],
    )
    def test_what_is_no_capture_is_told_what_would_be(self, text: str) -> None:
        with pytest.raises(CaptureError, match="an IPv6 address; a packet in hex"):
            packet_of(text)

    @pytest.mark.parametrize(
        ("data", "wrong"),
        [
            (CAPTURED[:50], "IPv6 header or extension does not fit the packet; all of its octets are needed"),
            (CAPTURED[40:60], "IPv4 header does not fit the packet"),
            (CAPTURED[:52] + b"\1" + CAPTURED[53:], "IPv4 header checksum is wrong"),
        ],
    )
    def test_a_damaged_packet(self, data: bytes, wrong: str) -> None:
        with pytest.raises(CaptureError, match=f"the packet is damaged: {wrong}"):
            explain(MAP, data)

    def test_pieces(self) -> None:
        whole = IPv6(src=GIVEN["ipv6_src"], dst=GIVEN["ipv6_dst"])
        piece = bytes(whole / IPv6ExtHdrFragment(nh=4, offset=10, m=1) / (b"x" * 16))
        found = explain(MAP, piece)
        assert (found.packet.protocol, found.packet.source4) == (4, None)
        assert (found.verdicts[0].accepted, found.verdicts[0].reason) == (False, "fragment_held")

    @given(st.binary(max_size=100))
    def test_any_octets(self, data: bytes) -> None:
        for made in (data, CAPTURED[:40] + data):
            with contextlib.suppress(CaptureError):
                assert isinstance(explain(MAP, packet_of(made.hex())), Explanation)


def test_equal_gateways_answer_once_and_others_for_themselves() -> None:
    strict = replace(MAP.nodes["br2"].services[0], strict_iid=True)
    nodes = MAP.nodes | {"br2": replace(MAP.nodes["br2"], services=(strict,))}
    line = LINE.replace("c0:0:8281:ff5f:0", "c0:82:81ff:5f00:0")
    found = explain(replace(MAP, nodes=nodes), packet_of(line)).verdicts
    assert [(verdict.nodes, verdict.reason) for verdict in found] == [
        (("br1",), "decapsulated"),
        (("br2",), "drop_iid_mismatch"),
    ]
