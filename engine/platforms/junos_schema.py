# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What services own in a Junos configuration, said once for its command line and for NETCONF.

Both languages are one tree: an XML element is a word of ``display set``, a list entry its word and its
name. So what is ours is found, ordered and read by words, whichever language the device was asked in.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace
from functools import cached_property
from types import MappingProxyType

from . import junos, xml
from .diff import line_diff
from .driver import Change
from .junos import ANY, Statement, Words
from .naming import OURS, is_ours
from .reading import once
from .values import Leaf
from .xml import Node


@dataclass(frozen=True, slots=True)
class Kind:
    """A list of the configuration: the words before the names of its entries, and which names are ours."""

    path: Words
    ours: Callable[[str], bool] = is_ours

    def begins(self, words: Words) -> bool:
        """Whether words lead to it or into it."""
        size = min(len(self.path), len(words))
        if ANY not in self.path:
            return words[:size] == self.path[:size]
        return all(one in (other, ANY) for one, other in zip(self.path, words, strict=False))


def named_ours(name: str) -> bool:
    """The name of what all services share."""
    return name == OURS


def whatever(name: str) -> bool:
    """What is in an entry of ours, whoever put it there."""
    return True


@dataclass(frozen=True, kw_only=True)
class Schema:
    """The part of a device's model that services are made of."""

    kinds: tuple[Kind, ...]  # in the order in which ``display set`` of ours is written
    namespaces: Mapping[str, str]
    order: Words  # words in the order in which they are written; others follow by name
    leaves: frozenset[str]  # words that hold one value
    leaf_lists: frozenset[str] = frozenset()  # tags that hold values without a key
    hidden: frozenset[str] = frozenset()  # tags that the command line has no word for
    renamed: Mapping[str, str] = field(default_factory=lambda: MappingProxyType({}))  # tag -> word
    # Word -> the leaves that may follow it on one line.
    joined: Mapping[str, frozenset[str]] = field(default_factory=lambda: MappingProxyType({}))
    # Objects of the operator's kinds that ours refer to, by their words.
    referred: Callable[[Iterable[Statement]], frozenset[Words]] = lambda statements: frozenset()

    def kind_of(self, words: Words) -> Kind | None:
        """The kind of the innermost entry that words are in."""
        for size, last, between, kind in self._by_first.get(words[0], ()) if words else ():
            there = len(words) > size and words[size - 1] == last
            if there and (not between or all(words[at] == word for at, word in between)):
                return kind
        return None

    @cached_property
    def _by_first(self) -> dict[str, list[tuple[int, str, list[tuple[int, str]], Kind]]]:
        """By the first word of a path its length, its last word, those between, and the kind.

        The innermost kind comes first. Most of a device's lines are in none, which is seen at a glance.
        Neither of these words is ANY.
        """
        found: dict[str, list[tuple[int, str, list[tuple[int, str]], Kind]]] = {}
        for kind in sorted(self.kinds, key=lambda kind: -len(kind.path)):
            between = [(at, word) for at, word in enumerate(kind.path[1:-1], 1) if word != ANY]
            found.setdefault(kind.path[0], []).append((len(kind.path), kind.path[-1], between, kind))
        return found

    @cached_property
    def lines(self) -> re.Pattern[str]:
        """The lines of ``display set`` that are in any of the kinds."""
        return junos.lines_of(kind.path for kind in self.kinds)

    def thing_of(self, words: Words) -> Words | None:
        """The words of the innermost entry that words are in."""
        kind = self.kind_of(words)
        return words[: len(kind.path) + 1] if kind else None

    def object_of(self, words: Words) -> Words:
        """The words of the entry, or all where they are in none."""
        return self.thing_of(words) or words

    def owns(self, words: Words, referred: frozenset[Words]) -> bool:
        """Whether words are in an entry of ours."""
        kind = self.kind_of(words)
        if kind is None:
            return False
        thing = words[: len(kind.path) + 1]
        return kind.ours(thing[-1]) or thing in referred

    def things(self, statements: Iterable[Statement]) -> Iterator[str]:
        """The entries that statements are in."""
        return (" ".join(thing) for item in statements if (thing := self.thing_of(item.words)))

    def rank(self, item: Statement) -> tuple[int, Words, list[tuple[int, str]], Statement]:
        """Where a statement stands among ours."""
        kind = self.kind_of(item.words)
        assert kind is not None
        thing = self.object_of(item.words)
        rest = [(self._place(word), word) for word in item.words[len(thing) :]]
        return self.kinds.index(kind), thing, rest, item

    def _place(self, word: str) -> int:
        if word[:1].isdigit():
            return -1  # a value comes before the words that may follow it
        return self.order.index(word) if word in self.order else len(self.order)


@dataclass(frozen=True, slots=True)
class Cli:
    """``show configuration | display set`` and what ``configure`` takes."""

    schema: Schema

    def owned(self, text: str) -> str:
        """Our part of a configuration."""
        return junos.write(self._owned(text))

    def statements(self, text: str) -> list[Statement]:
        """Our part as far as it is active."""
        inactive = [item.words for item in junos.read(text, lines=junos.DEACTIVATED)]
        return [
            item
            for item in self._owned(text)
            if item.verb == "set" and not any(item.starts(*path) for path in inactive)
        ]

    def change(self, running: str, wanted: str) -> Change:
        """Commands from what the device runs to what it should run, and back."""
        before, after = self._owned(running), self._owned(wanted)
        object_of, leaves = self.schema.object_of, self.schema.leaves
        return Change(
            junos.commands(before, after, object_of, leaves),
            junos.commands(after, before, object_of, leaves),
            line_diff(junos.write(before), junos.write(after)),
        )

    def things(self, text: str, *, ours: bool) -> Iterator[str]:
        """The entries of our kinds by their words: ours, or whosever they are."""
        if ours:
            return self.schema.things(self._owned(text))
        return (" ".join(thing) for _item, _kind, thing in _found(text, schema=self.schema))

    def asleep(self, text: str, wanted: str) -> list[str]:
        """What around ours the operator has deactivated: ``wanted`` would be there and not at work."""
        needed = self._owned(wanted)
        around = (item.words for item in junos.read(text, lines=junos.DEACTIVATED))
        return [
            f"{' '.join(words)} is deactivated, and what is planned with it; activate it on the device"
            for words in around
            if self.schema.thing_of(words) is None and any(item.starts(*words) for item in needed)
        ]

    def _owned(self, text: str) -> tuple[Statement, ...]:
        return _ours(text, schema=self.schema)


@once
def _found(text: str, *, schema: Schema) -> tuple[tuple[Statement, Kind, Words], ...]:
    """The statements of our kinds, whosever they are, each with the kind and the entry that it is in."""
    return tuple(
        (item, kind, item.words[: len(kind.path) + 1])
        for item in junos.read(text, lines=schema.lines)
        if (kind := schema.kind_of(item.words))
    )


@once
def _ours(text: str, *, schema: Schema) -> tuple[Statement, ...]:
    """What of a text is ours, in order."""
    found = _found(text, schema=schema)
    named = [item for item, kind, thing in found if kind.ours(thing[-1])]
    referred = schema.referred(named)
    ours = [*named, *(item for item, _kind, thing in found if thing in referred)]
    parts = {junos.normal(part) for item in ours for part in _apart(item, schema.joined)}
    return tuple(sorted(parts, key=schema.rank))


def _apart(item: Statement, joined: Mapping[str, frozenset[str]]) -> Iterator[Statement]:
    """Leaves that were joined on one line, each with a line of its own."""
    at = next((index for index, word in enumerate(item.words) if word in joined), None)
    if at is None or len(item.words) <= at + 2:
        yield item
        return
    start, rest, leaves = item.words[: at + 1], list(item.words[at + 1 :]), joined[item.words[at]]
    while rest:
        length = 2 if rest[0] in leaves else 1
        yield replace(item, words=(*start, *rest[:length]))
        del rest[:length]


@dataclass(frozen=True, slots=True)
class Netconf:
    """``get-config`` and ``edit-config``."""

    schema: Schema

    def owned(self, text: str) -> str:
        """Our part of a configuration."""
        return self._text(self._owned(text))

    def statements(self, text: str) -> list[Statement]:
        """Our part as far as it is active, in the words of the command line."""
        return [item for item in self._words(self._owned(text), ()) if self.schema.kind_of(item.words)]

    def change(self, running: str, wanted: str) -> Change:
        """Edits from what the device runs to what it should run, and back."""
        before, after = self._owned(running), self._owned(wanted)
        return Change(
            self._edit(before, after),
            self._edit(after, before),
            line_diff(self._text(before), self._text(after)),
        )

    def things(self, text: str, *, ours: bool) -> Iterator[str]:
        """The entries of our kinds by their words: ours, or whosever they are."""
        tree = self._owned(text) if ours else xml.read(text, plain_keys=True)
        return self.schema.things(self._words(tree, ()))

    def asleep(self, text: str, wanted: str) -> list[str]:
        """Nothing: what is inactive is not read, so that it is missing."""
        return []

    def _edit(self, before: Node, after: Node) -> str:
        return self._text(xml.edit(before, after, self._deletable, self.schema.leaf_lists) or Node("config"))

    def _text(self, tree: Node) -> str:
        return xml.write(tree, self.schema.namespaces) if tree.children else ""

    def _deletable(self, node: Node) -> bool:
        """Entries are ours as a whole: only those are in what is compared."""
        return any(node.tag == kind.path[-1] and node.key_leaf for kind in self.schema.kinds)

    def _owned(self, text: str) -> Node:
        root = xml.read(text, plain_keys=True)
        named = self._kept(root, (), frozenset()) or Node("config")
        referred = self.schema.referred(self._words(named, ()))
        return xml.ordered(self._kept(root, (), referred) or Node("config"))

    def _kept(self, node: Node, words: Words, referred: frozenset[Words]) -> Node | None:
        """The ways to what is ours, and that whole; None where there is nothing."""
        children = []
        for child in node.children:
            below = (*words, *self._named(child))
            if self.schema.kind_of(below):
                children += [child] if self.schema.owns(below, referred) else []
            elif any(kind.begins(below) for kind in self.schema.kinds):
                children += [kept] if (kept := self._kept(child, below, referred)) else []
        key = node.key_leaf
        return replace(node, children=(*([key] if key else []), *children)) if children else None

    def _named(self, node: Node) -> Words:
        """What the command line calls an element."""
        hidden = node.tag in self.schema.hidden or node.tag == "configuration"
        word = () if hidden else (self.schema.renamed.get(node.tag, node.tag),)
        return (*word, *([node.key] if node.key_leaf else []))

    def _words(self, node: Node, words: Words) -> Iterator[Statement]:
        key = node.key_leaf
        if key:
            yield Statement(words, line=node.line, source=f"<{node.tag}> {node.key}")
        for child in node.children:
            below = (*words, *self._named(child))
            if child.children:
                yield from self._words(child, below)
            elif child is not key:
                value = (child.text,) if child.text else ()
                yield Statement((*below, *value), line=child.line, source=child.leaf().text)


LANGUAGES: Mapping[str, Callable[[Schema], Cli | Netconf]] = MappingProxyType(
    {"cli": Cli, "netconf": Netconf}
)


@dataclass(frozen=True, slots=True)
class Entry:
    """One entry of a list: where it starts, and its statements without the words before them."""

    at: Leaf
    statements: tuple[Statement, ...] = ()

    def leaf(self, *words: str) -> Leaf | None:
        """The one value after words, None where there is none."""
        return next(iter(self.all(*words)), None)

    def all(self, *words: str) -> list[Leaf]:
        """Every value right after words."""
        size = len(words)
        return [
            item.leaf() for item in self.statements if item.starts(*words) and len(item.words) == size + 1
        ]

    def has(self, *words: str) -> bool:
        """Whether a statement starts with words."""
        return any(item.starts(*words) for item in self.statements)

    def number(self, *words: str, least: int, most: int, default: int) -> int:
        """The number after words, ``default`` where there is none. Raises ParseError."""
        found = self.leaf(*words)
        return default if found is None else found.integer(least, most)

    def needed(self, *words: str) -> Leaf:
        """The value after words. Raises ParseError where there is none."""
        found = self.leaf(*words)
        if found is None:
            raise self.at.error(f"has no {' '.join(words)}")
        return found


def entries(statements: Iterable[Statement], *path: str) -> dict[str, Entry]:
    """The entries of a list by name."""
    size = len(path)
    found: dict[str, Entry] = {}
    for item in statements:
        if not item.starts(*path) or len(item.words) <= size:
            continue
        name, *rest = item.words[size:]
        source = item.source or str(item)
        entry = found.setdefault(name, Entry(Leaf(name, item.line, source)))
        if rest:
            relative = Statement(tuple(rest), line=item.line, source=source)
            found[name] = replace(entry, statements=(*entry.statements, relative))
    return found
