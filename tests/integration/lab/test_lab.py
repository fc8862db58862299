# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The laboratory: anycast follows the device of the engine, and nothing is left behind."""

from __future__ import annotations

import os
import subprocess
import time
from pathlib import Path

import pytest
from lab import Lab, LabError
from topology import topology

pytestmark = pytest.mark.root

DEVICE = (
    "ip tuntap add ipv4aas0 mode tun && ip link set ipv4aas0 up"
    " && ip route add 130.129.255.92/30 dev ipv4aas0 && ip route add 2001:3e8:0:2900::1/128 dev ipv4aas0"
)


def _path(lab: Lab) -> tuple[str, str]:
    """Devices by which core and inet send to the service; empty where there is no route."""
    found = []
    for host, prefix in (("core", "2001:3e8:0:2900::/64"), ("inet", "130.129.255.92/30")):
        family = "-6" if ":" in prefix else "-4"
        words = lab.on(host, "ip", family, "route", "show", prefix).split()
        found.append(words[words.index("dev") + 1] if "dev" in words else "")
    return found[0], found[1]


def _moves(lab: Lab, wanted: tuple[str, str]) -> None:
    deadline = time.monotonic() + 60  # bgpd holds its first update to a new peer back
    while (path := _path(lab)) != wanted:
        assert time.monotonic() < deadline, f"still {path}, not {wanted}"
        time.sleep(0.02)


def test_anycast_follows_the_device(lab: Lab) -> None:
    assert _path(lab) == ("", "")
    lab.on("br2", "sh", "-c", DEVICE)
    _moves(lab, ("br2", "br2"))
    lab.on("br1", "sh", "-c", DEVICE)
    _moves(lab, ("br1", "br1"))
    lab.on("br1", "ip", "link", "del", "ipv4aas0")
    _moves(lab, ("br2", "br2"))
    lab.on("br2", "ip", "link", "del", "ipv4aas0")
    _moves(lab, ("", ""))


def test_hosts_do_not_share_state(lab: Lab) -> None:
    lab.on("br1", "touch", "/var/lib/ipv4aas/mine")
    assert "mine" in lab.on("br1", "ls", "/var/lib/ipv4aas")
    assert "mine" not in lab.on("br2", "ls", "/var/lib/ipv4aas")


def test_backbone_carries_no_ipv4(lab: Lab) -> None:
    with pytest.raises(LabError):
        lab.on("core", "ping", "-c1", "-W1", "198.51.100.80")
    assert "192.168" not in lab.on("core", "ip", "-4", "route")


def test_down_removes_what_a_crash_left(tmp_path: Path) -> None:
    """Namespaces and a process in one of them, but no file that names them."""
    prefix = f"x{os.getpid()}-"
    crashed = Lab(topology(), prefix=prefix, folder=tmp_path / "files")
    subprocess.run(["ip", "netns", "add", f"{prefix}br1"], check=True)
    left = subprocess.Popen(["ip", "netns", "exec", f"{prefix}br1", "sleep", "1000"])
    while not crashed._pids([f"{prefix}br1"]):
        time.sleep(0.01)
    crashed.down()
    assert left.wait(timeout=60)
    listed = subprocess.run(["ip", "netns", "list"], text=True, capture_output=True, check=True).stdout
    assert prefix not in listed
