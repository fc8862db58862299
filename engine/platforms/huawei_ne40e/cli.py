# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Our lines in VRP8: which they are, in one spelling, and how each is taken back."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator
from dataclasses import replace
from ipaddress import ip_network

from .. import vrp
from ..diff import line_diff
from ..driver import Change
from ..indented import Block
from ..naming import is_ours
from ..places import another_number, taken
from ..values import canonical
from ..vrp import Grammar, Path

BR_ADDRESS, DMR_PREFIX, MAP_RULE = "br-ipv6-address", "dmr-prefix", "map rule"
MAP_E, MAP_T, DS_LITE, NAT64 = (f"{word} instance" for word in ("map-e", "map-t", "ds-lite", "nat64"))
DEFAULT_MTU = 1500
DEFAULT_OFFSET = 6
DEFAULT_LIMITS = {"tcp": 10240, "udp": 10240, "icmp": 512, "total": 20992}

_MAP = ("map-rule", "map mtu", "map tcp adjust-mss")


def _napt(word: str) -> tuple[str, ...]:
    """Lines that a DS-Lite and a NAT64 instance have."""
    return (
        f"{word} mtu",
        f"{word} tcp adjust-mss",
        f"{word} filter mode full-cone",
        "port-range",
        f"{word} address-group",
        f"{word} outbound",
    )


# First words of our lines in each view, in the order in which they are written. Other lines of a view are
# the operator's: logs, ALG, timers, session limits.
_WORDS = {
    BR_ADDRESS: (),
    DMR_PREFIX: (),
    MAP_RULE: ("rule-prefix",),
    MAP_E: (BR_ADDRESS, *_MAP, "map-version"),
    MAP_T: (DMR_PREFIX, *_MAP, "map icmp-tranfer"),
    DS_LITE: (
        "service-instance-group",
        "local-ipv6",
        "remote-ipv6",
        "ds-lite tunnel prefix-length",
        "ds-lite port-limit",
        *_napt("ds-lite"),
    ),
    NAT64: ("service-instance-group", "nat64 prefix", *_napt("nat64")),
}
_KINDS = tuple(_WORDS)
_NUMBERED = re.compile(r"(?P<kind>\S+ instance) \S+ (?P<number>id \d+)")
_GROUP = re.compile(r"(?:ds-lite|nat64) address-group (?P<name>\S+) group-id \S+")
_SECTION = re.compile(r"section (?P<number>\S+) \d")
_OUTBOUND = re.compile(r"(?P<word>ds-lite|nat64) outbound .*address-group (?P<name>\S+)")
# A new value takes the place of the old one.
_OVERWRITTEN = re.compile(
    r"(?:\S+ (?:mtu|tcp adjust-mss|port-limit \w+)|ds-lite tunnel prefix-length) (?=\d+$)"
)
# As much of a line as the manual asks for to take it back.
_TAKEN_BACK = (
    re.compile(r"(rule-prefix|port-range|service-instance-group) .+"),
    re.compile(r"(\S+ (?:mtu|tcp adjust-mss|port-limit (?:tcp|udp|icmp|total))) \d+"),
    re.compile(r"(ds-lite tunnel prefix-length) \d+"),
    re.compile(r"((?:br-ipv6-address|dmr-prefix) \S+) .+"),
    re.compile(r"(section \d+) .+"),
)
_NAT64_PREFIX = re.compile(r"nat64 prefix \S+ prefix-length \S+ (\d+)")
_DEFAULTS = {
    *(f"{word} mtu {DEFAULT_MTU}" for word in ("map", "ds-lite", "nat64")),
    *(f"ds-lite port-limit {word} {ports}" for word, ports in DEFAULT_LIMITS.items()),
    "ds-lite tunnel prefix-length 128",
}


def kind_of(block: Block) -> str | None:
    """One of the kinds of lines in the system view that have names, None for any other line."""
    return next((kind for kind in _KINDS if block.opens(kind)), None)


def name_of(block: Block) -> str:
    """The name in a line of the system view; empty where there is none."""
    kind = kind_of(block) or block.text
    return (block.text.removeprefix(kind).split() or [""])[0]


def owned(text: str) -> tuple[Block, ...]:
    """Our rules, addresses, prefixes and instances, in one order and spelling, without the defaults."""
    ours = [block for block in vrp.read(text) if kind_of(block) and is_ours(name_of(block))]
    return tuple(sorted((_normal(block) for block in ours), key=_rank))


def _rank(block: Block) -> tuple[int, str]:
    return _KINDS.index(kind_of(block) or BR_ADDRESS), block.text


def _normal(block: Block) -> Block:
    words = _WORDS[kind_of(block) or BR_ADDRESS]

    def place(child: Block) -> int:
        return next((at for at, word in enumerate(words) if child.opens(word)), len(words))

    children = (replace(_one_spelling(child), children=_sections(child)) for child in block.children)
    kept = (child for child in children if place(child) < len(words) and _is_ours(child))
    return replace(
        _one_spelling(block), children=tuple(sorted(kept, key=lambda child: (place(child), child.text)))
    )


def _is_ours(child: Block) -> bool:
    if " address-group " in child.text and " outbound " not in child.text:
        return " exclude-ip-address " not in child.text
    return child.text not in _DEFAULTS


def _sections(block: Block) -> tuple[Block, ...]:
    """The addresses of a group; that a section is locked is the operator's business."""
    found = (replace(_one_spelling(child), children=()) for child in block.children)
    return tuple(sorted((child for child in found if _SECTION.match(child.text)), key=_number))


def _number(section: Block) -> tuple[int, str]:
    number = section.text.split()[1]
    return int(number) if number.isdecimal() else 0, section.text


def _one_spelling(block: Block) -> Block:
    words = [canonical(word) for word in block.text.split()]
    if "mask" in words[:-1]:
        at = words.index("mask") + 1
        words[at] = _mask_length(words[at])
    if words[0] == "rule-prefix" and "psid-offset" not in words:
        words += ["psid-offset", str(DEFAULT_OFFSET)]
    return replace(block, text=" ".join(words))


def _mask_length(mask: str) -> str:
    try:
        return str(ip_network(f"0.0.0.0/{mask}").prefixlen)
    except ValueError:
        return mask


def change(running: str, wanted: str) -> Change:
    """Commands from what the device runs to what it should run, and back."""
    before, after = owned(running), owned(wanted)
    return Change(
        vrp.commands(before, after, GRAMMAR),
        vrp.commands(after, before, GRAMMAR),
        line_diff(vrp.write(before), vrp.write(after)),
    )


def occupied(text: str, wanted: str) -> list[str]:
    """See platforms.driver.Careful: numbers of instances of one kind."""
    numbers = (_numbers(blocks) for blocks in (owned(wanted), vrp.read(text), owned(text)))
    return taken(*numbers, right=another_number("instance_ids"))


def _numbers(blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        match = _NUMBERED.fullmatch(block.text)
        if match:
            yield f"{match['kind']} {match['number']}"


def _undo(line: str) -> str:
    prefix = _NAT64_PREFIX.fullmatch(line)
    if prefix:
        return f"undo nat64 prefix {prefix[1]}"
    for form in _TAKEN_BACK:
        match = form.fullmatch(line)
        if match:
            return f"undo {match[1]}"
    return f"undo {line}"


def _overwritten(line: str) -> str | None:
    match = _OVERWRITTEN.match(line)
    return match[0] if match else None


def _reference(path: Path) -> tuple[Path, str] | None:
    """Of an instance: its rules, its address or prefix, the addresses that it translates to."""
    view, line = path[:-1], path[-1]
    if not view:
        return None
    for word, kind in (("map-rule", MAP_RULE), (BR_ADDRESS, BR_ADDRESS), (DMR_PREFIX, DMR_PREFIX)):
        if line.startswith(f"{word} "):
            return (), f"{kind} {line.removeprefix(f'{word} ')}"
    outbound = _OUTBOUND.fullmatch(line)
    return (view, f"{outbound['word']} address-group {outbound['name']}") if outbound else None


GRAMMAR = Grammar(_undo, _overwritten, _reference)
