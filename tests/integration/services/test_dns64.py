# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unbound and BIND as DNS64: installed by the role, configured by the transport, asked over the network.

A client and a server that the resolvers forward to are beside them; the server knows the names below.
"""

from __future__ import annotations

import json
import socket
from collections.abc import Iterator
from ipaddress import IPv6Address

import helper_samples as samples
import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import Embedding
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.transport.daemon import DaemonSession
from ansible_collections.ipv4aas.fleet.engine.transport.daemons import DAEMONS
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import deploy
from conftest import Helper
from dns import (
    AAAA,
    NXDOMAIN,
    PTR,
    A,
    Server,
    Zone,
    ask,
)

pytestmark = [pytest.mark.root, pytest.mark.servers]

RESOLVERS = ("unbound", "bind")
LINK = "2001:db8:1:53::"  # inside the customers of the samples
CLIENT, UPSTREAM, OUTSIDER = f"{LINK}c", f"{LINK}1", "2001:db8:2::c"
ADDRESSES = {"unbound": f"{LINK}a", "bind": f"{LINK}b"}
PREF64 = samples.PREF64
EMBEDDING = Embedding(PREF64)
SERVICE = samples.resolver_service()


def synthesised(ipv4: str) -> str:
    return str(IPv6Address(EMBEDDING.embed(int.from_bytes(socket.inet_aton(ipv4), "big"))))


ROWS = [
    row
    for row in json.loads((samples.ROOT / "tests" / "vectors" / "dns64_pref64.json").read_text())["vectors"]
    if row["id"].startswith("dns64-")
]
RECORDS = {
    ("four.example.com", A): ("192.0.2.1",),
    ("both.example.com", A): ("192.0.2.2",),
    ("both.example.com", AAAA): ("2001:db8:5::2",),
    ("mapped.example.com", A): ("192.0.2.3",),
    ("mapped.example.com", AAAA): ("::ffff:192.0.2.3",),
    ("spoofed.example.com", A): ("192.0.2.4",),
    ("spoofed.example.com", AAAA): (synthesised("203.0.113.9"),),
    ("private.example.com", A): ("10.1.2.3",),
    ("1.2.0.192.in-addr.arpa", PTR): ("four.example.com",),
}
ZONE = Zone(RECORDS, silent=frozenset({("slow.example.com", AAAA)}))


@pytest.fixture(scope="module")
def segment(net, helper) -> Iterator[dict[str, Helper]]:
    """One link with a client, the upstream server, and both resolvers prepared by the role."""
    hub = net.host("hub")
    hub.ip("link add lan type bridge", "link set lan up")
    client, upstream = net.host("client"), net.host("upstream")
    found = {name: helper(name) for name in RESOLVERS}
    for name, host, *addresses in (
        ("client", client, CLIENT, OUTSIDER),
        ("upstream", upstream, UPSTREAM),
        *((name, found[name].host, ADDRESSES[name]) for name in RESOLVERS),
    ):
        net.cable(host, "lan", hub, name)
        hub.ip(f"link set {name} master lan")
        host.ip(*(f"addr add {address}/48 dev lan" for address in addresses))
        host.ip("route add default via fe80::1 dev lan")
    server = Server(upstream.socket, UPSTREAM, ZONE)
    for name in RESOLVERS:
        found[name].role(
            service_host_platform=name,
            service_host_forwarders=[UPSTREAM],
            service_host_clients=[f"{OUTSIDER}/128"],
            service_host_validate=False,
        )
    yield found | {"client": client, "server": server}
    server.close()


@pytest.fixture
def resolver(request, segment):
    """Deploys services to one of them: resolver(*services) gives ask(name, type)."""
    platform = request.param
    box = segment[platform]

    def configure(*services, source=CLIENT):
        node = samples.node(platform, *services)
        with DaemonSession(box.run, DAEMONS[platform]) as session:
            deploy(session, driver(platform), node, samples.rendered(platform, *services), "conf")
        channel = segment["client"].socket(socket.AF_INET6, socket.SOCK_DGRAM)
        channel.bind((source, 0))
        return lambda name, kind, **more: ask(channel, ADDRESSES[platform], name, kind, **more)

    configure.platform, configure.server = platform, segment["server"]
    return configure


both = pytest.mark.parametrize("resolver", RESOLVERS, indirect=True)


@both
def test_synthesis_and_exclusions(resolver):
    """RFC 6147 section 5.1: only where there is no AAAA that counts, and never where the name is not there."""
    question = resolver(SERVICE)
    for name, expected in (
        ("four.example.com", [synthesised("192.0.2.1")]),
        ("both.example.com", ["2001:db8:5::2"]),
        ("mapped.example.com", [synthesised("192.0.2.3")]),
        ("spoofed.example.com", [synthesised("192.0.2.4")]),
    ):
        assert question(name, AAAA).values(AAAA) == expected, name
    assert question("four.example.com", A).values(A) == ["192.0.2.1"]
    gone = question("nobody.example.com", AAAA)
    assert (gone.rcode, gone.values(AAAA)) == (NXDOMAIN, [])
