# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our lines in SR OS as paths of the vendor's model (nokia-conf): which they are, in one spelling."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import dataclass, field, replace
from functools import cached_property

from ..naming import is_ours
from ..values import canonical, parse_error

Words = tuple[str, ...]

_QUOTED = re.compile(r'"(?:\\.|[^"\\])*"')
_PLAIN = re.compile(r'[^"\s]+')  # needs no quotation marks

_NAT_SERVICE = ("service", "nat")
# Words that are followed by a name, which stands in quotation marks.
_NAMED = {
    "router",
    "vprn",
    "domain",
    "mapping-rule",
    "map-domain",
    "pool",
    "nat-policy",
    "router-instance",
    "name",
}
_CONTAINER_WORDS = ("router-instance", "name")  # of the pool of a nat-policy, where no name follows

# Leaves of each kind of object, in the order in which they are written; * stands for a key. Other lines
# of an object are the operator's: logs, timers, ALG, watermarks, redundancy.
_LEAVES = {
    "pool": (
        "type",
        "nat-group",
        "port-reservation ports",
        "port-reservation port-blocks",
        "port-forwarding range-end",
        "address-range * end",
        "admin-state",
    ),
    "nat-policy": ("pool router-instance", "pool name", "filtering", "block-limit", "tcp mss-adjust"),
    "large-scale": (
        "nat-policy",
        "dual-stack-lite subscriber-prefix-length",
        "dual-stack-lite endpoint",
        "dual-stack-lite endpoint * tunnel-mtu",
        "dual-stack-lite endpoint * ip-fragmentation",
        "dual-stack-lite admin-state",
        "nat64 prefix",
        "nat64 ipv6-mtu",
        "nat64 ip-fragmentation",
        "nat64 subscriber-prefix-length",
        "nat64 drop-zero-ipv4-checksum",
        "nat64 admin-state",
    ),
    "domain": (
        "dmr-prefix",
        "fpe",
        "map-t-group",
        "mtu",
        "tcp-mss-adjust",
        "mapping-rule * rule-prefix",
        "mapping-rule * ipv4-prefix",
        "mapping-rule * ea-length",
        "mapping-rule * psid-offset",
        "mapping-rule * admin-state",
        "admin-state",
    ),
    "map-domain": ("",),
}
_KINDS = tuple(_LEAVES)
# The last word of these is a key: several stand side by side.
KEYED = ("address-range * end", "dual-stack-lite endpoint", "")
# Parts of an object that go as a whole.
_PARTS = ("address-range * end *", "dual-stack-lite endpoint *", "nat64", "mapping-rule *")
DEFAULTS = {
    "nat-policy": {"filtering": "endpoint-independent", "block-limit": "1"},
    "pool": {"port-forwarding range-end": "1023"},
    "large-scale": {
        "dual-stack-lite subscriber-prefix-length": "128",
        "dual-stack-lite endpoint * tunnel-mtu": "1500",
        "nat64 prefix": "64:ff9b::/96",
        "nat64 ipv6-mtu": "1520",
        "nat64 subscriber-prefix-length": "128",
        "nat64 drop-zero-ipv4-checksum": "false",
    },
    "domain": {
        "mtu": "8686",
        "tcp-mss-adjust": "0",
        "mapping-rule * ea-length": "0",
        "mapping-rule * psid-offset": "6",
    },
}
_DISABLED = ("admin-state", "disable")


@dataclass(frozen=True)
class Line:
    """One value: the words of its path in the model, from below ``configure``."""

    words: Words
    line: int = field(default=0, compare=False)  # from 1; 0 where it was never read

    @cached_property
    def _object(self) -> tuple[str, int]:
        return _object(self.words)

    @property
    def kind(self) -> str:
        """Of the object that it belongs to: a key of _LEAVES, empty for any other line."""
        return self._object[0]

    @cached_property
    def thing(self) -> Words:
        """Path of that object."""
        return self.words[: self._object[1]]

    @property
    def inside(self) -> Words:
        """The words below the object."""
        return self.words[self._object[1] :]

    @cached_property
    def leaf(self) -> str:
        """Which leaf it is, keys as *; for a line that is none of ours the words themselves."""
        words = self.inside
        return next((leaf for leaf in _LEAVES.get(self.kind, ()) if _is(leaf, words)), " ".join(words))

    @property
    def path(self) -> Words:
        """What takes the value back: without it, unless it is a key."""
        return self.words if self.leaf in KEYED else self.words[:-1]

    @cached_property
    def part(self) -> Words:
        """The smallest whole that the line belongs to: a part of its object, or the object."""
        for part in _PARTS:
            length = len(part.split())
            if _matches(part.split(), self.inside[:length]):
                return (*self.thing, *self.inside[:length])
        return self.thing

    def __str__(self) -> str:
        return " ".join(self.words)


def _is(leaf: str, words: Words) -> bool:
    return _matches([*leaf.split(), *(["*"] if leaf else [])], words)


def _matches(pattern: list[str], words: Words) -> bool:
    return len(pattern) == len(words) and all(
        want in ("*", word) for want, word in zip(pattern, words, strict=True)
    )


def _object(words: Words) -> tuple[str, int]:
    """Kind of the object that a path leads into, and how many words name it."""
    if words[:4] == (*_NAT_SERVICE, "map-t", "domain") and len(words) > 4:
        return "domain", 5
    if words[:3] == (*_NAT_SERVICE, "nat-policy") and len(words) > 3:
        return "nat-policy", 4
    start = 2 if words[:1] == ("router",) else 3 if words[:2] == ("service", "vprn") else 0
    below = words[start:] if start else ()
    if below[:3] in (("nat", "outside", "pool"), ("nat", "map", "map-domain")) and len(below) > 3:
        return below[2], start + 4
    if below[:3] == ("nat", "inside", "large-scale"):
        return "large-scale", start + 3
    return "", 0


def spelled(words: Iterable[str]) -> Words:
    """Names in quotation marks, other words without, addresses as RFC 5952 writes them."""
    made: list[str] = []
    for word in words:
        bare = word[1:-1] if _QUOTED.fullmatch(word) else word
        named = bool(made) and made[-1] in _NAMED and bare not in _CONTAINER_WORDS
        made.append(f'"{bare}"' if named or not _PLAIN.fullmatch(bare) else canonical(bare))
    return tuple(made)


def name_of(word: str) -> str:
    """A name without its quotation marks."""
    return word.strip('"')


def owned(lines: Iterable[Line]) -> list[Line]:
    """What is named ours, and of each router's large-scale NAT that whose policy is ours.

    In one order, without values that the device has by itself.
    """
    lines = _of_nat(lines)
    lent = {line.thing for line in lines if _is_our_policy(line)}
    ours = {line for line in lines if _is_ours(line, lent) and line.leaf in _LEAVES[line.kind]}
    ours = {line for line in ours if not _is_default(line)}
    longer = {line.words[:depth] for line in ours for depth in range(1, len(line.words))}
    return sorted((line for line in ours if line.words not in longer), key=_rank)


def _of_nat(lines: Iterable[Line]) -> list[Line]:
    found = [line for line in lines if "nat" in line.words]
    for line in found:
        if any('"' in word and not _QUOTED.fullmatch(word) for word in line.words):
            raise parse_error(line.line, str(line), 'a quotation mark stands alone; "name" would be')
    return [replace(line, words=spelled(line.words)) for line in found]


def _is_our_policy(line: Line) -> bool:
    return line.kind == "large-scale" and line.leaf == "nat-policy" and is_ours(name_of(line.words[-1]))


def _is_ours(line: Line, lent: set[Words]) -> bool:
    if line.kind == "large-scale":
        return line.thing in lent
    return bool(line.kind) and is_ours(name_of(line.thing[-1]))


def _is_default(line: Line) -> bool:
    usual = DEFAULTS.get(line.kind, {}).get(line.leaf)
    return line.words[-2:] == _DISABLED or (usual is not None and line.words[-1] == usual)


def _rank(line: Line) -> tuple[int, Words, int, Words, int, Words]:
    """Rules one after the other, each with its leaves in order; the same for endpoints."""
    leaves = _LEAVES[line.kind]
    at = leaves.index(line.leaf)
    part = line.part[len(line.thing) :]
    first = next((i for i, leaf in enumerate(leaves) if leaf.split()[:1] == list(part[:1])), at)
    return _KINDS.index(line.kind), line.thing, first if part else at, part, at, line.words


def occupied(lines: Iterable[Line], wanted: Iterable[Line]) -> Iterator[str]:
    """Large-scale NAT of a router that ``wanted`` needs and that works for the operator, in words."""
    lines = _of_nat(lines)
    lent = {line.thing for line in lines if _is_our_policy(line)}
    needed = {line.thing for line in wanted if line.kind == "large-scale"}
    for thing in sorted(needed - lent):
        found = [line for line in lines if line.thing == thing and line.leaf in _LEAVES["large-scale"]]
        if found:
            yield f"{found[0]} is not the service's: a router has one policy for large-scale NAT"
