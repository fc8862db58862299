# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A session over SSH. What is typed is the business of a platform's command line (ios_xr, junos, openwrt)."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from types import TracebackType
from typing import Protocol, TypeVar

import paramiko  # type: ignore[import-untyped]
from netmiko.exceptions import NetmikoBaseException

from ..platforms.driver import Change
from . import login
from .progress import UNCHANGED, Phase, Progress
from .session import CapabilityMissing, TransportError
from .target import Target

T = TypeVar("T")


class Rejected(Exception):
    """The device answered and refused; the text is its own. Nothing of the refused step is active."""


_REFUSAL = 3  # lines: a mark below what was typed, and why


def refusal_to_show(answer: str) -> str:
    """What of an answer can be a refusal; further down, such as in a banner, it is what is shown."""
    return "\n".join(answer.strip("\n").splitlines()[:_REFUSAL])


class CommandLine(Protocol):
    """How one kind of device is read and changed. All may raise Rejected, or an error of _LOST."""

    target: Target
    reverts_by_itself: bool  # whether what apply() did goes away unless it is confirmed

    def open(self) -> None: ...

    def close(self) -> None: ...

    def at_rest(self) -> bool:
        """As session.Watchful; False where only the lock tells."""

    def begin(self) -> None:
        """Takes the device's lock; refuses what session.Session.begin refuses."""

    def read(self) -> str: ...

    def stage(self, change: Change) -> str:
        """Enters and validates the change; returns the device's own diff."""

    def leave(self) -> None:
        """Drops what is staged and not applied, and the lock."""

    def seconds(self, confirm_within: int) -> int:
        """The time that the device will really wait for a confirmation."""

    def apply(self, seconds: int) -> None: ...

    def confirm(self) -> None:
        """Also gives up the lock."""

    def take_back(self) -> None:
        """Takes back at once what apply() did, and gives up the lock."""


_APPLIED = (Phase.APPLYING, Phase.PENDING, Phase.APPLYING_FOR_GOOD, Phase.CHANGED)
_LOST = (NetmikoBaseException, paramiko.SSHException, OSError, EOFError, ValueError)


class SshSession:
    """A session.Session with a device of which ``line`` knows the language.

    A device that does not revert by itself is refused (CapabilityMissing) unless ``allow_weaker``: then a
    fault after apply() may leave the change in place, or a part of it.
    """

    def __init__(self, line: CommandLine, *, allow_weaker: bool = False) -> None:
        self._line = line
        self._allow_weaker = allow_weaker
        self._progress = Progress()
        self._begun = False
        self._lost = False

    @property
    def reverts_by_itself(self) -> bool:
        return self._line.reverts_by_itself

    def __enter__(self) -> SshSession:
        target = self._line.target
        # The libraries' own words for what is missing would not say what to do.
        login.private_key(target)
        if target.verify_host_key:
            target.host_key()
        try:
            self._line.open()
        except _LOST as error:
            wrong = login.trouble(error, target) or self._reason(error)
            raise TransportError("connect", wrong, self._progress.left) from error
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The error that ended the session says more than one on the way out.
        with suppress(TransportError):
            self.revert()
        with suppress(*_LOST):
            self._line.close()

    def begin(self) -> None:
        if not self._line.reverts_by_itself and not self._allow_weaker:
            raise CapabilityMissing(
                "begin",
                "the device has no commit that reverts by itself; the weaker mode (allow_weaker): change it"
                " at once, taken back by a second change",
                UNCHANGED,
            )
        self._progress = Progress()
        self._call("begin", self._line.begin)
        self._begun = True

    def at_rest(self) -> bool:
        return self._call("begin", self._line.at_rest)

    def read(self) -> str:
        return self._call("read", self._line.read)

    def propose(self, change: Change) -> str:
        self._progress.phase = Phase.STAGED
        return self._call("propose", lambda: self._line.stage(change))

    def apply(self, confirm_within: int) -> None:
        seconds = self._line.seconds(confirm_within)
        by_itself = self._line.reverts_by_itself
        self._progress.reverts_in(seconds + self._line.target.timeout)
        self._progress.phase = Phase.APPLYING if by_itself else Phase.APPLYING_FOR_GOOD
        self._call("apply", lambda: self._line.apply(seconds), refused=Phase.STAGED)
        self._progress.reverts_in(seconds)
        self._progress.phase = Phase.PENDING if by_itself else Phase.CHANGED

    def confirm(self) -> None:
        sure = self._progress.phase
        if self._line.reverts_by_itself:
            self._progress.phase = Phase.CONFIRMING
        self._call("confirm", self._line.confirm, refused=sure)
        self._progress.phase = Phase.CONFIRMED
        self._begun = False

    def revert(self) -> None:
        if self._lost or not self._begun:
            return
        if self._progress.phase in _APPLIED:
            self._call("revert", self._line.take_back)
        elif self._progress.phase in (Phase.IDLE, Phase.STAGED):
            self._call("revert", self._line.leave)
        self._progress.phase = Phase.IDLE
        self._begun = False

    def _call(self, step: str, action: Callable[[], T], refused: Phase | None = None) -> T:
        """The action's result. Where the device refuses it, the phase goes back to ``refused``."""
        try:
            return action()
        except Rejected as error:
            if refused is not None:
                self._progress.phase = refused
            raise TransportError(step, self._reason(error), self._progress.left) from error
        except _LOST as error:
            self._lost = True
            raise TransportError(step, self._reason(error), self._progress.left) from error

    def _reason(self, error: BaseException) -> str:
        # First, since a password may have blanks too.
        text = self._line.target.without_secrets(str(error))
        return " ".join(text.split()) or type(error).__name__
