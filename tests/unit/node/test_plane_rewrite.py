# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SA46T-PT: prefixes of outer addresses, and nothing else, become those of the other domain."""

from __future__ import annotations

import struct
from ipaddress import IPv6Address, IPv6Network
from random import Random
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane, PlaneError
from ansible_collections.ipv4aas.fleet.engine.node.core import build_node
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Offload, Packet
from hypothesis import given
from hypothesis import strategies as st
from unit.node.plane_samples import FIXED, TABLE, TRANSLATOR, fp, service, v6
from unit.packet import packetkit as kit
from unit.packet.packetkit import NATIVE, SOFTWIRE

FIXED_STUB, RESOLVED_STUB = "10.1.1.7", "10.1.3.9"
IN_FIXED = (fp(FIXED_STUB), fp(RESOLVED_STUB))
IN_RESOLVED = (v6(TRANSLATOR, FIXED_STUB), v6("2001:db8:0:3::", RESOLVED_STUB))
ROUTER6 = "2001:db8:ffff::1"


def translator(**changes: Any) -> Any:
    return build_node(service("sa46t-pt", **changes), rng=Random(1))


def sum6(packet: bytes) -> int:
    """One's complement sum of an ICMPv6 message with its pseudo-header: 0xffff where it is right."""
    return kit.slow_sum(packet[8:40] + struct.pack("!II", len(packet) - 40, 58) + packet[40:])


class TestPackets:
    def test_from_fixed_to_resolved(self) -> None:
        sent = kit.tunnel(*IN_FIXED, kit.udp(FIXED_STUB, 1, RESOLVED_STUB, 2), tc=0xB8)
        out, events = kit.run(translator(), sent, SOFTWIRE)
        assert events == ["prefix_rewritten"]
        assert kit.outer(out[0]) == IN_RESOLVED
        assert out[0][:7] == sent[:7] and out[0][7] == 63 and out[0][40:] == sent[40:]

    def test_from_resolved_to_fixed(self) -> None:
        sent = kit.tunnel(*IN_RESOLVED[::-1], kit.udp(RESOLVED_STUB, 2, FIXED_STUB, 1))
        out, _ = kit.run(translator(), sent, SOFTWIRE)
        assert kit.outer(out[0]) == IN_FIXED[::-1]
        assert out[0][40:] == sent[40:]

    def test_nodes_of_both_domains_take_each_others_packets(self) -> None:
        fixed = build_node(service(), rng=Random(1))
        resolved = build_node(service("sa46t-pr"), rng=Random(1))
        between = translator()
        for sender, receiver, ends in (
            (fixed, resolved, (FIXED_STUB, RESOLVED_STUB)),
            (resolved, fixed, (RESOLVED_STUB, FIXED_STUB)),
        ):
            sent = kit.echo(*ends, 5, ttl=20)
            there = kit.one(between, kit.one(sender, sent, NATIVE), SOFTWIRE)
            back = kit.one(receiver, there, SOFTWIRE)
            assert back[20:] == sent[20:] and kit.field(back, "ttl") == 18

    @pytest.mark.parametrize("size", [8, 64])
    def test_pieces_pass_one_by_one(self, size: int) -> None:
        sent = kit.tunnel(*IN_FIXED, kit.udp(FIXED_STUB, 1, RESOLVED_STUB, 2, bytes(100)))
        for piece in reversed(kit.cut6(sent, size)):
            out, _ = kit.run(translator(), piece, SOFTWIRE)
            assert kit.outer(out[0]) == IN_RESOLVED and out[0][40:] == piece[40:]

    def test_a_partial_checksum_stays_partial(self) -> None:
        inner = kit.partial(kit.tcp(FIXED_STUB, 1, RESOLVED_STUB, 2, data=b"x" * 9))
        todo = Offload(True, inner.offload.csum_start + 40, 16)
        outputs, _ = translator().process(Packet(kit.tunnel(*IN_FIXED, inner.data), todo), SOFTWIRE, 0.0)
        assert outputs[0][0].offload == todo
        assert kit.checksums(kit.finished(outputs[0][0])[40:]) == []

    def test_a_super_packet_goes_on_as_its_segments(self) -> None:
        data = bytes(range(250)) * 14
        inner = kit.partial(kit.tcp(FIXED_STUB, 1, RESOLVED_STUB, 2, kit.ACK, data=data), 1400)
        todo = Offload(True, 60, 16, inner.offload.gso_type, 1400, 80)
        made = kit.tunnel(*IN_FIXED, inner.data, tc=0x28)
        outputs, events = translator().process(Packet(made, todo), SOFTWIRE, 0.0)
        packets = [kit.finished(packet) for packet, _ in outputs]
        assert [len(packet) for packet in packets] == [1480, 1480, 780]
        assert b"".join(packet[80:] for packet in packets) == data
        for packet in packets:
            assert kit.outer(packet) == IN_RESOLVED and packet[:4] == made[:4] and packet[7] == 63
            assert kit.checksums(packet[40:]) == []
            assert struct.unpack_from("!H", packet, 4)[0] == len(packet) - 40
        assert events == ["prefix_rewritten"]


class TestRefused:
    @pytest.mark.parametrize(
        ("source", "destination", "reason"),
        [
            # A sender of the other domain, or of another plane, or a stranger.
            (fp("10.1.4.9"), fp(RESOLVED_STUB), "drop_spoofed_source"),
            (v6(TRANSLATOR, FIXED_STUB), fp(RESOLVED_STUB), "drop_spoofed_source"),
            (fp(FIXED_STUB, 5), fp(RESOLVED_STUB), "drop_spoofed_source"),
            (ROUTER6, fp(RESOLVED_STUB), "drop_spoofed_source"),
            (fp(FIXED_STUB), v6(TRANSLATOR, "10.1.2.1"), "drop_spoofed_source"),
            (v6("2001:db8:0:4::", RESOLVED_STUB), v6(TRANSLATOR, FIXED_STUB), "drop_spoofed_source"),
            # Both ends in one domain, or another plane.
            (fp(FIXED_STUB), fp("10.1.2.9"), "drop_no_plane_route"),
            (v6("2001:db8:0:4::", "10.1.4.9"), v6(TRANSLATOR, RESOLVED_STUB), "drop_no_plane_route"),
            (fp(FIXED_STUB, 5), fp(RESOLVED_STUB, 5), "drop_no_plane_route"),
        ],
    )
    def test_ends(self, source: str, destination: str, reason: str) -> None:
        sent = kit.tunnel(source, destination, kit.udp(FIXED_STUB, 1, RESOLVED_STUB, 2))
        out, events = kit.run(translator(), sent, SOFTWIRE)
        assert events[0] == reason
        # Who sent it in good faith is told, by ICMPv6 from the own address.
        assert [(kit.outer(one), one[40:42]) for one in out] == (
            [((str(TRANSLATOR[1]), source), b"\1\0")] if reason == "drop_no_plane_route" else []
        )

    def test_what_it_does_not_carry(self) -> None:
        made = translator()
        for packet, link, reason in (
            (kit.tunnel(*IN_FIXED, bytes(30), next_header=17), SOFTWIRE, "drop_next_header"),
            (kit.tunnel(ROUTER6, str(TRANSLATOR[1]), bytes(30)), SOFTWIRE, "drop_not_for_us"),
            (kit.udp(FIXED_STUB, 1, RESOLVED_STUB, 2), NATIVE, "drop_not_for_us"),
        ):
            assert kit.run(made, packet, link) == ([], [reason])

    def test_hop_limit(self) -> None:
        sent = bytearray(kit.tunnel(*IN_FIXED, kit.udp(FIXED_STUB, 1, RESOLVED_STUB, 2)))
        sent[7] = 1
        out, events = kit.run(translator(), bytes(sent), SOFTWIRE)
        assert events == ["drop_ttl_expired", "icmpv6_sent"]
        assert (kit.outer(out[0]), out[0][40:42]) == ((str(TRANSLATOR[1]), IN_FIXED[0]), b"\3\0")
        assert sum6(out[0]) == 0xFFFF and out[0][48:] == bytes(sent)
        made = build_node(service("sa46t-pt"), rng=Random(1), decrement_ttl=False)
        assert kit.run(made, bytes(sent), SOFTWIRE)[0][0][7] == 1


class TestIcmp:
    @pytest.mark.parametrize(
        ("arrived", "expected"), [(IN_RESOLVED, IN_FIXED), (IN_FIXED[::-1], IN_RESOLVED[::-1])]
    )
    def test_an_error_is_about_the_packet_as_it_was(self, arrived: Any, expected: Any) -> None:
        inner = kit.udp(FIXED_STUB, 1, RESOLVED_STUB, 2, bytes(700))
        error = kit.icmpv6(ROUTER6, arrived[0], 2, 0, 1400, kit.tunnel(*arrived, inner))
        out, events = kit.run(translator(), error, SOFTWIRE)
        assert events == ["prefix_rewritten"]
        assert kit.outer(out[0]) == (ROUTER6, expected[0])
        assert out[0][48:] == kit.tunnel(*expected, inner)
        assert out[0][40:42] == error[40:42] and out[0][44:48] == error[44:48]
        assert sum6(out[0]) == 0xFFFF

    def test_path_mtu_discovery_through_it(self) -> None:
        """The node of the FP domain gets what a router of the PR domain says, and believes it."""
        fixed, between = build_node(service(), rng=Random(1)), translator()
        whole = kit.udp(FIXED_STUB, 1, RESOLVED_STUB, 2, bytes(1432))
        sent = kit.one(between, kit.one(fixed, whole, NATIVE), SOFTWIRE)
        error = kit.icmpv6(ROUTER6, kit.outer(sent)[0], 2, 0, 1400, sent[:1232])
        out, events = kit.run(fixed, kit.run(between, error, SOFTWIRE)[0][0], SOFTWIRE)
        assert events == ["path_mtu_lowered", "icmp_sent", "icmpv6_relayed"]
        assert (kit.field(out[0], "dst"), kit.field(out[0], "mtu")) == (FIXED_STUB, 1360)

    @pytest.mark.parametrize("start", [0, 1, 39, 40])
    def test_a_cut_error_is_dropped(self, start: int) -> None:
        error = kit.icmpv6(ROUTER6, IN_RESOLVED[0], 1, 0, 0, kit.tunnel(*IN_RESOLVED, b"x" * 40)[:start])
        out, events = kit.run(translator(), error, SOFTWIRE)
        assert (len(out), events) == (
            (1, ["prefix_rewritten"]) if start == 40 else (0, ["drop_icmpv6_truncated"])
        )

    def test_an_error_about_anothers_packet_is_dropped(self) -> None:
        error = kit.icmpv6(ROUTER6, v6(TRANSLATOR, "10.1.2.2"), 1, 0, 0, kit.tunnel(*IN_RESOLVED, b"x" * 40))
        assert kit.run(translator(), error, SOFTWIRE) == ([], ["drop_icmp_mismatch"])

    def test_pings_between_the_domains(self) -> None:
        request = kit.icmpv6(*IN_FIXED, 128, 0, 9, b"hello")
        out, _ = kit.run(translator(), request, SOFTWIRE)
        assert kit.outer(out[0]) == IN_RESOLVED and sum6(out[0]) == 0xFFFF

    def test_large_pings_in_pieces(self) -> None:
        request = kit.icmpv6(*IN_FIXED, 128, 0, 9, bytes(100))
        pieces = [kit.run(translator(), piece, SOFTWIRE)[0][0] for piece in kit.cut6(request, 48)]
        whole = kit.tunnel(*IN_RESOLVED, b"".join(piece[48:] for piece in pieces), next_header=58)
        assert sum6(whole) == 0xFFFF

    def test_its_own_address_answers(self) -> None:
        own = str(TRANSLATOR[1])
        out, events = kit.run(translator(), kit.icmpv6(ROUTER6, own, 128, 0, 1, b"x"), SOFTWIRE)
        assert events == ["echo_answered"] and kit.outer(out[0]) == (own, ROUTER6)


@given(st.integers(0, 255), st.integers(0, 255), st.binary(max_size=60))
def test_there_and_back_is_the_identity(fixed: int, resolved: int, data: bytes) -> None:
    """Seen from the answers: source and destination swap, so do the domains."""
    made = build_node(service("sa46t-pt"), rng=Random(1), decrement_ttl=False)
    ends = f"10.1.1.{fixed}", f"10.1.4.{resolved}"
    sent = kit.tunnel(fp(ends[0]), fp(ends[1]), kit.udp(*(ends[0], 1, ends[1], 2), data))
    there = kit.run(made, sent, SOFTWIRE)[0][0]
    turned = there[:8] + there[24:40] + there[8:24] + there[40:]
    back = kit.run(made, turned, SOFTWIRE)[0][0]
    assert back == sent[:8] + sent[24:40] + sent[8:24] + sent[40:]


def test_other_lengths_of_prefixes() -> None:
    """/48 on the FP side, /64 in the table: the plane ID keeps its place."""
    made = translator(plane=Plane(IPv6Network("2001:db8:46::/48"), 3), plane_routes=TABLE[:2])
    source, destination = (v6("2001:db8:46::", a, 3) for a in (FIXED_STUB, RESOLVED_STUB))
    out, _ = kit.run(
        made, kit.tunnel(source, destination, kit.udp(FIXED_STUB, 1, RESOLVED_STUB, 2)), SOFTWIRE
    )
    assert kit.outer(out[0]) == (v6(TRANSLATOR, FIXED_STUB, 3), v6("2001:db8:0:3::", RESOLVED_STUB, 3))


@pytest.mark.parametrize(("prefix", "wrong"), [(None, "has no prefix"), (FIXED, "in both domains")])
def test_it_needs_a_prefix_of_its_own(prefix: Any, wrong: str) -> None:
    with pytest.raises(PlaneError, match=wrong):
        translator(end_user_prefix=prefix)


@given(st.binary(max_size=160), st.integers(0, 255))
def test_rubbish_does_no_harm(rubbish: bytes, kind: int) -> None:
    made = translator()
    for packet in (
        rubbish,
        kit.tunnel(*IN_FIXED, rubbish or b"x", next_header=kind),
        kit.tunnel(ROUTER6, IN_RESOLVED[0], rubbish or b"x", next_header=58),
    ):
        for out in kit.run(made, packet, SOFTWIRE)[0]:
            assert len(out) == len(packet) and IPv6Address(out[8:24])
