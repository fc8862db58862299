# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NETCONF configuration as small trees: read from any server, compared, written as an edit.

Elements are known by their local name, since servers choose prefixes (and Junos the namespace) as
they like. An element is a list entry where it has a key leaf: ``name``, or its own tag with ``-name``;
or the leaves that _KEYS says.
"""

from __future__ import annotations

from collections.abc import Callable, Collection, Mapping
from dataclasses import dataclass, field, replace
from itertools import islice
from typing import Any

from lxml import etree

from .driver import ParseError
from .reading import once
from .values import Leaf, canonical

NETCONF = "urn:ietf:params:xml:ns:netconf:base:1.0"
_ENVELOPES = ("rpc-reply", "data", "config")
# Lists whose entries are told apart by other leaves: tag of an entry -> its key leaves (IOS XR).
_KEYS: Mapping[str, tuple[str, ...]] = {
    "cpe-domain-name": ("cpe-domain-name", "address"),
    "ext-domain-name": ("ext-domain-name", "prefix", "length"),
}


@dataclass(frozen=True, slots=True)
class Node:
    """An element without its namespace. ``operation`` is that of an edit (RFC 6241 section 7.2)."""

    tag: str
    text: str = ""
    children: tuple[Node, ...] = ()
    line: int = field(default=0, compare=False)
    operation: str = ""
    plain_keys: bool = field(default=False, compare=False)  # a key leaf is called name, and nothing else

    @property
    def key_leaves(self) -> tuple[Node, ...]:
        """The leaves that name this list entry; none where it is no list entry."""
        tags = _KEYS.get(self.tag)
        if tags is not None:
            return tuple(child for tag in tags for child in self.children if child.tag == tag)
        names = ("name",) if self.plain_keys else ("name", f"{self.tag}-name")
        return tuple(islice((child for child in self.children if child.tag in names), 1))

    @property
    def key_leaf(self) -> Node | None:
        """The first leaf that names this list entry, None where it is no list entry."""
        return next(iter(self.key_leaves), None)

    @property
    def key(self) -> str:
        """Values of the key leaves, empty where there are none."""
        return " ".join(leaf.text for leaf in self.key_leaves)

    @property
    def identity(self) -> tuple[str, str]:
        """What tells this element from its siblings."""
        return self.tag, self.key

    def at(self, *path: str) -> Node | None:
        """The first element below at a path of tags."""
        here: Node | None = self
        for tag in path:
            here = next((child for child in here.children if child.tag == tag), None) if here else None
        return here

    def all(self, *path: str) -> tuple[Node, ...]:
        """Every element below at a path of tags, over all list entries on the way."""
        here: tuple[Node, ...] = (self,)
        for tag in path:
            here = tuple(child for node in here for child in node.children if child.tag == tag)
        return here

    def leaf(self) -> Leaf:
        """The value with its line."""
        return Leaf(self.text, self.line, f"<{self.tag}>{self.text}</{self.tag}>")

    def entry(self) -> Leaf:
        """The list entry itself, for messages about something missing in it."""
        return Leaf(self.key, self.line, f"<{self.tag}> {self.key}")


@once
def read(text: str, *, plain_keys: bool = False) -> Node:
    """The configuration below one ``config`` element. Raises ParseError."""
    if not text.strip():
        return Node("config")
    parser = etree.XMLParser(resolve_entities=False, no_network=True, remove_comments=True, remove_pis=True)
    try:
        root = _node(etree.fromstring(text.encode(), parser), plain_keys)
    except etree.XMLSyntaxError as error:
        raise ParseError(f"line {error.lineno}: not XML: {error.msg}") from error
    while root.tag in _ENVELOPES and len(root.children) == 1 and root.children[0].tag in _ENVELOPES:
        root = root.children[0]
    return replace(root, tag="config") if root.tag in _ENVELOPES else Node("config", children=(root,))


def _node(element: etree._Element, plain_keys: bool) -> Node:
    active = (child for child in element if isinstance(child.tag, str) and _is_active(child))
    children = tuple(_node(child, plain_keys) for child in active)
    text = "" if children else (element.text or "").strip()
    line = element.sourceline if isinstance(element.sourceline, int) else 0
    return Node(etree.QName(element).localname, text, children, line, plain_keys=plain_keys)


def _is_active(element: etree._Element) -> bool:
    """Junos marks what was deactivated by ``inactive="inactive"``, or ``jcmd:active="false"``."""
    marks = {etree.QName(name).localname: value for name, value in element.attrib.items()}
    return "inactive" not in marks and marks.get("active") != "false"


def write(root: Node, namespaces: Mapping[str, str]) -> str:
    """Text of a ``config`` tree; ``namespaces`` says which tag starts which namespace."""
    prefixes: dict[Any, str] = {None: NETCONF} | ({"xc": NETCONF} if _has_operation(root) else {})
    element = etree.Element(f"{{{NETCONF}}}config", nsmap=prefixes)
    for child in root.children:
        _write(element, child, NETCONF, namespaces)
    etree.indent(element, "  ")
    return str(etree.tostring(element, encoding="unicode")) + "\n"


def _has_operation(node: Node) -> bool:
    return bool(node.operation) or any(_has_operation(child) for child in node.children)


def _write(parent: etree._Element, node: Node, namespace: str, namespaces: Mapping[str, str]) -> None:
    own = namespaces.get(node.tag, namespace)
    start: dict[Any, str] = {None: own}  # the stubs know no default namespace
    element = etree.SubElement(parent, f"{{{own}}}{node.tag}", nsmap=None if own == namespace else start)
    if node.operation:
        element.set(f"{{{NETCONF}}}operation", node.operation)
    element.text = node.text or None
    for child in node.children:
        _write(element, child, own, namespaces)


def ordered(node: Node) -> Node:
    """The same tree, one way to write one meaning: key leaf first, the rest by name, one spelling."""
    if not node.children:
        return replace(node, text=canonical(node.text))
    keys = tuple(ordered(leaf) for leaf in node.key_leaves)
    tags = {leaf.tag for leaf in keys}
    rest = (ordered(child) for child in node.children if child.tag not in tags)
    return replace(node, children=(*keys, *sorted(rest, key=lambda child: (child.identity, child.text))))


def edit(
    running: Node, wanted: Node, ours: Callable[[Node], bool], leaf_lists: Collection[str] = ()
) -> Node | None:
    """What turns ``running`` into ``wanted``, None where nothing does: leaf by leaf, entry by entry.

    A list entry is deleted as a whole only where ``ours`` says so or an element above it is ours;
    other elements are only the way to what is ours. ``leaf_lists`` are tags that may hold several
    values (RFC 7950 section 7.7): another value is another element.
    """
    changes: list[Node] = []
    before = {_identity(child, leaf_lists): child for child in running.children}
    after = {_identity(child, leaf_lists): child for child in wanted.children}
    for identity, child in before.items():
        if identity in after:
            continue
        if ours(child):
            changes.append(_deletion(child, leaf_lists))
        elif child.children:
            empty = replace(child, children=child.key_leaves)
            changes += filter(None, [edit(child, empty, ours, leaf_lists)])
    for identity, child in after.items():
        old = before.get(identity)
        if old is None or (not old.children and not child.children and old.text != child.text):
            changes.append(child)
        else:
            changes += filter(None, [edit(old, child, _below(ours, child), leaf_lists)])
    if not changes:
        return None
    return replace(wanted, children=(*wanted.key_leaves, *changes))


def _below(ours: Callable[[Node], bool], parent: Node) -> Callable[[Node], bool]:
    return (lambda _: True) if ours(parent) else ours


def _identity(node: Node, leaf_lists: Collection[str]) -> tuple[str, str]:
    return (node.tag, node.text) if node.tag in leaf_lists and not node.children else node.identity


def _deletion(node: Node, leaf_lists: Collection[str]) -> Node:
    text = node.text if node.tag in leaf_lists else ""
    return Node(node.tag, text, node.key_leaves, operation="delete")
