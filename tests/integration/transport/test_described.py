# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Command lines that are described by data, over real SSH: deployment, refusals, faults.

Each platform whose case has manners is met with the words of its features.yml; and four made-up devices
show each kind: with and without a candidate, with and without a trial.
"""

from __future__ import annotations

import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.platforms.registry import all_features, driver
from ansible_collections.ipv4aas.fleet.engine.techniques.service import Service
from ansible_collections.ipv4aas.fleet.engine.transport.connect import session_for
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import Outcome, deploy
from ansible_collections.ipv4aas.fleet.engine.transport.described import Described
from ansible_collections.ipv4aas.fleet.engine.transport.session import CapabilityMissing, TransportError
from ansible_collections.ipv4aas.fleet.engine.transport.ssh import SshSession
from ansible_collections.ipv4aas.fleet.engine.transport.target import Target
from emulated_model import ModelRouter
from emulated_router import Order
from faults import Interrupted
from platform_cases import CASES
from platform_cases.case import Case
from platform_cases.services import shownet
from platform_cases.terminal import Manners

MODES = r"service cgv6 \S+|service-type .*"
CANDIDATE = {"candidate": True, "discard": ("abort",), "commit": "commit", "leave": ("end",)}
IOS = {
    "terminal": "cisco_ios",
    "read": "show running-config",
    "show": "do ",
    "enter": ("configure terminal",),
    "leave": ("end",),
    "inside": r"\(config",
    "error": "^%",
    "save": ("write memory",),
}
TRIAL = {"trial": "commit confirmed {time}", "confirm": ("commit",)}
TIMER = {
    "trial": "configure terminal revert timer {time}",
    "unit": 60,
    "confirm": ("configure confirm",),
    "revert": ("configure revert now",),
}
SET = {
    "terminal": "cisco_ios",
    "read": "show configuration commands",
    "show": "run ",
    "enter": ("configure",),
    "leave": ("exit discard",),
    "inside": "#$",
    "error": "not valid|failed",
    "exit": "",
    "candidate": True,
    "compare": "compare",
    "discard": ("discard",),
    "commit": "commit",
    "trial": "commit-confirm {time}",
    "unit": 60,
    "confirm": ("confirm",),
    "revert": ("rollback",),
    "save": ("save",),
}
IOS_MANNERS = Manners(opens=MODES, save="write memory")
# Made-up devices: the model of a platform, the words that the session knows, and what the device does.
MADE_UP: dict[str, tuple[str, dict[str, Any], Manners]] = {
    "each line at once": ("asr9000", IOS, IOS_MANNERS),
    "each line at once, with a timer": (
        "asr9000",
        IOS | TIMER,
        Manners(
            opens=MODES,
            save="write memory",
            trial=r"configure terminal revert timer (\d+)",
            unit=60,
            confirm="configure confirm",
            revert="configure revert now",
        ),
    ),
    "candidate": (
        "asr9000",
        IOS | CANDIDATE,
        Manners(opens=MODES, save="write memory", candidate=True, commit="commit", discard="abort"),
    ),
    "candidate with a trial": (
        "juniper_mx",
        SET,
        Manners(
            exec_prompt="ops@box>",
            inside_prompt="ops@box#",
            enter="configure",
            leave="exit discard",
            read="show configuration commands",
            show="run ",
            quiet="terminal .*",
            refused="Configuration path is not valid",
            candidate=True,
            compare="compare",
            discard="discard",
            commit="commit",
            trial=r"commit-confirm (\d+)",
            unit=60,
            confirm="confirm",
            revert="rollback",
            save="save",
        ),
    ),
}
REAL = {
    f"{name} {dialect}": (case, dialect, manners)
    for name, case in CASES.items()
    for dialect, manners in case.manners.items()
}


@dataclass
class Bench:
    """A device, the old services, the new ones, and how to reach it."""

    case: Case
    dialect: str
    router: ModelRouter
    words: dict[str, Any] | None  # None: those of features.yml

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

    @property
    def old(self) -> tuple[Service, ...]:
        row = self.case.rows(self.dialect)[0]
        return (self.case.fit(shownet(row.technique, row.role)),)

    @property
    def new(self) -> tuple[Service, ...]:
        """The same under another name: a service goes, and one comes."""
        row = self.case.rows(self.dialect)[0]
        return (self.case.fit(shownet(row.technique, row.role, name="hall8")),)

    def session(self, *, allow_weaker: bool = True) -> SshSession:
        if self.words is None:
            session = session_for(self.case.platform, self.dialect, self.target, allow_weaker=allow_weaker)
            assert isinstance(session, SshSession)
            return session
        return SshSession(Described(self.target, **_listed(self.words)), allow_weaker=allow_weaker)

    def roll_out(
        self,
        services: tuple[Service, ...],
        *,
        moment: str = "",
        fault: Callable[[], None] = lambda: None,
        **options: Any,
    ) -> Outcome:
        node = self.case.node(*services, dialect=self.dialect)
        with Interrupted(self.session(), moment, fault) as session:
            return deploy(
                session,
                driver(self.case.platform),
                node,
                self.case.rendered(self.dialect, *services),
                self.dialect,
                confirm_within=60,
                **options,
            )

    @property
    def reverts(self) -> bool:
        return self.session().reverts_by_itself

    def facts(self) -> list[str]:
        return sorted(self.case.facts(self.router.text(), self.dialect))

    def runs(self, services: tuple[Service, ...]) -> bool:
        """Whether it runs these and nothing else of ours."""
        box = driver(self.case.platform)
        return box.owned(self.router.text(), self.dialect) == (
            self.case.rendered(self.dialect, *services) if services else ""
        )


def _listed(words: dict[str, Any]) -> dict[str, Any]:
    """As YAML gives them."""
    return {key: list(value) if isinstance(value, tuple) else value for key, value in words.items()}


@pytest.fixture(params=[*MADE_UP, *REAL])
def bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A device of each kind and platform with a large configuration that is not ours."""
    yield from _bench(request, tmp_path)


@pytest.fixture(params=MADE_UP)
def kind(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    """A device of each kind."""
    yield from _bench(request, tmp_path)


def _bench(request: pytest.FixtureRequest, tmp_path: Path) -> Iterator[Bench]:
    if request.param in MADE_UP:
        platform, words, manners = MADE_UP[request.param]
        case, dialect = CASES[platform], "cli"
    else:
        case, dialect, manners = REAL[request.param]
        words = None
    router = ModelRouter(tmp_path / "router", case.device(dialect), manners, second=1000)
    router.start()
    yield Bench(case, dialect, router, words)
    router.stop()


def test_deploys_changes_and_takes_away(bench: Bench) -> None:
    foreign = bench.facts()
    outcome = bench.roll_out(bench.old)
    assert outcome.changed and outcome.left == "changed and confirmed"
    assert bench.runs(bench.old)
    assert set(foreign) <= set(bench.facts())
    assert not bench.roll_out(bench.old).changed
    assert bench.roll_out(bench.new).changed
    assert bench.runs(bench.new)
    bench.router.settle()
    bench.router.restart()
    assert bench.runs(bench.new), "kept over a restart"
    node = bench.case.node(dialect=bench.dialect)
    with bench.session() as session:
        deploy(session, driver(bench.case.platform), node, "", bench.dialect, confirm_within=60)
    assert bench.facts() == foreign


def test_check_mode_leaves_no_trace(kind: Bench) -> None:
    before = kind.facts()
    outcome = kind.roll_out(kind.old, check_mode=True)
    assert outcome.changed and outcome.diff
    assert kind.facts() == before


def test_weaker_device_needs_consent(kind: Bench) -> None:
    if kind.reverts:
        return
    with kind.session(allow_weaker=False) as session, pytest.raises(CapabilityMissing, match="allow_weaker"):
        session.begin()


def test_failed_check_takes_back(kind: Bench) -> None:
    kind.roll_out(kind.old)
    before = kind.facts()
    with pytest.raises(TransportError, match="check: no answer through the edge") as error:
        kind.roll_out(kind.new, post_check=lambda: ["no answer through the edge"])
    assert error.value.left == "unchanged"
    assert kind.facts() == before


def test_refused_line_leaves_nothing_of_the_change(bench: Bench) -> None:
    bench.roll_out(bench.old)
    before = bench.facts()
    change = driver(bench.case.platform).change(
        bench.case.rendered(bench.dialect, *bench.old),
        bench.case.rendered(bench.dialect, *bench.new),
        bench.dialect,
    )
    lines = [line.strip() for line in change.payload.splitlines() if line.strip() not in ("", "!", "#")]
    refused = bench.router.manners.refused
    bench.router.orders.append(Order(f"^{re.escape(lines[-1])}$", answer=f"{refused}\n"))
    with pytest.raises(TransportError) as error:
        bench.roll_out(bench.new)
    assert error.value.left == "unchanged"
    assert bench.facts() == before


MOMENTS = ("after begin", "after propose", "after apply", "before confirm")


@pytest.mark.parametrize("moment", MOMENTS)
@pytest.mark.parametrize("fault", ["connection", "device"])
def test_fault_leaves_old_or_new_and_a_second_run_completes(kind: Bench, moment: str, fault: str) -> None:
    kind.roll_out(kind.old)
    kind.router.settle()
    what = {"connection": kind.router.drop_sessions, "device": kind.router.restart}[fault]
    with pytest.raises(TransportError) as error:
        kind.roll_out(kind.new, moment=moment, fault=what)
    kind.router.settle()
    after_apply = moment in ("after apply", "before confirm")
    if kind.reverts or not after_apply or fault == "device":
        # Without a trial the power brings back what was saved, where there is no candidate.
        kept = after_apply and fault == "device" and not kind.reverts and kind.router.manners.candidate
        assert kind.runs(kind.new if kept else kind.old)
    else:
        assert kind.runs(kind.new)
        assert error.value.left == "changed, does not revert by itself"
    kind.roll_out(kind.new)
    assert kind.runs(kind.new)


def test_every_described_dialect_has_manners() -> None:
    """So that none is reached by words that were never typed."""
    described = {
        (name, dialect)
        for name, features in all_features().items()
        for dialect, access in features.access.items()
        if str(access.get("line", "")).startswith("described.")
    }
    assert described == {(name, dialect) for name, case in CASES.items() for dialect in case.manners}
