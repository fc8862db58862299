# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Infoblox's WAPI: references that a search finds, lists that are written as a whole, services to restart.

As the WAPI documentation has it: HTTP basic authentication once, then the cookie ``ibapauth``; a fault is a
document with ``text``; a PUT changes the fields that it names; a search is read page by page. The restart is
that of Infoblox-PS/ibx-nios-sdk.
"""

from __future__ import annotations

import json
from base64 import b64encode
from collections.abc import Mapping
from typing import Any
from urllib.parse import urlencode

from ..platforms.infoblox import objects
from ..platforms.infoblox.objects import Kind
from ..platforms.naming import is_ours
from ..platforms.objects import Body, Edit, Objects, write
from .rest import NotLetIn, Rejected, Unclear, request
from .target import Target

_COOKIE = "ibapauth"
_PAGE = 1000


class Wapi:
    """A rest.Api. ``wapi_version`` is the one of the URLs, such as v2.12."""

    title = "WAPI"
    unsaved = "not active before the services restart"

    def __init__(self, target: Target, *, wapi_version: str = "v2.12") -> None:
        self.target = target
        self._base = f"/wapi/{wapi_version}"
        self._cookie = ""
        self._touched: set[str] = set()

    def open(self) -> None:
        self._grid()

    def close(self) -> None:
        if self._cookie:
            try:
                self._ask("POST", "logout")
            finally:
                self._cookie = ""

    def read(self) -> str:
        found: Objects = {}
        for kind in objects.KINDS:
            for body in self._search(kind, {}):
                del body["_ref"]
                found[objects.path_of(kind, body)] = body
        return write(found)

    def part(self, path: str) -> Body | None:
        kind = objects.kind_of(path)
        body = self._find(kind, path)
        return objects.part(kind, body) or None if body else None

    def make(self, edit: Edit) -> None:
        kind = objects.kind_of(edit.path)
        self._touched.add(kind.service)
        found = self._find(kind, edit.path)
        if found is None:
            self._ask("POST", kind.type, edit.after)
        elif edit.after is None and not kind.shared:
            self._ask("DELETE", found["_ref"])
        else:
            self._ask("PUT", found["_ref"], _shared(kind, found, edit) if kind.shared else _changed(edit))

    def save(self) -> None:
        order = {"restart_option": "RESTART_IF_NEEDED", "services": sorted(self._touched)}
        self._ask("POST", f"{self._grid()}?_function=restartservices", order)

    def _grid(self) -> str:
        found = self._ask("GET", "grid")
        if not isinstance(found, list) or len(found) != 1:
            raise Unclear("GET grid: not one grid")
        return str(found[0].get("_ref"))

    def _find(self, kind: Kind, path: str) -> Body | None:
        """The object at a path. Raises Rejected where one of the operator's is missing, or not ready."""
        found = self._search(kind, objects.key_of(kind, path))
        if len(found) > 1:
            raise Rejected(f"{path}: there are {len(found)} of them")
        if kind.shared:
            if not found:
                raise Rejected(f"{path}: does not exist")
            off = [flag for flag in kind.switch if not found[0].get(flag)]
            if off:
                raise Rejected(f"{path}: {', '.join(off)} is off, so that its {kind.shared} are not in use")
        return found[0] if found else None

    def _search(self, kind: Kind, known_by: Mapping[str, str]) -> list[Body]:
        found: list[Body] = []
        order: dict[str, Any] = {
            **known_by,
            "_return_fields": ",".join(kind.fields),
            "_return_as_object": 1,
            "_paging": 1,
            "_max_results": _PAGE,
        }
        while True:
            page = self._ask("GET", f"{kind.type}?{urlencode(order)}")
            if not isinstance(page, dict) or "result" not in page:
                raise Unclear(f"GET {kind.type}: no page of a search")
            found += page["result"]
            if "next_page_id" not in page:
                return found
            order = {"_page_id": page["next_page_id"]}

    def _ask(self, method: str, what: str, document: Body | None = None) -> Any:
        """The answer; a request that comes after the cookie's time is sent again with the password."""
        status, text = self._send(method, what, document)
        if status == 401 and self._cookie:
            self._cookie = ""
            status, text = self._send(method, what, document)
        return _answer(f"{method} {what.partition('?')[0]}", status, text)

    def _send(self, method: str, what: str, document: Body | None) -> tuple[int, str]:
        headers = {"Content-Type": "application/json"}
        if self._cookie:
            headers["Cookie"] = f"{_COOKIE}={self._cookie}"
        else:
            login = f"{self.target.username}:{self.target.password or ''}".encode()
            headers["Authorization"] = f"Basic {b64encode(login).decode()}"
        body = None if document is None else json.dumps(document)
        status, text, told = request(self.target, method, f"{self._base}/{what}", headers, body)
        for cookie in told.get_all("Set-Cookie", []):
            name, _equals, value = cookie.partition(";")[0].partition("=")
            if name == _COOKIE:
                self._cookie = value
        return status, text


def _answer(what: str, status: int, text: str) -> Any:
    """The document of an answer. Raises Rejected for a refusal, Unclear for what is none."""
    if status == 401:
        raise NotLetIn(f"{what}: wrong user name or password")
    try:
        document = json.loads(text) if text.strip() else {}
    except ValueError as error:
        raise Unclear(f"{what}: status {status}, and no JSON") from error
    told = document.get("text") or document.get("Error") if isinstance(document, dict) else None
    reason = f"{what}: status {status}{f': {told}' if told else ''}"
    if status >= 500:
        raise Unclear(reason)
    if status not in (200, 201):
        raise Rejected(reason)
    return document


def _shared(kind: Kind, found: Body, edit: Edit) -> Body:
    """The list with the operator's entries as they are and ours behind them."""
    theirs = [entry for entry in found.get(kind.shared, ()) if not is_ours(objects.entry_name(entry))]
    return {kind.shared: theirs + (edit.after or {}).get(kind.shared, [])}


def _changed(edit: Edit) -> Body:
    """The fields that differ; one that is not wanted any more gets what stands for nothing."""
    before, after = edit.before or {}, edit.after or {}
    emptied = {key: type(value)() for key, value in before.items() if key not in after}
    return emptied | {key: value for key, value in after.items() if before.get(key) != value}
