# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real traffic where the gateway has the NAPT: DS-Lite, 464XLAT, and an IPv6-only host behind NAT64.

phone (IPv6 only) - core, beside the customer's edge; the rest as in conftest.
"""

from __future__ import annotations

import contextlib
import json
import socket
import struct
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
import traffic
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from ansible_collections.ipv4aas.fleet.engine.techniques.service import GATEWAY, Service
from conftest import EDGE_SERVICE, GATEWAY_SERVICE, INTERNET, LAN, Network, SoftwareNode, build
from netns import Host, Net

pytestmark = pytest.mark.root

POOL = IPv4Network("203.0.113.0/30")
PREF64 = IPv6Network("2001:3e8:0:64::/96")
PHONE = "2001:db8:3::10"
INTERNET6 = str(PREF64[int.from_bytes(socket.inet_aton(INTERNET))])
IPV6_MTU = 1500


def services(technique: str) -> tuple[Service, Service]:
    """Edge and gateway."""
    gateway = Service(
        name="hall7",
        technique=technique,
        role=GATEWAY,
        gateway_address=GATEWAY_SERVICE.gateway_address,
        pool=Pool(ipv4=(POOL,)),
        translation_prefix=PREF64 if TECHNIQUES[technique].carriage == "translation" else None,
        filtering="endpoint-independent",
        mss_clamp=TECHNIQUES[technique].tcp_mss(IPV6_MTU),
    )
    edge = replace(
        EDGE_SERVICE,
        technique=technique,
        rules=(),
        port_forwards=(),
        translation_prefix=gateway.translation_prefix,
        mss_clamp=gateway.mss_clamp,
    )
    return edge, gateway


@pytest.fixture(scope="module", params=["ds-lite", "464xlat"])
def customers(request, program, tmp_path_factory) -> Iterator[tuple[Network, Host]]:
    """A network for all tests of a technique, and a host of a second customer, of the same IPv4 address."""
    edge, gateway = services(request.param)
    folder = tmp_path_factory.mktemp("nodes")
    with Net("session") as net:
        network = build(net, program, folder, edge, gateway)
        yield network, neighbour(net, network, program, folder)


def neighbour(net: Net, network: Network, program: Path, folder: Path) -> Host:
    """Another edge on the core router, and the host behind it."""
    lan, ce = net.hosts("lan2", "ce2")
    net.cable(lan, "eth0", ce, "lan")
    net.cable(ce, "wan", network.core, "ce2")
    service = replace(network.ce.service, end_user_prefix=IPv6Network("2001:3e8:6000:c1::/64"))
    lan.ip(f"addr add {LAN}/24 dev eth0", "route add default via 192.168.192.1")
    ce.ip(
        "addr add 192.168.192.1/24 dev lan",
        "addr add 2001:db8:4::2/64 dev wan",
        "route add ::/0 via 2001:db8:4::1",
    )
    network.core.ip(
        "addr add 2001:db8:4::1/64 dev ce2", f"route add {service.end_user_prefix} via 2001:db8:4::2"
    )
    node = SoftwareNode(ce, program, folder / "ce2", service)
    node.ok("start")
    node.configure()
    return lan


@pytest.fixture(scope="module")
def network(customers) -> Network:
    """The network with its first customer."""
    return customers[0]


def lines(log: Path) -> list[dict[str, Any]]:
    """Records of a session log."""
    return [json.loads(line) for line in log.read_text().splitlines()] if log.exists() else []


def records_of(network: Network, end: tuple[str, int], count: int) -> list[dict[str, Any]]:
    """Of an outside end, when there are so many."""
    log = network.br.folder / "state" / "sessions" / "hall7.log"
    deadline = time.monotonic() + traffic.PATIENCE
    while True:
        found = [r for r in lines(log) if (r["outside"], r["first_port"]) == end and r["protocol"] == 17]
        if len(found) >= count or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


@pytest.fixture
def mtu(network) -> int:
    """Largest IPv4 packet that crosses whole."""
    return TECHNIQUES[network.br.service.technique].ipv4_mtu(IPV6_MTU)


@pytest.fixture
def calm(network):
    """Hosts forget what they learnt of the path."""
    yield
    for host in (network.lan, network.inet):
        host.ip("route flush cache")


def seen_as(server: socket.socket, sock: socket.socket) -> tuple[str, int]:
    """How the internet sees a socket of a customer."""
    sock.sendto(b"open", (INTERNET, 5000))
    outside: tuple[str, int] = server.recvfrom(10)[1]
    return outside


class TestUdp:
    def test_source_is_of_the_pool_and_the_answer_comes_back(self, opened, server, client):
        assert opened[0] in map(str, POOL)
        server.sendto(b"answer", opened)
        assert client.recvfrom(100) == (b"answer", (INTERNET, 5000))

    def test_one_address_for_one_customer(self, network, server):
        """RFC 6888 REQ-2; RFC 4787 REQ-3: no two sessions share a port."""
        with contextlib.ExitStack() as held:
            seen = set()
            for _unused in range(50):
                sock = held.enter_context(traffic.udp(network.lan))
                sock.sendto(b"x", (INTERNET, 5000))
                seen.add(server.recvfrom(10)[1])
        assert len(seen) == 50
        assert len({address for address, _unused in seen}) == 1

    def test_unasked_packet_is_dropped_and_counted(self, network, server):
        with network.br.one_more("drop_unsolicited"):
            server.sendto(b"scan", (str(POOL[0]), 1))


class TestIcmp:
    @pytest.mark.parametrize("size", [0, 56, 1432, 1452, 1472, 3000, 20000])
    def test_echo(self, network, size):
        assert traffic.ping(network.lan, INTERNET, size) == bytes(i % 251 for i in range(size))

    def test_the_gateway_answers_at_its_well_known_address(self, network):
        """RFC 6333 s5.7."""
        answer = traffic.ping(network.lan, "192.0.0.1", 2000)
        assert (answer is not None) == (network.br.service.technique == "ds-lite")

    def test_edge_itself_reaches_the_internet(self, network):
        assert traffic.ping(network.ce_host, INTERNET) is not None

    def test_port_unreachable_comes_back_to_the_socket(self, network, client):
        client.connect((INTERNET, 9))
        client.send(b"nobody")
        with pytest.raises(ConnectionRefusedError):
            client.recv(10)

    def test_port_unreachable_of_the_customer_reaches_the_internet(self, opened, server, client):
        client.close()
        server.connect(opened)
        server.send(b"nobody")
        with pytest.raises(ConnectionRefusedError):
            server.recv(10)

    def test_traceroute_reaches_the_gateway(self, network, client):
        """Each hop tells the host about its own packet."""
        gateway, hop = "198.51.100.1", 1
        client.bind((LAN, 0))
        seen = []
        with network.lan.socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as errors:
            errors.settimeout(traffic.PATIENCE)
            while gateway not in seen and hop < 8:
                client.setsockopt(socket.IPPROTO_IP, socket.IP_TTL, hop)
                client.sendto(b"probe", (INTERNET, 33434))
                found = traffic.icmp_error(errors)
                if (found.type, found.code) == (3, 3):
                    break  # the internet host
                assert (found.type, found.code) == (11, 0)
                assert found.about[12:16] == socket.inet_aton(LAN)
                assert int.from_bytes(found.about[20:22]) == client.getsockname()[1]
                seen.append(found.source)
                hop += 1
        assert seen[0] == "192.168.192.1"
        # On the fast path a node is one hop, of IPv6 where the packet came as such.
        assert gateway in seen or network.br.ok("status")["tier"] != "tun"


@pytest.mark.usefixtures("calm")
class TestTooBig:
    def test_customer_learns_the_mtu(self, client, mtu):
        client.connect((INTERNET, 5999))
        traffic.do_not_fragment(client)
        assert traffic.path_mtu(client) == 1500
        client.send(bytes(1472))
        with pytest.raises(OSError, match=r"Message too long|Connection refused"):
            client.recv(1)
        assert traffic.path_mtu(client) == mtu

    def test_internet_learns_the_mtu(self, opened, server, client, mtu):
        server.connect(opened)
        traffic.do_not_fragment(server)
        server.send(bytes(1472))
        with pytest.raises(OSError, match="Message too long"):
            server.recv(1)
        assert traffic.path_mtu(server) == mtu
        server.send(bytes(mtu - 28))
        assert len(client.recv(2000)) == mtu - 28

    @pytest.mark.parametrize("upload", [True, False], ids=["up", "down"])
    def test_a_narrow_link_in_the_domain_is_learnt(self, network, opened, server, client, mtu, upload):
        """A router inside says Packet Too Big by ICMPv6."""
        for host, device in (network.core, "ce"), (network.ce_host, "wan"):
            host.ip(f"link set dev {device} mtu 1400")
        try:
            if upload:
                # The edge's own kernel is that router.
                sock, peer, at = client, (INTERNET, 5000), mtu - 100
            else:
                sock, peer, at = server, opened, mtu - 100
            sock.connect(peer)
            traffic.do_not_fragment(sock)
            traffic.until_too_big(sock, bytes(1400))
            assert traffic.path_mtu(sock) == at
        finally:
            for host, device in (network.core, "ce"), (network.ce_host, "wan"):
                host.ip(f"link set dev {device} mtu 1500")
                host.run("ip", "-6", "route", "flush", "cache")


class TestFragments:
    BODY = bytes(i % 256 for i in range(3000))

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
    def test_from_the_customer(self, network, server, order):
        body = traffic.datagram(LAN, INTERNET, 6000, 5000, self.BODY)
        cut = traffic.pieces(LAN, INTERNET, body, ident=100 + order[0], size=1024)
        traffic.send_packets(network.lan, INTERNET, [cut[i] for i in order])
        data, (address, _unused) = server.recvfrom(5000)
        assert data == self.BODY
        assert address in map(str, POOL)

    @pytest.mark.parametrize("order", [(0, 1, 2), (2, 1, 0), (1, 0, 2)])
    def test_to_the_customer(self, network, opened, client, order):
        body = traffic.datagram(INTERNET, opened[0], 5000, opened[1], self.BODY)
        cut = traffic.pieces(INTERNET, opened[0], body, ident=200 + order[0], size=1024)
        traffic.send_packets(network.inet, opened[0], [cut[i] for i in order])
        assert client.recv(5000) == self.BODY

    @pytest.mark.parametrize("size", [1433, 1472, 8000, 65507])
    def test_large_datagrams_both_ways(self, opened, server, client, size):
        payload = bytes(i % 253 for i in range(size))
        client.sendto(payload, (INTERNET, 5000))
        assert server.recv(65535) == payload
        server.sendto(payload, opened)
        assert client.recv(65535) == payload


class TestTcp:
    @pytest.mark.parametrize("wire", [False, True], ids=["super-packets", "wire"])
    @pytest.mark.parametrize("upload", [True, False], ids=["up", "down"])
    def test_large_transfer(self, network, wire, upload):
        for host, device in network.cables():
            host.offloads(device, not wire)
        near, far, _unused = network.connected()
        with near, far:
            sender, receiver = (near, far) if upload else (far, near)
            assert traffic.Transfer(sender, receiver, 10_000_000).finish()
        for host, device in network.cables():
            host.offloads(device, True)

    def test_super_packets_cross_the_edge_whole(self, network):
        before = network.ce.ok("status")["traffic"]["native"]
        near, far, _unused = network.connected()
        with near, far:
            assert traffic.Transfer(near, far, 10_000_000).finish()
        after = network.ce.ok("status")["traffic"]["native"]
        octets = after["octets_in"] - before["octets_in"]
        assert octets > 10_000_000
        assert octets / (after["packets_in"] - before["packets_in"]) > 4000

    @pytest.mark.parametrize("upload", [True, False], ids=["up", "down"])
    def test_translated_super_packets_stay_whole(self, network, upload):
        """On both sides of both nodes; into a tunnel they go one by one."""
        nodes = (network.ce, network.br)
        before = [node.ok("status")["traffic"] for node in nodes]
        near, far, _unused = network.connected()
        with near, far:
            sender, receiver = (near, far) if upload else (far, near)
            assert traffic.Transfer(sender, receiver, 10_000_000).finish()
        for node, old in zip(nodes, before, strict=True):
            new = node.ok("status")["traffic"]
            into, out = ("native", "softwire") if (node is network.ce) == upload else ("softwire", "native")
            for side, way in ((into, "in"), (out, "out")):
                octets, packets = (
                    new[side][f"{what}_{way}"] - old[side][f"{what}_{way}"] for what in ("octets", "packets")
                )
                assert octets > 10_000_000
                if side == "native" or network.br.service.technique == "464xlat":
                    assert octets / packets > 4000, (node.host.name, side, way)

    def test_mss_is_clamped(self, network):
        near, far, _unused = network.connected()
        with near, far:
            wanted = TECHNIQUES[network.br.service.technique].tcp_mss(IPV6_MTU) - 12
            assert far.getsockopt(socket.IPPROTO_TCP, socket.TCP_MAXSEG) == wanted

    def test_hairpin_between_own_sockets(self, network, server):
        """RFC 4787 REQ-9: the host sees the outside address of the other socket."""
        with traffic.udp(network.lan) as one, traffic.udp(network.lan) as other:
            mine, theirs = (seen_as(server, sock) for sock in (one, other))
            one.sendto(b"hello", theirs)
            assert other.recvfrom(10) == (b"hello", mine)


class TestNeighbours:
    """Two customers with one IPv4 address and port."""

    @pytest.fixture
    def sockets(self, customers):
        network, neighbour = customers
        with (
            traffic.udp(network.inet, INTERNET, 5000) as server,
            traffic.udp(network.lan, LAN, 6000) as one,
            traffic.udp(neighbour, LAN, 6000) as other,
        ):
            yield server, one, other, seen_as(server, one), seen_as(server, other)

    def test_each_has_ports_of_its_own_and_gets_its_own_answers(self, sockets):
        server, one, other, mine, theirs = sockets
        assert mine != theirs
        server.sendto(b"for one", mine)
        server.sendto(b"for other", theirs)
        assert one.recvfrom(20) == (b"for one", (INTERNET, 5000))
        assert other.recvfrom(20) == (b"for other", (INTERNET, 5000))

    @pytest.mark.parametrize("size", [10, 1400, 3000, 20000])
    def test_they_reach_each_other_by_outside_addresses(self, sockets, size):
        _unused, one, other, mine, theirs = sockets
        payload = bytes(n % 251 for n in range(size))
        one.sendto(payload, theirs)
        assert other.recvfrom(65535) == (payload, mine)
        other.sendto(payload, mine)
        assert one.recvfrom(65535) == (payload, theirs)

    def test_tcp_between_them(self, customers, sockets):
        network, neighbour = customers
        with traffic.listen(neighbour, LAN, 7000) as listener:
            with neighbour.socket(socket.AF_INET, socket.SOCK_STREAM) as opening:
                # A connection of its own from the port gives it an outside port.
                opening.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                listener.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEPORT, 1)
                theirs = self.outside_of(network, opening)
            near = network.lan.socket(socket.AF_INET, socket.SOCK_STREAM)
            near.settimeout(traffic.PATIENCE)
            near.connect(theirs)
            far, _unused = listener.accept()
        with near, far:
            assert traffic.Transfer(near, far, 5_000_000).finish()

    @staticmethod
    def outside_of(network, sock) -> tuple[str, int]:
        with traffic.listen(network.inet, INTERNET, 8001) as listener:
            sock.settimeout(traffic.PATIENCE)
            sock.bind((LAN, 7000))
            sock.connect((INTERNET, 8001))
            far, peer = listener.accept()
            far.close()
            return peer

    def test_an_error_of_one_reaches_the_other(self, sockets):
        _unused, one, other, _unused, theirs = sockets
        other.close()
        one.connect(theirs)
        one.send(b"nobody")
        with pytest.raises(ConnectionRefusedError):
            one.recv(10)


class TestLifecycle:
    def test_a_reload_keeps_the_session(self, network, opened, server, client):
        network.br.configure(mss_clamp=1300)
        try:
            server.sendto(b"still", opened)
            assert client.recv(10) == b"still"
        finally:
            network.br.configure()

    def test_the_log_says_whose_port_it_was(self, network, opened):
        log = network.br.folder / "state" / "sessions" / "hall7.log"
        deadline = time.monotonic() + traffic.PATIENCE
        while not (found := [r for r in lines(log) if (r["outside"], r["first_port"]) == opened]):
            assert time.monotonic() < deadline
            time.sleep(0.1)
        assert found[-1]["event"] == "port_assigned"
        assert IPv6Address(found[-1]["realm"]) in network.ce.service.end_user_prefix
        assert abs(found[-1]["time"] - time.time()) < 60
        assert INTERNET not in log.read_text()

    def test_an_address_that_leaves_the_pool_is_released(self, network, opened, server, client):
        rest = tuple(IPv4Network(address) for address in POOL if str(address) != opened[0])
        network.br.configure(pool=Pool(ipv4=rest))
        try:
            assert [r["event"] for r in records_of(network, opened, 2)] == ["port_assigned", "port_released"]
        finally:
            network.br.configure()
        time.sleep(1.5)
        assert len(records_of(network, opened, 2)) == 2

    def test_sessions_are_shown(self, network, opened):
        shown = network.br.ok("sessions")["sessions"]
        assert f"{opened[0]}:{opened[1]}" in {session["outside"] for session in shown}


class TestBeside:
    def test_hosts_have_ipv6_of_their_own_in_the_same_prefix(self, network, opened, server, client):
        """A CLAT needs only the addresses that stand for its IPv4 hosts."""
        network.ce_host.ip("addr add 2001:3e8:6000:c0::1/64 dev lan nodad")
        network.lan.ip(
            "addr add 2001:3e8:6000:c0:211:22ff:fe33:4455/64 dev eth0 nodad",
            "route add ::/0 via 2001:3e8:6000:c0::1",
        )
        try:
            with udp6(network.core) as far, udp6(network.lan) as near:
                far.bind(("2001:db8:1::1", 5000))
                near.sendto(b"native", ("2001:db8:1::1", 5000))
                data, peer = far.recvfrom(10)
                assert (data, peer[0]) == (b"native", "2001:3e8:6000:c0:211:22ff:fe33:4455")
                far.sendto(b"back", peer)
                assert near.recv(10) == b"back"
            server.sendto(b"translated", opened)
            assert client.recv(20) == b"translated"
        finally:
            network.ce_host.ip("addr del 2001:3e8:6000:c0::1/64 dev lan")
            network.lan.ip("addr del 2001:3e8:6000:c0:211:22ff:fe33:4455/64 dev eth0")


class TestNegative:
    def test_an_unsolicited_connection_is_refused_after_six_seconds(self, network):
        """RFC 5382 REQ-4; the node is idle all the while."""
        with network.inet.socket(socket.AF_INET, socket.SOCK_STREAM) as caller:
            caller.settimeout(60)
            begin = time.monotonic()
            with pytest.raises(ConnectionRefusedError):
                caller.connect((str(POOL[1]), 1))
            # Not at once, and not when the caller gives up, which is after two minutes.
            assert 5.9 < time.monotonic() - begin < 30

    def test_a_source_that_is_not_the_customers_is_dropped(self, network):
        """From a host that is not in the LAN, through the edge's own tunnel."""
        packet = traffic.pieces(
            "8.8.8.8", INTERNET, traffic.datagram("8.8.8.8", INTERNET, 1, 5000, b"spoof"), ident=1, size=1024
        )
        network.ce_host.ip("rule add pref 100 from 8.8.8.8 lookup 4640")
        try:
            with network.ce.one_more("drop_not_inside"):
                traffic.send_packets(network.lan, INTERNET, packet)
        finally:
            network.ce_host.ip("rule del pref 100")


# An IPv6-only host directly behind a NAT64


@pytest.fixture(scope="module")
def nat64(program, tmp_path_factory) -> Iterator[tuple[Network, Host]]:
    """The gateway as NAT64, with a phone on the core router."""
    edge, gateway = services("464xlat")
    with Net("nat64") as net:
        phone = net.host("phone")
        network = build(net, program, tmp_path_factory.mktemp("nodes"), edge, gateway)
        net.cable(network.core, "phone", phone, "eth0")
        network.core.ip("addr add 2001:db8:3::1/64 dev phone")
        phone.ip(f"addr add {PHONE}/64 dev eth0", "route add ::/0 via 2001:db8:3::1")
        network.br.configure(technique="nat64")
        yield network, phone


def udp6(host: Host) -> socket.socket:
    """A UDP socket over IPv6."""
    made = host.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    made.settimeout(traffic.PATIENCE)
    return made


class TestNat64:
    @pytest.mark.parametrize("size", [10, 1400, 1452, 3000, 60000])
    def test_udp_both_ways(self, nat64, size):
        network, phone = nat64
        payload = bytes(i % 253 for i in range(size))
        with traffic.udp(network.inet, INTERNET, 5000) as server, udp6(phone) as client:
            client.sendto(payload, (INTERNET6, 5000))
            data, outside = server.recvfrom(65535)
            assert (data, outside[0] in map(str, POOL)) == (payload, True)
            server.sendto(payload, outside)
            data, peer = client.recvfrom(65535)
            assert (data, peer[:2]) == (payload, (INTERNET6, 5000))

    @pytest.mark.parametrize("size", [0, 56, 1400, 3000])
    def test_ping(self, nat64, size):
        _unused, phone = nat64
        payload = bytes(i % 251 for i in range(size))
        with phone.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
            sock.settimeout(traffic.PATIENCE)
            sock.sendto(struct.pack("!BBHHH", 128, 0, 0, 77, 1) + payload, (INTERNET6, 0))
            while True:
                data, peer = sock.recvfrom(65535)
                if data[0] == 129:
                    break
        assert (data[4:8], data[8:], peer[0]) == (b"\0\x4d\0\x01", payload, INTERNET6)

    @pytest.mark.parametrize("upload", [True, False], ids=["up", "down"])
    @pytest.mark.parametrize("wire", [False, True], ids=["super-packets", "wire"])
    def test_tcp(self, nat64, wire, upload):
        network, phone = nat64
        ends = [*network.cables(), (phone, "eth0"), (network.core, "phone")]
        for host, device in ends:
            host.offloads(device, not wire)
        with traffic.listen(network.inet, INTERNET, 8000) as listener:
            near = phone.socket(socket.AF_INET6, socket.SOCK_STREAM)
            near.settimeout(traffic.PATIENCE)
            near.connect((INTERNET6, 8000))
            far, peer = listener.accept()
        with near, far:
            assert peer[0] in map(str, POOL)
            sender, receiver = (near, far) if upload else (far, near)
            assert traffic.Transfer(sender, receiver, 10_000_000).finish()
        for host, device in ends:
            host.offloads(device, True)

    def test_port_unreachable(self, nat64):
        _unused, phone = nat64
        with udp6(phone) as client:
            client.connect((INTERNET6, 9))
            client.send(b"nobody")
            with pytest.raises(ConnectionRefusedError):
                client.recv(10)

    def test_gateway_address_answers(self, nat64):
        _unused, phone = nat64
        with phone.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as sock:
            sock.settimeout(traffic.PATIENCE)
            sock.sendto(b"\x80\0\0\0\x12\x34\0\x01hello", (str(GATEWAY_SERVICE.gateway_address), 0))
            while True:
                data, peer = sock.recvfrom(100)
                if data[0] == 129:
                    break
            assert (data[4:], peer[0]) == (b"\x12\x34\0\x01hello", str(GATEWAY_SERVICE.gateway_address))

    def test_a_narrow_ipv4_link_is_learnt_by_the_ipv6_host(self, nat64):
        """ICMPv4 3/4 of a router outside becomes Packet Too Big."""
        network, phone = nat64
        for host, device in (network.br_host, "inet"), (network.inet, "eth0"):
            host.ip(f"link set dev {device} mtu 1400")
        try:
            with udp6(phone) as client:
                client.connect((INTERNET6, 5000))
                client.setsockopt(socket.IPPROTO_IPV6, 23, 2)  # IPV6_MTU_DISCOVER: do not cut
                client.send(bytes(1452))
                with pytest.raises(OSError, match="Message too long"):
                    client.recv(1)
                assert client.getsockopt(socket.IPPROTO_IPV6, 24) == 1420  # IPV6_MTU
        finally:
            for host, device in (network.br_host, "inet"), (network.inet, "eth0"):
                host.ip(f"link set dev {device} mtu 1500")
            phone.run("ip", "-6", "route", "flush", "cache")

    def test_sources_in_the_prefix_are_dropped(self, nat64):
        network, phone = nat64
        spoofed = str(PREF64[1])
        phone.ip(f"addr add {spoofed}/128 dev lo")
        try:
            with udp6(phone) as client, network.br.one_more("drop_softwire_source"):
                client.bind((spoofed, 0))
                client.sendto(b"loop", (INTERNET6, 5000))
        finally:
            phone.ip(f"addr del {spoofed}/128 dev lo")
