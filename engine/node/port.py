# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One door of the node to a kernel: a TUN device in a namespace, and what that kernel does for it."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from ..packet.buffer import Packet
from .kernel import Kernel, Wanted, queue_drops
from .namespace import HOME, entered
from .tun import Tun


class Port:
    """Open until it is closed. Raises TunError, KernelError or NamespaceError."""

    def __init__(self, device: str, namespace: str, folder: Path) -> None:
        self.device, self.namespace = device, namespace
        memory = "sysctls.json" if namespace == HOME else f"sysctls-{namespace}.json"
        self._kernel = Kernel(folder / memory)
        with entered(namespace):
            self.tun = Tun(device)
            try:
                self._kernel.start(device)
            except Exception:
                self.tun.close()
                raise

    def fileno(self) -> int:
        """For selectors."""
        return self.tun.fileno()

    def read(self, limit: int) -> list[Packet]:
        """Up to ``limit`` packets that wait. Raises TunError when the device is gone."""
        return self.tun.read(limit)

    def apply(self, target: Wanted) -> None:
        """Routes and rules; raises KernelError, and then nothing is different."""
        with entered(self.namespace):
            self._kernel.apply(target)

    def withdraw(self) -> None:
        """Take routes, rules and sysctls back; packets that are on the way can still be read."""
        with entered(self.namespace):
            self._kernel.stop()

    def close(self) -> None:
        """Give the device back."""
        self.tun.close()

    def view(self) -> dict[str, Any]:
        """For display."""
        with entered(self.namespace):
            drops = queue_drops(self.device)
        return {"name": self.device, "queue_drops": drops, "write_errors": dict(self.tun.write_errors)}
