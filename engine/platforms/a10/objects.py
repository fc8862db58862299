# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The objects of aXAPI v3 that hold services, below /axapi/v3.

Names, ranges, defaults and what may not be modified are those of A10's own a10sdk-python and a10-acos-axapi;
the operations are those of the page of each object at documentation.a10networks.com/ACOS-Docs/axapi.
"""

from __future__ import annotations

import json
from collections.abc import Iterator
from dataclasses import dataclass, field
from ipaddress import IPv4Network
from itertools import chain
from typing import Any

from ..naming import is_ours
from ..objects import Body, Objects, Order, without_defaults
from ..places import another_number, taken
from ..values import canonical

DROPPED = frozenset({"uuid", "a10-url", "sampling-enable"})
_MASKS = ("netmask", "ipv4-netmask")
LINES = "cli-lines"  # of a running-config, in an object of ours: not understood
_TEXTS = ("port-batch-v2-size",)  # a number that the API writes as text
CUSTOMERS = "ipv6"  # type of the class lists of services; a name has one list, whatever its type
FIRST_PORT = 1024  # of a pool that does not say which ports are usable


@dataclass(frozen=True, slots=True, kw_only=True)
class Kind:
    """A collection with a key, or a single object without one."""

    path: str
    element: str
    key: str = ""
    fixed: bool = False  # no field may be modified: it is deleted and made anew
    owner: str = ""  # the field whose value is a name of ours; the key where it is empty
    schema: str = ""  # its fields; one that a later release adds, with a default of its own, is none of ours
    defaults: Body = field(default_factory=dict)
    fields: tuple[
        tuple[str, ...], ...
    ] = ()  # of a single object: those of ours, the others are the operator's


# In this order an object comes after those that it refers to.
MSS = ("tcp", "mss-clamp")
BASIC = "basic-mapping-rule"
INSIDE = ("inside", "source", "class-list")
POOL = Kind(
    path="cgnv6/nat/pool",
    element="pool",
    key="pool-name",
    fixed=True,
    schema="""pool-name start-address end-address netmask exclude-ip vrid max-users-per-ip shared group
        partition all port-batch-v2-size simultaneous-batch-allocation tcp-time-wait-interval usable-nat-ports
        usable-nat-ports-start usable-nat-ports-end""",
)
GROUP = Kind(
    path="cgnv6/nat/pool-group",
    element="pool-group",
    key="pool-group-name",
    schema="pool-group-name vrid member-list",
)
LID = Kind(
    path="cgnv6/lsn-lid",
    element="lsn-lid",
    key="lid-number",
    owner="name",
    schema="""lid-number name source-nat-pool user-quota extended-user-quota user-quota-prefix-length
        conn-rate-limit ds-lite lsn-rule-list override respond-to-user-mac drop-on-nat-pool-mismatch""",
    defaults={"override": "none", "source-nat-pool": {"shared": 0}},
)
CLASS_LIST = Kind(
    path="class-list",
    element="class-list",
    key="name",
    schema="name type file ipv4-list ipv6-list dns str-list ac-list geo-list",
)
PREFIX = Kind(
    path="cgnv6/nat64/prefix",
    element="prefix",
    key="prefix-val",
    owner="class-list",
    schema="prefix-val vrid class-list",
)
NAT64 = Kind(
    path="cgnv6/nat64/global",
    element="global",
    fields=(INSIDE, MSS),
    defaults={"tcp": {"mss-clamp": {"min": 476, "mss-subtract": 20}}},
)
DS_LITE = Kind(
    path="cgnv6/ds-lite/global",
    element="global",
    fields=(INSIDE, MSS),
    defaults={"tcp": {"mss-clamp": {"min": 416, "mss-subtract": 40}}},
)
_GATEWAYS = {"health-check-gateway": {"withdraw-route": "any-link-failure"}}
MAP_E = Kind(
    path="cgnv6/map/encapsulation/domain",
    element="domain",
    key="name",
    schema="name description format tunnel-endpoint-address health-check-gateway basic-mapping-rule",
    defaults=_GATEWAYS,
)
MAP_T = Kind(
    path="cgnv6/map/translation/domain",
    element="domain",
    key="name",
    schema="name description mtu tcp health-check-gateway default-mapping-rule basic-mapping-rule",
    defaults=_GATEWAYS,
)
TABLE = Kind(
    path="cgnv6/lw-4o6/binding-table",
    element="binding-table",
    key="name",
    schema="name tunnel-address-list",
)
LW4O6 = Kind(
    path="cgnv6/lw-4o6/global",
    element="global",
    defaults={
        "hairpinning": "filter-none",
        "no-forward-match": {"send-icmpv6": 0},
        "no-reverse-match": {"send-icmp": 0},
    },
    fields=(
        ("use-binding-table",),
        ("hairpinning",),
        ("no-forward-match", "send-icmpv6"),
        ("no-reverse-match", "send-icmp"),
    ),
)
KINDS = (POOL, GROUP, LID, CLASS_LIST, PREFIX, NAT64, DS_LITE, MAP_E, MAP_T, TABLE, LW4O6)

# What would be right where the operator has the place of one of our objects.
_RIGHT = {
    LID.path: another_number("lsn_lid"),
    CLASS_LIST.path: "another name of the service: a class list of another type has it",
    PREFIX.path: "another translation prefix of the service",
}
_SINGLE = "a device or a partition has one: another partition in ipv4aas_options.partition"


def kind_of(path: str) -> Kind:
    """The kind of the object at a path. Raises KeyError for one that is none of these."""
    for kind in KINDS:
        if path == kind.path or (kind.key and path.startswith(f"{kind.path}/")):
            return kind
    raise KeyError(path)


def path_of(kind: Kind, body: Body) -> str:
    """The path of an object, its key in one spelling."""
    return f"{kind.path}/{canonical(str(body[kind.key]))}" if kind.key else kind.path


def normal(kind: Kind, body: Body) -> Body:
    """An object in one form; of a single object our fields alone, of another without flags that are off."""
    if kind.fields:
        body = _only(body, kind.fields)
    else:
        known = (LINES, *kind.schema.split())
        body = {key: value for key, value in body.items() if key in known and value not in (0, "0")}
    kept: Body = without_defaults(_spelled(body), kind.defaults, DROPPED)
    return kept


def _only(body: Body, fields: tuple[tuple[str, ...], ...]) -> Body:
    kept: Body = {}
    for keys in fields:
        value = at(body, *keys)
        if value is not None:
            put(kept, keys, value)
    return kept


def at(body: Any, *keys: str) -> Any:
    """The value inside an object, None where there is none."""
    for key in keys:
        body = body.get(key) if isinstance(body, dict) else None
    return body


def put(body: Body, keys: tuple[str, ...], value: Any) -> None:
    """Sets a value inside an object; None takes it out."""
    for key in keys[:-1]:
        body = body.setdefault(key, {})
    if value is None:
        body.pop(keys[-1], None)
    else:
        body[keys[-1]] = value


def _spelled(value: Any, key: str = "") -> Any:
    """Masks as lengths, numbers as numbers, flags as 0 and 1, lists (whose order says nothing) sorted."""
    if isinstance(value, dict):
        return {name: _spelled(item, name) for name, item in value.items()}
    if isinstance(value, list):
        items = (_spelled(item) for item in value if item)
        return sorted(items, key=lambda item: json.dumps(item, sort_keys=True))
    if isinstance(value, bool):
        return int(value)
    if key in _TEXTS:
        return str(value)
    if not isinstance(value, str):
        return value
    if key in _MASKS:
        return _mask(value)
    return int(value) if value.isdecimal() else value


def _mask(text: str) -> str:
    length = text.strip().removeprefix("/")
    try:
        return f"/{IPv4Network(f'0.0.0.0/{length}').prefixlen}"
    except ValueError:
        return text


def owned(objects: Objects) -> Objects:
    """The objects that are ours, in their order."""
    found = {}
    for path, body in objects.items():
        try:
            kind = kind_of(path)
        except KeyError:
            continue
        kept = normal(kind, body)
        if _is_ours(kind, kept):
            found[path_of(kind, kept)] = kept
    return dict(sorted(found.items(), key=lambda item: (rank(item[0]), item[0])))


def fault(path: str, body: Body) -> str:
    """Why an object of ours has not the form of aXAPI; empty where it has, or is none of ours."""
    try:
        kind = kind_of(path)
    except KeyError:
        return ""
    kept = normal(kind, body)
    if not _is_ours(kind, kept):
        return ""
    if kind.key and kind.key not in kept:
        return f"has no {kind.key}"
    return next(_misshapen(kept), "")


def _misshapen(body: Body) -> Iterator[str]:
    for key, value in body.items():
        if key in (BASIC, "user-quota") and not isinstance(value, dict):
            yield f"{key} is no object"
        elif key.endswith("-list") and key != CLASS_LIST.path:
            if not isinstance(value, list) or not all(isinstance(item, dict) for item in value):
                yield f"{key} is no list of objects"
            else:
                yield from chain.from_iterable(map(_misshapen, value))
        elif isinstance(value, dict):
            yield from _misshapen(value)


def occupied(there: Objects, wanted: Objects) -> list[str]:
    """Objects of the operator's where wanted ones would go: the number, prefix or single place is used."""
    ours, used = owned(there), set(_used(there))
    return [
        problem
        for path in owned(wanted)
        for problem in taken([path], used, ours, right=_RIGHT.get(kind_of(path).path, _SINGLE))
    ]


def _used(objects: Objects) -> Iterator[str]:
    """Paths of what is set up; a single object is always there, and set up where it names something."""
    for path, body in objects.items():
        try:
            kind = kind_of(path)
        except KeyError:
            continue
        if kind.key or at(body, *kind.fields[0]):
            yield path_of(kind, body) if kind.key in body else path


def _is_ours(kind: Kind, body: Body) -> bool:
    if kind is CLASS_LIST and body.get("type", CUSTOMERS) != CUSTOMERS:
        return False
    name = at(body, *kind.fields[0]) if kind.fields else body.get(kind.owner or kind.key)
    return isinstance(name, str) and is_ours(name)


def rank(path: str) -> int:
    """Place of the object's kind in KINDS."""
    return KINDS.index(kind_of(path))


def _refers(path: str, body: Body) -> set[str]:
    return set(_references(kind_of(path), body))


def _references(kind: Kind, body: Body) -> Iterator[str]:
    if kind is LID:
        name = at(body, "source-nat-pool", "pool-name")
        yield from (f"{POOL.path}/{name}", f"{GROUP.path}/{name}")
    elif kind is GROUP:
        yield from (f"{POOL.path}/{member.get('pool-name')}" for member in body.get("member-list", ()))
    elif kind is PREFIX:
        yield f"{CLASS_LIST.path}/{body.get('class-list')}"
    elif kind in (NAT64, DS_LITE):
        yield f"{CLASS_LIST.path}/{at(body, *INSIDE)}"
    elif kind is LW4O6:
        yield f"{TABLE.path}/{body.get('use-binding-table')}"


def _modifiable(path: str, before: Body, after: Body) -> bool:
    return not kind_of(path).fixed


ORDER = Order(rank=rank, refers=_refers, modifiable=_modifiable)
