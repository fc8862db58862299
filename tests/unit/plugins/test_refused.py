# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""What devices show, and inventories of real platforms, that cannot be used: the messages of the tasks."""

from __future__ import annotations

import contextlib

import pytest
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms import registry
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import ParseError
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils import host_drift
from fleet_samples import GOLDEN
from refused_cases import AREAS, REFUSED, expect_message, rows

SECRET = "Ep1c-F4ilure"


def parameters(area):
    return [pytest.param(name, case, id=name) for name, case in rows(area)]


def read(features):
    """Whether a driver reads configurations of the platform."""
    return any(row.state == "yes" for row in features.techniques)


class Shows:
    """A session with a device that shows a text."""

    def __init__(self, text):
        self.text = text

    def read(self):
        return self.text


@pytest.mark.parametrize(("name", "case"), parameters("device"))
def test_device(name, case, run_action, monkeypatch):
    # Of the platform's golden files or, where it has none, beside the cases.
    folders = GOLDEN / "platforms" / case["platform"], REFUSED / "device"
    good = next(path for folder in folders if (path := folder / case["file"]).is_file()).read_text("utf-8")
    assert case["part"] in good
    platform, dialect = case["platform"], case["dialect"]
    services = driver(platform).parse(good, dialect, ())
    node = NodePlan(name="br1", role=services[0].role, platform=platform, dialect=dialect, services=services)
    text = good.replace(case["part"], case["shown"], 1)
    if host_drift.device.FEATURES[platform].by_person(dialect):
        with pytest.raises(ParseError) as caught:
            driver(platform).parse(text, dialect, services)
        expect_message("device", name, caught.value)
        return
    monkeypatch.setattr(host_drift.plan_file, "node_to_configure", lambda plan, host: node)
    monkeypatch.setattr(host_drift.plan_file, "nodes", lambda plan, hosts: [node])
    monkeypatch.setattr(host_drift, "render", lambda node, templates, dialect: good)
    monkeypatch.setattr(host_drift.device, "session", lambda *_: contextlib.nullcontext(Shows(text)))
    result = run_action("drift_info")
    assert result.get("failed"), result["text"]
    expect_message("device", name, result["msg"])


@pytest.mark.parametrize(("name", "case"), parameters("host"))
def test_host(name, case, run_action, monkeypatch):
    def answer(command, stdin):
        if "lost" in case:
            raise ConnectionError(case["lost"])
        return case["code"], "", case["said"]

    node = NodePlan(name="br1", role="gateway", platform="linux", dialect="json", services=())
    monkeypatch.setattr(host_drift.plan_file, "node_to_configure", lambda plan, host: node)
    monkeypatch.setattr(host_drift.plan_file, "nodes", lambda plan, hosts: [node])
    result = run_action("drift_info", answer=answer)
    assert result.get("failed")
    expect_message("host", name, result["msg"])


@pytest.mark.parametrize(
    ("area", "name", "case"),
    [pytest.param(area, *row, id=row[0]) for area in ("capability", "inventory") for row in rows(area)],
)
def test_inventory(area, name, case, run_action, monkeypatch):
    service, gateway = case.get("name", "hall7"), case["host"]["ipv4aas_role"] == "gateway"
    hosts = {"br1": case["host"] | {"ipv4aas_carries": [service]}} | case.get("others", {})
    if not gateway:  # a service has a gateway
        hosts["gate"] = {
            "ipv4aas_platform": "linux",
            "ipv4aas_role": "gateway",
            "ipv4aas_carries": [service],
        }
    # What else could do it is told of a few, so that a new platform changes no message.
    known = {*(host["ipv4aas_platform"] for host in hosts.values()), "linux", "asr9000", "openwrt", "bind"}
    features = {name: box for name, box in registry.all_features().items() if name in known}
    monkeypatch.setattr(registry, "all_features", lambda: features)
    shared = {"ipv4aas_services": {service: case["service"]}, "ansible_password": SECRET}
    result = run_action("plan", {}, {"hostvars": {name: shared | host for name, host in hosts.items()}})
    if not result.get("failed"):
        result = run_action("render")
    assert result.get("failed"), result
    expect_message(area, name, result["msg"])
    assert SECRET not in str(result)


def test_cases_and_messages_belong_together():
    names = {area: {name for name, _case in rows(area)} for area in AREAS}
    assert names == {area: {path.stem for path in (REFUSED / area).glob("*.txt")} for area in AREAS}
    assert len(names["device"]) >= 20 and len(names["capability"]) >= 15
    assert len(names["connection"]) >= 12 and len(names["inventory"]) >= 10


def test_no_message_shows_a_secret():
    secrets = {SECRET, "Gehe1m", *(secret for _name, case in rows("connection") for secret in _secrets(case))}
    assert len(secrets) >= 4
    for path in REFUSED.glob("*/*.txt"):
        assert not [secret for secret in secrets if secret in path.read_text("utf-8")], path


def _secrets(case):
    variables = case.get("variables", {})
    return [value for name, value in variables.items() if "password" in name and value]


@pytest.mark.parametrize("platform", [name for name, box in host_drift.device.FEATURES.items() if read(box)])
def test_each_platform_that_is_read_has_two_damaged_configurations(platform):
    assert len([name for name, case in rows("device") if case["platform"] == platform]) >= 2
