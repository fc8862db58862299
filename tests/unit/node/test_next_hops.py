# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Next hops out of what rtnetlink says: which entry a prefix gets, and which are left to the kernel."""

from __future__ import annotations

import socket
import struct
from ipaddress import IPv4Network, ip_address, ip_network
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.node.fast import rtnetlink as nl
from ansible_collections.ipv4aas.fleet.engine.node.fast.next_hops import KERNEL, Hop, Network

OWN = 46
MAC, PEER, OTHER = bytes.fromhex("020000000001"), bytes.fromhex("020000000002"), bytes.fromhex("020000000003")
REACHABLE, STALE, INCOMPLETE, FAILED, DELAY, PERMANENT = 0x02, 0x04, 0x01, 0x20, 0x08, 0x80
UP, LOWER_UP = 0x1, 0x10000
UNICAST, LOCAL_TYPE, UNREACHABLE = 1, 2, 7
MAIN, LOCAL = 254, 255


def number(value: int) -> bytes:
    return struct.pack("=I", value)


def link(index: int, name: str, *, flags: int = UP | LOWER_UP, kind: int = 1, **more: bytes) -> nl.Message:
    body = struct.pack("=BxHiII", 0, kind, index, flags, 0)
    body += nl.attribute(3, name.encode() + b"\0") + nl.attribute(1, MAC) + nl.attribute(4, number(1500))
    body += b"".join(nl.attribute(int(n[1:]), value) for n, value in more.items())
    return nl.Message(nl.NEWLINK, 0, body)


def route(
    prefix: str,
    device: int = 2,
    via: str = "",
    *,
    kind: int = UNICAST,
    table: int = MAIN,
    metric: int = 0,
    flags: int = 0,
    tos: int = 0,
    deleted: bool = False,
    replace: bool = False,
    more: bytes = b"",
) -> nl.Message:
    network = ip_network(prefix)
    family = socket.AF_INET if network.version == 4 else socket.AF_INET6
    body = struct.pack("=BBBBBBBBI", family, network.prefixlen, 0, tos, table, 0, 0, kind, flags)
    if network.prefixlen:
        body += nl.attribute(1, network.network_address.packed)
    if device:
        body += nl.attribute(4, number(device))
    if via:
        same = ip_address(via).version == network.version
        packed = ip_address(via).packed
        body += nl.attribute(5, packed) if same else nl.attribute(18, struct.pack("=H", 10) + packed)
    if metric:
        body += nl.attribute(6, number(metric))
    return nl.Message(nl.DELROUTE if deleted else nl.NEWROUTE, 0x100 if replace else 0, body + more)


def neighbour(address: str, mac: bytes = PEER, state: int = REACHABLE, device: int = 2) -> nl.Message:
    found = ip_address(address)
    family = socket.AF_INET if found.version == 4 else socket.AF_INET6
    body = struct.pack("=BxxxiHBB", family, device, state, 0, 1)
    return nl.Message(nl.NEWNEIGH, 0, body + nl.attribute(1, found.packed) + nl.attribute(2, mac))


def rule(
    priority: int, table: int, protocol: int = 2, family: int = socket.AF_INET, **more: bytes
) -> nl.Message:
    body = struct.pack("=BBBBBBBBI", family, 0, 0, 0, min(table, 255), 0, 0, 1, 0)
    body += nl.attribute(15, number(table)) + nl.attribute(14, number(0xFFFFFFFF))
    body += nl.attribute(21, bytes([protocol]))
    body += nl.attribute(6, number(priority)) if priority else b""
    return nl.Message(nl.NEWRULE, 0, body + b"".join(nl.attribute(int(n[1:]), v) for n, v in more.items()))


@pytest.fixture
def network() -> Network:
    """Two wires and the TUN device, the usual rules, a default route over the first wire."""
    made = Network(OWN)
    for message in (link(2, "eth0"), link(3, "eth1"), link(9, "ipv4aas0", kind=65534)):
        made.learn_link(message)
    for priority, table in ((0, LOCAL), (32766, MAIN), (32767, 253)):
        made.learn_rule(rule(priority, table))
    for message in (
        route("198.51.100.0/24"),
        route("0.0.0.0/0", via="198.51.100.1"),
        route("198.51.100.2/32", 1, kind=LOCAL_TYPE, table=LOCAL),
    ):
        made.learn_route(message)
    made.learn_neighbour(neighbour("198.51.100.1"))
    return made


HOP = Hop(2, 1500, PEER, MAC)


def hops(network: Network, **arguments: Any) -> dict[str, Hop]:
    """As text."""
    return {
        f"{ip_address(address)}/{bits}": hop for (_, bits, address), hop in network.hops(**arguments).items()
    }


def test_gateway_neighbours_own_addresses(network):
    assert hops(network) == {
        "0.0.0.0/0": HOP,
        "198.51.100.0/24": KERNEL,
        "198.51.100.1/32": HOP,
        "198.51.100.2/32": KERNEL,
    }


@pytest.mark.parametrize("state", [INCOMPLETE, FAILED])
def test_neighbour_that_does_not_answer_is_the_kernels_affair(network, state):
    network.take(neighbour("198.51.100.1", state=state))
    assert hops(network)["0.0.0.0/0"] == KERNEL
    assert "198.51.100.1/32" not in hops(network)


@pytest.mark.parametrize("state", [STALE, DELAY, PERMANENT])
def test_neighbour_that_the_kernel_would_send_to(network, state):
    network.take(neighbour("198.51.100.1", OTHER, state))
    assert hops(network)["0.0.0.0/0"].destination == OTHER


def test_neighbour_that_is_forgotten(network):
    network.take(neighbour("198.51.100.1")._replace(kind=nl.DELNEIGH))
    assert hops(network)["0.0.0.0/0"] == KERNEL


@pytest.mark.parametrize(
    "message",
    [
        route("203.0.113.0/24", 9),
        route("203.0.113.0/24", 0, kind=UNREACHABLE),
        route("203.0.113.0/24", 2, "198.51.100.1", flags=0x1),
        route("203.0.113.0/24", 2, "198.51.100.1", flags=0x10),
        route("203.0.113.0/24", 0, more=nl.attribute(9, b"")),
        route("203.0.113.0/24", 2, "198.51.100.1", more=nl.attribute(22, b"\1\0")),
        route("203.0.113.0/24", 2, "198.51.100.1", tos=8),
        route("203.0.113.0/24", 2, "198.51.100.77"),
        route("203.0.113.0/24", 3, "198.51.100.1"),
    ],
    ids=["tun", "unreachable", "dead", "linkdown", "multipath", "encap", "tos", "unknown", "other device"],
)
def test_what_only_the_kernel_can_follow(network, message):
    network.learn_route(message)
    assert hops(network)["203.0.113.0/24"] == KERNEL


def test_gateway_of_the_other_version(network):
    network.learn_neighbour(neighbour("fe80::1", OTHER, device=3))
    network.learn_route(route("203.0.113.0/24", 3, "fe80::1"))
    assert hops(network)["203.0.113.0/24"] == Hop(3, 1500, OTHER, MAC)


def test_mtu_of_a_route(network):
    network.learn_route(
        route("203.0.113.0/24", 2, "198.51.100.1", more=nl.attribute(8, nl.attribute(2, number(1400))))
    )
    assert hops(network)["203.0.113.0/24"].mtu == 1400


def test_least_metric(network):
    network.learn_route(route("203.0.113.0/24", 0, kind=UNREACHABLE, metric=10))
    assert network.take(route("203.0.113.0/24", 2, "198.51.100.1", metric=5)) is False
    assert hops(network)["203.0.113.0/24"] == HOP
    assert network.take(route("203.0.113.0/24", 2, "198.51.100.1", metric=5, deleted=True)) is False
    assert hops(network)["203.0.113.0/24"] == KERNEL


def test_two_of_one_metric_are_two_ways(network):
    network.take(route("203.0.113.0/24", 2, "198.51.100.1"))
    network.take(route("203.0.113.0/24", 3, "198.51.100.1"))
    assert hops(network)["203.0.113.0/24"] == KERNEL
    network.take(route("203.0.113.0/24", 3, "198.51.100.1", deleted=True))
    assert hops(network)["203.0.113.0/24"] == HOP


def test_replaced(network):
    network.take(route("203.0.113.0/24", 3, "198.51.100.1"))
    network.take(route("203.0.113.0/24", 2, "198.51.100.1", replace=True))
    assert hops(network)["203.0.113.0/24"] == HOP


def test_what_has_to_be_asked_for_again(network):
    """The kernel says one part, or nothing of what goes with it."""
    assert network.take(route("203.0.113.0/24", 0, more=nl.attribute(9, b"")))
    assert network.take(route("203.0.113.0/24", 2, "198.51.100.9", deleted=True))
    assert network.take(link(2, "eth0", flags=UP))
    assert not network.take(link(2, "eth0"))
    assert network.take(rule(100, 100))
    assert network.take(nl.Message(21, 0, b""))  # RTM_DELADDR
    assert not network.take(nl.Message(nl.NEWADDR, 0, b""))


@pytest.mark.parametrize("flags", [0, UP, LOWER_UP])
def test_device_that_is_down(network, flags):
    network.learn_link(link(2, "eth0", flags=flags))
    assert set(hops(network).values()) == {KERNEL}


def test_devices_that_are_not_to_be_used(network):
    assert set(hops(network, but=frozenset({2})).values()) == {KERNEL}


def test_local_prefix_covers_longer_routes(network):
    """The table local is asked first, whatever the lengths."""
    network.learn_route(route("203.0.113.0/24", 1, kind=LOCAL_TYPE, table=LOCAL))
    network.learn_route(route("203.0.113.128/25", 2, "198.51.100.1"))
    assert hops(network)["203.0.113.128/25"] == KERNEL


@pytest.mark.parametrize(
    "message",
    [rule(100, 100), rule(32766, MAIN, u2=b"\1\2\3\4"), rule(1000, MAIN, u19=b"\1"), rule(0, MAIN)],
    ids=["table", "source", "l3mdev", "order"],
)
def test_rules_of_others_leave_all_to_the_kernel(network, message):
    network.learn_rule(message)
    assert hops(network) == {}
    assert "1 routing rules" in network.reason()


def test_own_rules_take_the_default_route(network):
    network.learn_rule(rule(4640, MAIN, OWN, u14=number(0)))
    assert network.reason() == ""
    assert hops(network)["0.0.0.0/0"] == KERNEL
    assert hops(network)["198.51.100.1/32"] == HOP


def test_multicast_rules_are_nobodys(network):
    network.learn_rule(rule(32766, MAIN, family=128))
    assert network.reason() == ""


def test_too_many_routes(network, monkeypatch):
    monkeypatch.setattr("ansible_collections.ipv4aas.fleet.engine.node.fast.next_hops.MOST_ROUTES", 3)
    assert not network.crowded
    network.learn_route(route("203.0.113.0/24", 2, "198.51.100.1"))
    assert network.crowded
    assert hops(network) == {}


def test_other_tables_and_cached_routes_are_not_counted(network):
    before = hops(network)
    network.take(route("203.0.113.0/24", 2, "198.51.100.1", table=100))
    network.take(route("203.0.113.7/32", 2, "198.51.100.1", flags=0x200))
    assert hops(network) == before


def test_own_routes_and_those_of_others(network):
    network.learn_route(route("203.0.113.0/24", 9))
    assert dict(network.ways("ipv4aas0")) == {
        IPv4Network("0.0.0.0/0"): True,
        IPv4Network("198.51.100.0/24"): True,
        IPv4Network("198.51.100.2/32"): True,
        IPv4Network("203.0.113.0/24"): False,
    }
    first, last = (int(ip_address(f"198.51.100.{n}")) for n in (0, 255))
    assert set(network.native()) == {(first, last), (first + 2, first + 2)}


def test_gateways_are_probed_first(network):
    network.take(neighbour("198.51.100.9", state=STALE))
    network.take(neighbour("198.51.100.1", state=STALE))
    network.take(neighbour("198.51.100.8"))
    asked = [socket.inet_ntoa(entry.address) for entry in network.to_probe()]
    assert asked == ["198.51.100.1", "198.51.100.9"]
