# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""AlliedWare Plus: the MAP rules of a customer edge, in a softwire configuration of our own name."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace
from typing import Any

from ...mapping.rule import MapRule
from ...plan.model import NodePlan
from ...techniques.service import EDGE, Service
from .. import assembly, indented
from ..assembly import FoundRule, map_rule, offset_on_device, wanted_rule
from ..driver import Change
from ..guard import check_rules
from ..indented import Block
from ..naming import OURS, is_ours
from ..stanzas import Language, entry, leaf, own_lines, word_of
from ..values import Leaf

_TECHNIQUE = "map-e"
_CONFIGURATION = "softwire-configuration"
_WORDS = ("method", "br-address", "rule")
_PAIRS = ("ipv4-prefix", "ipv6-prefix", "ea-length", "psid-length", "psid", "offset")
_STEP = 10  # between the numbers of rules, so that a person can put one in


def _key(line: Block) -> str:
    """A rule is taken back before it is entered with other values."""
    return line.text if line.opens("rule") else line.text.split()[0]


def _take_back(line: str) -> str:
    words = line.split()
    return " ".join(["no", *words[: 2 if words[0] == "rule" else 1]])


_LANGUAGE = Language(_key, _take_back, indent=" ", end="!", drop=lambda header: f"no {header}")


class AwPlus:
    """The driver. Ours are the softwire configurations named ipv4aas-<service>."""

    name = "awplus"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """One softwire configuration for each service, with numbered rules."""
        check_rules(node, _inexpressible)
        return {
            "configurations": [
                {
                    "name": f"{OURS}-{service.name}",
                    "gateway_address": service.gateway_address,
                    "rules": [
                        {"number": _STEP * number, "rule": rule, "offset": offset_on_device(rule)}
                        for number, rule in enumerate(service.rules, 1)
                    ],
                }
                for service in sorted(node.services, key=lambda service: service.name)
            ]
        }

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver."""
        return _LANGUAGE.write(_owned(text))

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver."""
        found = [rule for block in _owned(text) for rule in _found(block, wanted)]
        return assembly.services(found, wanted, _TECHNIQUE, EDGE)

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver."""
        return _LANGUAGE.change(_owned(running), _owned(wanted))


def _owned(text: str) -> tuple[Block, ...]:
    ours = (
        block
        for block in indented.read(text)
        if block.opens(_CONFIGURATION) and is_ours(block.text.removeprefix(f"{_CONFIGURATION} "))
    )
    return tuple(_normal(block) for block in sorted(ours, key=lambda block: block.text))


def _normal(block: Block) -> Block:
    """Known lines in our order, rules by number, then what is not known."""
    known = own_lines(block, _WORDS).children
    rules = sorted((line for line in known if line.opens("rule")), key=_number)
    others = [line for line in known if not line.opens("rule")]
    unknown = [line for line in block.children if word_of(line, _WORDS) is None]
    return replace(block, children=(*others, *rules, *unknown))


def _number(line: Block) -> tuple[int, str]:
    number = line.text.split()[1:2]
    return (int(number[0]) if number and number[0].isdecimal() else -1), line.text


def _found(block: Block, wanted: tuple[Service, ...]) -> Iterator[FoundRule]:
    at = entry(block)
    unknown = [line for line in block.children if word_of(line, _WORDS) is None]
    if unknown:
        raise entry(unknown[0]).error(f"not understood; one of {', '.join(_WORDS)}")
    method, gateway = leaf(block, "method"), leaf(block, "br-address")
    if method is None or gateway is None:
        raise at.error("needs method static and a br-address")
    if method.value != "static":
        raise method.error(f"{method.value} takes its rules from elsewhere; expected static")
    name = block.text.removeprefix(f"{_CONFIGURATION} {OURS}-")
    facts = {"gateway_address": gateway.ipv6()}
    rules = [line for line in block.children if line.opens("rule")]
    if not rules:
        raise at.error("has no rule")
    for index, line in enumerate(rules):
        rule = _rule(entry(line), wanted_rule(wanted, name, index))
        yield FoundRule(name, index, rule, facts, at)


def _rule(at: Leaf, hint: MapRule | None) -> MapRule:
    values, forwarding = _values(at)
    missing = [word for word in ("ipv4-prefix", "ipv6-prefix", "ea-length", "offset") if word not in values]
    if missing:
        raise at.error(f"has no {', no '.join(missing)}")
    ipv4, ea_len = values["ipv4-prefix"].ipv4_network(), values["ea-length"].integer(0, 48)
    return map_rule(
        at,
        ipv6_prefix=values["ipv6-prefix"].ipv6_network(),
        ipv4_prefix=ipv4,
        ea_len=ea_len,
        psid_offset=values["offset"].integer(0, 16),
        psid_len=max(0, ea_len - (32 - ipv4.prefixlen)),
        hint=hint,
        forwarding=forwarding,
    )


def _values(at: Leaf) -> tuple[dict[str, Leaf], bool]:
    """The pairs of a rule, and whether it is forwarding. Raises ParseError."""
    words = at.value.split()[2:]
    forwarding = words[-1:] == ["forwarding"]
    words = words[: len(words) - forwarding]
    values = {
        word: Leaf(value, at.line, at.text) for word, value in zip(words[::2], words[1::2], strict=False)
    }
    if len(words) % 2 or not set(values) <= set(_PAIRS):
        raise at.error(f"not understood; pairs of {', '.join(_PAIRS)}, then forwarding")
    for word in ("psid-length", "psid"):
        if word in values:
            raise at.error(f"{word} is for a rule without EA bits, which has no place here")
    return values, forwarding


def _inexpressible(rule: MapRule) -> str | None:
    if rule.explicit_psid_len:
        return "no document says how a PSID that is given is aligned"
    if rule.kind == "prefix":
        return "no document shows an IPv4 prefix per customer"
    return None


DRIVER = AwPlus()
