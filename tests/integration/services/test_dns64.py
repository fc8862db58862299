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
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address

import helper_samples as samples
import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import Embedding
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.provision.dns64 import discover
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Dns64
from ansible_collections.ipv4aas.fleet.engine.transport.connect import daemon_of
from ansible_collections.ipv4aas.fleet.engine.transport.daemon import DaemonSession
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import deploy
from conftest import Helper
from dns import (
    AAAA,
    AUTHENTIC,
    CHECKING_DISABLED,
    CNAME,
    NOERROR,
    NXDOMAIN,
    PTR,
    SERVFAIL,
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
    # Resolvers answer for documentation addresses themselves.
    ("93.255.129.130.in-addr.arpa", PTR): ("four.example.com",),
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
        host.ip("route add 2001:db8::/32 dev lan")
    server = Server(upstream.socket, UPSTREAM, ZONE)
    settings = {
        "service_host_forwarders": [UPSTREAM],
        "service_host_clients": [f"{OUTSIDER}/128"],
        "service_host_validate": False,
    }
    with ThreadPoolExecutor() as pool:
        list(pool.map(lambda name: found[name].role(service_host_platform=name, **settings), RESOLVERS))
    yield found | {"client": client, "server": server}
    server.close()


@pytest.fixture
def resolver(request, segment):
    """Deploys services to one of them: resolver(*services) gives ask(name, type)."""
    platform = request.param
    box = segment[platform]

    def configure(*services, source=CLIENT):
        node = samples.node(platform, *services)
        with DaemonSession(box.run, daemon_of(platform, "conf")) as session:
            deploy(session, driver(platform), node, samples.rendered(platform, *services), "conf")
        channel = segment["client"].socket(socket.AF_INET6, socket.SOCK_DGRAM)
        channel.bind((source, 0))
        return lambda name, kind, **more: ask(channel, ADDRESSES[platform], name, kind, **more)

    configure.platform, configure.server = platform, segment["server"]
    return configure


both = pytest.mark.parametrize("resolver", RESOLVERS, indirect=True)


@both
def test_synthesis_and_exclusions(resolver):
    """RFC 6147 section 5.1: where there is no AAAA that counts, but never for a name that is not there."""
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


# What the resolvers do otherwise than RFC 6147 says; their features.yml tells it.
DEVIATIONS = {
    ("bind", "dns64-servfail"): {"rcode": SERVFAIL, "synth": False},
    ("unbound", "dns64-ttl-nosoa"): {"synth": True, "ttl": 3600},
}


@both
@pytest.mark.parametrize("row", [pytest.param(row, id=row["id"]) for row in ROWS])
def test_vectors(resolver, row):
    asked = row["input"]
    expect = DEVIATIONS.get((resolver.platform, row["id"]), row["expect"])
    # A name of its own, which no cache knows.
    name = f"{row['id'].replace('.', '-')}.{resolver.platform}.example.com"
    known = {(name, A): tuple(asked["a"]), (name, AAAA): tuple(asked["aaaa"])}
    rcode = asked.get("rcode", NOERROR)
    resolver.server.zone = Zone(
        known if rcode != NXDOMAIN else {},
        rcodes={(name, AAAA): SERVFAIL} if rcode == SERVFAIL else {},
        ttl=asked.get("attl", 3600),
    )
    prefix = IPv6Network(asked["pref64"])
    service = samples.resolver_service(translation_prefix=prefix, dns64=Dns64(clients=(samples.CUSTOMERS,)))
    found = resolver(service)(name, AAAA)
    resolver.server.zone = ZONE
    assert found.rcode == expect.get("rcode", NOERROR)
    synthesised = sorted(str(IPv6Address(Embedding(prefix).embed(int(IPv4Address(a))))) for a in asked["a"])
    wanted = sorted(expect.get("aaaa", synthesised if expect.get("synth") else []))
    assert found.values(AAAA) == wanted
    if "ttl" in expect:
        assert found.ttls(AAAA) == [expect["ttl"]]


@both
@pytest.mark.parametrize(
    "prefix", ["2001:db8:64::/96", "2001:db8:122:344::/64", "2001:db8:122:300::/56", "64:ff9b::/96"]
)
def test_well_known_name_tells_the_prefix(resolver, prefix):
    """RFC 7050 and RFC 8880: answered by the resolver itself, with its own prefix."""
    wanted = IPv6Network(prefix)
    resolver.server.asked.clear()
    question = resolver(samples.resolver_service(translation_prefix=wanted))
    answers = question("ipv4only.arpa", AAAA).values(AAAA)
    assert discover(map(IPv6Address, answers)) == (wanted, wanted)
    assert question("ipv4only.arpa", A).values(A) == ["192.0.0.170", "192.0.0.171"]
    for address in ("192.0.0.170", "192.0.0.171", *answers):
        assert question(ip_address(address).reverse_pointer, PTR).values(PTR) == ["ipv4only.arpa"], address
    assert not [name for name, _kind in resolver.server.asked if name.endswith("ipv4only.arpa")]


@both
@pytest.mark.parametrize(
    "prefix", [PREF64, IPv6Network("2001:db8:122:300::/56"), IPv6Network("fd00:64::/96")]
)
def test_names_of_synthesised_addresses(resolver, prefix):
    """RFC 6147 section 5.3.1: by an answer of its own or by a CNAME to in-addr.arpa."""
    question = resolver(samples.resolver_service(translation_prefix=prefix))
    address = IPv6Address(Embedding(prefix).embed(int(IPv4Address("130.129.255.93"))))
    found = question(address.reverse_pointer, PTR)
    assert found.values(PTR) == ["four.example.com"]
    assert found.values(CNAME) == (["93.255.129.130.in-addr.arpa"] if resolver.platform == "bind" else [])


@both
def test_bits_of_dnssec(resolver):
    """RFC 6147 section 5.5: nothing is made up for who validates himself; nothing made up is authentic.

    BIND makes up for him too where the zone is not signed, see its features.yml.
    """
    question = resolver(SERVICE)
    found = question("four.example.com", AAAA, flags=CHECKING_DISABLED, dnssec=True)
    assert found.values(AAAA) == ([synthesised("192.0.2.1")] if resolver.platform == "bind" else [])
    for dnssec in (False, True):
        found = question("four.example.com", AAAA, dnssec=dnssec)
        assert found.values(AAAA) == [synthesised("192.0.2.1")] and not found.flags & AUTHENTIC


@both
def test_clients(resolver):
    """BIND synthesises for the customers only; with Unbound, whoever may ask gets synthesised answers."""
    question = resolver(SERVICE, source=OUTSIDER)
    assert question("four.example.com", A).values(A) == ["192.0.2.1"]
    made_up = [synthesised("192.0.2.1")] if resolver.platform == "unbound" else []
    assert question("four.example.com", AAAA).values(AAAA) == made_up


@pytest.mark.parametrize("resolver", ["bind"], indirect=True)
def test_private_addresses_are_not_synthesised(resolver):
    private = Dns64(private=(IPv4Network("10.0.0.0/8"),))
    question = resolver(samples.resolver_service(dns64=private))
    assert question("private.example.com", AAAA).values(AAAA) == []
    assert question("private.example.com", A).values(A) == ["10.1.2.3"]
    question = resolver(samples.resolver_service(dns64=Dns64()))
    assert question("private.example.com", AAAA).values(AAAA) == [synthesised("10.1.2.3")]


@pytest.mark.parametrize("resolver", ["unbound"], indirect=True)
def test_services_that_share_a_prefix(resolver):
    other = replace(SERVICE, name="hall7", technique="464xlat")
    question = resolver(SERVICE, replace(other, dns64=Dns64(clients=(IPv6Network(f"{OUTSIDER}/128"),))))
    assert question("mapped.example.com", AAAA).values(AAAA) == [synthesised("192.0.2.3")]


@pytest.mark.parametrize("resolver", ["bind"], indirect=True)
def test_several_prefixes(resolver):
    """RFC 6147 section 5.2: one for each service."""
    other = IPv6Network("2001:db8:65::/96")
    question = resolver(
        SERVICE, replace(SERVICE, name="hall7", technique="464xlat", translation_prefix=other)
    )
    assert question("four.example.com", AAAA).values(AAAA) == sorted(
        [synthesised("192.0.2.1"), "2001:db8:65::c000:201"]
    )
