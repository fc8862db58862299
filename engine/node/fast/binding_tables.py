# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a binding table is in the maps of a program (c/mapping.h).

There may be a million bindings: no object is made for one, and nothing is reckoned twice.
"""

from __future__ import annotations

from array import array
from collections import Counter
from collections.abc import Iterable, Iterator, Mapping, Sequence
from ipaddress import IPv4Address, IPv4Network, summarize_address_range
from itertools import pairwise
from typing import NamedTuple, TypeVar

from ...mapping.binding import Binding
from ...mapping.iid import interface_identifier
from .layout import Layouts
from .tables import Entry, RuleEntries, Shape, joined, shape_number

Kind = TypeVar("Kind")

UPPER, ALL = 2, 4  # words of an address
_WORD_OCTETS = 4
_EACH = 2  # words of an entry of `owners`
_MOST_OCTETS = 256  # of places that a binding may cost on an address: as two entries of a hash table do
_SAMPLE = 1000  # bindings that say which lower half is the common one
_LOWER = (1 << 64) - 1
_WORD = (1 << 32) - 1


class _Common(NamedTuple):
    """What softwires have in common: their first word, and lower halves that are this sum."""

    first_word: int
    identifier: int
    each_ipv4: int = 0  # times the IPv4 address
    each_psid: int = 0  # times the PSID

    def settings(self, words: int) -> dict[str, int]:
        """Of a rule whose owners have so many words: what these do not say."""
        first_word = self.first_word if words == 1 else 0
        lower = {"mapped": self.each_ipv4 > 0, "common": first_word << 96 | self.identifier}
        return {} if words == ALL else lower


class _Table(NamedTuple):
    """Bindings, and the numbers of their addresses."""

    bindings: tuple[Binding, ...]
    ipv4: Sequence[int]
    softwires: Sequence[int]

    def whole(self, common: _Common) -> set[int]:
        """IPv4 addresses with a softwire that has another lower half."""
        _first, identifier, each_ipv4, each_psid = common
        return {
            number
            for binding, number, softwire in zip(*self, strict=True)
            if softwire & _LOWER != identifier + each_ipv4 * number + each_psid * binding.psid
        }

    def apart(self, common: _Common) -> set[int]:
        """IPv4 addresses whose softwires have another first word, or a second one of 0 (nobody)."""
        first = common.first_word
        return {
            number
            for number, softwire in zip(self.ipv4, self.softwires, strict=True)
            if softwire >> 96 != first or not softwire >> 64 & _WORD
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
    common, shapes = _commonest(table, iid_format), table.shapes()
    dense = _dense(table, shapes, common)
    rules, places, end = [], {}, 0
    entries = RuleEntries(layouts)
    for prefix, (shape, words) in _prefixes({n: (shapes[n], words) for n, words in dense.items()}):
        end += end % min(words, _EACH)
        settings = {"words": words, "first": end, "host_mask": int(prefix.hostmask), **common.settings(words)}
        rules.append(entries.of_shape(prefix, shape, **settings))
        for number in range(int(prefix[0]), int(prefix[-1]) + 1):
            places[number] = end, words
            end += words << shape[1]
    keyed = {n: shape for n, shape in shapes.items() if n not in dense}
    rules += (entries.of_shape(prefix, shape) for prefix, shape in _prefixes(keyed))
    gateways = {b.gateway_address.packed for b in table.bindings if b.gateway_address is not None}
    return {
        "rules": joined(rules),
        "owners": _placed(table, places, -(-end // _EACH)),
        "bindings": _keyed(layouts, table, keyed),
        "ends": (b"".join(gateways), bytes(len(gateways))),
    }


def _table(bindings: Iterable[Binding]) -> _Table:
    bindings = tuple(bindings)
    return _Table(bindings, [int(b.ipv4) for b in bindings], [int(b.softwire) for b in bindings])


def _commonest(table: _Table, iid_format: str) -> _Common:
    """With the mapped identifiers (RFC 7597 section 6), or one and the same identifier."""
    step = len(table.bindings) // _SAMPLE + 1
    sample = _Table(table.bindings[::step], table.ipv4[::step], table.softwires[::step])
    first = _most(softwire >> 96 for softwire in sample.softwires)
    mapped = interface_identifier(1, 0, iid_format), interface_identifier(0, 1, iid_format)
    same = _most(softwire & _LOWER for softwire in sample.softwires)
    either = _Common(first, 0, *mapped), _Common(first, same)
    return min(either, key=lambda common: len(sample.whole(common)))


def _most(numbers: Iterable[int]) -> int:
    """The most frequent one."""
    return Counter(numbers).most_common(1)[0][0]


def _dense(table: _Table, shapes: Mapping[int, Shape], common: _Common) -> dict[int, int]:
    """IPv4 addresses that are worth a place for each PSID, and how many words of a softwire that has."""
    bound, odd = Counter(table.ipv4), table.odd()
    words = dict.fromkeys(table.apart(common), UPPER) | dict.fromkeys(table.whole(common), ALL)
    return {
        number: words.get(number, 1)
        for number, (_offset, length) in shapes.items()
        if number not in odd and bound[number] * _MOST_OCTETS >= _WORD_OCTETS * words.get(number, 1) << length
    }


def _placed(table: _Table, places: Mapping[int, tuple[int, int]], entries: int) -> Entry:
    """The words of softwires that have a place."""
    found = array("I", bytes(_WORD_OCTETS * _EACH * entries))
    for binding, number, softwire in zip(*table, strict=True):
        if number not in places:
            continue
        first, words = places[number]
        place = first + binding.psid * words
        if words == 1:
            found[place] = softwire >> 64 & _WORD
        else:
            for word in range(words):
                found[place + word] = softwire >> 32 * (3 - word) & _WORD
    return array("I", range(entries)).tobytes(), found.tobytes()


def _keyed(layouts: Layouts, table: _Table, shapes: Mapping[int, Shape]) -> Entry:
    """All others, by address and PSID."""
    pack_key = layouts.struct("owner_key").packer("address", "shape")
    pack_owner = layouts.struct("owner").packer("softwire", "gateway")
    keys, values, nobody = [], [], bytes(16)
    for binding, number, softwire in zip(*table, strict=True) if shapes else ():
        if number in shapes:
            gateway = binding.gateway_address
            keys.append(pack_key(number.to_bytes(4), shape_number(shapes[number]) | binding.psid))
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
