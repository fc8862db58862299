# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A map-e entry of IOS XR, whatever the language: its values and what they mean."""

from __future__ import annotations

from ipaddress import IPv6Network

from ...mapping.portset import PORT_BITS
from ...mapping.rule import MapRule
from ...techniques.service import Service
from ..assembly import FoundRule, map_rule, wanted_rule
from ..naming import owner
from ..values import Leaf

GATEWAY_ADDRESS = "br-endpoint-address"
CONTIGUOUS_PORTS = "contiguous-ports"
IPV4_PREFIX = "cpe-domain ipv4 prefix"
IPV6_PREFIX = "cpe-domain ipv6 prefix"
SHARING_RATIO = "sharing-ratio"
LEAVES = (GATEWAY_ADDRESS, CONTIGUOUS_PORTS, IPV4_PREFIX, IPV6_PREFIX, SHARING_RATIO)
MAX_CUSTOMER_PREFIX = 64

# The name of an entry and its values by the words of LEAVES.
Found = tuple[Leaf, dict[str, Leaf]]


def found_rule(found: Found, wanted: tuple[Service, ...]) -> FoundRule:
    """The MAP rule that an entry describes: a = 16 - log2(ratio) - log2(contiguous ports).

    Raises ParseError for what is missing or out of range.
    """
    at, values = found
    missing = [word for word in LEAVES if word not in values]
    if missing:
        raise at.error(f"has no {', no '.join(missing)}")
    psid_len, m = port_bits(values)
    ipv4_prefix = values[IPV4_PREFIX].ipv4_network()
    ea_len = 32 - ipv4_prefix.prefixlen + psid_len
    service, index = owner(at.value, {service.name for service in wanted})
    hint = wanted_rule(wanted, service, index)
    rule = map_rule(
        at,
        ipv6_prefix=_ipv6_prefix(values[IPV6_PREFIX], ea_len, hint),
        ipv4_prefix=ipv4_prefix,
        ea_len=ea_len,
        psid_offset=PORT_BITS - psid_len - m,
        psid_len=psid_len,
        hint=hint,
    )
    return FoundRule(service, index, rule, {"gateway_address": values[GATEWAY_ADDRESS].ipv6()}, at)


def port_bits(values: dict[str, Leaf]) -> tuple[int, int]:
    """PSID length, and m: the exponents of the sharing ratio and the contiguous ports.

    Raises ParseError where they do not go together.
    """
    psid_len = values[SHARING_RATIO].bits(15)
    m = values[CONTIGUOUS_PORTS].bits(PORT_BITS)
    if psid_len + m > PORT_BITS:
        raise values[CONTIGUOUS_PORTS].error(
            f"{1 << psid_len} (sharing ratio) x {1 << m} ports is more than the 65536 ports of an address"
        )
    if not psid_len and m < PORT_BITS:
        raise values[CONTIGUOUS_PORTS].error(
            "would exclude ports of an address that is not shared; 65536 would not"
        )
    return psid_len, m


def _ipv6_prefix(leaf: Leaf, ea_len: int, hint: MapRule | None) -> IPv6Network:
    """The prefix; NETCONF tells no length: then the wanted one, else that of customers with a /64."""
    if "/" in leaf.value:
        return leaf.ipv6_network()
    address = int(leaf.ipv6())
    used = 128 - ((address & -address).bit_length() - 1) if address else 0
    length = hint.ipv6_prefix.prefixlen if hint else max(1, MAX_CUSTOMER_PREFIX - ea_len)
    return IPv6Network((address, max(length, used)))
