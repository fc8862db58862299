# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks against devices with a REST interface: an A10 as PLAT and an Infoblox grid as DNS64."""

from __future__ import annotations

import json
import sys
from pathlib import Path

import pytest
import yaml

sys.path.insert(0, str(Path(__file__).resolve().parents[2] / "emulator"))

import emulated_acos
import emulated_nios
from emulated_rest import certificate
from platform_cases.infoblox_device import FOREIGN

SERVICES = {
    "hall7": {
        "technique": "464xlat",
        "customers": {"ipv6": "2001:db8:6000::/56", "prefix_length": 64},
        "ipv4_pools": ["192.0.2.64/28"],
        "sharing": {"customers_per_address": 16, "reserved_ports": 4096},
        "gateway": {"translation_prefix": "2001:db8:64::/96"},
        "backbone_mtu": 1500,
    }
}
MODULES = {"plat": emulated_acos, "grid": emulated_nios}


@pytest.fixture
def devices(tmp_path):
    """By host name."""
    _authority, key = certificate(tmp_path)
    made = {"plat": emulated_acos.EmulatedAcos(key), "grid": emulated_nios.EmulatedNios(key)}
    yield made
    for device in made.values():
        device.stop()


@pytest.fixture
def run(devices, play, tmp_path):
    """run(playbook, words) against both."""
    kinds = {
        "plat": {
            "ipv4aas_role": "gateway",
            "ipv4aas_platform": "a10",
            "ipv4aas_options": {"lsn_lid": 8, "partition": "cgn1"},
        },
        "grid": {"ipv4aas_role": "resolver", "ipv4aas_platform": "infoblox"},
    }
    hosts = {
        name: {
            "ansible_host": "127.0.0.1",
            "ansible_port": device.port,
            "ansible_user": MODULES[name].USER,
            "ansible_password": MODULES[name].PASSWORD,
            "ansible_httpapi_ca_path": str(tmp_path / "authority.pem"),
            **kinds[name],
        }
        for name, device in devices.items()
    }
    common = {"ipv4aas_services": SERVICES, "ipv4aas_carries": ["hall7"], "deploy_allow_weaker": True}
    inventory = tmp_path / "hosts.yml"
    inventory.write_text(yaml.safe_dump({"all": {"vars": common, "hosts": hosts}}))
    return lambda name, *words: play(name, *words, inventory=inventory)


def state(devices):
    return json.dumps(
        [devices["plat"].partitions["cgn1"].objects, devices["plat"].startup, devices["grid"].nios.objects],
        sort_keys=True,
    )


def test_both_are_deployed_checked_and_rolled_back(devices, run, tmp_path):
    before = state(devices)
    shown = run("deploy", "--check", "--diff")
    assert shown.code == 0, shown.out
    assert '"dns64group/ipv4aas-hall7": {' in shown.out
    assert state(devices) == before

    done = run("deploy")
    assert done.code == 0, done.out
    assert "cgnv6/nat64/prefix/2001:db8:64::/96" in devices["plat"].startup["cgn1"]
    assert devices["grid"].running == devices["grid"]._snapshot()
    assert (devices["plat"].signatures, devices["grid"].cookies) == ({}, set())
    again = run("deploy", "-vvv")
    said = again.out + again.errors
    assert not any(module.PASSWORD in said for module in MODULES.values())
    assert (again.code, again.count("changed")) == (0, 0), again.out
    assert run("drift").code == 0

    first = min(path.name for path in (tmp_path / "build/journal").iterdir())
    back = run("rollback", "-e", f"ipv4aas_run={first}")
    assert back.code == 0, back.out
    assert set(devices["plat"].startup["cgn1"]) == set(devices["plat"].startup["shared"])
    assert len(devices["grid"].nios.objects) == len(FOREIGN)
    drifted = run("drift").out
    assert "0 of 2 devices run what is planned" in drifted
    assert "2: grid, plat  hall7    missing" in drifted


def test_without_consent_nothing_is_changed(devices, run):
    before = state(devices)
    stopped = run("deploy", "-e", "deploy_allow_weaker=false")
    assert stopped.code != 0
    assert "has no confirmed commit; the weaker mode (allow_weaker)" in stopped.out
    assert state(devices) == before
