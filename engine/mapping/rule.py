# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MAP mapping rules (RFC 7597 section 5, shared by RFC 7599)."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from .iid import RFC7597, format_of, host_bits, map_address, with_host_bits
from .longest import LongestMatch
from .portset import ALL_PORTS, PortSet, PortSetError, psid_of

DEFAULT_OFFSET = 6
MAX_EA_LEN = 48


class MapRuleError(ValueError):
    """The values cannot be one mapping rule, or a prefix is not a customer of the rule."""


@dataclass(frozen=True, slots=True)
class Customer:
    """What one customer owns: addresses and ports outside, tunnel address inside the domain."""

    ipv4: IPv4Network
    ports: PortSet
    address: IPv6Address
    end_user_prefix: IPv6Network


@dataclass(frozen=True, slots=True)
class MapRule:
    """One mapping rule.

    ``psid_len`` and ``psid`` are given only for explicit PSIDs (ea_len = 0, RFC 7597 appendix A
    example 5); otherwise the PSID length follows from the EA bits. ``forwarding`` marks a rule
    that edges may use to reach each other (FMR, the F flag of RFC 7598 section 4.1).

    Raises MapRuleError, with all that is wrong in one message.
    """

    ipv6_prefix: IPv6Network
    ipv4_prefix: IPv4Network
    ea_len: int
    psid_offset: int = DEFAULT_OFFSET
    explicit_psid_len: int = 0
    explicit_psid: int = 0
    forwarding: bool = False

    def __post_init__(self) -> None:
        problems = rule_problems(self)
        if problems:
            raise MapRuleError("; ".join(problems))

    @property
    def suffix_len(self) -> int:
        """p: bits of the IPv4 address that the EA bits carry."""
        return min(self.ea_len, 32 - self.ipv4_prefix.prefixlen)

    @property
    def psid_len(self) -> int:
        """q: bits of the PSID, from the EA bits or explicit."""
        return self.ea_len - self.suffix_len if self.ea_len else self.explicit_psid_len

    @property
    def customer_prefix_len(self) -> int:
        """n + o: prefix length that identifies one customer."""
        return self.ipv6_prefix.prefixlen + self.ea_len

    @property
    def kind(self) -> str:
        """prefix, full or shared (RFC 7597 section 5.2)."""
        if self.psid_len:
            return "shared"
        return "full" if self.ipv4_prefix.prefixlen + self.ea_len == 32 else "prefix"

    @property
    def customer_ipv4_len(self) -> int:
        """IPv4 prefix length that one customer has (32 where an address is full or shared)."""
        return self.ipv4_prefix.prefixlen + self.suffix_len

    @property
    def sharing_ratio(self) -> int:
        """Customers on one IPv4 address."""
        return 1 << self.psid_len

    @property
    def customer_count(self) -> int:
        """End-user prefixes that the rule can number."""
        return 1 << self.ea_len

    def port_set(self, psid: int) -> PortSet:
        """Port set of a PSID under this rule."""
        return PortSet(self.psid_offset, self.psid_len, psid) if self.psid_len else ALL_PORTS

    def ports_per_customer(self) -> int:
        """Ports that each customer gets on its address."""
        return len(self.port_set(0))

    def nth_prefix(self, ea_bits: int) -> IPv6Network:
        """End-user prefix (of length n + o) of the customer with these EA bits."""
        base = int(self.ipv6_prefix.network_address) | ea_bits << (128 - self.customer_prefix_len)
        return IPv6Network((base, self.customer_prefix_len))

    def customer(self, end_user_prefix: IPv6Network, iid_format: str = RFC7597) -> Customer:
        """What the edge with this End-user prefix owns, as the edge itself computes it.

        Bits between n + o and the end of the prefix are kept (see lint rule MAP006).
        Raises MapRuleError where the prefix is outside the rule or too short for its EA bits.
        """
        if not end_user_prefix.subnet_of(self.ipv6_prefix):
            raise MapRuleError(f"{end_user_prefix} is not inside Rule IPv6 prefix {self.ipv6_prefix}")
        if end_user_prefix.prefixlen < self.customer_prefix_len:
            raise MapRuleError(
                f"{end_user_prefix} is shorter than Rule IPv6 prefix + EA bits = /{self.customer_prefix_len}"
            )
        address = int(end_user_prefix.network_address)
        ipv4, psid = split_ea(self, address)
        return Customer(
            ipv4=IPv4Network((ipv4, self.customer_ipv4_len)),
            ports=self.port_set(psid),
            address=IPv6Address(map_address(address, end_user_prefix.prefixlen, ipv4, psid, iid_format)),
            end_user_prefix=end_user_prefix,
        )


def rule_problems(rule: MapRule) -> list[str]:
    """All that makes the values no rule (RFC 7597 sections 5.1 and 5.2)."""
    problems = []
    if not 0 <= rule.ea_len <= MAX_EA_LEN:
        problems.append(f"EA-bits length {rule.ea_len} is outside 0..48")
    elif rule.customer_prefix_len > 128:
        problems.append(f"Rule IPv6 prefix {rule.ipv6_prefix} + EA {rule.ea_len} is longer than 128 bits")
    if rule.ea_len and (rule.explicit_psid_len or rule.explicit_psid):
        problems.append("an explicit PSID needs EA-bits length 0: the EA bits carry the PSID")
    if rule.explicit_psid_len and rule.ipv4_prefix.prefixlen != 32:
        problems.append("an explicit PSID needs a Rule IPv4 prefix of /32 (RFC 7598 section 4.5)")
    psid_len = max(0, rule.ea_len - (32 - rule.ipv4_prefix.prefixlen)) or rule.explicit_psid_len
    if not problems:
        try:
            PortSet(rule.psid_offset, psid_len, rule.explicit_psid)
        except PortSetError as error:
            problems.append(str(error))
    return problems


def split_ea(rule: MapRule, address: int) -> tuple[int, int]:
    """IPv4 address (first of the customer's) and PSID that the EA bits of a 128-bit address carry."""
    ea = (address >> (128 - rule.customer_prefix_len)) & ((1 << rule.ea_len) - 1)
    psid = ea & ((1 << rule.psid_len) - 1) if rule.ea_len else rule.explicit_psid
    suffix = ea >> rule.psid_len if rule.ea_len else 0
    host_bits = 32 - rule.ipv4_prefix.prefixlen
    return int(rule.ipv4_prefix.network_address) | suffix << (host_bits - rule.suffix_len), psid


@dataclass(frozen=True, slots=True)
class Entitlement:
    """What the owner of an IPv6 source may use as inner source."""

    ipv4: int
    ipv4_mask: int
    ports: PortSet
    address: int  # the MAP address that the mapping computes, as 128-bit integer

    def allows(self, ipv4: int, port: int | None) -> bool:
        """Whether inner source and port are the owner's; None where the packet has no port."""
        if ipv4 & self.ipv4_mask != self.ipv4:
            return False
        return not self.ports.shared or (port is not None and port in self.ports)


class RuleTable:
    """Longest-match look-up over rules, both ways, on integers. Answers are cached, bounded."""

    CACHE_LIMIT = 65536

    def __init__(self, rules: Iterable[MapRule], iid_format: str = RFC7597) -> None:
        rules = tuple(rules)
        self.iid_format = iid_format
        self.gateways: frozenset[int] = frozenset()  # beside that of the service
        self._by_ipv6 = LongestMatch((rule.ipv6_prefix, rule) for rule in rules)
        self._by_ipv4 = LongestMatch(_together(rules).items())
        # Only prefixes of up to 64 bits may share one cache key per upper half of the address.
        self._cacheable = all(rule.customer_prefix_len <= 64 for rule in rules)
        self._softwires: dict[tuple[int, int], int] = {}
        self._entitlements: dict[int, Entitlement | None] = {}

    def rule_for_ipv6(self, address: int) -> MapRule | None:
        """The rule whose IPv6 prefix is the longest match (RFC 7597 section 8.1)."""
        return self._by_ipv6.find(address)

    def rule_for_ipv4(self, address: int) -> MapRule | None:
        """The rule whose IPv4 prefix is the longest match (RFC 7597 section 5).

        Rules with explicit PSIDs may share an address: this is one of them, alike in offset and length.
        """
        found = self._by_ipv4.find(address)
        return found[0] if found else None

    def covers(self, ipv4: int) -> bool:
        """Whether an IPv4 address is some customer's."""
        return self.rule_for_ipv4(ipv4) is not None

    def shared(self, ipv4: int) -> bool:
        """Whether the customer of an IPv4 address is found only with a port."""
        rule = self.rule_for_ipv4(ipv4)
        return rule is not None and rule.psid_len > 0

    def softwire(self, ipv4: int, port: int | None) -> int | None:
        """Tunnel address of the customer that owns (IPv4, port), as 128-bit integer.

        None where no rule covers the address, where a shared address comes without a port, or
        where the port is excluded (A = 0) or belongs to another PSID than an explicit one.
        """
        rules = self._by_ipv4.find(ipv4)
        if rules is None:
            return None
        rule, psid = rules[0], 0
        if rule.psid_len:
            owner = None if port is None else psid_of(port, rule.psid_offset, rule.psid_len)
            if owner is None:
                return None
            psid = owner
        key = (ipv4, psid)
        found = self._softwires.get(key)
        if found is None:
            explicit = rule.psid_len > 0 and not rule.ea_len
            owner_rule = next((r for r in rules if not explicit or r.explicit_psid == psid), None)
            if owner_rule is None:
                return None
            if len(self._softwires) >= self.CACHE_LIMIT:
                self._softwires.clear()
            found = self._softwires[key] = self._address(owner_rule, ipv4, psid)
        return found

    def _address(self, rule: MapRule, ipv4: int, psid: int) -> int:
        return _softwire(rule, ipv4, psid, self.iid_format)

    def gateway(self, softwire: int) -> int | None:
        """The gateway address of a softwire; None: that of the service."""
        return None

    def mapped(self, ipv6: int, entitlement: Entitlement) -> bool:
        """Whether an IPv6 source is the very address that the mapping computes."""
        return ipv6 == entitlement.address

    def entitlement(self, ipv6: int) -> Entitlement | None:
        """What the IPv6 source may use inside, from its EA bits only; None without a rule."""
        prefix = ipv6 >> 64
        if self._cacheable and prefix in self._entitlements:
            return self._entitlements[prefix]
        rule = self.rule_for_ipv6(ipv6)
        found = None if rule is None else _entitlement(rule, ipv6, self.iid_format)
        if self._cacheable:
            if len(self._entitlements) >= self.CACHE_LIMIT:
                self._entitlements.clear()
            self._entitlements[prefix] = found
        return found

    def source_format(self, ipv6: int, entitlement: Entitlement) -> str | None:
        """Which identifier layout a customer's IPv6 source carries, None for neither or both."""
        rule = self.rule_for_ipv6(ipv6)
        if rule is None:
            return None
        return format_of(ipv6, rule.customer_prefix_len, entitlement.ipv4, entitlement.ports.psid)


class TranslatedRuleTable(RuleTable):
    """Rules where the IPv4 header does not travel (MAP-T): the IPv6 address alone says which host it is.

    A customer with an IPv4 prefix has one MAP address for each of its IPv4 addresses: the whole
    address stands in the identifier, whose field is as wide. RFC 7599 section 6 pads the prefix with
    zeros, which names its first host and would lose the others.
    """

    def _address(self, rule: MapRule, ipv4: int, psid: int) -> int:
        return with_host_bits(super()._address(rule, ipv4, psid), ipv4 & _host_mask(rule), self.iid_format)

    def mapped(self, ipv6: int, entitlement: Entitlement) -> bool:
        """The same, for any host of an IPv4 prefix."""
        host = host_bits(ipv6, ~entitlement.ipv4_mask & 0xFFFFFFFF, self.iid_format)
        return ipv6 == with_host_bits(entitlement.address, host, self.iid_format)

    def ipv4_of(self, ipv6: int) -> int | None:
        """The IPv4 address that an IPv6 address stands for, None without a rule.

        EA bits say whose it is; the identifier says which host, where it is a mapped one.
        """
        entitlement = self.entitlement(ipv6)
        if entitlement is None:
            return None
        mask = ~entitlement.ipv4_mask & 0xFFFFFFFF
        if not mask or not self.mapped(ipv6, entitlement):
            return entitlement.ipv4
        return entitlement.ipv4 | host_bits(ipv6, mask, self.iid_format)


def _host_mask(rule: MapRule) -> int:
    return (1 << (32 - rule.customer_ipv4_len)) - 1


def _together(rules: Iterable[MapRule]) -> dict[IPv4Network, list[MapRule]]:
    """The rules of each Rule IPv4 prefix: those with explicit PSIDs may share one."""
    found: dict[IPv4Network, list[MapRule]] = {}
    for rule in rules:
        found.setdefault(rule.ipv4_prefix, []).append(rule)
    return found


def _softwire(rule: MapRule, ipv4: int, psid: int, iid_format: str) -> int:
    host_bits = 32 - rule.ipv4_prefix.prefixlen
    suffix = (ipv4 & ((1 << host_bits) - 1)) >> (host_bits - rule.suffix_len)
    owner = ipv4 >> (32 - rule.customer_ipv4_len) << (32 - rule.customer_ipv4_len)
    ea = (suffix << rule.psid_len | psid) if rule.ea_len else 0
    prefix = int(rule.ipv6_prefix.network_address) | ea << (128 - rule.customer_prefix_len)
    return map_address(prefix, rule.customer_prefix_len, owner, psid, iid_format)


def _entitlement(rule: MapRule, ipv6: int, iid_format: str) -> Entitlement:
    ipv4, psid = split_ea(rule, ipv6)
    length = rule.customer_ipv4_len
    return Entitlement(
        ipv4=ipv4,
        ipv4_mask=(0xFFFFFFFF << (32 - length)) & 0xFFFFFFFF,
        ports=rule.port_set(psid),
        address=_softwire(rule, ipv4, psid, iid_format),
    )


def best_rule(rules: Iterable[MapRule], end_user_prefix: IPv6Network) -> MapRule | None:
    """The Basic Mapping Rule of an End-user prefix: longest match (RFC 7597 section 5)."""
    matching = [rule for rule in rules if end_user_prefix.subnet_of(rule.ipv6_prefix)]
    return max(matching, key=lambda rule: rule.ipv6_prefix.prefixlen, default=None)


def customer_prefix(rule: MapRule, ipv4: IPv4Address, psid: int) -> IPv6Network:
    """End-user prefix (of length n + o) that owns an IPv4 address and PSID: for trace and drift."""
    address = _softwire(rule, int(ipv4), psid, RFC7597)
    return IPv6Network((address, rule.customer_prefix_len), strict=False)
