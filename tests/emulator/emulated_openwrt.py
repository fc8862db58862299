# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands for an OpenWrt router: its shell, its folders, its boot, and ``uci`` (emulated_uci).

Real are sshd, the shell, BusyBox, every process and every file: the router runs in mount and process
namespaces of its own, where /etc is a folder of the test. A restart ends every process with SIGKILL,
empties what is no flash (/run, the uci save folder) and runs /etc/uci-defaults as OpenWrt's
/etc/init.d/boot does. Stand-ins: ``uci``, an /etc/init.d/network that only notes when it is reloaded,
and dash for ash: Debian's BusyBox shell would find applets that a default OpenWrt build lacks
(setsid, nohup, diff, timeout, flock), dash finds those of APPLETS and no other.
"""

from __future__ import annotations

import os
import shutil
import stat
import sys
from pathlib import Path

from servers import SshServer

APPLETS = (
    "basename cat chmod cp cut dirname echo grep head kill ls mkdir mv printf pwd rm rmdir sed sleep sort"
    " sync tail test touch tr uniq wc"
)
BUSYBOX, SHELL = "/bin/busybox", "/bin/dash"
_BOOT = """#!{busybox} sh
mount --make-rprivate /
mount --bind {root}/etc /etc
mount --bind {root}/run /run
cd /etc/uci-defaults
for file in $(ls); do
  ( . ./"$file" ) && rm -f "$file"
done
cd /
exec "$@"
"""
_NETWORK = """#!{busybox} sh
echo "$1" >> {root}/network.log
[ ! -e {root}/reload-fails ]
"""


class OpenWrtRouter:
    """``network`` is the UCI package at the start. Needs root."""

    def __init__(self, folder: Path, network: str) -> None:
        self.root = folder
        etc, binaries = folder / "etc", folder / "bin"
        for path in (etc / "config", etc / "uci-defaults", etc / "init.d", binaries, folder / "run"):
            path.mkdir(parents=True)
        for name in ("group", "nsswitch.conf", "ld.so.cache", "shadow"):
            shutil.copy(f"/etc/{name}", etc / name)
        # sshd needs the users of this machine too; the first line for a name counts.
        users = Path("/etc/passwd").read_text("utf-8")
        (etc / "passwd").write_text(f"root:x:0:0:root:/root:{binaries}/sh\n{users}", "utf-8")
        for applet in APPLETS.split():
            (binaries / applet).symlink_to(BUSYBOX)
        (binaries / "sh").symlink_to(SHELL)
        emulated_uci = Path(__file__).with_name("emulated_uci.py").read_text("utf-8")
        executable(binaries / "uci", emulated_uci.replace("#!/usr/bin/env python3", f"#!{sys.executable}", 1))
        executable(etc / "init.d" / "network", _NETWORK.format(busybox=BUSYBOX, root=folder))
        boot = executable(folder / "boot", _BOOT.format(busybox=BUSYBOX, root=folder))
        self.network_file.write_text(network, "utf-8")
        self.ssh = SshServer(
            folder / "ssh",
            configuration=[f"SetEnv PATH={binaries} UCI_SAVE={self.save}"],
            wrapper=["unshare", "--mount", "--pid", "--fork", "--kill-child", "--mount-proc", str(boot)],
        )

    @property
    def port(self) -> int:
        return self.ssh.port

    @property
    def network_file(self) -> Path:
        return self.root / "etc" / "config" / "network"

    @property
    def save(self) -> Path:
        """Where uci keeps what is not committed."""
        return self.root / "uci-save"

    @property
    def reloads(self) -> int:
        """How often the network was reloaded."""
        path = self.root / "network.log"
        return path.read_text().count("reload") if path.exists() else 0

    def leftovers(self) -> list[str]:
        """Files of an unfinished change: in the work folder, in the boot scripts, locks."""
        folders = ("etc/ipv4aas", "etc/uci-defaults", "run/lock")
        return [
            str(path.relative_to(self.root)) for folder in folders for path in (self.root / folder).glob("*")
        ]

    def start(self) -> None:
        shutil.rmtree(self.save, ignore_errors=True)
        shutil.rmtree(self.root / "run")
        (self.root / "run" / "sshd").mkdir(parents=True)
        (self.root / "run" / "lock").mkdir()
        self.ssh.start()

    def kill(self) -> None:
        """The power goes: every process ends, what waits for its time too."""
        self.ssh.kill()

    def restart(self) -> None:
        self.kill()
        self.start()

    def drop_sessions(self) -> None:
        self.ssh.drop_sessions()


def executable(path: Path, text: str) -> Path:
    path.write_text(text, "utf-8")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return path


def available() -> bool:
    """Whether this machine can run one."""
    return os.geteuid() == 0 and Path(BUSYBOX).exists()
