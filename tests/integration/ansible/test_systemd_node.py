# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The software node as a service: installed, upgraded and taken back by the role, with what its unit grants.

On a host that systemd has booted (node_host.py).
"""

from __future__ import annotations

import json
import re
import shutil
import socket
import sys
import zipfile
from collections.abc import Iterator
from pathlib import Path

import pytest
from node_host import TESTS, Host, SystemdHost

sys.path.insert(0, str(TESTS))
from netns import Net

pytestmark = pytest.mark.root

INVENTORY = """
all:
  vars:
    ansible_connection: local
    ansible_python_interpreter: /usr/bin/python3
    software_node_systemd: true
    software_node_health_within: 15
    ipv4aas_carries: [hall7]
    ipv4aas_services:
      hall7:
        technique: map-e
        customers: {ipv6: 2001:db8:6000::/56, prefix_length: 64}
        ipv4_pools: [192.0.2.92/30]
        sharing: {customers_per_address: 64, reserved_ports: 4096}
        gateway: {address: 2001:db8:0:2900::1}
        backbone_mtu: 1500
  hosts:
    br1: {ipv4aas_role: gateway, ipv4aas_platform: linux}
"""
INSTALL = """
- hosts: all
  gather_facts: false
  roles:
    - role: ipv4aas.fleet.software_node
"""
CUSTOMER, GATEWAY = "2001:db8:6000:0:0:c000:25c:0", "2001:db8:0:2900::1"
SHARED, INTERNET = "192.0.2.92", "198.51.100.2"


class Machine:
    """br1, its neighbours on both sides, and the playbooks that are run on it."""

    def __init__(self, net: Net, folder: Path, ansible) -> None:
        self.folder, self._ansible = folder, ansible
        br, self.core, self.internet = net.hosts("br", "core", "inet")
        net.cable(br, "wan", self.core, "eth0")
        net.cable(br, "inet", self.internet, "eth0")
        br.ip(
            *("addr add 2001:db8:2::2/64 dev wan", "route add ::/0 via 2001:db8:2::1"),
            "addr add 198.51.100.1/24 dev inet",
        )
        self.core.ip(
            *("addr add 2001:db8:2::1/64 dev eth0", f"addr add {CUSTOMER}/128 dev lo"),
            f"route add {GATEWAY}/128 via 2001:db8:2::2",
        )
        self.internet.ip(f"addr add {INTERNET}/24 dev eth0", "route add default via 198.51.100.1")
        self.host = SystemdHost(folder, ("ip", "netns", "exec", br.name))
        (folder / "hosts.yml").write_text(INVENTORY)
        (folder / "install.yml").write_text(INSTALL)

    def play(self, book: str, *words: str, **variables: object):
        """Run a playbook on it."""
        given = [] if not variables else ["-e", json.dumps(variables)]
        return self._ansible(
            *("ansible-playbook", "-i", str(self.folder / "hosts.yml"), book, *words, *given),
            inside=self.host.inside,
        )

    def install(self, *words: str, **variables: object):
        """Run the role."""
        return self.play(str(self.folder / "install.yml"), *words, **variables)

    def release(self) -> str:
        return self.host.run("readlink", "/opt/ipv4aas/current").stdout.strip().rpartition("/")[2]

    def releases(self) -> set[str]:
        return set(self.host.run("ls", "/opt/ipv4aas/releases").stdout.split())

    def process(self) -> dict[str, str]:
        """What the kernel says of the node's process."""
        return self.host.fields(self.host.node("status")["pid"])

    def forwards(self) -> None:
        """One packet from the internet to a customer, and one back."""
        port = 4096
        tunnel = self.core.socket(socket.AF_INET6, socket.SOCK_RAW, socket.IPPROTO_IPIP)
        near = self.internet.socket(socket.AF_INET, socket.SOCK_DGRAM)
        with tunnel, near:
            tunnel.settimeout(20)
            near.settimeout(20)
            tunnel.bind((CUSTOMER, 0))
            near.sendto(b"down", (SHARED, port))
            inner, peer = tunnel.recvfrom(2000)
            assert (peer[0], inner[-4:]) == (GATEWAY, b"down")
            # Back the same way: addresses and ports exchanged, without UDP checksum, which may be undone.
            udp = inner[22:24] + inner[20:22] + inner[24:26] + bytes(2) + inner[28:]
            back = inner[:12] + inner[16:20] + inner[12:16] + udp
            tunnel.sendto(back, (GATEWAY, 0))
            assert near.recvfrom(100) == (b"down", (SHARED, port))

    def wheels(self, name: str, old: str, new: str, where: str = "health.py") -> dict[str, object]:
        """Variables for another release, in which one file of the node is different."""
        folder = self.folder / name
        folder.mkdir()
        for wheel in (self.folder / "build/wheels").glob("*.whl"):
            if not wheel.name.startswith("ipv4aas_engine"):
                shutil.copy(wheel, folder)
                continue
            with zipfile.ZipFile(wheel) as given, zipfile.ZipFile(folder / wheel.name, "w") as made:
                for item in given.infolist():
                    data = given.read(item)
                    if item.filename == f"ipv4aas_engine/{where}":
                        assert data.count(old.encode()) == 1
                        data = data.replace(old.encode(), new.encode())
                    made.writestr(item, data)
        return {"software_node_build": False, "software_node_wheels": str(folder)}

    def end(self) -> None:
        self.host.end()


def scrape(host: Host) -> str:
    script = "import urllib.request as r; print(r.urlopen('http://127.0.0.1:9964/metrics').read().decode())"
    return host.run("/usr/bin/python3", "-c", script).stdout


def capabilities(*numbers: int) -> str:
    return f"{sum(1 << number for number in numbers):016x}"


NET_ADMIN, SYS_ADMIN, PERFMON, BPF = 12, 21, 38, 39


@pytest.fixture
def machine(tmp_path: Path, ansible) -> Iterator[Machine]:
    with Net("systemd") as net:
        made = Machine(net, tmp_path, ansible)
        try:
            yield made
        finally:
            made.end()


def test_installed_upgraded_and_taken_back(machine):
    host = machine.host

    # Check mode does nothing.
    checked = machine.install("--check", software_node_build=True)
    assert checked.code == 0, checked.out
    assert host.run("ls", "/opt/ipv4aas").stdout == ""

    # The first time: a user of its own, and nothing more than the unit grants.
    first = machine.install()
    assert first.code == 0, first.out
    release = machine.release()
    assert re.fullmatch(r"\d+\.\d+\.\d+-[0-9a-f]{12}", release)
    seen = machine.process()
    user = host.run("id", "-u", "ipv4aas").stdout.strip()
    assert set(seen["Uid"].split()) == {user} != {"0"}
    granted = capabilities(NET_ADMIN, PERFMON, BPF)
    assert [seen[name] for name in ("CapEff", "CapPrm", "CapBnd", "CapAmb")] == [granted] * 4
    group = host.run("id", "-g", "ipv4aas").stdout.strip()
    assert (seen["NoNewPrivs"], seen["Seccomp"], seen["Groups"]) == ("1", "2", group)
    assert host.run(
        "stat", "-c", "%U %a", "/var/lib/ipv4aas", "/run/ipv4aas", "/sys/fs/bpf/ipv4aas"
    ).stdout == ("ipv4aas 700\nipv4aas 750\nipv4aas 700\n")

    # It works: TUN device, routes, sysctls, eBPF programs that outlive it, packets.
    deployed = machine.play("ipv4aas.fleet.deploy")
    assert deployed.code == 0, deployed.out
    machine.forwards()
    said = host.node("status")
    assert (said["tier"], said["fast_path"]["survives_restart"]) == ("tc", True), said["fast_path"]
    assert host.run("cat", "/proc/sys/net/ipv6/conf/all/forwarding").stdout == "1\n"

    # The second time changes nothing, and check mode says so.
    pid = host.node("status")["pid"]
    again = machine.install()
    assert (again.code, again.count("changed")) == (0, 0), again.out
    assert machine.install("--check").count("changed") == 0
    assert host.node("status")["pid"] == pid

    # A release that does not start, and one that is not well: the old one is back, with its configuration.
    for name, old, new, where, said in (
        ("dies", "        self._started = ", "        raise DaemonError('no')  #", "node/daemon.py", "no"),
        (
            "ill",
            '    if "fault" in status:',
            "    yield 'not well'\n    if False:",
            "node/health.py",
            "not well",
        ),
    ):
        failed = machine.install(**machine.wheels(name, old, new, where))
        assert failed.code != 0
        text = " ".join(failed.out.split())
        assert f"back to release {release}" in text and said in text, failed.out
        assert machine.release() == release
        assert host.node("health")["healthy"]
        machine.forwards()

    # One that is well: the old one stays beside it, what was tried in between goes.
    better = machine.wheels("better", 'VERSION = "', 'VERSION = "9.', "__init__.py")
    upgraded = machine.install("--diff", **better)
    assert upgraded.code == 0, upgraded.out
    assert host.node("status")["version"].startswith("9.")
    assert machine.releases() == {release, machine.release()}
    machine.forwards()

    # A run that was interrupted after the switch is finished by the next one.
    pid = host.node("status")["pid"]
    host.run("rm", "/opt/ipv4aas/current/healthy")
    finished = machine.install(**better)
    assert (finished.code, host.node("status")["pid"] != pid) == (0, True), finished.out

    # And back again, with the exporter: any user, of the node's group, without capabilities.
    back = machine.install(software_node_exporter=True)
    assert back.code == 0, back.out
    assert machine.release() == release
    seen = host.fields(int(host.show("ipv4aas-exporter", "MainPID")[0]))
    assert group in seen["Groups"].split()
    assert (int(seen["Uid"].split()[0]) >= 61184, seen["CapBnd"]) == (True, capabilities())
    assert "ipv4aas_healthy 1.0" in scrape(host)
    assert machine.install(software_node_exporter=True).count("changed") == 0
