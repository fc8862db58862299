# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions of the collection on a resolver: deploy, its check mode, drift_info, and back again."""

from __future__ import annotations

import json
import subprocess
import sys
from dataclasses import replace
from ipaddress import IPv6Network
from pathlib import Path

import helper_samples as samples
import pytest
from ansible_collections.ipv4aas.fleet.engine.codec import encode
from ansible_collections.ipv4aas.fleet.engine.plan.model import FleetPlan
from conftest import COLLECTIONS, Helper

pytestmark = [pytest.mark.root, pytest.mark.servers]

FIRST = samples.resolver_service()
SECOND = replace(FIRST, translation_prefix=IPv6Network("2001:db8:65::/96"))


@pytest.fixture(scope="module")
def resolver(helper) -> Helper:
    box = helper("resolver")
    box.role(service_host_platform="unbound")
    return box


@pytest.fixture
def act(resolver, tmp_path):
    """act(service, action, *words, **options) runs an action for a plan with the service; its result."""

    def run(service, action: str, *words: str, **options) -> dict:
        node = replace(samples.node("unbound", service), name="helper")
        plan = json.dumps(encode(FleetPlan(services={}, nodes={"helper": node})))
        task = {f"ipv4aas.fleet.{action}": {"plan": f"{folder}/plan.json"} | options, "register": "done"}
        show = {"ansible.builtin.copy": {"content": "{{ done | to_json }}", "dest": f"{folder}/done.json"}}
        play = [{"hosts": "all", "gather_facts": False, "tasks": [task, show | {"check_mode": False}]}]
        for name, content in (("plan.json", plan), ("play.yml", json.dumps(play))):
            resolver.run(["sh", "-c", f"cat > {folder}/{name}"], content)
        done = subprocess.run(
            resolver.enter(
                "env",
                f"ANSIBLE_COLLECTIONS_PATH={COLLECTIONS}",
                f"HOME={folder}",
                str(Path(sys.executable).with_name("ansible-playbook")),
                *("-i", "helper,", "-c", "local", "-e", f"ansible_python_interpreter={sys.executable}"),
                *words,
                f"{folder}/play.yml",
            ),
            text=True,
            capture_output=True,
            check=False,
            timeout=180,
        )
        assert done.returncode == 0, done.stdout + done.stderr
        return json.loads(resolver.read(f"{folder}/done.json"))

    # In the host's own memory: what is seen outside is another folder.
    folder = "/var/tmp/act"
    resolver.on("mkdir", "-p", folder)
    return run


def test_deploy_and_drift(act, resolver):
    dest = {"dest": "/var/tmp/act/build", "run": "first"}
    first = act(FIRST, "deploy", **dest)
    assert first["changed"] and first["left"] == "changed and confirmed"
    assert not act(FIRST, "deploy", **dest | {"run": "again"})["changed"]
    assert act(FIRST, "drift_info")["drift"] is False
    drift = act(SECOND, "drift_info")
    assert (
        drift["drift"] and "translation_prefix is 2001:db8:64::/96, planned 2001:db8:65::/96" in drift["text"]
    )
    assert "ipv6_mtu" in drift["not_checked"]
    would = act(SECOND, "deploy", "--check", "--diff", **dest | {"run": "check"})
    assert would["changed"] and "+     dns64-prefix: 2001:db8:65::/96" in would["diff"]["prepared"]
    assert "2001:db8:64::/96" in resolver.read("/etc/unbound/unbound.conf.d/ipv4aas.conf")
    assert act(SECOND, "deploy", **dest | {"run": "second"})["changed"]
    back = act(SECOND, "deploy", **dest | {"run": "back", "to": "second"})
    assert back["changed"]
    assert act(FIRST, "drift_info")["drift"] is False
