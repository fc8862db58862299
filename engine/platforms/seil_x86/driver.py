# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IIJ SEIL: a tunnel interface for DS-Lite, as the classic configuration and as a recipe say it.

Both languages are lists of lines. A person puts a change into the configuration, so a change is the
lines to take out (``- ``) and to put in (``+ ``).
"""

from __future__ import annotations

import re
from collections.abc import Iterator, Mapping
from types import MappingProxyType
from typing import Any

from ...plan.model import NodePlan
from ...techniques import TECHNIQUES
from ...techniques.service import Service
from ..assembly import in_order
from ..diff import line_diff
from ..driver import Change
from ..edges import edge, numbered
from ..guard import option
from ..naming import OURS, is_ours
from ..places import another_number, taken
from ..values import Leaf, canonical

_TECHNIQUE = "ds-lite"
_MOST = 511
_AFTR, _ADDRESS, _MTU, _MSS, _DESCRIPTION = "aftr", "address", "mtu", "mss", "description"
# What the lines of a tunnel say: the words of a line before its value, in the order of the configuration.
_WORDS: Mapping[str, Mapping[str, str]] = MappingProxyType(
    {
        "cli": {
            "tunnel dslite": _AFTR,
            "unnumbered": _ADDRESS,
            "mtu": _MTU,
            "tcp-mss": _MSS,
            "description": _DESCRIPTION,
        },
        "recipe": {
            "description": _DESCRIPTION,
            "ipv4.address": _ADDRESS,
            "ipv4.tcp-mss": _MSS,
            "ipv6.dslite.aftr": _AFTR,
            "mtu": _MTU,
        },
    }
)
_LINE = {
    "cli": re.compile(r"interface tunnel(?P<number>[0-9]+) (?P<rest>.+)"),
    "recipe": re.compile(r"interface\.tunnel(?P<number>[0-9]+)\.(?P<rest>.+)"),
}
_OFF = {"cli": "off", "recipe": "none"}
# The clamp that the router computes: headers and time stamps (seil.jp/doc/fn/interface/tcp-mss.html).
_AUTO, _HEADERS = "auto", 20 + 20 + 4 + 12

# The lines of one tunnel by what they say.
Found = dict[str, Leaf]


class SeilX86:
    """The driver. Ours are our lines of tunnel interfaces with the description ipv4aas-<service>."""

    name = "seil_x86"

    def context(self, node: NodePlan, dialect: str) -> dict[str, Any]:
        """One tunnel interface for each service."""
        return {
            "tunnels": numbered(node, 0, _MOST),
            "aftr_name": option(node, "aftr_name", str, "the name of the AFTR in the DNS"),
        }

    def owned(self, text: str, dialect: str) -> str:
        """See platforms.driver.Driver."""
        return "".join(f"{line}\n" for line in _owned(text, dialect))

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        """See platforms.driver.Driver."""
        tunnels = _tunnels(text, dialect)
        return in_order((_found(found, dialect, wanted) for found in tunnels.values()), wanted)

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        """See platforms.driver.Driver."""
        before, after = _owned(running, dialect), _owned(wanted, dialect)
        return Change(
            _patch(before, after), _patch(after, before), line_diff("\n".join(before), "\n".join(after))
        )

    def occupied(self, text: str, wanted: str, dialect: str) -> list[str]:
        """See platforms.driver.Careful. A tunnel with none of our words is free, whatever else is in it."""
        found = (_tunnels(wanted, dialect), _used(text, dialect), _tunnels(text, dialect))
        places = ([f"interface tunnel{number}" for number in tunnels] for tunnels in found)
        return taken(*places, right=another_number("tunnel"))


def _patch(before: list[str], after: list[str]) -> str:
    out = [f"- {line}\n" for line in before if line not in after]
    return "".join(out + [f"+ {line}\n" for line in after if line not in before])


def _tunnels(text: str, dialect: str) -> dict[int, Found]:
    """Our tunnels by number, each with those of its lines that are ours."""
    return {number: lines for number, lines in sorted(_used(text, dialect).items()) if _is_ours(lines)}


def _used(text: str, dialect: str) -> dict[int, Found]:
    """All tunnels in which there are lines of our words."""
    found: dict[int, Found] = {}
    for number, line in enumerate(text.splitlines(), 1):
        match = _LINE[dialect].fullmatch(_spelling(line, dialect))
        if match is None:
            continue
        for word, what in _WORDS[dialect].items():
            rest = match["rest"]
            if rest == word or rest.startswith(f"{word} "):
                value = rest.removeprefix(word).strip()
                found.setdefault(int(match["number"]), {})[what] = Leaf(value, number, line.strip())
    return found


def _spelling(line: str, dialect: str) -> str:
    """Words with one blank between them, without the colon behind a key and without quotation marks."""
    if dialect == "recipe":
        line = " ".join(line.split(":", 1))
    return " ".join(line.replace('"', "").split())


def _is_ours(found: Found) -> bool:
    return _DESCRIPTION in found and is_ours(found[_DESCRIPTION].value)


def _owned(text: str, dialect: str) -> list[str]:
    """Our lines in one form, by number of the tunnel; the classic one has none for a clamp that is off."""
    return [
        line for number, found in _tunnels(text, dialect).items() for line in _lines(number, found, dialect)
    ]


def _lines(number: int, found: Found, dialect: str) -> Iterator[str]:
    for word, what in _WORDS[dialect].items():
        if what not in found or (dialect == "cli" and what == _MSS and found[what].value == _OFF[dialect]):
            continue
        value = canonical(found[what].value)
        if dialect == "cli":
            yield f"interface tunnel{number} {word} {value}".rstrip()
        else:
            yield f"interface.tunnel{number}.{word}: {value}"


def _found(found: Found, dialect: str, wanted: tuple[Service, ...]) -> Service:
    description = found[_DESCRIPTION]
    if _AFTR not in found:
        raise description.error("has no AFTR")
    facts: dict[str, Any] = {}
    if ":" in found[_AFTR].value:
        facts["gateway_address"] = found[_AFTR].ipv6()
    if _MTU in found:
        facts["ipv6_mtu"] = found[_MTU].integer(68, 65535) + TECHNIQUES[_TECHNIQUE].overhead
    mss = found.get(_MSS)
    if mss is not None and mss.value not in (_OFF[dialect], _AUTO):
        facts["mss_clamp"] = mss.integer(1, 65535)
    elif mss is not None and mss.value == _AUTO:
        facts["mss_clamp"] = found[_MTU].integer(68, 65535) - _HEADERS if _MTU in found else 0
    elif mss is not None or dialect == "cli":
        facts["mss_clamp"] = 0
    return edge(description.value.removeprefix(f"{OURS}-"), _TECHNIQUE, facts, wanted)


DRIVER = SeilX86()
