# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""NETCONF over SSH (RFC 6241, RFC 6242): lock, candidate, confirmed commit that outlives the session."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from contextlib import suppress
from dataclasses import dataclass
from functools import partial
from types import SimpleNamespace, TracebackType
from typing import Any, Protocol, TypeVar

import ncclient.transport.session  # type: ignore[import-untyped]
import ncclient.transport.ssh  # type: ignore[import-untyped]
import paramiko  # type: ignore[import-untyped]
from lxml import etree
from ncclient import NCClientError, manager
from ncclient.operations import RPCError  # type: ignore[import-untyped]
from ncclient.operations.errors import TimeoutExpiredError  # type: ignore[import-untyped]

from ..platforms.driver import Change
from . import login
from .progress import UNCHANGED, Phase, Progress
from .session import CapabilityMissing, TransportError
from .target import Target

PORT = 830
BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
# One identifier for all runs, so that a later run can take back what a dead one left pending.
PERSIST_ID = "ipv4aas.fleet"
# Seconds: a server that swallows the first request, or is gone, must not cost a whole timeout.
FIRST_ANSWER = 10.0
LAST_ANSWER = 5.0

_LOST = (NCClientError, paramiko.SSHException, OSError, EOFError)

T = TypeVar("T")

# Seconds between two looks at the socket: every request costs one; ncclient's own is 0.1.
ncclient.transport.session.TICK = 0.005

_RSA, _RSA_SIGNATURES = "ssh-rsa", ("rsa-sha2-512", "rsa-sha2-256")


class _Transport(paramiko.Transport):  # type: ignore[misc]
    """Asks for an RSA host key by its signatures (RFC 8332); ncclient does so by the key's name alone."""

    _preferred_keys: Any

    @property
    def preferred_keys(self) -> tuple[str, ...]:
        if list(self._preferred_keys) == [_RSA]:
            # paramiko before 5 knows the older signature too.
            older = (_RSA,) if _RSA in self._key_info else ()
            self._preferred_keys = [*_RSA_SIGNATURES, *older]
        found: tuple[str, ...] = super().preferred_keys
        return found


# ncclient takes no transport that somebody else has made.
ncclient.transport.ssh.paramiko = SimpleNamespace(**{**vars(paramiko), "Transport": _Transport})


class _Ended(ncclient.transport.session.SessionListener):  # type: ignore[misc]
    """Nobody may ask a session that has ended: who came before is told by ncclient, who comes later never."""

    def __init__(self, session: Any) -> None:
        self._session = session

    def callback(self, root: Any, raw: str) -> None:
        """A message."""

    def errback(self, ex: Exception) -> None:
        """The end, before the session is closed."""
        self._session._connected = False


@dataclass(frozen=True, slots=True)
class Abilities:
    """What a server's capabilities allow (RFC 6241 section 8)."""

    candidate: bool
    writable_running: bool
    confirmed: bool
    persist: bool
    rollback_on_error: bool
    validate: bool
    test_only: bool
    startup: bool

    @classmethod
    def of(cls, capabilities: Iterable[str]) -> Abilities:
        """From the URIs of the server's hello."""
        prefix = "urn:ietf:params:netconf:capability:"
        offered = {uri.removeprefix(prefix).split("?")[0] for uri in capabilities if uri.startswith(prefix)}
        names = {name.split(":")[0] for name in offered}
        return cls(
            candidate="candidate" in names,
            writable_running="writable-running" in names,
            confirmed="confirmed-commit" in names,
            persist="confirmed-commit:1.1" in offered,
            rollback_on_error="rollback-on-error" in names,
            validate="validate" in names,
            test_only="validate:1.1" in offered,
            startup="startup" in names,
        )

    def edit_options(self) -> dict[str, str]:
        """The safest options of edit-config that the server knows."""
        options = {}
        if self.validate:
            options["test_option"] = "test-then-set"
        if self.rollback_on_error:
            options["error_option"] = "rollback-on-error"
        return options


class _Way(Protocol):
    """How a change reaches running on a server of given abilities."""

    datastores: tuple[str, ...]  # what is locked, in order
    reverts_by_itself: bool

    def stage(self, change: Change) -> None: ...

    def unstage(self) -> None: ...

    def apply(self, seconds: int) -> None: ...

    def confirm(self) -> None: ...

    def take_back(self, change: Change) -> None: ...


class _CandidateWay:
    """What both ways over the candidate datastore share."""

    datastores: tuple[str, ...] = ("candidate", "running")

    def __init__(self, connection: Any, abilities: Abilities) -> None:
        self.connection, self.abilities = connection, abilities

    def stage(self, change: Change) -> None:
        self._edit(change.payload)
        if self.abilities.validate:
            self.connection.validate("candidate")
            # netconfd 2.13 takes a candidate that it has validated for unchanged and does not
            # commit it, so it is staged afresh.
            self.connection.discard_changes()
            self._edit(change.payload)

    def unstage(self) -> None:
        self.connection.discard_changes()

    def _edit(self, payload: str) -> None:
        self.connection.edit_config(
            config_element(payload), target="candidate", **self.abilities.edit_options()
        )


class _ConfirmedCommit(_CandidateWay):
    """Confirmed commit, with a persist identifier where the server knows one (RFC 6241 section 8.4)."""

    reverts_by_itself = True

    def __init__(self, connection: Any, abilities: Abilities, persist_id: str | None) -> None:
        super().__init__(connection, abilities)
        self.persist_id = persist_id

    def apply(self, seconds: int) -> None:
        self.connection.commit(confirmed=True, timeout=str(seconds), persist=self.persist_id)

    def confirm(self) -> None:
        self.connection.commit(persist_id=self.persist_id)

    def take_back(self, change: Change) -> None:
        if self.persist_id:
            self.connection.cancel_commit(self.persist_id)
        else:
            # confirmed-commit:1.0 has no cancel-commit; the change ends with its session.
            self.connection.close_session()


class _PlainCommit(_CandidateWay):
    """Weaker: commit at once, take back by a second commit."""

    reverts_by_itself = False

    def apply(self, seconds: int) -> None:
        self.connection.commit()

    def confirm(self) -> None:
        """Nothing waits for it."""

    def take_back(self, change: Change) -> None:
        self._edit(change.undo)
        self.connection.commit()


class _DirectEdit:
    """Weakest: edit running itself, take back by a second edit."""

    datastores: tuple[str, ...] = ("running",)
    reverts_by_itself = False

    def __init__(self, connection: Any, abilities: Abilities) -> None:
        self.connection, self.abilities = connection, abilities
        self.payload = ""

    def stage(self, change: Change) -> None:
        if self.abilities.test_only:
            self.connection.edit_config(
                config_element(change.payload), target="running", test_option="test-only"
            )
        self.payload = change.payload

    def unstage(self) -> None:
        self.payload = ""

    def apply(self, seconds: int) -> None:
        self._edit(self.payload)

    def confirm(self) -> None:
        """Nothing waits for it."""

    def take_back(self, change: Change) -> None:
        self._edit(change.undo)

    def _edit(self, payload: str) -> None:
        self.connection.edit_config(
            config_element(payload), target="running", **self.abilities.edit_options()
        )


class NetconfSession:
    """A session.Session over NETCONF.

    ``subtree_filter`` is the XML of what can hold services (RFC 6241 section 6), several elements
    side by side are allowed. ``device`` is ncclient's name of a server with a dialect of its own
    (junos, iosxr ...). A server without a confirmed commit is refused (CapabilityMissing) unless
    ``allow_weaker``: then a fault after the commit leaves the change in place. Times to confirm are
    rounded up to multiples of ``time_step`` seconds.
    """

    def __init__(
        self,
        target: Target,
        *,
        subtree_filter: str,
        device: str = "default",
        allow_weaker: bool = False,
        time_step: int = 1,
        persist_id: str = PERSIST_ID,
    ) -> None:
        self._target = target
        self._filter = subtree_filter
        self._device = device
        self._allow_weaker = allow_weaker
        self._time_step = time_step
        self._persist_id = persist_id
        self._progress = Progress()
        self._locked: list[str] = []
        self._change: Change | None = None
        self._begun: _Way | None = None
        self._connection: Any = None
        self._abilities = Abilities.of(())

    @property
    def reverts_by_itself(self) -> bool:
        return self._way.reverts_by_itself

    def __enter__(self) -> NetconfSession:
        for attempt in ("first", "second"):
            self._connection = self._connect()
            try:
                self._first_request()
                break
            except TimeoutExpiredError as error:
                self._close()
                if attempt == "second":
                    raise TransportError(
                        "connect", "no answer to the first request", self._progress.left
                    ) from error
            except _LOST as error:
                self._close()
                raise TransportError("connect", self._reason(error), self._progress.left) from error
        self._abilities = Abilities.of(self._connection.server_capabilities)
        return self

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        try:
            self.revert()
        except TransportError:
            # The error that ended the session says more; the server drops locks with the session.
            pass
        finally:
            self._close()

    def begin(self) -> None:
        self._progress = Progress()
        self._begun = self._choose_way()
        first, *others = self._way.datastores
        # Whoever of ours is alive holds that lock: what is pending without it is of a dead run.
        try:
            self._lock(first)
        except TransportError as error:
            # A server may refuse it for the pending commit alone.
            if _is_held(error) or not self._take_back_orphan():
                raise
            self._lock(first)
        else:
            self._take_back_orphan()
        for datastore in others:
            self._lock(datastore)

    def read(self) -> str:
        return str(
            self._call(
                "read",
                lambda: self._connection.get_config("running", filter=filter_element(self._filter)).data_xml,
            )
        )

    def propose(self, change: Change) -> str:
        self._change = change
        self._progress.phase = Phase.STAGED
        self._call("propose", partial(self._way.stage, change))
        return ""

    def apply(self, confirm_within: int) -> None:
        way = self._way
        if way.reverts_by_itself:
            # netconfd 2.13 does not roll back a running datastore that is locked, not even for its
            # owner; that the candidate is locked keeps others from committing.
            self._unlock("apply", "running")
        sure = self._progress.phase
        seconds = -(-confirm_within // self._time_step) * self._time_step
        self._progress.reverts_in(seconds + self._target.timeout)
        self._progress.phase = Phase.APPLYING if way.reverts_by_itself else Phase.APPLYING_FOR_GOOD
        self._call("apply", partial(way.apply, seconds), refused=sure)
        self._progress.reverts_in(seconds)
        self._progress.phase = Phase.PENDING if way.reverts_by_itself else Phase.CHANGED

    def confirm(self) -> None:
        way = self._way
        sure = self._progress.phase
        if way.reverts_by_itself:
            self._progress.phase = Phase.CONFIRMING
        self._call("confirm", way.confirm, refused=sure)
        self._progress.phase = Phase.CONFIRMED
        if self._abilities.startup:
            self._call("confirm", partial(self._connection.copy_config, "running", "startup"))
        self._unlock("confirm")

    def revert(self) -> None:
        if not self._alive:
            return
        if self._progress.phase in (Phase.APPLYING, Phase.PENDING, Phase.APPLYING_FOR_GOOD, Phase.CHANGED):
            assert self._change is not None
            self._call("revert", partial(self._way.take_back, self._change))
            self._progress.phase = Phase.STAGED
            if not self._alive:
                self._reconnect()
        if self._progress.phase is Phase.STAGED:
            self._call("revert", self._way.unstage)
            self._progress.phase = Phase.IDLE
        self._unlock("revert")

    def _reconnect(self) -> None:
        """After a way to take back that ends the session; proposal and locks ended with it."""
        self._close()
        self.__enter__()
        self._progress.phase = Phase.IDLE

    def _connect(self) -> Any:
        target = self._target
        arguments: dict[str, Any] = {}
        login.private_key(target)
        if target.verify_host_key:
            arguments["hostkey_b64"] = target.host_key().get_base64()
        try:
            connection = manager.connect_ssh(
                host=target.host,
                port=target.port,
                sock=login.dial(target),
                username=target.username,
                password=target.password,
                key_filename=target.key_file,
                allow_agent=target.use_own_keys,
                look_for_keys=target.use_own_keys,
                hostkey_verify=target.verify_host_key,
                timeout=target.timeout,
                device_params={"name": self._device},
                manager_params={"timeout": target.timeout},
                **arguments,
            )
        except _LOST as error:
            wrong = login.trouble(error, target) or self._reason(error)
            raise TransportError("connect", wrong, self._progress.left) from error
        connection._session.add_listener(_Ended(connection._session))
        return connection

    def _first_request(self) -> None:
        """Asks for nothing (RFC 6241 section 6.4.2), to see whether the server answers at all."""
        self._connection.timeout = min(FIRST_ANSWER, self._target.timeout)
        self._connection.get_config("running", filter=filter_element(""))
        self._connection.timeout = self._target.timeout

    def _choose_way(self) -> _Way:
        abilities, connection = self._abilities, self._connection
        if abilities.candidate and abilities.confirmed:
            return _ConfirmedCommit(connection, abilities, self._persist_id if abilities.persist else None)
        if abilities.candidate:
            self._accept_weaker(":confirmed-commit", "commit at once")
            return _PlainCommit(connection, abilities)
        if abilities.writable_running:
            self._accept_weaker(":candidate and :confirmed-commit", "edit the running configuration")
            return _DirectEdit(connection, abilities)
        raise CapabilityMissing(
            "begin",
            "the server has neither :candidate nor :writable-running, so that it can only be read; switch"
            " :candidate and :confirmed-commit on in the device, or use another ipv4aas_dialect",
            UNCHANGED,
        )

    def _accept_weaker(self, missing: str, weaker: str) -> None:
        if not self._allow_weaker:
            raise CapabilityMissing(
                "begin",
                f"the server has no {missing}; the weaker mode (allow_weaker): {weaker}, taken back by a"
                " second change",
                UNCHANGED,
            )

    @property
    def _way(self) -> _Way:
        if self._begun is None:
            raise RuntimeError("begin() comes first")
        return self._begun

    def _lock(self, datastore: str) -> None:
        try:
            self._call("begin", partial(self._connection.lock, datastore))
        except TransportError as error:
            if not self._alive:
                raise
            self._unlock("begin")
            raise TransportError(
                "begin",
                f"the {datastore} datastore cannot be locked: {error.wrong}; somebody else is at work on"
                " the device or left uncommitted edits; nothing of theirs was touched",
                self._progress.left,
            ) from error
        self._locked.append(datastore)

    def _unlock(self, step: str, *datastores: str) -> None:
        """Releases these locks, or all."""
        for datastore in reversed(datastores or tuple(self._locked)):
            self._locked.remove(datastore)
            self._call(step, partial(self._connection.unlock, datastore))

    def _take_back_orphan(self) -> bool:
        """Whether a pending commit that a dead run of ours left was there, and is cancelled."""
        if not self._abilities.persist:
            return False
        try:
            self._call("begin", partial(self._connection.cancel_commit, self._persist_id))
        except TransportError:
            if not self._alive:
                raise
            # Nothing is pending, or it is somebody else's.
            return False
        self._call("begin", self._connection.discard_changes)
        return True

    def _call(self, step: str, request: Callable[[], T], refused: Phase | None = None) -> T:
        """The request's result. Where the server refuses it, the phase goes back to ``refused``."""
        if not self._alive:
            raise TransportError(step, "the session was closed", self._progress.left)
        try:
            return request()
        except RPCError as error:
            if refused is not None:
                self._progress.phase = refused
            wrong = self._target.without_secrets(errors_text(error))
            raise TransportError(step, wrong, self._progress.left) from error
        except _LOST as error:
            raise TransportError(step, self._reason(error), self._progress.left) from error

    @property
    def _alive(self) -> bool:
        if self._connection is None or not self._connection.connected:
            return False
        # While ncclient closes a dead session it still takes requests, and never answers them.
        channel = self._connection._session._channel
        return channel is not None and not channel.closed and not channel.eof_received

    def _reason(self, error: BaseException) -> str:
        # ncclient appends what it had in its buffers after the first line: configuration.
        text = str(error).splitlines()[0] if str(error) else type(error).__name__
        return self._target.without_secrets(text)

    def _close(self) -> None:
        self._locked = []
        if self._connection is None:
            return
        if self._alive:
            self._connection.timeout = min(LAST_ANSWER, self._target.timeout)
            # A server that goes without an answer has gone all the same.
            with suppress(*_LOST):
                self._connection.close_session()
        self._connection._session.close()
        self._connection = None


def config_element(payload: str) -> etree._Element:
    """The payload as the <config> of edit-config; what is not rooted in <config> is put into one.

    Raises ValueError for what is not XML.
    """
    elements = _children(payload)
    if len(elements) == 1 and etree.QName(elements[0]).localname == "config":
        return elements[0]
    config = etree.Element(etree.QName(BASE, "config"), nsmap={"nc": BASE})
    config.extend(elements)
    return config


def filter_element(elements: str) -> etree._Element:
    """The <filter> that selects what these elements select; none of them selects nothing."""
    element = etree.Element(etree.QName(BASE, "filter"), type="subtree")
    element.extend(_children(elements))
    return element


def _children(fragment: str) -> list[etree._Element]:
    """The elements of an XML fragment that may have several roots."""
    text = fragment.strip()
    if text.startswith("<?xml"):
        text = text[text.index("?>") + 2 :]
    parser = etree.XMLParser(remove_blank_text=True, resolve_entities=False)
    try:
        return list(etree.fromstring(f"<fragment>{text}</fragment>", parser))
    except etree.XMLSyntaxError as error:
        raise ValueError(f"not XML: {error}") from error


def _is_held(error: BaseException | None) -> bool:
    """Whether a lock was refused since somebody has it (RFC 6241 section 7.5), for no other reason."""
    while error is not None and not isinstance(error, RPCError):
        error = error.__cause__
    return error is not None and any(each.tag == "lock-denied" for each in _errors(error))


def _errors(error: RPCError) -> list[Any]:
    return list(getattr(error, "errors", None) or [error])


def errors_text(error: RPCError) -> str:
    """Every error that a server reported, with tag, place and message."""
    parts = []
    for each in _errors(error):
        place = f" at {each.path.strip()}" if each.path else ""
        message = (each.message or "no message").strip()
        parts.append(f"{each.tag or 'error'}{place}: {message}")
    return "; ".join(parts)
