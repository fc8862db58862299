# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""radvd by role and transport: PREF64 in a real advertisement (RFC 8781), decoded by our codec and tshark."""

from __future__ import annotations

import contextlib
import socket
import struct
import subprocess
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv6Address, IPv6Network

import helper_samples as samples
import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.provision import pref64
from ansible_collections.ipv4aas.fleet.engine.techniques.service import ROUTER
from ansible_collections.ipv4aas.fleet.engine.transport.connect import daemon_of
from ansible_collections.ipv4aas.fleet.engine.transport.daemon import DaemonSession
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import Outcome, deploy
from conftest import Helper

pytestmark = [pytest.mark.root, pytest.mark.servers]

ROUTER_SOLICITATION, ROUTER_ADVERTISEMENT = 133, 134
PREFIX_INFORMATION, RDNSS = 3, 25
ALL_ROUTERS = "ff02::2"
SERVICE = replace(samples.resolver_service(), role=ROUTER, dns64=None)
INTERFACES = {"lan": {"prefixes": ["2001:db8:1::/64"], "resolvers": ["2001:db8::53"], "interval": 100}}


@pytest.fixture(scope="module")
def router(net, helper) -> Helper:
    box = helper("router")
    box.customer = net.host("laptop")
    net.cable(box.host, "lan", box.customer, "wlan")
    box.host.forward()
    box.role(service_host_platform="radvd")
    return box


def roll_out(router: Helper, *services) -> Outcome:
    text = samples.rendered("radvd", *services, interfaces=INTERFACES) if services else ""
    node = samples.node("radvd", *services)
    with DaemonSession(router.run, daemon_of("radvd", "conf")) as session:
        return deploy(session, driver("radvd"), node, text, "conf")


@pytest.fixture
def advertisement(router) -> Iterator:
    """advertisement() asks for one; gives its octets."""
    channel = router.customer.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_ICMPV6)
    index = router.customer.inside(lambda: socket.if_nametoindex("wlan"))
    channel.setsockopt(socket.IPPROTO_IPV6, socket.IPV6_MULTICAST_HOPS, 255)

    def ask(seconds: float = 30) -> bytes:
        # What was said before the change is still in the queue.
        channel.setblocking(False)
        with contextlib.suppress(BlockingIOError):
            while channel.recv(2048):
                pass
        channel.settimeout(seconds)
        channel.sendto(struct.pack("!BBHI", ROUTER_SOLICITATION, 0, 0, 0), (ALL_ROUTERS, 0, 0, index))
        while True:
            message = channel.recv(2048)
            if message[0] == ROUTER_ADVERTISEMENT:
                return message

    yield ask
    channel.close()


def options(message: bytes) -> list[tuple[int, bytes]]:
    """Type and whole octets of each option of an advertisement (RFC 4861 section 4.6)."""
    found, at = [], 16
    while at < len(message):
        size = message[at + 1] * 8
        found.append((message[at], message[at : at + size]))
        at += size
    return found


def prefixes(message: bytes) -> list[tuple[IPv6Network, int]]:
    return [pref64.decode(data) for kind, data in options(message) if kind == pref64.OPTION]


@pytest.mark.parametrize(
    "prefix", ["64:ff9b::/96", "2001:db8:122:344::/64", "2001:db8:122:300::/56", "2001:db8::/32"]
)
def test_prefix_is_announced(router, advertisement, prefix):
    service = replace(SERVICE, translation_prefix=IPv6Network(prefix))
    assert roll_out(router, service).changed
    assert not roll_out(router, service).changed
    message = advertisement()
    # RFC 8781 section 4.1: three intervals, rounded up to 8 seconds.
    assert prefixes(message) == [(service.translation_prefix, 304)]
    raw = [data for kind, data in options(message) if kind == pref64.OPTION]
    assert raw == [pref64.encode(service.translation_prefix, 300)]


def test_what_is_beside_it(router, advertisement):
    roll_out(router, SERVICE)
    found = dict(options(advertisement()))
    assert IPv6Network((found[PREFIX_INFORMATION][16:32], found[PREFIX_INFORMATION][2])) == IPv6Network(
        "2001:db8:1::/64"
    )
    assert IPv6Address(found[RDNSS][8:24]) == IPv6Address("2001:db8::53")


def test_several_services(router, advertisement):
    other = replace(
        SERVICE, name="hall7", technique="464xlat", translation_prefix=IPv6Network("2001:db8:65::/96")
    )
    roll_out(router, SERVICE, other)
    assert {prefix for prefix, _lifetime in prefixes(advertisement())} == {
        SERVICE.translation_prefix,
        other.translation_prefix,
    }


def test_tshark_reads_the_same(router, advertisement, tmp_path):
    roll_out(router, SERVICE)
    message = advertisement()
    head = struct.pack("!IHBB", 6 << 28, len(message), 58, 255)
    packet = head + IPv6Address("fe80::1").packed + IPv6Address("ff02::1").packed + message
    file = tmp_path / "advertisement.pcap"
    file.write_bytes(
        struct.pack("<IHHiIII", 0xA1B2C3D4, 2, 4, 0, 0, 65535, 101)
        + struct.pack("<IIII", 0, 0, len(packet), len(packet))
        + packet
    )
    text = subprocess.run(["tshark", "-r", file, "-V"], text=True, capture_output=True, check=True).stdout
    assert "Type: PREF64 Option (38)" in text and "Scaled Lifetime: 38" in text
    assert "96 bits prefix length (0x0)" in text and "Prefix: 2001:db8:64::" in text


def test_without_services_nothing_is_announced(router, advertisement):
    roll_out(router, SERVICE)
    assert roll_out(router).changed
    with pytest.raises(TimeoutError):
        advertisement(5)
    assert roll_out(router, SERVICE).changed
    assert len(prefixes(advertisement())) == 1
