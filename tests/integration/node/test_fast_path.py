# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The fast path of a running node: tiers and reasons, reloads, restarts, next hops, several services."""

from __future__ import annotations

import contextlib
import ctypes
import os
import signal
import socket
import struct
import threading
import time
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Network
from typing import Any

import pytest
import traffic
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.techniques.service import NodeConfiguration
from conftest import EDGE_SERVICE, GATEWAY_SERVICE, INTERNET, RULE, SHARED, Network, SoftwareNode, build
from ingress import KIND, programs_at
from netns import Net
from waiting import wait_until

pytestmark = pytest.mark.root

OWN = EDGE_SERVICE.customer
PORT = next(port for port in range(5000, 1 << 16) if port in OWN.ports)
SECOND_RULE = MapRule(IPv6Network("2001:3e8:7000::/56"), IPv4Network("203.0.113.0/30"), 8, 4)
SECOND = replace(
    GATEWAY_SERVICE,
    name="hall8",
    gateway_address=GATEWAY_SERVICE.gateway_address + 1,
    rules=(SECOND_RULE,),
)
_SOL_PACKET, _PACKET_STATISTICS = 263, 6
_SO_ATTACH_FILTER = 26
_AHEAD = 500  # packets that a flood has on the way at most: less than the queue of a device


class LastingNode(SoftwareNode):
    """In the mount namespace of the machine: bpffs outlives the process."""

    def command(self, *words: str) -> list[str]:
        """The command line in the host's network namespace."""
        enter = ["nsenter", f"--net=/run/netns/{self.host.name}"]
        return [*enter, "/usr/bin/python3", str(self.program), *self.arguments, *words]

    def again(self, *words: str) -> None:
        """Start it, with other words."""
        self.ok("start", *words)


@pytest.fixture
def network(program, tmp_path) -> Iterator[Network]:
    """One network for one test; the gateway outlives its namespaces nowhere."""
    with Net("fast") as net:
        made = build(net, program, tmp_path)
        made.br.ok("stop")
        # The same folders, started another way.
        made.br = LastingNode.__new__(LastingNode)
        made.br.__dict__.update(host=made.br_host, program=program, folder=tmp_path / "br")
        made.br.service = GATEWAY_SERVICE
        made.br.arguments = ["--state", f"{tmp_path}/br/state", "--socket", f"{tmp_path}/br/run/control.sock"]
        made.br.again()
        yield made
        made.br.call("stop")


@pytest.fixture
def lasting_edge(network) -> Iterator[Network]:
    """The edge outlives its process, too."""
    network.ce.ok("stop")
    edge = LastingNode.__new__(LastingNode)
    edge.__dict__.update(network.ce.__dict__)
    network.ce = edge
    edge.again()
    yield network
    edge.call("stop")


def answers(network: Network, patience: float = traffic.PATIENCE) -> bool:
    """Whether a packet of the customer goes out and its answer comes back."""
    return traffic.answered(network.lan, network.inet, INTERNET, patience)


def silent(network: Network) -> bool:
    """Whether no answer comes."""
    return not answers(network, traffic.BRIEFLY)


def fast(network: Network) -> dict[str, Any]:
    """What the gateway says of its fast path."""
    found: dict[str, Any] = network.br.ok("status")["fast_path"]
    return found


def carried(network: Network, name: str = "hall7") -> int:
    """Packets that the programs of a service took."""
    return int(fast(network)["services"][name].get("packets", 0))


def goes_fast(network: Network, patience: float = traffic.PATIENCE) -> bool:
    """Whether packet and answer go by the programs."""
    before = carried(network)
    return answers(network, patience) and carried(network) >= before + 2


def soon_goes_fast(network: Network) -> bool:
    """The same for a moment at which a packet may still be lost."""
    return goes_fast(network, traffic.BRIEFLY)


def kill(node: SoftwareNode) -> None:
    """kill -9, and wait until it is gone."""
    pid = node.pid()
    os.kill(pid, signal.SIGKILL)
    wait_until(lambda: not os.path.exists(f"/proc/{pid}"))


class Flood:
    """UDP to the customer from the internet, as fast as it gets through, and what of it the backbone sees."""

    def __init__(self, network: Network, destination: int, offset: int = 14) -> None:
        self._sender = traffic.udp(network.inet)
        self._capture = network.core.inside(lambda: _capture("br", destination, offset))
        self.sent, self._seen, self._going = 0, 0, True
        self._thread = threading.Thread(target=self._send)
        self._thread.start()

    def _send(self) -> None:
        deadline = time.monotonic() + 60
        while self._going and time.monotonic() < deadline:
            # Else it is the kernel's queues that lose packets, where the machine is busy.
            if self.sent - self._seen >= _AHEAD and self._look() >= _AHEAD:
                time.sleep(0.001)
                continue
            self._sender.sendto(b"flood", (SHARED, PORT))
            self.sent += 1

    def _look(self) -> int:
        """Packets that are on their way, or lost."""
        figures = self._capture.getsockopt(_SOL_PACKET, _PACKET_STATISTICS, 8)
        self._seen += struct.unpack("II", figures)[0]  # since the last look, with those it had no room for
        return self.sent - self._seen

    def finish(self) -> tuple[int, int]:
        """Packets sent, and packets seen on their way to the customer."""
        self._going = False
        self._thread.join()
        deadline = time.monotonic() + traffic.PATIENCE
        while self._look() and time.monotonic() < deadline:
            time.sleep(0.1)
        self._capture.close()
        self._sender.close()
        return self.sent, self._seen


def _capture(device: str, destination: int, offset: int) -> socket.socket:
    """Counts IPv4-in-IPv6 packets to one address, in the kernel."""
    words = struct.unpack("!IIII", destination.to_bytes(16, "big"))
    code = [(0x30, 0, 0, offset + 6), (0x15, 0, 9, 4)]  # ldb next header, jeq IPv4
    for n, word in enumerate(words):
        code += [(0x20, 0, 0, offset + 24 + 4 * n), (0x15, 0, 7 - 2 * n, word)]  # ld, jeq
    code += [(0x06, 0, 0, 64), (0x06, 0, 0, 0)]
    program = b"".join(struct.pack("HBBI", *line) for line in code)
    kept = ctypes.create_string_buffer(program)
    made = socket.socket(socket.AF_PACKET, socket.SOCK_RAW, 0)
    described = struct.pack("HxxxxxxP", len(code), ctypes.addressof(kept))
    made.setsockopt(socket.SOL_SOCKET, _SO_ATTACH_FILTER, described)
    made.bind((device, 0x86DD))
    return made


class TestTiers:
    def test_tc_by_itself(self, network):
        status = network.br.ok("status")
        assert status["tier"] == "tc"
        assert status["fast_path"]["devices"] == {
            name: {"tier": "tc", "hook": KIND, "why": ""} for name in ("wan", "inet")
        }
        assert status["fast_path"]["survives_restart"]
        assert goes_fast(network)

    def test_switched_off(self, network):
        network.br.ok("stop")
        network.br.again("--fast-path", "off")
        status = network.br.ok("status")
        assert (status["tier"], status["fast_path"]["why"]) == ("tun", "switched off")
        assert answers(network)
        assert "switched off" in network.br.log()

    def test_service_that_is_left_to_the_core(self, network):
        elsewhere = replace(SECOND, namespace=network.inet.name)
        services = (GATEWAY_SERVICE, elsewhere)
        network.br.ok("propose", feed=NodeConfiguration(node="br", services=services))
        network.br.ok("apply")
        found = fast(network)["services"]
        assert found["hall8"]["tier"] == "tun"
        assert f"network namespace {network.inet.name}" in found["hall8"]["why"]
        assert f"hall8 is not on the fast path: {found['hall8']['why']}" in network.br.log()
        assert goes_fast(network)

    def test_configuration_that_cannot_run_changes_nothing(self, network):
        gone = replace(SECOND, namespace="gone")
        network.br.ok("propose", feed=NodeConfiguration(node="br", services=(gone,)))
        _, error = network.br.call("apply")
        assert "gone does not exist" in error
        assert goes_fast(network)

    def test_without_rights(self, network):
        """Those of networks are enough for the core."""
        network.br.ok("stop")
        words = network.br.command("start")
        words[2:2] = ["capsh", "--drop=cap_bpf,cap_sys_admin,cap_perfmon", "--", "-c", 'exec "$0" "$@"']
        import subprocess

        subprocess.run(words, check=True, capture_output=True, timeout=60)
        found = fast(network)
        assert found["services"]["hall7"]["tier"] == "tun"
        assert "no right to load BPF programs" in found["services"]["hall7"]["why"]
        assert answers(network)

    def test_devices_come_and_go(self, network):
        network.br_host.ip("link add extra type veth peer name peer", "link set extra up", "link set peer up")
        wait_until(lambda: {"extra", "peer"} < fast(network)["devices"].keys())
        network.br_host.ip("link set peer down")
        wait_until(lambda: "peer" not in fast(network)["devices"])
        network.br_host.ip("link del extra")
        wait_until(lambda: fast(network)["devices"].keys() == {"wan", "inet"})
        assert goes_fast(network)

    def test_port_of_a_bridge_is_the_bridges(self, network):
        network.br_host.ip("link add extra type veth peer name peer", "link set extra up", "link set peer up")
        wait_until(lambda: "extra" in fast(network)["devices"])
        network.br_host.ip(
            "link add bridge type bridge", "link set bridge up", "link set extra master bridge"
        )
        wait_until(lambda: fast(network)["devices"].keys() == {"wan", "inet", "peer", "bridge"})

    def test_nothing_is_left_after_a_stop(self, network):
        network.br.ok("stop")
        assert attached(network) == []


class TestXdp:
    def test_refused_where_checksums_are_left_to_hardware(self, network):
        network.br.ok("stop")
        network.br.again("--fast-path", "xdp")
        found = fast(network)
        peer = f"ethtool -K eth0 tx off gro on (its peer, of namespace {network.inet.name})"
        assert peer in found["devices"]["inet"]["why"]
        assert found["devices"]["inet"]["tier"] == "tc"
        near, far, _ = network.connected()
        assert traffic.Transfer(near, far, 1_000_000).finish()

    def test_with_complete_checksums(self, network):
        for host, device in network.cables():
            host.offloads(device, False)
            host.gro(device, True)
        network.br.ok("stop")
        network.br.again("--fast-path", "xdp")
        found = fast(network)
        assert {device["tier"] for device in found["devices"].values()} == {"xdp"}
        assert network.br.ok("status")["tier"] == "xdp"
        assert goes_fast(network)
        near, far, _ = network.connected()
        assert traffic.Transfer(near, far, 1_000_000).finish()
        assert traffic.ping(network.lan, INTERNET, 3000) is not None  # in pieces, by the core
        network.br.configure(rules=(RULE, SECOND_RULE))
        assert goes_fast(network)
        network.br.ok("stop")
        assert attached(network) == []


class TestReload:
    def test_under_a_flood(self, network):
        """Every packet arrives, and at the right customer."""
        before = carried(network)
        flood = Flood(network, int(OWN.address))
        for number in range(10):
            network.br.configure(
                rules=(RULE, SECOND_RULE) if number % 2 else (RULE,), mss_clamp=1300 + number
            )
        sent, seen = flood.finish()
        assert sent == seen > 10_000
        counters = network.br.counters()
        assert not [name for name in counters if name.startswith("drop_")]
        assert carried(network) - before > sent * 0.99

    def test_counters_never_go_back(self, network):
        assert goes_fast(network)
        before = network.br.counters()
        network.br.configure(mss_clamp=1300)
        assert network.br.counters() == before
        network.br.ok("propose", feed=NodeConfiguration(node="br", services=()))
        network.br.ok("apply")
        after = network.br.counters()
        assert {name: after[name] for name in before} == before


class TestRestart:
    def test_killed(self, network):
        flood = Flood(network, int(OWN.address))
        kill(network.br)
        time.sleep(1)
        network.br.again()
        assert attached(network) == ["inet", "wan"]
        sent, seen = flood.finish()
        assert sent == seen > 10_000
        wait_until(lambda: soon_goes_fast(network))

    def test_kept_on_request(self, network):
        flood = Flood(network, int(OWN.address))
        network.br.ok("stop", "--keep-forwarding")
        time.sleep(1)
        network.br.again("--keep-forwarding")
        pid = network.br.pid()
        os.kill(pid, signal.SIGTERM)
        wait_until(lambda: not os.path.exists(f"/proc/{pid}"))
        assert attached(network) == ["inet", "wan"]
        network.br.again()
        sent, seen = flood.finish()
        assert sent == seen > 10_000
        network.br.ok("stop")
        assert attached(network) == []

    def test_counters_go_on(self, network):
        assert goes_fast(network)
        before = carried(network)
        kill(network.br)
        assert answers(network)
        network.br.again()
        assert carried(network) == before + 2

    @pytest.mark.parametrize("words", [(), ("stop", "--keep-forwarding")], ids=["killed", "upgrade"])
    def test_sessions_go_on(self, lasting_edge, words):
        """Those of the edge's NAPT: the same outside port before, meanwhile and afterwards."""
        network = lasting_edge
        near, far, peer = network.connected()
        transfer = traffic.Transfer(near, far)
        if words:
            network.ce.ok(*words)
        else:
            kill(network.ce)
        received = transfer.received
        wait_until(lambda: transfer.received > received + 1_000_000)
        received = transfer.received
        network.ce.again()
        wait_until(lambda: transfer.received > received + 1_000_000)
        assert transfer.stop()
        far.close()
        sessions = network.ce.ok("sessions")["sessions"]
        assert f"{peer[0]}:{peer[1]}" in {session["outside"] for session in sessions}

    def test_without_a_daemon_the_kernel_finds_the_way(self, network):
        """What the programs know of next hops is believed no longer than some seconds."""
        assert goes_fast(network)
        kill(network.br)
        time.sleep(6)
        network.inet.ip("link set eth0 down", "link set eth0 address 02:00:00:00:00:77", "link set eth0 up")
        network.inet.ip("route add default via 198.51.100.1")
        network.br_host.ip("neigh flush dev inet")
        assert answers(network)

    def test_stop_of_a_killed_node_takes_all_back(self, network):
        kill(network.br)
        assert attached(network) == ["inet", "wan"]
        assert network.br.ok("stop") == {"stopped": False}
        assert attached(network) == []

    def test_switched_off_after_a_kill(self, network):
        kill(network.br)
        network.br.again("--fast-path", "off")
        assert attached(network) == []
        assert answers(network)


def attached(network: Network) -> list[str]:
    """Devices of the gateway that have programs at their ingress."""
    return [name for name in ("inet", "wan") if programs_at(network.br_host, name)]


class TestNextHops:
    def test_another_mac_address(self, network):
        assert goes_fast(network)
        mac = network.inet.run("cat", "/sys/class/net/eth0/address").stdout.strip()
        network.br_host.ip(f"neigh replace {INTERNET} lladdr 02:00:00:00:00:99 dev inet nud permanent")
        wait_until(lambda: silent(network))
        network.br_host.ip(f"neigh replace {INTERNET} lladdr {mac} dev inet nud permanent")
        wait_until(lambda: soon_goes_fast(network))

    def test_neighbour_that_is_forgotten_is_found_by_the_kernel(self, network):
        assert goes_fast(network)
        network.br_host.ip(f"neigh del {INTERNET} dev inet")
        assert answers(network)
        wait_until(lambda: soon_goes_fast(network))

    def test_stale_neighbour_is_probed(self, network):
        """The kernel sees none of the packets that would have it ask."""
        assert goes_fast(network)
        mac = network.inet.run("cat", "/sys/class/net/eth0/address").stdout.strip()
        network.br_host.ip(f"neigh replace {INTERNET} lladdr {mac} dev inet nud stale")

        def state() -> str:
            return network.br_host.run("ip", "neigh", "show", INTERNET).stdout.split()[-1]

        wait_until(lambda: state() in ("REACHABLE", "DELAY", "PROBE"))
        wait_until(lambda: state() == "REACHABLE")
        assert goes_fast(network)

    def test_dead_neighbour_is_noticed(self, network):
        """It is the kernel's affair again, and the next one that is found is used."""
        assert goes_fast(network)
        network.br_host.ip(f"neigh replace {INTERNET} lladdr 02:00:00:00:00:99 dev inet nud stale")
        wait_until(lambda: answers(network, traffic.BRIEFLY), 90)

    def test_route_into_nothing_and_back(self, network):
        assert goes_fast(network)
        network.br_host.ip(f"route add unreachable {OWN.end_user_prefix}")
        wait_until(lambda: silent(network))
        network.br_host.ip(f"route del unreachable {OWN.end_user_prefix}")
        wait_until(lambda: soon_goes_fast(network))

    def test_device_goes_down_and_up(self, network):
        assert goes_fast(network)
        network.br_host.ip("link set inet down")
        wait_until(lambda: silent(network))
        network.br_host.ip("link set inet up")
        wait_until(lambda: soon_goes_fast(network))

    def test_routing_rules_are_the_kernels(self, network):
        network.br_host.ip("rule add from 192.0.2.0/24 lookup 100")
        wait_until(lambda: "routing rules" in fast(network)["kernel_routes"])
        assert goes_fast(network)  # the program still translates
        network.br_host.ip("rule del from 192.0.2.0/24 lookup 100")
        wait_until(lambda: fast(network)["kernel_routes"] == "")

    def test_own_address_in_the_networks_of_a_service(self, network):
        network.br_host.ip(f"addr add {SHARED}/32 dev lo")
        wait_until(lambda: fast(network)["services"]["hall7"]["tier"] == "tun")
        assert "addresses or routes of its own" in fast(network)["services"]["hall7"]["why"]
        network.br_host.ip(f"addr del {SHARED}/32 dev lo")
        wait_until(lambda: soon_goes_fast(network))


class TestStrictSources:
    def test_the_kernel_is_not_given_what_it_would_drop(self, network):
        """With rp_filter = 1 a customer's address comes in by the wrong device, for the kernel."""
        network.br.ok("stop")
        for name in ("all", "wan", "inet"):
            network.br_host.sysctl(**{f"net__ipv4__conf__{name}__rp_filter": 1})
        network.br_host.ip("rule add from 192.0.2.0/24 lookup 100")  # no next hops
        network.br.again()
        with network.br.one_more("punt_no_route"):
            assert answers(network)
        network.br_host.ip("rule del from 192.0.2.0/24 lookup 100")
        wait_until(lambda: soon_goes_fast(network))


class TestSeveral:
    def test_each_packet_is_its_services(self, network):
        network.br.ok("propose", feed=NodeConfiguration(node="br", services=(SECOND, GATEWAY_SERVICE)))
        network.br.ok("apply")
        assert goes_fast(network)
        port = next(p for p in range(1 << 12, 1 << 16) if p)
        with traffic.udp(network.inet) as sock:
            sock.sendto(b"x", ("203.0.113.1", port))
        wait_until(lambda: carried(network, "hall8") == 1)
        network.br.configure()
        assert fast(network)["services"].keys() == {"hall7"}
        assert goes_fast(network)

    def test_a_flood_while_services_come_and_go(self, network):
        flood = Flood(network, int(OWN.address))
        for services in ((SECOND, GATEWAY_SERVICE), (GATEWAY_SERVICE,), (GATEWAY_SERVICE, SECOND)) * 2:
            network.br.ok("propose", feed=NodeConfiguration(node="br", services=services))
            network.br.ok("apply")
        sent, seen = flood.finish()
        assert sent == seen > 10_000
        with contextlib.suppress(AssertionError):
            network.br.configure()
