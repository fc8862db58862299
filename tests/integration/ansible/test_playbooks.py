# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The playbooks plan, deploy, drift and rollback as an engineer runs them; no device is there."""

from __future__ import annotations

import json
import re
import shutil
from pathlib import Path

import pytest

ROOT = Path(__file__).resolve().parents[3]
ACTIONS = sorted(path.stem for path in (ROOT / "plugins" / "modules").glob("*.py"))


def test_plan_writes_the_artefacts_and_a_second_run_changes_nothing(play, tmp_path):
    first = play("plan")
    assert first.code == 0, first.out
    assert first.count("changed") == 2
    build = tmp_path / "build"
    plan = json.loads((build / "plan.json").read_text())
    assert plan["services"]["hall7"]["ports_per_customer"] == 960
    assert plan["nodes"]["fx5k"]["seat_taken_by"] == "br2"
    written = {path.relative_to(build / "nodes").as_posix() for path in build.glob("nodes/*/*")}
    assert {"asr9k/asr9000.cli.conf", "asr9k/asr9000.netconf.xml", "openwrt10/openwrt.uci.conf"} <= written
    assert {"br1/linux.json", "ce42/linux.json", "mx/juniper_mx.cli.conf"} <= written
    assert not any(name.startswith(("fx5k/", "seil")) for name in written)

    second = play("plan")
    assert second.code == 0
    assert second.count("changed") == 0


def test_plan_in_check_mode_writes_nothing_and_shows_everything(play, tmp_path):
    run = play("plan", "--check", "--diff")
    assert run.code == 0, run.out
    assert '+    "hall7": {' in run.out
    assert "+++ after: build/nodes/br1/linux.json" in run.out
    assert not (tmp_path / "build").exists()
    assert run.count("changed") == play("plan").count("changed") == 2


def test_plan_looks_at_the_whole_inventory_whatever_the_limit(play, tmp_path):
    assert play("plan", "--limit", "ce42").code == 0
    assert "asr9k" in json.loads((tmp_path / "build/plan.json").read_text())["nodes"]


def test_the_inventory_of_the_readme_plans_without_a_word(play, tmp_path):
    inventory = tmp_path / "hosts.yml"
    (text,) = re.findall(r"```yaml\n(.*?)```", (ROOT / "README.md").read_text(), re.DOTALL)
    inventory.write_text(text)
    run = play("plan", inventory=inventory)
    assert run.code == 0, run.out
    assert "WARNING" not in run.out + run.errors
    assert sorted(path.name for path in tmp_path.glob("build/nodes/*")) == ["br1", "ce1"]


def test_a_wrong_inventory_stops_with_all_its_errors(play, tmp_path):
    inventory = tmp_path / "inventory"
    shutil.copytree(ROOT / "inventories" / "shownet2013", inventory)
    services = inventory / "group_vars" / "all.yml"
    services.write_text(
        services.read_text()
        .replace("customers_per_address: 64", "customers_per_address: 60")
        .replace("2001:3e8:0:2900::1", "2001:3e8:0:2900::g")
    )
    run = play("plan", inventory=inventory)
    assert run.code != 0
    told = [line for line in run.out.splitlines() if "ipv4aas_services.hall7." in line]
    assert any("sharing.customers_per_address: 60" in line for line in told)
    assert any("gateway.address: 2001:3e8:0:2900::g" in line for line in told)
    assert not (tmp_path / "build").exists()


def test_a_variable_without_a_value_is_told_with_its_place(play, tmp_path):
    inventory = tmp_path / "inventory"
    shutil.copytree(ROOT / "inventories" / "shownet2013", inventory)
    hosts = inventory / "hosts.yml"
    hosts.write_text(hosts.read_text().replace("[192.168.42.0/24]", '"{{ lan_of_42 }}"'))
    run = play("plan", inventory=inventory)
    assert run.code != 0
    assert "hosts.seil42.ipv4aas_lan: has no value: 'lan_of_42' is undefined" in run.out


def test_deploy_stops_at_the_canary(play, tmp_path):
    """Nothing is listening at the hosts' addresses, so the first host fails and no other is tried."""
    run = play("deploy", "-e", '{"ansible_connection": "local", "ansible_become": false}')
    assert run.code != 0
    records = [json.loads(path.read_text()) for path in (tmp_path / "build/journal").glob("*/*.json")]
    assert [(record["verdict"], record["left"]) for record in records] == [("failed", "unchanged")]
    assert run.count("failed") == 1


def test_deploy_takes_the_group_of_canaries_first(play, tmp_path):
    assert play("deploy", "-e", '{"ansible_connection": "local", "ipv4aas_canary": "ceff"}').code != 0
    assert [path.stem for path in (tmp_path / "build/journal").glob("*/*.json")] == ["ceff"]


def test_drift_reports_the_fleet_even_where_no_device_answers(play, tmp_path):
    assert play("plan").code == 0
    run = play("drift", "-e", "ansible_connection=local")
    assert run.code != 0
    report = json.loads((tmp_path / "build/drift.json").read_text())
    plan = json.loads((tmp_path / "build/plan.json").read_text())
    unread = {host for item in report["unread"] for host in item["hosts"]}
    # The resolvers' file is looked for on this machine, and is not there: read, and not as planned.
    deployed = {name: node["platform"] for name, node in plan["nodes"].items() if node["deploy"]}
    nodes = {name for name, platform in deployed.items() if platform == "linux"}
    assert unread == nodes > {"br1", "br2", "ce42", "cec0", "ceff", "srx"}
    assert {"asr9k", "mx", "www"} <= {host for item in report["skipped"] for host in item["hosts"]}
    assert f"0 of {len(deployed)} devices run what is planned" in run.out


def test_another_strategy_of_the_operator_does_not_count(play, tmp_path):
    (tmp_path / "ansible.cfg").write_text("[defaults]\nstrategy = free\n")
    for name in ("plan", "platforms"):
        assert play(name).code == 0
    assert "bypasses the host loop" not in play("drift", "--limit", "www").out


def test_verify_fails_where_nobody_can_be_asked(play, tmp_path):
    """It would pass, as nothing fails."""
    groups = {"ipv4aas_vantages": {"hosts": {"host42": {"ipv4aas_vantage_of": "ce42"}, "lost": {}}}}

    def told(*words):
        inventory = tmp_path / "more.json"
        inventory.write_text(json.dumps({"all": {"children": groups}}))
        run = play("verify", *words, inventory=inventory)
        assert run.code == 2
        return run.out

    assert "ipv4aas_vantages, ipv4aas_references: this run needs a host of both groups" in told()
    groups["ipv4aas_references"] = {"hosts": {"www": {}}}
    assert "needs a host of both groups" in told("--limit", "www")
    assert "build/plan.json: no plan there; run ipv4aas.fleet.plan first" in told()
    assert play("plan").code == 0
    assert "ipv4aas_vantage_of of lost: names no node of build/plan.json" in told()


def test_roll_back_asks_for_the_run(play):
    assert play("plan").code == 0
    run = play("rollback")
    assert run.code != 0
    assert "-e ipv4aas_run=NAME" in run.out


@pytest.mark.parametrize("action", ACTIONS)
def test_the_documentation_of_every_action_can_be_read(ansible, action):
    run = ansible("ansible-doc", "-t", "module", f"ipv4aas.fleet.{action}")
    assert run.code == 0, run.errors
    assert f"> MODULE ipv4aas.fleet.{action}" in run.out
    assert "EXAMPLES:" in run.out and "RETURN VALUES:" in run.out


@pytest.mark.parametrize("role", ["plan", "deploy", "drift", "verify", "software_node"])
def test_the_documentation_of_every_role_can_be_read(ansible, role):
    run = ansible("ansible-doc", "-t", "role", f"ipv4aas.fleet.{role}")
    assert run.code == 0, run.errors
    assert f"ipv4aas.fleet.{role}" in run.out and "ENTRY POINT: *main*" in run.out
