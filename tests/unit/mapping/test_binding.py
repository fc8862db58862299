# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The binding table: look-ups both ways, what contradicts, and a million subscribers (RFC 7596 section 6)."""

from __future__ import annotations

import json
import sys
from ipaddress import IPv4Address, IPv6Address, IPv6Network
from pathlib import Path
from random import Random

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding, BindingTable, binding_problems
from ansible_collections.ipv4aas.fleet.engine.mapping.iid import map_address
from ansible_collections.ipv4aas.fleet.engine.mapping.portset import PortSet, PortSetError
from ansible_collections.ipv4aas.fleet.engine.techniques.reach import aggregated

VECTORS = Path(__file__).resolve().parents[2] / "vectors"
MILLION = 1_000_000


def rows(name: str, key: str) -> list:
    found = [v for v in json.loads((VECTORS / name).read_text())["vectors"] if key in v["input"]]
    assert found
    return [pytest.param(v["input"], v["expect"], id=v["id"]) for v in found]


def number(text: str) -> int:
    return int(IPv6Address(text)) if ":" in text else int(IPv4Address(text))


def binding(softwire: str, ipv4: str, *ports: int) -> Binding:
    return Binding(IPv6Address(softwire), IPv4Address(ipv4), *ports)


@pytest.mark.parametrize(("given", "expect"), rows("lw4o6_rfc7596.json", "bind_prefix"))
def test_address_and_ports(given, expect):
    prefix, ipv4 = IPv6Network(given["bind_prefix"]), number(given["ipv4"])
    psid = given["psid"] or 0  # of a full address there may be none
    address = map_address(int(prefix.network_address), 64, ipv4, psid, "rfc7597")
    assert str(IPv6Address(address)) == expect["addr"]
    ports = PortSet(given["psid_offset"], given["psid_len"], psid)
    assert list(ports.ranges()[0]) == expect["ports"]


@pytest.mark.parametrize(("given", "expect"), rows("lw4o6_rfc7596.json", "binding_table"))
def test_table_vectors(given, expect):
    table = BindingTable(binding(row[0], row[1], *row[2:]) for row in given["binding_table"])
    if "ipv4_dst" in given:
        found = table.softwire(number(given["ipv4_dst"]), given.get("dport", given.get("icmp_id")))
        assert found == (number(expect["to"]) if expect.get("to") else None)
    else:
        entitlement = table.entitlement(number(given["ipv6_src"]))
        allowed = entitlement is not None and entitlement.allows(number(given["ipv4_src"]), given["sport"])
        assert allowed is expect["forward"]


def test_ports_of_one_address_may_be_divided_unevenly():
    table = BindingTable(
        [binding("2001:db8::1", "192.0.2.1", 0, 1, 1), binding("2001:db8::2", "192.0.2.1", 0, 2, 0)]
    )
    ipv4 = number("192.0.2.1")
    assert table.softwire(ipv4, 40000) == number("2001:db8::1")
    assert table.softwire(ipv4, 16383) == number("2001:db8::2")
    assert table.softwire(ipv4, 16384) is None
    assert table.softwire(ipv4, None) is None
    assert table.covers(ipv4) and table.shared(ipv4) and not table.covers(ipv4 + 1)


def test_a_port_that_one_division_excludes_may_be_anothers():
    table = BindingTable(
        [binding("2001:db8::1", "192.0.2.1", 6, 8, 0x34), binding("2001:db8::2", "192.0.2.1", 0, 10, 3)]
    )
    assert table.softwire(number("192.0.2.1"), 1232) == number("2001:db8::1")
    assert table.softwire(number("192.0.2.1"), 208) == number("2001:db8::2")


def test_excluded_ports_belong_to_nobody():
    table = BindingTable([binding("2001:db8::1", "192.0.2.1", 6, 8, 0x34)])
    assert table.softwire(number("192.0.2.1"), 1232) == number("2001:db8::1")
    assert table.softwire(number("192.0.2.1"), 208) is None


@pytest.mark.parametrize("ports", [(0, 17, 0), (17, 0, 0), (8, 9, 0), (0, 8, 256)])
def test_port_sets_that_cannot_be(ports):
    with pytest.raises(PortSetError):
        binding("2001:db8::1", "192.0.2.1", *ports)


def test_every_contradiction_is_named():
    bindings = [
        binding("2001:db8::1", "192.0.2.1", 0, 1, 0),
        binding("2001:db8::1", "192.0.2.2"),
        binding("2001:db8::2", "192.0.2.1", 0, 2, 1),
        binding("2001:db8::3", "192.0.2.1", 0, 2, 2),
        binding("2001:db8::4", "192.0.2.3", 4, 4, 1),
        binding("2001:db8::5", "192.0.2.3", 4, 4, 1),
        binding("2001:db8::6", "192.0.2.3", 4, 4, 2),
    ]
    assert list(binding_problems(bindings)) == [
        "softwire 2001:db8::1 has 2 bindings",
        "192.0.2.1 port 16384 belongs to 2001:db8::1 and to 2001:db8::2",
        "192.0.2.3 port 4352 belongs to 2001:db8::4 and to 2001:db8::5",
    ]
    assert not list(binding_problems([bindings[1], *bindings[2:5]]))


def test_addresses_are_aggregated():
    first = number("10.0.0.0")
    assert [str(n) for n in aggregated([first + 3, first + 1, first + 2, first + 3, first + 9])] == [
        "10.0.0.1/32",
        "10.0.0.2/31",
        "10.0.0.9/32",
    ]
    assert [str(n) for n in aggregated(range(first, first + 1024))] == ["10.0.0.0/22"]
    rng = Random(7596)
    for _ in range(200):
        numbers = {rng.randrange(64) + rng.choice([0, 0xFFFFFFC0]) for _ in range(rng.randrange(40))}
        networks = list(aggregated(numbers))
        assert sorted(int(a) for n in networks for a in n) == sorted(numbers)


def test_a_million_bindings():
    """Beside the bindings themselves an entry costs at most 150 octets."""
    base = number("2001:db8::")
    bindings = [
        Binding(IPv6Address(base | n << 64 | 1), IPv4Address(0xC6120000 + (n >> 6)), 0, 6, n & 63)
        for n in range(MILLION)
    ]
    table = BindingTable(bindings)
    octets = sum(map(sys.getsizeof, (table._by_owner, table._by_softwire, table._shapes)))
    octets += sum(map(sys.getsizeof, table._by_owner)) + sum(map(sys.getsizeof, table._shapes))
    assert len(table) == MILLION
    assert octets < 150 * MILLION
    for n in range(0, MILLION, 10):
        ipv4, port = 0xC6120000 + (n >> 6), (n & 63) << 10 | 7
        softwire = table.softwire(ipv4, port)
        assert softwire == base | n << 64 | 1
        entitlement = table.entitlement(softwire)
        assert (
            entitlement is not None
            and entitlement.allows(ipv4, port)
            and not entitlement.allows(ipv4, port ^ 1024)
        )
    assert len(table._entitlements) <= table.CACHE_LIMIT
