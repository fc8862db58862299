# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions deploy and drift_info over Ansible's connection, with a software node that has no network."""

from __future__ import annotations

import json
import shlex
from pathlib import Path

import pytest

EMPTY = {"node": "", "services": [], "device": "ipv4aas0"}


class SoftwareNode:
    """The command line of docs/architecture.md, on a configuration in memory."""

    def __init__(self):
        self.confirmed = EMPTY
        self.trial = self.candidate = None
        self.commands = []
        self.dies_at = None

    def __call__(self, command: str, stdin: bytes) -> tuple[int, str, str]:
        words = shlex.split(command)
        if words[0] == "test":
            return 0, "", ""
        verb = words[1]
        self.commands.append(verb)
        if verb == self.dies_at:
            raise ConnectionError("the host is gone")
        return 0, json.dumps(getattr(self, verb)(stdin)), ""

    def status(self, stdin):
        return {}

    begin = status

    def read(self, stdin):
        return self.trial or self.confirmed

    def propose(self, stdin):
        self.candidate = json.loads(stdin)
        return {"diff": "- before\n+ after\n"}

    def apply(self, stdin):
        self.trial, self.candidate = self.candidate, None
        return {}

    def confirm(self, stdin):
        self.confirmed, self.trial = self.trial, None
        return {}

    def revert(self, stdin):
        self.trial = self.candidate = None
        return {}

    def hand_change(self, **values):
        """What somebody did to the first service."""
        self.confirmed["services"][0].update(values)


@pytest.fixture
def node() -> SoftwareNode:
    return SoftwareNode()


@pytest.fixture
def on_host(run_action, hostvars, node):
    """on_host(action, args, check_mode=False): runs it on br1, after a plan."""
    assert not run_action("plan", {}, {"hostvars": hostvars}).get("failed")

    def run(name, args=None, host="br1", **more):
        return run_action(name, args, {"inventory_hostname": host}, answer=node, **more)

    return run


def journal(result) -> dict:
    return json.loads(Path(result["journal"]).read_text())


def test_first_deploy_changes_and_the_second_does_not(on_host, node):
    first = on_host("deploy", {"run": "r1"})
    assert first["changed"]
    assert first["left"] == "changed and confirmed"
    assert "+" in first["diff"]["prepared"]
    assert node.confirmed["services"][0]["name"] == "hall7"

    node.commands.clear()
    second = on_host("deploy", {"run": "r2"})
    assert second["changed"] is False
    assert "apply" not in node.commands
    assert journal(second)["verdict"] == "unchanged"


def test_check_mode_shows_the_change_and_leaves_everything(on_host, node):
    result = on_host("deploy", check_mode=True)
    assert result["changed"]
    assert '"hall7"' in result["diff"]["prepared"]
    assert "apply" not in node.commands
    assert node.confirmed == EMPTY
    assert not Path("build/journal").exists()


def test_the_journal_tells_who_when_before_and_after(on_host):
    record = journal(on_host("deploy", {"run": "r1"}))
    assert record["run"] == "r1"
    assert record["host"] == "br1"
    assert record["who"]
    assert record["started"] <= record["finished"]
    assert record["verdict"] == "changed"
    assert record["before"] == ""
    assert "hall7" in record["after"]
    assert "secret" not in json.dumps(record)


@pytest.mark.parametrize("step", ["status", "begin", "read", "propose", "apply", "confirm"])
def test_a_host_that_dies_fails_the_task_and_says_how_it_was_left(on_host, node, step):
    node.dies_at = step
    result = on_host("deploy", {"run": "r1"})
    assert result["failed"]
    assert "the host is gone" in result["msg"]
    assert result["left"] in result["msg"]
    record = journal(result)
    assert (record["verdict"], record["left"]) == ("failed", result["left"])
    if step not in ("apply", "confirm"):
        assert result["left"] == "unchanged"


def test_a_failing_post_check_takes_the_change_back(on_host, node):
    script = Path("check")
    script.write_text('#!/bin/sh\necho "no answer behind $IPV4AAS_HOST" >&2\nexit 3\n')
    script.chmod(0o755)
    result = on_host("deploy", {"post_check": ["./check"]})
    assert result["failed"]
    assert "./check ended with 3: no answer behind br1" in result["msg"]
    assert node.read(b"") == EMPTY
    assert "confirm" not in node.commands

    script.write_text("#!/bin/sh\nexit 0\n")
    assert on_host("deploy", {"post_check": ["./check"]})["changed"]
    assert "confirm" in node.commands


@pytest.mark.parametrize(
    ("host", "reason"),
    [("fx5k", "br2 takes its place"), ("webserver", "the plan does not have it")],
)
@pytest.mark.parametrize("action", ["deploy", "drift_info"])
def test_hosts_without_a_configuration_are_skipped_with_the_reason(on_host, node, action, host, reason):
    result = on_host(action, host=host)
    assert result["skipped"]
    assert result["skipped_reason"].startswith(reason)
    assert node.commands == []


def test_roll_back_to_before_a_run(on_host, node, run_action, hostvars):
    on_host("deploy", {"run": "r1"})
    good = node.confirmed
    hostvars["br1"]["ipv4aas_services"]["hall7"]["backbone_mtu"] = 1540
    run_action("plan", {}, {"hostvars": hostvars})
    on_host("deploy", {"run": "r2"})
    assert node.confirmed != good

    back = on_host("deploy", {"run": "r3", "to": "r2"})
    assert back["changed"]
    assert node.confirmed == good
    assert journal(back)["verdict"] == "changed"

    on_host("deploy", {"run": "r4", "to": "r1"})
    assert node.confirmed["services"] == []
    assert on_host("deploy", {"to": "r9"})["skipped_reason"] == "run r9 did not change it"


@pytest.mark.parametrize("damage", ["{", '{"run": 1}', None])
def test_a_damaged_record_is_told_and_nothing_is_touched(on_host, node, damage):
    path = Path(on_host("deploy", {"run": "r1"})["journal"])
    broken = json.dumps(json.loads(path.read_text()) | {"before": "no JSON"})
    path.write_text(damage or broken)
    node.commands.clear()
    result = on_host("deploy", {"to": "r1"})
    assert result["failed"]
    assert "r1" in result["msg"]
    assert node.commands == []


def test_drift_names_the_parameter_the_customers_and_a_packet(on_host, node):
    on_host("deploy")
    assert on_host("drift_info")["drift"] is False

    node.hand_change(rules=[{**node.confirmed["services"][0]["rules"][0], "psid_offset": 6}])
    result = on_host("drift_info")
    assert not result.get("failed")
    assert result["drift"]
    assert result["changed"] is False
    (service,) = result["services"]
    assert [item["path"] for item in service["differences"]] == ["rules[0].psid_offset"]
    assert service["customers"] == 256
    assert service["packet"]["packet"]
    assert "psid_offset is 6, planned 4" in result["text"]
    assert '"psid_offset": 4' in result["diff"]["prepared"]

    assert on_host("drift_info", {"fail_on_drift": True})["failed"]
    assert on_host("deploy")["changed"]
    assert on_host("drift_info")["drift"] is False


def test_a_device_without_intent_has_to_be_empty(on_host, node, run_action, hostvars):
    on_host("deploy")
    plan = Path("build/plan.json")
    document = json.loads(plan.read_text())
    del document["nodes"]["br1"]
    plan.write_text(json.dumps(document))

    # What it is, the journal knows; or the inventory, where no run of this controller was at it.
    result = on_host("drift_info")
    assert (result["drift"], result["services"][0]["kind"]) == (True, "no intent")
    assert result["text"] == "hall7: on a device that the plan does not have"
    assert on_host("drift_info", {"dest": "elsewhere"})["skipped"]
    known = {"inventory_hostname": "br1", "ipv4aas_platform": "linux"}
    args = {"dest": "elsewhere", "fail_on_drift": True}
    assert run_action("drift_info", args, known, answer=node)["failed"]
    node.confirmed = EMPTY
    assert not run_action("drift_info", args, known, answer=node)["drift"]
    node.dies_at = "read"
    assert "drift" not in run_action("drift_info", args, known, answer=node)


def test_drift_cannot_be_told_of_a_host_that_does_not_answer(on_host, node):
    node.dies_at = "read"
    result = on_host("drift_info")
    assert result["failed"]
    assert "drift" not in result


class TestTarget:
    """Where a vendor's device is, from Ansible's variables."""

    def target(self, port=830, **variables):
        from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.device import target

        def variable(*names):
            return next((variables[name] for name in names if name in variables), None)

        return target(variable, {"timeout": 5, "known_hosts": None}, port)

    def test_all_variables(self):
        found = self.target(
            inventory_hostname="asr9k",
            ansible_host="192.0.2.1",
            ansible_port="2830",
            ansible_user="admin",
            ansible_password="geheim",
            ansible_ssh_private_key_file="/keys/a",
            ansible_host_key_checking=False,
        )
        assert (found.host, found.port, found.username) == ("192.0.2.1", 2830, "admin")
        assert (found.password, found.key_file) == ("geheim", "/keys/a")
        assert found.verify_host_key is False
        assert "geheim" not in repr(found)

    def test_defaults(self):
        found = self.target(inventory_hostname="asr9k", ansible_user="admin")
        assert (found.host, found.port) == ("asr9k", 830)
        assert found.password is None
        assert found.verify_host_key is True

    @pytest.mark.parametrize(("word", "on"), [("false", False), ("no", False), ("True", True), ("yes", True)])
    def test_switches_that_are_words(self, word, on):
        """As -e NAME=VALUE and inventories of INI give them."""
        found = self.target(
            inventory_hostname="edge1",
            ansible_user="admin",
            ansible_host_key_checking=word,
            ansible_become=word,
            ansible_become_method="ansible.netcommon.enable",
            ansible_become_password="geheim",
        )
        assert found.verify_host_key is on
        assert found.enable_password == ("geheim" if on else None)

    def test_a_switch_that_is_no_such_word(self):
        from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import Failed

        with pytest.raises(Failed, match="ansible_become: perhaps is neither yes nor no"):
            self.target(inventory_hostname="edge1", ansible_user="admin", ansible_become="perhaps")

    def test_over_https(self):
        from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import Failed
        from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.device import DEFAULT_PORTS

        known = {"inventory_hostname": "thunder", "ansible_user": "admin"}
        plain = self.target(**known, port=DEFAULT_PORTS["https"])
        assert (plain.port, plain.verify_certificate, plain.ca_file) == (443, True, None)
        told = self.target(
            **known,
            ansible_httpapi_pass="geheim",
            ansible_httpapi_validate_certs="no",
            ansible_httpapi_ca_path="/etc/ca.pem",
        )
        assert (told.password, told.verify_certificate, told.ca_file) == ("geheim", False, "/etc/ca.pem")
        with pytest.raises(Failed, match="ansible_httpapi_use_ssl"):
            self.target(**known, ansible_httpapi_use_ssl=False, port=443)

    def test_without_a_user(self):
        from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import Failed

        with pytest.raises(Failed, match="ansible_user"):
            self.target(inventory_hostname="asr9k")
