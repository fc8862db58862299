# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""DNS64 groups, and the view that uses them."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from ipaddress import IPv4Network, IPv6Network

from ...plan.model import NodePlan
from ...problem import Problem
from ...techniques.service import RESOLVER, Dns64, Service
from ..assembly import found_service
from ..naming import OURS, rule_name
from ..objects import Body, Objects, leaf, write
from ..resolver import dns64_of, prefix_of
from ..values import Leaf
from . import objects
from .objects import Made

_ALLOW, _DENY = "ALLOW", "DENY"
_EVERY_IPV4 = "0.0.0.0/0"
_ANYBODY = "Any"
_DEFAULT_VIEW = "default"


def problems(node: NodePlan, services: Sequence[Service]) -> Iterator[Problem]:
    """What the groups cannot say."""
    permission = node.options.get("exclude_permission")
    place = f"{node.name}.ipv4aas_options.exclude_permission"
    meaning = f"{_ALLOW} or {_DENY}, as excluded addresses have it in a DNS64 group that works"
    if permission not in (None, _ALLOW, _DENY):
        yield Problem(place, f"{permission!r} does not fit", meaning)
    elif permission is None:
        names = [service.name for service in services if dns64_of(service).exclude != Dns64().exclude]
        if names:
            yield Problem(place, f"missing: {', '.join(names)} has dns64.exclude of its own", meaning)


def made(node: NodePlan, services: Sequence[Service]) -> Made:
    """Groups, and our entries of the view."""
    names = sorted(rule_name(service.name, 0) for service in services)
    for service in services:
        yield objects.GROUP, _group(service, node.options.get("exclude_permission"))
    if names:
        yield objects.VIEW, {"name": node.options.get("view", _DEFAULT_VIEW), "dns64_groups": names}


def _group(service: Service, permission: str | None) -> Body:
    told = dns64_of(service)
    group: Body = {
        "name": rule_name(service.name, 0),
        "prefix": str(prefix_of(service)),
        "clients": [_entry(network, _ALLOW) for network in told.clients or (_ANYBODY,)],
    }
    if told.private:
        denied = [_entry(network, _DENY) for network in told.private]
        group["mapped"] = [*denied, _entry(_EVERY_IPV4, _ALLOW)]
    if told.exclude != Dns64().exclude:
        group["exclude"] = [_entry(network, permission or "") for network in told.exclude]
    return group


def _entry(address: object, permission: str) -> dict[str, str]:
    return {"address": str(address), "permission": permission}


def services(found: Objects, wanted: tuple[Service, ...]) -> Iterator[Service]:
    """Services of the groups that a view uses; one that is disabled, or in no view, is none."""
    used = {
        name
        for path, body in found.items()
        if objects.kind_of(path) is objects.VIEW
        for name in body["dns64_groups"]
    }
    text = write(found)
    for path, body in found.items():
        if objects.kind_of(path) is objects.GROUP and body["name"] in used and not body.get("disable"):
            if "prefix" not in body:
                raise leaf(text, path, "").error("has no prefix")
            carried = {
                "role": RESOLVER,
                "translation_prefix": leaf(text, path, body["prefix"], "prefix").pref64(),
                "dns64": Dns64(
                    exclude=_excluded(text, path, body),
                    clients=_clients(text, path, body),
                    private=_private(text, path, body),
                ),
            }
            yield found_service(body["name"].removeprefix(f"{OURS}-"), wanted, carried, "nat64")


def _entries(text: str, path: str, body: Body, field: str) -> list[tuple[Leaf, str]]:
    """Address and permission of each entry of a list."""
    return [
        (leaf(text, path, str(entry.get("address")), field), str(entry.get("permission")))
        for entry in body.get(field, ())
    ]


def _excluded(text: str, path: str, body: Body) -> tuple[IPv6Network, ...]:
    entries = _entries(text, path, body, "exclude")
    if not entries:
        return Dns64().exclude
    if len({permission for _address, permission in entries}) > 1:
        raise entries[0][0].error("ALLOW and DENY in one list are not understood")
    return tuple(address.ipv6_network() for address, _permission in entries)


def _clients(text: str, path: str, body: Body) -> tuple[IPv6Network, ...]:
    entries = _entries(text, path, body, "clients")
    for address, permission in entries:
        if permission != _ALLOW:
            raise address.error(f"{permission} of {address.value} is not {_ALLOW}")
    if any(address.value == _ANYBODY for address, _permission in entries):
        return ()
    return tuple(address.ipv6_network() for address, _permission in entries)


def _private(text: str, path: str, body: Body) -> tuple[IPv4Network, ...]:
    entries = _entries(text, path, body, "mapped")
    if not entries:
        return ()
    *denied, (last, permission) = entries
    if (last.value, permission) != (_EVERY_IPV4, _ALLOW):
        raise last.error(f"does not end with {_ALLOW} of {_EVERY_IPV4}")
    for address, permission in denied:
        if permission != _DENY:
            raise address.error(f"{permission} of {address.value} is not {_DENY}")
    return tuple(address.ipv4_network() for address, _permission in denied)
