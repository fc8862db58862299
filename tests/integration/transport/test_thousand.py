# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A thousand emulated routers at once: read, deployed to over SSH, and read again."""

from __future__ import annotations

from collections import Counter
from concurrent.futures import ThreadPoolExecutor
from pathlib import Path

from ansible_collections.ipv4aas.fleet.engine.platforms.registry import driver
from emulated_fleet import OPTIONS, Device, Fleet
from faults import roll_out
from nodes import node

DEVICES, SESSIONS = 1000, 24
PLANS = {platform: node(platform, "cli") for platform in OPTIONS}


def lines(text: str) -> Counter[str]:
    return Counter(line for line in text.splitlines() if line.strip() not in ("", "!"))


def test_a_thousand_devices_are_read_and_deployed(tmp_path: Path) -> None:
    with Fleet(tmp_path, DEVICES) as fleet:
        before = {device.platform: lines(device.router.text()) for device in fleet}

        def bring(device: Device) -> tuple[bool, str]:
            outcome = roll_out(PLANS[device.platform], device.target(), confirm_within=600)
            return outcome.changed, outcome.before

        with ThreadPoolExecutor(SESSIONS) as pool:
            done = list(pool.map(bring, fleet))
            assert done == [(True, "")] * DEVICES
            again = list(pool.map(bring, list(fleet)[::20]))
        assert [changed for changed, _before in again] == [False] * (DEVICES // 20)
        assert not any(device.router.waiting for device in fleet)
        # Each has its own, and of an operator's lines none is lost and none is new.
        kinds = {(device.platform, device.router.text()) for device in fleet}
        assert len(kinds) == len(PLANS)
        for platform, text in kinds:
            plan, platform_driver = PLANS[platform], driver(platform)
            owned = platform_driver.owned(text, "cli")
            assert platform_driver.parse(owned, "cli", plan.services) == plan.services
            assert lines(text) - lines(owned) == before[platform]
