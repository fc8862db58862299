# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IOS XR command line: ``service cgv6`` blocks."""

from __future__ import annotations

import re
from collections.abc import Iterator

from .. import indented
from ..diff import line_diff
from ..driver import NO_CHANGE, Change
from ..indented import Block
from ..naming import OURS, is_ours
from ..reading import once
from ..values import Leaf, canonical
from . import card, map_t
from .map_t import Customers, Entry, Internet
from .model import GATEWAY_ADDRESS, IPV6_PREFIX, LEAVES, Found

INSTANCE = "service cgv6"
_MAP_E = "service-type map-e"
_MAP_T = "service-type map-t-cisco"
# Commands of an entry that hold one value each.
SINGLE = {_MAP_E: (*LEAVES, card.OTHER_GATEWAY_ADDRESS), _MAP_T: map_t.LEAVES}
_CUSTOMERS = re.compile(r"cpe-domain-name (\S+) ipv4-prefix (\S+) ipv6-prefix (\S+)")
_INTERNET = re.compile(r"ext-domain-name \S+ ipv6-prefix (\S+) ipv4-vrf (\S+)")


def owned(text: str) -> str:
    """Our own instance, our entries in an instance of the operator's, and what leads to a card of ours."""
    return _text(_owned(text))


def _text(blocks: tuple[Block, ...]) -> str:
    return indented.write(blocks, (INSTANCE, *SINGLE))


@once
def _owned(text: str) -> tuple[Block, ...]:
    blocks = indented.read(text, only=(INSTANCE, card.APP, card.STATIC))
    kept = (_instance(block) for block in blocks if block.opens(INSTANCE))
    instances = (block for block in kept if block.children or _is_our_instance(block))
    return tuple(sorted((*instances, *card.owned(blocks)), key=lambda block: block.text))


def _is_our_instance(block: Block) -> bool:
    return block.text == f"{INSTANCE} {OURS}"


def _instance(block: Block) -> Block:
    kept = [_entry(child) for child in block.children if _is_our_entry(child)]
    if _is_our_instance(block):
        kept += [child for child in block.children if not _is_our_entry(child)]
    return Block(block.text, block.line, tuple(sorted(kept, key=lambda child: child.text)))


def _is_our_entry(block: Block) -> bool:
    return any(block.opens(kind) and is_ours(_name(block, kind)) for kind in SINGLE)


def _name(block: Block, kind: str) -> str:
    return block.text.removeprefix(f"{kind} ")


def _entry(block: Block) -> Block:
    words = card.word_of(block)
    children = (Block(_canonical(child.text, words), child.line, child.children) for child in block.children)
    return Block(block.text, block.line, tuple(sorted(children, key=lambda child: child.text)))


def _canonical(text: str, other_words: dict[str, str]) -> str:
    first, *rest = text.split()
    words = [other_words.get(first, first), *rest]
    if words[:3] == ["cpe-domain", "ipv4", "prefix"] and len(words) == 5 and words[3] != "length":
        words[3:] = ["/".join(words[3:])]
    return " ".join(canonical(word) for word in words)


def maps(text: str) -> Iterator[Found]:
    """Our map-e entries with their values. Raises ParseError for a line that is none of them."""
    for block in _entries(text, _MAP_E):
        values, rest = _values(block, _MAP_E)
        for line in rest:
            if not card.is_family(line):
                raise _at(line).error(f"not understood; one of {', '.join(LEAVES)}")
        if card.OTHER_GATEWAY_ADDRESS in values:
            values[GATEWAY_ADDRESS] = values.pop(card.OTHER_GATEWAY_ADDRESS)
        yield _at(block, _name(block, _MAP_E)), values


def translations(text: str) -> Iterator[Entry]:
    """Our map-t-cisco entries with their values. Raises ParseError for a line that is none of them."""
    for block in _entries(text, _MAP_T):
        values, rest = _values(block, _MAP_T)
        customers, internets = [], []
        for line in rest:
            if match := _CUSTOMERS.fullmatch(line.text):
                customers.append(Customers(*(_at(line, word) for word in match.groups())))
            elif match := _INTERNET.fullmatch(line.text):
                internets.append(Internet(*(_at(line, word) for word in match.groups())))
            else:
                known = ", ".join((*map_t.LEAVES, "cpe-domain-name", "ext-domain-name"))
                raise _at(line).error(f"not understood; one of {known}")
        yield Entry(_at(block, _name(block, _MAP_T)), values, tuple(customers), tuple(internets))


def _entries(text: str, kind: str) -> Iterator[Block]:
    for instance in _owned(text):
        for block in instance.children:
            if block.opens(kind) and _is_our_entry(block):
                yield block


def _at(block: Block, value: str = "") -> Leaf:
    return Leaf(value or block.text, block.line, block.text)


def _values(entry: Block, kind: str) -> tuple[dict[str, Leaf], list[Block]]:
    """What an entry says once, by its words, and its other lines."""
    values: dict[str, Leaf] = {}
    rest = []
    for line in entry.children:
        word = next((leaf for leaf in SINGLE[kind] if line.opens(leaf)), None)
        if word is None or line.children:
            rest.append(line)
            continue
        leaf = _at(line, line.text.removeprefix(f"{word} "))
        if word in values:
            raise leaf.error(f"{word} is there twice")
        values[word] = leaf
    return values, rest


def change(running: str, wanted: str) -> Change:
    """Commands from what the device runs to what it should run, and back."""
    before = _owned(running)
    after = _in_the_form_of(before, _owned(wanted))
    if before == after:
        return NO_CHANGE
    # Most devices have nothing to change, and to import it takes long.
    from . import remedy

    frames = [frame for block in (*before, *after) if (frame := _frame(block)) is not None]
    forth, back = remedy.commands(before, after, frames)
    return Change(forth, back, line_diff(_text(before), _text(after)))


def _in_the_form_of(running: tuple[Block, ...], wanted: tuple[Block, ...]) -> tuple[Block, ...]:
    """IPv6 prefixes without their length, where the device shows the entry without one."""
    bare = {
        (instance.text, entry.text)
        for instance in running
        for entry in instance.children
        if entry.opens(_MAP_E)
        and any(line.opens(IPV6_PREFIX) and "/" not in line.text for line in entry.children)
    }

    def cut(block: Block, *above: str) -> Block:
        text = block.text.split("/")[0] if above in bare and block.opens(IPV6_PREFIX) else block.text
        return Block(text, block.line, tuple(cut(child, *above, block.text) for child in block.children))

    return tuple(cut(block) for block in wanted)


def _frame(block: Block) -> Block | None:
    """What of a block is the operator's around what is ours; None where the whole block is ours."""
    if block.opens(INSTANCE) and not _is_our_instance(block):
        return Block(block.text)
    return card.shell(block)
