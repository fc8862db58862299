# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Edges with NAPT in a port set: the fuzzer's traffic in the core and as programs, and plain connections."""

from __future__ import annotations

import os
import struct
from dataclasses import replace
from ipaddress import IPv4Network
from random import Random
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.core import Link
from ansible_collections.ipv4aas.fleet.engine.node.edge import napt_addresses, static_bindings
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, XDP
from ansible_collections.ipv4aas.fleet.engine.packet.allocation import PortSetAllocator
from ansible_collections.ipv4aas.fleet.engine.packet.ipv4 import ICMP
from ansible_collections.ipv4aas.fleet.engine.packet.napt import StaticBinding
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, Service
from fuzz_seats import DMR6, HOSTS, SEATS, SERVERS, Seat, Talk
from fuzz_traffic import flow4, flow6
from session_pair import SessionPair
from technique_samples import LAN, SERVICES
from test_against_core import ALL
from unit.packet import packetkit as kit
from unit.packet import translationkit as kit6

COUNT = int(os.environ.get("FAST_PACKETS", "3000"))
SEED = int(os.environ.get("FUZZ_SEED", "7597"))
TECHNIQUES = ("map-e", "map-t", "lw4o6")
HOOKS = {"tc": (TC, True), "tc to the stack": (TC, False), "xdp": (XDP, True)}

pytestmark = pytest.mark.root


class ScriptedSet(PortSetAllocator):
    """Gives what the program gave, after a look whether its own rules allow that."""

    script: tuple[int, int] | None = None

    def take(self, protocol: int, realm: int, inside: int, wanted: int, now: float) -> tuple[int, int]:
        if self.script is None:
            raise self.refused("drop_ports_exhausted")
        outside, port = self.script
        assert outside == self.addresses[inside % len(self.addresses)], "paired pooling"
        named = protocol != ICMP and wanted and wanted in self.ports
        if named and self._span(outside, wanted).take(protocol, wanted):
            assert port == wanted, f"port {port} for {wanted}, which was free"
            return outside, port
        assert port in self.ports, f"port {port} is another customer's"
        high = self._of(outside)[1]
        assert port >= 1024 or wanted < 1024 or protocol == ICMP or not high.ports, f"{port} for {wanted}"
        assert self._span(outside, port).take(protocol, port), f"port {port} is taken"
        return outside, port


class EdgePair(SessionPair):
    """An edge in both."""

    def _static(self, service: Service) -> list[StaticBinding]:
        return static_bindings(service)

    def _allocator(self, service: Service, logs: bool) -> Any:
        customer = service.customer
        return ScriptedSet(napt_addresses(customer, service.inside), customer.ports, Random(7))

    def _source(self, data: bytes) -> tuple[int, int] | None:
        if data[0] >> 4 == 6 and data[6] != 4:
            at = 44 if data[6] == 58 else 40
            return int.from_bytes(data[18:22], "big"), int.from_bytes(data[at : at + 2], "big")
        return super()._source(data)


def _in_part(technique: str) -> Seat:
    """An edge some of whose hosts have public addresses; the others share the rest (RFC 7597 section 5.2)."""
    seat = ALL[f"{technique} whole addresses"]
    inside = (IPv4Network("192.0.2.16/29"), *LAN)
    native = [*seat.native, Talk(HOSTS, SERVERS), Talk(HOSTS, [("192.0.2.24", None), ("192.0.2.33", None)])]
    return replace(seat, service=replace(seat.service, inside=inside), native=native)


EDGES = {
    **{technique: SEATS[technique, EDGE] for technique in TECHNIQUES},
    **{f"{technique} in part": _in_part(technique) for technique in ("map-e", "map-t")},
}


@pytest.mark.parametrize("how", HOOKS)
@pytest.mark.parametrize("filtering", ["address-dependent", "endpoint-independent"])
@pytest.mark.parametrize("name", EDGES)
def test_same_as_the_core(name: str, filtering: str, how: str) -> None:
    hook, redirect = HOOKS[how]
    seat, rng = EDGES[name], Random(f"{SEED}{name}{hook}{filtering}")
    pair = EdgePair(replace(seat.service, filtering=filtering), hook, redirect=redirect)
    pair.fuzz(seat, rng, COUNT)
    pair.close()


def sent6(source: str, sport: int, target: str, tport: int, data: bytes, flags: int | None) -> bytes:
    """TCP with these flags, or UDP, over IPv6."""
    if flags is None:
        return kit6.udp6(source, sport, target, tport, data)
    body = struct.pack("!HHIIBBHHH", sport, tport, 1, 2, 0x50, flags, 1000, 0, 0) + data
    return kit6.ip6(source, target, 6, kit6.sealed6(source, target, 6, body, 16))


def sent4(source: str, sport: int, target: str, tport: int, data: bytes, flags: int | None) -> bytes:
    """TCP with these flags, or UDP, without DF."""
    if flags is None:
        return kit.udp(source, sport, target, tport, data, df=False)
    return kit.tcp(source, sport, target, tport, flags, data, df=False)


def reply(data: bytes, flags: int | None) -> bytes:
    """What comes back to a packet in the domain."""
    near, far = kit.outer(data)
    flow = flow4(data[40:]) if data[6] == 4 else flow6(data)
    assert flow is not None
    ends = flow.target, flow.tport, flow.source, flow.sport
    if data[6] == 4:
        return kit.tunnel(far, near, sent4(*ends, b"answer", flags))
    return sent6(*ends, b"answer", flags)


@pytest.mark.parametrize("how", HOOKS)
@pytest.mark.parametrize("technique", TECHNIQUES)
def test_plain_connections_are_never_left_to_the_core(technique: str, how: str) -> None:
    hook, redirect = HOOKS[how]
    service, rng, idents = SERVICES[technique, EDGE], Random(SEED), set()
    pair = EdgePair(service, hook, redirect=redirect)

    def send(data: bytes, link: Link) -> bytes:
        ((out, _),) = pair.send(data, link)
        if out[0] >> 4 == 6 and out[6] == 4:
            idents.add(kit.field(out[40:], "ident"))
        return out

    targets = [("198.51.100.7", 443), ("8.8.8.8", 53)] + [(kit.OTHER4, kit.OTHER_PORT)] * service.mesh
    for n in range(40):
        inside, target = (f"192.168.1.{rng.randrange(1, 200)}", rng.randrange(1, 65536)), rng.choice(targets)
        talk: list[tuple[int | None, bool]] = [(2, True), (18, False), (16, True), (16, False), (17, True)]
        for flags, outwards in talk if n % 2 else [(None, True), (None, False)] * 2:
            if outwards:
                out = send(
                    sent4(*inside, *target, rng.randbytes(rng.choice((0, 9, 1000))), flags), Link.NATIVE
                )
            else:
                back = send(reply(out, flags), Link.SOFTWIRE)
                assert kit.field(back, "dst") == inside[0]
    # From another host of the same edge: a hairpin.
    source = flow4(out[40:]) if out[6] == 4 else flow6(out)
    assert source is not None
    heard = send(
        sent4("192.168.1.250", 4000, kit.OWN4, source.sport, b"", None if n % 2 == 0 else 2), Link.NATIVE
    )
    assert kit.field(heard, "src") == kit.OWN4 and kit.field(heard, "dst") == inside[0]
    # A port forward.
    far = ("198.51.100.7", 999)
    own = str(service.customer.address)
    if technique == "map-t":
        syn = sent6(DMR6(far[0]), far[1], own, 1234, b"", 2)
    else:
        syn = kit.tunnel(str(service.border_address), own, sent4(*far, kit.OWN4, 1234, b"", 2))
    opened = send(syn, Link.SOFTWIRE)
    assert kit.field(opened, "dst") == str(service.port_forwards[0].inside_address)
    assert set(pair.seen) == {"redirect" if redirect else "stack"}, (pair.seen, pair.fast.counters())
    assert pair.views() == pair.core_views()
    assert all(ident in service.customer.ports for ident in idents)
    assert (len(idents) > 20) == (technique != "map-t")
    pair.close()
