# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real TCP and UDP across two nodes of a plane on tc: super-packets stay whole, or are cut right behind them.

here (10.1.0.1) - left - right - there (10.2.0.1): no node runs, so what the programs leave is lost.
"""

from __future__ import annotations

import socket
import struct
import time
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from ipaddress import IPv4Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, ServiceProgram
from ingress import attach, needs_one_step
from netns import Host, Net
from technique_samples import SA46T
from traffic import PATIENCE, Transfer, listen, udp

PLANE = "2001:db8:4600::7:"
HERE, THERE = "10.1.0.1", "10.2.0.1"
OCTETS = 8 << 20
_UDP_SEGMENT = 103  # linux/udp.h
_RECEIVE_BUFFER = 33  # SO_RCVBUFFORCE (asm-generic/socket.h)

pytestmark = pytest.mark.root


@dataclass
class World:
    """Hosts and what runs between them."""

    here: Host
    there: Host
    left: ServiceProgram
    right: ServiceProgram


@pytest.fixture(params=["whole", "cut"])
def wire(request: pytest.FixtureRequest) -> bool:
    """Whether the last device has no offloads: the kernel cuts what the program made."""
    return request.param == "cut"


@pytest.fixture(params=["one step", "two steps"])
def world(request: pytest.FixtureRequest, wire: bool) -> Iterator[World]:
    if request.param == "one step":
        needs_one_step()
    with ExitStack() as stack:
        net = stack.enter_context(Net("super"))
        here, left, right, there = net.hosts("here", "left", "right", "there")
        net.cable(here, "up", left, "stub")
        net.cable(left, "plane", right, "plane", mtu=1540)
        net.cable(right, "stub", there, "up")
        programs = []
        for number, host, node in ((1, here, left), (2, there, right)):
            own, other = f"10.{number}.0", 3 - number
            host.ip(f"addr add {own}.1/24 dev up", f"route add default via {own}.254")
            node.ip(
                f"addr add {own}.254/24 dev stub",
                f"addr add 2001:db8:fffd::{number}/64 dev plane",
                f"route add {PLANE}10.{other}.0.0/112 via 2001:db8:fffd::{other}",
            )
            node.forward()
            service = replace(SA46T, inside=(IPv4Network(f"10.{number}.0.0/16"),), ipv6_mtu=1540, mss_clamp=0)
            program = ServiceProgram(
                service, TC, redirect=False, old_decapsulation=request.param == "two steps"
            )
            stack.callback(program.close)
            for device in ("stub", "plane"):
                attach(stack, node, device, program.program)
            programs.append(program)
        if wire:
            right.offloads("stub", False)
        yield World(here, there, *programs)


def test_tcp(world: World, wire: bool) -> None:
    with (
        listen(world.there, THERE, 5001) as door,
        world.here.socket(socket.AF_INET, socket.SOCK_STREAM) as sock,
    ):
        sock.settimeout(PATIENCE)
        sock.connect((THERE, 5001))
        with door.accept()[0] as far:
            assert Transfer(sock, far, OCTETS).finish()
    packets, octets = world.right.counters()["decapsulated"]
    assert octets > OCTETS and octets / packets > 3000, "they came as super-packets"


def test_nothing_but_headers_is_pulled(world: World, wire: bool) -> None:
    """A receiver joins packets only where no payload is beside the headers."""
    with (
        listen(world.there, THERE, 5001) as door,
        world.here.socket(socket.AF_INET, socket.SOCK_STREAM) as sock,
    ):
        door.setsockopt(socket.SOL_SOCKET, _RECEIVE_BUFFER, OCTETS)
        sock.settimeout(PATIENCE)
        sock.connect((THERE, 5001))
        with door.accept()[0]:  # nobody reads: all of it waits in one queue
            sock.sendall(bytes(OCTETS // 8))
            deadline = time.monotonic() + PATIENCE
            while (count := joined(world.there)) < 2 and time.monotonic() < deadline:
                time.sleep(0.05)
            assert count > 1


def joined(host: Host) -> int:
    """Packets of TCP that a host put to the one before."""
    names, values = (
        line.split() for line in host.run("grep", "^TcpExt:", "/proc/net/netstat").stdout.splitlines()
    )
    return int(values[names.index("TCPRcvCoalesce")])


def test_udp(world: World, wire: bool) -> None:
    with udp(world.there, THERE, 5002) as far, udp(world.here) as near:
        near.connect((THERE, 5002))
        near.setsockopt(socket.SOL_UDP, _UDP_SEGMENT, 1000)
        parts = [struct.pack("!I", n) * 250 for n in range(5)]
        near.send(b"".join(parts))
        assert [far.recv(2000) for _ in parts] == parts
    assert world.right.counters()["decapsulated"][0] == 1
