# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""SA46T-PT by the kernel: prefixes are exchanged, every other bit stays, errors come back.

fixed (SA46T, 10.0.0.1) - pt - resolved (SA46T-PR, 10.1.0.1)
"""

from __future__ import annotations

import os
import shutil
import socket
import struct
from ipaddress import IPv4Network, IPv6Address, IPv6Network

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.plane import Plane, PlaneRoute
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from netns import Net
from platform_cases import CASES

pytestmark = [
    pytest.mark.root,
    pytest.mark.skipif(os.geteuid() != 0, reason="needs root"),
    pytest.mark.skipif(
        not (shutil.which("nft") and shutil.which("conntrack")),
        reason="needs nft and conntrack: make packages",
    ),
]

FIXED, OWN, AWAY = (IPv6Network(f"2001:db8:1:{n}::/64") for n in (1, 7, 2))
PLANE = 9
IPIP = 4
SERVICE = Service(
    name="hall7",
    technique="sa46t-pt",
    role="gateway",
    gateway_address=IPv6Address("::"),
    plane=Plane(FIXED, PLANE),
    plane_routes=(PlaneRoute(IPv4Network("10.1.0.0/24"), AWAY),),
    end_user_prefix=OWN,
)
HERE, THERE = 0x0A000001, 0x0A010001  # 10.0.0.1 and 10.1.0.1


def address(prefix: IPv6Network, ipv4: int) -> str:
    return str(IPv6Address(Plane(prefix, PLANE).address(ipv4)))


@pytest.fixture
def net(tmp_path):
    with Net("pt") as net:
        fixed, pt, resolved = net.hosts("fixed", "pt", "resolved")
        pt.forward()
        for number, (host, own) in enumerate(
            ((fixed, address(FIXED, HERE)), (resolved, address(AWAY, THERE))), 1
        ):
            net.cable(host, "up", pt, f"to{number}")
            host.ip(f"addr add 2001:db8:f:{number}::2/64 dev up", f"addr add {own}/128 dev lo nodad")
            host.ip(f"route add default via 2001:db8:f:{number}::1 src {own}")
            pt.ip(f"addr add 2001:db8:f:{number}::1/64 dev to{number}")
            pt.ip(f"route add {own}/128 via 2001:db8:f:{number}::2")
        text = CASES["nftables"].rendered("conf", SERVICE)
        (tmp_path / "pt.nft").write_text(text)
        pt.run("nft", "--file", str(tmp_path / "pt.nft"))
        # Twice: a file is the whole of the table.
        pt.run("nft", "--file", str(tmp_path / "pt.nft"))
        yield fixed, pt, resolved


def inner(source: int, destination: int, payload: bytes = b"x" * 40) -> bytes:
    """A UDP packet whose checksums are no concern of the PT's: they are wrong, and have to stay so."""
    header = struct.pack("!BBHHHBBHII", 0x45, 0, 28 + len(payload), 7, 0, 64, 17, 0xBEEF, source, destination)
    return header + struct.pack("!HHHH", 4500, 53, 8 + len(payload), 0xDEAD) + payload


def exchange(sender, receiver, destination: str, packet: bytes) -> tuple[str, bytes]:
    """Source and content of what arrives."""
    with (
        receiver.socket(socket.AF_INET6, socket.SOCK_RAW, IPIP) as sink,
        sender.socket(socket.AF_INET6, socket.SOCK_RAW, IPIP) as source,
    ):
        sink.settimeout(3)
        source.sendto(packet, (destination, 0))
        content, (came_from, *_rest) = sink.recvfrom(65535)
    return came_from, content


def test_both_ways(net):
    fixed, _pt, resolved = net
    packet = inner(HERE, THERE)
    assert exchange(fixed, resolved, address(FIXED, THERE), packet) == (address(OWN, HERE), packet)
    packet = inner(THERE, HERE, b"back")
    assert exchange(resolved, fixed, address(OWN, HERE), packet) == (address(FIXED, THERE), packet)


def test_begun_on_the_other_side(net):
    fixed, _pt, resolved = net
    packet = inner(THERE, HERE)
    assert exchange(resolved, fixed, address(OWN, HERE), packet) == (address(FIXED, THERE), packet)


def test_errors_come_back_with_the_packet_in_them(net):
    """A router beyond the PT says "packet too big"; the node of SA46T recognises its own packet."""
    fixed, pt, resolved = net
    pt.ip("link set dev to2 mtu 1300")
    resolved.ip("link set dev up mtu 1300")
    with fixed.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6) as errors:
        errors.settimeout(3)
        with fixed.socket(socket.AF_INET6, socket.SOCK_RAW, IPIP) as source:
            packet = inner(HERE, THERE, b"y" * 1300)
            source.sendto(packet, (address(FIXED, THERE), 0))
        while True:
            message = errors.recv(65535)
            if message[0] == 2:
                break
    # The kernel has verified the checksum of the message, as for every ICMPv6 socket.
    quoted = message[8:]
    assert struct.unpack("!I", message[4:8])[0] == 1300
    assert str(IPv6Address(quoted[8:24])) == address(FIXED, HERE)
    assert str(IPv6Address(quoted[24:40])) == address(FIXED, THERE)
    assert quoted[40:80] == packet[:40]


def test_nothing_else_is_translated(net):
    fixed, _pt, resolved = net
    reached = fixed.run("ping", "-6", "-c1", "-W1", address(AWAY, THERE), check=False)
    assert reached.returncode == 0
    assert fixed.run("ping", "-6", "-c1", "-W1", address(FIXED, THERE), check=False).returncode != 0
    assert resolved.name


def test_taken_away(net, tmp_path):
    _fixed, pt, _resolved = net
    (tmp_path / "none.nft").write_text(CASES["nftables"].device("conf").show())
    pt.run("nft", "--file", str(tmp_path / "none.nft"))
    assert pt.run("nft", "list", "tables").stdout == ""
