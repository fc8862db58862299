# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What the standards and the ShowNet of 2013 say of a plan: one small function a rule.

RULES holds every rule that concerns MAP-E; CHECKS those that an inventory can break. Why the others
need no check is in RULES too, and in docs/lint.md.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from dataclasses import dataclass
from types import MappingProxyType

from . import lint_devices as devices
from . import lint_rules as rules
from .compile import Fleet
from .model import Finding

ERROR, WARN, INFO = "error", "warn", "info"


@dataclass(frozen=True, slots=True)
class LintRule:
    """One rule: its severity and source, what it asks for, and why it is not checked, if so."""

    id: str
    severity: str
    source: str
    title: str
    unchecked: str = ""


_ALL = (
    LintRule(
        "MAP001",
        ERROR,
        "RFC 7597 s5.2",
        "Rule IPv6 prefix length + EA length is no more than the length of every End-user prefix",
    ),
    LintRule("MAP002", ERROR, "RFC 7597 s5.1", "PSID offset + PSID length is no more than 16"),
    LintRule(
        "MAP003",
        ERROR,
        "RFC 7597 s5.1",
        "all rules of one shared IPv4 address have one PSID offset and length",
    ),
    LintRule("MAP004", WARN, "RFC 7597 App. B, RFC 7596 s5.1", "no customer gets ports below 1024"),
    LintRule(
        "MAP005", WARN, "RFC 7597 s5.2", "a stated PSID length is the one that follows from the EA length"
    ),
    LintRule(
        "MAP006",
        WARN,
        "RFC 7597 s5.2-5.3",
        "bits of an End-user prefix behind the EA bits are zero: gateway and edge compute one address",
    ),
    LintRule(
        "MAP007",
        ERROR,
        "ShowNet 2013 deck, last pages; RFC 7597 s6",
        "gateways and edges of a service use one layout of the interface identifier",
    ),
    LintRule("MAP008", WARN, "RFC 9313 s3.4, s4.2", "a customer gets minimum_ports at least"),
    LintRule(
        "MAP009", ERROR, "RFC 7597 s5", "rules do not overlap, and no two customers own one address and port"
    ),
    LintRule("MAP010", INFO, "RFC 7597 s4 (MUST NOT)", "no shared address is the address of a host"),
    LintRule("MAP011", WARN, "RFC 7597 s8.3.1", "anycast gateways do not use path MTU discovery"),
    LintRule(
        "MAP012",
        WARN,
        "RFC 7597 s7.2 (MUST)",
        "anycast gateways send from the anycast address",
        "cannot happen: gateway.address is the one value for both directions",
    ),
    LintRule("MAP013", ERROR, "RFC 7598 s4.1, RFC 7597 s5", "a mesh has a forwarding rule, a hub has none"),
    LintRule(
        "MAP015",
        WARN,
        "RFC 7597 s8.3.2, RFC 2473 s7",
        "fragments of one packet reach one gateway, though several serve the pool",
    ),
    LintRule(
        "MAP016",
        INFO,
        "operational; ShowNet 2013 deck, /30",
        "a pool is a /24 or larger, so that the outside can route it by itself",
    ),
    LintRule(
        "MAP017",
        ERROR,
        "RFC 7597 s8.1",
        "sources are validated, and ports of the excluded range are dropped",
        "cannot happen: no key switches it off",
    ),
    LintRule(
        "MAP018",
        WARN,
        "community (OpenWrt), RFC 9313 s4.2",
        "the NAPT of an edge uses its whole port set",
    ),
    LintRule("X009", INFO, "RFC 4843, IANA", "prefixes do not lie in special space"),
    LintRule("MTU001", WARN, "RFC 2473", "no device believes in a larger IPv6 MTU than the backbone has"),
    LintRule(
        "MTU002",
        WARN,
        "ShowNet 2013 deck, result slide",
        "TCP MSS is clamped, to the IPv4 MTU - 40, at one end at least",
    ),
    LintRule(
        "MTU003",
        WARN,
        "ShowNet 2013 deck, result slide",
        "backbone_mtu follows the device with the lowest fixed IPv6 MTU",
    ),
    LintRule(
        "MTU004",
        WARN,
        "ShowNet 2013 deck, result slide",
        "no side cuts IPv6 where the other drops such fragments",
    ),
    LintRule(
        "CAP001",
        WARN,
        "ShowNet 2013 deck, interop slide (ASR, draft-07)",
        "every device encapsulates ICMPv4",
    ),
    LintRule("DHCP004", WARN, "RFC 8026 s2.1", "techniques share neither IPv4 pools nor gateway addresses"),
    LintRule(
        "LOG002",
        WARN,
        "RFC 9313 s4.7",
        "rule sets are archived with the times of their validity",
        "not known: the inventory does not tell who keeps old plans",
    ),
)

RULES: Mapping[str, LintRule] = MappingProxyType({rule.id: rule for rule in _ALL})

CHECKS: Mapping[str, Callable[[Fleet], Iterator[tuple[str, str, str]]]] = MappingProxyType(
    {
        "MAP001": rules.prefixes_hold_ea_bits,
        "MAP002": rules.ports_hold_psid,
        "MAP003": rules.one_cut_an_address,
        "MAP004": rules.no_system_ports,
        "MAP005": rules.stated_psid_length,
        "MAP006": rules.zero_subnet_bits,
        "MAP007": devices.one_identifier_layout,
        "MAP008": rules.enough_ports,
        "MAP009": rules.no_overlap,
        "MAP010": rules.no_shared_interface_address,
        "MAP011": rules.no_path_mtu_discovery_with_anycast,
        "MAP013": rules.forwarding_follows_topology,
        "MAP015": devices.one_gateway_a_packet,
        "MAP016": rules.routable_pools,
        "MAP018": devices.whole_port_set,
        "X009": rules.no_special_space,
        "MTU001": devices.no_larger_fixed_mtu,
        "MTU002": devices.clamped_mss,
        "MTU003": devices.no_smaller_fixed_mtu,
        "MTU004": devices.no_fragment_clash,
        "CAP001": devices.icmp_encapsulated,
        "DHCP004": rules.techniques_apart,
    }
)


def lint(fleet: Fleet) -> tuple[Finding, ...]:
    """All findings, sorted by place."""
    return tuple(
        sorted(
            Finding(
                place=place,
                rule=rule_id,
                severity=RULES[rule_id].severity,
                wrong=wrong,
                right=right,
                source=RULES[rule_id].source,
            )
            for rule_id, check in CHECKS.items()
            for place, wrong, right in check(fleet)
        )
    )
