# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Services as objects of aXAPI."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv6Network
from typing import Any

from ...mapping.binding import Binding
from ...mapping.iid import DRAFT03
from ...mapping.portset import PORT_BITS
from ...mapping.rule import MapRule
from ...techniques.service import Service
from ..assembly import offset_on_device
from ..naming import rule_name
from ..objects import Body
from . import objects
from .objects import Kind

BATCHES = (64, 128, 256, 512, 1024, 2048, 4096)
MAX_FIXED_MSS = 1420
ETHERNET_MSS = 1460  # what an IPv4 host on Ethernet offers
_SETTINGS = {"shared": "shared-addr", "full": "single-addr", "prefix": "prefix-addr"}

Made = Iterator[tuple[Kind, Body]]


def group_name(service: str) -> str:
    """Name of the pool group of a service whose pool has several networks."""
    return f"{rule_name(service, 0)}-all"


def session_objects(service: Service, lid: int, customers: Sequence[IPv6Network]) -> Made:
    """NAT64, 464XLAT and DS-Lite: addresses, who shares them, who gets them, where it is switched on."""
    assert service.pool is not None
    name, pool = rule_name(service.name, 0), service.pool
    names = [rule_name(service.name, index) for index in range(len(pool.ipv4))]
    for pool_name, network in zip(names, pool.ipv4, strict=True):
        yield (
            objects.POOL,
            {
                "pool-name": pool_name,
                "start-address": str(network[0]),
                "end-address": str(network[-1]),
                # The mask of the subnet that the range is in, as the public configuration has it.
                "netmask": f"/{min(24, network.prefixlen)}",
                **({"port-batch-v2-size": str(batch(pool.block_size))} if pool.block_size else {}),
                **_usable_ports(pool.first_port),
            },
        )
    if len(names) > 1:
        members = [{"pool-name": member} for member in names]
        yield objects.GROUP, {"pool-group-name": group_name(service.name), "member-list": members}
    yield (
        objects.LID,
        {
            "lid-number": lid,
            "name": name,
            "source-nat-pool": {"pool-name": names[0] if len(names) == 1 else group_name(service.name)},
            "user-quota": _quota(pool.ports_per_subscriber, pool.sessions_per_subscriber),
            "user-quota-prefix-length": pool.subscriber_prefix_len,
        },
    )
    listed = [{"ipv6-addr": str(prefix), "v6-lsn-lid": lid} for prefix in customers]
    yield objects.CLASS_LIST, {"name": name, "type": objects.CUSTOMERS, "ipv6-list": listed}
    switch = {"inside": {"source": {"class-list": name}}, "tcp": {"mss-clamp": mss_clamp(service.mss_clamp)}}
    if service.translation_prefix is not None:
        yield objects.PREFIX, {"prefix-val": str(service.translation_prefix), "class-list": name}
        yield objects.NAT64, switch
    else:
        yield objects.DS_LITE, switch


def batch(block: int) -> int:
    """Ports that are handed out at once, 0 for one by one: the most that the device has and a block holds."""
    return max((size for size in BATCHES if size <= block), default=0)


def _usable_ports(first: int) -> Body:
    if first == objects.FIRST_PORT:
        return {}
    return {"usable-nat-ports": 1, "usable-nat-ports-start": first, "usable-nat-ports-end": 65535}


def _quota(ports: int, sessions: int) -> Body:
    quota: Body = {}
    if ports:
        quota |= {"icmp": ports, "quota-tcp": {"tcp-quota": ports}, "quota-udp": {"udp-quota": ports}}
    return quota | ({"session": sessions} if sessions else {})


def mss_clamp(octets: int) -> Body:
    """How the MSS is held down; beyond the most that may be fixed, by how much it is lowered."""
    if not octets:
        return {"mss-clamp-type": "none"}
    if octets <= MAX_FIXED_MSS:
        return {"mss-clamp-type": "fixed", "mss-value": octets}
    return {"mss-clamp-type": "subtract", "mss-subtract": max(0, ETHERNET_MSS - octets)}


def map_objects(service: Service) -> Made:
    """MAP-E and MAP-T: a domain; what all rules have in common stands above them."""
    name = rule_name(service.name, 0)
    values = [rule_values(rule) for rule in service.rules]
    common = values[0] if all(each == values[0] for each in values) else {}
    basic: Body = {_above(key): value for key, value in common.items()}
    basic["prefix-rule-list"] = [
        {
            "name": rule_name(service.name, index),
            "rule-ipv6-prefix": str(rule.ipv6_prefix),
            "rule-ipv4-prefix": str(rule.ipv4_prefix.network_address),
            "ipv4-netmask": f"/{rule.ipv4_prefix.prefixlen}",
            **({} if common else values[index]),
        }
        for index, rule in enumerate(service.rules)
    ]
    domain: Body = {"name": name, "basic-mapping-rule": basic}
    if service.translation_prefix is not None:
        domain["default-mapping-rule"] = {"rule-ipv6-prefix": str(service.translation_prefix)}
        domain["tcp"] = {"mss-clamp": mss_clamp(service.mss_clamp)}
        yield objects.MAP_T, domain
        return
    domain["tunnel-endpoint-address"] = str(service.gateway_address)
    if service.interface_identifier == DRAFT03:
        domain["format"] = DRAFT03
    yield objects.MAP_E, domain


def _above(key: str) -> str:
    return f"rule-{key}" if key == "ipv4-address-port-settings" else key


def rule_values(rule: MapRule) -> Body:
    """What a rule says beside its prefixes."""
    values: Body = {"ipv4-address-port-settings": _SETTINGS[rule.kind], "ea-length": rule.ea_len}
    if rule.kind == "shared":
        offset = offset_on_device(rule)
        values["share-ratio"] = rule.sharing_ratio
        values["port-start"] = 1 << (PORT_BITS - offset) if offset else 0
    return values


def binding_objects(service: Service) -> Made:
    """lw4o6: a table and the switch that makes it the one in use."""
    name = rule_name(service.name, 0)
    softwires: dict[str, dict[str, list[Body]]] = {}
    for binding in service.bindings:
        addresses = softwires.setdefault(str(binding.softwire), {})
        addresses.setdefault(str(binding.ipv4), []).extend(_ranges(binding, service))
    table = [
        {
            "ipv6-tunnel-addr": softwire,
            "nat-address-list": [
                {"ipv4-nat-addr": address, "port-range-list": ranges} for address, ranges in addresses.items()
            ],
        }
        for softwire, addresses in softwires.items()
    ]
    yield objects.TABLE, {"name": name, "tunnel-address-list": table}
    told = int(service.icmp_on_miss)
    yield (
        objects.LW4O6,
        {
            "use-binding-table": name,
            "hairpinning": "filter-none" if service.hairpinning else "filter-all",
            "no-forward-match": {"send-icmpv6": told},
            "no-reverse-match": {"send-icmp": told},
        },
    )


def _ranges(binding: Binding, service: Service) -> list[dict[str, Any]]:
    gateway = str(binding.gateway_address or service.gateway_address)
    return [
        {"port-start": first, "port-end": last, "tunnel-endpoint-address": gateway}
        for first, last in binding.ports.ranges()
    ]
