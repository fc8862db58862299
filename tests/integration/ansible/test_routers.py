# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks against routers: two vendors' command lines in one run, over SSH."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "emulator"))

from emulated_ios_xr import IosXrRouter
from emulated_junos import JunosRouter

SECRET = "never-to-be-seen"
SERVICES = {
    "hall7": {
        "technique": "map-e",
        "customers": {"ipv6": "2001:db8:6000::/56", "prefix_length": 64},
        "ipv4_pools": ["192.0.2.92/30"],
        "sharing": {"customers_per_address": 64, "reserved_ports": 4096},
        "gateway": {"address": "2001:db8:0:2900::1", "anycast": True},
        "backbone_mtu": 1500,
    }
}
FOREIGN = {
    "asr9k": "hostname asr9k\ninterface TenGigE0/0/0/0\n description core\n!\n",
    "mx": "set system host-name mx\nset interfaces xe-0/0/0 unit 0 family inet address 203.0.113.1/31\n",
}


@pytest.fixture
def routers(tmp_path):
    """An ASR 9000 and an MX; a second of theirs lasts 0.1 s."""
    made = {
        "asr9k": IosXrRouter(tmp_path / "asr9k", FOREIGN["asr9k"]),
        "mx": JunosRouter(tmp_path / "mx", FOREIGN["mx"]),
    }
    for router in made.values():
        router.start()
    yield made
    for router in made.values():
        router.stop()


@pytest.fixture
def run(routers, play, tmp_path):
    """run(playbook, words) against both routers."""
    options = {
        "asr9k": {"inline_interfaces": ["TenGigE0/0/0/0"]},
        "mx": {"service_interface": "si-0/0/0"},
    }
    platforms = {"asr9k": "asr9000", "mx": "juniper_mx"}
    known_hosts = tmp_path / "known_hosts"
    known_hosts.write_text("".join(router.known_hosts.read_text() for router in routers.values()))
    hosts = {
        name: {
            "ansible_host": "127.0.0.1",
            "ansible_port": router.port,
            "ansible_user": "netops",
            "ansible_password": SECRET,
            "ansible_ssh_private_key_file": str(router.user_key),
            "ipv4aas_role": "gateway",
            "ipv4aas_platform": platforms[name],
            "ipv4aas_dialect": "cli",
            "ipv4aas_options": options[name],
        }
        for name, router in routers.items()
    }
    common = {
        "ipv4aas_services": SERVICES,
        "ipv4aas_carries": ["hall7"],
        "deploy_known_hosts": str(known_hosts),
        "drift_known_hosts": str(known_hosts),
    }
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"vars": common, "hosts": hosts}}))
    return lambda name, *words: play(name, *words, inventory=inventory)


def test_both_are_deployed_checked_and_rolled_back(routers, run, tmp_path):
    before = {name: router.text() for name, router in routers.items()}

    shown = run("deploy", "--check", "--diff")
    assert shown.code == 0, shown.out
    assert "+ service cgv6 ipv4aas" in shown.out or "+service cgv6 ipv4aas" in shown.out
    assert {name: router.text() for name, router in routers.items()} == before

    done = run("deploy")
    assert done.code == 0, done.out
    assert "sharing-ratio 64" in routers["asr9k"].text()
    assert "ea-bits-len 8" in routers["mx"].text()
    assert not any(router.waiting for router in routers.values())
    again = run("deploy", "-vvv")
    assert SECRET not in again.out + again.errors
    assert not any(SECRET in path.read_text() for path in tmp_path.glob("build/**/*.json"))
    assert (again.code, again.count("changed")) == (0, 0), again.out
    assert run("drift").code == 0

    first = min(path.name for path in (tmp_path / "build/journal").iterdir())
    back = run("rollback", "-e", f"ipv4aas_run={first}")
    assert back.code == 0, back.out
    assert {name: router.text() for name, router in routers.items()} == before
    drifted = run("drift")
    assert drifted.code != 0
    assert "2: asr9k, mx  hall7    missing" in drifted.out


def test_a_stranger_in_place_of_a_router_stops_the_run(routers, run, tmp_path):
    """The host key is not the known one: nothing is typed, and the second router is not touched."""
    run("plan")
    (tmp_path / "known_hosts").write_text("")
    stopped = run("deploy")
    assert stopped.code != 0
    assert "host key" in stopped.out
    assert [router.journal for router in routers.values()] == [[], []]
    records = [json.loads(path.read_text()) for path in tmp_path.glob("build/journal/*/*.json")]
    assert [(record["host"], record["left"]) for record in records] == [("asr9k", "unchanged")]
