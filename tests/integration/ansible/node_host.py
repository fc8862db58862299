# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts for the software node: one with private folders of the node, one that systemd has booted."""

from __future__ import annotations

import contextlib
import json
import os
import subprocess
import time
from collections.abc import Sequence
from pathlib import Path

PRIVATE = ("/opt/ipv4aas", "/run/ipv4aas", "/var/lib/ipv4aas")
NODE = ("/opt/ipv4aas/current/bin/ipv4aas-node",)
TESTS = Path(__file__).resolve().parents[1]
NO_NETWORK = ("unshare", "-n")


class Host:
    """A network and a mount namespace; playbooks run inside, in ``folder``."""

    _enter = ("-m", "-n")

    def __init__(self, folder: Path) -> None:
        self.folder = folder
        mounts = [f"mkdir -p {path} && mount -t tmpfs -o mode=755 tmpfs {path}" for path in PRIVATE]
        script = " && ".join([*mounts, "ip link set lo up", "echo ready", "exec sleep infinity"])
        self._holder = subprocess.Popen(
            [*NO_NETWORK, "unshare", "-m", "sh", "-c", script], stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"
        self._target = self._holder.pid

    @property
    def inside(self) -> tuple[str, ...]:
        """What comes before a command that is to run there."""
        return ("nsenter", "-t", str(self._target), *self._enter, f"--wdns={self.folder}", "--")

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
        if self._holder.stdout is not None:
            self._holder.stdout.close()


class SystemdHost(Host):
    """A host of its own in every respect but the kernel: systemd is its process 1 (boot.sh)."""

    _enter = ("-m", "-n", "-p", "-i", "-u", "-C")

    def __init__(self, folder: Path, network: Sequence[str] = NO_NETWORK) -> None:
        self.folder = folder
        self._group = _cgroups() / f"ipv4aas-test{os.getpid()}-{folder.name}"
        self._group.mkdir()
        script = f'echo $$ > {self._group}/cgroup.procs && exec "$@"'
        own = ("unshare", "-C", "-m", "-i", "-u", "-p", "--fork", "--kill-child")
        boot = ("sh", str(Path(__file__).with_name("boot.sh")), str(folder))
        self._holder = subprocess.Popen(["sh", "-c", script, "sh", *network, *own, *boot])
        try:
            self._wait()
        except Exception:
            self.end()
            raise

    def _wait(self) -> None:
        """Until systemd has done what it does at boot."""
        deadline = time.monotonic() + 180
        while True:
            children = Path(f"/proc/{self._holder.pid}/task/{self._holder.pid}/children").read_text().split()
            if children and self._holder.poll() is None:
                self._target = int(children[0])
                if Path(f"/proc/{self._target}/comm").read_text() == "systemd\n":
                    done = self.run("systemctl", "is-active", "basic.target", check=False)
                    if done.stdout == "active\n":
                        return
            console = self.folder / "console.log"
            assert time.monotonic() < deadline, console.read_text() if console.exists() else "no systemd"
            time.sleep(0.1)

    def fields(self, pid: int) -> dict[str, str]:
        """What the kernel says of a process there."""
        lines = self.run("cat", f"/proc/{pid}/status").stdout.splitlines()
        return {name: value.strip() for name, _, value in (line.partition(":") for line in lines)}

    def show(self, unit: str, *names: str) -> list[str]:
        """Properties of a unit."""
        return [self.run("systemctl", "show", unit, "-P", name).stdout.strip() for name in names]

    def journal(self, unit: str) -> str:
        """What a unit has written."""
        self.run("journalctl", "--sync")
        return self.run("journalctl", "--unit", unit, "--output=cat", "--no-pager").stdout

    def end(self) -> None:
        """With process 1 all others end, and the namespaces with them."""
        self._holder.kill()
        self._holder.wait()
        deadline = time.monotonic() + 20
        while self._group.exists() and time.monotonic() < deadline:
            for folder, _, _ in os.walk(self._group, topdown=False):
                with contextlib.suppress(OSError):  # its processes are still ending
                    os.rmdir(folder)
            time.sleep(0.05)


def _cgroups() -> Path:
    """Where the unified hierarchy is mounted."""
    lines = Path("/proc/self/mounts").read_text().splitlines()
    return next(Path(line.split()[1]) for line in lines if line.split()[2] == "cgroup2")
