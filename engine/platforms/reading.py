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


def once(read: Callable[..., T]) -> Callable[..., T]:
    """``read(text, **options)``, whose last result of each thread is kept for the very same text.

    Only for what nobody changes. The text is known by identity.
    """
    kept = threading.local()

    @functools.wraps(read)
    def reading(text: str, **options: Any) -> T:
        last: tuple[str, dict[str, Any], T] | None = getattr(kept, "last", None)
        if last is None or last[0] is not text or last[1] != options:
            last = kept.last = text, options, read(text, **options)
        return last[2]

    return reading
