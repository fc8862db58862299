# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One real software node, from installation to roll-back, over Ansible's own connection."""

from __future__ import annotations

import json

import pytest
from node_host import NODE, Host

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
    assert host.run("test", "-e", NODE[0], check=False).returncode == 1
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
