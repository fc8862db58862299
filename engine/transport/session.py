# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""The interface of a session with a device, and what can go wrong in one."""

from __future__ import annotations

from types import TracebackType
from typing import Protocol

from ..platforms.driver import Change


class TransportError(Exception):
    """A session failed. ``step`` is connect, begin, read, propose, apply, confirm or revert.

    ``left`` tells the state of the device in words: unchanged, "reverts by itself in N s",
    changed, or unknown.
    """

    def __init__(self, step: str, wrong: str, left: str) -> None:
        self.step, self.wrong, self.left = step, wrong, left
        super().__init__(f"{step}: {wrong} (device: {left})")


class CapabilityMissing(TransportError):
    """The device lacks what a safe change needs; the message names it and the weaker mode."""


class Session(Protocol):
    """An open session. Used as a context manager; leaving it never leaves a lock or a candidate."""

    @property
    def reverts_by_itself(self) -> bool:
        """After begin(): whether the device takes back by itself what is not confirmed."""

    def __enter__(self) -> Session: ...

    def __exit__(
        self,
        kind: type[BaseException] | None,
        error: BaseException | None,
        trace: TracebackType | None,
    ) -> None: ...

    def begin(self) -> None:
        """Takes the device for a change, so that what read() gives then cannot change behind it.

        Locks it where it can be locked. An unconfirmed change that a dead run of ours left is
        taken back, since it would revert by itself later; one of somebody else's, a foreign lock
        and foreign uncommitted edits are refused (TransportError, device: unchanged). revert()
        or confirm() ends it. Not needed for reading alone.
        """

    def read(self) -> str:
        """The running configuration, as much of it as can hold services."""

    def propose(self, change: Change) -> str:
        """Stages and validates after begin(); nothing is active yet. Returns the device's own diff or ''."""

    def apply(self, confirm_within: int) -> None:
        """Makes the proposal active, for that many seconds unless confirmed where the device can do that."""

    def confirm(self) -> None:
        """Keeps what apply did, also over a restart, and unlocks."""

    def revert(self) -> None:
        """Takes back a proposal or an unconfirmed change and unlocks."""


class Watchful(Session, Protocol):
    """A session that can tell without the device's lock whether what read() gives is there to stay."""

    def at_rest(self) -> bool:
        """Whether no change waits for its confirmation, of whomever."""
