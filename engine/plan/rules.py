# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""From customers, pools and sharing to mapping rules (RFC 7597 section 5)."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network

from ..intent.model import SERVICES, Customers, Rule, ServiceIntent, Sharing
from ..intent.wording import any_of
from ..mapping.portset import PORT_BITS
from ..mapping.rule import DEFAULT_OFFSET, MAX_EA_LEN, MapRule
from ..problem import Problem

_UNSHARED = Sharing(customers_per_address=1)


@dataclass(frozen=True, slots=True, kw_only=True)
class RuleDraft:
    """The values of one rule, which may not fit together yet (lint MAP001, MAP002)."""

    place: str
    ipv6_prefix: IPv6Network
    ipv4_prefix: IPv4Network
    ea_len: int
    psid_offset: int
    stated_psid_len: int | None = None
    psid: int = 0
    forwarding: bool

    @property
    def psid_len(self) -> int:
        """k: from the EA bits, or as stated where there are none."""
        if self.ea_len:
            return max(0, self.ea_len - (32 - self.ipv4_prefix.prefixlen))
        return self.stated_psid_len or 0

    @property
    def customer_prefix_len(self) -> int:
        """n + o."""
        return self.ipv6_prefix.prefixlen + self.ea_len

    @property
    def port_bits(self) -> int:
        """a + k, where ports are shared."""
        return self.psid_offset + self.psid_len if self.psid_len else 0

    @property
    def fits(self) -> bool:
        """Whether it can be a rule."""
        return self.customer_prefix_len <= 128 and self.port_bits <= PORT_BITS

    def rule(self) -> MapRule:
        """The rule. Raises MapRuleError unless ``fits``."""
        return MapRule(
            self.ipv6_prefix,
            self.ipv4_prefix,
            self.ea_len,
            psid_offset=self.psid_offset,
            explicit_psid_len=0 if self.ea_len else self.psid_len,
            explicit_psid=self.psid,
            forwarding=self.forwarding,
        )


def draft_rules(service: ServiceIntent) -> tuple[tuple[RuleDraft, ...], tuple[Problem, ...]]:
    """Rules of a service, and why there are none where its customers do not fit."""
    if service.rules is not None:
        return tuple(_explicit(service, service.rules)), ()
    assert service.customers is not None and service.ipv4_pools is not None  # intent/check.py
    sharing = service.sharing or _UNSHARED
    numbered = _number_pools(service.customers, service.ipv4_pools, sharing.psid_len)
    if numbered is None:
        return (), (_does_not_fit(service, service.customers, service.ipv4_pools, sharing),)
    drafts = tuple(
        RuleDraft(
            place=f"{SERVICES}.{service.name}.ipv4_pools[{index}]",
            ipv6_prefix=prefix,
            ipv4_prefix=pool,
            ea_len=_ea_len(pool, sharing.psid_len),
            psid_offset=sharing.psid_offset if sharing.psid_len else DEFAULT_OFFSET,
            forwarding=service.mesh,
        )
        for index, (prefix, pool) in enumerate(zip(numbered, service.ipv4_pools, strict=True))
    )
    return drafts, ()


def _explicit(service: ServiceIntent, rules: Sequence[Rule]) -> Iterator[RuleDraft]:
    for index, rule in enumerate(rules):
        yield RuleDraft(
            place=f"{SERVICES}.{service.name}.rules[{index}]",
            ipv6_prefix=rule.ipv6_prefix,
            ipv4_prefix=rule.ipv4_prefix,
            ea_len=rule.ea_length,
            psid_offset=rule.psid_offset,
            stated_psid_len=rule.psid_length,
            psid=rule.psid or 0,
            forwarding=service.mesh if rule.forwarding is None else rule.forwarding,
        )


def _ea_len(pool: IPv4Network, psid_len: int) -> int:
    return 32 - pool.prefixlen + psid_len


def _number_pools(
    customers: Customers, pools: Sequence[IPv4Network], psid_len: int
) -> list[IPv6Network] | None:
    """A Rule IPv6 prefix for each pool, one after the other from the start of the customers' prefix.

    Each starts at a multiple of its own size. None where they do not fit.
    """
    room = customers.prefix_length - customers.ipv6.prefixlen
    first, found = int(customers.ipv6.network_address), []
    at = 0
    for pool in pools:
        ea_len = _ea_len(pool, psid_len)
        at = -(-at >> ea_len) << ea_len  # round up
        at_end = at + (1 << ea_len)
        if at_end > 1 << room or ea_len > MAX_EA_LEN:
            return None
        address = first + (at << (128 - customers.prefix_length))
        found.append(IPv6Network((address, customers.prefix_length - ea_len)))
        at = at_end
    return found


def _does_not_fit(
    service: ServiceIntent, customers: Customers, pools: Sequence[IPv4Network], sharing: Sharing
) -> Problem:
    addresses, ratio = sum(pool.num_addresses for pool in pools), sharing.customers_per_address
    room = 1 << (customers.prefix_length - customers.ipv6.prefixlen)
    wrong = (
        f"{customers.ipv6} has {room:,} prefixes of /{customers.prefix_length}, but the pools have"
        f" {addresses:,} addresses x {ratio:,} customers = {addresses * ratio:,}"
    )
    if addresses * ratio <= room:
        wrong += ", with gaps in this order: each pool starts at a multiple of its size"
    right = f"use {any_of(_ways_to_fit(customers, pools, sharing))}"
    return Problem(f"{SERVICES}.{service.name}.customers.ipv6", wrong, right)


def _ways_to_fit(customers: Customers, pools: Sequence[IPv4Network], sharing: Sharing) -> Iterator[str]:
    for length in range(customers.ipv6.prefixlen - 1, 0, -1):
        wider = customers.model_copy(update={"ipv6": customers.ipv6.supernet(new_prefix=length)})
        if _number_pools(wider, pools, sharing.psid_len) is not None:
            yield f"{wider.ipv6}"
            break
    for psid_len in range(sharing.psid_len - 1, -1, -1):
        if _number_pools(customers, pools, psid_len) is not None:
            yield f"customers_per_address {1 << psid_len}"
            break
    by_size = sorted(pools, key=lambda pool: pool.prefixlen)
    if _number_pools(customers, by_size, sharing.psid_len) is not None:
        yield "ipv4_pools with the larger ones first"
    elif len(pools) == 1:
        fitting = customers.prefix_length - customers.ipv6.prefixlen - sharing.psid_len
        if fitting >= 0:
            yield f"a pool of /{32 - fitting}"
