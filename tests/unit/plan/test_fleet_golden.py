# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Inventories in, plans and messages out. UPDATE_GOLDEN=1 writes what comes out: read it then."""

from __future__ import annotations

import json
from dataclasses import MISSING, fields

import pytest
from ansible_collections.ipv4aas.fleet.engine.codec import decode, encode
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.plan.model import FleetPlan
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from fleet_samples import FEATURES, GOLDEN, expect, hostvars

DEFAULTS = {field.name: encode(field.default) for field in fields(Service) if field.default is not MISSING}


def cases(kind):
    folders = sorted(folder for folder in (GOLDEN / kind).iterdir() if folder.is_dir())
    assert folders
    return [pytest.param(folder, id=folder.name) for folder in folders]


def told(plan):
    """The plan as JSON, without the fields of services that are as they always are."""
    document = encode(plan)
    for node in document["nodes"].values():
        node["services"] = [
            {key: value for key, value in service.items() if key not in DEFAULTS or value != DEFAULTS[key]}
            for service in node["services"]
        ]
    return json.dumps(document, indent=1) + "\n"


@pytest.mark.parametrize("folder", cases("good"))
def test_good_inventory(folder):
    plan = build_plan(hostvars((folder / "inventory.yml").read_text()), FEATURES)
    expect(folder / "plan.json", told(plan))
    assert decode(FleetPlan, json.loads((folder / "plan.json").read_text())) == plan


@pytest.mark.parametrize("folder", cases("bad"))
def test_bad_inventory(folder):
    with pytest.raises(Refused) as refused:
        build_plan(hostvars((folder / "inventory.yml").read_text()), FEATURES)
    expect(folder / "message.txt", f"{refused.value}\n")


def test_every_fault_is_another():
    messages = [(folder.values[0] / "message.txt").read_text() for folder in cases("bad")]
    assert len(messages) >= 30
    assert len(set(messages)) == len(messages)
