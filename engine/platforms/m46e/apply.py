#!/usr/bin/env python3
# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Runs one m46eapp for each plane of a file; a program for the host, it needs Python only.

    apply.py FILE          start, change and end planes until they are those of the file
    apply.py --check FILE  say what would be done
    apply.py --alive FILE  fail where a plane of the file does not answer
    apply.py --stop FILE   end all

A plane whose table of SA46T-PR alone has changed goes on: its entries are added and deleted by m46ectl. What
each plane was started with is kept in /run.
"""

from __future__ import annotations

import re
import shutil
import subprocess
import sys
import time
from ipaddress import IPv6Address, IPv6Network
from pathlib import Path

RUN = Path("/run/ipv4aas/m46e")
SERVICE = "# service "
SYSTEMD = Path("/run/systemd/system")
# Behind the section's name there are its two lines, in any order.
ENTRY = re.compile(r"\[m46e-pr\]\n((?:[^\[\n]+\n)+)", re.IGNORECASE)
PATIENCE = 100  # tenths of a second that a plane may take to begin and to end


class ApplyError(Exception):
    """A plane does not do what it was told."""


def planes(text: str) -> dict[str, str]:
    """The file of each plane."""
    found: dict[str, str] = {}
    name = ""
    for line in text.splitlines():
        if line.startswith(SERVICE):
            name = line.removeprefix(SERVICE).strip()
            found[name] = ""
        elif name and line.strip() and not line.startswith("#"):
            found[name] += f"{line.strip()}\n"
    return found


def table(plane: str) -> dict[str, str]:
    """The table of SA46T-PR: IPv4 network -> IPv6 prefix."""
    found = {}
    for block in ENTRY.findall(plane):
        values = dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in block.splitlines())
        found[values["ipv4_address"]] = values["m46e_pr_prefix"]
    return found


def rest(plane: str) -> str:
    """All of a plane's file but its table."""
    return ENTRY.sub("", plane)


def ctl(name: str, *words: str) -> bool:
    """Whether m46ectl did something in a plane."""
    return not subprocess.run(["m46ectl", "-n", name, *words], capture_output=True, check=False).returncode


def alive(name: str) -> bool:
    """Whether a plane answers."""
    return ctl(name, "show", "stat")


def wait(name: str, up: bool) -> None:
    """Until a plane answers, or does not any more. Raises ApplyError."""
    for _ in range(PATIENCE):
        if alive(name) == up:
            return
        time.sleep(0.1)
    raise ApplyError(f"plane {name} does not {'begin' if up else 'end'}: see the system's log")


def way_out(plane: str) -> list[str]:
    """The route that leads all of a plane to its way out, as words for ip(8); empty where it is none.

    m46eapp makes the routes of the networks that its devices are in, and no other.
    """
    values = dict(re.split(r"\s*=\s*", line, maxsplit=1) for line in plane.splitlines() if "=" in line)
    if "ipv4_gateway" not in values:
        return []
    prefix = IPv6Network(values["m46e_unicast_prefix"])
    number = IPv6Address(f"::{values.get('plane_id', '0:0')}:0:0")
    whole = IPv6Network((int(prefix.network_address) | int(number), 96))
    return ["-6", "route", "replace", str(whole), "dev", values["tunnel_name"]]


def start(name: str, plane: str) -> None:
    """Starts a plane. Raises ApplyError where it does not begin."""
    path = RUN / f"{name}.conf"
    path.write_text(plane)
    command = ["m46eapp", "-f", str(path)]
    if SYSTEMD.is_dir():
        command = ["systemd-run", "--quiet", "--collect", f"--unit=ipv4aas-m46e-{name}", *command]
    else:
        command = ["setsid", "--fork", *command]
    quiet = subprocess.DEVNULL
    subprocess.run(command, stdin=quiet, stdout=quiet, stderr=quiet, check=False)
    try:
        wait(name, up=True)
        if way_out(plane):
            subprocess.run(["ip", *way_out(plane)], check=True)
    except (ApplyError, subprocess.CalledProcessError):
        path.unlink()
        raise


def stop(name: str) -> None:
    """Ends a plane."""
    if alive(name):
        ctl(name, "shutdown")
        wait(name, up=False)
    (RUN / f"{name}.conf").unlink(missing_ok=True)


def change_table(name: str, before: str, after: str) -> None:
    """Makes the table of a running plane another. Raises ApplyError."""
    old, new = table(before), table(after)
    for network in old:
        if new.get(network) != old[network] and not ctl(name, "del", "pr", network):
            raise ApplyError(f"plane {name} does not delete {network}")
    for network, prefix in new.items():
        if old.get(network) != prefix and not ctl(name, "add", "pr", network, prefix, "enable"):
            raise ApplyError(f"plane {name} does not take {network} {prefix}")
    (RUN / f"{name}.conf").write_text(after)


def steps(wanted: dict[str, str]) -> list[tuple[str, str]]:
    """What is to be done: (end, begin or table, plane)."""
    running = {path.stem: path.read_text() for path in sorted(RUN.glob("*.conf"))}
    dead = {name for name in running if not alive(name)}
    found = []
    for name, plane in running.items():
        if name in dead or rest(wanted.get(name, "")) != rest(plane):
            found.append(("end", name))
        elif wanted[name] != plane:
            found.append(("table", name))
    going_on = running.keys() - {name for step, name in found if step == "end"}
    return [*found, *(("begin", name) for name in wanted if name not in going_on)]


def apply(wanted: dict[str, str]) -> None:
    """Does the steps. Raises ApplyError."""
    RUN.mkdir(parents=True, exist_ok=True)
    for step, name in steps(wanted):
        if step == "end":
            stop(name)
        elif step == "begin":
            start(name, wanted[name])
        else:
            change_table(name, (RUN / f"{name}.conf").read_text(), wanted[name])


def main(arguments: list[str]) -> int:
    """The program."""
    try:
        wanted = planes(Path(arguments[-1]).read_text("utf-8"))
        if arguments[0] == "--check":
            if shutil.which("m46eapp") is None:
                raise ApplyError("there is no m46eapp")
            print("".join(f"{step} {name}\n" for step, name in steps(wanted)), end="")
        elif arguments[0] == "--alive":
            down = [name for name in wanted if not alive(name)]
            if down:
                raise ApplyError(f"no answer from {', '.join(down)}")
        else:
            apply({} if arguments[0] == "--stop" else wanted)
    except (OSError, ApplyError, subprocess.CalledProcessError) as error:
        print(error, file=sys.stderr)
        return 1
    return 0


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
