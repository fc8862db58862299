# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What of the operator's has a number of ours, or is the one that a router has."""

from __future__ import annotations

import re
from collections.abc import Iterable, Iterator

from .. import indented
from ..indented import Block
from ..places import another_number, taken
from .owned import numbered_as, owned

# Of a block's first line the words that name a place, and what would be right where it is taken.
_PLACES = (
    (re.compile(r"interface Tunnel\d+(?= |$)"), another_number("tunnel")),
    (re.compile(r"nat64 map-[te] domain \d+(?= |$)"), another_number("first_domain")),
    (re.compile(r"event manager environment _ipv4aas_map_[te]_\d+(?= |$)"), another_number("first_domain")),
    (re.compile(r"nat64 prefix stateful(?= |$)"), "a router has one"),
)


def occupied(text: str, wanted: str) -> list[str]:
    """See platforms.driver.Careful. Domains have the numbers that a change would give them."""
    ours = owned(text)
    settings = (numbered_as(ours, owned(wanted)), indented.read(text), ours)
    return [
        problem
        for place, right in _PLACES
        for problem in taken(*(_found(place, blocks) for blocks in settings), right=right)
    ]


def _found(place: re.Pattern[str], blocks: Iterable[Block]) -> Iterator[str]:
    for block in blocks:
        match = place.match(block.text)
        if match and not _is_empty(block):
            yield match[0]


def _is_empty(block: Block) -> bool:
    """Whether a block is an interface that nobody has set up, as IOS prints it."""
    return block.opens("interface") and all(
        line.text.startswith(("no ", "shutdown")) for line in block.children
    )
