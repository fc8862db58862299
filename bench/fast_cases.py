# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Gateways that bench/fast_path.py measures: a service, its customers, and their packets.

A technique more is a row of CASES.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass, replace
from functools import cache
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from random import Random

from live import CUSTOMER, INTERNET, MTUS, SERVER4  # first: it makes the imports below work

# isort: split
from ansible_collections.ipv4aas.fleet.engine.mapping.binding import Binding
from ansible_collections.ipv4aas.fleet.engine.mapping.iid import RFC7597, map_address
from ansible_collections.ipv4aas.fleet.engine.mapping.pool import Pool
from ansible_collections.ipv4aas.fleet.engine.mapping.rfc6052 import Embedding
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.techniques import TECHNIQUES
from ansible_collections.ipv4aas.fleet.engine.techniques.service import GATEWAY, Service
from frames import HEADER4, HEADER6, IPV4, IPV6, Customer, Frame

CUSTOMERS = IPv6Network("2001:db8:100::/40")
CUSTOMER_LENGTH = 60
OUTSIDE = IPv4Network("198.18.0.0/15")
ADDRESSES = IPv4Network("198.18.0.0/18")
PSID_LENGTH = 6  # 64 customers an address: 1,048,576 in all
OWN = IPv6Address("2001:db8:f::1")
PREFIX64 = IPv6Network("2001:db8:f:64::/96")
BEHIND = IPv4Address("10.0.0.2")  # a host behind a B4
MOST = ADDRESSES.num_addresses << PSID_LENGTH
UP, DOWN = "up", "down"  # from customers, to them
FAR = IPv4Address(SERVER4)


def shared(number: int) -> tuple[IPv4Address, int]:
    """Address and PSID of a customer."""
    return ADDRESSES[number >> PSID_LENGTH], number & ((1 << PSID_LENGTH) - 1)


def prefix_of(number: int) -> int:
    """End-user prefix of a customer, as an address."""
    return int(CUSTOMERS[0]) | number << 128 - CUSTOMER_LENGTH


def mapped(number: int) -> IPv6Address:
    """MAP address of a customer."""
    address, psid = shared(number)
    return IPv6Address(map_address(prefix_of(number), CUSTOMER_LENGTH, int(address), psid, RFC7597))


def bound(number: int) -> IPv6Address:
    """Tunnel address of an lwB4 or a B4."""
    return IPv6Address(prefix_of(number) | 1)


@cache
def bindings(count: int) -> tuple[Binding, ...]:
    """The binding table of so many customers."""
    found = []
    for number in range(count):
        address, psid = shared(number)
        found.append(Binding(bound(number), address, psid_offset=0, psid_len=PSID_LENGTH, psid=psid))
    return tuple(found)


def _base(technique: str) -> Service:
    row = TECHNIQUES[technique]
    return Service(
        name=technique,
        technique=technique,
        role=GATEWAY,
        gateway_address=OWN,
        ipv6_mtu=MTUS[CUSTOMER],
        translation_prefix=PREFIX64 if row.carriage == "translation" else None,
    )


def _by_rule(technique: str, _: int) -> Service:
    length = 32 - ADDRESSES.prefixlen + PSID_LENGTH
    return replace(_base(technique), rules=(MapRule(CUSTOMERS, ADDRESSES, ea_len=length, psid_offset=0),))


def _by_binding(technique: str, count: int) -> Service:
    return replace(_base(technique), bindings=bindings(count))


def _by_session(technique: str, _: int) -> Service:
    return replace(_base(technique), pool=Pool(ipv4=(ADDRESSES,), subscribers=CUSTOMERS))


@dataclass(frozen=True)
class Case:
    """One gateway."""

    technique: str
    service: Callable[[str, int], Service]
    softwire: Callable[[int], IPv6Address]
    goal: float | None  # of a bare redirect
    directions: Sequence[str] = (UP, DOWN)

    @property
    def translates(self) -> bool:
        return TECHNIQUES[self.technique].carriage == "translation"

    @property
    def keeps_sessions(self) -> bool:
        return TECHNIQUES[self.technique].mapping == "session"

    def growth(self, direction: str) -> int:
        """Octets that a packet gets on the gateway."""
        more = HEADER6 - HEADER4 if self.translates else HEADER6
        return -more if direction == UP else more

    def customers(self, count: int, flows: int, seed: int = 1) -> list[Customer]:
        """`flows` of them, drawn from the first `count`; of session gateways each has another port."""
        rng, found = Random(seed), []
        low = 1 << 16 - PSID_LENGTH
        for n in range(flows):
            number = rng.randrange(count)
            if self.keeps_sessions:
                found.append(Customer(self.softwire(number), BEHIND, 1024 + n % 64000))
                continue
            address, psid = shared(number)
            found.append(Customer(self.softwire(number), address, psid * low + rng.randrange(1, low)))
        return found

    def crowd(self, subscribers: int, each: int, seed: int = 1) -> list[Customer]:
        """Flows of a session gateway, `each` of every subscriber, all in no order."""
        ends = [self.softwire(number) for number in range(subscribers)]
        numbers = list(range(subscribers * each))
        Random(seed).shuffle(numbers)
        # Ports as far apart as a host's are, and other ones of each host.
        step = 60000 // each
        return [Customer(ends[n // each], BEHIND, 1024 + n % each * step + n // each % step) for n in numbers]

    def frame(self, direction: str, customers: Sequence[Customer], *, carried: bool = True) -> Frame:
        """What is sent; `carried`: the gateway has done its work when it arrives."""
        outbound = direction == UP
        if not outbound:
            arrives = IPV6 if carried else IPV4
            return Frame(f"{self.technique} down", customers, FAR, False, arrives=arrives)
        arrives = IPV4 if carried else IPV6
        name = f"{self.technique} up"
        if self.translates:
            far = IPv6Address(Embedding(PREFIX64).embed(int(FAR)))
            return Frame(name, customers, far, True, arrives=arrives)
        return Frame(name, customers, FAR, True, OWN, arrives=arrives)


# Start and end of a direction on the wire.
ENDS = {UP: (CUSTOMER, INTERNET), DOWN: (INTERNET, CUSTOMER)}

CASES = {
    case.technique: case
    for case in (
        Case("map-e", _by_rule, mapped, 0.95),
        Case("lw4o6", _by_binding, bound, 0.95),
        Case("map-t", _by_rule, mapped, None),
        Case("ds-lite", _by_session, bound, 0.85, (UP,)),
        Case("nat64", _by_session, bound, 0.85, (UP,)),
    )
}
