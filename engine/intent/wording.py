# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Words for messages: what was written, and what would be right."""

from __future__ import annotations

import difflib
import functools
from collections.abc import Iterable, Mapping, Sequence
from typing import Any

_LONGEST = 60
_MOST = 8


def shown(value: Any) -> str:
    """A value as the operator would recognise it, short."""
    if value is None:
        return "nothing"
    if isinstance(value, bool):
        return str(value).lower()
    if isinstance(value, Mapping):
        return "a mapping"
    if isinstance(value, (list, tuple)):
        return "a list"
    text = str(value)
    if not text.strip() or len(text) > _LONGEST or not text.isprintable():
        return repr(text if len(text) <= _LONGEST else text[:_LONGEST] + "...")
    return text


def any_of(words: Iterable[object]) -> str:
    """``a, b or c``; no more than eight of them."""
    return _joined(words, "or")


def all_of(words: Iterable[object]) -> str:
    """``a, b and c``; no more than eight of them."""
    return _joined(words, "and")


def _joined(words: Iterable[object], conjunction: str) -> str:
    listed = [str(word) for word in words]
    if len(listed) > _MOST:
        listed = [*listed[: _MOST - 1], f"{len(listed) - _MOST + 1:,} more"]
    if len(listed) < 2:
        return "".join(listed)
    return f"{', '.join(listed[:-1])} {conjunction} {listed[-1]}"


def closest(word: str, known: Iterable[str], cutoff: float = 0.6) -> str | None:
    """The known word that was probably meant."""
    return _closest(word, tuple(known), cutoff)


@functools.lru_cache(maxsize=64)
def _closest(word: str, known: tuple[str, ...], cutoff: float) -> str | None:
    # A variable that is none of ours is seen again on each host.
    return next(iter(difflib.get_close_matches(word, known, 1, cutoff)), None)


def use_known(word: object, known: Sequence[str]) -> str:
    """Advice to use the closest known word, or any of them."""
    near = closest(str(word).lower(), known)
    if near is None:
        return f"use {any_of(known)}" if known else "there is none to use: remove it"
    return f"use {near}" + (f" (known: {all_of(known)})" if len(known) > 1 else "")
