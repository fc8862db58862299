# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One door of the node to a kernel: a TUN device in a namespace, and what that kernel does for it."""

from __future__ import annotations

from ipaddress import IPv4Address
from pathlib import Path
from typing import Any

from ..packet.buffer import Packet
from .kernel import Kernel, Wanted, own_addresses, queue_drops
from .namespace import HOME, Namespace
from .tun import Tun


class Port:
    """Open until it is closed. Raises TunError, KernelError or NamespaceError."""

    def __init__(self, device: str, name: str, folder: Path) -> None:
        memory = "sysctls.json" if name == HOME else f"sysctls-{name}.json"
        self.device, self._kernel, self._namespace = device, Kernel(folder / memory), Namespace(name)
        try:
            with self._namespace.entered():
                self._open()
        except Exception:
            self._namespace.close()
            raise

    def _open(self) -> None:
        self._tun = Tun(self.device)
        try:
            self._kernel.start(self.device)
        except Exception:
            self._tun.close()
            raise

    @property
    def namespace(self) -> str:
        """Its name."""
        return self._namespace.name

    @property
    def abandoned(self) -> bool:
        """Whether the namespace was deleted, and lives on by this port alone."""
        return self._namespace.abandoned()

    def own_addresses(self) -> list[IPv4Address]:
        """The IPv4 addresses there that others can reach."""
        with self._namespace.entered():
            return own_addresses()

    def fileno(self) -> int:
        """For selectors."""
        return self._tun.fileno()

    def read(self, limit: int) -> list[Packet]:
        """Up to ``limit`` packets that wait. Raises TunError when the device is gone."""
        return self._tun.read(limit)

    def write(self, packets: list[Packet]) -> None:
        """Give packets to the kernel; those that it does not take are counted."""
        self._tun.write(packets)

    def apply(self, target: Wanted) -> None:
        """Routes and rules; raises KernelError, and then nothing is different."""
        with self._namespace.entered():
            self._kernel.apply(target)

    def withdraw(self) -> None:
        """Take routes, rules and sysctls back; packets that are on the way can still be read."""
        with self._namespace.entered():
            self._kernel.stop()

    def close(self) -> None:
        """Give device and namespace back."""
        self._tun.close()
        self._namespace.close()

    def view(self) -> dict[str, Any]:
        """For display."""
        with self._namespace.entered():
            drops = queue_drops(self.device)
        return {"name": self.device, "queue_drops": drops, "write_errors": dict(self._tun.write_errors)}
