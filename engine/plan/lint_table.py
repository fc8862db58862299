# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every lint rule: what it asks for and who says so, or why an inventory cannot break it.

Ids are those of tests/vectors/lint_rules.json; FLT... are our own.
"""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

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
    LintRule("MAP014", ERROR, "RFC 7599 s5.1", "the translation prefix of MAP-T is /96 or shorter"),
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
    LintRule(
        "DHCP001",
        ERROR,
        "RFC 7598 s6",
        "containers hold what their table asks for",
        "cannot happen: the keys that fill them are required by the technique",
    ),
    LintRule(
        "DHCP002",
        ERROR,
        "RFC 7598 s4.5",
        "a PSID on the wire is left aligned, an explicit one is one customer's",
        "cannot happen: one encoder, tested; explicit PSIDs are of rules for one customer",
    ),
    LintRule(
        "DHCP003",
        WARN,
        "RFC 8026 s2.2",
        "a provisioner offers one mechanism, or clients say which they prefer",
    ),
    LintRule("DHCP004", WARN, "RFC 8026 s2.1", "techniques share neither IPv4 pools nor gateway addresses"),
    LintRule(
        "DSL001",
        ERROR,
        "RFC 6334 s3-4",
        "the AFTR has one full name, and no address, for provisioners to announce",
    ),
    LintRule(
        "DSL002",
        WARN,
        "RFC 8585",
        "a B4 translates no addresses",
        "cannot happen: no key makes a B4 do so, port forwards at one are refused",
    ),
    LintRule("DSL003", ERROR, "RFC 6333 s11", "networks behind a B4 are private: the AFTR drops others"),
    LintRule(
        "DSL004",
        WARN,
        "RFC 7785",
        "a subscriber has one softwire, and a mask says what a subscriber is",
        "cannot happen: customers.prefix_length is the mask, two edges of one subscriber are refused",
    ),
    LintRule("DSL005", WARN, "RFC 6333 s5.3", "the tunnel does not cut the inner packet"),
    LintRule("DSL006", INFO, "RFC 7335 s4", "no LAN overlaps 192.0.0.0/29, which the edge itself uses"),
    LintRule(
        "X001",
        ERROR,
        "RFC 6052 s2.2",
        "a translation prefix is /32, /40, /48, /56, /64 or /96, its bits 64 to 71 are zero",
    ),
    LintRule(
        "X002", ERROR, "RFC 6052 s3.1, RFC 7050", "the well-known prefix carries global IPv4 addresses only"
    ),
    LintRule(
        "X003",
        WARN,
        "RFC 6877 s6.3, RFC 8585 464XLAT-1",
        "a customer has a /64 for translation beside that of the LAN",
    ),
    LintRule(
        "X004",
        ERROR,
        "RFC 6147 s5.2",
        "DNS64 and NAT64 have one prefix",
        "cannot happen: gateway.translation_prefix is the one value for both",
    ),
    LintRule(
        "X005",
        ERROR,
        "RFC 6146 s3.5, s5.4",
        "sources inside the translation prefix are dropped",
        "cannot happen: no key switches it off, customers inside it are refused",
    ),
    LintRule(
        "X006", WARN, "RFC 6146 s4", "no timer is below its minimum", "cannot happen: no key changes a timer"
    ),
    LintRule("X007", WARN, "RFC 6147 s5.1.4", "DNS64 leaves out ::ffff:0:0/96"),
    LintRule(
        "X008",
        WARN,
        "RFC 6147 s6.3.2",
        "customers who have IPv4 by another service get no synthesised answers",
    ),
    LintRule("X009", INFO, "RFC 4843, IANA", "prefixes do not lie in special space"),
    LintRule(
        "X010",
        WARN,
        "RFC 6791 s3",
        "ICMPv6 errors from sources that are no IPv4 address can be sent on",
        "cannot happen: nodes send them from an address of their own",
    ),
    LintRule("X011", WARN, "RFC 7757 s5", "explicit address mappings do not overlap"),
    LintRule(
        "X012",
        ERROR,
        "RFC 7757 s3.2",
        "an IPv4 suffix is no longer than the IPv6 suffix that it is mapped to",
    ),
    LintRule(
        "X013",
        WARN,
        "RFC 8781 s4.1",
        "a PREF64 lifetime is a multiple of 8 s, up to 65528, three times the interval",
        "cannot happen: no key sets it, it follows from the interval",
    ),
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
    LintRule("MTU005", INFO, "RFC 7915 s4.1", "lowest_ipv6_mtu follows the backbone"),
    LintRule(
        "CAP001",
        WARN,
        "ShowNet 2013 deck, interop slide (ASR, draft-07)",
        "every device encapsulates ICMPv4",
    ),
    LintRule(
        "SA001", ERROR, "draft-matsuhira-m46a", "a plane is one network's, and its ID fits behind the prefix"
    ),
    LintRule("SA002", ERROR, "draft-matsuhira-m46e-pr s3.3", "a translator has networks on both sides"),
    LintRule(
        "SA003",
        INFO,
        "draft-matsuhira-m4p6e s5",
        "ICMPv4 and ESP work",
        "cannot happen: SA46T-AS is no technique of this collection",
    ),
    LintRule(
        "LOG001",
        WARN,
        "RFC 6888 REQ-12",
        "destinations are not logged",
        "cannot happen: no key switches it on",
    ),
    LintRule(
        "LOG002",
        WARN,
        "RFC 9313 s4.7",
        "rule sets are archived with the times of their validity",
        "not known: the inventory does not tell who keeps old plans",
    ),
    LintRule(
        "LOG003",
        ERROR,
        "RFC 7422 s3",
        "a change of a deterministic NAT is on record",
        "cannot happen: every deploy is in the journal, with its time",
    ),
    LintRule("FLT001", INFO, "this collection", "every key that is given counts for the technique"),
    LintRule("FLT002", INFO, "this collection", "every helper has something to do for the technique"),
    LintRule(
        "FLT003",
        WARN,
        "RFC 9313 s4.6",
        "sessions have one gateway: when traffic moves to another one they end",
    ),
    LintRule("FLT004", WARN, "RFC 7599 s5.1", "the translation prefix of MAP-T is a /64"),
    LintRule(
        "FLT005",
        WARN,
        "RFC 7596 s5.1",
        "a softwire that is provisioned has the identifier that the lwB4 computes",
    ),
    LintRule(
        "FLT006",
        ERROR,
        "this collection",
        "a gateway tells its services apart: by an address, or a translation prefix, of their own",
    ),
)

RULES: Mapping[str, LintRule] = MappingProxyType({rule.id: rule for rule in _ALL})
