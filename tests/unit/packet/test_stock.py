# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What an allocator says is left can really be had, and no more."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.mapping.portset import PortSet
from ansible_collections.ipv4aas.fleet.engine.packet.allocation import (
    Allocator,
    PoolAllocator,
    PortSetAllocator,
)
from ansible_collections.ipv4aas.fleet.engine.packet.napt import PROTOCOLS, Napt, StaticBinding
from ansible_collections.ipv4aas.fleet.engine.packet.verdict import Drop

TCP, UDP = 6, 17
SMALL = Pool(
    ipv4=(IPv4Network("203.0.113.0/31"),), first_port=65536 - 256, hold_down=120, hold_down_ports=4096
)
ADDRESS = int(IPv4Address("203.0.113.0"))


def realm(number: int) -> int:
    """The softwire of a customer; each has a /64."""
    return int(IPv6Address("2001:db8::")) + (number << 64) + 1


def until_refused(allocator: Allocator, protocol: int, numbers: range, each: int = 1 << 20) -> int:
    """How many ports are given, at most `each` for every customer."""
    given = 0
    for number in numbers:
        for _ in range(each):
            try:
                allocator.take(protocol, realm(number), ADDRESS, 5000, 1.0)
            except Drop:
                break
            given += 1
    return given


def test_ports_one_by_one():
    """The hold-down keeps ports from everybody, of their protocol only."""
    allocator = PoolAllocator(SMALL, Random(1))
    taken = [(n % 9, *allocator.take(UDP, realm(n % 9), 1, 5000, 0.0)) for n in range(90)]
    for number, outside, port in taken[:40]:
        allocator.leave(realm(number))
        allocator.give_back(UDP, realm(number), outside, port, 0.0)
    stock = allocator.stock()
    assert (stock.addresses, stock.ports, stock.waiting, stock.subscribers) == (2, 512, {UDP: 40}, 9)
    assert until_refused(allocator, UDP, range(1000)) == 512 - 50 - 40
    assert until_refused(allocator, TCP, range(1000)) == 512
    allocator.expire(1000.0)
    assert allocator.stock().waiting == {UDP: 0}
    assert until_refused(allocator, UDP, range(1000)) == 40


def test_blocks():
    """A block is its subscriber's until the hold-down of its last port has ended."""
    allocator = PoolAllocator(replace(SMALL, block_size=32), Random(1))
    first = allocator.take(UDP, realm(0), 1, 5000, 0.0)
    allocator.take(TCP, realm(0), 1, 5000, 0.0)
    second = allocator.take(UDP, realm(1), 1, 5000, 0.0)
    stock = allocator.stock()
    assert (stock.ports, stock.blocks, stock.blocks_assigned, stock.subscribers) == (512, 16, 2, 2)
    allocator.leave(realm(1))
    allocator.give_back(UDP, realm(1), *second, 0.0)
    assert allocator.stock().blocks_assigned == 2
    assert until_refused(allocator, UDP, range(2, 100), each=1) == 14
    assert allocator.stock().blocks_assigned == 16
    allocator.expire(1000.0)
    assert allocator.stock().blocks_assigned == 15
    assert first[0] in allocator.addresses


@pytest.mark.parametrize(("dynamic", "prefix"), [(0, "2001:db8::/57"), (32, "2001:db8::/58")])
def test_ranges_by_arithmetic(dynamic, prefix):
    """All that the arithmetic gives, and the dynamic part that anybody may have."""
    pool = replace(
        SMALL,
        first_port=1024,
        deterministic=True,
        block_size=1008,
        dynamic_blocks=dynamic,
        subscribers=IPv6Network(prefix),
    )
    allocator = PoolAllocator(pool, Random(1))
    numbers = range(2 * (64 - dynamic))
    for number in reversed(numbers):  # an address at a time, nobody takes the dynamic part before his own
        until_refused(allocator, UDP, range(number, number + 1), each=1008)
    assert allocator.stock().subscribers == len(numbers)
    rest = until_refused(allocator, UDP, numbers)
    assert allocator.stock().ports == 1008 * len(numbers) + rest
    assert (rest > 0) == bool(dynamic)


def test_own_port_set():
    ports = PortSet(6, 8, 0x34)
    allocator = PortSetAllocator((ADDRESS,), ports, Random(1))
    assert allocator.stock() == (1, len(ports), {}, {}, None, 0, 0)
    assert until_refused(allocator, UDP, range(1)) == len(ports)


@pytest.mark.parametrize("port", [80, 65500], ids=["beside", "of the pool"])
def test_port_forward(port):
    """One below the pool's first port takes nothing away from the pool."""
    allocator = PoolAllocator(replace(SMALL, first_port=65536 - 256), Random(1))
    napt = Napt(allocator, limit=10, static=[StaticBinding(TCP, port, 1, 80, ADDRESS, realm(0))])
    assert napt.ports == {**dict.fromkeys(PROTOCOLS, 0), TCP: 1}
    beside = port == 80
    assert allocator.stock().beside == ({TCP: 1} if beside else {})
    assert until_refused(allocator, TCP, range(1000)) == 512 - (not beside)
