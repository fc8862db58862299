# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Every technique of MX and SRX over the command line of Junos, one after the other on one router."""

from __future__ import annotations

from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from ansible_collections.ipv4aas.fleet.engine.transport.connect import session_for
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import Outcome, deploy
from ansible_collections.ipv4aas.fleet.engine.transport.target import Target
from emulated_junos import JunosRouter
from platform_cases import CASES


@pytest.mark.parametrize("platform", ["juniper_mx", "juniper_srx"])
def test_each_technique_after_the_other(platform: str, tmp_path: Path) -> None:
    case = CASES[platform]
    foreign = "".join(line for line in case.device("cli").show().splitlines(True) if line.startswith("set"))
    router = JunosRouter(tmp_path / "router", foreign)
    router.start()
    target = Target(
        host="127.0.0.1",
        port=router.port,
        username="netops",
        key_file=str(router.user_key),
        known_hosts=str(router.known_hosts),
        timeout=30,
    )

    def roll_out(*services: Service) -> Outcome:
        wanted = case.rendered("cli", *services) if services else ""
        node = case.node(*services, dialect="cli")
        with session_for(platform, "cli", target) as session:
            return deploy(session, driver(platform), node, wanted, "cli", confirm_within=60)

    before = sorted(router.text().splitlines())
    techniques = {row.technique for row in case.rows("cli")}
    try:
        for services in case.golden.values():
            if services[0].technique not in techniques:
                continue
            assert roll_out(*services).left == "changed and confirmed"
            assert driver(platform).owned(router.text(), "cli") == case.rendered("cli", *services)
            assert not roll_out(*services).changed
        roll_out()
        assert sorted(router.text().splitlines()) == before
    finally:
        router.stop()
