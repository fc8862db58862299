# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Hosts that help: a network namespace with a file system of its own over this machine's, and real daemons.

What is written to /etc, /var and /run there stays there. The daemons are installed and started by the role
service_host, run on the host itself with Ansible's local connection.
"""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet import engine
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.bundle import BUNDLES, write

COLLECTIONS = Path(engine.__file__).parents[4]
ROOT = Path(__file__).resolve().parents[3]
sys.path[:0] = [str(ROOT / "tests"), str(ROOT / "tests" / "integration")]
from netns import Host, Net  # noqa: E402

PRIVATE = ("etc", "var", "opt")
NEEDED = ("unbound", "named", "kea-dhcp6", "radvd")


def missing() -> str:
    """What keeps these tests from running; empty where nothing does."""
    if os.geteuid():
        return "needs root"
    absent = [name for name in NEEDED if shutil.which(name) is None]
    return f"needs {', '.join(absent)}: make packages" if absent else ""


class Helper:
    """One host."""

    def __init__(self, host: Host, folder: Path) -> None:
        self.host, self._folder = host, folder
        folder.mkdir(parents=True)
        layers = "".join(
            f"mkdir -p {folder}/{name}/new {folder}/{name}/work\n"
            f"mount -t overlay overlay -o lowerdir=/{name},upperdir={folder}/{name}/new,"
            f"workdir={folder}/{name}/work /{name}\n"
            for name in PRIVATE
        )
        # An overlay cannot lie on another one, which /tmp may be on; memory can hold it.
        private = f"mount -t tmpfs tmpfs {folder}\n{layers}mount -t tmpfs tmpfs /run\n"
        script = f"set -e\n{private}echo ready\nexec sleep infinity\n"
        self._holder = host.start(
            "unshare",
            "--mount",
            "--propagation",
            "private",
            "sh",
            "-c",
            script,
            stdout=subprocess.PIPE,
            text=True,
        )
        assert self._holder.stdout.readline() == "ready\n"

    def enter(self, *argv: str) -> list[str]:
        """The command line that runs ``argv`` on the host."""
        return ["nsenter", "-t", str(self._holder.pid), "-m", "-n", "--", *argv]

    def run(self, argv: list[str], feed: str = "") -> tuple[int, str, str]:
        """A transport.local.Run."""
        done = subprocess.run(
            self.enter(*argv), input=feed, text=True, capture_output=True, check=False, timeout=120
        )
        return done.returncode, done.stdout, done.stderr

    def on(self, *argv: str) -> str:
        """Standard output of a command that has to succeed."""
        code, out, err = self.run(list(argv))
        assert code == 0, f"{argv}: {err or out}"
        return out

    def read(self, path: str) -> str:
        return self.on("cat", path)

    def role(self, **variables: Any) -> str:
        """Runs the role service_host on the host; what Ansible printed."""
        play = [
            {
                "hosts": "all",
                "gather_facts": False,
                "roles": [{"role": "ipv4aas.fleet.service_host", "vars": variables}],
            }
        ]
        self.run(["sh", "-c", f"cat > {self._folder}/play.yml"], json.dumps(play))
        bin_folder = Path(sys.executable).parent
        done = subprocess.run(
            self.enter(
                "env",
                f"ANSIBLE_COLLECTIONS_PATH={COLLECTIONS}",
                f"HOME={self._folder}",
                "ANSIBLE_NOCOWS=1",
                f"{bin_folder}/ansible-playbook",
                "-i",
                "helper,",
                "-c",
                "local",
                "-e",
                f"ansible_python_interpreter={sys.executable}",
                f"{self._folder}/play.yml",
            ),
            text=True,
            capture_output=True,
            check=False,
            timeout=180,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return done.stdout


def eventually(check: Callable[[], Any], seconds: float = 60) -> Any:
    """The first true value of a check that is repeated."""
    deadline = time.monotonic() + seconds
    while True:
        found = check()
        if found or time.monotonic() > deadline:
            return found
        time.sleep(0.1)


@pytest.fixture(scope="session", autouse=True)
def _all_there() -> None:
    reason = missing()
    if reason:
        pytest.skip(reason)


@pytest.fixture(scope="module")
def net() -> Iterator[Net]:
    with Net("svc") as made:
        yield made


@pytest.fixture(scope="module")
def helper(net: Net, tmp_path_factory: pytest.TempPathFactory) -> Callable[[str], Helper]:
    """Makes a host of that name."""
    return lambda name: Helper(net.host(name), tmp_path_factory.mktemp("helper") / name)


@pytest.fixture(scope="session")
def program(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """The probe, as it travels."""
    path = tmp_path_factory.mktemp("program") / "ipv4aas-probe.pyz"
    write(BUNDLES["probe"], path)
    return path
