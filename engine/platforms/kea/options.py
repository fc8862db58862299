# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""S46 options as Kea writes them: entries of ``option-data`` with name, space and text.

A container is an option without data; what is in it is listed beside it in the container's own space. Kea
2.2 puts one option of a kind from there into the container, so that several rules are written as the octets
of the whole container.
"""

from __future__ import annotations

from ipaddress import IPv4Address, IPv4Network, IPv6Address, IPv6Network
from typing import Any

from ...mapping.portset import PortSet
from ...mapping.rule import MapRule
from ...provision.dhcpv6 import (
    CONTAINERS,
    MECHANISMS,
    Bound,
    Container,
    decode,
    encode_aftr_name,
    encode_container,
    encode_priority,
    option,
    split,
)
from ..driver import ParseError

Options = list[dict[str, Any]]

_CONTAINERS = {"map-e": "s46-cont-mape", "map-t": "s46-cont-mapt", "lw4o6": "s46-cont-lw"}
_RULE_SPACE, _BIND_SPACE = "s46-rule-options", "s46-v4v6bind-options"
_PORTS, _AFTR = "s46-portparams", "aftr-name"
# Kea's manual writes 128 for an FMR, but it is the last bit of the octet (RFC 7598 section 4.1).
_FORWARDING = 1


def priority(technique: str) -> Options:
    """Option 111 with the one mechanism of a service; none for one that DHCPv6 does not know."""
    if technique not in MECHANISMS:
        return []
    return [_octets(encode_priority((MECHANISMS[technique],)))]


def aftr_name(name: str) -> Options:
    """Option 64. Raises OptionError where the name is none."""
    encode_aftr_name(name)
    return [{"name": _AFTR, "data": name}]


def container(found: Container) -> Options:
    """The entries of a container. Raises OptionError where a value does not fit in its field."""
    octets = encode_container(found)
    if len(found.rules) > 1:
        return [_octets(octets)]
    name = _CONTAINERS[found.technique]
    space = f"{name}-options"
    options: Options = [{"name": name}]
    for rule in found.rules:
        ports = PortSet(rule.psid_offset, rule.explicit_psid_len, rule.explicit_psid)
        options.append(_entry(space, "s46-rule", _rule_text(rule)))
        options.append(_entry(_RULE_SPACE, _PORTS, _ports_text(ports)))
    if found.translation_prefix is not None:
        options.append(_entry(space, "s46-dmr", str(found.translation_prefix)))
    if found.bound is not None:
        options.append(_entry(space, "s46-v4v6bind", f"{found.bound.ipv4}, {found.bound.prefix}"))
        if found.bound.ports.shared:
            options.append(_entry(_BIND_SPACE, _PORTS, _ports_text(found.bound.ports)))
    return options + [_entry(space, "s46-br", str(address)) for address in found.gateways]


def _octets(option: bytes) -> dict[str, Any]:
    [(code, body)] = split(option)
    return {"code": code, "csv-format": False, "data": body.hex()}


def _entry(space: str, name: str, data: str) -> dict[str, Any]:
    return {"space": space, "name": name, "data": data}


def _rule_text(rule: MapRule) -> str:
    words = (
        _FORWARDING if rule.forwarding else 0,
        rule.ea_len,
        rule.ipv4_prefix.prefixlen,
        rule.ipv4_prefix.network_address,
        rule.ipv6_prefix,
    )
    return ", ".join(map(str, words))


def _ports_text(ports: PortSet) -> str:
    return f"{ports.offset}, {ports.psid}/{ports.psid_len}"


# -- and back -----------------------------------------------------------------------------------


class Found:
    """The entries of one option-data list; ``place`` is its path in the document, for messages."""

    def __init__(self, options: Options, place: str) -> None:
        self.place = place
        self._data: dict[tuple[str, str], list[str]] = {}
        for entry in options:
            key = entry.get("space", ""), entry.get("name") or str(entry.get("code"))
            self._data.setdefault(key, []).append(str(entry.get("data", "")))

    @property
    def technique(self) -> str | None:
        """What the options announce; None for nothing."""
        known = [
            technique
            for technique, name in _CONTAINERS.items()
            if ("", name) in self._data or ("", str(CONTAINERS[technique])) in self._data
        ]
        known += ["ds-lite"] if ("", _AFTR) in self._data else []
        if len(known) > 1:
            raise ParseError(f"{self.place}: announces {' and '.join(known)}, one was expected")
        return known[0] if known else None

    @property
    def aftr_name(self) -> str:
        """Of DS-Lite; empty where there is none."""
        return self._one("", _AFTR) or ""

    def container(self, technique: str) -> Container:
        """What is in the container of a technique. Raises ParseError."""
        space = f"{_CONTAINERS[technique]}-options"
        try:
            octets = self._one("", str(CONTAINERS[technique]))
            if octets is not None:
                whole: Container = decode(option(CONTAINERS[technique], bytes.fromhex(octets)))
                return whole
            dmr, bind = self._one(space, "s46-dmr"), self._one(space, "s46-v4v6bind")
            rule_ports = _parse_ports(self._one(_RULE_SPACE, _PORTS) or "6, 0/0")
            return Container(
                technique=technique,
                rules=tuple(
                    _parse_rule(text, rule_ports) for text in self._data.get((space, "s46-rule"), ())
                ),
                gateways=tuple(IPv6Address(text) for text in self._data.get((space, "s46-br"), ())),
                translation_prefix=IPv6Network(dmr) if dmr else None,
                bound=_parse_bound(bind, self._one(_BIND_SPACE, _PORTS)) if bind else None,
            )
        except ValueError as error:
            raise ParseError(f"{self.place}: {error}") from error

    def _one(self, space: str, name: str) -> str | None:
        found = self._data.get((space, name), [])
        if len(found) > 1:
            raise ParseError(f"{self.place}: {name} is there {len(found)} times, not once")
        return found[0] if found else None


def _words(text: str, count: int) -> list[str]:
    words = [word.strip() for word in text.split(",")]
    if len(words) != count:
        raise ValueError(f"'{text}' has {len(words)} values, not {count}")
    return words


def _parse_ports(text: str) -> PortSet:
    offset, rest = _words(text, 2)
    psid, _slash, length = rest.partition("/")
    return PortSet(int(offset), int(length), int(psid))


def _parse_rule(text: str, ports: PortSet) -> MapRule:
    flags, ea_len, ipv4_len, ipv4, ipv6 = _words(text, 5)
    return MapRule(
        IPv6Network(ipv6),
        IPv4Network(f"{ipv4}/{ipv4_len}"),
        int(ea_len),
        ports.offset,
        ports.psid_len,
        ports.psid,
        bool(int(flags) & _FORWARDING),
    )


def _parse_bound(text: str, ports: str | None) -> Bound:
    ipv4, prefix = _words(text, 2)
    return Bound(IPv4Address(ipv4), IPv6Network(prefix), _parse_ports(ports) if ports else PortSet(0, 0, 0))
