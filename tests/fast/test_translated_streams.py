# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real TCP, UDP and pings through two translators: on tc super-packets and unfinished checksums stay right.

here (192.0.2.10) - CLAT - MAP-T gateway - there (198.51.100.7): no node runs, so what the programs leave is
lost. A MAP address of draft-03 without a PSID is an address of RFC 6052 in a /64: so the two fit together.
"""

from __future__ import annotations

import errno
import socket
import struct
from collections.abc import Iterator
from contextlib import ExitStack
from dataclasses import dataclass, replace
from ipaddress import IPv4Network, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.iid import DRAFT03
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.node.fast.attach import TC_KINDS, XDP_KINDS
from ansible_collections.ipv4aas.fleet.engine.node.fast.program import TC, XDP, ServiceProgram
from ansible_collections.ipv4aas.fleet.engine.techniques.service import EDGE, Service
from ingress import attach
from netns import Host, Net
from technique_samples import DMR, MAP_T, XLAT464
from traffic import PATIENCE, Transfer, do_not_fragment, listen, ping, udp

HERE, THERE = "192.0.2.10", "198.51.100.7"
CUSTOMER, NETWORK = IPv6Network("2001:db8:1:2::/64"), IPv4Network("192.0.2.0/24")
OCTETS = 16 << 20
MTU = 1520  # of the domain: what 1500 octets of IPv4 become
_UDP_SEGMENT = 103  # linux/udp.h

pytestmark = pytest.mark.root

GATEWAY_SERVICE = replace(
    MAP_T,
    rules=(MapRule(CUSTOMER, NETWORK, 0),),
    interface_identifier=DRAFT03,
    strict_iid=True,
    ipv6_mtu=MTU,
    mss_clamp=0,
)
CLAT_SERVICE = replace(
    XLAT464,
    role=EDGE,
    pool=None,
    translation_prefix=DMR,
    end_user_prefix=CUSTOMER,
    inside=(NETWORK,),
    ipv6_mtu=MTU,
    mss_clamp=0,
)


@dataclass
class World:
    """Hosts and what runs between them."""

    here: Host
    there: Host
    clat: ServiceProgram
    gateway: ServiceProgram

    def punts(self) -> dict[str, tuple[int, int]]:
        """What the programs left to a core that is not there."""
        programs = self.clat, self.gateway
        return {name: n for p in programs for name, n in p.counters().items() if name.startswith("punt")}

    def wrong(self) -> dict[str, int]:
        """Packets that a host found to be damaged."""
        return {name: n for host in (self.here, self.there) for name, n in errors(host).items() if n}


def errors(host: Host) -> dict[str, int]:
    """What /proc/net/snmp of a host says of checksums."""
    lines = [line.split() for line in host.run("cat", "/proc/net/snmp").stdout.splitlines()]
    rows = (
        (kind, name, int(value))
        for (kind, *names), (_, *values) in zip(lines[::2], lines[1::2], strict=True)
        for name, value in zip(names, values, strict=True)
    )
    return {kind + name: n for kind, name, n in rows if name.endswith(("CsumErrors", "InHdrErrors"))}


def mac(host: Host, device: str) -> bytes:
    return bytes.fromhex(host.run("cat", f"/sys/class/net/{device}/address").stdout.strip().replace(":", ""))


# Hook, whether the programs send by themselves, and whether the nodes have no offloads: then the kernel cuts
# and sums up what the programs made. A driver has no super-packets, and all its checksums are complete.
WORLDS = {
    "tc": (TC, True, False),
    "tc, cut": (TC, True, True),
    "tc to the stack": (TC, False, False),
    "tc to the stack, cut": (TC, False, True),
    "xdp": (XDP, True, True),
}


@pytest.fixture(params=WORLDS)
def world(request: pytest.FixtureRequest) -> Iterator[World]:
    hook, redirect, cut = WORLDS[request.param]
    with ExitStack() as stack:
        net = stack.enter_context(Net("xlat"))
        here, left, right, there = net.hosts("here", "left", "right", "there")
        net.cable(here, "up", left, "native")
        net.cable(left, "domain", right, "domain", mtu=MTU)
        net.cable(right, "native", there, "up")
        if cut:
            for node in (left, right):
                for device in ("native", "domain"):
                    node.offloads(device, False, receive=hook == XDP)
        if hook == XDP:
            for host in (here, there):
                host.offloads("up", False, receive=True)
        for host, address, router in ((here, HERE, "192.0.2.1"), (there, THERE, "198.51.100.1")):
            host.ip(f"addr add {address}/24 dev up", f"route add default via {router}")
        left.ip(
            "addr add 192.0.2.1/24 dev native",
            "addr add 2001:db8:fffd::1/64 dev domain",
            f"route add {DMR} via 2001:db8:fffd::2",
        )
        right.ip(
            "addr add 198.51.100.1/24 dev native",
            "addr add 2001:db8:fffd::2/64 dev domain",
            f"route add {CUSTOMER} via 2001:db8:fffd::1",
        )
        programs = []
        for node, other, host, service in (
            (left, right, here, CLAT_SERVICE),
            (right, left, there, GATEWAY_SERVICE),
        ):
            node.forward()
            program = attached(stack, node, service, hook, redirect)
            if redirect:
                next_hop(program, 4, node, "native", host, "up")
                next_hop(program, 6, node, "domain", other, "domain")
            programs.append(program)
        yield World(here, there, *programs)


def attached(stack: ExitStack, node: Host, service: Service, hook: str, redirect: bool) -> ServiceProgram:
    """A program at both devices of a node."""
    program = ServiceProgram(service, hook, redirect=redirect)
    stack.callback(program.close)
    for device in ("native", "domain"):
        attach(stack, node, device, program.program, XDP_KINDS if hook == XDP else TC_KINDS)
    return program


def next_hop(
    program: ServiceProgram, version: int, node: Host, device: str, peer: Host, far: str, mtu6: int = MTU
) -> None:
    """All packets of a version go to one neighbour."""
    key = program.layouts.struct(f"route{version}").pack(length=0, address=0)
    program.maps[f"routes{version}"][key] = program.layouts.struct("next_hop").pack(
        device=node.inside(lambda: socket.if_nametoindex(device)),
        mtu=mtu6 if version == 6 else 1500,
        destination=mac(peer, far),
        source=mac(node, device),
    )


@pytest.mark.parametrize("back", [False, True], ids=["up", "down"])
def test_tcp(world: World, back: bool) -> None:
    with (
        listen(world.there, THERE, 5001) as door,
        world.here.socket(socket.AF_INET, socket.SOCK_STREAM) as near,
    ):
        near.settimeout(PATIENCE)
        near.connect((THERE, 5001))
        with door.accept()[0] as far:
            ends = (far, near) if back else (near, far)
            assert Transfer(*ends, OCTETS).finish()
    first = world.gateway if back else world.clat
    packets, octets = first.counters()["encapsulated"]
    assert octets > OCTETS
    assert (octets / packets > 3000) is (first.hook == TC), "they come as super-packets on tc"
    assert not world.punts() and not world.wrong()


@pytest.mark.parametrize("size", [8, 500, 1000, 1400])
def test_udp(world: World, size: int) -> None:
    parts = [struct.pack("!I", n) * (size // 4) for n in range(5)]
    with udp(world.there, THERE, 5002) as far, udp(world.here, HERE, 5003) as near:
        near.connect((THERE, 5002))
        far.connect((HERE, 5003))
        for sender, receiver in ((near, far), (far, near)):
            if size > 1200:  # without DF it would be cut
                do_not_fragment(sender)
            send_together(sender, parts)
            assert [receiver.recv(2000) for _ in parts] == parts
    assert not world.punts() and not world.wrong()


def send_together(sender: socket.socket, parts: list[bytes]) -> None:
    """As one super-packet; by a device that adds no checksums older kernels send none (EIO)."""
    sender.setsockopt(socket.SOL_UDP, _UDP_SEGMENT, len(parts[0]))
    try:
        sender.send(b"".join(parts))
    except OSError as error:
        if error.errno != errno.EIO:
            raise
        sender.setsockopt(socket.SOL_UDP, _UDP_SEGMENT, 0)
        for part in parts:
            sender.send(part)


@pytest.mark.parametrize("size", [0, 1, 56, 1200])
def test_ping(world: World, size: int) -> None:
    assert ping(world.here, THERE, size) is not None
    assert not world.punts() and not world.wrong()
