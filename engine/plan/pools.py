# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Pools of session gateways: whom they suffice for, and who of several gateways has which part."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Address, IPv4Network, summarize_address_range
from itertools import pairwise

from ..intent.model import SERVICES, ServiceIntent, Sharing
from ..intent.wording import any_of
from ..mapping.pool import Pool
from ..problem import Problem

UNSHARED = Sharing(customers_per_address=1)


def addresses_in(pools: Sequence[IPv4Network]) -> int:
    """How many addresses the prefixes have, overlaps counted twice."""
    return sum(pool.num_addresses for pool in pools)


def subscribers(service: ServiceIntent) -> int:
    """End-user prefixes that its customers' prefix holds."""
    assert service.customers is not None
    return 1 << (service.customers.prefix_length - service.customers.ipv6.prefixlen)


def pool_problems(service: ServiceIntent, pool: Pool) -> Iterator[Problem]:
    """A deterministic pool has a block for every subscriber (RFC 7422 section 2)."""
    if not pool.deterministic:
        return
    ratio = (service.sharing or UNSHARED).customers_per_address
    blocks, wanted = addresses_in(pool.ipv4) * ratio, subscribers(service)
    if blocks < wanted:
        wrong = (
            f"is deterministic, but the pools have {addresses_in(pool.ipv4):,} addresses x {ratio:,} blocks"
            f" = {blocks:,} for {wanted:,} customers"
        )
        enough = -(-wanted // addresses_in(pool.ipv4))
        power = 1 << (enough - 1).bit_length()
        ways = [f"customers_per_address {power}"] if power <= 1 << 15 else []
        right = f"use {any_of([*ways, 'more addresses', 'allocation: blocks'])}"
        yield Problem(f"{SERVICES}.{service.name}.sharing.allocation", wrong, right)


def parts(pools: Sequence[IPv4Network], count: int) -> list[tuple[IPv4Network, ...]]:
    """The addresses in ``count`` parts, in order, alike up to one address.

    Gateways share no sessions: two of one pool would give a port to two customers.
    """
    total = addresses_in(pools)
    bounds = [index * total // count for index in range(count + 1)]
    return [tuple(_between(pools, low, high)) for low, high in pairwise(bounds)]


def _between(pools: Sequence[IPv4Network], low: int, high: int) -> Iterator[IPv4Network]:
    """The addresses numbered low..high-1 over all pools."""
    at = 0
    for pool in pools:
        first, last = max(low, at), min(high, at + pool.num_addresses)
        if first < last:
            base = int(pool.network_address) - at
            yield from summarize_address_range(IPv4Address(base + first), IPv4Address(base + last - 1))
        at += pool.num_addresses
