# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real stacks over SA46T: two planes with the same private addresses, SA46T-PR, and SA46T-PT between both.

red  host_red  10.0.0.10 - west_red  \\                   / east_red  - peer_red  10.0.1.10
                                      west - core - east
blue host_blue 10.0.0.10 - west_blue /                   \\ east_blue - peer_blue 10.0.1.10

left 10.1.1.10 - fixed - fp_core - joint - pr_core - resolved - right 10.1.3.10
"""

from __future__ import annotations

import contextlib
import socket
import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from pathlib import Path
from typing import Any

import pytest
import traffic
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane, PlaneRoute
from ansible_collections.ipv4aas.fleet.engine.techniques.service import NodeConfiguration, Service
from conftest import SoftwareNode
from netns import Host, Net

pytestmark = pytest.mark.root

FIXED = IPv6Network("2001:db8:0:46::/64")
NETWORKS = {"west": IPv4Network("10.0.0.0/24"), "east": IPv4Network("10.0.1.0/24")}
PLANES = {"red": 1, "blue": 2}
NEAR, FAR = "10.0.0.10", "10.0.1.10"
PATH_MTU = 1400
TABLE = tuple(
    PlaneRoute(network, IPv6Network(f"2001:db8:0:{number}::/64"))
    for network, number in ((NETWORKS["west"], 101), (NETWORKS["east"], 102))
)


def in_plane(color: str, side: str, namespace: str, technique: str) -> Service:
    """The service of one plane on one side."""
    prefix = FIXED
    if technique == "sa46t-pr":
        prefix = next(route.prefix for route in TABLE if route.ipv4 == NETWORKS[side])
    return Service(
        name=color,
        technique=technique,
        role="edge",
        gateway_address=IPv6Address("::"),
        plane=Plane(prefix, PLANES[color]),
        plane_routes=TABLE if technique == "sa46t-pr" else (),
        inside=(NETWORKS[side],),
        namespace=namespace,
    )


@dataclass
class Planes:
    """Two nodes, with a namespace for each plane, and the hosts behind them."""

    near: dict[str, Host]
    far: dict[str, Host]
    west: SoftwareNode
    east: SoftwareNode
    core: Host

    def configure(self, technique: str) -> None:
        """All planes on both nodes."""
        for side, node in (("west", self.west), ("east", self.east)):
            services = tuple(
                in_plane(color, side, f"{node.host.name}_{color}", technique) for color in PLANES
            )
            node.ok("propose", feed=NodeConfiguration(node=side, services=services))
            node.ok("apply")

    def counters(self, side: str, color: str) -> dict[str, int]:
        """Counters of one plane on one node."""
        node = self.west if side == "west" else self.east
        return node.ok("status")["services"][color]["counters"]


def stub(net: Net, node: Host, side: str, color: str, host_address: str) -> Host:
    """The namespace of a plane on a node, and a host in its stub network."""
    router, host = net.hosts(f"{side}_{color}", f"{side}_{color}_host")
    net.cable(router, "stub", host, "eth0")
    gateway = str(NETWORKS[side][1])
    router.ip(f"addr add {gateway}/24 dev stub")
    host.ip(f"addr add {host_address}/24 dev eth0", f"route add default via {gateway}")
    return host


@pytest.fixture(scope="module")
def planes(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Planes]:
    """Nodes are started; tests configure the technique."""
    folder = tmp_path_factory.mktemp("planes")
    with Net("sa46t") as net:
        west, core, east = net.hosts("west", "core", "east")
        core.forward()
        for number, (node, side) in enumerate(((west, "west"), (east, "east")), 1):
            net.cable(node, "wan", core, side)
            node.ip(f"addr add 2001:db8:{number}::2/64 dev wan", f"route add ::/0 via 2001:db8:{number}::1")
            core.ip(f"addr add 2001:db8:{number}::1/64 dev {side}")
            routes = [Plane(FIXED, plane_id).route(NETWORKS[side]) for plane_id in PLANES.values()]
            routes += [route.prefix for route in TABLE if route.ipv4 == NETWORKS[side]]
            core.ip(*(f"route add {route} via 2001:db8:{number}::2" for route in routes))
        made = Planes(
            {color: stub(net, west, "west", color, NEAR) for color in PLANES},
            {color: stub(net, east, "east", color, FAR) for color in PLANES},
            SoftwareNode(west, program, folder / "west", in_plane("red", "west", "", "sa46t")),
            SoftwareNode(east, program, folder / "east", in_plane("red", "east", "", "sa46t")),
            core,
        )
        for node in (made.west, made.east):
            node.ok("start")
        yield made
        for node in (made.west, made.east):
            node.ok("stop")


@pytest.fixture(params=["sa46t", "sa46t-pr"])
def technique(request: pytest.FixtureRequest, planes: Planes) -> str:
    planes.configure(request.param)
    return request.param


def say(host: Host, to: str, what: bytes) -> None:
    with traffic.udp(host) as sock:
        sock.sendto(what, (to, 5000))


def transfer(sender: Host, receiver: Host, address: str, octets: int) -> bool:
    """Whether a TCP stream arrives as it was sent."""
    with (
        traffic.listen(receiver, address, 8000) as listener,
        sender.socket(socket.AF_INET, socket.SOCK_STREAM) as near,
    ):
        near.settimeout(traffic.PATIENCE)
        near.connect((address, 8000))
        far, _ = listener.accept()
        with far:
            return traffic.Transfer(near, far, octets).finish()


def test_planes_with_the_same_addresses_do_not_meet(planes: Planes, technique: str) -> None:
    with traffic.udp(planes.far["red"], FAR, 5000) as red, traffic.udp(planes.far["blue"], FAR, 5000) as blue:
        for color in PLANES:
            say(planes.near[color], FAR, color.encode())
        for sock, color in ((red, "red"), (blue, "blue")):
            assert sock.recvfrom(10)[0] == color.encode()
            sock.settimeout(0.2)
            with pytest.raises(TimeoutError):
                sock.recvfrom(10)
    for color in PLANES:
        assert planes.counters("east", color)["decapsulated"] >= 1


def test_ping_both_ways(planes: Planes, technique: str) -> None:
    for color in PLANES:
        assert traffic.ping(planes.near[color], FAR) == bytes(range(56))
        assert traffic.ping(planes.far[color], NEAR) == bytes(range(56))


@pytest.mark.parametrize("size", [1432, 1433, 4000])
def test_large_pings_are_cut_outside(planes: Planes, technique: str, size: int) -> None:
    answer = traffic.ping(planes.near["red"], FAR, size)
    assert answer is not None and len(answer) == size


@pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
def test_tcp(planes: Planes, technique: str, back: bool) -> None:
    near, far = planes.near["blue"], planes.far["blue"]
    assert transfer(*((far, near, NEAR) if back else (near, far, FAR)), 10_000_000)


def test_nobody_listens_is_said_by_the_other_host(planes: Planes, technique: str) -> None:
    with traffic.udp(planes.near["red"]) as sock:
        sock.connect((FAR, 9))
        sock.send(b"?")
        with pytest.raises(ConnectionRefusedError):
            sock.recv(10)


def test_a_network_that_is_nowhere(planes: Planes, technique: str) -> None:
    """FP: the IPv6 network says so; PR: the table has no entry."""
    with (
        planes.near["red"].socket(socket.AF_INET, socket.SOCK_RAW, socket.IPPROTO_ICMP) as errors,
        traffic.udp(planes.near["red"]) as sock,
    ):
        errors.settimeout(traffic.PATIENCE)
        sock.sendto(b"?", ("10.9.9.9", 5000))
        error = traffic.icmp_error(errors)
        assert (error.type, error.code) == ((3, 1) if technique == "sa46t" else (3, 0))
        assert error.source == str(NETWORKS["west"][1])


def test_a_spoofed_sender_is_dropped(planes: Planes, technique: str) -> None:
    packet = traffic.pieces(
        "10.0.0.99", FAR, traffic.datagram("10.0.0.99", FAR, 1, 2, b"x"), ident=1, size=512
    )
    before = planes.counters("east", "red").get("drop_spoofed_source", 0)
    prefix = FIXED if technique == "sa46t" else TABLE[0].prefix
    other = TABLE[1].prefix if technique == "sa46t-pr" else FIXED
    source, target = (str(IPv6Address(Plane(p, 1).base | int(IPv4Network(a)[0]))) for p, a in (
        (prefix, NEAR), (other, FAR)))  # fmt: skip
    planes.core.ip(f"addr add {source}/128 dev lo")
    try:
        with planes.core.socket(socket.AF_INET6, socket.SOCK_RAW, 4) as sock:
            sock.bind((source, 0))
            sock.sendto(packet[0], (target, 0))
        with traffic.udp(planes.far["red"], FAR, 2) as nobody:
            nobody.settimeout(0.5)
            with pytest.raises(TimeoutError):
                nobody.recv(10)
    finally:
        planes.core.ip(f"addr del {source}/128 dev lo")
    assert planes.counters("east", "red")["drop_spoofed_source"] == before + 1


class TestPathMtu:
    @pytest.fixture(autouse=True)
    def narrow(self, planes: Planes, technique: str) -> Iterator[None]:
        """The core's link to the east carries less than the nodes believe."""
        planes.core.ip(f"link set east mtu {PATH_MTU}")
        yield
        planes.core.ip("link set east mtu 1500")
        planes.configure("sa46t-pr" if technique == "sa46t" else "sa46t")  # nodes and hosts forget
        for host in planes.near.values():
            host.ip("route flush cache")

    def test_with_df_the_host_learns(self, planes: Planes) -> None:
        with traffic.udp(planes.near["red"]) as sock, traffic.udp(planes.far["red"], FAR, 5000) as server:
            traffic.do_not_fragment(sock)
            sock.connect((FAR, 5000))
            assert traffic.path_mtu(sock) == 1500
            deadline = time.monotonic() + traffic.PATIENCE
            # 1500: too big for the tunnel. 1460: too big for the core. 1360 fits.
            while traffic.path_mtu(sock) != PATH_MTU - 40 and time.monotonic() < deadline:
                with contextlib.suppress(OSError):
                    sock.send(bytes(traffic.path_mtu(sock) - 28))
                time.sleep(0.05)
            with contextlib.suppress(OSError):  # the last error, told once
                sock.recv(1, socket.MSG_DONTWAIT)
            sock.send(bytes(PATH_MTU - 68))
            assert len(server.recv(2000)) == PATH_MTU - 68
        assert planes.counters("west", "red")["path_mtu_lowered"] == 1

    def test_without_df_the_outside_is_cut_smaller(self, planes: Planes) -> None:
        with traffic.udp(planes.near["red"]) as sock, traffic.udp(planes.far["red"], FAR, 5000) as server:
            server.settimeout(1)
            for _ in range(3):  # the first one is the price
                sock.sendto(bytes(1400), (FAR, 5000))
                try:
                    assert len(server.recv(2000)) == 1400
                    break
                except TimeoutError:
                    continue
            else:
                pytest.fail("never arrived")
        assert planes.counters("west", "red")["path_mtu_lowered"] == 1

    def test_tcp_finds_its_way(self, planes: Planes) -> None:
        assert transfer(planes.near["blue"], planes.far["blue"], FAR, 3_000_000)


def eventually(question: Callable[[], bool]) -> bool:
    """Whether it comes true in time."""
    deadline = time.monotonic() + traffic.PATIENCE
    while not question() and time.monotonic() < deadline:
        time.sleep(0.1)
    return question()


def test_a_namespace_that_is_deleted_ends_only_its_plane(planes: Planes) -> None:
    planes.configure("sa46t")
    spare = f"{planes.west.host.name}_spare"
    services = (in_plane("red", "west", spare, "sa46t"),
                in_plane("blue", "west", f"{planes.west.host.name}_blue", "sa46t"))  # fmt: skip

    def status() -> dict[str, Any]:
        return planes.west.ok("status")

    try:
        subprocess.run(["ip", "netns", "add", spare], check=True)
        planes.west.ok("propose", feed=NodeConfiguration(node="west", services=services))
        planes.west.ok("apply")
        assert spare in status()["namespaces"]
        subprocess.run(["ip", "netns", "del", spare], check=True)
        assert eventually(lambda: "does not exist" in status().get("fault", ""))
        there = {name: view is not None for name, view in status()["namespaces"].items()}
        assert there == {f"{planes.west.host.name}_blue": True, spare: False}
        assert traffic.ping(planes.near["blue"], FAR) == bytes(range(56))
        subprocess.run(["ip", "netns", "add", spare], check=True)
        assert eventually(lambda: "fault" not in status() and status()["namespaces"][spare])
        links = subprocess.run(["ip", "-n", spare, "link"], check=True, capture_output=True, text=True).stdout
        assert "ipv4aas0" in links
    finally:
        planes.configure("sa46t")
        subprocess.run(["ip", "netns", "del", spare], check=False)


def test_one_namespace_that_does_not_exist_is_said(planes: Planes) -> None:
    service = in_plane("red", "west", "nowhere", "sa46t")
    planes.west.ok("propose", feed=NodeConfiguration(node="west", services=(service,)))
    _, error = planes.west.call("apply")
    assert error is not None and "ip netns add nowhere" in error


@dataclass
class Joined:
    """An FP and a PR domain, and the node that joins them."""

    left: Host
    right: Host
    joint: SoftwareNode
    fixed: SoftwareNode
    pr_core: Host


LEFT, RIGHT = "10.1.1.10", "10.1.3.10"
JOINT = IPv6Network("2001:db8:0:ff::/64")
RESOLVED = IPv6Network("2001:db8:0:3::/64")
JOINT_TABLE = (PlaneRoute(IPv4Network("10.1.3.0/24"), RESOLVED), PlaneRoute(IPv4Network("0.0.0.0/0"), JOINT))
PLANE_ID = 0x10001


@pytest.fixture(scope="module")
def joined(program: Path, tmp_path_factory: pytest.TempPathFactory) -> Iterator[Joined]:
    folder = tmp_path_factory.mktemp("joined")

    def service(technique: str, prefix: IPv6Network, **values: Any) -> Service:
        plane = Plane(prefix, PLANE_ID)
        common: dict[str, Any] = {"role": "edge", "gateway_address": JOINT[1]}
        return Service(name="plane", technique=technique, plane=plane, **(common | values))

    with Net("joined") as net:
        left, fixed, fp_core, joint, pr_core, resolved, right = net.hosts(
            "left", "fixed", "fp_core", "joint", "pr_core", "resolved", "right"
        )
        net.cable(left, "eth0", fixed, "stub")
        net.cable(fixed, "wan", fp_core, "fixed")
        net.cable(fp_core, "joint", joint, "fp")
        net.cable(joint, "pr", pr_core, "joint")
        net.cable(pr_core, "resolved", resolved, "wan")
        net.cable(resolved, "stub", right, "eth0")
        for core in (fp_core, pr_core):
            core.forward()
        for host, address, gateway in ((left, LEFT, "10.1.1.1"), (right, RIGHT, "10.1.3.1")):
            host.ip(f"addr add {address}/24 dev eth0", f"route add default via {gateway}")
        plane = Plane(FIXED, PLANE_ID)
        fixed.ip(
            "addr add 10.1.1.1/24 dev stub",
            "addr add 2001:db8:1::2/64 dev wan",
            "route add ::/0 via 2001:db8:1::1",
        )
        resolved.ip(
            "addr add 10.1.3.1/24 dev stub",
            "addr add 2001:db8:4::2/64 dev wan",
            "route add ::/0 via 2001:db8:4::1",
        )
        fp_core.ip(
            "addr add 2001:db8:1::1/64 dev fixed",
            "addr add 2001:db8:2::1/64 dev joint",
            f"route add {plane.route(IPv4Network('10.1.1.0/24'))} via 2001:db8:1::2",
            f"route add {plane.route(IPv4Network('10.1.3.0/24'))} via 2001:db8:2::2",
        )
        joint.ip(
            "addr add 2001:db8:2::2/64 dev fp",
            "addr add 2001:db8:3::1/64 dev pr",
            f"route add {plane.route(IPv4Network('10.1.1.0/24'))} via 2001:db8:2::1",
            f"route add {RESOLVED} via 2001:db8:3::2",
        )
        pr_core.ip(
            "addr add 2001:db8:3::2/64 dev joint",
            "addr add 2001:db8:4::1/64 dev resolved",
            f"route add {JOINT} via 2001:db8:3::1",
            f"route add {RESOLVED} via 2001:db8:4::2",
        )
        stubs = {fixed: "10.1.1.0/24", resolved: "10.1.3.0/24"}
        nodes = {
            fixed: service("sa46t", FIXED, inside=(IPv4Network(stubs[fixed]),)),
            resolved: service(
                "sa46t-pr", RESOLVED, inside=(IPv4Network(stubs[resolved]),), plane_routes=JOINT_TABLE
            ),
            joint: service(
                "sa46t-pt", FIXED, role="gateway", plane_routes=JOINT_TABLE, end_user_prefix=JOINT
            ),
        }
        made = {host: SoftwareNode(host, program, folder / host.name, own) for host, own in nodes.items()}
        for node in made.values():
            node.ok("start")
            node.configure()
        yield Joined(left, right, made[joint], made[fixed], pr_core)
        for node in made.values():
            node.ok("stop")


class TestTranslator:
    def test_ping_both_ways(self, joined: Joined) -> None:
        before = joined.joint.counters().get("prefix_rewritten", 0)
        assert traffic.ping(joined.left, RIGHT) == bytes(range(56))
        assert traffic.ping(joined.right, LEFT) == bytes(range(56))
        assert joined.joint.counters()["prefix_rewritten"] == before + 4

    @pytest.mark.parametrize("back", [False, True], ids=["there", "back"])
    def test_tcp(self, joined: Joined, back: bool) -> None:
        ends = (joined.right, joined.left, LEFT) if back else (joined.left, joined.right, RIGHT)
        assert transfer(*ends, 10_000_000)

    def test_pieces(self, joined: Joined) -> None:
        answer = traffic.ping(joined.left, RIGHT, 4000)
        assert answer is not None and len(answer) == 4000

    def test_path_mtu_of_the_other_domain(self, joined: Joined) -> None:
        joined.pr_core.ip(f"link set resolved mtu {PATH_MTU}")
        try:
            assert transfer(joined.left, joined.right, RIGHT, 1_000_000)
        finally:
            joined.pr_core.ip("link set resolved mtu 1500")
        assert joined.fixed.counters()["path_mtu_lowered"] == 1

    def test_nobody_listens_is_said_through_it(self, joined: Joined) -> None:
        with traffic.udp(joined.left) as sock:
            sock.connect((RIGHT, 9))
            sock.send(b"?")
            with pytest.raises(ConnectionRefusedError):
                sock.recv(10)
