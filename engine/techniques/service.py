# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One service on one node: the model that is planned, rendered, parsed back and run."""

from __future__ import annotations

from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network

from ..mapping.iid import RFC7597
from ..mapping.rule import Customer, MapRule, MapRuleError, RuleTable, best_rule

GATEWAY = "gateway"
EDGE = "edge"


@dataclass(frozen=True, slots=True)
class PortForward:
    """A static mapping at an edge: traffic to (own address, outside port) goes to a LAN host."""

    protocol: str  # tcp or udp
    outside_port: int
    inside_address: IPv4Address
    inside_port: int


@dataclass(frozen=True, slots=True, kw_only=True)
class Service:
    """All that one node has to know of one service.

    A platform may have no words for some of it (features.yml, ``not_carried``); its parser then
    takes those values over from the wanted service, and drift says that they were not checked.
    """

    name: str
    technique: str  # a key of techniques.TECHNIQUES
    role: str  # gateway or edge
    gateway_address: IPv6Address
    rules: tuple[MapRule, ...]
    interface_identifier: str = RFC7597  # rfc7597 or draft-03
    ipv6_mtu: int = 1500  # octets that the IPv6 network carries whole
    mss_clamp: int = 0  # octets; 0 = clamping is off
    fragmentation: str = "outer"  # what is cut where DF = 0 and too big: outer or inner
    strict_iid: bool = False  # gateway: drop sources whose identifier is not the mapped one
    filtering: str = "address-dependent"  # edge: or endpoint-independent
    end_user_prefix: IPv6Network | None = None  # edge
    inside: tuple[IPv4Network, ...] = ()  # edge: LAN networks that use the service
    port_forwards: tuple[PortForward, ...] = ()  # edge

    @property
    def mesh(self) -> bool:
        """Whether edges reach each other directly: some rule is an FMR (RFC 7597 section 5)."""
        return any(rule.forwarding for rule in self.rules)

    @property
    def customer(self) -> Customer:
        """What this edge owns. Raises MapRuleError where no rule matches its End-user prefix."""
        if self.end_user_prefix is None:
            raise MapRuleError(f"service {self.name}: the {self.role} has no End-user prefix")
        rule = best_rule(self.rules, self.end_user_prefix)
        if rule is None:
            raise MapRuleError(f"service {self.name}: no rule matches {self.end_user_prefix}")
        return rule.customer(self.end_user_prefix, self.interface_identifier)

    def rule_table(self) -> RuleTable:
        """The rules, compiled for look-ups."""
        return RuleTable(self.rules, self.interface_identifier)


@dataclass(frozen=True, slots=True, kw_only=True)
class NodeConfiguration:
    """What a software node runs: the document that the linux platform renders and parses."""

    node: str
    services: tuple[Service, ...]
    device: str = "ipv4aas0"  # name of the TUN interface
