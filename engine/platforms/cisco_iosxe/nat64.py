# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stateful NAT64: a prefix for the router, a list of who may use it, a pool of addresses that they share."""

from __future__ import annotations

import re
from collections.abc import Iterator
from dataclasses import replace
from ipaddress import IPv4Address, IPv4Network, IPv6Network, summarize_address_range
from itertools import pairwise

from ...mapping.pool import Pool
from ...plan.model import NodePlan
from ...problem import Problem
from ...techniques.service import GATEWAY, Service
from ..driver import FALLBACK
from ..indented import Block
from ..naming import OURS
from ..values import Leaf
from .lines import leaf
from .maps import gateway_in

TECHNIQUES = ("nat64", "464xlat")
_LIST = re.compile(r"nat64 v6v4 list (?P<list>\S+) pool (?P<pool>\S+)(?P<overload> overload)?")
_POOL = re.compile(r"nat64 v4 pool (?P<name>\S+) (?P<first>\S+) (?P<last>\S+)")
_PERMIT = re.compile(r"permit ipv6 (?P<source>\S+) any")
_PREFIX = "nat64 prefix stateful"


def range_of(pool: Pool) -> tuple[IPv4Address, IPv4Address] | None:
    """First and last address of a pool; None where its networks leave a gap."""
    networks = sorted(pool.ipv4)
    gaps = any(
        int(one.broadcast_address) + 1 != int(other.network_address) for one, other in pairwise(networks)
    )
    return None if gaps else (networks[0].network_address, networks[-1].broadcast_address)


def problems(node: NodePlan) -> Iterator[Problem]:
    """What IOS XE has no words for."""
    if len(node.services) > 1:
        wrong = f"{node.name} has one stateful prefix, for {len(node.services)} services"
        yield Problem(
            f"hosts.{node.name}.ipv4aas_carries", wrong, "one service of NAT64 or 464XLAT on a router"
        )
    for service in node.services:
        place = f"ipv4aas_services.{service.name}"
        pool = service.pool
        if pool is None or not pool.ipv4:
            yield Problem(f"{place}.ipv4_pools", "missing", "addresses for the router")
        elif range_of(pool) is None:
            listed = ", ".join(str(network) for network in pool.ipv4)
            yield Problem(
                f"{place}.ipv4_pools", f"{listed} leave a gap", "one range of addresses on a router"
            )
        if pool is not None and pool.deterministic:
            wrong = f"deterministic: {node.platform} {node.name} chooses the ports itself"
            yield Problem(f"{place}.sharing.allocation", wrong, f"dynamic, or {FALLBACK}")
        if service.static_bindings:
            wrong = "no document says whether a static mapping may have an address of the pool"
            yield Problem(f"{place}.port_forwards", wrong, f"no port forwards, or {FALLBACK}")
        if service.eam:
            wrong = f"{node.platform} {node.name} has no stateless mapping beside its stateful prefix"
            yield Problem(f"{place}.eam", wrong, f"no explicit mappings, or {FALLBACK}")


def services(blocks: tuple[Block, ...], wanted: tuple[Service, ...]) -> Iterator[Service]:
    """The services of our lists. Raises ParseError for what is missing or not understood."""
    for block in blocks:
        if block.opens("nat64 v6v4 list"):
            match = _LIST.fullmatch(block.text)
            if match is None or match["overload"] is None:
                raise leaf(block).error("not understood; nat64 v6v4 list NAME pool NAME overload")
            yield _service(block, match["list"], match["pool"], blocks, wanted)


def _service(
    block: Block, name: str, pool_name: str, blocks: tuple[Block, ...], wanted: tuple[Service, ...]
) -> Service:
    known = next((one for one in wanted if one.name == name.removeprefix(f"{OURS}-")), None)
    prefix = _prefix(block, blocks)
    networks = _networks(block, pool_name, blocks)
    hosts = _hosts(block, name, blocks)
    if known is None:
        return Service(
            name=name.removeprefix(f"{OURS}-"),
            technique=TECHNIQUES[0],
            role=GATEWAY,
            gateway_address=gateway_in(prefix),
            translation_prefix=prefix,
            pool=Pool(ipv4=networks, subscribers=hosts),
        )
    pool = known.pool or Pool(ipv4=networks)
    if pool.ipv4 and range_of(pool) == (networks[0].network_address, networks[-1].broadcast_address):
        networks = pool.ipv4
    return replace(
        known,
        technique=known.technique if known.technique in TECHNIQUES else TECHNIQUES[0],
        role=GATEWAY,
        translation_prefix=prefix,
        pool=replace(pool, ipv4=networks, subscribers=hosts),
    )


def _prefix(block: Block, blocks: tuple[Block, ...]) -> IPv6Network:
    found = next((one for one in blocks if one.opens(_PREFIX)), None)
    if found is None:
        raise leaf(block).error(f"there is no {_PREFIX}")
    return leaf(found, _PREFIX).ipv6_network()


def _networks(block: Block, name: str, blocks: tuple[Block, ...]) -> tuple[IPv4Network, ...]:
    for one in blocks:
        match = _POOL.fullmatch(one.text)
        if match is None or match["name"] != name:
            continue
        first, last = (_address(one, match[word]) for word in ("first", "last"))
        if first > last:
            raise leaf(one).error(f"{first} is after {last}")
        return tuple(summarize_address_range(first, last))
    raise leaf(block).error(f"there is no nat64 v4 pool {name}")


def _address(block: Block, text: str) -> IPv4Address:
    network = Leaf(text, block.line, block.text).ipv4_network()
    return network.network_address


def _hosts(block: Block, name: str, blocks: tuple[Block, ...]) -> IPv6Network | None:
    """Who may use it: a prefix, None for everybody."""
    found = next((one for one in blocks if one.text == f"ipv6 access-list {name}"), None)
    if found is None or not found.children:
        raise leaf(found or block).error(f"ipv6 access-list {name} permits nobody")
    match = _PERMIT.fullmatch(found.children[0].text)
    if len(found.children) > 1 or match is None:
        raise leaf(found.children[-1]).error("not understood; one permit ipv6 PREFIX any")
    return (
        None
        if match["source"] == "any"
        else Leaf(match["source"], found.children[0].line, found.children[0].text).ipv6_network()
    )
