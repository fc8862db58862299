# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Kea by role and transport: what customers get on the wire, by our own client and by tshark."""

from __future__ import annotations

import socket
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network

import helper_samples as samples
import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.provision.dhcpv6 import MECHANISMS, Container
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Delegation
from ansible_collections.ipv4aas.fleet.engine.transport.connect import daemon_of
from ansible_collections.ipv4aas.fleet.engine.transport.daemon import DaemonSession
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import Outcome, deploy
from ansible_collections.ipv4aas.fleet.engine.transport.session import TransportError
from conftest import Helper
from dhcp import CLIENT_PORT, SERVER_PORT, Client, dissected

pytestmark = [pytest.mark.root, pytest.mark.servers]

KEA = driver("kea")
RESOLVER = "2001:db8::53"
ALWAYS = {"2001:3e8:6000:77::/64": "00:03:00:01:aa:bb:cc:dd:ee:77"}


@pytest.fixture(scope="module")
def kea(net, helper) -> Helper:
    """Prepared by the role, on a link of its own."""
    box = helper("kea")
    customer = net.host("customer")
    net.cable(box.host, "lan", customer, "wan")
    box.customer = customer
    box.role(service_host_platform="kea", service_host_interfaces=["lan"], service_host_resolvers=[RESOLVER])
    return box


@pytest.fixture
def customer(kea) -> Iterator:
    """customer(number) is a client; with ``relay`` behind one."""
    opened = []

    def make(number: int, relay: str = "") -> Client:
        for channel in opened:
            channel.close()
        channel = kea.customer.socket(socket.AF_INET6, socket.SOCK_DGRAM)
        opened.append(channel)
        channel.bind(("::", SERVER_PORT if relay else CLIENT_PORT))
        index = kea.customer.inside(lambda: socket.if_nametoindex("wan"))
        return Client(channel, index, number, IPv6Address(relay) if relay else None)

    yield make
    for channel in opened:
        channel.close()


def roll_out(kea: Helper, *services, **options) -> Outcome:
    """Brings Kea to services."""
    node = samples.node("kea", *services, **({"link": "lan"} | options))
    text = samples.rendered("kea", *services, **({"link": "lan"} | options))
    with DaemonSession(kea.run, daemon_of("kea", "json")) as session:
        return deploy(session, KEA, node, text, "json")


@pytest.mark.parametrize("technique", samples.PROVISIONED)
def test_customers_get_prefix_and_parameters(kea, customer, technique):
    service = samples.provisioner_service(technique)
    assert roll_out(kea, service).changed
    assert not roll_out(kea, service).changed
    lease = customer(1).lease()
    assert lease.prefix.prefixlen == 64 and lease.prefix.subnet_of(samples.CUSTOMER_SPACE.prefix)
    expected = {}
    if technique == "map-e":
        expected = {94: Container(technique="map-e", rules=service.rules, gateways=(samples.BORDER_RELAY,))}
    elif technique == "map-t":
        expected = {95: Container(technique="map-t", rules=service.rules, translation_prefix=samples.DMR)}
    elif technique == "ds-lite":
        expected = {64: "aftr.example.net"}
    elif technique == "lw4o6":
        found = lease.options[96]
        assert found.gateways == (samples.BORDER_RELAY,)
        assert found.bound.binding(lease.prefix) in service.bindings
        expected = {96: found}
    if technique in MECHANISMS:
        expected[111] = (MECHANISMS[technique],)
    assert lease.options == expected
    # Only what is asked for (RFC 7598 section 8).
    assert customer(1).lease(requested=(23,)).options == {}


ORACLE = {
    "map-e": (
        "EA-bit length: 8",
        "IPv4 prefix: 130.129.255.92",
        "Offset: 4",
        "BR address: 2001:3e8:0:2900::1",
    ),
    "map-t": ("S46 MAP-T Container", "IPv6 prefix: 2001:db8:64::", "IPv6 prefix length: 64"),
    "lw4o6": ("S46 Lightweight 4over6 Container", "PSID length: 6", "BR address: 2001:3e8:0:2900::1"),
    "ds-lite": ("DS-Lite AFTR Name: aftr.example.net", "S46 Option code: "),
    "464xlat": ("Prefix length: 64",),
}


@pytest.mark.parametrize("technique", samples.PROVISIONED)
def test_tshark_reads_the_same(kea, customer, tmp_path, technique):
    roll_out(kea, samples.provisioner_service(technique))
    text = dissected(tmp_path, customer(1).lease().octets)
    assert "Malformed" not in text
    for line in ORACLE[technique]:
        assert line in text


def test_each_customer_of_a_binding_has_a_prefix_and_ports_of_its_own(kea, customer):
    bindings = tuple(samples.hall7_binding(number) for number in (100, 101, 102))
    service = samples.provisioner_service("lw4o6", bindings=bindings)
    roll_out(kea, service)
    leases = [customer(number).lease() for number in (11, 12, 13)]
    found = {lease.options[96].bound.binding(lease.prefix) for lease in leases}
    # As many leases as bindings: nobody shares one.
    assert len(found) == len({lease.prefix for lease in leases}) == 3
    assert found == set(service.bindings)


def test_customer_that_is_known_always_gets_its_prefix(kea, customer):
    roll_out(kea, samples.provisioner_service("map-e"), subscribers=ALWAYS)
    assert customer(0x77).lease().prefix == IPv6Network("2001:3e8:6000:77::/64")
    assert customer(0x78).lease().prefix != IPv6Network("2001:3e8:6000:77::/64")


def test_customers_behind_relays(kea, customer):
    """Each service has its own relays; whoever is behind none of them gets nothing."""
    here, there = "2001:db8:0:7::1", "2001:db8:0:8::1"
    space = Delegation(IPv6Network("2001:3e8:7000::/56"), 64)
    roll_out(
        kea,
        samples.provisioner_service("map-e"),
        samples.provisioner_service("ds-lite", name="hall8", delegations=(space,)),
        link={"hall7": [here], "hall8": ["2001:db8:0:9::1", there]},
    )
    first, second = customer(0x21, relay=here).lease(), customer(0x22, relay=there).lease()
    assert first.prefix.subnet_of(samples.CUSTOMER_SPACE.prefix) and set(first.options) == {94, 111}
    assert second.prefix.subnet_of(space.prefix) and set(second.options) == {64, 111}
    stranger = customer(0x23).lease()
    assert stranger.prefix is None and stranger.options == {}


def test_several_rules_and_forwarding(kea, customer):
    other = MapRule(IPv6Network("2001:3e8:7000::/56"), IPv4Network("203.0.113.0/30"), 8, 4)
    rules = (replace(samples.HALL7_RULE, forwarding=True), replace(other, psid_offset=6))
    roll_out(kea, samples.provisioner_service("map-e", rules=rules))
    assert customer(1).lease().options[94].rules == rules
    roll_out(kea, samples.provisioner_service("map-e", rules=rules[:1]))
    assert customer(1).lease().options[94].rules == rules[:1]


def test_psid_that_is_given(kea, customer):
    rule = MapRule(IPv6Network("2001:3e8:6000::/64"), IPv4Network("192.0.2.1/32"), 0, 6, 8, 52)
    delegation = Delegation(rule.ipv6_prefix, 64)
    roll_out(kea, samples.provisioner_service("map-e", rules=(rule,), delegations=(delegation,)))
    lease = customer(1).lease()
    assert (lease.prefix, lease.options[94].rules) == (rule.ipv6_prefix, (rule,))
    assert b"\x06\x08\x34\x00" in lease.raw[94]


def test_binding_of_another_gateway_and_of_a_whole_address(kea, customer):
    other = IPv6Address("2001:3e8:0:2900::2")
    binding = replace(samples.hall7_binding(0), psid_len=0, psid=0, gateway_address=other)
    roll_out(kea, samples.provisioner_service("lw4o6", bindings=(binding,)))
    found = customer(1).lease().options[96]
    assert found.gateways == (other,) and not found.bound.ports.shared


def test_no_services_no_prefixes(kea, customer):
    roll_out(kea, samples.provisioner_service("map-e"))
    node = samples.node("kea")
    with DaemonSession(kea.run, daemon_of("kea", "json")) as session:
        assert deploy(session, KEA, node, "", "json").changed
    assert kea.read("/etc/kea/ipv4aas.json") == "[]\n"
    lease = customer(1).lease()
    assert lease.prefix is None and lease.options == {}


def test_what_kea_refuses_is_not_put_in_place(kea, customer):
    roll_out(kea, samples.provisioner_service("map-e"))
    before = kea.read("/etc/kea/ipv4aas.json")
    with pytest.raises(TransportError) as error:
        roll_out(kea, samples.provisioner_service("ds-lite"), link="elsewhere", subscribers=ALWAYS)
    assert error.value.step == "propose" and error.value.left == "unchanged"
    assert "elsewhere" in str(error.value)
    assert kea.read("/etc/kea/ipv4aas.json") == before
    assert customer(1).lease().options[94].rules == (samples.HALL7_RULE,)
