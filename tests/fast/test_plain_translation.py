# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Translators: plain packets of all sizes are never left to the core, and what does not fit always is."""

from __future__ import annotations

import json
import struct
from collections import Counter
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from random import Random
from typing import Any, NamedTuple

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.eam import Eam
from ansible_collections.ipv4aas.fleet.engine.mapping.iid import FORMATS
from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import WELL_KNOWN, non_global
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.node.core import Link
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, XDP, ServiceProgram
from ansible_collections.ipv4aas.fleet.engine.techniques.service import COMPUTE, DROP, EDGE, FORWARD, Service
from fuzz_seats import DMR6, OTHER6, OWN6, at_96, clat
from fuzz_traffic import as_text
from pair import Pair
from technique_samples import MAP_T, PREF64, SERVICES
from unit.packet import packetkit as kit
from unit.packet import translationkit as kit6

pytestmark = pytest.mark.root

# Octets behind the transport header.
SIZES = [*range(66), 536, *range(1190, 1260), 1400, 1436]  # the last fills an MTU of 1500
SERVER = "198.51.100.7"
HOOKS = {"tc": (TC, True), "tc to the stack": (TC, False), "xdp": (XDP, True)}


class Way(NamedTuple):
    """Ends of what goes through, and the IPv6 addresses that it comes in by."""

    source: str
    sport: int
    target: str
    tport: int
    outer: tuple[str, str] | None = None  # None: it comes in on the IPv4 side


CUSTOMER = IPv6Network("2001:db8:1:2::/64")
OWN, OTHER = (kit.OWN4, kit.OWN_PORT), (kit.OTHER4, kit.OTHER_PORT)
WIDE = MapRule(IPv6Network("2001:db8:8000::/40"), IPv4Network("203.0.113.0/24"), 4)
HOST = "2001:db8:8040::{}:7141:0"  # of 203.0.113.65 in 203.0.113.64/28: MAP address by RFC 7597
SEATS: dict[str, tuple[Service, list[Way]]] = {
    "map-t gateway": (
        replace(MAP_T, mss_clamp=0, ipv6_mtu=1500),
        [
            Way(SERVER, 443, *OWN),
            Way(*OWN, SERVER, 443, (OWN6, DMR6(SERVER))),
            Way(*OWN, *OTHER, (OWN6, DMR6(kit.OTHER4))),
            Way(*OTHER, *OWN, (OTHER6, DMR6(kit.OWN4))),
        ],
    ),
    "map-t gateway, prefixes": (
        replace(MAP_T, rules=(WIDE,), strict_iid=True),
        [
            Way(SERVER, 443, "203.0.113.65", 80),
            Way("203.0.113.65", 80, SERVER, 443, (HOST.format("cb00"), DMR6(SERVER))),
        ],
    ),
    "464xlat edge": (
        replace(SERVICES["464xlat", EDGE], mss_clamp=0),
        [
            Way("192.168.1.5", 4000, SERVER, 443),
            Way("192.0.0.2", 4000, SERVER, 443),
            Way(SERVER, 443, "192.168.1.5", 4000, (at_96(PREF64)(SERVER), clat("192.168.1.5"))),
        ],
    ),
}


def packets(rng: Random, way: Way, size: int) -> Iterator[bytes]:
    """TCP, UDP and a ping of one size."""
    head = {"tos": rng.choice((0, 1, 2, 0xB8)), "ttl": rng.choice((2, 64, 255)), "df": True}
    ends, data = way[:4], rng.randbytes(size)
    query = way.sport if way.outer else way.tport
    if way.outer is None:
        head["df"] = size > 1200 or rng.random() < 0.5  # else it would be cut
        yield kit.udp(*ends, data, **head)
        yield kit.tcp(*ends, rng.choice((2, 16, 17, 4)), data, rng.choice((b"", b"\1\1\1\1")), **head)
        for kind in (8, 0):
            yield kit.icmp(way.source, way.target, kind, 0, query << 16 | 1, data, **head)
        return
    head = {"tc": head["tos"], "hop_limit": head["ttl"]}
    near, far = way.outer
    yield kit6.udp6(near, way.sport, far, way.tport, data, **head)
    yield kit6.tcp6(near, way.sport, far, way.tport, data, **head)
    for kind in (128, 129):
        yield kit6.icmp6(near, far, kind, 0, query << 16 | 1, data, **head)


@pytest.mark.parametrize("how", HOOKS)
@pytest.mark.parametrize("seat", SEATS)
def test_plain_packets_are_taken(seat: str, how: str) -> None:
    (service, ways), (hook, redirect), rng = SEATS[seat], HOOKS[how], Random(7915)
    pair, done = Pair(service, hook, redirect=redirect), 0
    for way in ways:
        for size in SIZES:
            for packet in packets(rng, way, size):
                assert pair.send(packet, Link.NATIVE if way.outer is None else Link.SOFTWIRE), way
                done += 1
    assert pair.seen == {"redirect" if redirect else "stack": done}, pair.fast.counters()
    pair.close()


@pytest.mark.parametrize("how", HOOKS)
@pytest.mark.parametrize("df", [False, True])
def test_what_does_not_fit(how: str, df: bool) -> None:
    """With DF up to the MTU of the domain, without it up to 1280 octets (RFC 7915 section 4)."""
    hook, redirect = HOOKS[how]
    pair = Pair(SEATS["map-t gateway"][0], hook, redirect=redirect)
    most = (1500 if df else 1280) - 40 - 8
    for size in (most, most + 1):
        pair.send(kit.udp(SERVER, 443, *OWN, bytes(size), df=df), Link.NATIVE)
    assert pair.seen == {"redirect" if redirect else "stack": 1, "pass": 1}
    assert pair.fast.counters()["punt_too_big"][0] == 1
    pair.close()


def random_service(rng: Random, iid_format: str) -> Service:
    """A MAP-T gateway with one rule of any shape."""
    length = rng.randrange(8, 33)
    ipv4 = IPv4Network((rng.randrange(1, 127) << 24 | rng.getrandbits(24), length), strict=False)
    ea_len = rng.randrange(0, min(33, 32 - length + 17))
    offset = rng.randrange(0, 17 - max(0, ea_len + length - 32))
    return replace(
        MAP_T,
        rules=(MapRule(IPv6Network("2001:db8::/32"), ipv4, ea_len, offset),),
        interface_identifier=iid_format,
        strict_iid=rng.random() < 0.5,
        translation_prefix=IPv6Network("2001:db9::/96"),
    )


@pytest.mark.parametrize("how", HOOKS)
@pytest.mark.parametrize("rule", [COMPUTE, FORWARD, DROP])
def test_udp_without_checksum(how: str, rule: str) -> None:
    """Only where the service says so it crosses as it is (RFC 7915 section 4.5); to IPv4 always."""
    hook, redirect = HOOKS[how]
    service, ways = SEATS["map-t gateway"]
    pair = Pair(replace(service, udp_zero_checksum=rule), hook, redirect=redirect)
    for way in ways:
        packet = next(packets(Random(0), way, 20))
        at = 46 if way.outer else 26
        pair.send(packet[:at] + bytes(2) + packet[at + 2 :], Link.SOFTWIRE if way.outer else Link.NATIVE)
    assert pair.seen["redirect" if redirect else "stack"] == (4 if rule == FORWARD else 1)
    pair.close()


def test_a_ping_of_the_node_itself() -> None:
    """The gateway answers for its own address, also where that is one of the Internet's."""
    address = IPv6Address(DMR6(SERVER))
    pair = Pair(replace(MAP_T, gateway_address=address), TC)
    request = kit6.icmp6(OWN6, str(address), 128, 0, kit.OWN_PORT << 16, b"ping")
    assert kit.outer(pair.send(request, Link.SOFTWIRE)[0][0]) == (str(address), OWN6)
    assert pair.seen == {"pass": 1}
    pair.close()


def test_a_damaged_ping() -> None:
    """Of ICMPv6 messages the core looks at the checksum: so do the programs, at every octet."""
    pair = Pair(SEATS["map-t gateway"][0], TC)
    request = kit6.icmp6(OWN6, DMR6(SERVER), 128, 0, kit.OWN_PORT << 16, b"pings")
    for at in range(40, len(request)):
        assert pair.send(request[:at] + bytes([request[at] ^ 1]) + request[at + 1 :], Link.SOFTWIRE) == []
    assert pair.seen == {"pass": len(request) - 40}
    pair.close()


def test_native_hosts_of_a_clat() -> None:
    """Their addresses are in its prefix too: such packets are not even counted."""
    pair = Pair(SEATS["464xlat edge"][0], TC)
    for host in ("2001:db8:12:34c0:ffa8:105::", "2001:db8:12:34c0:a8:105::1", "2001:db8:12:3401::1"):
        pair.send(kit6.udp6(at_96(PREF64)(SERVER), 443, host, 4000), Link.SOFTWIRE)
    assert pair.seen == {"pass": 3} and not pair.fast.counters()
    pair.close()


def super_packet(gso_size: int) -> bytes:
    """A struct __sk_buff (linux/bpf.h) that says so, for a test run."""
    return bytes(176) + struct.pack("=I", gso_size) + bytes(12)


@pytest.mark.parametrize(
    ("df", "gso_size", "wire"), [(True, 1440, 1500), (True, 1441, 0), (False, 1220, 1280), (False, 1221, 0)]
)
def test_super_packets_of_ipv4(df: bool, gso_size: int, wire: int) -> None:
    """One stays whole where its pieces fit."""
    program = ServiceProgram(SEATS["map-t gateway"][0], TC, redirect=False)
    frame = bytes(12) + b"\x08\0" + kit.tcp(SERVER, 443, *OWN, 16, bytes(2500), df=df)
    result, out, _ = program.program.run(frame, context=super_packet(gso_size))
    assert (len(out) - len(frame), result) == ((20, 0) if wire else (0, 0xFFFFFFFF)), program.counters()
    program.close()


@pytest.mark.parametrize(("gso_size", "df"), [(1220, False), (1221, True)])
def test_super_packets_of_ipv6(gso_size: int, df: bool) -> None:
    """DF says how large the pieces are (RFC 7915 section 5.1), and each has an Identification of its own."""
    program = ServiceProgram(SEATS["map-t gateway"][0], TC, redirect=False)
    frame = bytes(12) + b"\x86\xdd" + kit6.tcp6(OWN6, kit.OWN_PORT, DMR6(SERVER), 443, bytes(2500))
    identifications = []
    for _ in range(2):
        _, out, _ = program.program.run(frame, context=super_packet(gso_size))
        assert out[14] == 0x45 and kit.slow_sum(out[14:34]) == 0xFFFF
        assert out[20:22] == (b"\x40\0" if df else bytes(2))
        identifications += struct.unpack_from("!H", out, 18)
    pieces = -(-2500 // gso_size)
    assert df or (identifications[1] - identifications[0] & 0xFFFF) >= pieces
    program.close()


@pytest.mark.parametrize("how", HOOKS)
@pytest.mark.parametrize("iid_format", FORMATS)
def test_rules_of_all_shapes(iid_format: str, how: str) -> None:
    """Whoever owns an address and port gets what is for it, and may send from it."""
    hook, redirect = HOOKS[how]
    rng, seen = Random(f"7599{iid_format}"), Counter[str]()
    for _ in range(12):
        service = random_service(rng, iid_format)
        pair, table = Pair(service, hook, redirect=redirect), service.address_table()
        ipv4, server6 = service.rules[0].ipv4_prefix, at_96(service.translation_prefix)(SERVER)
        for _ in range(20):
            host, port = ipv4[rng.randrange(ipv4.num_addresses)], rng.randrange(65536)
            owner = table.softwire(int(host), port)
            pair.send(kit.udp(SERVER, 443, str(host), port), Link.NATIVE)
            for damage in (0, 0, 0, 1, 1 << 24, rng.getrandbits(64)):  # of the identifier
                sender, used = as_text((owner or 0x20010DB8 << 96) ^ damage), port ^ (rng.random() < 0.1)
                pair.send(kit6.udp6(sender, used, server6, 443), Link.SOFTWIRE)
        seen += pair.seen
        pair.close()
    assert seen["redirect" if redirect else "stack"] > 400 and seen["pass"] > 40, seen


def vectors(name: str) -> list[dict[str, Any]]:
    """Shared vectors about embedded addresses."""
    rows = json.loads((Path(__file__).resolve().parents[1] / "vectors" / f"{name}.json").read_text())[
        "vectors"
    ]
    return [row for row in rows if {"prefix", "dmr", "ipv6"} & set(row["input"])]


EMBEDDED = [*vectors("rfc6052_addresses"), *vectors("map_t_rfc7599")]


@pytest.mark.parametrize("how", HOOKS)
@pytest.mark.parametrize("row", EMBEDDED, ids=lambda row: str(row["id"]))
def test_embedded_addresses(row: dict[str, Any], how: str) -> None:
    """The shared vectors of RFC 6052 as prefix of a CLAT's PLAT, both ways."""
    hook, redirect = HOOKS[how]
    given, expect = row["input"], row["expect"]
    prefix = IPv6Network(given.get("prefix") or given.get("dmr") or "64:ff9b::/96")
    service = replace(SERVICES["464xlat", EDGE], translation_prefix=prefix, end_user_prefix=CUSTOMER)
    pair, own = Pair(service, hook, redirect=redirect), str(CUSTOMER[0xC0A8010500 << 16])
    ipv6 = given.get("ipv6") or expect["ipv6"]
    ipv4 = given.get("ipv4") or expect.get("ipv4") or str(IPv4Address(int(IPv6Address(ipv6)) & 0xFFFFFFFF))
    there = pair.send(kit.udp("192.168.1.5", 4000, ipv4, 443), Link.NATIVE)
    back = pair.send(kit6.udp6(ipv6, 443, own, 4000), Link.SOFTWIRE)
    if (non_global(int(IPv4Address(ipv4))) and prefix == WELL_KNOWN) or ipv4 == "192.168.1.2":
        assert pair.seen == {"pass": 2}
    else:
        assert pair.seen == {"redirect" if redirect else "stack": 2}
        assert "ipv4" in expect or kit.outer(there[0][0])[1] == str(IPv6Address(ipv6))
        assert kit.field(back[0][0], "src") == ipv4
    pair.close()


def random_mapping(rng: Random, number: int) -> Eam:
    """One of any lengths, inside the LAN or outside, which overlaps no other number's."""
    length = rng.choice((16, 20, 24, 30, 31, 32))
    ipv4 = IPv4Network((rng.choice((192 << 8 | 168, 198 << 8 | 51)) << 16 | number << 8, max(length, 24)))
    longest = 96 + ipv4.prefixlen
    size = min(longest, rng.choice((32, 48, 64, 65, 96, 100, 128)))
    ipv6 = IPv6Network((0x20010E00 + number << 96 | rng.getrandbits(96), size), strict=False)
    return Eam(ipv4, ipv6)


@pytest.mark.parametrize("how", HOOKS)
def test_explicit_mappings(how: str) -> None:
    """Addresses of hosts inside and outside that RFC 7757 says, in entries of all lengths."""
    hook, redirect = HOOKS[how]
    rng, seen = Random(7757), Counter[str]()
    for _ in range(6):
        eam = tuple(random_mapping(rng, number) for number in range(16))
        pair = Pair(replace(SERVICES["464xlat", EDGE], eam=eam), hook, redirect=redirect)
        for _ in range(100):
            one, other = rng.choice(eam), rng.choice(eam)
            hosts = [str(entry.ipv4[rng.randrange(entry.ipv4.num_addresses)]) for entry in (one, other)]
            pair.send(kit.udp(hosts[0], 4000, rng.choice((hosts[1], SERVER)), 443), Link.NATIVE)
            ends = [
                as_text(int(entry.ipv6[rng.randrange(entry.ipv6.num_addresses)])) for entry in (one, other)
            ]
            ends[1] = rng.choice((ends[1], clat("192.168.1.5")))
            ends[0] = rng.choice((ends[0], at_96(PREF64)(SERVER)))
            pair.send(kit6.udp6(ends[0], 443, ends[1], 4000), Link.SOFTWIRE)
        seen += pair.seen
        pair.close()
    assert seen["redirect" if redirect else "stack"] > 300 and seen["pass"] > 100, seen
