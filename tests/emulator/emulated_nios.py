# Copyright: (c) 2026, ipv4aas.fleet contributors
# GNU General Public License v3.0+ (see COPYING or https://www.gnu.org/licenses/gpl-3.0.txt)
# SPDX-License-Identifier: GPL-3.0-or-later
"""Stands for an Infoblox grid: WAPI over HTTPS with the objects of platform_cases.infoblox_device.

The words of refusals are those of NIOS where public logs show them. What the services run is apart from what
is stored; a restart of the services makes them the same.
"""

from __future__ import annotations

import base64
import copy
import json
from pathlib import Path
from typing import Any
from urllib.parse import parse_qsl

from emulated_rest import RestServer
from platform_cases.infoblox_device import Nios, Refusal

USER, PASSWORD = "ops", "s3cret-of-nios"
_UNAUTHORIZED = "<html><body><h1>401 Authorization Required</h1></body></html>"
_PAGE = 25  # small, so that the operator's networks need several


class EmulatedNios(RestServer):
    """``nios`` holds what is stored, ``running`` what the services run."""

    def __init__(self, host_file: Path) -> None:
        self.nios = Nios()
        self.running = self._snapshot()
        self.restarts: list[Any] = []
        self.cookies: set[str] = set()
        self.logins = 0
        self.pages: dict[str, list[Any]] = {}
        super().__init__(host_file)

    def _snapshot(self) -> Any:
        return copy.deepcopy(list(self.nios.objects.values()))

    def expire(self) -> None:
        """Every cookie is too old now."""
        self.cookies.clear()

    def answer(self, method: str, path: str, headers: Any, body: str) -> tuple[int, str, dict[str, str]]:
        told = {"Content-Type": "application/json"}
        cookie = str(headers.get("Cookie", "")).removeprefix("ibapauth=")
        if cookie not in self.cookies:
            login = base64.b64encode(f"{USER}:{PASSWORD}".encode()).decode()
            if headers.get("Authorization") != f"Basic {login}":
                return 401, _UNAUTHORIZED, {"Content-Type": "text/html"}
            self.logins += 1
            cookie = f"cookie{self.logins}"
            self.cookies.add(cookie)
            told["Set-Cookie"] = f"ibapauth={cookie}; httponly; path=/"
        try:
            status, document = self._answer(
                method, path.removeprefix("/wapi/v2.12/"), json.loads(body) if body else {}, cookie
            )
        except Refusal as refusal:
            status = refusal.status
            name = "AdmConDataNotFoundError" if status == 404 else "AdmConDataError"
            document = {"Error": f"{name}: {refusal.text}", "code": refusal.code, "text": refusal.text}
        return status, json.dumps(document), told

    def _answer(self, method: str, path: str, document: Any, cookie: str) -> tuple[int, Any]:
        what, _question, query = path.partition("?")
        asked = dict(parse_qsl(query))
        if (method, what) == ("POST", "logout"):
            self.cookies.discard(cookie)
            return 200, {}
        if asked.get("_function") == "restartservices":
            self.nios._get(what)
            self.restarts.append(document)
            self.running = self._snapshot()
            return 200, {}
        if method == "GET":
            return 200, self._search(what, asked)
        if method == "POST":
            return 201, self.nios.post(what, document)
        return 200, self.nios.put(what, document) if method == "PUT" else self.nios.delete(what)

    def _search(self, kind: str, asked: dict[str, str]) -> Any:
        if "_page_id" in asked:
            found = self.pages.pop(asked["_page_id"])
        else:
            fields = [name for name in asked.pop("_return_fields", "name").split(",") if name]
            known_by = {name: value for name, value in asked.items() if not name.startswith("_")}
            found = self.nios.search(kind, known_by, fields)
        if "_paging" not in asked and "_page_id" not in asked:
            return found
        rest = found[_PAGE:]
        if not rest:
            return {"result": found}
        page = f"page{len(self.requests)}"
        self.pages[page] = rest
        return {"result": found[:_PAGE], "next_page_id": page}
