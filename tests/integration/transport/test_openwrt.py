# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""OpenWrt over a real sshd: staged UCI, the rollback timer, the rollback at boot, faults."""

from __future__ import annotations

import subprocess
import time
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms import registry
from ansible_collections.ipv4aas.fleet.engine.transport.connect import session_for
from ansible_collections.ipv4aas.fleet.engine.transport.session import TransportError
from ansible_collections.ipv4aas.fleet.engine.transport.target import Target
from emulated_openwrt import OpenWrtRouter, available
from faults import MOMENTS, roll_out, roll_out_and_die
from nodes import MOVED, node, rendered
from platform_cases import CASES
from waiting import wait_until

pytestmark = [
    pytest.mark.servers,
    pytest.mark.root,
    pytest.mark.skipif(not available(), reason="needs root and BusyBox"),
]

# Seconds that the router waits for the confirmation, where that is to come, and where it is not to come.
CONFIRMED_WITHIN, WITHIN = 60, 4

STATIC = """
config interface 'customer{0}'
	option proto 'static'
	option device 'eth0.{0}'
	option ipaddr '203.0.113.{0}'
	list dns '192.0.2.1'
	list dns '192.0.2.2'
"""
FOREIGN = """
config globals 'globals'
	option ula_prefix 'fd00:db8::/48'

config interface 'wan6'
	option proto 'dhcpv6'
	option device 'eth1'
	option reqprefix '64'
""" + "".join(STATIC.format(number) for number in range(1, 61))

PLAN = node("openwrt", "uci")
MOVED_PLAN = node("openwrt", "uci", MOVED)
DRIVER = registry.driver("openwrt")


@pytest.fixture
def router(tmp_path: Path) -> Iterator[OpenWrtRouter]:
    router = OpenWrtRouter(tmp_path / "router", FOREIGN)
    router.start()
    yield router
    router.kill()


@pytest.fixture
def deployed(tmp_path: Path) -> Iterator[OpenWrtRouter]:
    """A router that has the service already."""
    router = OpenWrtRouter(tmp_path / "router", f"{FOREIGN}\n{rendered(PLAN)}")
    router.start()
    yield router
    router.kill()


def target(router: OpenWrtRouter) -> Target:
    return Target(
        host="127.0.0.1",
        port=router.port,
        username="root",
        key_file=str(router.ssh.user_key),
        known_hosts=str(router.ssh.known_hosts),
        timeout=30,
    )


def text(router: OpenWrtRouter) -> str:
    """The package on flash, without empty lines."""
    lines = router.network_file.read_text("utf-8").splitlines()
    return "\n".join(line for line in lines if line)


def test_deploys_and_a_second_run_changes_nothing(router: OpenWrtRouter) -> None:
    before = text(router)
    first = roll_out(PLAN, target(router), confirm_within=30)
    assert first.changed
    assert first.left == "changed and confirmed"
    assert "network.aas_hall7.psidlen='6'" in first.device_diff
    assert text(router) == before + "\n" + rendered(PLAN).strip()
    assert router.reloads == 1
    assert router.leftovers() == []
    assert not roll_out(PLAN, target(router), confirm_within=30).changed
    assert roll_out(MOVED_PLAN, target(router), confirm_within=30).changed
    assert DRIVER.parse(text(router), "uci", MOVED_PLAN.services) == MOVED_PLAN.services
    assert roll_out(replace(PLAN, services=()), target(router), confirm_within=30).changed
    assert text(router) == before
    assert router.leftovers() == []


@pytest.mark.parametrize("technique", ["map-t", "lw4o6", "ds-lite", "464xlat"])
def test_another_technique_replaces_the_interface(deployed: OpenWrtRouter, technique: str) -> None:
    plan = replace(PLAN, services=CASES["openwrt"].golden[technique])
    before = text(deployed)
    assert roll_out(plan, target(deployed), confirm_within=30).changed
    assert DRIVER.owned(text(deployed), "uci") == rendered(plan)
    assert text(deployed).startswith("\n".join(line for line in FOREIGN.splitlines() if line))
    assert not roll_out(plan, target(deployed), confirm_within=30).changed
    assert roll_out(PLAN, target(deployed), confirm_within=30).changed
    assert DRIVER.owned(text(deployed), "uci") == DRIVER.owned(before, "uci")


def test_check_mode_only_shows(router: OpenWrtRouter) -> None:
    before = text(router)
    outcome = roll_out(PLAN, target(router), confirm_within=30, check_mode=True)
    assert outcome.changed
    assert "+" in outcome.diff
    assert text(router) == before
    assert router.reloads == 0
    assert router.leftovers() == []


def test_a_failed_check_takes_the_change_back(deployed: OpenWrtRouter) -> None:
    before = text(deployed)
    seen: list[str] = []

    def unhappy() -> list[str]:
        seen.append(text(deployed))
        return ["no way through"]

    with pytest.raises(TransportError) as caught:
        roll_out(MOVED_PLAN, target(deployed), confirm_within=30, post_check=unhappy)
    assert caught.value.left == "unchanged"
    assert seen[0] != before
    assert text(deployed) == before
    assert deployed.reloads == 2
    assert deployed.leftovers() == []


def test_goes_back_by_itself_and_says_so(deployed: OpenWrtRouter) -> None:
    before = text(deployed)

    def slow() -> list[str]:
        goes_back(deployed, before)
        return []

    with pytest.raises(TransportError, match="gone back by itself") as caught:
        roll_out(MOVED_PLAN, target(deployed), confirm_within=WITHIN, post_check=slow)
    assert caught.value.step == "confirm"
    assert caught.value.left == "unchanged"
    assert text(deployed) == before
    assert deployed.leftovers() == []


def test_the_timer_of_one_change_does_not_end_the_next(deployed: OpenWrtRouter) -> None:
    with pytest.raises(TransportError):
        roll_out(MOVED_PLAN, target(deployed), confirm_within=WITHIN, post_check=lambda: ["no"])
    checked = []

    def wait() -> list[str]:
        time.sleep(WITHIN + 0.5)
        checked.append(text(deployed))
        return []

    roll_out(MOVED_PLAN, target(deployed), confirm_within=30, post_check=wait)
    assert "2001:3e8:7000::" in checked[0]
    assert "2001:3e8:7000::" in text(deployed)


@pytest.mark.parametrize("moment", MOMENTS)
def test_router_dies(deployed: OpenWrtRouter, moment: str) -> None:
    check_fault(deployed, moment, lambda: crash(deployed, moment, deployed.kill))


@pytest.mark.parametrize("moment", MOMENTS)
def test_session_is_cut(deployed: OpenWrtRouter, moment: str) -> None:
    check_fault(deployed, moment, lambda: crash(deployed, moment, deployed.drop_sessions))


@pytest.mark.parametrize("moment", ["after begin", "after propose", "after apply", "before confirm"])
def test_controller_dies(deployed: OpenWrtRouter, moment: str, tmp_path: Path) -> None:
    check_fault(
        deployed,
        moment,
        lambda: roll_out_and_die(
            MOVED_PLAN, target(deployed), confirm_within=within(moment), moment=moment, folder=tmp_path
        ),
    )


def within(moment: str) -> int:
    return CONFIRMED_WITHIN if moment == "after confirm" else WITHIN


def goes_back(router: OpenWrtRouter, before: str) -> None:
    """Waits until the rollback timer has put the old files back, all of them."""
    work = router.root / "etc" / "ipv4aas"
    wait_until(lambda: not any((work / name).exists() for name in ("pending", "restoring")))
    assert text(router) == before


def settle(router: OpenWrtRouter) -> None:
    """Waits until the lock of a session that died is free."""
    wait_until(lambda: not any((router.root / "run" / "lock").iterdir()))


def crash(router: OpenWrtRouter, moment: str, fault: Callable[[], None]) -> None:
    with pytest.raises(TransportError) as caught:
        roll_out(MOVED_PLAN, target(router), confirm_within=within(moment), moment=moment, fault=fault)
    expected = {
        "after apply": "reverts by itself",
        "before confirm": "reverts by itself",
        "after confirm": "changed and confirmed",
    }.get(moment, "unchanged")
    assert expected in caught.value.left


def check_fault(router: OpenWrtRouter, moment: str, fault: Callable[[], None]) -> None:
    """Afterwards the router holds the old or the new whole, nothing is locked, a re-run completes."""
    old = text(router)
    fault()
    if router.ssh.process is None:
        router.start()
    else:
        if moment in ("after apply", "before confirm"):
            goes_back(router, old)
        settle(router)
    found = text(router)
    again = roll_out(MOVED_PLAN, target(router), confirm_within=30)
    new = text(router)
    assert new != old
    if moment == "after confirm":
        assert found == new
        assert not again.changed
    else:
        assert found == old
        assert again.changed
    assert not roll_out(MOVED_PLAN, target(router), confirm_within=30).changed
    assert text(router) == new
    assert new.startswith(FOREIGN.replace("\n\n", "\n").strip())
    assert router.leftovers() == []


def test_takes_back_what_a_dead_run_left_pending(deployed: OpenWrtRouter, tmp_path: Path) -> None:
    old = text(deployed)
    roll_out_and_die(
        MOVED_PLAN, target(deployed), confirm_within=300, moment="before confirm", folder=tmp_path
    )
    assert text(deployed) != old
    settle(deployed)
    outcome = roll_out(MOVED_PLAN, target(deployed), confirm_within=30)
    assert outcome.changed
    assert outcome.before == DRIVER.owned(old, "uci")
    assert "2001:3e8:7000::" in text(deployed)


def test_dies_while_it_puts_the_old_files_back(deployed: OpenWrtRouter) -> None:
    """The folder was renamed and the power went: the boot scripts go on."""
    old = text(deployed)
    crash(deployed, "after apply", deployed.kill)
    work = deployed.root / "etc" / "ipv4aas"
    (work / "pending").rename(work / "restoring")
    deployed.start()
    assert text(deployed) == old
    assert roll_out(MOVED_PLAN, target(deployed), confirm_within=30).changed
    assert deployed.leftovers() == []


def test_refuses_foreign_uncommitted_changes_and_keeps_them(deployed: OpenWrtRouter) -> None:
    on_router(deployed, "uci set network.wan6.reqprefix=60")
    on_router(deployed, "uci set network.wan6.password=0pen-Sesame")
    with pytest.raises(
        TransportError, match=r"uncommitted changes of somebody else in: network; uci changes shows them"
    ) as caught:
        roll_out(MOVED_PLAN, target(deployed), confirm_within=WITHIN)
    assert caught.value.step == "begin"
    assert caught.value.left == "unchanged"
    assert "0pen-Sesame" not in str(caught.value)
    changes = "network.wan6.reqprefix='60'\nnetwork.wan6.password='0pen-Sesame'\n"
    assert on_router(deployed, "uci changes") == changes
    on_router(deployed, "uci commit")
    assert roll_out(MOVED_PLAN, target(deployed), confirm_within=30).changed
    assert "reqprefix '60'" in text(deployed)


def test_refuses_a_second_controller(deployed: OpenWrtRouter) -> None:
    with session_for("openwrt", "uci", target(deployed)) as other:
        other.begin()
        other.propose(DRIVER.change(text(deployed), rendered(MOVED_PLAN), "uci"))
        other.apply(30)
        with pytest.raises(TransportError, match="somebody else is at work: process") as caught:
            roll_out(PLAN, target(deployed), confirm_within=30)
        assert caught.value.step == "begin"
        other.confirm()
    assert not roll_out(MOVED_PLAN, target(deployed), confirm_within=30).changed


def test_every_refused_line_is_told_and_nothing_stays(deployed: OpenWrtRouter) -> None:
    before = text(deployed)
    change = DRIVER.change(text(deployed), rendered(MOVED_PLAN), "uci")
    wrong = replace(change, payload="delete network.nothing\nset network.nobody.x=1\n" + change.payload)
    with session_for("openwrt", "uci", target(deployed)) as session:
        session.begin()
        with pytest.raises(TransportError, match=r"Entry not found.*Invalid argument") as caught:
            session.propose(wrong)
        assert caught.value.left == "unchanged"
    assert text(deployed) == before
    assert deployed.leftovers() == []
    assert on_router(deployed, "uci changes") == ""


def test_a_network_that_does_not_reload_goes_back(deployed: OpenWrtRouter) -> None:
    before = text(deployed)
    (deployed.root / "reload-fails").touch()
    with pytest.raises(TransportError, match="network reload failed") as caught:
        roll_out(MOVED_PLAN, target(deployed), confirm_within=30)
    assert caught.value.step == "apply"
    assert caught.value.left == "unchanged"
    assert text(deployed) == before
    assert deployed.leftovers() == []


def test_an_unknown_host_key_is_refused(deployed: OpenWrtRouter, tmp_path: Path) -> None:
    strange = replace(target(deployed), known_hosts=str(tmp_path / "nothing"))
    with pytest.raises(TransportError, match=r"host key of .* is not in"):
        roll_out(MOVED_PLAN, strange, confirm_within=30)


def on_router(router: OpenWrtRouter, command: str) -> str:
    """What a person at the router's shell gets."""
    options = ["-i", str(router.ssh.user_key), "-o", f"UserKnownHostsFile={router.ssh.known_hosts}"]
    result = subprocess.run(
        ["ssh", *options, "-p", str(router.port), "root@127.0.0.1", command],
        check=True,
        capture_output=True,
        text=True,
        timeout=20,
    )
    return result.stdout
