#!/usr/bin/env python3
# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Many emulated routers at once: one process, one thread, one event loop, a port of 127.0.0.1 for each.

In a program (``tests/emulator`` is on sys.path)::

    with Fleet(folder, devices=1000) as fleet:          # IOS XR and Junos by turns
        for device in fleet:
            device.name, device.platform                # "r0001", "asr9000"
            device.target()                             # transport.target.Target, how to log in
            device.router.text()                        # the whole running configuration
            device.router.restart()                     # and whatever else a Router can do or suffer

As a process of its own, so that the routers take no time of the program under test::

    emulated_fleet.py --devices 1000 FOLDER

It writes FOLDER/hosts.yml, an Ansible inventory of the routers with role, platform and login (what they
carry and the services are for the caller to say: a second ``-i`` with group_vars, or ``-e``), prints a
line of JSON with the count, the seconds it took and its memory, and serves until its standard input ends.
Of a directory given by ``--dump`` it then writes what each router runs.

Every router has a large configuration of an operator (foreign.py). All show the same host key and accept
the same user key. OpenWrt is not here: emulated_openwrt runs real processes for each.
"""

from __future__ import annotations

import argparse
import asyncio
import json
import resource
import sys
import time
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from types import TracebackType
from typing import Any

import yaml
from emulated_ios_xr import IosXrRouter
from emulated_junos import JunosRouter
from emulated_router import Ground
from foreign import FOREIGN

USER = "netops"
PLATFORMS = ("asr9000", "juniper_mx")
OPTIONS: dict[str, dict[str, Any]] = {
    "asr9000": {"inline_interfaces": ["TenGigE0/0/0/0"]},
    "juniper_mx": {"service_interface": "si-0/0/0"},
}


@dataclass(frozen=True)
class Device:
    """One router of a fleet."""

    name: str
    platform: str
    router: IosXrRouter | JunosRouter

    def target(self, timeout: float = 60.0) -> Any:
        """How to log in, for the engine."""
        from ansible_collections.ipv4aas.fleet.engine.transport.target import Target

        return Target(
            host="127.0.0.1",
            port=self.router.port,
            username=USER,
            key_file=str(self.router.user_key),
            known_hosts=str(self.router.known_hosts),
            timeout=timeout,
        )

    def variables(self) -> dict[str, Any]:
        """The same for Ansible, with what the plan wants to know of a gateway."""
        return {
            "ansible_host": "127.0.0.1",
            "ansible_port": self.router.port,
            "ansible_user": USER,
            "ansible_ssh_private_key_file": str(self.router.user_key),
            "ipv4aas_role": "gateway",
            "ipv4aas_platform": self.platform,
            "ipv4aas_dialect": "cli",
            "ipv4aas_options": OPTIONS[self.platform],
            "deploy_known_hosts": str(self.router.known_hosts),
            "drift_known_hosts": str(self.router.known_hosts),
        }


class Fleet:
    """Routers that live as long as the ``with`` block. ``second`` is how long a second of theirs lasts."""

    def __init__(
        self, folder: Path, devices: int, second: float = 0.1, platforms: tuple[str, ...] = PLATFORMS
    ) -> None:
        self._ground = Ground(folder)
        self.devices: dict[str, Device] = {}
        for number in range(1, devices + 1):
            name, platform = f"r{number:04}", platforms[(number - 1) % len(platforms)]
            kind = IosXrRouter if platform == "asr9000" else JunosRouter
            router = kind(folder / name, FOREIGN[platform], second, self._ground)
            self.devices[name] = Device(name, platform, router)

    def __enter__(self) -> Fleet:
        # A socket that listens for each router, and one for each session.
        hard = resource.getrlimit(resource.RLIMIT_NOFILE)[1]
        resource.setrlimit(resource.RLIMIT_NOFILE, (hard, hard))
        self._ground.start()
        self._ground.run(self._listen())
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        for device in self:
            device.router.stop()
        self._ground.stop()

    def __iter__(self) -> Iterator[Device]:
        return iter(self.devices.values())

    def __getitem__(self, name: str) -> Device:
        return self.devices[name]

    async def _listen(self) -> None:
        await asyncio.gather(*(device.router.listen() for device in self))


def megabytes() -> float:
    """The memory that this process has held at most."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024


def main() -> int:
    parser = argparse.ArgumentParser(description="Serves many emulated routers.")
    parser.add_argument("folder", type=Path)
    parser.add_argument("--devices", type=int, default=1000)
    parser.add_argument("--second", type=float, default=0.1, help="how long a second of the routers lasts")
    parser.add_argument("--dump", type=Path, help="folder for what each router runs at the end")
    order = parser.parse_args()
    began = time.monotonic()
    with Fleet(order.folder, order.devices, order.second) as fleet:
        hosts = {device.name: device.variables() for device in fleet}
        (order.folder / "hosts.yml").write_text(yaml.safe_dump({"all": {"hosts": hosts}}), "utf-8")
        told = {"devices": order.devices, "seconds": round(time.monotonic() - began, 2)}
        print(json.dumps({**told, "megabytes": round(megabytes(), 1)}), flush=True)
        sys.stdin.read()
        if order.dump:
            order.dump.mkdir(parents=True, exist_ok=True)
            for device in fleet:
                (order.dump / device.name).write_text(device.router.text(), "utf-8")
    return 0


if __name__ == "__main__":
    sys.exit(main())
