# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Packets at the corners of what the RFCs say, beside those of tests/vectors: who may send, what fits."""

from __future__ import annotations

import struct
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from map_t_samples import MAP_T, error6
from session_samples import (
    AFTR_SERVICE,
    CLAT_SERVICE,
    HOST6,
    INSIDE,
    NAT64_SERVICE,
    OTHER_B4,
    Customer,
    Host,
    echo6,
    in_clat,
    in_prefix,
    node,
)
from session_samples import (
    OTHER6 as OTHER_HOST6,
)
from unit.packet import packetkit as kit
from unit.packet import translationkit as kit6
from unit.packet.packetkit import (
    BR,
    NATIVE,
    OTHER4,
    OTHER6,
    OTHER_PORT,
    OWN4,
    OWN6,
    OWN_PORT,
    SERVER,
    SOFTWIRE,
)

GRE = 47
LAN = "192.168.1.10"
FULL6, FULL4 = "2001:db8:77::1", "192.0.2.77"
LIGHTWEIGHT = {
    "technique": "lw4o6",
    "rules": (),
    "bindings": (
        Binding(IPv6Address(OWN6), IPv4Address(OWN4), 6, 8, 0x34),
        Binding(IPv6Address(OTHER6), IPv4Address(OWN4), 6, 8, 0x35),  # the neighbour on one address
        Binding(IPv6Address(FULL6), IPv4Address(FULL4)),
    ),
}
TECHNIQUES = pytest.mark.parametrize("changes", [{}, LIGHTWEIGHT], ids=["map-e", "lw4o6"])


def from_customer(gateway: Any, packet: bytes, sender: str = OWN6) -> tuple[list[bytes], list[str]]:
    return kit.run(gateway, kit.tunnel(sender, BR, packet), SOFTWIRE)


# A shared address needs a port (RFC 7597 section 8.2, RFC 7596 section 8.1)


@TECHNIQUES
def test_protocols_without_ports_have_no_owner_on_a_shared_address(changes: dict[str, Any]) -> None:
    gateway, body = kit.gateway(**changes), bytes(16)
    assert from_customer(gateway, kit.ip(OWN4, SERVER, GRE, body)) == ([], ["drop_no_port"])
    assert kit.run(gateway, kit.ip(SERVER, OWN4, GRE, body), NATIVE) == ([], ["drop_no_port"])


def test_subscriber_with_all_of_an_address_has_every_protocol() -> None:
    gateway, body = kit.gateway(**LIGHTWEIGHT), bytes(16)
    (out,), _events = from_customer(gateway, kit.ip(FULL4, SERVER, GRE, body), FULL6)
    assert (kit.field(out, "src"), out[20:]) == (FULL4, body)
    assert kit.outer(kit.one(gateway, kit.ip(SERVER, FULL4, GRE, body), NATIVE)) == (BR, FULL6)
    assert from_customer(gateway, kit.ip(FULL4, SERVER, GRE, body))[1] == ["drop_no_port"]


@TECHNIQUES
@pytest.mark.parametrize(
    ("source", "port"),
    [
        (OWN4, 208),  # of the PSID, but A = 0
        (OWN4, 0),
        (OWN4, OWN_PORT + 4),  # the next PSID's
        (OTHER4, OTHER_PORT),
        ("192.0.3.18", OWN_PORT),
    ],
)
def test_sources_of_others(changes: dict[str, Any], source: str, port: int) -> None:
    for packet in (kit.udp(source, port, SERVER, 53), kit.tcp(source, port, SERVER, 80)):
        assert from_customer(kit.gateway(**changes), packet) == ([], ["drop_spoofed_source"])


@TECHNIQUES
@pytest.mark.parametrize(
    ("about", "sent"),
    [
        (kit.udp(SERVER, 53, OWN4, OWN_PORT), True),
        (kit.udp(SERVER, 53, OWN4, OWN_PORT + 4), False),  # to the neighbour on the same address
        (kit.udp(SERVER, OWN_PORT, OWN4, 53), False),  # the own port, but at the wrong side
        (kit.udp(SERVER, 53, OTHER4, OWN_PORT), False),  # to another address: none of its business
        (kit.echo(SERVER, OWN4, OWN_PORT, reply=True), True),
        (kit.echo(SERVER, OWN4, 208, reply=True), False),
    ],
)
def test_errors_of_a_customer_are_about_packets_to_it(
    changes: dict[str, Any], about: bytes, sent: bool
) -> None:
    out, events = from_customer(kit.gateway(**changes), kit.icmp(OWN4, SERVER, 3, 3, 0, about[:28]))
    assert (len(out), events) == ((1, ["decapsulated"]) if sent else (0, ["drop_spoofed_source"]))


@TECHNIQUES
def test_errors_from_the_internet_are_for_who_sent(changes: dict[str, Any]) -> None:
    gateway = kit.gateway(**changes)
    neighbour = "2001:db8:12:3500:0:c000:212:35" if not changes else OTHER6
    for port, owner in ((OWN_PORT, OWN6), (OWN_PORT + 4, neighbour)):
        error = kit.icmp("203.0.113.9", OWN4, 11, 0, 0, kit.udp(OWN4, port, SERVER, 33434)[:28])
        assert kit.outer(kit.one(gateway, error, NATIVE)) == (BR, owner)


def test_shared_address_is_no_hosts() -> None:
    """RFC 7597 section 4: it must not be on an interface, also where no LAN is listed."""
    edge = kit.edge(inside=())
    assert kit.run(edge, kit.udp(OWN4, OWN_PORT, SERVER, 53), NATIVE) == ([], ["drop_not_inside"])
    assert kit.one(edge, kit.udp(LAN, 5000, SERVER, 53), NATIVE)


@pytest.mark.parametrize("query", [OWN_PORT, OWN_PORT + 4, 7])
def test_ping_of_the_own_shared_address_stays_inside(query: int) -> None:
    """An identifier is the sender's: it cannot name a neighbour on the address."""
    out, events = kit.run(kit.edge(), kit.echo(LAN, OWN4, query), NATIVE)
    assert out == [] and events == ["drop_unsolicited"]


def test_no_address_is_left_for_the_napt() -> None:
    """RFC 7597 section 5.2: a host has the full address; others behind the edge have no way out."""
    full = kit.rule(ea_len=8)
    prefix = IPv6Network("2001:db8:12::/48")
    lan = (IPv4Network("192.0.2.18/32"), IPv4Network("192.168.0.0/16"))
    edge = kit.edge(rules=(full,), end_user_prefix=prefix, inside=lan)
    assert kit.one(edge, kit.udp(OWN4, 80, SERVER, 53), NATIVE)
    (told,), events = kit.run(edge, kit.udp(LAN, 5000, SERVER, 53), NATIVE)
    assert (events, kit.field(told, "icmp")) == (["drop_ports_exhausted", "icmp_sent"], (3, 13))


@pytest.mark.parametrize("source", [OTHER4, LAN])
def test_error_about_what_the_edge_cannot_have_sent(source: str) -> None:
    """RFC 5927: in its tunnel packets the inner source is its own."""
    forged = kit.tunnel(OWN6, BR, kit.udp(source, OWN_PORT, SERVER, 53))
    error = kit.icmpv6("2001:db8:99::1", OWN6, 1, 0, 0, forged)
    assert kit.run(kit.edge(), error, SOFTWIRE) == ([], ["drop_icmpv6_not_ours"])


def test_dmr_inside_a_rule_is_the_internet() -> None:
    """RFC 7599 section 8.2: the longest match, here that of the DMR."""
    dmr = IPv6Network("2001:db8:ff:ff00::/64")
    server = "2001:db8:ff:ff00:c6:3364:700:0"  # 198.51.100.7
    edge = kit.edge(**(MAP_T | {"translation_prefix": dmr, "rules": (kit.rule(forwarding=True),)}))
    (out,), _events = kit.run(edge, kit.udp(LAN, 5000, SERVER, 53), NATIVE)
    assert kit.outer(out) == (OWN6, server)
    (port,) = struct.unpack_from("!H", out, 40)
    back = kit.one(edge, kit6.udp6(server, 53, OWN6, port), SOFTWIRE)
    assert (kit.field(back, "src"), kit.field(back, "dst")) == (SERVER, LAN)


# Congestion marks (RFC 6040 section 4.2, figure 4)


@pytest.mark.parametrize("inner", range(4))
@pytest.mark.parametrize("outer", range(4))
def test_congestion_marks(inner: int, outer: int) -> None:
    not_ect, ect1, ect0, ce = range(4)
    figure = {
        not_ect: {not_ect: not_ect, ect0: not_ect, ect1: not_ect, ce: None},
        ect0: {not_ect: ect0, ect0: ect0, ect1: ect1, ce: ce},
        ect1: {not_ect: ect1, ect0: ect1, ect1: ect1, ce: ce},
        ce: {not_ect: ce, ect0: ce, ect1: ce, ce: ce},
    }
    packet = kit.tunnel(OWN6, BR, kit.udp(OWN4, OWN_PORT, SERVER, 53, tos=inner), tc=outer)
    out, events = kit.run(kit.gateway(), packet, SOFTWIRE)
    left = figure[inner][outer]
    assert [one[1] for one in out] == ([] if left is None else [left])
    assert events == (["drop_congestion_marked"] if left is None else ["decapsulated"])


# The smallest MTU (RFC 8200 section 5)


@pytest.mark.parametrize(("changes", "most"), [({}, 1240), (MAP_T, 1260)], ids=["map-e", "map-t"])
def test_mtu_of_1280(changes: dict[str, Any], most: int) -> None:
    gateway = kit.gateway(**(changes | {"ipv6_mtu": 1280}))

    def packet(size: int, *, df: bool) -> bytes:
        return kit.udp(SERVER, 53, OWN4, OWN_PORT, bytes(size - 28), df=df)

    assert len(kit.one(gateway, packet(most, df=True), NATIVE)) == 1280
    out, events = kit.run(gateway, packet(most + 1, df=True), NATIVE)
    assert events == ["drop_too_big", "icmp_sent"]
    assert (kit.field(out[0], "icmp"), kit.field(out[0], "mtu")) == ((3, 4), most)
    pieces, _events = kit.run(gateway, packet(most + 1, df=False), NATIVE)
    assert [one[6] for one in pieces] == [44, 44]
    assert all(len(one) <= 1280 for one in pieces)
    # No Fragment header where it fits.
    assert kit.one(gateway, packet(most, df=False), NATIVE)[6] in (4, 17)


# Fragments


@pytest.mark.parametrize("technique", ["map-e", "map-t"])
def test_atomic_fragment_is_whole_whatever_else_has_its_identification(technique: str) -> None:
    """RFC 6946 section 4: it neither waits nor disturbs the packet whose pieces wait."""
    if technique == "map-e":
        gateway = kit.gateway()
        big, small = (
            kit.tunnel(OWN6, BR, kit.udp(OWN4, OWN_PORT, SERVER, 53, bytes(size))) for size in (200, 20)
        )
    else:
        gateway = kit.gateway(**MAP_T)
        server = "2001:db8:ffff:0:c6:3364:700:0"
        big, small = (kit6.icmp6(OWN6, server, 128, 0, OWN_PORT << 16 | 1, bytes(size)) for size in (200, 20))
    first, *others = kit.cut6(big, 64)
    assert kit.run(gateway, first, SOFTWIRE)[1] == ["fragment_held"]
    (atomic,) = kit.cut6(small, 64)
    assert kit.one(gateway, atomic, SOFTWIRE)
    out = [packet for piece in others for packet in kit.run(gateway, piece, SOFTWIRE)[0]]
    assert len(out) == 1 and kit.checksums(out[0]) == []


# Hairpinning: what cannot be delivered opens nothing


@pytest.mark.parametrize("technique", ["ds-lite", "nat64"])
def test_too_big_for_a_neighbour_opens_no_session(technique: str) -> None:
    if technique == "ds-lite":
        gateway = node(AFTR_SERVICE, filtering="endpoint-independent")
        one, other = Customer(gateway), Customer(gateway, OTHER_B4)
        theirs = other.open()
        out, events = one.run(kit.udp(INSIDE, 5000, *theirs, bytes(1461 - 28)))
    else:
        gateway = node(NAT64_SERVICE, filtering="endpoint-independent")
        host, other_host = Host(gateway, HOST6), Host(gateway, OTHER_HOST6)
        theirs = other_host.open()
        out, events = host.run(host.udp(5000, *theirs, bytes(1501 - 48)))
    assert events[0] == "drop_too_big" and len(out) == 1
    assert gateway.session_count() == 1


# A CLAT's own hosts are not outside (RFC 6877 section 6.3)


def test_error_from_an_own_host_out_of_the_domain() -> None:
    edge, mine = node(CLAT_SERVICE), in_clat(INSIDE)
    about = kit6.udp6(mine, 5000, in_prefix(SERVER), 53)
    assert kit.run(edge, error6(in_clat("192.168.1.9"), mine, 1, 4, about), SOFTWIRE) == (
        [],
        ["drop_spoofed_source"],
    )
    assert kit.one(edge, error6(in_prefix(SERVER), mine, 1, 4, about), SOFTWIRE)


# NAT64 (RFC 6146)


def test_answer_of_a_ping_that_nobody_asked_for_opens_nothing() -> None:
    """Section 3.5.3: only a request does."""
    gateway = node(NAT64_SERVICE)
    assert kit.run(gateway, echo6(HOST6, in_prefix(SERVER), 7, reply=True), SOFTWIRE) == (
        [],
        ["drop_no_session"],
    )
    assert not gateway.session_count()


def test_well_known_prefix_with_private_addresses() -> None:
    """RFC 6052 section 3.1: dropped, and nothing is said or opened."""
    gateway = node(NAT64_SERVICE, translation_prefix=IPv6Network("64:ff9b::/96"))
    for private in ("64:ff9b::a00:1", "64:ff9b::c058:6301", "64:ff9b::c0a8:101"):
        found = kit.run(gateway, kit6.udp6(HOST6, 5000, private, 53), SOFTWIRE)
        assert found == ([], ["drop_prefix_not_global"])
    assert not gateway.session_count()
    own = node(NAT64_SERVICE, translation_prefix=IPv6Network("64:ff9b:1::/96"))
    assert kit.one(own, kit6.udp6(HOST6, 5000, "64:ff9b:1::a00:1", 53), SOFTWIRE)


def test_pool_outside_documentation_space_is_not_needed() -> None:
    """The well-known prefix restricts what is in it, not the pool."""
    gateway = node(
        NAT64_SERVICE,
        translation_prefix=IPv6Network("64:ff9b::/96"),
        pool=NAT64_SERVICE.pool.__class__(ipv4=(IPv4Network("10.0.0.0/31"),)),
    )
    out = kit.one(gateway, kit6.udp6(HOST6, 5000, "64:ff9b::808:808", 53), SOFTWIRE)
    assert kit.field(out, "src").startswith("10.0.0.")
