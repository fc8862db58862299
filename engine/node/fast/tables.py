# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service's mapping is in the maps of a program (c/mapping.h)."""

from __future__ import annotations

from collections.abc import Iterable
from ipaddress import IPv4Network
from typing import Any

from ...mapping.iid import map_address
from ...mapping.rule import MapRule
from .layout import Layouts
from .libbpf import Map

Entry = tuple[bytes, bytes]
Shape = tuple[int, int]  # PSID offset and length

_LONGEST = 64  # bits of an End-user prefix: the programs reckon with the upper half of an address


class Unsupported(Exception):
    """The programs cannot run the service; the message says why."""


def rule_problem(rules: Iterable[MapRule]) -> str:
    """Why the programs cannot look rules up; empty where they can."""
    rules = tuple(rules)
    for rule in rules:
        if rule.customer_prefix_len > _LONGEST:
            return f"rule {rule.ipv6_prefix}: End-user prefixes longer than /{_LONGEST}"
    for n, rule in enumerate(rules):
        # The owner of the inner source is compared with the outer one: both have to name one rule.
        if any(
            rule.ipv6_prefix.overlaps(other.ipv6_prefix) and not rule.ea_len == other.ea_len == 0
            for other in rules[n + 1 :]
        ):
            return f"rule {rule.ipv6_prefix} overlaps another one"
    return ""


class RuleEntries:
    """Rules as entries of the maps that rules are in."""

    def __init__(self, layouts: Layouts) -> None:
        self._prefix, self._rule = layouts.struct("prefix4"), layouts.struct("rule")
        self._prefix6 = layouts.struct("prefix6")
        self._key, self._owner = layouts.struct("owner_key"), layouts.struct("owner")
        self._few = layouts.struct("few_rules")

    def of_rule(self, rule: MapRule) -> Entry:
        """One that carries its customers' addresses, or stands for several with explicit PSIDs."""
        key = self._prefix.pack(
            length=rule.ipv4_prefix.prefixlen, address=int(rule.ipv4_prefix.network_address)
        )
        return key, self._packed(rule)

    def of_few(self, rules: Entry) -> Entry:
        """The entries of `rules` as those of `few_rules`: one, or none where they are many."""
        keys, values = rules
        size = self._prefix.size
        each = [self._prefix.unpack(keys[at : at + size]) for at in range(0, len(keys), size)]
        if not each or len(each) > self._few.fields["rule"].count:
            return b"", b""
        size = self._rule.size
        few = [
            {"address": key["address"], "mask": _mask(key["length"], 32), "rule": values[n * size :][:size]}
            for n, key in sorted(enumerate(each), key=lambda item: -item[1]["length"])
        ]
        return bytes(4), self._few.pack(rule=few)

    def of_prefix(self, rule: MapRule) -> Entry:
        """The same by its IPv6 prefix."""
        prefix = rule.ipv6_prefix
        key = self._prefix6.pack(length=prefix.prefixlen, address=int(prefix.network_address) >> 64)
        return key, self._packed(rule)

    def _packed(self, rule: MapRule) -> bytes:
        return self._rule.pack(
            prefix=int(rule.ipv6_prefix.network_address) >> 64,
            customer_mask=_mask(rule.customer_prefix_len, 64),
            ea_mask=(1 << rule.ea_len) - 1,
            host_mask=int(rule.ipv4_prefix.hostmask),
            customer_mask4=_mask(rule.customer_ipv4_len, 32),
            suffix_shift=32 - rule.ipv4_prefix.prefixlen - rule.suffix_len,
            ea_shift=_LONGEST - rule.customer_prefix_len,
            **_divided((rule.psid_offset, rule.psid_len)),
            embeds=not rule.explicit_psid_len,
            psid=rule.explicit_psid,
            network=int(rule.ipv4_prefix.network_address),
        )

    def of_explicit(self, rule: MapRule, iid_format: str) -> Entry:
        """The customer of a rule with an explicit PSID."""
        ipv4, psid = int(rule.ipv4_prefix.network_address), rule.explicit_psid
        prefix = int(rule.ipv6_prefix.network_address)
        softwire = map_address(prefix, rule.customer_prefix_len, ipv4, psid, iid_format)
        shape = shape_number((rule.psid_offset, rule.psid_len)) | psid
        return self._key.pack(address=ipv4, shape=shape), self._owner.pack(softwire=softwire)

    def of_shape(self, prefix: IPv4Network, shape: Shape, **more: int) -> Entry:
        """Addresses that are divided in one way, and have bindings."""
        rule = self._rule.pack(**_divided(shape), **more)
        return self._prefix.pack(length=prefix.prefixlen, address=int(prefix[0])), rule


def division(offset: int, length: int) -> dict[str, int]:
    """struct division of PSIDs with so many bits behind so many (RFC 7597 section 5.1)."""
    excludes = offset and length
    return {
        "first_port": 1 << 16 - offset if excludes else 0,
        "mask": (1 << length) - 1,
        "shift": 16 - offset - length if length else 0,
    }


def shape_number(shape: Shape) -> int:
    """Of struct owner_key, beside the PSID."""
    offset, length = shape
    return offset << 24 | length << 16


def _divided(shape: Shape) -> dict[str, Any]:
    """Members of struct rule."""
    return {"psid_length": shape[1], "division": division(*shape), "shape": shape_number(shape)}


def _mask(length: int, width: int) -> int:
    return (1 << width) - (1 << width - length)


def joined(entries: Iterable[Entry]) -> tuple[bytes, bytes]:
    """Keys and values, each one behind the other."""
    entries = list(entries)
    return b"".join(key for key, _ in entries), b"".join(value for _, value in entries)


def fill(item: Map, entries: Iterable[Entry]) -> None:
    """All of them at once. Raises BpfError."""
    item.update_all(*joined(entries))
