# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IOS XR over NETCONF: Cisco-IOS-XR-um-service-cfg, from IOS XR 7.10.1 on."""

from __future__ import annotations

from collections.abc import Iterator, Mapping
from dataclasses import replace

from .. import xml
from ..diff import line_diff
from ..driver import Change
from ..naming import OURS, is_ours
from ..values import Leaf
from ..xml import Node
from . import map_t
from .map_t import Customers, Entry, Internet
from .model import CONTIGUOUS_PORTS, GATEWAY_ADDRESS, IPV4_PREFIX, IPV6_PREFIX, SHARING_RATIO, Found

NAMESPACES = {"service": "http://cisco.com/ns/yang/Cisco-IOS-XR-um-service-cfg"}
_INSTANCES = ("service", "cgv6s", "cgv6")
_MAPS = ("service-type", "map-es", "map-e")
_TRANSLATIONS = ("service-type", "map-t-ciscos", "map-t-cisco")
# Where a value stands below map-e; the address of a prefix and its mask are two leaves.
_PLACES = {
    GATEWAY_ADDRESS: (("br-endpoint-address",),),
    CONTIGUOUS_PORTS: (("contiguous-ports",),),
    IPV4_PREFIX: (("cpe-domain", "ipv4", "prefix"), ("cpe-domain", "ipv4", "mask")),
    IPV6_PREFIX: (("cpe-domain", "ipv6", "prefix"),),
    SHARING_RATIO: (("sharing-ratio",),),
}
_TRANSLATION_PLACES = {
    CONTIGUOUS_PORTS: (("contiguous-ports",),),
    map_t.IPV4_LENGTH: (("cpe-domain", "ipv4", "prefix", "length"),),
    map_t.IPV6_LENGTH: (("cpe-domain", "ipv6", "prefix", "length"),),
    map_t.VRF: (("cpe-domain", "ipv6", "vrf"),),
    SHARING_RATIO: (("sharing-ratio",),),
}


def owned(text: str) -> str:
    """Our own instance, and our entries in an instance of the operator's."""
    return _text(_owned(text))


def _text(tree: Node) -> str:
    return xml.write(tree, NAMESPACES) if tree.children else ""


def _owned(text: str) -> Node:
    root = xml.read(text)
    instances = [kept for node in root.all(*_INSTANCES) if (kept := _instance(node)) is not None]
    if not instances:
        return Node("config")
    instances.sort(key=lambda node: node.key)
    return Node("config", children=(Node("service", children=(Node("cgv6s", children=tuple(instances)),)),))


def _instance(node: Node) -> Node | None:
    if node.key == OURS:
        return xml.ordered(node)
    kinds = []
    for _, several, one in (_MAPS, _TRANSLATIONS):
        entries = node.all("service-type", several, one)
        kept = tuple(xml.ordered(entry) for entry in entries if is_ours(entry.key))
        if kept:
            kinds.append(Node(several, children=kept))
    if not kinds:
        return None
    return replace(node, children=(*node.key_leaves, Node("service-type", children=tuple(kinds))))


def maps(text: str) -> Iterator[Found]:
    """Our map-e entries with their values."""
    for entry in _entries(text, _MAPS):
        yield entry.entry(), _values(entry, _PLACES)


def translations(text: str) -> Iterator[Entry]:
    """Our map-t-cisco entries with their values. Raises ParseError where a list entry lacks a leaf."""
    for entry in _entries(text, _TRANSLATIONS):
        yield Entry(
            entry.entry(),
            _values(entry, _TRANSLATION_PLACES),
            tuple(_customers(node) for node in entry.all("cpe-domains", "cpe-domain-name")),
            tuple(_internet(node) for node in entry.all("ext-domains", "ext-domain-name")),
        )


def _customers(node: Node) -> Customers:
    return Customers(*(_child(node, tag) for tag in ("cpe-domain-name", "address", "ipv6-prefix")))


def _internet(node: Node) -> Internet:
    prefix = _child(node, "prefix")
    whole = replace(prefix, value=f"{prefix.value}/{_child(node, 'length').value}")
    return Internet(whole, _child(node, "ipv4-vrf"))


def _child(node: Node, tag: str) -> Leaf:
    found = node.at(tag)
    if found is None:
        raise node.entry().error(f"has no {tag}")
    return found.leaf()


def _entries(text: str, path: tuple[str, ...]) -> Iterator[Node]:
    return (entry for entry in _owned(text).all(*_INSTANCES, *path) if is_ours(entry.key))


def _values(entry: Node, places: Mapping[str, tuple[tuple[str, ...], ...]]) -> dict[str, Leaf]:
    return {word: leaf for word, paths in places.items() if (leaf := _leaf(entry, paths))}


def _leaf(entry: Node, paths: tuple[tuple[str, ...], ...]) -> Leaf | None:
    nodes = [node for path in paths if (node := entry.at(*path)) is not None]
    if len(nodes) < len(paths):
        return None
    return replace(nodes[0].leaf(), value=" ".join(node.text for node in nodes))


def change(running: str, wanted: str) -> Change:
    """Edits from what the device runs to what it should run, and back."""
    before, after = _owned(running), _owned(wanted)
    return Change(
        _edit(before, after), _edit(before=after, after=before), line_diff(_text(before), _text(after))
    )


def _edit(before: Node, after: Node) -> str:
    tree = xml.edit(before, after, _ours)
    return xml.write(tree, NAMESPACES) if tree else ""


def _ours(node: Node) -> bool:
    return (node.tag == "cgv6" and node.key == OURS) or (
        node.tag in ("map-e", "map-t-cisco") and is_ours(node.key)
    )
