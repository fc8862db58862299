# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MAP rules as OpenWrt writes them: one in options, or several in the text of ``option rule``.

The text is what mapcalc reads: rules apart by blanks, tokens by commas, ``fmr`` without a value.
"""

from __future__ import annotations

from collections.abc import Iterator
from ipaddress import IPv6Address

from ...mapping.rule import MapRule
from ...techniques.service import Service
from ..assembly import map_rule, offset_on_device
from ..uci import Section
from ..values import Leaf

# Option of the interface -> token of a rule, in the order in which they are written.
_TOKENS = {
    "ipaddr": "ipv4prefix",
    "ip4prefixlen": "prefix4len",
    "ip6prefix": "ipv6prefix",
    "ip6prefixlen": "prefix6len",
    "ealen": "ealen",
    "psidlen": "psidlen",
    "psid": "psid",
    "offset": "offset",
}
OPTIONS = tuple(_TOKENS)
_KNOWN = ("type", "fmr", "br", *_TOKENS.values())

# The tokens of one rule with their values.
Values = dict[str, Leaf]


def rule_text(rule: MapRule, gateway: IPv6Address) -> str:
    """One rule as a word of ``option rule``."""
    tokens = [
        "type=map-e",
        *(["fmr"] if rule.forwarding else []),
        f"ipv4prefix={rule.ipv4_prefix.network_address}",
        f"prefix4len={rule.ipv4_prefix.prefixlen}",
        f"ipv6prefix={rule.ipv6_prefix.network_address}",
        f"prefix6len={rule.ipv6_prefix.prefixlen}",
        f"ealen={rule.ea_len}",
        f"psidlen={rule.psid_len}",
        f"offset={offset_on_device(rule)}",
        f"br={gateway}",
    ]
    return ",".join(tokens)


def found_values(section: Section) -> list[Values]:
    """The rules of an interface: of its ``rule`` where it has one (as map.sh does), else of its options."""
    text = section.leaf("rule")
    if text is not None:
        return [_tokens(text, word) for word in text.value.split()]
    values = {token: leaf for key, token in _TOKENS.items() if (leaf := section.leaf(key)) is not None}
    gateway = section.leaf("peeraddr")
    return [values | ({"br": gateway} if gateway else {})]


def _tokens(leaf: Leaf, word: str) -> Values:
    values = {}
    for token in word.split(","):
        key, _, value = token.partition("=")
        if key not in _KNOWN:
            raise leaf.error(f"{token} is not understood; one of {', '.join(_KNOWN)}")
        values[key] = Leaf(value, leaf.line, leaf.text)
    return values


def map_rules(
    at: Leaf, found: list[Values], wanted: Service | None, legacy: bool
) -> Iterator[tuple[MapRule, IPv6Address]]:
    """Rules and gateways, with the defaults of mapcalc. Raises ParseError."""
    for index, values in enumerate(found):
        hint = wanted.rules[index] if wanted and index < len(wanted.rules) else None
        yield _rule(at, values, hint, wanted, legacy), values["br"].ipv6()


def _rule(at: Leaf, values: Values, hint: MapRule | None, wanted: Service | None, legacy: bool) -> MapRule:
    missing = [word for word in ("ipv4prefix", "ipv6prefix", "prefix6len", "br") if word not in values]
    if missing:
        raise at.error(f"has no {', no '.join(missing)}")
    if "type" in values and values["type"].value != "map-e":
        raise values["type"].error(f"{values['type'].value} is not map-e")
    if "psid" in values:
        raise values["psid"].error("a PSID that is given has no place in a MAP-E rule with EA bits")
    prefix4_len = values["prefix4len"].integer(0, 32) if "prefix4len" in values else 32
    prefix6_len = values["prefix6len"].integer(0, 112)
    ea_len = _ea_len(at, values, wanted, prefix6_len)
    psid_len = values["psidlen"].integer(0, 16) if "psidlen" in values else 0
    return map_rule(
        values.get("psidlen", at),
        ipv6_prefix=_with(values["ipv6prefix"], prefix6_len).ipv6_network(),
        ipv4_prefix=_with(values["ipv4prefix"], prefix4_len).ipv4_network(),
        ea_len=ea_len,
        psid_offset=values["offset"].integer(0, 16) if "offset" in values else 4 if legacy else 6,
        psid_len=psid_len or max(0, ea_len - (32 - prefix4_len)),
        hint=hint,
        forwarding="fmr" in values,
    )


def _with(leaf: Leaf, length: int) -> Leaf:
    return Leaf(f"{leaf.value}/{length}", leaf.line, leaf.text)


def _ea_len(at: Leaf, values: Values, wanted: Service | None, prefix6_len: int) -> int:
    if "ealen" in values:
        return values["ealen"].integer(0, 48)
    if wanted is None or wanted.end_user_prefix is None:
        raise at.error("has no ealen, and the End-user prefix that would tell it is not known")
    return wanted.end_user_prefix.prefixlen - prefix6_len
