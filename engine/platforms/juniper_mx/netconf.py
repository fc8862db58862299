# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Junos over NETCONF: junos-conf-root with junos-conf-services and junos-conf-interfaces."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import replace

from .. import xml
from ..diff import line_diff
from ..driver import Change
from ..naming import OURS, is_ours
from ..xml import Node
from .model import Found

_MODEL = "http://yang.juniper.net/junos/conf"
NAMESPACES = {
    "configuration": f"{_MODEL}/root",
    "interfaces": f"{_MODEL}/interfaces",
    "services": f"{_MODEL}/services",
}
_CONCENTRATORS = ("configuration", "services", "softwire", "softwire-concentrator", "map-e")
_RULES = ("configuration", "services", "softwire", "rule")
_SERVICE_SETS = ("configuration", "services", "service-set")
_INTERFACES = ("configuration", "interfaces", "interface")
_PATHS = (_CONCENTRATORS, _RULES, _SERVICE_SETS, (*_INTERFACES, "unit"))


def owned(text: str) -> str:
    """Our concentrators, rules and service set, and the units that the service set uses."""
    return _text(_owned(text))


def _text(tree: Node) -> str:
    return xml.write(tree, NAMESPACES) if tree.children else ""


def _owned(text: str) -> Node:
    root = xml.read(text)
    units = {
        tuple(leaf.text.rsplit(".", 1))
        for service_set in root.all(*_SERVICE_SETS)
        if service_set.key == OURS
        for hop in service_set.all("next-hop-service")
        for leaf in hop.children
    }

    def wanted(path: tuple[str, ...], node: Node, parent: Node) -> bool:
        if path == (*_INTERFACES, "unit"):
            return (parent.key, node.key) in units
        return _is_ours(path, node)

    return xml.ordered(_kept(root, (), wanted) or Node("config"))


def _kept(
    node: Node, path: tuple[str, ...], wanted: Callable[[tuple[str, ...], Node, Node], bool]
) -> Node | None:
    """The ways to what is wanted, and that whole; None where there is nothing."""
    children = []
    for child in node.children:
        below = (*path, child.tag)
        if below in _PATHS:
            children += [child] if wanted(below, child, node) else []
        elif any(full[: len(below)] == below for full in _PATHS):
            children += [kept] if (kept := _kept(child, below, wanted)) else []
    key = node.key_leaf
    return replace(node, children=(*([key] if key else []), *children)) if children else None


def _is_ours(path: tuple[str, ...], node: Node) -> bool:
    return node.key == OURS if path == _SERVICE_SETS else is_ours(node.key)


def maps(text: str) -> Iterator[Found]:
    """Our concentrators, with their values."""
    for entry in _owned(text).all(*_CONCENTRATORS):
        yield entry.entry(), {child.tag: child.leaf() for child in entry.children if child.tag != "name"}


def change(running: str, wanted: str) -> Change:
    """Edits from what the device runs to what it should run, and back."""
    before, after = _owned(running), _owned(wanted)
    return Change(
        _edit(before, after), _edit(before=after, after=before), line_diff(_text(before), _text(after))
    )


def _edit(before: Node, after: Node) -> str:
    tree = xml.edit(before, after, _deletable)
    return xml.write(tree, NAMESPACES) if tree else ""


def _deletable(node: Node) -> bool:
    return node.tag == "unit" or node.key == OURS or is_ours(node.key)
