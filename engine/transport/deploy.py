# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""One device from what it runs to what it should run: read, change, check, confirm or revert."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, fields

from ..plan.model import NodePlan
from ..platforms.driver import NO_CHANGE, Driver, occupied
from ..techniques.service import Service
from .progress import CONFIRMED, UNCHANGED
from .session import Session, TransportError

Check = Callable[[], list[str]]


@dataclass(frozen=True, slots=True, kw_only=True)
class Outcome:
    """What a deployment did. ``before`` and ``after`` are the device's owned configuration."""

    changed: bool  # in check mode: whether it would change
    diff: str
    before: str
    after: str
    steps: tuple[str, ...]
    left: str  # state of the device in words
    device_diff: str = ""  # the device's own words of the proposal, where it has some


def deploy(
    session: Session,
    driver: Driver,
    node: NodePlan,
    rendered: str,
    dialect: str,
    *,
    check_mode: bool = False,
    confirm_within: int = 120,
    before_apply: Callable[[str], None] | None = None,
    post_check: Check | None = None,
) -> Outcome:
    """Brings a device to its rendered configuration; ``session`` is open.

    In check mode the device validates the proposal and forgets it. Otherwise the change is applied
    for ``confirm_within`` seconds, read back, compared in meaning with ``node.services``, given to
    ``post_check`` (its list of problems must be empty) and confirmed, or else taken back.
    ``before_apply`` hears what the device runs, at the last moment at which it surely runs that.

    Raises TransportError that names the step, what was wrong, and how the device was left.
    """
    run = _Run(session, driver, node, dialect, confirm_within)
    try:
        return run.deploy(rendered, check_mode, before_apply, post_check)
    except Exception as error:
        raise run.failed(error) from error


class _Run:
    """One deployment: which step it is at, and what the device ran before."""

    def __init__(
        self, session: Session, driver: Driver, node: NodePlan, dialect: str, confirm_within: int
    ) -> None:
        self.session, self.driver, self.node, self.dialect = session, driver, node, dialect
        self.confirm_within = confirm_within
        self.steps: list[str] = []
        self.before: str | None = None
        self.believed = UNCHANGED  # the state of the device, unless something better is known

    def deploy(
        self,
        rendered: str,
        check_mode: bool,
        before_apply: Callable[[str], None] | None,
        post_check: Check | None,
    ) -> Outcome:
        self._at("begin")
        if self._stands(rendered):
            return self._outcome(changed=False, diff="", after=rendered, left=UNCHANGED)
        self.session.begin()
        self._at("read")
        text = self.session.read()
        self.before = self.driver.owned(text, self.dialect)
        self._at("change")
        _refuse(occupied(self.driver, text, rendered, self.dialect))
        change = (
            NO_CHANGE if self.before == rendered else self.driver.change(self.before, rendered, self.dialect)
        )
        if not change:
            self._at("revert")
            self.session.revert()
            return self._outcome(changed=False, diff="", after=self.before, left=UNCHANGED)
        self._at("propose")
        device_diff = self.session.propose(change)
        if check_mode:
            self._at("revert")
            self.session.revert()
            return self._outcome(
                changed=True, diff=change.diff, after=self.before, left=UNCHANGED, device_diff=device_diff
            )
        self._at("apply")
        if before_apply is not None:
            before_apply(self.before)
        self.believed = "changed, reverts by itself when the time to confirm is up"
        self.session.apply(self.confirm_within)
        self._at("read back")
        self._check_meaning(self.session.read())
        if post_check is not None:
            self._at("check")
            _refuse(post_check())
        self._at("confirm")
        self.session.confirm()
        self.believed = CONFIRMED
        # A device may have gone back by itself just before, and say nothing.
        self._at("read after confirm")
        text = self.session.read()
        self._check_meaning(text)
        after = self.driver.owned(text, self.dialect)
        return self._outcome(
            changed=True, diff=change.diff, after=after, left=CONFIRMED, device_diff=device_diff
        )

    def _stands(self, rendered: str) -> bool:
        """Whether the device surely runs what it should: then no lock keeps anybody out of it."""
        at_rest = getattr(self.session, "at_rest", None)
        # Asked before reading: a change that begins after it waits longer than reading takes.
        if at_rest is None or not at_rest():
            return False
        self._at("read")
        text = self.session.read()
        running = self.driver.owned(text, self.dialect)
        if running == rendered and not occupied(self.driver, text, rendered, self.dialect):
            self.before = running
            return True
        self._at("begin")
        return False

    def failed(self, error: Exception) -> TransportError:
        """Takes back what can be taken back; the error to raise, with how the device was left."""
        step = self.steps[-1]
        if isinstance(error, TransportError):
            wrong, left = error.wrong, error.left
        else:
            wrong, left = str(error) or type(error).__name__, self.believed
        try:
            self.session.revert()
        except TransportError as second:
            left = second.left
        else:
            left = self._left_now(left)
        kind = type(error) if isinstance(error, TransportError) else TransportError
        return kind(step, wrong, left)

    def _left_now(self, believed: str) -> str:
        """The state as it can be seen; as believed where the device cannot be asked any more."""
        if self.believed == UNCHANGED:
            return believed
        try:
            now = self._read_owned()
        except Exception:
            return believed
        if now != self.before and not self.session.reverts_by_itself:
            now = self._repair(now)
        return UNCHANGED if now == self.before else f"not what it was before; {believed}"

    def _repair(self, now: str) -> str:
        """Where only a part of a change was taken back: the rest, as the difference that can be seen."""
        assert self.before is not None
        try:
            self.session.begin()
            self.session.propose(self.driver.change(now, self.before, self.dialect))
            self.session.apply(self.confirm_within)
            self.session.confirm()
            return self._read_owned()
        except Exception:
            return now

    def _at(self, step: str) -> None:
        self.steps.append(step)

    def _read_owned(self) -> str:
        return self.driver.owned(self.session.read(), self.dialect)

    def _check_meaning(self, text: str) -> None:
        found = self.driver.parse(text, self.dialect, self.node.services)
        _refuse(differences(self.node.services, found))

    def _outcome(self, *, changed: bool, diff: str, after: str, left: str, device_diff: str = "") -> Outcome:
        return Outcome(
            changed=changed,
            diff=diff,
            before=self.before or "",
            after=after,
            steps=tuple(self.steps),
            left=left,
            device_diff=device_diff,
        )


def differences(wanted: tuple[Service, ...], found: tuple[Service, ...]) -> list[str]:
    """What a device runs otherwise than planned, a line for each value; empty where it is the same."""
    planned, running = {s.name: s for s in wanted}, {s.name: s for s in found}
    lines = [f"service {name} is not on the device" for name in sorted(planned.keys() - running.keys())]
    lines += [
        f"service {name} is on the device and not planned" for name in sorted(running.keys() - planned.keys())
    ]
    for name in sorted(planned.keys() & running.keys()):
        for field in fields(Service):
            should, does = getattr(planned[name], field.name), getattr(running[name], field.name)
            if should != does:
                lines.append(f"service {name}: {field.name} is {does}, not {should}")
    return lines


def _refuse(problems: list[str]) -> None:
    if problems:
        raise ValueError("; ".join(problems))
