# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a binding table is in the maps of a program (c/mapping.h).

There may be a million bindings: no object is made for one, and nothing is reckoned twice.
"""

from __future__ import annotations

import sys
from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, summarize_address_range
from itertools import pairwise
from typing import NamedTuple, TypeVar

from ...mapping.binding import Binding
from ...mapping.iid import interface_identifier
from .layout import Layouts
from .tables import Entry, RuleEntries, Shape, joined

Kind = TypeVar("Kind")

SPARSE = 4  # an address has a place for each PSID where at least one of so many is bound
_SAMPLE = 1000  # bindings that say which lower half is the common one
_LOWER = (1 << 64) - 1


class _Lower(NamedTuple):
    """What lower halves of softwires have in common: they are this sum."""

    identifier: int
    each_ipv4: int = 0  # times the IPv4 address
    each_psid: int = 0  # times the PSID


class _Table(NamedTuple):
    """Bindings, and the numbers of their addresses."""

    bindings: tuple[Binding, ...]
    ipv4: Sequence[int]
    softwires: Sequence[int]

    def whole(self, lower: _Lower) -> set[int]:
        """IPv4 addresses with a softwire whose lower half is another one."""
        identifier, each_ipv4, each_psid = lower
        return {
            number
            for binding, number, softwire in zip(*self, strict=True)
            if softwire & _LOWER != identifier + each_ipv4 * number + each_psid * binding.psid
        }

    def shapes(self) -> dict[int, Shape]:
        """How each IPv4 address is divided, if in one way."""
        found: dict[int, Shape | None] = {}
        for binding, number in zip(self.bindings, self.ipv4, strict=True):
            shape = binding.psid_offset, binding.psid_len
            if found.setdefault(number, shape) != shape:
                found[number] = None
        return {number: shape for number, shape in found.items() if shape is not None}

    def odd(self) -> set[int]:
        """IPv4 addresses with a gateway of their own, or an upper half of 0, which is nobody's."""
        return {
            number
            for binding, number, softwire in zip(*self, strict=True)
            if binding.gateway_address is not None or softwire <= _LOWER
        }


def binding_tables(layouts: Layouts, bindings: Iterable[Binding], iid_format: str) -> dict[str, Entry]:
    """Keys and values of the maps. What is divided in more than one way is the core's."""
    table = _table(bindings)
    lower, shapes = _commonest(table, iid_format), table.shapes()
    dense = _dense(table, shapes, lower)
    rules, places, end = [], {}, 0
    entries = RuleEntries(layouts)
    alike = {"identifier": lower.identifier, "mapped": lower.each_ipv4 > 0}
    for prefix, (shape, halves) in _prefixes({n: (shapes[n], halves) for n, halves in dense.items()}):
        place = {"halves": halves, "first": end, "host_mask": int(prefix.hostmask)}
        rules.append(entries.of_shape(prefix, shape, **place, **alike))
        for number in range(int(prefix[0]), int(prefix[-1]) + 1):
            places[number] = end, halves
            end += halves << shape[1]
    keyed = {n: shape for n, shape in shapes.items() if n not in dense}
    rules += (entries.of_shape(prefix, shape) for prefix, shape in _prefixes(keyed))
    gateways = {b.gateway_address.packed for b in table.bindings if b.gateway_address is not None}
    return {
        "rules": joined(rules),
        "owners": (array("I", range(end)).tobytes(), _placed(table, places, end)),
        "bindings": _keyed(layouts, table, keyed),
        "ends": (b"".join(gateways), bytes(len(gateways))),
    }


def _table(bindings: Iterable[Binding]) -> _Table:
    bindings = tuple(bindings)
    return _Table(bindings, [int(b.ipv4) for b in bindings], [int(b.softwire) for b in bindings])


def _commonest(table: _Table, iid_format: str) -> _Lower:
    """The mapped identifiers (RFC 7597 section 6), or one and the same identifier."""
    step = len(table.bindings) // _SAMPLE + 1
    sample = _Table(table.bindings[::step], table.ipv4[::step], table.softwires[::step])
    mapped = _Lower(0, interface_identifier(1, 0, iid_format), interface_identifier(0, 1, iid_format))
    common = Counter(softwire & _LOWER for softwire in sample.softwires).most_common(1)
    same = _Lower(common[0][0] if common else 0)
    return min(mapped, same, key=lambda lower: len(sample.whole(lower)))


def _dense(table: _Table, shapes: Mapping[int, Shape], lower: _Lower) -> dict[int, int]:
    """IPv4 addresses that are worth a place for each PSID, and how many halves of a softwire that has."""
    bound, odd, whole = Counter(table.ipv4), table.odd(), table.whole(lower)
    return {
        number: 2 if number in whole else 1
        for number, (_offset, length) in shapes.items()
        if number not in odd and bound[number] * SPARSE >= 1 << length
    }


def _placed(table: _Table, places: Mapping[int, tuple[int, int]], end: int) -> bytes:
    """The halves of softwires that have a place."""
    halves_of = array("Q", bytes(8 * end))
    for binding, number, softwire in zip(*table, strict=True):
        if number in places:
            first, halves = places[number]
            place = first + binding.psid * halves
            halves_of[place] = softwire >> 64
            if halves == 2:
                halves_of[place + 1] = softwire & _LOWER
    if sys.byteorder == "little":
        halves_of.byteswap()
    return halves_of.tobytes()


def _keyed(layouts: Layouts, table: _Table, shapes: Mapping[int, Shape]) -> Entry:
    """All others, by address and PSID."""
    pack_key = layouts.struct("owner_key").packer("address", "psid", "psid_offset", "psid_length")
    pack_owner = layouts.struct("owner").packer("softwire", "gateway")
    keys, values, nobody = [], [], bytes(16)
    for binding, number, softwire in zip(*table, strict=True) if shapes else ():
        if number in shapes:
            gateway = binding.gateway_address
            keys.append(pack_key(number.to_bytes(4), binding.psid, *shapes[number]))
            values.append(pack_owner(softwire.to_bytes(16), nobody if gateway is None else gateway.packed))
    return b"".join(keys), b"".join(values)


def _prefixes(kinds: Mapping[int, Kind]) -> Iterator[tuple[IPv4Network, Kind]]:
    """The fewest prefixes of addresses of one kind."""
    ordered = sorted(kinds)
    cuts = [n for n, (a, b) in enumerate(pairwise(ordered), 1) if b != a + 1 or kinds[a] != kinds[b]]
    for start, end in pairwise([0, *cuts, len(ordered)] if ordered else []):
        first, last = (IPv4Address(ordered[n]) for n in (start, end - 1))
        for prefix in summarize_address_range(first, last):
            yield prefix, kinds[int(first)]
