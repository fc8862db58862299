# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What belongs to one edge: its prefix inside a rule, its LAN, its port forwards."""

from __future__ import annotations

from bisect import bisect_right
from collections.abc import Container, Iterable, Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network, collapse_addresses

from ..intent.model import VARIABLE, HostIntent, ServiceIntent
from ..intent.wording import all_of
from ..mapping.portset import PortSet
from ..mapping.rfc6052 import LENGTHS, prefix_problem
from ..mapping.rule import MapRule
from ..problem import Problem
from ..techniques import Technique
from .bindings import own_binding

_SHOWN_RANGES = 3


class RuleIndex:
    """Longest-match look-up of the rule that an End-user prefix belongs to (RFC 7597 section 5)."""

    def __init__(self, rules: Sequence[MapRule]) -> None:
        self.rules = rules
        self._by_length: dict[int, dict[int, MapRule]] = {}
        for rule in rules:
            length = rule.ipv6_prefix.prefixlen
            at = int(rule.ipv6_prefix.network_address) >> (128 - length)
            self._by_length.setdefault(length, {}).setdefault(at, rule)
        self._lengths = sorted(self._by_length, reverse=True)

    def find(self, prefix: IPv6Network) -> MapRule | None:
        """The rule around the prefix; or one inside it, where the prefix is too short (MAP001)."""
        address = int(prefix.network_address)
        for length in self._lengths:
            if length <= prefix.prefixlen:
                rule = self._by_length[length].get(address >> (128 - length))
                if rule is not None:
                    return rule
        return next((rule for rule in self.rules if rule.ipv6_prefix.subnet_of(prefix)), None)


class Ranges:
    """Which of some IPv4 prefixes a network overlaps, by binary search."""

    def __init__(self, networks: Iterable[IPv4Network]) -> None:
        self._networks = sorted(collapse_addresses(networks))
        self._starts = [int(network.network_address) for network in self._networks]

    def overlapping(self, network: IPv4Network) -> IPv4Network | None:
        """One prefix that shares addresses with the network."""
        at = bisect_right(self._starts, int(network.broadcast_address)) - 1
        if at >= 0 and self._networks[at].overlaps(network):
            return self._networks[at]
        return None


def outside_rules(host: HostIntent, prefix: IPv6Network, service: str, rules: Sequence[MapRule]) -> Problem:
    """An End-user prefix that no rule covers."""
    lengths = sorted({rule.customer_prefix_len for rule in rules})
    return Problem(
        host.place("customer_prefix"),
        f"{prefix} is outside the rules of {service}",
        f"use a /{lengths[0]} inside {all_of(rule.ipv6_prefix for rule in rules)}",
    )


def same_customer(host: HostIntent, other: str, rule: MapRule, taken: Container[int]) -> Problem:
    """An End-user prefix that another edge has. ``taken`` holds the EA bits in use under the rule."""
    free = next((ea for ea in range(rule.customer_count) if ea not in taken), None)
    right = "remove one of the two: the rule has no free customer"
    if free is not None:
        address = int(rule.ipv6_prefix.network_address) | free << (128 - rule.customer_prefix_len)
        right = f"use a free one, such as {IPv6Network((address, rule.customer_prefix_len))}"
    return Problem(
        host.place("customer_prefix"), f"{host.customer_prefix} is the customer of {other} too", right
    )


def outside_customers(host: HostIntent, prefix: IPv6Network, service: ServiceIntent) -> Iterator[Problem]:
    """An End-user prefix that is not one subscriber of a service whose gateway has the NAPT."""
    assert service.customers is not None  # intent/check.py
    space, length = service.customers.ipv6, service.customers.prefix_length
    if not prefix.overlaps(space):
        wrong = f"{prefix} is outside the customers of {service.name}"
    elif prefix.prefixlen < length:
        wrong = f"{prefix} is shorter than the /{length} of one customer of {service.name}"
    else:
        return
    yield Problem(host.place("customer_prefix"), wrong, f"use a /{length} inside {space}")


def same_subscriber(host: HostIntent, other: str, length: int) -> Problem:
    """An End-user prefix that is the same subscriber as that of another edge."""
    wrong = f"{host.customer_prefix} is the customer of {other} too"
    return Problem(host.place("customer_prefix"), wrong, f"use a free /{length}")


def clat_problems(host: HostIntent, prefix: IPv6Network, row: Technique) -> Iterator[Problem]:
    """An End-user prefix that a CLAT cannot put IPv4 addresses into (RFC 6052 section 2.2)."""
    if row.carriage != "translation":
        return
    length = next((length for length in LENGTHS if length >= prefix.prefixlen), None)
    wrong = (
        "is longer than /96"
        if length is None
        else prefix_problem(IPv6Network((prefix.network_address, length)))
    )
    if wrong:
        yield Problem(
            host.place("customer_prefix"),
            f"{prefix} holds no IPv4 addresses: {wrong}",
            "use a /64 or shorter (RFC 6052)",
        )


def binding_problems(host: HostIntent, prefix: IPv6Network, rule: MapRule) -> Iterator[Problem]:
    """An End-user prefix that is a part of a customer's, without the softwire address of its binding."""
    own = own_binding(rule, prefix)
    if own is not None and own.softwire not in prefix:
        length = rule.customer_prefix_len
        yield Problem(
            host.place("customer_prefix"),
            f"{prefix} does not hold {own.softwire}, the softwire address of its binding",
            f"use {prefix.supernet(new_prefix=length)}",
        )


def ports_of(rule: MapRule, prefix: IPv6Network) -> PortSet:
    """Ports of the edge with an End-user prefix that is long enough for the rule."""
    whole = rule.ipv6_prefix if rule.ipv6_prefix.subnet_of(prefix) else prefix
    return rule.customer(whole).ports


def lan_problems(host: HostIntent, pools: Ranges) -> Iterator[Problem]:
    """LANs that overlap each other, or the addresses that customers share."""
    for index, network in enumerate(host.lan):
        place = f"{host.place('lan')}[{index}]"
        pool = pools.overlapping(network)
        if pool is not None:
            yield Problem(
                place, f"{network} overlaps {pool}, which the gateways serve", "use private space (RFC 1918)"
            )
        twin = next((other for other in host.lan[:index] if other.overlaps(network)), None)
        if twin is not None:
            yield Problem(place, f"{network} overlaps {twin} of the same edge", "remove one of the two")


def forward_problems(host: HostIntent, ports: PortSet) -> Iterator[Problem]:
    """Port forwards that cannot work where the edge has the NAPT."""
    seen: dict[tuple[str, int], int] = {}
    for index, forward in enumerate(host.port_forwards):
        place = f"{host.place('port_forwards')}[{index}]"
        if forward.outside_port not in ports:
            yield Problem(
                f"{place}.outside_port",
                f"{forward.outside_port} is not a port of this customer",
                f"use {nearest_port(ports, forward.outside_port)}, or another of {shown_ranges(ports)}",
            )
        first = seen.setdefault((forward.protocol, forward.outside_port), index)
        if first != index:
            yield Problem(
                f"{place}.outside_port",
                f"{forward.protocol} {forward.outside_port} is forwarded by [{first}] already",
                "use another port of the customer",
            )
    yield from inside_problems(host)


def inside_problems(host: HostIntent) -> Iterator[Problem]:
    """Port forwards to hosts that are not behind the edge."""
    for index, forward in enumerate(host.port_forwards):
        if not any(forward.inside_address in network for network in host.lan):
            place = f"{host.place('port_forwards')}[{index}].inside_address"
            lan = f"use an address of {all_of(host.lan)}" if host.lan else f"give the LAN in {VARIABLE}lan"
            yield Problem(place, f"{forward.inside_address} is not in the LAN", lan)


def nearest_port(ports: PortSet, wanted: int) -> int:
    """The port of the set that is closest to ``wanted``."""
    candidates = (min(max(wanted, low), high) for low, high in ports.ranges())
    return min(candidates, key=lambda port: abs(port - wanted))


def shown_ranges(ports: PortSet) -> str:
    """``4224-4287, 8320-8383, 12416-12479 ... (15 ranges)``."""
    ranges = ports.ranges()
    listed = ", ".join(f"{low}-{high}" if low < high else str(low) for low, high in ranges[:_SHOWN_RANGES])
    return listed if len(ranges) <= _SHOWN_RANGES else f"{listed} ... ({len(ranges)} ranges)"
