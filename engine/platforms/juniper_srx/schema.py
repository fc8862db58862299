# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What services own on an SRX: junos-es-conf-security, softwires and nat."""

from __future__ import annotations

from ..junos import Words
from ..junos_schema import Kind, Schema, named_ours, whatever
from ..naming import OURS

_MODEL = "http://yang.juniper.net/junos-es/conf"
SOFTWIRES: Words = ("security", "softwires", "softwire-name")
MAP_DOMAINS: Words = ("security", "softwires", "map-e")
POOLS: Words = ("security", "nat", "source", "pool")
SOURCE_RULE_SETS: Words = ("security", "nat", "source", "rule-set")
STATIC_RULE_SETS: Words = ("security", "nat", "static", "rule-set")
SOURCE_RULES: Words = (*SOURCE_RULE_SETS, OURS, "rule")
STATIC_RULES: Words = (*STATIC_RULE_SETS, OURS, "rule")

_SOFTWIRE = ("softwire-concentrator", "softwire-type", "mtu-v6", "session-limit-per-prefix")
_BLOCKS = ("block-size", "maximum-blocks-per-host", "last-block-recycle-timeout")

SCHEMA = Schema(
    kinds=(
        Kind(SOFTWIRES),
        Kind(MAP_DOMAINS, named_ours),
        Kind(POOLS),
        Kind(SOURCE_RULE_SETS, named_ours),
        Kind(SOURCE_RULES, whatever),
        Kind(STATIC_RULE_SETS, named_ours),
        Kind(STATIC_RULES, whatever),
    ),
    namespaces={"configuration": f"{_MODEL}/root", "security": f"{_MODEL}/security"},
    order=(
        *_SOFTWIRE,
        *("address", "port", "range", "block-allocation", *_BLOCKS, "limit-ports-per-host"),
        *("address-pooling", "address-persistent"),
        *("from", "to", "rule", "match", "source-address", "destination-address", "then", "pool"),
        *("permit", "inactivity-timeout", "max-session-number"),
    ),
    leaves=frozenset(
        (
            *_SOFTWIRE,
            *_BLOCKS,
            *("range", "to", "limit-ports-per-host", "ipv6-prefix-length"),
            *("inactivity-timeout", "max-session-number"),
        )
    ),
    leaf_lists=frozenset(("zone", "source-address", "destination-address")),
    hidden=frozenset(
        (
            *("pool-name", "dst-addr", "ipaddr", "low", "high"),
            *("prefix-value", "mape-domain-name", "mape-rule-name"),
        )
    ),
    renamed={"src-nat-rule-match": "match", "static-nat-rule-match": "match"},
    joined={"range": frozenset(("to",))},
)
