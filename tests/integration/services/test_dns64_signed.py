# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Unbound and BIND as DNS64 that validate, before a signed zone (RFC 6147 sections 3 and 5.5).

A server of BIND has the zone; the resolvers know its key.
"""

from __future__ import annotations

import socket
import subprocess
from concurrent.futures import ThreadPoolExecutor

import helper_samples as samples
import pytest
from conftest import eventually
from dns import AAAA, AUTHENTIC, CHECKING_DISABLED, NOERROR, NXDOMAIN, SERVFAIL, A, ask
from resolvers import configured, deviations, dns64_verdict

pytestmark = [pytest.mark.root, pytest.mark.servers]

RESOLVERS = ("unbound", "bind")
LINK = "2001:db8:1:54::"
CLIENT, SIGNER = f"{LINK}c", f"{LINK}1"
ADDRESSES = {"unbound": f"{LINK}a", "bind": f"{LINK}b"}
SERVICE = samples.resolver_service()
ZONE = "signed.example"
RECORDS = f"""
$TTL 3600
@ SOA ns.{ZONE}. nobody.{ZONE}. 1 3600 900 86400 900
@ NS ns
ns AAAA {SIGNER}
four A 192.0.2.1
both A 192.0.2.2
both AAAA 2001:db8:5::2
alias CNAME four
broken A 192.0.2.66
"""
MADE = "2001:db8:64::c000:201"


@pytest.fixture(scope="module")
def zone(tmp_path_factory):
    """A folder with the signed zone, in which one record is not what was signed; and its key."""
    folder = tmp_path_factory.mktemp("zone")
    (folder / "plain").write_text(RECORDS)

    def run(*argv):
        return subprocess.run(argv, cwd=folder, text=True, capture_output=True, check=True).stdout

    key = run("dnssec-keygen", "-a", "ECDSAP256SHA256", "-f", "KSK", ZONE).strip()
    run("dnssec-keygen", "-a", "ECDSAP256SHA256", ZONE)
    run("dnssec-signzone", "-S", "-o", ZONE, "-f", "signed", "plain")
    signed = (folder / "signed").read_text()
    assert "192.0.2.66" in signed
    (folder / "signed").write_text(signed.replace("192.0.2.66", "192.0.2.67"))
    (folder / "named.conf").write_text(
        f'options {{ directory "{folder}"; listen-on-v6 {{ {SIGNER}; }}; listen-on {{ none; }}; recursion no;'
        f" pid-file none; session-keyfile none; }}; controls {{ }};\n"
        f'zone "{ZONE}" {{ type primary; file "signed"; }};\n'
    )
    line = next(line for line in (folder / f"{key}.key").read_text().splitlines() if line[0] != ";")
    return folder, line.split("DNSKEY ")[1]


@pytest.fixture(scope="module")
def segment(net, helper, zone):
    """One link with a client, the server of the zone, and both resolvers, which know its key."""
    folder, key = zone
    hub = net.host("hub54")
    hub.ip("link add lan type bridge", "link set lan up")
    client, signer = net.host("client54"), net.host("signer")
    found = {name: helper(f"{name}54") for name in RESOLVERS}
    for name, host, address in (
        ("client", client, CLIENT),
        ("signer", signer, SIGNER),
        *((name, found[name].host, ADDRESSES[name]) for name in RESOLVERS),
    ):
        net.cable(host, "lan", hub, name)
        hub.ip(f"link set {name} master lan")
        host.ip(f"addr add {address}/48 dev lan nodad", "route add 2001:db8::/32 dev lan")
    with (folder / "log").open("w") as log:
        signer.start("named", "-g", "-c", str(folder / "named.conf"), stdout=log, stderr=log)
    flags, protocol, algorithm, *rest = key.split()
    unbound, bind = found["unbound"], found["bind"]
    unbound.run(
        ["sh", "-c", "cat > /etc/unbound/unbound.conf.d/anchor.conf"],
        f'server:\n    trust-anchor: "{ZONE}. DNSKEY {key}"\n',
    )
    anchor = f'trust-anchors {{ {ZONE}. static-key {flags} {protocol} {algorithm} "{"".join(rest)}"; }};\n'
    bind.run(["sh", "-c", "cat >> /etc/bind/named.conf.local"], anchor)
    with ThreadPoolExecutor() as pool:
        settings = {"service_host_forwarders": [SIGNER]}
        list(pool.map(lambda name: found[name].role(service_host_platform=name, **settings), RESOLVERS))
    for name in RESOLVERS:
        configured(found[name], name, SERVICE)
    channel = client.socket(socket.AF_INET6, socket.SOCK_DGRAM)
    channel.bind((CLIENT, 0))
    assert eventually(lambda: ask(channel, SIGNER, f"four.{ZONE}", A).values(A)), (folder / "log").read_text()
    yield client, channel
    channel.close()


@pytest.fixture(params=RESOLVERS)
def resolver(request, segment):
    """question(name, type, **flags) asks one of them."""
    _client, channel = segment

    def question(name, kind, **more):
        return ask(channel, ADDRESSES[request.param], f"{name}.{ZONE}", kind, **more)

    question.platform = request.param
    return question


def test_it_validates(resolver):
    """Else the tests below would show nothing."""
    assert resolver("four", A, dnssec=True).flags & AUTHENTIC
    assert resolver("broken", A).rcode == SERVFAIL
    assert resolver("broken", A, flags=CHECKING_DISABLED).values(A) == ["192.0.2.67"]


def test_who_does_not_validate_gets_what_is_made(resolver):
    """Section 5.5, item 1: and is not told that it is authentic."""
    for name in ("four", "alias"):
        found = resolver(name, AAAA)
        assert found.values(AAAA) == [MADE] and not found.flags & AUTHENTIC
    assert resolver("both", AAAA).values(AAAA) == ["2001:db8:5::2"]
    assert resolver("nobody", AAAA).rcode == NXDOMAIN


def test_nothing_is_made_of_what_is_bogus(resolver):
    """Section 5.5, item 2."""
    for dnssec in (False, True):
        found = resolver("broken", AAAA, dnssec=dnssec)
        assert found.values(AAAA) == []


def test_who_validates_gets_nothing_made(resolver):
    """Section 5.5, item 3."""
    for name in ("four", "alias"):
        found = resolver(name, AAAA, dnssec=True, flags=CHECKING_DISABLED)
        assert (found.rcode, found.values(AAAA)) == (NOERROR, [])
    found = resolver("both", AAAA, dnssec=True, flags=CHECKING_DISABLED)
    assert found.values(AAAA) == ["2001:db8:5::2"]


@pytest.mark.parametrize("upstream", [SIGNER, None], ids=["beside the server", "alone"])
def test_verify_of_a_signed_zone(resolver, segment, program, upstream):
    platform, (client, _channel) = resolver.platform, segment
    names = [f"{name}.{ZONE}" for name in ("four", "both", "alias", "nobody")]
    more = {"address": ADDRESSES[platform], "names": names, "upstream": upstream}
    found = dns64_verdict(client, program, platform, SERVICE, deviations(platform), **more)
    assert (found["verdict"], found["cause"]) == ("pass", ""), found
