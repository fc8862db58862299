# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""How far a session has come with a change, and what that means for the device in words."""

from __future__ import annotations

import time
from collections.abc import Callable
from enum import Enum

UNCHANGED = "unchanged"
CONFIRMED = "changed and confirmed"


class Phase(Enum):
    """The names are what was last known for sure; the -ING ones are while an answer is awaited."""

    IDLE = "idle"
    STAGED = "staged"
    APPLYING = "applying"
    PENDING = "pending"
    CONFIRMING = "confirming"
    CONFIRMED = "confirmed"
    # The device has no confirmed commit: what it was told stays.
    APPLYING_FOR_GOOD = "applying for good"
    CHANGED = "changed"


class Progress:
    """The phase of one change and when the device reverts it by itself."""

    def __init__(self, clock: Callable[[], float] = time.monotonic) -> None:
        self.phase = Phase.IDLE
        self._clock = clock
        self._deadline = clock()

    def reverts_in(self, seconds: float) -> None:
        """Notes that the device goes back by itself after that many seconds from now."""
        self._deadline = self._clock() + seconds

    @property
    def left(self) -> str:
        """The state of the device, for TransportError."""
        return _WORDS[self.phase].format(self._own_revert())

    def _own_revert(self) -> str:
        rest = int(self._deadline - self._clock()) + 1
        return f"reverts by itself in at most {rest} s" if rest > 0 else "has reverted by itself by now"


_WORDS = {
    Phase.IDLE: UNCHANGED,
    Phase.STAGED: UNCHANGED,
    Phase.APPLYING: "unchanged, or changed and {}",
    Phase.PENDING: "changed, {}",
    Phase.CONFIRMING: "changed and confirmed, or {}",
    Phase.CONFIRMED: CONFIRMED,
    Phase.APPLYING_FOR_GOOD: "unchanged, or changed for good without a check",
    Phase.CHANGED: "changed, does not revert by itself",
}
