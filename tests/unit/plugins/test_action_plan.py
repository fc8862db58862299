# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The actions plan and render: artefacts, idempotence, check mode, all errors at once."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
from ansible.errors import AnsibleActionFail, AnsibleUndefinedVariable
from ansible_collections.ipv4aas.fleet.plugins.action import render
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import plan_file, side_by_side
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.action import Failed


@pytest.fixture
def planned(run_action, hostvars):
    """The result of a plan of the small fleet."""
    return run_action("plan", {}, {"hostvars": hostvars})


def test_plan_is_written_once(run_action, hostvars, planned):
    assert planned["changed"]
    document = json.loads(Path("build/plan.json").read_text())
    assert sorted(document["nodes"]) == ["br1", "br2", "ce42", "fx5k"]
    assert planned["services"]["hall7"]["ports_per_customer"] == 960
    assert "secret" not in Path("build/plan.json").read_text()

    again = run_action("plan", {}, {"hostvars": hostvars})
    assert not again["changed"]
    assert again["diff"] == []


def test_nodes_say_who_is_deployed_and_why_not(planned):
    assert planned["nodes"]["br1"] == {"platform": "linux", "deploy": True, "reason": ""}
    assert planned["nodes"]["br2"]["deploy"]
    assert not planned["nodes"]["fx5k"]["deploy"]
    assert planned["nodes"]["fx5k"]["reason"].startswith("br2 takes its place: ")


def test_check_mode_writes_nothing_and_shows_the_change(run_action, hostvars):
    result = run_action("plan", {}, {"hostvars": hostvars}, check_mode=True)
    assert result["changed"]
    assert result["diff"][0]["before"] == ""
    assert '"hall7"' in result["diff"][0]["after"]
    assert not Path("build").exists()


def test_every_fault_is_told_and_nothing_is_written(run_action, hostvars):
    hostvars["ce42"]["ipv4aas_customer_prefix"] = "2001:db8::/64"
    hostvars["br1"]["ipv4aas_platform"] = "toaster"
    result = run_action("plan", {}, {"hostvars": hostvars})
    assert result["failed"]
    lines = result["msg"].splitlines()
    assert any("ce42" in line and "2001:db8::/64" in line for line in lines)
    assert any("br1" in line and "toaster" in line for line in lines)
    assert not Path("build").exists()


def test_variables_without_a_value_are_told_with_their_place(run_action, hostvars):
    class Broken(dict):
        def __getitem__(self, key):
            if key == "ipv4aas_lan":
                raise AnsibleUndefinedVariable("'lan42' is undefined")
            return super().__getitem__(key)

    hostvars["ce42"] = Broken(hostvars["ce42"])
    result = run_action("plan", {}, {"hostvars": hostvars})
    assert result["failed"]
    assert result["msg"].startswith("hosts.ce42.ipv4aas_lan: has no value: 'lan42' is undefined; ")


def test_lint_errors_stop_the_plan(run_action, hostvars):
    hostvars["ce42"]["ipv4aas_interface_identifier"] = "draft-03"
    refused = run_action("plan", {}, {"hostvars": hostvars})
    assert refused["failed"]
    assert "MAP007" in refused["msg"]


def test_every_technique_is_compared_on_request(run_action, hostvars, planned):
    assert "comparison" not in planned
    result = run_action("plan", {"compare": True}, {"hostvars": hostvars})
    [hall7] = result["comparison"]
    assert (hall7["service"], hall7["technique"]) == ("hall7", "map-e")
    columns = {column["technique"]: column for column in hall7["columns"]}
    assert columns["map-e"]["needs"] == []
    assert columns["map-t"]["needs"] == ["needs gateway.translation_prefix"]
    assert columns["map-e"]["cells"]["ports per customer"] == "960"
    assert (
        result["comparison_text"].startswith("Service hall7\n") and "**MAP-E**" in result["comparison_text"]
    )


def test_unknown_option_is_refused(run_action, hostvars):
    with pytest.raises(AnsibleActionFail, match="destination"):
        run_action("plan", {"destination": "x"}, {"hostvars": hostvars})


@pytest.fixture(params=["here", "in processes"])
def two_ways(request, monkeypatch):
    """A fleet is small enough for one process, or it is not."""
    if request.param == "in processes":
        monkeypatch.setattr(side_by_side, "LEAST", 1)
        for module in (side_by_side, render):
            monkeypatch.setattr(module, "cores", lambda: 2)


@pytest.mark.usefixtures("planned", "two_ways")
class TestRender:
    """After a plan."""

    def test_a_configuration_per_node(self, run_action):
        result = run_action("render")
        assert result["changed"]
        assert sorted(result["configurations"]) == ["br1", "br2", "ce42"]
        for paths in result["configurations"].values():
            assert all(Path(path).read_text() for path in paths)
        assert result["refused"]["fx5k"]["seat_taken_by"] == "br2"
        assert "FX5000" in result["refused"]["fx5k"]["reason"]
        assert not run_action("render")["changed"]

    def test_check_mode_writes_nothing(self, run_action):
        assert run_action("render", check_mode=True)["changed"]
        assert not Path("build/nodes").exists()

    def test_check_mode_renders_a_plan_that_was_not_written(self, run_action, hostvars):
        run_action("render")
        hostvars["br1"]["ipv4aas_services"]["hall7"]["backbone_mtu"] = 1460
        variables = {"hostvars": hostvars}
        assert run_action("plan", {}, variables, check_mode=True)["changed"]
        result = run_action("render", {"compile": True}, variables, check_mode=True)
        assert '"ipv6_mtu": 1460' in result["diff"][0]["after"]
        assert not run_action("render")["changed"]

    def test_techniques_that_cannot_be_together_on_a_node_are_named(self, run_action, hostvars):
        hostvars["br1"]["ipv4aas_services"]["hall8"] = {
            "technique": "map-t",
            "customers": {"ipv6": "2001:3e8:7000::/56", "prefix_length": 64},
            "ipv4_pools": ["130.129.254.92/30"],
            "sharing": {"customers_per_address": 64, "reserved_ports": 4096},
            "gateway": {"translation_prefix": "2001:3e8:64::/64", "anycast": True},
        }
        hostvars["br1"] |= {"ipv4aas_platform": "asr9000", "ipv4aas_carries": ["hall7", "hall8"]}
        hostvars["br1"] |= {"ipv4aas_options": {"inline_interfaces": ["TenGigE0/0/0/0"]}}
        run_action("plan", {}, {"hostvars": hostvars})
        wrong = "hosts.br1: carries map-e, map-t; services of one technique on one node"
        assert run_action("render")["msg"] == wrong

    def test_who_cannot_be_rendered_has_its_seat_taken(self, run_action, hostvars):
        hostvars["fx5k"] |= {"ipv4aas_platform": "yamaha_rtx", "ipv4aas_role": "edge"}
        hostvars["fx5k"] |= {"ipv4aas_options": {"tunnel": 1}, "ipv4aas_fallback_when": "always"}
        hostvars["fx5k"] |= {"ipv4aas_customer_prefix": "2001:3e8:6000:43::/64"}
        run_action("plan", {}, {"hostvars": hostvars})
        result = run_action("render")
        assert result["refused"]["fx5k"]["seat_taken_by"] == "br2"
        assert "it takes them from the server of a provider" in result["refused"]["fx5k"]["reason"]
        assert sorted(result["configurations"]) == ["br1", "br2", "ce42"]

        hostvars["fx5k"] |= {"ipv4aas_fallback_when": "unsupported"}
        run_action("plan", {}, {"hostvars": hostvars})
        assert "it takes them from the server of a provider" in run_action("render")["msg"]

    def test_configurations_of_nodes_that_are_gone_are_removed(self, run_action, hostvars):
        run_action("render")
        del hostvars["ce42"]
        run_action("plan", {}, {"hostvars": hostvars})
        result = run_action("render")
        assert result["changed"]
        assert not Path("build/nodes/ce42").exists()
        assert Path("build/nodes/br1").is_dir()

    def test_a_template_that_says_something_else_is_refused(self, run_action, hostvars):
        text = (Path(__file__).parents[3] / "templates/linux/all.j2").read_text()
        assert text.strip() == "{{ document }}"
        Path("own.j2").write_text("{{ document | replace('1420', '1400') }}")
        options = {"template": "own.j2", "allow_unverified": True}
        for host in ("br1", "ce42"):
            hostvars[host]["ipv4aas_options"] = options
        assert not run_action("plan", {}, {"hostvars": hostvars}).get("failed")
        result = run_action("render")
        assert result["failed"]
        assert [line.partition(":")[0] for line in result["msg"].splitlines() if "mss_clamp" in line] == [
            "br1",
            "ce42",
        ]
        assert not Path("build/nodes").exists()


@pytest.mark.parametrize("content", [None, "{", '{"nodes": {"br1": {}}}'])
def test_render_without_a_plan_says_what_to_do(run_action, content):
    if content is not None:
        Path("build").mkdir()
        Path("build/plan.json").write_text(content)
    result = run_action("render")
    assert result["failed"]
    assert "build/plan.json" in result["msg"]


def test_a_node_is_read_without_the_others(hostvars, planned):
    """Whatever its name: of a service, in a text, or of nobody."""
    assert [node.name for node in plan_file.nodes("build/plan.json", ["br1", "ce42"])] == ["br1", "ce42"]
    assert plan_file.nodes("build/plan.json", ["hall7", "services", 'x"y']) == []
    text = Path("build/plan.json").read_text()
    compact = json.dumps(json.loads(text))
    Path("build/plan.json").write_text(compact)
    assert [node.name for node in plan_file.nodes("build/plan.json", ["ce42"])] == ["ce42"]
    Path("build/plan.json").write_text(text[: text.index('"ce42"') + 30])
    with pytest.raises(Failed, match=r"build/plan\.json: not a plan"):
        plan_file.nodes("build/plan.json", ["ce42"])
