# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MAP-E and MAP-T from objects of aXAPI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

from ...mapping.iid import DRAFT03, RFC7597
from ...mapping.portset import PORT_BITS
from ...mapping.rule import MapRule
from ...techniques.service import GATEWAY, Service
from ..assembly import found_service, map_rule, wanted_rule
from ..naming import rule_name
from ..objects import Body
from ..values import Leaf
from . import objects
from .found import Found, service_name
from .objects import MSS, at
from .sessions import mss

_SETTINGS = ("shared-addr", "single-addr", "prefix-addr")


def services(found: Found, wanted: tuple[Service, ...]) -> Iterator[Service]:
    """One of each of our domains."""
    for path, body in found.of(objects.MAP_E):
        service = service_name(body["name"])
        form = found.at(path, "format")
        if form and form.value != DRAFT03:
            raise form.error(f"{form.value} is not {DRAFT03}")
        carried = {
            "role": GATEWAY,
            "technique": "map-e",
            "gateway_address": found.need(path, "tunnel-endpoint-address").ipv6(),
            "interface_identifier": DRAFT03 if form else RFC7597,
            "rules": _rules(found, path, service, wanted),
        }
        yield found_service(service, wanted, carried)
    for path, body in found.of(objects.MAP_T):
        service = service_name(body["name"])
        told: dict[str, Any] = {
            "role": GATEWAY,
            "technique": "map-t",
            "translation_prefix": found.need(path, "default-mapping-rule", "rule-ipv6-prefix").ipv6_network(),
            "rules": _rules(found, path, service, wanted),
        }
        if found.at(path, *MSS, "mss-clamp-type"):
            hint = next((each for each in wanted if each.name == service), None)
            told["mss_clamp"] = mss(found, path, 0, hint)
        yield found_service(service, wanted, told)


def _rules(found: Found, path: str, service: str, wanted: tuple[Service, ...]) -> tuple[MapRule, ...]:
    basic = at(found.objects[path], "basic-mapping-rule") or {}
    entries = basic.get("prefix-rule-list", [])
    if not entries:
        raise found.leaf(path, "").error("has no prefix-rule")
    places = {rule_name(service, index): index for index in range(len(entries))}
    ordered = sorted(entries, key=lambda entry: (places.get(entry.get("name"), len(entries)), str(entry)))
    return tuple(
        _rule(found, path, basic, entry, wanted_rule(wanted, service, index))
        for index, entry in enumerate(ordered)
    )


def _rule(found: Found, path: str, basic: Body, entry: Body, hint: MapRule | None) -> MapRule:
    name = str(entry.get("name"))

    def value(key: str, above: str = "") -> Leaf:
        told = entry.get(key, basic.get(above or key))
        if told is None:
            raise found.leaf(path, "").error(f"prefix-rule {name} has no {key}")
        shown = f"{found.leaf(path, '').text}: prefix-rule {name}: {key}"
        return Leaf(str(told), found.leaf(path, "", "basic-mapping-rule").line, shown)

    settings = value("ipv4-address-port-settings", "rule-ipv4-address-port-settings")
    if settings.value not in _SETTINGS:
        raise settings.error(f"{settings.value} is none of {', '.join(_SETTINGS)}")
    shared = settings.value == "shared-addr"
    netmask = value("ipv4-netmask")
    ipv4 = value("rule-ipv4-prefix")
    start = value("port-start") if shared else None
    ratio = value("share-ratio") if shared else settings
    return map_rule(
        ratio,
        ipv6_prefix=value("rule-ipv6-prefix").ipv6_network(),
        ipv4_prefix=Leaf(f"{ipv4.value}{netmask.value}", ipv4.line, ipv4.text).ipv4_network(),
        ea_len=value("ea-length").integer(0, 23),
        psid_offset=PORT_BITS - start.bits(15) if start and start.value != "0" else 0,
        psid_len=ratio.bits(16) if shared else 0,
        hint=hint,
    )
