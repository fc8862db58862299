# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""MAP rules as OpenWrt writes them: one in options, or several in the text of ``option rule``.

The text is what mapcalc reads: rules apart by blanks, tokens by commas, ``fmr`` without a value.
"""

from __future__ import annotations

from collections.abc import Iterator

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
# Where everything else goes: to the address of the border relay, or into the prefix of the DMR.
_FAR_END = {"map-e": "br", "map-t": "dmr", "lw4o6": "br"}
_KNOWN = ("type", "fmr", "br", "dmr", *_TOKENS.values())

# The tokens of one rule with their values.
Values = dict[str, Leaf]


def rule_text(service: Service, rule: MapRule) -> str:
    """One rule of a service as a word of ``option rule``."""
    far_end = service.gateway_address if service.technique == "map-e" else service.translation_prefix
    tokens = [
        f"type={service.technique}",
        *(["fmr"] if rule.forwarding else []),
        f"ipv4prefix={rule.ipv4_prefix.network_address}",
        f"prefix4len={rule.ipv4_prefix.prefixlen}",
        f"ipv6prefix={rule.ipv6_prefix.network_address}",
        f"prefix6len={rule.ipv6_prefix.prefixlen}",
        f"ealen={rule.ea_len}",
        f"psidlen={rule.psid_len}",
        f"offset={offset_on_device(rule)}",
        f"{_FAR_END[service.technique]}={far_end}",
    ]
    return ",".join(tokens)


def found_values(section: Section, technique: str) -> list[Values]:
    """The rules of an interface: of its ``rule`` where it has one (as map.sh does), else of its options.

    Raises ParseError for a token that is not known.
    """
    text = section.leaf("rule")
    if text is not None and text.value:
        return [_tokens(text, word) for word in text.value.split()]
    values = {token: leaf for key, token in _TOKENS.items() if (leaf := section.leaf(key)) is not None}
    gateway = section.leaf("peeraddr")
    return [values | ({_FAR_END[technique]: gateway} if gateway else {})]


def _tokens(leaf: Leaf, word: str) -> Values:
    values = {}
    for token in word.split(","):
        key, _, value = token.partition("=")
        if key not in _KNOWN:
            raise leaf.error(f"{token} is not understood; one of {', '.join(_KNOWN)}")
        values[key] = Leaf(value, leaf.line, leaf.text)
    return values


def check_values(at: Leaf, values: Values, technique: str) -> Leaf:
    """The far end of a rule that has all that it needs. Raises ParseError."""
    far_end = _FAR_END[technique]
    missing = [word for word in ("ipv4prefix", "ipv6prefix", "prefix6len", far_end) if word not in values]
    if missing:
        raise at.error(f"has no {', no '.join(missing)}")
    if "type" in values and values["type"].value != technique:
        raise values["type"].error(f"{values['type'].value} is not {technique}")
    return values[far_end]


def map_rules(
    at: Leaf, found: list[Values], wanted: Service | None, technique: str, legacy: bool
) -> Iterator[tuple[MapRule, Leaf]]:
    """Rules and their far ends, with the defaults of mapcalc. Raises ParseError."""
    for index, values in enumerate(found):
        hint = wanted.rules[index] if wanted and index < len(wanted.rules) else None
        far_end = check_values(at, values, technique)
        yield _rule(at, values, hint, wanted, legacy), far_end


def _rule(at: Leaf, values: Values, hint: MapRule | None, wanted: Service | None, legacy: bool) -> MapRule:
    if "psid" in values:
        raise values["psid"].error("a PSID that is given has no place in a MAP rule with EA bits")
    prefix4_len = values["prefix4len"].integer(0, 32) if "prefix4len" in values else 32
    prefix6_len = values["prefix6len"].integer(0, 112)
    ea_len = ea_length(at, values, wanted, prefix6_len)
    psid_len = values["psidlen"].integer(0, 16) if "psidlen" in values else 0
    return map_rule(
        values.get("psidlen", at),
        ipv6_prefix=with_length(values["ipv6prefix"], prefix6_len).ipv6_network(),
        ipv4_prefix=with_length(values["ipv4prefix"], prefix4_len).ipv4_network(),
        ea_len=ea_len,
        psid_offset=values["offset"].integer(0, 16) if "offset" in values else 4 if legacy else 6,
        psid_len=psid_len or max(0, ea_len - (32 - prefix4_len)),
        hint=hint,
        forwarding="fmr" in values,
    )


def with_length(leaf: Leaf, length: int) -> Leaf:
    """An address as a prefix of a length."""
    return Leaf(f"{leaf.value}/{length}", leaf.line, leaf.text)


def ea_length(at: Leaf, values: Values, wanted: Service | None, prefix6_len: int) -> int:
    """EA bits; by default as many as the delegated prefix has more. Raises ParseError."""
    if "ealen" in values:
        return values["ealen"].integer(0, 48)
    if wanted is None or wanted.end_user_prefix is None:
        raise at.error("has no ealen, and the End-user prefix that would tell it is not known")
    return wanted.end_user_prefix.prefixlen - prefix6_len
