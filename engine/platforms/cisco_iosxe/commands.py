# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What is typed after ``configure terminal``: the difference of two configurations, in an order that works.

Each line acts at once. So what refers to something goes before it and comes after it.
"""

from __future__ import annotations

import re

from ..indented import Block
from ..naming import is_ours

# Commands in the order in which they are typed; they are taken away in the reverse order.
ORDER = (
    "event manager environment",
    "ipv6 access-list",
    "nat64 prefix stateful",
    "nat64 v4 pool",
    "nat64 v6v4 list",
    "nat64 map-t domain",
    "nat64 map-e domain",
    "interface",
    "ip route",
    "nat64 route",
    # in a domain: port-set-id is held against the share ratio at once
    "default-mapping-rule",
    "border-relay-address",
    "basic-mapping-rule",
    "ipv6-prefix",
    "ipv4-prefix",
    "local-ipv4-prefix",
    "port-parameters",
    "port-set-id",
    # in an interface: the mode says which addresses the tunnel takes
    "description",
    "ip address",
    "ipv6 address",
    "tunnel mode",
    "tunnel source",
    "tunnel destination",
    "ip mtu",
    "ip tcp adjust-mss",
    "nat64 enable",
)
# Commands of which a mode has one: another value replaces it.
_SINGLE = (
    "default-mapping-rule",
    "border-relay-address",
    "ipv6-prefix",
    "ipv4-prefix",
    "local-ipv4-prefix",
    "port-parameters",
    "port-set-id",
    "description",
    "ip address",
    "tunnel mode",
    "tunnel source",
    "tunnel destination",
    "ip mtu",
    "ip tcp adjust-mss",
)
# What is taken away, and typed again, where something changes that it refers to.
_REFERS = {
    "nat64 v6v4 list": ("nat64 prefix stateful", "nat64 v4 pool"),
    "port-set-id": ("port-parameters",),
}
_VARIABLE = re.compile(r"event manager environment \S+")


def place(block: Block) -> tuple[int, list[tuple[int, int, str]]]:
    """Where a block stands among others: by ORDER, then as people count."""
    index = next((index for index, word in enumerate(ORDER) if block.opens(word)), len(ORDER))
    return index, natural(block.text)


def natural(text: str) -> list[tuple[int, int, str]]:
    """A sort key that takes the numbers in a text as numbers."""
    return [
        (0, int(part), "") if part.isdecimal() else (1, 0, part) for part in re.split(r"(\d+)", text) if part
    ]


def commands(before: tuple[Block, ...], after: tuple[Block, ...]) -> tuple[Block, ...]:
    """Lines that make ``after`` of ``before``; both as owned.py gives them, in the order of ``place``."""
    old, new = ({_key(block): block for block in blocks} for blocks in (before, after))
    changed = [block for one, other in ((old, new), (new, old)) for block in _without(one, other)]
    taken, typed = [], []
    for key, block in old.items():
        if key not in new or _refers(block, changed):
            taken.append(block)
    for key, block in new.items():
        was = old.get(key)
        if was is None or (was.text != block.text) or _refers(block, changed):
            typed.append(block)
        elif inner := commands(was.children, block.children):
            typed.append(Block(block.text, children=inner))
    return (*(_away(block) for block in reversed(taken)), *typed)


def _key(block: Block) -> str:
    variable = _VARIABLE.match(block.text)
    if variable:
        return variable[0]
    return next((word for word in _SINGLE if block.opens(word)), block.text)


def _without(one: dict[str, Block], other: dict[str, Block]) -> list[Block]:
    return [block for key, block in one.items() if key not in other or other[key].text != block.text]


def _refers(block: Block, changed: list[Block]) -> bool:
    """Whether something that a block refers to has changed."""
    words = next((words for word, words in _REFERS.items() if block.opens(word)), ())
    return any(other.opens(word) for word in words for other in changed)


def _away(block: Block) -> Block:
    if is_operators(block):
        return Block(block.text, children=commands(block.children, ()))
    if block.text.startswith("no "):
        return Block(block.text.removeprefix("no "))
    variable = _VARIABLE.match(block.text)
    text = variable[0] if variable else "description" if block.opens("description") else block.text
    return Block(f"no {text}")


def is_operators(block: Block) -> bool:
    """Whether a block is an interface of the operator's, of which single lines are ours."""
    return block.opens("interface") and tunnel_of(block) is None


def tunnel_of(block: Block) -> str | None:
    """The name of ours that a tunnel interface has as its description; None where it is none of ours."""
    if not re.fullmatch(r"interface Tunnel\d+", block.text):
        return None
    names = (line.text.removeprefix("description ") for line in block.children if line.opens("description"))
    return next((name for name in names if is_ours(name)), None)
