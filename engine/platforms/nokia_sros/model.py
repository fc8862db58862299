# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What our lines mean, whatever the language of the command line."""

from __future__ import annotations

from collections.abc import Iterable, Iterator
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, summarize_address_range
from typing import Any

from ...techniques import TECHNIQUES
from ...techniques.service import COMPUTE, DROP, GATEWAY, Service
from .. import assembly, sessions
from ..assembly import FoundRule, map_rule, wanted_rule
from ..naming import OURS, owner
from ..sessions import FoundSession
from ..values import Leaf
from .lines import DEFAULTS, Line, Words, name_of

OVERHEAD = TECHNIQUES["ds-lite"].overhead
_NAT64_TECHNIQUES = ("nat64", "464xlat")


@dataclass(frozen=True, slots=True)
class Thing:
    """An object, or a part of it, and its lines."""

    kind: str
    path: Words
    lines: tuple[Line, ...]

    @property
    def name(self) -> str:
        return name_of(self.path[-1])

    @property
    def entry(self) -> Leaf:
        """The thing itself, for messages about something missing in it."""
        return Leaf(self.name, self.lines[0].line, " ".join(self.path))

    @property
    def enabled(self) -> bool:
        return any(line.words == (*self.path, "admin-state", "enable") for line in self.lines)

    def below(self, *words: str) -> Thing:
        """A part, which may have no lines; the lines are known by the kind of the whole."""
        path = (*self.path, *words)
        return Thing(self.kind, path, tuple(line for line in self.lines if line.words[: len(path)] == path))

    def parts(self, *words: str) -> list[Thing]:
        """The entries of a list, by their keys."""
        depth = len(self.path) + len(words)
        keys = {line.words[depth]: None for line in self.below(*words).lines if len(line.words) > depth}
        return [self.below(*words, key) for key in keys]

    def leaf(self, word: str) -> Leaf | None:
        """The value behind a word or more."""
        path = (*self.path, *word.split())
        found = [line for line in self.lines if line.words[:-1] == path]
        return Leaf(name_of(found[-1].words[-1]), found[-1].line, str(found[-1])) if found else None

    def needed(self, word: str) -> Leaf:
        leaf = self.leaf(word)
        if leaf is None:
            raise self.entry.error(f"has no {word}")
        return leaf

    def number(self, word: str, least: int, most: int, default: str = "0") -> int:
        leaf = self.leaf(word) or Leaf(default, self.entry.line, self.entry.text)
        return leaf.integer(least, most)


def services(lines: Iterable[Line], wanted: tuple[Service, ...]) -> tuple[Service, ...]:
    """Services of what is enabled of ours. Raises ParseError."""
    things: dict[Words, Thing] = {}
    for line in lines:
        old = things.get(line.thing)
        things[line.thing] = Thing(line.kind, line.thing, (*(old.lines if old else ()), line))
    found: list[Service] = list(assembly.services(_rules(things, wanted), wanted, "map-t", GATEWAY))
    for thing in things.values():
        if thing.kind == "large-scale":
            found += _sessions(thing, things, wanted)
    return assembly.in_order(found, wanted)


def _rules(things: dict[Words, Thing], wanted: tuple[Service, ...]) -> Iterator[FoundRule]:
    running = {thing.name for thing in things.values() if thing.kind == "map-domain"}
    for domain in things.values():
        if domain.kind == "domain" and domain.enabled and domain.name in running:
            yield from _domain(domain, wanted)


def _domain(domain: Thing, wanted: tuple[Service, ...]) -> Iterator[FoundRule]:
    usual = DEFAULTS["domain"]
    name = domain.name.removeprefix(f"{OURS}-")
    hint = assembly.wanted_service(wanted, name)
    facts = {
        "gateway_address": hint.gateway_address if hint else assembly.NO_ADDRESS,
        "translation_prefix": domain.needed("dmr-prefix").ipv6_network(),
        "ipv6_mtu": domain.number("mtu", 160, 8686, usual["mtu"]),
        "mss_clamp": domain.number("tcp-mss-adjust", 0, 8626),
    }
    for rule in domain.parts("mapping-rule"):
        if not rule.enabled:
            continue
        _, index = owner(rule.name, {name})
        ipv4_prefix = rule.needed("ipv4-prefix").ipv4_network()
        ea_len = rule.number("ea-length", 0, 48)
        made = map_rule(
            rule.leaf("psid-offset") or rule.entry,
            ipv6_prefix=rule.needed("rule-prefix").ipv6_network(),
            ipv4_prefix=ipv4_prefix,
            ea_len=ea_len,
            psid_offset=rule.number("psid-offset", 0, 16, usual["mapping-rule * psid-offset"]),
            psid_len=max(0, ea_len - 32 + ipv4_prefix.prefixlen),
            hint=wanted_rule(wanted, name, index),
        )
        yield FoundRule(name, index, made, facts, rule.entry)


def _sessions(inside: Thing, things: dict[Words, Thing], wanted: tuple[Service, ...]) -> Iterator[Service]:
    policy_name = inside.needed("nat-policy")
    policy = _thing(things, "nat-policy", policy_name)
    pool = _thing(things, "pool", policy.needed("pool name"))
    if not pool.enabled:
        return
    name = policy.name.removeprefix(f"{OURS}-")
    hint = assembly.wanted_service(wanted, name)
    both = [part for part in (inside.below("dual-stack-lite"), inside.below("nat64")) if part.enabled]
    if len(both) > 1:
        raise both[1].entry.error("DS-Lite and NAT64 are on at once; one service for each router would be")
    for part in both:
        encapsulates = part.path[-1] == "dual-stack-lite"
        facts = _ds_lite(part) if encapsulates else _nat64(part)
        prefix_len = part.number("subscriber-prefix-length", 32, 128, "128")
        found = FoundSession(
            name,
            facts | _policy(policy),
            _pool(pool, policy, hint) | {"subscriber_prefix_len": prefix_len},
            part.entry,
        )
        yield sessions.service(found, wanted, ("ds-lite",) if encapsulates else _NAT64_TECHNIQUES)


def _thing(things: dict[Words, Thing], kind: str, name: Leaf) -> Thing:
    for thing in things.values():
        if thing.kind == kind and thing.name == name.value:
            return thing
    raise name.error(f"there is no {kind} {name.value} of ours")


def _ds_lite(part: Thing) -> dict[str, Any]:
    endpoints = part.parts("endpoint")
    if len(endpoints) != 1:
        raise part.entry.error(f"{len(endpoints)} endpoints; one would be")
    [endpoint] = endpoints
    usual = DEFAULTS["large-scale"]["dual-stack-lite endpoint * tunnel-mtu"]
    return {
        "gateway_address": endpoint.entry.ipv6(),
        "ipv6_mtu": endpoint.number("tunnel-mtu", 464, 9212, usual) + OVERHEAD,
    }


def _nat64(part: Thing) -> dict[str, Any]:
    usual = DEFAULTS["large-scale"]
    prefix = part.leaf("prefix") or Leaf(usual["nat64 prefix"], 0, "")
    drop = part.leaf("drop-zero-ipv4-checksum")
    return {
        "translation_prefix": prefix.ipv6_network(),
        "ipv6_mtu": part.number("ipv6-mtu", 1280, 9212, usual["nat64 ipv6-mtu"]),
        "udp_zero_checksum": DROP if drop and drop.value == "true" else COMPUTE,
    }


def _policy(policy: Thing) -> dict[str, Any]:
    filtering = policy.leaf("filtering")
    if filtering is not None and filtering.value != "address-and-port-dependent":
        raise filtering.error(f"{filtering.value} is not known")
    return {
        "filtering": "address-dependent" if filtering else "endpoint-independent",
        "mss_clamp": policy.number("tcp mss-adjust", 0, 10240),
    }


def _pool(pool: Thing, policy: Thing, hint: Service | None) -> dict[str, Any]:
    size = pool.needed("port-reservation ports").integer(1, 64512)
    blocks = policy.number("block-limit", 1, 40, DEFAULTS["nat-policy"]["block-limit"])
    usual = DEFAULTS["pool"]["port-forwarding range-end"]
    ranges = [line for line in pool.lines if line.leaf == "address-range * end"]
    if not ranges:
        raise pool.entry.error("has no address-range")
    networks = [network for line in ranges for network in _networks(line)]
    return {
        "ipv4": sessions.wanted_addresses(networks, hint),
        "first_port": pool.number("port-forwarding range-end", 1023, 65534, usual) + 1,
        "block_size": size,
        "ports_per_subscriber": size * blocks,
    }


def _networks(line: Line) -> Iterator[IPv4Network]:
    first, _, last = line.words[-3:]
    try:
        yield from summarize_address_range(IPv4Address(first), IPv4Address(last))
    except ValueError:
        at = Leaf(first, line.line, str(line))
        raise at.error(f"{first} to {last} are no IPv4 addresses in order") from None
