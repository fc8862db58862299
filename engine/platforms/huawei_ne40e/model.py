# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What our instances on a VRP8 device mean."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from ipaddress import IPv4Address, IPv4Network, summarize_address_range
from typing import Any

from ...mapping.iid import DRAFT03, RFC7597
from ...mapping.rule import MapRule
from ...techniques.service import GATEWAY, Service
from .. import assembly, sessions
from ..assembly import FoundRule, map_rule, wanted_rule
from ..indented import Block
from ..naming import OURS, owner
from ..sessions import FoundSession
from ..values import Leaf
from .cli import (
    BR_ADDRESS,
    DEFAULT_LIMITS,
    DEFAULT_MTU,
    DMR_PREFIX,
    DS_LITE,
    MAP_E,
    MAP_RULE,
    MAP_T,
    NAT64,
    kind_of,
    name_of,
)

# How a port range grows (manual, port-range): by up to three more.
MOST_EXTENSIONS = 3
_RULE = "P prefix-length N ipv4-prefix P prefix-length N ea-length N psid-offset N"
_ADDRESS = "ADDRESS prefix-length N"
_NAT64_TECHNIQUES = ("nat64", "464xlat")


def services(blocks: tuple[Block, ...], wanted: tuple[Service, ...]) -> tuple[Service, ...]:
    """Services of our instances. Raises ParseError."""
    found: list[Service] = []
    for kind, technique in ((MAP_E, "map-e"), (MAP_T, "map-t")):
        rules = (rule for block in _of(blocks, kind) for rule in _map(block, blocks, wanted))
        found += assembly.services(rules, wanted, technique, GATEWAY)
    for block in _of(blocks, DS_LITE):
        found.append(sessions.service(_ds_lite(block, wanted), wanted, ("ds-lite",)))
    for block in _of(blocks, NAT64):
        found.append(sessions.service(_nat64(block, wanted), wanted, _NAT64_TECHNIQUES))
    return assembly.in_order(found, wanted)


def _of(blocks: Iterable[Block], kind: str) -> list[Block]:
    return [block for block in blocks if kind_of(block) == kind]


def _entry(block: Block) -> Leaf:
    return Leaf(name_of(block), block.line, block.text)


def _service_name(block: Block) -> str:
    return name_of(block).removeprefix(f"{OURS}-")


def _only(block: Block, word: str) -> Leaf | None:
    """What follows ``word`` in the one line that starts with it."""
    lines = [child for child in block.children if child.opens(word)]
    leaves = [Leaf(child.text.removeprefix(word).strip(), child.line, child.text) for child in lines]
    if len(leaves) > 1:
        raise leaves[1].error(f"{word} is there twice")
    return leaves[0] if leaves else None


def _needed(block: Block, word: str) -> Leaf:
    leaf = _only(block, word)
    if leaf is None:
        raise _entry(block).error(f"has no {word}")
    return leaf


def _number(block: Block, word: str, default: int, least: int, most: int) -> int:
    leaf = _only(block, word)
    return leaf.integer(least, most) if leaf else default


def _fields(leaf: Leaf, form: str) -> list[Leaf]:
    """What stands in a value for the capital words of a form."""
    pattern = " ".join(r"(\S+)" if word.isupper() else re.escape(word) for word in form.split())
    match = re.fullmatch(pattern, leaf.value)
    if match is None:
        raise leaf.error(f"not understood; {form} would be")
    return [Leaf(value, leaf.line, leaf.text) for value in match.groups()]


def _joined(address: Leaf, length: Leaf) -> Leaf:
    return Leaf(f"{address.value}/{length.value}", address.line, address.text)


def _common(block: Block, word: str) -> dict[str, Any]:
    """What every instance has: lines that start with map, ds-lite or nat64."""
    least_mss, most_mss = (160, 9540) if word == "map" else (536, 1460)
    return {
        "ipv6_mtu": _number(block, f"{word} mtu", DEFAULT_MTU, 1280, 9600),
        "mss_clamp": _number(block, f"{word} tcp adjust-mss", 0, least_mss, most_mss),
    }


def _map(block: Block, blocks: tuple[Block, ...], wanted: tuple[Service, ...]) -> Iterator[FoundRule]:
    at, name = _entry(block), _service_name(block)
    hint = assembly.wanted_service(wanted, name)
    facts = _common(block, "map")
    if kind_of(block) == MAP_E:
        address, _ = _fields(_referred(block, BR_ADDRESS, blocks), f"ipv6-address {_ADDRESS}")
        version = _only(block, "map-version")
        if version is not None and version.value != "draft":
            raise version.error(f"{version.value} is not draft")
        facts |= {
            "gateway_address": address.ipv6(),
            "interface_identifier": DRAFT03 if version else RFC7597,
        }
    else:
        prefix, length = _fields(_referred(block, DMR_PREFIX, blocks), f"ipv6-prefix {_ADDRESS}")
        facts |= {
            "gateway_address": hint.gateway_address if hint else assembly.NO_ADDRESS,
            "translation_prefix": _joined(prefix, length).ipv6_network(),
        }
    names = [child for child in block.children if child.opens("map-rule")]
    if not names:
        raise at.error("has no map-rule")
    for child in names:
        bound = Leaf(child.text.removeprefix("map-rule "), child.line, child.text)
        _, index = owner(bound.value, {name})
        rule = _rule(_object(bound, MAP_RULE, blocks), wanted_rule(wanted, name, index))
        yield FoundRule(name, index, rule, facts, bound)


def _referred(block: Block, word: str, blocks: Iterable[Block]) -> Leaf:
    """The rest of the line in the system view whose name is in a line of an instance."""
    name = _needed(block, word)
    found = _object(name, word, blocks)
    return Leaf(found.text.removeprefix(f"{word} {name.value}").strip(), found.line, found.text)


def _object(name: Leaf, kind: str, blocks: Iterable[Block]) -> Block:
    for block in _of(blocks, kind):
        if name_of(block) == name.value:
            return block
    raise name.error(f"there is no {kind} {name.value} of ours")


def _rule(block: Block, hint: MapRule | None) -> MapRule:
    leaf = _needed(block, "rule-prefix")
    ipv6, ipv6_len, ipv4, ipv4_len, ea_len, offset = _fields(leaf, _RULE)
    ipv4_prefix, ea_bits = _joined(ipv4, ipv4_len).ipv4_network(), ea_len.integer(0, 48)
    return map_rule(
        leaf,
        ipv6_prefix=_joined(ipv6, ipv6_len).ipv6_network(),
        ipv4_prefix=ipv4_prefix,
        ea_len=ea_bits,
        psid_offset=offset.integer(1, 16),
        psid_len=max(0, ea_bits - 32 + ipv4_prefix.prefixlen),
        hint=hint,
    )


def _ds_lite(block: Block, wanted: tuple[Service, ...]) -> FoundSession:
    address, _ = _fields(_needed(block, "local-ipv6"), _ADDRESS)
    facts = _common(block, "ds-lite") | {"gateway_address": address.ipv6()}
    remote = _joined(*_fields(_needed(block, "remote-ipv6"), _ADDRESS)).ipv6_network()
    pool = {
        "subscribers": remote,
        "subscriber_prefix_len": _number(block, "ds-lite tunnel prefix-length", 128, 1, 128),
    }
    return _napt(block, "ds-lite", facts, pool, wanted)


def _nat64(block: Block, wanted: tuple[Service, ...]) -> FoundSession:
    prefix, length, _ = _fields(_needed(block, "nat64 prefix"), f"{_ADDRESS} ID")
    facts = _common(block, "nat64") | {"translation_prefix": _joined(prefix, length).ipv6_network()}
    return _napt(block, "nat64", facts, {}, wanted)


def _napt(
    block: Block, word: str, facts: dict[str, Any], pool: dict[str, Any], wanted: tuple[Service, ...]
) -> FoundSession:
    name, at = _service_name(block), _entry(block)
    full_cone = _only(block, f"{word} filter mode full-cone")
    facts["filtering"] = "endpoint-independent" if full_cone else "address-dependent"
    networks = list(_addresses(block, word))
    if not networks:
        raise at.error("its address-group has no addresses")
    pool["ipv4"] = sessions.wanted_addresses(networks, assembly.wanted_service(wanted, name))
    pool |= _ports(block)
    return FoundSession(name, facts, pool, at)


def _addresses(block: Block, word: str) -> Iterator[IPv4Network]:
    """All addresses of the group that everything is translated to: in its line or in its sections."""
    outbound = _needed(block, f"{word} outbound")
    [name] = _fields(outbound, "any address-group NAME")
    start = f"{word} address-group {name.value}"
    group = next((child for child in block.children if child.opens(start)), None)
    if group is None:
        raise outbound.error(f"there is no address-group {name.value}")
    tail = _words(group, start)[2:]  # after group-id N
    if tail:
        yield from _networks(group, tail)
    for section in group.children:
        yield from _networks(section, _words(section, "section")[1:])


def _words(block: Block, start: str) -> list[str]:
    return block.text.removeprefix(start).split()


def _networks(block: Block, words: list[str]) -> Iterator[IPv4Network]:
    """A mask 26, or A B: from an address to another."""
    at = Leaf(" ".join(words), block.line, block.text)
    match words:
        case [address, "mask", length]:
            yield Leaf(f"{address}/{length}", at.line, at.text).ipv4_network()
        case [first, last]:
            try:
                yield from summarize_address_range(IPv4Address(first), IPv4Address(last))
            except ValueError:
                raise at.error(f"{first} to {last} are no IPv4 addresses in order") from None
        case _:
            raise at.error("not understood; ADDRESS mask LENGTH or ADDRESS ADDRESS would be")


def _ports(block: Block) -> dict[str, Any]:
    """Blocks and quota: a range of ports and how often it grows, else limits by protocol."""
    ranges = _only(block, "port-range")
    if ranges is not None:
        return _port_range(ranges)
    quota = 0
    if _limits(block, "enable"):
        quota = min(
            limit.integer(50, 65535) if (limit := _limits(block, kind)) else default
            for kind, default in DEFAULT_LIMITS.items()
        )
    return {"block_size": 0, "ports_per_subscriber": quota}


def _limits(block: Block, kind: str) -> Leaf | None:
    return _only(block, f"ds-lite port-limit {kind}")


def _port_range(leaf: Leaf) -> dict[str, Any]:
    if " " not in leaf.value:
        size = leaf.integer(64, 64512)
        return {"block_size": size, "ports_per_subscriber": size}
    first, extended, times = _fields(leaf, "N extended-port-range N extended-times N")
    size = first.integer(64, 64512)
    if extended.integer(64, 8192) != size:
        raise extended.error(f"extended by {extended.value}; blocks are of one size, {size} would be")
    return {"block_size": size, "ports_per_subscriber": size * (1 + times.integer(1, MOST_EXTENSIONS))}
