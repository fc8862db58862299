# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of Infoblox's WAPI that hold services: path is the type and what an object is known by.

Fields are those of Infoblox's own clients (infobloxopen/infoblox-nios-go-client, Infoblox-PS/ibx-nios-sdk).
A view and a network are the operator's: ours are the entries of one list of theirs that have a name of ours.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from ..naming import is_ours
from ..objects import Body, Objects, Order, without_defaults
from ..values import canonical


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A type of WAPI."""

    type: str
    keys: tuple[str, ...]  # the fields that an object is known by
    fields: tuple[str, ...]  # that are read
    service: str  # that has to be restarted after a change
    shared: str = ""  # the list that is shared with the operator
    switch: tuple[str, ...] = ()  # what has to be on, so that the list is in use


GROUP = Kind(
    type="dns64group",
    keys=("name",),
    fields=("name", "prefix", "clients", "mapped", "exclude", "disable", "enable_dnssec_dns64", "comment"),
    service="DNS",
)
VIEW = Kind(
    type="view",
    keys=("name",),
    fields=("name", "use_dns64", "dns64_enabled", "dns64_groups"),
    service="DNS",
    shared="dns64_groups",
    switch=("use_dns64", "dns64_enabled"),
)
DEFINITION = Kind(
    type="ipv6dhcpoptiondefinition",
    keys=("name",),
    fields=("name", "code", "type", "space"),
    service="DHCP",
)
NETWORK = Kind(
    type="ipv6network",
    keys=("network_view", "network"),
    fields=("network", "network_view", "use_options", "options"),
    service="DHCP",
    shared="options",
    switch=("use_options",),
)
Made = Iterator[tuple[Kind, Body]]

# In this order an object comes after those that it refers to.
KINDS = (GROUP, DEFINITION, VIEW, NETWORK)
_DEFAULTS: Body = {"disable": False, "enable_dnssec_dns64": False}


def kind_of(path: str) -> Kind:
    """The kind of the object at a path. Raises KeyError for one that is none of these."""
    for kind in KINDS:
        if path.startswith(f"{kind.type}/"):
            return kind
    raise KeyError(path)


def path_of(kind: Kind, body: Body) -> str:
    """The path of an object."""
    return "/".join((kind.type, *(canonical(str(body[key])) for key in kind.keys)))


def key_of(kind: Kind, path: str) -> dict[str, str]:
    """The fields that the object at a path is known by."""
    values = path.removeprefix(f"{kind.type}/").split("/", len(kind.keys) - 1)
    return dict(zip(kind.keys, values, strict=True))


def entry_name(entry: Any) -> str:
    """The name of an entry of a shared list."""
    return str(entry.get("name", "")) if isinstance(entry, dict) else str(entry)


def part(kind: Kind, body: Body) -> Body:
    """What of an object is a matter of ours, in one form: all of it, or our entries in its list."""
    if not kind.shared:
        kept: Body = without_defaults({key: body[key] for key in kind.fields if key in body}, _DEFAULTS)
        return kept
    ours = [_plain(entry) for entry in body.get(kind.shared, ()) if is_ours(entry_name(entry))]
    return {kind.shared: ours} if ours else {}


def _plain(entry: Any) -> Any:
    """An entry without the flag that only options of other kinds have."""
    if not isinstance(entry, dict):
        return entry
    return {key: value for key, value in sorted(entry.items()) if key != "use_option"}


def owned(objects: Objects) -> Objects:
    """The objects that are ours, and our parts of the operator's whose list is in use, in their order."""
    found = {}
    for path, body in objects.items():
        try:
            kind = kind_of(path)
        except KeyError:
            continue
        kept = part(kind, body)
        in_use = all(body.get(flag, True) for flag in kind.switch)
        if kept and (in_use if kind.shared else is_ours(str(kept.get("name")))):
            found[path_of(kind, body | key_of(kind, path))] = kept
    return dict(sorted(found.items(), key=lambda item: (rank(item[0]), item[0])))


def rank(path: str) -> int:
    """Place of the object's kind in KINDS."""
    return KINDS.index(kind_of(path))


def _refers(path: str, body: Body) -> set[str]:
    kind = kind_of(path)
    named = {VIEW: GROUP, NETWORK: DEFINITION}.get(kind)
    if named is None:
        return set()
    return {f"{named.type}/{entry_name(entry)}" for entry in body[kind.shared]}


ORDER = Order(rank=rank, refers=_refers, modifiable=lambda path, before, after: True)
