# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Which interfaces of UCI package ``network`` are ours, and the one form in which they are compared."""

from __future__ import annotations

from dataclasses import replace

from .. import uci
from ..uci import Section
from ..values import Leaf, canonical
from .rules import OPTIONS

PACKAGE = "network"
# Short, since netifd calls the device map-<section> and Linux allows 15 characters.
PREFIX = "aas_"
_MAP = "map"
# Protocol of netifd -> technique; of "map" the option maptype tells it.
_PROTOCOLS = {"dslite": "ds-lite", "464xlat": "464xlat"}
_MAP_TYPES = ("map-e", "map-t", "lw4o6")
_ORDER = (
    "proto",
    "maptype",
    "type",
    "tunlink",
    "peeraddr",
    *OPTIONS,
    "rule",
    "legacymap",
    "mtu",
    "encaplimit",
    "zone",
)
_TRUE = ("1", "on", "true", "yes", "enabled")
_FALSE = ("0", "off", "false", "no", "disabled", "")


def section_name(service: str) -> str:
    """UCI names have no dashes or dots."""
    return PREFIX + "".join(letter if letter.isalnum() else "_" for letter in service)


def owned(text: str) -> list[Section]:
    """Our interfaces by name, in one form. Raises ParseError for what is no UCI."""
    ours = (_normal(section) for section in uci.read(text) if _is_ours(section))
    return sorted(ours, key=lambda section: section.name)


def technique_of(section: Section) -> str:
    """The technique of one of our interfaces. Raises ParseError for a maptype that there is not."""
    protocol = str(section.options["proto"])
    if protocol != _MAP:
        return _PROTOCOLS[protocol]
    kind = section.leaf("maptype") or section.leaf("type")
    if kind and kind.value not in _MAP_TYPES:
        raise kind.error(f"{kind.value} is not one of {', '.join(_MAP_TYPES)}")
    return kind.value if kind else _MAP_TYPES[0]


def is_on(leaf: Leaf | None) -> bool:
    """A switch as netifd reads it. Raises ParseError for a value that is neither on nor off."""
    if leaf is None or leaf.value in _FALSE:
        return False
    if leaf.value in _TRUE:
        return True
    raise leaf.error(f"{leaf.value} is not 0 or 1")


def _is_ours(section: Section) -> bool:
    return (
        section.package in (PACKAGE, "")
        and section.type == "interface"
        and section.name.startswith(PREFIX)
        and section.options.get("proto") in (_MAP, *_PROTOCOLS)
    )


def _normal(section: Section) -> Section:
    """Options in one order, addresses in one spelling, a switch that is off left out."""
    options = {
        key: canonical(value) if isinstance(value, str) else value
        for key, value in sorted(section.options.items(), key=lambda item: _rank(item[0]))
    }
    if "legacymap" in options:
        if is_on(section.leaf("legacymap")):
            options["legacymap"] = "1"
        else:
            del options["legacymap"]
    return replace(section, options=options)


def _rank(key: str) -> tuple[int, str]:
    return (_ORDER.index(key) if key in _ORDER else len(_ORDER)), key
