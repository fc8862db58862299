# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A device's text is asked several things one after the other, and needs to be read once."""

from __future__ import annotations

import functools
import threading
from collections.abc import Callable
from typing import Any, TypeVar

T = TypeVar("T")
# What a device runs, what of that is ours, and what it should run.
_KEPT = 3


def once(read: Callable[..., T]) -> Callable[..., T]:
    """``read(text, **options)``, whose last results of each thread are kept for the very same texts.

    Only for what nobody changes. A text is known by identity.
    """
    kept = threading.local()

    @functools.wraps(read)
    def reading(text: str, **options: Any) -> T:
        last: list[tuple[str, dict[str, Any], T]] = kept.__dict__.setdefault("last", [])
        for each in last:
            if each[0] is text and each[1] == options:
                return each[2]
        found = read(text, **options)
        last.insert(0, (text, options, found))
        del last[_KEPT:]
        return found

    return reading
