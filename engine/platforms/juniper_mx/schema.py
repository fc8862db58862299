# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What services own on an MX: junos-conf-services, and the units of the service interface."""

from __future__ import annotations

from collections.abc import Iterable

from ..junos import ANY, Statement, Words
from ..junos_schema import Kind, Schema, named_ours
from .concentrators import DRAFT_FLAG, IGNORED, LEAVES

_MODEL = "http://yang.juniper.net/junos/conf"
CONCENTRATORS: Words = ("services", "softwire", "softwire-concentrator")
SOFTWIRE_RULES: Words = ("services", "softwire", "rule")
NAT_POOLS: Words = ("services", "nat", "pool")
NAT_RULES: Words = ("services", "nat", "rule")
SERVICE_SETS: Words = ("services", "service-set")
_HOPS = ("inside-service-interface", "outside-service-interface")
_CONCENTRATOR_KINDS = ("map-e", "map-t", "ds-lite")
_RANGE = ("low", "high")
_BLOCKS = ("block-size", "max-blocks-per-address", "active-block-timeout")


def _units(statements: Iterable[Statement]) -> frozenset[Words]:
    """The units that our service set uses."""
    hops = (item.words[-1] for item in statements if len(item.words) > 2 and item.words[-2] in _HOPS)
    return frozenset(
        ("interfaces", interface, "unit", unit)
        for interface, dot, unit in (hop.rpartition(".") for hop in hops)
        if dot
    )


SCHEMA = Schema(
    kinds=(
        Kind(("interfaces", ANY, "unit"), lambda name: False),
        *(Kind((*CONCENTRATORS, kind)) for kind in _CONCENTRATOR_KINDS),
        Kind(SOFTWIRE_RULES),
        Kind(NAT_POOLS),
        Kind(NAT_RULES),
        Kind(SERVICE_SETS, named_ours),
    ),
    namespaces={
        "configuration": f"{_MODEL}/root",
        "interfaces": f"{_MODEL}/interfaces",
        "services": f"{_MODEL}/services",
    },
    order=(
        *("family", "service-domain"),
        *LEAVES,
        DRAFT_FLAG,
        *IGNORED,
        *("address", "port", "range", "low", "high", "secured-port-block-allocation", *_BLOCKS),
        *("match-direction", "term", "from", "then", "translated"),
        *("source-pool", "destination-prefix", "translation-type", "mapping-type", "filtering-type"),
        *("softwire-rules", "nat-rules", "softwire-options"),
    ),
    leaves=frozenset(
        (
            *LEAVES,
            *_CONCENTRATOR_KINDS,
            *_HOPS,
            *_RANGE,
            *_BLOCKS,
            *("match-direction", "service-domain", "limit-ports-per-address", "dslite-ipv6-prefix-length"),
            *("source-pool", "destination-prefix", "mapping-type", "address-pooling"),
        )
    ),
    hidden=frozenset(("interface",)),
    joined={"range": frozenset(_RANGE), "secured-port-block-allocation": frozenset(_BLOCKS)},
    referred=_units,
)
