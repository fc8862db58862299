# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real TCP, UDP and pings through an edge with a port set and its gateway on tc, whole and cut.

here (192.168.1.5) - edge - gateway - there (198.51.100.7): no node runs, so what the programs leave is lost.
"""

from __future__ import annotations

import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.edge import static_bindings
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, ServiceProgram
from ansible_collections.ipv4aas.fleet.engine.node.fast.sessions import KernelSessions
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, GATEWAY, Service
from ingress import attach
from netns import Host, Net
from technique_samples import DMR, MAP_PREFIX, SERVICES
from test_translated_streams import errors, next_hop
from traffic import PATIENCE, Transfer, do_not_fragment, listen, ping, udp
from unit.packet.packetkit import OWN4

HERE, THERE = "192.168.1.5", "198.51.100.7"
OCTETS = 8 << 20
MTU = 1540  # of the domain
_UDP_SEGMENT = 103  # linux/udp.h

pytestmark = pytest.mark.root


@dataclass
class World:
    """Hosts and what runs between them."""

    here: Host
    there: Host
    edge: ServiceProgram
    gateway: ServiceProgram

    def faultless(self) -> bool:
        """Nothing was left to a core that is not there, nothing was damaged."""
        programs, hosts = (self.edge, self.gateway), (self.here, self.there)
        assert not [(n, c) for p in programs for n, c in p.counters().items() if n.startswith("punt")]
        assert not any(any(errors(host).values()) for host in hosts)
        return True


@pytest.fixture(params=["whole", "cut"])
def cut(request: pytest.FixtureRequest) -> bool:
    """Whether the nodes have no offloads: the kernel cuts and sums up what the programs made."""
    return request.param == "cut"


@pytest.fixture(params=["map-e", "map-t", "lw4o6"])
def technique(request: pytest.FixtureRequest) -> str:
    return str(request.param)


@pytest.fixture(params=["redirect", "stack"])
def world(request: pytest.FixtureRequest, technique: str, cut: bool) -> Iterator[World]:
    redirect = request.param == "redirect"
    edge, gateway = (
        replace(SERVICES[technique, role], ipv6_mtu=MTU, mss_clamp=0) for role in (EDGE, GATEWAY)
    )
    with ExitStack() as stack:
        net = stack.enter_context(Net("edge"))
        here, left, right, there = net.hosts("here", "left", "right", "there")
        net.cable(here, "up", left, "native")
        net.cable(left, "domain", right, "domain", mtu=MTU)
        net.cable(right, "native", there, "up")
        here.ip(f"addr add {HERE}/24 dev up", "route add default via 192.168.1.1")
        there.ip(f"addr add {THERE}/24 dev up", "route add default via 198.51.100.1")
        left.ip(
            "addr add 192.168.1.1/24 dev native",
            "addr add 2001:db8:fffd::1/64 dev domain",
            *(f"route add {to} via 2001:db8:fffd::2" for to in (DMR, edge.gateway_address)),
        )
        right.ip(
            "addr add 198.51.100.1/24 dev native",
            "addr add 2001:db8:fffd::2/64 dev domain",
            f"route add {MAP_PREFIX} via 2001:db8:fffd::1",
        )
        programs = []
        for node, other, host, service in ((left, right, here, edge), (right, left, there, gateway)):
            node.forward()
            program = attached(stack, node, service, redirect)
            if redirect:
                next_hop(program, 4, node, "native", host, "up")
                next_hop(program, 6, node, "domain", other, "domain", MTU)
            if cut:
                for device in ("native", "domain"):
                    node.offloads(device, False)
            programs.append(program)
        yield World(here, there, *programs)


def attached(stack: ExitStack, node: Host, service: Service, redirect: bool) -> ServiceProgram:
    """A program at both devices of a node."""
    sessions = None
    if service.role == EDGE:
        sessions = KernelSessions(service, limit=1000, static=static_bindings(service))
        stack.callback(sessions.close)
    program = ServiceProgram(service, TC, redirect=redirect, sessions=sessions)
    stack.callback(program.close)
    for device in ("native", "domain"):
        attach(stack, node, device, program.program)
    return program


def check_tcp(world: World, *, back: bool) -> None:
    with (
        listen(world.there, THERE, 5001) as door,
        world.here.socket(socket.AF_INET, socket.SOCK_STREAM) as near,
    ):
        near.settimeout(PATIENCE)
        near.connect((THERE, 5001))
        far, (address, port) = door.accept()
        with far:
            assert address == OWN4 and port in SERVICES["map-e", EDGE].customer.ports
            ends = (far, near) if back else (near, far)
            assert Transfer(*ends, OCTETS).finish()
    first = world.gateway if back else world.edge
    packets, octets = first.counters()["encapsulated"]
    assert octets > OCTETS and octets / packets > 2000, "they came as super-packets"


def check_udp(world: World, size: int) -> None:
    parts = [struct.pack("!I", n) * (size // 4) for n in range(5)]
    with udp(world.there, THERE, 5002) as far, udp(world.here, HERE, 5003) as near:
        near.connect((THERE, 5002))
        for sock in (near, far):
            if size > 1200:  # without DF a translator would cut it
                do_not_fragment(sock)
            sock.setsockopt(socket.SOL_UDP, _UDP_SEGMENT, size)
        near.send(b"".join(parts))
        got = [far.recvfrom(2000) for _ in parts]
        assert [data for data, _ in got] == parts
        assert {address for _, (address, _) in got} == {OWN4}
        far.connect(got[0][1])
        far.send(b"".join(parts))
        assert [near.recv(2000) for _ in parts] == parts


def check_port_forward(world: World) -> None:
    with listen(world.here, HERE, 80) as door, world.there.socket(socket.AF_INET, socket.SOCK_STREAM) as far:
        far.settimeout(PATIENCE)
        far.connect((OWN4, 1234))
        near, (address, _) = door.accept()
        with near:
            assert address == THERE
            assert Transfer(far, near, OCTETS // 8).finish()


def test_streams(world: World) -> None:
    for back in (False, True):
        check_tcp(world, back=back)
    for size in (8, 1000, 1400):
        check_udp(world, size)
    for size in (1, 1200):
        assert ping(world.here, THERE, size) is not None
    check_port_forward(world)
    assert world.faultless()
