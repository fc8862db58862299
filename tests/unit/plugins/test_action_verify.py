# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The action verify: the probe travels, runs and answers; nothing of it stays."""

from __future__ import annotations

import json
import subprocess
from pathlib import Path

import pytest
import yaml
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features
from ansible_collections.ipv4aas.fleet.engine.techniques.service import RESOLVER
from ansible_collections.ipv4aas.fleet.engine.verify.probes.cli import CHECKS
from ansible_collections.ipv4aas.fleet.plugins.modules.verify import DOCUMENTATION

TOKEN = "not to be seen"


def here(command: str, stdin: bytes) -> tuple[int, str, str]:
    """Runs the command on this machine."""
    done = subprocess.run(command, shell=True, input=stdin, capture_output=True, check=False, timeout=60)
    return done.returncode, done.stdout.decode(), done.stderr.decode()


@pytest.fixture
def ask(run_action, hostvars):
    """ask(check, answer=here, **args) on a host behind ce42."""
    assert not run_action("plan", {}, {"hostvars": hostvars}).get("failed")

    def run(check, answer=here, **args):
        args = {"check": check, "references": ["127.0.0.1"], "token": TOKEN, **args}
        return run_action("verify", args, {"ipv4aas_vantage_of": "ce42"}, answer=answer)

    return run


def test_the_probe_runs_on_the_host_and_leaves_nothing(ask, tmp_path, monkeypatch):
    spare = tmp_path / "spare"
    spare.mkdir()
    monkeypatch.setenv("TMPDIR", str(spare))
    result = ask("reach")  # nobody answers on the loopback address
    assert result["failed"]
    assert result["verdict"] == "fail"
    assert result["check"] == "reach"
    assert result["msg"] == f"reach: {result['cause']}"
    assert list(spare.iterdir()) == []
    assert TOKEN not in json.dumps(result)


def test_a_verdict_is_handed_on(ask):
    verdict = {"check": "mtu", "verdict": "pass", "cause": "", "details": {"out": 1460}}
    seen = {}

    def answer(command, stdin):
        size = int(command.split()[-2])
        seen.update(json.loads(stdin[size:]), command=command)
        return 0, json.dumps(verdict), ""

    assert ask("mtu", answer, peer="ce42", more={"seconds": 3}) == {"changed": False, **verdict}
    assert seen["service"]["end_user_prefix"] == "2001:3e8:6000:42::/64"
    assert seen["peer"] == seen["service"]
    assert seen["references"] == ["127.0.0.1"]
    assert seen["more"] == {"seconds": 3}
    assert TOKEN not in seen["command"]


@pytest.mark.parametrize(("code", "words"), [(127, "sh: python3: not found"), (1, "SyntaxError: invalid")])
def test_a_probe_that_cannot_run_is_told_with_its_own_words(ask, code, words):
    result = ask("mtu", lambda command, stdin: (code, "", words))
    assert result["failed"]
    assert result["msg"] == f"mtu: the probe could not be run: {words}"


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"edge": "ce99"}, "ce99: the plan has no such node"),
        ({"service": "hall8"}, "ce42: does not carry the service hall8"),
    ],
)
def test_what_the_plan_does_not_have(ask, args, message):
    assert ask("mtu", None, **args)["msg"] == message


@pytest.fixture
def ask_resolver(run_action):
    """ask_resolver(answer=None, **args): the check dns64 on a host of a NAT64 that has two resolvers."""
    service = {
        "technique": "nat64",
        "customers": {"ipv6": "2001:db8:6300::/56", "prefix_length": 64},
        "ipv4_pools": ["198.51.100.0/28"],
        "sharing": {"customers_per_address": 16},
        "gateway": {"address": "2001:db8::64", "translation_prefix": "2001:db8:64::/96"},
        "dns64": {"exclude": ["2001:db8:64::/96"]},
    }
    common = {"ipv4aas_services": {"hall7": service}, "ipv4aas_carries": ["hall7"]}
    hosts = {
        "gw": {**common, "ipv4aas_role": "gateway", "ipv4aas_platform": "linux"},
        "dns1": {**common, "ipv4aas_role": "resolver", "ipv4aas_platform": "unbound"},
        "dns2": {**common, "ipv4aas_role": "resolver", "ipv4aas_platform": "bind"},
    }
    planned = run_action("plan", {}, {"hostvars": hosts})
    assert not planned.get("failed"), planned

    def run(answer=None, **args):
        args = {"check": "dns64", "references": [], "token": TOKEN, "edge": "gw", **args}
        return run_action("verify", args, answer=answer)

    return run


@pytest.mark.parametrize(("name", "platform"), [("dns1", "unbound"), ("dns2", "bind")])
def test_a_resolver_is_asked_with_what_the_plan_and_its_platform_say(ask_resolver, name, platform):
    seen = {}

    def answer(command, stdin):
        seen.update(json.loads(stdin[int(command.split()[-2]) :]))
        return 0, json.dumps({"check": "dns64", "verdict": "pass", "cause": "", "details": {}}), ""

    more = {"address": "2001:db8::53", "names": ["www.example"]}
    assert ask_resolver(answer, resolver=name, more=more)["verdict"] == "pass"
    known = all_features()[platform].feature("nat64", RESOLVER).deviations
    assert known
    assert (seen["resolver"]["name"], seen["resolver"]["deviations"]) == (name, list(known))
    [service] = seen["resolver"]["services"]
    assert service["translation_prefix"] == "2001:db8:64::/96"
    assert service["dns64"]["exclude"] == ["2001:db8:64::/96"]
    assert service["dns64"]["clients"] == ["2001:db8:6300::/56"]
    assert seen["more"] == more


def test_the_check_of_a_resolver_has_all_that_it_needs_with_it(ask_resolver):
    result = ask_resolver(here, resolver="dns1", more={"address": "::1"})
    assert (result["verdict"], result["cause"]) == ("n/a", "dns1 synthesises for others, not for ::1")


@pytest.mark.parametrize(
    ("args", "message"),
    [
        ({"resolver": "dns1"}, "resolver, more.address: missing"),
        ({"more": {"address": "2001:db8::53"}}, "resolver, more.address: missing"),
        ({"resolver": "gw", "more": {"address": "::1"}}, "resolver: gw is of the role gateway"),
        ({"resolver": "dns9", "more": {"address": "::1"}}, "dns9: the plan has no such node"),
    ],
)
def test_a_resolver_has_to_be_one(ask_resolver, args, message):
    assert ask_resolver(**args)["msg"].startswith(message)


def test_an_edge_has_to_be_named(run_action):
    result = run_action("verify", {"check": "mtu", "references": ["192.0.2.1"], "token": TOKEN})
    assert result["msg"].startswith("edge: missing")


def test_the_documentation_offers_every_check():
    assert sorted(yaml.safe_load(DOCUMENTATION)["options"]["check"]["choices"]) == sorted(CHECKS)


def test_every_action_is_documented_and_in_the_group():
    root = Path(__file__).parents[3]
    actions = {path.stem for path in (root / "plugins/action").glob("*.py")}
    assert actions == {path.stem for path in (root / "plugins/modules").glob("*.py")}
    groups = yaml.safe_load((root / "meta/runtime.yml").read_text())["action_groups"]
    assert {name.removeprefix("ipv4aas.fleet.") for name in groups["fleet"]} == actions
