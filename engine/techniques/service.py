# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One service on one node: the model that is planned, rendered, parsed back and run."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from ..mapping.binding import Binding, BindingTable
from ..mapping.eam import Eam
from ..mapping.iid import RFC7597, interface_identifier
from ..mapping.plane import Plane, PlaneRoute
from ..mapping.pool import Pool
from ..mapping.rfc6052 import LENGTHS, PrefixError
from ..mapping.rule import (
    Customer,
    MapRule,
    MapRuleError,
    RuleTable,
    TranslatedRuleTable,
    best_rule,
)
from . import TECHNIQUES

GATEWAY = "gateway"  # carrier side: BR, lwAFTR, AFTR, PLAT, NAT64, SA46T-PT
EDGE = "edge"  # customer side: CE, lwB4, B4, CLAT, SA46T
RESOLVER = "resolver"  # DNS64
PROVISIONER = "provisioner"  # DHCPv6, rule server
ROUTER = "router"  # first hop of IPv6-only hosts: announces PREF64
ANNOUNCER = "announcer"  # routing daemon: announces what a gateway attracts

B4_ADDRESS = 0xC0000002  # 192.0.0.2 (RFC 6333 section 5.7)
COMPUTE, FORWARD, DROP = "compute", "forward", "drop"  # what becomes of a UDP checksum of 0


@dataclass(frozen=True, slots=True)
class PortForward:
    """A static mapping at an edge: traffic to (own address, outside port) goes to a LAN host."""

    protocol: str  # tcp or udp
    outside_port: int
    inside_address: IPv4Address
    inside_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class StaticBinding:
    """A static mapping at a gateway with NAPT: an outside port belongs to a subscriber's host (RFC 6146)."""

    protocol: str  # tcp or udp
    outside_address: IPv4Address  # of the pool
    outside_port: int
    subscriber: IPv6Address  # DS-Lite: the softwire; translation: the host
    inside_address: IPv4Address | None = None  # DS-Lite: the host behind the softwire; None: its end
    inside_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Dns64:
    """How a resolver makes up AAAA records (RFC 6147)."""

    exclude: tuple[IPv6Network, ...] = (IPv6Network("::ffff:0:0/96"),)  # AAAA answers that do not count
    clients: tuple[IPv6Network, ...] = ()  # who gets synthesised answers; empty: everybody
    private: tuple[IPv4Network, ...] = ()  # A answers that are never synthesised


@dataclass(frozen=True, slots=True)
class Delegation:
    """End-user prefixes that a provisioner gives to customers: all of one length, out of one prefix."""

    prefix: IPv6Network
    length: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """All that one node has to know of one service. Which fields count follows from the technique's row.

    A platform may have no words for some of it (features.yml, ``not_carried``); its parser then
    takes those values over from the wanted service, and drift says that they were not checked.
    """

    name: str
    technique: str  # a key of techniques.TECHNIQUES
    role: str  # gateway, edge, resolver, provisioner, router or announcer
    gateway_address: IPv6Address  # BR, lwAFTR, AFTR; a translating gateway sends its own ICMPv6 from it
    rules: tuple[MapRule, ...] = ()  # mapping "rule"
    bindings: tuple[Binding, ...] = ()  # mapping "binding"; at an edge its own one
    pool: Pool | None = None  # mapping "session": at the gateway
    static_bindings: tuple[StaticBinding, ...] = ()  # mapping "session": at the gateway
    plane: Plane | None = None  # mappings "plane..."; of a PT the FP domain
    plane_routes: tuple[PlaneRoute, ...] = ()  # mappings "plane-table" and "plane-rewrite"
    # Where IPv4 addresses of the Internet are, for carriage by translation: the DMR of MAP-T
    # (RFC 7599 section 5.1), the prefix of a PLAT, NAT64 or DNS64 (RFC 6052).
    translation_prefix: IPv6Network | None = None
    eam: tuple[Eam, ...] = ()  # carriage by translation: before RFC 6052 (RFC 7757)
    interface_identifier: str = RFC7597  # rfc7597 or draft-03
    ipv6_mtu: int = 1500  # octets that the IPv6 network carries whole
    mss_clamp: int = 0  # octets; 0 = clamping is off
    fragmentation: str = "outer"  # what is cut where DF = 0 and too big: outer or inner
    strict_iid: bool = False  # gateway: drop sources whose identifier is not the mapped one
    filtering: str = "address-dependent"  # where the NAPT is: or endpoint-independent
    hairpinning: bool = True  # gateway: from customer to customer (RFC 7596 section 6.2)
    icmp_on_miss: bool = False  # gateway: tell the sender that there is no binding (RFC 7596 section 6.2)
    udp_zero_checksum: str = COMPUTE  # translation: compute, forward or drop (RFC 7915 section 4.5)
    lowest_ipv6_mtu: int = 1280  # translation: what IPv4 packets without DF are cut to (RFC 7915 section 4)
    delegations: tuple[Delegation, ...] = ()  # provisioner: what customers ask it for (RFC 8415 section 6.3)
    aftr_name: str = ""  # provisioner: DS-Lite (RFC 6334)
    dns64: Dns64 | None = None  # resolver
    announced_ipv4: tuple[IPv4Network, ...] = ()  # announcer: what its gateway attracts (techniques/reach.py)
    announced_ipv6: tuple[IPv6Network, ...] = ()
    end_user_prefix: IPv6Network | None = None  # edge
    inside: tuple[IPv4Network, ...] = ()  # edge: LAN networks that use the service
    port_forwards: tuple[PortForward, ...] = ()  # edge
    # Linux network namespace that the IPv4 side is in: where planes of one node overlap. "": the node's own.
    namespace: str = ""

    @property
    def mesh(self) -> bool:
        """Whether edges reach each other directly: some rule is an FMR (RFC 7597 section 5)."""
        return any(rule.forwarding for rule in self.rules)

    @property
    def customer(self) -> Customer:
        """What this edge owns, by rule or binding. Raises MapRuleError where none is its own."""
        if self.end_user_prefix is None:
            raise MapRuleError(f"service {self.name}: the {self.role} has no End-user prefix")
        if self.bindings:
            return self._bound(self.end_user_prefix)
        rule = best_rule(self.rules, self.end_user_prefix)
        if rule is None:
            raise MapRuleError(f"service {self.name}: no rule matches {self.end_user_prefix}")
        return rule.customer(self.end_user_prefix, self.interface_identifier)

    def _own_binding(self) -> Binding | None:
        prefix = self.end_user_prefix
        if prefix is None:
            return None
        return next((binding for binding in self.bindings if binding.softwire in prefix), None)

    def _bound(self, prefix: IPv6Network) -> Customer:
        own = self._own_binding()
        if own is None:
            raise MapRuleError(f"service {self.name}: no binding is inside {prefix}")
        return Customer(IPv4Network(own.ipv4), own.ports, own.softwire, prefix)

    @property
    def softwire_address(self) -> IPv6Address:
        """Tunnel address of a B4: identifier of 192.0.0.2 in its End-user prefix."""
        assert self.end_user_prefix is not None
        identifier = interface_identifier(B4_ADDRESS, 0, RFC7597)
        return self.end_user_prefix[identifier % self.end_user_prefix.num_addresses]

    @property
    def clat_prefix(self) -> IPv6Network:
        """Where a CLAT's own IPv4 addresses are: the first prefix of RFC 6052 in its End-user prefix.

        Raises PrefixError where there is no room for one.
        """
        assert self.end_user_prefix is not None
        length = next((length for length in LENGTHS if length >= self.end_user_prefix.prefixlen), None)
        if length is None:
            raise PrefixError(f"{self.end_user_prefix} has no room for IPv4 addresses")
        return IPv6Network((self.end_user_prefix.network_address, length))

    @property
    def border_address(self) -> IPv6Address:
        """Tunnel address of an edge's gateway: that of its binding, else of the service."""
        own = self._own_binding()
        return self.gateway_address if own is None or own.gateway_address is None else own.gateway_address

    def address_table(self) -> RuleTable | BindingTable:
        """Rules or bindings, compiled for look-ups."""
        if TECHNIQUES[self.technique].mapping == "binding":
            return BindingTable(self.bindings)
        return self._rule_table(self.rules)

    def peer_table(self) -> RuleTable:
        """The rules by which edges reach each other (FMR, RFC 7597 section 5)."""
        return self._rule_table(tuple(rule for rule in self.rules if rule.forwarding))

    def _rule_table(self, rules: tuple[MapRule, ...]) -> RuleTable:
        kind = TranslatedRuleTable if TECHNIQUES[self.technique].carriage == "translation" else RuleTable
        return kind(rules, self.interface_identifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfiguration:
    """What a software node runs: the document that the linux platform renders and parses."""

    node: str
    services: tuple[Service, ...]
    device: str = "ipv4aas0"  # name of the TUN interface
