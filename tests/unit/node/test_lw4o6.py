# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""lwAFTR and lwB4: the binding table decides, misses are told by policy (RFC 7596 s5, s6, s8)."""

from __future__ import annotations

import json
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from unit.packet import packetkit as kit
from unit.packet.packetkit import BR, NATIVE, OTHER4, SERVER, SOFTWIRE

VECTORS = json.loads((Path(__file__).parents[2] / "vectors" / "lw4o6_rfc7596.json").read_text())["vectors"]
LW4, LW6, OTHER_LW6, FULL6 = (
    "192.0.2.18",
    "2001:db8:12:3400:0:c000:212:34",
    "2001:db8:12:3500::1",
    "2001:db8:77::1",
)
FULL4, PORT, OTHER_PORT = "192.0.2.77", 0x3410, 0x3510  # PSIDs 0x34 and 0x35 of 8 bits, offset 0
BR2 = "2001:db8:ffff::2"
A = "192.168.1.10"


def binding(softwire: str, ipv4: str, *ports: int, gateway: str | None = None) -> Binding:
    address = None if gateway is None else IPv6Address(gateway)
    return Binding(IPv6Address(softwire), IPv4Address(ipv4), *ports, gateway_address=address)


OWN = binding(LW6, LW4, 0, 8, 0x34)
BINDINGS = (OWN, binding(OTHER_LW6, LW4, 0, 8, 0x35), binding(FULL6, FULL4))
LW: dict[str, Any] = {"technique": "lw4o6", "rules": (), "bindings": BINDINGS}


def aftr(node: dict[str, Any] | None = None, **changes: Any) -> Any:
    return kit.gateway(node, **(LW | changes))


def b4(node: dict[str, Any] | None = None, **changes: Any) -> Any:
    return kit.edge(node, **(LW | {"bindings": (OWN,)} | changes))


def table(rows: list[list[Any]]) -> tuple[Binding, ...]:
    return tuple(binding(row[0], *row[1:]) for row in rows)


# Vectors


@pytest.mark.parametrize(
    "vector",
    [v for v in VECTORS if "ipv4_dst" in v["input"] or "ipv6_src" in v["input"]],
    ids=lambda v: v["id"],
)
def test_vectors(vector: dict[str, Any]) -> None:
    given, expect = vector["input"], vector["expect"]
    node = aftr(bindings=table(given["binding_table"]))
    if "ipv4_dst" in given:
        if given.get("icmp_type") == 8:
            packet = kit.echo(SERVER, given["ipv4_dst"], given["icmp_id"])
        else:
            packet = kit.udp(SERVER, 53, given["ipv4_dst"], given["dport"])
        out, events = kit.run(node, packet, NATIVE)
        assert [kit.outer(p)[1] for p in out] == ([expect["to"]] if expect.get("to") else []), events
    else:
        packet = kit.udp(given["ipv4_src"], given["sport"], SERVER, 53)
        out, _ = kit.run(node, kit.tunnel(given["ipv6_src"], BR, packet), SOFTWIRE)
        assert bool(out) is expect["forward"]


# The lwAFTR


@pytest.mark.parametrize(
    ("ipv4", "port", "softwire"),
    [(LW4, PORT, LW6), (LW4, OTHER_PORT, OTHER_LW6), (FULL4, 1, FULL6), (FULL4, 65535, FULL6)],
)
def test_both_ways_by_the_table(ipv4: str, port: int, softwire: str) -> None:
    out = kit.one(aftr(), kit.udp(SERVER, 53, ipv4, port), NATIVE)
    assert kit.outer(out) == (BR, softwire)
    back = kit.udp(ipv4, port, SERVER, 53)
    assert kit.one(aftr(), kit.tunnel(softwire, BR, back), SOFTWIRE) == kit.udp(
        ipv4, port, SERVER, 53, ttl=63
    )


def test_full_address_needs_no_port() -> None:
    assert kit.outer(kit.one(aftr(), kit.ip(SERVER, FULL4, 47, bytes(8)), NATIVE))[1] == FULL6
    assert kit.one(aftr(), kit.tunnel(FULL6, BR, kit.ip(FULL4, SERVER, 47, bytes(8))), SOFTWIRE)


OUTBOUND_MISSES = [
    (LW6, kit.udp(LW4, OTHER_PORT, SERVER, 53), "drop_spoofed_source"),
    (LW6, kit.udp(FULL4, PORT, SERVER, 53), "drop_spoofed_source"),
    ("2001:db8:12:3400::2", kit.udp(LW4, PORT, SERVER, 53), "drop_no_binding"),
    (LW6, kit.echo(LW4, SERVER, OTHER_PORT), "drop_spoofed_source"),
]
INBOUND_MISSES = [
    (kit.udp(SERVER, 53, LW4, 0x3600), "drop_excluded_port"),
    (kit.udp(SERVER, 53, "192.0.2.99", PORT), "drop_unmapped_destination"),
    (kit.ip(SERVER, LW4, 47, bytes(8)), "drop_no_port"),
]


@pytest.mark.parametrize(("softwire", "packet", "reason"), OUTBOUND_MISSES)
def test_outbound_miss(softwire: str, packet: bytes, reason: str) -> None:
    wrapped = kit.tunnel(softwire, BR, packet)
    assert kit.run(aftr(), wrapped, SOFTWIRE) == ([], [reason])
    (told,), events = kit.run(aftr(icmp_on_miss=True), wrapped, SOFTWIRE)
    assert (kit.outer(told), told[6], tuple(told[40:42])) == ((BR, softwire), 58, (1, 5))
    assert told[48:] == wrapped[: len(told) - 48]
    assert events == [reason, "icmpv6_sent"]


@pytest.mark.parametrize(("packet", "reason"), INBOUND_MISSES)
def test_inbound_miss(packet: bytes, reason: str) -> None:
    assert kit.run(aftr(), packet, NATIVE) == ([], [reason])
    (told,), events = kit.run(aftr(icmp_on_miss=True), packet, NATIVE)
    assert (kit.field(told, "dst"), kit.field(told, "icmp")) == (SERVER, (3, 1))
    assert events == [reason, "icmp_sent"]


@pytest.mark.parametrize("side", ["in", "out"])
def test_telling_of_misses_is_rate_limited(side: str) -> None:
    node = aftr(icmp_on_miss=True)
    packet = (
        INBOUND_MISSES[0][0] if side == "in" else kit.tunnel(OUTBOUND_MISSES[0][0], BR, OUTBOUND_MISSES[0][1])
    )
    link = NATIVE if side == "in" else SOFTWIRE
    assert sum(len(kit.run(node, packet, link)[0]) for _ in range(200)) == node.limits.icmp_burst


def test_hairpinning_can_be_switched() -> None:
    packet = kit.tunnel(LW6, BR, kit.udp(LW4, PORT, FULL4, 80))
    out, events = kit.run(aftr(), packet, SOFTWIRE)
    assert kit.outer(out[0]) == (BR, FULL6) and "hairpinned" in events
    assert kit.run(aftr(hairpinning=False), packet, SOFTWIRE) == ([], ["drop_hairpin_disabled"])
    same_address = kit.tunnel(LW6, BR, kit.udp(LW4, PORT, LW4, OTHER_PORT))
    assert kit.outer(kit.run(aftr(), same_address, SOFTWIRE)[0][0])[1] == OTHER_LW6
    nobody = kit.tunnel(LW6, BR, kit.udp(LW4, PORT, LW4, 0x3600))
    assert kit.run(aftr(), nobody, SOFTWIRE)[1] == ["drop_excluded_port"]


def test_several_gateway_addresses() -> None:
    rows = (OWN, binding(OTHER_LW6, LW4, 0, 8, 0x35, gateway=BR2))
    node = aftr(bindings=rows)
    assert kit.outer(kit.one(node, kit.udp(SERVER, 53, LW4, PORT), NATIVE))[0] == BR
    assert kit.outer(kit.one(node, kit.udp(SERVER, 53, LW4, OTHER_PORT), NATIVE))[0] == BR2
    packet = kit.udp(LW4, OTHER_PORT, SERVER, 53)
    assert kit.run(node, kit.tunnel(OTHER_LW6, BR2, packet), SOFTWIRE)[0]
    assert kit.run(node, kit.tunnel(OTHER_LW6, BR, packet), SOFTWIRE) == ([], ["drop_wrong_gateway"])
    own = kit.udp(LW4, PORT, SERVER, 53)
    assert kit.run(node, kit.tunnel(LW6, BR2, own), SOFTWIRE) == ([], ["drop_wrong_gateway"])
    telling = aftr(bindings=rows, icmp_on_miss=True)
    spoofed = kit.tunnel(OTHER_LW6, BR2, kit.udp(LW4, PORT, SERVER, 53))
    assert kit.outer(kit.run(telling, spoofed, SOFTWIRE)[0][0]) == (BR2, OTHER_LW6)
    hairpin = kit.run(node, kit.tunnel(LW6, BR, kit.udp(LW4, PORT, LW4, OTHER_PORT)), SOFTWIRE)[0]
    assert kit.outer(hairpin[0]) == (BR2, OTHER_LW6)
    for address in (BR, BR2):
        ping, _ = kit.run(node, kit.icmpv6(LW6, address, 128, 0, 1, b""), SOFTWIRE)
        assert kit.outer(ping[0]) == (address, LW6)
    expired = kit.udp(LW4, OTHER_PORT, SERVER, 53, ttl=1)
    assert kit.outer(kit.run(node, kit.tunnel(OTHER_LW6, BR2, expired), SOFTWIRE)[0][0]) == (BR2, OTHER_LW6)
    sent = kit.one(node, kit.udp(SERVER, 53, LW4, OTHER_PORT, bytes(1300)), NATIVE)
    told = kit.one(node, kit.icmpv6("2001:db8::99", BR2, 2, 0, 1300, sent[:1232]), SOFTWIRE)
    assert (kit.field(told, "dst"), kit.field(told, "icmp")) == (SERVER, (3, 4))


# ICMPv4 at the lwAFTR (RFC 7596 s8.1)


def test_icmp_errors_find_the_subscriber_by_the_packet_inside() -> None:
    about = kit.udp(LW4, PORT, SERVER, 53)
    assert kit.outer(kit.one(aftr(), kit.icmp(SERVER, LW4, 3, 1, 0, about), NATIVE))[1] == LW6
    reply = kit.echo(SERVER, LW4, OTHER_PORT, reply=True)
    assert kit.outer(kit.one(aftr(), reply, NATIVE))[1] == OTHER_LW6
    for kind in (5, 9, 17):
        assert kit.run(aftr(), kit.icmp(SERVER, LW4, kind, 0, 0, about), NATIVE) == ([], ["drop_no_port"])


def test_fragments_need_the_port_of_the_first() -> None:
    node = aftr()
    out = [
        kit.run(node, p, NATIVE)[0] for p in reversed(kit.cut(kit.udp(SERVER, 53, LW4, PORT, bytes(200)), 64))
    ]
    assert {kit.outer(p)[1] for packets in out for p in packets} == {LW6}
    assert sum(map(len, out)) == 4


# Reload


def test_reload_swaps_the_table_at_once() -> None:
    node = aftr()
    moved = kit.service("gateway", **(LW | {"bindings": (binding(OTHER_LW6, LW4, 0, 8, 0x34),)}))
    assert node.reload(moved) == []
    assert kit.outer(kit.one(node, kit.udp(SERVER, 53, LW4, PORT), NATIVE))[1] == OTHER_LW6
    assert kit.run(node, kit.tunnel(LW6, BR, kit.udp(LW4, PORT, SERVER, 53)), SOFTWIRE)[1] == [
        "drop_no_binding"
    ]


# The lwB4


def opened(node: Any) -> int:
    out = kit.one(node, kit.udp(A, 5000, SERVER, 53), NATIVE)
    assert kit.outer(out) == (LW6, BR)
    return int(kit.field(out[40:], "sport"))


def test_lwb4_uses_its_contiguous_ports() -> None:
    node = b4()
    port = opened(node)
    assert 0x3400 <= port <= 0x34FF
    back, _ = kit.run(node, kit.tunnel(BR, LW6, kit.udp(SERVER, 53, LW4, port)), SOFTWIRE)
    assert (kit.field(back[0], "dst"), kit.field(back[0], "dport")) == (A, 5000)


def test_lwb4_listens_to_its_own_lwaftr_alone() -> None:
    node = b4()
    packet = kit.udp(SERVER, 53, LW4, opened(node))
    for stranger in (OTHER_LW6, BR2):
        assert kit.run(node, kit.tunnel(stranger, LW6, packet), SOFTWIRE) == ([], ["drop_not_gateway"])
    node = b4(bindings=(binding(LW6, LW4, 0, 8, 0x34, gateway=BR2),))
    out = kit.one(node, kit.udp(A, 5000, SERVER, 53), NATIVE)
    assert kit.outer(out) == (LW6, BR2)
    assert kit.run(node, kit.tunnel(BR, LW6, packet), SOFTWIRE)[1] == ["drop_not_gateway"]


@pytest.mark.parametrize(
    ("packet", "reason"),
    [
        (kit.udp(SERVER, 53, LW4, OTHER_PORT), "drop_wrong_port"),
        (kit.udp(SERVER, 53, OTHER4, PORT), "drop_wrong_address"),
        (kit.udp(SERVER, 53, LW4, PORT), "drop_unsolicited"),
    ],
)
def test_lwb4_drops_what_is_not_its_own(packet: bytes, reason: str) -> None:
    assert kit.run(b4(), kit.tunnel(BR, LW6, packet), SOFTWIRE) == ([], [reason])


@pytest.mark.parametrize(("sender", "counted"), [(BR, True), ("2001:db8::99", False)])
def test_lwb4_counts_that_the_lwaftr_does_not_know_it(sender: str, counted: bool) -> None:
    node = b4()
    sent = kit.one(node, kit.udp(A, 5000, SERVER, 53), NATIVE)
    told, events = kit.run(node, kit.icmpv6(sender, LW6, 1, 5, 0, sent), SOFTWIRE)
    assert ("binding_refused" in events) is counted
    assert (kit.field(told[0], "dst"), kit.field(told[0], "icmp")) == (A, (3, 1))
    other, events = kit.run(node, kit.icmpv6(sender, LW6, 1, 3, 0, sent), SOFTWIRE)
    assert other and "binding_refused" not in events


def test_lwaftr_and_lwb4_together() -> None:
    """A binding that the gateway has not: the edge hears of it; then it gets one."""
    edge, gateway = b4(), aftr(bindings=(), icmp_on_miss=True)
    sent = kit.one(edge, kit.udp(A, 5000, SERVER, 53), NATIVE)
    (refused,), _ = kit.run(gateway, sent, SOFTWIRE)
    assert "binding_refused" in kit.run(edge, refused, SOFTWIRE)[1]
    gateway.reload(kit.service("gateway", **LW))
    assert kit.field(kit.one(gateway, sent, SOFTWIRE), "src") == LW4


def test_other_port_set_flushes_the_napt() -> None:
    node = b4()
    opened(node)
    moved = kit.service("edge", **(LW | {"bindings": (binding(LW6, LW4, 0, 8, 0x35),)}))
    assert node.reload(moved) == ["session_lost_on_reload"]


def test_lwb4_prefix_chooses_the_binding() -> None:
    values = LW | {"end_user_prefix": IPv6Network("2001:db8:77::/48")}
    node = kit.edge(**values)
    assert kit.outer(kit.one(node, kit.udp(A, 5000, SERVER, 53), NATIVE)) == (FULL6, BR)
    with pytest.raises(ValueError, match="no binding is inside"):
        kit.edge(**(LW | {"end_user_prefix": IPv6Network("2001:db8:78::/48")}))
