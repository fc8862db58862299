# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What a service manager is told: ready, alive, stopping (systemd's sd_notify(3), service type notify)."""

from __future__ import annotations

import contextlib
import os
import socket
import time
from collections.abc import Mapping

_BEAT = 1.0  # seconds between two signs of life


class Supervisor:
    """The service manager that started this process; without one, what is said is not heard."""

    def __init__(self, environment: Mapping[str, str] | None = None) -> None:
        """By the variables of the process, unless others are given."""
        path = (os.environ if environment is None else environment).get("NOTIFY_SOCKET", "")
        self._address = "\0" + path[1:] if path.startswith("@") else path  # abstract
        self._said = 0.0

    def ready(self) -> None:
        """The services run."""
        self._tell("READY=1")

    def alive(self) -> None:
        """Packets are served; not more often than once a second."""
        now = time.monotonic()
        if now - self._said >= _BEAT:
            self._said = now
            self._tell("WATCHDOG=1")

    def stopping(self) -> None:
        """The end has begun."""
        self._tell("STOPPING=1")

    def _tell(self, state: str) -> None:
        if not self._address:
            return
        # One that does not listen must not end the service.
        with contextlib.suppress(OSError), socket.socket(socket.AF_UNIX, socket.SOCK_DGRAM) as sender:
            sender.setblocking(False)
            sender.sendto(state.encode(), self._address)
