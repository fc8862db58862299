# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The order of a deployment, and what it says and undoes where a step fails."""

from __future__ import annotations

from dataclasses import replace
from ipaddress import IPv4Network, IPv6Address, IPv6Network
from typing import Any

import pytest
from ansible_collections.ipv4aas.fleet.engine.mapping.rule import MapRule
from ansible_collections.ipv4aas.fleet.engine.plan.model import NodePlan
from ansible_collections.ipv4aas.fleet.engine.platforms.driver import NO_CHANGE, Change, ParseError
from ansible_collections.ipv4aas.fleet.engine.techniques.service import GATEWAY, Service
from ansible_collections.ipv4aas.fleet.engine.transport.deploy import deploy, differences
from ansible_collections.ipv4aas.fleet.engine.transport.session import CapabilityMissing, TransportError

SERVICE = Service(
    name="hall7",
    technique="map-e",
    role=GATEWAY,
    gateway_address=IPv6Address("2001:db8::1"),
    rules=(
        MapRule(
            ipv6_prefix=IPv6Network("2001:db8:6000::/56"),
            ipv4_prefix=IPv4Network("192.0.2.0/30"),
            ea_len=8,
            psid_offset=4,
        ),
    ),
)
NODE = NodePlan(name="br1", role=GATEWAY, platform="box", services=(SERVICE,))


class Box:
    """A driver and a session in one: the configuration is a word, "new" means SERVICE."""

    name = "box"
    reverts_by_itself = True

    def __init__(self, failing: dict[str, Exception] | None = None) -> None:
        self.running = self.saved = "old"
        self.candidate = ""
        self.calls: list[str] = []
        self.failing = failing or {}
        self.means: dict[str, tuple[Service, ...]] = {"new": (SERVICE,), "old": ()}

    def owned(self, text: str, dialect: str) -> str:
        return text

    def parse(self, text: str, dialect: str, wanted: tuple[Service, ...]) -> tuple[Service, ...]:
        self._call("parse")
        return self.means[text]

    def change(self, running: str, wanted: str, dialect: str) -> Change:
        self._call("change")
        if running == wanted.lower():
            return NO_CHANGE
        return Change(wanted, running, f"- {running}\n+ {wanted}\n")

    def begin(self) -> None:
        self._call("begin")

    def read(self) -> str:
        self._call("read")
        return self.running

    def propose(self, change: Change) -> str:
        self._call("propose")
        self.candidate = change.payload
        return "the device's own words"

    def apply(self, confirm_within: int) -> None:
        self._call("apply")
        self.saved, self.running = self.running, self.candidate

    def confirm(self) -> None:
        self._call("confirm")
        self.saved = self.running

    def revert(self) -> None:
        self._call("revert")
        self.running = self.saved

    def _call(self, name: str) -> None:
        self.calls.append(name)
        # "read 2" fails the second reading only.
        for key in (name, f"{name} {self.calls.count(name)}"):
            if key in self.failing:
                raise self.failing[key]


def run(box: Box, rendered: str = "new", **options: Any) -> Any:
    return deploy(box, box, NODE, rendered, "cli", **options)


def test_steps_of_a_change() -> None:
    box = Box()
    outcome = run(box, post_check=list)
    assert box.calls == (
        ["begin", "read", "change", "propose", "apply", "read", "parse", "confirm", "read", "parse"]
    )
    assert outcome.changed
    assert (outcome.before, outcome.after, outcome.left) == ("old", "new", "changed and confirmed")
    assert outcome.diff == "- old\n+ new\n"
    assert outcome.device_diff == "the device's own words"
    assert outcome.steps == (
        "begin", "read", "change", "propose", "apply", "read back", "check", "confirm", "read after confirm"
    )  # fmt: skip


@pytest.mark.parametrize(("rendered", "asked"), [("old", []), ("OLD", ["change"])])
def test_nothing_to_do_gives_the_device_back(rendered: str, asked: list[str]) -> None:
    box = Box()
    outcome = run(box, rendered)
    assert not outcome.changed
    assert outcome.left == "unchanged"
    assert box.calls == ["begin", "read", *asked, "revert"]


class WatchfulBox(Box):
    """Tells without its lock whether a change waits for its confirmation."""

    waits = False

    def at_rest(self) -> bool:
        self._call("at rest")
        return not self.waits


def test_what_stands_is_read_without_a_lock() -> None:
    box = WatchfulBox()
    outcome = run(box, "old")
    assert (outcome.changed, outcome.before, outcome.after) == (False, "old", "old")
    assert outcome.left == "unchanged"
    assert outcome.steps == ("begin", "read")
    assert box.calls == ["at rest", "read"]


@pytest.mark.parametrize(("rendered", "waits", "read"), [("new", False, ["read"]), ("old", True, [])])
def test_what_does_not_surely_stand_is_read_under_the_lock(
    rendered: str, waits: bool, read: list[str]
) -> None:
    box = WatchfulBox()
    box.waits = waits
    outcome = run(box, rendered)
    assert outcome.changed == (rendered == "new")
    assert box.calls[: len(read) + 3] == ["at rest", *read, "begin", "read"]


@pytest.mark.parametrize(("call", "step"), [("at rest", "begin"), ("read", "read")])
def test_a_fault_before_the_lock_leaves_the_device_alone(call: str, step: str) -> None:
    box = WatchfulBox({call: TransportError(step, "the line is cut", "unchanged")})
    with pytest.raises(TransportError) as caught:
        run(box, "old")
    assert (caught.value.step, caught.value.left, box.running) == (step, "unchanged", "old")


def test_check_mode_proposes_and_takes_back() -> None:
    box = Box()
    outcome = run(box, check_mode=True, post_check=lambda: ["never asked"])
    assert outcome.changed
    assert outcome.diff == "- old\n+ new\n"
    assert (outcome.after, outcome.left) == ("old", "unchanged")
    assert box.calls == ["begin", "read", "change", "propose", "revert"]


@pytest.mark.parametrize(
    ("call", "step"),
    [
        ("begin", "begin"),
        ("read 1", "read"),
        ("change", "change"),
        ("propose", "propose"),
        ("apply", "apply"),
        ("read 2", "read back"),
        ("parse", "read back"),
        ("confirm", "confirm"),
    ],
)
def test_a_failure_at_any_step_takes_back_and_names_it(call: str, step: str) -> None:
    box = Box({call: ParseError("line 7: what is this")})
    with pytest.raises(TransportError) as caught:
        run(box)
    assert caught.value.step == step
    assert "line 7: what is this" in caught.value.wrong
    assert caught.value.left == "unchanged"
    assert box.running == "old"
    assert "revert" in box.calls


def test_the_session_knows_better_what_is_left() -> None:
    box = Box({"apply": TransportError("apply", "no answer", "who knows"), "revert": ValueError("unused")})
    box.failing["revert"] = TransportError("revert", "no answer", "changed, reverts by itself in at most 9 s")
    with pytest.raises(TransportError) as caught:
        run(box)
    assert (caught.value.step, caught.value.wrong) == ("apply", "no answer")
    assert caught.value.left == "changed, reverts by itself in at most 9 s"


def test_a_capability_that_is_missing_keeps_its_kind() -> None:
    box = Box({"begin": CapabilityMissing("begin", "no :confirmed-commit", "unchanged")})
    with pytest.raises(CapabilityMissing, match=":confirmed-commit"):
        run(box)


def test_a_revert_that_does_nothing_is_not_believed() -> None:
    class Liar(Box):
        def revert(self) -> None:
            self._call("revert")

    with pytest.raises(TransportError) as caught:
        run(Liar(), post_check=lambda: ["no"], confirm_within=30)
    assert caught.value.left.startswith("not what it was before; changed, reverts by itself")


def test_a_check_that_raises_is_a_failed_check() -> None:
    box = Box()

    def broken() -> list[str]:
        raise RuntimeError("probe died")

    with pytest.raises(TransportError, match="check: probe died") as caught:
        run(box, post_check=broken)
    assert caught.value.left == "unchanged"
    assert box.running == "old"


def test_what_goes_back_before_the_confirmation_is_no_success() -> None:
    class Forgetful(Box):
        def confirm(self) -> None:
            self._call("confirm")
            self.running = "old"

    with pytest.raises(TransportError, match="hall7 is not on the device") as caught:
        run(Forgetful())
    assert caught.value.step == "read after confirm"
    assert caught.value.left == "unchanged"


def test_every_difference_in_meaning_is_told() -> None:
    box = Box()
    box.means["new"] = (replace(SERVICE, ipv6_mtu=1280, strict_iid=True), replace(SERVICE, name="hall8"))
    with pytest.raises(TransportError) as caught:
        run(box)
    assert caught.value.step == "read back"
    assert caught.value.wrong.split("; ") == [
        "service hall8 is on the device and not planned",
        "service hall7: ipv6_mtu is 1280, not 1500",
        "service hall7: strict_iid is True, not False",
    ]


def test_order_of_services_is_no_difference() -> None:
    other = replace(SERVICE, name="hall8")
    assert differences((SERVICE, other), (other, SERVICE)) == []


def test_an_interrupt_is_passed_on_at_once() -> None:
    box = Box()

    asked: list[str] = []

    def interrupted() -> list[str]:
        asked.extend(box.calls)
        raise KeyboardInterrupt

    with pytest.raises(KeyboardInterrupt):
        run(box, post_check=interrupted)
    # The session takes the change back when it is left.
    assert box.calls == asked


def test_what_a_weaker_session_left_is_repaired() -> None:
    """Its second change failed in the middle: the rest is the difference that can be seen."""

    class Weak(Box):
        reverts_by_itself = False

        def revert(self) -> None:
            self._call("revert")
            if self.running == "new":
                self.running = "half"

    box = Weak()
    with pytest.raises(TransportError) as caught:
        run(box, post_check=lambda: ["no"], confirm_within=30)
    assert caught.value.left == "unchanged"
    assert box.running == "old"


class CarefulBox(Box):
    """Its driver finds the operator where the configuration would go."""

    def occupied(self, text: str, wanted: str, dialect: str) -> list[str]:
        return [f"{text} is where {wanted} would go"]


def test_place_of_the_operator_is_left_alone() -> None:
    box = CarefulBox()
    with pytest.raises(TransportError, match="change: old is where new would go") as error:
        run(box)
    assert error.value.left == "unchanged"
    assert box.running == "old"
