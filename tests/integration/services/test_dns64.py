# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unbound and BIND as DNS64: installed by the role, configured by the transport, asked over the network.

A client and a server that the resolvers forward to are beside them; the server knows the names below.
"""

from __future__ import annotations

import json
import re
import socket
import subprocess
import sys
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network, ip_address
from pathlib import Path

import helper_samples as samples
import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import Embedding
from ansible_collections.ipv4aas.fleet.engine.provision.dns64 import discover
from ansible_collections.ipv4aas.fleet.engine.provision.dns64_synthesis import DEVIATIONS, Synthesis, rule
from ansible_collections.ipv4aas.fleet.engine.provision.records import Question, Record, Response
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Dns64
from conftest import COLLECTIONS, Helper
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
from resolvers import configured, deviations, dns64_verdict

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

    def configure(*services, source=CLIENT):
        configured(segment[platform], platform, *services)
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


@both
@pytest.mark.parametrize("row", [pytest.param(row, id=row["id"]) for row in ROWS])
def test_vectors(resolver, row):
    """Answered as the rule says, which the vectors are held to, but for the deviations of the platform."""
    asked = row["input"]
    # A name of its own, which no cache knows.
    name = f"{row['id'].replace('.', '-')}.{resolver.platform}.example.com"
    rcode, ttl = asked.get("rcode", NOERROR), asked.get("attl", 3600)
    known = {(name, A): tuple(asked["a"]), (name, AAAA): tuple(asked["aaaa"])}
    resolver.server.zone = Zone(
        known if rcode != NXDOMAIN else {},
        rcodes={(name, AAAA): SERVFAIL} if rcode == SERVFAIL else {},
        ttl=ttl,
    )
    told = {
        kind: Response(
            rcode=rcode if kind == AAAA else NOERROR,
            answer=tuple(Record(name, kind, ttl, ip_address(value)) for value in known[name, kind]),
        )
        for kind in (A, AAAA)
    }
    prefix = IPv6Network(asked["pref64"])
    due = rule(
        Question(name, AAAA),
        lambda _name, kind: told[kind],
        (Synthesis(prefix),),
        deviations(resolver.platform),
    ).response
    service = samples.resolver_service(translation_prefix=prefix, dns64=Dns64(clients=(samples.CUSTOMERS,)))
    found = resolver(service)(name, AAAA)
    resolver.server.zone = ZONE
    assert found.rcode == due.rcode
    assert found.values(AAAA) == sorted(str(record.data) for record in due.of(AAAA))
    assert found.ttls(AAAA) == [record.ttl for record in due.of(AAAA)]


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


NAMES = ["four.example.com", "both.example.com", "mapped.example.com", "spoofed.example.com"]


@pytest.fixture
def verify(resolver, segment, program):
    """verify(*names, **more) -> the verdict of the check dns64, asked by the client."""

    def run(*names, planned=SERVICE, upstream=UPSTREAM, known=None):
        platform = resolver.platform
        known = deviations(platform) if known is None else known
        more = {"address": ADDRESSES[platform], "names": list(names), "upstream": upstream}
        return dns64_verdict(segment["client"], program, platform, planned, known, **more)

    return run


@both
@pytest.mark.parametrize("upstream", [UPSTREAM, None], ids=["beside its upstream", "alone"])
def test_verify_finds_nothing_where_all_is_right(resolver, verify, upstream):
    resolver(SERVICE)
    verdict = verify(*NAMES, upstream=upstream)
    assert (verdict["verdict"], verdict["cause"]) == ("pass", "")
    assert verdict["details"]["questions"] == 4 + len(NAMES) * (4 if upstream else 3)


@both
def test_verify_tells_what_a_daemon_does_otherwise(resolver, verify):
    """Deviations of the platform fail nothing, and are told; of a platform that has none they fail."""
    resolver(SERVICE)
    platform = resolver.platform
    failing, endless = f"failing.{platform}.example.com", f"endless.{platform}.example.com"
    known = {(name, A): ("192.0.2.7",) for name in (failing, endless)}
    resolver.server.zone = Zone(RECORDS | known, rcodes={(failing, AAAA): SERVFAIL})
    try:
        excused, strict = verify(*NAMES, failing, endless), verify(*NAMES, failing, endless, known=())
    finally:
        resolver.server.zone = ZONE
    assert (excused["verdict"], strict["verdict"]) == ("pass", "fail"), excused["cause"]
    told = " ".join(excused["details"]["known_deviations"])
    for name in deviations(platform):
        section, words = DEVIATIONS[name]
        assert f"({section}): known of its platform" in told and words in told
    wrong = {
        "bind": rf"bind: {failing} AAAA: SERVFAIL in place of NOERROR \(RFC 6147 section 5.1.2\)",
        # Some of the 3600 seconds may be over.
        "unbound": rf"unbound: {endless} AAAA: TTL 3[56]\d\d of \S+, at most 600 is right",
    }
    assert re.search(wrong[platform], strict["cause"])


@both
def test_verify_knows_the_ttl_that_an_soa_bounds(resolver, verify):
    """RFC 6147 sections 5.1.5 and 5.1.7, for aliases too: BIND keeps to it, Unbound to the A record."""
    resolver(SERVICE)
    names = [f"{label}.bounded.{resolver.platform}.example.com" for label in ("four", "alias", "end")]
    four, alias, end = names
    known = {(four, A): ("192.0.2.8",), (alias, CNAME): (end,), (end, A): ("192.0.2.9",)}
    resolver.server.zone = Zone(known, soa_minimum=30)
    try:
        found = resolver(SERVICE)(four, AAAA)
        verdict = verify(*names)
    finally:
        resolver.server.zone = ZONE
    assert found.ttls(AAAA) == ([30] if resolver.platform == "bind" else [3600])
    assert (verdict["verdict"], verdict["cause"]) == ("pass", "")
    long = [told for told in verdict["details"]["known_deviations"] if "at most 30 is right" in told]
    assert len(long) == (0 if resolver.platform == "bind" else 3)


@both
@pytest.mark.parametrize(
    ("planned", "words"),
    [
        (
            {"translation_prefix": IPv6Network("2001:db8:65::/96")},
            [
                "ipv4only.arpa AAAA: 2001:db8:65::c000:aa is missing (RFC 8880 section 7)",
                "four.example.com AAAA: 2001:db8:65::c000:201 is missing (RFC 6147 section 5.1.6)",
            ],
        ),
        (
            {"dns64": Dns64(exclude=(IPv6Network("2001:db8:5::/48"),))},
            ["both.example.com AAAA: 2001:db8:5::2 is too much (RFC 6147 section 5.1.4)"],
        ),
        (
            {"dns64": Dns64(private=(IPv4Network("192.0.2.0/24"),))},
            [f"four.example.com AAAA: {synthesised('192.0.2.1')} is too much (RFC 6147 section 5.1.6)"],
        ),
    ],
    ids=["prefix", "exclude", "private"],
)
def test_verify_finds_what_is_not_as_planned(resolver, verify, planned, words):
    resolver(SERVICE)
    verdict = verify(*NAMES, planned=samples.resolver_service(**planned))
    assert verdict["verdict"] == "fail"
    for each in words:
        assert f"{resolver.platform}: {each}" in verdict["cause"]


@both
def test_verify_has_nothing_to_say_for_others(resolver, verify):
    others = samples.resolver_service(dns64=Dns64(clients=(IPv6Network("2001:db8:99::/48"),)))
    resolver(SERVICE)
    verdict = verify(*NAMES, planned=others)
    assert verdict["verdict"] == "n/a"
    assert verdict["cause"].startswith(f"{resolver.platform} synthesises for others, not for {LINK}")


def test_the_role_asks_both_resolvers_of_the_plan(segment, tmp_path):
    """From the inventory to the verdicts: the resolvers that the host uses, as the plan has them."""
    for name in RESOLVERS:
        configured(segment[name], name, SERVICE)
    service = {
        "technique": "nat64",
        "customers": {"ipv6": str(samples.CUSTOMERS), "prefix_length": 64},
        "ipv4_pools": ["198.51.100.0/28"],
        "sharing": {"customers_per_address": 16},
        "gateway": {"address": str(samples.PLAT), "translation_prefix": str(PREF64)},
        "dns64": {"exclude": list(map(str, SERVICE.dns64.exclude))},
    }
    both = {
        name: {"ipv4aas_role": "resolver", "ipv4aas_platform": name, "ipv4aas_address": ADDRESSES[name]}
        for name in RESOLVERS
    }
    hosts = both | {
        "gw": {"ipv4aas_role": "gateway", "ipv4aas_platform": "linux"},
        "visitor": {"ipv4aas_vantage_of": "gw", "ipv4aas_resolvers": list(ADDRESSES.values())},
    }
    common = {"ipv4aas_services": {"conference": service}, "ipv4aas_carries": ["conference"]}
    (tmp_path / "hosts.json").write_text(json.dumps({"all": {"hosts": hosts, "vars": common}}))
    settings = {
        "verify_checks": ["dns64"],
        "verify_references": ["192.0.2.80"],
        "verify_token": "only for tests",
        "verify_names": NAMES,
        "verify_upstream": UPSTREAM,
        "verify_dest": str(tmp_path),
        "verify_name": "",
    }
    verify = {"name": "ipv4aas.fleet.verify"}
    plays = [
        {"hosts": "all", "roles": [{"role": "ipv4aas.fleet.plan", "run_once": True}]},
        {
            "hosts": "visitor",
            "vars": settings,
            "tasks": [
                {"ansible.builtin.include_role": verify},
                {"ansible.builtin.include_role": verify | {"tasks_from": "report"}},
            ],
        },
    ]
    for play in plays:
        play["gather_facts"] = False
    (tmp_path / "play.yml").write_text(json.dumps(plays))
    done = subprocess.run(
        segment["client"].command(
            "env",
            f"ANSIBLE_COLLECTIONS_PATH={COLLECTIONS}",
            f"HOME={tmp_path}",
            *(str(Path(sys.executable).parent / "ansible-playbook"), "-i", str(tmp_path / "hosts.json")),
            *("-c", "local", "-e", f"ansible_python_interpreter={sys.executable}"),
            str(tmp_path / "play.yml"),
        ),
        cwd=tmp_path,
        text=True,
        capture_output=True,
        check=False,
        timeout=120,
    )
    assert done.returncode == 0, done.stdout + done.stderr
    verdicts = json.loads((tmp_path / "visitor.json").read_text())
    assert [(v["check"], v["verdict"], v["details"]["resolver"]) for v in verdicts] == [
        ("dns64", "pass", name) for name in RESOLVERS
    ]
    for verdict in verdicts:
        assert verdict["details"]["questions"] == 4 + len(NAMES) * 4
