# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A configuration file that is ours as a whole: a change is the whole file.

Files with comments say in one of them whose the following lines are: ``# service NAME``.
"""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import dataclass, replace
from ipaddress import IPv6Address
from typing import Any

from ..mapping.binding import Binding
from ..techniques.service import Delegation, Service
from .assembly import wanted_service
from .diff import line_diff
from .driver import NO_CHANGE, Change
from .render import normalised
from .values import Leaf

HEAD = "# Written by ipv4aas.fleet: the whole file, changes by hand do not last."
_SERVICE = "# service "


NOTHING = f"{HEAD}\n"  # content without services


@dataclass(frozen=True, slots=True)
class Section:
    """The lines of one service, without blanks around them; ``entry`` is the comment that begins it."""

    service: str
    entry: Leaf
    lines: tuple[Leaf, ...]


def sections(text: str) -> Iterator[Section]:
    """The file by services, without empty lines and comments. Raises ParseError for a line of nobody's."""
    entry: Leaf | None = None
    lines: list[Leaf] = []
    for number, raw in enumerate(text.splitlines(), 1):
        line = Leaf(raw.strip(), number, raw.strip())
        if line.text.startswith(_SERVICE):
            if entry:
                yield _section(entry, lines)
            entry, lines = line, []
        elif line.text and not line.text.startswith("#"):
            if not entry:
                raise line.error(f"is no service's; expected '{_SERVICE}NAME' before it")
            lines.append(line)
    if entry:
        yield _section(entry, lines)


def _section(entry: Leaf, lines: list[Leaf]) -> Section:
    return Section(entry.text.removeprefix(_SERVICE).strip(), entry, tuple(lines))


def check_delegation(delegation: Delegation) -> Delegation:
    """The same. Raises ValueError where the length does not lie in the prefix."""
    least = delegation.prefix.prefixlen
    if not least <= delegation.length <= 128:
        raise ValueError(f"length {delegation.length} of {delegation.prefix} is outside {least}..128")
    return delegation


def owned(text: str, nothing: str = NOTHING) -> str:
    """The whole file in one form; empty where it is the content without services."""
    text = normalised(text)
    return "" if text == nothing else text


def change(running: str, wanted: str, nothing: str = NOTHING) -> Change:
    """From one content to another; ``nothing`` is the content of a file without services."""
    before, after = owned(running, nothing), owned(wanted, nothing)
    if before == after:
        return NO_CHANGE
    return Change(after or nothing, before or nothing, line_diff(before, after))


def bound(found: list[tuple[Binding, IPv6Address]], name: str, wanted: tuple[Service, ...]) -> dict[str, Any]:
    """Fields of a service from its bindings, each with its gateway: that of the service, or its own."""
    service = wanted_service(wanted, name)
    gateway = service.gateway_address if service else found[0][1]
    return {
        "gateway_address": gateway,
        "bindings": tuple(
            replace(binding, gateway_address=None if own == gateway else own) for binding, own in found
        ),
    }
