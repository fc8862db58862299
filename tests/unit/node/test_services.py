# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Several services on one node: who gets a packet, what is counted, what a reload keeps."""

from __future__ import annotations

import struct
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from random import Random

import pytest
import technique_samples
from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from ansible_collections.ipv4aas.fleet.engine.node.services import Services
from ansible_collections.ipv4aas.fleet.engine.packet.buffer import Packet
from ansible_collections.ipv4aas.fleet.engine.packet.checksum import checksum
from ansible_collections.ipv4aas.fleet.engine.packet.ipv4 import build
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from node_samples import EDGE_SERVICE, GATEWAY_SERVICE, OTHER_RULE, configuration
from unit.packet import translationkit as kit6

HALL8 = replace(
    GATEWAY_SERVICE, name="hall8", gateway_address=IPv6Address("2001:3e8:0:2900::2"), rules=(OTHER_RULE,)
)
NOW = 1000.0


def udp4(source: str, destination: str, sport: int, dport: int) -> Packet:
    """A UDP packet without checksum."""
    body = struct.pack("!HHHH", sport, dport, 8, 0)
    return Packet(build(17, int(IPv4Address(source)), int(IPv4Address(destination)), body))


class OneDevice(Services):
    """Where all services share a device."""

    def process(self, packet, now, namespace=""):
        """The packets alone."""
        return [sent for sent, to in super().process(packet, now, namespace)]


def running(*services) -> Services:
    """Services as a daemon has them."""
    made = OneDevice(rng=Random(1))
    made.reload(configuration(*services), lambda service: int(IPv4Address("198.51.100.1")))
    return made


def counters(services: Services) -> dict[str, dict[str, int]]:
    """Counters by service."""
    return {name: seat["counters"] for name, seat in services.status()["services"].items()}


def test_gateways_are_chosen_by_destination():
    services = running(GATEWAY_SERVICE, HALL8)
    (first,) = services.process(udp4("198.51.100.2", "130.129.255.95", 53, 45057), NOW)
    (second,) = services.process(udp4("198.51.100.2", "203.0.113.3", 53, 45057), NOW)
    assert first.data[8:24] == GATEWAY_SERVICE.gateway_address.packed
    assert second.data[8:24] == HALL8.gateway_address.packed
    assert counters(services) == {"hall7": {"encapsulated": 1}, "hall8": {"encapsulated": 1}}


def test_tunnel_packets_are_chosen_by_address():
    services = running(GATEWAY_SERVICE, HALL8)
    edge = running(EDGE_SERVICE)
    (out,) = edge.process(udp4("192.168.192.10", "198.51.100.2", 5000, 53), NOW)
    assert len(services.process(out, NOW)) == 1
    astray = Packet(out.data[:24] + HALL8.gateway_address.packed + out.data[40:])
    assert services.process(astray, NOW) == []
    assert counters(services) == {"hall7": {"decapsulated": 1}, "hall8": {"drop_no_rule": 1}}


def test_edge_takes_its_own_hosts_before_a_gateway_takes_the_destination():
    services = running(HALL8, EDGE_SERVICE)
    (out,) = services.process(udp4("192.168.192.10", "203.0.113.3", 5000, 45057), NOW)
    assert out.data[8:24] == EDGE_SERVICE.customer.address.packed


def test_nobodys_packet_is_counted_and_goes_nowhere():
    services = running(GATEWAY_SERVICE, HALL8)
    assert services.process(udp4("198.51.100.2", "192.0.2.1", 1, 2), NOW) == []
    assert services.status()["counters"] == {"drop_no_service": 1}


def test_octets_and_packets_by_side():
    services = running(GATEWAY_SERVICE)
    services.process(udp4("198.51.100.2", "130.129.255.95", 53, 45057), NOW)
    assert services.status()["traffic"] == {
        "native": {"packets_in": 1, "octets_in": 28, "packets_out": 0, "octets_out": 0},
        "softwire": {"packets_in": 0, "octets_in": 0, "packets_out": 1, "octets_out": 68},
    }


def test_hop_is_left_to_the_kernel():
    (out,) = running(GATEWAY_SERVICE).process(udp4("198.51.100.2", "130.129.255.95", 53, 45057), NOW)
    assert out.data[48] == 64
    assert checksum(out.data[40:60]) == 0


def test_reload_keeps_sessions_and_counters():
    services = running(EDGE_SERVICE, HALL8)
    services.process(udp4("192.168.192.10", "198.51.100.2", 5000, 53), NOW)
    before = services.sessions(NOW, 10)
    services.reload(configuration(replace(EDGE_SERVICE, ipv6_mtu=1400)), lambda service: 0)
    assert services.sessions(NOW, 10) == before
    assert before["total"] == 1
    assert counters(services) == {"home": {"encapsulated": 1}}


def test_counters_of_a_service_that_left_stay_in_the_total():
    services = running(GATEWAY_SERVICE)
    services.process(udp4("198.51.100.2", "130.129.255.95", 53, 45057), NOW)
    services.reload(configuration(), lambda service: 0)
    status = services.status()
    assert (status["services"], status["counters"]) == ({}, {"encapsulated": 1})


def test_service_that_changes_its_role_begins_anew():
    services = running(replace(GATEWAY_SERVICE, name="home"))
    services.reload(configuration(EDGE_SERVICE), lambda service: 0)
    (out,) = services.process(udp4("192.168.192.10", "198.51.100.2", 5000, 53), NOW)
    assert out.data[8:24] == EDGE_SERVICE.customer.address.packed


def test_sessions_are_shown_up_to_a_limit():
    services = running(EDGE_SERVICE)
    for port in range(5000, 5005):
        services.process(udp4("192.168.192.10", "198.51.100.2", port, 53), NOW)
    shown = services.sessions(NOW + 100, 2)
    assert (shown["total"], len(shown["sessions"])) == (5, 2)
    first = shown["sessions"][0]
    assert (first["service"], first["protocol"], first["inside"]) == ("home", "udp", "192.168.192.10:5000")
    assert (first["remote"], first["expires_in"]) == ("198.51.100.2:53", 200)
    services.expire(NOW + 301)
    assert services.sessions(NOW, 2)["total"] == 0
    assert counters(services)["home"]["session_expired"] == 5


def test_fault_in_one_packet_ends_neither_node_nor_service(monkeypatch, capsys):
    services = running(GATEWAY_SERVICE)
    seat = services._seats["hall7"]
    with monkeypatch.context() as patch:
        patch.setattr(seat.node, "process", lambda *_: 1 / 0)
        for _ in range(20):
            assert services.process(udp4("198.51.100.2", "130.129.255.95", 53, 45057), NOW) == []
    assert capsys.readouterr().err.count("ZeroDivisionError") == 10
    assert counters(services) == {"hall7": {"drop_internal_fault": 20}}
    assert len(services.process(udp4("198.51.100.2", "130.129.255.95", 53, 45057), NOW)) == 1


@pytest.mark.parametrize("data", [b"\x45", b"\x60", b"\x00" * 40, b"\x45" + b"\0" * 30, b"\x60" + bytes(60)])
def test_stumps_are_dropped(data):
    services = running(GATEWAY_SERVICE, HALL8)
    assert services.process(Packet(data), NOW) == []


MAP_T_SEAT = technique_samples.MAP_T
NAT64_SEAT = replace(technique_samples.NAT64, gateway_address=IPv6Address("2001:db8:fffe::64"))


def udp6(source: str, destination: str) -> Packet:
    """A UDP packet over IPv6."""
    return Packet(kit6.udp6(source, 1232, destination, 53))


@pytest.mark.parametrize(
    ("destination", "name"),
    [
        ("2001:db8:ffff:0:c6:3364:700::", "map-t"),
        ("2001:db8:64::c633:6407", "nat64"),
        ("2001:db8:65::1", None),
    ],
)
def test_translated_packets_are_chosen_by_prefix(destination, name):
    services = running(MAP_T_SEAT, NAT64_SEAT, GATEWAY_SERVICE)
    out = services.process(udp6("2001:db8:12:3400:0:c000:212:34", destination), NOW)
    assert len(out) == (name is not None)
    assert [seat for seat, seen in counters(services).items() if seen] == ([name] if name else [])


def test_the_longest_prefix_counts_and_an_address_before_it():
    inner = replace(
        NAT64_SEAT,
        gateway_address=IPv6Address("2001:db8:ffff::9"),
        translation_prefix=IPv6Network("2001:db8:ffff:0:aa::/96"),
    )
    services = running(MAP_T_SEAT, inner)
    customer = "2001:db8:12:3400:0:c000:212:34"
    services.process(udp6(customer, "2001:db8:ffff:0:aa::c633:6407"), NOW)
    services.process(Packet(kit6.icmp6(customer, "2001:db8:ffff::9", 128, 0, 1)), NOW)
    services.process(udp6(customer, "2001:db8:ffff:0:c6:3364:700::"), NOW)
    seen = counters(services)
    assert (seen["nat64"]["echo_answered"], seen["nat64"]["decapsulated"]) == (1, 1)
    assert seen["map-t"] == {"decapsulated": 1}


def test_edge_of_one_technique_beside_the_gateway_of_another():
    edge = replace(technique_samples.edge_of(technique_samples.LW4O6), name="edge")
    services = running(MAP_T_SEAT, edge)
    (out,) = services.process(udp4("192.168.1.5", "198.51.100.2", 5000, 53), NOW)
    assert out.data[8:24] == edge.customer.address.packed
    (out,) = services.process(udp4("198.51.100.2", "192.0.2.18", 53, 1232), NOW)
    assert out.data[6] == 17 and out.data[24:40] == edge.customer.address.packed


def test_a_table_is_made_ready_beside_and_swapped_at_once(monkeypatch):
    """Packets go by the old table until the reload, which compiles nothing."""
    before = technique_samples.LW4O6
    moved = replace(before.bindings[1], softwire=IPv6Address("2001:db8:15::1"))
    after = replace(before, bindings=(before.bindings[0], moved, before.bindings[2]))
    services = running(before)
    packet = udp4("198.51.100.2", "192.0.2.19", 53, 1368)
    services.prepare(configuration(after))
    (out,) = services.process(packet, NOW)
    assert out.data[24:40] == before.bindings[1].softwire.packed
    with monkeypatch.context() as patch:
        patch.setattr(Service, "address_table", lambda service: 1 / 0)
        services.reload(configuration(after), lambda service: 0)
    (out,) = services.process(packet, NOW)
    assert out.data[24:40] == moved.softwire.packed
    services.reload(configuration(before), lambda service: 0)
    (out,) = services.process(packet, NOW)
    assert out.data[24:40] == before.bindings[1].softwire.packed


def test_many_bindings_are_swapped_under_traffic_without_loss():
    """Another thread makes the table ready while packets go on: none is lost, none is misdirected."""
    count = 30_000
    base = technique_samples.LW4O6
    first, second = (
        replace(base, bindings=tuple(_binding(kind, n) for n in range(count))) for kind in (1, 2)
    )
    services = running(first)
    with ThreadPoolExecutor(1) as pool:
        for wanted in (second, first, second):
            old = {1: 2, 2: 1}[wanted.bindings[0].softwire.packed[15]]
            done = pool.submit(services.prepare, configuration(wanted))
            seen = 0
            while not done.done() or not seen:
                seen += 1
                assert _way(services, seen % count) == old
            done.result()
            services.reload(configuration(wanted), lambda service: 0)
            assert {_way(services, n) for n in range(0, count, 100)} == {3 - old}
    drops = {name for name in counters(services)["lw4o6"] if name.startswith("drop_")}
    assert not drops


def _binding(kind: int, number: int) -> Binding:
    softwire = IPv6Address(int(IPv6Address("2001:db8::")) | number << 64 | kind)
    return Binding(softwire, IPv4Address(0xC6120000 + number // 64), 0, 6, number % 64)


def _way(services: Services, number: int) -> int:
    """Last octet of the softwire that a packet for a subscriber goes to."""
    owner = str(IPv4Address(0xC6120000 + number // 64))
    (packet,) = services.process(udp4("198.51.100.2", owner, 53, number % 64 * 1024 + 7), NOW)
    assert packet.data[24:39] == _binding(0, number).softwire.packed[:15]
    return packet.data[39]
