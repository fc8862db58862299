# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""IOS XR and Junos command lines against emulated routers: deployment, refusals, faults."""

from __future__ import annotations

import math
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from pathlib import Path

import pytest
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms import registry
from ansible_collections.ipv4aas.fleet.engine.transport.connect import session_for
from ansible_collections.ipv4aas.fleet.engine.transport.session import TransportError
from ansible_collections.ipv4aas.fleet.engine.transport.target import Target
from emulated_ios_xr import IosXrRouter
from emulated_junos import JunosRouter
from emulated_router import Order
from faults import MOMENTS, roll_out, roll_out_and_die
from foreign import FOREIGN
from nodes import MOVED, SERVICE, node, rendered

# A second of the routers lasts longer than any test: time passes when the test says so.
SECOND = 1000.0


@dataclass
class Bench:
    """A router, the old plan, the new plan, and what takes the lock in its language."""

    router: IosXrRouter | JunosRouter
    plan: NodePlan

    @property
    def moved(self) -> NodePlan:
        return replace(self.plan, services=(replace(MOVED, role=self.plan.role),))

    @property
    def target(self) -> Target:
        return Target(
            host="127.0.0.1",
            port=self.router.port,
            username="netops",
            key_file=str(self.router.user_key),
            known_hosts=str(self.router.known_hosts),
            timeout=30,
        )

    def owned(self) -> str:
        return registry.driver(self.plan.platform).owned(self.router.text(), "cli")

    def foreign(self) -> str:
        """What of the router's configuration is not ours."""
        ours = self.owned().splitlines()
        return "\n".join(line for line in self.router.text().splitlines() if line not in ours or line == "!")


def start(platform: str, folder: Path, *, deployed: bool = False) -> Bench:
    """A router with foreign configuration and, where ``deployed``, with the service."""
    plan = node(platform, "cli")
    service = rendered(plan) if deployed else ""
    router: IosXrRouter | JunosRouter
    if platform == "asr9000":
        router = IosXrRouter(folder / "router", FOREIGN["asr9000"] + service, second=SECOND)
    else:
        router = JunosRouter(folder / "router", FOREIGN["juniper_mx"] + service, second=SECOND)
    router.start()
    return Bench(router, plan)


@pytest.fixture(params=["asr9000", "juniper_mx"])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A router of each kind."""
    bench = start(request.param, tmp_path)
    yield bench
    bench.router.stop()


@pytest.fixture(params=["asr9000", "juniper_mx"])
def deployed(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A router of each kind that has the service already."""
    bench = start(request.param, tmp_path, deployed=True)
    yield bench
    bench.router.stop()


@pytest.fixture
def xr(tmp_path: Path) -> Iterator[Bench]:
    bench = start("asr9000", tmp_path)
    yield bench
    bench.router.stop()


@pytest.fixture
def mx(tmp_path: Path) -> Iterator[Bench]:
    bench = start("juniper_mx", tmp_path)
    yield bench
    bench.router.stop()


def test_deploys_and_a_second_run_changes_nothing(bench: Bench) -> None:
    before = bench.router.text()
    first = roll_out(bench.plan, bench.target, confirm_within=30)
    assert first.changed
    assert first.left == "changed and confirmed"
    assert "+" in first.device_diff
    driver = registry.driver(bench.plan.platform)
    assert bench.owned() == driver.owned(rendered(bench.plan), "cli")
    after = bench.router.text()
    assert not roll_out(bench.plan, bench.target, confirm_within=30).changed
    assert bench.router.text() == after
    assert roll_out(bench.moved, bench.target, confirm_within=30).changed
    assert driver.parse(bench.router.text(), "cli", bench.moved.services) == bench.moved.services
    assert roll_out(replace(bench.plan, services=()), bench.target, confirm_within=30).changed
    assert bench.router.text() == before
    # Nothing answers a question that was not asked.
    assert not {"y", "yes", "no"} & set(bench.router.journal)


def test_what_is_confirmed_survives_time_and_a_restart(bench: Bench) -> None:
    roll_out(bench.plan, bench.target, confirm_within=30)
    after = bench.router.text()
    bench.router.elapse()
    bench.router.restart()
    assert bench.router.text() == after


def test_check_mode_only_shows(bench: Bench) -> None:
    before = bench.router.text()
    outcome = roll_out(bench.plan, bench.target, confirm_within=30, check_mode=True)
    assert outcome.changed
    assert outcome.left == "unchanged"
    assert "+" in outcome.diff
    assert bench.router.text() == before
    assert not [line for line in bench.router.journal if re.match("commit(?! check)", line)]
    assert roll_out(bench.plan, bench.target, confirm_within=30).changed


def test_a_failed_check_takes_the_change_back(bench: Bench) -> None:
    before = bench.router.text()
    with pytest.raises(TransportError) as caught:
        roll_out(bench.plan, bench.target, confirm_within=30, post_check=lambda: ["no way through"])
    assert caught.value.step == "check"
    assert caught.value.left == "unchanged"
    assert bench.router.text() == before
    assert roll_out(bench.plan, bench.target, confirm_within=30).changed


def test_a_check_that_takes_too_long_is_no_success(bench: Bench) -> None:
    before = bench.router.text()

    def slow() -> list[str]:
        bench.router.elapse()
        return []

    with pytest.raises(TransportError, match="gone back by itself") as caught:
        roll_out(bench.plan, bench.target, confirm_within=30, post_check=slow)
    assert caught.value.step == "confirm"
    assert caught.value.left == "unchanged"
    assert bench.router.text() == before


@pytest.mark.parametrize("moment", MOMENTS)
def test_router_dies(deployed: Bench, moment: str) -> None:
    check_fault(deployed, moment, lambda: crash(deployed, moment, deployed.router.restart))


@pytest.mark.parametrize("moment", MOMENTS)
def test_session_is_cut(deployed: Bench, moment: str) -> None:
    check_fault(deployed, moment, lambda: crash(deployed, moment, deployed.router.drop_sessions))


@pytest.mark.parametrize("moment", ["after begin", "after propose", "after apply", "before confirm"])
def test_controller_dies(deployed: Bench, moment: str, tmp_path: Path) -> None:
    check_fault(
        deployed,
        moment,
        lambda: roll_out_and_die(
            deployed.moved, deployed.target, confirm_within=30, moment=moment, folder=tmp_path
        ),
    )


def crash(bench: Bench, moment: str, fault: Callable[[], None]) -> None:
    with pytest.raises(TransportError) as caught:
        roll_out(bench.moved, bench.target, confirm_within=30, moment=moment, fault=fault)
    expected = {
        "after apply": "reverts by itself",
        "before confirm": "reverts by itself",
        "after confirm": "changed and confirmed",
    }.get(moment, "unchanged")
    assert expected in caught.value.left


def check_fault(bench: Bench, moment: str, fault: Callable[[], None]) -> None:
    """Afterwards the router holds the old or the new whole, nothing is locked, a re-run completes."""
    old, foreign = bench.owned(), bench.foreign()
    fault()
    bench.router.settle()
    found = bench.owned()
    again = roll_out(bench.moved, bench.target, confirm_within=30)
    new = bench.owned()
    assert new != old
    if moment == "after confirm":
        assert found == new
        assert not again.changed
    else:
        assert found == old
        assert again.changed
    assert not roll_out(bench.moved, bench.target, confirm_within=30).changed
    assert bench.owned() == new
    assert bench.foreign() == foreign


# What is typed at each step, and whether the change is there once the line is carried out.
LINES = [
    ("configure exclusive", False),
    ("psid-offset|sharing-ratio", False),
    ("show . compare|show commit changes", False),
    ("commit confirmed", False),
    ("^commit$", True),
    ("^end$|exit configuration-mode", True),
]


@pytest.mark.parametrize(("line", "carried_out"), LINES)
@pytest.mark.parametrize("when", ["before", "after"])
def test_cut_in_the_middle_of_a_command(deployed: Bench, line: str, carried_out: bool, when: str) -> None:
    old = deployed.owned()
    deployed.router.orders.append(Order(line, **{when: deployed.router.drop_sessions}))
    with pytest.raises(TransportError) as caught:
        roll_out(deployed.moved, deployed.target, confirm_within=30)
    assert not deployed.router.orders
    deployed.router.settle()
    kept = carried_out and (when == "after" or line.startswith("^end"))
    assert (deployed.owned() != old) == kept
    left = caught.value.left
    if "confirm" in caught.value.step:
        assert left.startswith("changed and confirmed, or")
    elif "commit confirmed" in line:
        assert left.startswith("unchanged, or changed and reverts by itself")
    else:
        assert left == "unchanged"
    assert roll_out(deployed.moved, deployed.target, confirm_within=30).changed is not kept
    assert not roll_out(deployed.moved, deployed.target, confirm_within=30).changed


def test_a_late_answer_is_waited_for(bench: Bench) -> None:
    bench.router.orders.append(Order("commit confirmed", delay=0.5))
    assert roll_out(bench.plan, bench.target, confirm_within=60).changed


def test_an_answer_that_never_comes(bench: Bench) -> None:
    before = bench.router.text()
    bench.router.orders.append(Order("commit confirmed", delay=math.inf))
    impatient = replace(bench.target, timeout=4)
    with pytest.raises(TransportError) as caught:
        roll_out(bench.plan, impatient, confirm_within=30)
    assert caught.value.step == "apply"
    assert caught.value.left.startswith("unchanged, or changed and reverts by itself")
    bench.router.settle()
    assert bench.router.text() == before
    assert roll_out(bench.plan, bench.target, confirm_within=30).changed


def test_a_refused_line_is_told_and_nothing_stays(bench: Bench) -> None:
    before = bench.router.text()
    words = {"asr9000": "contiguous-ports 64", "juniper_mx": "psid-offset 4"}[bench.plan.platform]
    wrong = rendered(bench.plan).replace(words, words.split()[0] + " 99999")
    with session_for(bench.plan.platform, "cli", bench.target) as session:
        session.begin()
        change = registry.driver(bench.plan.platform).change("", wrong, "cli")
        with pytest.raises(TransportError, match="99999") as caught:
            session.propose(change)
        assert caught.value.left == "unchanged"
        session.revert()
        assert registry.driver(bench.plan.platform).owned(session.read(), "cli") == ""
    assert bench.router.text() == before
    assert roll_out(bench.plan, bench.target, confirm_within=30).changed


def test_a_refused_commit_is_told_and_nothing_stays(bench: Bench) -> None:
    before = bench.router.text()
    words, wrong = {
        "asr9000": ("sharing-ratio 64", "sharing-ratio 63"),
        "juniper_mx": ("then map-e ipv4aas-hall7", "then map-e nothing"),
    }[bench.plan.platform]
    text = rendered(bench.plan).replace(words, wrong)
    with session_for(bench.plan.platform, "cli", bench.target) as session:
        session.begin()
        change = registry.driver(bench.plan.platform).change("", text, "cli")
        with pytest.raises(TransportError) as caught:  # noqa: PT012
            # Junos refuses it at "commit check", IOS XR at the commit.
            session.propose(change)
            session.apply(30)
        assert caught.value.left == "unchanged"
    reason = {"asr9000": "no power of two", "juniper_mx": "is not defined"}[bench.plan.platform]
    assert reason in caught.value.wrong
    assert bench.router.text() == before
    assert roll_out(bench.plan, bench.target, confirm_within=30).changed


def test_a_value_the_router_changes_is_noticed(bench: Bench) -> None:
    before = bench.router.text()

    def meddle() -> None:
        router = bench.router
        if isinstance(router, IosXrRouter):
            entry = next(line for line in router.running if line.text == "service cgv6 ipv4aas").children[-1]
            ratio = next(line for line in entry.children if line.text.startswith("sharing-ratio"))
            ratio.text = "sharing-ratio 32"
        else:
            router.running = [
                (*words[:-1], "5") if words[-2] == "psid-offset" else words for words in router.running
            ]

    with pytest.raises(TransportError, match="rules is") as caught:
        roll_out(bench.plan, bench.target, confirm_within=30, moment="after apply", fault=meddle)
    assert caught.value.step == "read back"
    assert caught.value.left == "unchanged"
    assert bench.router.text() == before


def test_refuses_a_foreign_lock(bench: Bench) -> None:
    before = bench.router.text()
    with session_for(bench.plan.platform, "cli", bench.target) as other:
        other.begin()
        with pytest.raises(TransportError, match="locked by") as caught:
            roll_out(bench.plan, bench.target, confirm_within=30)
        assert caught.value.step == "begin"
        assert caught.value.left == "unchanged"
    assert bench.router.text() == before
    assert roll_out(bench.plan, bench.target, confirm_within=30).changed


def test_refuses_a_pending_commit(bench: Bench) -> None:
    driver = registry.driver(bench.plan.platform)
    with session_for(bench.plan.platform, "cli", bench.target) as other:
        other.begin()
        other.propose(driver.change("", rendered(bench.plan), "cli"))
        other.apply(30)
        pattern = "trial commit is underway|waits for its confirmation"
        with pytest.raises(TransportError, match=pattern) as caught:
            # It looks like the wanted configuration, but it will not stay.
            roll_out(bench.plan, bench.target, confirm_within=30)
        assert caught.value.step == "begin"
        other.confirm()
    assert not roll_out(bench.plan, bench.target, confirm_within=30).changed


def test_junos_refuses_foreign_uncommitted_edits_and_keeps_them(mx: Bench) -> None:
    theirs = ("system", "location", "building", "theirs")
    mx.router.candidate.append(theirs)
    with pytest.raises(TransportError, match="configuration database modified") as caught:
        roll_out(mx.plan, mx.target, confirm_within=30)
    assert caught.value.left == "unchanged"
    assert theirs in mx.router.candidate
    assert theirs not in mx.router.running


def test_junos_does_not_roll_forward_after_the_time_is_up(mx: Bench) -> None:
    """Once the device has gone back, "rollback 1" is the change itself."""
    before = mx.router.text()
    with session_for("juniper_mx", "cli", mx.target) as session:
        session.begin()
        session.propose(registry.driver("juniper_mx").change("", rendered(mx.plan), "cli"))
        session.apply(30)
        mx.router.elapse()
        session.revert()
    assert mx.router.text() == before
    assert "rollback 1" not in mx.router.journal


def test_xr_leaves_each_mode_it_entered(xr: Bench) -> None:
    """Two services side by side: without ``exit`` the second would be typed inside the first."""
    second = replace(MOVED, name="hall8", role=SERVICE.role)
    both = replace(xr.plan, services=(SERVICE, second))
    assert roll_out(both, xr.target, confirm_within=30).changed
    assert registry.driver("asr9000").parse(xr.router.text(), "cli", both.services) == both.services


def test_an_unknown_host_key_is_refused(bench: Bench, tmp_path: Path) -> None:
    strange = replace(bench.target, known_hosts=str(tmp_path / "nothing"))
    with pytest.raises(TransportError, match=r"host key of .* is not in") as caught:
        roll_out(bench.plan, strange, confirm_within=30)
    assert caught.value.step == "connect"


def test_a_password_is_in_no_message(bench: Bench) -> None:
    locked_out = replace(bench.target, key_file=None, password="s3cret-of-mine")
    with pytest.raises(TransportError) as caught:
        roll_out(bench.plan, locked_out, confirm_within=30)
    assert caught.value.step == "connect"
    assert "s3cret-of-mine" not in repr((caught.value, locked_out)) + str(caught.value)
