# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One real software node, from installation to roll-back, over Ansible's own connection."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest

PRIVATE = ("/opt/ipv4aas", "/run/ipv4aas", "/var/lib/ipv4aas")
NODE = ("/opt/ipv4aas/current/bin/ipv4aas-node",)
INVENTORY = """
all:
  vars:
    ansible_connection: local
    ansible_python_interpreter: /usr/bin/python3
    software_node_systemd: false
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


class Host:
    """A network and a mount namespace in which br1's playbooks run, with private folders of the node."""

    def __init__(self, folder: Path) -> None:
        self._folder = folder
        mounts = [f"mkdir -p {path} && mount -t tmpfs tmpfs {path}" for path in PRIVATE]
        script = " && ".join([*mounts, "ip link set lo up", "echo ready", "exec sleep infinity"])
        self._holder = subprocess.Popen(
            ["unshare", "-m", "-n", "sh", "-c", script], stdout=subprocess.PIPE, text=True
        )
        assert self._holder.stdout is not None
        assert self._holder.stdout.readline() == "ready\n"

    @property
    def inside(self) -> tuple[str, ...]:
        """What comes before a command that is to run there."""
        return ("nsenter", "-t", str(self._holder.pid), "-m", "-n", f"--wdns={self._folder}", "--")

    def node(self, *words: str, feed: str | None = None) -> dict:
        """A command of the software node, its answer."""
        done = subprocess.run(
            [*self.inside, *NODE, *words], input=feed, capture_output=True, text=True, check=True
        )
        return json.loads(done.stdout)

    def end(self) -> None:
        """Stops the node and removes the namespaces."""
        subprocess.run([*self.inside, *NODE, "stop"], capture_output=True, check=False)
        self._holder.kill()
        self._holder.wait()
        self._holder.stdout.close()


@pytest.fixture
def host(tmp_path):
    made = Host(tmp_path)
    yield made
    made.end()


@pytest.mark.root
def test_from_installation_to_roll_back(host, play, ansible, tmp_path):
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(INVENTORY)
    install = tmp_path / "install.yml"
    install.write_text(INSTALL)

    def run(name: str, *words: str):
        return play(name, *words, inventory=inventory, inside=host.inside)

    def installed(*words: str):
        words = ("ansible-playbook", "-i", str(inventory), str(install), *words)
        return ansible(*words, inside=host.inside)

    # Installed and started; check mode does nothing; the second time changes nothing.
    assert installed("--check").code == 0
    assert subprocess.run([*host.inside, "test", "-e", NODE[0]], check=False).returncode == 1
    first = installed()
    assert first.code == 0, first.out
    assert first.count("changed") > 0
    assert host.node("status")["pid"] > 0
    second = installed()
    assert (second.code, second.count("changed")) == (0, 0), second.out

    # Check mode shows, deploy does, deploy again does nothing.
    shown = run("deploy", "--check", "--diff")
    assert shown.code == 0, shown.out
    assert '+      "name": "hall7",' in shown.out
    assert host.node("read")["services"] == []
    done = run("deploy")
    assert done.code == 0, done.out
    assert host.node("read")["services"][0]["name"] == "hall7"
    again = run("deploy")
    assert (again.code, again.count("changed")) == (0, 0), again.out
    assert run("drift").code == 0

    # Somebody changes the PSID offset by hand.
    wrong = host.node("read")
    wrong["services"][0]["rules"][0]["psid_offset"] = 6
    host.node("propose", feed=json.dumps(wrong))
    host.node("apply")
    drifted = run("drift")
    assert drifted.code != 0
    assert "rules[0].psid_offset  6      4" in drifted.out
    assert json.loads((tmp_path / "build/drift.json").read_text())["causes"][0]["hosts"] == ["br1"]
    assert run("deploy").count("changed") == 1
    assert run("drift").code == 0

    # Each run left a record; the one that changed something can be taken back.
    records = [json.loads(path.read_text()) for path in sorted(tmp_path.glob("build/journal/*/br1.json"))]
    assert [record["verdict"] for record in records] == ["changed", "unchanged", "changed"]
    back = run("rollback", "-e", f"ipv4aas_run={records[2]['run']}")
    assert back.code == 0, back.out
    assert host.node("read")["services"][0]["rules"][0]["psid_offset"] == 6
