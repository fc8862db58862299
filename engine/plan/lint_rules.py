# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Lint of rules, port sets and addresses. Each check yields (place, what is wrong, what would be right)."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Network, IPv6Network, ip_network
from itertools import combinations
from typing import TypeVar

from ..intent.model import SERVICES, ServiceIntent
from ..intent.wording import any_of
from ..mapping.pool import Pool
from ..mapping.portset import PORT_BITS, PortSet
from ..mapping.rule import MapRule
from .compile import Fleet
from .draw import Drawn
from .edges import Ranges

Said = Iterator[tuple[str, str, str]]
Net = TypeVar("Net", IPv4Network, IPv6Network)

SYSTEM_PORTS = 1024

# IANA special-purpose registries, and RFC 6890 and its successors for what they hold.
_SPECIAL_SPACE = {
    ip_network(prefix): use
    for prefix, use in {
        "::ffff:0:0/96": "IPv4-mapped addresses (RFC 4291)",
        "64:ff9b::/96": "the well-known NAT64 prefix (RFC 6052)",
        "64:ff9b:1::/48": "local-use NAT64 (RFC 8215)",
        "100::/64": "discard-only space (RFC 6666)",
        "2001::/32": "Teredo (RFC 4380)",
        "2001:2::/48": "benchmarking space (RFC 5180)",
        "2001:10::/28": "ORCHID, returned (RFC 4843)",
        "2001:20::/28": "ORCHIDv2 (RFC 7343)",
        "2001:db8::/32": "documentation space (RFC 3849)",
        "2002::/16": "6to4 (RFC 3056)",
        "3fff::/20": "documentation space (RFC 9637)",
        "5f00::/16": "SRv6 segment identifiers (RFC 9602)",
        "fc00::/7": "unique local space (RFC 4193)",
        "0.0.0.0/8": "this network (RFC 791)",
        "10.0.0.0/8": "private space (RFC 1918)",
        "100.64.0.0/10": "shared space of carriers (RFC 6598)",
        "127.0.0.0/8": "loopback space (RFC 1122)",
        "169.254.0.0/16": "link-local space (RFC 3927)",
        "172.16.0.0/12": "private space (RFC 1918)",
        "192.0.0.0/24": "IETF protocol assignments (RFC 6890)",
        "192.0.2.0/24": "documentation space (RFC 5737)",
        "192.88.99.0/24": "6to4 relays (RFC 7526)",
        "192.168.0.0/16": "private space (RFC 1918)",
        "198.18.0.0/15": "benchmarking space (RFC 2544)",
        "198.51.100.0/24": "documentation space (RFC 5737)",
        "203.0.113.0/24": "documentation space (RFC 5737)",
        "224.0.0.0/4": "multicast space (RFC 5771)",
        "240.0.0.0/4": "reserved space (RFC 1112)",
    }.items()
}


@dataclass(frozen=True, slots=True)
class _Placed:
    """A rule and where it comes from."""

    service: ServiceIntent
    place: str
    rule: MapRule

    @property
    def customers_place(self) -> str:
        """Where its IPv6 prefix comes from."""
        return self.place if _explicit(self.service) else f"{SERVICES}.{self.service.name}.customers.ipv6"


def _explicit(service: ServiceIntent) -> bool:
    """Whether the rules or bindings are given one by one."""
    return service.rules is not None or service.bindings is not None


def _placed(fleet: Fleet) -> Iterator[_Placed]:
    for one in fleet.drawn.values():
        fitting = (draft for draft in one.drafts if draft.fits)
        for draft, rule in zip(fitting, one.rules, strict=True):
            yield _Placed(one.intent, draft.place, rule)


def _pooled(fleet: Fleet) -> Iterator[tuple[str, Drawn, Pool]]:
    for name, one in fleet.drawn.items():
        if one.pool is not None:
            yield f"{SERVICES}.{name}", one, one.pool


def _networks(one: Drawn) -> Iterator[tuple[str, IPv4Network]]:
    """Public IPv4 prefixes of a service with their places."""
    for draft in one.drafts:
        if draft.fits:
            yield draft.place, draft.ipv4_prefix
    for index, network in enumerate(one.pool.ipv4 if one.pool else ()):
        yield f"{SERVICES}.{one.intent.name}.ipv4_pools[{index}]", network


def prefixes_hold_ea_bits(fleet: Fleet) -> Said:
    """MAP001."""
    for one in fleet.drawn.values():
        for draft in one.drafts:
            length = draft.ipv6_prefix.prefixlen
            if draft.customer_prefix_len > 128:
                wrong = f"Rule IPv6 prefix length {length} + EA length {draft.ea_len} is more than 128"
                yield f"{draft.place}.ea_length", wrong, f"use ea_length {128 - length} or less"
    for edge in fleet.edges:
        if not edge.long_enough:
            needed = edge.rule.customer_prefix_len
            place = edge.host.place("customer_prefix")
            wrong = f"{edge.prefix} is shorter than Rule IPv6 prefix + EA bits = /{needed}"
            yield place, wrong, f"use a /{needed} inside {edge.rule.ipv6_prefix}"


def ports_hold_psid(fleet: Fleet) -> Said:
    """MAP002."""
    for one in fleet.drawn.values():
        for draft in one.drafts:
            a, k = draft.psid_offset, draft.psid_len
            if draft.port_bits <= PORT_BITS:
                continue
            wrong = f"PSID offset {a} + PSID length {k} = {a + k} is more than the {PORT_BITS} bits of a port"
            if not _explicit(one.intent):
                reserved = f"reserved_ports {1 << k}" if k < PORT_BITS else "reserved_ports 0"
                right = f"use {reserved} or more, or customers_per_address {1 << (PORT_BITS - a)} or less"
                yield f"{SERVICES}.{one.intent.name}.sharing", wrong, right.replace("0 or more", "0")
                break  # the same for every pool
            ways = [f"psid_offset {PORT_BITS - k} or less"] if k <= PORT_BITS else []
            if draft.ea_len:
                ways.append(f"ea_length {draft.ea_len - (a + k - PORT_BITS)} or less")
            else:
                ways.append(f"psid_length {PORT_BITS - a} or less")
            yield draft.place, wrong, f"use {any_of(ways)}"


def one_cut_an_address(fleet: Fleet) -> Said:
    """MAP003."""
    for items in _by_ipv4(fleet).values():
        first = _cut(items[0].rule)
        for item in items[1:]:
            mine = _cut(item.rule)
            if mine != first:
                wrong = (
                    f"cuts {item.rule.ipv4_prefix} by PSID offset {mine[0]} and length {mine[1]},"
                    f" {_short(items[0].place)} by {first[0]} and {first[1]}"
                )
                yield item.place, wrong, f"use PSID offset {first[0]} and length {first[1]} in both"


def _cut(rule: MapRule) -> tuple[int, int]:
    """PSID offset and length; the offset counts only where ports are shared."""
    return (rule.psid_offset if rule.psid_len else 0), rule.psid_len


def no_system_ports(fleet: Fleet) -> Said:
    """MAP004."""
    for place, item, lowest in _once_a_service(fleet, _lowest_port):
        if lowest >= SYSTEM_PORTS:
            continue
        offset = item.rule.psid_offset
        right = "use reserved_ports 1024" if not _explicit(item.service) else "use psid_offset 6"
        if not offset and item.rule.ea_len:
            size = item.rule.port_set(0).range_size
            first = -(-SYSTEM_PORTS // size)
            right += f", or give no customer a PSID below {first}" if first < item.rule.sharing_ratio else ""
        yield place, f"PSID offset {offset} gives customers system ports, from {lowest}", right
    for place, _one, pool in _pooled(fleet):
        if pool.first_port < SYSTEM_PORTS:
            wrong = f"{pool.first_port} gives customers system ports"
            yield f"{place}.sharing.reserved_ports", wrong, f"use {SYSTEM_PORTS}"


def _lowest_port(rule: MapRule) -> int:
    """The lowest port that any customer of a shared address gets; 65536 where none is shared."""
    return rule.port_set(rule.explicit_psid).nth(0) if rule.psid_len else 1 << PORT_BITS


def stated_psid_length(fleet: Fleet) -> Said:
    """MAP005."""
    for one in fleet.drawn.values():
        for draft in one.drafts:
            if draft.ea_len and draft.stated_psid_len not in (None, draft.psid_len):
                suffix = min(draft.ea_len, 32 - draft.ipv4_prefix.prefixlen)
                wrong = (
                    f"{draft.stated_psid_len} is not EA length {draft.ea_len} - {suffix} IPv4 suffix bits"
                    f" = {draft.psid_len}, which is used"
                )
                yield f"{draft.place}.psid_length", wrong, f"use {draft.psid_len}, or remove it"


def zero_subnet_bits(fleet: Fleet) -> Said:
    """MAP006."""
    for edge in fleet.edges:
        below = 128 - edge.rule.customer_prefix_len
        address = int(edge.prefix.network_address)
        zeroed = address >> below << below
        if edge.long_enough and address != zeroed:
            place = edge.host.place("customer_prefix")
            wrong = (
                f"{edge.prefix} has bits set behind the EA bits, which end at"
                f" /{edge.rule.customer_prefix_len}: the gateway computes another address"
            )
            yield place, wrong, f"use {IPv6Network((zeroed, edge.prefix.prefixlen))}"


def enough_ports(fleet: Fleet) -> Said:
    """MAP008."""
    for place, item, ports in _once_a_service(fleet, MapRule.ports_per_customer):
        wanted = item.service.minimum_ports
        if ports >= wanted:
            continue
        fitting = [
            1 << k
            for k in range(item.rule.psid_len)
            if len(PortSet(item.rule.psid_offset if k else 0, k, 0)) >= wanted
        ]
        right = f"use {fitting[-1]} customers on one address or less, or minimum_ports {ports}"
        yield place, f"a customer gets {ports} ports, minimum_ports is {wanted}", right
    for place, one, pool in _pooled(fleet):
        ports, wanted = pool.ports_per_subscriber, one.intent.minimum_ports
        if ports < wanted:
            most = ((1 << PORT_BITS) - pool.first_port) // wanted
            fewer = f"{1 << (most.bit_length() - 1)} customers on one address or less, or " if most else ""
            wrong = f"a customer gets {ports} ports, minimum_ports is {wanted}"
            yield f"{place}.sharing", wrong, f"use {fewer}minimum_ports {ports}"


T = TypeVar("T")


def _once_a_service(fleet: Fleet, measure: Callable[[MapRule], T]) -> Iterator[tuple[str, _Placed, T]]:
    """Every explicit rule; of rules made from pools, which share alike, only the first."""
    told = set()
    for item in _placed(fleet):
        if _explicit(item.service):
            yield item.place, item, measure(item.rule)
        elif item.service.name not in told:
            told.add(item.service.name)
            yield f"{SERVICES}.{item.service.name}.sharing", item, measure(item.rule)


def no_overlap(fleet: Fleet) -> Said:
    """MAP009."""
    by_ipv6: dict[IPv6Network, list[_Placed]] = {}
    for item in _placed(fleet):
        by_ipv6.setdefault(item.rule.ipv6_prefix, []).append(item)
    right = "give each rule, and each service, IPv6 prefixes of its own"
    for prefix, items in by_ipv6.items():
        for item in items[1:]:
            wrong = f"Rule IPv6 prefix {prefix} is that of {_short(items[0].place)} too"
            yield item.customers_place, wrong, right
    for outer, inner in _nested(by_ipv6):
        for item in by_ipv6[inner]:
            if item.service is not by_ipv6[outer][0].service:
                wrong = f"Rule IPv6 prefix {inner} is inside {outer} of {_short(by_ipv6[outer][0].place)}"
                yield item.customers_place, wrong, right
    by_ipv4 = _by_ipv4(fleet)
    for items in by_ipv4.values():
        yield from _one_owner(items)
    for outer4, inner4 in _nested(by_ipv4):
        whole, parts = by_ipv4[outer4][0], by_ipv4[inner4]
        if not _carved_out(whole.rule, parts[0].rule):
            wrong = f"Rule IPv4 prefix {inner4} is inside {outer4} of {_short(whole.place)}"
            yield parts[0].place, wrong, "give one of them other addresses: both serve customers on these"
    yield from _pools_apart(fleet)


def _pools_apart(fleet: Fleet) -> Said:
    """Pools of session gateways: each in itself, and against the addresses of other services."""
    right = "give one of them other addresses: both serve customers on these"
    for place, _one, pool in _pooled(fleet):
        for (i, first), (j, other) in combinations(enumerate(pool.ipv4), 2):
            if first.overlaps(other):
                yield (
                    f"{place}.ipv4_pools[{j}]",
                    f"{other} overlaps {first} of [{i}]",
                    "remove one of the two",
                )
    for one, later in combinations(fleet.drawn.values(), 2):
        if one.pool is None and later.pool is None:
            continue  # rules, compared above
        pools = Ranges(one.ipv4)
        for place, network in _networks(later):
            found = pools.overlapping(network)
            if found is not None:
                yield place, f"{network} overlaps {found} of {one.intent.name}", right


def _one_owner(items: list[_Placed]) -> Said:
    """Rules of one IPv4 prefix each give another explicit PSID, or there is only one rule."""
    explicit = all(not item.rule.ea_len for item in items)
    owners: dict[int, _Placed] = {}
    for item in items:
        psid = item.rule.explicit_psid if explicit else 0
        first = owners.setdefault(psid, item)
        if first is not item:
            what = f"{item.rule.ipv4_prefix}" + (f" PSID {psid}" if explicit and item.rule.psid_len else "")
            wrong = f"{what} belongs to customers of {_short(first.place)} too"
            yield item.place, wrong, "remove it, or give other addresses"


def _carved_out(outer: MapRule, inner: MapRule) -> bool:
    """Whether the inner rule takes over just the customers of the outer one that own its addresses."""
    extra = inner.ipv4_prefix.prefixlen - outer.ipv4_prefix.prefixlen
    length = outer.ipv6_prefix.prefixlen + extra
    if outer.ea_len < extra:
        return False
    suffix = int(inner.ipv4_prefix.network_address) - int(outer.ipv4_prefix.network_address)
    at = suffix >> (32 - inner.ipv4_prefix.prefixlen)
    address = int(outer.ipv6_prefix.network_address) | at << (128 - length)
    return inner.ipv6_prefix == IPv6Network((address, length))


def _by_ipv4(fleet: Fleet) -> dict[IPv4Network, list[_Placed]]:
    found: dict[IPv4Network, list[_Placed]] = {}
    for item in _placed(fleet):
        found.setdefault(item.rule.ipv4_prefix, []).append(item)
    return found


def _nested(prefixes: Iterable[Net]) -> Iterator[tuple[Net, Net]]:
    """Each prefix that lies in another one, with the smallest such. The prefixes are distinct."""
    around: list[Net] = []
    for prefix in sorted(prefixes, key=lambda net: (int(net.network_address), net.prefixlen)):
        while around and not prefix.subnet_of(around[-1]):
            around.pop()
        if around:
            yield around[-1], prefix
        around.append(prefix)


def _short(place: str) -> str:
    return place.removeprefix(f"{SERVICES}.")


def no_shared_interface_address(fleet: Fleet) -> Said:
    """MAP010."""
    shared = [item.rule.ipv4_prefix for item in _placed(fleet) if item.rule.psid_len]
    shared += [network for _place, _one, pool in _pooled(fleet) for network in pool.ipv4]
    ranges = Ranges(shared)
    for host in fleet.intent.hosts.values():
        pool = ranges.overlapping(IPv4Network(host.management)) if host.management else None
        if pool is not None:
            wrong = f"{host.management} is an address of {pool}, which customers share"
            yield f"hosts.{host.name}.ansible_host", wrong, "use an address outside the pools"


def no_path_mtu_discovery_with_anycast(fleet: Fleet) -> Said:
    """MAP011."""
    for name, one in fleet.drawn.items():
        if one.intent.gateway.anycast and one.intent.gateway.path_mtu_discovery:
            wrong = "is on, but too-big messages may reach another gateway of the anycast address"
            yield (
                f"{SERVICES}.{name}.gateway.path_mtu_discovery",
                wrong,
                "use false, and a backbone_mtu that holds",
            )


def forwarding_follows_topology(fleet: Fleet) -> Said:
    """MAP013."""
    for name, one in fleet.drawn.items():
        forwarding = [draft for draft in one.drafts if draft.forwarding]
        if one.intent.mesh and one.drafts and not forwarding:
            yield (
                f"{SERVICES}.{name}.rules",
                "topology is mesh, but no rule is a forwarding rule",
                "use forwarding: true, or topology: hub",
            )
        if not one.intent.mesh:
            for draft in forwarding:
                wrong = "is true, but topology is hub"
                yield f"{draft.place}.forwarding", wrong, "use false, or topology: mesh"


def routable_pools(fleet: Fleet) -> Said:
    """MAP016."""
    for one in fleet.drawn.values():
        told = set()
        for place, network in _networks(one):
            if network.prefixlen <= 24:
                continue
            around = network.supernet(new_prefix=24)
            if one.intent.bindings is not None and around in told:
                continue  # bindings are of one address each
            told.add(around)
            wrong = f"{network} is longer than /24: other networks do not route it by itself"
            yield place, wrong, f"announce {around} to the outside"


def no_special_space(fleet: Fleet) -> Said:
    """X009."""
    for place, prefix in _prefixes(fleet):
        for special, use in _SPECIAL_SPACE.items():
            if prefix.version == special.version and prefix.subnet_of(special):  # type: ignore[arg-type]
                yield place, f"{prefix} is in {use}", "use assigned global space in production"


def _prefixes(fleet: Fleet) -> Iterator[tuple[str, IPv4Network | IPv6Network]]:
    for name, one in fleet.drawn.items():
        place, service = f"{SERVICES}.{name}", one.intent
        if service.gateway.address is not None:
            yield f"{place}.gateway.address", IPv6Network(service.gateway.address)
        if service.gateway.translation_prefix is not None and service.row.carriage == "translation":
            yield f"{place}.gateway.translation_prefix", service.gateway.translation_prefix
        if service.plane is not None and service.plane.prefix is not None:
            yield f"{place}.plane.prefix", service.plane.prefix
        if service.row.napt == "nowhere":
            continue  # customers and pools do not count
        if service.customers is not None:
            yield f"{place}.customers.ipv6", service.customers.ipv6
        for index, pool in enumerate(service.ipv4_pools or ()):
            yield f"{place}.ipv4_pools[{index}]", pool
        for index, rule in enumerate(service.rules or ()):
            yield f"{place}.rules[{index}].ipv6_prefix", rule.ipv6_prefix
            yield f"{place}.rules[{index}].ipv4_prefix", rule.ipv4_prefix


def techniques_apart(fleet: Fleet) -> Said:
    """DHCP004."""
    for one, other in combinations(fleet.drawn.values(), 2):
        if one.intent.technique == other.intent.technique:
            continue
        techniques = f"{one.intent.technique} and {other.intent.technique}"
        place = f"{SERVICES}.{other.intent.name}"
        mine, theirs = other.intent.gateway, one.intent.gateway
        if mine.address and mine.address == theirs.address:
            wrong = f"{mine.address} is the gateway of {one.intent.name} too: {techniques}"
            yield f"{place}.gateway.address", wrong, "give each technique an address of its own"
        pools = Ranges(one.ipv4)
        for where, network in _networks(other):
            if pools.overlapping(network) is not None:
                wrong = f"{network} serves {one.intent.name} too: {techniques}"
                yield where, wrong, "give each technique a pool of its own"
