# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands for a NETCONF server, behind ncclient's manager: datastores, locks, confirmed commits (RFC 6241).

Nothing is encoded and there is no SSH, so that a deployment takes milliseconds; the tests with netconfd
have those. As there: one candidate for all, a lock of it that is refused while it holds foreign edits,
a commit with a persist identifier that outlives its session, edits with operation merge or delete.
Time passes when the test says so.
"""

from __future__ import annotations

import copy
from types import SimpleNamespace
from typing import Any

from lxml import etree
from ncclient.operations import RPCError

BASE = "urn:ietf:params:xml:ns:netconf:base:1.0"
CAPABILITIES = [
    f"urn:ietf:params:netconf:capability:{name}"
    for name in ("candidate:1.0", "confirmed-commit:1.1", "validate:1.1", "rollback-on-error:1.0")
]


class NetconfRouter:
    """The server; ``running`` is a <config> element's text at the start."""

    def __init__(self, running: str) -> None:
        self.running = etree.fromstring(running, etree.XMLParser(remove_blank_text=True))
        self.candidate = copy.deepcopy(self.running)
        self.locks: dict[str, Manager] = {}
        self.before: Any = None  # running, while a commit waits for its confirmation
        self.persist: str | None = None
        self.sessions: list[Manager] = []

    def connect(self) -> Manager:
        self.sessions.append(Manager(self))
        return self.sessions[-1]

    @property
    def waiting(self) -> bool:
        return self.before is not None

    def text(self) -> str:
        return etree.tostring(self.running, encoding="unicode")

    def elapse(self) -> None:
        """The time of a confirmed commit passes."""
        if self.before is not None:
            self.running, self.before, self.persist = self.before, None, None
            self.candidate = copy.deepcopy(self.running)

    def drop_sessions(self) -> None:
        for session in list(self.sessions):
            session.end()

    def restart(self) -> None:
        self.drop_sessions()
        self.elapse()


class Manager:
    """One session: as much of ncclient.manager.Manager as NetconfSession asks of it."""

    server_capabilities = CAPABILITIES

    def __init__(self, router: NetconfRouter) -> None:
        self.router = router
        self.connected, self.timeout = True, 0.0
        self._session = SimpleNamespace(
            _channel=SimpleNamespace(closed=False, eof_received=False), close=self.end
        )

    def end(self) -> None:
        """The session is gone, politely or not."""
        self.connected = False
        self._session._channel.closed = True
        if self.router.locks.get("candidate") is self:
            self.router.candidate = copy.deepcopy(self.router.running)
        self.router.locks = {name: owner for name, owner in self.router.locks.items() if owner is not self}
        if self in self.router.sessions:
            self.router.sessions.remove(self)

    close_session = end

    def get_config(self, source: str, filter: Any) -> Any:
        data = etree.Element(f"{{{BASE}}}data")
        wanted = {element.tag for element in filter}
        data.extend(copy.deepcopy(each) for each in self.router.running if each.tag in wanted)
        return SimpleNamespace(data_xml=etree.tostring(data, encoding="unicode"))

    def lock(self, datastore: str) -> None:
        router = self.router
        if router.locks.get(datastore, self) is not self:
            raise refusal("lock-denied", "the lock is held by another session")
        if datastore == "candidate" and self._changed:
            raise refusal("lock-denied", "the candidate has been modified")
        router.locks[datastore] = self

    def unlock(self, datastore: str) -> None:
        if self.router.locks.pop(datastore, None) is not self:
            raise refusal("operation-failed", "the lock is not yours")

    def edit_config(self, config: Any, target: str, **options: str) -> None:
        self._mine()
        edited = copy.deepcopy(self.router.candidate)
        merge(edited, config)
        self.router.candidate = edited

    def validate(self, source: str) -> None:
        self._mine()

    def discard_changes(self) -> None:
        self._mine()
        self.router.candidate = copy.deepcopy(self.router.running)

    def commit(
        self,
        confirmed: bool = False,
        timeout: str | None = None,
        persist: str | None = None,
        persist_id: str | None = None,
    ) -> None:
        self._mine()
        router = self.router
        if router.before is not None and persist_id != router.persist:
            raise refusal("in-use", "a confirmed commit is pending")
        if persist_id is not None and router.before is None:
            raise refusal("invalid-value", "no commit waits for a confirmation")
        if confirmed:
            router.before, router.persist = router.running, persist
        else:
            router.before = router.persist = None
        router.running = copy.deepcopy(router.candidate)

    def cancel_commit(self, persist_id: str) -> None:
        if self.router.before is None or self.router.persist != persist_id:
            raise refusal("invalid-value", "no such commit is pending")
        self.router.elapse()

    @property
    def _changed(self) -> bool:
        one, other = self.router.candidate, self.router.running
        return etree.tostring(one, method="c14n") != etree.tostring(other, method="c14n")

    def _mine(self) -> None:
        if self.router.locks.get("candidate", self) is not self:
            raise refusal("in-use", "the candidate is locked")


def merge(target: Any, edit: Any) -> None:
    """An edit-config (RFC 6241 section 7.2). Raises RPCError."""
    for child in edit:
        operation = child.get(f"{{{BASE}}}operation", "merge")
        old = next((each for each in target if identity(each) == identity(child)), None)
        if operation == "delete":
            if old is None:
                raise refusal("data-missing", f"there is no {child.tag}")
            target.remove(old)
            continue
        if old is None:
            old = etree.SubElement(target, child.tag)
        if len(child):
            merge(old, child)
        else:
            old.text = child.text


def identity(element: Any) -> tuple[str, str | None]:
    """Tag and key: a list entry of these models is known by its name."""
    name = etree.QName(element).localname
    keys = ("name", f"{name}-name")
    return element.tag, next((each.text for each in element if etree.QName(each).localname in keys), None)


def refusal(tag: str, message: str) -> RPCError:
    """What the server says no with."""
    return RPCError(
        etree.fromstring(
            f'<rpc-error xmlns="{BASE}"><error-type>protocol</error-type><error-tag>{tag}</error-tag>'
            f"<error-severity>error</error-severity><error-message>{message}</error-message></rpc-error>"
        )
    )
