# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""A10's aXAPI v3: log in for a signature, one URL for each object, ``write memory`` to keep it all.

Requests and answers are those of A10's "Start Here" and "Operations" (ACOS-Docs/axapi) and of the client in
a10networks/a10-acos-axapi (plugins/module_utils): a fault is ``response.err``, a missing or old signature
``authorizationschema``.
"""

from __future__ import annotations

import json
from typing import Any
from urllib.parse import quote

from ..platforms.a10 import objects
from ..platforms.a10.objects import Kind, at, put
from ..platforms.objects import Body, Edit, Objects, write
from .rest import NotLetIn, Rejected, Unclear, request
from .target import Target

_BASE = "/axapi/v3"
_SHARED = "shared"


class _Missing(Rejected):
    """There is no such object."""


class Axapi:
    """A rest.Api. ``partition`` is the one to work in."""

    title = "aXAPI"
    unsaved = "not written to memory: lost at a restart"

    def __init__(self, target: Target, *, partition: str = _SHARED) -> None:
        self.target = target
        self._partition = partition
        self._signature = ""

    def open(self) -> None:
        credentials = {"username": self.target.username, "password": self.target.password or ""}
        try:
            answer = self._ask("POST", "/auth", {"credentials": credentials})
        except Rejected as error:
            raise NotLetIn(str(error)) from error
        self._signature = str(at(answer, "authresponse", "signature") or "")
        if not self._signature:
            raise Rejected("POST /auth: there is no signature in the answer")
        if self._partition != _SHARED:
            # An unknown partition would be switched to, and the session then be lost.
            self._ask("GET", f"/partition/{_quoted(self._partition)}")
            body = {"active-partition": {"curr_part_name": self._partition, "shared": "false"}}
            self._ask("POST", f"/active-partition/{_quoted(self._partition)}", body)

    def close(self) -> None:
        if self._signature:
            try:
                self._ask("POST", "/logoff")
            finally:
                self._signature = ""

    def read(self) -> str:
        found: Objects = {}
        for kind in objects.KINDS:
            try:
                answer = self._call("GET", f"/{kind.path}")
            except _Missing:
                continue
            listed = answer.get(f"{kind.element}-list", []) if kind.key else [answer.get(kind.element, {})]
            found |= {
                objects.path_of(kind, body): body for body in listed if not kind.key or kind.key in body
            }
        return write(found)

    def part(self, path: str) -> Body | None:
        kind = objects.kind_of(path)
        try:
            body = self._object(kind, path)
        except _Missing:
            return None
        return objects.normal(kind, body) or None

    def make(self, edit: Edit) -> None:
        kind = objects.kind_of(edit.path)
        if kind.fields:
            whole = _merged(self._object(kind, edit.path), kind, edit.after or {})
            self._call("PUT", _url(kind, edit.path), {kind.element: whole})
        elif edit.after is None:
            self._call("DELETE", _url(kind, edit.path))
        elif edit.before is None:
            self._call("POST", f"/{kind.path}", {kind.element: edit.after})
        else:
            self._call("PUT", _url(kind, edit.path), {kind.element: edit.after})

    def save(self) -> None:
        where = {"partition": _SHARED}
        if self._partition != _SHARED:
            where = {"partition": "specified", "specified-partition": self._partition}
        self._call("POST", "/write/memory", {"memory": where})

    def _object(self, kind: Kind, path: str) -> Body:
        body: Body = self._call("GET", _url(kind, path)).get(kind.element, {})
        return body

    def _call(self, method: str, path: str, document: Body | None = None) -> Body:
        """The answer; a request that comes after the signature's time is sent again with a new one."""
        try:
            return self._ask(method, path, document)
        except _Expired:
            self._signature = ""
            self.open()
            return self._ask(method, path, document)

    def _ask(self, method: str, path: str, document: Body | None = None) -> Body:
        headers = {"Content-Type": "application/json"}
        if self._signature:
            headers["Authorization"] = f"A10 {self._signature}"
        body = None if document is None else json.dumps(document)
        status, text, _headers = request(self.target, method, f"{_BASE}{path}", headers, body)
        return _answer(f"{method} {path}", status, text, signed=bool(self._signature))


class _Expired(Rejected):
    """The signature is not valid any more; nothing was done."""


def _answer(what: str, status: int, text: str, *, signed: bool) -> Body:
    """The document of an answer. Raises Rejected for a refusal, Unclear for what is none."""
    try:
        document: Any = json.loads(text) if text.strip() else {}
    except ValueError:
        document = None
    if not isinstance(document, dict):
        raise Unclear(f"{what}: status {status}, and no JSON object")
    denied, error = at(document, "authorizationschema"), at(document, "response", "err")
    if status == 401 or denied:
        reason = f"{what}: {at(denied, 'error') or 'not authorized'}"
        expired = signed and at(denied, "code") in (None, 401)
        raise _Expired(reason) if expired else Rejected(reason)
    if status >= 500:
        raise Unclear(f"{what}: status {status}{_told(error)}")
    if status == 404:
        raise _Missing(f"{what}: status {status}{_told(error)}")
    if status not in (200, 201, 204) or at(document, "response", "status") == "fail":
        raise Rejected(f"{what}: status {status}{_told(error)}")
    return document


def _told(error: Any) -> str:
    return f": {at(error, 'msg')} (code {at(error, 'code')})" if error else ""


def _merged(whole: Body, kind: Kind, ours: Body) -> Body:
    """The object with our fields as they should be, and the operator's as they are."""
    for keys in kind.fields:
        put(whole, keys, at(ours, *keys))
    return _pruned({key: value for key, value in whole.items() if key not in objects.DROPPED})


def _pruned(body: Body) -> Body:
    kept = {key: _pruned(value) if isinstance(value, dict) else value for key, value in body.items()}
    return {key: value for key, value in kept.items() if value != {}}


def _url(kind: Kind, path: str) -> str:
    """The URL below /axapi/v3: a slash inside a key is sent as %2F."""
    key = path.removeprefix(kind.path).removeprefix("/")
    return f"/{kind.path}/{_quoted(key)}" if kind.key else f"/{kind.path}"


def _quoted(key: str) -> str:
    return quote(key, safe=":")
