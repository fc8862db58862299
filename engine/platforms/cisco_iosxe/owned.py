# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is ours in a running configuration of IOS XE, in one spelling and order.

By name: access lists, pools, lists that refer to them, tunnels with a description. What has no name is
ours where a variable of the event manager says so, such as ``_ipv4aas_map_t_101 ipv4aas-hall7`` for
domain 101, or ``_ipv4aas_nat64`` for interfaces that we enabled; or where it can only belong to that.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from functools import cached_property
from ipaddress import IPv6Network, ip_interface

from .. import indented
from ..driver import ParseError
from ..indented import Block
from ..naming import is_ours
from ..values import Leaf
from .commands import place, tunnel_of
from .ports import psid_bits, start_port

MAP_T, MAP_E = "map-t", "map-e"
MOST_DOMAINS = 10000  # their highest number
DEFAULT_ROUTE = "ip route 0.0.0.0 0.0.0.0"
DEFAULT_NAT64_ROUTE = "nat64 route 0.0.0.0/0"
_MARK = re.compile(r"event manager environment _ipv4aas_(?P<kind>map_[te])_(?P<number>\d+) (?P<name>\S+)")
_INTERFACES = "event manager environment _ipv4aas_nat64"
_DOMAIN = re.compile(r"nat64 (?P<kind>map-[te]) domain (?P<number>\d+)")
# Commands that take prefixes; host bits mean nothing in them.
_PREFIXES = (
    "default-mapping-rule",
    "ipv6-prefix",
    "ipv4-prefix",
    "local-ipv4-prefix",
    "nat64 prefix stateful",
    "permit ipv6",
)
_SEQUENCE = re.compile(r"^sequence \d+ | sequence \d+$")


@dataclass(frozen=True, slots=True)
class Domain:
    """A MAP domain of ours: its name by the variable, and the block of its commands where it is there."""

    kind: str
    number: int
    name: Leaf


def text_of(blocks: tuple[Block, ...]) -> str:
    """The blocks as IOS prints them."""
    return indented.write(blocks, inner=False)


def owned(text: str) -> tuple[Block, ...]:
    """Our blocks, in the order of commands.place."""
    return tuple(sorted((_spelled(block) for block in _Configuration(indented.read(text)).owned), key=place))


def domains(blocks: tuple[Block, ...]) -> Iterator[Domain]:
    """The domains that variables say are ours."""
    for block in blocks:
        match = _MARK.fullmatch(block.text)
        if match and is_ours(match["name"]):
            leaf = Leaf(match["name"], block.line, block.text)
            yield Domain(match["kind"].replace("_", "-"), int(match["number"]), leaf)


def numbered_as(running: tuple[Block, ...], wanted: tuple[Block, ...]) -> tuple[Block, ...]:
    """The wanted blocks, domains of the same name with the numbers that they have already."""
    there = {(domain.kind, domain.name.value): domain.number for domain in domains(running)}
    numbers: dict[tuple[str, int], int] = {}
    new = []
    for domain in domains(wanted):
        known = there.get((domain.kind, domain.name.value))
        if known is None:
            new.append(domain)
        else:
            numbers[domain.kind, domain.number] = known
    for domain in new:
        taken = {number for (kind, _), number in numbers.items() if kind == domain.kind}
        free = (number for number in range(domain.number, MOST_DOMAINS + 1) if number not in taken)
        numbers[domain.kind, domain.number] = next(free, domain.number)
    return _renumbered(wanted, lambda kind, number: numbers.get((kind, number), number))


def _renumbered(blocks: tuple[Block, ...], number: Callable[[str, int], int]) -> tuple[Block, ...]:
    """The blocks with the numbers of domains changed: ``number`` gets kind and number."""

    def moved(block: Block) -> Block:
        match = _MARK.fullmatch(block.text) or _DOMAIN.fullmatch(block.text)
        if match is None:
            return block
        new = number(match["kind"].replace("_", "-"), int(match["number"]))
        text = f"{block.text[: match.start('number')]}{new}{block.text[match.end('number') :]}"
        return Block(text, block.line, block.children)

    return tuple(sorted((moved(block) for block in blocks), key=place))


def interfaces_of(block: Block) -> tuple[str, ...]:
    """The interfaces that a variable names."""
    return tuple(block.text.removeprefix(_INTERFACES).split()) if block.opens(_INTERFACES) else ()


class _Configuration:
    """A whole configuration in any spelling; what is ours follows from several places in it."""

    def __init__(self, blocks: tuple[Block, ...]) -> None:
        self._blocks = blocks

    @property
    def owned(self) -> Iterator[Block]:
        """What is ours, in the order and spelling of the configuration."""
        return (kept for block in self._blocks if (kept := self._ours(block)) is not None)

    def _ours(self, block: Block) -> Block | None:
        if block.opens("interface"):
            return block if tunnel_of(block) else self._interface(block)
        return block if self._is_ours(block) else None

    def _is_ours(self, block: Block) -> bool:
        words = block.text.split()
        if match := _DOMAIN.fullmatch(block.text):
            return (match["kind"], int(match["number"])) in self._domains
        if block.opens("ipv6 access-list"):
            return len(words) == 3 and is_ours(words[2])
        if block.opens("nat64 v4 pool") or block.opens("nat64 v6v4 list"):
            return len(words) > 3 and is_ours(words[3])
        if block.opens("nat64 prefix stateful"):
            return len(words) == 4 and self._has_list
        if block.opens(DEFAULT_ROUTE):
            return len(words) == 5 and words[4] in self._tunnels
        if block.opens(DEFAULT_NAT64_ROUTE):
            return len(words) == 4 and bool(self._map_e) and words[3] in self._interfaces
        return bool(interfaces_of(block)) or any(domains((block,)))

    def _interface(self, block: Block) -> Block | None:
        if block.text.removeprefix("interface ") not in self._interfaces:
            return None
        lines = (line for line in block.children if line.text == "nat64 enable" or self._is_map_address(line))
        kept = tuple(lines)
        return Block(block.text, block.line, kept) if kept else None

    def _is_map_address(self, line: Block) -> bool:
        """Whether a line is the address that an edge has by MAP-E: inside its domain's prefix, a /128."""
        network = _network(line.text.removeprefix("ipv6 address "))
        return network is not None and network.prefixlen == 128 and any(map(network.subnet_of, self._map_e))

    @cached_property
    def _domains(self) -> set[tuple[str, int]]:
        return {(domain.kind, domain.number) for domain in domains(self._blocks)}

    @cached_property
    def _interfaces(self) -> set[str]:
        return {name for block in self._blocks for name in interfaces_of(block)}

    @cached_property
    def _tunnels(self) -> set[str]:
        return {block.text.removeprefix("interface ") for block in self._blocks if tunnel_of(block)}

    @cached_property
    def _has_list(self) -> bool:
        return any(block.opens("nat64 v6v4 list") and self._is_ours(block) for block in self._blocks)

    @cached_property
    def _map_e(self) -> tuple[IPv6Network, ...]:
        """The customers' prefixes of our MAP-E domains."""
        names = {f"nat64 {kind} domain {number}" for kind, number in self._domains if kind == MAP_E}
        own = (block for block in self._blocks if block.text in names)
        rules = (line for block in own for part in block.children for line in part.children)
        found = (line.text.removeprefix("ipv6-prefix ") for line in rules if line.opens("ipv6-prefix"))
        return tuple(network for text in found if (network := _network(text)) is not None)


def _network(text: str) -> IPv6Network | None:
    try:
        return IPv6Network(text, strict=False)
    except ValueError:
        return None


def _spelled(block: Block, above: str = "") -> Block:
    """The block as IOS prints it: IPv6 in capitals, prefixes without host bits, no default, one order."""
    is_prefix = any(block.opens(word) for word in _PREFIXES)
    words = [_word(word, is_prefix=is_prefix) for word in block.text.split()]
    text = " ".join(words)
    if above.startswith("ipv6 access-list"):
        text = _SEQUENCE.sub("", text)
    if block.opens("port-parameters"):
        text = _ports(Block(text, block.line), start=MAP_T in above)
    children = (_spelled(child, f"{above} {block.text}".strip()) for child in block.children)
    kept = tuple(child for child in children if child.text != "mode map-t")
    if not block.opens("ipv6 access-list"):  # where the order counts
        kept = tuple(sorted(kept, key=place))
    return Block(text, block.line, kept)


def _word(word: str, *, is_prefix: bool) -> str:
    if ":" not in word and not word[:1].isdigit():
        return word  # quick, since most words are none
    try:
        parsed = ip_interface(word)
    except ValueError:
        return word
    if "/" not in word:
        return str(parsed.ip).upper()
    return str(parsed.network if is_prefix else parsed).upper()


def _ports(block: Block, *, start: bool) -> str:
    """Of the spellings of an offset the one that we write; nonsense stays as it is."""
    try:
        psid_len, offset = psid_bits(Leaf(block.text.removeprefix("port-parameters "), 0, ""))
    except ParseError:
        return block.text
    where = f"start-port {start_port(offset)}" if start else f"port-offset-bits {offset}"
    return f"port-parameters share-ratio {1 << psid_len} {where}"
