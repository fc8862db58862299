# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Two sets of which programs use one: when the other may be written again."""

from __future__ import annotations

import ctypes
import platform
import time

# The system call membarrier, by machine; the kernel's table of arm64 is that of all newer ones.
_CALLS = {"x86_64": 324, "ppc64le": 365, "s390x": 356}
_NEWER = 283
_GLOBAL = 1  # MEMBARRIER_CMD_GLOBAL
_LONG = 1.0  # seconds: no packet is in a program for so long


def wait_for_readers() -> bool:
    """Until each packet that is in a program now has left it; False where the kernel has no way to tell.

    MEMBARRIER_CMD_GLOBAL waits for a grace period of RCU, and programs run inside of one.
    """
    number = _CALLS.get(platform.machine(), _NEWER)
    return bool(ctypes.CDLL(None).syscall(number, _GLOBAL, 0, 0) == 0)


class Turns:
    """Of one pair of sets."""

    def __init__(self) -> None:
        self._turned = -_LONG

    def before(self) -> None:
        """The set that is not in use is about to be written: packets of before the last turn have left it."""
        if time.monotonic() - self._turned < _LONG and not wait_for_readers():
            time.sleep(_LONG / 10)

    def done(self) -> None:
        """The other one is in use from now on."""
        self._turned = time.monotonic()
