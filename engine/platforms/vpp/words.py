# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Commands of VPP and their words. Facts are those of src/plugins/map and src/plugins/nat of FDio/vpp."""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from ipaddress import IPv4Address, IPv4Network, IPv6Address, summarize_address_range
from typing import TypeVar

from ..values import Leaf

T = TypeVar("T")

DOMAIN = "map add domain"
RULE = "map add rule"
# Words of a domain, in the order in which VPP shows them.
_DOMAIN_WORDS = ("tag", "ip4-pfx", "ip6-pfx", "ip6-src", "ea-bits-len", "psid-offset", "psid-len", "mtu")


@dataclass(frozen=True, slots=True)
class Written:
    """The commands of one service."""

    name: str
    lines: tuple[str, ...]


def domain(**values: object) -> str:
    """The command for a domain; ``ip4_pfx`` stands for ip4-pfx."""
    return " ".join((DOMAIN, *(f"{word} {values[word.replace('-', '_')]}" for word in _DOMAIN_WORDS)))


def pairs(line: Leaf, start: str, allowed: Iterable[str] = _DOMAIN_WORDS) -> dict[str, Leaf]:
    """The values of a command by the words before them. Raises ParseError for a word that is not allowed."""
    words = line.text.removeprefix(start).split()
    found = {}
    for word, value in zip(words[::2], words[1::2], strict=False):
        if word not in allowed:
            raise line.error(f"{word} is not understood; one of {', '.join(allowed)}")
        found[word] = Leaf(value, line.line, line.text)
    if len(words) % 2:
        raise line.error(f"{words[-1]} has no value")
    return found


def needed(values: dict[str, Leaf], word: str, line: Leaf) -> Leaf:
    """A value that VPP does not do without. Raises ParseError."""
    if word not in values:
        raise line.error(f"has no {word}")
    return values[word]


def number(values: dict[str, Leaf], word: str, most: int) -> int:
    """A number, 0 where it is missing."""
    return values[word].integer(0, most) if word in values else 0


def source(leaf: Leaf) -> tuple[IPv6Address, int]:
    """Address and length of ip6-src, 128 where it has none."""
    address, _slash, length = leaf.value.partition("/")
    at = Leaf(address, leaf.line, leaf.text).ipv6()
    return at, Leaf(length or "128", leaf.line, leaf.text).integer(0, 128)


def pool_range(network: IPv4Network) -> str:
    """The addresses of a pool's network."""
    first, last = network.network_address, network.broadcast_address
    return str(first) if first == last else f"{first} - {last}"


def pool_networks(ranges: Sequence[Leaf], wanted: Sequence[IPv4Network]) -> tuple[IPv4Network, ...]:
    """The networks of a pool, as ``wanted`` has them where they are the same addresses."""
    found: list[IPv4Network] = []
    for leaf in ranges:
        first, _dash, last = leaf.value.partition(" - ")
        try:
            found += summarize_address_range(IPv4Address(first), IPv4Address(last or first))
        except ValueError as error:
            raise leaf.error(f"{leaf.value} is no range of addresses: {error}") from error
    same = sum(n.num_addresses for n in found) == sum(n.num_addresses for n in wanted)
    if same and all(any(n.subnet_of(w) or w.subnet_of(n) for w in wanted) for n in found):
        return tuple(wanted)
    return tuple(found)


def in_order(found: Sequence[T], wanted: Sequence[T]) -> tuple[T, ...]:
    """What was found, as ``wanted`` has it where only the order differs."""
    same = len(found) == len(wanted) and set(found) == set(wanted)
    return tuple(wanted) if same else tuple(found)


def leaf_after(line: Leaf, start: str) -> Leaf:
    """What follows the first words of a command."""
    value = line.text.removeprefix(start).strip()
    if not value:
        raise line.error("has no value")
    return Leaf(value, line.line, line.text)


def only(lines: Sequence[Leaf], what: str, entry: Leaf) -> Leaf:
    """The one command of its kind in a section. Raises ParseError."""
    if len(lines) != 1:
        raise (lines[1] if lines else entry).error(f"expected one '{what}', there are {len(lines)}")
    return lines[0]
