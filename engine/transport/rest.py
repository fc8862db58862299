# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A session with a device that shows its configuration as objects over HTTPS (platforms.objects).

Nothing there is a transaction. So each object is looked at before the first change, each edit is noted before
it is sent, and where one fails all that was sent is taken back in reverse order: what an object is then, the
device is asked, since an answer may have been lost after the deed.
"""

from __future__ import annotations

import http.client
import ssl
from collections.abc import Callable, Mapping
from contextlib import suppress
from types import TracebackType
from typing import Protocol, TypeVar

from ..platforms.driver import Change
from ..platforms.objects import Body, Edit, read_edits
from .progress import CONFIRMED, UNCHANGED, Phase, Progress
from .reach import unreachable
from .session import CapabilityMissing, TransportError
from .target import Target

T = TypeVar("T")


class Rejected(Exception):
    """The device answered and refused; nothing of the request was done."""


class NotLetIn(Rejected):
    """The device does not take who logs in."""


class Unclear(Exception):
    """The device answered in a way that leaves open whether the request was done."""


_LOST = (Unclear, OSError, http.client.HTTPException, ValueError)


class Api(Protocol):
    """How one kind of device is read and changed. All may raise Rejected, or an error of _LOST."""

    title: str
    unsaved: str  # what becomes of changes before save()
    target: Target

    def open(self) -> None:
        """Logs in."""

    def close(self) -> None:
        """Logs off."""

    def read(self) -> str:
        """Every object that may hold services, ours or not."""

    def part(self, path: str) -> Body | None:
        """What is at a path now, in the form of an edit; whoever made it."""

    def make(self, edit: Edit) -> None:
        """One edit."""

    def save(self) -> None:
        """Makes the changes last, or become active where they do not by themselves."""


class RestSession:
    """A session.Session over ``api``; refused (CapabilityMissing) unless ``allow_weaker``."""

    reverts_by_itself = False

    def __init__(self, api: Api, *, allow_weaker: bool = False) -> None:
        self._api = api
        self._allow_weaker = allow_weaker
        self._progress = Progress()
        self._begun = False
        self._edits: list[Edit] = []
        self._sent: list[Edit] = []  # made, or perhaps made, and not taken back
        self._saving = False  # whether a save() was sent whose answer is not known, or is to be made up for

    def __enter__(self) -> RestSession:
        try:
            self._call("connect", self._open)
        except TransportError:
            self._log_off()
            raise
        return self

    def _open(self) -> None:
        target = self._api.target
        try:
            _context(target)
        except OSError as error:
            wrong = f"the file of authorities {target.ca_file}: {(error.strerror or str(error)).lower()}"
            raise Rejected(f"{wrong}; look at ansible_httpapi_ca_path of the host") from error
        try:
            self._api.open()
        except NotLetIn as error:
            shown = "with the password" if target.password else "without a password"
            wrong = f"{target.place} does not let {target.username} in {shown} ({error})"
            raise Rejected(f"{wrong}; look at ansible_user and ansible_password of the host") from error
        except (OSError, UnicodeError) as error:
            raise Rejected(unreachable(error, target)) from error

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        # The error that ended the session says more than one on the way out.
        with suppress(TransportError):
            self.revert()
        self._log_off()

    def begin(self) -> None:
        if not self._allow_weaker:
            raise CapabilityMissing(
                "begin",
                f"{self._api.title} has no confirmed commit; the weaker mode (allow_weaker): objects are "
                "changed one after the other, taken back by the opposite requests",
                UNCHANGED,
            )
        self._progress = Progress()
        self._edits, self._sent, self._saving = [], [], False
        self._begun = True

    def read(self) -> str:
        return self._call("read", self._api.read)

    def propose(self, change: Change) -> str:
        self._edits = read_edits(change.payload)
        first: dict[str, Edit] = {}
        for edit in self._edits:
            first.setdefault(edit.path, edit)
        found = self._call("propose", lambda: [(edit, self._api.part(edit.path)) for edit in first.values()])
        wrong = [_other(edit) for edit, now in found if now != edit.before]
        if wrong:
            raise TransportError("propose", "; ".join(wrong), self._left)
        self._progress.phase = Phase.STAGED
        return ""

    def apply(self, confirm_within: int) -> None:
        self._progress.phase = Phase.APPLYING_FOR_GOOD
        for edit in self._edits:
            try:
                self._make(edit)
            except (Rejected, *_LOST) as error:
                wrong = f"{edit.path}: {self._reason(error)}"
                self._call("apply", self._take_back, f"{wrong}; and then, while it was taken back: ")
                raise TransportError("apply", f"{wrong}; all is taken back", self._left) from error
        self._progress.phase = Phase.CHANGED

    def confirm(self) -> None:
        self._call("confirm", self._save)
        self._progress.phase = Phase.CONFIRMED
        self._sent, self._begun = [], False

    def revert(self) -> None:
        if not self._begun:
            return
        self._call("revert", self._take_back)
        if self._saving:
            self._call("revert", self._save)
        self._begun = False

    def _save(self) -> None:
        before, self._saving = self._saving, True
        try:
            self._api.save()
        except Rejected:
            self._saving = before
            raise
        self._saving = False

    def _make(self, edit: Edit) -> None:
        self._sent.append(edit)
        try:
            self._api.make(edit)
        except Rejected:
            self._sent.pop()
            raise

    def _take_back(self) -> None:
        while self._sent:
            edit = self._sent[-1]
            now = self._api.part(edit.path)
            if now != edit.before:
                self._api.make(Edit(edit.path, now, edit.before))
            self._sent.pop()
        self._progress.phase = Phase.IDLE

    @property
    def _left(self) -> str:
        """The state of the device in words."""
        if self._progress.phase is Phase.CONFIRMED:
            return CONFIRMED
        if not self._sent:
            return f"{UNCHANGED}, but perhaps the change is saved" if self._saving else UNCHANGED
        if self._progress.phase is Phase.CHANGED:
            return f"{self._progress.left}, {'perhaps ' if self._saving else ''}{self._api.unsaved}"
        paths = dict.fromkeys(edit.path for edit in self._sent)
        return f"changed, does not revert by itself, in {', '.join(paths)} (of the last one it is not sure)"

    def _call(self, step: str, action: Callable[[], T], before: str = "") -> T:
        try:
            return action()
        except (Rejected, *_LOST) as error:
            raise TransportError(step, f"{before}{self._reason(error)}", self._left) from error

    def _reason(self, error: BaseException) -> str:
        # First, since a password may have blanks too.
        text = self._api.target.without_secrets(str(error))
        return " ".join(text.split()) or type(error).__name__

    def _log_off(self) -> None:
        with suppress(Rejected, *_LOST):
            self._api.close()


def _other(edit: Edit) -> str:
    if edit.before is None:
        return f"{edit.path} holds what is not ours; nothing of it was touched"
    return f"{edit.path} is not any more as it was read"


def request(
    target: Target, method: str, path: str, headers: Mapping[str, str], body: str | None = None
) -> tuple[int, str, http.client.HTTPMessage]:
    """Status, text and headers of one answer, on a connection of its own; no redirection is followed."""
    connection = http.client.HTTPSConnection(
        target.host, target.port, timeout=target.timeout, context=_context(target)
    )
    try:
        connection.request(method, path, None if body is None else body.encode(), dict(headers))
        answer = connection.getresponse()
        return answer.status, answer.read().decode(), answer.headers
    finally:
        connection.close()


def _context(target: Target) -> ssl.SSLContext:
    context = ssl.create_default_context(cafile=target.ca_file)
    if not target.verify_certificate:
        context.check_hostname = False
        context.verify_mode = ssl.CERT_NONE
    return context
