# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""tayga of Debian as a NAT64 on a host of a laboratory (tayga(8), README of the package)."""

from __future__ import annotations

import os
import signal
import time
from ipaddress import IPv4Network, IPv6Network
from pathlib import Path

from lab import Lab, LabError

DEVICE = "nat64"


class Tayga:
    """Its device, its routes, and the daemon; gone with close()."""

    def __init__(self, lab: Lab, host: str, prefix: IPv6Network, pool: IPv4Network) -> None:
        """Raises LabError."""
        folder = lab.folder / "tayga"
        folder.mkdir()
        path, pid = folder / "tayga.conf", folder / "pid"
        path.write_text(
            f"tun-device {DEVICE}\nipv4-addr {pool[1]}\nprefix {prefix}\ndynamic-pool {pool}\n"
            f"data-dir {folder}\n"
        )
        lab.on(host, "tayga", "-c", str(path), "--mktun")
        lab.on(host, "ip", "link", "set", DEVICE, "up")
        for network in (prefix, pool):
            lab.on(host, "ip", "route", "add", str(network), "dev", DEVICE)
        lab.on(host, "tayga", "-c", str(path), "--pidfile", str(pid))
        self._number = _number(pid)

    def close(self) -> None:
        """End it."""
        os.kill(self._number, signal.SIGTERM)


def _number(pid: Path) -> int:
    """What the daemon writes some time after its start has returned. Raises LabError."""
    for _try in range(100):
        if text := pid.read_text().strip() if pid.exists() else "":
            return int(text)
        time.sleep(0.05)
    raise LabError("tayga did not start")
