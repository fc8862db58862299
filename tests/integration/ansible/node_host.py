# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A host for the software node: a network and a mount namespace, with private folders of the node."""

from __future__ import annotations

import json
import subprocess
from collections.abc import Sequence
from pathlib import Path

PRIVATE = ("/opt/ipv4aas", "/run/ipv4aas", "/var/lib/ipv4aas")
NODE = ("/opt/ipv4aas/current/bin/ipv4aas-node",)
TESTS = Path(__file__).resolve().parents[1]

MEMORY = "/run/stand-in"
OVERLAY = "/run/stand-in-etc"
# What a Debian host has that this machine may not: a TUN device for everybody (udev), a file system for eBPF
# (systemd, mode 0700); and an /etc of its own for users and units.
SERVICE_MOUNTS = (
    f"mkdir -p {MEMORY} {OVERLAY} && mount -t tmpfs -o mode=755 tmpfs {MEMORY}",
    f"mount -t tmpfs -o mode=755 tmpfs {OVERLAY} && mkdir {OVERLAY}/upper {OVERLAY}/work",
    f"mount -t overlay overlay -o lowerdir=/etc,upperdir={OVERLAY}/upper,workdir={OVERLAY}/work /etc",
    f"mknod -m 666 {MEMORY}/tun c 10 200 && mount --bind {MEMORY}/tun /dev/net/tun",
    "mount -t bpf -o mode=0700 bpf /sys/fs/bpf",
    f"install -m 755 {TESTS}/stand_in_systemctl.py {MEMORY}/systemctl",
    f"mount --bind {MEMORY}/systemctl /usr/bin/systemctl",
)


class Host:
    """Playbooks run inside it, in ``folder``. ``mounts`` are further commands for sh that make it ready."""

    def __init__(
        self, folder: Path, network: Sequence[str] = ("unshare", "-n"), mounts: Sequence[str] = ()
    ) -> None:
        self.folder = folder
        private = [f"mkdir -p {path} && mount -t tmpfs -o mode=755 tmpfs {path}" for path in PRIVATE]
        script = " && ".join([*private, *mounts, "ip link set lo up", "echo ready", "exec sleep infinity"])
        self._holder = subprocess.Popen(
            [*network, "unshare", "-m", "sh", "-c", script], stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"

    @property
    def inside(self) -> tuple[str, ...]:
        """What comes before a command that is to run there."""
        return ("nsenter", "-t", str(self._holder.pid), "-m", "-n", f"--wdns={self.folder}", "--")

    def run(
        self, *argv: str, feed: str | None = None, check: bool = True
    ) -> subprocess.CompletedProcess[str]:
        """A command there, to its end."""
        argv = (*self.inside, *argv)
        done = subprocess.run(argv, input=feed, capture_output=True, text=True, check=False, timeout=120)
        assert not check or not done.returncode, (argv, done.stdout, done.stderr)
        return done

    def node(self, *words: str, feed: str | None = None) -> dict:
        """A command of the software node, its answer."""
        return json.loads(self.run(*NODE, *words, feed=feed).stdout)

    def end(self) -> None:
        """Stops the node and removes the namespaces."""
        self.run(*NODE, "stop", check=False)
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()
