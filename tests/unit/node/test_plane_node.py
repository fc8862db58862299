# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SA46T and SA46T-PR nodes: whose packets go where, what fits, what is refused."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from random import Random
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane, PlaneError, PlaneRoute
from ansible_collections.ipv4aas.fleet.engine.node import plane as module
from ansible_collections.ipv4aas.fleet.engine.node.core import build_node
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Packet
from ansible_collections.ipv4aas.fleet.engine.packet.path_mtu import LIFETIME
from hypothesis import given
from hypothesis import strategies as st
from unit.node.plane_samples import FIXED, TABLE, TRANSLATOR, fp, service, v6
from unit.packet import packetkit as kit
from unit.packet.packetkit import NATIVE, SOFTWIRE

OWN, PEER = "10.1.1.7", "10.1.2.9"
ROUTER6 = "2001:db8:ffff::1"


def node(technique: str = "sa46t", **changes: Any) -> Any:
    return build_node(service(technique, **changes), rng=Random(1))


def inbound(inner: bytes, source: str = fp(PEER), destination: str = fp(OWN), **outer: Any) -> bytes:
    return kit.tunnel(source, destination, inner, **outer)


def refused(made: Any, packet: bytes, link: Any) -> str:
    out, events = kit.run(made, packet, link)
    assert out == []
    return events[0]


def too_big(mtu: int, sent: bytes) -> bytes:
    return kit.icmpv6(ROUTER6, kit.outer(sent)[0], 2, 0, mtu, sent[:1232])


class TestForwarding:
    def test_out_and_in_again(self) -> None:
        sent = kit.udp(OWN, 1000, PEER, 2000, ttl=9, tos=0xB8)
        outer = kit.one(node(), sent, NATIVE)
        assert kit.outer(outer) == (fp(OWN), fp(PEER))
        assert (outer[6], outer[7], outer[1] >> 4 | (outer[0] & 15) << 4) == (4, 64, 0xB8)
        other = node(inside=(IPv4Network("10.1.2.0/24"),))
        back = kit.one(other, outer, SOFTWIRE)
        assert back[20:] == sent[20:]
        assert kit.field(back, "ttl") == 7

    def test_resolution(self) -> None:
        made = node("sa46t-pr")
        for destination, prefix in (("10.1.4.200", "2001:db8:0:4::"), (OWN, TRANSLATOR)):
            outer = kit.one(made, kit.udp("10.1.3.5", 1, destination, 2), NATIVE)
            assert kit.outer(outer) == (v6("2001:db8:0:3::", "10.1.3.5"), v6(prefix, destination))

    def test_without_an_entry_the_sender_is_told(self) -> None:
        made = node("sa46t-pr", plane_routes=TABLE[:2])
        out, events = kit.run(made, kit.udp("10.1.3.5", 1, OWN, 2), NATIVE)
        assert events == ["drop_no_plane_route", "icmp_sent"]
        assert kit.field(out[0], "icmp") == (3, 0)
        assert kit.field(out[0], "dst") == "10.1.3.5"

    def test_fixed_prefix_needs_no_entry(self) -> None:
        assert kit.outer(kit.one(node(), kit.udp(OWN, 1, "203.0.113.1", 2), NATIVE))[1] == fp("203.0.113.1")

    @pytest.mark.parametrize("inside", [(), (IPv4Network("0.0.0.0/0"),)], ids=["unsaid", "said"])
    def test_a_node_for_everything(self, inside: Any) -> None:
        made = node(role="gateway", inside=inside)
        assert kit.outer(kit.one(made, kit.udp("203.0.113.1", 1, OWN, 2), NATIVE)) == (
            fp("203.0.113.1"),
            fp(OWN),
        )
        packet = inbound(kit.udp(OWN, 1, "203.0.113.1", 2), fp(OWN), fp("203.0.113.1"))
        assert kit.field(kit.one(made, packet, SOFTWIRE), "dst") == "203.0.113.1"

    def test_the_same_addresses_in_two_planes(self) -> None:
        one, two = node(), node(plane=Plane(FIXED, 5))
        packet = kit.udp(OWN, 1, PEER, 2)
        first, second = kit.one(one, packet, NATIVE), kit.one(two, packet, NATIVE)
        assert kit.outer(first) == (fp(OWN), fp(PEER))
        assert kit.outer(second) == (fp(OWN, 5), fp(PEER, 5))
        answer = inbound(kit.udp(PEER, 2, OWN, 1), fp(PEER, 5), fp(OWN, 5))
        assert refused(one, answer, SOFTWIRE) == "drop_not_for_us"
        kit.one(two, answer, SOFTWIRE)

    def test_icmp_passes_as_it_is(self) -> None:
        made = node()
        for packet in (
            kit.echo(PEER, OWN, 77),
            kit.icmp(PEER, OWN, 3, 1, 0, kit.udp(OWN, 1, PEER, 2)[:28]),
            kit.ip(PEER, OWN, 89, b"routing"),
        ):
            assert kit.one(made, inbound(packet), SOFTWIRE)[20:] == packet[20:]

    def test_inner_fragments_pass_as_they_are(self) -> None:
        made = node()
        for piece in reversed(kit.cut(kit.udp(OWN, 1, PEER, 2, bytes(100)), 48)):
            assert kit.one(made, piece, NATIVE)[60:] == piece[20:]

    def test_mss(self) -> None:
        packet = kit.tcp(OWN, 1, PEER, 2, options=b"\x02\x04\x05\xb4")
        out, events = kit.run(node(mss_clamp=1420), packet, NATIVE)
        assert events == ["mss_clamped", "encapsulated"]
        assert out[0][82:84] == (1420).to_bytes(2, "big")
        assert kit.checksums(out[0][40:]) == []


class TestRefused:
    def test_native(self) -> None:
        made = node()
        for packet, reason in (
            (kit.udp("10.1.9.1", 1, PEER, 2), "drop_not_inside"),
            (kit.udp(OWN, 1, "10.1.1.250", 2), "drop_own_destination"),
            (kit.udp(OWN, 1, "224.0.0.5", 2), "drop_martian_destination"),
            (kit.udp(OWN, 1, PEER, 2, ttl=1), "drop_ttl_expired"),
        ):
            assert kit.run(made, packet, NATIVE)[1][0] == reason

    @pytest.mark.parametrize(
        ("packet", "reason"),
        [
            # Inner source must be behind the sender.
            (inbound(kit.udp("10.1.2.10", 1, OWN, 2)), "drop_spoofed_source"),
            (inbound(kit.udp("10.1.1.8", 1, OWN, 2), fp("10.1.1.8")), "drop_spoofed_source"),
            (inbound(kit.udp(PEER, 1, OWN, 2), fp(PEER, 5)), "drop_other_plane"),
            (inbound(kit.udp(PEER, 1, OWN, 2), v6("2001:db8:0:47::", PEER)), "drop_other_plane"),
            (inbound(kit.udp(PEER, 1, "10.1.1.8", 2)), "drop_wrong_address"),
            (inbound(kit.udp(PEER, 1, "10.1.9.8", 2), fp(PEER), fp("10.1.9.8")), "drop_not_for_us"),
            (inbound(kit.udp(PEER, 1, OWN, 2), fp(PEER), fp(OWN, 5)), "drop_not_for_us"),
            (inbound(kit.udp("127.0.0.1", 1, OWN, 2), fp("127.0.0.1")), "drop_martian_source"),
            (inbound(bytes(40), next_header=41), "drop_next_header"),
            (inbound(b"\x45" + bytes(30)), "drop_ipv4_malformed"),
        ],
    )
    def test_from_the_plane(self, packet: bytes, reason: str) -> None:
        assert refused(node(), packet, SOFTWIRE) == reason

    def test_resolved_sender(self) -> None:
        made, inner = node("sa46t-pr"), kit.udp("10.1.4.9", 1, "10.1.3.5", 2)
        own = v6("2001:db8:0:3::", "10.1.3.5")
        kit.one(made, inbound(inner, v6("2001:db8:0:4::", "10.1.4.9"), own), SOFTWIRE)
        # In the table, but as the prefix of others.
        assert (
            refused(made, inbound(inner, v6(TRANSLATOR, "10.1.4.9"), own), SOFTWIRE) == "drop_spoofed_source"
        )
        assert refused(made, inbound(inner, fp("10.1.4.9"), own), SOFTWIRE) == "drop_other_plane"

    def test_a_table_that_cannot_be(self) -> None:
        short = PlaneRoute(IPv4Network("10.9.0.0/16"), IPv6Network("2001:db8::/80"))
        with pytest.raises(PlaneError, match="does not fit"):
            node("sa46t-pr", plane_routes=(short,))
        with pytest.raises(PlaneError, match="has no plane"):
            node(plane=None)


class TestMtu:
    def test_df_is_told_and_otherwise_the_outside_is_cut(self) -> None:
        made = node()
        kit.one(made, kit.udp(OWN, 1, PEER, 2, bytes(1432)), NATIVE)
        out, events = kit.run(made, kit.udp(OWN, 1, PEER, 2, bytes(1433)), NATIVE)
        assert events == ["drop_too_big", "icmp_sent"]
        assert (kit.field(out[0], "icmp"), kit.field(out[0], "mtu")) == ((3, 4), 1460)
        pieces, _ = kit.run(made, kit.udp(OWN, 1, PEER, 2, bytes(1433), df=False), NATIVE)
        assert len(pieces) == 2 and all(piece[6] == 44 and len(piece) <= 1500 for piece in pieces)
        assert {kit.outer(piece) for piece in pieces} == {(fp(OWN), fp(PEER))}

    def test_pieces_of_the_tunnel_are_put_together(self) -> None:
        made, inner = node(), kit.udp(PEER, 1, OWN, 2, bytes(2000))
        first, second = kit.cut6(inbound(inner), 1400)
        assert kit.run(made, second, SOFTWIRE)[1] == ["fragment_held"]
        out, events = kit.run(made, first, SOFTWIRE)
        assert events == ["reassembled", "decapsulated"]
        assert out[0][20:] == inner[20:]

    def test_strangers_hold_no_pieces(self) -> None:
        piece = kit.cut6(inbound(kit.udp(PEER, 1, OWN, 2, bytes(2000)), ROUTER6), 1400)[0]
        assert refused(node(), piece, SOFTWIRE) == "drop_other_plane"

    def test_discovery(self) -> None:
        made = node()
        whole = kit.udp(OWN, 1, PEER, 2, bytes(1432))
        sent = kit.one(made, whole, NATIVE)
        out, events = kit.run(made, too_big(1400, sent), SOFTWIRE, 1.0)
        assert events == ["path_mtu_lowered", "icmp_sent", "icmpv6_relayed"]
        assert (kit.field(out[0], "dst"), kit.field(out[0], "icmp"), kit.field(out[0], "mtu")) == (
            OWN,
            (3, 4),
            1360,
        )
        assert kit.field(out[0], "embedded")[:28] == sent[40:68]
        # From now on without another round trip, until the time is over.
        out, events = kit.run(made, whole, NATIVE, 2.0)
        assert events == ["drop_too_big", "icmp_sent"]
        assert kit.field(out[0], "mtu") == 1360
        kit.one(made, kit.udp(OWN, 1, PEER, 2, bytes(1332)), NATIVE, 2.0)
        pieces, _ = kit.run(made, kit.udp(OWN, 1, PEER, 2, bytes(1432), df=False), NATIVE, 2.0)
        assert [len(piece) for piece in pieces] == [1400, 40 + 8 + 1460 - 1352]
        kit.one(made, kit.udp(OWN, 1, "10.1.2.10", 2, bytes(1432)), NATIVE, 2.0)  # another path
        kit.one(made, whole, NATIVE, 1.0 + LIFETIME)

    def test_discovery_for_packets_that_may_be_cut(self) -> None:
        made = node()
        sent = kit.one(made, kit.udp(OWN, 1, PEER, 2, bytes(1432), df=False), NATIVE)
        assert kit.run(made, too_big(1280, sent), SOFTWIRE) == ([], ["path_mtu_lowered", "icmpv6_absorbed"])
        pieces, _ = kit.run(made, kit.udp(OWN, 1, PEER, 2, bytes(1432), df=False), NATIVE)
        assert all(len(piece) <= 1280 for piece in pieces) and len(pieces) == 2

    def test_a_path_is_only_made_narrower(self) -> None:
        made = node()
        sent = kit.one(made, kit.udp(OWN, 1, PEER, 2, bytes(1432)), NATIVE)
        for mtu, lowered in (
            (1400, True),
            (1450, False),
            (1400, False),
            (1300, True),
            (1500, False),
            (9000, False),
        ):
            assert ("path_mtu_lowered" in kit.run(made, too_big(mtu, sent), SOFTWIRE)[1]) == lowered
        out, _ = kit.run(made, kit.udp(OWN, 1, PEER, 2, bytes(1300)), NATIVE)
        assert kit.field(out[0], "mtu") == 1260

    @pytest.mark.parametrize(
        ("forged", "reason"),
        [
            ((fp(OWN), fp("10.1.2.10"), OWN, PEER), "drop_icmpv6_not_ours"),  # not sent like that
            ((fp("10.1.9.1"), fp(PEER), "10.1.9.1", PEER), "drop_icmpv6_not_ours"),
            ((fp(OWN), fp(PEER), "10.1.9.1", PEER), "drop_icmpv6_not_ours"),
            ((fp(OWN), fp(PEER, 5), OWN, PEER), "drop_icmpv6_not_ours"),
        ],
    )
    def test_forged_messages(self, forged: tuple[str, str, str, str], reason: str) -> None:
        source6, destination6, source, destination = forged
        made = node()
        sent = kit.tunnel(source6, destination6, kit.udp(source, 1, destination, 2, bytes(1400)))
        message = kit.icmpv6(ROUTER6, fp(OWN), 2, 0, 1280, sent[:1232])
        assert refused(made, message, SOFTWIRE) == reason
        kit.one(made, kit.udp(OWN, 1, PEER, 2, bytes(1432)), NATIVE)

    def test_below_the_least_mtu(self) -> None:
        made = node()
        sent = kit.one(made, kit.udp(OWN, 1, PEER, 2, bytes(1432)), NATIVE)
        assert refused(made, too_big(1279, sent), SOFTWIRE) == "drop_icmpv6_invalid"

    def test_paths_are_bounded(self, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(module, "PATHS", 100)
        made = node()
        for number in range(1000):
            peer = f"10.{2 + number // 250}.0.{number % 250 + 1}"
            sent = kit.one(made, kit.udp(OWN, 1, peer, 2, bytes(1400)), NATIVE)
            made.process(Packet(too_big(1300, sent)), SOFTWIRE, 0.0)
        assert len(made._paths) == 100

    def test_reload_forgets_them(self) -> None:
        made = node()
        sent = kit.one(made, kit.udp(OWN, 1, PEER, 2, bytes(1432)), NATIVE)
        kit.run(made, too_big(1400, sent), SOFTWIRE)
        made.reload(replace(made.service, ipv6_mtu=1600))
        kit.one(made, kit.udp(OWN, 1, PEER, 2, bytes(1532)), NATIVE)


class TestErrors:
    def test_unreachable_in_the_backbone(self) -> None:
        made = node()
        sent = kit.one(made, kit.udp(OWN, 1, PEER, 2), NATIVE)
        out, events = kit.run(made, kit.icmpv6(ROUTER6, fp(OWN), 1, 0, 0, sent), SOFTWIRE)
        assert events == ["icmp_sent", "icmpv6_relayed"]
        assert (kit.field(out[0], "dst"), kit.field(out[0], "icmp")) == (OWN, (3, 1))

    def test_an_error_back_into_the_plane_is_an_own_packet_of_it(self) -> None:
        made = build_node(service(), rng=Random(1), icmp_source=int.from_bytes(kit.v4("10.1.1.1"), "big"))
        out, events = kit.run(made, inbound(kit.udp(PEER, 1, OWN, 2, ttl=1)), SOFTWIRE)
        assert events[:2] == ["drop_ttl_expired", "icmp_sent"]
        assert kit.outer(out[0]) == (fp("10.1.1.1"), fp(PEER))
        kit.one(node(inside=(IPv4Network("10.1.2.0/24"),)), out[0], SOFTWIRE)

    def test_a_plane_address_answers_pings(self) -> None:
        request = kit.icmpv6(ROUTER6, fp(OWN), 128, 0, 1, b"hello")
        out, events = kit.run(node(), request, SOFTWIRE)
        assert events == ["echo_answered"]
        assert kit.outer(out[0]) == (fp(OWN), ROUTER6)


@given(st.binary(max_size=120), st.sampled_from([NATIVE, SOFTWIRE]), st.sampled_from(["sa46t", "sa46t-pr"]))
def test_rubbish_does_no_harm(rubbish: bytes, link: Any, technique: str) -> None:
    made = node(technique)
    own = kit.v6(str(IPv6Address(made.address)))
    for packet in (rubbish, kit.tunnel(fp(PEER), str(IPv6Address(own)), rubbish or b"x")):
        out, _ = kit.run(made, packet, link)
        assert out == []


@given(st.integers(0, 2**32 - 1), st.binary(max_size=64), st.integers(0, 255), st.integers(2, 255))
def test_in_is_the_inverse_of_out(plane_id: int, data: bytes, tos: int, ttl: int) -> None:
    one = node(plane=Plane(FIXED, plane_id))
    other = node(plane=Plane(FIXED, plane_id), inside=(IPv4Network("10.1.2.0/24"),))
    one.decrement_ttl = other.decrement_ttl = False
    sent = kit.udp(OWN, 1, PEER, 2, data, tos=tos, ttl=ttl)
    assert kit.run(other, kit.one(one, sent, NATIVE), SOFTWIRE)[0] == [sent]
