# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Real servers for the tests: sshd, and netconfd behind its own sshd, on loopback.

Every server keeps its files in one folder given by the caller, and is ended by its process id.
"""

from __future__ import annotations

import os
import random
import re
import shutil
import signal
import socket
import subprocess
import time
from collections.abc import Iterable, Sequence
from dataclasses import dataclass, field
from pathlib import Path

from waiting import wait_until

YANG_VARIABLE = "IPV4AAS_YANG"
SYSTEM_MODULES = Path("/usr/share/yuma/modules")
EMPTY_CONFIGURATION = '<config xmlns="urn:ietf:params:xml:ns:netconf:base:1.0"/>\n'


def free_port() -> int:
    """A TCP port that nothing listens on now.

    It lies below what the kernel gives to outgoing connections, so that a server that is restarted
    finds it free.
    """
    while True:
        port = random.SystemRandom().randrange(20000, 32000)
        if not listens(port):
            return port


def listens(port: int) -> bool:
    """Whether something on loopback takes connections there."""
    with socket.socket() as probe:
        return probe.connect_ex(("127.0.0.1", port)) == 0


def wait_for_port(port: int, process: subprocess.Popen[bytes], seconds: float = 60) -> None:
    """Returns when something listens. Raises RuntimeError where the process ends or time is up."""
    deadline = time.monotonic() + seconds
    while time.monotonic() < deadline:
        if process.poll() is not None:
            raise RuntimeError(f"{process.args} ended with {process.returncode}")
        if listens(port):
            return
        time.sleep(0.02)
    raise RuntimeError(f"nothing listens on port {port} after {seconds} s")


def new_key(path: Path) -> Path:
    """An ed25519 key pair without passphrase; the public half is ``path``.pub."""
    subprocess.run(["ssh-keygen", "-q", "-t", "ed25519", "-N", "", "-f", path], check=True)
    return path


@dataclass
class SshServer:
    """sshd that lets one key in as root. ``configuration`` holds further sshd_config lines.

    ``wrapper`` is put before the command line: namespaces to run in.
    """

    folder: Path
    configuration: Sequence[str] = ()
    wrapper: Sequence[str] = ()
    port: int = field(default_factory=free_port)
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.host_key = new_key(self.folder / "host_key")
        self.user_key = new_key(self.folder / "user_key")
        shutil.copy(self.folder / "user_key.pub", self.folder / "authorized_keys")

    @property
    def known_hosts(self) -> Path:
        """A known_hosts file that names this server's key."""
        path = self.folder / "known_hosts"
        kind, key = (self.folder / "host_key.pub").read_text("ascii").split()[:2]
        path.write_text(f"[127.0.0.1]:{self.port} {kind} {key}\n", "ascii")
        return path

    def start(self) -> None:
        """Raises RuntimeError where sshd does not come up."""
        Path("/run/sshd").mkdir(exist_ok=True)
        lines = [
            f"Port {self.port}",
            "ListenAddress 127.0.0.1",
            f"HostKey {self.host_key}",
            f"AuthorizedKeysFile {self.folder}/authorized_keys",
            f"PidFile {self.folder}/sshd.pid",
            "UsePAM no",
            "StrictModes no",
            "PasswordAuthentication no",
            "PermitRootLogin yes",
            "MaxStartups 2000",
            *self.configuration,
        ]
        (self.folder / "sshd_config").write_text("\n".join(lines) + "\n", "ascii")
        command = [*self.wrapper, "/usr/sbin/sshd", "-D", "-f", f"{self.folder}/sshd_config"]
        self.process = subprocess.Popen(
            [*command, "-E", f"{self.folder}/sshd.log"],
            start_new_session=True,
        )
        wait_for_port(self.port, self.process)

    def drop_sessions(self) -> None:
        """Cuts every open connection with SIGKILL; the server goes on, and so does what was started."""
        assert self.process is not None
        _listener, *sessions = [
            pid for pid in [self.process.pid, *descendants(self.process.pid)] if process_name(pid) == "sshd"
        ]
        for pid in sessions:
            kill(pid)

    def kill(self) -> None:
        """SIGKILL to the server and to every session; returns when the port is free."""
        if self.process is None:
            return
        for pid in [self.process.pid, *descendants(self.process.pid)]:
            kill(pid)
        self.process.wait()
        self.process = None
        # Processes in a namespace may outlive the one that was waited for by a moment.
        wait_until(lambda: not listens(self.port))


def descendants(pid: int) -> list[int]:
    """Process ids of children, their children and so on."""
    try:
        text = Path(f"/proc/{pid}/task/{pid}/children").read_text("ascii")
    except OSError:
        return []
    children = [int(word) for word in text.split()]
    return [*children, *(deeper for child in children for deeper in descendants(child))]


def process_name(pid: int) -> str:
    """Empty where the process is gone."""
    try:
        return Path(f"/proc/{pid}/comm").read_text("ascii").strip()
    except OSError:
        return ""


def kill(pid: int) -> None:
    """SIGKILL; no complaint where the process is gone."""
    try:
        os.kill(pid, signal.SIGKILL)
    except ProcessLookupError:
        return


def model_folder() -> Path | None:
    """Where the vendors' YANG modules are on this machine, None where they are not."""
    value = os.environ.get(YANG_VARIABLE)
    return Path(value) if value else None


def loadable_models(source: Path, target: Path) -> Path:
    """Copies YANG modules so that netconfd 2.13 can load them: it knows no "a or b" in if-feature."""
    target.mkdir(parents=True, exist_ok=True)
    for path in source.glob("*.yang"):
        text = path.read_text("utf-8")
        (target / path.name).write_text(
            re.sub(r'if-feature\s+"([\w-]+)\s+or\b[^;]*;', r"if-feature \1;", text), "utf-8"
        )
    return target


@dataclass
class NetconfDevice:
    """netconfd that knows given modules, reached over its own sshd.

    ``model_paths`` are folders of modules, ``modules`` the names to load. ``options`` are further
    netconfd options such as --target=running. ``running`` holds the XML it starts with.
    """

    folder: Path
    model_paths: Iterable[Path]
    modules: Iterable[str]
    options: Sequence[str] = ("--target=candidate",)
    running: str = EMPTY_CONFIGURATION
    process: subprocess.Popen[bytes] | None = None

    def __post_init__(self) -> None:
        self.folder.mkdir(parents=True, exist_ok=True)
        self.socket = self.folder / "ncx.sock"
        self.startup = self.folder / "startup-cfg.xml"
        self.startup.write_text(self.running, "utf-8")
        self.ssh = SshServer(self.folder / "ssh")
        self.ssh.configuration = [
            "Subsystem netconf /usr/sbin/netconf-subsystem "
            f"--ncxserver-sockname={self.ssh.port}@{self.socket}"
        ]

    @property
    def port(self) -> int:
        return self.ssh.port

    def start(self) -> None:
        """Raises RuntimeError where it does not come up in two attempts."""
        try:
            self._start_netconfd()
        except RuntimeError:
            # netconfd sometimes fails on its transaction id file when several start at once.
            self._start_netconfd()
        if self.ssh.process is None:
            self.ssh.start()

    def _start_netconfd(self) -> None:
        self.socket.unlink(missing_ok=True)
        paths = ":".join(str(path) for path in [*self.model_paths, SYSTEM_MODULES])
        command = [
            "/usr/sbin/netconfd",
            f"--port={self.port}",
            f"--ncxserver-sockname={self.socket}",
            f"--startup={self.startup}",
            "--superuser=root",
            "--access-control=off",
            f"--modpath={paths}",
            *(f"--module={name}" for name in self.modules),
            "--log-level=info",
            f"--log={self.folder}/netconfd.log",
            *self.options,
        ]
        # Its own working directory and HOME: backup-cfg.xml of a confirmed commit goes there.
        self.process = subprocess.Popen(
            command,
            cwd=self.folder,
            env={**os.environ, "HOME": str(self.folder)},
            stdout=subprocess.DEVNULL,
            stderr=subprocess.DEVNULL,
            start_new_session=True,
        )
        deadline = time.monotonic() + 60
        while not self.socket.exists():
            if self.process.poll() is not None or time.monotonic() > deadline:
                self.kill()
                raise RuntimeError(f"netconfd did not start, see {self.folder}/netconfd.log")
            time.sleep(0.02)

    def settle(self) -> None:
        """Returns when no session is open: what a dead one has locked is free."""
        process = self.process
        assert process is not None

        def connections() -> int:
            listed = subprocess.run(
                ["ss", "-xHnp", "state", "established"], capture_output=True, text=True, check=True
            ).stdout
            return sum(f"pid={process.pid}," in line for line in listed.splitlines())

        wait_until(lambda: not connections())

    def drop_sessions(self) -> None:
        """Cuts every NETCONF connection; netconfd goes on."""
        self.ssh.drop_sessions()

    def kill(self) -> None:
        """SIGKILL to netconfd, as a device that loses power; sshd goes on."""
        if self.process is not None:
            kill(self.process.pid)
            self.process.wait()
            self.process = None

    def freeze(self) -> None:
        """It goes on to live and answers nothing."""
        assert self.process is not None
        self.process.send_signal(signal.SIGSTOP)

    def thaw(self) -> None:
        """It answers what it was asked meanwhile, and goes on."""
        assert self.process is not None
        self.process.send_signal(signal.SIGCONT)

    def restart(self) -> None:
        """The power comes back: it starts with what it keeps over a restart."""
        self.kill()
        self.ssh.drop_sessions()
        self.start()

    def stop(self) -> None:
        """Ends everything."""
        self.kill()
        self.ssh.kill()
