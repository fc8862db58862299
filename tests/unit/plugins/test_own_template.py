# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""docs/own-template.md: its example is planned, rendered as shown, not read back and not deployed."""

from __future__ import annotations

import re
from pathlib import Path

import pytest
import yaml
from ansible_collections.ipv4aas.fleet.engine.plan.build import build_plan
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features
from ansible_collections.ipv4aas.fleet.engine.problem import Refused
from ansible_collections.ipv4aas.fleet.plugins.action.render import _contents
from ansible_collections.ipv4aas.fleet.plugins.plugin_utils.plan_file import why_not

PAGE = (Path(__file__).resolve().parents[3] / "docs" / "own-template.md").read_text("utf-8")
TEMPLATE = re.search(r"^`templates/fx5000.j2`:\n\n```jinja\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1]
SHOWN = re.search(r"^```text\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1]
HOST = yaml.safe_load(re.search(r"^```yaml\n(.*?)^```", PAGE, re.MULTILINE | re.DOTALL)[1])
SERVICES = {
    "hall7": {
        "technique": "map-e",
        "customers": {"ipv6": "2001:3e8:6000::/56", "prefix_length": 64},
        "ipv4_pools": ["130.129.255.92/30"],
        "sharing": {"customers_per_address": 64, "reserved_ports": 4096},
        "gateway": {"address": "2001:3e8:0:2900::1"},
    }
}


def planned(**options):
    host = HOST | {"ipv4aas_options": HOST["ipv4aas_options"] | options, "ipv4aas_services": SERVICES}
    return build_plan({"fx5k": host}, all_features()).nodes["fx5k"]


def test_the_page_shows_what_is_written(tmp_path, monkeypatch):
    monkeypatch.chdir(tmp_path)
    template = tmp_path / HOST["ipv4aas_options"]["template"]
    template.parent.mkdir()
    template.write_text(TEMPLATE, "utf-8")
    assert _contents([planned()]) == ({"fx5k/fx5000.cli": SHOWN}, {})


def test_it_is_not_deployed():
    node = planned()
    assert node.refused is None and not node.deploy
    assert why_not(node) == "by hand: its command line is not public"


def test_it_needs_consent():
    with pytest.raises(Refused, match=r"hosts.fx5k.ipv4aas_options.allow_unverified: a template of your own"):
        planned(allow_unverified=False)


def test_on_a_known_platform_it_has_to_say_the_same(tmp_path):
    """There the driver reads it back."""
    known = HOST | {"ipv4aas_platform": "asr9000", "ipv4aas_services": SERVICES}
    template = tmp_path / "xr.j2"
    options = {"inline_interfaces": ["TenGigE0/0/0/0"], "template": str(template), "allow_unverified": True}
    node = build_plan({"fx5k": known | {"ipv4aas_options": options}}, all_features()).nodes["fx5k"]
    template.write_text("hostname fx5k\n", "utf-8")
    with pytest.raises(Refused, match="configuration means something else: hall7"):
        _contents([node])
