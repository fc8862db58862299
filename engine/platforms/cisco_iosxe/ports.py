# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""``port-parameters`` of a MAP domain: a sharing ratio, and the PSID offset in one of three spellings."""

from __future__ import annotations

from ...mapping.portset import PORT_BITS
from ..values import Leaf

MOST_PSID_BITS = 12  # share-ratio 4096
_RATIO, _START, _OFFSET, _CONTIGUOUS = "share-ratio", "start-port", "port-offset-bits", "contiguous-ports"
_WORDS = (_RATIO, _START, _OFFSET, _CONTIGUOUS)


def start_port(offset: int) -> int:
    """First port of all customers."""
    return 1 << (PORT_BITS - offset)


def psid_bits(leaf: Leaf | None) -> tuple[int, int]:
    """PSID length and offset; without the command nobody shares an address.

    Raises ParseError for words that are unknown, missing, or that contradict each other.
    """
    if leaf is None:
        return 0, 0
    words = leaf.value.split()
    values = {word: _part(leaf, value) for word, value in zip(words[::2], words[1::2], strict=False)}
    if len(words) % 2 or _RATIO not in values or set(values) - set(_WORDS):
        raise leaf.error(f"not understood; {_RATIO} and one of {', '.join(_WORDS[1:])}")
    psid_len = values[_RATIO].bits(MOST_PSID_BITS)
    offsets = set(_offsets(values, psid_len))
    if not offsets:
        raise leaf.error(f"has none of {', '.join(_WORDS[1:])}; the vendor's default is not known")
    if len(offsets) > 1:
        raise leaf.error(f"says the offsets {' and '.join(str(one) for one in sorted(offsets))}")
    if not psid_len:
        raise leaf.error("would exclude ports of an address that is not shared; without it none are")
    return psid_len, offsets.pop()


def _offsets(values: dict[str, Leaf], psid_len: int) -> list[int]:
    found = []
    if _START in values:
        found.append(PORT_BITS - values[_START].bits(PORT_BITS - 1))
    if _OFFSET in values:
        found.append(values[_OFFSET].integer(1, PORT_BITS))
    if _CONTIGUOUS in values:
        found.append(PORT_BITS - psid_len - values[_CONTIGUOUS].bits(PORT_BITS - psid_len))
    return found


def _part(leaf: Leaf, value: str) -> Leaf:
    return Leaf(value, leaf.line, leaf.text)
