# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The peer of bench/rollout.py: the same work as an engineer would script it with nornir and netmiko.

It gets the configurations ready-made, as files, and does no check beyond that every line is there: connect,
read, enter the lines under a confirmed commit, read back, confirm.
"""

from __future__ import annotations

import argparse
import json
import resource
import sys
from pathlib import Path
from typing import Any

import yaml
from netmiko import BaseConnection, ConnectHandler
from nornir.core import Nornir
from nornir.core.inventory import Defaults, Group, Groups, Host, Hosts, Inventory
from nornir.core.plugins.connections import ConnectionPluginRegister
from nornir.core.task import Result, Task
from nornir.plugins.runners import ThreadedRunner

KINDS = {"asr9000": "cisco_xr", "juniper_mx": "juniper_junos"}
READ = {"asr9000": "show running-config", "juniper_mx": "show configuration | display set | no-more"}


def connected(host: Host) -> BaseConnection:
    """A netmiko session."""
    return ConnectHandler(
        device_type=KINDS[host["ipv4aas_platform"]],
        host=host.hostname,
        port=host.port,
        username=host.username,
        use_keys=True,
        key_file=host["ansible_ssh_private_key_file"],
        ssh_strict=True,
        alt_host_keys=True,
        alt_key_file=host["known_hosts"],
    )


def missing(running: str, wanted: list[str]) -> list[str]:
    """Lines that the device does not show."""
    shown = {line.strip() for line in running.splitlines()}
    return [line for line in wanted if line.strip() not in shown and line.strip() != "!"]


def roll_out(task: Task, folder: str) -> Result:
    """Read, change under a confirmed commit, read back, confirm; nothing where every line is there."""
    host = task.host
    platform = host["ipv4aas_platform"]
    wanted = (Path(folder) / host.name).read_text("utf-8").splitlines()
    with connected(host) as session:
        if not missing(session.send_command(READ[platform], read_timeout=60), wanted):
            return Result(host, changed=False)
        if platform == "asr9000":
            _change_xr(session, wanted)
        else:
            _change_junos(session, wanted)
        left = missing(session.send_command(READ[platform], read_timeout=60), wanted)
    return Result(host, changed=True, failed=bool(left), result=left)


def _change_xr(session: BaseConnection, wanted: list[str]) -> None:
    session.config_mode("configure exclusive")
    lines = [line.strip() for line in wanted if line.strip() != "!"]
    session.send_config_set([*lines, "root"], enter_config_mode=False, exit_config_mode=False)
    session.send_command("show commit changes diff", expect_string=r"\)#", read_timeout=60)
    session.send_command("commit confirmed 120", expect_string=r"\)#", read_timeout=60)
    session.send_command("do show running-config", expect_string=r"\)#", read_timeout=60)
    session.send_command("commit", expect_string=r"\)#", read_timeout=60)
    session.send_command("end", expect_string=r"#", read_timeout=60)


def _change_junos(session: BaseConnection, wanted: list[str]) -> None:
    session.config_mode("configure exclusive")
    session.send_config_set(wanted, enter_config_mode=False, exit_config_mode=False)
    session.send_command("show | compare", expect_string=r"#", read_timeout=60)
    session.send_command("commit check", expect_string=r"#", read_timeout=60)
    session.send_command("commit confirmed 2", expect_string=r"#", read_timeout=60)
    session.send_command(f"run {READ['juniper_mx']}", expect_string=r"#", read_timeout=60)
    session.send_command("commit", expect_string=r"#", read_timeout=60)
    session.send_command("exit configuration-mode", expect_string=r">", read_timeout=60)


def check(task: Task, folder: str) -> Result:
    """Whether every line is there."""
    host = task.host
    wanted = (Path(folder) / host.name).read_text("utf-8").splitlines()
    with connected(host) as session:
        left = missing(session.send_command(READ[host["ipv4aas_platform"]], read_timeout=60), wanted)
    return Result(host, changed=False, failed=bool(left), result=left)


def nornir(hosts: dict[str, dict[str, Any]], workers: int) -> Nornir:
    """The inventory of fleet.py for nornir."""
    made = Hosts(
        {
            name: Host(
                name,
                hostname=values["ansible_host"],
                port=values["ansible_port"],
                username=values["ansible_user"],
                data=values | {"known_hosts": values["deploy_known_hosts"]},
                defaults=Defaults(),
            )
            for name, values in hosts.items()
        }
    )
    ConnectionPluginRegister.auto_register()
    groups: dict[str, Group] = {}
    return Nornir(Inventory(made, Groups(groups), Defaults()), runner=ThreadedRunner(workers))


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else "")
    parser.add_argument("what", choices=["rollout", "drift"])
    parser.add_argument("hosts", type=Path, help="hosts.yml of tests/emulator/emulated_fleet.py")
    parser.add_argument("configurations", type=Path, help="a file for each host")
    parser.add_argument("--workers", type=int, default=20)
    order = parser.parse_args()
    hosts = yaml.safe_load(order.hosts.read_text())["all"]["hosts"]
    task = roll_out if order.what == "rollout" else check
    found = nornir(hosts, order.workers).run(task=task, folder=str(order.configurations))
    told = {
        "hosts": len(found),
        "failed": sorted(found.failed_hosts),
        "why": [str(found[name][0].exception or found[name][0].result) for name in found.failed_hosts][:3],
        "changed": sum(1 for result in found.values() if result[0].changed),
        "megabytes": resource.getrusage(resource.RUSAGE_SELF).ru_maxrss / 1024,
    }
    print(json.dumps(told))
    return 1 if told["failed"] else 0


if __name__ == "__main__":
    sys.exit(main())
