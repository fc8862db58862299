# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real traffic where edges have port sets: MAP-E, MAP-T, lw4o6; customer, edge, IPv6 backbone, gateway."""

from __future__ import annotations

import contextlib
import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv6Address, IPv6Network

import pytest
import traffic
from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from conftest import EDGE_SERVICE, FORWARDED, GATEWAY_SERVICE, INTERNET, LAN, SHARED, Network, build
from netns import Net

pytestmark = pytest.mark.root

PORTS = EDGE_SERVICE.customer.ports
IPV6_MTU = 1500
IP_RECVTTL = 12
HOPS = {"encapsulation": 3, "translation": 6}  # from the customer to the internet, through TUN devices
DMR = IPv6Network("2001:3e8:0:64::/64")
OWN = EDGE_SERVICE.customer
BINDING = Binding(OWN.address, IPv4Address(SHARED), PORTS.offset, PORTS.psid_len, PORTS.psid)


def service(of: Service, technique: str) -> Service:
    """The same customers, with another technique."""
    row = TECHNIQUES[technique]
    bound = row.mapping == "binding"
    return replace(
        of,
        technique=technique,
        rules=() if bound else of.rules,
        bindings=(BINDING,) if bound else (),
        translation_prefix=DMR if row.carriage == "translation" else None,
        mss_clamp=row.tcp_mss(IPV6_MTU),
    )


@pytest.fixture(scope="module", params=["map-e", "map-t", "lw4o6"])
def network(request, program, tmp_path_factory) -> Iterator[Network]:
    """One network for all tests of a technique."""
    edge, gateway = service(EDGE_SERVICE, request.param), service(GATEWAY_SERVICE, request.param)
    with Net("traffic") as net:
        yield build(net, program, tmp_path_factory.mktemp("nodes"), edge, gateway)


@pytest.fixture
def row(network):
    """The technique."""
    return TECHNIQUES[network.br.service.technique]


@pytest.fixture
def mtu(row) -> int:
    """Largest IPv4 packet that crosses whole."""
    return row.ipv4_mtu(IPV6_MTU)


@pytest.fixture
def on_tun(network) -> dict[str, bool]:
    """Whether packets of edge and gateway go through the TUN device."""
    return {n: getattr(network, n).ok("status")["tier"] == "tun" for n in ("ce", "br")}


@pytest.fixture
def hops(row, on_tun) -> int:
    """From the customer to the internet. A translator's kernel forwards before and after its TUN device."""
    return HOPS[row.carriage] - (list(on_tun.values()).count(False) if row.carriage == "translation" else 0)


class TestUdp:
    def test_source_is_the_customers_and_the_answer_comes_back(self, opened, server, client):
        assert opened[0] == SHARED
        assert opened[1] in PORTS
        server.sendto(b"answer", opened)
        assert client.recvfrom(100) == (b"answer", (INTERNET, 5000))

    def test_every_range_of_the_port_set_is_used(self, network, server):
        seen = set()
        with contextlib.ExitStack() as held:  # a port that is given back may come again
            for _ in range(200):
                sock = held.enter_context(traffic.udp(network.lan))
                sock.sendto(b"x", (INTERNET, 5000))
                seen.add(server.recvfrom(10)[1][1])
        assert len(seen) == 200
        assert all(port in PORTS for port in seen)
        assert {port >> 12 for port in seen} == set(range(1, 16))

    def test_unasked_packet_is_dropped_and_counted(self, network, server):
        taken = {session["outside"] for session in network.ce.ok("sessions")["sessions"]}
        free = next(p for p in range(1 << 16) if p in PORTS and f"{SHARED}:{p}" not in taken)
        with network.ce.one_more("drop_unsolicited"):
            server.sendto(b"scan", (SHARED, free))


class TestIcmp:
    @pytest.mark.parametrize("size", [0, 56, 1432, 1433, 1452, 1453, 1472, 3000, 20000])
    def test_echo(self, network, size):
        assert traffic.ping(network.lan, INTERNET, size) == bytes(i % 251 for i in range(size))

    def test_gateway_address_answers_over_ipv6(self, network):
        with network.core.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
            sock.settimeout(traffic.PATIENCE)
            sock.sendto(b"\x80\0\0\0\x12\x34\0\x01hello", ("2001:3e8:0:2900::1", 0))
            while True:
                data, peer = sock.recvfrom(100)
                if data[0] == 129:
                    break
            assert (data[4:], peer[0]) == (b"\x12\x34\0\x01hello", "2001:3e8:0:2900::1")

    def test_traceroute_sees_edge_then_gateway(self, network, row, client, hops, on_tun):
        """Routers of the domain show where it is translated: the edge speaks for them (RFC 6791)."""
        client.bind((LAN, 0))
        seen = []
        with network.lan.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as errors:
            errors.settimeout(traffic.PATIENCE)
            for ttl in range(1, hops):
                client.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
                client.sendto(b"probe", (INTERNET, 33434))
                found = traffic.icmp_error(errors)
                assert (found.type, found.code) == (11, 0)
                # The host must recognise its own packet.
                assert found.about[12:16] == socket.inet_aton(LAN)
                assert int.from_bytes(found.about[20:22]) == client.getsockname()[1]
                seen.append(found.source)
        # A translator that forwards once does so on its IPv6 side.
        at_gateway = on_tun["br"] or row.carriage == "encapsulation"
        last = "198.51.100.1" if at_gateway else "192.168.192.1"
        assert seen == ["192.168.192.1"] * (hops - 2) + [last]

    def test_traceroute_from_the_internet_sees_gateway_then_customer(self, network, row, hops, on_tun):
        seen = []
        with network.inet.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as errors:
            errors.settimeout(traffic.PATIENCE)
            for ttl in range(1, hops):
                with network.inet.socket(socket.AF_INET, socket.SOCK_STREAM) as caller:
                    caller.setblocking(False)
                    caller.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, ttl)
                    caller.connect_ex((SHARED, FORWARDED))
                    found = traffic.icmp_error(errors)
                assert (found.type, found.code) == (11, 0)
                assert found.about[16:20] == socket.inet_aton(SHARED)
                assert int.from_bytes(found.about[22:24]) == FORWARDED
                seen.append(found.source)
        # A translator that forwards once does so on its IPv6 side, for which the gateway speaks (RFC 6791).
        last = SHARED if on_tun["ce"] or row.carriage == "encapsulation" else "198.51.100.1"
        assert seen == ["198.51.100.1"] * (len(seen) - 1) + [last]

    def test_edge_itself_reaches_the_internet(self, network):
        assert traffic.ping(network.ce_host, INTERNET) is not None

    def test_hops_are_counted(self, hops, opened, server, client):
        """A tunnel is one hop; a translator's kernel forwards before and after it, and routers count too."""
        server.setsockopt(socket.IPPROTO_IP, IP_RECVTTL, 1)
        client.sendto(b"ttl", (INTERNET, 5000))
        _, ancillary, _, _ = server.recvmsg(100, 100)
        assert [int.from_bytes(value, "little") for _, _, value in ancillary] == [65 - hops]

    def test_port_unreachable_comes_back_to_the_socket(self, network, client):
        client.connect((INTERNET, 9))
        client.send(b"nobody")
        with pytest.raises(ConnectionRefusedError):
            client.recv(10)


class TestTooBig:
    @pytest.fixture(autouse=True)
    def _forget_path_mtu(self, network):
        yield
        for host in (network.lan, network.inet):
            host.ip("route flush cache")

    def test_customer_learns_the_tunnel_mtu(self, mtu, client):
        client.connect((INTERNET, 5999))
        traffic.do_not_fragment(client)
        assert traffic.path_mtu(client) == 1500
        client.send(bytes(1472))
        with pytest.raises(OSError, match=r"Message too long|Connection refused"):
            client.recv(1)
        assert traffic.path_mtu(client) == mtu

    def test_internet_learns_the_tunnel_mtu(self, mtu, opened, server, client):
        server.connect(opened)
        traffic.do_not_fragment(server)
        server.send(bytes(1472))
        with pytest.raises(OSError, match="Message too long"):
            server.recv(1)
        assert traffic.path_mtu(server) == mtu
        server.send(bytes(mtu - 28))
        assert len(client.recv(2000)) == mtu - 28


class TestFragments:
    BODY = bytes(i % 256 for i in range(3000))

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
    def test_from_the_customer(self, network, server, order):
        body = traffic.datagram(LAN, INTERNET, 6000, 5000, self.BODY)
        cut = traffic.pieces(LAN, INTERNET, body, ident=100 + order[0], size=1024)
        traffic.send_packets(network.lan, INTERNET, [cut[i] for i in order])
        data, (address, port) = server.recvfrom(5000)
        assert (data, address) == (self.BODY, SHARED)
        assert port in PORTS

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
    def test_to_the_customer(self, network, opened, client, order):
        body = traffic.datagram(INTERNET, SHARED, 5000, opened[1], self.BODY)
        cut = traffic.pieces(INTERNET, SHARED, body, ident=200 + order[0], size=1024)
        traffic.send_packets(network.inet, SHARED, [cut[i] for i in order])
        assert client.recv(5000) == self.BODY

    @pytest.mark.parametrize("size", [1433, 1472, 8000, 65507])
    def test_large_datagrams_both_ways(self, opened, server, client, size):
        payload = bytes(i % 253 for i in range(size))
        client.sendto(payload, (INTERNET, 5000))
        assert server.recv(65535) == payload
        server.sendto(payload, opened)
        assert client.recv(65535) == payload

    def test_full_packets_are_cut_outside_where_the_service_says_so(
        self, network, row, opened, server, client
    ):
        """What is translated has no outside: its pieces stay pieces."""
        before = network.br.counters().get("reassembled", 0)
        client.sendto(bytes(1472), (INTERNET, 5000))
        assert len(server.recv(2000)) == 1472
        assert network.br.counters().get("reassembled", 0) == before + (row.carriage == "encapsulation")


class TestTcp:
    @pytest.mark.parametrize("wire", [False, True], ids=["super-packets", "wire"])
    @pytest.mark.parametrize("upload", [True, False], ids=["up", "down"])
    def test_large_transfer(self, network, wire, upload):
        for host, device in network.cables():
            host.offloads(device, not wire)
        near, far, _ = network.connected()
        with near, far:
            sender, receiver = (near, far) if upload else (far, near)
            assert traffic.Transfer(sender, receiver, 20_000_000).finish()
        for host, device in network.cables():
            host.offloads(device, True)

    def test_super_packets_cross_the_edge_whole(self, network):
        before = network.ce.ok("status")["traffic"]["native"]
        near, far, _ = network.connected()
        with near, far:
            assert traffic.Transfer(near, far, 10_000_000).finish()
        after = network.ce.ok("status")["traffic"]["native"]
        octets = after["octets_in"] - before["octets_in"]
        assert octets > 10_000_000
        assert octets / (after["packets_in"] - before["packets_in"]) > 4000

    def test_mss_is_clamped(self, network, row):
        near, far, _ = network.connected()
        with near, far:
            # TCP_MAXSEG is what the peer announced, less 12 octets of timestamps.
            assert far.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) == row.tcp_mss(IPV6_MTU) - 12

    def test_port_forward(self, network):
        with (
            traffic.listen(network.lan, LAN, 8080) as listener,
            network.inet.socket(socket.AF_INET, socket.SOCK_STREAM) as caller,
        ):
            caller.settimeout(traffic.PATIENCE)
            caller.connect((SHARED, FORWARDED))
            far, peer = listener.accept()
            with far:
                assert peer[0] == INTERNET

    def test_hairpin_to_the_own_forwarded_port(self, network):
        with (
            traffic.listen(network.lan, LAN, 8080) as listener,
            network.lan.socket(socket.AF_INET, socket.SOCK_STREAM) as caller,
        ):
            caller.settimeout(traffic.PATIENCE)
            caller.connect((SHARED, FORWARDED))
            far, peer = listener.accept()
            with far:
                assert peer[0] == SHARED
                assert peer[1] in PORTS


class TestNegative:
    def test_packet_outside_the_port_set_is_dropped_at_the_gateway(self, network, row):
        """A customer who uses the port of another: made by hand, since the edge would not."""
        wrong = next(p for p in range(5000, 6000) if p not in PORTS)
        body = traffic.datagram(SHARED, INTERNET, wrong, 5000, b"spoof")
        address, target = str(OWN.address), str(EDGE_SERVICE.gateway_address)
        kind, payload = 4, traffic.pieces(SHARED, INTERNET, body, ident=1, size=1024)[0]
        if row.carriage == "translation":
            octets = DMR.network_address.packed[:9] + socket.inet_aton(INTERNET) + bytes(3)
            kind, payload, target = 17, body, str(IPv6Address(octets))
        network.ce_host.ip(f"addr add {address}/128 dev lo")
        try:
            with (
                network.br.one_more("drop_spoofed_source"),
                network.ce_host.socket(socket.AF_INET6, socket.SOCK_RAW, kind) as sock,
            ):
                sock.bind((address, 0))
                sock.sendto(payload, (target, 0))
        finally:
            network.ce_host.ip(f"addr del {address}/128 dev lo")

    def test_excluded_port_is_dropped_at_the_gateway(self, network, server):
        with network.br.one_more("drop_excluded_port"):
            server.sendto(b"x", (SHARED, 80))
